//! SUBSCRIBE and UNSUBSCRIBE.

use crate::client::{Client, Connect, pair};
use crate::server::unique;
use crate::wire::Level::{V5, V311};
use crate::wire::*;

cases! {
    mqtt311_3_8_1_1_flags_of_subscribe => flags(V311, SUBSCRIBE);
    mqtt5_3_8_1_1_flags_of_subscribe => flags(V5, SUBSCRIBE);
    mqtt311_3_10_1_1_flags_of_unsubscribe => flags(V311, UNSUBSCRIBE);
    mqtt5_3_10_1_1_flags_of_unsubscribe => flags(V5, UNSUBSCRIBE);
    mqtt311_3_8_3_3_at_least_one_filter => at_least_one_filter(V311, SUBSCRIBE);
    mqtt5_3_8_3_2_at_least_one_filter => at_least_one_filter(V5, SUBSCRIBE);
    mqtt311_3_10_3_2_at_least_one_filter => at_least_one_filter(V311, UNSUBSCRIBE);
    mqtt5_3_10_3_2_at_least_one_filter => at_least_one_filter(V5, UNSUBSCRIBE);
    mqtt311_3_8_3_2_wildcards_are_served => wildcards_are_served();
    mqtt311_3_8_3_4_reserved_bits_of_the_options => reserved_bits(V311, &[3, 0x04, 0x80, 0xfd]);
    mqtt5_3_8_3_5_reserved_bits_of_the_options => reserved_bits(V5, &[3, 0x30, 0x40, 0x80]);
    mqtt5_3_8_3_3_no_local => no_local();
    mqtt5_3_8_3_4_no_local_is_not_for_a_shared_subscription => no_local_shared();
    mqtt311_3_8_4_1_a_subscribe_is_answered => a_subscribe_is_answered(V311);
    mqtt5_3_8_4_1_a_subscribe_is_answered => a_subscribe_is_answered(V5);
    mqtt311_3_8_4_2_the_answer_bears_the_identifier => answers_bear_the_identifier(V311);
    mqtt5_3_8_4_2_the_answer_bears_the_identifier => answers_bear_the_identifier(V5);
    mqtt311_3_8_4_3_the_same_filter_replaces => the_same_filter_replaces(V311);
    mqtt5_3_8_4_3_the_same_filter_replaces => the_same_filter_replaces(V5);
    mqtt5_3_8_4_4_replacing_sends_retained_messages_again => the_same_filter_replaces(V5);
    mqtt311_3_8_4_4_many_filters_as_one_after_another => many_filters(V311);
    mqtt5_3_8_4_5_many_filters_as_one_after_another => many_filters(V5);
    mqtt311_3_8_4_5_each_filter_has_its_answer => each_filter_has_its_answer(V311);
    mqtt5_3_8_4_6_each_filter_has_its_answer => each_filter_has_its_answer(V5);
    mqtt311_3_9_3_1_answers_in_the_order_of_the_filters => each_filter_has_its_answer(V311);
    mqtt5_3_9_3_1_answers_in_the_order_of_the_filters => each_filter_has_its_answer(V5);
    mqtt311_3_9_3_2_only_known_answers => only_known_answers(V311, &[0, 1, 2, 0x80]);
    mqtt5_3_9_3_2_only_known_answers =>
        only_known_answers(V5, &[0, 1, 2, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2]);
    mqtt311_3_8_4_6_the_lower_qos_counts => the_lower_qos_counts(V311);
    mqtt5_3_8_4_8_the_lower_qos_counts => the_lower_qos_counts(V5);
    mqtt311_3_10_4_1_a_filter_is_compared_by_character => compared_by_character(V311);
    mqtt5_3_10_4_1_a_filter_is_compared_by_character => compared_by_character(V5);
    mqtt311_3_10_4_2_after_it_nothing_new_comes => after_it_nothing_new_comes(V311);
    mqtt5_3_10_4_2_after_it_nothing_new_comes => after_it_nothing_new_comes(V5);
    mqtt311_3_10_4_3_what_was_begun_is_completed => what_was_begun_is_completed(V311);
    mqtt5_3_10_4_3_what_was_begun_is_completed => what_was_begun_is_completed(V5);
    mqtt311_3_10_4_4_an_unsubscribe_is_answered => answers_bear_the_identifier(V311);
    mqtt5_3_10_4_4_an_unsubscribe_is_answered => answers_bear_the_identifier(V5);
    mqtt311_3_10_4_5_even_of_what_never_was => even_of_what_never_was(V311);
    mqtt5_3_10_4_5_even_of_what_never_was => even_of_what_never_was(V5);
    mqtt311_3_10_4_6_many_at_once => many_at_once(V311);
    mqtt5_3_10_4_6_many_at_once => many_at_once(V5);
    mqtt5_3_11_3_1_answers_in_the_order_of_the_filters => unsuback_reasons();
    mqtt5_3_11_3_2_each_filter_has_a_known_answer => unsuback_reasons();
}

