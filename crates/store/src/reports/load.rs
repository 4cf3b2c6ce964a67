//! Loads the records of many patients in one round of statements: never one per patient.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;
use vigie_vitals::{DeviceId, PatientId, Pause, RuleId, RuleVersion};

use super::record::{DeviceHeld, Earlier, Identity, PlanOnRecord, QuarantineCount, Wanted, WeekRecord};
use super::{load_alerts, load_missing, load_readings};
use crate::rules::PauseOnRecord;
use crate::{Error, Result, Tx};

/// The weeks asked for, as columns; a row's place is its position, from 0.
pub(super) struct Asked {
    pub(super) places: Vec<i64>,
    pub(super) patients: Vec<Uuid>,
    pub(super) from: Vec<jiff_sqlx::Timestamp>,
    pub(super) to: Vec<jiff_sqlx::Timestamp>,
    pub(super) known: Vec<jiff_sqlx::Timestamp>,
}

/// Records that are being filled, by place; absent for a patient who is not there.
pub(super) struct Records(Vec<Option<WeekRecord>>);

impl Records {
    pub(super) fn at(&mut self, place: i64) -> Option<&mut WeekRecord> {
        self.0.get_mut(usize::try_from(place).ok()?)?.as_mut()
    }

    pub(super) fn each(&mut self) -> impl Iterator<Item = &mut WeekRecord> {
        self.0.iter_mut().flatten()
    }
}

/// The records of these weeks, in the order asked for; a patient who is not there, or whom one may not see, is left out.
/// Some fifteen statements, however many are asked for.
pub async fn load(tx: &mut Tx, wanted: &[Wanted]) -> Result<Vec<WeekRecord>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let times = |of: fn(&Wanted) -> Timestamp| -> Vec<_> { wanted.iter().map(|w| of(w).to_sqlx()).collect() };
    let asked = Asked {
        places: (0..).take(wanted.len()).collect(),
        patients: wanted.iter().map(|w| w.patient.0).collect(),
        from: times(|w| w.from),
        to: times(|w| w.to),
        known: times(|w| w.known_at),
    };
    let mut records = identities(tx, &asked, wanted).await?;
    plans(tx, &asked, &mut records).await?;
    rules(tx, &asked, &mut records).await?;
    pauses(tx, &asked, &mut records).await?;
    devices(tx, &asked, &mut records).await?;
    quarantine(tx, &asked, &mut records).await?;
    load_readings::of_week(tx, wanted, &mut records).await?;
    load_missing::never_arrived(tx, wanted, &mut records).await?;
    let ends = earlier(tx, &asked, &mut records).await?;
    load_readings::arrived_since(tx, &ends, &mut records).await?;
    load_alerts::load(tx, &asked, &mut records).await?;
    Ok(records.0.into_iter().flatten().collect())
}

