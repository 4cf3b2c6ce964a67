//! A database with reports on their way, and workers that bring them to a mail server.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use vigie_reports::delivery::{Mailer, Settings, Smtp, run};
use vigie_service::Clock;
use vigie_store::reports::documents::{Format, NewDocument, NewPracticeReport, NewReport};
use vigie_store::reports::practices::{Channel, Practice};
use vigie_store::reports::{PracticeId, PracticeReportId, ReportId, What, deliveries, documents, practices};
use vigie_store::{Database, Role};
use vigie_testkit::{People, TestDatabase, logs, people};
use vigie_vitals::TerritoryId;

use crate::delivery_server::PATIENCE;

/// Not text, with what could be taken for the end of a message, and longer than one buffer.
pub(crate) fn pdf() -> Vec<u8> {
    let mut bytes = b"%PDF-1.7\r\n.\r\n\x00\xff".to_vec();
    bytes.extend((0..100_000_u32).map(|n| u8::try_from(n.wrapping_mul(n) % 251).unwrap()));
    bytes
}

const DELIVERIES: &str = "SELECT address, state, attempts FROM report_delivery ORDER BY address";

/// A territory with practices, and reports for them.
pub(crate) struct Post {
    pub(crate) database: TestDatabase,
    pub(crate) clock: Clock,
    people: People,
    admin: Database,
    territory: TerritoryId,
}

impl Post {
    pub(crate) async fn new() -> Self {
        logs::watch();
        let database = TestDatabase::new().await;
        let start: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        let people = people(database.url(), start).await;
        let admin = Database::connect(database.url(), Role::Admin, 2).await.unwrap();
        let territory = database.value("SELECT DISTINCT territory_id FROM patient");
        let territory = TerritoryId(territory.parse().unwrap());
        let clock = Clock::set_to("2026-11-23T05:00:00Z".parse().unwrap());
        Self { database, clock, people, admin, territory }
    }

    /// A practice that follows the first patient.
    pub(crate) async fn practice(
        &self,
        name: &str,
        channel: Channel,
        address: &str,
        fallback: Option<&str>,
    ) -> PracticeId {
        let practice = Practice {
            id: PracticeId(Uuid::from_bytes(digest(name.as_bytes()))),
            territory: self.territory,
            name: name.into(),
            address: address.into(),
            channel,
            locale: "fr".into(),
            fallback_address: fallback.map(str::to_owned),
        };
        let mut tx = self.admin.begin().await.unwrap();
        practices::add(&mut tx, &practice, self.clock.now()).await.unwrap();
        let since = "2026-11-01T00:00:00Z".parse().unwrap();
        assert!(practices::follow(&mut tx, practice.id, self.people.patients[0], since).await.unwrap());
        tx.commit().await.unwrap();
        practice.id
    }

    /// Stores a report on the first patient and puts it on its way to every practice.
    pub(crate) async fn report(&self) -> u64 {
        let id = ReportId(Uuid::from_u128(0x5eb0));
        let report = NewReport {
            id,
            patient: self.people.patients[0],
            week: "2026-W47".into(),
            version: 1,
            from: "2026-11-15T23:00:00Z".parse().unwrap(),
            to: "2026-11-22T23:00:00Z".parse().unwrap(),
            known_at: self.clock.now(),
            software: "test".into(),
            rules_version: "test".into(),
            content: "{}".into(),
            content_sha256: Sha256::digest(b"{}").into(),
            headline: serde_json::json!({}),
            correction_of: None,
            created_at: self.clock.now(),
            documents: vec![document()],
        };
        let reports = self.workers(self.database.url()).await;
        let mut tx = reports.begin().await.unwrap();
        documents::insert(&mut tx, &[report]).await.unwrap();
        let new = self.on_the_way(tx, What::Report(id)).await;
        reports.close().await;
        new
    }

    /// Stores the summary of a practice and puts it on its way.
    pub(crate) async fn summary(&self, practice: PracticeId) -> u64 {
        let id = PracticeReportId(Uuid::from_u128(0x5eb1));
        let report = NewPracticeReport {
            id,
            practice,
            week: "2026-W47".into(),
            known_at: self.clock.now(),
            software: "test".into(),
            content: "{}".into(),
            content_sha256: Sha256::digest(b"{}").into(),
            patients: vec![self.people.patients[0]],
            created_at: self.clock.now(),
            documents: vec![document()],
        };
        let reports = self.workers(self.database.url()).await;
        let mut tx = reports.begin().await.unwrap();
        documents::insert_practice(&mut tx, &report).await.unwrap();
        let new = self.on_the_way(tx, What::Practice(id)).await;
        reports.close().await;
        new
    }

