//! `GET /api/v1/worklist`.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, json};
use vigie_store::worklist::Completeness;

use crate::access::guard::Caller;
use crate::api::shapes;
use crate::app::{App, commit};
use crate::problem::Problem;
use crate::text;
use crate::worklist::{Bucket, load};

pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (now, texts) = (app.clock().now(), text::of_programs(&headers));
    let mut tx = app.begin_reading_as(caller.account.id).await?;
    let rows = load(&mut tx, None, now).await?;
    let patients: Vec<_> = rows.iter().map(|row| row.patient.id).collect();
    caller.audit_each(&mut tx, &app, "worklist.read", &patients).await?;
    commit(tx).await?;
    let counts: Map<_, _> = Bucket::ALL
        .into_iter()
        .map(|bucket| {
            (bucket.code().to_owned(), rows.iter().filter(|row| row.bucket == bucket).count().into())
        })
        .collect();
    let list: Vec<_> = rows
        .iter()
        .filter_map(|row| {
            let worst = row.worst()?;
            Some(json!({
                "patient": shapes::patient(&row.patient),
                "bucket": row.bucket.code(),
                "alert": shapes::alert(worst, &[], now, texts),
                "alert_ids": row.alerts.iter().map(|alert| alert.id).collect::<Vec<_>>(),
                "last_reading_at": row.flow.newest(),
                "completeness": completeness(&row.flow.completeness(now)),
            }))
        })
        .collect();
    Ok(Answer(json!({ "worklist": list, "counts": counts, "next": null })).into_response())
}

/// May "no alert" be trusted?
pub(crate) fn completeness(completeness: &Completeness) -> &'static str {
    match completeness {
        Completeness::Complete => "complete",
        Completeness::Missing(_) => "missing",
        Completeness::Paused(_) => "paused",
        Completeness::Unscheduled => "unscheduled",
    }
}
