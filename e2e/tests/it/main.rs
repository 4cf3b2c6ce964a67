//! Acceptance of the way from a device at home to an alert on a nurse's screen. The real binary runs, with a real
//! PostgreSQL; devices are clients that nobody here wrote, and the nurse has a real browser.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code fails by panicking"
)]

mod actors;
mod bad_inputs;
mod bad_manners;
mod clients;
mod dependency_table;
mod device_page;
mod duplicates;
mod first_minute;
mod gaps;
mod http_intake;
mod integrations;
mod isolation;
mod lateness;
mod metrics_oracle;
mod outside_cluster;
mod outside_suite;
mod past;
mod reports;
mod restart;
mod retained_status;
mod tidy;
mod trust;
mod usage;
