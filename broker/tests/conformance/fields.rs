//! Strings, numbers and reserved bits, wherever a packet has them.

use crate::client::{Client, Connect, Will, pair};
use crate::server::unique;
use crate::wire::Level::{V5, V311};
use crate::wire::*;

cases! {
    mqtt311_1_5_3_1_ill_formed_utf8_ends_it => ill_formed_topics(V311, BROKEN);
    mqtt5_1_5_4_1_ill_formed_utf8_ends_it => ill_formed_topics(V5, BROKEN);
    mqtt311_1_5_3_2_a_null_character_ends_it => ill_formed_topics(V311, &[b"a\0", b"\0"]);
    mqtt5_1_5_4_2_a_null_character_ends_it => ill_formed_topics(V5, &[b"a\0", b"\0"]);
    mqtt311_1_5_3_3_a_byte_order_mark_is_a_character => a_byte_order_mark_is_a_character(V311);
    mqtt5_1_5_4_3_a_byte_order_mark_is_a_character => a_byte_order_mark_is_a_character(V5);
    mqtt5_1_5_5_1_lengths_are_as_short_as_can_be => lengths_are_as_short_as_can_be();
    mqtt5_1_5_7_1_both_strings_of_a_pair_are_utf8 => both_strings_of_a_pair();
    mqtt5_2_1_3_1_reserved_flags => reserved_flags(V5);
    mqtt311_2_2_2_2_reserved_flags => reserved_flags(V311);
    mqtt5_2_2_2_1_no_properties_is_a_length_of_zero => no_properties();
    mqtt311_3_1_3_4_the_client_id_is_utf8 => the_client_id_is_utf8(V311);
    mqtt5_3_1_3_4_the_client_id_is_utf8 => the_client_id_is_utf8(V5);
    mqtt311_3_1_3_10_the_will_topic_is_utf8 => the_will_topic_is_utf8(V311);
    mqtt5_3_1_3_11_the_will_topic_is_utf8 => the_will_topic_is_utf8(V5);
    mqtt311_3_1_3_11_the_user_name_is_utf8 => the_user_name_is_utf8(V311);
    mqtt5_3_1_3_12_the_user_name_is_utf8 => the_user_name_is_utf8(V5);
    mqtt311_3_3_2_1_the_topic_is_utf8 => ill_formed_topics(V311, BROKEN);
    mqtt5_3_3_2_1_the_topic_is_utf8 => ill_formed_topics(V5, BROKEN);
    mqtt311_3_8_3_1_filters_are_utf8 => filters_are_utf8(V311, SUBSCRIBE);
    mqtt5_3_8_3_1_filters_are_utf8 => filters_are_utf8(V5, SUBSCRIBE);
    mqtt311_3_10_3_1_filters_are_utf8 => filters_are_utf8(V311, UNSUBSCRIBE);
    mqtt5_3_10_3_1_filters_are_utf8 => filters_are_utf8(V5, UNSUBSCRIBE);
    mqtt5_3_3_2_13_the_response_topic_is_utf8 => a_text_property_is_utf8(id::RESPONSE_TOPIC);
    mqtt5_3_3_2_19_the_content_type_is_utf8 => a_text_property_is_utf8(id::CONTENT_TYPE);
    mqtt311_3_6_1_1_flags_of_pubrel => flags_of_pubrel(V311);
    mqtt5_3_6_1_1_flags_of_pubrel => flags_of_pubrel(V5);
    mqtt311_3_14_1_1_flags_of_disconnect => flags_of_disconnect(V311);
    mqtt5_3_14_1_1_flags_of_disconnect => flags_of_disconnect(V5);
    mqtt5_3_15_1_1_flags_of_auth => flags_of_auth();
}

/// A lone continuation byte, a sequence cut short, an overlong one, a surrogate, a code point past the last.
const BROKEN: &[&[u8]] = &[
    b"a\x80",
    b"\xc3",
    b"\xc0\xaf",
    b"\xe0\x80\xaf",
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xf4\x90\x80\x80",
    b"\xff",
];

/// Malformed, a protocol error, or said of the very field.
const MALFORMED: &[u8] = &[0x81, 0x82, 0x85, 0x8f, 0x90];

async fn ill_formed_topics(level: Level, topics: &[&[u8]]) {
    for topic in topics {
        let body = [string(topic), properties_of(level, &[]), b"payload".to_vec()].concat();
        let mut client = Client::open(level).await;
        client.send(&packet(PUBLISH, 0, &body)).await;
        client.closed_for(MALFORMED).await;
    }
}

async fn a_byte_order_mark_is_a_character(level: Level) {
    let root = unique("t");
    let (marked, bare) = (format!("{root}/\u{feff}x"), format!("{root}/x"));
    let (mut subscriber, mut publisher) = pair(level, &marked, 1).await;
    publisher.publish(Publish::to(&bare, "another topic").qos(1, 0)).await;
    publisher.publish(Publish::to(&marked, "this topic").qos(1, 0)).await;
    let publish = subscriber.receive().await;
    assert_eq!((publish.topic.as_str(), publish.payload()), (marked.as_str(), "this topic"));
}

