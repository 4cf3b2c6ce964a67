//! Tokens: 256 random bits, of which the database keeps the SHA-256 only.

use axum::http::{HeaderMap, HeaderValue, header};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use vigie_store::Tx;
use vigie_store::staff::{self, NewSession, SessionKind};
use vigie_vitals::UserId;

use crate::app::Settings;

/// A cookie that nobody used for this long is worth nothing.
pub(crate) const IDLE: SignedDuration = SignedDuration::from_mins(30);
/// Whatever happens, a session ends after a working day.
pub(crate) const ABSOLUTE: SignedDuration = SignedDuration::from_hours(12);

const COOKIE: &str = "vigie_session";

/// Gives a member of staff a bearer token that ends at `expires_at`. The caller commits before it hands
/// the token out.
pub async fn issue_token(
    tx: &mut Tx,
    staff: UserId,
    expires_at: Timestamp,
    now: Timestamp,
) -> vigie_store::Result<String> {
    open(tx, staff, SessionKind::Bearer, expires_at, now).await
}

pub(crate) async fn open(
    tx: &mut Tx,
    staff: UserId,
    kind: SessionKind,
    expires_at: Timestamp,
    now: Timestamp,
) -> vigie_store::Result<String> {
    let token = vigie_service::ids::random_text::<32>();
    let session = NewSession { token_hash: &hash(&token), staff, kind, expires_at };
    staff::open_session(tx, session, now).await?;
    Ok(token)
}

pub(crate) fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// What a request shows to say who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// A bearer token; no other site can make a browser send it.
    Bearer([u8; 32]),
    /// A cookie, which a browser sends by itself.
    Cookie([u8; 32]),
}

impl Shown {
    pub(crate) fn hash(&self) -> &[u8; 32] {
        match self {
            Self::Bearer(hash) | Self::Cookie(hash) => hash,
        }
    }
}

/// The token of a request, if it has one. Tokens are short; anything long is not hashed at all.
pub(crate) fn shown(headers: &HeaderMap) -> Option<Shown> {
    let plausible = |token: &str| (20..=128).contains(&token.len());
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        let token = token.trim();
        return (scheme.eq_ignore_ascii_case("bearer") && plausible(token))
            .then(|| Shown::Bearer(hash(token)));
    }
    cookie(headers, COOKIE).filter(|token| plausible(token)).map(|token| Shown::Cookie(hash(token)))
}

/// The value of a cookie.
pub(crate) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// The cookie that carries a token; an empty token takes the cookie away.
pub(crate) fn set_cookie(token: &str, settings: &Settings) -> Option<HeaderValue> {
    let age = if token.is_empty() { 0 } else { ABSOLUTE.as_secs() };
    let secure = if settings.secure_cookies { "; Secure" } else { "" };
    HeaderValue::from_str(&format!(
        "{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age}{secure}"
    ))
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn a_bearer_token_counts_before_a_cookie() {
        let token = "a".repeat(43);
        let both = headers(&[
            (header::AUTHORIZATION, &format!("Bearer {token}")),
            (header::COOKIE, &format!("x=y; vigie_session={}", "b".repeat(43))),
        ]);
        assert_eq!(shown(&both), Some(Shown::Bearer(hash(&token))));
    }

    #[test]
    fn other_schemes_and_odd_lengths_are_no_token() {
        assert_eq!(shown(&headers(&[(header::AUTHORIZATION, "Basic dXNlcjpwYXNz")])), None);
        assert_eq!(shown(&headers(&[(header::COOKIE, "vigie_session=short")])), None);
        assert_eq!(shown(&headers(&[(header::COOKIE, &format!("vigie_session={}", "c".repeat(500)))])), None);
    }
}
