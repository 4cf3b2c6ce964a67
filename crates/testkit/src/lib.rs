//! For tests only: real PostgreSQL databases cloned from a migrated template, a TCP proxy that can be
//! cut, people to follow, and a watch over the log lines. Failures panic: a test wants nothing else.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test code fails by panicking"
)]

mod database;
pub mod logs;
mod people;
mod proxy;

pub use database::TestDatabase;
pub use people::{People, SECRET, people};
pub use proxy::Proxy;
