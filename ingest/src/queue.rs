//! The bounded way in: one call per publish, answered after the commit.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::{Mutex, Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vigie_service::Clock;
use vigie_store::Database;
use vigie_store::intake::DeviceStatus;
use vigie_wire::{Channel, DeviceId, Encoding};

use crate::decode::{Decoded, Rejection, decode};
use crate::status::decode_status;
use crate::{Config, writer};

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
    pub(crate) content: Content,
    pub(crate) answer: oneshot::Sender<Outcome>,
    /// Room in the memory that waiting payloads share; freed with it.
    pub(crate) _room: OwnedSemaphorePermit,
}

/// What a publish turned out to hold.
#[derive(Debug)]
pub(crate) enum Content {
    Batch(Encoding, Decoded),
    Status(DeviceStatus),
    /// Nothing to store, nothing wrong.
    Nothing,
    Refused {
        verdict: Verdict,
        encoding: Encoding,
        rejection: Rejection,
    },
}

/// The way in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ingest {
    sender: mpsc::Sender<Pending>,
    room: Arc<Semaphore>,
    clock: Clock,
    config: Arc<Config>,
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
        let (sender, receiver) = mpsc::channel(config.waiting_publishes_max);
        let receiver = Arc::new(Mutex::new(receiver));
        let config = Arc::new(config);
        for _ in 0..config.writers.max(1) {
            let writer = writer::Writer {
                database: database.clone(),
                receiver: Arc::clone(&receiver),
                config: Arc::clone(&config),
                committed: Arc::clone(&committed),
                stop: stop.clone(),
            };
            tasks.spawn(writer.run());
        }
        let room = Arc::new(Semaphore::new(config.waiting_bytes_max / KIBIBYTE));
        Self { sender, room, clock, config }
    }

    /// Takes a publish and answers after the commit, however long the database is away. `None` means
    /// that it is not known whether it was stored (Vigie stops): it must not be acknowledged.
    pub async fn submit(&self, publish: Publish) -> Option<Outcome> {
        let received_at = self.clock.now();
        let content = self.read(&publish, received_at);
        let kibibytes = (publish.payload.len() / KIBIBYTE + 1).min(self.config.waiting_bytes_max / KIBIBYTE);
        let room = Arc::clone(&self.room).acquire_many_owned(u32::try_from(kibibytes).ok()?).await.ok()?;
        let (answer, outcome) = oneshot::channel();
        self.sender.send(Pending { publish, received_at, content, answer, _room: room }).await.ok()?;
        outcome.await.ok()
    }

    fn read(&self, publish: &Publish, received_at: Timestamp) -> Content {
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
                    Content::Status(status)
                }
                Ok(None) => Content::Nothing,
                Err(rejection) => refused(Verdict::Invalid, Encoding::Json, rejection),
            },
            Some(Channel::Receipts | Channel::Commands) | None => {
                let reason = "a device publishes to its own readings, readings/json and status only";
                refused(
                    Verdict::NotAuthorised,
                    Encoding::Json,
                    Rejection::new(None, "not_your_topic", reason),
                )
            }
        }
    }
}
