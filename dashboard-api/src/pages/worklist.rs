//! The nurse's home page, its rows one by one, and the list of all patients.

use std::collections::HashMap;

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use vigie_store::alert_work::{self, Filter};
use vigie_store::worklist::flows;
use vigie_store::{patients, stream};
use vigie_vitals::PatientId;

use crate::access::guard::Caller;
use crate::api::extract::{Id, Query};
use crate::app::{App, commit};
use crate::pages::views::{PersonView, RowView, StandingView, When, person, row as row_view, standing, when};
use crate::pages::{Shell, html};
use crate::problem::Problem;
use crate::worklist::{Bucket, load};
use vigie_words::sentences::zone_of;

struct Section {
    code: &'static str,
    name: String,
    hint: String,
    empty: String,
    rows: Vec<RowView>,
}

#[derive(Template)]
#[template(path = "worklist.html")]
struct WorklistPage {
    shell: Shell,
    sections: Vec<Section>,
    zone_name: String,
    as_of: String,
}

#[derive(Template)]
#[template(path = "no_patients.html")]
struct NoPatientsPage {
    shell: Shell,
}

pub(crate) async fn home(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut shell = Shell::of(&app, &caller, &headers, "worklist.title", "/");
    if !shell.is_clinical() {
        return html(&NoPatientsPage { shell });
    }
    let now = shell.now;
    let mut tx = app.begin_reading_as(caller.account.id).await?;
    // The position first: what happens while the list is read is told again, never missed.
    shell.position = Some(stream::position(&mut tx).await?);
    let rows = load(&mut tx, None, now).await?;
    let patients: Vec<PatientId> = rows.iter().map(|row| row.patient.id).collect();
    caller.audit_each(&mut tx, &app, "worklist.read", &patients).await?;
    commit(tx).await?;
    let t = shell.t;
    let sections = Bucket::ALL
        .into_iter()
        .map(|bucket| {
            let code = bucket.code();
            let text = |part: &str| t.get(&format!("bucket.{code}.{part}")).to_owned();
            let rows = rows
                .iter()
                .filter(|row| row.bucket == bucket)
                .filter_map(|row| row_view(row, now, t))
                .collect();
            Section { code, name: text("name"), hint: text("hint"), empty: text("empty"), rows }
        })
        .collect();
    let as_of = shell.clock(&app.settings().time_zone);
    let zone_name = shell.zone_name(&app.settings().time_zone);
    html(&WorklistPage { shell, sections, zone_name, as_of })
}

#[derive(Template)]
#[template(path = "worklist_row.html")]
struct RowFragment {
    shell: Shell,
    row: RowView,
}

/// One row, rendered again; 204 when the patient has no open work any more.
pub(crate) async fn row(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Id(id): Id<PatientId>,
) -> Result<Response, Problem> {
    let shell = Shell::of(&app, &caller, &headers, "worklist.title", "/");
    let now = shell.now;
    let mut tx = app.begin_reading_as(caller.account.id).await?;
    patients::get(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    let rows = load(&mut tx, Some(id), now).await?;
    caller.audit(&mut tx, &app, "worklist.read", Some(id), "live").await?;
    commit(tx).await?;
    match rows.first().and_then(|row| row_view(row, now, shell.t)) {
        Some(row) => html(&RowFragment { shell, row }),
        None => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

struct PatientLine {
    person: PersonView,
    standing: StandingView,
    last: Option<When>,
}

#[derive(Template)]
#[template(path = "patients.html")]
struct PatientsPage {
    shell: Shell,
    search: String,
    lines: Vec<PatientLine>,
    complete: usize,
    missing: usize,
    cut: bool,
}

#[derive(Deserialize)]
pub(crate) struct Search {
    #[serde(default)]
    search: String,
}

/// On one page; beyond that, people search.
const PATIENTS_MAX: i64 = 300;

pub(crate) async fn all_patients(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Query(query): Query<Search>,
) -> Result<Response, Problem> {
    let shell = Shell::of(&app, &caller, &headers, "patients.title", "/patients");
    let (now, t) = (shell.now, shell.t);
    let search = query.search.trim().to_owned();
    let mut tx = app.begin_reading_as(caller.account.id).await?;
    let wanted = (!search.is_empty()).then_some(search.as_str());
    let found = patients::list(&mut tx, wanted, None, None, PATIENTS_MAX).await?;
    let ids: Vec<PatientId> = found.iter().map(|patient| patient.id).collect();
    let flows = flows(&mut tx, &ids, now).await?;
    let mut open: HashMap<PatientId, usize> = HashMap::new();
    for alert in alert_work::list(&mut tx, Filter { unresolved: true, ..Filter::default() }, 5_000).await? {
        *open.entry(alert.patient).or_default() += 1;
    }
    caller.audit_each(&mut tx, &app, "patients.read", &ids).await?;
    commit(tx).await?;
    let lines: Vec<PatientLine> = found
        .iter()
        .map(|patient| {
            let flow = flows.get(&patient.id).cloned().unwrap_or_default();
            let zone = zone_of(&patient.time_zone);
            let alerts = open.get(&patient.id).copied().unwrap_or(0);
            PatientLine {
                person: person(patient, now, t),
                standing: standing(&flow.completeness(now), alerts, &zone, now, t),
                last: flow.newest().map(|at| when(at, &zone, now, t)),
            }
        })
        .collect();
    let count = |code: &str| lines.iter().filter(|line| line.standing.code == code).count();
    let (complete, missing) = (count("complete"), count("missing"));
    let cut = i64::try_from(lines.len()).is_ok_and(|n| n >= PATIENTS_MAX);
    html(&PatientsPage { shell, search, lines, complete, missing, cut })
}
