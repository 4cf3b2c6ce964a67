//! Deliveries as people look at them.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;
use vigie_vitals::PatientId;

use super::deliveries::DeliveryState;
use super::practices::{Channel, channel_of};
use super::{DeliveryId, PracticeId, What};
use crate::{Error, Result, Tx};

/// A delivery with how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryLine {
    /// Id.
    pub id: DeliveryId,
    /// Which report.
    pub what: What,
    /// On whom; absent for a practice's summary.
    pub patient: Option<PatientId>,
    /// ISO week.
    pub week: String,
    /// Version; 1 for a practice's summary.
    pub version: i32,
    /// To which practice.
    pub practice: PracticeId,
    /// Its name.
    pub practice_name: String,
    /// To which address.
    pub address: String,
    /// By which way.
    pub channel: Channel,
    /// `fr` or `en`.
    pub language: String,
    /// How far it is.
    pub state: DeliveryState,
    /// Attempts begun.
    pub attempts: i32,
    /// When it is tried next; absent when it is not.
    pub next_attempt_at: Option<Timestamp>,
    /// When the server took it.
    pub accepted_at: Option<Timestamp>,
    /// The server's last answer.
    pub last_reply: Option<String>,
    /// It stands in for this one, which did not get through.
    pub fallback_of: Option<DeliveryId>,
    /// When it was put on its way.
    pub created_at: Timestamp,
}

/// What happened to a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryEvent {
    /// When.
    pub at: Timestamp,
    /// `created`, `attempt`, `accepted`, `deferred`, `unknown`, `refused`, `failed`, `fallback` or `sent_again`.
    pub kind: String,
    /// Who.
    pub actor: String,
    /// The server's answer, or which delivery it follows.
    pub detail: String,
}

/// How many deliveries are where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeliveryCounts {
    /// Not tried yet.
    pub waiting: i64,
    /// Being sent.
    pub sending: i64,
    /// To be tried again.
    pub deferred: i64,
    /// Taken by the server since the moment asked for.
    pub accepted: i64,
    /// Never taken.
    pub refused: i64,
    /// Given up.
    pub failed: i64,
    /// When the oldest that is not at its end was put on its way.
    pub oldest_pending: Option<Timestamp>,
}

struct Row {
    id: Uuid,
    report_id: Option<Uuid>,
    practice_report_id: Option<Uuid>,
    patient_id: Option<Uuid>,
    week: String,
    version: i32,
    practice_id: Uuid,
    practice_name: String,
    address: String,
    channel: String,
    language: String,
    state: String,
    attempts: i32,
    next_attempt_at: jiff_sqlx::Timestamp,
    accepted_at: Option<jiff_sqlx::Timestamp>,
    last_reply: Option<String>,
    fallback_of: Option<Uuid>,
    created_at: jiff_sqlx::Timestamp,
}

fn line(row: Row) -> Result<DeliveryLine> {
    let state = DeliveryState::parse(&row.state)
        .ok_or_else(|| Error::inconsistent(format!("delivery state {}", row.state)))?;
    Ok(DeliveryLine {
        id: DeliveryId(row.id),
        what: What::from_columns(row.report_id, row.practice_report_id)?,
        patient: row.patient_id.map(PatientId),
        week: row.week,
        version: row.version,
        practice: PracticeId(row.practice_id),
        practice_name: row.practice_name,
        address: row.address,
        channel: channel_of(&row.channel)?,
        language: row.language,
        state,
        attempts: row.attempts,
        next_attempt_at: state.is_pending().then(|| row.next_attempt_at.to_jiff()),
        accepted_at: row.accepted_at.map(|at| at.to_jiff()),
        last_reply: row.last_reply,
        fallback_of: row.fallback_of.map(DeliveryId),
        created_at: row.created_at.to_jiff(),
    })
}

