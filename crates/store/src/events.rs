//! The stream that browsers and programs follow, numbered in commit order.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use vigie_vitals::{AlertId, PatientId};

use crate::{Error, Result, Tx};

/// Something that happened, to be told. Never a clinical value: who may see it looks it up.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// When.
    pub at: Timestamp,
    /// `readings`, `alert_opened`, `alert_changed`, `rule_changed` or `pause_changed`.
    pub kind: &'static str,
    /// About whom.
    pub patient: PatientId,
    /// About which alert.
    pub alert: Option<AlertId>,
    /// Small extras, such as the priority.
    pub detail: serde_json::Value,
}

/// Appends events. Must be the last statement before the commit: it locks the one counter row, so that
/// numbers are given in commit order and whoever has seen n has seen everything up to n.
pub async fn append(tx: &mut Tx, events: &[NewEvent]) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let count = i64::try_from(events.len()).map_err(Error::inconsistent)?;
    let at: Vec<_> = events.iter().map(|e| e.at.to_sqlx()).collect();
    let kinds: Vec<&str> = events.iter().map(|e| e.kind).collect();
    let patients: Vec<_> = events.iter().map(|e| e.patient.0).collect();
    let alerts: Vec<_> = events.iter().map(|e| e.alert.map(|a| a.0)).collect();
    let details: Vec<_> = events.iter().map(|e| e.detail.clone()).collect();
    sqlx::query!(
        r#"
        WITH position AS (UPDATE stream_position SET last_id = last_id + $1 RETURNING last_id - $1 AS before)
        INSERT INTO stream_event (id, at, kind, patient_id, alert_id, detail)
        SELECT position.before + n, at, kind, patient_id, alert_id, detail
        FROM position, unnest($2::timestamptz[], $3::text[], $4::uuid[], $5::uuid[], $6::jsonb[])
             WITH ORDINALITY AS e(at, kind, patient_id, alert_id, detail, n)
        "#,
        count,
        &at as _,
        &kinds as _,
        &patients,
        &alerts as _,
        &details
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Forgets up to `most` events from before `before`. Whoever stopped following earlier is told to start anew.
pub async fn expire(tx: &mut Tx, before: Timestamp, most: i64) -> Result<u64> {
    Ok(sqlx::query!(
        "DELETE FROM stream_event WHERE id IN (SELECT id FROM stream_event WHERE at < $1 LIMIT $2)",
        before.to_sqlx() as _,
        most
    )
    .execute(&mut **tx)
    .await?
    .rows_affected())
}
