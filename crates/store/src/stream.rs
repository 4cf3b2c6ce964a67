//! Following the events that [`crate::events`] appends, and the proof that they flow.

use jiff::Timestamp;
use vigie_vitals::{AlertId, PatientId};

use crate::{Result, Tx};

/// An event that the acting member of staff may see.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its number, in commit order.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: String,
    /// About whom.
    pub patient: PatientId,
    /// About which alert.
    pub alert: Option<AlertId>,
    /// Small extras.
    pub detail: serde_json::Value,
}

/// What there is beyond a number.
#[derive(Debug, Clone, PartialEq)]
pub enum Batch {
    /// Visible events, and the number up to which this answer is complete.
    Events(Vec<Event>, i64),
    /// Events after that number are gone (or it is of another database): start afresh from this number.
    Reset(i64),
}

/// How things stand on the way from device to screen.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Progress {
    /// The newest judgement of any patient.
    pub last_judged_at: Option<Timestamp>,
    /// How long the oldest reading has been waiting to be judged.
    pub queue_age_seconds: Option<f64>,
    /// The newest beat of a gateway.
    pub last_gateway_beat: Option<Timestamp>,
    /// The newest beat of a judging worker.
    pub last_alerts_beat: Option<Timestamp>,
}

/// The number of the last committed event.
pub async fn position(tx: &mut Tx) -> Result<i64> {
    Ok(sqlx::query_scalar!("SELECT last_id FROM stream_position").fetch_one(&mut **tx).await?)
}

/// Up to `most` events after a number that the acting member of staff may see, oldest first.
pub async fn after(tx: &mut Tx, number: i64, most: i64) -> Result<Batch> {
    // The position first: whoever has seen it has every event up to it, because the counter is locked until
    // the commit. The next statement's snapshot can only be newer.
    let row = sqlx::query!(r#"SELECT last_id AS "last!", stream_floor() AS "floor!" FROM stream_position"#)
        .fetch_one(&mut **tx)
        .await?;
    if number < row.floor || number > row.last {
        return Ok(Batch::Reset(row.last));
    }
    if number == row.last {
        return Ok(Batch::Events(Vec::new(), number));
    }
    let rows = sqlx::query!(
        r#"
        SELECT id, at, kind, patient_id, alert_id, detail FROM stream_event
        WHERE id > $1 AND id <= $2 ORDER BY id LIMIT $3
        "#,
        number,
        row.last,
        most
    )
    .fetch_all(&mut **tx)
    .await?;
    let full = i64::try_from(rows.len()).is_ok_and(|n| n >= most);
    let complete_to = if full { rows.last().map_or(row.last, |last| last.id) } else { row.last };
    let events = rows
        .into_iter()
        .map(|row| Event {
            id: row.id,
            at: row.at.to_jiff(),
            kind: row.kind,
            patient: PatientId(row.patient_id),
            alert: row.alert_id.map(AlertId),
            detail: row.detail,
        })
        .collect();
    Ok(Batch::Events(events, complete_to))
}

/// Proof of life of the whole path; says nothing about any patient.
pub async fn progress(tx: &mut Tx) -> Result<Progress> {
    let row = sqlx::query!(
        r#"
        SELECT p.last_judged_at, p.queue_age_seconds,
               (SELECT max(at) FROM service_beat WHERE role = 'gateway') AS gateway,
               (SELECT max(at) FROM service_beat WHERE role = 'alerts') AS alerts
        FROM judging_progress() p
        "#
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(Progress {
        last_judged_at: row.last_judged_at.map(|t| t.to_jiff()),
        queue_age_seconds: row.queue_age_seconds,
        last_gateway_beat: row.gateway.map(|t| t.to_jiff()),
        last_alerts_beat: row.alerts.map(|t| t.to_jiff()),
    })
}
