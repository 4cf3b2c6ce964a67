//! From bytes that a device sent to a committed row: decode, check, store, receipt.
//!
//! A publish is decoded in the task of its connection, queued (bounded, so that a slow database slows the
//! devices and never fills the memory), and committed together with whatever else is waiting: while one
//! transaction commits, the next group fills; nothing ever waits for a group to fill.
//!
//! Every failure is one of three: *reject* (quarantine, and the device is told), *retry* (nothing is
//! acknowledged, the group is tried again until it is stored), *bug* (quarantine, an error in the log, and
//! the next one).

mod clock;
pub mod cluster;
pub mod commands;
mod commit;
mod config;
mod decode;
mod drift;
pub mod gaps;
mod group;
pub mod housekeeping;
mod queue;
mod receipt;
mod repeats;
mod status;
mod timings;
mod writer;

pub use config::Config;
pub use decode::{Decoded, DecodedReading, Rejection, decode};
pub use queue::{Ingest, Outcome, Publish, Receipt, Verdict};
