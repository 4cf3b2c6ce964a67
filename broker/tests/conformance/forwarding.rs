//! Version 5: what a message carries from publisher to subscriber.

use std::time::Duration;

use crate::client::{Client, Connect, let_pass, pair};
use crate::server::unique;
use crate::wire::Level::{V5, V311};
use crate::wire::*;

cases! {
    mqtt5_3_3_2_4_the_payload_format_is_passed_on => passed_on((id::PAYLOAD_FORMAT, Value::Byte(1)));
    mqtt5_3_3_2_15_the_response_topic_is_passed_on => passed_on(text_property(id::RESPONSE_TOPIC, "answer/here"));
    mqtt5_3_3_2_16_correlation_data_are_passed_on => passed_on((id::CORRELATION_DATA, Value::Bytes(vec![0, 255, 7])));
    mqtt5_3_3_2_20_the_content_type_is_passed_on => passed_on(text_property(id::CONTENT_TYPE, "text/plain"));
    mqtt5_3_3_2_17_user_properties_are_passed_on => user_properties();
    mqtt5_3_3_2_18_user_properties_keep_their_order => user_properties();
    mqtt5_3_3_2_5_an_expired_message_is_not_delivered => an_expired_message_is_not_delivered();
    mqtt5_3_3_2_6_the_expiry_counts_down => the_expiry_counts_down();
    mqtt5_4_3_3_7_what_has_been_sent_does_not_expire => what_has_been_sent_does_not_expire();
    mqtt5_3_3_4_3_subscription_identifiers_come_with_the_message => subscription_identifiers();
    mqtt5_3_3_4_4_one_copy_bears_all_identifiers => subscription_identifiers();
    mqtt5_3_3_4_5_each_copy_bears_its_own_identifier => subscription_identifiers();
    mqtt5_3_8_4_3_replacing_changes_the_identifier => replacing_changes_the_identifier();
    mqtt5_3_3_4_6_no_identifier_from_a_client => no_identifier_from_a_client();
    mqtt5_3_3_2_17_properties_survive_in_a_retained_message => properties_survive_retained();
    mqtt311_7_0_0_2_clients_of_both_versions_meet => clients_of_both_versions_meet();
}

async fn passed_on(property: Property) {
    let topic = unique("t");
    let (mut subscriber, mut publisher) = pair(V5, &topic, 2).await;
    for qos in 0..=2 {
        publisher.publish(Publish::to(&topic, "x").qos(qos, 0).with(property.clone())).await;
        assert_eq!(subscriber.receive().await.properties, vec![property.clone()]);
    }
    // Not invented where there was none.
    publisher.publish(Publish::to(&topic, "x").qos(1, 0)).await;
    assert_eq!(subscriber.receive().await.properties, []);
}

async fn user_properties() {
    let topic = unique("t");
    let (mut subscriber, mut publisher) = pair(V5, &topic, 1).await;
    let list: Vec<Property> = [("b", "1"), ("a", "2"), ("b", "1"), ("", ""), ("é", "\u{feff}"), ("a", "1")]
        .map(|(name, value)| user_property(name, value))
        .into();
    publisher.publish(Publish { properties: list.clone(), ..Publish::to(&topic, "x").qos(1, 0) }).await;
    assert_eq!(subscriber.receive().await.properties, list);
}

/// A kept session, subscribed and away.
async fn absent(name: &str, topic: &str) {
    let mut subscriber = Connect::kept(V5, name).open().await;
    subscriber.subscribe(topic, 2).await;
    subscriber.leave().await;
}

fn expiring(topic: &str, seconds: u32) -> Publish {
    Publish::to(topic, &seconds.to_string()).qos(1, 0).with((id::MESSAGE_EXPIRY, Value::Four(seconds)))
}

async fn an_expired_message_is_not_delivered() {
    let (name, topic) = (unique("c"), unique("t"));
    absent(&name, &topic).await;
    let mut publisher = Client::open(V5).await;
    publisher.publish(expiring(&topic, 1)).await;
    publisher.publish(expiring(&topic, 600)).await;
    let_pass(Duration::from_millis(2_500)).await;
    let mut subscriber = Connect::kept(V5, &name).open().await;
    assert_eq!(subscriber.receive().await.payload(), "600");
    subscriber.only_marker(&mut publisher, &topic).await;
}

async fn the_expiry_counts_down() {
    let (name, topic) = (unique("c"), unique("t"));
    absent(&name, &topic).await;
    let mut publisher = Client::open(V5).await;
    publisher.publish(expiring(&topic, 600)).await;
    let_pass(Duration::from_millis(2_500)).await;
    let mut subscriber = Connect::kept(V5, &name).open().await;
    let publish = subscriber.receive().await;
    let Some(Value::Four(left)) = publish.property(id::MESSAGE_EXPIRY) else {
        panic!("no expiry in {publish:?}");
    };
    assert!((580..=598).contains(left), "{left} s left of 600 after 2.5 s");
}

