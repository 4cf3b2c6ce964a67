//! Logging in and out, and the language switch.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use vigie_charts::Locale;
use vigie_store::staff::SessionKind;

use crate::access::guard::Caller;
use crate::access::login::log_in;
use crate::access::session::set_cookie;
use crate::api;
use crate::api::extract::{Form, Query};
use crate::app::App;
use crate::edge::RequestId;
use crate::pages::{Shell, html, is_local};
use crate::problem::Problem;
use crate::text::{self, LANGUAGE_COOKIE, Texts};

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    shell: Shell,
    next: String,
    login: String,
    error: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Next {
    next: Option<String>,
}

fn shell(app: &App, headers: &HeaderMap) -> Shell {
    let t = text::of_request(headers, None);
    let title = t.get("login.title").to_owned();
    Shell { t, title, user: None, position: None, now: app.clock().now(), here: "/login".into() }
}

pub(crate) async fn form(
    State(app): State<App>,
    headers: HeaderMap,
    Query(next): Query<Next>,
) -> Result<Response, Problem> {
    let next = next.next.filter(|path| is_local(path)).unwrap_or_else(|| "/".into());
    html(&LoginPage { shell: shell(&app, &headers), next, login: String::new(), error: None })
}

#[derive(Deserialize)]
pub(crate) struct LogIn {
    login: String,
    password: String,
    #[serde(default)]
    next: String,
}

pub(crate) async fn submit(
    State(app): State<App>,
    Extension(request): Extension<RequestId>,
    headers: HeaderMap,
    Form(body): Form<LogIn>,
) -> Result<Response, Problem> {
    let next = if is_local(&body.next) { body.next } else { "/".to_owned() };
    match log_in(&app, &body.login, body.password, SessionKind::Cookie, &request).await {
        Ok(opened) => {
            let mut response = Redirect::to(&next).into_response();
            if let Some(cookie) = set_cookie(&opened.token, app.settings()) {
                response.headers_mut().insert(header::SET_COOKIE, cookie);
            }
            Ok(response)
        }
        Err(problem) if problem.status.is_client_error() => {
            let shell = shell(&app, &headers);
            let error = match problem.retry_after {
                Some(seconds) => shell.t.with("login.wait", "n", seconds),
                None => shell.t.get("problem.login-refused").to_owned(),
            };
            let mut response = html(&LoginPage { shell, next, login: body.login, error: Some(error) })?;
            *response.status_mut() = problem.status;
            Ok(response)
        }
        Err(problem) => Err(problem),
    }
}

pub(crate) async fn leave(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    api::session::end(&app, &caller).await?;
    let mut response = Redirect::to("/login").into_response();
    if let Some(cookie) = set_cookie("", app.settings()) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

#[derive(Deserialize)]
pub(crate) struct Language {
    language: String,
    #[serde(default)]
    to: String,
}

pub(crate) async fn language(
    State(app): State<App>,
    Form(body): Form<Language>,
) -> Result<Response, Problem> {
    let locale =
        Locale::of_code(&body.language).ok_or_else(|| Problem::bad_request("the language is fr or en"))?;
    let to = if is_local(&body.to) { body.to.as_str() } else { "/" };
    let secure = if app.settings().secure_cookies { "; Secure" } else { "" };
    let cookie = format!(
        "{LANGUAGE_COOKIE}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000{secure}",
        Texts(locale).code()
    );
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, to.to_owned())]).into_response();
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}
