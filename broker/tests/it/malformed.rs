//! What is not MQTT ends its own connection, and no other.

use std::time::Duration;

use tokio::net::TcpStream;

use crate::desk::House;
use crate::device::{Connect, Device, LEVELS, Level, packet, string};

async fn cut_by(house: &House, level: Level, bytes: &[u8], reason: u8) {
    let mut neighbour = Device::new(house, level, "gl-2").await;
    let mut device = Device::new(house, level, "gl-1").await;
    device.send(bytes).await;
    device.expect_cut(reason).await;
    neighbour.ping().await;
}

#[tokio::test]
async fn malformed_packets_are_cut_with_the_reason() {
    let house = House::open().await;
    for level in LEVELS {
        let empty_properties: &[u8] = if level == Level::V5 { &[0] } else { &[] };
        let publish = |topic: &[u8]| packet(0x30, &[&string(topic), empty_properties].concat());
        let cases: [(&str, Vec<u8>, u8); 14] = [
            ("a packet type of zero", vec![0x00, 0], 0x81),
            ("QoS 3", packet(0x36, &[0, 1, b'a', 0, 1]), 0x81),
            ("a SUBSCRIBE with the flags of something else", vec![0x80, 0], 0x81),
            ("a SUBSCRIBE of nothing", packet(0x82, &[0, 1]), if level == Level::V5 { 0x81 } else { 0x82 }),
            (
                "a packet id of zero",
                packet(0x32, &[&string("a")[..], &[0, 0], empty_properties].concat()),
                0x81,
            ),
            ("a topic longer than its packet", packet(0x30, &[0, 9, b'a']), 0x81),
            ("a length of five bytes", vec![0x30, 0xff, 0xff, 0xff, 0xff, 1], 0x81),
            ("a topic that is not UTF-8", publish(b"vigie/v1/gl-1/\xff\xfe"), 0x81),
            ("a topic with NUL", publish(b"vigie/v1/gl-1/\0"), 0x81),
            ("a topic with #", publish(b"vigie/v1/#"), 0x90),
            ("a topic with +", publish(b"vigie/v1/+/readings"), 0x90),
            ("a topic of nothing", publish(b""), 0x90),
            ("a second CONNECT", Connect::of(level, "gl-1").bytes(), 0x82),
            ("what only a server sends", vec![0xd0, 0], 0x82),
        ];
        for (what, bytes, reason) in cases {
            println!("{level:?}: {what}");
            cut_by(&house, level, &bytes, reason).await;
        }
    }
    assert!(house.desk.read(|book| book.begun.is_empty()));
}

#[tokio::test]
async fn a_topic_alias_of_0_or_above_the_maximum_is_cut() {
    let house = House::open().await;
    for alias in [0, 5, u16::MAX] {
        let [high, low] = alias.to_be_bytes();
        let body = [&string("vigie/v1/gl-1/readings")[..], &[3, 0x23, high, low]].concat();
        cut_by(&house, Level::V5, &packet(0x30, &body), 0x94).await;
    }
}

#[tokio::test]
async fn an_alias_that_stands_for_no_topic_is_cut() {
    let house = House::open().await;
    cut_by(&house, Level::V5, &packet(0x30, &[0, 0, 3, 0x23, 0, 1, b'x']), 0x82).await;
}

#[tokio::test]
async fn an_oversized_packet_is_cut_from_its_header_alone() {
    let house = House::open_with(|limits| limits.packet_bytes_max = 100_000).await;
    for level in LEVELS {
        // Remaining length 268,435,455: not one byte of the body is sent.
        cut_by(&house, level, &[0x30, 0xff, 0xff, 0xff, 0x7f], 0x95).await;
        // 100,001 bytes in all.
        cut_by(&house, level, &[0x30, 0x9d, 0x8d, 0x06], 0x95).await;
    }
}

#[tokio::test]
async fn the_reason_for_an_oversized_packet_arrives_though_its_body_is_being_sent() {
    let house = House::open_with(|limits| limits.packet_bytes_max = 100_000).await;
    let mut device = Device::new(&house, Level::V5, "gl-1").await;
    let topic = device.topic("readings");
    let bytes = device.publish_bytes(1, 1, topic.as_bytes(), &vec![b'x'; 1_000_000]);
    device.send(&bytes).await;
    device.expect_cut(0x95).await;
}

#[tokio::test]
async fn the_largest_packet_is_taken() {
    let house = House::open().await;
    for level in LEVELS {
        let mut device = Device::new(&house, level, "gl-1").await;
        device.publish(1, 1, &"x".repeat(2 * 1024 * 1024)).await;
        assert_eq!(device.expect_ack(0x40).await, (1, 0));
    }
    let largest = house.desk.read(|book| book.begun[0].payload.len());
    assert_eq!(largest, 2 * 1024 * 1024);
}

#[tokio::test]
async fn a_device_that_stops_in_the_middle_of_a_packet_is_cut_and_disturbs_nobody() {
    let house = House::open_with(|limits| limits.stall_timeout = Duration::from_millis(200)).await;
    for level in LEVELS {
        let mut neighbour = Device::new(&house, level, "gl-2").await;
        let mut device = Device::new(&house, level, "gl-1").await;
        let topic = device.topic("readings");
        let bytes = device.publish_bytes(1, 1, topic.as_bytes(), b"a reading that never ends");
        device.send(&bytes[..20]).await;
        neighbour.publish(1, 1, "meanwhile").await;
        assert_eq!(neighbour.expect_ack(0x40).await, (1, 0));
        device.expect_cut(0x8d).await;
    }
    assert_eq!(house.desk.read(|book| book.committed.clone()), ["meanwhile", "meanwhile"]);
}

#[tokio::test]
async fn before_the_log_in_there_is_no_answer_to_what_is_not_mqtt() {
    let house = House::open().await;
    let mut bad_flags = Connect::of(Level::V5, "gl-1").bytes();
    bad_flags[9] |= 1;
    for bytes in [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0xc0, 0],
        vec![0x10, 0xff, 0xff, 0x7f],
        vec![0x10, 2, 0, 4],
        bad_flags,
    ] {
        let mut device = Device {
            stream: TcpStream::connect(house.address).await.unwrap(),
            level: Level::V311,
            id: String::new(),
        };
        device.send(&bytes).await;
        assert_eq!(device.next().await, None, "{bytes:x?}");
    }
}

#[tokio::test]
async fn a_publish_cut_into_single_bytes_is_put_together() {
    let house = House::open().await;
    let mut device = Device::new(&house, Level::V5, "gl-1").await;
    let topic = device.topic("readings/json");
    for byte in device.publish_bytes(1, 3, topic.as_bytes(), b"byte by byte") {
        device.send(&[byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(device.expect_ack(0x40).await, (3, 0));
    assert_eq!(house.desk.read(|book| book.committed.clone()), ["byte by byte"]);
}
