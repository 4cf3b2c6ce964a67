//! Weekly reports: what the week brought for whom, who has it, what did not get through.

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use vigie_reports::content::Week;
use vigie_service::hexadecimal;
use vigie_store::Tx;
use vigie_store::reports::deliveries::{self, DeliveryLine};
use vigie_store::reports::documents::{self, Opening, StoredReport};
use vigie_store::reports::week_pages::{self, WeekLine};
use vigie_store::reports::{DeliveryId, What};
use vigie_vitals::PatientId;
use vigie_words::values as words;

use crate::access::guard::Caller;
use crate::api;
use crate::api::extract::{Form, Id, Query, WeekName};
use crate::app::{App, commit};
use crate::pages::{Shell, html, is_local};
use crate::problem::Problem;
use crate::reports;
use crate::text::Texts;

const PATIENTS_MAX: i64 = 2_000;
const UNDELIVERED_MAX: i64 = 100;
/// Weeks offered for choice.
const WEEKS_SHOWN: SignedDuration = SignedDuration::from_hours(24 * 7 * 12);
/// Reports on a patient's page.
const REPORTS_MAX: i64 = 12;
const LINES_MAX: i64 = 200;

/// A patient's line.
struct Line {
    patient: PatientId,
    name: String,
    version: Option<i32>,
    reason: String,
    delivered: String,
    opened: i64,
    failed: bool,
}

struct Undelivered {
    id: DeliveryId,
    patient: Option<PatientId>,
    week: String,
    practice: String,
    address: String,
    state: String,
    reply: String,
    attempts: String,
    again: Option<String>,
}

#[derive(Template)]
#[template(path = "reports.html")]
struct ReportsPage {
    shell: Shell,
    week: String,
    days: String,
    weeks: Vec<(String, bool)>,
    lines: Vec<Line>,
    summaries: Vec<(String, String)>,
    undelivered: Vec<Undelivered>,
}

#[derive(Deserialize)]
pub(crate) struct Choice {
    week: Option<Week>,
}

/// The reports of a week; the last one that is over, unless another is asked for.
pub(crate) async fn overview(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Query(choice): Query<Choice>,
) -> Result<Response, Problem> {
    let zone = app.settings().time_zone.clone();
    let mut shell = Shell::of(&app, &caller, &headers, "reports.title", "/reports");
    let (now, t) = (shell.now, shell.t);
    let week = choice.week.unwrap_or_else(|| Week::at(now, &zone).plus(-1));
    let mut tx = app.begin_reading_as(caller.account.id).await?;
    let found = week_pages::of_week(&mut tx, &week.to_string(), PATIENTS_MAX).await?;
    let summaries = week_pages::summaries(&mut tx, &week.to_string()).await?;
    let weeks = week_pages::weeks(&mut tx, now - WEEKS_SHOWN).await?;
    let undelivered = deliveries::undelivered(&mut tx, UNDELIVERED_MAX).await?;
    let patients: Vec<PatientId> = found.iter().map(|line| line.patient).collect();
    caller.audit_each(&mut tx, &app, "reports.read", &patients).await?;
    commit(tx).await?;
    let name = week.to_string();
    shell.here = format!("/reports?week={name}");
    let page = ReportsPage {
        days: days(week, t),
        weeks: weeks.into_iter().map(|offered| (offered.clone(), offered == name)).collect(),
        lines: found.iter().map(|line| row(line, t)).collect(),
        summaries: summaries.into_iter().map(|(id, practice)| (id.to_string(), practice)).collect(),
        undelivered: undelivered.iter().map(|line| undelivered_row(line, &zone, now, t)).collect(),
        week: name,
        shell,
    };
    html(&page)
}

/// `du 16 nov. au 22 nov. 2026`.
fn days(week: Week, t: Texts) -> String {
    let last = week.plus(1).monday().yesterday().unwrap_or(week.monday());
    t.fill("reports.days", &[("from", &words::day(week.monday(), t)), ("to", &words::day(last, t))])
}

fn row(line: &WeekLine, t: Texts) -> Line {
    let name = format!("{} {}", line.family_name.to_uppercase(), line.given_name);
    let Some(made) = &line.report else {
        let failed = line.error.is_some();
        let reason = t.get(if failed { "reports.failed" } else { "reports.to_come" }).to_owned();
        return Line {
            patient: line.patient,
            name,
            version: None,
            reason,
            delivered: String::new(),
            opened: 0,
            failed,
        };
    };
    let reason = made.headline.pointer(&format!("/reason/{}", t.code())).and_then(|reason| reason.as_str());
    let delivered = match (made.deliveries, made.accepted) {
        (0, _) => t.get("reports.nobody").to_owned(),
        (all, accepted) => t.fill("reports.accepted", &[("n", &accepted.min(all)), ("all", &all)]),
    };
    Line {
        patient: line.patient,
        name,
        version: Some(made.version),
        reason: reason.unwrap_or_default().to_owned(),
        delivered,
        opened: made.opened,
        failed: false,
    }
}

