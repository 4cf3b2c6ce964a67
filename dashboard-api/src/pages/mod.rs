//! Pages that people read. Each works without scripts; scripts add live rows and a ticking clock.

mod alert_views;
pub(crate) mod assets;
mod charts;
mod device_views;
pub(crate) mod devices;
pub(crate) mod forms;
pub(crate) mod login;
pub(crate) mod patient;
pub(crate) mod reports;
mod views;
pub(crate) mod worklist;

use askama::Template;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use jiff::Timestamp;
use vigie_store::staff::{Account, StaffRole};

use crate::access::guard::Caller;
use crate::app::App;
use crate::edge::RequestId;
use crate::problem::Problem;
use crate::text::{self, Texts};

/// What every page has around its content.
pub(crate) struct Shell {
    pub(crate) t: Texts,
    pub(crate) title: String,
    pub(crate) user: Option<Account>,
    /// Where live updates go on from; absent on pages without.
    pub(crate) position: Option<i64>,
    pub(crate) now: Timestamp,
    /// For the language switch, which comes back here.
    pub(crate) here: String,
}

impl Shell {
    pub(crate) fn of(app: &App, caller: &Caller, headers: &HeaderMap, title_key: &str, here: &str) -> Self {
        let t = text::of_request(headers, Some(&caller.account.locale));
        Self {
            t,
            title: t.get(title_key).to_owned(),
            user: Some(caller.account.clone()),
            position: None,
            now: app.clock().now(),
            here: here.to_owned(),
        }
    }

    pub(crate) fn is_physician(&self) -> bool {
        self.user.as_ref().is_some_and(|user| user.role == StaffRole::Physician)
    }

    pub(crate) fn is_clinical(&self) -> bool {
        self.user.as_ref().is_some_and(|user| crate::routes::Access::Clinical.admits(user.role))
    }

    pub(crate) fn sees_devices(&self) -> bool {
        self.user.as_ref().is_some_and(|user| crate::routes::Access::Devices.admits(user.role))
    }

    pub(crate) fn role_word(&self) -> String {
        let role = self.user.as_ref().map_or("nurse", |user| user.role.as_str());
        self.t.get(&format!("role.{role}")).to_owned()
    }

    /// The zone's name, for scripts that show the same clock.
    pub(crate) fn zone_name(&self, zone: &jiff::tz::TimeZone) -> String {
        zone.iana_name().unwrap_or("UTC").to_owned()
    }

    /// `07:05:12` in the dashboard's zone, for "as of".
    pub(crate) fn clock(&self, zone: &jiff::tz::TimeZone) -> String {
        let local = zone.to_datetime(self.now);
        format!("{:02}:{:02}:{:02}", local.hour(), local.minute(), local.second())
    }
}

/// Renders a page.
pub(crate) fn html(template: &impl Template) -> Result<Response, Problem> {
    Ok(Html(template.render()?).into_response())
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    shell: Shell,
    problem: &'a Problem,
    sentence: String,
    request_id: &'a str,
}

/// A problem as a page.
pub(crate) fn problem(problem: &Problem, texts: Texts, id: &RequestId, headers: &HeaderMap) -> Response {
    let sentence = texts.get(&format!("problem.{}", problem.code)).to_owned();
    let here = headers
        .get(header::REFERER)
        .and_then(|value| value.to_str().ok())
        .and_then(local_path)
        .unwrap_or("/");
    let shell = Shell {
        t: texts,
        title: sentence.clone(),
        user: None,
        position: None,
        now: Timestamp::UNIX_EPOCH,
        here: here.to_owned(),
    };
    let page = ProblemPage { shell, problem, sentence, request_id: &id.0 };
    let mut response = match page.render() {
        Ok(page) => Html(page).into_response(),
        Err(error) => {
            tracing::error!(%error, "the page of a problem could not be rendered");
            problem.status.into_response()
        }
    };
    *response.status_mut() = problem.status;
    if let Some(seconds) = problem.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// The path of a URL of ours: `https://host/path` gives `/path`.
fn local_path(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let at = rest.find('/')?;
    rest.get(at..).filter(|path| is_local(path))
}

/// May a redirect go there? Only to a path of our own.
pub(crate) fn is_local(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && !path.contains('\\')
        && path.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_never_leaves_the_site() {
        for (path, local) in [
            ("/", true),
            ("/patients/1?days=7#charts", true),
            ("//evil.example", false),
            ("/\\evil.example", false),
            ("https://evil.example/", false),
            ("/a\r\nSet-Cookie: x", false),
            ("", false),
        ] {
            assert_eq!(is_local(path), local, "{path}");
        }
    }
}
