//! The first packet, and what a server must refuse in it.

use crate::client::{Client, Connect, Will, pair};
use crate::wire::Level::{V5, V311};
use crate::wire::*;

cases! {
    mqtt311_3_1_0_1_the_first_packet_is_a_connect => the_first_packet_is_a_connect(V311);
    mqtt5_3_1_0_1_the_first_packet_is_a_connect => the_first_packet_is_a_connect(V5);
    mqtt5_3_14_0_1_no_disconnect_before_a_connack => no_disconnect_before_a_connack();
    mqtt311_3_1_0_2_a_second_connect_ends_it => a_second_connect_ends_it(V311);
    mqtt5_3_1_0_2_a_second_connect_ends_it => a_second_connect_ends_it(V5);
    mqtt311_3_1_2_1_another_protocol_name => another_protocol_name(V311);
    mqtt5_3_1_2_1_another_protocol_name => another_protocol_name(V5);
    mqtt311_3_1_2_2_another_level => another_level(V311);
    mqtt5_3_1_2_2_another_level => another_level(V5);
    mqtt311_3_1_2_3_the_reserved_flag => refused_flags(V311, &[0x03]);
    mqtt5_3_1_2_3_the_reserved_flag => refused_flags(V5, &[0x03]);
    mqtt311_3_1_2_9_will_fields_are_there_with_the_flag => fields_missing(V311, 0x06);
    mqtt5_3_1_2_9_will_fields_are_there_with_the_flag => fields_missing(V5, 0x06);
    mqtt311_3_1_2_11_no_will_fields_without_the_flag => fields_too_many(V311);
    mqtt311_3_1_2_13_no_will_qos_without_a_will => refused_flags(V311, &[0x0a, 0x12]);
    mqtt5_3_1_2_11_no_will_qos_without_a_will => refused_flags(V5, &[0x0a, 0x12]);
    mqtt311_3_1_2_14_will_qos_three => will_qos_three(V311);
    mqtt5_3_1_2_12_will_qos_three => will_qos_three(V5);
    mqtt311_3_1_2_15_no_will_retain_without_a_will => refused_flags(V311, &[0x22]);
    mqtt5_3_1_2_13_no_will_retain_without_a_will => refused_flags(V5, &[0x22]);
    mqtt311_3_1_2_18_no_user_name_without_its_flag => fields_too_many(V311);
    mqtt5_3_1_2_16_no_user_name_without_its_flag => fields_too_many(V5);
    mqtt311_3_1_2_19_a_user_name_with_its_flag => fields_missing(V311, 0x82);
    mqtt5_3_1_2_17_a_user_name_with_its_flag => fields_missing(V5, 0x82);
    mqtt311_3_1_2_20_no_password_without_its_flag => password_too_many(V311);
    mqtt5_3_1_2_18_no_password_without_its_flag => password_too_many(V5);
    mqtt311_3_1_2_21_a_password_with_its_flag => password_missing(V311);
    mqtt5_3_1_2_19_a_password_with_its_flag => password_missing(V5);
    mqtt311_3_1_2_22_no_password_without_a_user_name => password_alone();
    mqtt311_3_1_3_1_fields_in_their_order => fields_in_their_order(V311);
    mqtt5_3_1_3_1_fields_in_their_order => fields_in_their_order(V5);
    mqtt311_3_1_4_1_a_malformed_connect_gets_no_connack => a_malformed_connect(V311);
    mqtt5_3_1_4_1_a_malformed_connect_ends_it => a_malformed_connect(V5);
    mqtt311_3_1_4_4_a_good_connect_is_acknowledged => a_good_connect_is_acknowledged(V311);
    mqtt5_3_1_4_5_a_good_connect_is_acknowledged => a_good_connect_is_acknowledged(V5);
    mqtt311_3_1_4_5_nothing_is_done_after_a_refusal => nothing_is_done_after_a_refusal(V311);
    mqtt5_3_1_4_6_nothing_is_done_after_a_refusal => nothing_is_done_after_a_refusal(V5);
    mqtt311_3_2_0_1_the_connack_comes_first => the_connack_comes_first(V311);
    mqtt5_3_2_0_1_the_connack_comes_first => the_connack_comes_first(V5);
    mqtt5_3_2_0_2_one_connack => one_connack();
    mqtt5_3_2_2_1_reserved_flags_of_the_connack => reserved_flags_of_the_connack();
    mqtt311_3_2_2_4_a_refusal_has_no_session => a_refusal_has_no_session(V311);
    mqtt5_3_2_2_6_a_refusal_has_no_session => a_refusal_has_no_session(V5);
    mqtt311_3_2_2_5_a_refusal_closes => a_refusal_closes(V311);
    mqtt5_3_2_2_7_a_refusal_closes => a_refusal_closes(V5);
    mqtt5_3_2_2_8_a_refusal_has_a_known_reason => a_refusal_has_a_known_reason();
    mqtt5_4_13_2_1_a_reason_of_failure_closes => a_refusal_closes(V5);
}

