//! Charts over time.

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use rust_decimal::Decimal;
use vigie_charts::{
    Band, BandStep, Chart, Datum, Layers, Limit, LimitStep, Locale, Marker, Pause, Point, Reference,
    Severity, Side, Size, Style, Trend, draw, draw_with, summary,
};

use crate::support::{any_datum, any_decimal, any_time, at, number, point};

fn glucose(locale: Locale) -> Chart {
    Chart {
        id: "glucose".into(),
        name: locale.pick("Glycémie", "Glucose").into(),
        unit: "g/L".into(),
        from: at("2026-11-08T08:00:00Z"),
        until: at("2026-11-22T08:00:00Z"),
        series: vec![
            point("2026-11-10T07:00:00Z", "1.10"),
            point("2026-11-10T12:00:00Z", "1.42"),
            Point { received_at: at("2026-11-22T07:05:00Z"), ..point("2026-11-20T01:10:00Z", "0.52") },
            Point { value: Datum::Above(None), ..point("2026-11-21T18:00:00Z", "1") },
            point("2026-11-22T06:00:00Z", "1.12"),
        ],
        limits: vec![Limit {
            side: Side::Low,
            severity: Severity::High,
            steps: vec![
                LimitStep { from: at("2026-01-01T00:00:00Z"), value: Some(number("0.70")) },
                LimitStep { from: at("2026-11-15T08:00:00Z"), value: Some(number("0.54")) },
            ],
        }],
        band: Some(Band { low: number("0.70"), high: number("1.80") }),
        alerts: vec![Marker {
            at: at("2026-11-20T01:10:00Z"),
            severity: Severity::High,
            label: "Glycémie 0,52 g/L <script>".into(),
        }],
        join_within: Some(SignedDuration::from_hours(8)),
        locale,
        zone: TimeZone::get("Europe/Paris").unwrap(),
        size: Size { width: 720, height: 220 },
    }
}

fn paths(svg: &str, class: &str) -> Vec<String> {
    roxmltree::Document::parse(svg)
        .unwrap()
        .descendants()
        .filter(|node| node.attribute("class").is_some_and(|c| c.split(' ').any(|c| c == class)))
        .filter_map(|node| node.attribute("d").map(str::to_owned))
        .collect()
}

fn count(svg: &str, class: &str) -> usize {
    let document = roxmltree::Document::parse(svg).unwrap();
    document
        .descendants()
        .filter(|node| node.attribute("class").is_some_and(|c| c.split(' ').any(|c| c == class)))
        .count()
}

#[test]
fn the_picture_has_a_name_and_says_in_words_what_it_shows() {
    let svg = draw(&glucose(Locale::Fr));
    let document = roxmltree::Document::parse(&svg).unwrap();
    let root = document.root_element();
    assert_eq!(root.attribute("role"), Some("img"));
    assert_eq!(root.attribute("aria-labelledby"), Some("glucose-title glucose-desc"));
    let desc = root
        .children()
        .find(|node| node.has_tag_name("desc"))
        .or_else(|| root.children().find(|node| node.tag_name().name() == "desc"));
    assert_eq!(desc.unwrap().text().unwrap(), summary(&glucose(Locale::Fr)));
}

#[test]
fn the_summary_is_computed_in_french() {
    assert_eq!(
        summary(&glucose(Locale::Fr)).replace('\u{a0}', " "),
        "Glycémie, du 8 nov. 2026 au 22 nov. 2026 : 5 mesures, dernière 1,12 g/L le 22 nov. à 07:00 ; \
         minimum 0,52, maximum 1,42. 1 mesure arrivée plus d’une heure après. Limite basse 0,54 \
         (0,70 avant le 15 nov.). 1 alerte."
    );
}

#[test]
fn the_summary_is_computed_in_english() {
    assert_eq!(
        summary(&glucose(Locale::En)).replace('\u{a0}', " "),
        "Glucose, 8 Nov 2026 to 22 Nov 2026: 5 measurements, last 1.12 g/L on 22 Nov at 07:00; \
         lowest 0.52, highest 1.42. 1 arrived more than an hour late. Lower limit 0.54 (0.70 before 15 Nov). 1 alert."
    );
}

#[test]
fn missing_data_are_a_gap_and_not_a_line_across_it() {
    // 10 November is one segment, then the night of the 20th and the morning of the 22nd stand alone.
    assert_eq!(paths(&draw(&glucose(Locale::Fr)), "line").len(), 3);
}

#[test]
fn a_limit_is_drawn_at_the_value_that_was_in_force() {
    let limits = paths(&draw(&glucose(Locale::Fr)), "limit");
    assert_eq!(limits.len(), 1);
    let levels: std::collections::BTreeSet<&str> =
        limits[0].split(['M', 'L']).filter_map(|pair| pair.split(' ').nth(1)).collect();
    assert_eq!(levels.len(), 2, "two values, so two heights: {}", limits[0]);
}

#[test]
fn a_late_reading_is_told_apart_and_a_value_beyond_the_range_is_an_arrow() {
    let svg = draw(&glucose(Locale::Fr));
    assert_eq!(count(&svg, "late"), 1);
    assert_eq!(count(&svg, "beyond"), 1);
}

#[test]
fn names_and_sentences_are_escaped() {
    let svg = draw(&glucose(Locale::Fr));
    assert!(!svg.contains("<script>") && svg.contains("&lt;script&gt;"));
}

