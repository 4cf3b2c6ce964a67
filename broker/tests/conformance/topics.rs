//! Topic names and filters: wildcards, `$`, characters, lengths.

use crate::client::{Client, pair};
use crate::server::unique;
use crate::wire::Level::{V5, V311};
use crate::wire::*;

cases! {
    mqtt311_4_7_1_1_the_wildcards_match => the_wildcards_match(V311);
    mqtt5_4_7_0_1_the_wildcards_match => the_wildcards_match(V5);
    mqtt311_4_7_1_2_the_multi_level_wildcard_has_its_place => wrong_filters(V311, &["a#", "a/#/b", "#/a", "a/b#", "##"]);
    mqtt5_4_7_1_1_the_multi_level_wildcard_has_its_place => wrong_filters(V5, &["a#", "a/#/b", "#/a", "a/b#", "##"]);
    mqtt311_4_7_1_3_the_single_level_wildcard_has_a_level => wrong_filters(V311, &["a+", "+a", "a/+b/c", "++", "a/+#"]);
    mqtt5_4_7_1_2_the_single_level_wildcard_has_a_level => wrong_filters(V5, &["a+", "+a", "a/+b/c", "++", "a/+#"]);
    mqtt311_4_7_2_1_wildcards_do_not_begin_with_a_dollar => dollar_topics(V311);
    mqtt5_4_7_2_1_wildcards_do_not_begin_with_a_dollar => dollar_topics(V5);
    mqtt311_4_7_3_1_at_least_one_character => at_least_one_character(V311);
    mqtt5_4_7_3_1_at_least_one_character => at_least_one_character(V5);
    mqtt311_4_7_3_2_no_null_character => no_null_character(V311);
    mqtt5_4_7_3_2_no_null_character => no_null_character(V5);
    mqtt311_4_7_3_3_up_to_65535_bytes => up_to_65535_bytes(V311);
    mqtt5_4_7_3_3_up_to_65535_bytes => up_to_65535_bytes(V5);
    mqtt311_4_7_3_4_nothing_is_normalised => nothing_is_normalised(V311);
    mqtt5_4_7_3_4_nothing_is_normalised => nothing_is_normalised(V5);
}

/// Filter, topics that it matches, topics that it does not. All under a root of their own.
const MATCHES: &[(&str, &[&str], &[&str])] = &[
    ("a/#", &["a", "a/b", "a/b/c", "a/"], &["b", "ab", "A"]),
    ("a/+", &["a/b", "a/"], &["a", "a/b/c"]),
    ("+/+", &["a/b", "/b", "a/", "/"], &["a", "a/b/c"]),
    ("/+", &["/a"], &["a", "a/b", "//a"]),
    ("+", &["a", ""], &["/a", "a/"]),
    ("a/+/c", &["a/b/c", "a//c"], &["a/c", "a/b/b/c"]),
    ("a/+/#", &["a/b", "a/b/c", "a/b/c/d"], &["a"]),
];

async fn the_wildcards_match(level: Level) {
    for (filter, good, bad) in MATCHES {
        let root = unique("t");
        let (mut subscriber, mut publisher) = pair(level, &format!("{root}/{filter}"), 0).await;
        for topic in *bad {
            publisher.publish(Publish::to(&format!("{root}/{topic}"), "no match")).await;
        }
        for topic in *good {
            let topic = format!("{root}/{topic}");
            publisher.publish(Publish::to(&topic, "match")).await;
            let publish = subscriber.receive().await;
            assert_eq!((publish.payload(), &publish.topic), ("match", &topic), "filter {filter}");
        }
    }
}

/// A server may end it, or in version 5 refuse the filter.
async fn refused(client: &mut Client, filter: &str) {
    client.send(&subscribe(client.level, 1, &[], &[(filter, 0)])).await;
    let packets = client.ending_or(SUBACK).await;
    for packet in packets {
        match packet.kind {
            SUBACK => {
                let reasons = packet.granted(client.level).reasons;
                assert!(reasons[0] >= 0x80, "{filter} was granted");
            }
            _ => assert_eq!(packet.kind, DISCONNECT),
        }
    }
}

async fn wrong_filters(level: Level, filters: &[&str]) {
    for filter in filters {
        refused(&mut Client::open(level).await, filter).await;
    }
}

/// A topic that begins with `$` is the server's; if it takes it from a client at all, wildcards do not show it.
async fn dollar_topics(level: Level) {
    let name = unique("dollar");
    let dollar = format!("${name}/a");
    let mut subscriber = Client::open(level).await;
    subscriber.subscribe("#", 1).await;
    subscriber.subscribe("+/a", 1).await;
    let mut publisher = Client::open(level).await;
    publisher.send(&Publish::to(&dollar, "the server's").qos(1, 9).bytes(level)).await;
    // Acknowledged, or the connection is closed.
    publisher.ending_or(PUBACK).await;
    let mut publisher = Client::open(level).await;
    publisher.publish(Publish::to(&format!("{name}/marker"), "marker").qos(1, 0)).await;
    // Other cases publish as well, and `#` shows it all.
    loop {
        let publish = subscriber.receive().await;
        assert!(!publish.topic.starts_with('$'), "# or + shows {}", publish.topic);
        if publish.topic == format!("{name}/marker") {
            return;
        }
    }
}

async fn at_least_one_character(level: Level) {
    refused(&mut Client::open(level).await, "").await;
    let mut client = Client::open(level).await;
    client.send(&unsubscribe(level, 1, &[""])).await;
    client.ending_or(UNSUBACK).await;
    let mut client = Client::open(level).await;
    client.send(&Publish::to("", "x").bytes(level)).await;
    client.closed_for(&[0x81, 0x82, 0x90]).await;
}

async fn no_null_character(level: Level) {
    for wrong in [
        Publish::to("a\0b", "x").bytes(level),
        subscribe(level, 1, &[], &[("a\0b", 0)]),
        unsubscribe(level, 1, &["a\0b"]),
    ] {
        let mut client = Client::open(level).await;
        client.send(&wrong).await;
        client.closed_for(&[0x81, 0x82, 0x8f, 0x90]).await;
    }
}

/// The longest string there is: served, refused or closed, and never cut.
async fn up_to_65535_bytes(level: Level) {
    let topic = format!("{:x<65535}", unique("t"));
    let mut client = Client::open(level).await;
    client.send(&subscribe(level, 1, &[], &[(&topic, 0)])).await;
    let packets = client.ending_or(SUBACK).await;
    if packets.last().is_some_and(|last| last.kind == SUBACK && last.granted(level).reasons == [0]) {
        client.send(&Publish::to(&topic, "long").qos(1, 2).bytes(level)).await;
        assert_eq!(client.take().await.topic, topic);
    }
}

async fn nothing_is_normalised(level: Level) {
    let root = unique("t");
    // Case, a composed and a decomposed é, spaces, empty levels, a separator at the end.
    let names = ["a", "A", "é", "e\u{301}", " ", "", "a/", "/a", "//", "..", "a b", "%61"];
    let topics: Vec<String> = names.iter().map(|name| format!("{root}/{name}")).collect();
    for topic in &topics {
        let (mut subscriber, mut publisher) = pair(level, topic, 0).await;
        for each in &topics {
            publisher.publish(Publish::to(each, each)).await;
        }
        let publish = subscriber.receive().await;
        assert_eq!((publish.topic.as_str(), publish.payload()), (topic.as_str(), topic.as_str()));
        publisher.publish(Publish::to(topic, "marker")).await;
        assert_eq!(subscriber.receive().await.payload(), "marker", "filter {topic}");
    }
}
