//! Databases that Vigie refuses to work on.

use vigie_store::{Database, Error, Role};
use vigie_testkit::TestDatabase;

#[tokio::test]
async fn a_database_that_may_lose_commits_is_refused() {
    let database = TestDatabase::new().await;
    let name = database.value("SELECT current_database()");
    database.query(&format!("ALTER DATABASE {name} SET synchronous_commit = off"));
    let refused = Database::connect(database.url(), Role::Gateway, 1).await.unwrap_err();
    assert!(
        matches!(&refused, Error::Unsafe(text) if text.contains("synchronous_commit=off")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_role_that_is_exempt_from_row_level_security_is_refused() {
    let database = TestDatabase::alone().await;
    for exemption in ["BYPASSRLS", "SUPERUSER"] {
        database.query(&format!("ALTER ROLE vigie_dashboard {exemption}"));
        let refused = Database::connect(database.url(), Role::Dashboard, 1).await.unwrap_err();
        assert!(matches!(&refused, Error::Unsafe(text) if text.contains("vigie_dashboard")), "{refused:?}");
        database.query(&format!("ALTER ROLE vigie_dashboard NO{exemption}"));
    }
    Database::connect(database.url(), Role::Dashboard, 1).await.unwrap();
}

#[tokio::test]
async fn nothing_is_visible_without_a_member_of_staff() {
    let database = TestDatabase::new().await;
    vigie_testkit::people(database.url(), "2026-01-01T00:00:00Z".parse().unwrap()).await;
    // As the dashboard's role, outside of begin_as: an error, not an empty list and not everything.
    let seen = database.value(
        "SET ROLE vigie_dashboard;
         DO $$ BEGIN
             PERFORM set_config('test.seen', (SELECT count(*)::text FROM patient), false);
         EXCEPTION WHEN OTHERS THEN
             PERFORM set_config('test.seen', 'refused', false);
         END $$;
         SELECT current_setting('test.seen')",
    );
    assert_eq!(seen, "refused");
}

#[tokio::test]
async fn a_database_older_than_this_version_is_refused() {
    let database = TestDatabase::new().await;
    database
        .query("DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)");
    let refused = Database::connect(database.url(), Role::Alerts, 1).await.unwrap_err();
    assert!(matches!(&refused, Error::Unsafe(text) if text.contains("vigie migrate")), "{refused:?}");
}
