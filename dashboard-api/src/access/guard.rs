//! Stands before every route: authenticates, checks the role, and turns away what another site made a
//! browser send.

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use vigie_store::Tx;
use vigie_store::audit::{self, NewEntry};
use vigie_store::staff::{self, Account};
use vigie_vitals::PatientId;

use crate::access::session::{self, Shown};
use crate::app::{App, commit};
use crate::edge::RequestId;
use crate::problem::Problem;
use crate::routes::{Access, Audience};

/// The member of staff who asks.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) account: Account,
    pub(crate) token_hash: [u8; 32],
    pub(crate) request_id: String,
}

impl Caller {
    /// Writes what the caller does into the audit trail, in the transaction that does it.
    pub(crate) async fn audit(
        &self,
        tx: &mut Tx,
        app: &App,
        action: &str,
        patient: Option<PatientId>,
        detail: &str,
    ) -> Result<(), Problem> {
        Ok(audit::record(tx, self.entry(app, action, patient, detail)).await?)
    }

    /// The same for a list that shows several patients.
    pub(crate) async fn audit_each(
        &self,
        tx: &mut Tx,
        app: &App,
        action: &str,
        patients: &[PatientId],
    ) -> Result<(), Problem> {
        Ok(audit::record_each(tx, self.entry(app, action, None, ""), patients).await?)
    }

    fn entry<'a>(
        &'a self,
        app: &App,
        action: &'a str,
        patient: Option<PatientId>,
        detail: &'a str,
    ) -> NewEntry<'a> {
        NewEntry {
            at: app.clock().now(),
            actor: Some(self.account.id),
            actor_name: &self.account.login,
            action,
            patient,
            request_id: &self.request_id,
            detail,
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // Put there by the guard; a route that is open to everybody has no caller.
        parts.extensions.get::<Self>().cloned().ok_or_else(Problem::unauthenticated)
    }
}

/// What the guard of one route knows.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    pub(crate) app: App,
    pub(crate) access: Access,
    pub(crate) audience: Audience,
}

pub(crate) async fn guard(State(post): State<Post>, mut request: Request, next: Next) -> Response {
    if post.access == Access::Device {
        // What a device shows, no browser sends by itself, nor can a form of another site have such a body.
        return next.run(request).await;
    }
    let shown = session::shown(request.headers());
    let ambient = !matches!(shown, Some(Shown::Bearer(_)));
    if !request.method().is_safe() && ambient && !is_from_here(request.headers(), shown.is_some()) {
        return Problem::forbidden().with("the request comes from another site").into_response();
    }
    if post.access == Access::Everybody {
        return next.run(request).await;
    }
    let request_id = request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    // What a page fetches by itself is not use by a person: it must not keep a session alive.
    let path = request.uri().path();
    let by_a_person = !path.starts_with("/fragments/") && path != "/api/v1/events";
    match authenticate(&post.app, shown, request_id, by_a_person).await {
        Ok(Some(caller)) if post.access.admits(caller.account.role) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Ok(Some(_)) => Problem::forbidden().into_response(),
        Ok(None) => match post.audience {
            Audience::People if request.method() == Method::GET => to_login(&request),
            Audience::People | Audience::Programs => Problem::unauthenticated().into_response(),
        },
        Err(problem) => problem.into_response(),
    }
}

async fn authenticate(
    app: &App,
    shown: Option<Shown>,
    request_id: String,
    by_a_person: bool,
) -> Result<Option<Caller>, Problem> {
    let Some(shown) = shown else { return Ok(None) };
    let mut tx = app.begin().await?;
    let session =
        staff::session(&mut tx, shown.hash(), app.clock().now(), session::IDLE, by_a_person).await?;
    commit(tx).await?;
    Ok(session.map(|session| Caller { account: session.account, token_hash: *shown.hash(), request_id }))
}

/// Was an unsafe request made by one of our own pages? Browsers say so in `Sec-Fetch-Site` or `Origin`;
/// programs send neither, and then must not rely on a cookie.
fn is_from_here(headers: &HeaderMap, has_cookie: bool) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin";
    }
    match (headers.get(header::ORIGIN), headers.get(header::HOST)) {
        (Some(origin), Some(host)) => origin
            .to_str()
            .ok()
            .and_then(|origin| origin.split_once("://"))
            .is_some_and(|(_, authority)| authority.as_bytes().eq_ignore_ascii_case(host.as_bytes())),
        (Some(_), None) => false,
        (None, _) => !has_cookie,
    }
}

fn to_login(request: &Request) -> Response {
    let path = request.uri().path();
    // Fragments are fetched by scripts, which must learn that the session is over.
    if path.starts_with("/fragments/") {
        return Problem::unauthenticated().into_response();
    }
    let to = if path == "/" { "/login".to_owned() } else { format!("/login?next={path}") };
    Redirect::to(&to).into_response()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn from_here(pairs: &[(&'static str, &str)], has_cookie: bool) -> bool {
        let headers = pairs
            .iter()
            .map(|(name, value)| {
                (header::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
            })
            .collect();
        is_from_here(&headers, has_cookie)
    }

    #[test]
    fn requests_of_other_sites_are_told_apart() {
        assert!(from_here(&[("sec-fetch-site", "same-origin")], true));
        assert!(!from_here(&[("sec-fetch-site", "cross-site")], true));
        assert!(!from_here(&[("sec-fetch-site", "same-site")], true));
        assert!(!from_here(&[("sec-fetch-site", "none")], true));
        assert!(from_here(&[("origin", "http://a:8080"), ("host", "a:8080")], true));
        assert!(!from_here(&[("origin", "http://b"), ("host", "a")], false));
        assert!(!from_here(&[("origin", "null"), ("host", "a")], true));
        assert!(!from_here(&[], true), "a cookie without a word about where the request comes from");
        assert!(from_here(&[], false), "a program without a cookie");
    }
}
