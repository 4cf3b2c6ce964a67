//! Which reports are to be made: put on the list once, claimed by any number of workers, made once.
//!
//! The worker that claims a job holds its row until the transaction ends, and stores the report and calls [`done`] in that
//! same transaction. A worker that dies leaves everything as it was.

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use vigie_vitals::{PatientId, UserId};

use super::PracticeId;
use crate::{Error, Result, Tx};

/// A job is claimed so long after the moment that its report tells of, so that what was received or done by then is
/// committed when the report is made: as long as a transaction may wait for a lock. A report made before that could know
/// less than the same report made again.
pub const SETTLE: SignedDuration = SignedDuration::from_secs(30);

/// A practice's summary waits so long for the reports on its patients; after that it is made without those that are missing.
pub const PRACTICE_WAITS: SignedDuration = SignedDuration::from_hours(12);

/// What a job is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobKind {
    /// The report on a patient.
    Patient(PatientId),
    /// The summary of a practice.
    Practice(PracticeId),
}

/// A report to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Id.
    pub id: i64,
    /// About whom.
    pub kind: JobKind,
    /// ISO week, such as `2026-W47`.
    pub week: String,
    /// Start of the week.
    pub from: Timestamp,
    /// Its end, not within it.
    pub to: Timestamp,
    /// What the report may know.
    pub known_at: Timestamp,
    /// Which version it will be.
    pub version: i32,
    /// Who asked for it; nobody when it was scheduled.
    pub requester: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// Attempts that failed.
    pub attempts: i32,
}

/// A job that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Id.
    pub id: i64,
    /// About whom.
    pub kind: JobKind,
    /// ISO week.
    pub week: String,
    /// Version.
    pub version: i32,
    /// When it was due.
    pub due_at: Timestamp,
    /// Attempts that failed.
    pub attempts: i32,
    /// The last error.
    pub error: String,
    /// When the next attempt is; absent when it was given up.
    pub retry_at: Option<Timestamp>,
}

/// How far the work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// To be made, those whose time has not come included.
    pub due: i64,
    /// Of those, how many failed at least once.
    pub retrying: i64,
    /// When the oldest of those was due.
    pub oldest_due_at: Option<Timestamp>,
    /// Made since the moment asked for.
    pub done: i64,
    /// Given up.
    pub failed: i64,
}

/// The time zones that patients live in.
pub async fn zones(tx: &mut Tx) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar!("SELECT DISTINCT time_zone FROM patient ORDER BY 1").fetch_all(&mut **tx).await?)
}

/// Puts a week of one time zone on the list: each patient who was registered before its end and on a care plan at some
/// time in it, and each practice that follows one of them. Idempotent. Returns how many jobs are new.
///
/// A practice with patients in several zones has one summary, due when the last of them is scheduled.
pub async fn schedule(
    tx: &mut Tx,
    zone: &str,
    week: &str,
    from: Timestamp,
    to: Timestamp,
    due_at: Timestamp,
    now: Timestamp,
) -> Result<u64> {
    let next_attempt_at = due_at.max(now);
    let patients = sqlx::query!(
        r#"
        INSERT INTO report_job (kind, patient_id, week, from_at, to_at, due_at, known_at, next_attempt_at)
        SELECT 'patient', p.id, $2, $3, $4, $5, $5, $6 FROM patient p
        WHERE p.time_zone = $1 AND p.created_at < $4
          AND EXISTS (SELECT FROM care_plan c
                      WHERE c.patient_id = p.id AND c.started_at < $4 AND (c.ended_at IS NULL OR c.ended_at > $3))
          AND NOT EXISTS (SELECT FROM report_job j WHERE j.patient_id = p.id AND j.week = $2)
        ORDER BY p.id
        ON CONFLICT DO NOTHING
        "#,
        zone,
        week,
        from.to_sqlx() as _,
        to.to_sqlx() as _,
        due_at.to_sqlx() as _,
        next_attempt_at.to_sqlx() as _
    )
    .execute(&mut **tx)
    .await?
    .rows_affected();
    let practices = sqlx::query_scalar!(
        r#"
        INSERT INTO report_job AS j (kind, practice_id, week, from_at, to_at, due_at, known_at, next_attempt_at)
        SELECT 'practice', c.id, $2, $3, $4, $5, $5, $6 FROM practice c
        WHERE EXISTS (SELECT FROM practice_patient f JOIN patient p ON p.id = f.patient_id AND p.time_zone = $1
                      JOIN report_job r ON r.patient_id = p.id AND r.week = $2
                      WHERE f.practice_id = c.id AND f.since <= $5 AND (f.until IS NULL OR f.until > $5))
          AND NOT EXISTS (SELECT FROM report_job o WHERE o.practice_id = c.id AND o.week = $2
                          AND (o.state <> 'due' OR o.due_at >= $5))
        ORDER BY c.id
        ON CONFLICT (practice_id, week) DO UPDATE
            SET due_at = excluded.due_at, known_at = excluded.known_at, next_attempt_at = excluded.next_attempt_at,
                from_at = least(j.from_at, excluded.from_at), to_at = greatest(j.to_at, excluded.to_at)
            WHERE j.state = 'due' AND j.due_at < excluded.due_at
        RETURNING (xmax = 0) AS "new!"
        "#,
        zone,
        week,
        from.to_sqlx() as _,
        to.to_sqlx() as _,
        due_at.to_sqlx() as _,
        next_attempt_at.to_sqlx() as _
    )
    .fetch_all(&mut **tx)
    .await?;
    let new = practices.into_iter().filter(|new| *new).count();
    Ok(patients + u64::try_from(new).unwrap_or(u64::MAX))
}

