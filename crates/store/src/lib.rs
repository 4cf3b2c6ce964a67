//! Every SQL statement of Vigie, and its migrations. The only user of sqlx.
//!
//! Rules of the house:
//! - A durable write is one explicit transaction, and nobody is told before `commit().await?` returned.
//! - Functions take `&mut Tx` and do one statement or a few that belong together; the caller commits.
//! - Statements are checked against the real schema at compile time (`.sqlx/` holds the answers).
//! - Rows of the dashboard are read inside [`Database::begin_as`]: row-level security decides, not handlers.
//! - No reader tails a table by a plain sequence or a time: work is claimed, events are numbered in commit order.

pub mod alert_record;
pub mod alert_work;
pub mod audit;
pub mod certificates;
pub mod clocks;
pub mod commands;
mod database;
pub mod device_certificates;
pub mod devices;
mod error;
pub mod events;
pub mod gaps;
pub mod intake;
pub mod integrations;
pub mod judgement;
pub mod ledger_reports;
pub mod ledgers;
mod migrate;
pub mod patients;
mod ranges;
pub mod repeats;
pub mod reports;
pub mod retained_status;
pub mod rules;
pub mod setup;
pub mod staff;
pub mod stream;
pub mod worklist;

pub use database::{Database, Role, Tx};
pub use error::{Error, Result};
pub use migrate::{create_database, drop_database, migrate};
pub use ranges::{LedgerKey, Ranges};
