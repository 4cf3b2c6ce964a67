//! Version 5: receive maximum, maximum packet size, topic aliases, problem and response information.

use crate::client::{Client, Connect};
use crate::server::unique;
use crate::wire::Level::V5;
use crate::wire::*;

cases! {
    mqtt5_3_3_4_9_no_more_than_the_receive_maximum => no_more_than_the_receive_maximum();
    mqtt5_4_9_0_1_the_quota_begins_at_the_receive_maximum => no_more_than_the_receive_maximum();
    mqtt5_4_9_0_2_a_quota_of_zero_stops_qos_1_and_2 => a_quota_of_zero();
    mqtt5_3_3_4_10_other_packets_do_not_wait => other_packets_do_not_wait();
    mqtt5_4_9_0_3_packets_are_answered_at_a_quota_of_zero => other_packets_do_not_wait();
    mqtt5_3_3_4_7_more_than_the_servers_receive_maximum_ends_it => more_than_the_servers_receive_maximum();
    mqtt5_3_1_2_24_no_packet_over_the_maximum_size => no_packet_over_the_maximum_size();
    mqtt5_3_1_2_25_what_is_too_large_counts_as_sent => what_is_too_large_counts_as_sent();
    mqtt5_3_2_2_15_more_than_the_servers_maximum_size_ends_it => more_than_the_servers_maximum_size();
    mqtt5_3_4_2_2_acknowledgements_fit_the_maximum_size => acknowledgements_fit();
    mqtt5_3_2_2_19_the_connack_fits_the_maximum_size => the_connack_fits();
    mqtt5_3_14_2_3_a_disconnect_fits_the_maximum_size => a_disconnect_fits();
    mqtt5_3_1_2_27_no_alias_without_a_maximum => no_alias_without_a_maximum();
    mqtt5_3_1_2_26_no_alias_over_the_maximum => no_alias_over_the_maximum();
    mqtt5_3_3_2_7_aliases_end_with_the_connection => aliases_end_with_the_connection();
    mqtt5_3_3_2_8_alias_0_ends_it => alias_0_ends_it();
    mqtt5_3_3_2_9_an_alias_over_the_maximum_ends_it => an_alias_over_the_maximum();
    mqtt5_3_3_2_12_every_alias_up_to_the_maximum_works => every_alias_works();
    mqtt5_3_1_2_28_no_response_information_unasked => no_response_information_unasked();
    mqtt5_3_1_2_29_no_problem_information_unwanted => no_problem_information_unwanted();
}

fn receive_maximum(count: u16) -> Connect {
    Connect::new(V5).with((id::RECEIVE_MAXIMUM, Value::Two(count)))
}

fn maximum_packet_size(bytes: u32) -> Connect {
    Connect::new(V5).with((id::MAXIMUM_PACKET_SIZE, Value::Four(bytes)))
}

async fn no_more_than_the_receive_maximum() {
    let topic = unique("t");
    let mut subscriber = receive_maximum(2).open().await;
    subscriber.subscribe(&topic, 2).await;
    let mut publisher = Client::open(V5).await;
    for (qos, payload) in [(1, "1"), (2, "2"), (1, "3"), (2, "4")] {
        publisher.publish(Publish::to(&topic, payload).qos(qos, 0)).await;
    }
    let (one, two) = (subscriber.take().await, subscriber.take().await);
    subscriber.fence().await;
    subscriber.send(&ack(PUBACK, one.packet_id)).await;
    assert_eq!(subscriber.take().await.payload(), "3");
    // A PUBREC keeps the place, a PUBCOMP gives it back.
    subscriber.send(&ack(PUBREC, two.packet_id)).await;
    subscriber.expect_ack(PUBREL, two.packet_id).await;
    subscriber.fence().await;
    subscriber.send(&ack(PUBCOMP, two.packet_id)).await;
    assert_eq!(subscriber.take().await.payload(), "4");
    subscriber.fence().await;
}

/// QoS 0 needs no quota; a PUBREC of failure gives it back.
async fn a_quota_of_zero() {
    let topic = unique("t");
    let mut subscriber = receive_maximum(1).open().await;
    subscriber.subscribe(&topic, 2).await;
    let mut publisher = Client::open(V5).await;
    for (qos, payload) in [(2, "first"), (1, "second")] {
        publisher.publish(Publish::to(&topic, payload).qos(qos, 0)).await;
    }
    let first = subscriber.take().await;
    subscriber.fence().await;
    subscriber.send(&ack_saying(PUBREC, first.packet_id, 0x80)).await;
    assert_eq!(subscriber.take().await.payload(), "second");
}

