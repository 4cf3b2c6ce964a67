//! What pictures are drawn from: locale-free data. `document` turns each into a chart in a language.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use vigie_charts::{Band, Limit, Point, Severity};
use vigie_vitals::{RuleSpec, Unit, Vital};

/// One picture.
#[derive(Debug, Clone, PartialEq)]
pub enum ChartData {
    /// Shares of sensor (or fingerstick) glucose in the five ranges, percent, from very low to very high.
    RangeBar {
        /// Very low, low, target, high, very high; they sum to 100.
        shares: [f64; 5],
        /// `percent of readings` rather than of time (fingersticks).
        of_readings: bool,
    },
    /// Glucose over the hours of the day, all days on one another.
    DailyProfile {
        /// From.
        from: Timestamp,
        /// To.
        to: Timestamp,
        /// Time and mg/dL.
        points: Vec<(Timestamp, f64)>,
    },
    /// Seven small days.
    SmallDays {
        /// From: local midnight of Monday.
        from: Timestamp,
        /// To.
        to: Timestamp,
        /// Time and mg/dL.
        points: Vec<(Timestamp, f64)>,
        /// Join the points (sensor) or not (fingersticks).
        joined: bool,
    },
    /// A series over time with limits and a target band.
    Series {
        /// What.
        vital: Vital,
        /// In which unit.
        unit: Unit,
        /// From.
        from: Timestamp,
        /// To.
        to: Timestamp,
        /// The points.
        points: Vec<Point>,
        /// A second line: a moving average.
        average: Vec<(Timestamp, Decimal)>,
        /// A level drawn across: dry weight.
        level: Option<Decimal>,
        /// Limits at their historic values.
        limits: Vec<Limit>,
        /// Target band.
        band: Option<Band>,
        /// Points further apart are not joined; `None`: never joined.
        join_within: Option<SignedDuration>,
        /// Stretches to shade: pauses.
        shaded: Vec<Shaded>,
    },
    /// Blood pressure.
    Pressure {
        /// From.
        from: Timestamp,
        /// To.
        to: Timestamp,
        /// Readings.
        readings: Vec<Pressure>,
        /// Limits of the systolic pressure.
        systolic_limits: Vec<Limit>,
        /// Limits of the diastolic pressure.
        diastolic_limits: Vec<Limit>,
    },
    /// Values of a vital sign by day, with the day's median.
    DotsByDay {
        /// What.
        vital: Vital,
        /// In which unit.
        unit: Unit,
        /// From.
        from: Timestamp,
        /// To.
        to: Timestamp,
        /// The points.
        points: Vec<Point>,
        /// Limits.
        limits: Vec<Limit>,
    },
    /// Expected and received, day by day.
    Adherence {
        /// What.
        vital: Vital,
        /// The days.
        days: Vec<DayCount>,
    },
    /// Alerts, a lane for each rule.
    Lanes {
        /// From.
        from: Timestamp,
        /// To.
        to: Timestamp,
        /// By rule.
        lanes: Vec<(RuleSpec, Vec<LaneAlert>)>,
    },
}

/// A stretch of time to shade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shaded {
    /// From.
    pub from: Timestamp,
    /// To.
    pub to: Timestamp,
}

/// A blood pressure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pressure {
    /// When.
    pub at: Timestamp,
    /// mmHg.
    pub systolic: Decimal,
    /// mmHg.
    pub diastolic: Decimal,
    /// Before noon, local time (or as the device said).
    pub morning: bool,
}

/// An alert on a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneAlert {
    /// When it happened.
    pub from: Timestamp,
    /// When it was resolved.
    pub until: Option<Timestamp>,
    /// How urgent.
    pub severity: Severity,
}

/// Expected and received on one local day.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DayCount {
    /// The day.
    pub date: Date,
    /// Expected; a day of 23 or 25 hours expects accordingly.
    pub expected: f64,
    /// Received.
    pub received: usize,
    /// How it stands.
    pub state: DayState,
}

/// How a day stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DayState {
    /// Everything expected came.
    Complete,
    /// Some came.
    Partial,
    /// Nothing came.
    Nothing,
    /// Nothing was expected: paused.
    Paused,
    /// Not watched yet, or not yet over.
    Outside,
}
