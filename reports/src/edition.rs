//! A report with its documents: what is stored, written to files, or shown. Takes a core for tens of milliseconds per PDF, so
//! it belongs on a blocking thread.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};
use vigie_charts::Locale;
use vigie_store::Tx;
use vigie_store::reports::PracticeId;
use vigie_store::reports::documents::{self, Format, NewDocument, StoredReport};
use vigie_store::reports::record::WeekRecord;
use vigie_typeset::Typesetter;

use crate::content::practice::PracticeSummary;
use crate::content::{CorrectionOf, Options, Report, build};
use crate::document::{self, DocumentError};

/// `vigie 0.1.0`: named in each report, because another version may say the same thing in other bytes.
pub const SOFTWARE: &str = concat!("vigie ", env!("CARGO_PKG_VERSION"));

/// A report, its exact JSON, and its documents.
#[derive(Debug, Clone)]
pub struct Edition {
    /// What it says.
    pub report: Report,
    /// The same as canonical JSON.
    pub content: String,
    /// PDF and HTML in each language asked for.
    pub documents: Vec<NewDocument>,
}

/// Builds a report and sets it in these languages (`fr`, `en`; others are passed over).
///
/// # Errors
/// [`DocumentError`] when a document cannot be set; then there is no edition at all.
pub fn edition(
    record: &WeekRecord,
    options: &Options,
    languages: &BTreeSet<String>,
    typesetter: &Typesetter,
) -> Result<Edition, DocumentError> {
    let report = build(record, options);
    let content = serde_json::to_string(&report)?;
    let mut documents = Vec::new();
    for language in languages {
        let Some(locale) = Locale::of_code(language) else { continue };
        documents.push(kept(language, Format::Pdf, document::pdf(&report, locale, typesetter)?));
        documents.push(kept(language, Format::Html, document::html(&report, locale)?.into_bytes()));
    }
    Ok(Edition { report, content, documents })
}

/// How a stored report was built, so that it can be built again in another language: from the record as it was known to
/// it, the same content.
///
/// # Errors
/// The database's; `Inconsistent` when a stored report cannot be read back.
pub async fn options_again(tx: &mut Tx, stored: &StoredReport) -> vigie_store::Result<Options> {
    let report = read_back(stored)?;
    let mut options = Options {
        week: report.week,
        version: stored.version,
        software: SOFTWARE.to_owned(),
        correction: None,
    };
    if let (Some(said), Some(version)) = (report.correction, stored.correction_of) {
        let before = documents::find(tx, stored.patient, &stored.week, Some(version)).await?;
        let before =
            before.ok_or_else(|| vigie_store::Error::Inconsistent("a correction of nothing".to_owned()))?;
        let replaces = Box::new(read_back(&before)?);
        options.correction = Some(CorrectionOf { replaces, author: said.author, reason: said.reason });
    }
    Ok(options)
}

/// What a stored report says.
///
/// # Errors
/// `Inconsistent` when it cannot be read back.
pub fn read_back(stored: &StoredReport) -> vigie_store::Result<Report> {
    serde_json::from_str(&stored.content).map_err(|error| vigie_store::Error::Inconsistent(error.to_string()))
}

/// A practice's summary, its exact JSON, and its documents in one language.
///
/// # Errors
/// The same.
pub fn practice_edition(
    summary: &PracticeSummary,
    practice: PracticeId,
    language: &str,
    typesetter: &Typesetter,
) -> Result<(String, Vec<NewDocument>), DocumentError> {
    let content = serde_json::to_string(summary)?;
    let locale = Locale::of_code(language).unwrap_or_default();
    let pdf = document::practice_pdf(summary, &practice.to_string(), locale, typesetter)?;
    let html = document::practice_html(summary, locale)?.into_bytes();
    Ok((content, vec![kept(language, Format::Pdf, pdf), kept(language, Format::Html, html)]))
}

/// One document of a report in one language.
///
/// # Errors
/// The same.
pub fn one_document(
    report: &Report,
    locale: Locale,
    format: Format,
    typesetter: &Typesetter,
) -> Result<Vec<u8>, DocumentError> {
    Ok(match format {
        Format::Pdf => document::pdf(report, locale, typesetter)?,
        Format::Html => document::html(report, locale)?.into_bytes(),
        Format::Json => serde_json::to_vec(report)?,
    })
}

fn kept(language: &str, format: Format, bytes: Vec<u8>) -> NewDocument {
    NewDocument { language: language.to_owned(), format, sha256: Sha256::digest(&bytes).into(), bytes }
}
