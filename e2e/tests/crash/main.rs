//! Whatever is killed, whenever: no acknowledged reading is lost, none is stored twice, every alert is raised once.
//!
//! Real processes, a real PostgreSQL with fsync on, real devices' traffic; and a checker that shares no code with what
//! it checks ([`checker`]). The nemesis pauses for random times between its blows: those are the only sleeps, they are
//! the input of the test, and they follow from a seed. `VIGIE_SEED=n` repeats a run's blows.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code fails by panicking"
)]

mod checker;
mod connection_cut;
mod nemesis;
mod processes_killed;
mod scene;
