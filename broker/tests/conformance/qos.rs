//! The exchanges of QoS 1 and 2, on both sides, and what happens to them when the connection breaks.

use crate::client::{Client, Connect, pair};
use crate::server::unique;
use crate::wire::Level::{V5, V311};
use crate::wire::*;

cases! {
    mqtt311_4_3_2_1_qos_1_stays_unacknowledged_until_its_puback => qos_1_until_its_puback(V311);
    mqtt5_4_3_2_3_qos_1_stays_unacknowledged_until_its_puback => qos_1_until_its_puback(V5);
    mqtt5_4_3_2_2_qos_1_goes_out_without_dup => qos_1_goes_out_without_dup();
    mqtt311_4_3_2_2_after_its_puback_an_identifier_is_new => after_its_puback_an_identifier_is_new(V311);
    mqtt5_4_3_2_5_after_its_puback_an_identifier_is_new => after_its_puback_an_identifier_is_new(V5);
    mqtt5_4_3_2_4_qos_1_is_acknowledged => qos_1_is_acknowledged();
    mqtt311_4_3_3_1_qos_2_to_a_subscriber => qos_2_to_a_subscriber(V311);
    mqtt5_4_3_3_4_qos_2_to_a_subscriber => qos_2_to_a_subscriber(V5);
    mqtt5_4_3_3_3_qos_2_stays_unacknowledged_until_its_pubrec => qos_2_until_its_pubrec(V5);
    mqtt311_4_3_3_1_a_pubrel_stays_until_its_pubcomp => a_pubrel_stays_until_its_pubcomp(V311);
    mqtt5_4_3_3_5_a_pubrel_stays_until_its_pubcomp => a_pubrel_stays_until_its_pubcomp(V5);
    mqtt5_4_3_3_6_after_the_pubrel_no_publish => a_pubrel_stays_until_its_pubcomp(V5);
    mqtt311_4_3_3_2_qos_2_is_delivered_once => qos_2_is_delivered_once(V311);
    mqtt5_4_3_3_10_qos_2_is_delivered_once => qos_2_is_delivered_once(V5);
    mqtt311_4_3_3_2_qos_2_repeated_at_once_is_delivered_once => qos_2_repeated_at_once();
    mqtt5_4_3_3_8_qos_2_is_received => qos_2_is_received();
    mqtt5_4_3_3_11_a_pubrel_gets_its_pubcomp => a_pubrel_gets_its_pubcomp();
    mqtt5_4_3_3_12_after_its_pubcomp_an_identifier_is_new => after_its_pubcomp_an_identifier_is_new();
    mqtt5_4_3_3_13_an_expired_message_is_acknowledged_all_the_same => an_expired_message_is_acknowledged();
    mqtt311_3_3_1_1_sent_again_with_dup => sent_again_with_dup(V311);
    mqtt5_3_3_1_1_sent_again_with_dup => sent_again_with_dup(V5);
    mqtt311_4_4_0_1_everything_unacknowledged_is_sent_again => everything_unacknowledged(V311);
    mqtt5_4_4_0_1_everything_unacknowledged_is_sent_again => everything_unacknowledged(V5);
    mqtt5_4_4_0_1_not_sent_again_on_the_same_connection => not_sent_again_on_the_same_connection();
    mqtt5_4_4_0_2_a_puback_of_failure_ends_the_delivery => a_failure_ends_the_delivery(1);
    mqtt5_4_4_0_2_a_pubrec_of_failure_ends_the_delivery => a_failure_ends_the_delivery(2);
    mqtt5_4_3_3_4_no_pubrel_after_a_pubrec_of_failure => a_failure_ends_the_delivery(2);
}

/// A kept session subscribed to `topic` at QoS 2, and a publisher.
async fn kept_pair(level: Level, name: &str, topic: &str) -> (Client, Client) {
    let mut subscriber = Connect::kept(level, name).open().await;
    subscriber.subscribe(topic, 2).await;
    (subscriber, Client::open(level).await)
}

/// The same session on a new connection.
async fn back(level: Level, name: &str) -> Client {
    let (client, connack) = Connect::kept(level, name).answer().await;
    assert_eq!(connack.flags, 1, "the session is gone");
    client
}

async fn qos_1_until_its_puback(level: Level) {
    let (name, topic) = (unique("c"), unique("t"));
    let (mut subscriber, mut publisher) = kept_pair(level, &name, &topic).await;
    publisher.publish(Publish::to(&topic, "x").qos(1, 0)).await;
    let first = subscriber.take().await;
    assert_eq!((first.qos, first.dup), (1, false));
    subscriber.drop_connection();
    let mut subscriber = back(level, &name).await;
    let again = subscriber.receive().await;
    assert_eq!(again.packet_id, first.packet_id);
    // The ping comes after the PUBACK: it has been read.
    subscriber.fence().await;
    subscriber.drop_connection();
    back(level, &name).await.only_marker(&mut publisher, &topic).await;
}

