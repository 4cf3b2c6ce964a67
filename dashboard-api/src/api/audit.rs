//! `GET /api/v1/audit`.

use axum::Json as Answer;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use vigie_store::audit;
use vigie_vitals::PatientId;

use crate::access::guard::Caller;
use crate::api::cursor;
use crate::api::extract::Query;
use crate::app::{App, commit};
use crate::problem::Problem;

const PAGE: i64 = 200;

#[derive(Deserialize)]
pub(crate) struct Which {
    patient: Option<PatientId>,
    cursor: Option<String>,
}

pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    let before = match &which.cursor {
        Some(sealed) => {
            let [id] = cursor::open::<1>(sealed)?;
            Some(cursor::part(&id)?)
        }
        None => None,
    };
    let mut tx = app.begin_reading_as(caller.account.id).await?;
    let entries = audit::list(&mut tx, which.patient, before, PAGE).await?;
    caller.audit(&mut tx, &app, "audit.read", which.patient, "").await?;
    commit(tx).await?;
    let full = i64::try_from(entries.len()).is_ok_and(|n| n >= PAGE);
    let next = entries.last().filter(|_| full).map(|last| cursor::seal(&[&last.id.to_string()]));
    let list: Vec<_> = entries
        .into_iter()
        .map(|entry| {
            json!({
                "at": entry.at,
                "actor": entry.actor,
                "action": entry.action,
                "patient_id": entry.patient,
                "request_id": entry.request_id,
                "detail": entry.detail,
            })
        })
        .collect();
    Ok(Answer(json!({ "entries": list, "next": next })).into_response())
}
