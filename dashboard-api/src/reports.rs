//! Weekly reports for staff: what was stored, as it was stored; what was not, made now from the same record.

use std::sync::Arc;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use vigie_charts::Locale;
use vigie_reports::content::{Options, Report, Week, build, wanted};
use vigie_reports::edition::{SOFTWARE, one_document, options_again};
use vigie_store::reports::documents::{self, Format, StoredReport};
use vigie_store::reports::record::load;
use vigie_store::reports::{What, jobs};
use vigie_store::{Tx, patients};
use vigie_vitals::PatientId;
use vigie_words::sentences::zone_of;

use crate::access::guard::Caller;
use crate::app::{App, commit};
use crate::problem::Problem;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    pub(crate) week: Week,
    /// The newest when absent.
    pub(crate) version: Option<i32>,
    pub(crate) locale: Locale,
    pub(crate) format: Format,
}

/// A document to hand out.
pub(crate) struct Fetched {
    pub(crate) bytes: Vec<u8>,
    pub(crate) sha256: [u8; 32],
    pub(crate) version: i32,
    /// The patient's own number, for a file name that names nobody.
    pub(crate) identifier: String,
}

/// Who asks for a report reads a patient's data, and opens a report: both are noted in the transaction that reads.
///
/// A stored document is given as it was stored. A language in which none was stored is set now, from the record as it was
/// known to that version: the same content. A week without a report (not over yet, or not made yet) is made now and not
/// stored; while the week runs it says that it is provisional.
pub(crate) async fn fetch(app: &App, caller: &Caller, id: PatientId, wish: Wish) -> Result<Fetched, Problem> {
    let now = app.clock().now();
    let mut tx = app.begin_reading_as(caller.account.id).await?;
    let patient = patients::get(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    let week = wish.week.to_string();
    let language = code(wish.locale);
    let stored = documents::find(&mut tx, id, &week, wish.version).await?;
    if stored.is_none() && wish.version.is_some() {
        return Err(Problem::not_found());
    }
    let mut whole = None;
    if let Some(report) = &stored {
        whole = match wish.format {
            Format::Json => Some(report.content.clone().into_bytes()),
            Format::Pdf | Format::Html => {
                documents::document(&mut tx, report.id, language, wish.format).await?.map(|kept| kept.bytes)
            }
        };
        let name = &caller.account.display_name;
        let what = What::Report(report.id);
        documents::opened(&mut tx, what, caller.account.id, name, wish.format, language, now).await?;
    }
    let report = match whole {
        Some(_) => None,
        None => Some(rebuilt(&mut tx, app, &patient, wish.week, stored.as_ref(), now).await?),
    };
    let detail = format!("{week} {} {language}", wish.format.as_str());
    caller.audit(&mut tx, app, "report.read", Some(id), &detail).await?;
    commit(tx).await?;
    let version = stored.as_ref().map_or(1, |stored| stored.version);
    let bytes = match (whole, report) {
        (Some(bytes), _) => bytes,
        (None, Some(report)) => set(app, report, wish.locale, wish.format).await?,
        (None, None) => return Err(Problem::internal()),
    };
    Ok(Fetched { sha256: Sha256::digest(&bytes).into(), bytes, version, identifier: patient.identifier })
}

/// The content of a report from the record, as it was known when the stored version was made, or would be made.
async fn rebuilt(
    tx: &mut Tx,
    app: &App,
    patient: &patients::Patient,
    week: Week,
    stored: Option<&StoredReport>,
    now: Timestamp,
) -> Result<Report, Problem> {
    let zone = zone_of(&patient.time_zone);
    if stored.is_none() && week.start(&zone) > now {
        return Err(Problem::not_found());
    }
    let known_at = stored.map_or_else(|| app.settings().schedule.known_at(week, &zone, now), |s| s.known_at);
    let record = load(tx, &[wanted(patient.id, week, &zone, known_at)]).await?.pop();
    let record = record.ok_or_else(Problem::not_found)?;
    if record.patient.watched_since >= week.end(&zone) {
        return Err(Problem::not_found());
    }
    let options = match stored {
        Some(stored) => options_again(tx, stored).await?,
        None => Options { week, version: 1, software: SOFTWARE.to_owned(), correction: None },
    };
    Ok(build(&record, &options))
}

async fn set(app: &App, report: Report, locale: Locale, format: Format) -> Result<Vec<u8>, Problem> {
    let _turn = app.renders().acquire().await.map_err(|_| Problem::internal())?;
    let typesetter = Arc::clone(app.typesetter());
    let task = tokio::task::spawn_blocking(move || one_document(&report, locale, format, &typesetter));
    match task.await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => {
            tracing::error!(error = %vigie_service::chain(&error), "a report could not be set");
            Err(Problem::internal())
        }
        Err(error) => {
            tracing::error!(%error, "setting a report ended badly");
            Err(Problem::internal())
        }
    }
}

/// `fr`, `en`.
pub(crate) fn code(locale: Locale) -> &'static str {
    locale.pick("fr", "en")
}

/// Longest reason of a correction, as for a limit.
const REASON_MAX: usize = 1_000;

/// Asks for a corrected version: made by the reports role from all that is on record by now. Returns its number.
pub(crate) async fn correct(
    app: &App,
    caller: &Caller,
    id: PatientId,
    week: Week,
    reason: &str,
) -> Result<i32, Problem> {
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON_MAX {
        return Err(Problem::invalid(format!("a reason of 1 to {REASON_MAX} characters is needed")));
    }
    let now = app.clock().now();
    let mut tx = app.begin_as(caller.account.id).await?;
    let patient = patients::get(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    let zone = zone_of(&patient.time_zone);
    if week.end(&zone) > now {
        return Err(Problem::conflict("the week is not over: its report is still to come"));
    }
    documents::find(&mut tx, id, &week.to_string(), None).await?.ok_or_else(Problem::not_found)?;
    let requester = (Some(caller.account.id), caller.account.display_name.as_str());
    let name = week.to_string();
    let (from, to) = (week.start(&zone), week.end(&zone));
    let version = jobs::request(&mut tx, id, &name, from, to, now, requester, reason).await?;
    caller.audit(&mut tx, app, "report.correct", Some(id), &format!("{week} version {version}")).await?;
    commit(tx).await?;
    Ok(version)
}
