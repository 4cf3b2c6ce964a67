//! Bytes to packets.

use bytes::Bytes;
use mqtt_protocol_core::mqtt::packet::{self, Property, SubEntry, v3_1_1, v5_0};
use mqtt_protocol_core::mqtt::result_code::{DisconnectReasonCode, MqttError};
use mqtt_protocol_core::mqtt::{Arc, ArcPayload};

use super::{
    Connect, Fault, Forwarded, Packet, Publish, Qos, RetainHandling, Subscribe, SubscribeEntry, Version, Will,
};

/// The protocol level that a CONNECT's body asks for. `Ok(None)` is MQTT at a level that we do not speak,
/// which has an answer; anything else is not MQTT at all.
pub(crate) fn connect_level(first: u8, body: &[u8]) -> Result<Option<Version>, Fault> {
    if first != 0x10 {
        return Err(Fault::Protocol);
    }
    if let Some(rest) = body.strip_prefix(b"\x00\x04MQTT") {
        return match rest.first() {
            Some(4) => Ok(Some(Version::V311)),
            Some(5) => Ok(Some(Version::V5)),
            Some(_) => Ok(None),
            None => Err(Fault::Malformed),
        };
    }
    if body.starts_with(b"\x00\x06MQIsdp") {
        return Ok(None);
    }
    Err(Fault::Protocol)
}

/// Parses one packet: `first` is the first byte of the fixed header, `body` what follows the length.
pub(crate) fn decode(version: Version, first: u8, body: &[u8]) -> Result<Packet, Fault> {
    let flags = first & 0x0f;
    let expected_flags = match first >> 4 {
        6 | 8 | 10 => 0b0010,
        3 => flags,
        _ => 0,
    };
    if flags != expected_flags {
        return Err(Fault::Malformed);
    }
    match (first >> 4, version) {
        (1, _) => connect(version, body),
        (3, _) => publish(version, flags, body),
        (4, Version::V311) => {
            let packet = exact(body, v3_1_1::Puback::parse)?;
            packet_id(packet.packet_id()).map(Packet::Puback)
        }
        (4, Version::V5) => {
            let packet = exact(body, v5_0::Puback::parse)?;
            packet_id(packet.packet_id()).map(Packet::Puback)
        }
        (5, Version::V311) => {
            let packet = exact(body, v3_1_1::Pubrec::parse)?;
            packet_id(packet.packet_id()).map(|packet_id| Packet::Pubrec { packet_id, refused: false })
        }
        (5, Version::V5) => {
            let packet = exact(body, v5_0::Pubrec::parse)?;
            let refused = packet.reason_code().is_some_and(|code| code as u8 >= 0x80);
            packet_id(packet.packet_id()).map(|packet_id| Packet::Pubrec { packet_id, refused })
        }
        (7, Version::V311) => {
            let packet = exact(body, v3_1_1::Pubcomp::parse)?;
            packet_id(packet.packet_id()).map(Packet::Pubcomp)
        }
        (7, Version::V5) => {
            let packet = exact(body, v5_0::Pubcomp::parse)?;
            packet_id(packet.packet_id()).map(Packet::Pubcomp)
        }
        (6, Version::V311) => {
            let packet = exact(body, v3_1_1::Pubrel::parse)?;
            packet_id(packet.packet_id()).map(Packet::Pubrel)
        }
        (6, Version::V5) => {
            let packet = exact(body, v5_0::Pubrel::parse)?;
            packet_id(packet.packet_id()).map(Packet::Pubrel)
        }
        (8, _) => subscribe(version, body),
        (10, _) => unsubscribe(version, body),
        (12, _) if body.is_empty() => Ok(Packet::Pingreq),
        (14, Version::V311) if body.is_empty() => {
            Ok(Packet::Disconnect { with_will: false, session_expiry: None })
        }
        (14, Version::V5) => disconnect(body),
        // AUTH, and what only a server sends.
        (2 | 9 | 11 | 13 | 15, _) => Err(Fault::Protocol),
        _ => Err(Fault::Malformed),
    }
}

