//! What holds for metrics whatever the readings are.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use rust_decimal::{Decimal, dec};
use serde_json::Value as Json;
use vigie_vitals::metrics::adherence::{Schedule, adherence};
use vigie_vitals::metrics::glucose::{Glucose, Kind, Settings, glucose};
use vigie_vitals::metrics::inr::{Inr, TherapeuticRange, inr};
use vigie_vitals::metrics::vital_signs::{Limits, vital_sign};
use vigie_vitals::metrics::weight::weight;
use vigie_vitals::metrics::{Period, Sample};
use vigie_vitals::{Unit, Value, Vital};

use crate::metrics_samples::{at_minute, days};

const ZONES: [&str; 5] = ["UTC", "Europe/Paris", "America/St_Johns", "Pacific/Kiritimati", "Asia/Kathmandu"];
const WEEK: i64 = 7 * 24 * 60;

fn zone(index: usize) -> TimeZone {
    TimeZone::get(ZONES[index % ZONES.len()]).unwrap()
}

/// Readings within the week and a day around it, at whole minutes so that some fall together.
fn any_glucose() -> impl Strategy<Value = Vec<Sample>> {
    let value = prop_oneof![
        6 => (20_i64..600).prop_map(|n| Value::exact(Decimal::from(n), Unit::MilligramPerDecilitre)),
        3 => (20_i64..600).prop_map(|n| Value::exact(Decimal::new(n, 2), Unit::GramPerLitre)),
        3 => (11_i64..333).prop_map(|n| Value::exact(Decimal::new(n, 1), Unit::MillimolePerLitre)),
        1 => Just(Value::parse("LO", "", Unit::MilligramPerDecilitre).unwrap()),
        1 => Just(Value::parse(">500", "", Unit::MilligramPerDecilitre).unwrap()),
    ];
    let scattered = prop::collection::vec((-1440..WEEK + 1440, value.clone()), 0..60);
    // A run of readings five minutes apart, so that curves, excursions and episodes come about.
    let run = (0..WEEK, prop::collection::vec(value, 0..200));
    (scattered, run).prop_map(|(scattered, (from, run))| {
        let run = (0..).zip(run).map(|(i, value)| (from + 5 * i, value));
        scattered
            .into_iter()
            .chain(run)
            .map(|(minute, value)| Sample { at: at_minute(minute), value })
            .collect()
    })
}

fn any_inr() -> impl Strategy<Value = Vec<Sample>> {
    let value = prop_oneof![
        8 => (8_i64..60).prop_map(|n| Value::exact(Decimal::new(n, 1), Unit::Inr)),
        1 => Just(Value::parse(">8.0", "", Unit::One).unwrap()),
        1 => Just(Value::parse("<0.8", "", Unit::Inr).unwrap()),
    ];
    prop::collection::vec((-100 * 24..300 * 24_i64, value), 0..20).prop_map(|all| {
        all.into_iter().map(|(hour, value)| Sample { at: at_minute(60 * hour), value }).collect()
    })
}

fn of(samples: &[Sample], kind: Kind, zone: TimeZone) -> Glucose {
    glucose(samples, days(7), &Settings::new(kind, zone))
}

fn of_inr(samples: &[Sample]) -> Inr {
    inr(samples, days(200), TherapeuticRange { low: dec!(2), high: dec!(3) })
}

/// Every number in a result. serde writes what is not finite as null, so `None` and NaN are told apart elsewhere: by
/// comparing the result with what is read back.
fn numbers(json: &Json, path: &str, found: &mut Vec<(String, f64)>) {
    match json {
        Json::Number(number) => found.push((path.to_owned(), number.as_f64().unwrap())),
        Json::Array(all) => all.iter().for_each(|one| numbers(one, path, found)),
        Json::Object(all) => all.iter().for_each(|(key, one)| numbers(one, &format!("{path}.{key}"), found)),
        Json::Null | Json::Bool(_) | Json::String(_) => {}
    }
}

