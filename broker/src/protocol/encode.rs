//! Packets to bytes, appended to the connection's write buffer.

use bytes::BytesMut;
use mqtt_protocol_core::mqtt::packet::{
    self, AssignedClientIdentifier, MaximumPacketSize, MessageExpiryInterval, Properties, ReceiveMaximum,
    ResponseInformation, ServerKeepAlive, SubscriptionIdentifier, TopicAlias, TopicAliasMaximum, v3_1_1,
    v5_0,
};
use mqtt_protocol_core::mqtt::result_code::{
    ConnectReasonCode, ConnectReturnCode, DisconnectReasonCode, MqttError, PubackReasonCode,
    PubcompReasonCode, PubrecReasonCode, PubrelReasonCode, SubackReasonCode, SubackReturnCode,
    UnsubackReasonCode,
};

use super::{
    AckKind, AckReason, ConnectAnswer, Farewell, Fault, Forwarded, Qos, SubscribeAnswer, Unwritable, Version,
};

/// What an MQTT 5 client is told in an accepting CONNACK.
#[derive(Default)]
pub(crate) struct ConnackTerms<'a> {
    pub(crate) receive_maximum: u16,
    pub(crate) packet_bytes_max: usize,
    /// The client left the choice of its id to us.
    pub(crate) assigned_client_id: Option<&'a str>,
    /// How many topic aliases of the client we remember; 0 is none.
    pub(crate) topic_alias_maximum: u16,
    /// The keep-alive that we go by instead of the client's, in seconds.
    pub(crate) server_keep_alive: Option<u16>,
    /// What the topics of responses begin with, for a client that asked.
    pub(crate) response_information: Option<&'a str>,
}

/// A message of ours on its way out.
#[derive(Default)]
pub(crate) struct OutgoingPublish<'a> {
    /// Empty with an alias that the client knows already.
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a [u8],
    /// `None` is QoS 0.
    pub(crate) packet_id: Option<u16>,
    pub(crate) duplicate: bool,
    /// QoS 2 instead of 1 for a message that has a packet id.
    pub(crate) exactly_once: bool,
    pub(crate) retain: bool,
    /// MQTT 5: the identifiers of the client's subscriptions that matched.
    pub(crate) identifiers: &'a [u32],
    /// MQTT 5: the number that stands for the topic.
    pub(crate) alias: Option<u16>,
    /// MQTT 5: seconds for which it is still of use.
    pub(crate) expiry: Option<u32>,
    /// MQTT 5: what the publisher said about it.
    pub(crate) forwarded: Option<&'a Forwarded>,
}

fn write<T>(
    out: &mut BytesMut,
    what: &'static str,
    packet: Result<T, MqttError>,
    bytes: impl FnOnce(&T) -> Vec<u8>,
) -> Result<(), Unwritable> {
    let packet = packet.map_err(|_| Unwritable(what))?;
    out.extend_from_slice(&bytes(&packet));
    Ok(())
}

pub(crate) fn connack(
    out: &mut BytesMut,
    version: Version,
    answer: ConnectAnswer,
    terms: &ConnackTerms<'_>,
) -> Result<(), Unwritable> {
    let session_present = matches!(answer, ConnectAnswer::Accepted { session_present: true });
    if version == Version::V311 {
        let packet = v3_1_1::Connack::builder()
            .return_code(return_code(answer))
            .session_present(session_present)
            .build();
        return write(out, "CONNACK", packet, v3_1_1::Connack::to_continuous_buffer);
    }
    let mut builder =
        v5_0::Connack::builder().reason_code(reason_code(answer)).session_present(session_present);
    if matches!(answer, ConnectAnswer::Accepted { .. }) {
        builder = builder.props(connack_properties(terms).map_err(|_| Unwritable("CONNACK"))?);
    }
    write(out, "CONNACK", builder.build(), v5_0::Connack::to_continuous_buffer)
}

