//! Receipts and commands: from the outbox to the one device.

use vigie_broker::Pushed;
use vigie_wire::Channel;

use crate::desk::{House, device as id, outbound};
use crate::device::{Connect, Device, LEVELS, Level};

const RECEIPTS: &str = "vigie/v1/gl-1/receipts";
const COMMANDS: &str = "vigie/v1/gl-1/commands";

#[tokio::test]
async fn a_receipt_follows_its_acknowledgement_and_is_reported_delivered() {
    let house = House::open().await;
    for level in LEVELS {
        let mut device = Device::new(&house, level, "gl-1").await;
        device.subscribe(1, &[RECEIPTS]).await;
        device.publish(1, 1, "receipt please").await;
        assert_eq!(device.expect_ack(0x40).await, (1, 0));
        let (topic, payload, packet_id) = device.expect_message().await;
        assert_eq!((topic.as_str(), payload.as_str()), (RECEIPTS, "stored receipt please"));
        assert!(house.desk.read(|book| book.delivered.is_empty()));
        device.puback(packet_id).await;
        let delivered = |book: &crate::desk::Book| book.delivered == [7];
        house.desk.until("row 7 is delivered", delivered).await;
        house.desk.edit(|book| book.delivered.clear());
    }
}

#[tokio::test]
async fn at_qos_0_a_message_is_delivered_when_it_is_written() {
    let house = House::open().await;
    let mut device = Device::new(&house, Level::V311, "gl-1").await;
    device.subscribe(0, &[RECEIPTS]).await;
    device.publish(0, 0, "receipt please").await;
    let (_, payload, packet_id) = device.expect_message().await;
    assert_eq!((payload.as_str(), packet_id), ("stored receipt please", 0));
    let delivered = |book: &crate::desk::Book| book.delivered == [7];
    house.desk.until("row 7 is delivered", delivered).await;
}

#[tokio::test]
async fn a_device_that_does_not_listen_gets_no_receipt() {
    let house = House::open().await;
    let mut device = Device::new(&house, Level::V311, "gl-1").await;
    device.publish(1, 1, "receipt for nobody").await;
    assert_eq!(device.expect_ack(0x40).await, (1, 0));
    device.ping().await;
    assert!(house.desk.read(|book| book.delivered.is_empty()));
}

#[tokio::test]
async fn what_waits_in_the_outbox_comes_with_the_subscription() {
    let house = House::open().await;
    house.desk.put_in_outbox("gl-1", 1, Channel::Commands, "set clock");
    house.desk.put_in_outbox("gl-1", 2, Channel::Receipts, "stored");
    house.desk.put_in_outbox("gl-2", 3, Channel::Commands, "not for gl-1");
    let mut device = Device::new(&house, Level::V5, "gl-1").await;
    device.subscribe(1, &[COMMANDS]).await;
    let (topic, payload, packet_id) = device.expect_message().await;
    assert_eq!((topic.as_str(), payload.as_str()), (COMMANDS, "set clock"));
    device.puback(packet_id).await;
    house.desk.until("it is delivered", |book| book.delivered == [1]).await;
    device.ping().await;
}

#[tokio::test]
async fn a_pushed_command_reaches_the_live_device_once() {
    let house = House::open().await;
    let command = |row| outbound(Some(row), Channel::Commands, "repeat the measure");
    assert_eq!(house.switchboard.push(&id("gl-1"), command(1)), Pushed::NotConnected);
    let mut device = Device::new(&house, Level::V5, "gl-1").await;
    device.subscribe(1, &[COMMANDS]).await;
    assert_eq!(house.switchboard.push(&id("gl-1"), command(1)), Pushed::Queued);
    let (_, payload, packet_id) = device.expect_message().await;
    assert_eq!(payload, "repeat the measure");
    // The same row again, unacknowledged and acknowledged: the device has it.
    house.switchboard.push(&id("gl-1"), command(1));
    device.ping().await;
    device.puback(packet_id).await;
    house.desk.until("it is delivered", |book| book.delivered == [1]).await;
    house.switchboard.push(&id("gl-1"), command(1));
    house.switchboard.push(&id("gl-1"), command(2));
    let (_, _, packet_id) = device.expect_message().await;
    device.puback(packet_id).await;
    house.desk.until("so is the next", |book| book.delivered == [1, 2]).await;
}

#[tokio::test]
async fn a_backlog_longer_than_queue_and_window_comes_completely_and_in_order() {
    let house = House::open_with(|limits| {
        limits.outbound_queue = 4;
        limits.outbound_window = 3;
    })
    .await;
    for row in 0..40 {
        let payload = format!("command {row}");
        house.desk.put_in_outbox("gl-1", row, Channel::Commands, &payload);
    }
    let mut device = Device::new(&house, Level::V311, "gl-1").await;
    device.subscribe(1, &[COMMANDS]).await;
    for row in 0..40 {
        let (_, payload, packet_id) = device.expect_message().await;
        assert_eq!(payload, format!("command {row}"));
        device.puback(packet_id).await;
    }
    house.desk.until("all are delivered", |book| book.delivered.len() == 40).await;
    assert!(house.switchboard.counters().outbound_dropped > 0);
}

