//! Gateways that look for gaps, on a real database.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use vigie_ingest::gaps::{Settings, look};
use vigie_service::Clock;
use vigie_store::ledger_reports::{self, Prospect};
use vigie_store::{Database, Role};
use vigie_testkit::{TestDatabase, people};
use vigie_vitals::UserId;

/// Ledgers that one transaction claims at most.
const AT_ONCE: i64 = 100;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn noon() -> Timestamp {
    at("2026-11-24T12:00:00Z")
}

struct Scene {
    database: TestDatabase,
    gateway: Database,
}

impl Scene {
    /// Devices whose epoch 1 has a gap from 3 to 4 that opened three hours ago.
    async fn with(devices: i64) -> Self {
        let database = TestDatabase::new().await;
        people(database.url(), at("2026-01-01T00:00:00Z")).await;
        database.query(&format!(
            "INSERT INTO device (id, territory_id, kind, secret_hash, enrolled_at)
             SELECT 'd-' || n, (SELECT id FROM territory LIMIT 1), 'scale', decode(repeat('00', 32), 'hex'), now()
             FROM generate_series(1, {devices}) n;
             INSERT INTO ledger SELECT 'd-' || n, 1, '{{[1,3),[5,8)}}', '2026-11-24 09:00Z' FROM generate_series(1, {devices}) n;
             INSERT INTO ledger_gap SELECT 'd-' || n, 1, 3, 4, '2026-11-24 09:00Z' FROM generate_series(1, {devices}) n"
        ));
        let gateway = Database::connect(database.url(), Role::Gateway, 8).await.unwrap();
        Self { database, gateway }
    }

    async fn look(&self, at: Timestamp) -> i64 {
        look(&self.gateway, Settings::default(), at).await.unwrap()
    }

    fn asked(&self) -> Vec<String> {
        self.database.query(
            "SELECT device_id, from_sequence, state, asked_by_name, reason FROM device_command ORDER BY id",
        )
    }
}

#[tokio::test]
async fn several_gateways_at_once_ask_each_device_once_and_only_a_part_in_one_transaction() {
    let scene = Scene::with(250).await;
    let looks = (0..6).map(|_| {
        let gateway = scene.gateway.clone();
        tokio::spawn(async move { look(&gateway, Settings::default(), noon()).await.unwrap() })
    });
    let mut claimed = 0;
    for look in looks.collect::<Vec<_>>() {
        let here = look.await.unwrap();
        assert!(here <= AT_ONCE);
        claimed += here;
    }
    while claimed < 250 {
        claimed += scene.look(noon()).await;
    }
    assert_eq!(claimed, 250);
    assert_eq!(scene.look(noon()).await, 0, "their pause has begun");
    assert_eq!(
        scene.database.query("SELECT count(*), count(DISTINCT device_id), min(reason) FROM device_command"),
        ["250|250|3–4 (1/4)"]
    );
}

#[tokio::test]
async fn a_device_that_never_answers_is_asked_as_often_as_is_documented_and_then_left_alone() {
    let scene = Scene::with(1).await;
    let mut now = noon();
    let mut asked_at = Vec::new();
    for _ in 0..40 {
        let before = scene.asked().len();
        scene.look(now).await;
        // It fetches every request and does nothing.
        scene.database.query("UPDATE device_command SET state = 'delivered' WHERE state = 'queued'");
        if scene.asked().len() > before {
            asked_at.push(now.duration_since(noon()).as_hours());
        }
        now += SignedDuration::from_hours(2);
    }
    assert_eq!(asked_at, [0, 2, 6, 22], "pauses of 1, 4 and 16 hours, looked at every two");
    assert_eq!(scene.database.value("SELECT count(*) FROM ledger_gap"), "0");

    // A new gap is asked for by itself; what was given up is not.
    scene.database.query(&format!(
        "UPDATE ledger SET received = '{{[1,3),[5,8),[9,10)}}';
         INSERT INTO ledger_gap VALUES ('d-1', 1, 8, 8, '{now}')"
    ));
    scene.look(now + SignedDuration::from_mins(16)).await;
    assert_eq!(scene.asked().last().unwrap(), "d-1|8|queued|Vigie|8–8 (1/4)");
}

