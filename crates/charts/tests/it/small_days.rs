//! A week as seven small curves.

use jiff::SignedDuration;
use jiff::civil::date;
use proptest::prelude::*;
use vigie_charts::{Band, Datum, DayFigures, Locale, Point, Size, SmallDays, small_days, small_days_summary};

use crate::support::{any_datum, any_time, assert_sound, at, is_written, number, paris, parts, point, x_of};

fn week(locale: Locale, series: Vec<Point>) -> SmallDays {
    let mut figures = [DayFigures::default(); 7];
    figures[0] = DayFigures { in_range: Some(71.52), readings: 276 };
    SmallDays {
        id: "days".into(),
        name: locale.pick("Glycémie par jour", "Glucose by day").into(),
        unit: "mg/dL".into(),
        first: date(2026, 10, 19),
        figures,
        series,
        band: Some(Band { low: number("70"), high: number("180") }),
        join_within: Some(SignedDuration::from_mins(20)),
        locale,
        zone: paris(),
        size: Size { width: 640, height: 150 },
    }
}

fn print(week: &SmallDays) -> String {
    let svg = small_days(week);
    assert_sound(&svg, &small_days_summary(week));
    assert_eq!(svg, small_days(week), "the same every time");
    svg
}

fn hours(from: &str, count: i64) -> Vec<Point> {
    let from = at(from);
    (0..count)
        .map(|i| {
            let at = from + SignedDuration::from_hours(i);
            Point { at, received_at: at, value: Datum::Exact(number("120")) }
        })
        .collect()
}

#[test]
fn each_day_has_its_name_its_share_in_range_and_its_count() {
    let svg = print(&week(Locale::Fr, hours("2026-10-18T22:00:00Z", 100)));
    for words in [
        "lun.\u{a0}19\u{a0}oct.",
        "dim.\u{a0}25\u{a0}oct.",
        "cible 71,5\u{202f}%",
        "n\u{a0}=\u{a0}276",
        "aucune mesure",
    ] {
        assert!(is_written(&svg, words), "{words} in {svg}");
    }
    assert!(is_written(&print(&week(Locale::En, Vec::new())), "Mon\u{a0}19\u{a0}Oct"));
    let summary =
        small_days_summary(&week(Locale::En, hours("2026-10-18T22:00:00Z", 1))).replace('\u{a0}', " ");
    assert!(
        summary
            .starts_with("Glucose by day: Mon 19 Oct 276 readings, 71.5% in range; Tue 20 Oct 0 readings;")
    );
    assert_eq!(small_days_summary(&week(Locale::En, Vec::new())), "Glucose by day: insufficient data.");
}

#[test]
fn a_gap_is_a_gap_and_midnight_parts_two_curves() {
    let mut week = week(Locale::En, hours("2026-10-18T22:00:00Z", 48));
    week.join_within = Some(SignedDuration::from_hours(1));
    assert_eq!(parts(&print(&week), "line", "d").len(), 2, "Monday and Tuesday");
    week.series.remove(12);
    assert_eq!(parts(&print(&week), "line", "d").len(), 3, "Monday in two");
    week.series[4].value = Datum::Above(None);
    let svg = print(&week);
    assert_eq!((parts(&svg, "line", "d").len(), parts(&svg, "beyond", "d").len()), (4, 1));
}

#[test]
fn capillary_readings_are_dots_and_no_lines() {
    let mut week = week(Locale::En, hours("2026-10-18T22:00:00Z", 5));
    week.join_within = None;
    week.series[1].received_at = week.series[1].at + SignedDuration::from_hours(5);
    let svg = print(&week);
    assert!(parts(&svg, "line", "d").is_empty());
    assert_eq!((parts(&svg, "dot", "cx").len(), parts(&svg, "late", "cx").len()), (5, 1));
}

#[test]
fn noon_lies_where_it_was_on_a_day_of_25_hours_and_on_one_of_23() {
    let panel = (640.0 - 34.0 - 2.0) / 7.0;
    let left = 34.0 + 6.0 * panel;
    for (first, noon, evening, hours) in [
        (date(2026, 10, 19), 13.0, "2026-10-25T17:00:00Z", 25.0),
        (date(2026, 3, 23), 11.0, "2026-03-29T16:00:00Z", 23.0),
    ] {
        let mut week = week(Locale::En, vec![point(evening, "120")]);
        (week.first, week.join_within) = (first, None);
        let svg = print(&week);
        let document = roxmltree::Document::parse(&svg).unwrap();
        let noons: Vec<f64> = document
            .descendants()
            .filter(|node| node.text() == Some("12:00") && node.is_element())
            .map(|node| node.attribute("x").unwrap().parse().unwrap())
            .collect();
        assert!((noons[6] - (left + (panel - 5.0) * noon / hours)).abs() < 0.1, "{noons:?}");
        assert!((noons[5] - (left - panel + (panel - 5.0) / 2.0)).abs() < 0.1, "{noons:?}");
        // 18:00 by the clock is the 19th hour in autumn and the 17th in spring.
        let x: f64 = parts(&svg, "dot", "cx")[0].parse().unwrap();
        assert!((x - (left + (panel - 5.0) * (noon + 6.0) / hours)).abs() < 0.1, "{x}");
    }
    assert!(x_of(&print(&week(Locale::Fr, Vec::new())), "lun.\u{a0}19\u{a0}oct.") > 34.0);
}

proptest! {
    #[test]
    fn whatever_it_is_given_the_picture_is_sound(
        points in proptest::collection::vec((any_time(), any_datum()), 0..60), near in any::<bool>(),
        share in proptest::option::of(any::<f64>()), readings in any::<u32>(), join in any::<bool>(),
        year in -9999i16..=9999, width in any::<u32>(), height in any::<u32>(),
    ) {
        let start = at("2026-10-18T22:00:00Z");
        let mut series: Vec<Point> = points.into_iter().enumerate().map(|(i, (at, value))| {
            let at = if near { start + SignedDuration::from_mins(40 * i as i64) } else { at };
            Point { at, received_at: at, value }
        }).collect();
        series.sort_by_key(|point| point.at);
        let mut week = week(Locale::Fr, series);
        week.figures = [DayFigures { in_range: share, readings }; 7];
        (week.size, week.first) = (Size { width, height }, if near { week.first } else { date(year, 12, 28) });
        if !join { week.join_within = None; }
        print(&week);
    }
}
