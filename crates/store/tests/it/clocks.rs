//! Clocks that are proven wrong, and Vigie's own asking.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use vigie_store::clocks::{self, AskToSet, ClockError};
use vigie_store::{Database, Role, commands};
use vigie_testkit::{People, TestDatabase, people};
use vigie_vitals::DeviceId;

const RULE: AskToSet = AskToSet {
    beyond: SignedDuration::from_mins(10),
    every: SignedDuration::from_hours(24),
    every_if_never_fetched: SignedDuration::from_hours(30 * 24),
    life: SignedDuration::from_hours(24),
};

struct Scene {
    database: TestDatabase,
    people: People,
    gateway: Database,
}

fn start() -> Timestamp {
    "2026-11-24T08:00:00Z".parse().unwrap()
}

fn later(hours: i64) -> Timestamp {
    start() + SignedDuration::from_hours(hours)
}

impl Scene {
    async fn new() -> Self {
        let database = TestDatabase::new().await;
        let people = people(database.url(), "2026-01-01T00:00:00Z".parse().unwrap()).await;
        let gateway = Database::connect(database.url(), Role::Gateway, 4).await.unwrap();
        Self { database, people, gateway }
    }

    async fn note(&self, device: &str, ahead: SignedDuration, noted_at: Timestamp) {
        let errors = BTreeMap::from([(DeviceId(device.into()), ClockError { ahead, noted_at })]);
        let mut tx = self.gateway.begin().await.unwrap();
        clocks::note(&mut tx, &errors).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn ask(&self, now: Timestamp) -> usize {
        let mut tx = self.gateway.begin().await.unwrap();
        let asked = clocks::ask_to_set(&mut tx, &RULE, now, 10).await.unwrap();
        tx.commit().await.unwrap();
        asked.len()
    }

    async fn deliver(&self, now: Timestamp) {
        let mut tx = self.gateway.begin().await.unwrap();
        let waiting = commands::waiting(&mut tx, "dev-1", now, 10).await.unwrap();
        let rows: Vec<i64> = waiting.iter().map(|command| command.outbox_id).collect();
        assert!(!rows.is_empty(), "there is something to deliver");
        commands::delivered(&mut tx, &rows, now).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn settle(&self, now: Timestamp) {
        let mut tx = self.gateway.begin().await.unwrap();
        commands::settle(&mut tx, now).await.unwrap();
        tx.commit().await.unwrap();
    }

    fn states(&self) -> Vec<String> {
        self.database.query("SELECT state FROM device_command ORDER BY id")
    }
}

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

#[tokio::test]
async fn a_clock_beyond_the_setting_is_asked_about_once_and_staff_see_who_asked() {
    let scene = Scene::new().await;
    scene.note("dev-1", minutes(11), start()).await;
    assert_eq!(scene.ask(start()).await, 1);
    assert_eq!(scene.ask(start()).await, 0, "once for each proof");
    let mut tx = scene.gateway.begin().await.unwrap();
    let waiting = commands::waiting(&mut tx, "dev-1", start(), 10).await.unwrap();
    assert_eq!((waiting.len(), waiting[0].kind.as_str(), waiting[0].expires_at), (1, "set_clock", later(24)));
    drop(tx);
    let dashboard = Database::connect(scene.database.url(), Role::Dashboard, 1).await.unwrap();
    let mut tx = dashboard.begin_as(scene.people.nurses[0]).await.unwrap();
    let seen = commands::of_device(&mut tx, "dev-1", 10).await.unwrap();
    assert_eq!((seen[0].asked_by.as_str(), seen[0].reason.as_str()), ("Vigie", "clock 660 s ahead"));
    drop(tx);
    // For the nurse of another team it is not there.
    let mut tx = dashboard.begin_as(scene.people.nurses[1]).await.unwrap();
    assert!(commands::of_device(&mut tx, "dev-1", 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_clock_within_the_setting_and_a_device_that_nobody_enrolled_are_left_alone() {
    let scene = Scene::new().await;
    scene.note("dev-1", minutes(10), start()).await;
    scene.note("stranger", minutes(60), start()).await;
    assert_eq!(scene.database.query("SELECT device_id FROM device_clock"), ["dev-1"]);
    assert_eq!(scene.ask(start()).await, 0);
    scene.note("dev-1", minutes(-11), start() + minutes(2)).await;
    assert_eq!(scene.ask(start() + minutes(2)).await, 1, "behind as well");
}

#[tokio::test]
async fn at_most_once_a_day_and_only_on_a_new_proof() {
    let scene = Scene::new().await;
    scene.note("dev-1", minutes(60), start()).await;
    assert_eq!(scene.ask(start()).await, 1);
    scene.deliver(start()).await;
    assert_eq!(scene.ask(later(25)).await, 0, "nothing has been proven since");
    scene.note("dev-1", minutes(60), later(2)).await;
    assert_eq!(scene.ask(later(2)).await, 0, "too soon");
    assert_eq!(scene.ask(later(25)).await, 1);
}

#[tokio::test]
async fn a_device_that_never_came_for_it_is_left_alone_for_a_month() {
    let scene = Scene::new().await;
    scene.note("dev-1", minutes(60), start()).await;
    assert_eq!(scene.ask(start()).await, 1);
    scene.settle(later(24)).await;
    assert_eq!(scene.states(), ["expired"]);
    scene.note("dev-1", minutes(60), later(26)).await;
    assert_eq!(scene.ask(later(26)).await, 0);
    assert_eq!(scene.ask(later(30 * 24 + 1)).await, 1);
}

#[tokio::test]
async fn many_that_are_wrong_by_the_same_amount_make_our_own_clock_suspect() {
    let scene = Scene::new().await;
    scene.database.query(
        "INSERT INTO device (id, territory_id, kind, secret_hash, enrolled_at)
         SELECT 'more-' || n, territory_id, kind, secret_hash, enrolled_at
         FROM device, generate_series(1, 9) AS n WHERE id = 'dev-1'",
    );
    let common = async || {
        let mut tx = scene.gateway.begin().await.unwrap();
        clocks::common_error(&mut tx, later(1)).await.unwrap()
    };
    let seconds = SignedDuration::from_secs;
    assert_eq!(common().await, None);
    for n in 1..=4 {
        scene.note(&format!("more-{n}"), seconds(900 + n), later(1)).await;
    }
    assert_eq!(common().await, None, "four can be chance");
    scene.note("more-5", seconds(900), later(1)).await;
    let found = common().await.unwrap();
    assert_eq!((found.devices, found.ahead.as_secs()), (5, 902));
    for n in 6..=9 {
        scene.note(&format!("more-{n}"), seconds(-3_600 * n), later(1)).await;
    }
    assert_eq!(common().await.map(|found| found.devices), Some(9), "five of nine are alike");
    scene.note("dev-1", seconds(7), later(1)).await;
    assert_eq!(common().await, None, "half of them are not most");
}

#[tokio::test]
async fn two_gateways_ask_once() {
    let scene = Scene::new().await;
    for round in 0..10 {
        let now = later(round * 48);
        scene.note("dev-1", minutes(60), now).await;
        let other = async { scene.ask(now).await };
        let (one, two) = tokio::join!(scene.ask(now), other);
        assert_eq!(one + two, 1);
        scene.deliver(now).await;
    }
}

#[tokio::test]
async fn a_clock_that_is_still_wrong_was_not_set_and_one_without_more_proof_ends_as_delivered() {
    let scene = Scene::new().await;
    scene.note("dev-1", minutes(60), start()).await;
    scene.ask(start()).await;
    scene.deliver(start() + minutes(1)).await;
    // What the device had sent before it read the command says nothing about what it did with it.
    scene.note("dev-1", minutes(60), start() + minutes(3)).await;
    scene.settle(start() + minutes(4)).await;
    assert_eq!(scene.states(), ["delivered"]);
    scene.note("dev-1", minutes(60), start() + minutes(7)).await;
    scene.settle(start() + minutes(8)).await;
    assert_eq!(scene.states(), ["failed"]);

    assert_eq!(scene.ask(later(25)).await, 1);
    scene.deliver(later(25)).await;
    scene.settle(later(48)).await;
    assert_eq!(scene.database.value("SELECT count(*) FROM device_command WHERE ended_at IS NULL"), "1");
    scene.settle(later(50)).await;
    assert_eq!(scene.states(), ["failed", "delivered"]);
    assert_eq!(scene.database.value("SELECT count(*) FROM device_command WHERE ended_at IS NULL"), "0");
}