#[tokio::test]
async fn a_request_that_the_device_did_not_fetch_is_not_repeated_and_goes_with_its_epoch() {
    let scene = Scene::with(1).await;
    scene.look(noon()).await;
    for hours in [2, 10, 40, 100] {
        scene.look(noon() + SignedDuration::from_hours(hours)).await;
    }
    assert_eq!(scene.asked(), ["d-1|3|queued|Vigie|3–4 (1/4)"]);
    // It comes back without its memory: the lower number of the epoch is no matter.
    scene.database.query("INSERT INTO ledger VALUES ('d-1', 0, '{[1,2)}', '2026-11-28 20:00Z')");
    scene.look(noon() + SignedDuration::from_hours(130)).await;
    assert_eq!(scene.asked(), ["d-1|3|cancelled|Vigie|3–4 (1/4)"]);
    // That was a late message only: it is asked again. Then it does go on in the other epoch.
    scene.database.query("UPDATE ledger SET used_at = '2026-11-30Z' WHERE epoch = 1");
    scene.look(noon() + SignedDuration::from_hours(200)).await;
    assert_eq!(scene.asked()[1..], ["d-1|3|queued|Vigie|3–4 (3/4)"]);
    scene.database.query("UPDATE ledger SET used_at = '2026-12-10Z' WHERE epoch = 0");
    for hours in [300, 400] {
        scene.look(noon() + SignedDuration::from_hours(hours)).await;
    }
    assert_eq!(scene.asked()[1..], ["d-1|3|cancelled|Vigie|3–4 (3/4)"]);
    assert_eq!(scene.database.value("SELECT count(*) FROM ledger_gap"), "0");
}

#[tokio::test]
async fn a_device_that_was_assigned_since_is_asked_once_more() {
    let scene = Scene::with(1).await;
    scene.database.query("DELETE FROM ledger_gap");
    let patient = scene.database.value("SELECT id FROM patient LIMIT 1");
    scene.database.query(&format!(
        "INSERT INTO device_assignment VALUES ('d-1', '{patient}', tstzrange('2026-11-01Z', NULL))"
    ));
    assert_eq!(scene.database.query("SELECT first, last, tries FROM ledger_gap"), ["1|7|0"]);
    let later = Clock::system().now() + SignedDuration::from_mins(16);
    assert_eq!(scene.look(later).await, 1);
    assert_eq!(scene.asked(), ["d-1|3|queued|Vigie|3–4 (1/4)"]);
}

#[tokio::test]
async fn staff_see_what_is_to_be_expected_of_each_gap() {
    let scene = Scene::with(0).await;
    scene.database.query(
        "INSERT INTO ledger VALUES ('dev-1', 9, '{[2,3)}', '2026-11-20Z'),
             ('dev-1', 4, '{[2,3),[5,6),[8,9)}', '2026-11-24Z');
         INSERT INTO ledger_gap VALUES ('dev-1', 4, 3, 4, '2026-11-24Z', 2, '2026-11-24 13:00Z'),
             ('dev-1', 4, 6, 7, '2026-11-24Z', 0, NULL)",
    );
    let nurse = scene.database.value("SELECT id FROM staff WHERE login = 'nurse1'");
    let dashboard = Database::connect(scene.database.url(), Role::Dashboard, 1).await.unwrap();
    let mut tx = dashboard.begin_reading_as(UserId(nurse.parse().unwrap())).await.unwrap();
    let device = ledger_reports::device(&mut tx, "dev-1", noon()).await.unwrap().unwrap();
    let told: BTreeMap<i64, _> = device
        .epochs
        .into_iter()
        .map(|epoch| (epoch.epoch, (epoch.is_current, epoch.ranges, epoch.prospects)))
        .collect();
    let asked = Prospect::AskedFor { tries: 2, next_at: at("2026-11-24T13:00:00Z") };
    let expected = [
        (4, (true, vec![(1, 1), (3, 4), (6, 7)], vec![Prospect::NeverArrived, asked, Prospect::WaitedFor])),
        (9, (false, vec![(1, 1)], vec![Prospect::LostWithMemory])),
    ];
    assert_eq!(told, BTreeMap::from(expected));
}
