//! What a weekly report says, as data: numbers, tables, reasons. No layout, no language except in the summary.
//!
//! [`wanted`] says how much of a patient's record a report needs, [`build()`] makes the report from it, [`practice`] puts
//! the reports of a practice in order. All are pure: the same record gives the same report, byte for byte, in whatever
//! order its parts come. Clinical numbers come from [`vigie_vitals::metrics`]; here it is decided which of them are
//! told, over which period, and what is said about them.

mod alerts;
mod build;
mod charts;
mod completeness;
mod correction;
mod drawn;
mod figures;
mod frame;
mod late;
mod measured;
mod panels;
pub mod practice;
mod report;
mod summary;
mod thresholds;
mod week;
mod windows;

pub use build::{CorrectionOf, Options, build};
pub use charts::{ChartData, DayCount, DayState, LaneAlert, Pressure, Shaded};
pub use figures::rounded;
pub use report::*;
pub use week::Week;
pub use windows::{wanted, wanted_between};
