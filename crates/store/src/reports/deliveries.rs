//! Reports on their way to practices: one row per report, practice and address, claimed under a lease, with every attempt
//! and its outcome on record.
//!
//! The state of a row only moves forward and `accepted` is final. A sender that dies lets its lease run out; whoever claims
//! the row next sends the same Message-ID, so that a mail which did arrive is recognised.

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use uuid::Uuid;
use vigie_vitals::{PatientId, UserId};

use super::documents::StoredDocument;
use super::practices::{Channel, channel_of};
use super::{DeliveryId, PracticeId, What};
use crate::{Error, Result, Tx};

pub use super::delivery_outcome::{accepted, deferred, failed, refused, unknown};
pub use super::delivery_pages::{
    DeliveryCounts, DeliveryEvent, DeliveryLine, counts, get, history, of_patient, undelivered,
};

/// Who acts when no person does.
pub(super) const SYSTEM: &str = "vigie";

/// How far a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    /// Nobody has tried yet.
    Waiting,
    /// Somebody is trying.
    Sending,
    /// The server said "later", or could not be reached; it is tried again.
    Deferred,
    /// The server took it. Final.
    Accepted,
    /// The server will never take it.
    Refused,
    /// Tried until there was no point in trying again.
    Failed,
}

impl DeliveryState {
    /// `waiting`, `sending`, `deferred`, `accepted`, `refused`, `failed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sending => "sending",
            Self::Deferred => "deferred",
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Waiting, Self::Sending, Self::Deferred, Self::Accepted, Self::Refused, Self::Failed]
            .into_iter()
            .find(|state| state.as_str() == text)
    }

    /// Is there still something to do?
    pub fn is_pending(self) -> bool {
        matches!(self, Self::Waiting | Self::Sending | Self::Deferred)
    }
}

/// A report to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
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
    /// The same at each attempt.
    pub message_id: String,
    /// Which attempt this is, from 1. The outcome is reported with it: an attempt whose lease ran out cannot undo what a
    /// later one did.
    pub attempt: i32,
    /// When the lease ends: after that somebody else may send it.
    pub lease_until: Timestamp,
    /// When it was put on its way: the date of the mail, the same at each attempt.
    pub created_at: Timestamp,
}

/// Puts reports on their way: each report on a patient to each practice that follows the patient now, each summary to its
/// practice; in the transaction that stores them. `domain` is that of the Message-ID. Idempotent. Returns how many are new.
pub async fn create_for(tx: &mut Tx, reports: &[What], now: Timestamp, domain: &str) -> Result<u64> {
    let on_patients: Vec<Uuid> = reports.iter().filter_map(|what| what.report()).collect();
    let of_practices: Vec<Uuid> = reports.iter().filter_map(|what| what.practice_report()).collect();
    let new = sqlx::query_scalar!(
        r#"
        WITH wanted AS (
            SELECT r.id AS report_id, r.patient_id, NULL::uuid AS practice_report_id, c.id AS practice_id, c.address, c.channel,
                   coalesce((SELECT min(d.language) FROM report_document d
                             WHERE d.report_id = r.id AND d.format = 'pdf' AND d.language = c.locale),
                            (SELECT min(d.language) FROM report_document d WHERE d.report_id = r.id AND d.format = 'pdf'),
                            c.locale) AS language
            FROM report r
            JOIN practice_patient f ON f.patient_id = r.patient_id AND f.since <= $3 AND (f.until IS NULL OR f.until > $3)
            JOIN practice c ON c.id = f.practice_id
            WHERE r.id = ANY($1)
            UNION ALL
            SELECT NULL, NULL, s.id, c.id, c.address, c.channel, c.locale
            FROM practice_report s JOIN practice c ON c.id = s.practice_id
            WHERE s.id = ANY($2)
        ), named AS (
            SELECT w.*, delivery_id(coalesce(report_id, practice_report_id), practice_id, address, 1) AS id FROM wanted w
        )
        INSERT INTO report_delivery (id, report_id, patient_id, practice_report_id, practice_id, address, channel, language,
                                     message_id, next_attempt_at, created_at)
        SELECT id, report_id, patient_id, practice_report_id, practice_id, address, channel, language,
               format('<%s@%s>', id, $4::text), $3, $3
        FROM named ORDER BY id
        ON CONFLICT DO NOTHING
        RETURNING id
        "#,
        &on_patients,
        &of_practices,
        now.to_sqlx() as _,
        domain
    )
    .fetch_all(&mut **tx)
    .await?;
    note(tx, &new, now, "created", (None, SYSTEM), "").await?;
    Ok(u64::try_from(new.len()).unwrap_or(u64::MAX))
}

