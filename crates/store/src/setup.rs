//! Territories, teams, staff, patients and their plans: what an administrator sets up.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;
use vigie_vitals::plans::{CarePlan, default_rules};
use vigie_vitals::{CareTeamId, PatientId, RuleId, RuleSpec, TerritoryId, UserId};

use crate::{Error, Result, Tx};

/// A person to follow.
#[derive(Debug, Clone)]
pub struct NewPatient {
    /// Id.
    pub id: PatientId,
    /// Whose patient.
    pub care_team: CareTeamId,
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
    /// `fr` or `en`.
    pub language: String,
    /// IANA time zone.
    pub time_zone: String,
    /// From when on the patient is watched.
    pub watched_since: Timestamp,
}

/// An account to create.
#[derive(Debug, Clone)]
pub struct NewStaff {
    /// Id.
    pub id: UserId,
    /// Territory.
    pub territory: TerritoryId,
    /// Log-in name.
    pub login: String,
    /// Name shown.
    pub display_name: String,
    /// `nurse`, `physician`, `coordinator`, `administrator` or `technician`.
    pub role: String,
    /// Argon2id in PHC form.
    pub password_hash: String,
    /// `fr` or `en`.
    pub locale: String,
}

/// The territory of this name, made if it is not there.
pub async fn territory(tx: &mut Tx, name: &str, new_id: Uuid) -> Result<TerritoryId> {
    sqlx::query!(
        "INSERT INTO territory (id, name) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
        new_id,
        name
    )
    .execute(&mut **tx)
    .await?;
    let id =
        sqlx::query_scalar!("SELECT id FROM territory WHERE name = $1", name).fetch_one(&mut **tx).await?;
    Ok(TerritoryId(id))
}

/// The care team of this name, made if it is not there.
pub async fn care_team(tx: &mut Tx, territory: TerritoryId, name: &str, new_id: Uuid) -> Result<CareTeamId> {
    sqlx::query!(
        "INSERT INTO care_team (id, territory_id, name) VALUES ($1, $2, $3) ON CONFLICT (territory_id, name) DO NOTHING",
        new_id,
        territory.0,
        name
    )
    .execute(&mut **tx)
    .await?;
    let id = sqlx::query_scalar!(
        "SELECT id FROM care_team WHERE territory_id = $1 AND name = $2",
        territory.0,
        name
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(CareTeamId(id))
}

/// The care team of this name in any territory, and its territory.
pub async fn find_care_team(tx: &mut Tx, name: &str) -> Result<Option<(CareTeamId, TerritoryId)>> {
    let row = sqlx::query!(
        "SELECT id, territory_id FROM care_team WHERE name = $1 ORDER BY created_at LIMIT 1",
        name
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.map(|row| (CareTeamId(row.id), TerritoryId(row.territory_id))))
}

/// The names of all care teams, for messages that say what there is.
pub async fn care_team_names(tx: &mut Tx) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar!("SELECT name FROM care_team ORDER BY created_at").fetch_all(&mut **tx).await?)
}

