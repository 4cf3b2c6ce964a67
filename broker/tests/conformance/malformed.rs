//! What nobody may send: it ends the connection on which it came, and no other.

use crate::client::{Client, Connect, pair};
use crate::server::unique;
use crate::wire::Level::{V5, V311};
use crate::wire::*;

cases! {
    mqtt311_4_8_0_1_a_violation_ends_its_own_connection => ends_its_own_connection(V311);
    mqtt5_4_13_1_1_a_malformed_packet_ends_its_own_connection => ends_its_own_connection(V5);
    mqtt5_4_13_1_1_a_property_out_of_place_ends_it => a_property_out_of_place();
    mqtt5_4_13_1_1_a_property_twice_ends_it => a_property_twice();
    mqtt5_4_13_1_1_a_property_value_out_of_range_ends_it => a_value_out_of_range();
    mqtt311_2_2_2_1_packets_of_the_server_end_it => packets_of_the_server(V311);
    mqtt5_4_13_1_1_packets_of_the_server_end_it => packets_of_the_server(V5);
    mqtt5_3_14_2_1_reasons_of_a_disconnect_are_known => reasons_of_a_disconnect_are_known();
    mqtt5_3_14_4_2_the_server_closes_after_its_disconnect => the_server_closes_after_its_disconnect();
    mqtt5_3_14_4_1_nothing_follows_a_disconnect => nothing_follows_a_disconnect();
    mqtt311_7_1_1_1_packets_in_pieces => packets_in_pieces(V311);
    mqtt5_4_2_1_packets_in_pieces => packets_in_pieces(V5);
}

const MALFORMED: &[u8] = &[0x81, 0x82, 0x90, 0x95];

/// Packets that are wrong in either version, with the reasons that version 5 may give.
fn wrong_packets(level: Level) -> Vec<(&'static str, Vec<u8>)> {
    let none = properties_of(level, &[]);
    vec![
        ("a length of five bytes", vec![0x30, 0xff, 0xff, 0xff, 0xff, 1]),
        ("a PUBLISH without a body", packet(PUBLISH, 0, &[])),
        ("a PUBLISH whose topic is cut short", packet(PUBLISH, 0, &[0, 9, b'x'])),
        ("a PUBLISH without its identifier", packet(PUBLISH, 2, &string("t"))),
        ("a PUBACK without its identifier", packet(PUBACK, 0, &[0])),
        ("a PUBREC without its identifier", packet(PUBREC, 0, &[])),
        ("a PUBREL without its identifier", packet(PUBREL, 2, &[1])),
        ("a PUBCOMP without its identifier", packet(PUBCOMP, 0, &[])),
        ("a SUBSCRIBE without a body", packet(SUBSCRIBE, 2, &[])),
        ("a SUBSCRIBE without options", packet(SUBSCRIBE, 2, &[&[0, 1][..], &none, &string("t")].concat())),
        ("a SUBSCRIBE cut short", packet(SUBSCRIBE, 2, &[&[0, 1][..], &none, &[0, 9, b't']].concat())),
        ("an UNSUBSCRIBE without a body", packet(UNSUBSCRIBE, 2, &[])),
        ("an UNSUBSCRIBE cut short", packet(UNSUBSCRIBE, 2, &[&[0, 1][..], &none, &[0, 9, b't']].concat())),
        ("a packet of type 0", packet(0, 0, &[0])),
        ("a PINGREQ with a body", packet(PINGREQ, 0, &[0])),
    ]
}

async fn ends_its_own_connection(level: Level) {
    let topic = unique("t");
    let (mut witness, mut publisher) = pair(level, &topic, 1).await;
    for (what, bytes) in wrong_packets(level) {
        println!("{what}");
        let mut client = Client::open(level).await;
        client.send(&bytes).await;
        client.closed_for(MALFORMED).await;
        witness.only_marker(&mut publisher, &topic).await;
    }
    witness.fence().await;
}

async fn a_property_out_of_place() {
    let body = |list: &[Property]| [string("t"), properties(list)].concat();
    let wrong = [
        packet(PUBLISH, 0, &body(&[(id::SESSION_EXPIRY, Value::Four(1))])),
        packet(PUBLISH, 0, &body(&[(id::RECEIVE_MAXIMUM, Value::Two(1))])),
        packet(PUBLISH, 0, &[string("t"), vec![2, 0x7e, 0]].concat()),
        subscribe(V5, 1, &[(id::TOPIC_ALIAS, Value::Two(1))], &[("t", 0)]),
        packet(PUBLISH, 0, &[string("t"), vec![9, id::PAYLOAD_FORMAT]].concat()),
    ];
    for bytes in wrong {
        let mut client = Client::open(V5).await;
        client.send(&bytes).await;
        client.closed_for(&[0x81, 0x82]).await;
    }
}

