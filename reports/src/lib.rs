//! The weekly report: what it says, how it looks, when it is made, and how it reaches the physician.
//!
//! - [`content`] makes a [`Report`](content::Report) from the record of a week: pure, the same record gives the same
//!   content.
//! - [`document`] sets it as PDF (PDF/A-2a, PDF/UA-1) and HTML, in French or English: the same content and language give
//!   the same bytes.
//! - [`edition`](mod@edition) is the two together: a report with its documents.
//! - [`schedule`] says when a report is due, [`maker`] claims, makes and stores it once, [`worker`] is the loop around both.
//! - [`delivery`] brings it to practices by mail.
//! - [`activity`] is the extract for accounting.

pub mod activity;
pub mod content;
pub mod delivery;
pub mod document;
pub mod edition;
pub mod maker;
pub mod schedule;
pub mod worker;
