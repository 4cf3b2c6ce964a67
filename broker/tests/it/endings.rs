//! How connections end: goodbye, silence, the will, the shutdown.

use std::time::Duration;

use crate::desk::{House, device as id};
use crate::device::{Connect, Device, LEVELS, Level};

fn with_will(level: Level) -> Connect {
    let mut connect = Connect::of(level, "gl-1");
    connect.will = Some(("vigie/v1/gl-1/status".to_owned(), "offline".to_owned()));
    connect
}

#[tokio::test]
async fn the_will_of_a_device_that_vanished_is_taken_as_its_status() {
    let house = House::open().await;
    for (round, level) in (1..).zip(LEVELS) {
        drop(Device::log_in(&house, &with_will(level)).await);
        let taken = |book: &crate::desk::Book| book.committed.len() == round;
        house.desk.until("the will is taken", taken).await;
        let will = house.desk.read(|book| book.begun.last().cloned()).unwrap();
        assert!(will.will);
        assert_eq!(will.channel, Some(vigie_wire::Channel::Status));
        assert_eq!(crate::desk::text(&will.payload), "offline");
    }
}

#[tokio::test]
async fn a_goodbye_takes_the_will_away_unless_mqtt_5_asks_for_it() {
    let house = House::open().await;
    for level in LEVELS {
        let mut device = Device::log_in(&house, &with_will(level)).await;
        device.send(&[0xe0, 0]).await;
        assert_eq!(device.next().await, None);
        house.until("it is gone", |board| !board.is_connected(&id("gl-1"))).await;
        assert!(house.desk.read(|book| book.begun.is_empty()));
    }
    let mut device = Device::log_in(&house, &with_will(Level::V5)).await;
    device.send(&[0xe0, 1, 0x04]).await;
    house.desk.until("the will is taken", |book| book.committed == ["offline"]).await;
}

#[tokio::test]
async fn on_a_takeover_the_will_comes_before_anything_of_the_new_connection() {
    let house = House::open().await;
    let mut first = Device::log_in(&house, &with_will(Level::V311)).await;
    let mut second = Device::new(&house, Level::V311, "gl-1").await;
    second.publish(1, 1, "I am back").await;
    assert_eq!(second.expect_ack(0x40).await, (1, 0));
    assert_eq!(first.next().await, None);
    assert_eq!(house.desk.read(crate::desk::Book::begun_payloads), ["offline", "I am back"]);
}

#[tokio::test]
async fn silence_for_one_and_a_half_times_the_keep_alive_ends_the_connection() {
    let house = House::open().await;
    for level in LEVELS {
        let mut connect = with_will(level);
        connect.keep_alive = 1;
        let mut device = Device::log_in(&house, &connect).await;
        let begin = tokio::time::Instant::now();
        device.expect_cut(0x8d).await;
        let waited = begin.elapsed();
        assert!(waited > Duration::from_millis(1_400), "{waited:?}");
        assert!(waited < Duration::from_millis(4_000), "{waited:?}");
    }
    house.desk.until("both wills are taken", |book| book.committed.len() == 2).await;
}

#[tokio::test]
async fn pings_keep_a_connection_alive() {
    let house = House::open().await;
    let mut connect = Connect::of(Level::V311, "gl-1");
    connect.keep_alive = 1;
    let mut device = Device::log_in(&house, &connect).await;
    let mut ticks = tokio::time::interval(Duration::from_millis(500));
    for _ in 0..6 {
        ticks.tick().await;
        device.ping().await;
    }
}

#[tokio::test]
async fn what_was_in_hand_when_the_device_vanished_still_commits() {
    let house = House::open().await;
    let mut device = Device::new(&house, Level::V5, "gl-1").await;
    for packet_id in 1..=3 {
        device.publish(1, packet_id, "hold").await;
    }
    house.desk.until("three are in hand", |book| book.begun.len() == 3).await;
    drop(device);
    house.until("it is gone", |board| !board.is_connected(&id("gl-1"))).await;
    house.desk.release("hold");
    house.desk.until("three are committed", |book| book.committed.len() == 3).await;
}

#[tokio::test]
async fn a_shutdown_acknowledges_what_commits_in_time_and_says_goodbye() {
    let house = House::open().await;
    let mut idle = Device::new(&house, Level::V5, "gl-2").await;
    let mut busy = Device::log_in(&house, &with_will(Level::V5)).await;
    busy.publish(1, 1, "hold").await;
    house.desk.until("it is in hand", |book| book.begun.len() == 1).await;
    house.begin_shutdown();
    idle.expect_cut(0x8b).await;
    busy.publish(1, 2, "too late").await;
    house.desk.release("hold");
    assert_eq!(busy.expect_ack(0x40).await, (1, 0));
    busy.expect_cut(0x8b).await;
    let desk = std::sync::Arc::clone(&house.desk);
    house.closed().await;
    // No will (the device did not vanish), and nothing of what came too late.
    assert_eq!(desk.read(crate::desk::Book::begun_payloads), ["hold"]);
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_ever_and_acknowledges_nothing_uncommitted() {
    let house = House::open_with(|limits| {
        limits.shutdown_grace = Duration::from_millis(200);
        limits.farewell_timeout = Duration::from_millis(100);
    })
    .await;
    let mut device = Device::new(&house, Level::V5, "gl-1").await;
    device.publish(1, 1, "hold").await;
    device.ping().await;
    house.begin_shutdown();
    device.expect_cut(0x8b).await;
    house.closed().await;
}