#[test]
fn blood_pressure_is_a_bar_from_diastolic_to_systolic() {
    let mut chart = glucose(Locale::En);
    chart.series = vec![Point {
        value: Datum::Range { low: number("76"), high: number("128") },
        ..point("2026-11-10T07:00:00Z", "1")
    }];
    chart.unit = "mmHg".into();
    assert_eq!(count(&draw(&chart), "range"), 1);
    assert!(summary(&chart).contains("last 128/76\u{a0}mmHg"));
}

#[test]
fn in_print_every_shape_and_text_carries_its_own_looks() {
    let svg = draw_with(&glucose(Locale::Fr), &Layers::default(), Style::Print);
    assert!(!svg.contains("class=") && !svg.contains("currentColor") && !svg.contains("var("), "{svg}");
    let document = roxmltree::Document::parse(&svg).unwrap();
    assert_eq!(document.root_element().attribute("width"), Some("720"));
    for node in document.descendants().filter(|n| matches!(n.tag_name().name(), "path" | "circle" | "line")) {
        assert!(node.attribute("stroke").or(node.attribute("fill")).is_some(), "{node:?}");
    }
}

#[test]
fn in_print_a_former_limit_keeps_its_value_beside_its_line() {
    let svg = draw_with(&glucose(Locale::Fr), &Layers::default(), Style::Print);
    assert!(svg.contains("&lt; 0,70</text>") && svg.contains("&lt; 0,54</text>"), "{svg}");
}

#[test]
fn in_print_a_value_beyond_the_range_says_so_beside_its_arrow() {
    assert!(draw_with(&glucose(Locale::Fr), &Layers::default(), Style::Print).contains(">HI</text>"));
}

#[test]
fn a_year_of_five_minute_values_is_reduced_to_what_the_pixels_can_show() {
    let mut chart = glucose(Locale::Fr);
    chart.until = at("2026-11-22T08:00:00Z");
    chart.from = at("2025-11-22T08:00:00Z");
    chart.series = (0..105_120)
        .map(|i| {
            let when = chart.from + SignedDuration::from_mins(5 * i);
            Point { at: when, received_at: when, value: Datum::Exact(Decimal::new(100 + (i * 37) % 150, 2)) }
        })
        .collect();
    let svg = draw(&chart);
    assert!(svg.len() < 60_000, "{} bytes", svg.len());
}

#[test]
fn an_empty_period_says_so() {
    let mut chart = glucose(Locale::En);
    chart.series.clear();
    assert!(draw(&chart).contains("No measurement in this period"));
    assert!(summary(&chart).contains("no measurement."));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn whatever_it_is_given_the_picture_is_valid_xml(
        name in any::<String>(), unit in any::<String>(), label in any::<String>(),
        from in any_time(), until in any_time(),
        points in proptest::collection::vec((any_time(), any_time(), any_datum()), 0..40),
        steps in proptest::collection::vec((any_time(), proptest::option::of(any_decimal())), 0..5),
        alerts in proptest::collection::vec(any_time(), 0..5),
        width in any::<u32>(), height in any::<u32>(), join in any::<bool>(), french in any::<bool>(),
        near in any::<bool>(),
    ) {
        let mut series: Vec<Point> =
            points.into_iter().map(|(at, received_at, value)| Point { at, received_at, value }).collect();
        series.sort_by_key(|p| p.at);
        let until = if near { from + SignedDuration::from_hours(30) } else { until };
        let chart = Chart {
            id: "any".into(), name, unit, from, until, series,
            limits: vec![Limit {
                side: Side::High, severity: Severity::Low,
                steps: steps.into_iter().map(|(from, value)| LimitStep { from, value }).collect(),
            }],
            band: Some(Band { low: Decimal::MIN, high: Decimal::MAX }),
            alerts: alerts.into_iter().map(|at| Marker { at, severity: Severity::Technical, label: label.clone() }).collect(),
            join_within: join.then(|| SignedDuration::from_hours(6)),
            locale: if french { Locale::Fr } else { Locale::En },
            zone: TimeZone::get("Europe/Paris").unwrap(),
            size: Size { width, height },
        };
        let any_value = chart.limits[0].steps.iter().find_map(|step| step.value);
        let layers = Layers {
            bands: chart.limits[0].steps.iter().map(|step| BandStep {
                from: step.from, band: step.value.map(|value| Band { low: value, high: Decimal::MAX }),
            }).collect(),
            pauses: chart.series.iter().map(|p| Pause {
                from: p.at, until: join.then_some(p.received_at), label: label.clone(),
            }).collect(),
            average: any_value.map(|value| Trend {
                name: label.clone(), points: chart.series.iter().map(|p| (p.at, value)).collect(),
                join_within: SignedDuration::from_hours(30),
            }),
            reference: Some(Reference { name: label.clone(), steps: chart.limits[0].steps.clone() }),
            daily_medians: true,
            evening_from: join.then(|| jiff::civil::time(12, 0, 0, 0)),
            limit_names: vec![label.clone()],
            legend: label,
        };
        for svg in [draw(&chart), draw_with(&chart, &layers, Style::Print)] {
            prop_assert!(roxmltree::Document::parse(&svg).is_ok(), "{}", svg);
            prop_assert!(!svg.contains("NaN") && !svg.contains("inf"));
        }
    }
}
