//! Commands to devices: who may ask, who gets them, and how they end.

use jiff::{SignedDuration, Timestamp};
use vigie_store::commands::{self, CommandKind, NewCommand};
use vigie_store::{Database, Role, Tx, ledger_reports};
use vigie_testkit::{People, TestDatabase, people};
use vigie_vitals::UserId;

struct Scene {
    database: TestDatabase,
    people: People,
    gateway: Database,
    dashboard: Database,
    now: Timestamp,
}

impl Scene {
    async fn new() -> Self {
        let database = TestDatabase::new().await;
        let people = people(database.url(), "2026-01-01T00:00:00Z".parse().unwrap()).await;
        let gateway = Database::connect(database.url(), Role::Gateway, 2).await.unwrap();
        let dashboard = Database::connect(database.url(), Role::Dashboard, 2).await.unwrap();
        Self { database, people, gateway, dashboard, now: "2026-11-24T08:00:00Z".parse().unwrap() }
    }

    async fn ask(&self, tx: &mut Tx, who: UserId, kind: CommandKind) -> vigie_store::Result<i64> {
        let command = NewCommand {
            device: &self.people.devices[0],
            kind,
            from_sequence: (kind == CommandKind::SendAgain).then_some(3),
            message: if kind == CommandKind::ShowMessage { "Call us" } else { "" },
            reason: "a test",
            asked_by: Some(who),
            asked_by_name: "A nurse",
            asked_at: self.now,
            expires_at: self.now + SignedDuration::from_hours(24),
        };
        commands::ask(tx, &command).await
    }

