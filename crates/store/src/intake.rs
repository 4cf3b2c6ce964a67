//! The transaction that stores readings: readings, quarantine, judgement queue, receipts. The ledgers are in
//! [`crate::ledgers`].

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use rust_decimal::Decimal;
use vigie_vitals::{Context, DeviceId, PatientId, ReadingKey, Value, Vital};

use crate::{Error, Result, Tx};

/// One value of a reading, ready to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewValue {
    /// Who held the device when it was measured.
    pub patient: PatientId,
    /// The reading.
    pub key: ReadingKey,
    /// What.
    pub vital: Vital,
    /// How much, as sent.
    pub value: Value,
    /// Corrected clock.
    pub measured_at: Timestamp,
    /// The device's own word.
    pub device_measured_at: Timestamp,
    /// Our clock.
    pub received_at: Timestamp,
    /// Circumstances.
    pub context: Context,
    /// Doubts to show with it (`please verify`).
    pub flags: Vec<String>,
}

/// What could not become a reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Who sent it.
    pub device: DeviceId,
    /// When.
    pub received_at: Timestamp,
    /// Where to.
    pub topic: String,
    /// The bytes as they came.
    pub payload: Vec<u8>,
    /// SHA-256 of the bytes: the same bytes refused for the same reason are kept once.
    pub payload_sha256: [u8; 32],
    /// Batch, where it could be read.
    pub batch_id: Option<String>,
    /// Epoch and sequence of the reading concerned, where only one is.
    pub reading: Option<(i64, i64)>,
    /// Short reason for programs.
    pub code: &'static str,
    /// The reason in a sentence, without any value.
    pub reason: String,
}

/// A receipt or command that waits for its device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxMessage {
    /// Row id, for [`delivered`].
    pub id: i64,
    /// `receipts` or `commands`.
    pub channel: String,
    /// Ready to publish.
    pub payload: Vec<u8>,
}

/// Who held a device, and when (half open; no end: still).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// Who.
    pub patient: PatientId,
    /// From.
    pub from: Option<Timestamp>,
    /// Until, exclusive.
    pub until: Option<Timestamp>,
}

/// What is stored of a reading that arrives again, to tell a duplicate from a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredReading {
    /// The device's own time.
    pub device_measured_at: Timestamp,
    /// Its values by vital, as text: number, comparator, unit.
    pub values: BTreeMap<String, (Option<Decimal>, Option<String>, String)>,
    /// Circumstances.
    pub context: Context,
}

/// The element that an ordinality (from 1) names.
pub(crate) fn place<T>(places: &mut [T], n: i64) -> Result<&mut T> {
    let index = usize::try_from(n).ok().and_then(|n| n.checked_sub(1));
    index.and_then(|i| places.get_mut(i)).ok_or_else(|| Error::inconsistent("a row for nobody"))
}