fn connack_properties(terms: &ConnackTerms<'_>) -> Result<Properties, MqttError> {
    let packet_bytes_max = u32::try_from(terms.packet_bytes_max).unwrap_or(u32::MAX);
    let mut properties: Properties = vec![
        ReceiveMaximum::new(terms.receive_maximum)?.into(),
        MaximumPacketSize::new(packet_bytes_max)?.into(),
    ];
    if let Some(id) = terms.assigned_client_id {
        properties.push(AssignedClientIdentifier::new(id)?.into());
    }
    if terms.topic_alias_maximum > 0 {
        properties.push(TopicAliasMaximum::new(terms.topic_alias_maximum)?.into());
    }
    if let Some(seconds) = terms.server_keep_alive {
        properties.push(ServerKeepAlive::new(seconds)?.into());
    }
    if let Some(information) = terms.response_information {
        properties.push(ResponseInformation::new(information)?.into());
    }
    Ok(properties)
}

fn return_code(answer: ConnectAnswer) -> ConnectReturnCode {
    match answer {
        ConnectAnswer::Accepted { .. } => ConnectReturnCode::Accepted,
        ConnectAnswer::UnsupportedVersion => ConnectReturnCode::UnacceptableProtocolVersion,
        ConnectAnswer::IdentifierRejected => ConnectReturnCode::IdentifierRejected,
        ConnectAnswer::BadCredentials | ConnectAnswer::BadAuthenticationMethod => {
            ConnectReturnCode::BadUserNameOrPassword
        }
        ConnectAnswer::NotAuthorised => ConnectReturnCode::NotAuthorized,
        ConnectAnswer::Unavailable | ConnectAnswer::Busy | ConnectAnswer::TooOften => {
            ConnectReturnCode::ServerUnavailable
        }
    }
}

fn reason_code(answer: ConnectAnswer) -> ConnectReasonCode {
    match answer {
        ConnectAnswer::Accepted { .. } => ConnectReasonCode::Success,
        ConnectAnswer::UnsupportedVersion => ConnectReasonCode::UnsupportedProtocolVersion,
        ConnectAnswer::IdentifierRejected => ConnectReasonCode::ClientIdentifierNotValid,
        ConnectAnswer::BadCredentials => ConnectReasonCode::BadUserNameOrPassword,
        ConnectAnswer::NotAuthorised => ConnectReasonCode::NotAuthorized,
        ConnectAnswer::Unavailable => ConnectReasonCode::ServerUnavailable,
        ConnectAnswer::Busy => ConnectReasonCode::ServerBusy,
        ConnectAnswer::TooOften => ConnectReasonCode::QuotaExceeded,
        ConnectAnswer::BadAuthenticationMethod => ConnectReasonCode::BadAuthenticationMethod,
    }
}

pub(crate) fn ack(
    out: &mut BytesMut,
    version: Version,
    kind: AckKind,
    id: u16,
    reason: AckReason,
) -> Result<(), Unwritable> {
    match (version, kind) {
        (Version::V311, AckKind::Puback) => {
            let packet = v3_1_1::Puback::builder().packet_id(id).build();
            write(out, "PUBACK", packet, v3_1_1::Puback::to_continuous_buffer)
        }
        (Version::V311, AckKind::Pubrec) => {
            let packet = v3_1_1::Pubrec::builder().packet_id(id).build();
            write(out, "PUBREC", packet, v3_1_1::Pubrec::to_continuous_buffer)
        }
        (Version::V5, AckKind::Puback) => {
            let reason = match reason {
                AckReason::Success => PubackReasonCode::Success,
                AckReason::PayloadInvalid => PubackReasonCode::PayloadFormatInvalid,
                AckReason::NotAuthorised => PubackReasonCode::NotAuthorized,
            };
            let packet = v5_0::Puback::builder().packet_id(id).reason_code(reason).build();
            write(out, "PUBACK", packet, v5_0::Puback::to_continuous_buffer)
        }
        (Version::V5, AckKind::Pubrec) => {
            let reason = match reason {
                AckReason::Success => PubrecReasonCode::Success,
                AckReason::PayloadInvalid => PubrecReasonCode::PayloadFormatInvalid,
                AckReason::NotAuthorised => PubrecReasonCode::NotAuthorized,
            };
            let packet = v5_0::Pubrec::builder().packet_id(id).reason_code(reason).build();
            write(out, "PUBREC", packet, v5_0::Pubrec::to_continuous_buffer)
        }
    }
}

