//! MQTT 3.1.1 and 5 as bytes, and nothing else: no state, no I/O.
//!
//! `mqtt-protocol-core` parses and writes the packets; this module and its two children are the only places
//! that name it. What a packet means to a session is decided in `connection`. Checks of the specification
//! that the crate leaves to its user (fixed-header flags, wildcards in topic names, NUL, packet id 0) are
//! made here, so that everything behind this module sees well-formed packets only.

mod decode;
mod encode;

use std::sync::Arc;

use bytes::Bytes;
use mqtt_protocol_core::mqtt::packet::Property;

pub(crate) use decode::{connect_level, decode};
pub(crate) use encode::{
    ConnackTerms, OutgoingPublish, ack, connack, disconnect, pingresp, pubcomp, publish, pubrel, suback,
    unsuback,
};

use crate::limits::CONTROL_PACKET_BYTES_MAX;

/// The protocol level of a connection, fixed by its CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// MQTT 3.1.1
    V311,
    /// MQTT 5
    V5,
}

/// Delivery promise of a publish.
#[expect(clippy::enum_variant_names, reason = "the names of the specification")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Qos {
    AtMostOnce = 0,
    AtLeastOnce = 1,
    ExactlyOnce = 2,
}

/// A packet that a device may send.
pub(crate) enum Packet {
    Connect(Box<Connect>),
    Publish(Publish),
    /// For a message of ours at QoS 1.
    Puback(u16),
    /// For a message of ours at QoS 2.
    Pubrec {
        packet_id: u16,
        /// MQTT 5: a reason code of 0x80 and above ends the exchange.
        refused: bool,
    },
    Pubrel(u16),
    /// For a message of ours at QoS 2.
    Pubcomp(u16),
    Subscribe(Subscribe),
    Unsubscribe {
        packet_id: u16,
        filters: Vec<String>,
    },
    Pingreq,
    Disconnect {
        /// MQTT 5, reason 0x04: publish the will all the same.
        with_will: bool,
        /// MQTT 5: a new session expiry, in seconds.
        session_expiry: Option<u32>,
    },
}

/// A log-in. No `Debug`: it holds the secret.
pub(crate) struct Connect {
    pub(crate) client_id: String,
    pub(crate) clean: bool,
    /// Seconds; 0 switches it off.
    pub(crate) keep_alive: u16,
    pub(crate) user_name: Option<String>,
    pub(crate) password: Option<Vec<u8>>,
    pub(crate) will: Option<Will>,
    /// Seconds for which the session outlives the connection; `u32::MAX` is without end.
    pub(crate) session_expiry: u32,
    /// How many QoS 1 messages of ours the client takes unacknowledged.
    pub(crate) receive_maximum: u16,
    /// The largest packet that the client takes.
    pub(crate) packet_bytes_max: usize,
    /// MQTT 5: how many topic aliases of ours the client remembers.
    pub(crate) topic_alias_maximum: u16,
    /// MQTT 5: the client asks for response information.
    pub(crate) wants_response_information: bool,
    /// MQTT 5 enhanced authentication, which Vigie does not offer.
    pub(crate) enhanced_authentication: bool,
}

/// Properties of a publish that go from the publisher to the subscribers as they are, in their order: payload
/// format, content type, response topic, correlation data, user properties. Opaque outside this module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Forwarded(Arc<[Property]>);

/// What to publish for the device if it vanishes.
pub(crate) struct Will {
    pub(crate) topic: String,
    pub(crate) payload: Bytes,
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
    /// MQTT 5: seconds to wait for the client's return before it is published.
    pub(crate) delay: u32,
    /// MQTT 5: seconds after which it is of no use.
    pub(crate) expiry: Option<u32>,
    pub(crate) forwarded: Option<Forwarded>,
}

pub(crate) struct Publish {
    /// Empty only with an alias that stands for it.
    pub(crate) topic: String,
    /// MQTT 5: a number that stands for the topic, or shall from now on.
    pub(crate) alias: Option<u16>,
    /// MQTT 5: seconds after which it is of no use.
    pub(crate) expiry: Option<u32>,
    pub(crate) forwarded: Option<Forwarded>,
    pub(crate) payload: Bytes,
    pub(crate) qos: Qos,
    /// Not 0; 0 stands for QoS 0, which has none.
    pub(crate) packet_id: u16,
    pub(crate) duplicate: bool,
    pub(crate) retain: bool,
}

pub(crate) struct Subscribe {
    pub(crate) packet_id: u16,
    pub(crate) entries: Vec<SubscribeEntry>,
    /// MQTT 5: to be sent along with every message of these subscriptions.
    pub(crate) identifier: Option<u32>,
}

