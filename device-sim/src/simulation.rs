//! The whole simulation: one task per device, and one that lets people measure out of rhythm.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};
use tokio_util::sync::CancellationToken;
use vigie_wire::{DeviceId, Encoding};

use crate::Error;
use crate::config::{SimConfig, SimDevice, SimPatient};
use crate::device::{Birth, Device};
use crate::fault::FaultPlan;
use crate::link::Protocol;
use crate::profile::Mood;
use crate::random::{Purpose, Stream};
use crate::runner::{Runner, Spec, World};
use crate::summary::{Counters, Summary};
use crate::timeline::Timeline;

/// Share of the later moments that an alert should come of: most of what people measure is well.
const ABNORMAL: f64 = 0.25;

/// Simulates until `shutdown`, or until everything before `config.until` is acknowledged. A server that is away is
/// waited for.
pub async fn run(config: SimConfig, shutdown: CancellationToken) -> Result<Summary, Error> {
    config.check()?;
    tracing::info!(seed = config.seed, patients = config.patients.len(), "simulating");
    let lock = match &config.state_dir {
        Some(folder) => Some(own_folder(folder)?),
        None => None,
    };
    let counters = Arc::new(Counters::default());
    let stop = shutdown.child_token();
    let world = Arc::new(World {
        address: config.address.clone(),
        clock: config.clock.clone(),
        until: config.until,
        ack_patience: config.ack_patience,
        counters: counters.clone(),
        shutdown: stop.clone(),
    });
    let mut tasks = JoinSet::new();
    let mut people = Vec::new();
    let mut number = 0_usize;
    let first = config.first_to_measure();
    for patient in &config.patients {
        for device in &patient.devices {
            let (spec, handle, channels) = describe(&config, patient, device, number);
            let ready = prepare(&config, patient, device, first.as_ref()).await?;
            let runner = Runner::new(spec, world.clone(), ready, channels.0, channels.1);
            tasks.spawn(runner.run());
            people.push(handle);
            number += 1;
        }
    }
    let moments = tokio::spawn(moments(Pacer::of(&config, first), people, stop.clone()));
    let mut outcome = Ok(());
    while let Some(ended) = tasks.join_next().await {
        let ended = ended.map_err(|e| Error::Task(e.to_string())).and_then(|r| r);
        if let Err(error) = ended {
            // The first failure is the cause; the others stop because of it.
            stop.cancel();
            outcome = outcome.and(Err(error));
        }
    }
    stop.cancel();
    moments.await.map_err(|e| Error::Task(e.to_string()))?;
    drop(lock);
    outcome.map(|()| counters.summary(config.seed))
}