async fn flags(level: Level, kind: u8) {
    for flags in [0, 1, 3, 6, 10] {
        let mut client = Client::open(level).await;
        let mut bytes = match kind {
            SUBSCRIBE => subscribe(level, 1, &[], &[("t", 0)]),
            _ => unsubscribe(level, 1, &["t"]),
        };
        bytes[0] = kind << 4 | flags;
        client.send(&bytes).await;
        client.closed_for(&[0x81, 0x82]).await;
    }
}

async fn at_least_one_filter(level: Level, kind: u8) {
    let mut client = Client::open(level).await;
    let body = [&[0, 1][..], &properties_of(level, &[])].concat();
    client.send(&packet(kind, 2, &body)).await;
    client.closed_for(&[0x81, 0x82]).await;
}

async fn wildcards_are_served() {
    let root = unique("t");
    let mut client = Client::open(V311).await;
    for filter in ["+", "#", "+/x", "a/#"] {
        client.subscribe(&format!("{root}/{filter}"), 0).await;
    }
}

async fn reserved_bits(level: Level, all: &[u8]) {
    for options in all {
        let mut client = Client::open(level).await;
        client.send(&subscribe(level, 1, &[], &[("t", *options)])).await;
        client.closed_for(&[0x81, 0x82]).await;
    }
}

async fn no_local() {
    let topic = unique("t");
    let mut client = Client::open(V5).await;
    client.subscribe(&topic, 1 | 4).await;
    client.publish(Publish::to(&topic, "my own").qos(1, 0)).await;
    let mut other = Client::open(V5).await;
    client.only_marker(&mut other, &topic).await;
}

async fn no_local_shared() {
    let mut client = Client::open(V5).await;
    client.send(&subscribe(V5, 1, &[], &[("$share/group/t", 1 | 4)])).await;
    client.closed_for(&[0x82]).await;
}

async fn a_subscribe_is_answered(level: Level) {
    let mut client = Client::open(level).await;
    client.send(&subscribe(level, 3, &[], &[(&unique("t"), 0)])).await;
    assert_eq!(client.next().await.kind, SUBACK);
    client.fence().await;
}

async fn answers_bear_the_identifier(level: Level) {
    let mut client = Client::open(level).await;
    let topic = unique("t");
    for packet_id in [1, 0x1234, 0xffff] {
        client.send(&subscribe(level, packet_id, &[], &[(&topic, 0)])).await;
        assert_eq!(client.expect(SUBACK).await.granted(level).packet_id, packet_id);
        client.send(&unsubscribe(level, packet_id, &[&topic])).await;
        assert_eq!(client.expect(UNSUBACK).await.granted(level).packet_id, packet_id);
    }
    client.fence().await;
}

/// One copy, at the QoS of the new subscription, and what is retained comes again.
async fn the_same_filter_replaces(level: Level) {
    let topic = unique("t");
    let mut publisher = Client::open(level).await;
    publisher.publish(Publish::to(&topic, "kept").qos(1, 0).retain()).await;
    let mut client = Client::open(level).await;
    for qos in [1, 0, 1] {
        client.subscribe(&topic, qos).await;
        let publish = client.receive().await;
        assert_eq!((publish.payload(), publish.qos), ("kept", qos));
        publisher.publish(Publish::to(&topic, "live").qos(1, 0)).await;
        let publish = client.receive().await;
        assert_eq!((publish.payload(), publish.qos), ("live", qos));
        client.only_marker(&mut publisher, &topic).await;
    }
}

async fn many_filters(level: Level) {
    let root = unique("t");
    let (one, two) = (format!("{root}/1"), format!("{root}/2"));
    let mut client = Client::open(level).await;
    // The third is the first again: it replaces it.
    let reasons = client.subscribe_all(&[], &[(&one, 0), (&two, 1), (&one, 2)]).await;
    assert_eq!(reasons, [0, 1, 2]);
    let mut publisher = Client::open(level).await;
    for topic in [&one, &two] {
        publisher.publish(Publish::to(topic, topic).qos(2, 0)).await;
    }
    let mut received =
        [client.receive().await, client.receive().await].map(|publish| (publish.topic, publish.qos));
    received.sort();
    assert_eq!(received, [(one, 2), (two.clone(), 1)]);
    client.only_marker(&mut publisher, &two).await;
}

async fn each_filter_has_its_answer(level: Level) {
    let root = unique("t");
    let names: Vec<String> = (0..6).map(|number| format!("{root}/{number}")).collect();
    let filters: Vec<(&str, u8)> = names.iter().map(String::as_str).zip([2, 0, 1, 1, 0, 2]).collect();
    let mut client = Client::open(level).await;
    assert_eq!(client.subscribe_all(&[], &filters).await, [2, 0, 1, 1, 0, 2]);
}

