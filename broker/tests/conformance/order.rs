//! Order: of acknowledgements, of messages, of what is sent again.

use crate::client::{Client, Connect, pair};
use crate::server::unique;
use crate::wire::Level::{V5, V311};
use crate::wire::*;

cases! {
    mqtt311_4_6_0_1_sent_again_in_order => sent_again_in_order(V311);
    mqtt5_4_6_0_1_sent_again_in_order => sent_again_in_order(V5);
    mqtt311_4_6_0_2_pubacks_in_order => acknowledged_in_order(V311, 1);
    mqtt5_4_6_0_2_pubacks_in_order => acknowledged_in_order(V5, 1);
    mqtt311_4_6_0_3_pubrecs_in_order => acknowledged_in_order(V311, 2);
    mqtt5_4_6_0_3_pubrecs_in_order => acknowledged_in_order(V5, 2);
    mqtt311_4_3_3_2_many_exchanges_at_once => many_exchanges_at_once(V311);
    mqtt311_4_6_0_4_pubrels_in_order => pubrels_in_order(V311);
    mqtt5_4_6_0_4_pubrels_in_order => pubrels_in_order(V5);
    mqtt311_4_6_0_6_messages_in_order => messages_in_order(V311);
    mqtt5_4_6_0_5_messages_in_order => messages_in_order(V5);
    mqtt311_4_6_0_5_messages_that_waited_in_order => messages_that_waited_in_order(V311);
    mqtt5_4_6_0_6_messages_that_waited_in_order => messages_that_waited_in_order(V5);
}

/// Within what an honest client may have in flight.
const MANY: u16 = 16;

async fn sent_again_in_order(level: Level) {
    let (name, topic) = (unique("c"), unique("t"));
    let mut subscriber = Connect::kept(level, &name).open().await;
    subscriber.subscribe(&topic, 2).await;
    let mut publisher = Client::open(level).await;
    for number in 0..8_u8 {
        publisher.publish(Publish::to(&topic, &number.to_string()).qos(1 + number % 2, 0)).await;
        subscriber.take().await;
    }
    subscriber.drop_connection();
    let mut subscriber = Connect::kept(level, &name).open().await;
    for number in 0..8_u8 {
        assert_eq!(subscriber.take().await.payload(), number.to_string());
    }
}

async fn acknowledged_in_order(level: Level, qos: u8) {
    let topic = unique("t");
    let (mut subscriber, mut publisher) = pair(level, &topic, qos).await;
    let burst: Vec<u8> = (1..=MANY)
        .rev()
        .flat_map(|packet_id| Publish::to(&topic, &packet_id.to_string()).qos(qos, packet_id).bytes(level))
        .collect();
    publisher.send(&burst).await;
    for packet_id in (1..=MANY).rev() {
        publisher.expect_ack(if qos == 1 { PUBACK } else { PUBREC }, packet_id).await;
    }
    if qos == 2 {
        for packet_id in (1..=MANY).rev() {
            publisher.send(&ack(PUBREL, packet_id)).await;
        }
        for packet_id in (1..=MANY).rev() {
            publisher.expect_ack(PUBCOMP, packet_id).await;
        }
    }
    for packet_id in (1..=MANY).rev() {
        assert_eq!(subscriber.receive().await.payload(), packet_id.to_string());
    }
}

/// 3.1.1 has no receive maximum: a client may publish a great deal at QoS 2 before it releases the first.
async fn many_exchanges_at_once(level: Level) {
    let topic = unique("t");
    let (mut subscriber, mut publisher) = pair(level, &topic, 2).await;
    for packet_id in 1..=200 {
        publisher.send(&Publish::to(&topic, "x").qos(2, packet_id).bytes(level)).await;
        publisher.expect_ack(PUBREC, packet_id).await;
    }
    for packet_id in 1..=200 {
        publisher.send(&ack(PUBREL, packet_id)).await;
        publisher.expect_ack(PUBCOMP, packet_id).await;
    }
    for _ in 1..=200 {
        subscriber.receive().await;
    }
}

/// In the order of the PUBRECs, not in that of the PUBLISHes.
async fn pubrels_in_order(level: Level) {
    let topic = unique("t");
    let (mut subscriber, mut publisher) = pair(level, &topic, 2).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        publisher.publish(Publish::to(&topic, "x").qos(2, 0)).await;
        ids.push(subscriber.take().await.packet_id);
    }
    let order = [ids[2], ids[0], ids[4], ids[1], ids[3]];
    for packet_id in order {
        subscriber.send(&ack(PUBREC, packet_id)).await;
    }
    for packet_id in order {
        subscriber.expect_ack(PUBREL, packet_id).await;
    }
}

async fn messages_in_order(level: Level) {
    for qos in 0..=2 {
        let topic = unique("t");
        let (mut subscriber, mut publisher) = pair(level, &topic, qos).await;
        for number in 0..40 {
            publisher.publish(Publish::to(&topic, &number.to_string()).qos(qos, 0)).await;
        }
        for number in 0..40 {
            assert_eq!(subscriber.receive().await.payload(), number.to_string(), "QoS {qos}");
        }
    }
}

async fn messages_that_waited_in_order(level: Level) {
    let (name, topic) = (unique("c"), unique("t"));
    let mut subscriber = Connect::kept(level, &name).open().await;
    subscriber.subscribe(&format!("{topic}/+"), 2).await;
    subscriber.leave().await;
    let mut publisher = Client::open(level).await;
    for number in 0..20 {
        for qos in 1..=2 {
            publisher.publish(Publish::to(&format!("{topic}/{qos}"), &number.to_string()).qos(qos, 0)).await;
        }
    }
    let mut subscriber = Connect::kept(level, &name).open().await;
    let mut next = [0, 0];
    for _ in 0..40 {
        let publish = subscriber.receive().await;
        let due = &mut next[usize::from(publish.qos) - 1];
        assert_eq!(publish.payload(), due.to_string(), "QoS {}", publish.qos);
        *due += 1;
    }
}