/// A device that acknowledges slowly keeps a command waiting here, and the time in it grows old.
#[tokio::test]
async fn a_command_that_waited_behind_others_for_long_is_fetched_anew() {
    let fresh_for = std::time::Duration::from_millis(300);
    let house = House::open_with(|limits| {
        limits.outbound_window = 1;
        limits.command_fresh_for = fresh_for;
    })
    .await;
    house.desk.put_in_outbox("gl-1", 1, Channel::Commands, "first");
    house.desk.put_in_outbox("gl-1", 2, Channel::Commands, "it is ten to nine");
    let mut device = Device::new(&house, Level::V311, "gl-1").await;
    device.subscribe(1, &[COMMANDS]).await;
    let (_, payload, first) = device.expect_message().await;
    assert_eq!(payload, "first");
    house.desk.replace_in_outbox("gl-1", 2, "it is half past ten");
    let asked = std::time::Instant::now();
    while asked.elapsed() <= fresh_for {
        device.ping().await;
    }
    device.puback(first).await;
    assert_eq!(device.expect_message().await.1, "it is half past ten");
}

#[tokio::test]
async fn a_backlog_handed_out_in_parts_comes_completely_and_once() {
    for qos in [0, 1] {
        let house = House::open().await;
        house.desk.edit(|book| book.part = 5);
        for row in 0..23 {
            let payload = format!("command {row}");
            house.desk.put_in_outbox("gl-1", row, Channel::Commands, &payload);
        }
        let mut device = Device::new(&house, Level::V5, "gl-1").await;
        device.subscribe(qos, &[COMMANDS]).await;
        for row in 0..23 {
            let (_, payload, packet_id) = device.expect_message().await;
            assert_eq!(payload, format!("command {row}"));
            if qos == 1 {
                device.puback(packet_id).await;
            }
        }
        house.desk.until("nothing is left", crate::desk::Book::outbox_is_empty).await;
        device.ping().await;
    }
}

#[tokio::test]
async fn a_delivery_whose_note_was_lost_is_noted_again_and_not_sent_again() {
    let house = House::open().await;
    house.desk.edit(|book| book.forgetful = true);
    house.desk.put_in_outbox("gl-1", 1, Channel::Commands, "set clock");
    let mut device = Device::new(&house, Level::V5, "gl-1").await;
    device.subscribe(1, &[COMMANDS]).await;
    let (_, _, packet_id) = device.expect_message().await;
    device.puback(packet_id).await;
    house.desk.until("it is noted", crate::desk::Book::outbox_is_empty).await;
    device.ping().await;
    assert_eq!(house.desk.read(|book| book.delivered.clone()), [1, 1]);
}

#[tokio::test]
async fn the_receive_maximum_and_the_packet_size_of_the_device_are_respected() {
    let house = House::open().await;
    for (row, payload) in [(1, "small"), (2, &*"x".repeat(500)), (3, "too"), (4, "last")] {
        house.desk.put_in_outbox("gl-1", row, Channel::Commands, payload);
    }
    let mut connect = Connect::of(Level::V5, "gl-1");
    connect.properties = vec![0x21, 0, 2, 0x27, 0, 0, 1, 0];
    let mut device = Device::log_in(&house, &connect).await;
    device.subscribe(1, &[COMMANDS]).await;
    let (_, first, packet_id) = device.expect_message().await;
    let (_, second, _) = device.expect_message().await;
    assert_eq!((first.as_str(), second.as_str()), ("small", "too"));
    device.expect_silence().await;
    device.puback(packet_id).await;
    assert_eq!(device.expect_message().await.1, "last");
    assert!(house.desk.read(|book| book.delivered.contains(&2)));
    assert_eq!(house.switchboard.counters().outbound_too_large, 1);
}

#[tokio::test]
async fn the_subscription_identifier_comes_along() {
    let house = House::open().await;
    let mut device = Device::new(&house, Level::V5, "gl-1").await;
    let body = [&[0, 9, 2, 0x0b, 42][..], &crate::device::string(COMMANDS), &[1]].concat();
    device.send(&crate::device::packet(0x82, &body)).await;
    device.expect(0x90).await;
    house.switchboard.push(&id("gl-1"), outbound(None, Channel::Commands, "hello"));
    let message = device.next().await.unwrap();
    assert!(message.body.windows(3).any(|part| part == [2, 0x0b, 42]));
}