async fn identities(tx: &mut Tx, asked: &Asked, wanted: &[Wanted]) -> Result<Records> {
    let rows = sqlx::query!(
        r#"
        SELECT p.id, p.identifier, p.family_name, p.given_name, p.birth_date, p.sex, p.language, p.time_zone,
               t.name AS care_team, h.watched_since
        FROM patient p JOIN care_team t ON t.id = p.care_team_id JOIN patient_watch h ON h.patient_id = p.id
        WHERE p.id = ANY($1)
        "#,
        &asked.patients
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut known: HashMap<PatientId, Identity> = HashMap::new();
    for row in rows {
        let identity = Identity {
            id: PatientId(row.id),
            identifier: row.identifier,
            family_name: row.family_name,
            given_name: row.given_name,
            birth_date: row.birth_date.to_jiff(),
            sex: row.sex,
            language: row.language,
            time_zone: row.time_zone,
            care_team: row.care_team,
            watched_since: row.watched_since.to_jiff(),
        };
        known.insert(identity.id, identity);
    }
    let empty = |wanted: &Wanted| {
        Some(WeekRecord {
            wanted: wanted.clone(),
            patient: known.get(&wanted.patient)?.clone(),
            plans: Vec::new(),
            rules: Vec::new(),
            pauses: Vec::new(),
            devices: Vec::new(),
            readings: Vec::new(),
            arrived_since: Vec::new(),
            arrived_since_left_out: 0,
            alerts: Vec::new(),
            quarantine: Vec::new(),
            never_arrived: 0,
            earlier: None,
        })
    };
    Ok(Records(wanted.iter().map(empty).collect()))
}

async fn plans(tx: &mut Tx, asked: &Asked, records: &mut Records) -> Result<()> {
    let rows = sqlx::query!(
        r#"
        SELECT w.place AS "place!", c.plan, c.started_at, CASE WHEN c.ended_at <= w.known_at THEN c.ended_at END AS ended_at
        FROM unnest($1::bigint[], $2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[])
            AS w(place, patient_id, from_at, to_at, known_at)
        JOIN care_plan c ON c.patient_id = w.patient_id AND c.started_at < w.to_at
            AND (c.ended_at IS NULL OR c.ended_at > w.from_at) AND (c.recorded_at IS NULL OR c.recorded_at <= w.known_at)
        ORDER BY w.place, c.started_at, c.id
        "#,
        &asked.places,
        &asked.patients,
        &asked.from as _,
        &asked.to as _,
        &asked.known as _
    )
    .fetch_all(&mut **tx)
    .await?;
    for row in rows {
        if let Some(record) = records.at(row.place) {
            record.plans.push(PlanOnRecord {
                plan: row.plan,
                started_at: row.started_at.to_jiff(),
                ended_at: row.ended_at.map(|t| t.to_jiff()),
            });
        }
    }
    Ok(())
}

async fn rules(tx: &mut Tx, asked: &Asked, records: &mut Records) -> Result<()> {
    let rows = sqlx::query!(
        r#"
        SELECT w.place AS "place!", r.rule, r.version, r.valid_from, r.recorded_at, r.author, r.reason, r.spec
        FROM unnest($1::bigint[], $2::uuid[], $3::timestamptz[]) AS w(place, patient_id, known_at)
        JOIN rule_version r ON r.patient_id = w.patient_id AND r.recorded_at <= w.known_at
        ORDER BY w.place, r.rule, r.version
        "#,
        &asked.places,
        &asked.patients,
        &asked.known as _
    )
    .fetch_all(&mut **tx)
    .await?;
    for row in rows {
        if let Some(record) = records.at(row.place) {
            record.rules.push(RuleVersion {
                rule: RuleId(row.rule),
                version: row.version,
                valid_from: row.valid_from.to_jiff(),
                recorded_at: row.recorded_at.to_jiff(),
                author: row.author,
                reason: row.reason,
                spec: serde_json::from_value(row.spec).map_err(Error::inconsistent)?,
            });
        }
    }
    Ok(())
}

async fn pauses(tx: &mut Tx, asked: &Asked, records: &mut Records) -> Result<()> {
    let rows = sqlx::query!(
        r#"
        SELECT w.place AS "place!", p.from_at, p.until_at, p.reason, p.author, p.recorded_at
        FROM unnest($1::bigint[], $2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[])
            AS w(place, patient_id, from_at, to_at, known_at)
        JOIN pause p ON p.patient_id = w.patient_id AND p.recorded_at <= w.known_at
            AND p.from_at < w.to_at AND p.until_at > w.from_at - (w.to_at - w.from_at)
        ORDER BY w.place, p.from_at, p.id
        "#,
        &asked.places,
        &asked.patients,
        &asked.from as _,
        &asked.to as _,
        &asked.known as _
    )
    .fetch_all(&mut **tx)
    .await?;
    for row in rows {
        if let Some(record) = records.at(row.place) {
            record.pauses.push(PauseOnRecord {
                pause: Pause {
                    from: row.from_at.to_jiff(),
                    until: row.until_at.to_jiff(),
                    reason: row.reason,
                    recorded_at: row.recorded_at.to_jiff(),
                },
                author: row.author,
            });
        }
    }
    Ok(())
}

async fn devices(tx: &mut Tx, asked: &Asked, records: &mut Records) -> Result<()> {
    let rows = sqlx::query!(
        r#"
        SELECT w.place AS "place!", a.device_id, d.kind, lower(a.held) AS held_from,
               CASE WHEN upper(a.held) < w.to_at THEN upper(a.held) END AS held_until
        FROM unnest($1::bigint[], $2::uuid[], $3::timestamptz[], $4::timestamptz[]) AS w(place, patient_id, from_at, to_at)
        JOIN device_assignment a ON a.patient_id = w.patient_id
            AND a.held && tstzrange(w.from_at - (w.to_at - w.from_at), w.to_at)
        JOIN device d ON d.id = a.device_id
        ORDER BY w.place, lower(a.held) NULLS FIRST, a.device_id
        "#,
        &asked.places,
        &asked.patients,
        &asked.from as _,
        &asked.to as _
    )
    .fetch_all(&mut **tx)
    .await?;
    for row in rows {
        if let Some(record) = records.at(row.place) {
            record.devices.push(DeviceHeld {
                id: DeviceId(row.device_id),
                kind: row.kind,
                from: row.held_from.map(|t| t.to_jiff()),
                until: row.held_until.map(|t| t.to_jiff()),
            });
        }
    }
    Ok(())
}

async fn quarantine(tx: &mut Tx, asked: &Asked, records: &mut Records) -> Result<()> {
    let rows = sqlx::query!(
        r#"
        SELECT w.place AS "place!", a.device_id, q.code AS "code!", sum(q.count)::bigint AS "count!", max(q.last_at) AS "last_at!"
        FROM unnest($1::bigint[], $2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[])
            AS w(place, patient_id, from_at, to_at, known_at)
        JOIN device_assignment a ON a.patient_id = w.patient_id AND a.held && tstzrange(w.from_at, w.to_at)
        CROSS JOIN LATERAL quarantine_counts(a.device_id, greatest(w.from_at, lower(a.held)),
                                             least(w.to_at, upper(a.held)), w.known_at) q
        GROUP BY w.place, a.device_id, q.code
        ORDER BY w.place, a.device_id, q.code
        "#,
        &asked.places,
        &asked.patients,
        &asked.from as _,
        &asked.to as _,
        &asked.known as _
    )
    .fetch_all(&mut **tx)
    .await?;
    for row in rows {
        if let Some(record) = records.at(row.place) {
            record.quarantine.push(QuarantineCount {
                device: DeviceId(row.device_id),
                code: row.code,
                count: row.count,
                last_at: row.last_at.to_jiff(),
            });
        }
    }
    Ok(())
}

/// Where to look for what a report before did not know.
pub(super) struct EarlierEnd {
    pub(super) place: i64,
    pub(super) patient: Uuid,
    /// What it knew.
    pub(super) after: jiff_sqlx::Timestamp,
    /// The end of its week.
    pub(super) before: jiff_sqlx::Timestamp,
    /// The start of the week asked for, and what is known now.
    pub(super) from: jiff_sqlx::Timestamp,
    pub(super) known_at: jiff_sqlx::Timestamp,
}

/// The newest version of the newest report on an earlier week that knew less than this one.
async fn earlier(tx: &mut Tx, asked: &Asked, records: &mut Records) -> Result<Vec<EarlierEnd>> {
    let rows = sqlx::query!(
        r#"
        SELECT w.place AS "place!", w.patient_id AS "patient_id!", r.week, r.version, r.known_at, r.from_at,
               least(r.to_at, w.from_at) AS "before_at!", w.from_at AS "asked_from!", w.known_at AS "asked_known!"
        FROM unnest($1::bigint[], $2::uuid[], $3::timestamptz[], $4::timestamptz[]) AS w(place, patient_id, from_at, known_at)
        CROSS JOIN LATERAL
            (SELECT week, version, known_at, from_at, to_at FROM report
             WHERE patient_id = w.patient_id AND from_at < w.from_at AND known_at < w.known_at
             ORDER BY from_at DESC, version DESC LIMIT 1) r
        ORDER BY w.place
        "#,
        &asked.places,
        &asked.patients,
        &asked.from as _,
        &asked.known as _
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut ends = Vec::with_capacity(rows.len());
    for row in rows {
        if let Some(record) = records.at(row.place) {
            record.earlier = Some(Earlier {
                week: row.week,
                version: row.version,
                known_at: row.known_at.to_jiff(),
                from: row.from_at.to_jiff(),
            });
            ends.push(EarlierEnd {
                place: row.place,
                patient: row.patient_id,
                after: row.known_at,
                before: row.before_at,
                from: row.asked_from,
                known_at: row.asked_known,
            });
        }
    }
    Ok(ends)
}
