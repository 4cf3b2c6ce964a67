//! From PUBLISH to acknowledgement.

use vigie_wire::{Channel, Encoding};

use crate::desk::House;
use crate::device::{Device, LEVELS, Level, packet};

#[tokio::test]
async fn no_acknowledgement_leaves_before_the_commit() {
    let house = House::open().await;
    for level in LEVELS {
        for (qos, ack) in [(1, 0x40), (2, 0x50)] {
            let mut device = Device::new(&house, level, "gl-1").await;
            let payload = format!("hold {level:?} {qos}");
            device.publish(qos, 7, &payload).await;
            let begun = |book: &crate::desk::Book| book.begun_payloads().contains(&payload);
            house.desk.until("the publish was handed over", begun).await;
            device.ping().await;
            device.expect_silence().await;
            house.desk.release(&payload);
            assert_eq!(device.expect_ack(ack).await, (7, 0));
        }
    }
}

#[tokio::test]
async fn acknowledgements_leave_in_the_order_in_which_the_publishes_came() {
    let house = House::open().await;
    for level in LEVELS {
        let mut device = Device::new(&house, level, "gl-1").await;
        let payloads: Vec<String> = (1..=5).map(|n| format!("hold {level:?} {n}")).collect();
        for (id, payload) in (1..).zip(&payloads) {
            device.publish(if id == 3 { 2 } else { 1 }, id, payload).await;
        }
        for payload in payloads.iter().rev() {
            house.desk.release(payload);
            let done = |book: &crate::desk::Book| book.committed.contains(payload);
            house.desk.until("it is committed", done).await;
        }
        for (id, ack) in [(1, 0x40), (2, 0x40), (3, 0x50), (4, 0x40), (5, 0x40)] {
            assert_eq!(device.expect_ack(ack).await.0, id);
        }
    }
}

#[tokio::test]
async fn mqtt_5_is_told_what_was_wrong_and_3_1_1_that_it_is_dealt_with() {
    let house = House::open().await;
    for (level, invalid, foreign) in [(Level::V311, 0, 0), (Level::V5, 0x99, 0x87)] {
        let mut device = Device::new(&house, level, "gl-1").await;
        device.publish(1, 1, "invalid").await;
        assert_eq!(device.expect_ack(0x40).await, (1, invalid));
        device.publish(2, 2, "invalid").await;
        assert_eq!(device.expect_ack(0x50).await, (2, invalid));
        let bytes = device.publish_bytes(1, 3, b"vigie/v1/gl-2/readings", b"not mine");
        device.send(&bytes).await;
        assert_eq!(device.expect_ack(0x40).await, (3, foreign));
    }
    let foreign = house.desk.read(|book| book.begun.last().cloned()).unwrap();
    assert_eq!(foreign.channel, None);
    assert_eq!(foreign.device.as_str(), "gl-1");
    assert_eq!(foreign.topic, "vigie/v1/gl-2/readings");
}

#[tokio::test]
async fn everything_about_a_publish_is_handed_over() {
    let house = House::open().await;
    let mut device = Device::new(&house, Level::V311, "gl-1").await;
    assert_eq!(device.subscribe(1, &["vigie/v1/gl-1/receipts"]).await, [1]);
    let topic = device.topic("readings");
    let mut bytes = device.publish_bytes(1, 9, topic.as_bytes(), &[0, 0xff, 1]);
    bytes[0] |= 0x09;
    device.send(&bytes).await;
    assert_eq!(device.expect_ack(0x40).await, (9, 0));
    let inbound = house.desk.read(|book| book.begun[0].clone());
    assert_eq!(inbound.channel, Some(Channel::Readings(Encoding::Protobuf)));
    assert_eq!(inbound.payload.as_ref(), [0, 0xff, 1]);
    assert_eq!((inbound.qos, inbound.duplicate, inbound.retained), (1, true, true));
    assert!(inbound.wants_receipts && !inbound.will);
    assert_eq!(inbound.remote, device.stream.local_addr().unwrap());
}

#[tokio::test]
async fn qos_0_and_an_empty_payload_are_taken_too() {
    let house = House::open().await;
    let mut device = Device::new(&house, Level::V5, "gl-1").await;
    device.publish(0, 0, "unacknowledged").await;
    device.publish(1, 1, "").await;
    assert_eq!(device.expect_ack(0x40).await, (1, 0));
    let committed = house.desk.read(|book| book.committed.clone());
    assert_eq!(committed, ["unacknowledged", ""]);
}

