//! The same acts as in the API, as plain forms that work without scripts. Afterwards the browser is sent
//! back to where it was, so that reloading repeats nothing.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::civil::DateTime;
use serde::Deserialize;
use vigie_store::{patients, rules};
use vigie_vitals::{AlertId, PatientId, UserId};

use crate::access::guard::Caller;
use crate::api::extract::{Form, Id, RuleName};
use crate::app::{App, commit};
use crate::pages::is_local;
use crate::problem::Problem;
use crate::work::{self, Act, Action, Prescription};
use vigie_words::rules as rule_words;
use vigie_words::sentences::zone_of;

#[derive(Deserialize)]
pub(crate) struct Acknowledgement {
    seen: Option<i64>,
    #[serde(default)]
    back: String,
}

/// Back to where the form was, or to the patient.
fn go_back(back: &str, patient: PatientId) -> Response {
    let to = if is_local(back) { back.to_owned() } else { format!("/patients/{patient}") };
    Redirect::to(&to).into_response()
}

pub(crate) async fn acknowledge(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<AlertId>,
    Form(form): Form<Acknowledgement>,
) -> Result<Response, Problem> {
    let alert = work::act(&app, &caller, id, &Act { action: Action::Acknowledge, seen: form.seen }).await?;
    Ok(go_back(&form.back, alert.patient))
}

#[derive(Deserialize)]
pub(crate) struct Resolution {
    outcome: String,
    seen: Option<i64>,
    #[serde(default)]
    comment: String,
    #[serde(default)]
    back: String,
}

pub(crate) async fn resolve(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<AlertId>,
    Form(form): Form<Resolution>,
) -> Result<Response, Problem> {
    let action = Action::Resolve { outcome: form.outcome, comment: form.comment };
    let alert = work::act(&app, &caller, id, &Act { action, seen: form.seen }).await?;
    Ok(go_back(&form.back, alert.patient))
}

#[derive(Deserialize)]
pub(crate) struct Remark {
    text: String,
    #[serde(default)]
    back: String,
}

pub(crate) async fn comment(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<AlertId>,
    Form(form): Form<Remark>,
) -> Result<Response, Problem> {
    let alert =
        work::act(&app, &caller, id, &Act { action: Action::Comment { text: form.text }, seen: None })
            .await?;
    Ok(go_back(&form.back, alert.patient))
}

#[derive(Deserialize)]
pub(crate) struct Assignment {
    to: UserId,
    #[serde(default)]
    back: String,
}

pub(crate) async fn assign(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<AlertId>,
    Form(form): Form<Assignment>,
) -> Result<Response, Problem> {
    let alert =
        work::act(&app, &caller, id, &Act { action: Action::Assign { to: Some(form.to) }, seen: None })
            .await?;
    Ok(go_back(&form.back, alert.patient))
}

/// New numbers for a rule. The form says which version it was made from: when somebody else changed the
/// rule meanwhile, nothing is written over.
pub(crate) async fn prescribe(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<PatientId>,
    RuleName(rule): RuleName,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let field =
        |name: &str| fields.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
    let mut tx = app.begin_as(caller.account.id).await?;
    patients::get(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    let versions = rules::of_patient(&mut tx, id).await?;
    commit(tx).await?;
    let newest = versions
        .iter()
        .filter(|v| v.rule == rule)
        .max_by_key(|v| v.version)
        .ok_or_else(Problem::not_found)?;
    if field("base_version") != newest.version.to_string() {
        return Err(Problem::conflict("somebody else changed this rule meanwhile: look at it again"));
    }
    let spec = rule_words::with_fields(&newest.spec, &fields).map_err(Problem::invalid)?;
    if spec == newest.spec {
        return Err(Problem::invalid("nothing was changed"));
    }
    let prescription = Prescription { rule, spec, reason: field("reason").to_owned(), valid_from: None };
    work::prescribe(&app, &caller, id, prescription).await?;
    Ok(go_back(field("back"), id))
}

#[derive(Deserialize)]
pub(crate) struct NewPause {
    /// Local to the patient, as `<input type="datetime-local">` sends it.
    until: String,
    #[serde(default)]
    from: String,
    reason: String,
    #[serde(default)]
    back: String,
}

pub(crate) async fn pause(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<PatientId>,
    Form(form): Form<NewPause>,
) -> Result<Response, Problem> {
    let mut tx = app.begin_as(caller.account.id).await?;
    let patient = patients::get(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    commit(tx).await?;
    let zone = zone_of(&patient.time_zone);
    let instant = |text: &str| {
        let local: DateTime = text.parse().map_err(|_| Problem::invalid("a date and a time are needed"))?;
        zone.to_timestamp(local).map_err(|_| Problem::invalid("a date and a time are needed"))
    };
    let from = if form.from.is_empty() { None } else { Some(instant(&form.from)?) };
    work::pause(&app, &caller, id, from, instant(&form.until)?, &form.reason).await?;
    Ok(go_back(&form.back, id))
}
