//! What the worklist shows about each patient beside their alerts.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use vigie_vitals::{PatientId, RuleSpec, SilenceRule, Vital};

use crate::judgement::vital_of;
use crate::{Error, Result, Tx};

/// Readings older than this are told as "none for 60 days": the list never looks through years of partitions.
const LOOK_BACK_DAYS: i32 = 60;

/// What is known of the flow of a patient's data.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Flow {
    /// Newest measurement of a person, per vital sign, of the last 60 days.
    pub latest: HashMap<Vital, Timestamp>,
    /// Schedules in force.
    pub expected: Vec<SilenceRule>,
    /// End of the pause that runs, with its reason.
    pub paused_until: Option<(Timestamp, String)>,
}

/// May "no alert" be trusted?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completeness {
    /// Everything expected arrived in time.
    Complete,
    /// Something expected did not arrive.
    Missing(Vital),
    /// Silence is expected until then.
    Paused(Timestamp),
    /// No schedule says what to expect.
    Unscheduled,
}

impl Flow {
    /// The newest measurement of all.
    pub fn newest(&self) -> Option<Timestamp> {
        self.latest.values().max().copied()
    }

    /// Did what was expected arrive?
    pub fn completeness(&self, now: Timestamp) -> Completeness {
        if let Some((until, _)) = &self.paused_until {
            return Completeness::Paused(*until);
        }
        if self.expected.is_empty() {
            return Completeness::Unscheduled;
        }
        let late = |rule: &&SilenceRule| {
            let allowed = i64::from(rule.every_hours) + i64::from(rule.grace_hours);
            self.latest
                .get(&rule.vital)
                .is_none_or(|at| now.duration_since(*at) > jiff::SignedDuration::from_hours(allowed))
        };
        match self.expected.iter().find(late) {
            Some(rule) => Completeness::Missing(rule.vital),
            None => Completeness::Complete,
        }
    }
}

/// The flow of these patients' data, in three statements.
pub async fn flows(tx: &mut Tx, patients: &[PatientId], now: Timestamp) -> Result<HashMap<PatientId, Flow>> {
    let ids: Vec<_> = patients.iter().map(|p| p.0).collect();
    let mut flows: HashMap<PatientId, Flow> = patients.iter().map(|p| (*p, Flow::default())).collect();
    let vitals: Vec<String> = Vital::ALL.iter().map(|v| v.code().to_owned()).collect();
    let latest = sqlx::query!(
        r#"
        SELECT p.id AS "id!", v.vital AS "vital!", l.measured_at AS "measured_at!"
        FROM unnest($1::uuid[]) AS p(id) CROSS JOIN unnest($2::text[]) AS v(vital)
        CROSS JOIN LATERAL
            (SELECT r.measured_at FROM reading r
             WHERE r.patient_id = p.id AND r.vital = v.vital AND r.of_a_person
               AND r.measured_at > $3::timestamptz - make_interval(days => $4)
             ORDER BY r.measured_at DESC LIMIT 1) l
        "#,
        &ids,
        &vitals,
        now.to_sqlx() as _,
        LOOK_BACK_DAYS
    )
    .fetch_all(&mut **tx)
    .await?;
    for row in latest {
        if let Some(flow) = flows.get_mut(&PatientId(row.id)) {
            flow.latest.insert(vital_of(&row.vital)?, row.measured_at.to_jiff());
        }
    }
    let rules = sqlx::query!(
        r#"
        SELECT patient_id, spec FROM
            (SELECT DISTINCT ON (patient_id, rule) patient_id, rule, spec FROM rule_version
             WHERE patient_id = ANY($1) AND valid_from <= $2 AND spec ->> 'kind' = 'silence'
             ORDER BY patient_id, rule, valid_from DESC, version DESC) r
        "#,
        &ids,
        now.to_sqlx() as _
    )
    .fetch_all(&mut **tx)
    .await?;
    for row in rules {
        let spec: RuleSpec = serde_json::from_value(row.spec).map_err(Error::inconsistent)?;
        if let (Some(flow), RuleSpec::Silence(rule)) = (flows.get_mut(&PatientId(row.patient_id)), spec) {
            flow.expected.push(rule);
        }
    }
    let pauses = sqlx::query!(
        "SELECT patient_id, until_at, reason FROM pause WHERE patient_id = ANY($1) AND from_at <= $2 AND until_at > $2 ORDER BY until_at",
        &ids,
        now.to_sqlx() as _
    )
    .fetch_all(&mut **tx)
    .await?;
    for row in pauses {
        if let Some(flow) = flows.get_mut(&PatientId(row.patient_id)) {
            flow.paused_until = Some((row.until_at.to_jiff(), row.reason));
        }
    }
    Ok(flows)
}
