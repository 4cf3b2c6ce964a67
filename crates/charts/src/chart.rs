//! What is drawn, as plain data.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

use crate::Locale;

/// One value in the unit of the chart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Datum {
    /// An exact value.
    Exact(Decimal),
    /// Below the meter's range (`LO`, `<0.8`).
    Below(Option<Decimal>),
    /// Above the meter's range (`HI`, `>8.0`).
    Above(Option<Decimal>),
    /// A pair drawn as one vertical bar: diastolic and systolic pressure.
    Range {
        /// The lower end.
        low: Decimal,
        /// The upper end.
        high: Decimal,
    },
}

impl Datum {
    /// The lower end, where there is a number.
    pub(crate) fn low(self) -> Option<Decimal> {
        match self {
            Self::Exact(value) => Some(value),
            Self::Below(value) | Self::Above(value) => value,
            Self::Range { low, .. } => Some(low),
        }
    }

    /// The upper end, where there is a number.
    pub(crate) fn high(self) -> Option<Decimal> {
        match self {
            Self::Range { high, .. } => Some(high),
            Self::Exact(_) | Self::Below(_) | Self::Above(_) => self.low(),
        }
    }
}

/// A measurement with both its times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Measured at.
    pub at: Timestamp,
    /// Received at: a reading that came more than an hour later is drawn hollow.
    pub received_at: Timestamp,
    /// Its value.
    pub value: Datum,
}

impl Point {
    /// Did it arrive more than an hour after it was measured?
    pub fn is_late(&self) -> bool {
        self.received_at.duration_since(self.at) > SignedDuration::from_hours(1)
    }
}

/// Which side of a limit is dangerous.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Below it.
    Low,
    /// Above it.
    High,
}

/// How urgent a limit or an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The measurement chain needs somebody.
    Technical,
    /// Awareness.
    Low,
    /// Prompt response.
    Medium,
    /// Immediate response.
    High,
}

impl Severity {
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Technical => "technical",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// From an instant on, a limit has this value (or none).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LimitStep {
    /// In force from here.
    pub from: Timestamp,
    /// The value; `None` where the limit did not exist.
    pub value: Option<Decimal>,
}

/// A limit over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// Which side of it is dangerous.
    pub side: Side,
    /// How urgent a breach is.
    pub severity: Severity,
    /// Its values, by time.
    pub steps: Vec<LimitStep>,
}

/// The range aimed at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Band {
    /// From.
    pub low: Decimal,
    /// To.
    pub high: Decimal,
}

/// An alert on the time axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Marker {
    /// When it happened.
    pub at: Timestamp,
    /// How urgent it is.
    pub severity: Severity,
    /// One sentence, shown on hovering and read aloud.
    pub label: String,
}

/// Width and height in user units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

/// Everything that [`crate::draw()`] needs.
#[derive(Debug, Clone)]
pub struct Chart {
    /// Unique within the page: names `<title>` and `<desc>` for assistive technology.
    pub id: String,
    /// What was measured, in words.
    pub name: String,
    /// Its unit, as people write it.
    pub unit: String,
    /// Left end of the time axis.
    pub from: Timestamp,
    /// Right end of the time axis.
    pub until: Timestamp,
    /// Measurements, by time.
    pub series: Vec<Point>,
    /// Limits over time.
    pub limits: Vec<Limit>,
    /// Target range.
    pub band: Option<Band>,
    /// Alerts.
    pub alerts: Vec<Marker>,
    /// Points further apart than this are not joined; `None`: points are never joined.
    pub join_within: Option<SignedDuration>,
    /// Words and numbers.
    pub locale: Locale,
    /// The patient's time zone.
    pub zone: TimeZone,
    /// How large.
    pub size: Size,
}
