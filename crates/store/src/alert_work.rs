//! Alerts as staff see them, and what staff do about them.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::json;
use vigie_vitals::{
    AlertId, AlertState, Condition, Evidence, PatientId, Priority, RuleId, RuleSpec, UserId, Vital,
};

use crate::judgement::{condition_of, priority_of, state_of, vital_of};
use crate::{Error, Result, Tx};

/// An alert with what explains it.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// Id.
    pub id: AlertId,
    /// Whose.
    pub patient: PatientId,
    /// The patient's time zone.
    pub time_zone: String,
    /// The rule.
    pub rule: RuleId,
    /// Its version that judged the worst breach.
    pub rule_version: i32,
    /// Who prescribed that version.
    pub author: Option<String>,
    /// Why that version was prescribed.
    pub reason: Option<String>,
    /// What that version does.
    pub spec: Option<RuleSpec>,
    /// What was measured, or was not.
    pub vital: Vital,
    /// Priority.
    pub priority: Priority,
    /// Work.
    pub state: AlertState,
    /// Condition.
    pub condition: Condition,
    /// When it happened.
    pub happened_at: Timestamp,
    /// When the server could know.
    pub known_at: Timestamp,
    /// When the alert opened.
    pub opened_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// Later data no longer support it.
    pub unsupported: bool,
    /// The breach that the one-sentence reason is made from.
    pub worst: Evidence,
    /// How many breaches.
    pub breaches: i64,
    /// Acknowledged when, by whom.
    pub acknowledged: Option<(Timestamp, String)>,
    /// Assigned to whom.
    pub assigned_to: Option<(UserId, String)>,
    /// Resolved when, by whom (nobody, when data ended it).
    pub resolved: Option<(Timestamp, Option<String>)>,
    /// Coded outcome.
    pub outcome: Option<String>,
    /// For a silence: the newest reading of the vital sign, if any.
    pub last_reading_at: Option<Timestamp>,
}

/// Which alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Filter {
    /// Of this patient only.
    pub patient: Option<PatientId>,
    /// In this state only.
    pub state: Option<AlertState>,
    /// Not resolved only.
    pub unresolved: bool,
    /// Opened before, or at the same time with a smaller id: where the page before ended.
    pub before: Option<(Timestamp, AlertId)>,
    /// This one only.
    pub only: Option<AlertId>,
}

/// What happened to an alert.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEntry {
    /// When.
    pub at: Timestamp,
    /// What, such as `acknowledged`.
    pub kind: String,
    /// Who.
    pub actor: String,
    /// The rest.
    pub detail: serde_json::Value,
}

/// Who acts, when.
#[derive(Debug, Clone, Copy)]
pub struct Actor<'a> {
    /// The account.
    pub id: UserId,
    /// Its name.
    pub name: &'a str,
    /// Now.
    pub at: Timestamp,
}

/// What became of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It changed the alert.
    Changed,
    /// It already was so; nothing was written.
    Already,
    /// Not possible in the state that the alert is in.
    Conflict(AlertState),
}