fn exact<T>(body: &[u8], parse: impl FnOnce(&[u8]) -> Result<(T, usize), MqttError>) -> Result<T, Fault> {
    let (packet, consumed) = parse(body).map_err(fault)?;
    if consumed == body.len() { Ok(packet) } else { Err(Fault::Malformed) }
}

fn fault(error: MqttError) -> Fault {
    if error == MqttError::ProtocolError { Fault::Protocol } else { Fault::Malformed }
}

fn packet_id(id: u16) -> Result<u16, Fault> {
    if id == 0 { Err(Fault::Malformed) } else { Ok(id) }
}

fn qos(qos: packet::Qos) -> Qos {
    match qos {
        packet::Qos::AtMostOnce => Qos::AtMostOnce,
        packet::Qos::AtLeastOnce => Qos::AtLeastOnce,
        packet::Qos::ExactlyOnce => Qos::ExactlyOnce,
    }
}

/// The specification forbids NUL in every string, and a text column would refuse it later.
fn text(text: &str) -> Result<String, Fault> {
    if text.contains('\0') { Err(Fault::Malformed) } else { Ok(text.to_owned()) }
}

fn connect(version: Version, body: &[u8]) -> Result<Packet, Fault> {
    // Two bytes of length, "MQTT", the level, the flags.
    let flags = *body.get(7).ok_or(Fault::Malformed)?;
    let (has_will, will_qos, will_retain) = (flags & 0x04 != 0, (flags >> 3) & 3, flags & 0x20 != 0);
    if flags & 1 != 0 || will_qos == 3 || (!has_will && (will_qos != 0 || will_retain)) {
        return Err(Fault::Malformed);
    }
    let connect = match version {
        Version::V311 => connect_v311(&exact(body, v3_1_1::Connect::parse)?)?,
        Version::V5 => connect_v5(&exact(body, v5_0::Connect::parse)?)?,
    };
    if let Some(will) = &connect.will
        && !is_topic_name(&will.topic)
    {
        return Err(Fault::TopicName);
    }
    Ok(Packet::Connect(Box::new(connect)))
}

fn connect_v311(packet: &v3_1_1::Connect) -> Result<Connect, Fault> {
    let clean = packet.clean_session();
    Ok(Connect {
        client_id: text(packet.client_id())?,
        clean,
        keep_alive: packet.keep_alive(),
        user_name: packet.user_name().map(text).transpose()?,
        password: packet.password().map(<[u8]>::to_vec),
        will: match (packet.will_topic(), packet.will_payload()) {
            (Some(topic), payload) if packet.will_flag() => Some(Will {
                topic: text(topic)?,
                payload: Bytes::copy_from_slice(payload.unwrap_or_default()),
                qos: qos(packet.will_qos()),
                retain: packet.will_retain(),
                delay: 0,
                expiry: None,
                forwarded: None,
            }),
            _ => None,
        },
        session_expiry: if clean { 0 } else { u32::MAX },
        receive_maximum: u16::MAX,
        packet_bytes_max: usize::MAX,
        topic_alias_maximum: 0,
        wants_response_information: false,
        enhanced_authentication: false,
    })
}

fn connect_v5(packet: &v5_0::Connect) -> Result<Connect, Fault> {
    let mut connect = Connect {
        client_id: text(packet.client_id())?,
        clean: packet.clean_start(),
        keep_alive: packet.keep_alive(),
        user_name: packet.user_name().map(text).transpose()?,
        password: packet.password().map(<[u8]>::to_vec),
        will: match (packet.will_topic(), packet.will_payload()) {
            (Some(topic), payload) if packet.will_flag() => Some(Will {
                topic: text(topic)?,
                payload: Bytes::copy_from_slice(payload.unwrap_or_default()),
                qos: qos(packet.will_qos()),
                retain: packet.will_retain(),
                delay: packet
                    .will_props
                    .iter()
                    .find_map(|p| if let Property::WillDelayInterval(p) = p { Some(p.val()) } else { None })
                    .unwrap_or_default(),
                expiry: expiry(&packet.will_props),
                forwarded: forwarded(&packet.will_props)?,
            }),
            _ => None,
        },
        session_expiry: 0,
        receive_maximum: u16::MAX,
        packet_bytes_max: usize::MAX,
        topic_alias_maximum: 0,
        wants_response_information: false,
        enhanced_authentication: false,
    };
    for property in packet.props() {
        if let Property::SessionExpiryInterval(p) = property {
            connect.session_expiry = p.val();
        } else if let Property::ReceiveMaximum(p) = property {
            connect.receive_maximum = p.val();
        } else if let Property::MaximumPacketSize(p) = property {
            connect.packet_bytes_max = usize::try_from(p.val()).unwrap_or(usize::MAX);
        } else if let Property::TopicAliasMaximum(p) = property {
            connect.topic_alias_maximum = p.val();
        } else if let Property::RequestResponseInformation(p) = property {
            connect.wants_response_information = p.val() == 1;
        } else if let Property::AuthenticationMethod(_) = property {
            connect.enhanced_authentication = true;
        }
    }
    if connect.receive_maximum == 0 || connect.packet_bytes_max == 0 {
        return Err(Fault::Protocol);
    }
    Ok(connect)
}

