//! Targets of glucose management, as data.

use serde::{Deserialize, Serialize};

use super::Glucose;

/// For whom a target is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Population {
    /// Adults with type 1 or type 2 diabetes \[TIR\].
    Adults,
    /// Older people and people at high risk \[TIR\], numbers (memory, DOMAIN 2.2).
    HighRisk,
    /// Type 1 diabetes in pregnancy \[TIR\].
    PregnancyType1,
}

/// Which side of the limit is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// More than the limit.
    MoreThan,
    /// Less than the limit.
    LessThan,
    /// The limit or less.
    AtMost,
}

/// One target. A physician may set others for a patient.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Goal {
    /// Name of the metric, as in [`Glucose`] (for pregnancy as in [`super::Pregnancy`]).
    pub metric: &'static str,
    /// Which side is wanted.
    pub wanted: Wanted,
    /// The limit in %.
    pub limit: f64,
    /// Key of its source.
    pub source: &'static str,
}

impl Goal {
    /// Is it met?
    pub fn is_met(&self, value: f64) -> bool {
        match self.wanted {
            Wanted::MoreThan => value > self.limit,
            Wanted::LessThan => value < self.limit,
            Wanted::AtMost => value <= self.limit,
        }
    }

    /// Is it met by these metrics? `None` when the metric is not there.
    pub fn judge(&self, glucose: &Glucose) -> Option<bool> {
        let pregnancy = glucose.pregnancy.as_ref();
        let value = match self.metric {
            "in_70_180_percent" => glucose.in_70_180_percent,
            "below_70_percent" => glucose.below_70_percent,
            "below_54_percent" => glucose.below_54_percent,
            "above_180_percent" => glucose.above_180_percent,
            "above_250_percent" => glucose.above_250_percent,
            "cv_percent" => glucose.cv_percent,
            "in_63_140_percent" => pregnancy.map(|ranges| ranges.in_63_140_percent),
            "below_63_percent" => pregnancy.map(|ranges| ranges.below_63_percent),
            "above_140_percent" => pregnancy.map(|ranges| ranges.above_140_percent),
            _ => None,
        };
        value.map(|value| self.is_met(value))
    }
}

/// The published targets for a kind of patient, for sensors (with two weeks of data, 70 % active).
pub fn goals(population: Population) -> &'static [Goal] {
    const ADULTS: [Goal; 6] = [
        goal("in_70_180_percent", Wanted::MoreThan, 70.0, "TIR"),
        goal("below_70_percent", Wanted::LessThan, 4.0, "TIR"),
        goal("below_54_percent", Wanted::LessThan, 1.0, "TIR"),
        goal("above_180_percent", Wanted::LessThan, 25.0, "TIR"),
        goal("above_250_percent", Wanted::LessThan, 5.0, "TIR"),
        goal("cv_percent", Wanted::AtMost, 36.0, "TIR"),
    ];
    const HIGH_RISK: [Goal; 3] = [
        goal("in_70_180_percent", Wanted::MoreThan, 50.0, "TIR (memory)"),
        goal("below_70_percent", Wanted::LessThan, 1.0, "TIR (memory)"),
        goal("above_250_percent", Wanted::LessThan, 10.0, "TIR (memory)"),
    ];
    const PREGNANCY: [Goal; 4] = [
        goal("in_63_140_percent", Wanted::MoreThan, 70.0, "TIR"),
        goal("below_63_percent", Wanted::LessThan, 4.0, "TIR"),
        goal("below_54_percent", Wanted::LessThan, 1.0, "TIR"),
        goal("above_140_percent", Wanted::LessThan, 25.0, "TIR"),
    ];
    match population {
        Population::Adults => &ADULTS,
        Population::HighRisk => &HIGH_RISK,
        Population::PregnancyType1 => &PREGNANCY,
    }
}

const fn goal(metric: &'static str, wanted: Wanted, limit: f64, source: &'static str) -> Goal {
    Goal { metric, wanted, limit, source }
}
