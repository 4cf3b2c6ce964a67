//! Charts over time with layers: INR, weight, pressure, and vital signs with the median of each day.

use jiff::SignedDuration;
use jiff::civil::time;
use vigie_charts::{
    Band, BandStep, Chart, Datum, Layers, LimitStep, Locale, Pause, Point, Reference, Size, Style, Trend,
    draw_with, summary_with,
};

use crate::support::{assert_sound, at, is_written, number, paris, parts, point, x_of};

fn week(locale: Locale, name: &str, unit: &str, series: Vec<Point>) -> Chart {
    Chart {
        id: "vital".into(),
        name: name.into(),
        unit: unit.into(),
        from: at("2026-11-15T23:00:00Z"),
        until: at("2026-11-22T23:00:00Z"),
        series,
        limits: Vec::new(),
        band: None,
        alerts: Vec::new(),
        join_within: None,
        locale,
        zone: paris(),
        size: Size { width: 640, height: 220 },
    }
}

fn print(chart: &Chart, layers: &Layers) -> String {
    let svg = draw_with(chart, layers, Style::Print);
    assert_sound(&svg, &summary_with(chart, layers));
    assert_eq!(svg, draw_with(chart, layers, Style::Print), "the same every time");
    svg
}

fn inr(locale: Locale) -> (Chart, Layers) {
    let mut chart = week(
        locale,
        "INR",
        "",
        vec![
            point("2026-08-03T08:00:00Z", "2.4"),
            point("2026-09-27T08:00:00Z", "3.1"), // 55 days later
            point("2026-11-23T08:00:00Z", "2.6"), // 57 days later
            Point { value: Datum::Above(Some(number("8.0"))), ..point("2026-11-30T08:00:00Z", "1") },
            point("2026-12-02T08:00:00Z", "4.0"),
        ],
    );
    (chart.from, chart.until) = (at("2026-08-01T00:00:00Z"), at("2026-12-06T00:00:00Z"));
    chart.join_within = Some(SignedDuration::from_hours(24 * 56));
    let band = |low, high| Some(Band { low: number(low), high: number(high) });
    let layers = Layers {
        bands: vec![
            BandStep { from: at("2026-01-01T00:00:00Z"), band: band("2.0", "3.0") },
            BandStep { from: at("2026-10-01T00:00:00Z"), band: band("2.5", "3.5") },
        ],
        legend: locale.pick("TTR 61 %", "TTR 61%").into(),
        ..Layers::default()
    };
    (chart, layers)
}

#[test]
fn inr_is_joined_over_55_days_and_not_over_57_nor_past_a_value_beyond_the_range() {
    let (chart, layers) = inr(Locale::Fr);
    let svg = print(&chart, &layers);
    let lines = parts(&svg, "line", "d");
    assert_eq!(lines.len(), 3, "August and September; 23 November; 2 December: {lines:?}");
    assert_eq!(lines.iter().filter(|d| d.contains('L')).count(), 1, "{lines:?}");
    assert_eq!(parts(&svg, "beyond", "d").len(), 2, "the value and its sample in the legend");
    assert!(is_written(&svg, ">\u{202f}8,0"));
}

#[test]
fn the_target_changes_its_height_at_its_date() {
    let (chart, layers) = inr(Locale::Fr);
    let svg = print(&chart, &layers);
    let (x, width, y) = (parts(&svg, "band", "x"), parts(&svg, "band", "width"), parts(&svg, "band", "y"));
    assert_eq!(x.len(), 2);
    assert_ne!(y[0], y[1]);
    assert!(is_written(&svg, "2,0–3,0") && is_written(&svg, "2,5") && is_written(&svg, "3,5"));
    // 61 of 127 days lie before 1 October; the plot is 532 wide and begins at 50.
    let step = 50.0 + 532.0 * 61.0 / 127.0;
    assert!((x[1].parse::<f64>().unwrap() - step).abs() < 0.1, "{x:?}");
    assert!((width[0].parse::<f64>().unwrap() - (step - 50.0)).abs() < 0.1, "{width:?}");
    assert!(
        summary_with(&chart, &layers).ends_with("Cible 2,5–3,5 (2,0–3,0 avant le 1er\u{a0}oct.). TTR 61 %.")
    );
    let (chart, layers) = inr(Locale::En);
    assert!(summary_with(&chart, &layers).ends_with("Target 2.5–3.5 (2.0–3.0 before 1\u{a0}Oct). TTR 61%."));
}

fn weight(locale: Locale) -> (Chart, Layers) {
    let series = vec![point("2026-11-16T07:00:00Z", "81.2"), point("2026-11-17T07:00:00Z", "81.6")];
    let chart = week(locale, locale.pick("Poids", "Weight"), "kg", series);
    let layers = Layers {
        average: Some(Trend {
            name: locale.pick("moyenne sur 7 jours", "7-day average").into(),
            points: [
                ("2026-11-16T07:00:00Z", "80.9"),
                ("2026-11-17T07:00:00Z", "81.0"),
                ("2026-11-20T07:00:00Z", "81.1"),
            ]
            .map(|(when, value)| (at(when), number(value)))
            .to_vec(),
            join_within: SignedDuration::from_hours(36),
        }),
        reference: Some(Reference {
            name: locale.pick("poids sec", "dry weight").into(),
            steps: vec![LimitStep { from: at("2026-01-01T00:00:00Z"), value: Some(number("78.5")) }],
        }),
        pauses: vec![Pause {
            from: at("2026-11-17T23:00:00Z"),
            until: Some(at("2026-11-19T23:00:00Z")),
            label: locale.pick("hôpital", "hospital").into(),
        }],
        ..Layers::default()
    };
    (chart, layers)
}

