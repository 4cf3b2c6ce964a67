//! Bringing a database up to date: one explicit step, never done by the services.

use sqlx::{Connection, PgConnection};

use crate::database::connect_options;
use crate::{Error, Result, Tx};

static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// Applies what is missing, under sqlx's advisory lock, so that several may start at once. `url` must log
/// in as an administrator of the database (it creates roles and extensions).
pub async fn migrate(url: &str) -> Result<()> {
    let mut connection = PgConnection::connect_with(&connect_options(url)?).await?;
    MIGRATOR.run(&mut connection).await?;
    // So that every process can see at its start whether the database fits it.
    sqlx::query(
        "GRANT SELECT ON _sqlx_migrations TO vigie_gateway, vigie_alerts, vigie_reports, vigie_dashboard, vigie_admin",
    )
    .execute(&mut connection)
    .await?;
    Ok(connection.close().await?)
}

/// Is every migration that this version knows applied? Tells what to do when not. (No macro: the table is
/// sqlx's own and not part of the schema that statements are checked against.)
pub(crate) async fn check_migrated(tx: &mut Tx) -> Result<()> {
    let applied: std::result::Result<Option<i64>, sqlx::Error> =
        sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success")
            .fetch_one(&mut **tx)
            .await;
    let known = MIGRATOR.iter().map(|migration| migration.version).max();
    match applied.map_err(Error::from) {
        Ok(applied) if applied >= known => Ok(()),
        Err(error) if error.is_temporary() => Err(error),
        Ok(_) | Err(_) => Err(Error::Unsafe(
            "the database is older than this version of Vigie: run `vigie migrate` first".into(),
        )),
    }
}

/// Creates the database `name` if it is not there; `url` is an administrator's, of another database.
pub async fn create_database(url: &str, name: &str) -> Result<()> {
    let mut connection = PgConnection::connect_with(&connect_options(url)?).await?;
    let there = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1) AS "there!""#,
        name
    )
    .fetch_one(&mut connection)
    .await?;
    if !there {
        let name = checked_name(name)?;
        // A name cannot be a parameter; it was checked above.
        sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await?;
    }
    Ok(connection.close().await?)
}

/// Drops the database `name` with all that is in it, also while somebody is connected to it; nothing when it is not
/// there. `url` is an administrator's, of another database. For a demo that was killed while it was being made.
pub async fn drop_database(url: &str, name: &str) -> Result<()> {
    let name = checked_name(name)?;
    let mut connection = PgConnection::connect_with(&connect_options(url)?).await?;
    // A name cannot be a parameter; it was checked above.
    sqlx::query(sqlx::AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")))
        .execute(&mut connection)
        .await?;
    Ok(connection.close().await?)
}

fn checked_name(name: &str) -> Result<&str> {
    if !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
        return Ok(name);
    }
    Err(Error::Unsafe(format!("{name:?} is no name for a database here: letters a-z and _ only")))
}
