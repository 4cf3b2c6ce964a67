//! Client identifiers, takeover, keep alive, the ping.

use std::time::{Duration, Instant};

use crate::client::{Client, Connect, Will, pair};
use crate::server::unique;
use crate::wire::Level::{V5, V311};
use crate::wire::*;

cases! {
    mqtt311_3_1_3_2_the_client_id_names_the_session => the_client_id_names_the_session(V311);
    mqtt5_3_1_3_2_the_client_id_names_the_session => the_client_id_names_the_session(V5);
    mqtt311_3_1_3_3_the_client_id_is_there => the_client_id_is_there(V311);
    mqtt5_3_1_3_3_the_client_id_is_there => the_client_id_is_there(V5);
    mqtt311_3_1_3_5_letters_and_digits_up_to_23 => letters_and_digits_up_to_23(V311);
    mqtt5_3_1_3_5_letters_and_digits_up_to_23 => letters_and_digits_up_to_23(V5);
    mqtt311_3_1_3_6_no_client_id_gets_one_of_its_own => no_client_id_gets_one_of_its_own(V311);
    mqtt5_3_1_3_6_no_client_id_gets_one_of_its_own => no_client_id_gets_one_of_its_own(V5);
    mqtt311_3_1_3_8_no_client_id_needs_a_clean_session => no_client_id_needs_a_clean_session();
    mqtt5_3_1_3_7_the_assigned_client_id_works => the_assigned_client_id_works();
    mqtt5_3_2_2_16_assigned_client_ids_are_unique => assigned_client_ids_are_unique();
    mqtt311_3_1_4_2_the_new_connection_ends_the_old => the_new_connection_ends_the_old(V311);
    mqtt5_3_1_4_3_the_new_connection_ends_the_old => the_new_connection_ends_the_old(V5);
    mqtt311_3_1_2_24_silence_ends_it => silence_ends_it(V311);
    mqtt5_3_1_2_22_silence_ends_it => silence_ends_it(V5);
    mqtt5_3_2_2_22_the_keep_alive_of_the_client_counts => silence_ends_it(V5);
    mqtt311_3_12_4_1_a_ping_is_answered => a_ping_is_answered(V311);
    mqtt5_3_12_4_1_a_ping_is_answered => a_ping_is_answered(V5);
}

async fn the_client_id_names_the_session(level: Level) {
    let (one, two, topic) = (unique("c"), unique("c"), unique("t"));
    let mut first = Connect::kept(level, &one).open().await;
    first.subscribe(&topic, 1).await;
    first.leave().await;
    let (mut other, connack) = Connect::kept(level, &two).answer().await;
    assert_eq!(connack.flags, 0, "somebody else's session");
    other.publish(Publish::to(&topic, "for the first").qos(1, 0)).await;
    other.fence().await;
    let (mut again, connack) = Connect::kept(level, &one).answer().await;
    assert_eq!(connack.flags, 1, "the session is gone");
    assert_eq!(again.receive().await.payload(), "for the first");
}

async fn the_client_id_is_there(level: Level) {
    let connect = Connect::new(level);
    let mut client = Client::dial(level).await;
    client.send(&connect.bytes_saying("MQTT", level as u8, 0x02, &[])).await;
    let packets = client.ending().await;
    assert!(packets.iter().all(|packet| level == V5 && packet.connack(V5).reason >= 0x80), "{packets:?}");
}

async fn letters_and_digits_up_to_23(level: Level) {
    let single = if level == V311 { "a" } else { "b" };
    let all = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let long = format!("{single}{}", &all[40..]);
    for name in [single, &all[..23], &all[23..46], &long] {
        assert!(name.len() <= 23);
        Connect::named(level, name).open().await.leave().await;
    }
}

async fn no_client_id_gets_one_of_its_own(level: Level) {
    let mut first = Connect::named(level, "").open().await;
    let mut second = Connect::named(level, "").open().await;
    first.fence().await;
    second.fence().await;
}

async fn no_client_id_needs_a_clean_session() {
    let nameless = Connect { clean: false, ..Connect::named(V311, "") };
    let (mut client, connack) = nameless.answer().await;
    assert_eq!((connack.flags, connack.reason), (0, 2));
    client.closed().await;
}

fn assigned(connack: &Connack) -> String {
    match only(&connack.properties, id::ASSIGNED_CLIENT_ID) {
        Some(Value::Text(name)) => name.clone(),
        other => panic!("no assigned client id: {other:?}"),
    }
}

async fn the_assigned_client_id_works() {
    let (client, connack) = Connect::kept(V5, "").answer().await;
    assert_eq!((connack.flags, connack.reason), (0, 0));
    let name = assigned(&connack);
    client.leave().await;
    let (_client, connack) = Connect::kept(V5, &name).answer().await;
    assert_eq!(connack.flags, 1, "the session of the assigned id");
}

async fn assigned_client_ids_are_unique() {
    let (mut first, one) = Connect::named(V5, "").answer().await;
    let (mut second, two) = Connect::named(V5, "").answer().await;
    assert_ne!(assigned(&one), assigned(&two));
    first.fence().await;
    second.fence().await;
    // A client that brings its own id is not given one.
    let (_third, three) = Connect::new(V5).answer().await;
    assert_eq!(only(&three.properties, id::ASSIGNED_CLIENT_ID), None);
}

async fn the_new_connection_ends_the_old(level: Level) {
    let name = unique("c");
    let mut old = Connect::named(level, &name).open().await;
    let mut new = Connect::named(level, &name).open().await;
    let reason = old.closed().await;
    assert_eq!(reason, (level == V5).then_some(0x8e), "session taken over");
    new.fence().await;
}

/// As if the network had failed: the will is published.
async fn silence_ends_it(level: Level) {
    let topic = unique("silence");
    let (mut subscriber, _publisher) = pair(level, &topic, 0).await;
    let connect = Connect { keep_alive: 2, ..Connect::new(level).will(Will::to(&topic, "gone")) };
    let (mut client, connack) = connect.answer().await;
    assert_eq!(only(&connack.properties, id::SERVER_KEEP_ALIVE), None, "the server has another keep alive");
    let since = Instant::now();
    client.closed_for(&[0x8d]).await;
    let after = since.elapsed();
    assert!(after > Duration::from_secs(2), "closed after {after:?}, within the keep alive of 2 s");
    // The specification does not say how often a server has to look.
    assert!(after < Duration::from_secs(9), "closed after {after:?} only");
    assert_eq!(subscriber.receive().await.payload(), "gone");
}

async fn a_ping_is_answered(level: Level) {
    let mut client = Client::open(level).await;
    client.fence().await;
    client.send(&[0xc0, 0, 0xc0, 0, 0xc0, 0]).await;
    for _ in 0..3 {
        assert_eq!(client.next().await.kind, PINGRESP);
    }
}