/// Alerts that the acting member of staff may see, newest opening first.
pub async fn list(tx: &mut Tx, filter: Filter, most: i64) -> Result<Vec<Alert>> {
    let rows = sqlx::query!(
        r#"
        SELECT a.id, a.patient_id, p.time_zone, a.rule, a.rule_version, r.author AS "author?", r.reason AS "reason?",
               r.spec AS "spec?", a.vital, a.priority, a.state, a.condition, a.happened_at, a.known_at, a.opened_at,
               a.changed_at, a.unsupported, a.worst, a.acknowledged_at, ack.display_name AS "acknowledged_name?",
               a.assigned_to, ass.display_name AS "assigned_name?", a.resolved_at, res.display_name AS "resolved_name?",
               a.outcome,
               (SELECT count(*) FROM alert_evidence e WHERE e.alert_id = a.id) AS "breaches!",
               CASE WHEN a.worst -> 'reading' = 'null' THEN
                   (SELECT max(g.measured_at) FROM reading g WHERE g.patient_id = a.patient_id AND g.vital = a.vital
                    AND g.of_a_person AND g.measured_at > a.opened_at - interval '400 days')
               END AS last_reading_at
        FROM alert a
        JOIN patient p ON p.id = a.patient_id
        LEFT JOIN rule_version r ON r.patient_id = a.patient_id AND r.rule = a.rule AND r.version = a.rule_version
        LEFT JOIN staff ack ON ack.id = a.acknowledged_by
        LEFT JOIN staff ass ON ass.id = a.assigned_to
        LEFT JOIN staff res ON res.id = a.resolved_by
        WHERE ($1::uuid IS NULL OR a.patient_id = $1) AND ($2::text IS NULL OR a.state = $2)
          AND (NOT $3 OR a.state <> 'resolved') AND ($4::timestamptz IS NULL OR (a.opened_at, a.id) < ($4, $5::uuid))
          AND ($6::uuid IS NULL OR a.id = $6)
        ORDER BY a.opened_at DESC, a.id DESC LIMIT $7
        "#,
        filter.patient.map(|p| p.0),
        filter.state.map(AlertState::as_str),
        filter.unresolved,
        filter.before.map(|(at, _)| at.to_sqlx()) as _,
        filter.before.map(|(_, id)| id.0),
        filter.only.map(|id| id.0),
        most
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut alerts = Vec::with_capacity(rows.len());
    for row in rows {
        alerts.push(Alert {
            id: AlertId(row.id),
            patient: PatientId(row.patient_id),
            time_zone: row.time_zone,
            rule: RuleId(row.rule),
            rule_version: row.rule_version,
            author: row.author,
            reason: row.reason,
            spec: row.spec.map(serde_json::from_value).transpose().map_err(Error::inconsistent)?,
            vital: vital_of(&row.vital)?,
            priority: priority_of(&row.priority)?,
            state: state_of(&row.state)?,
            condition: condition_of(&row.condition)?,
            happened_at: row.happened_at.to_jiff(),
            known_at: row.known_at.to_jiff(),
            opened_at: row.opened_at.to_jiff(),
            changed_at: row.changed_at.to_jiff(),
            unsupported: row.unsupported,
            worst: serde_json::from_value(row.worst).map_err(Error::inconsistent)?,
            breaches: row.breaches,
            acknowledged: row.acknowledged_at.map(|at| at.to_jiff()).zip(row.acknowledged_name),
            assigned_to: row.assigned_to.map(UserId).zip(row.assigned_name),
            resolved: row.resolved_at.map(|at| (at.to_jiff(), row.resolved_name)),
            outcome: row.outcome,
            last_reading_at: row.last_reading_at.map(|at| at.to_jiff()),
        });
    }
    Ok(alerts)
}

/// One alert, if the acting member of staff may see it.
pub async fn get(tx: &mut Tx, id: AlertId) -> Result<Option<Alert>> {
    Ok(list(tx, Filter { only: Some(id), ..Filter::default() }, 1).await?.pop())
}

/// A breach, and when the server received the reading (which `known_at` may be later than: a rule can be
/// younger than the reading).
#[derive(Debug, Clone, PartialEq)]
pub struct Breach {
    /// The breach.
    pub evidence: Evidence,
    /// Absent for a silence.
    pub received_at: Option<Timestamp>,
}

/// The breaches of these alerts, oldest first; of each alert the newest `most`.
pub async fn breaches(tx: &mut Tx, alerts: &[AlertId], most: i64) -> Result<HashMap<AlertId, Vec<Breach>>> {
    let ids: Vec<_> = alerts.iter().map(|a| a.0).collect();
    let rows = sqlx::query!(
        r#"
        SELECT a.id AS "id!", e.evidence AS "evidence!", r.received_at AS "received_at?"
        FROM unnest($1::uuid[]) AS a(id)
        CROSS JOIN LATERAL
            (SELECT patient_id, evidence, happened_at, breach FROM alert_evidence WHERE alert_id = a.id
             ORDER BY happened_at DESC, breach DESC LIMIT $2) e
        LEFT JOIN LATERAL
            (SELECT received_at FROM reading
             WHERE patient_id = e.patient_id AND vital = e.evidence ->> 'vital' AND measured_at = e.happened_at
               AND device_id = e.evidence #>> '{reading,device}' AND epoch = (e.evidence #>> '{reading,epoch}')::bigint
               AND sequence = (e.evidence #>> '{reading,sequence}')::bigint
             LIMIT 1) r ON true
        ORDER BY e.happened_at, e.breach
        "#,
        &ids,
        most
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut breaches: HashMap<AlertId, Vec<Breach>> = HashMap::new();
    for row in rows {
        let breach = Breach {
            evidence: serde_json::from_value(row.evidence).map_err(Error::inconsistent)?,
            received_at: row.received_at.map(|t| t.to_jiff()),
        };
        breaches.entry(AlertId(row.id)).or_default().push(breach);
    }
    Ok(breaches)
}

/// Its history, oldest first.
pub async fn history(tx: &mut Tx, id: AlertId, most: i64) -> Result<Vec<HistoryEntry>> {
    let rows = sqlx::query!(
        r#"SELECT at, kind, actor, detail FROM alert_event WHERE alert_id = $1 ORDER BY id LIMIT $2"#,
        id.0,
        most
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| HistoryEntry {
            at: row.at.to_jiff(),
            kind: row.kind,
            actor: row.actor,
            detail: row.detail,
        })
        .collect())
}

/// Somebody has seen it and is on it.
pub async fn acknowledge(tx: &mut Tx, alert: &Alert, actor: Actor<'_>) -> Result<Done> {
    let changed = sqlx::query!(
        r#"
        UPDATE alert SET state = 'acknowledged', acknowledged_at = $2, acknowledged_by = $3, changed_at = $2
        WHERE id = $1 AND state = 'open'
        "#,
        alert.id.0,
        actor.at.to_sqlx() as _,
        actor.id.0
    )
    .execute(&mut **tx)
    .await?
    .rows_affected();
    if changed == 0 {
        // The row lock is over, so this reads what the other one wrote.
        return Ok(match state_now(tx, alert.id).await? {
            AlertState::Acknowledged => Done::Already,
            other @ (AlertState::Open | AlertState::Resolved) => Done::Conflict(other),
        });
    }
    note(tx, alert, actor, "acknowledged", json!({})).await?;
    Ok(Done::Changed)
}

/// Locks an alert until the transaction ends; an alert that one may not see is not there.
pub async fn lock(tx: &mut Tx, id: AlertId) -> Result<()> {
    sqlx::query!("SELECT id FROM alert WHERE id = $1 FOR UPDATE", id.0).fetch_optional(&mut **tx).await?;
    Ok(())
}

/// Closes the work with a coded outcome.
pub async fn resolve(
    tx: &mut Tx,
    alert: &Alert,
    outcome: &str,
    comment: &str,
    actor: Actor<'_>,
) -> Result<Done> {
    let changed = sqlx::query!(
        r#"
        UPDATE alert SET state = 'resolved', resolved_at = $2, resolved_by = $3, outcome = $4, changed_at = $2
        WHERE id = $1 AND state <> 'resolved'
        "#,
        alert.id.0,
        actor.at.to_sqlx() as _,
        actor.id.0,
        outcome
    )
    .execute(&mut **tx)
    .await?
    .rows_affected();
    if changed == 0 {
        let row = sqlx::query!("SELECT outcome, resolved_by FROM alert WHERE id = $1", alert.id.0)
            .fetch_one(&mut **tx)
            .await?;
        let same = row.outcome.as_deref() == Some(outcome) && row.resolved_by == Some(actor.id.0);
        return Ok(if same { Done::Already } else { Done::Conflict(AlertState::Resolved) });
    }
    note(tx, alert, actor, "resolved", json!({ "outcome": outcome, "comment": comment })).await?;
    Ok(Done::Changed)
}

/// Adds a remark.
pub async fn comment(tx: &mut Tx, alert: &Alert, text: &str, actor: Actor<'_>) -> Result<()> {
    note(tx, alert, actor, "comment", json!({ "text": text })).await
}

/// Hands it to somebody (who is a colleague of the patient's team; the caller checks).
pub async fn assign(tx: &mut Tx, alert: &Alert, to: UserId, to_name: &str, actor: Actor<'_>) -> Result<Done> {
    let changed = sqlx::query!(
        r#"
        UPDATE alert SET assigned_to = $2, changed_at = $3
        WHERE id = $1 AND state <> 'resolved' AND assigned_to IS DISTINCT FROM $2
        "#,
        alert.id.0,
        to.0,
        actor.at.to_sqlx() as _
    )
    .execute(&mut **tx)
    .await?
    .rows_affected();
    if changed == 0 {
        return Ok(match state_now(tx, alert.id).await? {
            AlertState::Resolved => Done::Conflict(AlertState::Resolved),
            AlertState::Open | AlertState::Acknowledged => Done::Already,
        });
    }
    note(tx, alert, actor, "assigned", json!({ "to": to, "name": to_name })).await?;
    Ok(Done::Changed)
}

async fn state_now(tx: &mut Tx, id: AlertId) -> Result<AlertState> {
    state_of(&sqlx::query_scalar!("SELECT state FROM alert WHERE id = $1", id.0).fetch_one(&mut **tx).await?)
}

async fn note(
    tx: &mut Tx,
    alert: &Alert,
    actor: Actor<'_>,
    kind: &str,
    detail: serde_json::Value,
) -> Result<()> {
    sqlx::query!(
        r#"
        INSERT INTO alert_event (alert_id, patient_id, at, kind, actor_id, actor, detail)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        "#,
        alert.id.0,
        alert.patient.0,
        actor.at.to_sqlx() as _,
        kind,
        actor.id.0,
        actor.name,
        detail
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
