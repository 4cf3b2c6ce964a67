//! Session state: kept, resumed, discarded, expired.

use std::time::Duration;

use crate::client::{Client, Connect, let_pass};
use crate::server::unique;
use crate::wire::Level::{V5, V311};
use crate::wire::*;

cases! {
    mqtt311_3_1_2_4_a_kept_session_is_resumed => a_kept_session_is_resumed(V311);
    mqtt5_3_1_2_5_a_kept_session_is_resumed => a_kept_session_is_resumed(V5);
    mqtt5_3_1_2_6_without_a_session_a_new_one => without_a_session_a_new_one(V5);
    mqtt311_3_2_2_3_without_a_session_a_new_one => without_a_session_a_new_one(V311);
    mqtt311_3_1_2_5_messages_wait_for_an_absent_client => messages_wait_for_an_absent_client(V311);
    mqtt5_4_5_0_1_messages_wait_for_an_absent_client => messages_wait_for_an_absent_client(V5);
    mqtt311_3_1_2_6_a_clean_session_begins_anew => a_clean_session_begins_anew(V311);
    mqtt5_3_1_2_4_a_clean_start_begins_anew => a_clean_session_begins_anew(V5);
    mqtt311_3_1_4_3_a_clean_session_is_not_reused => a_clean_session_is_not_reused(V311);
    mqtt5_3_1_4_4_a_session_without_expiry_is_not_reused => a_clean_session_is_not_reused(V5);
    mqtt311_3_2_2_2_session_present_says_whether_there_is_one => session_present(V311);
    mqtt5_3_2_2_3_session_present_says_whether_there_is_one => session_present(V5);
    mqtt311_3_2_2_1_a_clean_session_is_not_present => a_clean_session_is_not_present(V311);
    mqtt5_3_2_2_2_a_clean_start_is_not_present => a_clean_session_is_not_present(V5);
    mqtt311_3_1_2_7_retained_messages_outlive_the_session => retained_messages_outlive_the_session(V311);
    mqtt311_4_1_0_1_the_session_is_kept_whole => the_session_is_kept_whole(V311);
    mqtt5_3_1_2_23_the_session_is_kept_after_a_broken_connection => the_session_is_kept_whole(V5);
    mqtt311_4_1_0_2_the_session_lasts_as_long_as_the_connection => lasts_as_long_as_the_connection(V311);
    mqtt5_4_1_0_1_the_session_lasts_as_long_as_the_connection => lasts_as_long_as_the_connection(V5);
    mqtt5_4_1_0_2_the_session_expires => the_session_expires();
    mqtt5_4_1_0_2_a_disconnect_can_change_the_expiry => a_disconnect_can_change_the_expiry();
    mqtt5_3_14_2_2_no_expiry_for_a_session_without_one => no_expiry_for_a_session_without_one();
    mqtt5_3_14_2_2_the_server_sends_no_expiry => the_server_sends_no_expiry();
}

/// A kept session that subscribed to `topic` at QoS 1 and left.
async fn absent(level: Level, name: &str, topic: &str) {
    let mut client = Connect::kept(level, name).open().await;
    client.subscribe(topic, 2).await;
    client.leave().await;
}

async fn a_kept_session_is_resumed(level: Level) {
    let (name, topic) = (unique("c"), unique("t"));
    absent(level, &name, &topic).await;
    let (mut client, connack) = Connect::kept(level, &name).answer().await;
    assert_eq!((connack.flags, connack.reason), (1, 0));
    client.publish(Publish::to(&topic, "still subscribed").qos(1, 0)).await;
    assert_eq!(client.receive().await.payload(), "still subscribed");
}

async fn without_a_session_a_new_one(level: Level) {
    let (mut client, connack) = Connect::kept(level, &unique("c")).answer().await;
    assert_eq!((connack.flags, connack.reason), (0, 0));
    client.fence().await;
}

async fn messages_wait_for_an_absent_client(level: Level) {
    let (name, topic) = (unique("c"), unique("t"));
    absent(level, &name, &topic).await;
    let mut publisher = Client::open(level).await;
    for (qos, payload) in [(1, "one"), (2, "two"), (1, "three")] {
        publisher.publish(Publish::to(&topic, payload).qos(qos, 0)).await;
    }
    let mut client = Connect::kept(level, &name).open().await;
    let mut received = Vec::new();
    for _ in 0..3 {
        let publish = client.receive().await;
        received.push((publish.qos, publish.payload().to_owned()));
    }
    received.sort();
    assert_eq!(received, [(1, "one".to_owned()), (1, "three".to_owned()), (2, "two".to_owned())]);
}

async fn a_clean_session_begins_anew(level: Level) {
    let (name, topic) = (unique("c"), unique("t"));
    absent(level, &name, &topic).await;
    let mut publisher = Client::open(level).await;
    publisher.publish(Publish::to(&topic, "for the old session").qos(1, 0)).await;
    let (mut client, connack) = Connect::named(level, &name).answer().await;
    assert_eq!(connack.flags, 0);
    publisher.publish(Publish::to(&topic, "nobody subscribed").qos(1, 0)).await;
    client.fence().await;
    client.subscribe(&topic, 1).await;
    client.only_marker(&mut publisher, &topic).await;
}

