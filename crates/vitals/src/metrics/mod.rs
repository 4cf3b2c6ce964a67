//! The clinical metrics of a report, as pure functions: samples and a period in, numbers out.
//!
//! Every function takes its samples in any order, looks only at those of its period, and never gives a number that
//! is not finite: what cannot be computed is `None`. Formulae, sources and conventions stand at each function and,
//! for clinicians, in `docs/clinical-metrics.md`. Keys in brackets are listed there.

pub mod adherence;
pub mod alerts;
pub mod blood_pressure;
mod day;
pub mod glucose;
pub mod inr;
pub mod news2;
mod number;
pub mod vital_signs;
pub mod weight;

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Reading, Value, Vital};

/// A stretch of time: from `from`, up to and without `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Period {
    /// The first instant that belongs to it.
    pub from: Timestamp,
    /// The first instant that no longer does.
    pub to: Timestamp,
}

impl Period {
    /// Does the instant belong to it?
    pub fn contains(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }

    /// Its length in days of 24 hours; nothing when it ends before it begins.
    pub fn days(&self) -> f64 {
        number::days_between(self.from, self.to).max(0.0)
    }
}

/// One number as a report carries it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// The number; absent when it cannot be computed or must not be shown. Always finite.
    pub value: Option<f64>,
    /// UCUM code of its unit.
    pub unit: Cow<'static, str>,
    /// The period that it is about: from here,
    pub from: Timestamp,
    /// up to and without here.
    pub to: Timestamp,
    /// How many readings (or pairs, days, alerts: the metric says) it rests on.
    pub n: usize,
    /// Are there enough data to conclude from it? A report shows what is not sufficient only with that mark.
    pub sufficient: bool,
}

impl Metric {
    /// A number; what is not finite is taken for not computable, and nothing is sufficient without a number.
    pub fn new(value: Option<f64>, unit: &'static str, period: Period, n: usize, sufficient: bool) -> Self {
        let value = value.filter(|value| value.is_finite());
        let sufficient = sufficient && value.is_some();
        Self { value, unit: Cow::Borrowed(unit), from: period.from, to: period.to, n, sufficient }
    }
}

/// What was measured at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// When, on the corrected clock.
    pub at: Timestamp,
    /// What, in the unit received.
    pub value: Value,
}

/// The samples of one vital sign among readings. Control solutions and self tests are left out: they say nothing
/// about a person.
pub fn samples(readings: &[Reading], vital: Vital) -> Vec<Sample> {
    readings
        .iter()
        .filter(|reading| reading.vital == vital && reading.of_a_person)
        .map(|reading| Sample { at: reading.measured_at, value: reading.value })
        .collect()
}
