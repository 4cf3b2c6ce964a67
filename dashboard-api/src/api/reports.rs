//! `/api/v1/patients/{id}/reports`, `/api/v1/practices`, `/api/v1/deliveries`, `/api/v1/activity`.

use std::collections::HashMap;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use vigie_charts::Locale;
use vigie_reports::delivery::address;
use vigie_reports::{activity, document};
use vigie_service::hexadecimal;
use vigie_store::patients;
use vigie_store::reports::activity::Whose;
use vigie_store::reports::deliveries::DeliveryLine;
use vigie_store::reports::documents::{self, Format, Opening, StoredReport};
use vigie_store::reports::{DeliveryId, PracticeId, What, deliveries, practices};
use vigie_vitals::PatientId;

use crate::access::guard::Caller;
use crate::api::extract::{Id, Json, Query, WeekName};
use crate::app::{App, commit};
use crate::problem::Problem;
use crate::reports::{self, Fetched, Wish};
use crate::text;

/// Two years of weekly reports with some corrections.
const REPORTS_MAX: i64 = 120;
const DELIVERIES_MAX: i64 = 500;

/// All versions of all reports on a patient, newest first, with who has them.
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<PatientId>,
) -> Result<Response, Problem> {
    let mut tx = app.begin_reading_as(caller.account.id).await?;
    patients::get(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    let found = documents::list(&mut tx, id, REPORTS_MAX).await?;
    let lines = deliveries::of_patient(&mut tx, id, DELIVERIES_MAX).await?;
    let openings = documents::openings(&mut tx, id, DELIVERIES_MAX).await?;
    caller.audit(&mut tx, &app, "reports.read", Some(id), "").await?;
    commit(tx).await?;
    let list: Vec<Value> = found.iter().map(|report| shape(report, &lines, &openings)).collect();
    Ok(Answer(json!({ "reports": list, "next": null })).into_response())
}

fn shape(report: &StoredReport, lines: &[DeliveryLine], openings: &[Opening]) -> Value {
    let what = What::Report(report.id);
    let documents: Vec<Value> = report
        .documents
        .iter()
        .map(|kept| {
            json!({ "language": kept.language, "format": kept.format.as_str(), "sha256": hexadecimal(&kept.sha256), "bytes": kept.size })
        })
        .collect();
    let delivered: Vec<Value> = lines.iter().filter(|line| line.what == what).map(delivery).collect();
    let opened: Vec<Value> = openings
        .iter()
        .filter(|opening| opening.report == what)
        .map(|opening| {
            json!({ "at": opening.at, "by": opening.name, "format": opening.format.as_str(), "language": opening.language })
        })
        .collect();
    json!({
        "week": report.week, "version": report.version, "from": report.from, "to": report.to, "known_at": report.known_at,
        "software": report.software, "rules_version": report.rules_version, "content_sha256": hexadecimal(&report.content_sha256),
        "correction_of": report.correction_of, "created_at": report.created_at, "documents": documents,
        "deliveries": delivered, "opened": opened,
    })
}

fn delivery(line: &DeliveryLine) -> Value {
    json!({
        "id": line.id, "patient_id": line.patient, "week": line.week, "version": line.version, "practice": line.practice_name,
        "address": line.address, "channel": line.channel.as_str(), "language": line.language, "state": line.state.as_str(),
        "attempts": line.attempts, "next_attempt_at": line.next_attempt_at, "accepted_at": line.accepted_at,
        "last_reply": line.last_reply, "fallback_of": line.fallback_of, "created_at": line.created_at,
    })
}

#[derive(Deserialize)]
pub(crate) struct Which {
    format: Option<String>,
    language: Option<String>,
    version: Option<i32>,
}

/// A week's report as PDF, HTML or JSON: what `?format=` says, else what `Accept` names, else JSON. `?language=` fr or en,
/// else as the pages choose it. `?version=` an earlier version.
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Id(id): Id<PatientId>,
    WeekName(week): WeekName,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    let format = wished_format(&which, &headers)?;
    let locale = match &which.language {
        Some(code) => Locale::of_code(code).ok_or_else(|| Problem::bad_request("language is fr or en"))?,
        None => text::of_request(&headers, Some(&caller.account.locale)).0,
    };
    let wish = Wish { week, version: which.version, locale, format };
    let fetched = reports::fetch(&app, &caller, id, wish).await?;
    let name =
        format!("vigie-{week}-{}-v{}-{}", plain(&fetched.identifier), fetched.version, reports::code(locale));
    Ok(document_response(fetched, format, &name))
}

