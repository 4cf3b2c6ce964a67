//! Between the listener and ingest: the broker knows nothing of readings, ingest nothing of MQTT.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use vigie_broker::{
    Admission, EngineId, Fanout, Gateway, Inbound, Outbound, Switchboard, Territory, Unavailable, Verdict,
};
use vigie_ingest::housekeeping::{TIDY_EVERY, tidy};
use vigie_ingest::{Ingest, Publish};
use vigie_service::{Clock, Ticks};
use vigie_store::audit::{self, NewEntry};
use vigie_store::certificates::{self, Withdrawn};
use vigie_store::{Database, commands, devices, intake, integrations, retained_status};
use vigie_wire::{Channel, DeviceId};

use crate::device_commands;
use crate::telling::Teller;

/// Receipts fetched for a device at once; the rest follows when it has caught up.
const PENDING_MAX: i64 = 64;

/// Deliveries that wait to be written. Over it they are forgotten: the device gets that receipt once more.
const DELIVERED_WAITING_MAX: usize = 8_192;

/// Deliveries written in one transaction.
const DELIVERED_GROUP_MAX: usize = 1_000;

/// How often the gateway looks for what was revoked, and how far back: far more than clocks differ.
const WITHDRAWN_EVERY: Duration = Duration::from_secs(3);
const WITHDRAWN_LATELY: SignedDuration = SignedDuration::from_hours(24);

const BEAT: Duration = Duration::from_secs(5);

/// The listener's other side.
#[derive(Debug)]
pub(crate) struct Bridge {
    database: Database,
    ingest: Ingest,
    clock: Clock,
    delivered: mpsc::Sender<i64>,
    teller: Teller,
}

impl Bridge {
    /// The bridge, and what tells which outbox rows were delivered (for [`forget_delivered`]).
    pub(crate) fn new(
        database: Database,
        ingest: Ingest,
        teller: Teller,
        clock: Clock,
    ) -> (Self, mpsc::Receiver<i64>) {
        let (delivered, receiver) = mpsc::channel(DELIVERED_WAITING_MAX);
        (Self { database, ingest, delivered, teller, clock }, receiver)
    }

    async fn secret_matches(&self, device: &DeviceId, secret: &[u8]) -> vigie_store::Result<bool> {
        let mut tx = self.database.begin().await?;
        let matches = devices::secret_matches(&mut tx, device.as_str(), secret).await?;
        tx.commit().await.map_err(vigie_store::Error::from)?;
        Ok(matches)
    }

    async fn certificate_admits(
        &self,
        device: &DeviceId,
        fingerprint: &[u8; 32],
    ) -> vigie_store::Result<bool> {
        let mut tx = self.database.begin().await?;
        let admitted = certificates::admits(&mut tx, device.as_str(), fingerprint).await?;
        tx.commit().await.map_err(vigie_store::Error::from)?;
        Ok(admitted)
    }

    /// The territory of an integration engine, with its log-in in the audit trail; both or nothing.
    async fn engine_logs_in(
        &self,
        id: Uuid,
        secret: &[u8],
        client_id: &str,
        remote: SocketAddr,
    ) -> vigie_store::Result<Option<Territory>> {
        let mut tx = self.database.begin().await?;
        let Some(integration) = integrations::admit(&mut tx, id, secret).await? else {
            return Ok(None);
        };
        let detail = format!("{id} client {client_id} from {remote}");
        let actor = format!("integration {}", integration.name);
        audit::record(&mut tx, self.note(&actor, "integration.log_in", &detail)).await?;
        tx.commit().await.map_err(vigie_store::Error::from)?;
        Ok(Territory::parse(&integration.territory.0.to_string()))
    }

    async fn note_subscription(
        &self,
        engine: &EngineId,
        client_id: &str,
        filters: &[String],
    ) -> vigie_store::Result<()> {
        let mut tx = self.database.begin().await?;
        let detail = format!("{engine} client {client_id} filters {}", filters.join(" "));
        let actor = format!("integration {engine}");
        audit::record(&mut tx, self.note(&actor, "integration.subscribe", &detail)).await?;
        tx.commit().await.map_err(vigie_store::Error::from)
    }

    async fn engine_is_admitted(&self, id: Uuid) -> vigie_store::Result<bool> {
        let mut tx = self.database.begin().await?;
        let admitted = integrations::is_admitted(&mut tx, id).await?;
        tx.commit().await.map_err(vigie_store::Error::from)?;
        Ok(admitted)
    }

