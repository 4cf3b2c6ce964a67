//! What handlers take from a request; every refusal is a [`Problem`].

use std::str::FromStr;

use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// A JSON body.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let axum::Json(body) = axum::Json::from_request(request, state).await?;
        Ok(Self(body))
    }
}

/// A query string.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let axum::extract::Query(query) = axum::extract::Query::from_request_parts(parts, state).await?;
        Ok(Self(query))
    }
}

/// A form.
pub(crate) struct Form<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Form<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let axum::Form(body) = axum::Form::from_request(request, state).await?;
        Ok(Self(body))
    }
}

/// The `{id}` of a path. What is no id names nothing: 404.
pub(crate) struct Id<T>(pub(crate) T);

impl<T: FromStr, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<std::collections::HashMap<String, String>>::from_request_parts(parts, state).await;
        let id = path.ok().and_then(|path| path.get("id").and_then(|id| id.parse().ok()));
        id.map(Self).ok_or_else(Problem::not_found)
    }
}

/// The `{rule}` of a path.
pub(crate) struct RuleName(pub(crate) vigie_vitals::RuleId);

impl<S: Send + Sync> FromRequestParts<S> for RuleName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<std::collections::HashMap<String, String>>::from_request_parts(parts, state).await;
        let rule = path.ok().and_then(|mut path| path.remove("rule"));
        rule.map(|rule| Self(vigie_vitals::RuleId(rule))).ok_or_else(Problem::not_found)
    }
}

/// The `{week}` of a path, such as `2026-W47`. What is no week names nothing: 404.
pub(crate) struct WeekName(pub(crate) vigie_reports::content::Week);

impl<S: Send + Sync> FromRequestParts<S> for WeekName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<std::collections::HashMap<String, String>>::from_request_parts(parts, state).await;
        let week = path.ok().and_then(|path| path.get("week").and_then(|week| week.parse().ok()));
        week.map(Self).ok_or_else(Problem::not_found)
    }
}
