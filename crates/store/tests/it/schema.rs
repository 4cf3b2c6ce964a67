//! What must hold of every table, asked of the catalogue, so that a new table cannot forget it.

use vigie_testkit::TestDatabase;

/// Tables that say nothing about any patient. Everything else must be protected row by row.
const NOT_ABOUT_PATIENTS: [&str; 10] = [
    "_sqlx_migrations",
    "care_team",
    "care_team_member",
    "device",
    "login_failure",
    "service_beat",
    "staff",
    "staff_session",
    "stream_position",
    "territory",
];

const UNPROTECTED: &str = "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
    ORDER BY 1";

#[tokio::test]
async fn every_table_about_patients_has_row_level_security_enabled_and_forced() {
    for database in [TestDatabase::new().await, TestDatabase::native().await] {
        assert_eq!(database.query(UNPROTECTED), NOT_ABOUT_PATIENTS);
    }
}

#[tokio::test]
async fn a_partition_made_later_is_protected_as_well() {
    let database = TestDatabase::native().await;
    let made = database.value("SELECT ensure_reading_partitions('2031-01-15', '2031-03-01')");
    assert_eq!(made, "3");
    assert_eq!(database.query(UNPROTECTED), NOT_ABOUT_PATIENTS);
    assert_eq!(database.value("SELECT ensure_reading_partitions('2031-01-15', '2031-03-01')"), "0");
}

#[tokio::test]
async fn no_role_of_ours_is_exempt_from_row_level_security_and_nothing_is_granted_to_everybody() {
    let database = TestDatabase::new().await;
    assert_eq!(
        database.query("SELECT rolname FROM pg_roles WHERE rolname LIKE 'vigie%' AND (rolsuper OR rolbypassrls OR rolcanlogin)"),
        Vec::<String>::new()
    );
    assert_eq!(
        database.query(
            "SELECT table_name FROM information_schema.role_table_grants
             WHERE grantee = 'PUBLIC' AND table_schema = 'public'"
        ),
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn histories_are_only_ever_added_to() {
    let database = TestDatabase::new().await;
    let people = vigie_testkit::people(database.url(), "2026-01-01T00:00:00Z".parse().unwrap()).await;
    assert!(!people.patients.is_empty());
    let refused = database.value(
        "DO $$ BEGIN
             UPDATE rule_version SET reason = 'other';
         EXCEPTION WHEN restrict_violation THEN
             PERFORM set_config('test.refused', 'yes', false);
         END $$;
         SELECT current_setting('test.refused', true)",
    );
    assert_eq!(refused, "yes");
}

#[tokio::test]
async fn the_series_is_a_hypertable_where_timescaledb_is_there_and_partitioned_where_not() {
    let with = TestDatabase::new().await;
    assert!(with.has_timescale(), "the set-up script installs TimescaleDB for tests");
    assert_eq!(
        with.value(
            "SELECT count(*) FROM timescaledb_information.hypertables WHERE hypertable_name = 'reading'"
        ),
        "1"
    );
    let native = TestDatabase::native().await;
    assert_eq!(native.value("SELECT relkind FROM pg_class WHERE relname = 'reading'"), "p");
}

#[tokio::test]
async fn a_patient_is_under_watch_from_the_moment_of_registration() {
    let database = TestDatabase::new().await;
    vigie_testkit::people(database.url(), "2026-01-01T00:00:00Z".parse().unwrap()).await;
    assert_eq!(
        database.value("SELECT count(*) FROM patient WHERE id NOT IN (SELECT patient_id FROM patient_watch)"),
        "0"
    );
}
