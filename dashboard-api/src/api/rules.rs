//! `/api/v1/patients/{id}/rules` and `/pauses`.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use vigie_store::{patients, rules};
use vigie_vitals::{PatientId, RuleSpec};

use crate::access::guard::Caller;
use crate::api::extract::{Id, Json, RuleName};
use crate::api::shapes;
use crate::app::{App, commit};
use crate::problem::Problem;
use crate::work::{self, Prescription};

/// The rules in force, each with all its versions.
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<PatientId>,
) -> Result<Response, Problem> {
    let now = app.clock().now();
    let mut tx = app.begin_reading_as(caller.account.id).await?;
    patients::get(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    let versions = rules::of_patient(&mut tx, id).await?;
    caller.audit(&mut tx, &app, "rules.read", Some(id), "").await?;
    commit(tx).await?;
    let list: Vec<Value> = versions
        .chunk_by(|a, b| a.rule == b.rule)
        .filter_map(|of_rule| {
            let in_force = rules::in_force(of_rule, now).first().map(|version| version.version);
            let latest = of_rule.iter().find(|v| Some(v.version) == in_force).or_else(|| of_rule.last())?;
            let mut body = shapes::rule_version(latest);
            let all: Vec<Value> = of_rule.iter().map(shapes::rule_version).collect();
            body.as_object_mut()?.insert("versions".into(), all.into());
            Some(body)
        })
        .collect();
    Ok(Answer(json!({ "rules": list, "next": null })).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewVersion {
    spec: RuleSpec,
    reason: String,
    #[serde(default)]
    valid_from: Option<Timestamp>,
}

pub(crate) async fn prescribe(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<PatientId>,
    RuleName(rule): RuleName,
    Json(body): Json<NewVersion>,
) -> Result<Response, Problem> {
    let prescription = Prescription {
        rule: rule.clone(),
        spec: body.spec,
        reason: body.reason,
        valid_from: body.valid_from,
    };
    let version = work::prescribe(&app, &caller, id, prescription).await?;
    Ok((StatusCode::CREATED, Answer(json!({ "rule": rule, "version": version }))).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPause {
    #[serde(default)]
    from: Option<Timestamp>,
    until: Timestamp,
    reason: String,
}

pub(crate) async fn pause(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<PatientId>,
    Json(body): Json<NewPause>,
) -> Result<Response, Problem> {
    let pause = work::pause(&app, &caller, id, body.from, body.until, &body.reason).await?;
    Ok((StatusCode::CREATED, Answer(json!({ "id": pause }))).into_response())
}
