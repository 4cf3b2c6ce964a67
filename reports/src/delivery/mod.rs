//! From a stored document to the physician's mailbox: never lost in between, never silently repeated.
//!
//! A delivery is one document to one address. Its row, the message made from it (byte for byte) and its Message-ID stay
//! the same however often it is tried, so that a repeat after a crash is recognisably the same mail.
//!
//! - [`address`] says which address a channel takes: pure, also asked when an address is entered.
//! - [`message`] makes the mail: pure, the same delivery gives the same bytes.
//! - [`outcome`] says what an answer of the server, or the lack of one, means: pure.
//! - [`Mailer`] speaks SMTP; nothing in clear but to this machine itself.
//! - [`run`] claims, sends and records; any number of workers.

pub mod address;
mod clear;
mod mailer;
pub mod message;
pub mod outcome;
mod smtp;
mod worker;

pub use mailer::{Mailer, Parting};
pub use smtp::{Login, Security, SettingsProblem, Smtp, Timeouts};
pub use worker::{Settings, run};
