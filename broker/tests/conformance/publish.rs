//! PUBLISH: flags, topic, answers, overlapping subscriptions.

use crate::client::{Client, pair};
use crate::server::unique;
use crate::wire::Level::{V5, V311};
use crate::wire::*;

cases! {
    mqtt311_3_3_1_2_qos_0_goes_out_without_dup => qos_0_goes_out_without_dup(V311);
    mqtt5_3_3_1_2_qos_0_goes_out_without_dup => qos_0_goes_out_without_dup(V5);
    mqtt311_4_3_1_1_qos_0_goes_out_once => qos_0_goes_out_once(V311);
    mqtt5_4_3_1_1_qos_0_goes_out_once => qos_0_goes_out_once(V5);
    mqtt311_3_3_1_3_dup_is_not_passed_on => dup_is_not_passed_on(V311);
    mqtt5_3_3_1_3_dup_is_not_passed_on => dup_is_not_passed_on(V5);
    mqtt311_3_3_1_4_qos_3_ends_it => qos_3_ends_it(V311);
    mqtt5_3_3_1_4_qos_3_ends_it => qos_3_ends_it(V5);
    mqtt311_3_3_2_2_no_wildcards_in_a_topic => no_wildcards_in_a_topic(V311);
    mqtt5_3_3_2_2_no_wildcards_in_a_topic => no_wildcards_in_a_topic(V5);
    mqtt311_3_3_2_3_what_comes_matches_the_filter => what_comes_matches_the_filter(V311);
    mqtt5_3_3_2_3_what_comes_matches_the_filter => what_comes_matches_the_filter(V5);
    mqtt311_3_3_4_1_each_qos_has_its_answer => each_qos_has_its_answer(V311);
    mqtt5_3_3_4_1_each_qos_has_its_answer => each_qos_has_its_answer(V5);
    mqtt311_3_3_5_1_overlapping_subscriptions_get_the_highest_qos => overlapping_subscriptions(V311);
    mqtt5_3_3_4_2_overlapping_subscriptions_get_the_highest_qos => overlapping_subscriptions(V5);
    mqtt311_2_3_1_1_packet_identifier_0_ends_it => packet_identifier_0_ends_it(V311);
    mqtt5_2_2_1_3_packet_identifier_0_ends_it => packet_identifier_0_ends_it(V5);
    mqtt311_2_3_1_5_qos_0_has_no_packet_identifier => qos_0_has_no_packet_identifier(V311);
    mqtt5_2_2_1_2_qos_0_has_no_packet_identifier => qos_0_has_no_packet_identifier(V5);
    mqtt311_2_3_1_4_identifiers_in_use_are_not_given_again => identifiers_in_use(V311);
    mqtt5_2_2_1_4_identifiers_in_use_are_not_given_again => identifiers_in_use(V5);
    mqtt311_2_3_1_6_acknowledgements_bear_the_identifier => acknowledgements_bear_the_identifier(V311);
    mqtt5_2_2_1_5_acknowledgements_bear_the_identifier => acknowledgements_bear_the_identifier(V5);
    mqtt5_3_4_2_1_reasons_of_acknowledgements_are_known => reasons_of_acknowledgements_are_known();
    mqtt5_3_5_2_1_reasons_of_acknowledgements_are_known => reasons_of_acknowledgements_are_known();
    mqtt5_3_6_2_1_reasons_of_a_pubrel_are_known => reasons_of_a_pubrel_are_known();
    mqtt5_3_7_2_1_an_unknown_identifier_is_completed => an_unknown_identifier_is_completed();
}

async fn qos_0_goes_out_without_dup(level: Level) {
    let topic = unique("t");
    let (mut subscriber, mut publisher) = pair(level, &topic, 0).await;
    publisher.publish(Publish::to(&topic, "zero")).await;
    publisher.publish(Publish::to(&topic, "one").qos(1, 0)).await;
    for payload in ["zero", "one"] {
        let publish = subscriber.receive().await;
        assert_eq!((publish.payload(), publish.qos, publish.dup), (payload, 0, false));
    }
}

async fn qos_0_goes_out_once(level: Level) {
    let topic = unique("t");
    let (mut subscriber, mut publisher) = pair(level, &topic, 1).await;
    publisher.publish(Publish::to(&topic, "zero")).await;
    let publish = subscriber.receive().await;
    assert_eq!((publish.payload(), publish.qos, publish.dup), ("zero", 0, false));
    subscriber.only_marker(&mut publisher, &topic).await;
}

async fn dup_is_not_passed_on(level: Level) {
    let topic = unique("t");
    let (mut subscriber, mut publisher) = pair(level, &topic, 2).await;
    for qos in 1..=2 {
        publisher.publish(Publish::to(&topic, "perhaps again").qos(qos, 0).dup()).await;
        assert!(!subscriber.receive().await.dup);
    }
}

async fn qos_3_ends_it(level: Level) {
    let mut client = Client::open(level).await;
    client.send(&Publish::to("t", "x").qos(3, 1).bytes(level)).await;
    client.closed_for(&[0x81, 0x82]).await;
}

async fn no_wildcards_in_a_topic(level: Level) {
    for topic in ["#", "+", "a/#", "a/+/b", "a+", "a#"] {
        let mut client = Client::open(level).await;
        client.send(&Publish::to(topic, "x").bytes(level)).await;
        client.closed_for(&[0x81, 0x82, 0x90]).await;
    }
}

async fn what_comes_matches_the_filter(level: Level) {
    let root = unique("t");
    let (mut subscriber, mut publisher) = pair(level, &format!("{root}/+/x"), 1).await;
    for topic in ["a/y", "a/b/x", "x", "a/x/x"] {
        publisher.publish(Publish::to(&format!("{root}/{topic}"), "elsewhere").qos(1, 0)).await;
    }
    let topic = format!("{root}/a/x");
    publisher.publish(Publish::to(&topic, "here").qos(1, 0)).await;
    let publish = subscriber.receive().await;
    assert_eq!((publish.topic.as_str(), publish.payload()), (topic.as_str(), "here"));
}

