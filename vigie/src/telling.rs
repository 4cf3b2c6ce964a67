//! What was committed, told to integration engines: after the commit, beside the acknowledgement, and only while
//! somebody reads. Nothing waits for it; when it is slow, news are dropped and counted.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use vigie_broker::{Fanout, News, Territory};
use vigie_store::{Database, integrations};
use vigie_wire::{Batch, Channel, DeviceId, Encoding, Message, Topic, decode_batch, v1};

/// Publishes that wait to be told, and their memory; over either they are not told.
const WAITING_MAX: usize = 1_024;
const WAITING_KIBIBYTES_MAX: usize = 16 * 1024;

/// Publishes told together: one question to the database.
const GROUP_MAX: usize = 256;

/// Readings in one message, so that it stays small.
const READINGS_PER_MESSAGE: usize = 100;

/// A committed publish.
#[derive(Debug)]
struct Committed {
    device: DeviceId,
    channel: Channel,
    payload: Bytes,
    /// Which of its readings were stored.
    receipt: Option<Bytes>,
    at: i128,
    _room: OwnedSemaphorePermit,
}

/// Where committed publishes are handed in.
#[derive(Clone)]
pub(crate) struct Teller {
    fanout: Fanout,
    committed: mpsc::Sender<Committed>,
    room: Arc<Semaphore>,
}

/// What has to run for it.
pub(crate) struct Telling {
    fanout: Fanout,
    committed: mpsc::Receiver<Committed>,
}

impl std::fmt::Debug for Teller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Teller").finish_non_exhaustive()
    }
}

impl Teller {
    pub(crate) fn new(fanout: Fanout) -> (Self, Telling) {
        let (committed, receiver) = mpsc::channel(WAITING_MAX);
        let room = Arc::new(Semaphore::new(WAITING_KIBIBYTES_MAX));
        (Self { fanout: fanout.clone(), committed, room }, Telling { fanout, committed: receiver })
    }

    pub(crate) fn fanout(&self) -> &Fanout {
        &self.fanout
    }

    /// Is a publish on this channel of interest to anybody now?
    pub(crate) fn wants(&self, channel: Channel) -> bool {
        matches!(channel, Channel::Readings(_) | Channel::Status) && self.fanout.has_readers()
    }

    /// Hands in what was committed. Never waits.
    ///
    /// `at` is the moment of the commit, in nanoseconds since 1970: what SenML counts relative times from.
    pub(crate) fn tell(
        &self,
        device: DeviceId,
        channel: Channel,
        payload: Bytes,
        receipt: Option<Bytes>,
        at: i128,
    ) {
        let kibibytes = u32::try_from(payload.len() / 1024 + 1).unwrap_or(u32::MAX);
        let taken = match Arc::clone(&self.room).try_acquire_many_owned(kibibytes) {
            Ok(room) => {
                let committed = Committed { device, channel, payload, receipt, at, _room: room };
                self.committed.try_send(committed).is_ok()
            }
            Err(_) => false,
        };
        if !taken {
            self.fanout.count_dropped();
        }
    }
}

impl Telling {
    /// Tells until `stop`.
    pub(crate) async fn run(mut self, database: Database, stop: CancellationToken) {
        let mut group = Vec::new();
        loop {
            tokio::select! {
                taken = self.committed.recv_many(&mut group, GROUP_MAX) => if taken == 0 { return },
                () = stop.cancelled() => return,
            }
            if let Err(error) = tell(&database, &self.fanout, &group).await {
                group.iter().for_each(|_| self.fanout.count_dropped());
                tracing::info!(%error, "committed readings are not told to integration engines now");
            }
            group.clear();
        }
    }
}

