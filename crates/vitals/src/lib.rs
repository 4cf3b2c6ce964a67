//! The medicine of Vigie, as pure functions: ids, vital signs and their codes, units, readings,
//! plausibility, rules, [`judge()`] and [`reconcile()`], and the [metrics] of reports.
//!
//! No I/O, no async, and nothing in here ever asks what time it is: `as_of` is handed in. So the same
//! record gives the same alerts on every machine, today and in ten years.

mod alert;
mod conversion;
mod ids;
mod judge;
pub mod metrics;
pub mod plans;
mod plausibility;
mod reading;
mod reconcile;
mod rules;
mod time_doubt;
mod unit;
mod validate;
mod value;
mod vital;

pub use alert::{AlertChange, AlertOnRecord, AlertState, Condition, Evidence, Finding, Threshold};
pub use conversion::convert;
pub use ids::{AlertId, CareTeamId, DeviceId, PatientId, RuleId, TerritoryId, UserId};
pub use judge::{Judgement, Record, Scope, SilenceFinding, judge, scope};
pub use plausibility::{Flag, Implausible, check_plausibility, check_reading};
pub use reading::{Context, Reading, ReadingKey};
pub use reconcile::{apply, reconcile};
pub use rules::{
    ChangeRule, ChangeStep, Direction, Level, LimitRule, Pause, Priority, RuleError, RuleSpec, RuleVersion,
    Side, SilenceRule, UnitTable,
};
pub use time_doubt::TimeDoubt;
pub use unit::{Dimension, Unit, UnitError};
pub use value::{Comparator, Value, ValueError};
pub use vital::{UnknownVital, Vital};