#[test]
fn weight_has_its_average_with_gaps_its_dry_weight_and_its_pauses() {
    let (chart, layers) = weight(Locale::Fr);
    let svg = print(&chart, &layers);
    // Two stretches; the third path-like element of the part is the sample in the legend.
    assert_eq!(parts(&svg, "average", "d").iter().filter(|d| !d.is_empty()).count(), 2);
    assert_eq!(parts(&svg, "reference", "y1").len(), 2, "the line and its sample");
    // Wednesday and Thursday: days 3 and 4 of 7.
    let (x, width) = (parts(&svg, "pause", "x"), parts(&svg, "pause", "width"));
    assert_eq!((x[0].as_str(), width[0].as_str()), ("202", "152"));
    assert!(
        summary_with(&chart, &layers)
            .replace('\u{a0}', " ")
            .starts_with("Poids, du 16 nov. 2026 au 22 nov. 2026 :")
    );
    assert!(is_written(&svg, "hôpital") && is_written(&svg, "poids sec") && is_written(&svg, "78,5"));
    assert!(summary_with(&chart, &layers).replace('\u{a0}', " ").ends_with(
        "Moyenne sur 7 jours 81,1 kg ; poids sec 78,5 kg. Pause du 18 nov. au 19 nov. (hôpital)."
    ));
}

#[test]
fn morning_and_evening_pressure_differ_in_shape_by_local_time() {
    let pair =
        |when| Point { value: Datum::Range { low: number("76"), high: number("128") }, ..point(when, "1") };
    // 12:30 and 13:30 UTC are 13:30 and 14:30 in Paris.
    let chart = week(
        Locale::En,
        "Blood pressure",
        "mmHg",
        vec![pair("2026-11-16T12:30:00Z"), pair("2026-11-16T13:30:00Z")],
    );
    let layers = Layers { evening_from: Some(time(14, 0, 0, 0)), ..Layers::default() };
    let svg = print(&chart, &layers);
    let document = roxmltree::Document::parse(&svg).unwrap();
    let ends: Vec<Vec<&str>> = document
        .descendants()
        .filter(|node| node.attribute("data-part") == Some("range"))
        .map(|node| node.children().map(|n| n.tag_name().name()).filter(|n| *n != "title").collect())
        .collect();
    assert_eq!(ends, [["line", "circle", "circle"], ["line", "path", "path"]]);
    assert!(is_written(&svg, "morning") && is_written(&svg, "evening"));
    assert!(summary_with(&chart, &layers).ends_with("1 in the morning, 1 in the evening."));
}

#[test]
fn each_local_day_has_a_tick_at_its_median_unless_that_lies_beyond_the_range() {
    let series = vec![
        // 23:30 UTC on the 16th is already the 17th in Paris.
        point("2026-11-16T08:00:00Z", "95"),
        point("2026-11-16T23:30:00Z", "91"),
        point("2026-11-17T08:00:00Z", "93"),
        point("2026-11-17T20:00:00Z", "98"),
        Point { value: Datum::Below(None), ..point("2026-11-18T08:00:00Z", "1") },
    ];
    let chart = week(Locale::En, "SpO2", "%", series);
    let layers = Layers { daily_medians: true, ..Layers::default() };
    let svg = print(&chart, &layers);
    let ticks = parts(&svg, "median", "y1");
    assert_eq!(ticks.len(), 3, "16 and 17 November, and the sample in the legend: {ticks:?}");
    let dots: Vec<f64> = parts(&svg, "dot", "cy").iter().map(|y| y.parse().unwrap()).collect();
    assert!((ticks[0].parse::<f64>().unwrap() - dots[0]).abs() < 0.11, "95 is its own median");
    assert!((ticks[1].parse::<f64>().unwrap() - dots[2]).abs() < 0.11, "93 is that of 91, 93 and 98");
}

#[test]
fn a_week_has_a_tick_at_each_local_midnight_of_23_24_or_25_hours() {
    // 25 October 2026 has 25 hours in Paris, 29 March 2026 has 23.
    for (from, until, hours, monday, sunday) in [
        (
            "2026-10-18T22:00:00Z",
            "2026-10-25T23:00:00Z",
            169.0,
            "Mon\u{a0}19\u{a0}Oct",
            "Sun\u{a0}25\u{a0}Oct",
        ),
        (
            "2026-03-22T23:00:00Z",
            "2026-03-29T22:00:00Z",
            167.0,
            "Mon\u{a0}23\u{a0}Mar",
            "Sun\u{a0}29\u{a0}Mar",
        ),
    ] {
        let mut chart = week(Locale::En, "Pulse", "/min", vec![]);
        (chart.from, chart.until) = (at(from), at(until));
        let svg = print(&chart, &Layers::default());
        assert!((x_of(&svg, monday) - 50.0).abs() < 0.1);
        assert!((x_of(&svg, sunday) - (50.0 + 532.0 * 144.0 / hours)).abs() < 0.1);
    }
}

#[test]
fn an_empty_week_says_insufficient_data_in_print() {
    for (locale, words) in [(Locale::Fr, "Données insuffisantes"), (Locale::En, "Insufficient data")] {
        let svg = print(&week(locale, "INR", "", vec![]), &Layers::default());
        assert!(svg.contains(words));
    }
}
