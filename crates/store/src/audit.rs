//! The audit trail: who, what, when, about whom, in which request. No clinical values.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use vigie_vitals::{PatientId, UserId};

use crate::{Result, Tx};

/// One line to write, in the transaction of what it tells of: if it cannot be written, nothing happens.
#[derive(Debug, Clone, Copy)]
pub struct NewEntry<'a> {
    /// When.
    pub at: Timestamp,
    /// Who, as an account; absent for a log-in that failed.
    pub actor: Option<UserId>,
    /// Who, in words (the log-in).
    pub actor_name: &'a str,
    /// What, such as `patient.read`.
    pub action: &'a str,
    /// About whom.
    pub patient: Option<PatientId>,
    /// The request, as in the answer's `x-request-id`.
    pub request_id: &'a str,
    /// Ids and codes, never values.
    pub detail: &'a str,
}

/// A line of the trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Position.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// About whom.
    pub patient: Option<PatientId>,
    /// The request.
    pub request_id: String,
    /// Ids and codes.
    pub detail: String,
}

/// Writes one line.
pub async fn record(tx: &mut Tx, entry: NewEntry<'_>) -> Result<()> {
    sqlx::query!(
        r#"
        INSERT INTO audit (at, actor_id, actor, action, patient_id, request_id, detail)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        "#,
        entry.at.to_sqlx() as _,
        entry.actor.map(|a| a.0),
        entry.actor_name,
        entry.action,
        entry.patient.map(|p| p.0),
        entry.request_id,
        entry.detail
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Writes the same act about several patients, such as a list that showed them.
pub async fn record_each(tx: &mut Tx, entry: NewEntry<'_>, patients: &[PatientId]) -> Result<()> {
    if patients.is_empty() {
        return record(tx, NewEntry { patient: None, ..entry }).await;
    }
    let ids: Vec<_> = patients.iter().map(|p| p.0).collect();
    sqlx::query!(
        r#"
        INSERT INTO audit (at, actor_id, actor, action, patient_id, request_id, detail)
        SELECT $1, $2, $3, $4, patient_id, $6, $7 FROM unnest($5::uuid[]) AS u(patient_id)
        "#,
        entry.at.to_sqlx() as _,
        entry.actor.map(|a| a.0),
        entry.actor_name,
        entry.action,
        &ids,
        entry.request_id,
        entry.detail
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The trail as this member of staff may see it, newest first, before a position.
pub async fn list(
    tx: &mut Tx,
    patient: Option<PatientId>,
    before: Option<i64>,
    most: i64,
) -> Result<Vec<Entry>> {
    let rows = sqlx::query!(
        r#"
        SELECT id, at, actor, action, patient_id, request_id, detail FROM audit
        WHERE ($1::uuid IS NULL OR patient_id = $1) AND ($2::bigint IS NULL OR id < $2)
        ORDER BY id DESC LIMIT $3
        "#,
        patient.map(|p| p.0),
        before,
        most
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Entry {
            id: row.id,
            at: row.at.to_jiff(),
            actor: row.actor,
            action: row.action,
            patient: row.patient_id.map(PatientId),
            request_id: row.request_id,
            detail: row.detail,
        })
        .collect())
}
