//! The schema and its promises, on real PostgreSQL with and without TimescaleDB.

mod devices;
mod safety;
mod schema;
mod staff_sees;
