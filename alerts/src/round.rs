//! One round: claim, load, judge, reconcile, write, in one transaction.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::json;
use vigie_service::{Clock, ids};
use vigie_store::events::{self, NewEvent};
use vigie_store::judgement::{self, Claim, PatientRecord, Turn, Window};
use vigie_store::{Database, Result, Tx, alert_record};
use vigie_vitals::{AlertChange, AlertId, PatientId, Record, RuleSpec, Scope, judge, reconcile, scope};

/// What a round did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Round {
    /// Patients judged.
    pub patients: usize,
    /// Changes written to alerts.
    pub changes: usize,
}

/// A round that was rolled back, and whom it was about.
#[derive(Debug, thiserror::Error)]
#[error("a round over {} patients was rolled back", patients.len())]
pub struct Failure {
    /// Who was claimed.
    pub patients: Vec<PatientId>,
    /// Why.
    #[source]
    pub error: vigie_store::Error,
}

/// Judges up to `most` patients that wait, as of the clock's time, except some. Zero patients: nothing
/// waited, or other workers hold all who do.
pub async fn judge_once(
    database: &Database,
    clock: &Clock,
    most: i64,
    except: &[PatientId],
) -> std::result::Result<Round, Failure> {
    judge_turn(database, clock, most, except, Turn::Everybody).await
}

/// The same for those whose turn it is.
pub(crate) async fn judge_turn(
    database: &Database,
    clock: &Clock,
    most: i64,
    except: &[PatientId],
    turn: Turn,
) -> std::result::Result<Round, Failure> {
    let nobody = |error| Failure { patients: Vec::new(), error };
    let mut tx = database.begin().await.map_err(nobody)?;
    let now = clock.now();
    let claims = judgement::claim(&mut tx, now, most, except, turn).await.map_err(nobody)?;
    if claims.is_empty() {
        return Ok(Round::default());
    }
    judge_claimed(tx, &claims, clock)
        .await
        .map_err(|error| Failure { patients: claims.iter().map(|claim| claim.patient).collect(), error })
}

async fn judge_claimed(mut tx: Tx, claims: &[Claim], clock: &Clock) -> Result<Round> {
    // Asked again: what the claim took from the queue was received before now, not before the claim began.
    let now = clock.now();
    let (records, scopes) = load(&mut tx, claims, now).await?;
    let mut round = Round { patients: claims.len(), changes: 0 };
    let mut next_due = Vec::with_capacity(claims.len());
    let mut told = Vec::new();
    for claim in claims {
        let (Some(record), Some(scope)) = (records.get(&claim.patient), scopes.get(&claim.patient)) else {
            continue;
        };
        let as_of = known_by(record, now);
        let judgement = judge(&as_record(claim, record, scope), as_of);
        if claim.since.is_some() {
            told.push(event(claim.patient, "readings", None, json!({}), now));
        }
        for change in reconcile(&judgement, &record.alerts, scope.from, as_of) {
            let new_id = AlertId(ids::new_v7(clock));
            let alert = alert_record::write_change(&mut tx, claim.patient, &change, new_id, now).await?;
            told.push(event_of(claim.patient, &change, alert, now));
            round.changes += 1;
        }
        next_due.push((claim.patient, judgement.next_due));
    }
    judgement::judged(&mut tx, &next_due, now).await?;
    // Last before the commit: it locks the counter of the stream.
    events::append(&mut tx, &told).await?;
    tx.commit().await.map_err(vigie_store::Error::from)?;
    Ok(round)
}

async fn load(
    tx: &mut Tx,
    claims: &[Claim],
    now: Timestamp,
) -> Result<(HashMap<PatientId, PatientRecord>, HashMap<PatientId, Scope>)> {
    let patients: Vec<PatientId> = claims.iter().map(|claim| claim.patient).collect();
    let mut records = judgement::load_rules(tx, &patients).await?;
    // First without the alerts, to know from where on they are needed; then with them.
    let since = |claim: &Claim| claim.since.unwrap_or(now);
    let from: HashMap<PatientId, Timestamp> = claims
        .iter()
        .filter_map(|claim| {
            Some((claim.patient, scope(since(claim), &records.get(&claim.patient)?.rules, &[]).from))
        })
        .collect();
    judgement::load_alerts(tx, &from, &mut records).await?;
    let mut scopes = HashMap::new();
    let mut windows = Vec::new();
    let mut expected = Vec::new();
    for claim in claims {
        let Some(record) = records.get(&claim.patient) else {
            continue;
        };
        let scope = scope(since(claim), &record.rules, &record.alerts);
        let mut vitals: Vec<_> = record.rules.iter().map(|version| version.spec.vital()).collect();
        vitals.sort_unstable();
        vitals.dedup();
        windows.extend(vitals.into_iter().map(|vital| Window {
            patient: claim.patient,
            vital,
            from: scope.readings_from,
        }));
        for version in &record.rules {
            if matches!(version.spec, RuleSpec::Silence(_)) {
                expected.push((claim.patient, version.spec.vital()));
            }
        }
        scopes.insert(claim.patient, scope);
    }
    expected.sort_unstable();
    expected.dedup();
    judgement::load_readings(tx, &windows, &mut records).await?;
    judgement::load_latest(tx, &expected, &mut records).await?;
    Ok((records, scopes))
}

/// What is on record is known, whatever our clock says. A gateway's clock may run ahead of ours, and a reading may have
/// been received after we asked for the time and committed before we claimed its patient. Its row of the queue goes with
/// this round, so a judgement that leaves it out would leave it out for ever.
fn known_by(record: &PatientRecord, now: Timestamp) -> Timestamp {
    let received = record.readings.iter().map(|reading| reading.received_at).max();
    let prescribed = record.rules.iter().map(|version| version.recorded_at).max();
    let paused = record.pauses.iter().map(|pause| pause.recorded_at).max();
    [received, prescribed, paused].into_iter().flatten().fold(now, Timestamp::max)
}

fn as_record<'a>(claim: &Claim, record: &'a PatientRecord, scope: &Scope) -> Record<'a> {
    Record {
        readings: &record.readings,
        rules: &record.rules,
        pauses: &record.pauses,
        latest: &record.latest,
        watched_since: claim.watched_since,
        from: scope.from,
    }
}

fn event_of(patient: PatientId, change: &AlertChange, alert: AlertId, now: Timestamp) -> NewEvent {
    match change {
        AlertChange::Open { priority, .. } => {
            event(patient, "alert_opened", Some(alert), json!({ "priority": priority.as_str() }), now)
        }
        AlertChange::Append { priority, .. } => {
            event(patient, "alert_changed", Some(alert), json!({ "priority": priority.as_str() }), now)
        }
        AlertChange::Condition { .. }
        | AlertChange::ResolveTechnical { .. }
        | AlertChange::Support { .. } => event(patient, "alert_changed", Some(alert), json!({}), now),
    }
}

fn event(
    patient: PatientId,
    kind: &'static str,
    alert: Option<AlertId>,
    detail: serde_json::Value,
    at: Timestamp,
) -> NewEvent {
    NewEvent { at, kind, patient, alert, detail }
}