/// Asks for the next version of a patient's report (version 1 when there is none), due now, and returns its number. A week
/// that is not over at `now` is `Refused` with constraint `report_job_week_is_over`. Under the dashboard's role only
/// clinical staff, in their own name, for a patient whom they may see.
#[expect(clippy::too_many_arguments, reason = "the columns of one row")]
pub async fn request(
    tx: &mut Tx,
    patient: PatientId,
    week: &str,
    from: Timestamp,
    to: Timestamp,
    now: Timestamp,
    requester: (Option<UserId>, &str),
    reason: &str,
) -> Result<i32> {
    // Two who ask at the same moment get two numbers.
    sqlx::query!(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 11))",
        format!("report/{patient}/{week}")
    )
    .execute(&mut **tx)
    .await?;
    let version = sqlx::query_scalar!(
        r#"
        INSERT INTO report_job (kind, patient_id, week, from_at, to_at, due_at, known_at, next_attempt_at, version,
                                requested_by, requester, reason)
        SELECT 'patient', $1, $2, $3, $4, $5, $5, $5,
               1 + greatest((SELECT coalesce(max(version), 0) FROM report_job WHERE patient_id = $1 AND week = $2),
                            (SELECT coalesce(max(version), 0) FROM report WHERE patient_id = $1 AND week = $2)),
               $6, $7, $8
        RETURNING version
        "#,
        patient.0,
        week,
        from.to_sqlx() as _,
        to.to_sqlx() as _,
        now.to_sqlx() as _,
        requester.0.map(|u| u.0),
        requester.1,
        reason
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(version)
}

/// Claims up to `most` jobs whose time has come, oldest first, passing over those that another worker holds.
///
/// A patient's reports are made one after the other, in the order in which they were due: each tells of the one before. A
/// practice's summary comes after the reports on its patients, or [`PRACTICE_WAITS`] after it was due.
pub async fn claim(tx: &mut Tx, now: Timestamp, most: i64) -> Result<Vec<Job>> {
    let settled = now.checked_sub(SETTLE).unwrap_or(now);
    let without_patients = now.checked_sub(PRACTICE_WAITS).unwrap_or(now);
    let rows = sqlx::query!(
        r#"
        SELECT j.id, j.patient_id, j.practice_id, j.week, j.from_at, j.to_at, j.known_at, j.version, j.requester, j.reason,
               j.attempts
        FROM report_job j
        WHERE j.state = 'due' AND j.due_at <= $2 AND j.known_at <= $2 AND j.next_attempt_at <= $1
          AND (j.patient_id IS NULL
               OR NOT EXISTS (SELECT FROM report_job e WHERE e.patient_id = j.patient_id AND e.state = 'due'
                              AND (e.due_at, e.id) < (j.due_at, j.id)))
          AND (j.practice_id IS NULL OR j.due_at <= $3
               OR NOT EXISTS (SELECT FROM practice_patient f JOIN report_job u ON u.patient_id = f.patient_id
                              WHERE f.practice_id = j.practice_id AND f.since <= j.known_at
                                AND (f.until IS NULL OR f.until > j.known_at) AND u.week = j.week AND u.state = 'due'))
        ORDER BY j.due_at, j.id LIMIT $4
        FOR UPDATE OF j SKIP LOCKED
        "#,
        now.to_sqlx() as _,
        settled.to_sqlx() as _,
        without_patients.to_sqlx() as _,
        most
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Job {
                id: row.id,
                kind: kind_of(row.patient_id, row.practice_id)?,
                week: row.week,
                from: row.from_at.to_jiff(),
                to: row.to_at.to_jiff(),
                known_at: row.known_at.to_jiff(),
                version: row.version,
                requester: row.requester,
                reason: row.reason,
                attempts: row.attempts,
            })
        })
        .collect()
}

