//! Readings from a region's own MQTT cluster, through rumqttc, acknowledged after commit.
//!
//! Each process keeps a session of its own in the cluster (a stable client id, `clean_start` off), so that what a killed
//! process had not acknowledged waits for its return. Several processes all get every message, which the ledger stores
//! once, or share them (`$share/vigie/...`); then another process takes over the session of one that does not return
//! (`heirs.rs`). MQTT 5 is used: its receive maximum bounds what the cluster sends ahead of our commits.
//!
//! The rules of acknowledging, which `acks.rs` keeps as a pure state machine:
//!
//! - A packet id means something within one connection only. Every ConnAck begins a new epoch; a commit whose
//!   epoch is over acknowledges nothing. Its message comes again and is recognised as a duplicate.
//! - Only the task that polls acknowledges, and never between an error and the next ConnAck.
//! - Acknowledgements leave in the order in which the messages came.
//!
//! Receipts and commands go the other way from the outbox of the database (`outbound.rs`, `post.rs`) and are deleted
//! from it when the cluster has acknowledged them; rumqttc's own list of pending messages is cleared at every
//! error, so that nothing depends on it.
//!
//! Who a device is, the cluster has to say: the identity of a reading is the device id in its topic.

mod acks;
mod heirs;
mod outbound;
mod post;
mod reader;
mod settings;
mod signs;
mod source;

pub use settings::{Login, Settings, SettingsError, Tls};
pub use source::{Source, run};
