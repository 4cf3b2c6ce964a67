//! The schema and its promises, on real PostgreSQL with and without TimescaleDB.

#![expect(clippy::unwrap_used, reason = "test code fails by panicking")]

mod devices;
mod safety;
mod schema;
mod staff_sees;
