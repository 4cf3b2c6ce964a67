//! Between the listener and ingest: the broker knows nothing of readings, ingest nothing of MQTT.

use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use vigie_broker::{Admission, Gateway, Inbound, Outbound, Unavailable, Verdict};
use vigie_ingest::{Ingest, Publish};
use vigie_service::Clock;
use vigie_store::{Database, devices, intake};
use vigie_wire::{Channel, DeviceId};

/// Receipts and commands fetched for a device at once; the rest follows when it has caught up.
const PENDING_MAX: i64 = 64;

/// Deliveries that wait to be written. Over it they are forgotten: the device gets that receipt once more.
const DELIVERED_WAITING_MAX: usize = 8_192;

/// Deliveries written in one transaction.
const DELIVERED_GROUP_MAX: usize = 1_000;

/// Receipts that no device fetched are kept for a week; what they say is in the readings and in quarantine.
const RECEIPTS_KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

const BEAT: Duration = Duration::from_secs(5);
const HOUSEKEEPING: Duration = Duration::from_secs(3_600);

/// The listener's other side.
#[derive(Debug)]
pub(crate) struct Bridge {
    database: Database,
    ingest: Ingest,
    delivered: mpsc::Sender<i64>,
}

impl Bridge {
    /// The bridge, and what tells which outbox rows were delivered (for [`forget_delivered`]).
    pub(crate) fn new(database: Database, ingest: Ingest) -> (Self, mpsc::Receiver<i64>) {
        let (delivered, receiver) = mpsc::channel(DELIVERED_WAITING_MAX);
        (Self { database, ingest, delivered }, receiver)
    }

    async fn secret_matches(&self, device: &DeviceId, secret: &[u8]) -> vigie_store::Result<bool> {
        let mut tx = self.database.begin().await?;
        let matches = devices::secret_matches(&mut tx, device.as_str(), secret).await?;
        tx.commit().await.map_err(vigie_store::Error::from)?;
        Ok(matches)
    }

    async fn waiting(
        &self,
        device: &DeviceId,
        channel: &str,
    ) -> vigie_store::Result<Vec<intake::OutboxMessage>> {
        let mut tx = self.database.begin().await?;
        let waiting = intake::waiting_for_device(&mut tx, device.as_str(), channel, PENDING_MAX).await?;
        tx.commit().await.map_err(vigie_store::Error::from)?;
        Ok(waiting)
    }
}

impl Gateway for Bridge {
    async fn authenticate(&self, device: &DeviceId, secret: &[u8]) -> Result<Admission, Unavailable> {
        match self.secret_matches(device, secret).await {
            Ok(true) => Ok(Admission::Granted),
            Ok(false) => Ok(Admission::Refused),
            Err(error) => {
                tracing::info!(%error, %device, "log-in cannot be checked; the device is told to come back");
                Err(Unavailable)
            }
        }
    }

    async fn take(&self, publish: Inbound) -> Verdict {
        let submitted = self
            .ingest
            .submit(Publish {
                device: publish.device,
                channel: publish.channel,
                topic: publish.topic,
                payload: publish.payload,
                wants_receipts: publish.wants_receipts,
                will: publish.will,
            })
            .await;
        let Some(outcome) = submitted else { return Verdict::GoneAway };
        let receipt = outcome.receipt.map(|receipt| Outbound {
            outbox_id: receipt.outbox_id,
            channel: Channel::Receipts,
            payload: receipt.payload,
        });
        match outcome.verdict {
            vigie_ingest::Verdict::Taken => Verdict::Taken { receipt },
            vigie_ingest::Verdict::Invalid => Verdict::Invalid { receipt },
            vigie_ingest::Verdict::NotAuthorised => Verdict::NotAuthorised { receipt },
        }
    }

    async fn pending(&self, device: &DeviceId, channel: Channel) -> Vec<Outbound> {
        let name = match channel {
            Channel::Receipts => "receipts",
            Channel::Commands => "commands",
            Channel::Readings(_) | Channel::Status => return Vec::new(),
        };
        match self.waiting(device, name).await {
            Ok(messages) => messages
                .into_iter()
                .map(|message| Outbound {
                    outbox_id: Some(message.id),
                    channel,
                    payload: message.payload.into(),
                })
                .collect(),
            Err(error) => {
                // They stay in the outbox and are fetched at the next subscription.
                tracing::info!(%error, %device, "what waits for the device cannot be fetched now");
                Vec::new()
            }
        }
    }

    fn delivered(&self, _device: &DeviceId, outbox_id: i64) {
        if self.delivered.try_send(outbox_id).is_err() {
            tracing::debug!(outbox_id, "delivery not noted; the device will get it once more");
        }
    }
}

/// Deletes what devices have received, in groups.
pub(crate) async fn forget_delivered(
    database: Database,
    mut delivered: mpsc::Receiver<i64>,
    stop: CancellationToken,
) {
    let mut ids = Vec::new();
    loop {
        tokio::select! {
            taken = delivered.recv_many(&mut ids, DELIVERED_GROUP_MAX) => if taken == 0 { return },
            () = stop.cancelled() => return,
        }
        if let Err(error) = delete(&database, &ids).await {
            tracing::debug!(%error, "deliveries not noted; the devices will get them once more");
        }
        ids.clear();
    }
}

async fn delete(database: &Database, ids: &[i64]) -> vigie_store::Result<()> {
    let mut tx = database.begin().await?;
    intake::delivered(&mut tx, ids).await?;
    tx.commit().await.map_err(vigie_store::Error::from)
}

/// Shows that the gateway lives, and once an hour makes partitions and clears old receipts.
pub(crate) async fn beat(database: Database, clock: Clock, instance: String, stop: CancellationToken) {
    let mut beats = tokio::time::interval(BEAT);
    beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut next_housekeeping = tokio::time::Instant::now();
    loop {
        tokio::select! {
            _ = beats.tick() => {}
            () = stop.cancelled() => return,
        }
        let housekeeping = tokio::time::Instant::now() >= next_housekeeping;
        match show_life(&database, &clock, &instance, housekeeping).await {
            Ok(()) if housekeeping => next_housekeeping = tokio::time::Instant::now() + HOUSEKEEPING,
            Ok(()) => {}
            Err(error) => tracing::info!(%error, "no beat: staff will see that the gateway is silent"),
        }
    }
}

async fn show_life(
    database: &Database,
    clock: &Clock,
    instance: &str,
    housekeeping: bool,
) -> vigie_store::Result<()> {
    let now = clock.now();
    let mut tx = database.begin().await?;
    devices::beat(&mut tx, "gateway", instance, now).await?;
    if housekeeping {
        devices::ensure_partitions(&mut tx, now).await?;
        let before = now.saturating_sub(RECEIPTS_KEPT).unwrap_or(now);
        intake::expire_receipts(&mut tx, before).await?;
    }
    tx.commit().await.map_err(vigie_store::Error::from)
}
