//! One measurement before a device numbers it: when, by what, and which values.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use vigie_wire::v1;

use crate::person::DeviceKind;

/// What a device found out about a person at one moment of true time.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// The true time; a device with a wrong clock stamps another one.
    pub at: Timestamp,
    /// Which of the person's devices took it.
    pub kind: DeviceKind,
    /// The values, as the device shows them.
    pub values: Vec<v1::Value>,
    /// Circumstances.
    pub context: Option<v1::Context>,
}

impl Measurement {
    /// The reading as the device keeps it: numbered, and stamped by the device's own clock.
    pub fn stamped(&self, sequence: i64, clock_ahead: SignedDuration, zone: &TimeZone) -> v1::Reading {
        v1::Reading {
            sequence,
            measured_at: device_time(self.at, clock_ahead, zone),
            values: self.values.clone(),
            context: self.context.clone(),
        }
    }
}

/// What a device's clock shows, with its offset: RFC 3339.
pub(crate) fn device_time(at: Timestamp, clock_ahead: SignedDuration, zone: &TimeZone) -> String {
    let shown = at.checked_add(clock_ahead).unwrap_or(at);
    shown.display_with_offset(zone.to_offset(shown)).to_string()
}

pub(crate) fn value(vital: &str, value: String, unit: &str) -> v1::Value {
    v1::Value { vital: vital.to_owned(), value, unit: unit.to_owned(), comparator: String::new() }
}

/// A decimal from its smallest steps: `digits(112, 2)` is `1.12`. Meters have a fixed resolution, and a decimal
/// built from whole steps never carries a binary fraction's tail.
pub(crate) fn digits(steps: i64, places: u32) -> String {
    let scale = 10_i64.pow(places);
    let sign = if steps < 0 { "-" } else { "" };
    let (whole, rest) = (steps.abs() / scale, steps.abs() % scale);
    if places == 0 {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{rest:0width$}", width = places as usize)
    }
}

/// How a meter writes what is beyond its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beyond {
    Low,
    High,
}

/// Glucose as a glucometer of this person shows it. Even people have a g/L meter (0.01), odd ones mg/dL (1): both are
/// in use in France (DOMAIN 1.1). Outside 10 to 600 mg/dL \[DARIO\] every second meter shows `HI`/`LO`, the others
/// a comparator with the limit.
pub(crate) fn glucose(index: u32, milligrams: i64) -> v1::Value {
    if milligrams < GLUCOMETER_LOW {
        return glucose_beyond(index, Beyond::Low);
    }
    if milligrams > GLUCOMETER_HIGH {
        return glucose_beyond(index, Beyond::High);
    }
    if shows_grams(index) {
        value("glucose", digits(milligrams, 2), "g/L")
    } else {
        value("glucose", digits(milligrams, 0), "mg/dL")
    }
}

/// Does this person's glucometer show g/L?
pub(crate) fn shows_grams(index: u32) -> bool {
    index.is_multiple_of(2)
}

/// Lowest glucose that a glucometer shows as a number, mg/dL \[DARIO\].
pub(crate) const GLUCOMETER_LOW: i64 = 10;
/// Highest glucose that a glucometer shows as a number, mg/dL \[DARIO\] \[SEJOY\].
pub(crate) const GLUCOMETER_HIGH: i64 = 600;

pub(crate) fn glucose_beyond(index: u32, beyond: Beyond) -> v1::Value {
    let (word, comparator, limit) = match beyond {
        Beyond::Low => ("LO", "<", GLUCOMETER_LOW),
        Beyond::High => ("HI", ">", GLUCOMETER_HIGH),
    };
    let mut shown = if shows_grams(index) {
        value("glucose", digits(limit, 2), "g/L")
    } else {
        value("glucose", digits(limit, 0), "mg/dL")
    };
    if (index / 2).is_multiple_of(2) {
        shown.value = word.to_owned();
    } else {
        shown.comparator = comparator.to_owned();
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_keep_the_resolution_of_the_meter() {
        assert_eq!(digits(112, 2), "1.12");
        assert_eq!(digits(5, 2), "0.05");
        assert_eq!(digits(700, 1), "70.0");
        assert_eq!(digits(-3, 1), "-0.3");
        assert_eq!(digits(98, 0), "98");
    }

    #[test]
    fn beyond_its_range_a_meter_shows_no_number_or_a_limit() {
        assert_eq!(glucose(0, 9).value, "LO");
        assert_eq!(glucose(0, 601).value, "HI");
        let limit = glucose(3, 601);
        assert_eq!(
            (limit.comparator.as_str(), limit.value.as_str(), limit.unit.as_str()),
            (">", "600", "mg/dL")
        );
        assert_eq!(glucose(2, 600).value, "6.00");
    }

    #[test]
    fn a_clock_that_runs_ahead_stamps_a_later_time_with_the_local_offset() {
        let at = "2026-11-22T06:00:10Z".parse().unwrap();
        let ahead = SignedDuration::from_mins(5);
        assert_eq!(device_time(at, ahead, &crate::person::central_europe()), "2026-11-22T07:05:10+01:00");
    }
}