/// The server closes without accepting; it may say why in a CONNACK if the version and the mistake allow it.
async fn refused(client: &mut Client, reasons: &[u8]) {
    let packets = client.ending().await;
    match packets.as_slice() {
        [] => {}
        [only] => {
            let connack = only.connack(client.level);
            assert!(reasons.contains(&connack.reason), "{connack:?} is none of {reasons:02x?}");
            assert_eq!(connack.flags, 0, "session present in a refusal");
        }
        other => panic!("before the end came {other:?}"),
    }
}

/// Reasons that a CONNACK may give for a CONNECT that is wrong in itself: none in 3.1.1.
fn reasons_for_malformed(level: Level) -> &'static [u8] {
    match level {
        Level::V311 => &[],
        Level::V5 => &[0x80, 0x81, 0x82],
    }
}

async fn the_first_packet_is_a_connect(level: Level) {
    for first in [
        packet(PINGREQ, 0, &[]),
        Publish::to("a", "b").bytes(level),
        subscribe(level, 1, &[], &[("a", 0)]),
        packet(DISCONNECT, 0, &[]),
    ] {
        let mut client = Client::dial(level).await;
        client.send(&first).await;
        client.closed().await;
    }
}

async fn no_disconnect_before_a_connack() {
    let mut client = Client::dial(V5).await;
    client.send(&packet(PINGREQ, 0, &[])).await;
    assert_eq!(client.closed().await, None, "a DISCONNECT without a CONNACK before it");
}

async fn a_second_connect_ends_it(level: Level) {
    let connect = Connect::new(level);
    let mut client = connect.open().await;
    client.send(&connect.bytes()).await;
    client.closed_for(&[0x82]).await;
}

async fn another_protocol_name(level: Level) {
    let connect = Connect::new(level);
    let mut client = Client::dial(level).await;
    client.send(&connect.bytes_saying("MQTX", level as u8, connect.flags(), &connect.payload())).await;
    refused(&mut client, if level == V5 { &[0x80, 0x81, 0x82, 0x84] } else { &[1] }).await;
}

/// A server of both versions may answer in the form of either: 1 of 3.1.1, 0x84 of version 5.
async fn another_level(level: Level) {
    for wrong in [0, 6, 0x7f] {
        let connect = Connect::new(level);
        let mut client = Client::dial(level).await;
        client.send(&connect.bytes_saying("MQTT", wrong, connect.flags(), &connect.payload())).await;
        let packets = client.ending().await;
        // 3.1.1 demands the CONNACK, version 5 allows it.
        assert!(level == V5 || !packets.is_empty(), "level {wrong}: no CONNACK");
        for packet in packets {
            assert_eq!(packet.kind, CONNACK);
            assert_eq!(packet.body[0], 0);
            assert!([1, 0x84].contains(&packet.body[1]), "level {wrong}: {packet:?}");
        }
    }
}

async fn refused_flags(level: Level, all: &[u8]) {
    for flags in all {
        let connect = Connect::new(level);
        let mut client = Client::dial(level).await;
        client.send(&connect.bytes_saying("MQTT", level as u8, *flags, &connect.payload())).await;
        refused(&mut client, reasons_for_malformed(level)).await;
    }
}

async fn will_qos_three(level: Level) {
    let will = Will { qos: 3, ..Will::to("will", "x") };
    let mut client = Client::dial(level).await;
    client.send(&Connect::new(level).will(will).bytes()).await;
    refused(&mut client, reasons_for_malformed(level)).await;
}

/// The flag is there, the field is not.
async fn fields_missing(level: Level, flags: u8) {
    refused_flags(level, &[flags]).await;
}

/// The field is there, the flag is not.
async fn fields_too_many(level: Level) {
    let connect = Connect::new(level);
    let payload = [connect.payload(), string("name")].concat();
    let mut client = Client::dial(level).await;
    client.send(&connect.bytes_saying("MQTT", level as u8, 0x02, &payload)).await;
    refused(&mut client, reasons_for_malformed(level)).await;
}

async fn password_too_many(level: Level) {
    let connect = Connect::new(level);
    let payload = [connect.payload(), string("name"), string("password")].concat();
    let mut client = Client::dial(level).await;
    client.send(&connect.bytes_saying("MQTT", level as u8, 0x82, &payload)).await;
    refused(&mut client, reasons_for_malformed(level)).await;
}

async fn password_missing(level: Level) {
    let connect = Connect::new(level);
    let payload = [connect.payload(), string("name")].concat();
    let mut client = Client::dial(level).await;
    client.send(&connect.bytes_saying("MQTT", level as u8, 0xc2, &payload)).await;
    refused(&mut client, reasons_for_malformed(level)).await;
}

