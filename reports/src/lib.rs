//! The weekly report.

pub mod content;
