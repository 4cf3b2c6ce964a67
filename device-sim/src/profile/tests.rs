//! The generator: the same bytes for the same seed, cut anywhere, within what a meter shows and a person can have.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::person::{Profile, central_europe};

fn person(seed: u64, index: u32, profile: Profile) -> Person {
    Person { seed, index, profile, zone: central_europe() }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Half a year that holds a change of the clock.
fn half_a_year() -> (Timestamp, Timestamp) {
    (at("2026-06-01T00:00:00Z"), at("2026-12-01T00:00:00Z"))
}

/// Every kind of device with the profile that has it.
fn everything() -> impl Iterator<Item = (Profile, DeviceKind)> {
    DeviceKind::ALL.into_iter().map(|kind| {
        let profile = match kind {
            DeviceKind::Glucometer => Profile::Diabetes,
            DeviceKind::Cgm => Profile::DiabetesCgm,
            DeviceKind::InrMeter => Profile::OralAnticoagulation,
            DeviceKind::Scale
            | DeviceKind::BloodPressureMonitor
            | DeviceKind::Oximeter
            | DeviceKind::Thermometer
            | DeviceKind::Spirometer => Profile::HeartFailure,
        };
        (profile, kind)
    })
}

#[test]
fn every_value_is_one_that_the_device_can_show() {
    // Bounds: the meters' ranges, and the tier that the domain reference (1.4) only flags.
    let bounds: BTreeMap<(&str, &str), (f64, f64)> = [
        (("glucose", "g/L"), (0.10, 6.0)),
        (("glucose", "mg/dL"), (10.0, 600.0)),
        (("glucose_interstitial", "mg/dL"), (40.0, 400.0)),
        (("weight", "kg"), (35.0, 250.0)),
        (("inr", "{INR}"), (0.8, 8.0)),
        (("systolic", "mm[Hg]"), (70.0, 230.0)),
        (("diastolic", "mm[Hg]"), (40.0, 130.0)),
        (("pulse", "/min"), (35.0, 180.0)),
        (("spo2", "%"), (70.0, 100.0)),
        (("temperature", "Cel"), (34.0, 41.5)),
        (("fev1", "L"), (0.3, 6.5)),
        (("peak_flow", "L/min"), (60.0, 800.0)),
    ]
    .into();
    let (from, to) = half_a_year();
    for (profile, kind) in everything() {
        for index in 0..4 {
            let who = person(11, index, profile);
            let to = if kind == DeviceKind::Cgm { from + SignedDuration::from_hours(24 * 20) } else { to };
            for measured in generate_for(&who, kind, from, to) {
                for value in &measured.values {
                    let (low, high) = bounds[&(value.vital.as_str(), value.unit.as_str())];
                    if let Ok(number) = value.value.parse::<f64>() {
                        assert!((low..=high).contains(&number), "{value:?}");
                    } else {
                        assert!(matches!(value.value.as_str(), "HI" | "LO"), "{value:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn each_disease_shows_over_half_a_year_what_its_rules_look_for() {
    let (from, to) = half_a_year();
    let numbers = |profile, kind, index: u32| -> Vec<f64> {
        generate_for(&person(42, index, profile), kind, from, to)
            .iter()
            .filter_map(|m| m.values[0].value.parse().ok())
            .collect()
    };
    let glucose = numbers(Profile::Diabetes, DeviceKind::Glucometer, 0);
    assert!((700..820).contains(&glucose.len()), "about four a day: {}", glucose.len());
    assert!(glucose.iter().any(|g| *g < 0.70) && glucose.iter().any(|g| *g > 1.80));
    let weight = numbers(Profile::HeartFailure, DeviceKind::Scale, 0);
    assert!((182..=184).contains(&weight.len()), "once a day: {}", weight.len());
    let gained = weight.windows(4).map(|w| w[3] - w[0]).fold(f64::MIN, f64::max);
    assert!((1.5..4.0).contains(&gained), "a decompensation over three days: {gained}");
    let inr: Vec<f64> =
        (0..6).flat_map(|i| numbers(Profile::OralAnticoagulation, DeviceKind::InrMeter, i)).collect();
    assert!((6 * 26..6 * 33).contains(&inr.len()), "weekly and after excursions: {}", inr.len());
    assert!(inr.iter().any(|i| *i > 4.0) && inr.iter().any(|i| *i < 2.0));
    let mean = inr.iter().sum::<f64>() / inr.len() as f64;
    assert!((2.2..3.0).contains(&mean), "about the target: {mean}");
}

#[test]
fn blood_pressure_is_one_reading_of_three_values_twice_a_day() {
    let who = person(1, 3, Profile::HeartFailure);
    let from = at("2026-11-01T00:00:00+01:00");
    let found =
        generate_for(&who, DeviceKind::BloodPressureMonitor, from, from + SignedDuration::from_hours(72));
    assert_eq!(found.len(), 6);
    for measured in found {
        let vitals: Vec<_> = measured.values.iter().map(|v| v.vital.as_str()).collect();
        assert_eq!(vitals, ["systolic", "diastolic", "pulse"]);
        let numbers: Vec<f64> = measured.values.iter().map(|v| v.value.parse().unwrap()).collect();
        assert!(numbers[1] < numbers[0]);
    }
}

#[test]
fn sensors_measure_every_five_or_every_fifteen_minutes() {
    let from = at("2026-10-24T22:30:00Z");
    for (index, step) in [(0, 300), (1, 900)] {
        let who = person(5, index, Profile::DiabetesCgm);
        let found = generate(&who, from, from + SignedDuration::from_hours(30));
        assert!(found.windows(2).all(|w| w[1].at.as_second() - w[0].at.as_second() == step));
        assert_eq!(found.len() as i64, 30 * 3_600 / step);
    }
}

#[test]
fn a_scripted_hypoglycaemia_is_52_hundredths_of_a_gram_per_litre() {
    let now = at("2026-11-22T12:00:00Z");
    let value = |index| {
        let who = person(1, index, Profile::Diabetes);
        moment(&who, DeviceKind::Glucometer, now, Mood::Hypoglycaemia).values[0].clone()
    };
    assert_eq!((value(0).value, value(0).unit), ("0.52".to_owned(), "g/L".to_owned()));
    assert_eq!((value(1).value, value(1).unit), ("52".to_owned(), "mg/dL".to_owned()));
}

#[test]
fn another_seed_and_another_person_measure_something_else() {
    let (from, to) = half_a_year();
    let values = |seed, index| {
        let who = person(seed, index, Profile::HeartFailure);
        generate(&who, from, to).into_iter().map(|m| (m.at, m.values)).collect::<Vec<_>>()
    };
    assert_eq!(values(1, 0), values(1, 0));
    assert_ne!(values(1, 0), values(2, 0));
    assert_ne!(values(1, 0), values(1, 2));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_stretch_of_time_cut_anywhere_gives_the_same_measurements(
        seed in any::<u64>(), index in 0_u32..50, start in 1_700_000_000_i64..1_800_000_000,
        first in 0_i64..700_000, second in 0_i64..700_000, which in 0_usize..8,
    ) {
        let (profile, kind) = everything().nth(which).unwrap();
        let who = person(seed, index, profile);
        let time = |s| Timestamp::from_second(s).unwrap();
        let (a, b, c) = (time(start), time(start + first), time(start + first + second));
        let mut parts = generate_for(&who, kind, a, b);
        parts.extend(generate_for(&who, kind, b, c));
        let whole = generate_for(&who, kind, a, c);
        prop_assert!(whole.iter().all(|m| a <= m.at && m.at < c));
        prop_assert!(whole.windows(2).all(|w| w[0].at <= w[1].at));
        prop_assert_eq!(parts, whole);
    }
}
