//! Between the dashboard's HTTP intake and ingest: the same way in as over MQTT, for gateways without it.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vigie_dashboard_api::{IntakeUnavailable, Pending, ReadingIntake, SentBatch, TakenBatch};
use vigie_ingest::{Ingest, Publish, Verdict};
use vigie_service::Clock;
use vigie_store::{Database, commands, devices};
use vigie_wire::{Channel, DeviceId, Encoding};

use crate::telling::Teller;

/// When Vigie stops, what waits for its commit has this long; as over MQTT.
const GRACE: Duration = Duration::from_secs(5);

/// Other names of protobuf that clients use.
const PROTOBUF_AS_WELL: [&str; 2] = ["application/vnd.google.protobuf", "application/protobuf"];

/// Ingest as a way in over HTTP needs it.
#[derive(Clone)]
pub(crate) struct Inlet {
    pub(crate) ingest: Ingest,
    /// Integration engines hear what comes in here only if the gateway runs in this process.
    pub(crate) teller: Option<Teller>,
    /// The stage that ends before ingest does.
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

/// The way in over HTTP.
#[derive(Clone)]
pub(crate) struct HttpIntake {
    inlet: Inlet,
    /// For log-ins; a pool of its own, so that these never keep devices on MQTT waiting.
    asking: Database,
    clock: Clock,
    payload_bytes_max: usize,
}

impl fmt::Debug for HttpIntake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpIntake").finish_non_exhaustive()
    }
}

impl HttpIntake {
    pub(crate) fn new(inlet: Inlet, asking: Database, clock: Clock) -> Self {
        let payload_bytes_max = vigie_ingest::Config::default().payload_bytes_max;
        Self { inlet, asking, clock, payload_bytes_max }
    }

    /// `None`: it is not known whether it was stored.
    async fn submit(self, sent: SentBatch) -> Option<TakenBatch> {
        let device = DeviceId::parse(&sent.device).ok()?;
        let encoding = encoding_of(&sent.content_type)?;
        if self.inlet.stop.is_cancelled() {
            return None;
        }
        let channel = Channel::Readings(encoding);
        let publish = Publish {
            topic: format!("POST /api/v1/devices/{device}/readings {}", encoding.content_type()),
            device: device.clone(),
            channel: Some(channel),
            payload: sent.payload.clone(),
            // It is waiting for its receipt with this very request.
            wants_receipts: true,
            will: false,
        };
        let stopped = async {
            self.inlet.stop.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        let outcome = tokio::select! {
            outcome = self.inlet.ingest.submit(publish) => outcome?,
            () = stopped => return None,
        };
        let taken = match outcome.verdict {
            Verdict::Taken => true,
            Verdict::Invalid | Verdict::NotAuthorised => false,
        };
        let receipt = outcome.receipt?;
        if let Some(teller) = self.inlet.teller.filter(|teller| taken && teller.wants(channel)) {
            let told = Some(receipt.payload.clone());
            teller.tell(device, channel, sent.payload, told, self.clock.now().as_nanosecond());
        }
        if let Some(id) = receipt.outbox_id {
            // It was kept for a subscription; the answer to this request takes its place.
            self.inlet.tasks.spawn(forget(self.asking, id, self.clock.now()));
        }
        let content_type = match encoding {
            Encoding::Protobuf => Encoding::Protobuf.content_type(),
            Encoding::Json | Encoding::SenmlJson | Encoding::SenmlCbor => Encoding::Json.content_type(),
        };
        Some(TakenBatch { taken, receipt: receipt.payload, content_type })
    }
}

impl ReadingIntake for HttpIntake {
    fn reads(&self, content_type: &str) -> bool {
        encoding_of(content_type).is_some()
    }

    fn payload_bytes_max(&self) -> usize {
        self.payload_bytes_max
    }

    fn admits(&self, device: &str, secret: &[u8]) -> Pending<Result<bool, IntakeUnavailable>> {
        let (database, device, secret) = (self.asking.clone(), device.to_owned(), secret.to_vec());
        Box::pin(async move {
            if DeviceId::parse(&device).is_err() {
                return Ok(false);
            }
            secret_matches(&database, &device, &secret).await.map_err(|error| {
                tracing::info!(%error, %device, "log-in over HTTP cannot be checked; told to come back");
                IntakeUnavailable
            })
        })
    }

    fn take(&self, sent: SentBatch) -> Pending<Option<TakenBatch>> {
        Box::pin(self.inlet.tasks.track_future(self.clone().submit(sent)))
    }
}

fn encoding_of(content_type: &str) -> Option<Encoding> {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if PROTOBUF_AS_WELL.iter().any(|name| name.eq_ignore_ascii_case(essence)) {
        return Some(Encoding::Protobuf);
    }
    Encoding::from_content_type(content_type)
}

async fn secret_matches(database: &Database, device: &str, secret: &[u8]) -> vigie_store::Result<bool> {
    let mut tx = database.begin().await?;
    let matches = devices::secret_matches(&mut tx, device, secret).await?;
    tx.commit().await.map_err(vigie_store::Error::from)?;
    Ok(matches)
}

/// A row that stays is told once more over MQTT, and deleted after a week.
async fn forget(database: Database, outbox_id: i64, now: Timestamp) {
    let forgotten = async {
        let mut tx = database.begin().await?;
        commands::delivered(&mut tx, &[outbox_id], now).await?;
        tx.commit().await.map_err(vigie_store::Error::from)
    };
    if let Err(error) = forgotten.await {
        tracing::debug!(%error, outbox_id, "a receipt that was answered over HTTP stays in the outbox");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_encoding_is_known_by_its_media_types() {
        for (content_type, encoding) in [
            ("application/json", Some(Encoding::Json)),
            ("application/json; charset=utf-8", Some(Encoding::Json)),
            ("application/x-protobuf", Some(Encoding::Protobuf)),
            ("application/vnd.google.protobuf", Some(Encoding::Protobuf)),
            ("Application/Protobuf; proto=vigie.v1.ReadingBatch", Some(Encoding::Protobuf)),
            ("application/senml+json", Some(Encoding::SenmlJson)),
            ("application/senml+cbor", Some(Encoding::SenmlCbor)),
            ("application/x-www-form-urlencoded", None),
            ("text/plain", None),
            ("", None),
        ] {
            assert_eq!(encoding_of(content_type), encoding, "{content_type}");
        }
    }
}
