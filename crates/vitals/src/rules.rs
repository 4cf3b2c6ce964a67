//! Rules as data: what a physician prescribes, with version, author and reason.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{RuleId, Unit, Vital};

/// How urgent an alert is, by harm and onset (DOMAIN 2.7). Ordered: `Technical < Low < Medium < High`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// The measurement chain needs somebody, not the patient's state.
    Technical,
    /// Awareness.
    Low,
    /// Prompt response.
    Medium,
    /// Immediate response.
    High,
}

impl Priority {
    /// `technical`, `low`, `medium`, `high`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Technical => "technical",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// One threshold per unit. A value is compared in the unit in which it was received, never converted:
/// 70 mg/dL is 3.8855 mmol/L, yet the published cut-off is 3.9.
pub type UnitTable = BTreeMap<Unit, Decimal>;

/// Which side of a range is dangerous.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Values below a threshold.
    Low,
    /// Values above a threshold.
    High,
}

/// One step of a limit rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// The threshold in each unit in which the vital may arrive.
    pub threshold: UnitTable,
    /// Does the threshold itself break the limit? (`>= 6` is inclusive, `< 54` is not.)
    #[serde(default)]
    pub inclusive: bool,
    /// Priority of a breach.
    pub priority: Priority,
}

/// A value beyond a limit. Sides are separate rules, so that a snoozed high never hides a low.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitRule {
    /// What is watched.
    pub vital: Vital,
    /// Which side.
    pub side: Side,
    /// From mild to severe; the most severe level broken counts.
    pub levels: Vec<Level>,
    /// Priority of a censored value on this side (`LO`, `HI`), where it differs from the last level's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beyond_range: Option<Priority>,
}

/// Up or down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// More than before.
    Gain,
    /// Less than before.
    Loss,
}

/// A change of at least `delta` against some reading of the last `window_hours`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeStep {
    /// The change that breaks the rule (inclusive), in each unit.
    pub delta: UnitTable,
    /// How far back the reference may lie, in hours.
    pub window_hours: u32,
    /// Priority of a breach.
    pub priority: Priority,
}

/// A change over a window, such as +2 kg in 3 days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeRule {
    /// What is watched.
    pub vital: Vital,
    /// Which way.
    pub direction: Direction,
    /// The steps; the highest priority broken counts, the shortest window among equals.
    pub steps: Vec<ChangeStep>,
    /// A jump of at least this much against the last accepted reading is taken for another person or a
    /// fault: the reading is left out of the trend until a second one agrees with it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub implausible_jump: UnitTable,
}

/// An expected schedule. It has no off switch (French decrees of 22 June 2023): only a pause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SilenceRule {
    /// What is expected.
    pub vital: Vital,
    /// At least one reading in every so many hours.
    pub every_hours: u32,
    /// Tolerance on top, in hours.
    pub grace_hours: u32,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RuleSpec {
    /// A value beyond a limit.
    Limit(LimitRule),
    /// A change over a window.
    Change(ChangeRule),
    /// Nothing measured when something was due.
    Silence(SilenceRule),
}

impl RuleSpec {
    /// The vital sign that the rule watches.
    pub fn vital(&self) -> Vital {
        match self {
            Self::Limit(rule) => rule.vital,
            Self::Change(rule) => rule.vital,
            Self::Silence(rule) => rule.vital,
        }
    }
}

/// One version of one rule of one patient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleVersion {
    /// Stable over versions.
    pub rule: RuleId,
    /// From 1.
    pub version: i32,
    /// Readings measured from here on are judged by it, until the next version's `valid_from`.
    pub valid_from: Timestamp,
    /// When it was entered; what was judged before that did not know it.
    pub recorded_at: Timestamp,
    /// Who prescribed it, for people.
    pub author: String,
    /// Why.
    pub reason: String,
    /// What it does.
    pub spec: RuleSpec,
}

/// A stretch in which silence is expected (hospital stay, holiday), always with an end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// From here.
    pub from: Timestamp,
    /// To here.
    pub until: Timestamp,
    /// Why.
    pub reason: String,
    /// When it was entered.
    pub recorded_at: Timestamp,
}

/// Why a rule cannot be accepted, in words for the person who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// No level, no step.
    #[error("the rule has no level, so it would protect nobody")]
    Empty,
    /// A unit in which the vital may arrive has no threshold: readings in it would not be judged.
    #[error("no threshold is given in {0}; readings may arrive in that unit")]
    MissingUnit(&'static str),
    /// A unit of another dimension.
    #[error("{0} is no unit of this vital sign")]
    ForeignUnit(&'static str),
    /// Levels must go from mild to severe.
    #[error("levels go from mild to severe, each further out and not less urgent than the one before")]
    Order,
    /// The units' thresholds differ by more than rounding explains: one of them is mistyped.
    #[error("what is given in {0} is not the same as in the other units")]
    Disagree(&'static str),
    /// Window, delta, period: more than nothing.
    #[error("{0} must be more than zero")]
    NotPositive(&'static str),
}
