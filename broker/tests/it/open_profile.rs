//! The open profile: an ordinary MQTT server over the connection code of devices.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use vigie_broker::{Limits, serve_open};

use crate::device::{Connect, Device, LEVELS, Level, Packet, packet, string};

/// The open profile on a free port, until it is dropped.
struct Open {
    address: SocketAddr,
    _shutdown: DropGuard,
}

impl Open {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        tokio::spawn(serve_open(listener, Limits::default(), shutdown.clone()));
        Self { address, _shutdown: shutdown.drop_guard() }
    }

    async fn guest(&self, level: Level, id: &str) -> Device {
        self.enter(&Connect::of(level, id)).await.0
    }

    /// The guest, and whether it found its session.
    async fn enter(&self, connect: &Connect) -> (Device, bool) {
        let (device, flags, code) = Device::attempt(self.address, connect).await;
        assert_eq!(code, 0, "refused");
        (device, flags == 1)
    }
}

fn keeping(level: Level, id: &str) -> Connect {
    let mut connect = Connect::of(level, id);
    connect.clean = false;
    if level == Level::V5 {
        connect.properties = vec![0x11, 0, 0, 0x0e, 0x10];
    }
    connect
}

/// Sends a message and takes its acknowledgements.
async fn say(guest: &mut Device, qos: u8, retain: bool, topic: &str, payload: &str) {
    let mut bytes = guest.publish_bytes(qos, 1, topic.as_bytes(), payload.as_bytes());
    bytes[0] |= u8::from(retain);
    guest.send(&bytes).await;
    match qos {
        0 => guest.ping().await,
        1 => assert_eq!(guest.expect_ack(0x40).await, (1, 0)),
        _ => {
            assert_eq!(guest.expect_ack(0x50).await, (1, 0));
            guest.send(&[0x62, 2, 0, 1]).await;
            assert_eq!(guest.expect_ack(0x70).await, (1, 0));
        }
    }
}

/// SUBSCRIBE of MQTT 5 with these properties and one filter with these options; returns its code.
async fn subscribe_v5(guest: &mut Device, properties: &[u8], filter: &str, options: u8) -> u8 {
    let mut body = vec![0, 9, u8::try_from(properties.len()).unwrap()];
    body.extend(properties);
    body.extend(string(filter));
    body.push(options);
    guest.send(&packet(0x82, &body)).await;
    *guest.expect(0x90).await.body.last().unwrap()
}

/// What follows the topic of a QoS 0 message: properties, then the payload.
fn after_topic(message: &Packet) -> &[u8] {
    &message.body[2 + usize::from(u16::from_be_bytes([message.body[0], message.body[1]]))..]
}

#[tokio::test]
async fn a_message_reaches_its_subscriber_at_the_lower_quality_of_the_two() {
    let open = Open::new().await;
    for level in LEVELS {
        let mut guest = open.guest(level, "reader").await;
        assert_eq!(guest.subscribe(1, &["a/+"]).await, [1]);
        let mut writer = open.guest(level, "writer").await;
        for (qos, heard) in [(0, 0), (1, 1), (2, 1)] {
            say(&mut writer, qos, false, "a/b", "x").await;
            let message = guest.expect(0x30 | (heard << 1)).await;
            if heard == 1 {
                let id = u16::from_be_bytes([message.body[5], message.body[6]]);
                guest.puback(id).await;
            }
        }
    }
}

#[tokio::test]
async fn at_quality_2_the_exchange_goes_on_after_a_return_where_it_stood() {
    let open = Open::new().await;
    for level in LEVELS {
        let (mut guest, _) = open.enter(&keeping(level, "reader")).await;
        assert_eq!(guest.subscribe(2, &["exactly"]).await, [2]);
        let mut writer = open.guest(level, "writer").await;
        say(&mut writer, 2, false, "exactly", "once").await;
        guest.expect(0x34).await;
        // Back before PUBREC: the PUBLISH again, as a duplicate. Back after it: the PUBREL again.
        let (mut guest, present) = open.enter(&keeping(level, "reader")).await;
        assert!(present);
        let again = guest.expect(0x3c).await;
        assert!(again.body.ends_with(b"once"));
        let id = u16::from_be_bytes([again.body[9], again.body[10]]);
        let [high, low] = id.to_be_bytes();
        guest.send(&[0x50, 2, high, low]).await;
        assert_eq!(guest.expect_ack(0x62).await, (id, 0));
        let (mut guest, _) = open.enter(&keeping(level, "reader")).await;
        assert_eq!(guest.expect_ack(0x62).await, (id, 0));
        guest.send(&[0x70, 2, high, low]).await;
        guest.ping().await;
        let (mut guest, _) = open.enter(&keeping(level, "reader")).await;
        guest.ping().await;
    }
}