    fn note<'a>(&self, actor_name: &'a str, action: &'a str, detail: &'a str) -> NewEntry<'a> {
        let at = self.clock.now();
        NewEntry { at, actor: None, actor_name, action, patient: None, request_id: "mqtt", detail }
    }

    async fn receipts(&self, device: &DeviceId) -> vigie_store::Result<Vec<Outbound>> {
        let mut tx = self.database.begin().await?;
        let waiting = intake::waiting_for_device(&mut tx, device.as_str(), "receipts", PENDING_MAX).await?;
        tx.commit().await.map_err(vigie_store::Error::from)?;
        let to_outbound = |message: intake::OutboxMessage| Outbound {
            outbox_id: Some(message.id),
            channel: Channel::Receipts,
            payload: message.payload.into(),
            retained: false,
        };
        Ok(waiting.into_iter().map(to_outbound).collect())
    }

    async fn retained_status(&self, device: &DeviceId) -> vigie_store::Result<Vec<Outbound>> {
        let mut tx = self.database.begin().await?;
        let retained = retained_status::of_device(&mut tx, device.as_str()).await?;
        tx.commit().await.map_err(vigie_store::Error::from)?;
        let to_outbound = |payload: Vec<u8>| Outbound {
            outbox_id: None,
            channel: Channel::Status,
            payload: payload.into(),
            retained: true,
        };
        Ok(retained.into_iter().map(to_outbound).collect())
    }
}

impl Gateway for Bridge {
    async fn authenticate(&self, device: &DeviceId, secret: &[u8]) -> Result<Admission, Unavailable> {
        admission(device, self.secret_matches(device, secret).await)
    }

    async fn authenticate_certificate(
        &self,
        device: &DeviceId,
        fingerprint: &[u8; 32],
    ) -> Result<Admission, Unavailable> {
        admission(device, self.certificate_admits(device, fingerprint).await)
    }

    async fn take(&self, publish: Inbound) -> Verdict {
        let told = publish
            .channel
            .filter(|channel| self.teller.wants(*channel))
            .map(|channel| (publish.device.clone(), channel, publish.payload.clone()));
        let retained = publish.retained;
        let publish = Publish {
            device: publish.device,
            channel: publish.channel,
            topic: publish.topic,
            payload: publish.payload,
            wants_receipts: publish.wants_receipts,
            will: publish.will,
        };
        let submitted = if retained {
            self.ingest.submit_retained(publish).await
        } else {
            self.ingest.submit(publish).await
        };
        let Some(outcome) = submitted else { return Verdict::GoneAway };
        if let Some((device, channel, payload)) = told
            && outcome.verdict == vigie_ingest::Verdict::Taken
        {
            let receipt = outcome.receipt.as_ref().map(|receipt| receipt.payload.clone());
            self.teller.tell(device, channel, payload, receipt, self.clock.now().as_nanosecond());
        }
        let receipt = outcome.receipt.map(|receipt| Outbound {
            outbox_id: receipt.outbox_id,
            channel: Channel::Receipts,
            payload: receipt.payload,
            retained: false,
        });
        match outcome.verdict {
            vigie_ingest::Verdict::Taken => Verdict::Taken { receipt },
            vigie_ingest::Verdict::Invalid => Verdict::Invalid { receipt },
            vigie_ingest::Verdict::NotAuthorised => Verdict::NotAuthorised { receipt },
        }
    }

