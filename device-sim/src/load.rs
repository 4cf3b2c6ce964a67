//! Load: as many readings as the server acknowledges, and how long each acknowledgement took.
//!
//! It has its own MQTT 3.1.1 writer instead of rumqttc. A load generator shares its two cores with the server that it
//! measures; rumqttc costs two channel hops, several allocations and one `write` per publish, and tells of an
//! acknowledgement only through an event per packet. Here a connection fills its window with one `write` and takes all
//! acknowledgements that came with one `read`. CONNECT, PUBLISH and PUBACK are all it needs.
//!
//! It survives the server: a connection that breaks is made again and what was not acknowledged is sent again, until
//! the end and `drain` after it. An acknowledgement is written to the log only when its PUBACK was read.

mod ack_log;
mod connection;
mod histogram;
mod pace;
mod packet;
mod payload;

use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vigie_wire::{DeviceId, Encoding};

use crate::Error;
use crate::config::{Address, Clock, Secret};
pub use histogram::Percentiles;
pub use payload::reading_values;

/// What the load devices measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadVital {
    /// Capillary glucose, 0.90 to 1.59 g/L; abnormal ones 0.50 g/L.
    Glucose,
    /// Weight, 70.0 to 70.9 kg; abnormal ones 75.0 kg.
    Weight,
}

/// One device of the load.
#[derive(Debug, Clone)]
pub struct LoadDevice {
    /// Its id, as enrolled.
    pub id: DeviceId,
    /// Its password.
    pub secret: Secret,
    /// What it measures.
    pub vital: LoadVital,
}

/// How fast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    /// As fast as acknowledgements make room.
    Max,
    /// So many readings a second over all devices; zero only holds connections open.
    PerSecond(f64),
}

/// When to stop publishing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// After this long.
    After(Duration),
    /// After so many publishes over all devices.
    Publishes(u64),
    /// Each device after so many publishes of its own.
    EachAfter(u64),
}

/// Which times the readings bear; distinct per device in both cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeasuredAt {
    /// The clock's, in milliseconds.
    Now,
    /// From a moment on, one step per sequence number. A time after the present counts as the server sees fit, so
    /// leave room.
    From(Timestamp, SignedDuration),
}

/// A load.
#[derive(Clone)]
pub struct LoadConfig {
    /// The server.
    pub address: Address,
    /// Who publishes. A device may write to its own topic only, so each has its own connection.
    pub devices: Vec<LoadDevice>,
    /// How many are connected at the same time; with fewer than there are devices, they take turns.
    pub connections: usize,
    /// With turns: publishes per turn.
    pub publishes_per_turn: u64,
    /// Readings in each publish.
    pub readings_per_publish: usize,
    /// How fast.
    pub rate: Rate,
    /// When to stop.
    pub stop: Stop,
    /// Stops earlier once it is cancelled: nothing new is published, what is on its way is waited for.
    pub enough: CancellationToken,
    /// Publishes on their way per connection.
    pub in_flight: usize,
    /// The devices' memory epoch: choose one that they never used.
    pub epoch: u64,
    /// The first sequence number of each device.
    pub first_sequence: i64,
    /// The readings' times.
    pub measured_at: MeasuredAt,
    /// Every so many-th sequence number has an abnormal value (none: never).
    pub abnormal_every: Option<u64>,
    /// How batches are written.
    pub encoding: Encoding,
    /// Subscribe to receipts and acknowledge them, as real devices do.
    pub receipts: bool,
    /// One line `device epoch sequence published took` for each acknowledged reading, written when the PUBACK came:
    /// microseconds since 1970 when it was first handed to the socket, and microseconds from then to the PUBACK.
    pub ack_log: Option<PathBuf>,
    /// A publish that is not acknowledged for so long is sent again over a new connection. Keep it longer than any outage
    /// that the server is meant to sit out.
    pub ack_patience: Duration,
    /// How long after the end missing acknowledgements are waited for.
    pub drain: Duration,
    /// Real time, for the stamps.
    pub clock: Clock,
}

impl LoadConfig {
    /// One reading per publish, as fast as possible for ten seconds, all devices connected, sixteen publishes on their
    /// way each.
    pub fn new(address: Address, devices: Vec<LoadDevice>, clock: Clock) -> Self {
        let epoch = u64::try_from(clock().as_second()).unwrap_or(1);
        Self {
            connections: devices.len(),
            address,
            devices,
            publishes_per_turn: 100,
            readings_per_publish: 1,
            rate: Rate::Max,
            stop: Stop::After(Duration::from_secs(10)),
            enough: CancellationToken::new(),
            in_flight: 16,
            epoch,
            first_sequence: 1,
            measured_at: MeasuredAt::Now,
            abnormal_every: None,
            encoding: Encoding::Protobuf,
            receipts: false,
            ack_log: None,
            ack_patience: Duration::from_secs(60),
            drain: Duration::from_secs(30),
            clock,
        }
    }

