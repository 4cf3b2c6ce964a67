//! Who is simulated, and what measures them.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::random::{Purpose, Stream};

/// What a patient is followed for; decides their physiology.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Fingerstick glucose four times a day.
    Diabetes,
    /// Sensor glucose every 5 or 15 minutes.
    DiabetesCgm,
    /// Daily weight, blood pressure morning and evening.
    HeartFailure,
    /// Weekly INR under a vitamin K antagonist.
    OralAnticoagulation,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 4] =
        [Self::Diabetes, Self::DiabetesCgm, Self::HeartFailure, Self::OralAnticoagulation];

    /// The name used in configuration and in `demo.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Diabetes => "diabetes",
            Self::DiabetesCgm => "diabetes_cgm",
            Self::HeartFailure => "heart_failure",
            Self::OralAnticoagulation => "oral_anticoagulation",
        }
    }

    /// What such a patient has at home, as a rule.
    pub fn usual_devices(self) -> &'static [DeviceKind] {
        match self {
            Self::Diabetes => &[DeviceKind::Glucometer],
            Self::DiabetesCgm => &[DeviceKind::Cgm],
            Self::HeartFailure => &[DeviceKind::Scale, DeviceKind::BloodPressureMonitor],
            Self::OralAnticoagulation => &[DeviceKind::InrMeter],
        }
    }
}

/// A kind of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// Capillary glucose.
    Glucometer,
    /// Interstitial glucose, all day.
    Cgm,
    /// Body weight.
    Scale,
    /// INR.
    InrMeter,
    /// Systolic, diastolic and pulse in one reading.
    BloodPressureMonitor,
    /// Oxygen saturation and pulse.
    Oximeter,
    /// Body temperature.
    Thermometer,
    /// FEV1 and peak flow.
    Spirometer,
}

impl DeviceKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Glucometer,
        Self::Cgm,
        Self::Scale,
        Self::InrMeter,
        Self::BloodPressureMonitor,
        Self::Oximeter,
        Self::Thermometer,
        Self::Spirometer,
    ];

    /// The name used in configuration and in `demo.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Glucometer => "glucometer",
            Self::Cgm => "cgm",
            Self::Scale => "scale",
            Self::InrMeter => "inr_meter",
            Self::BloodPressureMonitor => "blood_pressure_monitor",
            Self::Oximeter => "oximeter",
            Self::Thermometer => "thermometer",
            Self::Spirometer => "spirometer",
        }
    }
}

/// No profile or device kind has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not one of {1}")]
pub struct UnknownName(String, String);

impl FromStr for Profile {
    type Err = UnknownName;
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .into_iter()
            .find(|p| p.name() == text)
            .ok_or_else(|| UnknownName(text.to_owned(), Self::ALL.map(Self::name).join(", ")))
    }
}

impl FromStr for DeviceKind {
    type Err = UnknownName;
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .into_iter()
            .find(|k| k.name() == text)
            .ok_or_else(|| UnknownName(text.to_owned(), Self::ALL.map(Self::name).join(", ")))
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One simulated person: all that decides what their devices will ever measure.
#[derive(Debug, Clone)]
pub struct Person {
    /// The seed of the whole simulation.
    pub seed: u64,
    /// Tells people of one seed apart.
    pub index: u32,
    /// What they are followed for.
    pub profile: Profile,
    /// Where they live: meals and mornings are local.
    pub zone: TimeZone,
}

impl Person {
    pub(crate) fn stream(&self, purpose: Purpose, block: i64) -> Stream {
        Stream::new(self.seed, self.index, purpose, block)
    }

    /// `seconds` after local midnight of `date`. On the two nights of a clock change the wall clock counts,
    /// as it does for a person who has breakfast.
    pub(crate) fn at(&self, date: Date, seconds: i64) -> Option<Timestamp> {
        let time =
            jiff::civil::time(0, 0, 0, 0).checked_add(jiff::SignedDuration::from_secs(seconds)).ok()?;
        self.zone.to_timestamp(date.to_datetime(time)).ok()
    }

    pub(crate) fn date_of(&self, at: Timestamp) -> Date {
        self.zone.to_datetime(at).date()
    }
}

/// Whole days since 1970-01-01: the block number of what happens once a day.
pub(crate) fn day_number(date: Date) -> i64 {
    let midnight = date.to_datetime(jiff::civil::time(0, 0, 0, 0));
    jiff::tz::Offset::UTC.to_timestamp(midnight).map_or(0, |t| t.as_second().div_euclid(86_400))
}

/// Central European time by its rule, so that the same seed means the same bytes on a machine without a time zone
/// database.
pub fn central_europe() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap_or(TimeZone::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back() {
        for kind in DeviceKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        for profile in Profile::ALL {
            assert_eq!(profile.name().parse(), Ok(profile));
        }
        assert!("toaster".parse::<DeviceKind>().unwrap_err().to_string().contains("glucometer"));
    }

    #[test]
    fn central_europe_is_two_hours_ahead_in_summer_and_one_in_winter() {
        for (at, offset) in [("2026-07-01T12:00:00Z", 2), ("2026-11-22T12:00:00Z", 1)] {
            let offset_found = central_europe().to_offset(at.parse().unwrap());
            assert_eq!(offset_found, jiff::tz::offset(offset));
        }
    }
}
