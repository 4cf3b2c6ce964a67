//! Judging on a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "test code fails by panicking")]

mod judging;

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;
use vigie_service::Clock;
use vigie_store::intake::{self, NewValue};
use vigie_store::{Database, Role};
use vigie_testkit::{People, TestDatabase, people};
use vigie_vitals::{Context, ReadingKey, Unit, Value, Vital};

struct Ward {
    database: TestDatabase,
    people: People,
    gateway: Database,
    alerts: Database,
    clock: Clock,
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

impl Ward {
    async fn new() -> Self {
        vigie_testkit::logs::watch();
        let database = TestDatabase::new().await;
        let people = people(database.url(), at("2026-11-01T00:00:00Z")).await;
        let gateway = Database::connect(database.url(), Role::Gateway, 2).await.unwrap();
        let alerts = Database::connect(database.url(), Role::Alerts, 4).await.unwrap();
        Self { database, people, gateway, alerts, clock: Clock::set_to(at("2026-11-01T00:00:00Z")) }
    }

    /// A glucose in g/L of the first patient, received now.
    async fn glucose(&self, sequence: i64, value: &str, measured_at: &str) {
        self.measure(sequence, Vital::Glucose, Unit::GramPerLitre, value, measured_at).await;
    }

    async fn measure(&self, sequence: i64, vital: Vital, unit: Unit, value: &str, measured_at: &str) {
        let patient = self.people.patients[0];
        let value = NewValue {
            patient,
            key: ReadingKey { device: self.people.devices[0].clone(), epoch: 1, sequence },
            vital,
            value: Value::exact(value.parse::<Decimal>().unwrap(), unit),
            measured_at: at(measured_at),
            device_measured_at: at(measured_at),
            received_at: self.clock.now(),
            context: Context::default(),
            flags: Vec::new(),
        };
        let mut tx = self.gateway.begin().await.unwrap();
        intake::insert_values(&mut tx, &[value]).await.unwrap();
        intake::queue_judgements(&mut tx, &BTreeMap::from([(patient, at(measured_at))])).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn now(&self, time: &str) {
        self.clock.set(at(time));
    }

    /// Judges until nothing waits.
    async fn judge(&self) {
        while vigie_alerts::judge_once(&self.alerts, &self.clock, 10, &[]).await.unwrap().patients > 0 {}
    }

    /// `rule|state|condition|priority` of the first patient's alerts about glucose, oldest first.
    fn alerts(&self, rules: &str) -> Vec<String> {
        self.database.query(&format!(
            "SELECT rule, state, condition, priority FROM alert WHERE patient_id = '{}' AND rule ~ '{rules}' ORDER BY opened_at, id",
            self.people.patients[0]
        ))
    }
}