    async fn on_the_way(&self, mut tx: vigie_store::Tx, what: What) -> u64 {
        let new = deliveries::create_for(&mut tx, &[what], self.clock.now(), "vigie.example").await.unwrap();
        tx.commit().await.unwrap();
        new
    }

    pub(crate) async fn workers(&self, url: &str) -> Database {
        Database::connect(url, Role::Reports, 4).await.unwrap()
    }

    /// A worker on this database.
    pub(crate) async fn worker(&self, smtp: Smtp) -> Worker {
        self.worker_through(self.database.url(), smtp, "1").await
    }

    /// A worker that reaches the database at this URL.
    pub(crate) async fn worker_through(&self, url: &str, smtp: Smtp, instance: &str) -> Worker {
        let settings = Settings {
            poll: Duration::from_millis(20),
            pauses: (Duration::from_millis(5), Duration::from_millis(20)),
            instance: instance.into(),
            ..Settings::default()
        };
        let stop = CancellationToken::new();
        let mailer = Arc::new(Mailer::new(smtp).unwrap());
        let task = tokio::spawn(run(
            self.workers(url).await,
            self.clock.clone(),
            mailer,
            settings,
            Arc::new(Notify::new()),
            stop.clone(),
        ));
        Worker { stop, task }
    }

    /// Time passes.
    pub(crate) fn pass(&self, time: SignedDuration) {
        self.clock.set(self.clock.now().checked_add(time).unwrap());
    }

    /// Waits until the deliveries look like this: `address|state|attempts`, by address.
    pub(crate) async fn until(&self, expected: &[&str]) {
        self.until_query(DELIVERIES, expected).await;
    }

    /// Waits until a worker has looked for deliveries at the present time.
    pub(crate) async fn until_looked(&self) {
        let now = self.clock.now();
        self.until_query(&format!("SELECT count(*) FROM service_beat WHERE at = '{now}'"), &["1"]).await;
    }

    /// Waits until a query gives this.
    pub(crate) async fn until_query(&self, sql: &str, expected: &[&str]) {
        let mut now = Vec::new();
        let mut looks = interval(Duration::from_millis(20));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let waiting = timeout(PATIENCE, async {
            while now != expected {
                looks.tick().await;
                now = self.database.query(sql);
            }
        });
        if waiting.await.is_err() {
            let differing = now.iter().filter(|line| !expected.contains(&line.as_str())).take(10);
            panic!(
                "not as expected: {:?}: {:?}",
                differing.collect::<Vec<_>>(),
                self.events().last_chunk::<20>()
            );
        }
    }

    pub(crate) fn deliveries(&self) -> Vec<String> {
        self.database.query(DELIVERIES)
    }

    /// `kind` and `detail` of everything that happened to deliveries.
    pub(crate) fn events(&self) -> Vec<String> {
        self.database.query("SELECT kind, detail FROM report_delivery_event ORDER BY id")
    }
}

/// A running worker.
pub(crate) struct Worker {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Worker {
    /// Dies at once, wherever it is.
    pub(crate) async fn die(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    /// Ends as it should.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        timeout(PATIENCE, self.task).await.expect("the worker ends").unwrap();
    }
}

fn document() -> NewDocument {
    let bytes = pdf();
    NewDocument { language: "fr".into(), format: Format::Pdf, sha256: Sha256::digest(&bytes).into(), bytes }
}

fn digest(bytes: &[u8]) -> [u8; 16] {
    Sha256::digest(bytes)[..16].try_into().unwrap()
}

/// The hash of a text's bytes, in hexadecimal.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The value of a header of a received mail.
pub(crate) fn header<'a>(mail: &'a Value, name: &str) -> Vec<&'a str> {
    let headers = mail["headers"].as_array().unwrap();
    headers.iter().filter(|header| header[0] == name).map(|header| header[1].as_str().unwrap()).collect()
}
