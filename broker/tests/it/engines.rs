//! Integration engines at the listener: they read what their territory may see, and disturb no device.

use std::time::{Duration, Instant};

use crate::device::{Connect, Device, LEVELS, Level, packet};
use crate::hub::{HubHouse, until};

const ALL_READINGS: &str = "vigie/v1/+/readings/json";

#[tokio::test]
async fn an_engine_reads_the_devices_of_its_territory_and_it_is_in_the_trail() {
    for level in LEVELS {
        let house = HubHouse::open(|_, _| {}).await;
        let mut engine = house.engine(level, "north-engine", "reader_1").await;
        assert_eq!(engine.subscribe(1, &[ALL_READINGS]).await, [1]);
        house.until_heard(&mut engine, "north-9").await;
        let mut north = house.device(level, "north-1").await;
        let mut south = house.device(level, "south-1").await;
        for n in 1..=20u16 {
            south.publish(1, n, "of the south").await;
            south.expect_ack(0x40).await;
            north.publish(1, n, &format!("reading {n}")).await;
            assert_eq!(north.expect_ack(0x40).await, (n, 0));
            let (topic, payload, packet_id) = engine.expect_message().await;
            assert_eq!((topic.as_str(), payload), ("vigie/v1/north-1/readings/json", format!("reading {n}")));
            engine.puback(packet_id).await;
        }
        let trail = house.hub.trail();
        assert_eq!(
            trail,
            ["north-engine reader_1 logs in", "north-engine reader_1 reads vigie/v1/+/readings/json"]
        );
    }
}

#[tokio::test]
async fn no_filter_shows_an_engine_another_territory() {
    let house = HubHouse::open(|limits, _| limits.subscriptions_max = 64).await;
    let mut engine = house.engine(Level::V311, "north-engine", "e").await;
    let pieces = ["#", "+", "t", "south", "vigie", "v1", "south-1", "readings", "json", "..", ""];
    let mut filters: Vec<String> = vec![
        "#".into(),
        "t/south/#".into(),
        "+/south/#".into(),
        "vigie/v1/south-1/#".into(),
        "../south/#".into(),
        "/#".into(),
    ];
    // Filters near the border, the same in each run.
    for seed in 0..50usize {
        let levels = (0..=seed % 5).map(|n| pieces[(seed * 7 + n * 3) % pieces.len()]);
        filters.push(levels.collect::<Vec<_>>().join("/"));
    }
    for group in filters.chunks(8) {
        let group: Vec<&str> = group.iter().map(String::as_str).collect();
        engine.subscribe(0, &group).await;
    }
    house.until_heard(&mut engine, "north-9").await;
    let mut south = house.device(Level::V311, "south-1").await;
    let mut north = house.device(Level::V311, "north-1").await;
    for n in 1..=50u16 {
        south.publish(1, n, "secret of the south").await;
        south.expect_ack(0x40).await;
    }
    north.publish(1, 1, "the end").await;
    north.expect_ack(0x40).await;
    // Once, although many filters match.
    assert_eq!(engine.expect_message().await.1, "the end");
    engine.ping().await;
    assert_eq!(house.hub.fanout.counters().strayed, 0);
}

#[tokio::test]
async fn filters_that_are_not_offered_are_not_granted() {
    let house = HubHouse::open(|limits, _| limits.subscriptions_max = 5).await;
    let mut engine = house.engine(Level::V5, "north-engine", "e").await;
    let filters = ["$share/g/vigie/#", "$SYS/#", "vigie/#/x", "vigie/v1/é", "a", "b", "c", "d", "e", "f"];
    let answers = engine.subscribe(2, &filters).await;
    assert_eq!(answers, [0x87, 0x87, 0x8f, 0x87, 1, 1, 1, 1, 1, 0x97]);
}

#[tokio::test]
async fn an_engine_publishes_nothing() {
    let house = HubHouse::open(|_, _| {}).await;
    let mut engine = house.engine(Level::V5, "north-engine", "e").await;
    let topic = b"vigie/v1/north-1/readings/json";
    for (qos, first) in [(1, 0x40), (2, 0x50)] {
        let bytes = engine.publish_bytes(qos, 7, topic, b"forged");
        engine.send(&bytes).await;
        assert_eq!(engine.expect_ack(first).await, (7, 0x87));
    }
    let bytes = engine.publish_bytes(0, 0, topic, b"forged");
    engine.send(&bytes).await;
    engine.ping().await;
    // 3.1.1 cannot say it: the connection ends, unacknowledged.
    let mut old = house.engine(Level::V311, "north-engine", "old").await;
    let bytes = old.publish_bytes(1, 7, topic, b"forged");
    old.send(&bytes).await;
    assert_eq!(old.next().await, None);
    assert_eq!(house.switchboard.counters().engine_publishes_refused, 4);
    assert!(house.hub.desk.read(|book| book.begun.is_empty()));
}

