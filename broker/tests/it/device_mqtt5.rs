//! What MQTT 5 and retained messages give a device, within its own topics.

use std::time::Duration;

use tokio::time::Instant;

use crate::desk::{Book, House};
use crate::device::{Connect, Device, LEVELS, Level, packet, string};

const STATUS: &str = "vigie/v1/gl-1/status";

#[tokio::test]
async fn the_retained_status_is_told_once_for_each_subscription_to_it() {
    let house = House::open().await;
    house.desk.retain_status("gl-1", "online");
    for level in LEVELS {
        let mut device = Device::new(&house, level, "gl-1").await;
        for _ in 0..2 {
            assert_eq!(device.subscribe(1, &[STATUS]).await, [1]);
            let message = device.expect(0x33).await;
            assert!(message.body.ends_with(b"online"));
            let at = 2 + STATUS.len();
            device.puback(u16::from_be_bytes([message.body[at], message.body[at + 1]])).await;
            device.ping().await;
            device.expect_silence().await;
        }
    }
}

#[tokio::test]
async fn a_subscription_that_wants_nothing_retained_gets_nothing() {
    let house = House::open().await;
    house.desk.retain_status("gl-1", "online");
    let mut device = Device::new(&house, Level::V5, "gl-1").await;
    device.send(&packet(0x82, &[&[0, 9, 0][..], &string(STATUS), &[0x21]].concat())).await;
    device.expect(0x90).await;
    device.ping().await;
    device.expect_silence().await;
}

#[tokio::test]
async fn an_alias_is_the_topic_that_it_stands_for_before_any_rule_is_asked() {
    let house = House::open().await;
    let mut device = Device::new(&house, Level::V5, "gl-1").await;
    for (alias, topic) in [(1, "vigie/v1/gl-1/readings/json"), (2, "vigie/v1/gl-2/readings/json")] {
        for name in [topic, ""] {
            let body = [&string(name)[..], &[0, 7, 3, 0x23, 0, alias], b"{}"].concat();
            device.send(&packet(0x32, &body)).await;
            let refused = if alias == 1 { 0 } else { 0x87 };
            assert_eq!(device.expect_ack(0x40).await, (7, refused), "{alias} {name}");
        }
    }
    let topics: Vec<(String, bool)> = house.desk.read(|book| {
        book.begun.iter().map(|inbound| (inbound.topic.clone(), inbound.channel.is_some())).collect()
    });
    let (own, foreign) = ("vigie/v1/gl-1/readings/json".to_owned(), "vigie/v1/gl-2/readings/json".to_owned());
    assert_eq!(topics, [(own.clone(), true), (own, true), (foreign.clone(), false), (foreign, false)]);
}

#[tokio::test]
async fn aliases_do_not_outlive_their_connection() {
    let house = House::open().await;
    let mut device = Device::new(&house, Level::V5, "gl-1").await;
    device.send(&packet(0x30, &[&string(STATUS)[..], &[3, 0x23, 0, 1], b"online"].concat())).await;
    device.ping().await;
    let mut device = Device::new(&house, Level::V5, "gl-1").await;
    device.send(&packet(0x30, &[0, 0, 3, 0x23, 0, 1, b'x'])).await;
    device.expect_cut(0x82).await;
}

/// A CONNECT that keeps its session for an hour, with a status as will that waits for a second.
fn with_delayed_will() -> Vec<u8> {
    let mut body = string("MQTT");
    body.extend([5, 0xc4, 0, 0, 5, 0x11, 0, 0, 0x0e, 0x10]);
    body.extend(string("gl-1"));
    body.extend([5, 0x18, 0, 0, 0, 1]);
    for text in [STATUS, "offline", "gl-1", crate::desk::SECRET] {
        body.extend(string(text));
    }
    packet(0x10, &body)
}

async fn come_and_vanish(house: &House) {
    let mut stream = tokio::net::TcpStream::connect(house.address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, &with_delayed_will()).await.unwrap();
    let mut connack = [0; 4];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut connack).await.unwrap();
    assert_eq!((connack[0], connack[3]), (0x20, 0));
}

#[tokio::test]
async fn a_will_with_a_delay_is_taken_after_it() {
    let house = House::open().await;
    let begin = Instant::now();
    come_and_vanish(&house).await;
    house.desk.until("the will is taken", |book| book.committed == ["offline"]).await;
    assert!(begin.elapsed() >= Duration::from_millis(900), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_return_before_the_delay_is_over_takes_the_will_away() {
    let house = House::open().await;
    come_and_vanish(&house).await;
    let mut connect = Connect::of(Level::V5, "gl-1");
    connect.clean = false;
    let mut device = Device::log_in(&house, &connect).await;
    device.expect_silence_for(Duration::from_millis(1_500)).await;
    assert!(house.desk.read(|book: &Book| book.begun.is_empty()));
}

#[tokio::test]
async fn the_end_of_the_session_is_the_end_of_the_delay() {
    let house = House::open().await;
    come_and_vanish(&house).await;
    let begin = Instant::now();
    // A clean start.
    let _device = Device::new(&house, Level::V5, "gl-1").await;
    house.desk.until("the will is taken", |book| book.committed == ["offline"]).await;
    assert!(begin.elapsed() < Duration::from_millis(800), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn acknowledgements_of_quality_2_are_not_for_devices() {
    let house = House::open().await;
    for level in LEVELS {
        for first in [0x50, 0x70] {
            let mut device = Device::new(&house, level, "gl-1").await;
            device.send(&[first, 2, 0, 1]).await;
            device.expect_cut(0x82).await;
        }
    }
}
