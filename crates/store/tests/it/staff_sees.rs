//! A clinician sees their own patients and nobody else, whatever the statement.

use vigie_testkit::{TestDatabase, people};
use vigie_vitals::UserId;

/// Counts what one member of staff sees, with psql as the dashboard's role: no code of ours decides.
fn sees(database: &TestDatabase, staff: UserId, what: &str) -> String {
    database
        .query(&format!(
            "BEGIN; SET LOCAL ROLE vigie_dashboard; SET LOCAL vigie.staff_id = '{staff}'; {what}; COMMIT"
        ))
        .into_iter()
        .next()
        .unwrap_or_default()
}

#[tokio::test]
async fn a_nurse_sees_the_patients_of_her_team_in_every_table() {
    let database = TestDatabase::new().await;
    let people = people(database.url(), "2026-01-01T00:00:00Z".parse().unwrap()).await;
    let [one, two] = people.patients;
    for patient in [one, two] {
        database.query(&format!(
            "INSERT INTO reading VALUES ('{patient}', 'glucose', now(), now(), 'dev', 1, 1, now(), 1.1, NULL, 'g/L', true);
             INSERT INTO alert (id, patient_id, rule, rule_version, vital, priority, state, condition, happened_at, known_at,
                 opened_at, changed_at, worst)
             VALUES ('{patient}', '{patient}', 'r', 1, 'glucose', 'low', 'open', 'active', now(), now(), now(), now(), '{{}}');
             INSERT INTO alert_evidence VALUES ('{patient}', '{patient}', 'r', 'b', now(), '{{}}');
             INSERT INTO alert_event (alert_id, patient_id, at, kind, actor) VALUES ('{patient}', '{patient}', now(), 'opened', 'x');
             INSERT INTO stream_event SELECT coalesce(max(id), 0) + 1, now(), 'readings', '{patient}' FROM stream_event;
             INSERT INTO pause (patient_id, from_at, until_at, reason, author, recorded_at)
             VALUES ('{patient}', now(), now() + interval '1 day', 'x', 'x', now())"
        ));
    }
    for table in [
        "reading",
        "alert",
        "alert_evidence",
        "alert_event",
        "stream_event",
        "pause",
        "care_plan",
        "rule_version",
        "device_assignment",
        "patient_watch",
    ] {
        // alert_event is written, not read, row by row through the alert; its policy still holds.
        let what = format!("SELECT string_agg(DISTINCT patient_id::text, ',') FROM {table}");
        assert_eq!(sees(&database, people.nurses[0], &what), one.to_string(), "{table}");
        assert_eq!(sees(&database, people.physicians[1], &what), two.to_string(), "{table}");
    }
    assert_eq!(sees(&database, people.nurses[0], "SELECT count(*) FROM patient"), "1");
}

#[tokio::test]
async fn a_disabled_account_sees_nobody() {
    let database = TestDatabase::new().await;
    let people = people(database.url(), "2026-01-01T00:00:00Z".parse().unwrap()).await;
    database.query("UPDATE staff SET disabled_at = now()");
    assert_eq!(sees(&database, people.nurses[0], "SELECT count(*) FROM patient"), "0");
}

#[tokio::test]
async fn only_a_physician_adds_a_threshold() {
    let database = TestDatabase::new().await;
    let people = people(database.url(), "2026-01-01T00:00:00Z".parse().unwrap()).await;
    let prescribe = |staff: UserId, patient: vigie_vitals::PatientId| {
        let outcome = database.query(&format!(
            "SET ROLE vigie_dashboard;
             DO $$ BEGIN
                 PERFORM set_config('vigie.staff_id', '{staff}', true);
                 INSERT INTO rule_version (patient_id, rule, version, valid_from, recorded_at, author, reason, spec)
                 VALUES ('{patient}', 'glucose_low', 2, now(), now(), 'x', 'x', '{{}}');
                 PERFORM set_config('test.outcome', 'written', false);
             EXCEPTION WHEN insufficient_privilege THEN
                 PERFORM set_config('test.outcome', 'refused', false);
             END $$;
             SELECT current_setting('test.outcome')"
        ));
        outcome.first().cloned().unwrap_or_default()
    };
    assert_eq!(prescribe(people.nurses[0], people.patients[0]), "refused");
    assert_eq!(prescribe(people.physicians[0], people.patients[1]), "refused");
    assert_eq!(prescribe(people.physicians[0], people.patients[0]), "written");
}
