//! Version 5: shared subscriptions.

use crate::client::{Client, Connect};
use crate::server::unique;
use crate::wire::Level::V5;
use crate::wire::*;

cases! {
    mqtt5_4_8_2_1_a_share_name_has_a_character => wrong_share(&["$share/", "$share//t"]);
    mqtt5_4_8_2_2_a_share_name_has_no_wildcards_and_a_filter => wrong_share(&["$share/a+/t", "$share/#/t", "$share/a", "$share/a/"]);
    mqtt5_4_8_2_3_the_granted_qos_counts => the_granted_qos_counts();
    mqtt5_4_8_2_4_qos_2_is_completed_with_the_same_client => completed_with_the_same_client();
    mqtt5_4_8_2_5_a_lost_session_passes_no_qos_2_on => a_lost_session_passes_nothing_on();
    mqtt5_4_8_2_6_a_failure_is_not_offered_to_another => a_failure_is_not_offered();
}

/// Two members of a group on `topic`, and a publisher.
async fn group(topic: &str, qos: u8) -> (Client, Client, Client) {
    let filter = format!("$share/g/{topic}");
    let (mut one, mut two) = (Client::open(V5).await, Client::open(V5).await);
    one.subscribe(&filter, qos).await;
    two.subscribe(&filter, qos).await;
    (one, two, Client::open(V5).await)
}

async fn wrong_share(filters: &[&str]) {
    for filter in filters {
        let mut client = Client::open(V5).await;
        client.send(&subscribe(V5, 1, &[], &[(filter, 0)])).await;
        for packet in client.ending_or(SUBACK).await {
            match packet.kind {
                SUBACK => assert!(packet.granted(V5).reasons[0] >= 0x80, "{filter} was granted"),
                _ => assert!([0x81, 0x82, 0x8f].contains(&packet.disconnect().reason)),
            }
        }
    }
}

/// Each message reaches one member, at the QoS of its subscription, and a plain subscriber as well.
async fn the_granted_qos_counts() {
    let topic = unique("t");
    let mut member = Client::open(V5).await;
    member.subscribe(&format!("$share/g/{topic}"), 1).await;
    let mut plain = Client::open(V5).await;
    plain.subscribe(&topic, 2).await;
    let mut publisher = Client::open(V5).await;
    for qos in 0..=2 {
        publisher.publish(Publish::to(&topic, &qos.to_string()).qos(qos, 0)).await;
        let publish = member.receive().await;
        assert_eq!((publish.payload(), publish.qos), (qos.to_string().as_str(), qos.min(1)));
        assert_eq!(plain.receive().await.qos, qos);
    }
    member.fence().await;
    plain.fence().await;
}

/// Which of two members has been given a message: looks at both until one has it.
async fn given(one: &mut Client, two: &mut Client) -> (bool, Publish) {
    tokio::select! {
        packet = one.expect(PUBLISH) => (true, packet.publish(V5)),
        packet = two.expect(PUBLISH) => (false, packet.publish(V5)),
    }
}

async fn completed_with_the_same_client() {
    let (name, topic) = (unique("c"), unique("t"));
    let filter = format!("$share/g/{topic}");
    let mut member = Connect::kept(V5, &name).open().await;
    member.subscribe(&filter, 2).await;
    let mut publisher = Client::open(V5).await;
    publisher.publish(Publish::to(&topic, "for one").qos(2, 0)).await;
    let first = member.take().await;
    let mut other = Client::open(V5).await;
    other.subscribe(&filter, 2).await;
    member.drop_connection();
    other.fence().await;
    let (mut member, connack) = Connect::kept(V5, &name).answer().await;
    assert_eq!(connack.flags, 1);
    let again = member.receive().await;
    assert_eq!((again.packet_id, again.payload()), (first.packet_id, "for one"));
    other.fence().await;
}

async fn a_lost_session_passes_nothing_on() {
    let topic = unique("t");
    let (mut one, mut two, mut publisher) = group(&topic, 2).await;
    publisher.publish(Publish::to(&topic, "for one").qos(2, 0)).await;
    let (first, _) = given(&mut one, &mut two).await;
    let (gone, mut stays) = if first { (one, two) } else { (two, one) };
    gone.end_by_mistake().await;
    stays.only_marker(&mut publisher, &topic).await;
}

async fn a_failure_is_not_offered() {
    for (qos, answer) in [(1, PUBACK), (2, PUBREC)] {
        let topic = unique("t");
        let (mut one, mut two, mut publisher) = group(&topic, qos).await;
        publisher.publish(Publish::to(&topic, "unwanted").qos(qos, 0)).await;
        let (first, publish) = given(&mut one, &mut two).await;
        let (refuses, other) = if first { (&mut one, &mut two) } else { (&mut two, &mut one) };
        refuses.send(&ack_saying(answer, publish.packet_id, 0x80)).await;
        refuses.fence().await;
        let elsewhere = unique("t");
        other.subscribe(&elsewhere, qos).await;
        other.only_marker(&mut publisher, &elsewhere).await;
    }
}
