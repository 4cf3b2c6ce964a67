//! One connection per device, and what outlives it.

use vigie_broker::Pushed;
use vigie_wire::Channel;

use crate::desk::{House, device as id, outbound};
use crate::device::{Connect, Device, LEVELS, Level};

const COMMANDS: &str = "vigie/v1/gl-1/commands";

fn keeping(level: Level) -> Connect {
    let mut connect = Connect::of(level, "gl-1");
    connect.clean = false;
    if level == Level::V5 {
        connect.properties = vec![0x11, 0, 0, 0x0e, 0x10];
    }
    connect
}

#[tokio::test]
async fn the_second_log_in_takes_over_from_the_first() {
    let house = House::open().await;
    for level in LEVELS {
        let mut first = Device::new(&house, level, "gl-1").await;
        let payload = format!("hold {level:?}");
        first.publish(1, 1, &payload).await;
        first.ping().await;
        let mut second = Device::new(&house, level, "gl-1").await;
        first.expect_cut(0x8e).await;
        // What the first had in hand still commits; nobody is acknowledged for it.
        house.desk.release(&payload);
        let committed = |book: &crate::desk::Book| book.committed.contains(&payload);
        house.desk.until("it is committed", committed).await;
        second.publish(1, 1, "again").await;
        assert_eq!(second.expect_ack(0x40).await, (1, 0));
        second.ping().await;
    }
}

#[tokio::test]
async fn a_stranger_with_a_wrong_secret_takes_nothing_over() {
    let house = House::open().await;
    let mut device = Device::new(&house, Level::V5, "gl-1").await;
    let mut stranger = Connect::of(Level::V5, "gl-1");
    stranger.password = Some("wrong".to_owned());
    let (_, _, code) = Device::attempt(house.address, &stranger).await;
    assert_eq!(code, 0x86);
    device.ping().await;
}

#[tokio::test]
async fn takeovers_in_a_row_leave_one_connection() {
    let house = House::open().await;
    let mut arrivals = Vec::new();
    for _ in 0..20 {
        let address = house.address;
        arrivals.push(tokio::spawn(async move {
            Device::attempt(address, &Connect::of(Level::V5, "gl-1")).await.0
        }));
    }
    let mut devices = Vec::new();
    for arrival in arrivals {
        devices.push(arrival.await.unwrap());
    }
    house.until("one is left", |board| board.counters().connections == 1).await;
    let mut living = 0;
    for device in &mut devices {
        device.send(&[0xc0, 0]).await;
        living += usize::from(device.next().await.is_some_and(|packet| packet.first == 0xd0));
    }
    assert_eq!(living, 1);
}

#[tokio::test]
async fn subscriptions_survive_a_reconnect_and_the_outbox_comes_with_them() {
    let house = House::open().await;
    for (row, level) in (1..).zip(LEVELS) {
        let (mut device, flags, _) = Device::attempt(house.address, &keeping(level)).await;
        assert_eq!(flags, 0, "there cannot be a session yet");
        device.subscribe(1, &[COMMANDS]).await;
        drop(device);
        house.until("it is gone", |board| !board.is_connected(&id("gl-1"))).await;
        house.desk.put_in_outbox("gl-1", row, Channel::Commands, "while you were away");
        let (mut device, flags, _) = Device::attempt(house.address, &keeping(level)).await;
        assert_eq!(flags, 1);
        let (_, payload, packet_id) = device.expect_message().await;
        assert_eq!(payload, "while you were away");
        device.puback(packet_id).await;
        let delivered = |book: &crate::desk::Book| book.delivered.contains(&row);
        house.desk.until("it is delivered", delivered).await;
        // A clean start forgets.
        let (mut device, flags, _) = Device::attempt(house.address, &Connect::of(level, "gl-1")).await;
        assert_eq!(flags, 0);
        house.switchboard.push(&id("gl-1"), outbound(None, Channel::Commands, "nobody listens"));
        device.ping().await;
    }
}

#[tokio::test]
async fn an_unacknowledged_message_comes_again_with_its_packet_id() {
    let house = House::open().await;
    let (mut device, _, _) = Device::attempt(house.address, &keeping(Level::V311)).await;
    device.subscribe(1, &[COMMANDS]).await;
    let command = outbound(None, Channel::Commands, "repeat the measure");
    assert_eq!(house.switchboard.push(&id("gl-1"), command), Pushed::Queued);
    let (_, _, first_id) = device.expect_message().await;
    drop(device);
    house.until("it is gone", |board| !board.is_connected(&id("gl-1"))).await;
    let (mut device, flags, _) = Device::attempt(house.address, &keeping(Level::V311)).await;
    assert_eq!(flags, 1);
    let again = device.next().await.unwrap();
    assert_eq!(again.first, 0x3a, "QoS 1 with the duplicate flag");
    assert!(again.body.windows(2).any(|part| part == first_id.to_be_bytes()));
}