/// A refusal is among the answers. The server under test refuses `test/nosubscribe`, others may grant it.
async fn only_known_answers(level: Level, known: &[u8]) {
    let topic = unique("t");
    let mut client = Client::open(level).await;
    let reasons =
        client.subscribe_all(&[], &[(&topic, 2), ("test/nosubscribe", 1), (&format!("{topic}/+"), 0)]).await;
    assert_eq!(reasons.len(), 3);
    assert_eq!(reasons[0], 2);
    assert!(reasons.iter().all(|reason| known.contains(reason)), "{reasons:02x?}");
    if std::env::var(crate::server::TARGET).is_err() {
        assert!(reasons[1] >= 0x80, "test/nosubscribe was granted");
    }
}

async fn the_lower_qos_counts(level: Level) {
    for granted in 0..=2 {
        let topic = unique("t");
        let (mut subscriber, mut publisher) = pair(level, &topic, granted).await;
        for qos in 0..=2 {
            publisher.publish(Publish::to(&topic, &qos.to_string()).qos(qos, 0)).await;
            let publish = subscriber.receive().await;
            assert_eq!((publish.payload(), publish.qos), (qos.to_string().as_str(), qos.min(granted)));
        }
    }
}

async fn compared_by_character(level: Level) {
    let root = unique("t");
    let (mut subscriber, mut publisher) = pair(level, &format!("{root}/+"), 1).await;
    let (longer, upper) = (format!("{root}/+/"), format!("{}/+", root.to_uppercase()));
    subscriber.unsubscribe(&[&format!("{root}/a"), &format!("{root}/#"), &longer, &upper]).await;
    publisher.publish(Publish::to(&format!("{root}/a"), "still").qos(1, 0)).await;
    assert_eq!(subscriber.receive().await.payload(), "still");
    subscriber.unsubscribe(&[&format!("{root}/+")]).await;
    publisher.publish(Publish::to(&format!("{root}/a"), "no more").qos(1, 0)).await;
    subscriber.subscribe(&format!("{root}/a"), 1).await;
    subscriber.only_marker(&mut publisher, &format!("{root}/a")).await;
}

async fn after_it_nothing_new_comes(level: Level) {
    let root = unique("t");
    let (mut subscriber, mut publisher) = pair(level, &format!("{root}/1"), 1).await;
    subscriber.subscribe(&format!("{root}/2"), 1).await;
    subscriber.unsubscribe(&[&format!("{root}/1")]).await;
    publisher.publish(Publish::to(&format!("{root}/1"), "too late").qos(1, 0)).await;
    subscriber.only_marker(&mut publisher, &format!("{root}/2")).await;
}

/// A QoS 2 exchange goes on to its end, and a QoS 1 message not acknowledged comes again.
async fn what_was_begun_is_completed(level: Level) {
    let (name, topic) = (unique("c"), unique("t"));
    let mut subscriber = Connect::kept(level, &name).open().await;
    subscriber.subscribe(&topic, 2).await;
    let mut publisher = Client::open(level).await;
    publisher.publish(Publish::to(&topic, "two").qos(2, 0)).await;
    publisher.publish(Publish::to(&topic, "one").qos(1, 0)).await;
    let (two, one) = (subscriber.take().await, subscriber.take().await);
    subscriber.unsubscribe(&[&topic]).await;
    subscriber.send(&ack(PUBREC, two.packet_id)).await;
    subscriber.expect_ack(PUBREL, two.packet_id).await;
    subscriber.send(&ack(PUBCOMP, two.packet_id)).await;
    subscriber.fence().await;
    subscriber.drop_connection();
    let mut subscriber = Connect::kept(level, &name).open().await;
    let again = subscriber.receive().await;
    assert_eq!((again.packet_id, again.payload()), (one.packet_id, "one"));
    subscriber.fence().await;
}

async fn even_of_what_never_was(level: Level) {
    let mut client = Client::open(level).await;
    let reasons = client.unsubscribe(&[&unique("never")]).await;
    assert_eq!(reasons, if level == V5 { &[0x11][..] } else { &[] });
}

async fn many_at_once(level: Level) {
    let root = unique("t");
    let names: Vec<String> = (0..4).map(|number| format!("{root}/{number}")).collect();
    let mut client = Client::open(level).await;
    for name in &names {
        client.subscribe(name, 1).await;
    }
    client.unsubscribe(&[&names[0], &names[1], &names[2]]).await;
    let mut publisher = Client::open(level).await;
    for name in &names[..3] {
        publisher.publish(Publish::to(name, "no more").qos(1, 0)).await;
    }
    client.only_marker(&mut publisher, &names[3]).await;
}

async fn unsuback_reasons() {
    let (one, two, never) = (unique("t"), unique("t"), unique("t"));
    let mut client = Client::open(V5).await;
    client.subscribe(&one, 0).await;
    client.subscribe(&two, 0).await;
    assert_eq!(client.unsubscribe(&[&one, &never, &two, &one]).await, [0, 0x11, 0, 0x11]);
}
