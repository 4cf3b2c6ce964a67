//! Seeded patients and devices, faults on demand, load.
//!
//! - [`run`] lives through a simulation against a real server: history as backlog, a fast replay, then the present.
//! - [`generate`] is the physiology behind it, pure: the same seed gives the same bytes.
//! - [`load()`] publishes as fast as the server acknowledges and measures how long that takes.
//!
//! The crate knows the wire and nothing else of the server: sharing its code would mean sharing its mistakes.

mod config;
mod device;
mod encode;
mod error;
mod fault;
mod journal;
mod link;
mod load;
mod measurement;
mod person;
mod profile;
mod queue;
mod random;
mod receipt;
mod runner;
mod simulation;
mod summary;
mod timeline;

pub use config::{Address, Clock, Secret, SimConfig, SimDevice, SimPatient};
pub use encode::encode_batch;
pub use error::Error;
pub use fault::{FaultPlan, FaultSwitches};
pub use load::{
    LoadConfig, LoadDevice, LoadReport, LoadVital, MeasuredAt, Percentiles, Rate, Stop, load, reading_values,
};
pub use measurement::Measurement;
pub use person::{DeviceKind, Person, Profile, UnknownName, central_europe};
pub use profile::{Mood, generate, generate_for, moment};
pub use simulation::run;
pub use summary::Summary;
pub use timeline::Timeline;