fn undelivered_row(line: &DeliveryLine, zone: &TimeZone, now: Timestamp, t: Texts) -> Undelivered {
    Undelivered {
        id: line.id,
        patient: line.patient,
        week: line.week.clone(),
        practice: line.practice_name.clone(),
        address: line.address.clone(),
        state: state(line, t),
        reply: line.last_reply.clone().unwrap_or_default(),
        attempts: t.count("count.attempts", line.attempts),
        again: line
            .next_attempt_at
            .map(|at| t.with("reports.again_at", "at", words::moment(at, zone, now, t))),
    }
}

fn state(line: &DeliveryLine, t: Texts) -> String {
    t.get(&format!("delivery.{}", line.state.as_str())).to_owned()
}

/// A report on a patient's page.
pub(crate) struct ReportRow {
    pub(crate) week: String,
    pub(crate) days: String,
    pub(crate) version: i32,
    pub(crate) newest: bool,
    pub(crate) known: String,
    pub(crate) hash: String,
    pub(crate) deliveries: Vec<String>,
    pub(crate) opened: Vec<String>,
}

/// Reports with who has them, as they stand on the patient's page.
pub(crate) struct OnPage {
    reports: Vec<StoredReport>,
    deliveries: Vec<DeliveryLine>,
    openings: Vec<Opening>,
}

pub(crate) async fn on_page(tx: &mut Tx, patient: PatientId) -> Result<OnPage, Problem> {
    Ok(OnPage {
        reports: documents::list(tx, patient, REPORTS_MAX).await?,
        deliveries: deliveries::of_patient(tx, patient, LINES_MAX).await?,
        openings: documents::openings(tx, patient, LINES_MAX).await?,
    })
}

impl OnPage {
    pub(crate) fn rows(&self, zone: &TimeZone, now: Timestamp, t: Texts) -> Vec<ReportRow> {
        self.reports.iter().enumerate().map(|(place, report)| self.row(place, report, zone, now, t)).collect()
    }

    fn row(
        &self,
        place: usize,
        report: &StoredReport,
        zone: &TimeZone,
        now: Timestamp,
        t: Texts,
    ) -> ReportRow {
        let what = What::Report(report.id);
        let moment = |at| words::moment(at, zone, now, t);
        let deliveries = self.deliveries.iter().filter(|line| line.what == what).map(|line| {
            let mut text = format!("{} : {}", line.practice_name, state(line, t));
            if let Some(at) = line.accepted_at {
                text = format!("{text} {}", moment(at));
            }
            text
        });
        let openings = self.openings.iter().filter(|opening| opening.report == what);
        ReportRow {
            week: report.week.clone(),
            days: report.week.parse().map(|week| days(week, t)).unwrap_or_default(),
            version: report.version,
            // Newest first: the first of a week is its newest.
            newest: place == 0 || self.reports.get(place - 1).is_none_or(|before| before.week != report.week),
            known: moment(report.known_at),
            hash: hexadecimal(&report.content_sha256).chars().take(12).collect(),
            deliveries: deliveries.collect(),
            opened: openings.map(|opening| format!("{}, {}", opening.name, moment(opening.at))).collect(),
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct Correction {
    reason: String,
    #[serde(default)]
    back: String,
}

pub(crate) async fn correct(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<PatientId>,
    WeekName(week): WeekName,
    Form(form): Form<Correction>,
) -> Result<Response, Problem> {
    reports::correct(&app, &caller, id, week, &form.reason).await?;
    let to = if is_local(&form.back) { form.back } else { format!("/patients/{id}#reports") };
    Ok(Redirect::to(&to).into_response())
}

#[derive(Deserialize)]
pub(crate) struct Again {
    #[serde(default)]
    address: String,
    #[serde(default)]
    back: String,
}

pub(crate) async fn send_again(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<DeliveryId>,
    Form(form): Form<Again>,
) -> Result<Response, Problem> {
    api::reports::again(&app, &caller, id, Some(&form.address)).await?;
    let to = if is_local(&form.back) { form.back } else { "/reports".to_owned() };
    Ok(Redirect::to(&to).into_response())
}
