//! Rule versions and pauses as staff see and write them.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use vigie_vitals::{PatientId, Pause, RuleId, RuleVersion, UserId};

use crate::setup::{NewRuleVersion, add_rule_version};
use crate::{Error, Result, Tx};

/// A pause with who entered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PauseOnRecord {
    /// The pause.
    pub pause: Pause,
    /// Who entered it.
    pub author: String,
}

/// All versions of all rules of a patient, by rule and version.
pub async fn of_patient(tx: &mut Tx, patient: PatientId) -> Result<Vec<RuleVersion>> {
    let rows = sqlx::query!(
        r#"
        SELECT rule, version, valid_from, recorded_at, author, reason, spec FROM rule_version
        WHERE patient_id = $1 ORDER BY rule, version
        "#,
        patient.0
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(RuleVersion {
                rule: RuleId(row.rule),
                version: row.version,
                valid_from: row.valid_from.to_jiff(),
                recorded_at: row.recorded_at.to_jiff(),
                author: row.author,
                reason: row.reason,
                spec: serde_json::from_value(row.spec).map_err(Error::inconsistent)?,
            })
        })
        .collect()
}

/// The version of each rule that is in force at a moment.
pub fn in_force(versions: &[RuleVersion], at: Timestamp) -> Vec<&RuleVersion> {
    let mut current: std::collections::BTreeMap<&RuleId, &RuleVersion> = std::collections::BTreeMap::new();
    for version in versions.iter().filter(|v| v.valid_from <= at && v.recorded_at <= at) {
        let entry = current.entry(&version.rule).or_insert(version);
        if (version.valid_from, version.version) >= (entry.valid_from, entry.version) {
            *entry = version;
        }
    }
    current.into_values().collect()
}

/// Adds a version to a rule and queues the judgement of what it covers. `None` when the rule is not the
/// patient's, or has another vital sign: a rule keeps what it watches.
pub async fn prescribe(tx: &mut Tx, patient: PatientId, new: &NewRuleVersion) -> Result<Option<i32>> {
    let known = of_patient(tx, patient).await?;
    let Some(latest) = known.iter().filter(|v| v.rule == new.rule).max_by_key(|v| v.version) else {
        return Ok(None);
    };
    let same_kind = std::mem::discriminant(&latest.spec) == std::mem::discriminant(&new.spec);
    if latest.spec.vital() != new.spec.vital() || !same_kind {
        return Ok(None);
    }
    let version = add_rule_version(tx, patient, new, false).await?;
    queue(tx, patient, new.valid_from).await?;
    Ok(Some(version))
}

/// Adds a pause and queues a judgement: it may end a silence.
pub async fn add_pause(
    tx: &mut Tx,
    patient: PatientId,
    pause: &Pause,
    author: (UserId, &str),
) -> Result<i64> {
    let id = sqlx::query_scalar!(
        r#"
        INSERT INTO pause (patient_id, from_at, until_at, reason, author_id, author, recorded_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id
        "#,
        patient.0,
        pause.from.to_sqlx() as _,
        pause.until.to_sqlx() as _,
        pause.reason,
        author.0.0,
        author.1,
        pause.recorded_at.to_sqlx() as _
    )
    .fetch_one(&mut **tx)
    .await?;
    queue(tx, patient, pause.from).await?;
    Ok(id)
}

/// Pauses of a patient that end after a moment, by beginning.
pub async fn pauses(tx: &mut Tx, patient: PatientId, ending_after: Timestamp) -> Result<Vec<PauseOnRecord>> {
    let rows = sqlx::query!(
        r#"
        SELECT from_at, until_at, reason, author, recorded_at FROM pause
        WHERE patient_id = $1 AND until_at > $2 ORDER BY from_at, id
        "#,
        patient.0,
        ending_after.to_sqlx() as _
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| PauseOnRecord {
            pause: Pause {
                from: row.from_at.to_jiff(),
                until: row.until_at.to_jiff(),
                reason: row.reason,
                recorded_at: row.recorded_at.to_jiff(),
            },
            author: row.author,
        })
        .collect())
}

async fn queue(tx: &mut Tx, patient: PatientId, since: Timestamp) -> Result<()> {
    sqlx::query!(
        "INSERT INTO judgement_queue (patient_id, since) VALUES ($1, $2)",
        patient.0,
        since.to_sqlx() as _
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
