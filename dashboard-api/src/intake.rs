//! What the dashboard needs to take readings over HTTP, handed in by the binary: this crate knows nothing of batches,
//! encodings and how they are stored. Its own part is who may knock, and how many at once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// An answer that takes a while. Safe to drop: dropping it loses the answer, never a transaction half way.
pub type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Takes batches of readings and stores them.
pub trait ReadingIntake: fmt::Debug + Send + Sync {
    /// Are batches written in this `Content-Type`?
    fn reads(&self, content_type: &str) -> bool;

    /// The largest batch, in bytes.
    fn payload_bytes_max(&self) -> usize;

    /// Does this secret open this device? False for one that is unknown or revoked.
    fn admits(&self, device: &str, secret: &[u8]) -> Pending<Result<bool, IntakeUnavailable>>;

    /// Stores a batch of a device that was admitted, and answers after the commit, however long the database is away.
    /// `None`: it is not known whether it was stored.
    fn take(&self, sent: SentBatch) -> Pending<Option<TakenBatch>>;
}

/// Nobody can be asked now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntakeUnavailable;

/// A batch as it was sent.
#[derive(Debug, Clone)]
pub struct SentBatch {
    /// Who: the device that logged in.
    pub device: String,
    /// One that [`ReadingIntake::reads`] knows.
    pub content_type: String,
    /// The bytes.
    pub payload: Bytes,
}

/// What became of a batch, for good.
#[derive(Debug, Clone)]
pub struct TakenBatch {
    /// Something of it is stored, now or before; false: all of it is in quarantine.
    pub taken: bool,
    /// The receipt ...
    pub receipt: Bytes,
    /// ... and how it is written.
    pub content_type: &'static str,
}

/// Limits of the intake. What is over one of them is told to come back; nothing is lost, since nothing was acknowledged.
#[derive(Debug, Clone)]
pub struct IntakeLimits {
    /// Log-ins checked at the same time (2). Each has a database connection; the others wait.
    pub checks_max: usize,
    /// Log-ins that wait for that (256). Over it: 503.
    pub checks_waiting_max: usize,
    /// A log-in that was not checked within this (10 s): 503.
    pub check_patience: Duration,
    /// Batches of all devices under way at once (64), from the first byte of the body to the commit. Over it: 503.
    pub batches_max: usize,
    /// Batches of one device under way at once (4). Over it: 429.
    pub batches_per_device_max: usize,
    /// A body that is not complete within this (30 s): 408.
    pub body_patience: Duration,
    /// A batch that is not committed within this (20 s): 503. It may be stored later all the same.
    pub commit_patience: Duration,
}

impl Default for IntakeLimits {
    fn default() -> Self {
        Self {
            checks_max: 2,
            checks_waiting_max: 256,
            check_patience: Duration::from_secs(10),
            batches_max: 64,
            batches_per_device_max: 4,
            body_patience: Duration::from_secs(30),
            commit_patience: Duration::from_secs(20),
        }
    }
}

/// The way in, with its limits.
#[derive(Debug, Clone)]
pub struct Intake {
    pub(crate) inner: Arc<dyn ReadingIntake>,
    pub(crate) limits: IntakeLimits,
    pub(crate) checks: Arc<Semaphore>,
    pub(crate) checks_waiting: Arc<Semaphore>,
    batches: Arc<Semaphore>,
    /// Only devices with a batch under way, so never more than there may be batches.
    of_device: Arc<Mutex<HashMap<String, usize>>>,
}

/// Why a batch has to wait outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// This device has enough under way.
    Device,
    /// All together have.
    Everybody,
}

/// Room for one batch; free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    device: String,
    of_device: Arc<Mutex<HashMap<String, usize>>>,
    _of_all: OwnedSemaphorePermit,
}

impl Intake {
    /// An intake with these limits.
    pub fn new(inner: Arc<dyn ReadingIntake>, limits: IntakeLimits) -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self {
            inner,
            checks: semaphore(limits.checks_max),
            checks_waiting: semaphore(limits.checks_waiting_max),
            batches: semaphore(limits.batches_max),
            of_device: Arc::default(),
            limits,
        }
    }

    /// Room for a batch of this device.
    pub(crate) fn room(&self, device: &str) -> Result<Room, Full> {
        let of_all = Arc::clone(&self.batches).try_acquire_owned().map_err(|_| Full::Everybody)?;
        let mut of_device = self.of_device.lock().unwrap_or_else(PoisonError::into_inner);
        let under_way = of_device.get(device).copied().unwrap_or(0);
        if under_way >= self.limits.batches_per_device_max {
            return Err(Full::Device);
        }
        of_device.insert(device.to_owned(), under_way + 1);
        Ok(Room { device: device.to_owned(), of_device: Arc::clone(&self.of_device), _of_all: of_all })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut of_device = self.of_device.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut entry) = of_device.entry(std::mem::take(&mut self.device)) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}
