//! Numbers that a device jumped over: noted by the transaction that stores what came after them, looked at until they
//! are there or have been asked for often enough.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use vigie_vitals::DeviceId;

use crate::ranges::{LedgerKey, Ranges};
use crate::{Result, Tx};

/// Rows of one ledger. A further gap is added to the highest of them, so a device that sends every other number only
/// does not make rows without end.
const ROWS_OF_A_LEDGER_MAX: i64 = 20;

/// A gap that is waited for or asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The first number that was jumped over; with the ledger's key the name of the row.
    pub first: i64,
    /// The last one. Some between them may have come: the ledger says which have not.
    pub last: i64,
    /// When a higher number came first.
    pub opened_at: Timestamp,
    /// How often Vigie has asked for it.
    pub tries: i32,
    /// When it is looked at again; none before the first look.
    pub next_at: Option<Timestamp>,
}

/// A ledger with a gap that is due, and everything that decides what is done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// The ledger.
    pub key: LedgerKey,
    /// Its numbers.
    pub received: Ranges,
    /// Is it the epoch that the device uses now? If not, it lost what it measured then.
    pub is_current: bool,
    /// The device may not connect any more.
    pub is_revoked: bool,
    /// Some request to send again, from this number on, waits for the device already; of those the lowest.
    pub waiting_from: Option<i64>,
    /// All gaps of the ledger, due or not, lowest first.
    pub gaps: Vec<Gap>,
}

