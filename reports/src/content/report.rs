//! The shape of a report.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use vigie_vitals::metrics::Metric;
use vigie_vitals::{AlertId, DeviceId, Evidence, PatientId, Priority, RuleId, RuleSpec, Unit, Value, Vital};

use super::{ChartData, DayCount, Week};

/// Metrics by group and name: `glucose` / `mean`. The names are part of the outside contract.
pub type Metrics = BTreeMap<String, BTreeMap<String, Metric>>;

/// One weekly report of one patient. Serialised, it is the report's JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Version of this shape.
    pub schema: u32,
    /// ISO week, `2026-W47`.
    pub week: Week,
    /// From 1; a corrected report is a new version.
    pub version: i32,
    /// Start of the week in the patient's zone.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
    /// The patient's time zone.
    pub time_zone: String,
    /// What was known at this moment; what came later is in the next report.
    pub known_at: Timestamp,
    /// True when the week was not over at `known_at`.
    pub provisional: bool,
    /// What a corrected version corrects.
    pub correction: Option<Correction>,
    /// `vigie 0.1.0`.
    pub software: String,
    /// SHA-256 over the rule versions in force in the week, hexadecimal: the version of the rules as a whole.
    pub rules_version: String,
    /// Who.
    pub patient: Patient,
    /// The report in a few sentences, by language (`fr`, `en`).
    pub summary: BTreeMap<String, Vec<String>>,
    /// Numbers of this week (or of the window that each names).
    pub metrics: Metrics,
    /// The same of the week before, for comparison.
    pub metrics_before: Metrics,
    /// One panel for each thing followed, in the order of the care plans.
    pub panels: Vec<Panel>,
    /// Alerts of the week.
    pub alerts: Vec<AlertLine>,
    /// Every rule in force in the week, with author, and what changed in it.
    pub thresholds: Vec<ThresholdLine>,
    /// Expected and received.
    pub completeness: Completeness,
    /// Pauses that touch the week.
    pub pauses: Vec<PauseLine>,
    /// Devices in use in the week and changes.
    pub devices: Vec<DeviceLine>,
    /// Readings left out, and why.
    pub excluded: Vec<Excluded>,
    /// Readings of the week that came late.
    pub late: Vec<Late>,
    /// Readings of earlier weeks that the report before did not know.
    pub arrived_since: Vec<Late>,
    /// How many more of them there are than are listed.
    pub arrived_since_left_out: u64,
    /// The report that `arrived_since` is relative to.
    pub earlier: Option<EarlierReport>,
    /// What pictures are drawn from; not part of the JSON.
    #[serde(skip)]
    pub charts: Vec<ChartData>,
}

/// Who the report is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patient {
    /// Id.
    pub id: PatientId,
    /// The organisation's own number.
    pub identifier: String,
    /// Surname.
    pub family_name: String,
    /// First name.
    pub given_name: String,
    /// Date of birth.
    pub birth_date: Date,
    /// `female`, `male` or `unknown`.
    pub sex: String,
    /// Care team.
    pub care_team: String,
    /// Codes of the care plans that ran in the week.
    pub care_plans: Vec<String>,
}

/// Why there is a new version, and what is different in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Correction {
    /// The version that it replaces.
    pub of_version: i32,
    /// What that version knew.
    pub known_at_before: Timestamp,
    /// Who asked for it.
    pub author: String,
    /// Why.
    pub reason: String,
    /// Numbers that differ.
    pub changes: Vec<MetricChange>,
    /// Readings of the week that the version before did not know.
    pub readings_added: usize,
}

/// A number that differs between two versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricChange {
    /// Group, such as `glucose`.
    pub group: String,
    /// Name, such as `mean`.
    pub name: String,
    /// Before.
    pub before: Option<f64>,
    /// Now.
    pub after: Option<f64>,
}

/// What a panel is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// Sensor glucose.
    GlucoseCgm,
    /// Fingerstick glucose.
    GlucoseCapillary,
    /// INR.
    Inr,
    /// Body weight.
    Weight,
    /// Blood pressure.
    BloodPressure,
    /// Pulse.
    Pulse,
    /// Oxygen saturation.
    Spo2,
    /// Temperature.
    Temperature,
    /// Respiratory rate.
    RespiratoryRate,
    /// Early warning score, as a ranking aid.
    News2,
}

/// One thing followed: figures and pictures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Panel {
    /// What it is about.
    pub topic: Topic,
    /// The unit in which people read it: that of most readings of the week. Metrics are in canonical units;
    /// [`Panel::shown`] converts them.
    pub unit: Unit,
    /// The figures to show, in order; the numbers are in `metrics` and `metrics_before`.
    pub figures: Vec<Figure>,
    /// Episodes, extremes and the like, told one by one.
    pub notes: Vec<Note>,
    /// False: there is too little to conclude; figures are marked and nothing misleading is drawn.
    pub sufficient: bool,
    /// Why it is not.
    pub insufficient: Option<Insufficient>,
    /// Places in [`Report::charts`].
    #[serde(skip)]
    pub charts: Vec<usize>,
}

/// A metric to show.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Group in `metrics`.
    pub group: String,
    /// Name in `metrics`.
    pub name: String,
    /// Digits after the decimal mark.
    pub digits: u8,
    /// What is aimed at, with its source in the clinical reference.
    pub goal: Option<Goal>,
}

/// What is aimed at.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Goal {
    /// `true`: more than `value` is good; `false`: less.
    pub above: bool,
    /// The bound.
    pub value: f64,
}