/// `known`: there is a message of ours with this packet id.
pub(crate) fn pubrel(out: &mut BytesMut, version: Version, id: u16, known: bool) -> Result<(), Unwritable> {
    if version == Version::V311 || known {
        // The same four bytes in both versions.
        let packet = v3_1_1::Pubrel::builder().packet_id(id).build();
        return write(out, "PUBREL", packet, v3_1_1::Pubrel::to_continuous_buffer);
    }
    let reason = PubrelReasonCode::PacketIdentifierNotFound;
    let packet = v5_0::Pubrel::builder().packet_id(id).reason_code(reason).build();
    write(out, "PUBREL", packet, v5_0::Pubrel::to_continuous_buffer)
}

pub(crate) fn pubcomp(out: &mut BytesMut, version: Version, id: u16, known: bool) -> Result<(), Unwritable> {
    if version == Version::V311 {
        let packet = v3_1_1::Pubcomp::builder().packet_id(id).build();
        return write(out, "PUBCOMP", packet, v3_1_1::Pubcomp::to_continuous_buffer);
    }
    let reason = if known { PubcompReasonCode::Success } else { PubcompReasonCode::PacketIdentifierNotFound };
    let packet = v5_0::Pubcomp::builder().packet_id(id).reason_code(reason).build();
    write(out, "PUBCOMP", packet, v5_0::Pubcomp::to_continuous_buffer)
}

pub(crate) fn suback(
    out: &mut BytesMut,
    version: Version,
    id: u16,
    answers: &[SubscribeAnswer],
) -> Result<(), Unwritable> {
    if version == Version::V311 {
        let code = |answer: &SubscribeAnswer| match answer {
            SubscribeAnswer::Granted(Qos::AtMostOnce) => SubackReturnCode::SuccessMaximumQos0,
            SubscribeAnswer::Granted(Qos::AtLeastOnce) => SubackReturnCode::SuccessMaximumQos1,
            SubscribeAnswer::Granted(Qos::ExactlyOnce) => SubackReturnCode::SuccessMaximumQos2,
            SubscribeAnswer::Refused
            | SubscribeAnswer::NotAuthorised
            | SubscribeAnswer::FilterInvalid
            | SubscribeAnswer::TooMany => SubackReturnCode::Failure,
        };
        let codes = answers.iter().map(code).collect();
        let packet = v3_1_1::Suback::builder().packet_id(id).return_codes(codes).build();
        return write(out, "SUBACK", packet, v3_1_1::Suback::to_continuous_buffer);
    }
    let code = |answer: &SubscribeAnswer| match answer {
        SubscribeAnswer::Granted(Qos::AtMostOnce) => SubackReasonCode::GrantedQos0,
        SubscribeAnswer::Granted(Qos::AtLeastOnce) => SubackReasonCode::GrantedQos1,
        SubscribeAnswer::Granted(Qos::ExactlyOnce) => SubackReasonCode::GrantedQos2,
        SubscribeAnswer::Refused => SubackReasonCode::UnspecifiedError,
        SubscribeAnswer::NotAuthorised => SubackReasonCode::NotAuthorized,
        SubscribeAnswer::FilterInvalid => SubackReasonCode::TopicFilterInvalid,
        SubscribeAnswer::TooMany => SubackReasonCode::QuotaExceeded,
    };
    let codes = answers.iter().map(code).collect();
    let packet = v5_0::Suback::builder().packet_id(id).reason_codes(codes).build();
    write(out, "SUBACK", packet, v5_0::Suback::to_continuous_buffer)
}

/// `existed` has one entry per filter: was there such a subscription?
pub(crate) fn unsuback(
    out: &mut BytesMut,
    version: Version,
    id: u16,
    existed: &[bool],
) -> Result<(), Unwritable> {
    if version == Version::V311 {
        let packet = v3_1_1::Unsuback::builder().packet_id(id).build();
        return write(out, "UNSUBACK", packet, v3_1_1::Unsuback::to_continuous_buffer);
    }
    let code = |existed: &bool| {
        if *existed { UnsubackReasonCode::Success } else { UnsubackReasonCode::NoSubscriptionExisted }
    };
    let codes = existed.iter().map(code).collect();
    let packet = v5_0::Unsuback::builder().packet_id(id).reason_codes(codes).build();
    write(out, "UNSUBACK", packet, v5_0::Unsuback::to_continuous_buffer)
}

