//! Accepts devices over MQTT 3.1.1 and 5; acknowledges after commit.
//!
//! - **Acknowledged means stored.** PUBACK and PUBREC leave when [`Gateway::take`] has resolved, which it does
//!   after COMMIT, in the order in which the PUBLISHes came. No other path writes them.
//! - **A device reaches its own topics and nothing else.** User name = client id = device id; what is not
//!   `vigie/v1/{own id}/...` is quarantined (publish) or denied (subscribe, last will).
//! - **Nothing is unbounded.** At a limit of [`Limits`] a device is slowed by not reading its socket; it is never
//!   refused for it, since a refusal of MQTT 5 is final for the client.
//! - **One device disturbs no other.** Each connection is a task of its own; what is malformed, slow or
//!   panicking ends that connection only.
//!
//! The order of reading: [`Gateway`] (what this crate asks of the rest), [`serve`], `connection/mod.rs` (the
//! loop), `connection/inbound.rs` (from PUBLISH to PUBACK), `switchboard.rs` (one connection per device).
//!
//! Architecture invariant: this crate knows nothing of readings, of ingest or of the database, and only
//! `protocol/` knows `mqtt-protocol-core`.
//!
//! Not here: retained messages are accepted and not replayed to the device, the delay of a will is not
//! waited for, and subscriptions of absent devices do not survive a restart (their outbox does).

mod admission;
mod connection;
mod counters;
mod gateway;
mod limits;
mod listener;
mod mailbox;
mod protocol;
mod session;
mod switchboard;
mod topics;
mod transport;

pub use counters::Counters;
pub use gateway::{Admission, Gateway, Inbound, Outbound, Unavailable, Verdict};
pub use limits::{CONTROL_PACKET_BYTES_MAX, Limits, LimitsError};
pub use listener::serve;
pub use switchboard::{Pushed, Switchboard};