/// Deliveries of the reports on a patient, newest first, at most `most`.
pub async fn of_patient(tx: &mut Tx, patient: PatientId, most: i64) -> Result<Vec<DeliveryLine>> {
    let rows = sqlx::query_as!(
        Row,
        r#"
        SELECT d.id, d.report_id, d.practice_report_id, d.patient_id, r.week, r.version, d.practice_id, c.name AS practice_name,
               d.address, d.channel, d.language, d.state, d.attempts, d.next_attempt_at, d.accepted_at, d.last_reply,
               d.fallback_of, d.created_at
        FROM report_delivery d JOIN practice c ON c.id = d.practice_id JOIN report r ON r.id = d.report_id
        WHERE d.patient_id = $1
        ORDER BY d.created_at DESC, d.round DESC, d.id LIMIT $2
        "#,
        patient.0,
        most
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter().map(line).collect()
}

/// One delivery, if one may see it.
pub async fn get(tx: &mut Tx, id: DeliveryId) -> Result<Option<DeliveryLine>> {
    let row = sqlx::query_as!(
        Row,
        r#"
        SELECT d.id, d.report_id, d.practice_report_id, d.patient_id, coalesce(r.week, s.week) AS "week!",
               coalesce(r.version, 1) AS "version!", d.practice_id, c.name AS practice_name, d.address, d.channel, d.language,
               d.state, d.attempts, d.next_attempt_at, d.accepted_at, d.last_reply, d.fallback_of, d.created_at
        FROM report_delivery d
        JOIN practice c ON c.id = d.practice_id
        LEFT JOIN report r ON r.id = d.report_id
        LEFT JOIN practice_report s ON s.id = d.practice_report_id
        WHERE d.id = $1
        "#,
        id.0
    )
    .fetch_optional(&mut **tx)
    .await?;
    row.map(line).transpose()
}

/// Reports that no address of the practice has taken yet although an attempt failed: of each report and practice the
/// newest delivery; newest first, at most `most`.
pub async fn undelivered(tx: &mut Tx, most: i64) -> Result<Vec<DeliveryLine>> {
    let rows = sqlx::query_as!(
        Row,
        r#"
        SELECT d.id, d.report_id, d.practice_report_id, d.patient_id, coalesce(r.week, s.week) AS "week!",
               coalesce(r.version, 1) AS "version!", d.practice_id, c.name AS practice_name, d.address, d.channel, d.language,
               d.state, d.attempts, d.next_attempt_at, d.accepted_at, d.last_reply, d.fallback_of, d.created_at
        FROM report_delivery d
        JOIN practice c ON c.id = d.practice_id
        LEFT JOIN report r ON r.id = d.report_id
        LEFT JOIN practice_report s ON s.id = d.practice_report_id
        WHERE d.state <> 'accepted'
          AND (d.state IN ('deferred', 'refused', 'failed') OR d.attempts > 1 OR d.round > 1 OR d.fallback_of IS NOT NULL)
          AND NOT EXISTS (SELECT FROM report_delivery o
                          WHERE coalesce(o.report_id, o.practice_report_id) = coalesce(d.report_id, d.practice_report_id)
                            AND o.practice_id = d.practice_id
                            AND (o.state = 'accepted'
                                 OR (o.round, o.created_at, (o.fallback_of IS NOT NULL)::int, o.id)
                                    > (d.round, d.created_at, (d.fallback_of IS NOT NULL)::int, d.id)))
        ORDER BY d.created_at DESC, d.id DESC LIMIT $1
        "#,
        most
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter().map(line).collect()
}

/// What happened to a delivery, oldest first.
pub async fn history(tx: &mut Tx, delivery: DeliveryId) -> Result<Vec<DeliveryEvent>> {
    let rows = sqlx::query!(
        "SELECT at, kind, actor, detail FROM report_delivery_event WHERE delivery_id = $1 ORDER BY id",
        delivery.0
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| DeliveryEvent {
            at: row.at.to_jiff(),
            kind: row.kind,
            actor: row.actor,
            detail: row.detail,
        })
        .collect())
}

/// How many deliveries are where; `accepted` counts since a moment.
pub async fn counts(tx: &mut Tx, since: Timestamp) -> Result<DeliveryCounts> {
    let row = sqlx::query!(
        r#"
        SELECT count(*) FILTER (WHERE state = 'waiting') AS "waiting!", count(*) FILTER (WHERE state = 'sending') AS "sending!",
               count(*) FILTER (WHERE state = 'deferred') AS "deferred!", min(created_at) AS oldest,
               (SELECT count(*) FROM report_delivery WHERE state = 'accepted' AND accepted_at >= $1) AS "accepted!",
               (SELECT count(*) FROM report_delivery WHERE state = 'refused') AS "refused!",
               (SELECT count(*) FROM report_delivery WHERE state = 'failed') AS "failed!"
        FROM report_delivery WHERE state IN ('waiting', 'sending', 'deferred')
        "#,
        since.to_sqlx() as _
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(DeliveryCounts {
        waiting: row.waiting,
        sending: row.sending,
        deferred: row.deferred,
        accepted: row.accepted,
        refused: row.refused,
        failed: row.failed,
        oldest_pending: row.oldest.map(|at| at.to_jiff()),
    })
}