    fn check(&self) -> Result<(), Error> {
        let bad = |text: &str| Err(Error::Config(text.to_owned()));
        if self.devices.is_empty() || self.connections == 0 {
            return bad("a load needs at least one device and one connection");
        }
        if self.in_flight == 0 || self.in_flight > 10_000 {
            return bad("in_flight must lie between 1 and 10,000");
        }
        if !(1..=vigie_wire::READINGS_PER_BATCH_MAX).contains(&self.readings_per_publish) {
            return bad("readings_per_publish must lie between 1 and 1,000");
        }
        if self.first_sequence < 1 || self.publishes_per_turn == 0 {
            return bad("first_sequence and publishes_per_turn must be at least 1");
        }
        if matches!(self.rate, Rate::PerSecond(r) if !r.is_finite() || r < 0.0) {
            return bad("the rate must be a number of readings a second");
        }
        Ok(())
    }
}

/// What a load came to.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadReport {
    /// Publishes made, without repeats.
    pub publishes: u64,
    /// Readings in them.
    pub readings: u64,
    /// Publishes acknowledged.
    pub acknowledged_publishes: u64,
    /// Readings in those.
    pub acknowledged_readings: u64,
    /// Publishes sent again after a connection broke.
    pub resent: u64,
    /// Connections made, first ones included.
    pub connections: u64,
    /// Receipts heard.
    pub receipts: u64,
    /// From the first publish to the last acknowledgement.
    pub elapsed: Duration,
    /// From handing a publish to the socket (the first time) to its PUBACK.
    pub latency: Percentiles,
}

impl LoadReport {
    /// Acknowledged readings a second.
    pub fn readings_per_second(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { self.acknowledged_readings as f64 / seconds } else { 0.0 }
    }
}

impl std::fmt::Display for LoadReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} publishes, {} readings, {} readings acknowledged in {:.2} s: {:.0} readings/s; PUBACK after {}; {} sent \
             again, {} connections",
            self.publishes,
            self.readings,
            self.acknowledged_readings,
            self.elapsed.as_secs_f64(),
            self.readings_per_second(),
            self.latency,
            self.resent,
            self.connections,
        )
    }
}

/// What all connections share.
struct Shared {
    config: LoadConfig,
    /// Publishes still allowed, for [`Stop::Publishes`].
    budget: AtomicU64,
    started: Instant,
    /// No new publishes after this.
    end: Option<Instant>,
    /// When the first connection saw that the load is over: `drain` counts from here, for all of them.
    over_since: OnceLock<Instant>,
    shutdown: CancellationToken,
    log: Option<ack_log::Sender>,
}

/// Publishes until the end or `shutdown`, waits up to `drain` for what is missing, and reports.
pub async fn load(config: LoadConfig, shutdown: CancellationToken) -> Result<LoadReport, Error> {
    config.check()?;
    let (log, writer) = match &config.ack_log {
        Some(path) => {
            let (log, writer) = ack_log::open(path.clone()).await?;
            (Some(log), Some(writer))
        }
        None => (None, None),
    };
    let started = Instant::now();
    let (budget, end) = match config.stop {
        Stop::After(long) => (u64::MAX, started.checked_add(long)),
        Stop::Publishes(count) => (count, None),
        Stop::EachAfter(_) => (u64::MAX, None),
    };
    let shared = Arc::new(Shared {
        budget: AtomicU64::new(budget),
        started,
        end,
        over_since: OnceLock::new(),
        shutdown,
        log,
        config,
    });
    let slots = shared.config.connections.min(shared.config.devices.len());
    let mut tasks = JoinSet::new();
    for slot in 0..slots {
        tasks.spawn(connection::drive(shared.clone(), slot, slots));
    }
    let mut total = connection::Tally::default();
    let mut outcome = Ok(());
    while let Some(ended) = tasks.join_next().await {
        match ended.map_err(|e| Error::Task(e.to_string())).and_then(|r| r) {
            Ok(tally) => total.absorb(&tally),
            Err(error) => {
                shared.shutdown.cancel();
                outcome = outcome.and(Err(error));
            }
        }
    }
    drop(shared);
    if let Some(writer) = writer {
        writer.await.map_err(|e| Error::Task(e.to_string()))??;
    }
    outcome.map(|()| total.report())
}
