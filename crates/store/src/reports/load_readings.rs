//! The readings of a record: those of the week, and those that came after the report before.

use jiff_sqlx::ToSqlx;
use uuid::Uuid;
use vigie_vitals::{DeviceId, Reading, ReadingKey, Vital};

use super::load::{EarlierEnd, Records};
use super::record::{ARRIVED_SINCE_DAYS, ARRIVED_SINCE_MOST, Wanted};
use crate::judgement::{value_of, vital_of};
use crate::patients::StoredReading;
use crate::{Result, Tx};

struct ReadingRow {
    place: i64,
    vital: String,
    measured_at: jiff_sqlx::Timestamp,
    received_at: jiff_sqlx::Timestamp,
    device_id: String,
    epoch: i64,
    sequence: i64,
    value: Option<rust_decimal::Decimal>,
    comparator: Option<String>,
    unit: String,
    of_a_person: bool,
    context: Option<serde_json::Value>,
    flags: Option<Vec<String>>,
    all_rows: i64,
}

fn stored(row: ReadingRow) -> Result<StoredReading> {
    Ok(StoredReading {
        reading: Reading {
            key: ReadingKey { device: DeviceId(row.device_id), epoch: row.epoch, sequence: row.sequence },
            vital: vital_of(&row.vital)?,
            value: value_of(row.value, row.comparator.as_deref(), &row.unit)?,
            measured_at: row.measured_at.to_jiff(),
            received_at: row.received_at.to_jiff(),
            of_a_person: row.of_a_person,
        },
        context: row.context,
        flags: row.flags.unwrap_or_default(),
    })
}

fn by_time(readings: &mut [StoredReading]) {
    readings.sort_by(|a, b| {
        let (a, b) = (&a.reading, &b.reading);
        (a.measured_at, &a.key, a.vital.code()).cmp(&(b.measured_at, &b.key, b.vital.code()))
    });
}

/// Readings measured before the end of the week, back to what is wanted of each vital sign: one statement for all.
pub(super) async fn of_week(tx: &mut Tx, wanted: &[Wanted], records: &mut Records) -> Result<()> {
    let mut places = Vec::new();
    let mut patients: Vec<Uuid> = Vec::new();
    let mut vitals: Vec<&str> = Vec::new();
    let (mut since, mut to, mut known) = (Vec::new(), Vec::new(), Vec::new());
    for (place, week) in (0..).zip(wanted) {
        for (vital, from) in &week.since {
            places.push(place);
            patients.push(week.patient.0);
            vitals.push(vital.code());
            since.push(from.to_sqlx());
            to.push(week.to.to_sqlx());
            known.push(week.known_at.to_sqlx());
        }
    }
    // OFFSET 0 keeps the planner from joining: each vital sign of each patient is one range of the index by patient, and
    // partitions or chunks outside of its time are not opened. Joined, it read whole partitions.
    let rows = sqlx::query_as!(
        ReadingRow,
        r#"
        SELECT w.place AS "place!", r.vital, r.measured_at, r.received_at, r.device_id, r.epoch, r.sequence, r.value,
               r.comparator, r.unit, r.of_a_person, r.context, r.flags, 0::bigint AS "all_rows!"
        FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[])
            AS w(place, patient_id, vital, since_at, to_at, known_at)
        CROSS JOIN LATERAL
            (SELECT * FROM reading
             WHERE patient_id = w.patient_id AND vital = w.vital AND measured_at >= w.since_at AND measured_at < w.to_at
               AND received_at <= w.known_at
             OFFSET 0) r
        "#,
        &places,
        &patients,
        &vitals as _,
        &since as _,
        &to as _,
        &known as _
    )
    .fetch_all(&mut **tx)
    .await?;
    for row in rows {
        if let Some(record) = records.at(row.place) {
            record.readings.push(stored(row)?);
        }
    }
    for record in records.each() {
        by_time(&mut record.readings);
    }
    Ok(())
}

/// What the report before did not know.
pub(super) async fn arrived_since(tx: &mut Tx, ends: &[EarlierEnd], records: &mut Records) -> Result<()> {
    if ends.is_empty() {
        return Ok(());
    }
    let places: Vec<i64> = ends.iter().map(|end| end.place).collect();
    let patients: Vec<Uuid> = ends.iter().map(|end| end.patient).collect();
    let after: Vec<_> = ends.iter().map(|end| end.after).collect();
    let before: Vec<_> = ends.iter().map(|end| end.before).collect();
    let from: Vec<_> = ends.iter().map(|end| end.from).collect();
    let known: Vec<_> = ends.iter().map(|end| end.known_at).collect();
    let rows = sqlx::query_as!(
        ReadingRow,
        r#"
        SELECT w.place AS "place!", l.vital AS "vital!", l.measured_at AS "measured_at!", l.received_at AS "received_at!",
               l.device_id AS "device_id!", l.epoch AS "epoch!", l.sequence AS "sequence!", l.value, l.comparator,
               l.unit AS "unit!", l.of_a_person AS "of_a_person!", l.context, l.flags, l.all_rows AS "all_rows!"
        FROM unnest($1::bigint[], $2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[])
            AS w(place, patient_id, after_at, before_at, from_at, known_at)
        CROSS JOIN LATERAL (
            SELECT r.*, count(*) OVER () AS all_rows
            FROM (
                -- Late by more than an hour: the index of late readings.
                SELECT * FROM reading
                WHERE patient_id = w.patient_id AND received_at > w.after_at AND received_at <= w.known_at
                  AND received_at - measured_at > interval '1 hour'
                  AND measured_at < w.before_at AND measured_at >= w.from_at - make_interval(days => $8)
                UNION ALL
                -- The others can only have been measured in the last hour before the report; none when it was due later.
                SELECT n.* FROM unnest($9::text[]) AS v(vital)
                CROSS JOIN LATERAL
                    (SELECT * FROM reading
                     WHERE patient_id = w.patient_id AND vital = v.vital AND measured_at < w.before_at
                       AND measured_at >= w.after_at - interval '1 hour' AND received_at > w.after_at
                       AND received_at <= w.known_at AND NOT received_at - measured_at > interval '1 hour'
                     OFFSET 0) n
            ) r
            ORDER BY r.measured_at DESC, r.device_id DESC, r.epoch DESC, r.sequence DESC, r.vital DESC LIMIT $7
        ) l
        "#,
        &places,
        &patients,
        &after as _,
        &before as _,
        &from as _,
        &known as _,
        ARRIVED_SINCE_MOST,
        ARRIVED_SINCE_DAYS,
        &codes()
    )
    .fetch_all(&mut **tx)
    .await?;
    for row in rows {
        if let Some(record) = records.at(row.place) {
            record.arrived_since_left_out = (row.all_rows - ARRIVED_SINCE_MOST).max(0);
            record.arrived_since.push(stored(row)?);
        }
    }
    for record in records.each() {
        by_time(&mut record.arrived_since);
    }
    Ok(())
}

pub(super) fn codes() -> Vec<String> {
    Vital::ALL.iter().map(|vital| vital.code().to_owned()).collect()
}
