//! The reports of a week as people look at them, and jobs that did not become one.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use vigie_vitals::PatientId;

use super::{PracticeId, ReportId};
use crate::Result;
use crate::Tx;

/// A patient's report of a week, or that there is none yet.
#[derive(Debug, Clone, PartialEq)]
pub struct WeekLine {
    /// Who.
    pub patient: PatientId,
    /// Surname.
    pub family_name: String,
    /// First name.
    pub given_name: String,
    /// The newest version; absent when none was made.
    pub report: Option<Made>,
    /// The last error, when it could not be made.
    pub error: Option<String>,
}

/// A report that was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// Id.
    pub id: ReportId,
    /// Version.
    pub version: i32,
    /// What it knows.
    pub known_at: Timestamp,
    /// What lists say of it.
    pub headline: serde_json::Value,
    /// Deliveries taken by a mail server, of this version.
    pub accepted: i64,
    /// All deliveries of this version, those that stand in for another one not counted.
    pub deliveries: i64,
    /// How many times staff opened this version.
    pub opened: i64,
}

/// Reports of a week on everybody whom one may see, by name; at most `most`. A patient without a job of that week is not
/// in it.
pub async fn of_week(tx: &mut Tx, week: &str, most: i64) -> Result<Vec<WeekLine>> {
    let rows = sqlx::query!(
        r#"
        SELECT p.id, p.family_name, p.given_name, r.id AS "report_id?", r.version AS "version?",
               r.known_at AS "known_at?", r.headline AS "headline?", j.last_error AS "error?",
               (SELECT count(*) FROM report_delivery d WHERE d.report_id = r.id AND d.state = 'accepted') AS "accepted!",
               (SELECT count(*) FROM report_delivery d WHERE d.report_id = r.id AND d.fallback_of IS NULL) AS "deliveries!",
               (SELECT count(*) FROM report_opening o WHERE o.report_id = r.id) AS "opened!"
        FROM patient p
        JOIN LATERAL (SELECT last_error FROM report_job j WHERE j.patient_id = p.id AND j.week = $1
                      ORDER BY j.version DESC LIMIT 1) j ON true
        LEFT JOIN LATERAL (SELECT * FROM report r WHERE r.patient_id = p.id AND r.week = $1
                           ORDER BY r.version DESC LIMIT 1) r ON true
        ORDER BY p.family_name, p.given_name, p.id LIMIT $2
        "#,
        week,
        most
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| WeekLine {
            patient: PatientId(row.id),
            family_name: row.family_name,
            given_name: row.given_name,
            report: match (row.report_id, row.version, row.known_at, row.headline) {
                (Some(id), Some(version), Some(known_at), Some(headline)) => Some(Made {
                    id: ReportId(id),
                    version,
                    known_at: known_at.to_jiff(),
                    headline,
                    accepted: row.accepted,
                    deliveries: row.deliveries,
                    opened: row.opened,
                }),
                _ => None,
            },
            error: row.error,
        })
        .collect())
}

/// Practices with a summary of a week that one may see, by name.
pub async fn summaries(tx: &mut Tx, week: &str) -> Result<Vec<(PracticeId, String)>> {
    let rows = sqlx::query!(
        r#"
        SELECT c.id, c.name FROM practice_report s JOIN practice c ON c.id = s.practice_id
        WHERE s.week = $1 ORDER BY c.name, c.id
        "#,
        week
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(|row| (PracticeId(row.id), row.name)).collect())
}

/// The newest weeks of which there are reports on patients whom one may see, newest first.
pub async fn weeks(tx: &mut Tx, since: Timestamp) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar!(
        "SELECT DISTINCT week FROM report WHERE to_at >= $1 ORDER BY week DESC",
        since.to_sqlx() as _
    )
    .fetch_all(&mut **tx)
    .await?)
}

/// Patients of a time zone on whose week there is something to report: registered before its end and on a care plan at
/// some time in it. By id.
pub async fn followed(tx: &mut Tx, zone: &str, from: Timestamp, to: Timestamp) -> Result<Vec<PatientId>> {
    let ids = sqlx::query_scalar!(
        r#"
        SELECT p.id FROM patient p
        WHERE p.time_zone = $1 AND p.created_at < $3
          AND EXISTS (SELECT FROM care_plan c
                      WHERE c.patient_id = p.id AND c.started_at < $3 AND (c.ended_at IS NULL OR c.ended_at > $2))
        ORDER BY p.id
        "#,
        zone,
        from.to_sqlx() as _,
        to.to_sqlx() as _
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(ids.into_iter().map(PatientId).collect())
}

/// The time zone of a patient; `None` when there is no such patient.
pub async fn zone_of(tx: &mut Tx, patient: PatientId) -> Result<Option<String>> {
    Ok(sqlx::query_scalar!("SELECT time_zone FROM patient WHERE id = $1", patient.0)
        .fetch_optional(&mut **tx)
        .await?)
}
