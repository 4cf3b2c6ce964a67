//! A reading as it is judged: one vital sign's value, with who sent it and both times.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{DeviceId, Value, Vital};

/// What identifies a reading for ever: the device's own count within its memory epoch.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ReadingKey {
    /// The device that measured.
    pub device: DeviceId,
    /// The device's memory epoch.
    pub epoch: i64,
    /// Position within the epoch, from 1.
    pub sequence: i64,
}

/// Circumstances, as sent. Unknown texts are kept as they are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Context {
    /// `fasting`, `preprandial`, `postprandial`, `bedtime` or `casual`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub meal: String,
    /// `capillary`, `venous`, `interstitial`, `alternate_site` or `control_solution`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sample: String,
    /// `morning` or `evening` session of a blood pressure protocol.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub session: String,
    /// `rest` or `effort`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub activity: String,
    /// `device` or `manual`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub entry: String,
    /// A device's self test.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
}

impl Context {
    /// May this be trended and judged? Control solutions and self tests say nothing about a person
    /// (MDC 160208, 160276, sample site 8417860; HL7 PHD `meta.security` HTEST).
    pub fn is_of_a_person(&self) -> bool {
        self.sample != "control_solution" && !self.test
    }
}

/// One value of a stored reading, as [`judge()`](crate::judge()) sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Which reading this value belongs to.
    pub key: ReadingKey,
    /// What was measured.
    pub vital: Vital,
    /// The value in the unit received.
    pub value: Value,
    /// When it was measured, on the corrected clock.
    pub measured_at: Timestamp,
    /// When the server received it.
    pub received_at: Timestamp,
    /// False for control solutions and self tests: kept, never trended, never judged.
    pub of_a_person: bool,
}
