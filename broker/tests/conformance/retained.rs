//! Retained messages.

use std::time::Duration;

use crate::client::{Client, let_pass, pair};
use crate::server::unique;
use crate::wire::Level::{V5, V311};
use crate::wire::*;

cases! {
    mqtt311_3_3_1_5_a_retained_message_is_stored_with_its_qos => stored_with_its_qos(V311);
    mqtt5_3_3_1_5_a_retained_message_replaces_the_last => the_last_one_counts(V5);
    mqtt311_3_3_1_6_a_new_subscription_gets_the_last_one => the_last_one_counts(V311);
    mqtt5_3_3_1_9_a_new_subscription_gets_the_last_one => stored_with_its_qos(V5);
    mqtt311_3_3_1_7_qos_0_replaces_what_was_retained => qos_0_replaces(V311);
    mqtt311_3_3_1_8_retained_for_a_new_subscription => flags_say_which(V311);
    mqtt311_3_3_1_9_not_retained_for_an_established_one => flags_say_which(V311);
    mqtt5_3_3_1_12_without_retain_as_published_the_flag_is_0 => flags_say_which(V5);
    mqtt5_3_3_1_13_with_retain_as_published_the_flag_is_kept => retain_as_published();
    mqtt311_3_3_1_10_an_empty_message_removes_it => an_empty_message_removes_it(V311);
    mqtt5_3_3_1_6_an_empty_message_removes_it => an_empty_message_removes_it(V5);
    mqtt311_3_3_1_11_an_empty_message_is_not_stored => an_empty_message_is_not_stored(V311);
    mqtt5_3_3_1_7_an_empty_message_is_not_stored => an_empty_message_is_not_stored(V5);
    mqtt311_3_3_1_12_other_messages_leave_it_alone => other_messages_leave_it_alone(V311);
    mqtt5_3_3_1_8_other_messages_leave_it_alone => other_messages_leave_it_alone(V5);
    mqtt5_3_3_1_10_retain_handling_1_sends_it_once => retain_handling_1();
    mqtt5_3_3_1_11_retain_handling_2_sends_none => retain_handling_2();
    mqtt5_3_3_2_5_a_retained_message_expires => a_retained_message_expires();
}

/// Publishes a retained message and returns the publisher.
async fn retain(level: Level, topic: &str, payload: &str, qos: u8) -> Client {
    let mut publisher = Client::open(level).await;
    publisher.publish(Publish::to(topic, payload).qos(qos, 0).retain()).await;
    publisher
}

async fn stored_with_its_qos(level: Level) {
    for qos in 0..=2 {
        let topic = unique("t");
        retain(level, &topic, "kept", qos).await;
        let mut later = Client::open(level).await;
        later.subscribe(&topic, 2).await;
        let publish = later.receive().await;
        assert_eq!((publish.payload(), publish.qos, publish.retain), ("kept", qos, true));
    }
}

async fn the_last_one_counts(level: Level) {
    let topic = unique("t");
    let mut publisher = retain(level, &topic, "first", 1).await;
    publisher.publish(Publish::to(&topic, "second").qos(1, 0).retain()).await;
    let mut later = Client::open(level).await;
    later.subscribe(&format!("{topic}/#"), 1).await;
    assert_eq!(later.receive().await.payload(), "second");
    later.only_marker(&mut publisher, &topic).await;
}

async fn qos_0_replaces(level: Level) {
    let topic = unique("t");
    let mut publisher = retain(level, &topic, "old", 1).await;
    publisher.publish(Publish::to(&topic, "new").retain()).await;
    let mut later = Client::open(level).await;
    later.subscribe(&topic, 1).await;
    // The server may have let go of the new one, never keep the old one.
    publisher.publish(Publish::to(&topic, "marker").qos(1, 0)).await;
    let first = later.receive().await;
    assert_ne!(first.payload(), "old");
}

async fn flags_say_which(level: Level) {
    let topic = unique("t");
    let (mut established, mut publisher) = pair(level, &topic, 1).await;
    publisher.publish(Publish::to(&topic, "kept").qos(1, 0).retain()).await;
    let live = established.receive().await;
    assert_eq!((live.payload(), live.retain), ("kept", false));
    let mut later = Client::open(level).await;
    later.subscribe(&topic, 1).await;
    let stored = later.receive().await;
    assert_eq!((stored.payload(), stored.retain), ("kept", true));
}

async fn retain_as_published() {
    let topic = unique("t");
    let (mut subscriber, mut publisher) = pair(V5, &topic, 1 | 8).await;
    publisher.publish(Publish::to(&topic, "kept").qos(1, 0).retain()).await;
    publisher.publish(Publish::to(&topic, "passing").qos(1, 0)).await;
    assert!(subscriber.receive().await.retain);
    assert!(!subscriber.receive().await.retain);
}

async fn an_empty_message_removes_it(level: Level) {
    let topic = unique("t");
    let (mut established, mut publisher) = pair(level, &topic, 1).await;
    publisher.publish(Publish::to(&topic, "kept").qos(1, 0).retain()).await;
    publisher.publish(Publish::to(&topic, "").qos(1, 0).retain()).await;
    assert_eq!(established.receive().await.payload(), "kept");
    assert_eq!(established.receive().await.payload(), "", "delivered as any other");
    let mut later = Client::open(level).await;
    later.subscribe(&topic, 1).await;
    later.only_marker(&mut publisher, &topic).await;
}

async fn an_empty_message_is_not_stored(level: Level) {
    let topic = unique("t");
    let mut publisher = retain(level, &topic, "", 1).await;
    let mut later = Client::open(level).await;
    later.subscribe(&topic, 1).await;
    later.only_marker(&mut publisher, &topic).await;
}

async fn other_messages_leave_it_alone(level: Level) {
    let (topic, never) = (unique("t"), unique("t"));
    let mut publisher = retain(level, &topic, "kept", 1).await;
    publisher.publish(Publish::to(&topic, "passing").qos(1, 0)).await;
    publisher.publish(Publish::to(&topic, "").qos(1, 0)).await;
    publisher.publish(Publish::to(&never, "passing").qos(1, 0)).await;
    let mut later = Client::open(level).await;
    later.subscribe(&topic, 1).await;
    assert_eq!(later.receive().await.payload(), "kept");
    later.subscribe(&never, 1).await;
    later.only_marker(&mut publisher, &never).await;
}

async fn retain_handling_1() {
    let topic = unique("t");
    let mut publisher = retain(V5, &topic, "kept", 1).await;
    let mut client = Client::open(V5).await;
    client.subscribe(&topic, 1 | 1 << 4).await;
    assert_eq!(client.receive().await.payload(), "kept");
    client.subscribe(&topic, 1 | 1 << 4).await;
    client.only_marker(&mut publisher, &topic).await;
}

async fn retain_handling_2() {
    let topic = unique("t");
    let mut publisher = retain(V5, &topic, "kept", 1).await;
    let mut client = Client::open(V5).await;
    client.subscribe(&topic, 1 | 2 << 4).await;
    client.only_marker(&mut publisher, &topic).await;
}

async fn a_retained_message_expires() {
    let topic = unique("t");
    let mut publisher = Client::open(V5).await;
    let short = Publish::to(&topic, "short").qos(1, 0).retain().with((id::MESSAGE_EXPIRY, Value::Four(1)));
    publisher.publish(short).await;
    let_pass(Duration::from_millis(2_500)).await;
    let mut later = Client::open(V5).await;
    later.subscribe(&topic, 1).await;
    later.only_marker(&mut publisher, &topic).await;
}