/// Who held these devices, ever; in the order of the devices. Nobody, where a device is not known.
pub async fn holdings(tx: &mut Tx, devices: &[&str]) -> Result<Vec<Vec<Holding>>> {
    // OFFSET 0 keeps the planner from turning the look-ups into a join that reads every assignment there is, and the
    // collation keeps it from the slow GiST index of the exclusion constraint.
    let rows = sqlx::query!(
        r#"
        SELECT d.n AS "n!", a.patient_id, lower(a.held) AS "from_at", upper(a.held) AS "until_at"
        FROM unnest($1::text[]) WITH ORDINALITY AS d(device_id, n)
        CROSS JOIN LATERAL (
            SELECT patient_id, held FROM device_assignment WHERE device_id COLLATE "C" = d.device_id OFFSET 0
        ) a
        "#,
        devices as _
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut holdings = vec![Vec::new(); devices.len()];
    for row in rows {
        place(&mut holdings, row.n)?.push(Holding {
            patient: PatientId(row.patient_id),
            from: row.from_at.map(|t| t.to_jiff()),
            until: row.until_at.map(|t| t.to_jiff()),
        });
    }
    Ok(holdings)
}

/// What is on record of readings that the ledger already knows.
pub async fn stored_readings(tx: &mut Tx, keys: &[ReadingKey]) -> Result<HashMap<ReadingKey, StoredReading>> {
    let devices: Vec<String> = keys.iter().map(|k| k.device.0.clone()).collect();
    let epochs: Vec<i64> = keys.iter().map(|k| k.epoch).collect();
    let sequences: Vec<i64> = keys.iter().map(|k| k.sequence).collect();
    let rows = sqlx::query!(
        r#"
        SELECT r.device_id, r.epoch, r.sequence, r.device_measured_at, r.vital, r.value, r.comparator, r.unit, r.context
        FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS k(device_id, epoch, sequence)
        JOIN reading r USING (device_id, epoch, sequence)
        "#,
        &devices,
        &epochs,
        &sequences
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut stored: HashMap<ReadingKey, StoredReading> = HashMap::new();
    for row in rows {
        let key = ReadingKey { device: DeviceId(row.device_id), epoch: row.epoch, sequence: row.sequence };
        let context = match row.context {
            Some(json) => serde_json::from_value(json).map_err(Error::inconsistent)?,
            None => Context::default(),
        };
        stored
            .entry(key)
            .or_insert_with(|| StoredReading {
                device_measured_at: row.device_measured_at.to_jiff(),
                values: BTreeMap::new(),
                context,
            })
            .values
            .insert(row.vital, (row.value, row.comparator, row.unit));
    }
    Ok(stored)
}

/// Stores values, in one round trip. Whether one is already there is for the ledger to say.
pub async fn insert_values(tx: &mut Tx, values: &[NewValue]) -> Result<()> {
    let columns = Columns::of(values)?;
    let done = sqlx::query!(
        r#"
        INSERT INTO reading (patient_id, vital, measured_at, received_at, device_id, epoch, sequence, device_measured_at,
                             value, comparator, unit, of_a_person, context, flags)
        SELECT patient_id, vital, measured_at, received_at, device_id, epoch, sequence, device_measured_at,
               value, comparator, unit, of_a_person, context,
               CASE WHEN flags IS NULL THEN NULL ELSE string_to_array(flags, ',') END
        FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::bigint[], $7::bigint[],
                    $8::timestamptz[], $9::numeric[], $10::text[], $11::text[], $12::bool[], $13::jsonb[], $14::text[])
             AS n(patient_id, vital, measured_at, received_at, device_id, epoch, sequence, device_measured_at,
                  value, comparator, unit, of_a_person, context, flags)
        "#,
        &columns.patients,
        &columns.vitals as _,
        &columns.measured as _,
        &columns.received as _,
        &columns.devices as _,
        &columns.epochs,
        &columns.sequences,
        &columns.device_measured as _,
        &columns.numbers as _,
        &columns.comparators as _,
        &columns.units as _,
        &columns.of_a_person,
        &columns.contexts as _,
        &columns.flags as _,
    )
    .execute(&mut **tx)
    .await?;
    // In equals stored: the other half of the pair of checks around the write.
    if usize::try_from(done.rows_affected()) == Ok(values.len()) {
        Ok(())
    } else {
        Err(Error::inconsistent("the number of values stored differs from the number given"))
    }
}

#[derive(Default)]
struct Columns<'a> {
    patients: Vec<uuid::Uuid>,
    vitals: Vec<&'a str>,
    measured: Vec<jiff_sqlx::Timestamp>,
    received: Vec<jiff_sqlx::Timestamp>,
    devices: Vec<&'a str>,
    epochs: Vec<i64>,
    sequences: Vec<i64>,
    device_measured: Vec<jiff_sqlx::Timestamp>,
    numbers: Vec<Option<Decimal>>,
    comparators: Vec<Option<&'a str>>,
    units: Vec<&'a str>,
    of_a_person: Vec<bool>,
    contexts: Vec<Option<serde_json::Value>>,
    flags: Vec<Option<String>>,
}

impl<'a> Columns<'a> {
    fn of(values: &'a [NewValue]) -> Result<Self> {
        let mut columns = Self::default();
        for v in values {
            columns.patients.push(v.patient.0);
            columns.vitals.push(v.vital.code());
            columns.measured.push(v.measured_at.to_sqlx());
            columns.received.push(v.received_at.to_sqlx());
            columns.devices.push(v.key.device.as_str());
            columns.epochs.push(v.key.epoch);
            columns.sequences.push(v.key.sequence);
            columns.device_measured.push(v.device_measured_at.to_sqlx());
            columns.numbers.push(v.value.number);
            columns.comparators.push(v.value.comparator.map(vigie_vitals::Comparator::as_str));
            columns.units.push(v.value.unit.ucum());
            columns.of_a_person.push(v.context.is_of_a_person());
            columns.contexts.push(if v.context == Context::default() {
                None
            } else {
                Some(serde_json::to_value(&v.context).map_err(Error::inconsistent)?)
            });
            columns.flags.push(if v.flags.is_empty() { None } else { Some(v.flags.join(",")) });
        }
        Ok(columns)
    }
}