async fn each_qos_has_its_answer(level: Level) {
    let mut client = Client::open(level).await;
    let topic = unique("t");
    client.send(&Publish::to(&topic, "x").bytes(level)).await;
    client.fence().await;
    client.send(&Publish::to(&topic, "x").qos(1, 3).bytes(level)).await;
    assert_eq!(client.next().await.kind, PUBACK);
    client.send(&Publish::to(&topic, "x").qos(2, 4).bytes(level)).await;
    assert_eq!(client.next().await.kind, PUBREC);
    client.send(&ack(PUBREL, 4)).await;
    assert_eq!(client.next().await.kind, PUBCOMP);
    client.fence().await;
}

/// One copy at the highest QoS, or one for each subscription.
async fn overlapping_subscriptions(level: Level) {
    let root = unique("t");
    let mut client = Client::open(level).await;
    client.subscribe(&format!("{root}/#"), 0).await;
    client.subscribe(&format!("{root}/+"), 2).await;
    client.subscribe(&format!("{root}/a"), 1).await;
    let mut publisher = Client::open(level).await;
    publisher.publish(Publish::to(&format!("{root}/a"), "overlapping").qos(2, 0)).await;
    let mut all = vec![client.receive().await.qos];
    publisher.publish(Publish::to(&format!("{root}/b/c"), "marker").qos(0, 0)).await;
    loop {
        let publish = client.receive().await;
        if publish.payload() == "marker" {
            break;
        }
        all.push(publish.qos);
    }
    all.sort_unstable();
    assert!(all == [2] || all == [0, 1, 2], "QoS of the copies: {all:?}");
}

async fn packet_identifier_0_ends_it(level: Level) {
    for wrong in [
        Publish::to("t", "x").qos(1, 0).bytes(level),
        Publish::to("t", "x").qos(2, 0).bytes(level),
        subscribe(level, 0, &[], &[("t", 0)]),
        unsubscribe(level, 0, &["t"]),
    ] {
        let mut client = Client::open(level).await;
        client.send(&wrong).await;
        client.closed_for(&[0x81, 0x82]).await;
    }
}

/// An identifier would be the first two bytes of the payload.
async fn qos_0_has_no_packet_identifier(level: Level) {
    let topic = unique("t");
    let (mut subscriber, mut publisher) = pair(level, &topic, 0).await;
    publisher.publish(Publish::to(&topic, "exactly this")).await;
    publisher.publish(Publish::to(&topic, "")).await;
    assert_eq!(subscriber.receive().await.payload(), "exactly this");
    assert_eq!(subscriber.receive().await.payload(), "");
}

async fn identifiers_in_use(level: Level) {
    let topic = unique("t");
    let (mut subscriber, mut publisher) = pair(level, &topic, 2).await;
    let mut seen = Vec::new();
    for qos in [1, 2, 1, 2, 1] {
        publisher.publish(Publish::to(&topic, "x").qos(qos, 0)).await;
        let publish = subscriber.take().await;
        assert!(!seen.contains(&publish.packet_id), "{} is in use", publish.packet_id);
        seen.push(publish.packet_id);
    }
}

async fn acknowledgements_bear_the_identifier(level: Level) {
    let mut client = Client::open(level).await;
    for packet_id in [1, 0x0100, 0xffff] {
        client.send(&Publish::to("t", "x").qos(1, packet_id).bytes(level)).await;
        client.expect_ack(PUBACK, packet_id).await;
        client.send(&Publish::to("t", "x").qos(2, packet_id).bytes(level)).await;
        client.expect_ack(PUBREC, packet_id).await;
        client.send(&ack(PUBREL, packet_id)).await;
        client.expect_ack(PUBCOMP, packet_id).await;
    }
}

async fn reasons_of_acknowledgements_are_known() {
    let known = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
    let mut client = Client::open(V5).await;
    let topic = unique("nobody-listens");
    client.send(&Publish::to(&topic, "x").qos(1, 1).bytes(V5)).await;
    let reason = client.expect_ack(PUBACK, 1).await.reason;
    assert!(known.contains(&reason), "PUBACK {reason:#04x}");
    client.send(&Publish::to(&topic, "x").qos(2, 2).bytes(V5)).await;
    let reason = client.expect_ack(PUBREC, 2).await.reason;
    assert!(known.contains(&reason), "PUBREC {reason:#04x}");
    client.send(&ack(PUBREL, 2)).await;
    assert_eq!(client.expect_ack(PUBCOMP, 2).await.reason, 0);
}

/// A PUBREL for which there is no message is answered, or it would be sent for ever.
async fn an_unknown_identifier_is_completed() {
    let mut client = Client::open(V5).await;
    client.send(&ack(PUBREL, 77)).await;
    let reason = client.expect_ack(PUBCOMP, 77).await.reason;
    assert!([0x00, 0x92].contains(&reason), "PUBCOMP {reason:#04x}");
}

/// For a PUBREC of which the server knows nothing; it may answer nothing at all.
async fn reasons_of_a_pubrel_are_known() {
    let mut client = Client::open(V5).await;
    client.send(&[ack(PUBREC, 77), packet(PINGREQ, 0, &[])].concat()).await;
    let packet = client.next().await;
    if packet.kind == PUBREL {
        let said = packet.ack(V5);
        assert!(said.packet_id == 77 && [0x00, 0x92].contains(&said.reason), "{said:?}");
        assert_eq!(client.next().await.kind, PINGRESP);
    }
    client.fence().await;
}
