//! The last will: stored, published once, discarded, delayed.

use std::time::{Duration, Instant};

use crate::client::{Client, Connect, Will, pair};
use crate::server::unique;
use crate::wire::Level::{V5, V311};
use crate::wire::*;

cases! {
    mqtt311_3_1_2_8_a_broken_connection_publishes_the_will => a_broken_connection(V311);
    mqtt5_3_1_2_7_a_broken_connection_publishes_the_will => a_broken_connection(V5);
    mqtt5_3_1_2_8_a_will_without_delay_comes_at_once => a_broken_connection(V5);
    mqtt5_3_1_2_8_a_disconnect_can_ask_for_the_will => a_disconnect_can_ask_for_the_will();
    mqtt5_3_1_2_8_a_delayed_will_comes_after_its_delay => a_delayed_will();
    mqtt5_3_1_2_8_the_end_of_the_session_ends_the_delay => the_end_of_the_session_ends_the_delay();
    mqtt5_3_1_3_9_coming_back_in_time_cancels_the_will => coming_back_in_time();
    mqtt311_3_1_2_10_a_will_is_published_once => a_will_is_published_once(V311);
    mqtt5_3_1_2_10_a_will_is_published_once => a_will_is_published_once(V5);
    mqtt311_3_1_2_12_no_will_without_its_flag => no_will_without_its_flag(V311);
    mqtt311_3_1_2_16_a_will_is_not_retained_unasked => retained_as_asked(V311, false);
    mqtt5_3_1_2_14_a_will_is_not_retained_unasked => retained_as_asked(V5, false);
    mqtt311_3_1_2_17_a_will_is_retained_when_asked => retained_as_asked(V311, true);
    mqtt5_3_1_2_15_a_will_is_retained_when_asked => retained_as_asked(V5, true);
    mqtt5_3_1_3_10_user_properties_of_a_will_keep_their_order => user_properties_keep_their_order();
    mqtt311_3_14_4_3_a_disconnect_discards_the_will => a_disconnect_discards_the_will(V311);
    mqtt5_3_14_4_3_a_disconnect_discards_the_will => a_disconnect_discards_the_will(V5);
}

async fn a_broken_connection(level: Level) {
    for qos in 0..=2 {
        let topic = unique("will");
        let (mut subscriber, _publisher) = pair(level, &topic, 2).await;
        let will = Will { qos, ..Will::to(&topic, "gone") };
        Connect::new(level).will(will).open().await.drop_connection();
        let will = subscriber.receive().await;
        assert_eq!((will.payload(), will.qos, will.retain), ("gone", qos, false));
    }
}

async fn a_disconnect_can_ask_for_the_will() {
    let topic = unique("will");
    let (mut subscriber, _publisher) = pair(V5, &topic, 0).await;
    let mut client = Connect::new(V5).will(Will::to(&topic, "asked for")).open().await;
    client.send(&packet(DISCONNECT, 0, &[4])).await;
    client.closed().await;
    assert_eq!(subscriber.receive().await.payload(), "asked for");
}

fn delayed(topic: &str, seconds: u32) -> Will {
    Will { properties: vec![(id::WILL_DELAY, Value::Four(seconds))], ..Will::to(topic, "gone") }
}

async fn a_delayed_will() {
    let topic = unique("will");
    let (mut subscriber, mut publisher) = pair(V5, &topic, 1).await;
    let since = Instant::now();
    Connect::kept(V5, &unique("c")).will(delayed(&topic, 1)).open().await.drop_connection();
    subscriber.only_marker(&mut publisher, &topic).await;
    assert_eq!(subscriber.receive().await.payload(), "gone");
    let after = since.elapsed();
    assert!(after > Duration::from_millis(900), "the will came after {after:?}, before its delay of 1 s");
}

async fn the_end_of_the_session_ends_the_delay() {
    let topic = unique("will");
    let (mut subscriber, _publisher) = pair(V5, &topic, 0).await;
    Connect::new(V5).will(delayed(&topic, 3_600)).open().await.drop_connection();
    assert_eq!(subscriber.receive().await.payload(), "gone");
}

async fn coming_back_in_time() {
    let (name, topic) = (unique("c"), unique("will"));
    let (mut subscriber, mut publisher) = pair(V5, &topic, 1).await;
    Connect::kept(V5, &name).will(delayed(&topic, 1)).open().await.drop_connection();
    let mut client = Connect::kept(V5, &name).open().await;
    // Another will with the same delay comes when that of the first would have come, or later.
    let other = Will { payload: "of another".into(), ..delayed(&topic, 2) };
    Connect::kept(V5, &unique("c")).will(other).open().await.drop_connection();
    assert_eq!(subscriber.receive().await.payload(), "of another");
    subscriber.only_marker(&mut publisher, &topic).await;
    client.fence().await;
}

async fn a_will_is_published_once(level: Level) {
    let (name, topic) = (unique("c"), unique("will"));
    let (mut subscriber, mut publisher) = pair(level, &topic, 1).await;
    Connect::kept(level, &name).will(Will::to(&topic, "gone")).open().await.drop_connection();
    assert_eq!(subscriber.receive().await.payload(), "gone");
    let mut client = Connect::kept(level, &name).open().await;
    client.fence().await;
    client.end_by_mistake().await;
    subscriber.only_marker(&mut publisher, &topic).await;
}

async fn no_will_without_its_flag(level: Level) {
    let (name, topic) = (unique("c"), unique("will"));
    let (mut subscriber, mut publisher) = pair(level, &topic, 1).await;
    Connect::kept(level, &name).will(Will::to(&topic, "of before")).open().await.leave().await;
    Connect::kept(level, &name).open().await.end_by_mistake().await;
    subscriber.only_marker(&mut publisher, &topic).await;
}

async fn retained_as_asked(level: Level, retain: bool) {
    let topic = unique("will");
    let (mut subscriber, mut publisher) = pair(level, &topic, 1).await;
    let will = Will { qos: 1, retain, ..Will::to(&topic, "gone") };
    Connect::new(level).will(will).open().await.drop_connection();
    assert_eq!(subscriber.receive().await.payload(), "gone");
    let mut later = Client::open(level).await;
    later.subscribe(&topic, 1).await;
    if retain {
        let retained = later.receive().await;
        assert_eq!((retained.payload(), retained.retain), ("gone", true));
    }
    later.only_marker(&mut publisher, &topic).await;
}

async fn user_properties_keep_their_order() {
    let topic = unique("will");
    let (mut subscriber, _publisher) = pair(V5, &topic, 0).await;
    let list = vec![user_property("b", "1"), user_property("a", "2"), user_property("b", "0")];
    let will = Will { properties: list.clone(), ..Will::to(&topic, "gone") };
    Connect::new(V5).will(will).open().await.drop_connection();
    assert_eq!(subscriber.receive().await.properties, list);
}

async fn a_disconnect_discards_the_will(level: Level) {
    let topic = unique("will");
    let (mut subscriber, mut publisher) = pair(level, &topic, 1).await;
    Connect::new(level).will(Will::to(&topic, "gone")).open().await.leave().await;
    subscriber.only_marker(&mut publisher, &topic).await;
}