    async fn pending(&self, device: &DeviceId, channel: Channel) -> Vec<Outbound> {
        let waiting = match channel {
            Channel::Receipts => self.receipts(device).await,
            Channel::Commands => device_commands::waiting(&self.database, device, self.clock.now()).await,
            Channel::Status => self.retained_status(device).await,
            Channel::Readings(_) => return Vec::new(),
        };
        match waiting {
            Ok(messages) => messages,
            Err(error) => {
                // It stays where it is and is fetched at the next subscription.
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

    fn fanout(&self) -> Option<&Fanout> {
        Some(self.teller.fanout())
    }

    async fn admit_engine(
        &self,
        engine: &EngineId,
        secret: &[u8],
        client_id: &str,
        remote: SocketAddr,
    ) -> Result<Option<Territory>, Unavailable> {
        let Ok(id) = engine.as_str().parse() else { return Ok(None) };
        self.engine_logs_in(id, secret, client_id, remote).await.map_err(|error| unavailable(&error, engine))
    }

    async fn engine_subscribes(
        &self,
        engine: &EngineId,
        client_id: &str,
        filters: &[String],
    ) -> Result<(), Unavailable> {
        self.note_subscription(engine, client_id, filters).await.map_err(|error| unavailable(&error, engine))
    }

    async fn is_engine_admitted(&self, engine: &EngineId) -> Result<bool, Unavailable> {
        let Ok(id) = engine.as_str().parse() else { return Ok(false) };
        self.engine_is_admitted(id).await.map_err(|error| unavailable(&error, engine))
    }
}

/// What the database could not say, as the listener understands it.
fn unavailable(error: &vigie_store::Error, engine: &EngineId) -> Unavailable {
    tracing::info!(%error, %engine, "an integration engine cannot be checked or noted now");
    Unavailable
}

fn admission(device: &DeviceId, right: vigie_store::Result<bool>) -> Result<Admission, Unavailable> {
    match right {
        Ok(true) => Ok(Admission::Granted),
        Ok(false) => Ok(Admission::Refused),
        Err(error) => {
            tracing::info!(%error, %device, "log-in cannot be checked; the device is told to come back");
            Err(Unavailable)
        }
    }
}

/// Ends the connections of devices and certificates that were revoked while they were connected.
///
/// Looks at everything that was revoked lately, again and again: whoever revokes may have another clock, and a log-in
/// that was being checked at that moment shows up a little later. Cutting whom nobody knows changes nothing.
pub(crate) async fn cut_withdrawn(
    database: Database,
    clock: Clock,
    switchboard: Switchboard,
    stop: CancellationToken,
) {
    let mut looks = Ticks::every(WITHDRAWN_EVERY, stop);
    while looks.next().await {
        let now = clock.now();
        let since = now.saturating_sub(WITHDRAWN_LATELY).unwrap_or(now);
        match withdrawn(&database, since).await {
            Ok(withdrawn) => withdrawn.iter().for_each(|withdrawn| cut(&switchboard, withdrawn)),
            Err(error) => tracing::info!(%error, "it is not known now what was revoked; looking again"),
        }
    }
}

async fn withdrawn(database: &Database, since: Timestamp) -> vigie_store::Result<Vec<Withdrawn>> {
    let mut tx = database.begin().await?;
    let withdrawn = certificates::withdrawn_since(&mut tx, since).await?;
    tx.commit().await.map_err(vigie_store::Error::from)?;
    Ok(withdrawn)
}

fn cut(switchboard: &Switchboard, withdrawn: &Withdrawn) {
    let (id, was_connected) = match withdrawn {
        Withdrawn::Device(id) => (id, DeviceId::parse(&id.0).is_ok_and(|id| switchboard.cut(&id))),
        Withdrawn::Certificate(id, fingerprint) => {
            (id, DeviceId::parse(&id.0).is_ok_and(|id| switchboard.cut_certificate(&id, fingerprint)))
        }
    };
    if was_connected {
        tracing::info!(device = %id.0, "revoked while it was connected; its connection is cut");
    }
}

/// Notes and deletes what devices have received, in groups.
pub(crate) async fn forget_delivered(
    database: Database,
    clock: Clock,
    mut delivered: mpsc::Receiver<i64>,
    stop: CancellationToken,
) {
    let mut ids = Vec::new();
    loop {
        tokio::select! {
            taken = delivered.recv_many(&mut ids, DELIVERED_GROUP_MAX) => if taken == 0 { return },
            () = stop.cancelled() => return,
        }
        if let Err(error) = note(&database, &ids, clock.now()).await {
            tracing::debug!(%error, "deliveries not noted; the devices will get them once more");
        }
        ids.clear();
    }
}

async fn note(database: &Database, ids: &[i64], now: Timestamp) -> vigie_store::Result<()> {
    let mut tx = database.begin().await?;
    commands::delivered(&mut tx, ids, now).await?;
    tx.commit().await.map_err(vigie_store::Error::from)
}

/// Shows that the gateway lives, and once an hour makes partitions and clears old receipts.
pub(crate) async fn beat(database: Database, clock: Clock, instance: String, stop: CancellationToken) {
    let mut beats = Ticks::every(BEAT, stop);
    let mut next_housekeeping = tokio::time::Instant::now();
    while beats.next().await {
        let housekeeping = tokio::time::Instant::now() >= next_housekeeping;
        match show_life(&database, &clock, &instance, housekeeping).await {
            Ok(()) if housekeeping => next_housekeeping = tokio::time::Instant::now() + TIDY_EVERY,
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
        tidy(&mut tx, now).await?;
    }
    tx.commit().await.map_err(vigie_store::Error::from)
}