/// Puts patients on the judgement queue, each with the earliest time that changed. In the same
/// transaction as the readings: stored means judged.
pub async fn queue_judgements(tx: &mut Tx, since: &BTreeMap<PatientId, Timestamp>) -> Result<()> {
    let patients: Vec<_> = since.keys().map(|p| p.0).collect();
    let times: Vec<_> = since.values().map(|t| t.to_sqlx()).collect();
    sqlx::query!(
        "INSERT INTO judgement_queue (patient_id, since) SELECT * FROM unnest($1::uuid[], $2::timestamptz[])",
        &patients,
        &times as _
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Keeps what could not be a reading. The same bytes refused again for the same reason add no row.
pub async fn quarantine(tx: &mut Tx, items: &[Quarantined]) -> Result<()> {
    for item in items {
        sqlx::query!(
            r#"
            INSERT INTO quarantine (device_id, received_at, topic, payload, payload_sha256, batch_id, epoch, sequence, code, reason)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            ON CONFLICT DO NOTHING
            "#,
            item.device.as_str(),
            item.received_at.to_sqlx() as _,
            item.topic,
            item.payload,
            &item.payload_sha256[..],
            item.batch_id,
            item.reading.map(|(epoch, _)| epoch),
            item.reading.map(|(_, sequence)| sequence),
            item.code,
            item.reason
        )
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// Adds receipts to the outbox of their devices; the ids come back in the same order.
pub async fn post_receipts(
    tx: &mut Tx,
    receipts: &[(DeviceId, Vec<u8>)],
    now: Timestamp,
) -> Result<Vec<i64>> {
    let devices: Vec<&str> = receipts.iter().map(|(d, _)| d.as_str()).collect();
    let payloads: Vec<&[u8]> = receipts.iter().map(|(_, p)| p.as_slice()).collect();
    let ids = sqlx::query_scalar!(
        r#"
        INSERT INTO device_outbox (device_id, channel, payload, created_at)
        SELECT device_id, 'receipts', payload, $3
        FROM unnest($1::text[], $2::bytea[]) WITH ORDINALITY AS r(device_id, payload, n) ORDER BY n
        RETURNING id
        "#,
        &devices as _,
        &payloads as _,
        now.to_sqlx() as _
    )
    .fetch_all(&mut **tx)
    .await?;
    if ids.len() == receipts.len() { Ok(ids) } else { Err(Error::inconsistent("a receipt was not kept")) }
}

/// What waits for a device on one channel, oldest first, at most `most`.
pub async fn waiting_for_device(
    tx: &mut Tx,
    device: &str,
    channel: &str,
    most: i64,
) -> Result<Vec<OutboxMessage>> {
    Ok(sqlx::query_as!(
        OutboxMessage,
        "SELECT id, channel, payload FROM device_outbox WHERE device_id = $1 AND channel = $2 ORDER BY id LIMIT $3",
        device,
        channel,
        most
    )
    .fetch_all(&mut **tx)
    .await?)
}

/// Receipts that wait for any of these devices, oldest first, at most `most`; each with its device.
pub async fn receipts_waiting(
    tx: &mut Tx,
    devices: &[String],
    most: i64,
) -> Result<Vec<(String, OutboxMessage)>> {
    let rows = sqlx::query!(
        r#"
        SELECT id, device_id, channel, payload FROM device_outbox
        WHERE device_id = ANY($1) AND channel = 'receipts' ORDER BY id LIMIT $2
        "#,
        devices,
        most
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.device_id, OutboxMessage { id: row.id, channel: row.channel, payload: row.payload }))
        .collect())
}

/// Forgets what devices have received.
pub async fn delivered(tx: &mut Tx, ids: &[i64]) -> Result<()> {
    sqlx::query!("DELETE FROM device_outbox WHERE id = ANY($1)", ids).execute(&mut **tx).await?;
    Ok(())
}

/// Forgets receipts older than `before` that no device ever fetched: most devices never subscribe.
pub async fn expire_receipts(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    Ok(sqlx::query!(
        "DELETE FROM device_outbox WHERE channel = 'receipts' AND created_at < $1",
        before.to_sqlx() as _
    )
    .execute(&mut **tx)
    .await?
    .rows_affected())
}

/// A device's last word about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceStatus {
    /// `online` or `offline`.
    pub state: String,
    /// 0 to 100.
    pub battery_percent: Option<i32>,
    /// Firmware version.
    pub firmware: Option<String>,
    /// The device's clock, as sent.
    pub clock: Option<String>,
    /// Readings waiting on the device.
    pub queue_length: Option<i32>,
}

/// Keeps a device's status; an older one never replaces a newer one. `false`, and nothing is kept: no such device.
pub async fn save_status(
    tx: &mut Tx,
    device: &str,
    status: &DeviceStatus,
    received_at: Timestamp,
) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"
        WITH known AS (SELECT id FROM device WHERE id = $1),
        kept AS (
            INSERT INTO device_status AS s (device_id, state, battery_percent, firmware, clock, queue_length, received_at)
            SELECT id, $2, $3::int, $4, $5, $6::int, $7::timestamptz FROM known
            ON CONFLICT (device_id) DO UPDATE SET
                state = excluded.state, battery_percent = coalesce(excluded.battery_percent, s.battery_percent),
                firmware = coalesce(excluded.firmware, s.firmware), clock = coalesce(excluded.clock, s.clock),
                queue_length = coalesce(excluded.queue_length, s.queue_length), received_at = excluded.received_at
            WHERE s.received_at <= excluded.received_at)
        SELECT EXISTS (SELECT FROM known) AS "known!"
        "#,
        device,
        status.state,
        status.battery_percent,
        status.firmware,
        status.clock,
        status.queue_length,
        received_at.to_sqlx() as _
    )
    .fetch_one(&mut **tx)
    .await?)
}