#[tokio::test]
async fn who_is_no_engine_is_refused_and_what_cannot_be_audited_does_not_happen() {
    let house = HubHouse::open(|_, _| {}).await;
    let attempt = async |connect: &Connect| Device::attempt(house.address, connect).await.2;
    let connect = HubHouse::engine_connect(Level::V5, "north-engine", "e");
    let wrong_secret = Connect { password: Some("guess".into()), ..connect.clone() };
    assert_eq!(attempt(&wrong_secret).await, 0x86);
    let no_id = Connect { user_name: Some("integration:".into()), ..connect.clone() };
    assert_eq!(attempt(&no_id).await, 0x86);
    let strange_client = Connect { client_id: "e/#".into(), ..connect.clone() };
    assert_eq!(attempt(&strange_client).await, 0x85);
    let will = Connect { will: Some(("vigie/v1/north-1/status".into(), "x".into())), ..connect.clone() };
    assert_eq!(attempt(&will).await, 0x87);
    // A device never becomes an engine, nor an engine a device.
    assert_eq!(attempt(&Connect::of(Level::V5, "integration:north-engine")).await, 0x85);
    house.hub.set_trail_away(true);
    assert_eq!(attempt(&connect).await, 0x88);
    house.hub.set_trail_away(false);
    let mut engine = house.engine(Level::V5, "north-engine", "e").await;
    house.hub.set_trail_away(true);
    assert_eq!(engine.subscribe(0, &[ALL_READINGS]).await, [0x87]);
    house.hub.set_trail_away(false);
    assert_eq!(engine.subscribe(0, &[ALL_READINGS]).await, [0]);
}

#[tokio::test]
async fn the_same_client_takes_over_and_another_one_reads_beside_it() {
    let house = HubHouse::open(|_, _| {}).await;
    let mut first = house.engine(Level::V5, "north-engine", "a").await;
    let mut beside = house.engine(Level::V5, "north-engine", "b").await;
    let mut second = house.engine(Level::V5, "north-engine", "a").await;
    first.expect_cut(0x8e).await;
    for engine in [&mut second, &mut beside] {
        engine.subscribe(0, &["#"]).await;
        house.until_heard(engine, "north-1").await;
    }
    assert_eq!(house.switchboard.counters().engines, 2);
    second.send(&packet(0xe0, &[])).await;
    until("its place is free", || house.switchboard.counters().engines == 1).await;
}

#[tokio::test]
async fn a_revoked_engine_is_cut_and_one_that_cannot_be_checked_now_is_not() {
    let house = HubHouse::open(|limits, _| limits.engine_checked_every = Duration::from_millis(20)).await;
    let mut engine = house.engine(Level::V5, "north-engine", "e").await;
    engine.subscribe(0, &["#"]).await;
    house.hub.set_trail_away(true);
    engine.expect_silence().await;
    house.hub.set_trail_away(false);
    house.until_heard(&mut engine, "north-1").await;
    house.hub.revoke();
    engine.expect_cut(0x98).await;
}

#[tokio::test]
async fn an_engine_that_does_not_acknowledge_misses_news_and_slows_nobody() {
    let house = HubHouse::open(|limits, settings| {
        limits.outbound_window = 2;
        settings.reader_queue = 4;
    })
    .await;
    let mut engine = house.engine(Level::V5, "north-engine", "e").await;
    engine.subscribe(1, &[ALL_READINGS]).await;
    let mut device = house.device(Level::V5, "north-1").await;
    let mut slowest = Duration::ZERO;
    for n in 1..=200u16 {
        let sent = Instant::now();
        device.publish(1, n, "reading").await;
        assert_eq!(device.expect_ack(0x40).await, (n, 0));
        slowest = slowest.max(sent.elapsed());
    }
    println!("slowest round trip of a device beside a slow engine: {slowest:?}");
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
    until("it has missed some", || house.hub.fanout.counters().missed > 0).await;
    // Two are on their way; when they are acknowledged the next ones come.
    for _ in 0..4 {
        let (_, _, id) = engine.expect_message().await;
        engine.puback(id).await;
    }
}

#[tokio::test]
async fn when_the_router_dies_under_load_no_device_and_no_reading_notices() {
    let house = HubHouse::open(|_, _| {}).await;
    let mut engine = house.engine(Level::V311, "north-engine", "e").await;
    engine.subscribe(0, &[ALL_READINGS]).await;
    house.until_heard(&mut engine, "north-0").await;
    let mut devices = Vec::new();
    for n in 1..=20 {
        devices.push(house.device(Level::V5, &format!("north-{n}")).await);
    }
    let mut slowest = Duration::ZERO;
    for round in 1..=100u16 {
        if round % 25 == 0 {
            house.hub.fanout.crash_router();
        }
        for device in &mut devices {
            device.publish(1, round, &format!("{} {round}", device.id)).await;
        }
        for device in &mut devices {
            let sent = Instant::now();
            assert_eq!(device.expect_ack(0x40).await, (round, 0));
            slowest = slowest.max(sent.elapsed());
        }
    }
    println!("slowest acknowledgement while the router died four times: {slowest:?}");
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
    let committed = house.hub.desk.read(|book| book.committed.clone());
    assert_eq!(committed.len(), 2_000);
    until("it is built anew", || {
        let counters = house.hub.fanout.counters();
        counters.alive && counters.rebuilt >= 1
    })
    .await;
    drop(engine);
    let mut engine = house.engine(Level::V5, "north-engine", "e2").await;
    engine.subscribe(0, &[ALL_READINGS]).await;
    house.until_heard(&mut engine, "north-0").await;
}

#[tokio::test]
async fn an_engine_keeps_its_connection_while_the_router_is_built_anew() {
    let house = HubHouse::open(|_, _| {}).await;
    let mut engine = house.engine(Level::V311, "north-engine", "e").await;
    engine.subscribe(0, &["vigie/v1/north-1/#"]).await;
    house.until_heard(&mut engine, "north-1").await;
    house.hub.fanout.crash_router();
    until("it is built anew", || house.hub.fanout.counters().rebuilt == 1).await;
    house.until_heard(&mut engine, "north-1").await;
}