async fn what_has_been_sent_does_not_expire() {
    let (name, topic) = (unique("c"), unique("t"));
    let mut subscriber = Connect::kept(V5, &name).open().await;
    subscriber.subscribe(&topic, 2).await;
    let mut publisher = Client::open(V5).await;
    publisher.publish(Publish { qos: 2, ..expiring(&topic, 1) }).await;
    let first = subscriber.take().await;
    subscriber.drop_connection();
    let_pass(Duration::from_millis(2_500)).await;
    let mut subscriber = Connect::kept(V5, &name).open().await;
    assert_eq!(subscriber.receive().await.packet_id, first.packet_id);
    subscriber.fence().await;
}

fn identifiers(publish: &Publish) -> Vec<usize> {
    let mut ids = Vec::new();
    for (_, value) in &publish.properties {
        if let Value::Var(number) = value {
            ids.push(*number);
        }
    }
    ids.sort_unstable();
    ids
}

/// In one copy, or one for each subscription.
async fn subscription_identifiers() {
    let root = unique("t");
    let mut client = Client::open(V5).await;
    let (all, one, none) = (format!("{root}/#"), format!("{root}/+"), format!("{root}/a"));
    client.subscribe_all(&[(id::SUBSCRIPTION_ID, Value::Var(1))], &[(&all, 1)]).await;
    client.subscribe_all(&[(id::SUBSCRIPTION_ID, Value::Var(268_435_455))], &[(&one, 1)]).await;
    client.subscribe_all(&[], &[(&none, 1)]).await;
    client.publish(Publish::to(&format!("{root}/a"), "x").qos(1, 0)).await;
    client.publish(Publish::to(&format!("{root}/b/c"), "marker").qos(1, 0)).await;
    let mut copies = Vec::new();
    loop {
        let publish = client.receive().await;
        if publish.payload() == "marker" {
            assert_eq!(identifiers(&publish), [1]);
            break;
        }
        copies.push(identifiers(&publish));
    }
    copies.sort();
    let in_one = copies == [vec![1, 268_435_455]];
    assert!(
        in_one || copies == [vec![], vec![1], vec![268_435_455]],
        "identifiers of the copies: {copies:?}"
    );
}

async fn replacing_changes_the_identifier() {
    let topic = unique("t");
    let mut client = Client::open(V5).await;
    for list in
        [vec![(id::SUBSCRIPTION_ID, Value::Var(7))], vec![(id::SUBSCRIPTION_ID, Value::Var(8))], vec![]]
    {
        client.subscribe_all(&list, &[(&topic, 1)]).await;
        client.publish(Publish::to(&topic, "x").qos(1, 0)).await;
        assert_eq!(client.receive().await.properties, list);
    }
}

/// A server may end it. If it takes the message, the identifier goes no further.
async fn no_identifier_from_a_client() {
    let topic = unique("t");
    let (mut subscriber, mut publisher) = pair(V5, &topic, 1).await;
    let wrong = Publish::to(&topic, "x").qos(1, 1).with((id::SUBSCRIPTION_ID, Value::Var(9)));
    publisher.send(&wrong.bytes(V5)).await;
    publisher.ending_or(PUBACK).await;
    let mut other = Client::open(V5).await;
    other.publish(Publish::to(&topic, "marker").qos(1, 0)).await;
    loop {
        let publish = subscriber.receive().await;
        assert_eq!(publish.property(id::SUBSCRIPTION_ID), None);
        if publish.payload() == "marker" {
            return;
        }
    }
}

async fn properties_survive_retained() {
    let topic = unique("t");
    let list = vec![
        (id::PAYLOAD_FORMAT, Value::Byte(1)),
        text_property(id::CONTENT_TYPE, "text/plain"),
        user_property("a", "1"),
        user_property("a", "0"),
    ];
    let mut publisher = Client::open(V5).await;
    publisher
        .publish(Publish { properties: list.clone(), ..Publish::to(&topic, "x").qos(1, 0).retain() })
        .await;
    let mut later = Client::open(V5).await;
    later.subscribe(&topic, 1).await;
    let mut received = later.receive().await.properties;
    // Their order is free but for that of the user properties; a stable sort keeps it.
    received.sort_by_key(|(id, _)| *id);
    assert_eq!(received, list);
}

async fn clients_of_both_versions_meet() {
    let topic = unique("t");
    let (mut old, mut old_publisher) = pair(V311, &topic, 2).await;
    let (mut new, mut new_publisher) = pair(V5, &topic, 2).await;
    old_publisher.publish(Publish::to(&topic, "from 3.1.1").qos(2, 0)).await;
    let rich = Publish::to(&topic, "from 5").qos(1, 0).with(user_property("a", "b"));
    assert_eq!(old.receive().await.payload(), "from 3.1.1");
    assert_eq!(new.receive().await.payload(), "from 3.1.1");
    new_publisher.publish(rich).await;
    assert_eq!(old.receive().await.payload(), "from 5");
    assert_eq!(new.receive().await.properties, [user_property("a", "b")]);
}
