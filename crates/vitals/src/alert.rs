//! Alerts: what the judge found, what stands on record, and what has to change.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{AlertId, Priority, ReadingKey, RuleId, Unit, Value, Vital};

/// State of the work on an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// Nobody has taken it yet.
    Open,
    /// Somebody has seen it and is on it.
    Acknowledged,
    /// Closed with a coded outcome.
    Resolved,
}

impl AlertState {
    /// `open`, `acknowledged`, `resolved`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
        }
    }
}

/// State of the patient's condition, apart from the work: a condition that ends does not close the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// The newest reading (by its own time) breaks the rule.
    Active,
    /// On the way back; not used by rules without hysteresis.
    Recovering,
    /// The newest reading is within the rule.
    Ended,
}

impl Condition {
    /// `active`, `recovering`, `ended`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Recovering => "recovering",
            Self::Ended => "ended",
        }
    }
}

/// What was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Threshold {
    /// The limit, the change allowed, or the hours allowed.
    pub value: Decimal,
    /// Unit of `value`; absent for hours of silence.
    pub unit: Option<Unit>,
    /// Over how many hours, for a change or a silence.
    pub window_hours: Option<u32>,
    /// Does reaching the threshold itself count?
    pub inclusive: bool,
}

/// One breach: a reading that breaks a rule, or a silence. It is the reason of an alert and is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The reading; absent for a silence.
    pub reading: Option<ReadingKey>,
    /// What was measured, or was not.
    pub vital: Vital,
    /// Its value; absent for a silence.
    pub value: Option<Value>,
    /// For a change: the value it is compared with, and when that was measured.
    pub reference: Option<(Value, Timestamp)>,
    /// When it happened: measured at, or when the silence became one.
    pub happened_at: Timestamp,
    /// When the server could know: received at, or when the silence was seen.
    pub known_at: Timestamp,
    /// Version of the rule in force at `happened_at`.
    pub rule_version: i32,
    /// How urgent this breach is.
    pub priority: Priority,
    /// What was broken.
    pub threshold: Threshold,
}

/// A breach and the rule it breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The rule.
    pub rule: RuleId,
    /// The breach.
    pub evidence: Evidence,
}

/// An alert as it stands in the database, with what [`reconcile()`](crate::reconcile()) needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertOnRecord {
    /// Its id.
    pub id: AlertId,
    /// The rule.
    pub rule: RuleId,
    /// Work.
    pub state: AlertState,
    /// Condition.
    pub condition: Condition,
    /// Highest priority of its evidence.
    pub priority: Priority,
    /// All breaches on it, each at most once.
    pub evidence: Vec<Evidence>,
    /// True once a note says that later data no longer support it.
    pub unsupported: bool,
}

/// One thing to write so that the record says what the data say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AlertChange {
    /// Open a new alert on these breaches (never empty).
    Open {
        /// The rule.
        rule: RuleId,
        /// Its breaches, by time.
        evidence: Vec<Evidence>,
        /// Highest priority among them.
        priority: Priority,
        /// Active, or already ended when the breach lies in the past.
        condition: Condition,
    },
    /// Add breaches to the alert that is not resolved.
    Append {
        /// Which.
        alert: AlertId,
        /// New breaches, by time. A breach that is already on the alert comes again when later data make
        /// it more urgent than the alert (a late reading shows that the gain was larger): then it takes
        /// the place of the earlier entry.
        evidence: Vec<Evidence>,
        /// The priority after that, never lower than before.
        priority: Priority,
        /// True when the priority rose above what was acknowledged: it is open again.
        reopened: bool,
    },
    /// The condition changed.
    Condition {
        /// Which.
        alert: AlertId,
        /// To what.
        condition: Condition,
    },
    /// A technical alert whose condition ended closes by itself.
    ResolveTechnical {
        /// Which.
        alert: AlertId,
    },
    /// Data that came later support none of its breaches any more (or, `supported`, again do).
    /// It is noted on the alert; nothing is deleted.
    Support {
        /// Which.
        alert: AlertId,
        /// Do the data support it?
        supported: bool,
    },
}

/// What makes a breach the same breach, however often and with whatever data it is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum BreachId<'a> {
    /// This value of this reading.
    Reading(&'a ReadingKey, Vital),
    /// The silence that began at this time.
    Silence(Timestamp),
}

impl Evidence {
    pub(crate) fn breach_id(&self) -> BreachId<'_> {
        match &self.reading {
            Some(key) => BreachId::Reading(key, self.vital),
            None => BreachId::Silence(self.happened_at),
        }
    }

    /// Is it a silence?
    pub fn is_silence(&self) -> bool {
        self.reading.is_none()
    }
}

impl AlertOnRecord {
    fn first(&self) -> Option<&Evidence> {
        self.evidence.iter().min_by_key(|e| (e.happened_at, e.known_at, e.breach_id()))
    }

    /// When it happened: at the earliest of its breaches, also if that came to light last. Only an alert
    /// without evidence, which is never opened, has none.
    pub fn happened_at(&self) -> Option<Timestamp> {
        self.first().map(|e| e.happened_at)
    }

    /// When the server could know of that same breach.
    pub fn known_at(&self) -> Option<Timestamp> {
        self.first().map(|e| e.known_at)
    }

    /// The most urgent breach, the latest among equals: the one to be named in a sentence.
    pub fn worst(&self) -> Option<&Evidence> {
        self.evidence.iter().max_by_key(|e| (e.priority, e.happened_at, e.breach_id()))
    }

    /// Does it stand for a silence?
    pub fn is_silence(&self) -> bool {
        !self.evidence.is_empty() && self.evidence.iter().all(Evidence::is_silence)
    }
}