/// Creates the folder and locks it for as long as the returned file lives.
fn own_folder(folder: &Path) -> Result<std::fs::File, Error> {
    let failed = |source| Error::State { path: folder.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let lock = std::fs::File::create(folder.join("lock")).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::InUse(folder.to_owned())),
        Err(std::fs::TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// How to tell a device to measure, and to see whether it can send.
struct Handle {
    id: DeviceId,
    measure: mpsc::Sender<Mood>,
    ready: watch::Receiver<bool>,
}

type Channels = (mpsc::Receiver<Mood>, watch::Sender<bool>);

/// Even devices speak MQTT 3.1.1 and odd ones 5; of each pair of pairs one speaks JSON and one protobuf.
fn describe(
    config: &SimConfig,
    patient: &SimPatient,
    device: &SimDevice,
    number: usize,
) -> (Spec, Handle, Channels) {
    let (measure, moments) = mpsc::channel(4);
    let (ready_sender, ready) = watch::channel(false);
    let spec = Spec {
        person: config.person(patient),
        kind: device.kind,
        id: device.id.clone(),
        secret: device.secret.clone(),
        protocol: if number.is_multiple_of(2) { Protocol::V311 } else { Protocol::V5 },
        encoding: if (number / 2).is_multiple_of(2) { Encoding::Json } else { Encoding::Protobuf },
    };
    let handle = Handle { id: device.id.clone(), measure, ready };
    (spec, handle, (moments, ready_sender))
}

/// Opens a device's memory and works out where its time and its faults stand.
async fn prepare(
    config: &SimConfig,
    patient: &SimPatient,
    device: &SimDevice,
    first: Option<&DeviceId>,
) -> Result<(Device, FaultPlan, Timeline), Error> {
    let started = (config.clock)();
    let back = |hours: u32| {
        let past = SignedDuration::from_hours(i64::from(hours));
        let moment = started.checked_sub(past).unwrap_or(started);
        Timestamp::from_second(moment.as_second()).unwrap_or(moment)
    };
    let plan = |live_from| config.plan_around(live_from, patient, device, first);
    let lived = patient.lived_until.map(|until| (until, plan(until)));
    let birth = Birth {
        epoch: config.first_epoch.unwrap_or(u64::try_from(started.as_second()).unwrap_or(1)),
        anchor: match &lived {
            // What it could not tell before, it still has.
            Some((until, plan)) => plan.offline.map_or(*until, |(from, _)| from.min(*until)),
            None => back(config.history_days.saturating_mul(24)),
        },
    };
    let file = config.state_dir.as_ref().map(|folder| folder.join(format!("{}.journal", device.id)));
    let memory = Device::open(file, birth, config.queue_capacity).await?;
    let plan = lived.map_or_else(
        || {
            // Where the first run's history met its live time, the same in every later run.
            let hours = i64::from(config.history_days) * 24 - i64::from(config.live_hours);
            plan(memory.anchor().checked_add(SignedDuration::from_hours(hours)).unwrap_or(started))
        },
        |(_, plan)| plan,
    );
    let origin = memory.until().map_or(back(config.live_hours), |done| done.max(back(config.live_hours)));
    Ok((memory, plan, Timeline::new(started, origin, config.speed)))
}

/// When somebody measures out of rhythm.
struct Pacer {
    seed: u64,
    first: Option<DeviceId>,
    every: Option<Duration>,
}

impl Pacer {
    fn of(config: &SimConfig, first: Option<DeviceId>) -> Self {
        Self { seed: config.seed, first, every: config.moment_every.filter(|d| !d.is_zero()) }
    }
}

/// First a hypoglycaemia, as soon as the glucometer for it is connected, so that whoever watches sees an alert come in; then, every
/// so often, something by somebody.
async fn moments(mut pacer: Pacer, mut people: Vec<Handle>, stop: CancellationToken) {
    let mut tick = interval(Duration::from_millis(200));
    let mut stream = Stream::new(pacer.seed, 0, Purpose::Moments, -1);
    let mut next = pacer.every.map(|every| Instant::now() + every);
    while pacer.first.is_some() || next.is_some() {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        people.retain(|handle| !handle.measure.is_closed());
        if people.is_empty() {
            return;
        }
        let connected = people.iter().filter(|handle| *handle.ready.borrow());
        if let Some(first) = &pacer.first
            && let Some(chosen) = connected.clone().find(|handle| handle.id == *first)
            && chosen.measure.try_send(Mood::Hypoglycaemia).is_ok()
        {
            pacer.first = None;
        }
        if next.is_some_and(|at| at <= Instant::now()) {
            next = pacer.every.map(|every| Instant::now() + every);
            let all: Vec<_> = connected.collect();
            let index = stream.whole(0, (all.len() as i64 - 1).max(0));
            let mood = if stream.chance(ABNORMAL) { Mood::Abnormal } else { Mood::Usual };
            let chosen = usize::try_from(index).ok().and_then(|index| all.get(index));
            if chosen.is_some_and(|handle| handle.measure.try_send(mood).is_err()) {
                tracing::debug!("a device was too busy to measure out of rhythm");
            }
        }
    }
}
