//! The record of one patient as it was known at a moment: what a weekly report is made from.
//!
//! Everything here is bounded by `known_at`: readings received by then, rule versions, pauses, evidence and work recorded
//! by then. Those tables are only ever added to, so the same question gives the same answer tomorrow. What is told as it
//! stands, because it has no history: who the patient is and who looks after them, and a handing-over of a device or an end
//! of a care plan that is entered with a time of the past. What a transaction had in hand at `known_at` and commits after
//! the record was loaded is the other exception; [`SETTLE`](super::jobs::SETTLE) is there for that.

use jiff::Timestamp;
use jiff::civil::Date;
use vigie_vitals::{AlertId, DeviceId, Evidence, PatientId, Priority, RuleId, RuleVersion, Vital};

use crate::alert_work::HistoryEntry;
use crate::patients::StoredReading;
use crate::rules::PauseOnRecord;

pub use super::load::load;

/// Of the readings that arrived since the report before, the newest so many are listed; the rest is counted.
pub const ARRIVED_SINCE_MOST: i64 = 2_000;

/// Readings that arrived since the report before are looked for so far back from the start of the week.
pub const ARRIVED_SINCE_DAYS: i32 = 60;

/// Which record is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Whose.
    pub patient: PatientId,
    /// The week: from here,
    pub from: Timestamp,
    /// up to and without here.
    pub to: Timestamp,
    /// What was known at this moment.
    pub known_at: Timestamp,
    /// How far back readings of each vital sign are needed; none of the others are loaded.
    pub since: Vec<(Vital, Timestamp)>,
}

/// Who the patient is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
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
    /// `fr` or `en`.
    pub language: String,
    /// IANA time zone.
    pub time_zone: String,
    /// Care team.
    pub care_team: String,
    /// Watched from here on.
    pub watched_since: Timestamp,
}

/// A care plan and when it ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanOnRecord {
    /// Its code.
    pub plan: String,
    /// From.
    pub started_at: Timestamp,
    /// Until, if it had ended by `known_at`.
    pub ended_at: Option<Timestamp>,
}

/// A device while this patient held it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceHeld {
    /// Id.
    pub id: DeviceId,
    /// What it is.
    pub kind: String,
    /// Held from.
    pub from: Option<Timestamp>,
    /// Held until, if that lies before the end of the week: what was done with a device later is not told.
    pub until: Option<Timestamp>,
}

/// An alert with all that was known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertStory {
    /// Id.
    pub id: AlertId,
    /// The rule.
    pub rule: RuleId,
    /// What is watched.
    pub vital: Vital,
    /// The highest priority of the evidence known.
    pub priority: Priority,
    /// When it opened.
    pub opened_at: Timestamp,
    /// Breaches known, oldest first.
    pub evidence: Vec<Evidence>,
    /// What was done, oldest first: `opened`, `acknowledged`, `resolved` and so on, with who and when.
    pub events: Vec<HistoryEntry>,
}

/// Bytes that could not become a reading, counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineCount {
    /// From which device.
    pub device: DeviceId,
    /// Why, as a code.
    pub code: String,
    /// How many.
    pub count: i64,
    /// The newest.
    pub last_at: Timestamp,
}

/// The report before this one, if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// ISO week, such as `2026-W46`.
    pub week: String,
    /// The newest version of it that existed.
    pub version: i32,
    /// What it knew: readings received later were unknown to it.
    pub known_at: Timestamp,
    /// Start of its week.
    pub from: Timestamp,
}

/// Everything a report says is made from this.
#[derive(Debug, Clone, PartialEq)]
pub struct WeekRecord {
    /// What was asked for.
    pub wanted: Wanted,
    /// Who.
    pub patient: Identity,
    /// Care plans that ran at some time in the week, recorded by `known_at`; by start.
    pub plans: Vec<PlanOnRecord>,
    /// All versions of all rules recorded by `known_at`, by rule and version.
    pub rules: Vec<RuleVersion>,
    /// Pauses recorded by `known_at` that touch the week or the one before.
    pub pauses: Vec<PauseOnRecord>,
    /// Devices held at some time in the week or the one before.
    pub devices: Vec<DeviceHeld>,
    /// Readings measured before `to`, back to what was wanted, received by `known_at`; by time. Readings that are not
    /// of a person (control solution, self test) and flagged ones are among them: a report says what it leaves out.
    pub readings: Vec<StoredReading>,
    /// Readings that the report before did not know: measured before the end of its week (and before `from`), at most
    /// [`ARRIVED_SINCE_DAYS`] back, received after its `known_at` and by ours; by time, the newest [`ARRIVED_SINCE_MOST`].
    pub arrived_since: Vec<StoredReading>,
    /// How many more of them there are than were listed.
    pub arrived_since_left_out: i64,
    /// Alerts opened before `known_at` that were opened, resolved or unresolved at some time in the week, or whose
    /// evidence happened in it.
    pub alerts: Vec<AlertStory>,
    /// What came in the week from the patient's devices and could not be taken.
    pub quarantine: Vec<QuarantineCount>,
    /// Numbers that had not arrived by `known_at` between the first and the last of the week's readings, of each device and
    /// memory epoch: neither as a reading nor in quarantine.
    pub never_arrived: i64,
    /// The report before.
    pub earlier: Option<Earlier>,
}
