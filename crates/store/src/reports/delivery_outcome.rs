//! What became of an attempt to send. Each returns false, and changes nothing, when the row has moved on meanwhile.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use super::DeliveryId;
use super::deliveries::{DeliveryState, SYSTEM, note};
use crate::{Result, Tx};

/// Of a server's answer no more than this is kept.
const REPLY_MAX_CHARACTERS: usize = 500;

/// The server took it; final. Not bound to an attempt: it is a fact, also when the lease ran out meanwhile.
pub async fn accepted(tx: &mut Tx, delivery: DeliveryId, now: Timestamp, reply: &str) -> Result<bool> {
    let reply = short(reply);
    let changed = sqlx::query!(
        r#"
        UPDATE report_delivery SET state = 'accepted', accepted_at = $2, last_reply = $3
        WHERE id = $1 AND state IN ('waiting', 'sending', 'deferred')
        "#,
        delivery.0,
        now.to_sqlx() as _,
        reply
    )
    .execute(&mut **tx)
    .await?
    .rows_affected()
        > 0;
    if changed {
        note(tx, &[delivery.0], now, "accepted", (None, SYSTEM), &reply).await?;
    }
    Ok(changed)
}

/// This attempt came to nothing; the next is at `next_attempt_at`.
pub async fn deferred(
    tx: &mut Tx,
    delivery: DeliveryId,
    attempt: i32,
    now: Timestamp,
    next_attempt_at: Timestamp,
    reply: &str,
) -> Result<bool> {
    later(tx, delivery, attempt, now, next_attempt_at, ("deferred", reply)).await
}

/// The whole message was sent and no answer came: it may have arrived. The next attempt, at `next_attempt_at`, carries the
/// same Message-ID.
pub async fn unknown(
    tx: &mut Tx,
    delivery: DeliveryId,
    attempt: i32,
    now: Timestamp,
    next_attempt_at: Timestamp,
    reply: &str,
) -> Result<bool> {
    later(tx, delivery, attempt, now, next_attempt_at, ("unknown", reply)).await
}

async fn later(
    tx: &mut Tx,
    delivery: DeliveryId,
    attempt: i32,
    now: Timestamp,
    next_attempt_at: Timestamp,
    (kind, reply): (&str, &str),
) -> Result<bool> {
    let reply = short(reply);
    let changed = sqlx::query!(
        r#"
        UPDATE report_delivery SET state = 'deferred', next_attempt_at = $3, lease_until = NULL, last_reply = $4
        WHERE id = $1 AND state = 'sending' AND attempts = $2
        "#,
        delivery.0,
        attempt,
        next_attempt_at.to_sqlx() as _,
        reply
    )
    .execute(&mut **tx)
    .await?
    .rows_affected()
        > 0;
    if changed {
        note(tx, &[delivery.0], now, kind, (None, SYSTEM), &reply).await?;
    }
    Ok(changed)
}

/// The server will never take it. The practice's other address gets it, if there is one.
pub async fn refused(
    tx: &mut Tx,
    delivery: DeliveryId,
    attempt: i32,
    now: Timestamp,
    reply: &str,
) -> Result<bool> {
    end(tx, delivery, attempt, DeliveryState::Refused, now, reply).await
}

/// There is no point in trying again. The practice's other address gets it, if there is one.
pub async fn failed(
    tx: &mut Tx,
    delivery: DeliveryId,
    attempt: i32,
    now: Timestamp,
    reply: &str,
) -> Result<bool> {
    end(tx, delivery, attempt, DeliveryState::Failed, now, reply).await
}

async fn end(
    tx: &mut Tx,
    delivery: DeliveryId,
    attempt: i32,
    state: DeliveryState,
    now: Timestamp,
    reply: &str,
) -> Result<bool> {
    let reply = short(reply);
    let changed = sqlx::query!(
        r#"
        UPDATE report_delivery SET state = $3, lease_until = NULL, last_reply = $4
        WHERE id = $1 AND state = 'sending' AND attempts = $2
        "#,
        delivery.0,
        attempt,
        state.as_str(),
        reply
    )
    .execute(&mut **tx)
    .await?
    .rows_affected()
        > 0;
    if !changed {
        return Ok(false);
    }
    note(tx, &[delivery.0], now, state.as_str(), (None, SYSTEM), &reply).await?;
    // The change above happens once, and so does this; the unique key on `fallback_of` says so too.
    let other = sqlx::query_scalar!(
        r#"
        INSERT INTO report_delivery (id, report_id, patient_id, practice_report_id, practice_id, address, channel, language,
                                     round, message_id, fallback_of, next_attempt_at, created_at)
        SELECT n.id, d.report_id, d.patient_id, d.practice_report_id, d.practice_id, c.fallback_address, d.channel, d.language,
               d.round, format('<%s@%s', n.id, split_part(d.message_id, '@', 2)), d.id, $2, $2
        FROM report_delivery d
        JOIN practice c ON c.id = d.practice_id
        CROSS JOIN LATERAL (SELECT delivery_id(coalesce(d.report_id, d.practice_report_id), d.practice_id,
                                               c.fallback_address, d.round) AS id) n
        WHERE d.id = $1 AND c.fallback_address IS NOT NULL AND c.fallback_address <> d.address
        ON CONFLICT DO NOTHING
        RETURNING id
        "#,
        delivery.0,
        now.to_sqlx() as _
    )
    .fetch_optional(&mut **tx)
    .await?;
    if let Some(id) = other {
        note(tx, &[id], now, "fallback", (None, SYSTEM), &format!("after {delivery}")).await?;
    }
    Ok(true)
}

fn short(reply: &str) -> String {
    reply.chars().take(REPLY_MAX_CHARACTERS).collect()
}
