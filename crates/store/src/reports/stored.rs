//! Reports that were made, read back.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;
use vigie_vitals::PatientId;

use super::documents::{Format, format_of};
use super::{PracticeId, PracticeReportId, ReportId};
use crate::{Error, Result, Tx};

/// A document that there is of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentLine {
    /// `fr` or `en`.
    pub language: String,
    /// PDF or HTML.
    pub format: Format,
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// How many bytes.
    pub size: i64,
}

/// A report on a patient.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredReport {
    /// Id.
    pub id: ReportId,
    /// On whom.
    pub patient: PatientId,
    /// ISO week.
    pub week: String,
    /// Version, from 1.
    pub version: i32,
    /// Start of the week.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
    /// What it knows.
    pub known_at: Timestamp,
    /// Version of the software that made it.
    pub software: String,
    /// Version of the shipped rules.
    pub rules_version: String,
    /// Its content as canonical JSON; empty in a list.
    pub content: String,
    /// SHA-256 of the content.
    pub content_sha256: [u8; 32],
    /// What lists say of it.
    pub headline: serde_json::Value,
    /// The version that it corrects.
    pub correction_of: Option<i32>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its documents, by language and format.
    pub documents: Vec<DocumentLine>,
}

/// A practice's summary of a week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPracticeReport {
    /// Id.
    pub id: PracticeReportId,
    /// Whose.
    pub practice: PracticeId,
    /// ISO week.
    pub week: String,
    /// What it knows.
    pub known_at: Timestamp,
    /// Version of the software that made it.
    pub software: String,
    /// Its content as canonical JSON.
    pub content: String,
    /// SHA-256 of the content.
    pub content_sha256: [u8; 32],
    /// Who is named in it.
    pub patients: Vec<PatientId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its documents, by language and format.
    pub documents: Vec<DocumentLine>,
}

/// A document as it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDocument {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// SHA-256 of the bytes.
    pub sha256: [u8; 32],
}

/// What a practice's summary says of a patient.
#[derive(Debug, Clone, PartialEq)]
pub struct Headline {
    /// Whom the practice follows.
    pub patient: PatientId,
    /// The newest version that existed, with its headline; absent when no report could be made.
    pub report: Option<(ReportId, i32, serde_json::Value)>,
}

fn sha256_of(bytes: Vec<u8>) -> Result<[u8; 32]> {
    bytes.try_into().map_err(|_| Error::inconsistent("a SHA-256 that has not 32 bytes"))
}

/// A patient's report of a week: this version, or the newest.
pub async fn find(
    tx: &mut Tx,
    patient: PatientId,
    week: &str,
    version: Option<i32>,
) -> Result<Option<StoredReport>> {
    Ok(select(tx, None, Some(patient), Some(week), version, true, 1).await?.pop())
}

/// A report by its id.
pub async fn get(tx: &mut Tx, id: ReportId) -> Result<Option<StoredReport>> {
    Ok(select(tx, Some(id), None, None, None, true, 1).await?.pop())
}

/// All versions of all reports on a patient without their contents, newest week and version first, at most `most`.
pub async fn list(tx: &mut Tx, patient: PatientId, most: i64) -> Result<Vec<StoredReport>> {
    select(tx, None, Some(patient), None, None, false, most).await
}

async fn select(
    tx: &mut Tx,
    id: Option<ReportId>,
    patient: Option<PatientId>,
    week: Option<&str>,
    version: Option<i32>,
    whole: bool,
    most: i64,
) -> Result<Vec<StoredReport>> {
    let rows = sqlx::query!(
        r#"
        SELECT id, patient_id, week, version, from_at, to_at, known_at, software, rules_version,
               CASE WHEN $5 THEN content ELSE '' END AS "content!", content_sha256, headline, correction_of, created_at
        FROM report
        WHERE ($1::uuid IS NULL OR id = $1) AND ($2::uuid IS NULL OR patient_id = $2) AND ($3::text IS NULL OR week = $3)
          AND ($4::int IS NULL OR version = $4)
        ORDER BY from_at DESC, version DESC, id LIMIT $6
        "#,
        id.map(|id| id.0),
        patient.map(|p| p.0),
        week,
        version,
        whole,
        most
    )
    .fetch_all(&mut **tx)
    .await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let mut documents = lines(tx, &ids).await?;
    rows.into_iter()
        .map(|row| {
            Ok(StoredReport {
                id: ReportId(row.id),
                patient: PatientId(row.patient_id),
                week: row.week,
                version: row.version,
                from: row.from_at.to_jiff(),
                to: row.to_at.to_jiff(),
                known_at: row.known_at.to_jiff(),
                software: row.software,
                rules_version: row.rules_version,
                content: row.content,
                content_sha256: sha256_of(row.content_sha256)?,
                headline: row.headline,
                correction_of: row.correction_of,
                created_at: row.created_at.to_jiff(),
                documents: documents.remove(&row.id).unwrap_or_default(),
            })
        })
        .collect()
}

