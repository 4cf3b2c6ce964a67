//! The listener over real sockets, in front of a gateway that a test can hold, fail and question.
//!
//! `clients` uses MQTT clients that nobody here wrote; the other files speak bytes, because they say what
//! no decent client would.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests: a failure is the failure of the test"
)]

mod clients;
mod desk;
mod device;
mod device_mqtt5;
mod endings;
mod engines;
mod fanout;
mod hub;
mod log_in;
mod malformed;
mod memory;
mod open_profile;
mod outbox;
mod publishing;
mod rates;
mod room;
mod sessions;
mod storm;
mod subscribing;
mod tls;
mod vault;
mod websocket;
