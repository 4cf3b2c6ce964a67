//! What holds of every report: it depends on the record and on nothing else.

use vigie_reports::content::{Report, build};
use vigie_store::reports::record::WeekRecord;
use vigie_vitals::plans::CarePlan;
use vigie_vitals::{Priority, Unit, Vital};

use crate::content_support::{Making, alert, at, breach, minutes, paris, stored, week};

/// A small generator, so that a failure can be repeated by its seed.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.next(last + 1));
        }
    }
}

/// A patient with everything.
fn everything(seed: u64) -> Making {
    let mut random = Random(seed);
    let plans = CarePlan::ALL;
    let mut making = week("2026-W43", &plans);
    let start = making.week.plus(-3).start(&paris());
    for quarter in 0..4 * 7 * 96 {
        let glucose = format!("{}.{:02}", random.next(2), 40 + random.next(60));
        making.measured(Vital::GlucoseInterstitial, start + minutes(15 * quarter), &glucose);
    }
    for half_day in 0..56 {
        let when = start + minutes(720 * half_day + 420);
        making.measured(Vital::Weight, when, &format!("7{}.{}", random.next(3), random.next(10)));
        making.measured(Vital::Glucose, when, &format!("1.{:02}", random.next(100)));
        making.pressure(when, &format!("1{}", 10 + random.next(60)), &format!("{}", 60 + random.next(30)));
        for (vital, low, span) in [
            (Vital::Spo2, 90, 9),
            (Vital::Pulse, 55, 60),
            (Vital::RespiratoryRate, 12, 10),
            (Vital::Temperature, 36, 3),
        ] {
            making.measured(vital, when, &format!("{}", low + random.next(span)));
        }
    }
    for back in 0..30 {
        let when = at("2026-10-24 08:00") - minutes(60 * 24 * 7 * back);
        making.measured(Vital::Inr, when, &format!("{}.{}", 1 + random.next(3), random.next(10)));
    }
    for stored in &mut making.record.readings {
        if random.next(20) == 0 {
            stored.reading.received_at += minutes(60 * 30);
        }
        if random.next(200) == 0 {
            stored.reading.of_a_person = false;
        }
    }
    making.pause("2026-10-20 09:00", "2026-10-21 09:00", "voyage");
    making.pause("2026-10-13 09:00", "2026-10-14 09:00", "voyage");
    making.device("d-2", "scale", Some("2026-10-21 10:00"), None);
    making.device("d-1", "scale", None, Some("2026-10-21 10:00"));
    for n in 0..4 {
        let when = format!("2026-10-2{n} 07:10");
        let evidence = breach(
            Vital::Glucose,
            &when,
            "0.60",
            Unit::GramPerLitre,
            rust_decimal::dec!(0.70),
            Priority::Medium,
        );
        making.alert(alert(u128::from(n as u8) + 1, "glucose_low", Priority::Medium, evidence));
    }
    making
}

fn json(report: &Report) -> String {
    serde_json::to_string(report).unwrap()
}

fn report(making: &Making, record: &WeekRecord) -> Report {
    build(record, &making.options())
}

#[test]
fn any_order_of_the_record_gives_the_same_report() {
    for seed in 1..=3 {
        let making = everything(seed);
        let expected = making.report();
        let mut record = making.record.clone();
        let mut random = Random(seed + 100);
        random.shuffle(&mut record.readings);
        random.shuffle(&mut record.rules);
        random.shuffle(&mut record.pauses);
        random.shuffle(&mut record.devices);
        random.shuffle(&mut record.alerts);
        random.shuffle(&mut record.wanted.since);
        let got = report(&making, &record);
        assert_eq!(json(&got), json(&expected), "seed {seed}");
        assert_eq!(got.charts, expected.charts, "seed {seed}");
    }
}