fn wished_format(which: &Which, headers: &HeaderMap) -> Result<Format, Problem> {
    if let Some(text) = &which.format {
        return Format::parse(text).ok_or_else(|| Problem::bad_request("format is pdf, html or json"));
    }
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    let named = accepted.split(',').find_map(|item| match item.split(';').next().unwrap_or("").trim() {
        "application/pdf" => Some(Format::Pdf),
        "text/html" => Some(Format::Html),
        "application/json" => Some(Format::Json),
        _ => None,
    });
    Ok(named.unwrap_or(Format::Json))
}

/// A file name that no header and no file system minds.
fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-' || *c == '_').take(40).collect()
}

fn document_response(fetched: Fetched, format: Format, name: &str) -> Response {
    let (kind, ending) = match format {
        Format::Pdf => ("application/pdf", "pdf"),
        Format::Html => ("text/html; charset=utf-8", "html"),
        Format::Json => ("application/json", "json"),
    };
    let mut response = fetched.bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let texts = [
        (header::ETAG, format!("\"{}\"", hexadecimal(&fetched.sha256))),
        (header::HeaderName::from_static("x-content-sha256"), hexadecimal(&fetched.sha256)),
        (header::CONTENT_DISPOSITION, format!("inline; filename=\"{name}.{ending}\"")),
    ];
    for (header, text) in texts {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(header, value);
        }
    }
    if format == Format::Html
        && let Ok(value) = HeaderValue::from_str(&policy())
    {
        headers.insert(header::CONTENT_SECURITY_POLICY, value);
    }
    response
}

/// A report brings its own style sheet, known by its hash, and nothing else.
fn policy() -> String {
    use base64::Engine;
    let hash = base64::engine::general_purpose::STANDARD.encode(document::style_sha256());
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; frame-ancestors 'none'; base-uri 'none'"
    )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCorrection {
    reason: String,
}

/// Asks for a corrected version from all that is on record now.
pub(crate) async fn correct(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<PatientId>,
    WeekName(week): WeekName,
    Json(body): Json<NewCorrection>,
) -> Result<Response, Problem> {
    let version = reports::correct(&app, &caller, id, week, &body.reason).await?;
    Ok((StatusCode::ACCEPTED, Answer(json!({ "week": week, "version": version }))).into_response())
}

