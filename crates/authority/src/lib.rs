//! A small certificate authority: it signs certificates for devices and for the listener, and lists of those that
//! were revoked.
//!
//! - The root's key is ECDSA P-256, stays in one file of mode 0600 and is read only by who signs.
//! - Nothing that a request says about itself ends up in a certificate but its public key: the name is ours, the use
//!   is "client", the time is a setting.
//! - A device has its key to itself: it sends a PKCS#10 request, and renews with a signature by its current key.
//!
//! Architecture invariant: this crate knows no database, no network and no MQTT. Which certificate may be issued or
//! is revoked is decided by who calls it.

mod error;
mod files;
mod issue;
mod present;
mod request;

pub use error::{Error, Result};
pub use files::Folder;
pub use issue::{Authority, Issued, KeyAndCertificate, Revoked};
pub use present::{Current, fingerprint};
pub use request::Request;

/// Begins the name of a device in a certificate's subject alternative names: `urn:vigie:device:gl-1`.
pub const DEVICE_URN: &str = "urn:vigie:device:";