fn kind_of(patient: Option<uuid::Uuid>, practice: Option<uuid::Uuid>) -> Result<JobKind> {
    match (patient, practice) {
        (Some(id), None) => Ok(JobKind::Patient(PatientId(id))),
        (None, Some(id)) => Ok(JobKind::Practice(PracticeId(id))),
        (None, None) | (Some(_), Some(_)) => Err(Error::inconsistent("a job about nobody, or about two")),
    }
}

/// These are made; in the transaction that stores their reports. Returns how many were still to be made.
pub async fn done(tx: &mut Tx, jobs: &[i64], now: Timestamp) -> Result<u64> {
    let done = sqlx::query!(
        "UPDATE report_job SET state = 'done', done_at = $2 WHERE id = ANY($1) AND state = 'due'",
        jobs,
        now.to_sqlx() as _
    )
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}

/// An attempt failed: try again at `retry_at`, or give up. In a transaction of its own, after that of the attempt was
/// rolled back. False: somebody else has made it meanwhile.
pub async fn failed(tx: &mut Tx, job: i64, error: &str, retry_at: Option<Timestamp>) -> Result<bool> {
    let changed = sqlx::query!(
        r#"
        UPDATE report_job SET attempts = attempts + 1, last_error = $2, next_attempt_at = coalesce($3, next_attempt_at),
               state = CASE WHEN $3::timestamptz IS NULL THEN 'failed' ELSE 'due' END
        WHERE id = $1 AND state = 'due'
        "#,
        job,
        error,
        retry_at.map(|at| at.to_sqlx()) as _
    )
    .execute(&mut **tx)
    .await?;
    Ok(changed.rows_affected() > 0)
}

/// Tries a job again that was given up: the same version, which knows the same. False: it was not given up.
pub async fn retry(tx: &mut Tx, job: i64, now: Timestamp) -> Result<bool> {
    let changed = sqlx::query!(
        "UPDATE report_job SET state = 'due', next_attempt_at = $2 WHERE id = $1 AND state = 'failed'",
        job,
        now.to_sqlx() as _
    )
    .execute(&mut **tx)
    .await?;
    Ok(changed.rows_affected() > 0)
}

/// How far the work is; `done` counts what was made since a moment.
pub async fn counts(tx: &mut Tx, since: Timestamp) -> Result<Counts> {
    let row = sqlx::query!(
        r#"
        SELECT (SELECT count(*) FROM report_job WHERE state = 'due') AS "due!",
               (SELECT count(*) FROM report_job WHERE state = 'due' AND attempts > 0) AS "retrying!",
               (SELECT due_at FROM report_job WHERE state = 'due' ORDER BY due_at, id LIMIT 1) AS oldest_due_at,
               (SELECT count(*) FROM report_job WHERE state = 'done' AND done_at >= $1) AS "done!",
               (SELECT count(*) FROM report_job WHERE state = 'failed') AS "failed!"
        "#,
        since.to_sqlx() as _
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(Counts {
        due: row.due,
        retrying: row.retrying,
        oldest_due_at: row.oldest_due_at.map(|at| at.to_jiff()),
        done: row.done,
        failed: row.failed,
    })
}

/// Jobs that were given up, and those that failed and will be tried again, newest first.
pub async fn failures(tx: &mut Tx, most: i64) -> Result<Vec<Failure>> {
    let rows = sqlx::query!(
        r#"
        SELECT id, patient_id, practice_id, week, version, due_at, attempts, coalesce(last_error, '') AS "error!",
               CASE WHEN state = 'due' THEN next_attempt_at END AS retry_at
        FROM report_job WHERE state = 'failed' OR (state = 'due' AND attempts > 0)
        ORDER BY due_at DESC, id DESC LIMIT $1
        "#,
        most
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Failure {
                id: row.id,
                kind: kind_of(row.patient_id, row.practice_id)?,
                week: row.week,
                version: row.version,
                due_at: row.due_at.to_jiff(),
                attempts: row.attempts,
                error: row.error,
                retry_at: row.retry_at.map(|at| at.to_jiff()),
            })
        })
        .collect()
}
