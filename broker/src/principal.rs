//! Who is at the other end of a connection, and the policy that goes with it.
//!
//! A connection holds one [`Principal`] from its CONNECT on, and asks it before anything is published, subscribed
//! to or left as a last will. There are two:
//!
//! - A *device* reaches the topics of its own subtree that [`crate::topics`] names. What it publishes goes to
//!   [`Gateway::take`](crate::Gateway::take), what it hears comes from its outbox.
//! - A *guest* of the open profile ([`crate::open`]) reaches everything. What it publishes goes to the router of
//!   that profile and from there to other guests. A listener has either devices or guests, never both: the
//!   profile is a property of the listener, fixed before its first connection.
//!
//! A third one, which may only subscribe and hears what a fan-out hands to it, plugs in here in one of two ways.
//! As a variant: it has a [`Destination`] of its own that refuses, is granted filters from its own rules in
//! `connection/subscribing.rs`, and its messages are left in its mailbox as a new variant of
//! [`Message`](crate::message::Message), whose writing `connection/outbound.rs` knows. Or, if it shares nothing
//! with a device but the packets, as a loop of its own beside `connection`, told apart in
//! `connection/handshake.rs` before a device is looked for: so do the integration engines of [`crate::fanout`].

use std::fmt;
use std::sync::Arc;

use vigie_wire::{Channel, DeviceId};

use crate::open::Router;
use crate::topics::may_publish;

/// The client of a connection and what it may do.
#[derive(Clone)]
pub(crate) enum Principal {
    Device(DeviceId),
    Guest(Guest),
}

/// An anonymous client of the open profile.
#[derive(Clone)]
pub(crate) struct Guest {
    pub(crate) client_id: Arc<str>,
    pub(crate) router: Arc<Router>,
}

/// Where a publish may go.
pub(crate) enum Destination<'a> {
    /// To the gateway, as this device's. `None`: to a topic that is not its own, so into quarantine.
    Gateway(&'a DeviceId, Option<Channel>),
    /// To the other guests.
    Router(&'a Guest),
}

impl Principal {
    /// Where what it publishes on this topic goes. The topic is the one behind an alias, if there was one.
    pub(crate) fn destination(&self, topic: &str) -> Destination<'_> {
        match self {
            Self::Device(device) => Destination::Gateway(device, may_publish(device, topic)),
            Self::Guest(guest) => Destination::Router(guest),
        }
    }

    /// What takeover and session go by: the device id, or the client id of a guest.
    pub(crate) fn key(&self) -> &str {
        match self {
            Self::Device(device) => device.as_str(),
            Self::Guest(guest) => &guest.client_id,
        }
    }

    pub(crate) fn device(&self) -> Option<&DeviceId> {
        match self {
            Self::Device(device) => Some(device),
            Self::Guest(_) => None,
        }
    }
}

impl fmt::Display for Principal {
    /// A device id as it is; a stranger's client id escaped and short.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(device) => write!(f, "{device}"),
            Self::Guest(guest) => {
                let short: String = guest.client_id.chars().take(64).collect();
                write!(f, "{short:?}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::check_will;
    use crate::connection::resolve_all;
    use crate::protocol::{Packet, Version, decode};
    use crate::topics::may_subscribe;
    use proptest::prelude::*;

    /// Topics and filters near the border of a device's subtree, `$` and shared ones among them.
    fn near() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "vigie", "v1", "gl-1", "gl-2", "readings", "json", "status", "receipts", "commands", "+", "#",
            "", "$share", "g", "$SYS", "$queue", "é", " ", "..", "%2F", "GL-1",
        ]);
        let own = prop::sample::select(vec!["readings", "readings/json", "status", "receipts", "commands"])
            .prop_map(|leaf| format!("vigie/v1/gl-1/{leaf}"));
        let glued = prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.join("/"));
        let shared =
            (glued.clone(), "[a-z]{0,3}").prop_map(|(filter, group)| format!("$share/{group}/{filter}"));
        prop_oneof![3 => glued, 2 => own.clone(), 1 => shared,
            1 => own.prop_map(|filter| format!("$share/g/{filter}")), 1 => "\\PC{0,60}"]
    }

    fn string(text: &str) -> Vec<u8> {
        let length = u16::try_from(text.len()).unwrap();
        [&length.to_be_bytes()[..], text.as_bytes()].concat()
    }

    proptest! {
        /// The packets are written as bytes and read as from a socket; what the policy then grants must be the
        /// device's own, by whatever alias it was called.
        #[test]
        fn nothing_reaches_outside_the_own_subtree_whatever_it_is_called(
            publishes in prop::collection::vec((near(), prop::option::of(0u16..6)), 0..12),
            filters in prop::collection::vec(near(), 0..6),
            will in near(),
        ) {
            let device = DeviceId::parse("gl-1").unwrap();
            let principal = Principal::Device(device.clone());
            let own = "vigie/v1/gl-1/";
            let read = publishes.iter().filter_map(|(topic, alias)| {
                let properties = alias.map_or(vec![0], |alias| [&[3, 0x23][..], &alias.to_be_bytes()].concat());
                let body = [string(topic), properties].concat();
                match decode(Version::V5, 0x30, &body) {
                    Ok(Packet::Publish(publish)) => Some((publish.alias, publish.topic)),
                    _ => None,
                }
            });
            for topic in resolve_all(&principal, read.collect()) {
                match principal.destination(&topic) {
                    Destination::Gateway(whose, channel) => {
                        prop_assert_eq!(whose, &device);
                        prop_assert!(channel.is_none() || topic.starts_with(own), "{}", topic);
                    }
                    Destination::Router(_) => prop_assert!(false, "a device reached the open profile"),
                }
            }
            for filter in &filters {
                let granted = may_subscribe(&device, filter).is_ok();
                prop_assert!(!granted || (filter.starts_with(own) && !filter.contains(['+', '#', '$'])));
            }
            let connect = [string("MQTT"), vec![5, 0x06, 0, 0, 0], string("gl-1"), vec![0], string(&will), string("x")];
            if let Ok(Packet::Connect(connect)) = decode(Version::V5, 0x10, &connect.concat()) {
                let granted = check_will(&device, &connect).is_ok();
                prop_assert!(!granted || will == "vigie/v1/gl-1/status");
            }
        }
    }
}