#[tokio::test]
async fn what_is_retained_is_told_to_later_subscribers_until_an_empty_message_takes_it_away() {
    let open = Open::new().await;
    for level in LEVELS {
        let mut writer = open.guest(level, "writer").await;
        say(&mut writer, 1, true, "state/a", "old").await;
        say(&mut writer, 1, true, "state/a", "new").await;
        let mut guest = open.guest(level, "reader").await;
        guest.subscribe(0, &["state/#"]).await;
        let told = guest.expect(0x31).await;
        assert!(told.body.ends_with(b"new"));
        say(&mut writer, 1, true, "state/a", "").await;
        guest.expect(0x30).await;
        let mut late = open.guest(level, "late").await;
        late.subscribe(0, &["state/#"]).await;
        late.ping().await;
    }
}

#[tokio::test]
async fn an_absent_guest_gets_what_was_published_meanwhile_but_not_at_quality_0() {
    let open = Open::new().await;
    for level in LEVELS {
        let (mut guest, _) = open.enter(&keeping(level, "reader")).await;
        guest.subscribe(1, &["news"]).await;
        guest.send(&[0xe0, 0]).await;
        assert_eq!(guest.next().await, None);
        let mut writer = open.guest(level, "writer").await;
        say(&mut writer, 0, false, "news", "missed").await;
        say(&mut writer, 1, false, "news", "kept").await;
        let (mut guest, present) = open.enter(&keeping(level, "reader")).await;
        assert!(present);
        let (_, payload, id) = guest.expect_message().await;
        assert_eq!(payload, "kept");
        guest.puback(id).await;
        // A clean start ends the session and its subscriptions.
        let mut guest = open.guest(level, "reader").await;
        say(&mut writer, 1, false, "news", "to nobody").await;
        guest.ping().await;
    }
}

#[tokio::test]
async fn overlapping_subscriptions_give_one_message_with_all_identifiers() {
    let open = Open::new().await;
    let mut guest = open.guest(Level::V5, "reader").await;
    assert_eq!(subscribe_v5(&mut guest, &[0x0b, 3], "a/#", 0).await, 0);
    assert_eq!(subscribe_v5(&mut guest, &[0x0b, 7], "a/+", 0).await, 0);
    let mut writer = open.guest(Level::V5, "writer").await;
    say(&mut writer, 1, false, "a/b", "x").await;
    assert_eq!(after_topic(&guest.expect(0x30).await), [4, 0x0b, 3, 0x0b, 7, b'x']);
    guest.ping().await;
}

#[tokio::test]
async fn what_the_publisher_says_about_a_message_is_passed_on_in_its_order() {
    let open = Open::new().await;
    let mut guest = open.guest(Level::V5, "reader").await;
    guest.subscribe(0, &["a"]).await;
    let properties = [
        &[0x01, 1, 0x26, 0, 1, b'k', 0, 1, b'1', 0x26, 0, 1, b'k', 0, 1, b'2'][..],
        &[0x03, 0, 1, b't', 0x08, 0, 1, b'r', 0x09, 0, 1, 0xff],
    ]
    .concat();
    let length = u8::try_from(properties.len()).unwrap();
    guest.send(&packet(0x30, &[&[0, 1, b'a', length], &properties[..], b"x"].concat())).await;
    assert_eq!(after_topic(&guest.expect(0x30).await), [&[length], &properties[..], b"x"].concat());
}