async fn qos_1_goes_out_without_dup() {
    let topic = unique("t");
    let (mut subscriber, mut publisher) = pair(V5, &topic, 1).await;
    publisher.publish(Publish::to(&topic, "x").qos(1, 0)).await;
    let publish = subscriber.receive().await;
    assert_eq!((publish.qos, publish.dup), (1, false));
    assert_ne!(publish.packet_id, 0);
}

async fn after_its_puback_an_identifier_is_new(level: Level) {
    let topic = unique("t");
    let (mut subscriber, mut publisher) = pair(level, &topic, 1).await;
    for (payload, dup) in [("one", false), ("two", true), ("two", true)] {
        let publish = Publish { dup, ..Publish::to(&topic, payload).qos(1, 5) };
        publisher.send(&publish.bytes(level)).await;
        publisher.expect_ack(PUBACK, 5).await;
        assert_eq!(subscriber.receive().await.payload(), payload);
    }
}

async fn qos_1_is_acknowledged() {
    let mut client = Client::open(V5).await;
    client.send(&Publish::to(&unique("t"), "x").qos(1, 9).bytes(V5)).await;
    assert!(client.expect_ack(PUBACK, 9).await.reason < 0x80);
    client.fence().await;
}

async fn qos_2_to_a_subscriber(level: Level) {
    let topic = unique("t");
    let (mut subscriber, mut publisher) = pair(level, &topic, 2).await;
    publisher.publish(Publish::to(&topic, "x").qos(2, 0)).await;
    let publish = subscriber.take().await;
    assert_eq!((publish.qos, publish.dup), (2, false));
    subscriber.fence().await;
    subscriber.send(&ack(PUBREC, publish.packet_id)).await;
    let said = subscriber.expect_ack(PUBREL, publish.packet_id).await;
    assert_eq!(said.reason, 0);
    subscriber.send(&ack(PUBCOMP, publish.packet_id)).await;
    subscriber.fence().await;
    subscriber.only_marker(&mut publisher, &topic).await;
}

async fn qos_2_until_its_pubrec(level: Level) {
    let (name, topic) = (unique("c"), unique("t"));
    let (mut subscriber, mut publisher) = kept_pair(level, &name, &topic).await;
    publisher.publish(Publish::to(&topic, "x").qos(2, 0)).await;
    let first = subscriber.take().await;
    subscriber.drop_connection();
    let mut subscriber = back(level, &name).await;
    let again = subscriber.receive().await;
    assert_eq!((again.packet_id, again.qos, again.dup), (first.packet_id, 2, true));
}

async fn a_pubrel_stays_until_its_pubcomp(level: Level) {
    let (name, topic) = (unique("c"), unique("t"));
    let (mut subscriber, mut publisher) = kept_pair(level, &name, &topic).await;
    publisher.publish(Publish::to(&topic, "x").qos(2, 0)).await;
    let packet_id = subscriber.take().await.packet_id;
    subscriber.send(&ack(PUBREC, packet_id)).await;
    subscriber.expect_ack(PUBREL, packet_id).await;
    subscriber.drop_connection();
    let mut subscriber = back(level, &name).await;
    let packet = subscriber.next().await;
    assert_eq!(packet.kind, PUBREL, "a PUBREL was due, not {packet:?}");
    assert_eq!(packet.ack(level).packet_id, packet_id);
    subscriber.send(&ack(PUBCOMP, packet_id)).await;
    subscriber.fence().await;
    subscriber.only_marker(&mut publisher, &topic).await;
    subscriber.fence().await;
    subscriber.drop_connection();
    back(level, &name).await.fence().await;
}

/// Sent again after coming back, as a client must that has seen no PUBREC.
async fn qos_2_is_delivered_once(level: Level) {
    let (name, topic) = (unique("c"), unique("t"));
    let mut subscriber = pair(level, &topic, 2).await.0;
    let publish = Publish::to(&topic, "once").qos(2, 5);
    let mut publisher = Connect::kept(level, &name).open().await;
    publisher.send(&publish.bytes(level)).await;
    publisher.expect_ack(PUBREC, 5).await;
    publisher.drop_connection();
    let mut publisher = back(level, &name).await;
    publisher.send(&publish.dup().bytes(level)).await;
    publisher.expect_ack(PUBREC, 5).await;
    publisher.send(&ack(PUBREL, 5)).await;
    publisher.expect_ack(PUBCOMP, 5).await;
    assert_eq!(subscriber.receive().await.payload(), "once");
    subscriber.only_marker(&mut publisher, &topic).await;
}

/// 3.1.1 lets a client repeat on the same connection, and has every repetition answered.
async fn qos_2_repeated_at_once() {
    let topic = unique("t");
    let (mut subscriber, mut publisher) = pair(V311, &topic, 2).await;
    let publish = Publish::to(&topic, "once").qos(2, 5);
    publisher.send(&publish.bytes(V311)).await;
    publisher.expect_ack(PUBREC, 5).await;
    for _ in 0..2 {
        publisher.send(&publish.clone().dup().bytes(V311)).await;
        publisher.expect_ack(PUBREC, 5).await;
    }
    publisher.send(&ack(PUBREL, 5)).await;
    publisher.expect_ack(PUBCOMP, 5).await;
    assert_eq!(subscriber.receive().await.payload(), "once");
    subscriber.only_marker(&mut publisher, &topic).await;
}

