//! Made once, whoever makes it and whatever dies meanwhile; and the same bytes wherever the record is the same.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;
use vigie_reports::maker::Maker;
use vigie_reports::schedule::Schedule;
use vigie_service::Clock;
use vigie_store::intake::{NewValue, insert_values};
use vigie_store::reports::PracticeId;
use vigie_store::reports::practices::{self, Channel, Practice};
use vigie_store::{Database, Role};
use vigie_testkit::{People, TestDatabase, logs, people};
use vigie_typeset::Typesetter;
use vigie_vitals::{Context, ReadingKey, TerritoryId, Unit, Value, Vital};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Monday, an hour after the reports of week 47 are due.
const MONDAY: &str = "2026-11-23T06:00:00Z";

struct Office {
    database: TestDatabase,
    people: People,
    clock: Clock,
    typesetter: Arc<Typesetter>,
}

impl Office {
    /// Two patients with a week of readings, and a practice that follows the first.
    async fn new() -> Self {
        logs::watch();
        let database = TestDatabase::new().await;
        let people = people(database.url(), at("2026-10-01T00:00:00Z")).await;
        let admin = Database::connect(database.url(), Role::Admin, 1).await.unwrap();
        let mut tx = admin.begin().await.unwrap();
        let practice = Practice {
            id: PracticeId(Uuid::from_u128(77)),
            territory: TerritoryId(database.value("SELECT id FROM territory").parse().unwrap()),
            name: "Cabinet".into(),
            address: "cabinet@mail.example".into(),
            channel: Channel::Email,
            locale: "fr".into(),
            fallback_address: None,
        };
        practices::add(&mut tx, &practice, at("2026-10-01T00:00:00Z")).await.unwrap();
        practices::follow(&mut tx, practice.id, people.patients[0], at("2026-10-01T00:00:00Z"))
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let office = Self {
            database,
            people,
            clock: Clock::set_to(at(MONDAY)),
            typesetter: Arc::new(Typesetter::new()),
        };
        office.measure("2026-11-16T07:00:00Z", 7).await;
        office
    }

    async fn measure(&self, first: &str, days: i64) {
        let gateway = Database::connect(self.database.url(), Role::Gateway, 1).await.unwrap();
        let mut values = Vec::new();
        for (n, patient) in self.people.patients.iter().enumerate() {
            for day in 0..days {
                let measured_at = at(first) + SignedDuration::from_hours(24 * day);
                values.push(NewValue {
                    patient: *patient,
                    key: ReadingKey { device: self.people.devices[n].clone(), epoch: 1, sequence: day + 1 },
                    vital: Vital::Weight,
                    value: Value::parse(&format!("7{n}.{day}"), "", Unit::Kilogram).unwrap(),
                    measured_at,
                    device_measured_at: measured_at,
                    received_at: measured_at + SignedDuration::from_secs(20),
                    context: Context::default(),
                    flags: Vec::new(),
                });
            }
        }
        let mut tx = gateway.begin().await.unwrap();
        insert_values(&mut tx, &values).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn maker(&self) -> Maker {
        Maker {
            database: Database::connect(self.database.url(), Role::Reports, 3).await.unwrap(),
            clock: self.clock.clone(),
            typesetter: Arc::clone(&self.typesetter),
            most: 1,
            message_domain: "vigie.example".into(),
        }
    }

    async fn due(&self, maker: &Maker) -> u64 {
        let schedule = Schedule { weeks_back: 1, ..Schedule::default() };
        schedule.fill(&maker.database, self.clock.now()).await.unwrap()
    }

    /// Week, version and hashes of everything made, in an order that does not depend on who made it.
    fn made(&self) -> Vec<String> {
        self.database.query(
            "SELECT r.patient_id, r.week, r.version, encode(r.content_sha256, 'hex'), d.language, d.format,
                    encode(d.sha256, 'hex')
             FROM report r JOIN report_document d ON d.report_id = r.id
             UNION ALL
             SELECT s.practice_id, s.week, 1, encode(s.content_sha256, 'hex'), d.language, d.format, encode(d.sha256, 'hex')
             FROM practice_report s JOIN practice_report_document d ON d.practice_report_id = s.id
             ORDER BY 1, 2, 3, 5, 6",
        )
    }
}

async fn make_all(maker: Maker) -> usize {
    let mut made = 0;
    loop {
        let round = maker.make_once().await.unwrap();
        assert_eq!(round.failed, 0);
        if round.made == 0 {
            return made;
        }
        made += round.made;
    }
}

#[tokio::test]
async fn two_workers_make_each_report_and_the_practices_summary_once() {
    let office = Office::new().await;
    let (one, other) = (office.maker().await, office.maker().await);
    assert_eq!(office.due(&one).await, 3);
    assert_eq!(office.due(&other).await, 0, "what is on the list is not put there again");
    let (one, other) = tokio::join!(make_all(one), make_all(other));
    // A worker that found everything held may have ended early; the rest is made then.
    let rest = make_all(office.maker().await).await;
    assert_eq!(one + other + rest, 3);
    let made = office.made();
    assert_eq!(made.len(), 6, "two reports and a summary, each as PDF and HTML: {made:#?}");
    assert_eq!(office.database.value("SELECT count(*) FROM report_job WHERE state <> 'done'"), "0");
    // The report and the summary to the practice; nobody follows the other patient.
    assert_eq!(office.database.value("SELECT count(*) FROM report_delivery WHERE state = 'waiting'"), "2");
}

#[tokio::test]
async fn a_worker_that_dies_half_way_leaves_nothing_behind_and_the_report_is_made_by_another() {
    let office = Office::new().await;
    let maker = office.maker().await;
    office.due(&maker).await;
    let dying = tokio::spawn(async move { maker.make_once().await });
    // It has claimed, or is about to: wherever it is cut off, the transaction is not committed.
    tokio::task::yield_now().await;
    dying.abort();
    assert!(dying.await.unwrap_err().is_cancelled());
    assert_eq!(office.made(), Vec::<String>::new());
    assert_eq!(make_all(office.maker().await).await, 3);
    assert_eq!(office.database.value("SELECT count(*) FROM report"), "2");
}

#[tokio::test]
async fn the_same_record_gives_the_same_bytes_in_another_database_and_at_another_time() {
    let (office, other) = (Office::new().await, Office::new().await);
    let maker = office.maker().await;
    office.due(&maker).await;
    make_all(maker).await;
    // A day late, after more was measured: the report knows no more than it would have known in time.
    other.measure("2026-11-23T07:00:00Z", 1).await;
    other.clock.set(at("2026-11-24T18:30:00Z"));
    let maker = other.maker().await;
    other.due(&maker).await;
    make_all(maker).await;
    assert_eq!(office.made(), other.made());
    assert_eq!(office.made().len(), 6);
}