#[tokio::test]
async fn a_guest_that_allows_aliases_gets_them_and_its_own_are_understood() {
    let open = Open::new().await;
    let mut connect = Connect::of(Level::V5, "reader");
    connect.properties = vec![0x22, 0, 1];
    let (mut guest, _) = open.enter(&connect).await;
    guest.subscribe(0, &["a", "b"]).await;
    // Introduced by the guest, then used alone; and the same in the other direction.
    guest.send(&packet(0x30, &[0, 1, b'a', 3, 0x23, 0, 5, b'1'])).await;
    guest.send(&packet(0x30, &[0, 0, 3, 0x23, 0, 5, b'2'])).await;
    assert_eq!(guest.expect(0x30).await.body, [0, 1, b'a', 3, 0x23, 0, 1, b'1']);
    assert_eq!(guest.expect(0x30).await.body, [0, 0, 3, 0x23, 0, 1, b'2']);
    // It allowed one alias: the next topic has none.
    guest.send(&packet(0x30, &[0, 1, b'b', 0, b'3'])).await;
    assert_eq!(guest.expect(0x30).await.body, [0, 1, b'b', 0, b'3']);
    guest.send(&packet(0x30, &[0, 1, b'a', 3, 0x23, 0, 17, b'x'])).await;
    guest.expect_cut(0x94).await;
}

#[tokio::test]
async fn a_group_shares_its_messages_evenly() {
    let open = Open::new().await;
    let mut members = Vec::new();
    for id in ["one", "two"] {
        let mut guest = open.guest(Level::V5, id).await;
        assert_eq!(subscribe_v5(&mut guest, &[], "$share/g/work", 0).await, 0);
        members.push(guest);
    }
    let mut writer = open.guest(Level::V5, "writer").await;
    for payload in ["1", "2", "3", "4"] {
        say(&mut writer, 1, false, "work", payload).await;
    }
    for guest in &mut members {
        for _ in 0..2 {
            guest.expect(0x30).await;
        }
        guest.ping().await;
    }
}

#[tokio::test]
async fn subscription_options_are_kept_to() {
    let open = Open::new().await;
    let mut guest = open.guest(Level::V5, "reader").await;
    // No local.
    subscribe_v5(&mut guest, &[], "own", 0x04).await;
    say(&mut guest, 1, false, "own", "not back to me").await;
    // Retain as published, and not; retained messages at the first subscription only, and never.
    let mut writer = open.guest(Level::V5, "writer").await;
    subscribe_v5(&mut guest, &[], "as/published", 0x08).await;
    subscribe_v5(&mut guest, &[], "as/news", 0).await;
    say(&mut writer, 1, true, "as/published", "x").await;
    guest.expect(0x31).await;
    say(&mut writer, 1, true, "as/news", "x").await;
    guest.expect(0x30).await;
    subscribe_v5(&mut guest, &[], "as/published", 0x18).await;
    subscribe_v5(&mut guest, &[], "as/+", 0x20).await;
    guest.ping().await;
    // No local has no meaning for a group.
    guest.send(&packet(0x82, &[&[0, 9, 0][..], &string("$share/g/a"), &[0x04]].concat())).await;
    guest.expect_cut(0x82).await;
}

#[tokio::test]
async fn one_filter_is_not_for_subscribers_and_dollar_topics_not_for_wildcards() {
    let open = Open::new().await;
    for level in LEVELS {
        let mut guest = open.guest(level, "reader").await;
        assert_eq!(guest.subscribe(2, &["test/nosubscribe", "#", "+/a"]).await, [0x80, 2, 2]);
        say(&mut guest, 1, false, "$hidden/a", "x").await;
        guest.ping().await;
    }
}

#[tokio::test]
async fn a_message_larger_than_the_guest_accepts_is_left_out_and_the_next_comes() {
    let open = Open::new().await;
    let mut connect = Connect::of(Level::V5, "reader");
    connect.properties = vec![0x27, 0, 0, 0, 20];
    let (mut guest, _) = open.enter(&connect).await;
    guest.subscribe(1, &["a"]).await;
    let mut writer = open.guest(Level::V5, "writer").await;
    say(&mut writer, 1, false, "a", "larger than twenty bytes").await;
    say(&mut writer, 1, false, "a", "small").await;
    assert_eq!(guest.expect_message().await.1, "small");
}

#[tokio::test]
async fn the_receive_maximum_of_the_guest_is_kept_to_and_ours_is_enforced() {
    let open = Open::new().await;
    let mut connect = Connect::of(Level::V5, "reader");
    connect.properties = vec![0x21, 0, 2];
    let (mut guest, _) = open.enter(&connect).await;
    guest.subscribe(1, &["a"]).await;
    let mut writer = open.guest(Level::V5, "writer").await;
    for _ in 0..3 {
        say(&mut writer, 1, false, "a", "x").await;
    }
    let (_, _, first) = guest.expect_message().await;
    guest.expect_message().await;
    guest.expect_silence().await;
    guest.puback(first).await;
    guest.expect_message().await;
    // More exchanges of QoS 2 begun than the 64 that were announced.
    for id in 1..=65 {
        let bytes = writer.publish_bytes(2, id, b"b", b"x");
        writer.send(&bytes).await;
    }
    let end = loop {
        let packet = writer.next().await.unwrap();
        if packet.first != 0x50 {
            break packet;
        }
    };
    assert_eq!((end.first, end.body.first()), (0xe0, Some(&0x93)));
}