/// Why a panel concludes nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Insufficient {
    /// Nothing was measured.
    NoReadings,
    /// Fewer readings than needed.
    TooFew {
        /// There are.
        readings: usize,
        /// Needed.
        needed: usize,
    },
    /// A sensor that was active for too little of the time.
    LittleActive {
        /// Percent.
        percent: f64,
        /// Needed.
        needed: f64,
    },
    /// The reference is too old.
    BaselineLost,
}

/// Something to be told within a panel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Note {
    /// The lowest and the highest value of the week.
    Extremes {
        /// Lowest.
        lowest: TimedValue,
        /// Highest.
        highest: TimedValue,
    },
    /// An episode of low or high sensor glucose.
    Episode {
        /// `low_1`, `low_2`, `low_extended`, `high_1`, `high_2`.
        level: String,
        /// From.
        from: Timestamp,
        /// Until; absent when it went on at the end of the week.
        until: Option<Timestamp>,
        /// The most extreme value, mg/dL; absent when all of it lay beyond the sensor's range (`LO`, `HI`).
        extreme: Option<f64>,
    },
    /// Stretches between INR tests too long to interpolate, days.
    InrGap {
        /// How many days.
        days: f64,
    },
    /// Values beyond the meter's range, counted but left out of means.
    Censored {
        /// Below.
        below: usize,
        /// Above.
        above: usize,
    },
    /// What a score could not include.
    Missing {
        /// Vital signs that were not measured.
        vitals: Vec<Vital>,
    },
}

/// A value with its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimedValue {
    /// When.
    pub at: Timestamp,
    /// What.
    pub value: Value,
}

/// An alert in the report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertLine {
    /// Id.
    pub id: AlertId,
    /// The rule.
    pub rule: RuleId,
    /// The version that judged its worst breach.
    pub rule_version: i32,
    /// What that version does.
    pub spec: Option<RuleSpec>,
    /// Priority.
    pub priority: Priority,
    /// The breach that explains it.
    pub worst: Evidence,
    /// How many breaches.
    pub breaches: usize,
    /// When it happened.
    pub happened_at: Timestamp,
    /// When the server could know.
    pub known_at: Timestamp,
    /// When it opened.
    pub opened_at: Timestamp,
    /// Acknowledged when, by whom.
    pub acknowledged: Option<Act>,
    /// Resolved when, by whom.
    pub resolved: Option<Act>,
    /// Coded outcome.
    pub outcome: Option<String>,
    /// Did the condition end?
    pub ended: bool,
    /// Later data no longer support it.
    pub unsupported: bool,
    /// True when it was opened before the week and only carried into it.
    pub carried_over: bool,
}

/// Who did something, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// When.
    pub at: Timestamp,
    /// Who; `vigie` for the system.
    pub by: String,
}

/// A rule in force, or a version of it that was in force for a part of the week.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThresholdLine {
    /// The rule.
    pub rule: RuleId,
    /// Its version.
    pub version: i32,
    /// What it does.
    pub spec: RuleSpec,
    /// Who prescribed it.
    pub author: String,
    /// Why.
    pub reason: String,
    /// In force from; before the week's start for a version that did not change.
    pub valid_from: Timestamp,
    /// In force until, when it was replaced within the week.
    pub valid_until: Option<Timestamp>,
    /// True when it came into force within the week.
    pub changed: bool,
}

/// Expected and received, per expectation and per day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Completeness {
    /// One per schedule (silence rule).
    pub schedules: Vec<ScheduleLine>,
    /// Readings received for the week, all vital signs.
    pub received: usize,
    /// Days of the week with at least one reading.
    pub days_with_data: usize,
    /// Numbers that the devices counted and that never arrived.
    pub never_arrived: i64,
    /// What came and could not be taken, by code.
    pub refused: BTreeMap<String, i64>,
}

/// One expectation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduleLine {
    /// What is expected.
    pub vital: Vital,
    /// At least once in so many hours.
    pub every_hours: u32,
    /// Expected in the week, pauses taken off.
    pub expected: f64,
    /// Kept, percent of what was expected.
    pub percent: Option<f64>,
    /// The longest stretch without, hours.
    pub longest_gap_hours: Option<f64>,
    /// Day by day.
    pub days: Vec<DayCount>,
}

/// A pause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseLine {
    /// From.
    pub from: Timestamp,
    /// To.
    pub until: Timestamp,
    /// Why.
    pub reason: String,
    /// Who entered it.
    pub author: String,
    /// When.
    pub recorded_at: Timestamp,
}

/// A device in use, or a change of device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceLine {
    /// Id.
    pub id: DeviceId,
    /// What it is.
    pub kind: String,
    /// Given out within the week at this time.
    pub since: Option<Timestamp>,
    /// Taken back within the week at this time.
    pub until: Option<Timestamp>,
    /// Readings of the week from it.
    pub readings: usize,
}

/// Readings left out of every figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Excluded {
    /// When.
    pub at: Timestamp,
    /// What.
    pub vital: Vital,
    /// The value.
    pub value: Value,
    /// `control_solution`, `self_test`, or a plausibility flag that excludes (`implausible_jump`).
    pub reason: String,
}

/// Readings that came late.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Late {
    /// Measured at; of several, the first.
    pub measured_at: Timestamp,
    /// Received at.
    pub received_at: Timestamp,
    /// What.
    pub vital: Vital,
    /// The value, when it is one reading alone.
    pub value: Option<Value>,
    /// How many readings of this vital sign came together.
    pub count: usize,
    /// Measured at; of several, the last.
    pub measured_until: Timestamp,
}

/// The report before this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierReport {
    /// Its week.
    pub week: Week,
    /// Its version.
    pub version: i32,
    /// What it knew.
    pub known_at: Timestamp,
}