async fn qos_2_is_received() {
    let mut client = Client::open(V5).await;
    client.send(&Publish::to(&unique("t"), "x").qos(2, 9).bytes(V5)).await;
    assert!(client.expect_ack(PUBREC, 9).await.reason < 0x80);
    client.fence().await;
}

/// A PUBREL that comes again is answered again: the PUBCOMP may have been lost.
async fn a_pubrel_gets_its_pubcomp() {
    let mut client = Client::open(V5).await;
    client.send(&Publish::to(&unique("t"), "x").qos(2, 9).bytes(V5)).await;
    client.expect_ack(PUBREC, 9).await;
    client.send(&ack(PUBREL, 9)).await;
    assert_eq!(client.expect_ack(PUBCOMP, 9).await.reason, 0);
    client.send(&ack(PUBREL, 9)).await;
    client.expect_ack(PUBCOMP, 9).await;
    client.fence().await;
}

async fn after_its_pubcomp_an_identifier_is_new() {
    let topic = unique("t");
    let (mut subscriber, mut publisher) = pair(V5, &topic, 2).await;
    for _ in 0..2 {
        publisher.send(&Publish::to(&topic, "the same").qos(2, 5).dup().bytes(V5)).await;
        publisher.expect_ack(PUBREC, 5).await;
        publisher.send(&ack(PUBREL, 5)).await;
        publisher.expect_ack(PUBCOMP, 5).await;
        assert_eq!(subscriber.receive().await.payload(), "the same");
    }
}

async fn an_expired_message_is_acknowledged() {
    let mut client = Client::open(V5).await;
    let at_once = (id::MESSAGE_EXPIRY, Value::Four(0));
    client.send(&Publish::to(&unique("t"), "x").qos(2, 9).with(at_once).bytes(V5)).await;
    assert!(client.expect_ack(PUBREC, 9).await.reason < 0x80);
    client.send(&ack(PUBREL, 9)).await;
    assert_eq!(client.expect_ack(PUBCOMP, 9).await.reason, 0);
}

async fn sent_again_with_dup(level: Level) {
    let (name, topic) = (unique("c"), unique("t"));
    let (mut subscriber, mut publisher) = kept_pair(level, &name, &topic).await;
    for qos in 1..=2 {
        publisher.publish(Publish::to(&topic, "x").qos(qos, 0)).await;
        assert!(!subscriber.take().await.dup);
    }
    subscriber.drop_connection();
    let mut subscriber = back(level, &name).await;
    assert!(subscriber.receive().await.dup);
    assert!(subscriber.receive().await.dup);
}

/// QoS 1, QoS 2 before and after PUBREC: each by its own identifier, and in the order in which they were sent.
async fn everything_unacknowledged(level: Level) {
    let (name, topic) = (unique("c"), unique("t"));
    let (mut subscriber, mut publisher) = kept_pair(level, &name, &topic).await;
    let mut ids = Vec::new();
    for (qos, payload) in [(2, "received"), (1, "one"), (2, "two"), (1, "three")] {
        publisher.publish(Publish::to(&topic, payload).qos(qos, 0)).await;
        ids.push(subscriber.take().await.packet_id);
    }
    subscriber.send(&ack(PUBREC, ids[0])).await;
    subscriber.expect_ack(PUBREL, ids[0]).await;
    subscriber.drop_connection();
    let mut subscriber = back(level, &name).await;
    let mut published = Vec::new();
    let mut released = Vec::new();
    for _ in 0..4 {
        let packet = subscriber.next().await;
        match packet.kind {
            PUBREL => released.push(packet.ack(level).packet_id),
            _ => published.push(packet.publish(level).packet_id),
        }
    }
    assert_eq!(released, ids[..1]);
    assert_eq!(published, ids[1..]);
    subscriber.fence().await;
}

async fn not_sent_again_on_the_same_connection() {
    let (name, topic) = (unique("c"), unique("t"));
    let (mut subscriber, mut publisher) = kept_pair(V5, &name, &topic).await;
    publisher.publish(Publish::to(&topic, "not acknowledged").qos(1, 0)).await;
    subscriber.take().await;
    subscriber.only_marker(&mut publisher, &topic).await;
    subscriber.fence().await;
}

async fn a_failure_ends_the_delivery(qos: u8) {
    let (name, topic) = (unique("c"), unique("t"));
    let (mut subscriber, mut publisher) = kept_pair(V5, &name, &topic).await;
    publisher.publish(Publish::to(&topic, "unwanted").qos(qos, 0)).await;
    let packet_id = subscriber.take().await.packet_id;
    let answer = if qos == 1 { PUBACK } else { PUBREC };
    subscriber.send(&ack_saying(answer, packet_id, 0x80)).await;
    subscriber.fence().await;
    subscriber.drop_connection();
    let mut subscriber = back(V5, &name).await;
    subscriber.only_marker(&mut publisher, &topic).await;
}