#[tokio::test]
async fn a_qos_2_publish_repeated_on_the_connection_is_taken_once() {
    let house = House::open().await;
    for level in LEVELS {
        let mut device = Device::new(&house, level, "gl-1").await;
        let payload = format!("hold {level:?}");
        // Twice before the PUBREC, once after, once more after the exchange is over.
        device.publish(2, 4, &payload).await;
        device.publish(2, 4, &payload).await;
        device.ping().await;
        house.desk.release(&payload);
        assert_eq!(device.expect_ack(0x50).await, (4, 0));
        device.publish(2, 4, &payload).await;
        assert_eq!(device.expect_ack(0x50).await, (4, 0));
        let taken = house.desk.read(|book| book.committed.iter().filter(|p| **p == payload).count());
        assert_eq!(taken, 1);
        device.send(&packet(0x62, &4u16.to_be_bytes())).await;
        assert_eq!(device.expect_ack(0x70).await, (4, 0));
        device.publish(2, 4, &payload).await;
        assert_eq!(device.expect_ack(0x50).await, (4, 0));
        let taken = house.desk.read(|book| book.committed.iter().filter(|p| **p == payload).count());
        assert_eq!(taken, 2);
    }
}

#[tokio::test]
async fn a_pubrel_out_of_nowhere_is_answered() {
    let house = House::open().await;
    for (level, reason) in [(Level::V311, 0), (Level::V5, 0x92)] {
        let mut device = Device::new(&house, level, "gl-1").await;
        device.send(&packet(0x62, &77u16.to_be_bytes())).await;
        assert_eq!(device.expect_ack(0x70).await, (77, reason));
    }
}

#[tokio::test]
async fn a_panic_of_the_gateway_costs_one_connection_its_acknowledgement_and_nothing_else() {
    let house = House::open().await;
    let mut neighbour = Device::new(&house, Level::V5, "gl-2").await;
    for level in LEVELS {
        let mut device = Device::new(&house, level, "gl-1").await;
        device.publish(1, 1, "before").await;
        assert_eq!(device.expect_ack(0x40).await, (1, 0));
        device.publish(1, 2, "panic").await;
        device.expect_cut(0x80).await;
        neighbour.publish(1, 1, "meanwhile").await;
        assert_eq!(neighbour.expect_ack(0x40).await, (1, 0));
        Device::new(&house, level, "gl-1").await.ping().await;
    }
}

#[tokio::test]
async fn a_gateway_that_goes_away_acknowledges_nothing() {
    for level in LEVELS {
        let house = House::open().await;
        let mut device = Device::new(&house, level, "gl-1").await;
        device.publish(1, 1, "hold for ever").await;
        device.ping().await;
        house.desk.set_stopping();
        device.expect_cut(0x8b).await;
    }
}

#[tokio::test]
async fn a_panic_under_load_leaves_every_other_publish_acknowledged_in_its_order() {
    const NEIGHBOURS: u16 = 20;
    const PUBLISHES: u16 = 50;
    let house = House::open().await;
    let mut neighbours = Vec::new();
    for n in 0..NEIGHBOURS {
        let mut device = Device::new(&house, LEVELS[usize::from(n) % 2], &format!("gl-{n}")).await;
        neighbours.push(tokio::spawn(async move {
            for packet_id in 1..=PUBLISHES {
                device.publish(1, packet_id, "under load").await;
            }
            for packet_id in 1..=PUBLISHES {
                assert_eq!(device.expect_ack(0x40).await, (packet_id, 0));
            }
            device.ping().await;
        }));
    }
    for n in 0..10 {
        let mut device = Device::new(&house, Level::V5, &format!("panics-{n}")).await;
        device.publish(1, 1, "panic").await;
        device.expect_cut(0x80).await;
    }
    for neighbour in neighbours {
        neighbour.await.unwrap();
    }
    let load = house.desk.read(|book| book.committed.iter().filter(|one| *one == "under load").count());
    assert_eq!(load, usize::from(NEIGHBOURS * PUBLISHES));
}