/// Notes gaps that a transaction opened: the numbers from the first to the last were jumped over. The caller has the
/// lock of each ledger.
pub async fn opened(tx: &mut Tx, gaps: &[(&LedgerKey, i64, i64)], now: Timestamp) -> Result<()> {
    let devices: Vec<&str> = gaps.iter().map(|(key, ..)| key.device.as_str()).collect();
    let epochs: Vec<i64> = gaps.iter().map(|(key, ..)| key.epoch).collect();
    let firsts: Vec<i64> = gaps.iter().map(|(_, first, _)| *first).collect();
    let lasts: Vec<i64> = gaps.iter().map(|(.., last)| *last).collect();
    // A conflict would be the same jump noted before: what is on record stays.
    sqlx::query!(
        r#"
        WITH opened AS (
            SELECT o.*, (SELECT max(g.first) FROM ledger_gap g
                         WHERE g.device_id = o.device_id AND g.epoch = o.epoch HAVING count(*) >= $6) AS joins
            FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[]) AS o(device_id, epoch, first, last)
        ), joined AS (
            UPDATE ledger_gap g SET last = o.last FROM opened o
            WHERE g.device_id = o.device_id AND g.epoch = o.epoch AND g.first = o.joins
        )
        INSERT INTO ledger_gap (device_id, epoch, first, last, opened_at)
        SELECT device_id, epoch, first, last, $5 FROM opened WHERE joins IS NULL
        ON CONFLICT DO NOTHING
        "#,
        &devices as _,
        &epochs,
        &firsts,
        &lasts,
        now.to_sqlx() as _,
        ROWS_OF_A_LEDGER_MAX
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Claims ledgers with a gap that is due at `now`, or that opened at `opened_until` or before and was never looked at;
/// at most `most`, the longest due first. Their rows are locked, those that somebody else has are left out: nobody adds
/// to them or looks at them until the transaction ends.
pub async fn claim(tx: &mut Tx, opened_until: Timestamp, now: Timestamp, most: i64) -> Result<Vec<Watched>> {
    let rows = sqlx::query!(
        r#"
        SELECT l.device_id, l.epoch, l.received::text AS "received!", current_epoch(l.device_id) AS "current!",
               EXISTS (SELECT FROM device d WHERE d.id = l.device_id AND d.revoked_at IS NOT NULL) AS "is_revoked!",
               (SELECT min(c.from_sequence) FROM device_command c
                WHERE c.device_id = l.device_id AND c.kind = 'send_again' AND c.state = 'queued'
                  AND c.epoch = l.epoch AND c.expires_at > $2) AS waiting_from
        FROM ledger l
        WHERE (l.device_id, l.epoch) IN (
            SELECT device_id, epoch FROM (
                (SELECT device_id, epoch, next_at AS due FROM ledger_gap WHERE next_at <= $2 ORDER BY next_at LIMIT $3)
                UNION ALL
                (SELECT device_id, epoch, opened_at FROM ledger_gap WHERE next_at IS NULL AND opened_at <= $1
                 ORDER BY opened_at LIMIT $3)
            ) due ORDER BY due LIMIT $3)
        FOR UPDATE OF l SKIP LOCKED
        "#,
        opened_until.to_sqlx() as _,
        now.to_sqlx() as _,
        most
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut watched = Vec::with_capacity(rows.len());
    for row in rows {
        watched.push(Watched {
            received: Ranges::from_sql_text(&row.received)?,
            is_current: row.current == row.epoch,
            is_revoked: row.is_revoked,
            waiting_from: row.waiting_from,
            key: LedgerKey { device: DeviceId(row.device_id), epoch: row.epoch },
            gaps: Vec::new(),
        });
    }
    let devices: Vec<String> = watched.iter().map(|watched| watched.key.device.0.clone()).collect();
    let mut gaps = of_devices(tx, &devices).await?;
    for watched in &mut watched {
        watched.gaps = gaps.remove(&watched.key).unwrap_or_default();
    }
    Ok(watched)
}

/// The gaps of these devices that are waited for or asked for, lowest first.
pub(crate) async fn of_devices(tx: &mut Tx, devices: &[String]) -> Result<HashMap<LedgerKey, Vec<Gap>>> {
    let rows = sqlx::query!(
        r#"
        SELECT device_id, epoch, first, last, opened_at, tries, next_at FROM ledger_gap
        WHERE device_id = ANY($1) ORDER BY device_id, epoch, first
        "#,
        devices
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut gaps: HashMap<LedgerKey, Vec<Gap>> = HashMap::new();
    for row in rows {
        let key = LedgerKey { device: DeviceId(row.device_id), epoch: row.epoch };
        gaps.entry(key).or_default().push(Gap {
            first: row.first,
            last: row.last,
            opened_at: row.opened_at.to_jiff(),
            tries: row.tries,
            next_at: row.next_at.map(|t| t.to_jiff()),
        });
    }
    Ok(gaps)
}

/// Forgets gaps: their numbers are there, or are not hoped for any more.
pub async fn forget(tx: &mut Tx, key: &LedgerKey, firsts: &[i64]) -> Result<()> {
    sqlx::query!(
        "DELETE FROM ledger_gap WHERE device_id = $1 AND epoch = $2 AND first = ANY($3)",
        key.device.as_str(),
        key.epoch,
        firsts
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Notes how often these gaps have been asked for, and when they are looked at again.
pub async fn look_again(tx: &mut Tx, key: &LedgerKey, gaps: &[(i64, i32, Timestamp)]) -> Result<()> {
    let firsts: Vec<i64> = gaps.iter().map(|(first, ..)| *first).collect();
    let tries: Vec<i32> = gaps.iter().map(|(_, tries, _)| *tries).collect();
    let times: Vec<_> = gaps.iter().map(|(.., at)| at.to_sqlx()).collect();
    sqlx::query!(
        r#"
        UPDATE ledger_gap g SET tries = k.tries, next_at = k.next_at
        FROM unnest($3::bigint[], $4::int[], $5::timestamptz[]) AS k(first, tries, next_at)
        WHERE g.device_id = $1 AND g.epoch = $2 AND g.first = k.first
        "#,
        key.device.as_str(),
        key.epoch,
        &firsts,
        &tries,
        &times as _
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Takes back what Vigie itself asked of a device and the device does not have yet: it asks for something else now, or
/// this epoch is over.
pub async fn take_back(tx: &mut Tx, device: &DeviceId, epoch: Option<i64>, now: Timestamp) -> Result<u64> {
    Ok(sqlx::query!(
        r#"
        UPDATE device_command SET state = 'cancelled', ended_at = $2, cancelled_by = asked_by_name
        WHERE device_id = $1 AND kind = 'send_again' AND asked_by IS NULL AND state = 'queued'
          AND ($3::bigint IS NULL OR epoch = $3)
        "#,
        device.as_str(),
        now.to_sqlx() as _,
        epoch
    )
    .execute(&mut **tx)
    .await?
    .rows_affected())
}
