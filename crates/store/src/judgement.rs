//! Claiming patients and loading what `judge` needs, for many patients in a few round trips.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use uuid::Uuid;
use vigie_vitals::{
    AlertId, AlertOnRecord, AlertState, Comparator, Condition, DeviceId, Evidence, PatientId, Pause,
    Priority, Reading, ReadingKey, RuleId, RuleVersion, Unit, Value, Vital,
};

use crate::{Error, Result, Tx};

/// A patient claimed for judgement; the row lock ends with the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Who.
    pub patient: PatientId,
    /// Earliest time that changed; absent when only a due time brought the patient here.
    pub since: Option<Timestamp>,
    /// When the watch over this patient began.
    pub watched_since: Timestamp,
}

/// Everything on record about a claimed patient that was asked for.
#[derive(Debug, Clone, Default)]
pub struct PatientRecord {
    /// All versions of all rules.
    pub rules: Vec<RuleVersion>,
    /// All pauses.
    pub pauses: Vec<Pause>,
    /// Readings of the windows asked for.
    pub readings: Vec<Reading>,
    /// Newest time measured, per vital asked for.
    pub latest: BTreeMap<Vital, Timestamp>,
    /// Alerts that are not resolved, and resolved ones whose evidence lies in the window.
    pub alerts: Vec<AlertOnRecord>,
}

/// One window of readings to load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Whose.
    pub patient: PatientId,
    /// What.
    pub vital: Vital,
    /// Measured at or after.
    pub from: Timestamp,
}

/// How far into the queue one claim looks, from each of its ends.
const LOOK_AHEAD_ROWS: i64 = 2_000;

/// So many candidates per patient to claim: several workers that look at the same end of the queue find enough.
const CANDIDATES: i64 = 4;

/// What was measured within this time is fresh: a third of each claim is for patients with fresh readings, so that a
/// backlog of others does not keep them waiting.
const FRESH: SignedDuration = SignedDuration::from_mins(15);

/// Who may be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Everybody: those that have waited longest, those with fresh readings and those that are due, in turn.
    Everybody,
    /// Only patients with fresh readings: what has just been measured does not wait for anybody's backlog.
    Fresh,
}

