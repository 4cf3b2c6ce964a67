//! Alerts in lanes.

use proptest::prelude::*;
use vigie_charts::{
    Chart, Lane, LaneMark, Lanes, Layers, Locale, Severity, Size, Style, draw_with, lanes, lanes_summary,
};

use crate::support::{any_time, assert_sound, at, is_written, paris, parts, x_of};

fn mark(severity: Severity, happened: &str, resolved: Option<&str>) -> LaneMark {
    LaneMark { severity, happened_at: at(happened), resolved_at: resolved.map(at), label: "<why>".into() }
}

fn week(locale: Locale, lanes: Vec<Lane>) -> Lanes {
    Lanes {
        id: "alerts".into(),
        name: locale.pick("Alertes", "Alerts").into(),
        from: at("2026-10-18T22:00:00Z"),
        until: at("2026-10-25T23:00:00Z"),
        lanes,
        locale,
        zone: paris(),
        width: 640,
    }
}

fn two(locale: Locale) -> Lanes {
    let low = vec![
        mark(Severity::High, "2026-10-20T22:00:00Z", Some("2026-10-21T22:00:00Z")),
        mark(Severity::Medium, "2026-10-24T22:00:00Z", None),
    ];
    let silent = vec![
        mark(Severity::Technical, "2026-10-10T22:00:00Z", Some("2026-10-19T22:00:00Z")),
        mark(Severity::Low, "2026-10-01T22:00:00Z", Some("2026-10-02T22:00:00Z")),
        mark(Severity::Low, "2026-10-22T22:00:00Z", Some("2026-10-28T22:00:00Z")),
    ];
    week(
        locale,
        vec![
            Lane { label: "Glucose < 54".into(), marks: low },
            Lane { label: "Silence".into(), marks: silent },
        ],
    )
}

fn print(of: &Lanes) -> String {
    let svg = lanes(of);
    assert_sound(&svg, &lanes_summary(of));
    assert_eq!(svg, lanes(of), "the same every time");
    svg
}

#[test]
fn an_alert_reaches_from_when_it_happened_to_when_it_was_resolved() {
    let svg = print(&two(Locale::En));
    let number = |values: &[String], i: usize| values[i].parse::<f64>().unwrap();
    let (starts, ends) = (parts(&svg, "bar", "x1"), parts(&svg, "bar", "x2"));
    assert_eq!(starts.len(), 4, "what was over before the week is not there");
    // The week has 169 hours; the plot is 532 wide and begins at 50.
    assert!((number(&starts, 0) - (50.0 + 532.0 * 48.0 / 169.0)).abs() < 0.1);
    assert!((number(&ends, 0) - (50.0 + 532.0 * 72.0 / 169.0)).abs() < 0.1);
    assert!((number(&ends, 1) - 582.0).abs() < 0.1, "open");
    assert!((number(&starts, 2) - 50.0).abs() < 0.1, "older than the week");
    assert_eq!(
        (parts(&svg, "open", "d").len(), parts(&svg, "open-end", "d").len(), parts(&svg, "older", "d").len()),
        (2, 2, 1)
    );
}

#[test]
fn priorities_differ_in_shape_and_are_named() {
    for (locale, words) in [
        (Locale::Fr, ["priorité haute", "priorité moyenne", "priorité basse", "technique", "en cours"]),
        (Locale::En, ["high priority", "medium priority", "low priority", "technical", "open"]),
    ] {
        let svg = print(&two(locale));
        for words in words.into_iter().chain(["Glucose < 54", "Silence"]) {
            assert!(is_written(&svg, words), "{words} in {svg}");
        }
    }
    let shape =
        |d: &String| d.split_once('l').or(d.split_once('a')).or(d.split_once('h')).unwrap().1.to_owned();
    let svg = print(&two(Locale::En));
    let shapes: std::collections::BTreeSet<String> =
        parts(&svg, "alert-shape", "d").iter().map(shape).collect();
    assert_eq!(shapes.len(), 4);
}

#[test]
fn the_time_axis_is_that_of_the_chart_above() {
    let of = two(Locale::Fr);
    let chart = Chart {
        id: "c".into(),
        name: "c".into(),
        unit: String::new(),
        from: of.from,
        until: of.until,
        series: Vec::new(),
        limits: Vec::new(),
        band: None,
        alerts: Vec::new(),
        join_within: None,
        locale: of.locale,
        zone: of.zone.clone(),
        size: Size { width: of.width, height: 200 },
    };
    let (above, below) = (draw_with(&chart, &Layers::default(), Style::Print), print(&of));
    for day in ["lun.\u{a0}19\u{a0}oct.", "dim.\u{a0}25\u{a0}oct."] {
        assert!((x_of(&above, day) - x_of(&below, day)).abs() < 0.01);
    }
}

#[test]
fn the_summary_counts_by_rule_and_no_alert_is_said() {
    assert_eq!(
        lanes_summary(&two(Locale::En)).replace('\u{a0}', " "),
        "Alerts, 19 Oct 2026 to 25 Oct 2026: Glucose < 54: 2 alerts, 1 open; Silence: 2 alerts, 1 open."
    );
    let none = week(Locale::Fr, Vec::new());
    assert!(is_written(&print(&none), "Aucune alerte sur la période"));
    assert!(lanes_summary(&none).ends_with("aucune alerte."));
}

proptest! {
    #[test]
    fn whatever_it_is_given_the_picture_is_sound(
        from in any_time(), until in any_time(), label in any::<String>(), width in any::<u32>(),
        marks in proptest::collection::vec((any_time(), proptest::option::of(any_time()), 0usize..4), 0..20),
        count in 0usize..80,
    ) {
        let severities = [Severity::Technical, Severity::Low, Severity::Medium, Severity::High];
        let marks: Vec<LaneMark> = marks.into_iter().map(|(happened_at, resolved_at, severity)| LaneMark {
            severity: severities[severity], happened_at, resolved_at, label: label.clone(),
        }).collect();
        print(&Lanes { from, until, width, ..week(Locale::En, vec![Lane { label, marks }; count]) });
    }
}
