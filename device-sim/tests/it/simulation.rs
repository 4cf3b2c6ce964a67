//! Whole simulations: everything measured arrives, nothing changes its number, nothing lies in the future.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use vigie_device_sim::{
    Address, Clock, DeviceKind, FaultPlan, FaultSwitches, Person, Profile, Secret, SimConfig, SimDevice,
    SimPatient, central_europe, generate_for, run,
};
use vigie_wire::{Channel, DeviceId, Topic, decode_batch};

use crate::fake::{Answer, Fake};
use crate::mosquitto::{Broker, Heard, listen};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Real time, shifted so that every run sees the same dates.
fn clock() -> Clock {
    let began = std::time::Instant::now();
    let at: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
    Arc::new(move || at + SignedDuration::try_from(began.elapsed()).unwrap())
}

pub(crate) fn patients() -> Vec<SimPatient> {
    (0..)
        .zip(Profile::ALL)
        .map(|(index, profile)| SimPatient {
            index,
            profile,
            devices: profile
                .usual_devices()
                .iter()
                .map(|kind| SimDevice {
                    id: DeviceId::parse(&format!("p{index}-{kind}")).unwrap(),
                    kind: *kind,
                    secret: Secret::new("s"),
                })
                .collect(),
            lived_until: None,
        })
        .collect()
}

pub(crate) fn config(address: Address) -> SimConfig {
    let clock = clock();
    SimConfig {
        speed: 100_000.0,
        moment_every: None,
        first_moment: false,
        until: Some(clock()),
        ..SimConfig::new(address, 42, patients(), clock)
    }
}

async fn completed(config: SimConfig) -> vigie_device_sim::Summary {
    timeout(PATIENCE, run(config, CancellationToken::new())).await.expect("the run ends").unwrap()
}

/// Readings by device, epoch and sequence; a number with two contents fails.
pub(crate) fn collect(heard: &[Heard]) -> BTreeMap<(String, u64, i64), vigie_wire::v1::Reading> {
    let mut readings = BTreeMap::new();
    for message in heard {
        let topic = Topic::parse(&message.topic).unwrap();
        let Channel::Readings(encoding) = topic.channel else {
            continue;
        };
        let batch = decode_batch(encoding, &message.payload, 0).unwrap();
        assert!(batch.readings.len() <= 50);
        for reading in batch.readings {
            let reading = reading.unwrap();
            let key = (topic.device.to_string(), batch.epoch, reading.sequence);
            let known = readings.entry(key).or_insert_with(|| reading.clone());
            assert_eq!(*known, reading, "one number, one content");
        }
    }
    readings
}

/// Hears until the condition holds; the broker may still pass on what it acknowledged.
pub(crate) async fn hear_until(ear: &mut Receiver<Heard>, enough: impl Fn(&[Heard]) -> bool) -> Vec<Heard> {
    let mut heard = Vec::new();
    timeout(PATIENCE, async {
        while !enough(&heard) {
            heard.push(ear.recv().await.expect("the broker lives"));
        }
    })
    .await
    .expect("everything arrives");
    heard
}

