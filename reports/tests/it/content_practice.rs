//! The practice summary: the order of its lines, and why.

use rust_decimal::dec;
use serde_json::json;
use uuid::Uuid;
use vigie_reports::content::practice::{PatientLine, build};
use vigie_vitals::plans::CarePlan;
use vigie_vitals::{PatientId, Priority, Unit, Vital};

use crate::content_support::{Making, alert, at, breach, event, minutes, paris, week};

/// A patient with two weeks of fingersticks, so many of 21 each week out of range.
fn patient(n: u128, name: &str, high_before: usize, high_now: usize) -> Making {
    let mut making = week("2026-W47", &[CarePlan::Diabetes]);
    making.record.patient.id = PatientId(Uuid::from_u128(n));
    making.record.patient.family_name = name.into();
    for (back, high) in [(1, high_before), (0, high_now)] {
        let start = making.week.plus(-back).start(&paris());
        for index in 0..21_i64 {
            let glucose = if (index as usize) < high { "2.20" } else { "1.20" };
            making.measured(Vital::Glucose, start + minutes(60 * (8 * index + 2)), glucose);
        }
    }
    making
}

fn with_alert(mut making: Making, priority: Priority, closed: bool) -> Making {
    let (value, limit) = if priority == Priority::High { ("0.48", dec!(0.54)) } else { ("0.62", dec!(0.70)) };
    let evidence = breach(Vital::Glucose, "2026-11-18 07:10", value, Unit::GramPerLitre, limit, priority);
    let mut story = alert(1, "glucose_low", priority, evidence);
    if closed {
        story.events.push(event(
            at("2026-11-18 09:00"),
            "resolved",
            "Inf. Durand",
            json!({ "outcome": "known" }),
        ));
    }
    making.alert(story);
    making
}

#[test]
fn patients_are_ranked_by_what_changed_and_each_line_says_why() {
    let mut silent = patient(5, "Eluard", 0, 0);
    silent.record.readings.retain(|stored| stored.reading.measured_at < at("2026-11-16 00:00"));
    let lines: Vec<PatientLine> = [
        patient(1, "Aragon", 0, 0),
        silent,
        // In range 90 % before (19 of 21), 62 % now (13 of 21).
        patient(4, "Desnos", 2, 8),
        with_alert(patient(3, "Char", 0, 0), Priority::High, true),
        with_alert(patient(2, "Breton", 0, 0), Priority::High, false),
        with_alert(patient(6, "Fargue", 0, 0), Priority::Medium, false),
    ]
    .iter()
    .map(|making| PatientLine::of(&making.report()))
    .collect();
    let summary = build("Cabinet du Port", "2026-W47".parse().unwrap(), "vigie 0.1.0", lines.clone());
    let told = |language: &str| -> Vec<String> {
        summary
            .lines
            .iter()
            .map(|line| {
                format!("{}: {}", line.patient.family_name, line.reason[language].replace('\u{202f}', "~"))
            })
            .collect()
    };
    assert_eq!(
        told("fr"),
        [
            "Breton: 1 alerte haute en cours, 1 nouvelle alerte",
            "Char: 1 nouvelle alerte",
            "Fargue: 1 nouvelle alerte",
            "Desnos: Glycémie capillaire~: 62~% (90~% la semaine précédente)",
            "Eluard: Glycémie capillaire~: données insuffisantes, 7 jours sans les mesures attendues",
            "Aragon: rien de nouveau",
        ]
    );
    assert_eq!(
        told("en"),
        [
            "Breton: 1 high alert in progress, 1 new alert",
            "Char: 1 new alert",
            "Fargue: 1 new alert",
            "Desnos: Capillary glucose: 62% (90% the week before)",
            "Eluard: Capillary glucose: insufficient data, 7 days without the expected readings",
            "Aragon: nothing new",
        ]
    );
    assert_eq!((summary.with_open_high, summary.with_new_alerts, summary.insufficient), (1, 3, 1));
    // 28.57 points are 5.7 steps of 5.
    assert_eq!(summary.lines[3].main.as_ref().unwrap().worse_by, 57);

    // Whatever the order in which they come.
    let mut turned = lines;
    turned.reverse();
    assert_eq!(build("Cabinet du Port", "2026-W47".parse().unwrap(), "vigie 0.1.0", turned), summary);
}

#[test]
fn equal_patients_stand_by_name_and_then_by_id() {
    let lines = [(3, "Queneau"), (2, "Prévert"), (1, "Queneau")]
        .map(|(n, name)| PatientLine::of(&patient(n, name, 0, 0).report()));
    let summary = build("x", "2026-W47".parse().unwrap(), "vigie", lines.to_vec());
    let order: Vec<_> = summary.lines.iter().map(|line| line.patient.id.0.as_u128()).collect();
    assert_eq!(order, [2, 1, 3]);
}

#[test]
fn a_line_is_read_back_from_its_json() {
    let line = PatientLine::of(&with_alert(patient(1, "Aragon", 0, 3), Priority::High, false).report());
    let json = serde_json::to_string(&line).unwrap();
    assert_eq!(serde_json::to_string(&serde_json::from_str::<PatientLine>(&json).unwrap()).unwrap(), json);
}