#[test]
fn a_reading_outside_the_windows_changes_nothing() {
    let making = everything(4);
    let expected = making.report();
    for vital in Vital::ALL {
        let wanted = &making.record.wanted;
        let since = wanted.since.iter().find(|(of, _)| *of == vital).unwrap().1;
        let mut record = making.record.clone();
        let unit = vital.canonical_unit();
        let mut outside = vec![
            stored("x", 1, vital, since - minutes(1), "30", unit),
            stored("x", 2, vital, wanted.to, "30", unit),
            stored("x", 3, vital, wanted.to + minutes(600), "30", unit),
            // Measured in the week and received after the report was made.
            stored("x", 4, vital, wanted.from + minutes(60), "30", unit),
        ];
        outside[3].reading.received_at = wanted.known_at + minutes(1);
        record.readings.extend(outside);
        let got = report(&making, &record);
        assert_eq!(json(&got), json(&expected), "{vital}");
        assert_eq!(got.charts, expected.charts, "{vital}");
    }
}

#[test]
fn a_reading_twice_counts_once() {
    let making = everything(5);
    let mut record = making.record.clone();
    record.readings.extend(making.record.readings.iter().take(500).cloned());
    assert_eq!(json(&report(&making, &record)), json(&making.report()));
}

#[test]
fn a_report_is_read_back_from_its_json() {
    let first = everything(6).report();
    let mut back: Report = serde_json::from_str(&json(&first)).unwrap();
    // Pictures are no part of it.
    assert!(back.charts.is_empty());
    back.charts = first.charts.clone();
    for (panel, of_first) in back.panels.iter_mut().zip(&first.panels) {
        panel.charts = of_first.charts.clone();
    }
    assert_eq!(back.summary, first.summary);
    assert_eq!(back.alerts, first.alerts);
    assert_eq!(back.panels, first.panels);
    assert_eq!(back.rules_version, first.rules_version);
}

#[test]
fn every_sentence_is_finished_in_both_languages_and_no_key_is_left() {
    let report = everything(7).report();
    for (language, sentences) in &report.summary {
        assert_eq!(sentences.len(), 3);
        for sentence in sentences {
            assert!(sentence.ends_with('.'), "{language}: {sentence}");
            assert!(!sentence.contains("report.") && !sentence.contains('{'), "{language}: {sentence}");
        }
    }
    // In French a narrow space stands before what needs one, and nothing else does.
    for sentence in &report.summary["fr"] {
        for mark in [';', '%'] {
            for (index, _) in sentence.match_indices(mark) {
                assert!(sentence[..index].ends_with('\u{202f}'), "{sentence}");
            }
        }
    }
}

#[test]
fn figures_name_metrics_that_are_there_and_charts_lie_where_panels_say() {
    let report = everything(8).report();
    assert_eq!(report.panels.len(), 10);
    for panel in &report.panels {
        for figure in &panel.figures {
            assert!(
                report.metrics.get(&figure.group).is_some_and(|group| group.contains_key(&figure.name)),
                "{}.{}",
                figure.group,
                figure.name
            );
        }
        assert!(panel.charts.iter().all(|index| *index < report.charts.len()));
    }
    for metric in report.metrics.values().flat_map(|group| group.values()) {
        assert!(metric.value.is_none_or(f64::is_finite));
        assert!(metric.from < metric.to || metric.n == 0, "{metric:?}");
    }
}

#[test]
fn each_window_holds_the_week_the_one_before_and_what_their_numbers_reach_back_to() {
    let making = week("2026-W47", &[CarePlan::HeartFailure]);
    let wanted = &making.record.wanted;
    let days = |vital: Vital| {
        let since = wanted.since.iter().find(|(of, _)| *of == vital).unwrap().1;
        wanted.to.duration_since(since).as_hours() / 24
    };
    // 14 + 7; 26 + 1 weeks and a gap of 56 days; 4 + 1 weeks and 8 days; 2 weeks. A day more for each.
    assert_eq!(days(Vital::GlucoseInterstitial), 22);
    assert_eq!(days(Vital::Inr), 27 * 7 + 56 + 1);
    assert_eq!(days(Vital::Weight), 44);
    assert_eq!(days(Vital::Glucose), 15);
    assert_eq!(wanted.since.len(), Vital::ALL.len());
    assert_eq!((wanted.from, wanted.to), (at("2026-11-16 00:00"), at("2026-11-23 00:00")));
}