async fn tell(database: &Database, fanout: &Fanout, group: &[Committed]) -> vigie_store::Result<()> {
    let devices: BTreeSet<&str> = group.iter().map(|committed| committed.device.as_str()).collect();
    let devices: Vec<String> = devices.into_iter().map(str::to_owned).collect();
    let mut tx = database.begin().await?;
    let territories = integrations::territories(&mut tx, &devices).await?;
    tx.commit().await.map_err(vigie_store::Error::from)?;
    for committed in group {
        let id = vigie_vitals::DeviceId(committed.device.as_str().to_owned());
        let territory = territories.get(&id).and_then(|id| Territory::parse(&id.0.to_string()));
        let Some(territory) = territory else {
            tracing::debug!(device = %committed.device, "held by nobody, or in several territories: told to nobody");
            fanout.count_dropped();
            continue;
        };
        let channel = match committed.channel {
            Channel::Readings(_) => Channel::Readings(Encoding::Json),
            other @ (Channel::Status | Channel::Receipts | Channel::Commands) => other,
        };
        let topic = Topic { device: committed.device.clone(), channel };
        for message in
            messages(committed.channel, &committed.payload, committed.receipt.as_deref(), committed.at)
        {
            let payload = message.to_string().into();
            fanout.publish(News { territory: territory.clone(), topic: topic.clone(), payload });
        }
    }
    Ok(())
}

/// What is told of a committed publish, as JSON.
fn messages(channel: Channel, payload: &[u8], receipt: Option<&[u8]>, now: i128) -> Vec<Value> {
    match channel {
        Channel::Readings(encoding) => {
            let stored = receipt.map(|receipt| stored(encoding, receipt)).unwrap_or_default();
            decode_batch(encoding, payload, now).map(|batch| of_batch(&batch, &stored)).unwrap_or_default()
        }
        Channel::Status => of_status(payload).into_iter().collect(),
        Channel::Receipts | Channel::Commands => Vec::new(),
    }
}

/// Which readings of a batch were stored now, in their order.
fn stored(encoding: Encoding, receipt: &[u8]) -> Vec<bool> {
    let is_stored = |outcome: &str| outcome == "stored";
    match encoding {
        Encoding::Protobuf => {
            let receipt = v1::Receipt::decode(receipt).unwrap_or_default();
            receipt.results.iter().map(|result| is_stored(&result.outcome)).collect()
        }
        Encoding::Json | Encoding::SenmlJson | Encoding::SenmlCbor => {
            let receipt: Value = serde_json::from_slice(receipt).unwrap_or_default();
            let results = receipt.get("results").and_then(Value::as_array);
            let outcome =
                |result: &Value| result.get("outcome").and_then(Value::as_str).is_some_and(is_stored);
            results.map(|results| results.iter().map(outcome).collect()).unwrap_or_default()
        }
    }
}

fn of_batch(batch: &Batch, stored: &[bool]) -> Vec<Value> {
    let readings: Vec<Value> = batch
        .readings
        .iter()
        .zip(stored)
        .filter(|(_, stored)| **stored)
        .filter_map(|(reading, _)| reading.as_ref().ok().map(of_reading))
        .collect();
    let message = |readings: &[Value]| {
        let mut message = Map::new();
        put(&mut message, "batch_id", &batch.batch_id);
        put(&mut message, "sent_at", &batch.sent_at);
        message.insert("epoch".into(), batch.epoch.into());
        message.insert("readings".into(), readings.into());
        Value::Object(message)
    };
    readings.chunks(READINGS_PER_MESSAGE).map(message).collect()
}

fn of_reading(reading: &v1::Reading) -> Value {
    let value = |value: &v1::Value| {
        let mut fields = Map::new();
        put(&mut fields, "vital", &value.vital);
        put(&mut fields, "value", &value.value);
        put(&mut fields, "unit", &value.unit);
        put(&mut fields, "comparator", &value.comparator);
        Value::Object(fields)
    };
    let values: Vec<Value> = reading.values.iter().map(value).collect();
    let mut message = json!({
        "sequence": reading.sequence, "measured_at": reading.measured_at, "values": values,
    });
    if let (Some(context), Some(fields)) = (&reading.context, message.as_object_mut()) {
        let mut told = Map::new();
        put(&mut told, "meal", &context.meal);
        put(&mut told, "sample", &context.sample);
        put(&mut told, "session", &context.session);
        put(&mut told, "activity", &context.activity);
        put(&mut told, "entry", &context.entry);
        if context.test {
            told.insert("test".into(), true.into());
        }
        fields.insert("context".into(), told.into());
    }
    message
}

