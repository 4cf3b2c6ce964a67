//! The parsers as fuzz targets see them: bytes in, and a panic where something does not hold. Exists only under
//! `cfg(fuzzing)` and in tests, which replay the committed corpus (`fuzz/`).

use bytes::BytesMut;
use vigie_wire::DeviceId;

use crate::admission::check_will;
use crate::connection::resolve_all;
use crate::principal::{Destination, Principal};
use crate::protocol::{self, Connect, OutgoingPublish, Packet, Publish, Qos, Version, connect_level, decode};
use crate::topics::may_subscribe;

/// The largest publish that the target takes; small, so that the fuzzer meets the limit.
const PUBLISH_BYTES_MAX: usize = 4_096;

/// Everything of the device in these targets is below this.
const OWN: &str = "vigie/v1/gl-1/";

/// The first packet of a connection: its length, whether it is a CONNECT at all, which version, and the log-in.
pub fn connect(bytes: &[u8]) {
    let Some((first, body, _)) = first_packet(bytes) else { return };
    let Ok(Some(version)) = connect_level(first, body) else { return };
    if let Ok(Packet::Connect(connect)) = decode(version, first, body) {
        check_connect(&connect);
    }
}

/// A connection after its log-in: the first byte chooses the version, the rest is packet after packet, as from the socket.
pub fn packets(bytes: &[u8]) {
    let Some((&choice, mut rest)) = bytes.split_first() else { return };
    let version = if choice & 1 == 0 { Version::V311 } else { Version::V5 };
    let mut topics = Vec::new();
    while let Some((first, body, after)) = first_packet(rest) {
        rest = after;
        let Ok(packet) = decode(version, first, body) else { break };
        match packet {
            Packet::Connect(connect) => check_connect(&connect),
            Packet::Publish(publish) => {
                check_publish(version, &publish);
                topics.push((publish.alias, publish.topic));
            }
            Packet::Subscribe(subscribe) => {
                for entry in &subscribe.entries {
                    check_filter(&entry.filter);
                }
            }
            Packet::Unsubscribe { packet_id, .. }
            | Packet::Puback(packet_id)
            | Packet::Pubrec { packet_id, .. }
            | Packet::Pubrel(packet_id)
            | Packet::Pubcomp(packet_id) => assert_ne!(packet_id, 0, "a packet id of 0 got through"),
            Packet::Pingreq | Packet::Disconnect { .. } => {}
        }
    }
    let principal = Principal::Device(own_id());
    for topic in resolve_all(&principal, topics) {
        let Destination::Gateway(device, channel) = principal.destination(&topic) else {
            unreachable!("a device reached the open profile");
        };
        assert_eq!(device.as_str(), "gl-1");
        assert!(channel.is_none() || topic.starts_with(OWN), "{topic:?} was taken as the device's own");
    }
}

/// The first byte, the body of the first packet, and what comes after it.
fn first_packet(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let frame = protocol::frame(bytes, PUBLISH_BYTES_MAX).ok()??;
    let body = bytes.get(frame.header_bytes..frame.total_bytes)?;
    Some((*bytes.first()?, body, bytes.get(frame.total_bytes..)?))
}

fn own_id() -> DeviceId {
    DeviceId::parse("gl-1").unwrap_or_else(|error| unreachable!("{error}"))
}

fn check_connect(connect: &Connect) {
    assert!(!connect.client_id.contains('\0'));
    assert_ne!(connect.receive_maximum, 0, "0 is a protocol error");
    if let Some(will) = &connect.will
        && check_will(&own_id(), connect).is_ok()
    {
        assert_eq!(will.topic, "vigie/v1/gl-1/status");
    }
}

fn check_filter(filter: &str) {
    if may_subscribe(&own_id(), filter).is_ok() {
        assert!(filter.starts_with(OWN) && !filter.contains(['+', '#', '$']), "{filter:?} was granted");
    }
}

/// What was read can be written, and says the same when it is read again.
fn check_publish(version: Version, publish: &Publish) {
    assert!(!publish.topic.contains(['+', '#', '\0']), "a topic name with a wildcard got through");
    assert_eq!(publish.packet_id == 0, publish.qos == Qos::AtMostOnce);
    let outgoing = OutgoingPublish {
        topic: &publish.topic,
        payload: &publish.payload,
        packet_id: (publish.qos != Qos::AtMostOnce).then_some(publish.packet_id),
        duplicate: publish.duplicate,
        exactly_once: publish.qos == Qos::ExactlyOnce,
        retain: publish.retain,
        identifiers: &[],
        alias: publish.alias,
        expiry: publish.expiry,
        forwarded: publish.forwarded.as_ref(),
    };
    let mut written = BytesMut::new();
    let result = protocol::publish(&mut written, version, &outgoing);
    // An alias of 0 is read and answered with its own reason code; it is never written.
    if publish.alias == Some(0) || publish.topic.is_empty() {
        return;
    }
    assert!(result.is_ok(), "{result:?}");
    let again = protocol::frame(&written, usize::MAX).ok().flatten().and_then(|frame| {
        decode(version, *written.first()?, written.get(frame.header_bytes..frame.total_bytes)?).ok()
    });
    let Some(Packet::Publish(again)) = again else { unreachable!("what was written cannot be read") };
    assert_eq!(again.topic, publish.topic);
    assert_eq!(again.payload, publish.payload);
    assert_eq!(again.forwarded, publish.forwarded);
    assert_eq!(
        (again.qos, again.packet_id, again.retain, again.duplicate, again.alias, again.expiry),
        (publish.qos, publish.packet_id, publish.retain, publish.duplicate, publish.alias, publish.expiry)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replay(target: &str, check: fn(&[u8])) {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
        let mut replayed = 0;
        for entry in
            std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        {
            check(&std::fs::read(entry.unwrap().path()).unwrap());
            replayed += 1;
        }
        assert!(replayed > 0, "{} is empty", folder.display());
    }

    #[test]
    fn the_corpus_of_the_fuzz_targets_holds() {
        replay("connect", connect);
        replay("packets", packets);
    }
}