pub(crate) fn publish(
    out: &mut BytesMut,
    version: Version,
    message: &OutgoingPublish<'_>,
) -> Result<(), Unwritable> {
    let what = "PUBLISH";
    let qos = match message.packet_id {
        Some(_) if message.exactly_once => packet::Qos::ExactlyOnce,
        Some(_) => packet::Qos::AtLeastOnce,
        None => packet::Qos::AtMostOnce,
    };
    if version == Version::V311 {
        let packet = v3_1_1::Publish::builder()
            .topic_name(message.topic)
            .map_err(|_| Unwritable(what))?
            .qos(qos)
            .dup(message.duplicate)
            .retain(message.retain)
            .packet_id(message.packet_id)
            .payload(message.payload)
            .build();
        return write(out, what, packet, v3_1_1::Publish::to_continuous_buffer);
    }
    let packet = v5_0::Publish::builder()
        .topic_name(message.topic)
        .map_err(|_| Unwritable(what))?
        .qos(qos)
        .dup(message.duplicate)
        .retain(message.retain)
        .packet_id(message.packet_id)
        .props(publish_properties(message).map_err(|_| Unwritable(what))?)
        .payload(message.payload)
        .build();
    write(out, what, packet, v5_0::Publish::to_continuous_buffer)
}

fn publish_properties(message: &OutgoingPublish<'_>) -> Result<Properties, MqttError> {
    let mut properties = Properties::new();
    if let Some(alias) = message.alias {
        properties.push(TopicAlias::new(alias)?.into());
    }
    if let Some(seconds) = message.expiry {
        properties.push(MessageExpiryInterval::new(seconds)?.into());
    }
    for identifier in message.identifiers {
        properties.push(SubscriptionIdentifier::new(*identifier)?.into());
    }
    if let Some(forwarded) = message.forwarded {
        properties.extend(forwarded.0.iter().cloned());
    }
    Ok(properties)
}

pub(crate) fn pingresp(out: &mut BytesMut) -> Result<(), Unwritable> {
    // The same two bytes in both versions.
    let packet = v3_1_1::Pingresp::builder().build();
    write(out, "PINGRESP", packet, v3_1_1::Pingresp::to_continuous_buffer)
}

/// Tells an MQTT 5 client why; 3.1.1 has no such packet from the server, so nothing is written.
pub(crate) fn disconnect(out: &mut BytesMut, version: Version, farewell: Farewell) -> Result<(), Unwritable> {
    if version == Version::V311 {
        return Ok(());
    }
    let reason = match farewell {
        Farewell::Fault(Fault::Malformed) => DisconnectReasonCode::MalformedPacket,
        Farewell::Fault(Fault::Protocol) => DisconnectReasonCode::ProtocolError,
        Farewell::Fault(Fault::TopicName) => DisconnectReasonCode::TopicNameInvalid,
        Farewell::Fault(Fault::ReceiveMaximum) => DisconnectReasonCode::ReceiveMaximumExceeded,
        Farewell::Fault(Fault::TopicAlias) => DisconnectReasonCode::TopicAliasInvalid,
        Farewell::Fault(Fault::TooLarge) => DisconnectReasonCode::PacketTooLarge,
        Farewell::Unspecified => DisconnectReasonCode::UnspecifiedError,
        Farewell::ShuttingDown => DisconnectReasonCode::ServerShuttingDown,
        Farewell::KeepAlive => DisconnectReasonCode::KeepAliveTimeout,
        Farewell::TakenOver => DisconnectReasonCode::SessionTakenOver,
        Farewell::Revoked => DisconnectReasonCode::AdministrativeAction,
    };
    let packet = v5_0::Disconnect::builder().reason_code(reason).build();
    write(out, "DISCONNECT", packet, v5_0::Disconnect::to_continuous_buffer)
}
