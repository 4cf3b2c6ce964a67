//! A typst template and data to a PDF that is archival (PDF/A-2a) and accessible (PDF/UA-1).
//!
//! The only user of typst; knows nothing medical. What it promises:
//! - the same template, job and version of this crate give the same bytes, in any process, at any time: the date and
//!   the identifier come from the job, there is no clock and no randomness;
//! - both standards are checked by typst while it writes: what does not conform is an error, not a document;
//! - a template reaches nothing but its data: no file, no package, no network, no environment;
//! - data are never read as markup: they arrive as strings, and strings of typst are text;
//! - a character that no font on board has is shown as the replacement character instead of failing the document
//!   (the archival standard forbids text without a glyph);
//! - memory stays flat: what typst remembers of a document is forgotten when the document is finished, or has failed.

mod legible;
mod world;

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;
use typst::World;
use typst::diag::SourceDiagnostic;
use typst::foundations::{Datetime, Smart};
use typst::syntax::Source;
use typst_layout::PagedDocument;
use typst_pdf::{PdfOptions, PdfStandard, PdfStandards};

pub use world::Typesetter;

/// What every template finds: `job` (title, author, language, pictures) and `data`, and the document's metadata set
/// from them.
const PRELUDE: &str = concat!(
    "#let job = json(\"/job.json\"); #let data = job.data; ",
    "#set document(title: job.title, author: job.author); #set text(lang: job.language)\n"
);

/// A document's typst source, parsed once.
#[derive(Debug, Clone)]
pub struct Template {
    name: &'static str,
    source: Source,
}

impl Template {
    /// Parses a template; `name` appears in errors.
    ///
    /// Within it, `data` is the job's data, `job.pictures` its pictures; title, author and language are set already.
    pub fn new(name: &'static str, source: &str) -> Self {
        Self { name, source: Source::detached(format!("{PRELUDE}{source}")) }
    }
}

/// One document to set.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// Its template.
    pub template: &'a Template,
    /// What the template shows. Strings are text, whatever they look like.
    pub data: &'a Value,
    /// SVG pictures: `image(bytes(job.pictures.at(0)), alt: ...)`. Their text is set in the fonts on board.
    pub pictures: &'a [String],
    /// Title: readers show it in place of the file name.
    pub title: &'a str,
    /// Author.
    pub author: &'a str,
    /// The program that made it, with its version.
    pub creator: &'a str,
    /// Language, `fr` or `en`: for hyphenation and for screen readers.
    pub language: &'a str,
    /// Names the document for ever; hashed into the file.
    pub identifier: &'a str,
    /// When it was made, as far as a reader is concerned.
    pub date: Timestamp,
}

/// A PDF, and what typst found fault with without refusing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pdf {
    /// The file.
    pub bytes: Vec<u8>,
    /// Faults in the template, such as a layout that does not settle. Empty, unless somebody has to look.
    pub warnings: Vec<String>,
}

/// Why there is no document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TypesetError {
    /// The template does not compile with these data.
    #[error("the template does not compile: {0}")]
    Template(Faults),
    /// The document would not conform to PDF/A-2a and PDF/UA-1.
    #[error("the document does not conform to PDF/A-2a and PDF/UA-1: {0}")]
    NotConformant(Faults),
    /// The date lies outside what a PDF can tell: years 0 to 9999.
    #[error("{0} is no date for a PDF")]
    Date(Timestamp),
}

/// Faults as typst tells them, each with the line of the template where it knows one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(pub Vec<String>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl Typesetter {
    /// Sets one document. Pure, on the calling thread: tens of milliseconds, so not for an async task.
    ///
    /// # Errors
    /// [`TypesetError`]: the template fails on these data, the result would not conform, or the date is none.
    pub fn pdf(&self, job: &Job<'_>) -> Result<Pdf, TypesetError> {
        let result = self.pdf_remembered(job);
        // After a failure as well: a failed document leaves as much behind.
        typst::comemo::evict(KEEP);
        result
    }

    fn pdf_remembered(&self, job: &Job<'_>) -> Result<Pdf, TypesetError> {
        let template = &job.template;
        let world = self.world(job);
        let compiled = typst::compile::<PagedDocument>(&world);
        let warnings = compiled.warnings.iter().map(|fault| told(fault, template, &world)).collect();
        let document =
            compiled.output.map_err(|faults| TypesetError::Template(told_all(&faults, template, &world)))?;
        let options = PdfOptions {
            ident: Smart::Custom(job.identifier.to_owned()),
            creator: Smart::Custom(Some(job.creator.to_owned())),
            timestamp: Some(typst_pdf::Timestamp::new_utc(date(job.date)?)),
            standards: PdfStandards::new(&[PdfStandard::A_2a, PdfStandard::Ua_1])
                .map_err(|fault| TypesetError::NotConformant(Faults(vec![fault.message().to_string()])))?,
            ..PdfOptions::default()
        };
        let bytes = typst_pdf::pdf(&document, &options)
            .map_err(|faults| TypesetError::NotConformant(told_all(&faults, template, &world)))?;
        Ok(Pdf { bytes, warnings })
    }
}

/// For how many documents without use typst's results are kept. Nothing of one report is worth keeping for the next:
/// keeping them for one, two or five documents gained no time and cost up to 10 MB (200 reports, measured).
const KEEP: usize = 0;

fn date(at: Timestamp) -> Result<Datetime, TypesetError> {
    let utc = TimeZone::UTC.to_datetime(at);
    let part = |number: i8| u8::try_from(number).ok();
    let parts = (|| {
        let (month, day) = (part(utc.month())?, part(utc.day())?);
        let (hour, minute, second) = (part(utc.hour())?, part(utc.minute())?, part(utc.second())?);
        Datetime::from_ymd_hms(i32::from(utc.year()), month, day, hour, minute, second)
    })();
    parts.filter(|_| utc.year() >= 0).ok_or(TypesetError::Date(at))
}

fn told_all(faults: &[SourceDiagnostic], template: &Template, world: &dyn World) -> Faults {
    Faults(faults.iter().map(|fault| told(fault, template, world)).collect())
}

/// `weekly, line 12: unknown variable: dta (hint: ...)`.
fn told(fault: &SourceDiagnostic, template: &Template, world: &dyn World) -> String {
    use typst::WorldExt;
    let place = world
        .range(fault.span)
        .and_then(|range| template.source.lines().byte_to_line(range.start))
        // The prelude is the first line, and lines are counted from nought.
        .map(|line| format!("{}, line {line}: ", template.name));
    let hints: String = fault.hints.iter().map(|hint| format!(" (hint: {})", hint.v)).collect();
    format!("{}{}{hints}", place.unwrap_or_default(), fault.message)
}