fn is_topic_name(topic: &str) -> bool {
    !topic.is_empty() && !topic.contains(['+', '#'])
}

fn expiry(properties: &[Property]) -> Option<u32> {
    properties
        .iter()
        .find_map(|p| if let Property::MessageExpiryInterval(p) = p { Some(p.val()) } else { None })
}

/// What is passed on to subscribers. A response topic must be a topic name.
#[expect(clippy::wildcard_enum_match_arm, reason = "properties of other packets are refused by the parser")]
fn forwarded(properties: &[Property]) -> Result<Option<Forwarded>, Fault> {
    let mut passed_on = Vec::new();
    for property in properties {
        match property {
            Property::ResponseTopic(p) if !is_topic_name(p.val()) => return Err(Fault::Protocol),
            Property::ResponseTopic(p) if p.val().contains('\0') => return Err(Fault::Malformed),
            Property::ContentType(p) if p.val().contains('\0') => return Err(Fault::Malformed),
            Property::UserProperty(p) if p.key().contains('\0') || p.val().contains('\0') => {
                return Err(Fault::Malformed);
            }
            Property::PayloadFormatIndicator(_)
            | Property::ContentType(_)
            | Property::ResponseTopic(_)
            | Property::CorrelationData(_)
            | Property::UserProperty(_) => passed_on.push(property.clone()),
            // Only a server sends it.
            Property::SubscriptionIdentifier(_) => return Err(Fault::Protocol),
            _ => {}
        }
    }
    Ok((!passed_on.is_empty()).then(|| Forwarded(passed_on.into())))
}

/// Alias 0 has a reason code of its own, which `mqtt-protocol-core` does not tell from others.
fn publish_fault(body: &[u8], flags: u8, error: MqttError) -> Fault {
    let topic = body.first_chunk::<2>().map_or(0, |length| usize::from(u16::from_be_bytes(*length)));
    let id = if flags & 0x06 == 0 { 0 } else { 2 };
    // An alias that comes first among fewer than 128 bytes of properties, as clients write it.
    match body.get(2 + topic + id + 1..) {
        Some([0x23, 0, 0, ..]) => Fault::TopicAlias,
        Some(_) | None => fault(error),
    }
}

fn publish(version: Version, flags: u8, body: &[u8]) -> Result<Packet, Fault> {
    let shared: Arc<[u8]> = Arc::from(body);
    let duplicate = flags & 0x08 != 0;
    let (mut publish, id) = match version {
        Version::V311 => {
            let (packet, _) = v3_1_1::Publish::parse(flags, shared).map_err(fault)?;
            let publish = Publish {
                topic: text(packet.topic_name())?,
                alias: None,
                expiry: None,
                forwarded: None,
                payload: own(packet.payload()),
                qos: qos(packet.qos()),
                packet_id: 0,
                duplicate,
                retain: flags & 1 != 0,
            };
            (publish, packet.packet_id())
        }
        Version::V5 => {
            let (packet, _) =
                v5_0::Publish::parse(flags, shared).map_err(|error| publish_fault(body, flags, error))?;
            let properties = packet.props();
            let alias = properties
                .iter()
                .find_map(|p| if let Property::TopicAlias(p) = p { Some(p.val()) } else { None });
            let publish = Publish {
                topic: text(packet.topic_name())?,
                alias,
                expiry: expiry(properties),
                forwarded: forwarded(properties)?,
                payload: own(packet.payload()),
                qos: qos(packet.qos()),
                packet_id: 0,
                duplicate,
                retain: flags & 1 != 0,
            };
            (publish, packet.packet_id())
        }
    };
    publish.packet_id = match (publish.qos, id) {
        (Qos::AtMostOnce, _) if duplicate => return Err(Fault::Malformed),
        (Qos::AtMostOnce, _) => 0,
        (_, Some(id)) => packet_id(id)?,
        (_, None) => return Err(Fault::Malformed),
    };
    let stands_for_itself = publish.alias.is_none() || !publish.topic.is_empty();
    if stands_for_itself && !is_topic_name(&publish.topic) {
        return Err(Fault::TopicName);
    }
    Ok(Packet::Publish(publish))
}

