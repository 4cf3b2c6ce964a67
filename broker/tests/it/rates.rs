//! A device that goes too fast is slowed down, alone, and loses nothing by it.

use std::time::{Duration, Instant};

use vigie_broker::Rate;

use crate::desk::{House, device};
use crate::device::{Connect, Device, LEVELS, Level};

/// One a second, sixty at once.
const SIXTY: Rate = Rate::per_minute(60);

/// The device publishes so many without waiting for their acknowledgements.
async fn publish_at_once(device: &mut Device, packet_ids: std::ops::RangeInclusive<u16>) {
    let topic = device.topic("readings/json");
    let mut bytes = Vec::new();
    for id in packet_ids {
        bytes.extend(device.publish_bytes(1, id, topic.as_bytes(), b"reading"));
    }
    device.send(&bytes).await;
}

async fn expect_acks(device: &mut Device, packet_ids: std::ops::RangeInclusive<u16>) {
    for id in packet_ids {
        assert_eq!(device.expect_ack(0x40).await, (id, 0));
    }
}

#[tokio::test]
async fn over_its_publishes_a_minute_only_that_device_waits_and_no_reading_is_refused() {
    for level in LEVELS {
        let house = House::open_with(|limits| limits.publishes_per_minute = SIXTY).await;
        let mut hasty = Device::new(&house, level, "gl-hasty").await;
        let mut calm = Device::new(&house, level, "gl-calm").await;
        publish_at_once(&mut hasty, 1..=63).await;
        // A minute's worth, and the one that goes into debt.
        expect_acks(&mut hasty, 1..=61).await;
        let began = Instant::now();
        house.until("the device is slowed", |board| board.counters().paced > 0).await;
        let mut slowest = Duration::ZERO;
        for id in 1..=20 {
            let sent = Instant::now();
            calm.publish(1, id, "reading").await;
            expect_acks(&mut calm, id..=id).await;
            slowest = slowest.max(sent.elapsed());
        }
        println!("{level:?}: slowest round trip of another device {slowest:?}");
        assert!(slowest < Duration::from_millis(500), "{slowest:?}");
        expect_acks(&mut hasty, 62..=63).await;
        assert!(began.elapsed() > Duration::from_millis(1_500), "it was not slowed: {:?}", began.elapsed());
        assert_eq!(house.desk.read(|book| book.committed.len()), 63 + 20);
    }
}

#[tokio::test]
async fn a_publish_larger_than_a_minutes_bytes_is_taken_and_the_next_one_waits() {
    let rate = Rate::per_minute(60_000);
    let house = House::open_with(|limits| limits.payload_bytes_per_minute = rate).await;
    let mut device = Device::new(&house, Level::V5, "gl-1").await;
    device.publish(1, 1, &"x".repeat(61_500)).await;
    expect_acks(&mut device, 1..=1).await;
    let began = Instant::now();
    device.publish(1, 2, "reading").await;
    expect_acks(&mut device, 2..=2).await;
    assert!(began.elapsed() > Duration::from_millis(1_000), "{:?}", began.elapsed());
}

#[tokio::test]
async fn coming_back_does_not_make_a_device_faster() {
    let house = House::open_with(|limits| limits.publishes_per_minute = SIXTY).await;
    let mut device = Device::new(&house, Level::V311, "gl-1").await;
    publish_at_once(&mut device, 1..=62).await;
    expect_acks(&mut device, 1..=61).await;
    let began = Instant::now();
    let mut device = Device::new(&house, Level::V311, "gl-1").await;
    device.publish(1, 1, "reading").await;
    expect_acks(&mut device, 1..=1).await;
    assert!(began.elapsed() > Duration::from_millis(500), "{:?}", began.elapsed());
}

#[tokio::test]
async fn the_keep_alive_does_not_cut_a_device_that_is_not_read() {
    let house = House::open_with(|limits| limits.publishes_per_minute = SIXTY).await;
    let mut connect = Connect::of(Level::V5, "gl-1");
    connect.keep_alive = 1;
    let mut device = Device::log_in(&house, &connect).await;
    publish_at_once(&mut device, 1..=61).await;
    expect_acks(&mut device, 1..=61).await;
    // Not read for a second each: together more than one and a half times the keep-alive.
    publish_at_once(&mut device, 62..=64).await;
    expect_acks(&mut device, 62..=64).await;
    assert!(house.switchboard.is_connected(&self::device("gl-1")));
}

#[tokio::test]
async fn a_device_that_logs_in_too_often_is_told_to_come_back_and_the_directory_is_not_asked() {
    for (level, code) in [(Level::V311, 3), (Level::V5, 0x97)] {
        let house = House::open_with(|limits| {
            limits.connects_per_minute = Rate::per_minute(2);
            limits.connect_patience = Duration::from_millis(50);
        })
        .await;
        let connect = Connect::of(level, "gl-1");
        for _ in 0..3 {
            Device::log_in(&house, &connect).await;
        }
        let (mut sent_away, _, answer) = Device::attempt(house.address, &connect).await;
        assert_eq!(answer, code, "{level:?}");
        assert_eq!(sent_away.next().await, None, "the socket is closed");
        assert_eq!(house.desk.read(|book| book.checks().1), 3);
        assert_eq!(house.switchboard.counters().sent_away_often, 1);
        Device::new(&house, level, "gl-2").await;
    }
}

#[tokio::test]
async fn a_stranger_cannot_use_up_the_log_ins_of_a_device() {
    let house = House::open_with(|limits| limits.connects_per_minute = Rate::per_minute(1)).await;
    let mut stranger = Connect::of(Level::V311, "gl-1");
    stranger.password = Some("guess".into());
    for _ in 0..10 {
        assert_eq!(Device::attempt(house.address, &stranger).await.2, 4);
    }
    Device::new(&house, Level::V311, "gl-1").await;
}

#[tokio::test]
async fn topic_filters_over_the_limit_are_not_granted_and_the_connection_goes_on() {
    for (level, code) in [(Level::V311, 0x80), (Level::V5, 0x97)] {
        let house = House::open_with(|limits| limits.subscriptions_max = 2).await;
        let mut device = Device::new(&house, level, "gl-1").await;
        let filters = ["vigie/v1/gl-1/receipts", "vigie/v1/gl-1/commands", "vigie/v1/gl-1/status"];
        assert_eq!(device.subscribe(1, &filters).await, [1, 1, code]);
        device.ping().await;
    }
}