#[tokio::test]
async fn a_message_that_expired_while_the_guest_was_away_is_not_delivered() {
    let open = Open::new().await;
    let (mut guest, _) = open.enter(&keeping(Level::V5, "reader")).await;
    guest.subscribe(1, &["a"]).await;
    guest.send(&[0xe0, 0]).await;
    assert_eq!(guest.next().await, None);
    let mut writer = open.guest(Level::V5, "writer").await;
    for (seconds, payload) in [(0, b'n'), (100, b'y')] {
        let body = [0, 1, b'a', 0, 1, 5, 0x02, 0, 0, 0, seconds, payload];
        writer.send(&packet(0x32, &body)).await;
        assert_eq!(writer.expect_ack(0x40).await, (1, 0));
    }
    let (mut guest, _) = open.enter(&keeping(Level::V5, "reader")).await;
    let message = guest.expect(0x32).await;
    assert_eq!(message.body.last(), Some(&b'y'));
    let left = message.body[message.body.len() - 2];
    assert!((90..=100).contains(&left), "{left} seconds are left");
}

#[tokio::test]
async fn a_will_waits_for_its_delay_and_a_return_takes_it_away() {
    let open = Open::new().await;
    let mut watcher = open.guest(Level::V5, "watcher").await;
    watcher.subscribe(0, &["will"]).await;
    // Session expiry 3600 s; will delay 1 s.
    let connect = will_connect("gone", &[0x18, 0, 0, 0, 1]);
    let leave = async || {
        let mut stream = tokio::net::TcpStream::connect(open.address).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, &connect).await.unwrap();
        let mut connack = [0; 4];
        tokio::io::AsyncReadExt::read_exact(&mut stream, &mut connack).await.unwrap();
        assert_eq!((connack[0], connack[3]), (0x20, 0));
    };
    leave().await;
    let (mut back, present) = open.enter(&keeping(Level::V5, "gone")).await;
    assert!(present);
    watcher.expect_silence_for(Duration::from_millis(1_500)).await;
    back.send(&[0xe0, 0]).await;
    assert_eq!(back.next().await, None);
    let begin = Instant::now();
    leave().await;
    assert!(watcher.expect(0x30).await.body.ends_with(b"farewell"));
    assert!(begin.elapsed() >= Duration::from_millis(900), "{:?}", begin.elapsed());
}

/// A CONNECT of MQTT 5 that keeps its session for an hour, with a will on `will` that has these properties.
fn will_connect(id: &str, will_properties: &[u8]) -> Vec<u8> {
    let mut body = string("MQTT");
    body.extend([5, 0x04, 0, 0, 5, 0x11, 0, 0, 0x0e, 0x10]);
    body.extend(string(id));
    body.push(u8::try_from(will_properties.len()).unwrap());
    body.extend(will_properties);
    body.extend(string("will"));
    body.extend(string("farewell"));
    packet(0x10, &body)
}

#[tokio::test]
async fn a_guest_without_an_id_is_given_one_and_a_long_keep_alive_becomes_a_minute() {
    let open = Open::new().await;
    let mut connect = Connect::of(Level::V5, "");
    connect.keep_alive = 120;
    let mut stream = tokio::net::TcpStream::connect(open.address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, &connect.bytes()).await.unwrap();
    let mut connack = [0; 64];
    let length = tokio::io::AsyncReadExt::read(&mut stream, &mut connack).await.unwrap();
    let connack = &connack[..length];
    let has = |bytes: &[u8]| connack.windows(bytes.len()).any(|window| window == bytes);
    assert!(has(&[0x13, 0, 60]), "no server keep alive of 60 s: {connack:x?}");
    assert!(has(b"vigie-guest-"), "no assigned client id: {connack:x?}");
    let mut keeps = Connect::of(Level::V311, "");
    keeps.clean = false;
    assert_eq!(Device::attempt(open.address, &keeps).await.2, 2);
}
