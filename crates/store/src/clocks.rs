//! Devices whose clock is proven wrong, and Vigie's asking them to set it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use vigie_vitals::DeviceId;

use crate::{Result, Tx};

/// An error of a clock, proven by a message of the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockError {
    /// Above zero: the device's clock is ahead.
    pub ahead: SignedDuration,
    /// When the message arrived.
    pub noted_at: Timestamp,
}

/// When Vigie asks by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AskToSet {
    /// A clock that is wrong by more than this is to be set.
    pub beyond: SignedDuration,
    /// At most once in this time and device, whoever asked.
    pub every: SignedDuration,
    /// A device that did not come for the last one is left alone for this long: it may never listen.
    pub every_if_never_fetched: SignedDuration,
    /// How long the command lives.
    pub life: SignedDuration,
}

/// Notes clocks that were proven wrong. The last proof stands; a row is written at most once a minute, since a device
/// whose clock is wrong proves it with every message. Devices that are not enrolled are left out.
pub async fn note(tx: &mut Tx, errors: &BTreeMap<DeviceId, ClockError>) -> Result<()> {
    let devices: Vec<&str> = errors.keys().map(DeviceId::as_str).collect();
    let ahead: Vec<i64> = errors.values().map(|error| milliseconds(error.ahead)).collect();
    let noted: Vec<_> = errors.values().map(|error| error.noted_at.to_sqlx()).collect();
    sqlx::query!(
        r#"
        INSERT INTO device_clock AS k (device_id, ahead_ms, noted_at)
        SELECT d.id, n.ahead_ms, n.noted_at
        FROM unnest($1::text[], $2::bigint[], $3::timestamptz[]) AS n(device_id, ahead_ms, noted_at)
        JOIN device d ON d.id = n.device_id
        ORDER BY d.id
        ON CONFLICT (device_id) DO UPDATE SET ahead_ms = excluded.ahead_ms, noted_at = excluded.noted_at
        WHERE k.noted_at < excluded.noted_at - interval '1 minute'
        "#,
        &devices as _,
        &ahead,
        &noted as _
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Devices that lately proved to be wrong, and by what most of them are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommonError {
    /// How many.
    pub devices: i64,
    /// By what the most usual one is wrong; above zero it is ahead.
    pub ahead: SignedDuration,
}

/// Fewer than this are wrong by the same amount by chance.
const COMMON_FROM: i64 = 5;

/// Are most devices that proved to be wrong in the last hour wrong by the same amount, to a minute either way? Clocks of
/// devices go wrong each in their own way: then it is ours, or all of one make, and asking them would spread our error.
pub async fn common_error(tx: &mut Tx, now: Timestamp) -> Result<Option<CommonError>> {
    let hour_ago = now.saturating_sub(SignedDuration::from_hours(1)).unwrap_or(Timestamp::MIN);
    let row = sqlx::query!(
        r#"
        WITH lately AS (SELECT ahead_ms FROM device_clock WHERE noted_at > $1),
             middle AS (SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY ahead_ms) AS ahead_ms FROM lately)
        SELECT count(*) AS "devices!", middle.ahead_ms,
               count(*) FILTER (WHERE abs(lately.ahead_ms - middle.ahead_ms) <= 60000) AS "alike!"
        FROM lately, middle GROUP BY middle.ahead_ms
        "#,
        hour_ago.to_sqlx() as _
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.filter(|row| row.devices >= COMMON_FROM && row.alike * 2 > row.devices).map(|row| CommonError {
        devices: row.devices,
        ahead: SignedDuration::from_millis(row.ahead_ms.unwrap_or_default()),
    }))
}

/// Asks devices whose clock is proven wrong to set it, as Vigie itself. Each proof asks once at most, and only one
/// gateway asks ([`common_error`] is for the caller to ask first): the row of the clock is locked, and says when that was. The ids of the commands come back.
pub async fn ask_to_set(tx: &mut Tx, rule: &AskToSet, now: Timestamp, most: i64) -> Result<Vec<i64>> {
    let ago = |time: SignedDuration| now.saturating_sub(time).unwrap_or(Timestamp::MIN).to_sqlx();
    let expires_at = now.saturating_add(rule.life).unwrap_or(Timestamp::MAX);
    Ok(sqlx::query_scalar!(
        r#"
        WITH due AS (
            SELECT k.device_id, k.ahead_ms
            FROM device_clock k JOIN device d ON d.id = k.device_id AND d.revoked_at IS NULL
            WHERE abs(k.ahead_ms) > $1 AND (k.asked_at IS NULL OR k.asked_at < k.noted_at AND k.asked_at <= $3)
              AND NOT EXISTS (
                  SELECT FROM device_command c
                  WHERE c.device_id = k.device_id AND c.kind = 'set_clock'
                    AND (c.state = 'queued' OR c.asked_at > CASE c.state WHEN 'expired' THEN $4::timestamptz ELSE $3 END))
            ORDER BY k.device_id LIMIT $6
            FOR NO KEY UPDATE OF k SKIP LOCKED
        ), asked AS (
            UPDATE device_clock k SET asked_at = $2 FROM due WHERE k.device_id = due.device_id
            RETURNING k.device_id, k.ahead_ms
        )
        INSERT INTO device_command (device_id, kind, reason, asked_by_name, asked_at, expires_at)
        SELECT device_id, 'set_clock',
               format('clock %s s %s', abs(ahead_ms) / 1000, CASE WHEN ahead_ms > 0 THEN 'ahead' ELSE 'behind' END),
               'Vigie', $2, $5
        FROM asked ORDER BY device_id
        RETURNING id
        "#,
        milliseconds(rule.beyond),
        now.to_sqlx() as _,
        ago(rule.every) as _,
        ago(rule.every_if_never_fetched) as _,
        expires_at.to_sqlx() as _,
        most
    )
    .fetch_all(&mut **tx)
    .await?)
}

fn milliseconds(time: SignedDuration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(if time.is_negative() { i64::MIN + 1 } else { i64::MAX })
}
