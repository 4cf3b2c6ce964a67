//! Reports that were made: kept for ever, never changed; a correction is a new version.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;
use vigie_vitals::{PatientId, UserId};

use super::{PracticeId, PracticeReportId, ReportId, What};
use crate::{Error, Result, Tx};

pub use super::stored::{
    DocumentLine, Headline, StoredDocument, StoredPracticeReport, StoredReport, document, find,
    find_practice, get, headlines, list, practice_document,
};

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// PDF/A and PDF/UA.
    Pdf,
    /// A page.
    Html,
    /// The content itself, which every report has: its canonical JSON.
    Json,
}

impl Format {
    /// `pdf`, `html`, `json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pdf => "pdf",
            Self::Html => "html",
            Self::Json => "json",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Pdf, Self::Html, Self::Json].into_iter().find(|format| format.as_str() == text)
    }
}

pub(super) fn format_of(text: &str) -> Result<Format> {
    Format::parse(text).ok_or_else(|| Error::inconsistent(format!("format {text}")))
}

/// A document to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDocument {
    /// `fr` or `en`.
    pub language: String,
    /// PDF or HTML; the JSON is the report's content.
    pub format: Format,
    /// SHA-256 of `bytes`.
    pub sha256: [u8; 32],
    /// The document.
    pub bytes: Vec<u8>,
}

/// A report to keep.
#[derive(Debug, Clone, PartialEq)]
pub struct NewReport {
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
    /// Its content as canonical JSON.
    pub content: String,
    /// SHA-256 of `content`.
    pub content_sha256: [u8; 32],
    /// What lists and the practice's summary say of it.
    pub headline: serde_json::Value,
    /// The version that it corrects.
    pub correction_of: Option<i32>,
    /// Now.
    pub created_at: Timestamp,
    /// Its documents.
    pub documents: Vec<NewDocument>,
}

/// A practice's summary to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPracticeReport {
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
    /// SHA-256 of `content`.
    pub content_sha256: [u8; 32],
    /// Everybody who is named in it, never empty: it is shown to those only who may see all of them.
    pub patients: Vec<PatientId>,
    /// Now.
    pub created_at: Timestamp,
    /// Its documents.
    pub documents: Vec<NewDocument>,
}

/// Keeps reports with their documents. One that exists already is `Refused` with constraint
/// `report_patient_id_week_version_key`: nobody's work is overwritten.
pub async fn insert(tx: &mut Tx, reports: &[NewReport]) -> Result<()> {
    let times =
        |of: fn(&NewReport) -> Timestamp| -> Vec<_> { reports.iter().map(|r| of(r).to_sqlx()).collect() };
    let (from, to, known) = (times(|r| r.from), times(|r| r.to), times(|r| r.known_at));
    let created = times(|r| r.created_at);
    let texts =
        |of: fn(&NewReport) -> &str| -> Vec<String> { reports.iter().map(|r| of(r).to_owned()).collect() };
    let ids: Vec<Uuid> = reports.iter().map(|r| r.id.0).collect();
    let patients: Vec<Uuid> = reports.iter().map(|r| r.patient.0).collect();
    let versions: Vec<i32> = reports.iter().map(|r| r.version).collect();
    let hashes: Vec<Vec<u8>> = reports.iter().map(|r| r.content_sha256.to_vec()).collect();
    let headlines: Vec<serde_json::Value> = reports.iter().map(|r| r.headline.clone()).collect();
    let corrections: Vec<Option<i32>> = reports.iter().map(|r| r.correction_of).collect();
    sqlx::query!(
        r#"
        INSERT INTO report (id, patient_id, week, version, from_at, to_at, known_at, software, rules_version, content,
                            content_sha256, headline, correction_of, created_at)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::int[], $5::timestamptz[], $6::timestamptz[],
                             $7::timestamptz[], $8::text[], $9::text[], $10::text[], $11::bytea[], $12::jsonb[],
                             $13::int[], $14::timestamptz[])
        "#,
        &ids,
        &patients,
        &texts(|r| &r.week),
        &versions,
        &from as _,
        &to as _,
        &known as _,
        &texts(|r| &r.software),
        &texts(|r| &r.rules_version),
        &texts(|r| &r.content),
        &hashes,
        &headlines,
        &corrections as _,
        &created as _
    )
    .execute(&mut **tx)
    .await?;
    // One statement each: a batch of PDFs in one message would be held in memory several times.
    for report in reports {
        for document in &report.documents {
            sqlx::query!(
                r#"
                INSERT INTO report_document (report_id, patient_id, language, format, sha256, bytes)
                VALUES ($1, $2, $3, $4, $5, $6)
                "#,
                report.id.0,
                report.patient.0,
                document.language,
                document.format.as_str(),
                &document.sha256[..],
                &document.bytes
            )
            .execute(&mut **tx)
            .await?;
        }
    }
    Ok(())
}