async fn password_alone() {
    let connect = Connect { password: Some("password".into()), ..Connect::new(V311) };
    let mut client = Client::dial(V311).await;
    client.send(&connect.bytes()).await;
    refused(&mut client, &[]).await;
}

/// Every field at once, and each arrives where it belongs: the will is the proof.
async fn fields_in_their_order(level: Level) {
    let topic = crate::server::unique("order");
    let (mut subscriber, _publisher) = pair(level, &topic, 0).await;
    let mut connect = Connect::new(level).will(Will::to(&topic, "the will"));
    connect.user_name = Some("user".into());
    connect.password = Some(vec![0, 0xff, 1]);
    connect.open().await.drop_connection();
    let will = subscriber.receive().await;
    assert_eq!((will.topic.as_str(), will.payload()), (topic.as_str(), "the will"));
}

async fn a_malformed_connect(level: Level) {
    let good = Connect::new(level);
    let cut_short = packet(CONNECT, 0, &good.bytes()[2..good.bytes().len() - 1]);
    let no_body = packet(CONNECT, 0, &[]);
    let flags_in_the_header = {
        let mut bytes = good.bytes();
        bytes[0] |= 1;
        bytes
    };
    for wrong in [cut_short, no_body, flags_in_the_header] {
        let mut client = Client::dial(level).await;
        client.send(&wrong).await;
        refused(&mut client, reasons_for_malformed(level)).await;
    }
}

async fn a_good_connect_is_acknowledged(level: Level) {
    let (mut client, connack) = Connect::new(level).answer().await;
    assert_eq!((connack.flags, connack.reason), (0, 0));
    client.fence().await;
}

/// A CONNECT that has to be refused though it is well-formed.
fn to_be_refused(level: Level) -> Connect {
    match level {
        // An empty client id needs a clean session in 3.1.1.
        Level::V311 => Connect { clean: false, ..Connect::named(V311, "") },
        Level::V5 => Connect::new(V5).with(text_property(id::AUTHENTICATION_METHOD, "no such method")),
    }
}

async fn nothing_is_done_after_a_refusal(level: Level) {
    let topic = crate::server::unique("refused");
    let (mut subscriber, mut publisher) = pair(level, &topic, 1).await;
    let mut client = Client::dial(level).await;
    let publish = Publish::to(&topic, "must not be done").qos(1, 1).bytes(level);
    client.send(&[to_be_refused(level).bytes(), publish].concat()).await;
    refused(&mut client, &[2, 0x8c, 0x87]).await;
    subscriber.only_marker(&mut publisher, &topic).await;
}

async fn the_connack_comes_first(level: Level) {
    let topic = crate::server::unique("first");
    let mut client = Client::dial(level).await;
    let burst = [
        Connect::new(level).bytes(),
        subscribe(level, 1, &[], &[(&topic, 0)]),
        Publish::to(&topic, "early").qos(1, 2).bytes(level),
        packet(PINGREQ, 0, &[]),
    ];
    client.send(&burst.concat()).await;
    assert_eq!(client.next().await.kind, CONNACK);
    client.expect(SUBACK).await;
    client.expect_ack(PUBACK, 2).await;
    assert_eq!(client.receive().await.payload(), "early");
    client.expect(PINGRESP).await;
}

async fn one_connack() {
    let connect = Connect::new(V5);
    let mut client = Client::dial(V5).await;
    client.send(&[connect.bytes(), connect.bytes()].concat()).await;
    let packets = client.ending().await;
    assert!(packets.iter().filter(|packet| packet.kind == CONNACK).count() <= 1, "{packets:?}");
}

async fn reserved_flags_of_the_connack() {
    let name = crate::server::unique("c");
    let (client, first) = Connect::kept(V5, &name).answer().await;
    client.leave().await;
    let (_client, second) = Connect::kept(V5, &name).answer().await;
    assert_eq!((first.flags, second.flags), (0, 1));
}

async fn a_refusal_has_no_session(level: Level) {
    let (_client, connack) = to_be_refused(level).answer().await;
    assert_ne!(connack.reason, 0);
    assert_eq!(connack.flags, 0);
}

async fn a_refusal_closes(level: Level) {
    let (mut client, connack) = to_be_refused(level).answer().await;
    assert_ne!(connack.reason, 0);
    assert_eq!(client.closed().await, None, "a DISCONNECT after a refusal");
}

async fn a_refusal_has_a_known_reason() {
    let known = [
        0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99, 0x9a,
        0x9b, 0x9c, 0x9d, 0x9f,
    ];
    let (_client, connack) = to_be_refused(V5).answer().await;
    assert!(known.contains(&connack.reason), "{connack:?}");
}