/// The reader of the suite refuses a length that takes more bytes than it needs. Here it sees every size of them.
async fn lengths_are_as_short_as_can_be() {
    let topic = unique("t");
    let (mut subscriber, mut publisher) = pair(V5, &topic, 1).await;
    for length in [0, 1, 90, 100, 110, 120, 127, 128, 200, 16_000, 16_383, 16_384, 40_000] {
        let payload = "x".repeat(length);
        let list = user_property("n", &"v".repeat(length));
        publisher.publish(Publish::to(&topic, &payload).qos(1, 0).with(list.clone())).await;
        let publish = subscriber.receive().await;
        assert_eq!((publish.payload.len(), &publish.properties), (length, &vec![list]));
    }
}

async fn both_strings_of_a_pair() {
    for (name, value) in [(&b"\xff"[..], &b"v"[..]), (b"n", b"\xff"), (b"\0", b"v"), (b"n", b"\xed\xa0\x80")]
    {
        println!("{name:02x?} {value:02x?}");
        let pair = [&[id::USER_PROPERTY][..], &string(name), &string(value)].concat();
        let body = [string("t"), var(pair.len()), pair, b"payload".to_vec()].concat();
        let mut client = Client::open(V5).await;
        client.send(&packet(PUBLISH, 0, &body)).await;
        client.closed_for(&[0x81, 0x82]).await;
    }
}

async fn reserved_flags(level: Level) {
    let wrong = [
        packet(PINGREQ, 1, &[]),
        packet(PINGREQ, 8, &[]),
        packet(PUBACK, 2, &[0, 1]),
        packet(PUBREC, 1, &[0, 1]),
        packet(PUBCOMP, 4, &[0, 1]),
        packet(0, 0, &[]),
    ];
    for bytes in wrong {
        let mut client = Client::open(level).await;
        client.send(&bytes).await;
        client.closed_for(&[0x81, 0x82]).await;
    }
}

/// The reader of the suite needs the length of the properties in every packet that has them.
async fn no_properties() {
    let topic = unique("t");
    let (mut subscriber, mut publisher) = pair(V5, &topic, 1).await;
    publisher.publish(Publish::to(&topic, "bare").qos(1, 0)).await;
    let publish = subscriber.receive().await;
    assert_eq!((publish.payload(), publish.properties.as_slice()), ("bare", &[][..]));
    subscriber.unsubscribe(&[&topic]).await;
}

/// The end without a CONNACK, or with one that refuses.
async fn refused(connect: &Connect) {
    let mut client = Client::dial(connect.level).await;
    client.send(&connect.bytes()).await;
    for packet in client.ending().await {
        let reason = packet.connack(client.level).reason;
        let known = if client.level == V5 { MALFORMED } else { &[2] };
        assert!(known.contains(&reason), "CONNACK {reason:#04x}");
    }
}

async fn the_client_id_is_utf8(level: Level) {
    for broken in BROKEN.iter().copied().chain([&b"a\0b"[..]]) {
        refused(&Connect { client_id: broken.to_vec(), ..Connect::new(level) }).await;
    }
}

async fn the_will_topic_is_utf8(level: Level) {
    for broken in BROKEN.iter().copied().chain([&b"a\0b"[..]]) {
        let will = Will { topic: broken.to_vec(), ..Will::to("", "x") };
        refused(&Connect::new(level).will(will)).await;
    }
}

async fn the_user_name_is_utf8(level: Level) {
    for broken in BROKEN.iter().copied().chain([&b"a\0b"[..]]) {
        refused(&Connect { user_name: Some(broken.to_vec()), ..Connect::new(level) }).await;
    }
}

async fn filters_are_utf8(level: Level, kind: u8) {
    for broken in BROKEN {
        let options = if kind == SUBSCRIBE { &[0][..] } else { &[] };
        let body = [&[0, 1][..], &properties_of(level, &[]), &string(broken), options].concat();
        let mut client = Client::open(level).await;
        client.send(&packet(kind, 2, &body)).await;
        client.closed_for(MALFORMED).await;
    }
}

async fn a_text_property_is_utf8(id: u8) {
    for broken in BROKEN {
        let property = [&[id][..], &string(broken)].concat();
        let body = [string("t"), var(property.len()), property].concat();
        let mut client = Client::open(V5).await;
        client.send(&packet(PUBLISH, 0, &body)).await;
        client.closed_for(MALFORMED).await;
    }
}

async fn flags_of_pubrel(level: Level) {
    for flags in [0, 1, 3, 6, 10] {
        let mut client = Client::open(level).await;
        client.send(&Publish::to(&unique("t"), "x").qos(2, 1).bytes(level)).await;
        client.expect_ack(PUBREC, 1).await;
        client.send(&packet(PUBREL, flags, &[0, 1])).await;
        client.closed_for(&[0x81, 0x82]).await;
    }
}

/// As a mistake and not as a farewell: the will is published.
async fn flags_of_disconnect(level: Level) {
    for flags in [1, 2, 8] {
        let topic = unique("will");
        let (mut subscriber, _publisher) = pair(level, &topic, 0).await;
        let mut client = Connect::new(level).will(Will::to(&topic, "gone")).open().await;
        client.send(&packet(DISCONNECT, flags, &[])).await;
        client.closed_for(&[0x81]).await;
        assert_eq!(subscriber.receive().await.payload(), "gone");
    }
}

async fn flags_of_auth() {
    for flags in [1, 2, 8] {
        let mut client = Client::open(V5).await;
        client.send(&packet(AUTH, flags, &[0x19, 0])).await;
        client.closed_for(&[0x81, 0x82]).await;
    }
}
