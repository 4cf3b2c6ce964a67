//! The strip of days.

use jiff::ToSpan;
use jiff::civil::{Date, date};
use proptest::prelude::*;
use vigie_charts::{Adherence, AdherenceDay, DayState, Locale, adherence, adherence_summary};

use crate::support::{assert_sound, is_written, parts, texts};

fn counted(expected: u32, received: u32) -> DayState {
    DayState::Counted { expected, received }
}

fn strip(locale: Locale, first: Date, states: Vec<DayState>) -> Adherence {
    let days = states.into_iter().zip(0..).map(|(state, i)| AdherenceDay { date: first + i.days(), state });
    Adherence {
        id: "adherence".into(),
        name: locale.pick("Poids attendus et reçus", "Weights expected and received").into(),
        days: days.collect(),
        locale,
        width: 460,
    }
}

fn week(locale: Locale) -> Adherence {
    let states = vec![
        counted(4, 4),
        counted(4, 5),
        counted(4, 1),
        counted(4, 0),
        DayState::Paused,
        counted(0, 2),
        DayState::Outside,
    ];
    strip(locale, date(2026, 11, 16), states)
}

fn print(strip: &Adherence) -> String {
    let svg = adherence(strip);
    assert_sound(&svg, &adherence_summary(strip));
    assert_eq!(svg, adherence(strip), "the same every time");
    svg
}

#[test]
fn each_day_has_its_letter_a_symbol_of_its_own_and_its_count() {
    for (locale, letters) in [(Locale::Fr, "LMMJVSD"), (Locale::En, "MTWTFSS")] {
        let svg = print(&week(locale));
        let document = roxmltree::Document::parse(&svg).unwrap();
        let weekdays: String = document
            .descendants()
            .filter(|node| node.attribute("data-part") == Some("weekday"))
            .filter_map(|node| node.text())
            .collect();
        assert_eq!(weekdays, letters);
        // Each symbol once more in the legend, with its word.
        let counts =
            ["complete", "partial", "none", "paused", "outside"].map(|part| parts(&svg, part, "d").len());
        assert_eq!(counts, [3, 2, 2, 2, 3]);
        assert!(
            ["4/4", "5/4", "1/4", "0/4", "0/2"].iter().filter(|count| is_written(&svg, count)).count() == 4
        );
    }
    assert!(texts(&print(&week(Locale::Fr))).contains(&"rien reçu".to_owned()));
}

#[test]
fn the_summary_counts_no_more_than_was_expected_of_a_day() {
    assert_eq!(
        adherence_summary(&week(Locale::En)).replace('\u{a0}', " "),
        "Weights expected and received, 16 Nov 2026 to 22 Nov 2026: 9 of 16 expected measurements received. \
         Days: complete 2, partial 1, nothing received 1, paused 1, not expected 2."
    );
    assert_eq!(
        adherence_summary(&week(Locale::Fr)).replace('\u{a0}', " "),
        "Poids attendus et reçus, du 16 nov. 2026 au 22 nov. 2026\u{202f}: mesures reçues 9 sur 16 attendues. \
         Jours\u{202f}: complet 2, partiel 1, rien reçu 1, pause 1, non attendu 2."
    );
}

#[test]
fn four_weeks_wrap_at_whole_weeks() {
    let svg = print(&strip(Locale::Fr, date(2026, 10, 26), vec![counted(1, 1); 28]));
    let document = roxmltree::Document::parse(&svg).unwrap();
    let rows: std::collections::BTreeMap<String, usize> = document
        .descendants()
        .filter(|node| node.attribute("data-part") == Some("weekday"))
        .fold(Default::default(), |mut rows, node| {
            *rows.entry(node.attribute("y").unwrap().to_owned()).or_default() += 1;
            rows
        });
    assert_eq!(rows.values().copied().collect::<Vec<_>>(), [7, 7, 7, 7]);
}

#[test]
fn no_days_are_insufficient_data() {
    assert!(is_written(&print(&strip(Locale::En, date(2026, 11, 16), Vec::new())), "insufficient data"));
}

proptest! {
    #[test]
    fn whatever_it_is_given_the_picture_is_sound(
        states in proptest::collection::vec(
            prop_oneof![
                (any::<u32>(), any::<u32>()).prop_map(|(expected, received)| counted(expected, received)),
                Just(DayState::Paused), Just(DayState::Outside),
            ], 0..80),
        year in -9998i16..9998, width in any::<u32>(), name in any::<String>(),
    ) {
        print(&Adherence { name, width, ..strip(Locale::Fr, date(year, 2, 28), states) });
    }
}
