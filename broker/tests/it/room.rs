//! Back-pressure: a device over a limit waits; nothing is lost and nobody else is held up.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::desk::House;
use crate::device::{Device, LEVELS, Level};

#[tokio::test]
async fn at_the_limit_of_publishes_in_hand_the_socket_is_not_read_until_one_is_acknowledged() {
    let house = House::open_with(|limits| limits.in_flight = 4).await;
    for level in LEVELS {
        let before = house.desk.read(|book| book.begun.len());
        let mut device = Device::new(&house, level, "gl-1").await;
        house.desk.set_away(true);
        for packet_id in 1..=10 {
            device.publish(1, packet_id, "while the database is away").await;
        }
        house.desk.until("four are in hand", |book| book.begun.len() >= before + 4).await;
        device.send(&[0xc0, 0]).await;
        device.expect_silence().await;
        assert_eq!(house.desk.read(|book| book.begun.len()), before + 4);
        house.desk.set_away(false);
        // The answer to the ping comes when the ping is read, which may be before the last acknowledgements.
        let (mut acknowledged, mut pings) = (Vec::new(), 0);
        while acknowledged.len() < 10 || pings < 1 {
            let packet = device.next().await.unwrap();
            match packet.first {
                0x40 => acknowledged.push(packet.body[1]),
                _ => pings += 1,
            }
        }
        assert_eq!(acknowledged, (1..=10).collect::<Vec<u8>>());
        assert_eq!(house.desk.read(|book| book.begun.len()), before + 10);
    }
    assert!(house.switchboard.counters().stalls > 0);
}

#[tokio::test]
async fn below_the_limit_pings_are_answered_while_publishes_wait() {
    let house = House::open().await;
    let mut device = Device::new(&house, Level::V311, "gl-1").await;
    for packet_id in 1..=63 {
        device.publish(1, packet_id, "hold").await;
    }
    device.ping().await;
    house.desk.release("hold");
    for packet_id in 1..=63 {
        assert_eq!(device.expect_ack(0x40).await, (packet_id, 0));
    }
}

#[tokio::test]
async fn one_device_at_its_limit_holds_up_no_other() {
    let house = House::open_with(|limits| limits.in_flight = 2).await;
    let mut greedy = Device::new(&house, Level::V311, "gl-1").await;
    for packet_id in 1..=10 {
        greedy.publish(1, packet_id, "hold").await;
    }
    house.desk.until("two are in hand", |book| book.begun.len() == 2).await;
    let mut other = Device::new(&house, Level::V5, "gl-2").await;
    other.publish(1, 1, "meanwhile").await;
    assert_eq!(other.expect_ack(0x40).await, (1, 0));
}

#[tokio::test]
async fn coming_back_does_not_buy_a_device_more_room() {
    let house = House::open_with(|limits| limits.in_flight = 3).await;
    for round in 1..=5 {
        let mut device = Device::new(&house, Level::V311, "gl-1").await;
        for packet_id in 1..=3 {
            device.publish(1, packet_id, "hold").await;
        }
        if round == 1 {
            house.desk.until("three are in hand", |book| book.begun.len() == 3).await;
        }
        device.expect_silence().await;
    }
    assert_eq!(house.desk.read(|book| book.begun.len()), 3);
    let mut device = Device::new(&house, Level::V311, "gl-1").await;
    house.desk.release("hold");
    device.publish(1, 1, "and now").await;
    assert_eq!(device.expect_ack(0x40).await, (1, 0));
}

#[tokio::test]
async fn all_devices_together_hold_only_so_many_payload_bytes() {
    let house = House::open_with(|limits| {
        limits.packet_bytes_max = 64 * 1024;
        limits.bytes_in_flight_max = 64 * 1024;
    })
    .await;
    house.desk.set_away(true);
    let mut devices = Vec::new();
    for n in 0..4 {
        let mut device = Device::new(&house, Level::V5, &format!("gl-{n}")).await;
        device.publish(1, 1, &"x".repeat(30 * 1024)).await;
        devices.push(device);
    }
    house.desk.until("two are in hand", |book| book.begun.len() == 2).await;
    devices[3].expect_silence().await;
    assert_eq!(house.desk.read(|book| book.begun.len()), 2);
    house.desk.set_away(false);
    for device in &mut devices {
        assert_eq!(device.expect_ack(0x40).await, (1, 0));
    }
}

#[tokio::test]
async fn a_device_held_up_by_us_is_not_blamed_for_its_silence() {
    let house = House::open_with(|limits| limits.in_flight = 1).await;
    let mut connect = crate::device::Connect::of(Level::V5, "gl-1");
    connect.keep_alive = 1;
    let mut device = Device::log_in(&house, &connect).await;
    device.publish(1, 1, "hold").await;
    device.publish(1, 2, "hold").await;
    // Longer than one and a half times its keep-alive, in which it has no chance to be heard.
    device.expect_silence_for(Duration::from_millis(2_000)).await;
    house.desk.release("hold");
    assert_eq!(device.expect_ack(0x40).await, (1, 0));
    assert_eq!(device.expect_ack(0x40).await, (2, 0));
    device.ping().await;
}

#[tokio::test]
async fn a_device_that_does_not_read_is_cut_and_its_reading_side_is_bounded() {
    let house = House::open_with(|limits| {
        limits.write_timeout = Duration::from_millis(300);
        limits.publishes_per_minute = vigie_broker::Rate::per_minute(0);
    })
    .await;
    let mut device = Device::new(&house, Level::V311, "gl-1").await;
    // Pings without end, answers never read: the server stops reading, then gives up.
    let pings = [0xc0, 0].repeat(64 * 1024);
    let flood = async { while device.stream.write_all(&pings).await.is_ok() {} };
    timeout(Duration::from_secs(20), flood).await.unwrap();
    house.until("it is cut", |board| board.counters().cut == 1).await;
}