/// Not by the next one either, which asks to go on.
async fn a_clean_session_is_not_reused(level: Level) {
    let (name, topic) = (unique("c"), unique("t"));
    let mut client = Connect::named(level, &name).open().await;
    client.subscribe(&topic, 1).await;
    client.leave().await;
    let mut publisher = Client::open(level).await;
    let (mut client, connack) = Connect::kept(level, &name).answer().await;
    assert_eq!(connack.flags, 0);
    publisher.publish(Publish::to(&topic, "nobody subscribed").qos(1, 0)).await;
    client.fence().await;
    client.subscribe(&topic, 1).await;
    client.only_marker(&mut publisher, &topic).await;
}

async fn session_present(level: Level) {
    let name = unique("c");
    for present in [0, 1, 1] {
        let (client, connack) = Connect::kept(level, &name).answer().await;
        assert_eq!((connack.flags, connack.reason), (present, 0));
        client.leave().await;
    }
}

async fn a_clean_session_is_not_present(level: Level) {
    let name = unique("c");
    Connect::kept(level, &name).open().await.leave().await;
    let (_client, connack) = Connect::named(level, &name).answer().await;
    assert_eq!((connack.flags, connack.reason), (0, 0));
}

async fn retained_messages_outlive_the_session(level: Level) {
    let topic = unique("t");
    let mut client = Client::open(level).await;
    client.publish(Publish::to(&topic, "kept").qos(1, 0).retain()).await;
    client.leave().await;
    let mut later = Client::open(level).await;
    later.subscribe(&topic, 1).await;
    assert_eq!(later.receive().await.payload(), "kept");
}

/// Subscription, a message not acknowledged, and a QoS 2 identifier received: all three survive a broken connection.
async fn the_session_is_kept_whole(level: Level) {
    let (name, topic) = (unique("c"), unique("t"));
    let mut client = Connect::kept(level, &name).open().await;
    client.subscribe(&topic, 1).await;
    client.send(&Publish::to(&topic, "once").qos(2, 7).bytes(level)).await;
    client.expect_ack(PUBREC, 7).await;
    client.send(&ack(PUBREL, 7)).await;
    client.expect_ack(PUBCOMP, 7).await;
    client.send(&Publish::to(&topic, "half").qos(2, 8).bytes(level)).await;
    client.expect_ack(PUBREC, 8).await;
    let unacknowledged = client.take().await;
    assert_eq!(unacknowledged.payload(), "once");
    client.drop_connection();
    let (mut client, connack) = Connect::kept(level, &name).answer().await;
    assert_eq!(connack.flags, 1);
    // The message not acknowledged comes again.
    let again = client.take().await;
    assert_eq!((again.packet_id, again.payload()), (unacknowledged.packet_id, "once"));
    client.send(&ack(PUBACK, again.packet_id)).await;
    // The identifier is known: the same PUBLISH again is not a new message.
    client.send(&Publish::to(&topic, "half").qos(2, 8).dup().bytes(level)).await;
    client.expect_ack(PUBREC, 8).await;
    client.send(&ack(PUBREL, 8)).await;
    client.expect_ack(PUBCOMP, 8).await;
    assert_eq!(client.receive().await.payload(), "half");
    let mut publisher = Client::open(level).await;
    client.only_marker(&mut publisher, &topic).await;
}

/// An expiry interval counts from the end of the connection.
async fn lasts_as_long_as_the_connection(level: Level) {
    let topic = unique("t");
    let connect = Connect::new(level).with((id::SESSION_EXPIRY, Value::Four(1)));
    let mut client = connect.open().await;
    client.subscribe(&topic, 1).await;
    let_pass(Duration::from_millis(2_500)).await;
    client.publish(Publish::to(&topic, "still there").qos(1, 0)).await;
    assert_eq!(client.receive().await.payload(), "still there");
}

async fn the_session_expires() {
    let name = unique("c");
    let short = || {
        let mut connect = Connect::named(V5, &name);
        connect.clean = false;
        connect.with((id::SESSION_EXPIRY, Value::Four(1)))
    };
    short().open().await.leave().await;
    let_pass(Duration::from_secs(3)).await;
    let (_client, connack) = short().answer().await;
    assert_eq!(connack.flags, 0, "the session outlived its expiry interval of 1 s by 2 s");
}

fn disconnect_with_expiry(seconds: u32) -> Vec<u8> {
    let list = properties(&[(id::SESSION_EXPIRY, Value::Four(seconds))]);
    packet(DISCONNECT, 0, &[&[0][..], &list].concat())
}

async fn a_disconnect_can_change_the_expiry() {
    let name = unique("c");
    let mut client = Connect::kept(V5, &name).open().await;
    client.send(&disconnect_with_expiry(0)).await;
    client.closed().await;
    let (_client, connack) = Connect::kept(V5, &name).answer().await;
    assert_eq!(connack.flags, 0, "the session outlived an expiry interval of 0");
}

async fn no_expiry_for_a_session_without_one() {
    let mut client = Client::open(V5).await;
    client.send(&disconnect_with_expiry(60)).await;
    client.closed_for(&[0x82]).await;
}

async fn the_server_sends_no_expiry() {
    let packets = Connect::kept(V5, &unique("c")).open().await.end_by_mistake().await;
    let farewell = packets.last().expect("a DISCONNECT").disconnect();
    assert_eq!(only(&farewell.properties, id::SESSION_EXPIRY), None);
}
