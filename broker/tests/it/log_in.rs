//! Who gets in, and what the others are told.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::desk::{House, PATIENCE};
use crate::device::{Connect, Device, LEVELS, Level, string};

async fn refusal(house: &House, connect: &Connect) -> u8 {
    let (mut device, _, code) = Device::attempt(house.address, connect).await;
    assert_eq!(device.next().await, None, "a refused connection must end");
    code
}

#[tokio::test]
async fn a_wrong_secret_and_a_revoked_device_are_told_the_same() {
    let house = House::open().await;
    for (level, code) in [(Level::V311, 4), (Level::V5, 0x86)] {
        let mut wrong = Connect::of(level, "gl-1");
        wrong.password = Some("wrong".to_owned());
        assert_eq!(refusal(&house, &wrong).await, code);
        assert_eq!(refusal(&house, &Connect::of(level, "revoked")).await, code);
        let mut nameless = Connect::of(level, "gl-1");
        (nameless.user_name, nameless.password) = (None, None);
        assert_eq!(refusal(&house, &nameless).await, code);
    }
    assert_eq!(house.switchboard.counters().admitted, 0);
}

#[tokio::test]
async fn a_client_id_that_is_not_the_user_name_is_rejected() {
    let house = House::open().await;
    for (level, code) in [(Level::V311, 2), (Level::V5, 0x85)] {
        let mut connect = Connect::of(level, "gl-1");
        connect.client_id = "mosq-Xy12".to_owned();
        assert_eq!(refusal(&house, &connect).await, code);
    }
}

#[tokio::test]
async fn an_empty_client_id_becomes_the_user_name_and_mqtt_5_is_told_so() {
    let house = House::open().await;
    let mut connect = Connect::of(Level::V5, "gl-1");
    connect.client_id.clear();
    let mut device = Device {
        stream: TcpStream::connect(house.address).await.unwrap(),
        level: Level::V5,
        id: "gl-1".to_owned(),
    };
    device.send(&connect.bytes()).await;
    let connack = device.expect(0x20).await;
    let assigned = [vec![0x12], string("gl-1")].concat();
    assert!(connack.body.windows(assigned.len()).any(|part| part == assigned));

    connect.level = Level::V311;
    let (_, _, code) = Device::attempt(house.address, &connect).await;
    assert_eq!(code, 0);
    connect.clean = false;
    assert_eq!(refusal(&house, &connect).await, 2);
}

#[tokio::test]
async fn mqtt_5_is_told_how_many_publishes_and_how_large_ones_it_may_send() {
    let house = House::open().await;
    let mut device = Device {
        stream: TcpStream::connect(house.address).await.unwrap(),
        level: Level::V5,
        id: "gl-1".to_owned(),
    };
    device.send(&Connect::of(Level::V5, "gl-1").bytes()).await;
    let connack = device.expect(0x20).await;
    let receive_maximum = [0x21, 0, 64];
    let packet_bytes_max = [0x27, 0, 0x40, 0, 0];
    assert!(connack.body.windows(3).any(|part| part == receive_maximum));
    assert!(connack.body.windows(5).any(|part| part == packet_bytes_max));
}

#[tokio::test]
async fn while_the_directory_is_away_devices_are_told_to_come_back() {
    let house = House::open().await;
    house.desk.set_directory_away();
    for (level, code) in [(Level::V311, 3), (Level::V5, 0x88)] {
        assert_eq!(refusal(&house, &Connect::of(level, "gl-1")).await, code);
    }
}

#[tokio::test]
async fn a_panic_of_the_directory_is_no_verdict_on_the_device() {
    let house = House::open().await;
    assert_eq!(refusal(&house, &Connect::of(Level::V5, "panicking")).await, 0x88);
    Device::new(&house, Level::V5, "gl-1").await.ping().await;
}

#[tokio::test]
async fn a_will_outside_the_own_status_is_not_authorised() {
    let house = House::open().await;
    for (level, code) in [(Level::V311, 5), (Level::V5, 0x87)] {
        let mut connect = Connect::of(level, "gl-1");
        connect.will = Some(("vigie/v1/gl-2/status".to_owned(), "gone".to_owned()));
        assert_eq!(refusal(&house, &connect).await, code);
    }
}

#[tokio::test]
async fn another_protocol_level_is_told_so() {
    let house = House::open().await;
    for level_byte in [3, 6] {
        let mut bytes = Connect::of(Level::V311, "gl-1").bytes();
        bytes[8] = level_byte;
        let mut device = Device {
            stream: TcpStream::connect(house.address).await.unwrap(),
            level: Level::V311,
            id: String::new(),
        };
        device.send(&bytes).await;
        assert_eq!(device.expect(0x20).await.body, [0, 1]);
        assert_eq!(device.next().await, None);
    }
}

#[tokio::test]
async fn enhanced_authentication_is_refused_by_name() {
    let house = House::open().await;
    let mut connect = Connect::of(Level::V5, "gl-1");
    connect.properties = [vec![0x15], string("SCRAM-SHA-1")].concat();
    assert_eq!(refusal(&house, &connect).await, 0x8c);
}

#[tokio::test]
async fn a_peer_that_says_nothing_is_closed_and_others_are_served_meanwhile() {
    let house = House::open_with(|limits| limits.connect_timeout = Duration::from_millis(300)).await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(house.address).await.unwrap());
    }
    Device::new(&house, Level::V311, "gl-1").await.ping().await;
    for mut peer in silent {
        let read = tokio::time::timeout(PATIENCE, peer.read_u8()).await.unwrap();
        assert!(read.is_err());
    }
}

#[tokio::test]
async fn what_is_sent_behind_the_connect_without_waiting_is_taken() {
    let house = House::open().await;
    for level in LEVELS {
        let mut device =
            Device { stream: TcpStream::connect(house.address).await.unwrap(), level, id: "gl-1".to_owned() };
        let topic = device.topic("readings/json");
        let publish = device.publish_bytes(1, 5, topic.as_bytes(), b"early");
        device.send(&[Connect::of(level, "gl-1").bytes(), publish].concat()).await;
        device.expect(0x20).await;
        assert_eq!(device.expect_ack(0x40).await, (5, 0));
    }
}

#[tokio::test]
async fn over_the_limit_of_connections_the_next_one_waits_for_a_place() {
    let house = House::open_with(|limits| limits.connections_max = 1).await;
    let mut first = Device::new(&house, Level::V5, "gl-1").await;
    let mut second = Device {
        stream: TcpStream::connect(house.address).await.unwrap(),
        level: Level::V5,
        id: "gl-2".to_owned(),
    };
    second.send(&Connect::of(Level::V5, "gl-2").bytes()).await;
    second.expect_silence().await;
    first.send(&[0xe0, 0]).await;
    assert_eq!(first.next().await, None);
    drop(first);
    second.expect(0x20).await;
}
