//! Patients, their devices and readings, as the acting member of staff may see them.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use vigie_vitals::{DeviceId, PatientId, Reading, ReadingKey, Value, Vital};

use crate::judgement::{value_of, vital_of};
use crate::{Result, Tx};

/// A person at home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patient {
    /// Id.
    pub id: PatientId,
    /// The organisation's own number.
    pub identifier: String,
    /// Surname.
    pub family_name: String,
    /// First name.
    pub given_name: String,
    /// Date of birth.
    pub birth_date: Date,
    /// `female`, `male` or `unknown`.
    pub sex: String,
    /// Time zone.
    pub time_zone: String,
    /// Care team.
    pub care_team: String,
    /// Codes of the care plans that run.
    pub plans: Vec<String>,
}

/// A device that the patient holds or held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Id.
    pub id: DeviceId,
    /// What it is.
    pub kind: String,
    /// Held from.
    pub from: Option<Timestamp>,
    /// Held until.
    pub until: Option<Timestamp>,
    /// Newest reading of this patient, as received.
    pub last_reading_at: Option<Timestamp>,
    /// `online`, `offline` ... as the device last said, while it is held.
    pub state: Option<String>,
    /// Battery.
    pub battery_percent: Option<i32>,
    /// When it last said so.
    pub status_at: Option<Timestamp>,
}

/// A reading with what only people look at.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredReading {
    /// The reading.
    pub reading: Reading,
    /// Circumstances.
    pub context: Option<serde_json::Value>,
    /// Plausibility flags.
    pub flags: Vec<String>,
}

/// Where the page before ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadingCursor {
    /// Measured at.
    pub measured_at: Timestamp,
    /// Which reading.
    pub key: ReadingKey,
    /// Which value of it.
    pub vital: Vital,
}

/// Which readings.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadingQuery {
    /// Whose.
    pub patient: PatientId,
    /// Of this vital sign only.
    pub vital: Option<Vital>,
    /// Measured at or after.
    pub from: Timestamp,
    /// Measured before.
    pub to: Timestamp,
    /// Received by then: what was known at that moment.
    pub as_of: Timestamp,
    /// After this one.
    pub after: Option<ReadingCursor>,
    /// At most so many.
    pub most: i64,
}

/// Patients by name, after a name and id; `search` is part of a name or identifier,
/// `among` limits to these.
pub async fn list(
    tx: &mut Tx,
    search: Option<&str>,
    after: Option<(&str, &str, PatientId)>,
    among: Option<&[PatientId]>,
    most: i64,
) -> Result<Vec<Patient>> {
    let among: Option<Vec<_>> = among.map(|patients| patients.iter().map(|p| p.0).collect());
    let pattern =
        search.map(|s| format!("%{}%", s.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")));
    let rows = sqlx::query!(
        r#"
        SELECT p.id, p.identifier, p.family_name, p.given_name, p.birth_date, p.sex, p.time_zone, t.name AS care_team,
               ARRAY(SELECT c.plan FROM care_plan c WHERE c.patient_id = p.id AND c.ended_at IS NULL ORDER BY c.id) AS "plans!"
        FROM patient p JOIN care_team t ON t.id = p.care_team_id
        WHERE ($1::text IS NULL OR p.family_name ILIKE $1 OR p.given_name ILIKE $1 OR p.identifier ILIKE $1)
          AND ($2::text IS NULL OR (p.family_name, p.given_name, p.id) > ($2, $3::text, $4::uuid))
          AND ($5::uuid[] IS NULL OR p.id = ANY($5))
        ORDER BY p.family_name, p.given_name, p.id LIMIT $6
        "#,
        pattern,
        after.map(|a| a.0),
        after.map(|a| a.1),
        after.map(|a| a.2.0),
        among.as_deref(),
        most
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Patient {
            id: PatientId(row.id),
            identifier: row.identifier,
            family_name: row.family_name,
            given_name: row.given_name,
            birth_date: row.birth_date.to_jiff(),
            sex: row.sex,
            time_zone: row.time_zone,
            care_team: row.care_team,
            plans: row.plans,
        })
        .collect())
}

/// One patient, if the acting member of staff may see them.
pub async fn get(tx: &mut Tx, id: PatientId) -> Result<Option<Patient>> {
    Ok(list(tx, None, None, Some(&[id]), 1).await?.pop())
}

/// Readings, oldest first.
pub async fn readings(tx: &mut Tx, query: &ReadingQuery) -> Result<Vec<StoredReading>> {
    let after = query.after.as_ref();
    let rows = sqlx::query!(
        r#"
        SELECT vital, measured_at, received_at, device_id, epoch, sequence, value, comparator, unit, of_a_person, context,
               flags
        FROM reading
        WHERE patient_id = $1 AND ($2::text IS NULL OR vital = $2) AND measured_at >= $3 AND measured_at < $4
          AND received_at <= $5
          AND ($6::timestamptz IS NULL
               OR (measured_at, device_id, epoch, sequence, vital) > ($6, $7::text, $8::bigint, $9::bigint, $10::text))
        ORDER BY measured_at, device_id, epoch, sequence, vital LIMIT $11
        "#,
        query.patient.0,
        query.vital.map(Vital::code),
        query.from.to_sqlx() as _,
        query.to.to_sqlx() as _,
        query.as_of.to_sqlx() as _,
        after.map(|a| a.measured_at.to_sqlx()) as _,
        after.map(|a| a.key.device.as_str()),
        after.map(|a| a.key.epoch),
        after.map(|a| a.key.sequence),
        after.map(|a| a.vital.code()),
        query.most
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut readings = Vec::with_capacity(rows.len());
    for row in rows {
        let value: Value = value_of(row.value, row.comparator.as_deref(), &row.unit)?;
        readings.push(StoredReading {
            reading: Reading {
                key: ReadingKey { device: DeviceId(row.device_id), epoch: row.epoch, sequence: row.sequence },
                vital: vital_of(&row.vital)?,
                value,
                measured_at: row.measured_at.to_jiff(),
                received_at: row.received_at.to_jiff(),
                of_a_person: row.of_a_person,
            },
            context: row.context,
            flags: row.flags.unwrap_or_default(),
        });
    }
    Ok(readings)
}

/// Devices of a patient, held now first.
pub async fn devices(tx: &mut Tx, patient: PatientId, now: Timestamp) -> Result<Vec<Device>> {
    let rows = sqlx::query!(
        r#"
        SELECT a.device_id, d.kind, lower(a.held) AS from_at, upper(a.held) AS until_at,
               (SELECT max(r.received_at) FROM reading r WHERE r.device_id = a.device_id AND r.patient_id = a.patient_id
                AND r.measured_at > $2::timestamptz - interval '60 days') AS last_reading_at,
               s.state AS "state?", s.battery_percent, s.received_at AS "status_at?"
        FROM device_assignment a
        JOIN device d ON d.id = a.device_id
        -- What a device says now is its present holder's business only.
        LEFT JOIN device_status s ON s.device_id = a.device_id AND a.held @> $2::timestamptz
        WHERE a.patient_id = $1
        ORDER BY upper(a.held) DESC NULLS FIRST, a.device_id
        "#,
        patient.0,
        now.to_sqlx() as _
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Device {
            id: DeviceId(row.device_id),
            kind: row.kind,
            from: row.from_at.map(|t| t.to_jiff()),
            until: row.until_at.map(|t| t.to_jiff()),
            last_reading_at: row.last_reading_at.map(|t| t.to_jiff()),
            state: row.state,
            battery_percent: row.battery_percent,
            status_at: row.status_at.map(|t| t.to_jiff()),
        })
        .collect())
}
