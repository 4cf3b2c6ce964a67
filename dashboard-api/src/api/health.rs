//! `/healthz`: this process answers. `/readyz`: it can do its work, and the way behind it lives.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::SignedDuration;
use serde_json::json;
use vigie_store::stream;

use crate::app::{App, commit};
use crate::problem::Problem;

pub(crate) async fn alive() -> Response {
    Answer(json!({ "status": "ok" })).into_response()
}

/// Ready when the database is there, migrated and followed. A gateway or judge that does not beat is told
/// but is no reason to take the pages away: they are how people learn of it.
pub(crate) async fn ready(State(app): State<App>) -> Result<Response, Problem> {
    let now = app.clock().now();
    let mut tx = app.begin().await?;
    let position = stream::position(&mut tx).await?;
    let progress = stream::progress(&mut tx).await?;
    commit(tx).await?;
    let age = |at: Option<jiff::Timestamp>| at.map(|at| now.duration_since(at).as_secs_f64());
    let followed =
        app.pulse().borrow().read_at.is_some_and(|at| now.duration_since(at) < SignedDuration::from_secs(10));
    let body = json!({
        "status": if followed { "ready" } else { "not following the database yet" },
        "position": position,
        "gateway_beat_age": age(progress.last_gateway_beat),
        "alerts_beat_age": age(progress.last_alerts_beat),
        "judging_queue_age": progress.queue_age_seconds,
    });
    let status = if followed { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, Answer(body)).into_response())
}
