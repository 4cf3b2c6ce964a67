//! The report as a document: PDF (PDF/A-2a, PDF/UA-1) and HTML, in French or English. Pure: the same report and
//! language give the same bytes.
//!
//! A report is first put into words (`view`), once for both formats; the templates lay out and know nothing medical.
//! Texts come from outside as data and are text in the document, whatever they look like.

mod alerts;
mod glucose;
mod html;
mod numbers;
mod panels;
mod pictures;
mod practice;
mod record;
mod view;
mod writer;

use std::sync::LazyLock;

use sha2::{Digest, Sha256};
use vigie_charts::Locale;
use vigie_service::hexadecimal;
use vigie_typeset::{Job, Template, TypesetError, Typesetter};

use crate::content::Report;
use crate::content::practice::PracticeSummary;
use view::View;
use writer::Writer;

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The content cannot be written as JSON, so that it has no hash.
    #[error("the report's content cannot be serialised")]
    Content(#[from] serde_json::Error),
    /// The page cannot be written.
    #[error("the page cannot be written")]
    Html(#[from] askama::Error),
    /// Typst refused.
    #[error(transparent)]
    Typeset(#[from] TypesetError),
}

static TEMPLATE: LazyLock<Template> =
    LazyLock::new(|| Template::new("report", include_str!("../../templates/report.typ")));

/// The text of the only style element of [`html()`]: its hash goes into a Content-Security-Policy.
pub const STYLE: &str = html::STYLE;

/// SHA-256 of [`STYLE`], for `style-src 'sha256-…'` once it is written in base 64.
pub fn style_sha256() -> [u8; 32] {
    Sha256::digest(STYLE).into()
}

/// SHA-256 of a report's JSON: what the foot of each page shows the beginning of.
///
/// # Errors
/// When the content cannot be serialised.
pub fn content_sha256(report: &Report) -> Result<[u8; 32], serde_json::Error> {
    Ok(Sha256::digest(serde_json::to_vec(report)?).into())
}

/// The report as PDF/A-2a and PDF/UA-1. Tens of milliseconds on the calling thread.
///
/// # Errors
/// [`DocumentError`]: content without JSON, or a document that would not conform.
pub fn pdf(report: &Report, locale: Locale, typesetter: &Typesetter) -> Result<Vec<u8>, DocumentError> {
    let hash = hexadecimal(&content_sha256(report)?);
    let (view, pictures) = Writer::new(report, locale).view(&hash);
    let identifier = format!("{}/{}/{}/{}", report.patient.id, report.week, report.version, view.language);
    let sheet = Sheet { software: &report.software, identifier: &identifier, date: report.known_at };
    set(&view, &pictures, &sheet, typesetter)
}

/// The report as one self-contained page of HTML.
///
/// # Errors
/// [`DocumentError`]: content without JSON.
pub fn html(report: &Report, locale: Locale) -> Result<String, DocumentError> {
    let hash = hexadecimal(&content_sha256(report)?);
    let (view, pictures) = Writer::new(report, locale).view(&hash);
    Ok(html::page(&view, &pictures)?)
}

/// SHA-256 of a practice summary's JSON.
///
/// # Errors
/// When the content cannot be serialised.
pub fn practice_content_sha256(summary: &PracticeSummary) -> Result<[u8; 32], serde_json::Error> {
    Ok(Sha256::digest(serde_json::to_vec(summary)?).into())
}

/// The list of a practice as PDF/A-2a and PDF/UA-1; `identifier` names it for ever (the practice's id).
///
/// # Errors
/// [`DocumentError`]: content without JSON, or a document that would not conform.
pub fn practice_pdf(
    summary: &PracticeSummary,
    identifier: &str,
    locale: Locale,
    typesetter: &Typesetter,
) -> Result<Vec<u8>, DocumentError> {
    let view = practice::view(summary, locale, &hexadecimal(&practice_content_sha256(summary)?));
    let identifier = format!("{identifier}/{}/{}", summary.week, view.language);
    let sheet = Sheet { software: &summary.software, identifier: &identifier, date: practice::date(summary) };
    set(&view, &[], &sheet, typesetter)
}

/// The list of a practice as one self-contained page of HTML.
///
/// # Errors
/// [`DocumentError`]: content without JSON.
pub fn practice_html(summary: &PracticeSummary, locale: Locale) -> Result<String, DocumentError> {
    let view = practice::view(summary, locale, &hexadecimal(&practice_content_sha256(summary)?));
    Ok(html::page(&view, &[])?)
}

/// What a PDF says of itself beside its view.
struct Sheet<'a> {
    software: &'a str,
    identifier: &'a str,
    date: jiff::Timestamp,
}

fn set(
    view: &View,
    pictures: &[String],
    sheet: &Sheet<'_>,
    typesetter: &Typesetter,
) -> Result<Vec<u8>, DocumentError> {
    let pdf = typesetter.pdf(&Job {
        template: &TEMPLATE,
        data: &serde_json::to_value(view)?,
        pictures,
        title: &view.title,
        author: "Vigie",
        creator: sheet.software,
        language: view.language,
        identifier: sheet.identifier,
        date: sheet.date,
    })?;
    for warning in &pdf.warnings {
        tracing::warn!(%warning, "the template of reports is at fault");
    }
    Ok(pdf.bytes)
}
