//! Accepts devices over MQTT 3.1.1 and 5; acknowledges after commit.
//!
//! - **Acknowledged means stored.** PUBACK and PUBREC leave when [`Gateway::take`] has resolved, which it does
//!   after COMMIT, in the order in which the PUBLISHes came. No other path writes them.
//! - **A device reaches its own topics and nothing else.** User name = client id = device id, proven by its secret
//!   or by a client certificate that names it; what is not
//!   `vigie/v1/{own id}/...` is quarantined (publish) or denied (subscribe, last will).
//! - **Nothing is unbounded.** At a limit of [`Limits`] a device is slowed by not reading its socket; it is never
//!   refused for it, since a refusal of MQTT 5 is final for the client.
//! - **One device disturbs no other.** Each connection is a task of its own; what is malformed, slow or
//!   panicking ends that connection only.
//!
//! The order of reading: [`Gateway`] (what this crate asks of the rest), [`serve`], `connection/mod.rs` (the
//! loop), `connection/inbound.rs` (from PUBLISH to PUBACK), `switchboard.rs` (one connection per device).
//! Beside that: `pace.rs` (rates), `door.rs` (log-ins that wait), `fanout/mod.rs` (integration engines).
//!
//! Architecture invariant: this crate knows nothing of readings, of ingest or of the database, and only
//! `protocol/` knows `mqtt-protocol-core`, only `fanout/links.rs` knows `rumqttd`.
//!
//! `principal.rs` says what a client may do: a device, or a guest of the [`open`] profile, in which conformance suites
//! judge the same protocol and session code with every topic open.
//!
//! Not here: sessions and wills that wait for their delay do not survive a restart (the outbox does); to a device
//! nothing is sent at QoS 2; MQTT 5 enhanced authentication is not offered.

mod admission;
mod carrier;
mod connection;
mod counters;
mod door;
mod fanout;
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
mod gateway;
mod limits;
mod listener;
mod mailbox;
mod message;
pub mod open;
mod pace;
mod principal;
mod protocol;
mod session;
mod switchboard;
mod tls;
mod topics;
mod transport;
mod websocket;

pub use carrier::Carrier;
pub use counters::Counters;
pub use fanout::{
    EngineId, Fanout, FanoutCounters, FanoutError, FanoutSettings, Keeper, News, Subscription, Territory,
};
pub use gateway::{Admission, Gateway, Inbound, Outbound, Unavailable, Verdict};
pub use limits::{CONTROL_PACKET_BYTES_MAX, Limits, LimitsError};
pub use listener::{serve, serve_over};
pub use open::serve_open;
pub use pace::Rate;
pub use switchboard::{Pushed, Switchboard};
pub use tls::{Tls, TlsError, TlsFiles};
