//! The schema and its promises, on real PostgreSQL with and without TimescaleDB.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code fails by panicking")]

mod certificates;
mod clocks;
mod commands;
mod devices;
mod epochs;
mod integrations;
mod report_activity;
mod report_deliveries;
mod report_jobs;
mod report_record;
mod report_sees;
mod reports_made;
mod safety;
mod schema;
mod staff_sees;
