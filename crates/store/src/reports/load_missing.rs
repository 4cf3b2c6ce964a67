//! Numbers that never arrived: what the devices counted in the week and nobody received by then. The ledger tells only what
//! is missing now, so it is counted from the readings.

use std::collections::{BTreeSet, HashMap};

use jiff_sqlx::ToSqlx;
use uuid::Uuid;
use vigie_vitals::Vital;

use super::load::Records;
use super::record::{Wanted, WeekRecord};
use crate::{Result, Tx};

/// A number that is missing in the week may belong to a reading measured so long before or after it.
const NEIGHBOURHOOD_DAYS: i32 = 7;

/// The numbers of the week, per record, device and memory epoch.
type Numbers = HashMap<(i64, String, i64), BTreeSet<i64>>;

/// Counts the missing numbers of each record whose readings are loaded.
pub(super) async fn never_arrived(tx: &mut Tx, wanted: &[Wanted], records: &mut Records) -> Result<()> {
    let mut numbers = Numbers::new();
    for (place, _) in (0..).zip(wanted) {
        if let Some(record) = records.at(place) {
            loaded(place, record, &mut numbers);
        }
    }
    of_other_vitals(tx, wanted, &mut numbers).await?;
    for (place, missing) in still_missing(tx, wanted, &numbers).await? {
        if let Some(record) = records.at(place) {
            record.never_arrived = missing;
        }
    }
    Ok(())
}

/// Is the whole week of this vital sign among what was loaded?
fn is_loaded(week: &Wanted, vital: Vital) -> bool {
    week.since.iter().any(|(loaded, since)| *loaded == vital && *since <= week.from)
}

fn loaded(place: i64, record: &WeekRecord, numbers: &mut Numbers) {
    for reading in record.readings.iter().map(|stored| &stored.reading) {
        if reading.measured_at >= record.wanted.from && is_loaded(&record.wanted, reading.vital) {
            let key = (place, reading.key.device.0.clone(), reading.key.epoch);
            numbers.entry(key).or_default().insert(reading.key.sequence);
        }
    }
}

/// The numbers of vital signs that were not asked for; mostly there are none.
async fn of_other_vitals(tx: &mut Tx, wanted: &[Wanted], numbers: &mut Numbers) -> Result<()> {
    let mut places = Vec::new();
    let mut patients: Vec<Uuid> = Vec::new();
    let mut vitals: Vec<&str> = Vec::new();
    let (mut from, mut to, mut known) = (Vec::new(), Vec::new(), Vec::new());
    for (place, week) in (0..).zip(wanted) {
        for vital in Vital::ALL.into_iter().filter(|vital| !is_loaded(week, *vital)) {
            places.push(place);
            patients.push(week.patient.0);
            vitals.push(vital.code());
            from.push(week.from.to_sqlx());
            to.push(week.to.to_sqlx());
            known.push(week.known_at.to_sqlx());
        }
    }
    let rows = sqlx::query!(
        r#"
        SELECT w.place AS "place!", r.device_id, r.epoch, r.sequence
        FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[])
            AS w(place, patient_id, vital, from_at, to_at, known_at)
        CROSS JOIN LATERAL
            (SELECT device_id, epoch, sequence FROM reading
             WHERE patient_id = w.patient_id AND vital = w.vital AND measured_at >= w.from_at AND measured_at < w.to_at
               AND received_at <= w.known_at
             OFFSET 0) r
        "#,
        &places,
        &patients,
        &vitals as _,
        &from as _,
        &to as _,
        &known as _
    )
    .fetch_all(&mut **tx)
    .await?;
    for row in rows {
        numbers.entry((row.place, row.device_id, row.epoch)).or_default().insert(row.sequence);
    }
    Ok(())
}

/// Of the counts with gaps, the numbers that were not received with a reading measured around the week and are not in
/// quarantine either; summed by record.
async fn still_missing(tx: &mut Tx, wanted: &[Wanted], numbers: &Numbers) -> Result<HashMap<i64, i64>> {
    let mut columns = Columns::default();
    for ((place, device, epoch), of_week) in numbers {
        let (Some(first), Some(last)) = (of_week.first(), of_week.last()) else { continue };
        let span = last.saturating_sub(*first).saturating_add(1);
        let Some(week) = usize::try_from(*place).ok().and_then(|place| wanted.get(place)) else { continue };
        if usize::try_from(span).is_ok_and(|span| span == of_week.len()) {
            continue;
        }
        columns.places.push(*place);
        columns.devices.push(device.clone());
        columns.epochs.push(*epoch);
        columns.first.push(*first);
        columns.last.push(*last);
        columns.from.push(week.from.to_sqlx());
        columns.to.push(week.to.to_sqlx());
        columns.known.push(week.known_at.to_sqlx());
    }
    if columns.places.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query!(
        r#"
        SELECT w.place AS "place!",
               least(sum(w.last::numeric - w.first + 1 - n.arrived), 9223372036854775807)::bigint AS "missing!"
        FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::timestamptz[], $7::timestamptz[],
                    $8::timestamptz[]) AS w(place, device_id, epoch, first, last, from_at, to_at, known_at)
        CROSS JOIN LATERAL (
            SELECT count(*) AS arrived FROM (
                SELECT sequence FROM reading
                WHERE device_id = w.device_id AND epoch = w.epoch AND sequence BETWEEN w.first AND w.last
                  AND received_at <= w.known_at AND measured_at >= w.from_at - make_interval(days => $9)
                  AND measured_at < w.to_at + make_interval(days => $9)
                UNION
                SELECT q FROM quarantined_numbers(w.device_id, w.epoch, w.first, w.last, w.known_at) AS q
            ) a
        ) n
        GROUP BY w.place
        "#,
        &columns.places,
        &columns.devices,
        &columns.epochs,
        &columns.first,
        &columns.last,
        &columns.from as _,
        &columns.to as _,
        &columns.known as _,
        NEIGHBOURHOOD_DAYS
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.place, row.missing)).collect())
}

#[derive(Default)]
struct Columns {
    places: Vec<i64>,
    devices: Vec<String>,
    epochs: Vec<i64>,
    first: Vec<i64>,
    last: Vec<i64>,
    from: Vec<jiff_sqlx::Timestamp>,
    to: Vec<jiff_sqlx::Timestamp>,
    known: Vec<jiff_sqlx::Timestamp>,
}