/// Every device's last word.
fn last_statuses(heard: &[Heard]) -> BTreeMap<&str, String> {
    let statuses = heard.iter().filter(|m| m.topic.ends_with("/status"));
    statuses.map(|m| (m.topic.as_str(), String::from_utf8_lossy(&m.payload).into_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_measured_in_two_weeks_with_all_faults_reaches_a_real_broker() {
    let broker = Broker::start().await;
    let mut ear = listen(broker.port).await;
    let summary = completed(config(broker.address())).await;
    let heard = hear_until(&mut ear, |heard| {
        collect(heard).len() as u64 >= summary.measured
            && last_statuses(heard).values().filter(|status| status.contains("offline")).count() == 5
    })
    .await;
    let readings = collect(&heard);
    assert_eq!(summary.held, 0);
    assert_eq!(readings.len() as u64, summary.measured);
    assert_eq!(summary.acknowledged, summary.measured);
    assert!(summary.measured > 1_300, "{summary}");
    let devices: BTreeSet<_> = readings.keys().map(|(device, ..)| device.as_str()).collect();
    assert_eq!(devices.len(), 5);
    // Both encodings.
    assert!(heard.iter().any(|m| m.topic.ends_with("/readings")));
    assert!(heard.iter().any(|m| m.topic.ends_with("/readings/json")));
    assert!(heard.iter().all(|m| !m.retained), "heard live, not from the shelf");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_measured_in_the_future_and_numbers_follow_time() {
    let broker = Broker::start().await;
    let mut ear = listen(broker.port).await;
    let faults = FaultSwitches { duplicates: true, reordering: true, ..FaultSwitches::none() };
    let config = SimConfig { faults, ..config(broker.address()) };
    let until = config.until.unwrap();
    let measured = completed(config).await.measured;
    let readings = collect(&hear_until(&mut ear, |heard| collect(heard).len() as u64 >= measured).await);
    let mut last: BTreeMap<(String, u64), (i64, Timestamp)> = BTreeMap::new();
    for ((device, epoch, sequence), reading) in readings {
        let measured: Timestamp = reading.measured_at.parse().unwrap();
        assert!(measured < until);
        if let Some((before, earlier)) = last.insert((device, epoch), (sequence, measured)) {
            assert_eq!(sequence, before + 1, "no number is left out");
            assert!(measured >= earlier);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_again_and_again_gets_everything_in_the_end() {
    let mut broker = Broker::start().await;
    let sim = config(broker.address());
    // Long enough that the broker dies under it.
    let sim = SimConfig { speed: 3_000.0, ..sim };
    let running = tokio::spawn(run(sim, CancellationToken::new()));
    for _ in 0..3 {
        let mut ear = listen(broker.port).await;
        hear_until(&mut ear, |heard| heard.iter().filter(|m| !m.retained).count() > 10).await;
        broker.crash_and_restart().await;
    }
    let summary = timeout(PATIENCE, running).await.expect("the run ends").unwrap().unwrap();
    assert_eq!(summary.acknowledged, summary.measured);
    assert!(summary.connections > 5, "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_forgets_only_what_a_puback_named() {
    // Every fifth publish is swallowed with the connection, and every seventh hangs up after taking it.
    let fake = Fake::start(|n| match n {
        n if n % 7 == 3 => Answer::HangUp,
        n if n % 5 == 2 => Answer::Withhold,
        _ => Answer::Ack,
    })
    .await;
    let mut sim = config(fake.address.clone());
    // The fake speaks 3.1.1 only: one device, which is number 0.
    sim.patients.retain(|p| p.profile == Profile::DiabetesCgm);
    sim.faults = FaultSwitches::none();
    sim.ack_patience = Duration::from_millis(300);
    let summary = completed(sim).await;
    let record = fake.record.lock().unwrap();
    let acked: BTreeSet<_> = record.acked.iter().collect();
    let seen: BTreeSet<_> = record.seen.iter().collect();
    assert_eq!(acked, seen, "all that was ever sent was in the end acknowledged, with the same content");
    assert_eq!(acked.len() as u64, summary.measured);
    let numbers: BTreeSet<_> = acked.iter().map(|(number, _)| number).collect();
    assert_eq!(numbers.len(), acked.len());
    assert!(record.logins > 2);
}

/// One sensor (device number 0 speaks 3.1.1, as the fake does) whose plan has the fault.
fn one_sensor_with(
    fake: &Fake,
    faults: FaultSwitches,
    has: impl Fn(&FaultPlan) -> bool,
) -> (SimConfig, Person, FaultPlan) {
    let mut sim = SimConfig { faults, ..config(fake.address.clone()) };
    sim.patients.retain(|p| p.profile == Profile::DiabetesCgm);
    let person = |index| Person { seed: 42, index, profile: Profile::DiabetesCgm, zone: central_europe() };
    let anchor = sim.until.unwrap();
    let plan = |index| FaultPlan::draw(&person(index), DeviceKind::Cgm, anchor, faults);
    let index = (0..200).find(|index| has(&plan(*index))).expect("one in two hundred has the fault");
    sim.patients[0].index = index;
    (sim, person(index), plan(index))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_with_duplicates_sends_again_what_was_acknowledged_and_loses_nothing_by_it() {
    let fake = Fake::start(|_| Answer::Ack).await;
    let faults = FaultSwitches { duplicates: true, ..FaultSwitches::none() };
    let (sim, ..) = one_sensor_with(&fake, faults, |plan| plan.duplicates > 0.0);
    let summary = completed(sim).await;
    let record = fake.record.lock().unwrap();
    let once: BTreeSet<_> = record.seen.iter().collect();
    assert_eq!(once.len() as u64, summary.measured);
    assert!(record.seen.len() > once.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_in_disorder_sends_later_readings_first() {
    let fake = Fake::start(|_| Answer::Ack).await;
    let faults = FaultSwitches { reordering: true, ..FaultSwitches::none() };
    let (sim, ..) = one_sensor_with(&fake, faults, |plan| plan.reordering > 0.0);
    let summary = completed(sim).await;
    let record = fake.record.lock().unwrap();
    assert_eq!(record.seen.len() as u64, summary.measured);
    assert!(record.seen.windows(2).any(|pair| pair[1].0.2 < pair[0].0.2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_runs_ahead_stamps_every_reading_by_as_much() {
    let fake = Fake::start(|_| Answer::Ack).await;
    let faults = FaultSwitches { clock_skew: true, ..FaultSwitches::none() };
    let (sim, person, plan) = one_sensor_with(&fake, faults, |plan| plan.clock_ahead > SignedDuration::ZERO);
    let until = sim.until.unwrap();
    let summary = completed(sim).await;
    let record = fake.record.lock().unwrap();
    let from = until - SignedDuration::from_hours(24 * 14);
    let truth = generate_for(&person, DeviceKind::Cgm, from, until);
    assert_eq!(truth.len() as u64, summary.measured);
    for (measured, ((_, _, sequence), text)) in truth.iter().zip(&record.seen) {
        let stamped: Timestamp = text.split(' ').next().unwrap().parse().unwrap();
        assert_eq!(stamped, measured.at + plan.clock_ahead, "number {sequence}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_and_started_again_it_goes_on_where_it_was() {
    let broker = Broker::start().await;
    let mut ear = listen(broker.port).await;
    let folder = tempfile::tempdir().unwrap();
    let sim = |until: Timestamp| SimConfig {
        state_dir: Some(folder.path().join("sim")),
        until: Some(until),
        ..config(broker.address())
    };
    let end = sim(Timestamp::MIN).clock.clone()();
    let earlier = completed(sim(end - SignedDuration::from_hours(72))).await;
    let later = completed(sim(end)).await;
    let both = earlier.measured + later.measured;
    let readings = collect(&hear_until(&mut ear, |heard| collect(heard).len() as u64 >= both).await);
    assert!(earlier.measured > 500 && later.measured > 200);
    assert_eq!(
        readings.len() as u64,
        earlier.measured + later.measured,
        "nothing twice under another number"
    );
    // And once more, with nothing left to do.
    assert_eq!(completed(sim(end)).await.measured, 0);
    // A run that never stopped measures the same.
    let whole = completed(SimConfig { state_dir: None, ..sim(end) }).await;
    assert_eq!(whole.measured, earlier.measured + later.measured);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_somebody_else_made_the_past_history_begins_at_its_end_or_where_the_connection_had_been_lost() {
    let faults = FaultSwitches { offline: true, ..FaultSwitches::none() };
    for offline in [false, true] {
        let fake = Fake::start(|_| Answer::Ack).await;
        let (mut sim, person, _) = one_sensor_with(&fake, faults, |plan| plan.offline.is_some() == offline);
        let until = sim.until.unwrap();
        let lived_until = until - SignedDuration::from_hours(30);
        sim.patients[0].lived_until = Some(lived_until);
        let plan = sim.fault_plan(&sim.patients[0], &sim.patients[0].devices[0], lived_until);
        let from = plan.offline.map_or(lived_until, |(lost, _)| lost);
        assert_eq!(from < lived_until, offline);
        let summary = completed(sim).await;
        let expected: Vec<Timestamp> =
            generate_for(&person, DeviceKind::Cgm, from, until).into_iter().map(|m| m.at).collect();
        assert_eq!(summary.measured, expected.len() as u64);
        let record = fake.record.lock().unwrap();
        let mut sent: Vec<Timestamp> =
            record.seen.iter().map(|(_, text)| text.split(' ').next().unwrap().parse().unwrap()).collect();
        sent.sort_unstable();
        assert_eq!(sent, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn soon_after_the_connection_is_up_somebody_measures_a_hypoglycaemia_now() {
    let broker = Broker::start().await;
    let mut ear = listen(broker.port).await;
    let stop = CancellationToken::new();
    let sim = SimConfig {
        first_moment: true,
        moment_every: Some(Duration::from_millis(300)),
        until: None,
        speed: 60.0,
        ..config(broker.address())
    };
    let now = (sim.clock)();
    let running = tokio::spawn(run(sim, stop.clone()));
    let found = timeout(Duration::from_secs(10), async {
        loop {
            let message = ear.recv().await.unwrap();
            for (key, reading) in collect(&[message]) {
                let measured: Timestamp = reading.measured_at.parse().unwrap();
                if reading.values[0].vital == "glucose" && reading.values[0].value == "0.52" {
                    return (key, measured);
                }
            }
        }
    });
    let (key, measured) = found.await.expect("within ten seconds");
    assert_eq!(key.0, format!("p0-{}", DeviceKind::Glucometer));
    assert!(measured >= now - SignedDuration::from_secs(1));
    stop.cancel();
    let summary = timeout(Duration::from_secs(5), running).await.expect("it stops at once").unwrap().unwrap();
    assert!(summary.moments >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_device_leaves_its_last_will_and_two_simulators_never_share_a_memory() {
    let broker = Broker::start().await;
    let mut ear = listen(broker.port).await;
    let folder = tempfile::tempdir().unwrap();
    let sim = || SimConfig {
        state_dir: Some(folder.path().to_owned()),
        until: None,
        faults: FaultSwitches::none(),
        ..config(broker.address())
    };
    let running = tokio::spawn(run(sim(), CancellationToken::new()));
    let mut states = BTreeMap::new();
    let mut hear = async |wanted: &str, count: usize| {
        timeout(PATIENCE, async {
            while states.values().filter(|state: &&String| state.contains(wanted)).count() < count {
                let message = ear.recv().await.unwrap();
                if message.topic.ends_with("/status") {
                    states.insert(message.topic, String::from_utf8_lossy(&message.payload).into_owned());
                }
            }
        })
        .await
        .expect("every device says how it is");
    };
    hear("online", 5).await;
    let second = run(sim(), CancellationToken::new()).await.unwrap_err();
    assert!(second.to_string().contains("another simulator"), "{second}");
    running.abort();
    hear("offline", 5).await;
}