async fn a_property_twice() {
    let twice = |property: Property| [property.clone(), property].to_vec();
    for list in [
        twice((id::PAYLOAD_FORMAT, Value::Byte(1))),
        twice((id::MESSAGE_EXPIRY, Value::Four(60))),
        twice(text_property(id::CONTENT_TYPE, "text/plain")),
        twice(text_property(id::RESPONSE_TOPIC, "r")),
        twice((id::CORRELATION_DATA, Value::Bytes(vec![1]))),
    ] {
        let mut client = Client::open(V5).await;
        client.send(&Publish { properties: list, ..Publish::to("t", "x") }.bytes(V5)).await;
        client.closed_for(&[0x81, 0x82]).await;
    }
}

async fn a_value_out_of_range() {
    for property in [
        (id::RECEIVE_MAXIMUM, Value::Two(0)),
        (id::MAXIMUM_PACKET_SIZE, Value::Four(0)),
        (id::REQUEST_PROBLEM_INFORMATION, Value::Byte(2)),
        (id::REQUEST_RESPONSE_INFORMATION, Value::Byte(2)),
    ] {
        println!("{property:?}");
        let mut client = Client::dial(V5).await;
        client.send(&Connect::new(V5).with(property).bytes()).await;
        for packet in client.ending().await {
            assert!([0x81, 0x82].contains(&packet.connack(V5).reason), "{packet:?}");
        }
    }
    let mut client = Client::open(V5).await;
    client.send(&subscribe(V5, 1, &[(id::SUBSCRIPTION_ID, Value::Var(0))], &[("t", 0)])).await;
    client.closed_for(&[0x81, 0x82]).await;
}

async fn packets_of_the_server(level: Level) {
    let body = if level == V5 { &[0, 1, 0, 0][..] } else { &[0, 1, 0] };
    for bytes in [
        packet(CONNACK, 0, if level == V5 { &[0, 0, 0] } else { &[0, 0] }),
        packet(SUBACK, 0, body),
        packet(UNSUBACK, 0, if level == V5 { body } else { &[0, 1] }),
        packet(PINGRESP, 0, &[]),
    ] {
        println!("{bytes:02x?}");
        let mut client = Client::open(level).await;
        client.send(&bytes).await;
        client.closed_for(&[0x81, 0x82]).await;
    }
}

async fn reasons_of_a_disconnect_are_known() {
    let known = [
        0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97,
        0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
    ];
    // Some servers overlook the last one, which is another statement's business.
    let all = wrong_packets(V5);
    for (what, bytes) in &all[..all.len() - 1] {
        println!("{what}");
        let mut client = Client::open(V5).await;
        client.send(bytes).await;
        if let Some(reason) = client.closed().await {
            assert!(known.contains(&reason), "DISCONNECT {reason:#04x}");
        }
    }
}

async fn the_server_closes_after_its_disconnect() {
    let packets = Client::open(V5).await.end_by_mistake().await;
    assert!(packets.last().expect("a DISCONNECT").disconnect().reason >= 0x80);
}

/// The DISCONNECT is the last packet, whatever the client had asked before.
async fn nothing_follows_a_disconnect() {
    let topic = unique("t");
    let mut client = Client::open(V5).await;
    client.subscribe(&topic, 0).await;
    let burst = [
        Publish::to(&topic, "before").qos(1, 1).bytes(V5),
        Publish::to(&topic, "wrong").qos(3, 3).bytes(V5),
        Publish::to(&topic, "after").qos(1, 2).bytes(V5),
    ];
    client.send(&burst.concat()).await;
    let packets = client.ending().await;
    if let Some(at) = packets.iter().position(|packet| packet.kind == DISCONNECT) {
        assert_eq!(at, packets.len() - 1, "{packets:?}");
    }
    let acknowledged = |packet: &&Packet| packet.kind == PUBACK && packet.ack(V5).packet_id == 2;
    assert_eq!(packets.iter().find(acknowledged), None, "what came after the mistake was done");
}

/// A stream of bytes has no borders: one byte at a time, and many packets at once.
async fn packets_in_pieces(level: Level) {
    let topic = unique("t");
    let mut client = Client::dial(level).await;
    for byte in Connect::new(level).bytes() {
        client.send(&[byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.next().await.kind, CONNACK);
    client.subscribe(&topic, 0).await;
    for byte in Publish::to(&topic, "in pieces").qos(1, 3).bytes(level) {
        client.send(&[byte]).await;
    }
    client.expect_ack(PUBACK, 3).await;
    assert_eq!(client.receive().await.payload(), "in pieces");
    let many: Vec<u8> = (0..50).flat_map(|_| Publish::to(&topic, "at once").bytes(level)).collect();
    client.send(&many).await;
    for _ in 0..50 {
        assert_eq!(client.receive().await.payload(), "at once");
    }
}