async fn other_packets_do_not_wait() {
    let (topic, other) = (unique("t"), unique("t"));
    let mut client = receive_maximum(1).open().await;
    client.subscribe(&topic, 1).await;
    let mut publisher = Client::open(V5).await;
    for _ in 0..3 {
        publisher.publish(Publish::to(&topic, "x").qos(1, 0)).await;
    }
    let first = client.take().await;
    client.fence().await;
    client.subscribe(&other, 1).await;
    client.publish(Publish::to(&unique("t"), "x").qos(2, 0)).await;
    client.unsubscribe(&[&other]).await;
    client.send(&ack(PUBACK, first.packet_id)).await;
    client.receive().await;
    client.receive().await;
}

async fn more_than_the_servers_receive_maximum() {
    let (mut client, connack) = Connect::new(V5).answer().await;
    let Some(Value::Two(maximum)) = only(&connack.properties, id::RECEIVE_MAXIMUM) else {
        // Without it the maximum is all identifiers there are: it cannot be exceeded.
        return client.fence().await;
    };
    let topic = unique("t");
    for packet_id in 1..=maximum + 1 {
        client.send(&Publish::to(&topic, "x").qos(2, packet_id).bytes(V5)).await;
    }
    let packets = client.ending().await;
    let last = packets.last().expect("PUBRECs");
    assert!(last.kind == PUBREC || last.disconnect().reason == 0x93, "{last:?}");
}

async fn no_packet_over_the_maximum_size() {
    let topic = unique("t");
    let mut subscriber = maximum_packet_size(100).open().await;
    subscriber.subscribe(&topic, 1).await;
    let mut publisher = Client::open(V5).await;
    for qos in 0..=1 {
        publisher.publish(Publish::to(&topic, &"x".repeat(100)).qos(qos, 0)).await;
    }
    subscriber.only_marker(&mut publisher, &topic).await;
}

/// It holds no place of the receive maximum, and is not there after coming back.
async fn what_is_too_large_counts_as_sent() {
    let (name, topic) = (unique("c"), unique("t"));
    let connect = Connect::kept(V5, &name)
        .with((id::MAXIMUM_PACKET_SIZE, Value::Four(100)))
        .with((id::RECEIVE_MAXIMUM, Value::Two(1)));
    let mut subscriber = connect.open().await;
    subscriber.subscribe(&topic, 1).await;
    let mut publisher = Client::open(V5).await;
    for _ in 0..3 {
        publisher.publish(Publish::to(&topic, &"x".repeat(100)).qos(1, 0)).await;
    }
    subscriber.only_marker(&mut publisher, &topic).await;
    subscriber.fence().await;
    subscriber.drop_connection();
    let mut subscriber = Connect::kept(V5, &name).open().await;
    subscriber.only_marker(&mut publisher, &topic).await;
}

async fn more_than_the_servers_maximum_size() {
    let (mut client, connack) = Connect::new(V5).answer().await;
    let Some(Value::Four(maximum)) = only(&connack.properties, id::MAXIMUM_PACKET_SIZE) else {
        return client.fence().await;
    };
    let header = [&[PUBLISH << 4][..], &var(usize::try_from(*maximum).unwrap())].concat();
    client.send(&header).await;
    client.closed_for(&[0x95]).await;
}

async fn acknowledgements_fit() {
    let topic = unique("t");
    let mut client = maximum_packet_size(64).open().await;
    client.send(&subscribe(V5, 1, &[], &[(&topic, 1)])).await;
    client.send(&subscribe(V5, 2, &[], &[("test/nosubscribe", 1)])).await;
    client.send(&unsubscribe(V5, 3, &["never"])).await;
    client.send(&Publish::to("nobody", "x").qos(1, 4).bytes(V5)).await;
    client.send(&Publish::to("nobody", "x").qos(2, 5).bytes(V5)).await;
    client.send(&ack(PUBREL, 6)).await;
    for kind in [SUBACK, SUBACK, UNSUBACK, PUBACK, PUBREC, PUBCOMP] {
        let packet = client.expect(kind).await;
        assert!(packet.size <= 64, "{packet:?}");
    }
}

async fn the_connack_fits() {
    let refused = maximum_packet_size(64).with(text_property(id::AUTHENTICATION_METHOD, "no such method"));
    for connect in [maximum_packet_size(64), refused] {
        let mut client = Client::dial(V5).await;
        client.send(&connect.bytes()).await;
        let packet = client.next().await;
        assert!(packet.kind == CONNACK && packet.size <= 64, "{packet:?}");
    }
}

async fn a_disconnect_fits() {
    for packet in maximum_packet_size(64).open().await.end_by_mistake().await {
        assert!(packet.size <= 64, "{packet:?}");
    }
}

async fn no_alias_without_a_maximum() {
    let topic = unique("t");
    let mut client = Client::open(V5).await;
    client.subscribe(&topic, 1).await;
    for _ in 0..3 {
        client.publish(Publish::to(&topic, "x").qos(1, 0)).await;
        let publish = client.receive().await;
        assert_eq!((publish.property(id::TOPIC_ALIAS), publish.topic.as_str()), (None, topic.as_str()));
    }
}