fn of_status(payload: &[u8]) -> Option<Value> {
    let status: v1::Status = if payload.first() == Some(&b'{') {
        serde_json::from_slice(payload).ok()?
    } else {
        v1::Status::decode(payload).ok()?
    };
    let mut message = Map::new();
    put(&mut message, "state", &status.state);
    if status.battery_percent > 0 {
        message.insert("battery_percent".into(), status.battery_percent.into());
    }
    put(&mut message, "firmware", &status.firmware);
    put(&mut message, "clock", &status.clock);
    message.insert("queue_length".into(), status.queue_length.into());
    (!status.state.is_empty()).then_some(Value::Object(message))
}

/// Empty fields are left out, as everywhere on the wire.
fn put(fields: &mut Map<String, Value>, name: &str, text: &str) {
    if !text.is_empty() {
        fields.insert(name.into(), text.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATCH: &str = r#"{"batch_id":"b-17","epoch":1,"readings":[
        {"sequence":1,"measured_at":"2026-11-22T07:00:10+01:00","values":[{"vital":"glucose","value":"1.10","unit":"g/L"}],
         "context":{"meal":"fasting"}},
        {"sequence":2,"measured_at":"2026-11-22T07:05:10+01:00","values":[{"vital":"glucose","value":"9","unit":"g/L"}]},
        {"sequence":1,"measured_at":"2026-11-22T07:00:10+01:00","values":[{"vital":"glucose","value":"1.10","unit":"g/L"}]}]}"#;

    fn results(outcomes: &[&str]) -> v1::Receipt {
        let result = |outcome: &&str| v1::Result { outcome: (*outcome).into(), ..v1::Result::default() };
        v1::Receipt { results: outcomes.iter().map(result).collect(), ..v1::Receipt::default() }
    }

    #[test]
    fn only_readings_that_were_stored_now_are_told_with_their_digits_as_sent() {
        let receipt = vigie_wire::receipt_to_json(&results(&["stored", "rejected", "duplicate"]));
        let told = messages(Channel::Readings(Encoding::Json), BATCH.as_bytes(), Some(&receipt), 0);
        assert_eq!(
            told,
            [
                json!({"batch_id":"b-17","epoch":1,"readings":[{"sequence":1,"measured_at":"2026-11-22T07:00:10+01:00",
                "values":[{"vital":"glucose","value":"1.10","unit":"g/L"}],"context":{"meal":"fasting"}}]})
            ]
        );
        let nothing = vigie_wire::receipt_to_json(&results(&["duplicate", "rejected", "duplicate"]));
        assert!(messages(Channel::Readings(Encoding::Json), BATCH.as_bytes(), Some(&nothing), 0).is_empty());
        assert!(messages(Channel::Readings(Encoding::Json), BATCH.as_bytes(), None, 0).is_empty());
    }

    #[test]
    fn a_long_protobuf_batch_is_told_in_parts_as_json() {
        let readings = (1..=250).map(|sequence| v1::Reading { sequence, ..v1::Reading::default() }).collect();
        let batch = v1::ReadingBatch { epoch: 1, readings, ..v1::ReadingBatch::default() };
        let receipt = results(&["stored"; 250]).encode_to_vec();
        let told = messages(Channel::Readings(Encoding::Protobuf), &batch.encode_to_vec(), Some(&receipt), 0);
        let parts: Vec<usize> = told.iter().map(|part| part["readings"].as_array().unwrap().len()).collect();
        assert_eq!(parts, [100, 100, 50]);
    }

    #[test]
    fn a_status_is_told_as_json_whatever_it_came_as() {
        let status = v1::Status { state: "online".into(), battery_percent: 81, ..v1::Status::default() };
        let expected = json!({"state":"online","battery_percent":81,"queue_length":0});
        for sent in [status.encode_to_vec(), expected.to_string().into_bytes()] {
            assert_eq!(messages(Channel::Status, &sent, None, 0), std::slice::from_ref(&expected));
        }
        assert!(messages(Channel::Status, b"", None, 0).is_empty());
    }
}
