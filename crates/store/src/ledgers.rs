//! The ledgers in the transaction that stores readings: which numbers are new.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use vigie_vitals::DeviceId;

use crate::intake::place;
use crate::ranges::{LedgerKey, Ranges};
use crate::repeats::begin_epochs;
use crate::{Error, Result, Tx};

/// A ledger as a transaction finds or leaves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerNow {
    /// Its numbers.
    pub received: Ranges,
    /// The device began another epoch lately: what it sends may be a repeat of what it sent in the other one.
    pub repeats_possible: bool,
}

/// Adds numbers to ledgers that have none of them yet, and gives each ledger as it is then, in the same order. `None`:
/// not touched, because the ledger has one of the numbers already, or does not exist.
///
/// Comparison and change are one statement, so nothing needs to be read or locked before, and nothing that was read
/// before can be out of date: the row decides, for any number of gateways. Rows are locked in the order given.
pub async fn extend_ledgers(
    tx: &mut Tx,
    added: &[(&LedgerKey, &Ranges)],
    now: Timestamp,
) -> Result<Vec<Option<LedgerNow>>> {
    let devices: Vec<&str> = added.iter().map(|(key, _)| key.device.as_str()).collect();
    let epochs: Vec<i64> = added.iter().map(|(key, _)| key.epoch).collect();
    let numbers: Vec<String> = added.iter().map(|(_, numbers)| numbers.to_sql_text()).collect();
    let rows = sqlx::query!(
        r#"
        UPDATE ledger l SET received = l.received + k.added::int8multirange, used_at = $4
        FROM unnest($1::text[], $2::bigint[], $3::text[]) WITH ORDINALITY AS k(device_id, epoch, added, n)
        WHERE l.device_id = k.device_id AND l.epoch = k.epoch AND NOT l.received && k.added::int8multirange
        RETURNING k.n AS "n!", l.received::text AS "received!",
                  coalesce(l.repeats_until > $4, false) AS "repeats_possible!"
        "#,
        &devices as _,
        &epochs,
        &numbers,
        now.to_sqlx() as _
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut extended = vec![None; added.len()];
    for row in rows {
        let received = Ranges::from_sql_text(&row.received)?;
        *place(&mut extended, row.n)? = Some(LedgerNow { received, repeats_possible: row.repeats_possible });
    }
    Ok(extended)
}

/// Locks and reads the ledger of these keys, in their order (so that two gateways cannot deadlock).
/// A key never seen before gets an empty row, so that its first readings are serialised, too; if it is another epoch of
/// a device that is known, all epochs of the device are watched for repeats until `watch_until`.
pub async fn lock_ledgers(
    tx: &mut Tx,
    keys: &BTreeSet<LedgerKey>,
    now: Timestamp,
    watch_until: Timestamp,
) -> Result<BTreeMap<LedgerKey, LedgerNow>> {
    let found = select_ledgers(tx, keys, now).await?;
    let fresh: BTreeSet<LedgerKey> = keys.iter().filter(|key| !found.contains_key(key)).cloned().collect();
    if fresh.is_empty() {
        return Ok(found);
    }
    begin_epochs(tx, &fresh, now, watch_until).await?;
    select_ledgers(tx, keys, now).await
}

async fn select_ledgers(
    tx: &mut Tx,
    keys: &BTreeSet<LedgerKey>,
    now: Timestamp,
) -> Result<BTreeMap<LedgerKey, LedgerNow>> {
    let devices: Vec<&str> = keys.iter().map(|k| k.device.as_str()).collect();
    let epochs: Vec<i64> = keys.iter().map(|k| k.epoch).collect();
    let rows = sqlx::query!(
        r#"
        SELECT l.device_id, l.epoch, l.received::text AS "received!",
               coalesce(l.repeats_until > $3, false) AS "repeats_possible!"
        FROM ledger l
        JOIN unnest($1::text[], $2::bigint[]) AS k(device_id, epoch) USING (device_id, epoch)
        ORDER BY l.device_id, l.epoch
        FOR UPDATE OF l
        "#,
        &devices as _,
        &epochs,
        now.to_sqlx() as _
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter()
        .map(|row| {
            let key = LedgerKey { device: DeviceId(row.device_id), epoch: row.epoch };
            let received = Ranges::from_sql_text(&row.received)?;
            Ok((key, LedgerNow { received, repeats_possible: row.repeats_possible }))
        })
        .collect()
}

/// Writes the ledgers back.
pub async fn save_ledgers(tx: &mut Tx, ledgers: &BTreeMap<LedgerKey, Ranges>, now: Timestamp) -> Result<()> {
    let devices: Vec<String> = ledgers.keys().map(|k| k.device.0.clone()).collect();
    let epochs: Vec<i64> = ledgers.keys().map(|k| k.epoch).collect();
    let received: Vec<String> = ledgers.values().map(Ranges::to_sql_text).collect();
    let done = sqlx::query!(
        r#"
        UPDATE ledger l SET received = k.received::int8multirange, used_at = $4
        FROM unnest($1::text[], $2::bigint[], $3::text[]) AS k(device_id, epoch, received)
        WHERE l.device_id = k.device_id AND l.epoch = k.epoch
        "#,
        &devices,
        &epochs,
        &received,
        now.to_sqlx() as _
    )
    .execute(&mut **tx)
    .await?;
    if usize::try_from(done.rows_affected()) == Ok(ledgers.len()) {
        Ok(())
    } else {
        Err(Error::inconsistent("a locked ledger row vanished"))
    }
}