/// A copy of its own, so that a small payload does not keep its whole packet in memory.
fn own(payload: &ArcPayload) -> Bytes {
    Bytes::copy_from_slice(payload.as_slice())
}

fn subscribe(version: Version, body: &[u8]) -> Result<Packet, Fault> {
    let (id, entries, identifier) = match version {
        Version::V311 => {
            let packet = exact(body, v3_1_1::Subscribe::parse)?;
            // Six bits that MQTT 5 uses are reserved here.
            if packet.entries().iter().any(|e| e.sub_opts().to_buffer().iter().any(|b| *b > 2)) {
                return Err(Fault::Malformed);
            }
            (packet.packet_id(), entries(packet.entries())?, None)
        }
        Version::V5 => {
            let packet = exact(body, v5_0::Subscribe::parse)?;
            let identifier = packet
                .props()
                .iter()
                .find_map(|p| if let Property::SubscriptionIdentifier(p) = p { Some(p.val()) } else { None });
            (packet.packet_id(), entries(packet.entries())?, identifier)
        }
    };
    Ok(Packet::Subscribe(Subscribe { packet_id: packet_id(id)?, entries, identifier }))
}

fn entries(entries: &[SubEntry]) -> Result<Vec<SubscribeEntry>, Fault> {
    let entry = |entry: &SubEntry| {
        let options = entry.sub_opts();
        let (filter, no_local) = (text(entry.topic_filter())?, options.nl());
        if no_local && filter.starts_with("$share/") {
            return Err(Fault::Protocol);
        }
        Ok(SubscribeEntry {
            filter,
            qos: qos(options.qos()),
            no_local,
            retain_as_published: options.rap(),
            retain_handling: match options.rh() {
                packet::RetainHandling::SendRetained => RetainHandling::Always,
                packet::RetainHandling::SendRetainedIfNotExists => RetainHandling::IfNew,
                packet::RetainHandling::DoNotSendRetained => RetainHandling::Never,
            },
        })
    };
    entries.iter().map(entry).collect()
}

fn unsubscribe(version: Version, body: &[u8]) -> Result<Packet, Fault> {
    let (id, filters) = match version {
        Version::V311 => {
            let packet = exact(body, v3_1_1::Unsubscribe::parse)?;
            let filters: Result<Vec<_>, _> = packet.entries().iter().map(|f| text(f.as_str())).collect();
            (packet.packet_id(), filters?)
        }
        Version::V5 => {
            let packet = exact(body, v5_0::Unsubscribe::parse)?;
            let filters: Result<Vec<_>, _> = packet.entries().iter().map(|f| text(f.as_str())).collect();
            (packet.packet_id(), filters?)
        }
    };
    Ok(Packet::Unsubscribe { packet_id: packet_id(id)?, filters })
}

fn disconnect(body: &[u8]) -> Result<Packet, Fault> {
    let packet = exact(body, v5_0::Disconnect::parse)?;
    let session_expiry = packet
        .props()
        .iter()
        .flatten()
        .find_map(|p| if let Property::SessionExpiryInterval(p) = p { Some(p.val()) } else { None });
    // Anything but a normal disconnection is a device in trouble: its will is published.
    let with_will =
        packet.reason_code().is_some_and(|code| code != DisconnectReasonCode::NormalDisconnection);
    Ok(Packet::Disconnect { with_will, session_expiry })
}
