//! Pools, one per role, and the rules that keep sqlx and PostgreSQL honest.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Executor, PgPool, Postgres, Transaction};
use vigie_vitals::UserId;

use crate::migrate::check_migrated;
use crate::{Error, Result};

/// A transaction. Every durable write is `begin`, statements, `commit().await?`, and only then anything
/// is acknowledged.
pub type Tx = Transaction<'static, Postgres>;

/// What a process does, and so what it may touch in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Listener and ingest.
    Gateway,
    /// Judging workers.
    Alerts,
    /// Makes and sends weekly reports.
    Reports,
    /// Pages and API.
    Dashboard,
    /// Enrolment and accounts, from the command line.
    Admin,
}

impl Role {
    /// The database role.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "vigie_gateway",
            Self::Alerts => "vigie_alerts",
            Self::Reports => "vigie_reports",
            Self::Dashboard => "vigie_dashboard",
            Self::Admin => "vigie_admin",
        }
    }

    fn set_role(self) -> &'static str {
        match self {
            Self::Gateway => "SET ROLE vigie_gateway",
            Self::Alerts => "SET ROLE vigie_alerts",
            Self::Reports => "SET ROLE vigie_reports",
            Self::Dashboard => "SET ROLE vigie_dashboard",
            Self::Admin => "SET ROLE vigie_admin",
        }
    }
}

/// A pool of connections that all act as one [`Role`].
#[derive(Debug, Clone)]
pub struct Database {
    pool: PgPool,
    role: Role,
}

/// A connection that waits longer than this for the pool gives up (`Unavailable`): callers retry or
/// answer 503 rather than pile up.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

impl Database {
    /// Opens a pool and checks that the database is safe to use: not `fsync=off`, `full_page_writes=off`
    /// or `synchronous_commit=off`, and the role neither superuser nor exempt from row-level security.
    pub async fn connect(url: &str, role: Role, connections_max: u32) -> Result<Self> {
        let database = Self::connect_lazily(url, role, connections_max)?;
        database.check().await?;
        Ok(database)
    }

    /// The same without touching the database yet; call [`Database::check`] before relying on it.
    pub fn connect_lazily(url: &str, role: Role, connections_max: u32) -> Result<Self> {
        let mut options = connect_options(url)?.application_name(role.as_str());
        if role == Role::Gateway {
            // All that a gateway asks is some hundred rows by their key. A planner that thinks that random pages are dear
            // would rather read a whole table and hash it, at a cost per reading that grows with the fleet.
            options = options.options([("enable_hashjoin", "off"), ("enable_mergejoin", "off")]);
        }
        let pool = PgPoolOptions::new()
            .max_connections(connections_max)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(Duration::from_secs(600))
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    connection.execute(role.set_role()).await?;
                    Ok(())
                })
            })
            // sqlx 0.9.0: a cancelled `begin()` leaves the connection inside a transaction that the pool
            // does not know of; the next autocommit write on it would be rolled back later. So every
            // connection that comes back is cleaned, and one that cannot be is dropped.
            .after_release(|connection, _| {
                Box::pin(async move { Ok(connection.execute("ROLLBACK").await.is_ok()) })
            })
            .connect_lazy_with(options);
        Ok(Self { pool, role })
    }

    /// Begins a transaction.
    pub async fn begin(&self) -> Result<Tx> {
        Ok(self.pool.begin().await?)
    }

    /// Begins a transaction on behalf of a member of staff: row-level security then shows the patients
    /// of their care teams and nobody else. The setting ends with the transaction.
    pub async fn begin_as(&self, staff: UserId) -> Result<Tx> {
        let mut tx = self.begin().await?;
        sqlx::query!("SELECT set_config('vigie.staff_id', $1, true)", staff.0.to_string())
            .fetch_one(&mut *tx)
            .await?;
        Ok(tx)
    }

    /// The same for answers made of several statements: all of them see the record of one moment, so that an
    /// alert never stands beside breaches that came after it was read.
    pub async fn begin_reading_as(&self, staff: UserId) -> Result<Tx> {
        let mut tx = self.begin().await?;
        sqlx::query!("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").execute(&mut *tx).await?;
        sqlx::query!("SELECT set_config('vigie.staff_id', $1, true)", staff.0.to_string())
            .fetch_one(&mut *tx)
            .await?;
        Ok(tx)
    }

    /// The role of this pool.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Is the database there, migrated and safe to use?
    pub async fn check(&self) -> Result<()> {
        let mut tx = self.begin().await?;
        let row = sqlx::query!(
            r#"
            SELECT current_setting('fsync') AS "fsync!", current_setting('full_page_writes') AS "full_page_writes!",
                   current_setting('synchronous_commit') AS "synchronous_commit!",
                   (rolsuper OR rolbypassrls) AS "exempt!", current_user::text AS "role!"
            FROM pg_roles WHERE rolname = current_user
            "#
        )
        .fetch_one(&mut *tx)
        .await?;
        for (setting, value) in [
            ("fsync", &row.fsync),
            ("full_page_writes", &row.full_page_writes),
            ("synchronous_commit", &row.synchronous_commit),
        ] {
            if value == "off" {
                return Err(Error::Unsafe(format!(
                    "the database runs with {setting}=off: an acknowledged reading could be lost; set it to on"
                )));
            }
        }
        if row.exempt {
            return Err(Error::Unsafe(format!(
                "database role {} is a superuser or exempt from row-level security; use a plain role",
                row.role
            )));
        }
        check_migrated(&mut tx).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Connections in the pool now.
    pub fn connections(&self) -> u32 {
        self.pool.size()
    }
}

pub(crate) fn connect_options(url: &str) -> Result<PgConnectOptions> {
    let options = PgConnectOptions::from_str(url).map_err(|_| {
        Error::Unsafe("DATABASE_URL is not a PostgreSQL URL such as postgres://user@host/vigie".into())
    })?;
    // A backstop: whatever forgets a transaction does not hold locks for ever.
    Ok(options.options([
        ("idle_in_transaction_session_timeout", "60s"),
        ("lock_timeout", "30s"),
        ("timezone", "UTC"),
    ]))
}
