//! Builds samples and periods for the tests of metrics.

use jiff::{SignedDuration, Timestamp};
use vigie_vitals::metrics::{Period, Sample};
use vigie_vitals::{Unit, Value};

/// Monday, 2 November 2026, 00:00 UTC: the tests of metrics begin here.
pub(crate) fn start() -> Timestamp {
    "2026-11-02T00:00:00Z".parse().unwrap()
}

pub(crate) fn at_minute(minutes: i64) -> Timestamp {
    start() + SignedDuration::from_mins(minutes)
}

pub(crate) fn at_day(days: i64) -> Timestamp {
    start() + SignedDuration::from_hours(24 * days)
}

pub(crate) fn days(count: i64) -> Period {
    Period { from: start(), to: at_day(count) }
}

pub(crate) fn sample(at: Timestamp, text: &str, unit: Unit) -> Sample {
    Sample { at, value: Value::parse(text, "", unit).unwrap() }
}

/// Values in one unit, every so many minutes.
pub(crate) fn every(minutes: i64, texts: &[&str], unit: Unit) -> Vec<Sample> {
    (0..).zip(texts).map(|(i, text)| sample(at_minute(i * minutes), text, unit)).collect()
}

/// INR by day.
pub(crate) fn inr_by_day(results: &[(i64, &str)]) -> Vec<Sample> {
    results.iter().map(|(day, text)| sample(at_day(*day), text, Unit::Inr)).collect()
}

/// Equal but for rounding in the last binary digits.
#[track_caller]
pub(crate) fn near(got: Option<f64>, expected: f64) {
    within(got, expected, 1e-9 * expected.abs().max(1.0));
}

/// Equal up to what the published number was rounded to.
#[track_caller]
pub(crate) fn within(got: Option<f64>, expected: f64, tolerance: f64) {
    let got = got.expect("a number");
    assert!((got - expected).abs() <= tolerance, "{got} is not {expected} within {tolerance}");
}
