//! What reports are made from, and what becomes of them: the record of a week, jobs, documents, practices, deliveries.

pub mod activity;
mod activity_counts;
pub mod deliveries;
mod delivery_outcome;
mod delivery_pages;
pub mod documents;
mod ids;
pub mod jobs;
mod load;
mod load_alerts;
mod load_missing;
mod load_readings;
pub mod practices;
pub mod record;
mod stored;
pub mod week_pages;

pub use ids::{DeliveryId, PracticeId, PracticeReportId, ReportId, What};