/// Claims up to `most` patients that wait on the queue or are due, passing over those that another worker holds and over
/// `except`. Their queue rows are taken: a rollback puts them back.
pub async fn claim(
    tx: &mut Tx,
    now: Timestamp,
    most: i64,
    except: &[PatientId],
    turn: Turn,
) -> Result<Vec<Claim>> {
    let except: Vec<Uuid> = except.iter().map(|p| p.0).collect();
    // The row numbers put the three sources in turn. Fresh rows were added last, so they are looked for from
    // there; whoever is not found among so many is reached from the other end.
    let candidates = sqlx::query_scalar!(
        r#"
        SELECT patient_id AS "patient_id!" FROM (
            (SELECT patient_id, row_number() OVER (ORDER BY min(id)) AS turn
             FROM (SELECT id, patient_id FROM judgement_queue
                   WHERE patient_id <> ALL ($4) AND NOT $6 ORDER BY id LIMIT $2) q
             GROUP BY patient_id ORDER BY turn LIMIT $3)
            UNION ALL
            (SELECT patient_id, row_number() OVER (ORDER BY min(id)) AS turn
             FROM (SELECT id, patient_id, since FROM judgement_queue WHERE patient_id <> ALL ($4)
                   ORDER BY id DESC LIMIT $2) q
             WHERE since >= $5 GROUP BY patient_id ORDER BY turn LIMIT $3)
            UNION ALL
            (SELECT patient_id, row_number() OVER (ORDER BY next_due_at) AS turn
             FROM patient_watch WHERE next_due_at <= $1 AND patient_id <> ALL ($4) AND NOT $6
             ORDER BY next_due_at LIMIT $3)
        ) c
        GROUP BY patient_id ORDER BY min(turn)
        "#,
        now.to_sqlx() as _,
        LOOK_AHEAD_ROWS,
        most.saturating_mul(CANDIDATES),
        &except,
        now.saturating_sub(FRESH).unwrap_or(now).to_sqlx() as _,
        turn == Turn::Fresh
    )
    .fetch_all(&mut **tx)
    .await?;
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    // Nobody waits here, so the order of the locks is free: it is the order of the candidates.
    let locked = sqlx::query!(
        r#"
        SELECT w.patient_id, w.watched_since
        FROM unnest($1::uuid[]) WITH ORDINALITY AS c(patient_id, n)
        JOIN patient_watch w USING (patient_id)
        ORDER BY c.n LIMIT $2 FOR UPDATE OF w SKIP LOCKED
        "#,
        &candidates,
        most
    )
    .fetch_all(&mut **tx)
    .await?;
    let patients: Vec<Uuid> = locked.iter().map(|row| row.patient_id).collect();
    // A new statement, so a new snapshot: it sees every row committed before the lock was granted.
    let taken = sqlx::query!(
        "DELETE FROM judgement_queue WHERE patient_id = ANY($1) RETURNING patient_id, since",
        &patients
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut since: HashMap<Uuid, Timestamp> = HashMap::new();
    for row in taken {
        let at = row.since.to_jiff();
        since.entry(row.patient_id).and_modify(|earliest| *earliest = at.min(*earliest)).or_insert(at);
    }
    Ok(locked
        .into_iter()
        .map(|row| Claim {
            patient: PatientId(row.patient_id),
            since: since.get(&row.patient_id).copied(),
            watched_since: row.watched_since.to_jiff(),
        })
        .collect())
}

/// Rules and pauses of these patients.
pub async fn load_rules(tx: &mut Tx, patients: &[PatientId]) -> Result<HashMap<PatientId, PatientRecord>> {
    let ids: Vec<Uuid> = patients.iter().map(|p| p.0).collect();
    let mut records: HashMap<PatientId, PatientRecord> =
        patients.iter().map(|p| (*p, PatientRecord::default())).collect();
    let rules = sqlx::query!(
        r#"
        SELECT patient_id, rule, version, valid_from, recorded_at, author, reason, spec
        FROM rule_version WHERE patient_id = ANY($1)
        "#,
        &ids
    )
    .fetch_all(&mut **tx)
    .await?;
    for row in rules {
        let Some(record) = records.get_mut(&PatientId(row.patient_id)) else {
            continue;
        };
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
    let pauses = sqlx::query!(
        "SELECT patient_id, from_at, until_at, reason, recorded_at FROM pause WHERE patient_id = ANY($1)",
        &ids
    )
    .fetch_all(&mut **tx)
    .await?;
    for row in pauses {
        let Some(record) = records.get_mut(&PatientId(row.patient_id)) else {
            continue;
        };
        record.pauses.push(Pause {
            from: row.from_at.to_jiff(),
            until: row.until_at.to_jiff(),
            reason: row.reason,
            recorded_at: row.recorded_at.to_jiff(),
        });
    }
    Ok(records)
}

/// Readings of these windows, into the records.
pub async fn load_readings(
    tx: &mut Tx,
    windows: &[Window],
    records: &mut HashMap<PatientId, PatientRecord>,
) -> Result<()> {
    let Some(earliest) = windows.iter().map(|w| w.from).min() else {
        return Ok(());
    };
    let patients: Vec<Uuid> = windows.iter().map(|w| w.patient.0).collect();
    let vitals: Vec<&str> = windows.iter().map(|w| w.vital.code()).collect();
    let from: Vec<_> = windows.iter().map(|w| w.from.to_sqlx()).collect();
    let rows = sqlx::query!(
        r#"
        SELECT r.patient_id, r.vital, r.measured_at, r.received_at, r.device_id, r.epoch, r.sequence, r.value, r.comparator,
               r.unit, r.of_a_person
        FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS w(patient_id, vital, from_at)
        JOIN reading r ON r.patient_id = w.patient_id AND r.vital = w.vital AND r.measured_at >= w.from_at
        WHERE r.measured_at >= $4
        "#,
        &patients,
        &vitals as _,
        &from as _,
        earliest.to_sqlx() as _
    )
    .fetch_all(&mut **tx)
    .await?;
    for row in rows {
        let Some(record) = records.get_mut(&PatientId(row.patient_id)) else {
            continue;
        };
        record.readings.push(Reading {
            key: ReadingKey { device: DeviceId(row.device_id), epoch: row.epoch, sequence: row.sequence },
            vital: vital_of(&row.vital)?,
            value: value_of(row.value, row.comparator.as_deref(), &row.unit)?,
            measured_at: row.measured_at.to_jiff(),
            received_at: row.received_at.to_jiff(),
            of_a_person: row.of_a_person,
        });
    }
    Ok(())
}

/// Newest time measured of each patient and vital asked for, into the records.
pub async fn load_latest(
    tx: &mut Tx,
    wanted: &[(PatientId, Vital)],
    records: &mut HashMap<PatientId, PatientRecord>,
) -> Result<()> {
    let patients: Vec<Uuid> = wanted.iter().map(|(p, _)| p.0).collect();
    let vitals: Vec<&str> = wanted.iter().map(|(_, v)| v.code()).collect();
    let rows = sqlx::query!(
        r#"
        SELECT w.patient_id AS "patient_id!", w.vital AS "vital!", l.measured_at
        FROM unnest($1::uuid[], $2::text[]) AS w(patient_id, vital)
        CROSS JOIN LATERAL (
            SELECT r.measured_at FROM reading r
            WHERE r.patient_id = w.patient_id AND r.vital = w.vital AND r.of_a_person
            ORDER BY r.measured_at DESC LIMIT 1
        ) l
        "#,
        &patients,
        &vitals as _
    )
    .fetch_all(&mut **tx)
    .await?;
    for row in rows {
        let Some(record) = records.get_mut(&PatientId(row.patient_id)) else {
            continue;
        };
        record.latest.insert(vital_of(&row.vital)?, row.measured_at.to_jiff());
    }
    Ok(())
}

/// Alerts that `reconcile` must know: all that are not resolved, with all their evidence; of resolved
/// ones the evidence from `from` (or from the beginning of the oldest open alert) on, and the last silence of each rule. The alerts stay locked until the
/// transaction ends: somebody who resolves one at this moment does so before or after, never in between.
pub async fn load_alerts(
    tx: &mut Tx,
    from: &HashMap<PatientId, Timestamp>,
    records: &mut HashMap<PatientId, PatientRecord>,
) -> Result<()> {
    let patients: Vec<Uuid> = from.keys().map(|p| p.0).collect();
    let times: Vec<_> = from.values().map(|t| t.to_sqlx()).collect();
    let rows = sqlx::query!(
        r#"
        SELECT a.id, a.patient_id, a.rule, a.state, a.condition, a.priority, a.unsupported, e.evidence
        FROM unnest($1::uuid[], $2::timestamptz[]) AS f(patient_id, from_at)
        JOIN alert_evidence e ON e.patient_id = f.patient_id
        JOIN alert a ON a.id = e.alert_id
        WHERE a.state <> 'resolved'
           OR e.happened_at >= least(f.from_at, (SELECT min(o.happened_at) FROM alert o
                                                 WHERE o.patient_id = f.patient_id AND o.state <> 'resolved'))
           OR e.breach = (SELECT s.breach FROM alert_evidence s
                          WHERE s.patient_id = e.patient_id AND s.rule = e.rule AND s.breach LIKE 'silence/%'
                          ORDER BY s.happened_at DESC LIMIT 1)
        ORDER BY a.opened_at, a.id, e.happened_at, e.breach
        FOR UPDATE OF a
        "#,
        &patients,
        &times as _
    )
    .fetch_all(&mut **tx)
    .await?;
    for row in rows {
        let Some(record) = records.get_mut(&PatientId(row.patient_id)) else {
            continue;
        };
        let evidence: Evidence = serde_json::from_value(row.evidence).map_err(Error::inconsistent)?;
        let id = AlertId(row.id);
        if let Some(alert) = record.alerts.iter_mut().rev().find(|alert| alert.id == id) {
            alert.evidence.push(evidence);
            continue;
        }
        record.alerts.push(AlertOnRecord {
            id,
            rule: RuleId(row.rule),
            state: state_of(&row.state)?,
            condition: condition_of(&row.condition)?,
            priority: priority_of(&row.priority)?,
            evidence: vec![evidence],
            unsupported: row.unsupported,
        });
    }
    Ok(())
}

/// Notes that these patients were judged, and when each is due again though nothing may come.
pub async fn judged(tx: &mut Tx, next_due: &[(PatientId, Option<Timestamp>)], now: Timestamp) -> Result<()> {
    let patients: Vec<Uuid> = next_due.iter().map(|(p, _)| p.0).collect();
    let due: Vec<_> = next_due.iter().map(|(_, at)| at.map(|t| t.to_sqlx())).collect();
    sqlx::query!(
        r#"
        UPDATE patient_watch w SET next_due_at = d.due_at, judged_at = $3
        FROM unnest($1::uuid[], $2::timestamptz[]) AS d(patient_id, due_at)
        WHERE w.patient_id = d.patient_id
        "#,
        &patients,
        &due as _,
        now.to_sqlx() as _
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// How many patients wait to be judged (rows of the queue).
pub async fn waiting(tx: &mut Tx) -> Result<i64> {
    Ok(sqlx::query_scalar!(r#"SELECT count(*) AS "n!" FROM judgement_queue"#).fetch_one(&mut **tx).await?)
}

pub(crate) fn vital_of(code: &str) -> Result<Vital> {
    Vital::parse(code).map_err(Error::inconsistent)
}

pub(crate) fn value_of(
    number: Option<rust_decimal::Decimal>,
    comparator: Option<&str>,
    unit: &str,
) -> Result<Value> {
    let comparator = match comparator {
        None => None,
        Some("<") => Some(Comparator::Below),
        Some(">") => Some(Comparator::Above),
        Some(other) => return Err(Error::inconsistent(format!("comparator {other}"))),
    };
    Ok(Value { number, comparator, unit: Unit::parse(unit).map_err(Error::inconsistent)? })
}

pub(crate) fn state_of(text: &str) -> Result<AlertState> {
    match text {
        "open" => Ok(AlertState::Open),
        "acknowledged" => Ok(AlertState::Acknowledged),
        "resolved" => Ok(AlertState::Resolved),
        other => Err(Error::inconsistent(format!("alert state {other}"))),
    }
}

pub(crate) fn condition_of(text: &str) -> Result<Condition> {
    match text {
        "active" => Ok(Condition::Active),
        "recovering" => Ok(Condition::Recovering),
        "ended" => Ok(Condition::Ended),
        other => Err(Error::inconsistent(format!("alert condition {other}"))),
    }
}

pub(crate) fn priority_of(text: &str) -> Result<Priority> {
    match text {
        "technical" => Ok(Priority::Technical),
        "low" => Ok(Priority::Low),
        "medium" => Ok(Priority::Medium),
        "high" => Ok(Priority::High),
        other => Err(Error::inconsistent(format!("priority {other}"))),
    }
}
