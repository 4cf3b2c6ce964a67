//! Accounts, sessions and failed log-ins.

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use vigie_vitals::{TerritoryId, UserId};

use crate::{Error, Result, Tx};

/// What a member of staff does, and so what they may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StaffRole {
    /// Works the alerts.
    Nurse,
    /// The same, and prescribes limits.
    Physician,
    /// Organises the follow-up.
    Coordinator,
    /// Accounts; sees no patient.
    Administrator,
    /// Devices; sees no patient.
    Technician,
}

impl StaffRole {
    /// Every role.
    pub const ALL: [Self; 5] =
        [Self::Nurse, Self::Physician, Self::Coordinator, Self::Administrator, Self::Technician];

    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nurse => "nurse",
            Self::Physician => "physician",
            Self::Coordinator => "coordinator",
            Self::Administrator => "administrator",
            Self::Technician => "technician",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// An account that may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Id.
    pub id: UserId,
    /// Territory.
    pub territory: TerritoryId,
    /// Log-in name.
    pub login: String,
    /// Name shown.
    pub display_name: String,
    /// Role.
    pub role: StaffRole,
    /// `fr` or `en`.
    pub locale: String,
}

/// How a session's token travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionKind {
    /// In a cookie: ends when nobody used it for a while.
    Cookie,
    /// In `Authorization: Bearer`, for programs: ends at its time only.
    Bearer,
}

impl SessionKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Cookie => "cookie",
            Self::Bearer => "bearer",
        }
    }

    fn parse(text: &str) -> Result<Self> {
        match text {
            "cookie" => Ok(Self::Cookie),
            "bearer" => Ok(Self::Bearer),
            other => Err(Error::inconsistent(format!("session kind {other}"))),
        }
    }
}

/// A session that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Whose.
    pub account: Account,
    /// How its token travels.
    pub kind: SessionKind,
    /// When it ends whatever happens.
    pub expires_at: Timestamp,
}

/// A session to open.
#[derive(Debug, Clone, Copy)]
pub struct NewSession<'a> {
    /// SHA-256 of the token.
    pub token_hash: &'a [u8; 32],
    /// Whose.
    pub staff: UserId,
    /// How its token travels.
    pub kind: SessionKind,
    /// When it ends whatever happens.
    pub expires_at: Timestamp,
}

/// Being used is written down at most this often, so that a read stays a read.
const TOUCH_EVERY: SignedDuration = SignedDuration::from_secs(30);

/// The account of this log-in and the hash of its password, unless it is disabled.
pub async fn account_to_log_in(tx: &mut Tx, login: &str) -> Result<Option<(Account, String)>> {
    let row = sqlx::query!(
        r#"
        SELECT id, territory_id, login, display_name, role, locale, password_hash
        FROM staff WHERE login = $1 AND disabled_at IS NULL
        "#,
        login
    )
    .fetch_optional(&mut **tx)
    .await?;
    row.map(|row| {
        let account = Account {
            id: UserId(row.id),
            territory: TerritoryId(row.territory_id),
            login: row.login,
            display_name: row.display_name,
            role: role_of(&row.role)?,
            locale: row.locale,
        };
        Ok((account, row.password_hash))
    })
    .transpose()
}

fn role_of(text: &str) -> Result<StaffRole> {
    StaffRole::parse(text).ok_or_else(|| Error::inconsistent(format!("role {text}")))
}

