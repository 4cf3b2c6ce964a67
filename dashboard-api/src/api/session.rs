//! `POST`, `GET` and `DELETE /api/v1/session`.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json as Answer};
use serde::Deserialize;
use serde_json::json;
use vigie_store::staff::{self, Account, SessionKind};

use crate::access::guard::Caller;
use crate::access::login::log_in;
use crate::access::session::set_cookie;
use crate::api::extract::Json;
use crate::app::{App, commit};
use crate::edge::RequestId;
use crate::problem::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogIn {
    login: String,
    password: String,
}

fn user(account: &Account) -> serde_json::Value {
    json!({
        "id": account.id,
        "login": account.login,
        "name": account.display_name,
        "role": account.role.as_str(),
        "locale": account.locale,
    })
}

/// A browser (which says where the request comes from) gets the token as a cookie, a program as a bearer
/// token; the answer holds it in both cases.
pub(crate) async fn open(
    State(app): State<App>,
    Extension(request): Extension<RequestId>,
    headers: HeaderMap,
    Json(body): Json<LogIn>,
) -> Result<Response, Problem> {
    let browser = headers.contains_key("sec-fetch-site") || headers.contains_key(header::ORIGIN);
    let kind = if browser { SessionKind::Cookie } else { SessionKind::Bearer };
    let opened = log_in(&app, &body.login, body.password, kind, &request).await?;
    let answer =
        json!({ "token": opened.token, "expires_at": opened.expires_at, "user": user(&opened.account) });
    let mut response = (StatusCode::CREATED, Answer(answer)).into_response();
    if let Some(cookie) = set_cookie(&opened.token, app.settings()) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

pub(crate) async fn show(caller: Caller) -> Response {
    Answer(json!({ "user": user(&caller.account) })).into_response()
}

pub(crate) async fn close(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    end(&app, &caller).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Some(cookie) = set_cookie("", app.settings()) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Ends the caller's session.
pub(crate) async fn end(app: &App, caller: &Caller) -> Result<(), Problem> {
    let mut tx = app.begin().await?;
    staff::close_session(&mut tx, &caller.token_hash).await?;
    caller.audit(&mut tx, app, "session.close", None, "").await?;
    commit(tx).await
}