/// Reports that no address of their practice has taken although an attempt failed.
pub(crate) async fn undelivered(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    let mut tx = app.begin_reading_as(caller.account.id).await?;
    let lines = deliveries::undelivered(&mut tx, DELIVERIES_MAX).await?;
    let patients: Vec<PatientId> = lines.iter().filter_map(|line| line.patient).collect();
    caller.audit_each(&mut tx, &app, "deliveries.read", &patients).await?;
    commit(tx).await?;
    let list: Vec<Value> = lines.iter().map(delivery).collect();
    Ok(Answer(json!({ "deliveries": list, "next": null })).into_response())
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct Again {
    #[serde(default)]
    address: Option<String>,
}

/// Sends a report again, to the same or to another address.
pub(crate) async fn send_again(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<DeliveryId>,
    Json(body): Json<Again>,
) -> Result<Response, Problem> {
    let new = again(&app, &caller, id, body.address.as_deref()).await?;
    Ok((StatusCode::ACCEPTED, Answer(json!({ "id": new }))).into_response())
}

pub(crate) async fn again(
    app: &App,
    caller: &Caller,
    id: DeliveryId,
    address: Option<&str>,
) -> Result<DeliveryId, Problem> {
    let now = app.clock().now();
    let mut tx = app.begin_as(caller.account.id).await?;
    let line = deliveries::get(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    let address = address.map(str::trim).filter(|address| !address.is_empty());
    if let Some(address) = address {
        address::check(line.channel, address, &app.settings().mssante_domains).map_err(Problem::invalid)?;
    }
    let actor = (Some(caller.account.id), caller.account.display_name.as_str());
    let new = deliveries::send_again(&mut tx, id, now, actor, address).await?;
    let new = new.ok_or_else(|| Problem::conflict("it is on its way to that address already"))?;
    caller.audit(&mut tx, app, "report.send_again", line.patient, &new.to_string()).await?;
    commit(tx).await?;
    Ok(new)
}

/// Practices that follow patients whom one may see.
pub(crate) async fn practices(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    let mut tx = app.begin_reading_as(caller.account.id).await?;
    let found = practices::list(&mut tx).await?;
    caller.audit(&mut tx, &app, "practices.read", None, "").await?;
    commit(tx).await?;
    let list: Vec<Value> = found
        .iter()
        .map(|practice| {
            json!({ "id": practice.id, "name": practice.name, "channel": practice.channel.as_str(),
                    "address": practice.address, "fallback_address": practice.fallback_address, "language": practice.locale })
        })
        .collect();
    Ok(Answer(json!({ "practices": list, "next": null })).into_response())
}

/// A practice's summary of a week, for those who may see everybody in it.
pub(crate) async fn practice(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Id(id): Id<PracticeId>,
    WeekName(week): WeekName,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    let format = wished_format(&which, &headers)?;
    let now = app.clock().now();
    let mut tx = app.begin_reading_as(caller.account.id).await?;
    let found =
        documents::find_practice(&mut tx, id, &week.to_string()).await?.ok_or_else(Problem::not_found)?;
    let wanted = which.language.as_deref();
    let kept: HashMap<&str, Format> = found
        .documents
        .iter()
        .filter(|kept| kept.format == format)
        .map(|kept| (kept.language.as_str(), kept.format))
        .collect();
    // A summary is set in its practice's language only.
    let language = match wanted {
        Some(language) => Some(language),
        None => kept.keys().copied().min(),
    };
    let bytes = match (format, language) {
        (Format::Json, _) => Some(found.content.clone().into_bytes()),
        (Format::Pdf | Format::Html, Some(language)) => {
            documents::practice_document(&mut tx, found.id, language, format).await?.map(|kept| kept.bytes)
        }
        (Format::Pdf | Format::Html, None) => None,
    };
    let bytes = bytes.ok_or_else(Problem::not_found)?;
    let language = language.unwrap_or("fr");
    let name = &caller.account.display_name;
    documents::opened(&mut tx, What::Practice(found.id), caller.account.id, name, format, language, now)
        .await?;
    caller.audit_each(&mut tx, &app, "practice_report.read", &found.patients).await?;
    commit(tx).await?;
    let sha256 = sha2::Digest::finalize(sha2::Digest::chain_update(sha2::Sha256::default(), &bytes)).into();
    let fetched = Fetched { bytes, sha256, version: 1, identifier: id.to_string() };
    Ok(document_response(fetched, format, &format!("vigie-{week}-practice-{language}")))
}

#[derive(Deserialize)]
pub(crate) struct Month {
    month: String,
}

/// The activity and accounting extract of a month, `?month=2026-11`, as CSV: one's own patients.
pub(crate) async fn activity(
    State(app): State<App>,
    caller: Caller,
    Query(which): Query<Month>,
) -> Result<Response, Problem> {
    let month = activity::parse_month(&which.month)
        .ok_or_else(|| Problem::bad_request("month is written as in 2026-11"))?;
    let now = app.clock().now();
    let mut tx = app.begin_reading_as(caller.account.id).await?;
    let rows = activity::rows(&mut tx, month, Whose::Everybody, now).await?;
    let patients: Vec<PatientId> = rows.iter().map(|row| row.patient).collect();
    caller.audit_each(&mut tx, &app, "activity.read", &patients).await?;
    commit(tx).await?;
    let disposition = format!("attachment; filename=\"vigie-activity-{}.csv\"", which.month);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_str(&disposition).map_err(|_| Problem::internal())?),
    ];
    Ok((headers, activity::csv(&rows)).into_response())
}
