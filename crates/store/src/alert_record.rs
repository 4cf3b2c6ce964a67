//! Writing what `reconcile` decided. Each statement is guarded by the database itself: one alert that is
//! not resolved per patient and rule, each breach evidence once.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::json;
use vigie_vitals::{AlertChange, AlertId, Condition, Evidence, PatientId, Priority, RuleId};

use crate::{Error, Result, Tx};

/// Who acts when no person does.
const SYSTEM: &str = "vigie";

/// What identifies a breach for ever; the key that makes a replay harmless.
pub fn breach_of(evidence: &Evidence) -> String {
    match &evidence.reading {
        Some(key) => format!("{}/{}/{}/{}", key.device, key.epoch, key.sequence, evidence.vital.code()),
        None => format!("silence/{}", evidence.happened_at),
    }
}

/// Writes one change. `new_id` is used when an alert opens. Returns the alert concerned.
pub async fn write_change(
    tx: &mut Tx,
    patient: PatientId,
    change: &AlertChange,
    new_id: AlertId,
    now: Timestamp,
) -> Result<AlertId> {
    match change {
        AlertChange::Open { rule, evidence, priority, condition } => {
            open(tx, patient, new_id, rule, evidence, *priority, *condition, now).await?;
            Ok(new_id)
        }
        AlertChange::Append { alert, evidence, priority, reopened } => {
            append(tx, patient, *alert, evidence, *priority, *reopened, now).await?;
            Ok(*alert)
        }
        AlertChange::Condition { alert, condition } => {
            sqlx::query!(
                "UPDATE alert SET condition = $2, changed_at = $3 WHERE id = $1 AND state <> 'resolved'",
                alert.0,
                condition.as_str(),
                now.to_sqlx() as _
            )
            .execute(&mut **tx)
            .await?;
            note(tx, patient, *alert, "condition", json!({ "condition": condition.as_str() }), now).await?;
            Ok(*alert)
        }
        AlertChange::ResolveTechnical { alert } => {
            sqlx::query!(
                r#"
                UPDATE alert SET state = 'resolved', condition = 'ended', resolved_at = $2, outcome = 'ended_by_data', changed_at = $2
                WHERE id = $1 AND state <> 'resolved'
                "#,
                alert.0,
                now.to_sqlx() as _
            )
            .execute(&mut **tx)
            .await?;
            note(tx, patient, *alert, "resolved", json!({ "outcome": "ended_by_data" }), now).await?;
            Ok(*alert)
        }
        AlertChange::Support { alert, supported } => {
            sqlx::query!(
                "UPDATE alert SET unsupported = NOT $2, changed_at = $3 WHERE id = $1",
                alert.0,
                *supported,
                now.to_sqlx() as _
            )
            .execute(&mut **tx)
            .await?;
            let kind = if *supported { "supported_again" } else { "no_longer_supported" };
            note(tx, patient, *alert, kind, json!({}), now).await?;
            Ok(*alert)
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "the columns of one row")]
async fn open(
    tx: &mut Tx,
    patient: PatientId,
    id: AlertId,
    rule: &RuleId,
    evidence: &[Evidence],
    priority: Priority,
    condition: Condition,
    now: Timestamp,
) -> Result<()> {
    let (Some(first), Some(worst)) = (earliest(evidence), worst(evidence)) else {
        return Err(Error::inconsistent("an alert without evidence"));
    };
    sqlx::query!(
        r#"
        INSERT INTO alert (id, patient_id, rule, rule_version, vital, priority, state, condition, happened_at, known_at,
                           opened_at, changed_at, worst)
        VALUES ($1, $2, $3, $4, $5, $6, 'open', $7, $8, $9, $10, $10, $11)
        "#,
        id.0,
        patient.0,
        rule.as_str(),
        worst.rule_version,
        worst.vital.code(),
        priority.as_str(),
        condition.as_str(),
        first.happened_at.to_sqlx() as _,
        first.known_at.to_sqlx() as _,
        now.to_sqlx() as _,
        serde_json::to_value(worst).map_err(Error::inconsistent)?
    )
    .execute(&mut **tx)
    .await?;
    insert_evidence(tx, patient, id, rule, evidence, now).await?;
    note(tx, patient, id, "opened", json!({ "priority": priority.as_str() }), now).await
}

async fn append(
    tx: &mut Tx,
    patient: PatientId,
    alert: AlertId,
    evidence: &[Evidence],
    priority: Priority,
    reopened: bool,
    now: Timestamp,
) -> Result<()> {
    let row = sqlx::query!("SELECT rule, happened_at, known_at, worst FROM alert WHERE id = $1", alert.0)
        .fetch_one(&mut **tx)
        .await?;
    insert_evidence(tx, patient, alert, &RuleId(row.rule), evidence, now).await?;
    let on_record: Evidence = serde_json::from_value(row.worst).map_err(Error::inconsistent)?;
    let worst = worst(evidence.iter().chain([&on_record])).unwrap_or(&on_record);
    let (mut happened_at, mut known_at) = (row.happened_at.to_jiff(), row.known_at.to_jiff());
    if let Some(first) = earliest(evidence)
        && first.happened_at < happened_at
    {
        (happened_at, known_at) = (first.happened_at, first.known_at);
    }
    sqlx::query!(
        r#"
        UPDATE alert SET priority = $2, happened_at = $3, known_at = $4, worst = $5, rule_version = $6, changed_at = $7,
               state = CASE WHEN $8 THEN 'open' ELSE state END
        WHERE id = $1 AND state <> 'resolved'
        "#,
        alert.0,
        priority.as_str(),
        happened_at.to_sqlx() as _,
        known_at.to_sqlx() as _,
        serde_json::to_value(worst).map_err(Error::inconsistent)?,
        worst.rule_version,
        now.to_sqlx() as _,
        reopened
    )
    .execute(&mut **tx)
    .await?;
    let kind = if reopened { "reopened" } else { "evidence" };
    note(tx, patient, alert, kind, json!({ "added": evidence.len(), "priority": priority.as_str() }), now)
        .await
}

async fn insert_evidence(
    tx: &mut Tx,
    patient: PatientId,
    alert: AlertId,
    rule: &RuleId,
    evidence: &[Evidence],
    now: Timestamp,
) -> Result<()> {
    let breaches: Vec<String> = evidence.iter().map(breach_of).collect();
    let happened: Vec<_> = evidence.iter().map(|e| e.happened_at.to_sqlx()).collect();
    let bodies: Vec<_> = evidence
        .iter()
        .map(serde_json::to_value)
        .collect::<std::result::Result<_, _>>()
        .map_err(Error::inconsistent)?;
    sqlx::query!(
        r#"
        INSERT INTO alert_evidence (alert_id, patient_id, rule, breach, happened_at, evidence, recorded_at)
        SELECT $1, $2, $3, breach, happened_at, evidence, $7
        FROM unnest($4::text[], $5::timestamptz[], $6::jsonb[]) AS e(breach, happened_at, evidence)
        -- A breach already on this alert may become graver by a late reference: the graver entry takes its place, and a
        -- trigger keeps the earlier one for reports on what was known before.
        ON CONFLICT (patient_id, rule, breach) DO UPDATE SET evidence = excluded.evidence, recorded_at = excluded.recorded_at
        WHERE alert_evidence.alert_id = excluded.alert_id AND alert_evidence.evidence IS DISTINCT FROM excluded.evidence
        "#,
        alert.0,
        patient.0,
        rule.as_str(),
        &breaches,
        &happened as _,
        &bodies,
        now.to_sqlx() as _
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn note(
    tx: &mut Tx,
    patient: PatientId,
    alert: AlertId,
    kind: &str,
    detail: serde_json::Value,
    now: Timestamp,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO alert_event (alert_id, patient_id, at, kind, actor, detail) VALUES ($1, $2, $3, $4, $5, $6)",
        alert.0,
        patient.0,
        now.to_sqlx() as _,
        kind,
        SYSTEM,
        detail
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

fn earliest(evidence: &[Evidence]) -> Option<&Evidence> {
    evidence.iter().min_by_key(|e| (e.happened_at, e.known_at))
}

fn worst<'a>(evidence: impl IntoIterator<Item = &'a Evidence>) -> Option<&'a Evidence> {
    evidence.into_iter().max_by_key(|e| (e.priority, e.happened_at))
}
