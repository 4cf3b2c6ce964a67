//! Which language a request is answered in. The texts themselves are in `crates/words`.

use axum::http::{HeaderMap, header};
use vigie_charts::Locale;
pub(crate) use vigie_words::Texts;

use crate::access::session::cookie;

/// The cookie in which a browser keeps the language chosen.
pub(crate) const LANGUAGE_COOKIE: &str = "vigie_lang";

/// What the browser chose, else the account's language, else `Accept-Language`, else French.
pub(crate) fn of_request(headers: &HeaderMap, account: Option<&str>) -> Texts {
    let chosen = cookie(headers, LANGUAGE_COOKIE)
        .and_then(Locale::of_code)
        .or_else(|| account.and_then(Locale::of_code));
    chosen.map_or_else(|| of_programs(headers), Texts)
}

/// For programs: `Accept-Language` only.
pub(crate) fn of_programs(headers: &HeaderMap) -> Texts {
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or("");
    Texts(negotiate(accepted))
}

/// The better liked of the two languages; French when neither is named.
fn negotiate(accepted: &str) -> Locale {
    let mut best = (0u32, Locale::Fr);
    for item in accepted.split(',').take(32) {
        let mut parts = item.split(';');
        let language = parts.next().unwrap_or("").trim().split('-').next().unwrap_or("").to_ascii_lowercase();
        let quality = parts.find_map(|p| p.trim().strip_prefix("q=")).map_or(1000, thousandths);
        if let Some(locale) = Locale::of_code(&language)
            && quality > best.0
        {
            best = (quality, locale);
        }
    }
    best.1
}

/// `0.8` is 800; what is no quality is 0.
fn thousandths(text: &str) -> u32 {
    let quality: f32 = text.trim().parse().unwrap_or(0.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=1000")]
    let thousandths = (quality.clamp(0.0, 1.0) * 1000.0) as u32;
    thousandths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_the_one_liked_better_and_french_when_in_doubt() {
        for (accepted, expected) in [
            ("", Locale::Fr),
            ("de-DE,de;q=0.9", Locale::Fr),
            ("en", Locale::En),
            ("en-GB,en;q=0.9,fr;q=0.8", Locale::En),
            ("fr-FR,fr;q=0.9,en;q=0.8", Locale::Fr),
            ("de, en;q=0.3, fr;q=0.7", Locale::Fr),
            ("en;q=nonsense", Locale::Fr),
        ] {
            assert_eq!(negotiate(accepted), expected, "{accepted}");
        }
    }
}
