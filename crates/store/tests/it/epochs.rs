//! Which epoch a device uses, and who sees what is missing.

use jiff::{SignedDuration, Timestamp};
use vigie_store::commands::{self, CommandKind, NewCommand};
use vigie_store::{Database, Role, gaps};
use vigie_testkit::{TestDatabase, people};

fn now() -> Timestamp {
    "2026-11-24T08:00:00Z".parse().unwrap()
}

/// Asks `dev-1` to send again from 3 on, and gives the epoch and the numbers that it is about.
async fn asked(database: &TestDatabase, admin: &Database) -> String {
    let mut tx = admin.begin().await.unwrap();
    let command = NewCommand {
        device: &vigie_vitals::DeviceId("dev-1".into()),
        kind: CommandKind::SendAgain,
        from_sequence: Some(3),
        message: "",
        reason: "a test",
        asked_by: None,
        asked_by_name: "Vigie",
        asked_at: now(),
        expires_at: now() + SignedDuration::from_hours(24),
    };
    gaps::take_back(&mut tx, command.device, None, now()).await.unwrap();
    commands::ask(&mut tx, &command).await.unwrap();
    tx.commit().await.unwrap();
    database.value("SELECT epoch, wanted FROM device_command ORDER BY id DESC LIMIT 1")
}

#[tokio::test]
async fn sending_again_is_about_the_epoch_that_was_used_last_whatever_its_number() {
    let database = TestDatabase::new().await;
    people(database.url(), "2026-01-01T00:00:00Z".parse().unwrap()).await;
    let gateway = Database::connect(database.url(), Role::Gateway, 1).await.unwrap();
    // From before the time of use was kept: the highest.
    database.query("INSERT INTO ledger VALUES ('dev-1', 8, '{[1,3),[5,9)}'), ('dev-1', 5, '{[1,2)}')");
    assert_eq!(asked(&database, &gateway).await, "8|[3,9)");
    database.query("UPDATE ledger SET used_at = '2026-11-20Z' WHERE epoch = 8");
    database.query("INSERT INTO ledger VALUES ('dev-1', 2, '{[1,3),[6,7)}', '2026-11-24Z')");
    assert_eq!(asked(&database, &gateway).await, "2|[3,7)");
    database.query("UPDATE ledger SET used_at = '2026-11-25Z' WHERE epoch = 8");
    assert_eq!(asked(&database, &gateway).await, "8|[3,9)");
    assert_eq!(
        database.query("SELECT state, count(*) FROM device_command GROUP BY 1 ORDER BY 1"),
        ["cancelled|2", "queued|1"]
    );
    // Two at once of Vigie's own are refused by the database, however they came about.
    let again = "INSERT INTO device_command (device_id, kind, from_sequence, reason, asked_by_name, asked_at, expires_at)
                 VALUES ('dev-1', 'send_again', 4, '', 'Vigie', '2026-11-24Z', '2026-11-25Z')";
    let refused = database.value(&format!(
        "DO $$ BEGIN {again}; EXCEPTION WHEN unique_violation THEN PERFORM set_config('test.refused', 'yes', false); END $$;
         SELECT current_setting('test.refused', true)"
    ));
    assert_eq!(refused, "yes");
}

#[tokio::test]
async fn what_is_missing_of_a_device_is_seen_by_the_team_of_its_holder_only() {
    let database = TestDatabase::new().await;
    let people = people(database.url(), "2026-01-01T00:00:00Z".parse().unwrap()).await;
    database.query("INSERT INTO ledger_gap VALUES ('dev-1', 1, 3, 4, '2026-11-24Z')");
    let seen_by = |staff: vigie_vitals::UserId| {
        database.query(&format!(
            "SET ROLE vigie_dashboard; SELECT set_config('vigie.staff_id', '{}', false);
             SELECT device_id, first, last FROM ledger_gap",
            staff.0
        ))
    };
    assert_eq!(seen_by(people.nurses[0])[1..], ["dev-1|3|4"]);
    assert!(seen_by(people.nurses[1])[1..].is_empty());
}
