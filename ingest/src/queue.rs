//! The bounded way in: one call per publish, answered after the commit.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vigie_service::Clock;
use vigie_store::Database;
use vigie_store::intake::DeviceStatus;
use vigie_wire::{Channel, DeviceId, Encoding};

use crate::Config;
use crate::decode::{Decoded, Rejection, decode};
use crate::status::decode_status;
use crate::timings::{Step, Timings};
use crate::writer::{Lanes, Writer};

/// A publish of an authenticated device.
#[derive(Debug, Clone)]
pub struct Publish {
    /// Who: the identity that logged in.
    pub device: DeviceId,
    /// Where to; `None` is a topic that it may not publish to.
    pub channel: Option<Channel>,
    /// The topic as sent.
    pub topic: String,
    /// The bytes as sent.
    pub payload: Bytes,
    /// Does the device listen to its receipts now? If not, they wait for it in the database.
    pub wants_receipts: bool,
    /// The device's last will: it is gone, whatever the will says.
    pub will: bool,
}

/// The durable outcome of a publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How to acknowledge.
    pub verdict: Verdict,
    /// What to tell the device.
    pub receipt: Option<Receipt>,
}

/// How a publish is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Something of it was stored, now or before.
    Taken,
    /// In quarantine; nothing of it could be taken.
    Invalid,
    /// In quarantine; not this device's to publish.
    NotAuthorised,
}

/// A receipt ready to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Its row in the outbox, if it is kept there until the device has it.
    pub outbox_id: Option<i64>,
    /// Encoded like the batch that it answers.
    pub payload: Bytes,
}

/// A publish on its way to the database.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) publish: Publish,
    pub(crate) received_at: Timestamp,
    /// When it was queued, for [`Timings`].
    pub(crate) queued: Instant,
    pub(crate) content: Content,
    pub(crate) answer: oneshot::Sender<Outcome>,
    /// Room in the memory that waiting payloads share; freed with it.
    pub(crate) _room: OwnedSemaphorePermit,
}

impl Pending {
    /// How many rows it may become; at least one, since it costs something in any case.
    pub(crate) fn rows(&self) -> usize {
        match &self.content {
            Content::Batch(_, decoded) => decoded.readings.len().max(1),
            Content::Status(_) | Content::RetainedStatus(_) | Content::Nothing | Content::Refused { .. } => 1,
        }
    }
}

/// What a publish turned out to hold.
#[derive(Debug)]
pub(crate) enum Content {
    Batch(Encoding, Decoded),
    Status(DeviceStatus),
    /// To be kept byte for byte as well, for the device's own later subscriptions; without a status it takes away what
    /// was kept.
    RetainedStatus(Option<DeviceStatus>),
    /// Nothing to store, nothing wrong.
    Nothing,
    Refused {
        verdict: Verdict,
        encoding: Encoding,
        rejection: Rejection,
    },
}

impl Content {
    /// A backlog, or much at once: it may wait a little for what has just been measured.
    fn is_bulk(&self, received_at: Timestamp, config: &Config) -> bool {
        let Self::Batch(_, decoded) = self else { return false };
        let newest = decoded.readings.iter().flatten().map(|reading| reading.measured_at).max();
        decoded.readings.len() > config.prompt_readings_max
            || newest.is_some_and(|newest| received_at.duration_since(newest) > config.prompt_age_max)
    }
}

/// The way in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ingest {
    /// One per writer. A device always has the same one, so that two transactions of this process never wait for each
    /// other's ledgers.
    ways: Arc<[Way]>,
    prompt_room: Arc<Semaphore>,
    bulk_room: Arc<Semaphore>,
    clock: Clock,
    config: Arc<Config>,
    timings: Arc<Timings>,
}

/// To one writer: what has just been measured, and what may wait. Each has its own room, so that a backlog that fills
/// its own does not keep the other from being queued.
#[derive(Debug)]
struct Way {
    prompt: mpsc::Sender<Pending>,
    bulk: mpsc::Sender<Pending>,
}

const KIBIBYTE: usize = 1024;

