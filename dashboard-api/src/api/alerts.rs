//! `/api/v1/alerts`.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use vigie_store::alert_work::{self, Alert, Filter};
use vigie_vitals::{AlertId, AlertState, PatientId, UserId};

use crate::access::guard::Caller;
use crate::api::extract::{Id, Json, Query};
use crate::api::{cursor, shapes};
use crate::app::{App, commit};
use crate::problem::Problem;
use crate::text;
use crate::work::{self, Act, Action};

const PAGE: i64 = 100;
/// Breaches told with an alert in a list, and with one alert.
const BREACHES_IN_LIST: i64 = 20;
const BREACHES: i64 = 500;
const HISTORY: i64 = 500;

#[derive(Deserialize)]
pub(crate) struct Which {
    state: Option<String>,
    patient: Option<PatientId>,
    cursor: Option<String>,
}

/// Newest first; without `state`, those in every state.
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    let state = which.state.as_deref().map(parse_state).transpose()?;
    let before = match &which.cursor {
        Some(sealed) => {
            let [at, id] = cursor::open::<2>(sealed)?;
            Some((cursor::part(&at)?, cursor::part(&id)?))
        }
        None => None,
    };
    let filter = Filter { state, patient: which.patient, before, ..Filter::default() };
    let mut tx = app.begin_reading_as(caller.account.id).await?;
    let alerts = alert_work::list(&mut tx, filter, PAGE).await?;
    let ids: Vec<AlertId> = alerts.iter().map(|alert| alert.id).collect();
    let breaches = alert_work::breaches(&mut tx, &ids, BREACHES_IN_LIST).await?;
    let mut patients: Vec<PatientId> = alerts.iter().map(|alert| alert.patient).collect();
    patients.sort_unstable();
    patients.dedup();
    caller.audit_each(&mut tx, &app, "alerts.read", &patients).await?;
    commit(tx).await?;
    let full = i64::try_from(alerts.len()).is_ok_and(|n| n >= PAGE);
    let next = alerts
        .last()
        .filter(|_| full)
        .map(|last| cursor::seal(&[&last.opened_at.to_string(), &last.id.to_string()]));
    let (now, texts) = (app.clock().now(), text::of_programs(&headers));
    let list: Vec<Value> = alerts
        .iter()
        .map(|alert| shapes::alert(alert, breaches.get(&alert.id).map_or(&[], Vec::as_slice), now, texts))
        .collect();
    Ok(Answer(json!({ "alerts": list, "next": next })).into_response())
}

fn parse_state(text: &str) -> Result<AlertState, Problem> {
    [AlertState::Open, AlertState::Acknowledged, AlertState::Resolved]
        .into_iter()
        .find(|state| state.as_str() == text)
        .ok_or_else(|| Problem::bad_request("state is open, acknowledged or resolved"))
}

pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Id(id): Id<AlertId>,
) -> Result<Response, Problem> {
    let mut tx = app.begin_reading_as(caller.account.id).await?;
    let alert = alert_work::get(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    let breaches = alert_work::breaches(&mut tx, &[id], BREACHES).await?.remove(&id).unwrap_or_default();
    let history = alert_work::history(&mut tx, id, HISTORY).await?;
    caller.audit(&mut tx, &app, "alert.read", Some(alert.patient), &id.to_string()).await?;
    commit(tx).await?;
    let mut body = shapes::alert(&alert, &breaches, app.clock().now(), text::of_programs(&headers));
    let history: Vec<Value> = history
        .into_iter()
        .map(|entry| json!({ "at": entry.at, "kind": entry.kind, "actor": entry.actor, "detail": entry.detail }))
        .collect();
    if let Some(object) = body.as_object_mut() {
        object.insert("history".into(), history.into());
    }
    Ok(Answer(body).into_response())
}

async fn act(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    id: AlertId,
    act: Act,
) -> Result<Response, Problem> {
    let alert: Alert = work::act(app, caller, id, &act).await?;
    let texts = text::of_programs(headers);
    Ok(Answer(shapes::alert(&alert, &[], app.clock().now(), texts)).into_response())
}

/// `?seen=3`: the alert's `readings_total` when it was looked at. With more breaches on it by now the answer
/// is 409; without it, what is there is acted upon.
#[derive(Deserialize)]
pub(crate) struct Seen {
    seen: Option<i64>,
}

pub(crate) async fn acknowledge(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Id(id): Id<AlertId>,
    Query(seen): Query<Seen>,
) -> Result<Response, Problem> {
    act(&app, &caller, &headers, id, Act { action: Action::Acknowledge, seen: seen.seen }).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resolution {
    outcome: String,
    #[serde(default)]
    comment: String,
}

pub(crate) async fn resolve(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Id(id): Id<AlertId>,
    Query(seen): Query<Seen>,
    Json(body): Json<Resolution>,
) -> Result<Response, Problem> {
    let action = Action::Resolve { outcome: body.outcome, comment: body.comment };
    act(&app, &caller, &headers, id, Act { action, seen: seen.seen }).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Remark {
    text: String,
}

pub(crate) async fn comment(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Id(id): Id<AlertId>,
    Json(body): Json<Remark>,
) -> Result<Response, Problem> {
    act(&app, &caller, &headers, id, Act { action: Action::Comment { text: body.text }, seen: None }).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Assignment {
    /// Absent: to oneself.
    #[serde(default)]
    to: Option<UserId>,
}

pub(crate) async fn assign(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Id(id): Id<AlertId>,
    Json(body): Json<Assignment>,
) -> Result<Response, Problem> {
    act(&app, &caller, &headers, id, Act { action: Action::Assign { to: body.to }, seen: None }).await
}