    async fn asked(&self, who: UserId, kind: CommandKind) -> i64 {
        let mut tx = self.dashboard.begin_as(who).await.unwrap();
        let id = self.ask(&mut tx, who, kind).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    async fn waiting(&self, at: Timestamp) -> Vec<commands::Waiting> {
        let mut tx = self.gateway.begin().await.unwrap();
        commands::waiting(&mut tx, "dev-1", at, 10).await.unwrap()
    }

    async fn settle(&self, at: Timestamp) {
        let mut tx = self.gateway.begin().await.unwrap();
        commands::settle(&mut tx, at).await.unwrap();
        tx.commit().await.unwrap();
    }

    fn state(&self, id: i64) -> String {
        self.database.value(&format!("SELECT state FROM device_command WHERE id = {id}"))
    }
}

#[tokio::test]
async fn a_command_waits_until_the_device_has_it_and_is_not_handed_out_again() {
    let scene = Scene::new().await;
    let id = scene.asked(scene.people.nurses[0], CommandKind::SetClock).await;
    let waiting = scene.waiting(scene.now).await;
    assert_eq!((waiting.len(), waiting[0].id, waiting[0].kind.as_str()), (1, id, "set_clock"));
    let mut tx = scene.gateway.begin().await.unwrap();
    assert_eq!(commands::asked_since(&mut tx, scene.now, 10).await.unwrap(), ["dev-1"]);
    commands::delivered(&mut tx, &[waiting[0].outbox_id], scene.now).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(scene.state(id), "delivered");
    assert!(scene.waiting(scene.now).await.is_empty());
    let mut tx = scene.dashboard.begin_as(scene.people.nurses[0]).await.unwrap();
    assert_eq!(
        commands::cancel(&mut tx, "dev-1", id, "A nurse", scene.now).await.unwrap(),
        Some(false),
        "too late to cancel"
    );
}

#[tokio::test]
async fn what_expired_was_cancelled_or_was_meant_for_an_earlier_holder_is_never_handed_out() {
    let scene = Scene::new().await;
    let nurse = scene.people.nurses[0];
    let cancelled = scene.asked(nurse, CommandKind::RepeatMeasure).await;
    let message = scene.asked(nurse, CommandKind::ShowMessage).await;
    let mut tx = scene.dashboard.begin_as(nurse).await.unwrap();
    let done = commands::cancel(&mut tx, "dev-1", cancelled, "A nurse", scene.now).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(done, Some(true));
    assert_eq!(scene.waiting(scene.now).await.iter().map(|w| w.id).collect::<Vec<_>>(), [message]);
    let late = scene.now + SignedDuration::from_hours(25);
    assert!(scene.waiting(late).await.is_empty());

    let admin = Database::connect(scene.database.url(), Role::Admin, 1).await.unwrap();
    let mut tx = admin.begin().await.unwrap();
    let (device, to) = (&scene.people.devices[0], scene.people.patients[1]);
    vigie_store::devices::assign(&mut tx, device, to, scene.now + SignedDuration::from_mins(1))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert!(scene.waiting(scene.now + SignedDuration::from_mins(2)).await.is_empty());

    scene.settle(late).await;
    assert_eq!((scene.state(cancelled), scene.state(message)), ("cancelled".into(), "expired".into()));
    assert_eq!(scene.database.value("SELECT count(*) FROM device_outbox"), "0");
}

#[tokio::test]
async fn sending_again_is_done_when_the_gap_is_closed_and_failed_when_it_is_not_in_time() {
    let scene = Scene::new().await;
    scene.database.query("INSERT INTO ledger VALUES ('dev-1', 1, '{[1,3),[5,8)}')");
    let mut tx = scene.dashboard.begin_reading_as(scene.people.nurses[0]).await.unwrap();
    let device = ledger_reports::device(&mut tx, "dev-1", scene.now).await.unwrap().unwrap();
    assert_eq!((device.epochs[0].missing, device.epochs[0].ranges.as_slice()), (2, &[(3, 4)][..]));
    drop(tx);
    let closed = scene.asked(scene.people.nurses[0], CommandKind::SendAgain).await;
    scene.settle(scene.now).await;
    assert_eq!(scene.state(closed), "queued");
    scene.database.query("UPDATE ledger SET received = '{[1,9)}'");
    scene.settle(scene.now).await;
    assert_eq!(scene.state(closed), "done");

    scene.database.query("UPDATE ledger SET received = '{[1,3),[5,8)}'");
    let never = scene.asked(scene.people.nurses[0], CommandKind::SendAgain).await;
    let outbox_id = scene.waiting(scene.now).await[0].outbox_id;
    let mut tx = scene.gateway.begin().await.unwrap();
    commands::delivered(&mut tx, &[outbox_id], scene.now).await.unwrap();
    tx.commit().await.unwrap();
    scene.settle(scene.now + SignedDuration::from_hours(25)).await;
    assert_eq!(scene.state(never), "failed");
}

/// The index of commands that are still of interest must not grow with every command there ever was.
#[tokio::test]
async fn every_command_ends_and_a_shown_message_with_its_delivery() {
    let scene = Scene::new().await;
    let nurse = scene.people.nurses[0];
    let open = || scene.database.query("SELECT kind FROM device_command WHERE ended_at IS NULL ORDER BY id");
    for kind in CommandKind::ALL {
        scene.asked(nurse, kind).await;
    }
    let rows: Vec<i64> = scene.waiting(scene.now).await.iter().map(|waiting| waiting.outbox_id).collect();
    assert_eq!(rows.len(), 4);
    let mut tx = scene.gateway.begin().await.unwrap();
    commands::delivered(&mut tx, &rows, scene.now).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(open(), ["set_clock", "repeat_measure", "send_again"]);
    scene.settle(scene.now + SignedDuration::from_hours(25)).await;
    assert_eq!(open(), Vec::<String>::new());
    assert_eq!(
        scene.database.query("SELECT kind, state FROM device_command ORDER BY id"),
        ["set_clock|delivered", "repeat_measure|failed", "send_again|failed", "show_message|delivered"]
    );
}

#[tokio::test]
async fn another_teams_nurse_neither_sees_nor_asks_and_a_technician_gets_no_messages_to_patients() {
    let scene = Scene::new().await;
    let (own, other) = (scene.people.nurses[0], scene.people.nurses[1]);
    let mut tx = scene.dashboard.begin_as(other).await.unwrap();
    assert!(scene.ask(&mut tx, other, CommandKind::SetClock).await.is_err());
    drop(tx);
    scene.asked(own, CommandKind::SetClock).await;
    scene.asked(own, CommandKind::ShowMessage).await;
    let mut tx = scene.dashboard.begin_as(other).await.unwrap();
    assert!(commands::of_device(&mut tx, "dev-1", 10).await.unwrap().is_empty());
    assert!(ledger_reports::device(&mut tx, "dev-1", scene.now).await.unwrap().is_none());
    drop(tx);
    let (technician, elsewhere) = (scene.people.physicians[0], scene.people.physicians[1]);
    scene.database.query("UPDATE staff SET role = 'technician' WHERE role = 'physician'");
    let mut tx = scene.dashboard.begin_as(elsewhere).await.unwrap();
    assert!(commands::of_device(&mut tx, "dev-1", 10).await.unwrap().is_empty());
    assert!(ledger_reports::device(&mut tx, "dev-1", scene.now).await.unwrap().is_none());
    drop(tx);
    let mut tx = scene.dashboard.begin_as(technician).await.unwrap();
    let seen = commands::of_device(&mut tx, "dev-1", 10).await.unwrap();
    assert_eq!(seen.iter().map(|c| c.kind.as_str()).collect::<Vec<_>>(), ["set_clock"]);
    let device = ledger_reports::device(&mut tx, "dev-1", scene.now).await.unwrap().unwrap();
    assert_eq!(device.patient, None, "a technician does not see whose device it is");
    assert!(scene.ask(&mut tx, technician, CommandKind::ShowMessage).await.is_err());
    drop(tx);
    assert!(scene.asked(technician, CommandKind::RepeatMeasure).await > 0);
}