/// Finite numbers survive a way through JSON, others become null and cannot be read back.
fn check_numbers<T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(
    result: &T,
) {
    let json = serde_json::to_value(result).unwrap();
    let back: T = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(&back, result);
    let mut found = Vec::new();
    numbers(&json, "", &mut found);
    for (path, number) in found {
        assert!(number.is_finite(), "{path} is {number}");
        if path.ends_with("_percent") && !path.ends_with("cv_percent") && !path.ends_with("a1c_percent") {
            assert!((0.0..=100.0 + 1e-9).contains(&number), "{path} is {number}");
        }
    }
}

fn gri_and_friends(got: &Glucose) -> [Option<f64>; 8] {
    [
        got.below_54_percent,
        got.below_70_percent,
        got.in_70_180_percent,
        got.above_180_percent,
        got.above_250_percent,
        got.gri,
        got.mage,
        got.modd,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn shares_sum_to_one_hundred(samples in any_glucose()) {
        let got = of(&samples, Kind::Cgm, TimeZone::UTC);
        let Some(shares) = got.shares else { return Ok(()) };
        let sum = shares.very_low_percent + shares.low_percent + shares.in_range_percent
            + shares.high_percent + shares.very_high_percent;
        prop_assert!((sum - 100.0).abs() < 1e-9, "{sum}");
        let three = got.below_70_percent.unwrap() + got.in_70_180_percent.unwrap() + got.above_180_percent.unwrap();
        prop_assert!((three - 100.0).abs() < 1e-9, "{three}");
        let pregnancy = got.pregnancy.unwrap();
        let sum = pregnancy.below_63_percent + pregnancy.in_63_140_percent + pregnancy.above_140_percent;
        prop_assert!((sum - 100.0).abs() < 1e-9, "{sum}");
    }

    #[test]
    fn metrics_are_finite_and_percentages_between_0_and_100(
        samples in any_glucose(), results in any_inr(), capillary in any::<bool>(), z in 0..5_usize
    ) {
        let kind = if capillary { Kind::Capillary } else { Kind::Cgm };
        let got = of(&samples, kind, zone(z));
        check_numbers(&got);
        for (_, metric) in got.metrics() {
            prop_assert!(metric.value.is_none_or(f64::is_finite));
            prop_assert!(!metric.sufficient || metric.value.is_some());
        }
        check_numbers(&of_inr(&results));
    }

    #[test]
    fn any_order_gives_the_same_metrics(
        (samples, shuffled) in any_glucose().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        (results, mixed) in any_inr().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
    ) {
        let paris = || zone(1);
        prop_assert_eq!(of(&samples, Kind::Cgm, paris()), of(&shuffled, Kind::Cgm, paris()));
        prop_assert_eq!(of_inr(&results), of_inr(&mixed));
    }

    #[test]
    fn a_reading_outside_the_period_changes_nothing(
        samples in any_glucose(), before in 1..100_000_i64, after in 0..100_000_i64
    ) {
        let kind = Kind::Cgm;
        let mut more = samples.clone();
        for minute in [-before, WEEK + after] {
            let value = Value::exact(dec!(33), Unit::MilligramPerDecilitre);
            more.push(Sample { at: at_minute(minute), value });
        }
        prop_assert_eq!(of(&samples, kind, zone(1)), of(&more, kind, zone(1)));
    }

    #[test]
    fn an_inr_after_the_period_or_long_before_it_changes_nothing(results in any_inr(), after in 0..10_000_i64) {
        // The last result before the period is used; those before that one are not.
        let mut results = results;
        results.push(Sample { at: at_minute(-60 * 24 * 101), value: Value::exact(dec!(2.5), Unit::Inr) });
        let mut more = results.clone();
        let value = Value::exact(dec!(7), Unit::Inr);
        more.push(Sample { at: at_minute(60 * 24 * 200 + after), value });
        more.push(Sample { at: at_minute(-60 * 24 * 101 - 1 - after), value });
        prop_assert_eq!(of_inr(&results), of_inr(&more));
    }

    #[test]
    fn time_in_range_is_independent_of_order_and_time_zone(
        (results, mixed) in any_inr().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        z in 0..5_usize,
    ) {
        // The same instants, written with the offsets of another zone and in another order.
        let elsewhere: Vec<Sample> = mixed
            .iter()
            .map(|sample| {
                let written = sample.at.to_zoned(zone(z)).strftime("%FT%T%:z").to_string();
                Sample { at: written.parse::<Timestamp>().unwrap(), value: sample.value }
            })
            .collect();
        prop_assert_eq!(of_inr(&results), of_inr(&elsewhere));
    }

    #[test]
    fn time_in_range_is_the_same_at_another_hour_of_the_day(results in any_inr(), hours in -12..14_i64) {
        // Moving everything, the period as well, by any offset: what a clinic in another zone would see.
        let shift = SignedDuration::from_hours(hours);
        let moved: Vec<Sample> =
            results.iter().map(|sample| Sample { at: sample.at + shift, value: sample.value }).collect();
        let period = days(200);
        let there = Period { from: period.from + shift, to: period.to + shift };
        let range = TherapeuticRange { low: dec!(2), high: dec!(3) };
        let (here, there) = (inr(&results, period, range), inr(&moved, there, range));
        prop_assert_eq!(here.ttr_percent, there.ttr_percent);
        prop_assert_eq!(here.variance_growth_rate, there.variance_growth_rate);
    }

    #[test]
    fn grams_and_milligrams_give_the_same_metrics(
        readings in prop::collection::vec((0..WEEK, 20_i64..600), 0..150)
    ) {
        let in_unit = |scale: u32, unit| -> Vec<Sample> {
            readings
                .iter()
                .map(|(minute, n)| Sample { at: at_minute(*minute), value: Value::exact(Decimal::new(*n, scale), unit) })
                .collect()
        };
        let milligrams = of(&in_unit(0, Unit::MilligramPerDecilitre), Kind::Cgm, TimeZone::UTC);
        let grams = of(&in_unit(2, Unit::GramPerLitre), Kind::Cgm, TimeZone::UTC);
        prop_assert_eq!(milligrams.shares, grams.shares);
        prop_assert_eq!(&milligrams.episodes, &grams.episodes);
        prop_assert_eq!(gri_and_friends(&milligrams), gri_and_friends(&grams));
        prop_assert_eq!(milligrams.mean, grams.mean);
    }

    #[test]
    fn days_of_inr_add_up_to_the_period(results in any_inr()) {
        let got = of_inr(&results);
        let sum = got.days_in + got.days_below + got.days_above + got.days_gap + got.days_unknown;
        prop_assert!((sum - 200.0).abs() < 1e-6, "{sum}");
    }

    #[test]
    fn other_metrics_are_finite_too(
        values in prop::collection::vec((-1440..WEEK + 1440, 300_i64..1500), 0..60), z in 0..5_usize, dry in 40.0..120.0_f64
    ) {
        let samples = |unit| -> Vec<Sample> {
            values
                .iter()
                .map(|(minute, n)| Sample { at: at_minute(*minute), value: Value::exact(Decimal::new(*n, 1), unit) })
                .collect()
        };
        check_numbers(&weight(&samples(Unit::Pound), days(7), &zone(z), Some(dry)));
        let limits = Limits { below: Some(dec!(90)), above: Some(dec!(100)) };
        check_numbers(&vital_sign(&samples(Unit::Percent), Vital::Spo2, days(7), &zone(z), limits));
        let times: Vec<Timestamp> = samples(Unit::Percent).iter().map(|sample| sample.at).collect();
        let got = adherence(&times, days(7), Schedule::EveryHours(6), &[], &zone(z));
        check_numbers(&got);
        prop_assert!(got.percent.is_none_or(|percent| (0.0..=100.0).contains(&percent)));
        let by_day: usize = got.days.iter().map(|day| day.received).sum();
        prop_assert_eq!(by_day, got.received);
    }
}
