//! The load generator: what it logs as acknowledged was acknowledged, whatever happens to the server.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use vigie_device_sim::{
    Address, Clock, LoadConfig, LoadDevice, LoadVital, MeasuredAt, Rate, Secret, Stop, load,
};
use vigie_wire::{DeviceId, Encoding, Topic};

use crate::fake::{Answer, Fake};
use crate::mosquitto::{Broker, listen};

const PATIENCE: Duration = Duration::from_secs(60);

fn clock() -> Clock {
    let began = std::time::Instant::now();
    let at: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
    Arc::new(move || at + SignedDuration::try_from(began.elapsed()).unwrap())
}

fn config(address: Address, devices: usize) -> LoadConfig {
    let devices = (0..devices)
        .map(|number| LoadDevice {
            id: DeviceId::parse(&format!("load-{number}")).unwrap(),
            secret: Secret::new("s"),
            vital: if number % 2 == 0 { LoadVital::Glucose } else { LoadVital::Weight },
        })
        .collect();
    LoadConfig::new(address, devices, clock())
}

async fn finished(config: LoadConfig) -> vigie_device_sim::LoadReport {
    timeout(PATIENCE, load(config, CancellationToken::new())).await.expect("the load ends").unwrap()
}

/// The lines of an acknowledgement log; a line that stands twice fails, and so does a time that cannot be.
fn logged(path: &std::path::Path) -> BTreeSet<(String, u64, i64)> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut found = BTreeSet::new();
    for line in text.lines() {
        let fields: Vec<_> = line.split(' ').collect();
        let (began, patience) = ("2026-11-22T12:00:00Z".parse::<Timestamp>().unwrap(), PATIENCE.as_micros());
        let (published, took): (i64, u128) = (fields[3].parse().unwrap(), fields[4].parse().unwrap());
        assert!(published >= began.as_microsecond() && took > 0 && took < patience, "{line}");
        assert!(found.insert((fields[0].to_owned(), fields[1].parse().unwrap(), fields[2].parse().unwrap())));
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_of_publishes_is_made_acknowledged_and_logged() {
    let broker = Broker::start().await;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("acks");
    let report = finished(LoadConfig {
        stop: Stop::Publishes(2_000),
        readings_per_publish: 5,
        ack_log: Some(log.clone()),
        receipts: true,
        ..config(broker.address(), 20)
    })
    .await;
    assert_eq!((report.publishes, report.acknowledged_publishes), (2_000, 2_000));
    assert_eq!(report.acknowledged_readings, 10_000);
    assert_eq!(report.connections, 20);
    assert!(report.latency.p50 <= report.latency.p99 && report.latency.p99 <= report.latency.max);
    assert_eq!(logged(&log).len(), 10_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_was_acknowledged_is_logged_although_connections_break() {
    let fake = Fake::start(|n| match n {
        n if n % 50 == 20 => Answer::HangUp,
        n if n % 90 == 11 => Answer::Withhold,
        _ => Answer::Ack,
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("acks");
    let report = finished(LoadConfig {
        stop: Stop::Publishes(600),
        encoding: Encoding::Json,
        ack_log: Some(log.clone()),
        ack_patience: Duration::from_millis(300),
        ..config(fake.address.clone(), 3)
    })
    .await;
    let record = fake.record.lock().unwrap();
    let acked = logged(&log);
    assert_eq!((acked.len() as u64, report.acknowledged_readings), (600, 600));
    let by_server: BTreeSet<_> = record
        .acked
        .iter()
        .map(|((topic, epoch, sequence), _)| {
            (Topic::parse(topic).unwrap().device.to_string(), *epoch, *sequence)
        })
        .collect();
    assert!(acked.is_subset(&by_server));
    assert!(report.resent > 0 && report.connections > 3);
    let contents: BTreeSet<_> = record.seen.iter().collect();
    assert_eq!(contents.len(), 600, "what is sent again has its number and content of the first time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_broker_loses_nothing_that_was_logged() {
    let mut broker = Broker::start().await;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("acks");
    let running = tokio::spawn(finished(LoadConfig {
        stop: Stop::After(Duration::from_secs(3)),
        rate: Rate::PerSecond(2_000.0),
        ack_log: Some(log.clone()),
        ..config(broker.address(), 10)
    }));
    for _ in 0..2 {
        let mut ear = listen(broker.port).await;
        for _ in 0..1_000 {
            timeout(PATIENCE, ear.recv()).await.unwrap().expect("the broker lives");
        }
        broker.crash_and_restart().await;
    }
    let report = running.await.unwrap();
    assert_eq!(report.acknowledged_publishes, report.publishes, "{report}");
    assert_eq!(logged(&log).len() as u64, report.acknowledged_readings);
    assert!(report.connections > 10);
    assert!((4_000..=6_100).contains(&report.publishes), "the rate is kept: {report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_device_makes_so_many_publishes_also_when_they_take_turns_or_connections_break() {
    for connections in [6, 2] {
        let fake = Fake::start(|n| if n % 7 == 3 { Answer::HangUp } else { Answer::Ack }).await;
        let report = finished(LoadConfig {
            stop: Stop::EachAfter(3),
            connections,
            publishes_per_turn: 2,
            ..config(fake.address.clone(), 6)
        })
        .await;
        assert_eq!((report.publishes, report.acknowledged_publishes), (18, 18));
        let record = fake.record.lock().unwrap();
        let mut by_device = std::collections::BTreeMap::<String, BTreeSet<i64>>::new();
        for ((topic, _, sequence), _) in &record.acked {
            by_device.entry(topic.clone()).or_default().insert(*sequence);
        }
        assert_eq!(by_device.len(), 6);
        assert!(by_device.values().all(|numbers| numbers.iter().eq(&[1, 2, 3])), "{by_device:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_it_is_enough_nothing_new_is_published_and_what_is_on_its_way_is_waited_for() {
    let broker = Broker::start().await;
    let mut ear = listen(broker.port).await;
    let config = LoadConfig {
        stop: Stop::After(PATIENCE * 10),
        rate: Rate::PerSecond(500.0),
        ..config(broker.address(), 20)
    };
    let enough = config.enough.clone();
    let running = tokio::spawn(finished(config));
    for _ in 0..200 {
        timeout(PATIENCE, ear.recv()).await.unwrap().expect("the broker lives");
    }
    enough.cancel();
    let report = running.await.unwrap();
    assert!(report.publishes >= 200, "{report}");
    assert_eq!(report.acknowledged_publishes, report.publishes, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_devices_than_connections_take_turns_and_times_are_distinct() {
    let broker = Broker::start().await;
    let mut ear = listen(broker.port).await;
    let report = finished(LoadConfig {
        stop: Stop::Publishes(120),
        connections: 2,
        publishes_per_turn: 10,
        measured_at: MeasuredAt::From("2026-11-01T00:00:00Z".parse().unwrap(), SignedDuration::from_secs(60)),
        abnormal_every: Some(10),
        ..config(broker.address(), 6)
    })
    .await;
    assert_eq!(report.acknowledged_publishes, 120);
    assert!(report.connections >= 12, "{report}");
    let mut devices = BTreeSet::new();
    let mut stamps = BTreeSet::new();
    for _ in 0..120 {
        let message = timeout(PATIENCE, ear.recv()).await.unwrap().unwrap();
        let batch = vigie_wire::decode_batch(Encoding::Protobuf, &message.payload, 0).unwrap();
        let reading = batch.readings[0].clone().unwrap();
        assert!(stamps.insert((message.topic.clone(), reading.measured_at.clone())));
        let vital = if reading.values[0].vital == "weight" { LoadVital::Weight } else { LoadVital::Glucose };
        assert_eq!(reading.values, vigie_device_sim::reading_values(vital, reading.sequence, Some(10)));
        devices.insert(message.topic);
    }
    assert_eq!(devices.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_are_held_open_until_the_end() {
    let broker = Broker::start().await;
    let report = finished(LoadConfig {
        stop: Stop::After(Duration::from_secs(1)),
        rate: Rate::PerSecond(0.0),
        ..config(broker.address(), 50)
    })
    .await;
    assert_eq!((report.publishes, report.connections), (0, 50));
}
