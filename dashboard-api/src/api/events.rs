//! `GET /api/v1/events`: server-sent events, resumable.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::sse::Sse;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::access::guard::Caller;
use crate::api::extract::Query;
use crate::app::{App, commit};
use crate::live;
use crate::problem::Problem;

#[derive(Deserialize)]
pub(crate) struct From {
    after: Option<String>,
}

pub(crate) async fn follow(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Query(from): Query<From>,
) -> Result<Response, Problem> {
    let after = last_seen(&headers, from.after.as_deref())?;
    let Ok(permit) = Arc::clone(app.streams()).try_acquire_owned() else {
        return Err(Problem::unavailable(5));
    };
    let mut tx = app.begin_as(caller.account.id).await?;
    caller.audit(&mut tx, &app, "events.follow", None, "").await?;
    commit(tx).await?;
    let mut response = Sse::new(live::follow(app, caller, after, permit)).into_response();
    let headers = response.headers_mut();
    // Proxies must pass each event on at once.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// What a reconnecting browser saw last counts before what its page was made with.
fn last_seen(headers: &HeaderMap, after: Option<&str>) -> Result<Option<i64>, Problem> {
    let header = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let Some(text) = header.or(after).filter(|text| !text.is_empty()) else { return Ok(None) };
    match text.parse() {
        Ok(number) if number >= 0 => Ok(Some(number)),
        Ok(_) | Err(_) => Err(Problem::bad_request("the number of the last event is a whole number")),
    }
}
