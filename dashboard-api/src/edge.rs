//! Around every request: an id, security headers, and problems rendered for programs or for people.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::app::App;
use crate::pages;
use crate::problem::Problem;
use crate::text::{self, Texts};

/// Id of a request: in the answer, in the audit trail and in the log.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) String);

const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub(crate) async fn edge(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let id = RequestId(vigie_service::ids::new_v7(app.clock()).to_string());
    let for_programs = is_for_programs(request.uri().path());
    let texts = text::of_request(request.headers(), None);
    let headers = request.headers().clone();
    request.extensions_mut().insert(id.clone());
    // In a task of its own: a browser that goes away must not drop a transaction half way (sqlx 0.9.0), and a
    // panic costs this request only.
    let mut response = match tokio::spawn(next.run(request)).await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!(%error, request_id = %id.0, "a handler ended badly");
            Problem::internal().into_response()
        }
    };
    if response.status() == StatusCode::METHOD_NOT_ALLOWED && response.extensions().get::<Problem>().is_none()
    {
        response.extensions_mut().insert(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed"));
    }
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        response = if for_programs {
            as_document(&problem, texts, &id, response.headers())
        } else {
            pages::problem(&problem, texts, &id, &headers)
        };
    }
    secure(response.headers_mut(), &id);
    response
}

/// Paths that programs use get problem documents; everything else is for people.
fn is_for_programs(path: &str) -> bool {
    path.starts_with("/api/") || matches!(path, "/openapi.json" | "/healthz" | "/readyz")
}

fn as_document(problem: &Problem, texts: Texts, id: &RequestId, from: &HeaderMap) -> Response {
    let document = json!({
        "type": format!("urn:vigie:problem:{}", problem.code),
        "title": texts.get(&format!("problem.{}", problem.code)),
        "status": problem.status.as_u16(),
        "detail": problem.detail,
        "request_id": id.0,
    });
    let mut response = Response::new(Body::from(document.to_string()));
    *response.status_mut() = problem.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Some(allow) = from.get(header::ALLOW) {
        headers.insert(header::ALLOW, allow.clone());
    }
    if let Some(seconds) = problem.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if problem.status == StatusCode::UNAUTHORIZED {
        headers.insert(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static(problem.challenge.unwrap_or("Bearer")),
        );
    }
    response
}

fn secure(headers: &mut HeaderMap, id: &RequestId) {
    if let Ok(id) = HeaderValue::from_str(&id.0) {
        headers.insert(X_REQUEST_ID.clone(), id);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    // A handler may only ask for less: a report's page names its one style sheet by its hash.
    let policy = HeaderValue::from_static(CONTENT_SECURITY_POLICY);
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(policy);
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