pub(crate) struct SubscribeEntry {
    pub(crate) filter: String,
    pub(crate) qos: Qos,
    /// MQTT 5: the client does not want back what it publishes itself.
    pub(crate) no_local: bool,
    /// MQTT 5: the retain flag is passed on as it was published.
    pub(crate) retain_as_published: bool,
    pub(crate) retain_handling: RetainHandling,
}

/// Whether a subscription is answered with the retained messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetainHandling {
    Always,
    /// Only if there was no such subscription before.
    IfNew,
    Never,
}

/// Why a connection cannot go on. The value is the reason code of MQTT 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("malformed packet")]
    Malformed = 0x81,
    #[error("protocol error")]
    Protocol = 0x82,
    #[error("the topic name has a wildcard or is empty")]
    TopicName = 0x90,
    #[error("more publishes at once than Receive Maximum allows")]
    ReceiveMaximum = 0x93,
    #[error("the topic alias is 0 or above the maximum")]
    TopicAlias = 0x94,
    #[error("packet too large")]
    TooLarge = 0x95,
}

/// Why the server ends a connection, as MQTT 5 reason code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Farewell {
    Fault(Fault),
    /// Something failed in here.
    Unspecified,
    ShuttingDown,
    KeepAlive,
    TakenOver,
    Revoked,
}

/// The answer to a CONNECT; 3.1.1 and 5 have different numbers for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectAnswer {
    Accepted {
        session_present: bool,
    },
    UnsupportedVersion,
    IdentifierRejected,
    BadCredentials,
    NotAuthorised,
    Unavailable,
    /// Too many log-ins at once; this one is to come back.
    Busy,
    /// This client logs in too often; it is to come back.
    TooOften,
    BadAuthenticationMethod,
}

/// How a publish is acknowledged; 3.1.1 knows only the plain one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AckReason {
    Success,
    PayloadInvalid,
    NotAuthorised,
}

/// Which packet acknowledges a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AckKind {
    Puback,
    Pubrec,
}

/// The answer to one topic filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SubscribeAnswer {
    Granted(Qos),
    /// Without a reason.
    Refused,
    NotAuthorised,
    FilterInvalid,
    TooMany,
}

/// A failure to write a packet: a bug of ours, since everything sent is built from checked parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot write the packet: {0}")]
pub(crate) struct Unwritable(pub(crate) &'static str);

/// Where the first packet of `bytes` ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) header_bytes: usize,
    pub(crate) total_bytes: usize,
}

/// Looks at the fixed header. `None`: it is not complete yet. Sizes are judged here, before any byte of
/// the body is kept: a PUBLISH may have `publish_bytes_max`, everything else [`CONTROL_PACKET_BYTES_MAX`].
pub(crate) fn frame(bytes: &[u8], publish_bytes_max: usize) -> Result<Option<Frame>, Fault> {
    let Some((&first, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    let mut length = 0usize;
    for (index, &byte) in rest.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let header_bytes = index + 2;
            let total_bytes = header_bytes + length;
            let limit = if first >> 4 == 3 { publish_bytes_max } else { CONTROL_PACKET_BYTES_MAX };
            return if total_bytes > limit {
                Err(Fault::TooLarge)
            } else {
                Ok(Some(Frame { header_bytes, total_bytes }))
            };
        }
    }
    if rest.len() >= 4 { Err(Fault::Malformed) } else { Ok(None) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_fixed_header_is_read_as_it_comes_in() {
        assert_eq!(frame(&[], 100_000), Ok(None));
        assert_eq!(frame(&[0x30], 100_000), Ok(None));
        assert_eq!(frame(&[0x30, 0x80], 100_000), Ok(None));
        let frame = frame(&[0x30, 0x80, 0x01], 100_000).unwrap().unwrap();
        assert_eq!((frame.header_bytes, frame.total_bytes), (3, 131));
    }

    #[test]
    fn a_length_of_five_bytes_is_malformed() {
        assert_eq!(frame(&[0x30, 0xff, 0xff, 0xff, 0xff], usize::MAX), Err(Fault::Malformed));
    }

    #[test]
    fn a_packet_is_too_large_from_its_header_alone() {
        assert_eq!(frame(&[0x30, 0xff, 0xff, 0x7f], 100_000), Err(Fault::TooLarge));
        // A CONNECT or SUBSCRIBE of 64 KiB and more is refused even where a PUBLISH of that size is not.
        assert_eq!(frame(&[0x10, 0x80, 0x80, 0x04], 1_000_000), Err(Fault::TooLarge));
        assert!(frame(&[0x30, 0x80, 0x80, 0x04], 1_000_000).unwrap().is_some());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            first in any::<u8>(),
        ) {
            for version in [Version::V311, Version::V5] {
                drop(decode(version, first, &bytes));
            }
            if let Ok(Some(frame)) = frame(&bytes, 1_000) {
                prop_assert!(frame.header_bytes <= frame.total_bytes);
            }
        }
    }
}