/// Creates an account. A log-in that is taken is `Refused` with constraint `staff_login_key`.
pub async fn add_staff(tx: &mut Tx, staff: &NewStaff, teams: &[CareTeamId]) -> Result<()> {
    sqlx::query!(
        r#"
        INSERT INTO staff (id, territory_id, login, display_name, role, password_hash, locale)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        "#,
        staff.id.0,
        staff.territory.0,
        staff.login,
        staff.display_name,
        staff.role,
        staff.password_hash,
        staff.locale
    )
    .execute(&mut **tx)
    .await?;
    for team in teams {
        sqlx::query!(
            "INSERT INTO care_team_member (staff_id, care_team_id) VALUES ($1, $2)",
            staff.id.0,
            team.0
        )
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// Registers a patient. The database itself puts them under watch.
pub async fn add_patient(tx: &mut Tx, patient: &NewPatient) -> Result<()> {
    sqlx::query!(
        r#"
        INSERT INTO patient (id, territory_id, care_team_id, identifier, family_name, given_name, birth_date, sex, language,
                             time_zone, created_at)
        SELECT $1, t.territory_id, t.id, $3, $4, $5, $6, $7, $8, $9, $10 FROM care_team t WHERE t.id = $2
        "#,
        patient.id.0,
        patient.care_team.0,
        patient.identifier,
        patient.family_name,
        patient.given_name,
        patient.birth_date.to_sqlx() as _,
        patient.sex,
        patient.language,
        patient.time_zone,
        patient.watched_since.to_sqlx() as _
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Starts a care plan: its shipped rules become version 1 of the patient's own rules (those the patient
/// does not have yet), and the patient is queued for judgement.
pub async fn start_plan(
    tx: &mut Tx,
    patient: PatientId,
    plan: CarePlan,
    from: Timestamp,
    now: Timestamp,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO care_plan (patient_id, plan, started_at, recorded_at) VALUES ($1, $2, $3, $4)",
        patient.0,
        plan.code(),
        from.to_sqlx() as _,
        now.to_sqlx() as _
    )
    .execute(&mut **tx)
    .await?;
    for (rule, spec) in default_rules(plan) {
        let version = NewRuleVersion {
            rule,
            spec,
            valid_from: from,
            recorded_at: now,
            author_id: None,
            author: format!("care plan {}", plan.code()),
            reason: "shipped default of the care plan".into(),
        };
        add_rule_version(tx, patient, &version, true).await?;
    }
    sqlx::query!(
        "INSERT INTO judgement_queue (patient_id, since) VALUES ($1, $2)",
        patient.0,
        from.to_sqlx() as _
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// When the earliest of a patient's current care plans began; `None` without a plan.
pub async fn plan_began(tx: &mut Tx, patient: PatientId) -> Result<Option<Timestamp>> {
    let began = sqlx::query_scalar!(
        "SELECT min(started_at) FROM care_plan WHERE patient_id = $1 AND ended_at IS NULL",
        patient.0
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(began.map(|t| t.to_jiff()))
}

/// A version to add to a rule.
#[derive(Debug, Clone)]
pub struct NewRuleVersion {
    /// Which rule.
    pub rule: RuleId,
    /// What it does.
    pub spec: RuleSpec,
    /// From when on readings are judged by it.
    pub valid_from: Timestamp,
    /// Now.
    pub recorded_at: Timestamp,
    /// Who, as an account.
    pub author_id: Option<UserId>,
    /// Who, in words.
    pub author: String,
    /// Why.
    pub reason: String,
}

/// Adds the next version of a rule and returns its number. With `only_first`, a rule that exists is left
/// as it is (0). Two who add at the same moment: one is `Refused` with constraint `rule_version_pkey`.
pub async fn add_rule_version(
    tx: &mut Tx,
    patient: PatientId,
    new: &NewRuleVersion,
    only_first: bool,
) -> Result<i32> {
    let last = sqlx::query_scalar!(
        r#"SELECT coalesce(max(version), 0) AS "last!" FROM rule_version WHERE patient_id = $1 AND rule = $2"#,
        patient.0,
        new.rule.as_str()
    )
    .fetch_one(&mut **tx)
    .await?;
    if only_first && last > 0 {
        return Ok(0);
    }
    sqlx::query!(
        r#"
        INSERT INTO rule_version (patient_id, rule, version, valid_from, recorded_at, author_id, author, reason, spec)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        "#,
        patient.0,
        new.rule.as_str(),
        last + 1,
        new.valid_from.to_sqlx() as _,
        new.recorded_at.to_sqlx() as _,
        new.author_id.map(|a| a.0),
        new.author,
        new.reason,
        serde_json::to_value(&new.spec).map_err(Error::inconsistent)?
    )
    .execute(&mut **tx)
    .await?;
    Ok(last + 1)
}

/// Is there anything in this database yet? (The demo fills an empty one only.)
pub async fn is_empty(tx: &mut Tx) -> Result<bool> {
    Ok(sqlx::query_scalar!(r#"SELECT NOT EXISTS (SELECT FROM territory) AS "empty!""#)
        .fetch_one(&mut **tx)
        .await?)
}