/// A device that comes back must not set its clock by the time of an earlier day, nor show a message that was meant for
/// who held it then: the session that would have to repeat them has ended, and the outbox hands out what holds now.
#[tokio::test]
async fn an_unacknowledged_command_ends_the_session_and_is_handed_out_anew() {
    for (level, row) in LEVELS.into_iter().zip(1..) {
        let house = House::open().await;
        house.desk.put_in_outbox("gl-1", row, Channel::Commands, "it is ten to nine");
        let (mut device, _, _) = Device::attempt(house.address, &keeping(level)).await;
        device.subscribe(1, &[COMMANDS]).await;
        assert_eq!(device.expect_message().await.1, "it is ten to nine");
        drop(device);
        house.until("it is gone", |board| !board.is_connected(&id("gl-1"))).await;
        house.desk.replace_in_outbox("gl-1", row, "it is half past ten");
        let (mut device, session_present, _) = Device::attempt(house.address, &keeping(level)).await;
        assert_eq!(session_present, 0, "{level:?}");
        // Nothing comes before the device subscribes: it would have no subscription to come by.
        device.ping().await;
        device.subscribe(1, &[COMMANDS]).await;
        let packet = device.next().await.unwrap();
        assert_eq!(packet.first, 0x32, "QoS 1, and no duplicate");
        assert!(String::from_utf8_lossy(&packet.body).ends_with("it is half past ten"));
    }
}

/// The same when the device logs in again while we still think that it is there.
#[tokio::test]
async fn a_takeover_hands_out_an_unacknowledged_command_anew() {
    let house = House::open().await;
    house.desk.put_in_outbox("gl-1", 1, Channel::Commands, "it is ten to nine");
    let (mut first, _, _) = Device::attempt(house.address, &keeping(Level::V5)).await;
    first.subscribe(1, &[COMMANDS]).await;
    first.expect_message().await;
    house.desk.replace_in_outbox("gl-1", 1, "it is half past ten");
    let (mut second, session_present, _) = Device::attempt(house.address, &keeping(Level::V5)).await;
    assert_eq!(session_present, 0);
    second.subscribe(1, &[COMMANDS]).await;
    assert_eq!(second.expect_message().await.1, "it is half past ten");
}

#[tokio::test]
async fn an_acknowledged_command_leaves_the_session_as_it_is() {
    let house = House::open().await;
    house.desk.put_in_outbox("gl-1", 1, Channel::Commands, "measure again");
    let (mut device, _, _) = Device::attempt(house.address, &keeping(Level::V311)).await;
    device.subscribe(1, &[COMMANDS]).await;
    let (_, _, packet_id) = device.expect_message().await;
    device.puback(packet_id).await;
    house.desk.until("it is delivered", |book| book.delivered == [1]).await;
    drop(device);
    house.until("it is gone", |board| !board.is_connected(&id("gl-1"))).await;
    let (_, session_present, _) = Device::attempt(house.address, &keeping(Level::V311)).await;
    assert_eq!(session_present, 1);
}

#[tokio::test]
async fn kept_sessions_are_bounded_and_the_longest_absent_goes_first() {
    let house = House::open_with(|limits| limits.sessions_kept = 2).await;
    for name in ["d-1", "d-2", "d-3"] {
        let mut connect = Connect::of(Level::V311, name);
        connect.clean = false;
        drop(Device::log_in(&house, &connect).await);
        house.until("it is gone", |board| !board.is_connected(&id(name))).await;
    }
    assert_eq!(house.switchboard.counters().sessions_kept, 2);
    for (name, present) in [("d-3", 1), ("d-2", 1), ("d-1", 0)] {
        let mut connect = Connect::of(Level::V311, name);
        connect.clean = false;
        assert_eq!(Device::attempt(house.address, &connect).await.1, present, "{name}");
    }
}

#[tokio::test]
async fn a_session_expires_when_the_device_says_so_in_its_goodbye() {
    let house = House::open().await;
    let (mut device, _, _) = Device::attempt(house.address, &keeping(Level::V5)).await;
    device.subscribe(1, &[COMMANDS]).await;
    device.send(&[0xe0, 7, 0, 5, 0x11, 0, 0, 0, 0]).await;
    assert_eq!(device.next().await, None);
    let (_, flags, _) = Device::attempt(house.address, &keeping(Level::V5)).await;
    assert_eq!(flags, 0);
}

#[tokio::test]
async fn a_revoked_device_is_cut_and_its_session_forgotten() {
    let house = House::open().await;
    for level in LEVELS {
        let (mut device, _, _) = Device::attempt(house.address, &keeping(level)).await;
        assert!(house.switchboard.cut(&id("gl-1")));
        device.expect_cut(0x98).await;
        assert!(!house.switchboard.cut(&id("gl-1")));
        let (_, flags, _) = Device::attempt(house.address, &keeping(level)).await;
        assert_eq!(flags, 0);
        house.switchboard.cut(&id("gl-1"));
        house.until("it is gone", |board| !board.is_connected(&id("gl-1"))).await;
    }
}
