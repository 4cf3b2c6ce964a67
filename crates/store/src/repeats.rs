//! Measurements that come again under another epoch: who is watched for them, and what is on record at a device's time.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use vigie_vitals::{DeviceId, PatientId, ReadingKey, Vital};

use crate::ranges::LedgerKey;
use crate::{Result, Tx};

/// Where to look for measurements of a device: one vital sign of one patient between two moments.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stretch {
    /// The device.
    pub device: DeviceId,
    /// Who held it.
    pub patient: PatientId,
    /// What it measured.
    pub vital: Vital,
    /// Corrected clock, inclusive.
    pub from: Timestamp,
    /// Corrected clock, exclusive.
    pub until: Timestamp,
}

/// Makes rows for epochs that are begun now. A device that had another epoch is watched for repeats in all of them.
///
/// The lock makes two gateways that begin two epochs of one device see each other; the change of the device's other
/// ledgers waits for whoever is adding to them, so that what they store is seen afterwards. It is not the lock of
/// [`lock_devices`], which whoever is adding takes while it holds a ledger.
pub(crate) async fn begin_epochs(
    tx: &mut Tx,
    fresh: &BTreeSet<LedgerKey>,
    now: Timestamp,
    watch_until: Timestamp,
) -> Result<()> {
    let devices: Vec<&str> = fresh.iter().map(|key| key.device.as_str()).collect();
    let epochs: Vec<i64> = fresh.iter().map(|key| key.epoch).collect();
    lock(tx, "vigie new epochs of ", &devices).await?;
    sqlx::query!(
        r#"
        INSERT INTO ledger (device_id, epoch, received, used_at)
        SELECT device_id, epoch, '{}', $3 FROM unnest($1::text[], $2::bigint[]) AS k(device_id, epoch)
        ORDER BY device_id, epoch
        ON CONFLICT DO NOTHING
        "#,
        &devices as _,
        &epochs,
        now.to_sqlx() as _
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        r#"
        UPDATE ledger l SET repeats_until = $2
        WHERE l.device_id = ANY($1)
          AND EXISTS (SELECT FROM ledger other WHERE other.device_id = l.device_id AND other.epoch <> l.epoch)
        "#,
        &devices as _,
        watch_until.to_sqlx() as _
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Makes transactions that compare the epochs of the same device follow each other, until each ends. Locked in the order
/// of the ids.
pub async fn lock_devices(tx: &mut Tx, devices: &[&str]) -> Result<()> {
    lock(tx, "vigie repeats of ", devices).await
}

async fn lock(tx: &mut Tx, purpose: &str, devices: &[&str]) -> Result<()> {
    sqlx::query!(
        r#"
        SELECT pg_advisory_xact_lock(hashtextextended($1 || d.id, 0)) AS "locked"
        FROM (SELECT DISTINCT id FROM unnest($2::text[]) AS k(id) ORDER BY id) d
        "#,
        purpose,
        devices as _
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Readings within these stretches that carry one of these device times, in any epoch.
pub async fn measured_at(
    tx: &mut Tx,
    stretches: &[Stretch],
    device_times: &[Timestamp],
) -> Result<Vec<ReadingKey>> {
    let devices: Vec<&str> = stretches.iter().map(|s| s.device.as_str()).collect();
    let patients: Vec<uuid::Uuid> = stretches.iter().map(|s| s.patient.0).collect();
    let vitals: Vec<&str> = stretches.iter().map(|s| s.vital.code()).collect();
    let from: Vec<_> = stretches.iter().map(|s| s.from.to_sqlx()).collect();
    let until: Vec<_> = stretches.iter().map(|s| s.until.to_sqlx()).collect();
    let times: Vec<_> = device_times.iter().map(|t| t.to_sqlx()).collect();
    // OFFSET 0 keeps the planner at one look-up in the index per stretch.
    let rows = sqlx::query!(
        r#"
        SELECT DISTINCT r.device_id AS "device_id!", r.epoch AS "epoch!", r.sequence AS "sequence!"
        FROM unnest($1::text[], $2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[])
             AS s(device_id, patient_id, vital, from_at, until_at)
        CROSS JOIN LATERAL (
            SELECT r.device_id, r.epoch, r.sequence FROM reading r
            WHERE r.patient_id = s.patient_id AND r.vital = s.vital
              AND r.measured_at >= s.from_at AND r.measured_at < s.until_at
              AND r.device_id = s.device_id AND r.device_measured_at = ANY($6)
            OFFSET 0
        ) r
        "#,
        &devices as _,
        &patients,
        &vitals as _,
        &from as _,
        &until as _,
        &times as _
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| ReadingKey { device: DeviceId(row.device_id), epoch: row.epoch, sequence: row.sequence })
        .collect())
}