impl Ingest {
    /// Starts the writers on `tasks`. `committed` is notified after every commit that queued a judgement.
    /// They stop when `stop` is cancelled, after what they hold is stored or given up unacknowledged.
    pub fn start(
        database: Database,
        clock: Clock,
        config: Config,
        committed: Arc<Notify>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Self {
        let config = Arc::new(config);
        let writers = config.writers.max(1);
        let timings = Arc::new(Timings::new(writers));
        let waiting_max = (config.waiting_publishes_max / writers / 2).max(1);
        let mut ways = Vec::with_capacity(writers);
        for _ in 0..writers {
            let (prompt, prompt_receiver) = mpsc::channel(waiting_max);
            let (bulk, bulk_receiver) = mpsc::channel(waiting_max);
            let writer = Writer {
                database: database.clone(),
                lanes: Lanes { prompt: prompt_receiver, bulk: bulk_receiver },
                config: Arc::clone(&config),
                committed: Arc::clone(&committed),
                stop: stop.clone(),
                timings: Arc::clone(&timings),
            };
            tasks.spawn(writer.run());
            ways.push(Way { prompt, bulk });
        }
        let room = || Arc::new(Semaphore::new(kibibytes_per_lane(&config)));
        Self { ways: ways.into(), prompt_room: room(), bulk_room: room(), clock, config, timings }
    }

    /// Takes a publish and answers after the commit, however long the database is away. `None` means
    /// that it is not known whether it was stored (Vigie stops): it must not be acknowledged.
    pub async fn submit(&self, publish: Publish) -> Option<Outcome> {
        self.submit_as(publish, false).await
    }

    /// The same for a publish with MQTT's retain flag: a status is also kept as it was sent, until the next retained
    /// one; an empty one takes it away. On other channels the flag means nothing.
    pub async fn submit_retained(&self, publish: Publish) -> Option<Outcome> {
        self.submit_as(publish, true).await
    }

    async fn submit_as(&self, publish: Publish, retained: bool) -> Option<Outcome> {
        let began = Instant::now();
        let received_at = self.clock.now();
        let content = self.read(&publish, retained, received_at);
        let queued = Instant::now();
        self.timings.add(Step::Decode, queued.duration_since(began));
        let way = self.way(&publish.device)?;
        let (sender, room) = if content.is_bulk(received_at, &self.config) {
            (&way.bulk, &self.bulk_room)
        } else {
            (&way.prompt, &self.prompt_room)
        };
        let kibibytes = (publish.payload.len() / KIBIBYTE + 1).min(kibibytes_per_lane(&self.config));
        let room = Arc::clone(room).acquire_many_owned(u32::try_from(kibibytes).ok()?).await.ok()?;
        let (answer, outcome) = oneshot::channel();
        sender.send(Pending { publish, received_at, queued, content, answer, _room: room }).await.ok()?;
        outcome.await.ok()
    }

    fn way(&self, device: &DeviceId) -> Option<&Way> {
        let mut hasher = std::hash::DefaultHasher::new();
        device.as_str().hash(&mut hasher);
        self.ways.get(usize::try_from(hasher.finish() % self.ways.len() as u64).ok()?)
    }

    fn read(&self, publish: &Publish, retained: bool, received_at: Timestamp) -> Content {
        let refused = |verdict, encoding, rejection| Content::Refused { verdict, encoding, rejection };
        match publish.channel {
            Some(Channel::Readings(encoding)) => {
                match decode(encoding, &publish.payload, received_at, &self.config) {
                    Ok(decoded) => Content::Batch(encoding, decoded),
                    Err(rejection) => refused(Verdict::Invalid, encoding, rejection),
                }
            }
            Some(Channel::Status) => match decode_status(&publish.payload) {
                Ok(Some(mut status)) => {
                    if publish.will {
                        status.state = "offline".into();
                    }
                    if retained { Content::RetainedStatus(Some(status)) } else { Content::Status(status) }
                }
                Ok(None) if retained => Content::RetainedStatus(None),
                Ok(None) => Content::Nothing,
                Err(rejection) => refused(Verdict::Invalid, Encoding::Json, rejection),
            },
            Some(Channel::Receipts | Channel::Commands) | None => {
                let reason = "a device publishes to its own readings and status only";
                refused(
                    Verdict::NotAuthorised,
                    Encoding::Json,
                    Rejection::new(None, "not_your_topic", reason),
                )
            }
        }
    }
}

fn kibibytes_per_lane(config: &Config) -> usize {
    (config.waiting_bytes_max / KIBIBYTE / 2).max(1)
}
