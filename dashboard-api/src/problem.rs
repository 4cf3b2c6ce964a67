//! What went wrong, as an RFC 9457 problem document for programs and as a page for people. The edge
//! renders it, because only the edge knows which of the two the request wants.

use axum::extract::rejection::{FormRejection, JsonRejection, QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// A refusal or failure. Never says whether what one may not see exists.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    /// Last part of the problem's type; also names the sentence in the catalogue.
    pub(crate) code: &'static str,
    /// One sentence more for the person who can mend it.
    pub(crate) detail: Option<String>,
    /// Seconds after which trying again makes sense.
    pub(crate) retry_after: Option<u64>,
    /// With 401: how to log in, where it is not by a session.
    pub(crate) challenge: Option<&'static str>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str) -> Self {
        Self { status, code, detail: None, retry_after: None, challenge: None }
    }

    pub(crate) fn with(mut self, detail: impl std::fmt::Display) -> Self {
        self.detail = Some(detail.to_string());
        self
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found")
    }

    pub(crate) fn unauthenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "not-logged-in")
    }

    pub(crate) fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "not-allowed")
    }

    pub(crate) fn invalid(detail: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid").with(detail)
    }

    pub(crate) fn bad_request(detail: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request").with(detail)
    }

    pub(crate) fn conflict(detail: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict").with(detail)
    }

    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal")
    }

    pub(crate) fn unavailable(retry_after: u64) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable") }
    }

    pub(crate) fn too_many(retry_after: u64) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-attempts")
        }
    }
}

impl From<vigie_store::Error> for Problem {
    fn from(error: vigie_store::Error) -> Self {
        if error.is_temporary() {
            tracing::warn!(error = &error as &dyn std::error::Error, "the database did not answer");
            return Self::unavailable(2);
        }
        if error.is_constraint("rule_version_pkey") {
            return Self::conflict("somebody else changed this rule at the same moment");
        }
        tracing::error!(error = &error as &dyn std::error::Error, "a request failed");
        Self::internal()
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        Self { status: rejection.status(), ..Self::bad_request(rejection.body_text()) }
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::bad_request(rejection.body_text())
    }
}

impl From<FormRejection> for Problem {
    fn from(rejection: FormRejection) -> Self {
        Self { status: rejection.status(), ..Self::bad_request(rejection.body_text()) }
    }
}

impl From<askama::Error> for Problem {
    fn from(error: askama::Error) -> Self {
        tracing::error!(%error, "a page could not be rendered");
        Self::internal()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