/// Failed log-ins of this name since a moment, and when the last one was.
pub async fn login_failures(tx: &mut Tx, login: &str, since: Timestamp) -> Result<(i64, Option<Timestamp>)> {
    let row = sqlx::query!(
        r#"SELECT count(*) AS "n!", max(failed_at) AS last FROM login_failure WHERE login = $1 AND failed_at > $2"#,
        login,
        since.to_sqlx() as _
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok((row.n, row.last.map(|t| t.to_jiff())))
}

/// Notes a failed log-in, and forgets those of everybody from before `forget_before`.
pub async fn note_login_failure(
    tx: &mut Tx,
    login: &str,
    at: Timestamp,
    forget_before: Timestamp,
) -> Result<()> {
    sqlx::query!("DELETE FROM login_failure WHERE failed_at < $1", forget_before.to_sqlx() as _)
        .execute(&mut **tx)
        .await?;
    sqlx::query!("INSERT INTO login_failure (login, failed_at) VALUES ($1, $2)", login, at.to_sqlx() as _)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Forgets the failures of a log-in that succeeded.
pub async fn forget_login_failures(tx: &mut Tx, login: &str) -> Result<()> {
    sqlx::query!("DELETE FROM login_failure WHERE login = $1", login).execute(&mut **tx).await?;
    Ok(())
}

/// Opens a session, and removes those of this person that ended.
pub async fn open_session(tx: &mut Tx, session: NewSession<'_>, now: Timestamp) -> Result<()> {
    sqlx::query!(
        "DELETE FROM staff_session WHERE staff_id = $1 AND expires_at <= $2",
        session.staff.0,
        now.to_sqlx() as _
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        r#"
        INSERT INTO staff_session (token_hash, staff_id, kind, created_at, last_seen_at, expires_at)
        VALUES ($1, $2, $3, $4, $4, $5)
        "#,
        &session.token_hash[..],
        session.staff.0,
        session.kind.as_str(),
        now.to_sqlx() as _,
        session.expires_at.to_sqlx() as _
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The session of a token, if it is in force: not ended, not idle for longer than `idle` (cookies), its
/// account not disabled. With `touch` its use is noted, which puts the idle limit off.
pub async fn session(
    tx: &mut Tx,
    token_hash: &[u8; 32],
    now: Timestamp,
    idle: SignedDuration,
    touch: bool,
) -> Result<Option<Session>> {
    let row = sqlx::query!(
        r#"
        SELECT s.id, s.territory_id, s.login, s.display_name, s.role, s.locale, k.kind, k.expires_at, k.last_seen_at
        FROM staff_session k JOIN staff s ON s.id = k.staff_id
        WHERE k.token_hash = $1 AND s.disabled_at IS NULL AND k.expires_at > $2
        "#,
        &token_hash[..],
        now.to_sqlx() as _
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let kind = SessionKind::parse(&row.kind)?;
    let unused_for = now.duration_since(row.last_seen_at.to_jiff());
    if kind == SessionKind::Cookie && unused_for > idle {
        return Ok(None);
    }
    if touch && unused_for > TOUCH_EVERY {
        sqlx::query!(
            "UPDATE staff_session SET last_seen_at = $2 WHERE token_hash = $1",
            &token_hash[..],
            now.to_sqlx() as _
        )
        .execute(&mut **tx)
        .await?;
    }
    Ok(Some(Session {
        account: Account {
            id: UserId(row.id),
            territory: TerritoryId(row.territory_id),
            login: row.login,
            display_name: row.display_name,
            role: role_of(&row.role)?,
            locale: row.locale,
        },
        kind,
        expires_at: row.expires_at.to_jiff(),
    }))
}

/// Ends a session.
pub async fn close_session(tx: &mut Tx, token_hash: &[u8; 32]) -> Result<()> {
    sqlx::query!("DELETE FROM staff_session WHERE token_hash = $1", &token_hash[..])
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The colleagues to whom an alert of this patient may be assigned: clinical staff of the patient's team.
/// Names only; call it for a patient that the caller may see.
pub async fn colleagues(tx: &mut Tx, patient: vigie_vitals::PatientId) -> Result<Vec<(UserId, String)>> {
    let rows = sqlx::query!(
        r#"
        SELECT s.id, s.display_name
        FROM patient p
        JOIN care_team_member m ON m.care_team_id = p.care_team_id
        JOIN staff s ON s.id = m.staff_id
        WHERE p.id = $1 AND s.disabled_at IS NULL AND s.role IN ('nurse', 'physician', 'coordinator')
        ORDER BY s.display_name
        "#,
        patient.0
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(|row| (UserId(row.id), row.display_name)).collect())
}

/// Lets one attempt to log in under this name run at a time, until the transaction ends.
pub async fn lock_login(tx: &mut Tx, login: &str) -> Result<()> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended($1, 7))", login).execute(&mut **tx).await?;
    Ok(())
}