/// The documents of reports of either kind, without their bytes.
async fn lines(tx: &mut Tx, reports: &[Uuid]) -> Result<HashMap<Uuid, Vec<DocumentLine>>> {
    let rows = sqlx::query!(
        r#"
        SELECT report_id AS "id!", language AS "language!", format AS "format!", sha256 AS "sha256!",
               octet_length(bytes)::bigint AS "size!"
        FROM report_document WHERE report_id = ANY($1)
        UNION ALL
        SELECT practice_report_id, language, format, sha256, octet_length(bytes)::bigint
        FROM practice_report_document WHERE practice_report_id = ANY($1)
        ORDER BY 1, 2, 3
        "#,
        reports
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut documents: HashMap<Uuid, Vec<DocumentLine>> = HashMap::new();
    for row in rows {
        documents.entry(row.id).or_default().push(DocumentLine {
            language: row.language,
            format: format_of(&row.format)?,
            sha256: sha256_of(row.sha256)?,
            size: row.size,
        });
    }
    Ok(documents)
}

/// A document of a report on a patient.
pub async fn document(
    tx: &mut Tx,
    report: ReportId,
    language: &str,
    format: Format,
) -> Result<Option<StoredDocument>> {
    let row = sqlx::query!(
        "SELECT bytes, sha256 FROM report_document WHERE report_id = $1 AND language = $2 AND format = $3",
        report.0,
        language,
        format.as_str()
    )
    .fetch_optional(&mut **tx)
    .await?;
    row.map(|row| Ok(StoredDocument { bytes: row.bytes, sha256: sha256_of(row.sha256)? })).transpose()
}

/// A document of a practice's summary.
pub async fn practice_document(
    tx: &mut Tx,
    report: PracticeReportId,
    language: &str,
    format: Format,
) -> Result<Option<StoredDocument>> {
    let row = sqlx::query!(
        "SELECT bytes, sha256 FROM practice_report_document WHERE practice_report_id = $1 AND language = $2 AND format = $3",
        report.0,
        language,
        format.as_str()
    )
    .fetch_optional(&mut **tx)
    .await?;
    row.map(|row| Ok(StoredDocument { bytes: row.bytes, sha256: sha256_of(row.sha256)? })).transpose()
}

/// A practice's summary of a week, if one may see everybody who is named in it.
pub async fn find_practice(
    tx: &mut Tx,
    practice: PracticeId,
    week: &str,
) -> Result<Option<StoredPracticeReport>> {
    let row = sqlx::query!(
        r#"
        SELECT id, known_at, software, content, content_sha256, patients, created_at
        FROM practice_report WHERE practice_id = $1 AND week = $2
        "#,
        practice.0,
        week
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let documents = lines(tx, &[row.id]).await?.remove(&row.id).unwrap_or_default();
    Ok(Some(StoredPracticeReport {
        id: PracticeReportId(row.id),
        practice,
        week: week.to_owned(),
        known_at: row.known_at.to_jiff(),
        software: row.software,
        content: row.content,
        content_sha256: sha256_of(row.content_sha256)?,
        patients: row.patients.into_iter().map(PatientId).collect(),
        created_at: row.created_at.to_jiff(),
        documents,
    }))
}

/// What a practice's summary is made from: everybody whom it followed at `known_at` and who has a report of that week, or
/// should have one; of each the newest version that knows no more than `known_at`. By patient.
pub async fn headlines(
    tx: &mut Tx,
    practice: PracticeId,
    week: &str,
    known_at: Timestamp,
) -> Result<Vec<Headline>> {
    let rows = sqlx::query!(
        r#"
        SELECT DISTINCT ON (f.patient_id) f.patient_id, r.id AS "report_id?", r.version AS "version?", r.headline AS "headline?"
        FROM practice_patient f
        LEFT JOIN report r ON r.patient_id = f.patient_id AND r.week = $2 AND r.known_at <= $3
        WHERE f.practice_id = $1 AND f.since <= $3 AND (f.until IS NULL OR f.until > $3)
          AND (r.id IS NOT NULL OR EXISTS (SELECT FROM report_job j WHERE j.patient_id = f.patient_id AND j.week = $2))
        ORDER BY f.patient_id, r.version DESC
        "#,
        practice.0,
        week,
        known_at.to_sqlx() as _
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Headline {
            patient: PatientId(row.patient_id),
            report: match (row.report_id, row.version, row.headline) {
                (Some(id), Some(version), Some(headline)) => Some((ReportId(id), version, headline)),
                _ => None,
            },
        })
        .collect())
}
