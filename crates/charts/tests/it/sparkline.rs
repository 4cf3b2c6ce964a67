//! The line in a row of a table.

use jiff::SignedDuration;
use proptest::prelude::*;
use vigie_charts::{Locale, Size, Sparkline, sparkline, sparkline_summary};

use crate::support::{any_decimal, any_time, assert_sound, at, number, parts, texts};

fn line(locale: Locale) -> Sparkline {
    Sparkline {
        id: "row-1".into(),
        name: locale.pick("Poids", "Weight").into(),
        unit: "kg".into(),
        from: at("2026-11-08T23:00:00Z"),
        until: at("2026-11-22T23:00:00Z"),
        points: [
            ("2026-11-09T07:00:00Z", "81.2"),
            ("2026-11-10T07:00:00Z", "81.4"),
            ("2026-11-14T07:00:00Z", "82.9"),
        ]
        .map(|(when, value)| (at(when), number(value)))
        .to_vec(),
        join_within: SignedDuration::from_hours(36),
        limit: Some(number("82.5")),
        locale,
        size: Size { width: 90, height: 18 },
    }
}

fn print(line: &Sparkline) -> String {
    let svg = sparkline(line);
    assert_sound(&svg, &sparkline_summary(line));
    assert_eq!(svg, sparkline(line), "the same every time");
    svg
}

#[test]
fn it_has_its_gap_its_limit_its_last_value_and_no_text_but_its_description() {
    let svg = print(&line(Locale::Fr));
    assert_eq!(parts(&svg, "line", "d").len(), 2);
    assert_eq!((parts(&svg, "limit", "y1").len(), parts(&svg, "dot", "cx").len()), (1, 1));
    assert!(texts(&svg).is_empty());
    assert_eq!(
        sparkline_summary(&line(Locale::Fr)),
        "Poids\u{202f}: 3 mesures, dernière 82,9\u{a0}kg ; minimum 81,2, maximum 82,9 ; limite 82,5."
    );
    assert_eq!(
        sparkline_summary(&line(Locale::En)),
        "Weight: 3 measurements, last 82.9\u{a0}kg; lowest 81.2, highest 82.9; limit 82.5."
    );
}

#[test]
fn without_a_value_it_is_a_dash_that_says_insufficient_data() {
    let empty = Sparkline { points: Vec::new(), ..line(Locale::En) };
    let svg = print(&empty);
    assert!(parts(&svg, "line", "d").is_empty() && parts(&svg, "limit", "y1").is_empty());
    assert_eq!(sparkline_summary(&empty), "Weight: insufficient data.");
}

proptest! {
    #[test]
    fn whatever_it_is_given_the_picture_is_sound(
        mut points in proptest::collection::vec((any_time(), any_decimal()), 0..30), from in any_time(),
        until in any_time(), width in any::<u32>(), height in any::<u32>(), unit in any::<String>(),
    ) {
        points.sort();
        print(&Sparkline { points, from, until, unit, size: Size { width, height }, ..line(Locale::Fr) });
    }
}
