//! Ingest against a real PostgreSQL, asked with psql what is really there.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test code fails by panicking")]

mod clock;
mod cluster;
mod corpus;
mod database_away;
mod epochs;
mod gaps;
mod gateways;
mod retained;
mod storing;

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vigie_ingest::{Config, Ingest, Outcome, Publish};
use vigie_service::Clock;
use vigie_store::{Database, Role};
use vigie_testkit::{People, TestDatabase, people};
use vigie_wire::{Channel, DeviceId, Encoding};

struct Bench {
    database: TestDatabase,
    people: People,
    ingest: Ingest,
    clock: Clock,
    stop: CancellationToken,
    tasks: TaskTracker,
}

fn now() -> Timestamp {
    "2026-11-22T07:00:00Z".parse().unwrap()
}

impl Bench {
    async fn new() -> Self {
        Self::on(TestDatabase::new().await, None).await
    }

    async fn on(database: TestDatabase, port: Option<u16>) -> Self {
        vigie_testkit::logs::watch();
        let people = people(database.url(), "2026-01-01T00:00:00Z".parse().unwrap()).await;
        let url = port.map_or_else(|| database.url().to_owned(), |port| database.url_through(port));
        let pool = Database::connect(&url, Role::Gateway, 4).await.unwrap();
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let clock = Clock::set_to(now());
        let ingest =
            Ingest::start(pool, clock.clone(), Config::default(), Arc::new(Notify::new()), &tasks, &stop);
        Self { database, people, ingest, clock, stop, tasks }
    }

    async fn json(&self, batch: &serde_json::Value) -> (Outcome, serde_json::Value) {
        self.raw(Channel::Readings(Encoding::Json), batch.to_string().into_bytes()).await
    }

    async fn raw(&self, channel: Channel, payload: Vec<u8>) -> (Outcome, serde_json::Value) {
        let outcome = self.ingest.submit(publish(Some(channel), payload)).await.unwrap();
        let receipt =
            outcome.receipt.as_ref().map(|r| serde_json::from_slice(&r.payload).unwrap_or_default());
        (outcome, receipt.unwrap_or_default())
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.stop.cancel();
        self.tasks.close();
    }
}

fn publish(channel: Option<Channel>, payload: Vec<u8>) -> Publish {
    Publish {
        device: DeviceId::parse("dev-1").unwrap(),
        channel,
        topic: "vigie/v1/dev-1/readings/json".into(),
        payload: Bytes::from(payload),
        wants_receipts: true,
        will: false,
    }
}

fn glucose(sequence: i64, value: &str, measured_at: &str) -> serde_json::Value {
    json!({"sequence": sequence, "measured_at": measured_at,
        "values": [{"vital": "glucose", "value": value, "unit": "g/L"}]})
}

fn batch(readings: &[serde_json::Value]) -> serde_json::Value {
    json!({"batch_id": "b-17", "epoch": 1, "readings": readings})
}