/// Keeps a practice's summary. One that exists already is `Refused` with constraint `practice_report_practice_id_week_key`.
pub async fn insert_practice(tx: &mut Tx, report: &NewPracticeReport) -> Result<()> {
    let patients: Vec<Uuid> = report.patients.iter().map(|p| p.0).collect();
    sqlx::query!(
        r#"
        INSERT INTO practice_report (id, practice_id, week, known_at, software, content, content_sha256, patients, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        "#,
        report.id.0,
        report.practice.0,
        report.week,
        report.known_at.to_sqlx() as _,
        report.software,
        report.content,
        &report.content_sha256[..],
        &patients,
        report.created_at.to_sqlx() as _
    )
    .execute(&mut **tx)
    .await?;
    for document in &report.documents {
        sqlx::query!(
            r#"
            INSERT INTO practice_report_document (practice_report_id, language, format, sha256, bytes)
            VALUES ($1, $2, $3, $4, $5)
            "#,
            report.id.0,
            document.language,
            document.format.as_str(),
            &document.sha256[..],
            &document.bytes
        )
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// The languages in which the report on each of these patients is wanted: those of the practices that follow them, else
/// the patient's own.
pub async fn wanted_languages(
    tx: &mut Tx,
    patients: &[PatientId],
) -> Result<HashMap<PatientId, BTreeSet<String>>> {
    let ids: Vec<Uuid> = patients.iter().map(|p| p.0).collect();
    let rows = sqlx::query!(
        r#"
        SELECT p.id, p.language,
               ARRAY(SELECT DISTINCT c.locale FROM practice_patient f JOIN practice c ON c.id = f.practice_id
                     WHERE f.patient_id = p.id AND f.until IS NULL ORDER BY 1) AS "locales!"
        FROM patient p WHERE p.id = ANY($1)
        "#,
        &ids
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let locales: BTreeSet<String> = row.locales.into_iter().collect();
            let wanted = if locales.is_empty() { BTreeSet::from([row.language]) } else { locales };
            (PatientId(row.id), wanted)
        })
        .collect())
}

/// Notes that a member of staff opened a report or took it away. False: they may not see it, and nothing is noted.
pub async fn opened(
    tx: &mut Tx,
    report: What,
    staff: UserId,
    name: &str,
    format: Format,
    language: &str,
    at: Timestamp,
) -> Result<bool> {
    let noted = sqlx::query!(
        r#"
        INSERT INTO report_opening (report_id, patient_id, practice_report_id, at, staff_id, staff_name, format, language)
        SELECT id, patient_id, NULL::uuid, $3::timestamptz, $4::uuid, $5::text, $6::text, $7::text FROM report WHERE id = $1
        UNION ALL
        SELECT NULL, NULL, id, $3, $4, $5, $6, $7 FROM practice_report WHERE id = $2
        "#,
        report.report(),
        report.practice_report(),
        at.to_sqlx() as _,
        staff.0,
        name,
        format.as_str(),
        language
    )
    .execute(&mut **tx)
    .await?;
    Ok(noted.rows_affected() > 0)
}

/// Who opened a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// Which report.
    pub report: What,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub name: String,
    /// In which format,
    pub format: Format,
    /// and language.
    pub language: String,
}

/// Who opened the reports on a patient, newest first.
pub async fn openings(tx: &mut Tx, patient: PatientId, most: i64) -> Result<Vec<Opening>> {
    let rows = sqlx::query!(
        r#"
        SELECT report_id, practice_report_id, at, staff_name, format, language FROM report_opening
        WHERE patient_id = $1 ORDER BY at DESC, id DESC LIMIT $2
        "#,
        patient.0,
        most
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Opening {
                report: What::from_columns(row.report_id, row.practice_report_id)?,
                at: row.at.to_jiff(),
                name: row.staff_name,
                format: format_of(&row.format)?,
                language: row.language,
            })
        })
        .collect()
}