/// Claims up to `most` deliveries whose time has come, those included whose lease ran out, oldest first. They are being sent
/// until `now + lease`; commit before sending.
pub async fn claim(tx: &mut Tx, now: Timestamp, lease: SignedDuration, most: i64) -> Result<Vec<Delivery>> {
    let lease_until = now.checked_add(lease).map_err(Error::inconsistent)?;
    let rows = sqlx::query!(
        r#"
        WITH next AS (
            SELECT id FROM report_delivery
            WHERE state IN ('waiting', 'sending', 'deferred') AND next_attempt_at <= $1
            ORDER BY next_attempt_at, id LIMIT $3
            FOR UPDATE SKIP LOCKED
        ), taken AS (
            UPDATE report_delivery d
            SET state = 'sending', attempts = attempts + 1, lease_until = $2, next_attempt_at = $2
            FROM next WHERE d.id = next.id
            RETURNING d.*
        )
        SELECT t.id AS "id!", t.report_id, t.practice_report_id, t.patient_id, coalesce(r.week, s.week) AS "week!",
               coalesce(r.version, 1) AS "version!", t.practice_id AS "practice_id!", c.name AS practice_name,
               t.address AS "address!", t.channel AS "channel!", t.language AS "language!", t.message_id AS "message_id!",
               t.attempts AS "attempts!", t.created_at AS "created_at!"
        FROM taken t
        JOIN practice c ON c.id = t.practice_id
        LEFT JOIN report r ON r.id = t.report_id
        LEFT JOIN practice_report s ON s.id = t.practice_report_id
        ORDER BY t.created_at, t.id
        "#,
        now.to_sqlx() as _,
        lease_until.to_sqlx() as _,
        most
    )
    .fetch_all(&mut **tx)
    .await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    note(tx, &ids, now, "attempt", (None, SYSTEM), "").await?;
    rows.into_iter()
        .map(|row| {
            Ok(Delivery {
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
                message_id: row.message_id,
                attempt: row.attempts,
                lease_until,
                created_at: row.created_at.to_jiff(),
            })
        })
        .collect()
}

/// The PDF that a delivery carries.
pub async fn pdf(tx: &mut Tx, delivery: DeliveryId) -> Result<Option<StoredDocument>> {
    let row = sqlx::query!(
        r#"
        SELECT coalesce(r.bytes, s.bytes) AS bytes, coalesce(r.sha256, s.sha256) AS sha256
        FROM report_delivery d
        LEFT JOIN report_document r ON r.report_id = d.report_id AND r.language = d.language AND r.format = 'pdf'
        LEFT JOIN practice_report_document s
            ON s.practice_report_id = d.practice_report_id AND s.language = d.language AND s.format = 'pdf'
        WHERE d.id = $1
        "#,
        delivery.0
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some((bytes, sha256)) = row.and_then(|row| row.bytes.zip(row.sha256)) else { return Ok(None) };
    let sha256 = sha256.try_into().map_err(|_| Error::inconsistent("a SHA-256 that has not 32 bytes"))?;
    Ok(Some(StoredDocument { bytes, sha256 }))
}

/// Sends a report again, to `address` or to where this delivery went: a new delivery with a Message-ID of its own. `None`:
/// one to the same address is on its way already, or there is no such delivery.
pub async fn send_again(
    tx: &mut Tx,
    delivery: DeliveryId,
    now: Timestamp,
    actor: (Option<UserId>, &str),
    address: Option<&str>,
) -> Result<Option<DeliveryId>> {
    let new = sqlx::query_scalar!(
        r#"
        WITH again AS (
            SELECT d.report_id, d.patient_id, d.practice_report_id, d.practice_id, d.channel, d.language, d.message_id,
                   coalesce($3::text, d.address) AS address,
                   1 + (SELECT max(o.round) FROM report_delivery o
                        WHERE o.practice_id = d.practice_id
                          AND coalesce(o.report_id, o.practice_report_id) = coalesce(d.report_id, d.practice_report_id)) AS round
            FROM report_delivery d WHERE d.id = $1
        ), named AS (
            SELECT a.*, delivery_id(coalesce(report_id, practice_report_id), practice_id, address, round) AS id FROM again a
        )
        INSERT INTO report_delivery (id, report_id, patient_id, practice_report_id, practice_id, address, channel, language,
                                     round, message_id, next_attempt_at, created_at)
        SELECT id, report_id, patient_id, practice_report_id, practice_id, address, channel, language, round,
               format('<%s@%s', id, split_part(message_id, '@', 2)), $2, $2
        FROM named
        ON CONFLICT DO NOTHING
        RETURNING id
        "#,
        delivery.0,
        now.to_sqlx() as _,
        address
    )
    .fetch_optional(&mut **tx)
    .await?;
    if let Some(id) = new {
        note(tx, &[id], now, "sent_again", actor, &format!("after {delivery}")).await?;
    }
    Ok(new.map(DeliveryId))
}

/// Adds the same line to the history of each of these.
pub(super) async fn note(
    tx: &mut Tx,
    deliveries: &[Uuid],
    at: Timestamp,
    kind: &str,
    actor: (Option<UserId>, &str),
    detail: &str,
) -> Result<()> {
    if deliveries.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        r#"
        INSERT INTO report_delivery_event (delivery_id, at, kind, actor_id, actor, detail)
        SELECT id, $2, $3, $4, $5, $6 FROM unnest($1::uuid[]) AS d(id)
        "#,
        deliveries,
        at.to_sqlx() as _,
        kind,
        actor.0.map(|u| u.0),
        actor.1,
        detail
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