/// If the server uses aliases, then from 1 to the maximum; a topic is named before it is left out.
async fn no_alias_over_the_maximum() {
    let root = unique("t");
    let mut client = Connect::new(V5).with((id::TOPIC_ALIAS_MAXIMUM, Value::Two(1))).open().await;
    client.subscribe(&format!("{root}/+"), 1).await;
    let mut named = None;
    for number in [0, 1, 0, 1, 2, 2, 0] {
        let topic = format!("{root}/{number}");
        client.publish(Publish::to(&topic, "x").qos(1, 0)).await;
        let publish = client.receive().await;
        let alias = publish.property(id::TOPIC_ALIAS);
        assert!(alias.is_none_or(|alias| *alias == Value::Two(1)), "{alias:?}");
        if publish.topic.is_empty() {
            assert_eq!(named.as_ref(), Some(&topic), "topic left out before it was named");
        } else {
            assert_eq!(publish.topic, topic);
            if alias.is_some() {
                named = Some(topic);
            }
        }
    }
}

fn aliased(topic: &str, alias: u16) -> Publish {
    Publish::to(topic, "x").qos(1, 1).with((id::TOPIC_ALIAS, Value::Two(alias)))
}

async fn alias_maximum(connect: &Connect) -> (Client, u16) {
    let (client, connack) = connect.answer().await;
    let maximum = match only(&connack.properties, id::TOPIC_ALIAS_MAXIMUM) {
        Some(Value::Two(maximum)) => *maximum,
        _ => 0,
    };
    (client, maximum)
}

async fn aliases_end_with_the_connection() {
    let name = unique("c");
    let (mut client, maximum) = alias_maximum(&Connect::kept(V5, &name)).await;
    if maximum > 0 {
        client.send(&aliased(&unique("t"), 1).bytes(V5)).await;
        client.expect_ack(PUBACK, 1).await;
    }
    client.leave().await;
    let mut client = Connect::kept(V5, &name).open().await;
    client.send(&aliased("", 1).bytes(V5)).await;
    client.closed_for(&[0x82, 0x94]).await;
}

async fn alias_0_ends_it() {
    let mut client = Client::open(V5).await;
    client.send(&aliased("t", 0).bytes(V5)).await;
    client.closed_for(&[0x81, 0x82, 0x94]).await;
}

async fn an_alias_over_the_maximum() {
    let (mut client, maximum) = alias_maximum(&Connect::new(V5)).await;
    assert!(maximum < u16::MAX, "no alias is over the maximum");
    client.send(&aliased("t", maximum + 1).bytes(V5)).await;
    client.closed_for(&[0x82, 0x94]).await;
}

async fn every_alias_works() {
    let root = unique("t");
    let (mut client, maximum) = alias_maximum(&Connect::new(V5)).await;
    client.subscribe(&format!("{root}/+"), 0).await;
    let all: Vec<u16> =
        (1..=maximum.min(64)).chain([maximum].into_iter().filter(|most| *most > 64)).collect();
    for round in 0..2 {
        for alias in &all {
            let topic = format!("{root}/{alias}");
            let publish = aliased(if round == 0 { &topic } else { "" }, *alias);
            client.send(&publish.bytes(V5)).await;
            client.expect_ack(PUBACK, 1).await;
            assert_eq!(client.receive().await.topic, topic);
        }
    }
    client.fence().await;
}

async fn no_response_information_unasked() {
    for connect in
        [Connect::new(V5), Connect::new(V5).with((id::REQUEST_RESPONSE_INFORMATION, Value::Byte(0)))]
    {
        let (_client, connack) = connect.answer().await;
        assert_eq!(only(&connack.properties, id::RESPONSE_INFORMATION), None);
    }
}

async fn no_problem_information_unwanted() {
    let connect = Connect::new(V5).with((id::REQUEST_PROBLEM_INFORMATION, Value::Byte(0)));
    let mut client = connect.open().await;
    client.send(&subscribe(V5, 2, &[], &[("test/nosubscribe", 1)])).await;
    client.send(&unsubscribe(V5, 3, &["never"])).await;
    let suback = client.expect(SUBACK).await.granted(V5);
    let unsuback = client.expect(UNSUBACK).await.granted(V5);
    client.send(&Publish::to(&unique("t"), "x").qos(1, 4).bytes(V5)).await;
    let puback = client.expect_ack(PUBACK, 4).await;
    client.send(&Publish::to(&unique("t"), "x").qos(2, 5).bytes(V5)).await;
    let pubrec = client.expect_ack(PUBREC, 5).await;
    client.send(&ack(PUBREL, 6)).await;
    let pubcomp = client.expect_ack(PUBCOMP, 6).await;
    for list in
        [suback.properties, unsuback.properties, puback.properties, pubrec.properties, pubcomp.properties]
    {
        assert_eq!(only(&list, id::REASON_STRING), None);
        assert_eq!(only(&list, id::USER_PROPERTY), None);
    }
}
