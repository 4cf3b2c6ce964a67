//! Logging in: slow for whoever guesses, and telling nobody which half was wrong.

use jiff::SignedDuration;
use vigie_store::Tx;
use vigie_store::audit::{self, NewEntry};
use vigie_store::staff::{self, Account, SessionKind};

use crate::access::{password, session};
use crate::app::{App, commit};
use crate::edge::RequestId;
use crate::problem::Problem;

/// Failures older than this are forgotten.
const WINDOW: SignedDuration = SignedDuration::from_mins(15);
/// Typing errors that cost nothing.
const FREE_ATTEMPTS: i64 = 4;
/// The longest wait between two attempts.
const WAIT_MAX_SECONDS: i64 = 60;

/// A session that was just opened.
pub(crate) struct LoggedIn {
    pub(crate) account: Account,
    pub(crate) token: String,
    pub(crate) expires_at: jiff::Timestamp,
}

/// Checks a log-in and opens a session.
pub(crate) async fn log_in(
    app: &App,
    login: &str,
    given: String,
    kind: SessionKind,
    request: &RequestId,
) -> Result<LoggedIn, Problem> {
    let login: String = login.trim().chars().take(64).collect();
    let known = reserve_attempt(app, &login).await?;
    let hash = known.as_ref().map(|(_, hash)| hash.clone());
    let right = password::verify(app.hashes(), given.chars().take(1024).collect(), hash).await?;
    let now = app.clock().now();
    let mut tx = app.begin().await?;
    let entry = NewEntry {
        at: now,
        actor: known.as_ref().map(|(account, _)| account.id),
        actor_name: &login,
        action: if right { "session.open" } else { "session.refused" },
        patient: None,
        request_id: &request.0,
        detail: "",
    };
    audit::record(&mut tx, entry).await?;
    let Some((account, _)) = known.filter(|_| right) else {
        commit(tx).await?;
        return Err(Problem::new(axum::http::StatusCode::UNAUTHORIZED, "login-refused"));
    };
    staff::forget_login_failures(&mut tx, &login).await?;
    let expires_at = now + session::ABSOLUTE;
    let token = session::open(&mut tx, account.id, kind, expires_at, now).await?;
    commit(tx).await?;
    Ok(LoggedIn { account, token, expires_at })
}

/// Counts the attempt as failed before the password is looked at, one at a time per log-in: a thousand
/// guesses at the same moment are a thousand failures, not one.
async fn reserve_attempt(app: &App, login: &str) -> Result<Option<(Account, String)>, Problem> {
    let mut tx = app.begin().await?;
    count_attempt(app, &mut tx, login).await?;
    let known = staff::account_to_log_in(&mut tx, login).await?;
    commit(tx).await?;
    Ok(known)
}

async fn count_attempt(app: &App, tx: &mut Tx, name: &str) -> Result<(), Problem> {
    let now = app.clock().now();
    staff::lock_login(tx, name).await?;
    let (failures, last) = staff::login_failures(tx, name, now - WINDOW).await?;
    if let Some(last) = last {
        let wait = wait_seconds(failures) - now.duration_since(last).as_secs();
        if wait > 0 {
            return Err(Problem::too_many(wait.unsigned_abs()));
        }
    }
    Ok(staff::note_login_failure(tx, name, now, now - WINDOW).await?)
}

/// The same brake for whoever is no member of staff, such as a device with a claim. The name must not be a log-in's.
pub(crate) async fn reserve_attempt_of(app: &App, name: &str) -> Result<(), Problem> {
    let mut tx = app.begin().await?;
    count_attempt(app, &mut tx, name).await?;
    commit(tx).await
}

/// It succeeded: what was counted before is forgotten.
pub(crate) async fn forget_attempts(tx: &mut Tx, name: &str) -> Result<(), Problem> {
    Ok(staff::forget_login_failures(tx, name).await?)
}

/// 1, 2, 4 ... 60 seconds after each failure beyond the free ones.
fn wait_seconds(failures: i64) -> i64 {
    match failures - FREE_ATTEMPTS {
        ..=0 => 0,
        beyond @ 1..=6 => (1i64 << (beyond - 1)).min(WAIT_MAX_SECONDS),
        _ => WAIT_MAX_SECONDS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_becomes_slow_and_never_locks_for_ever() {
        let waits: Vec<i64> = [0, 1, 4, 5, 6, 7, 10, 11, 1_000_000].map(wait_seconds).to_vec();
        assert_eq!(waits, [0, 0, 0, 1, 2, 4, 32, 60, 60]);
    }
}
