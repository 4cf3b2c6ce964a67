//! What the pictures that are not charts over time have in common.

use rust_decimal::Decimal;
use rust_decimal::prelude::FromPrimitive;

use crate::Locale;
use crate::style::{FONT_SIZE, SOFT};
use crate::svg::{Anchor, Svg};

/// A computed number with a fixed count of decimals, or a dash where it is not a number.
pub(crate) fn rounded(locale: Locale, value: f64, decimals: u32) -> String {
    match Decimal::from_f64(value) {
        Some(exact) => {
            let mut value = exact.round_dp(decimals);
            value.rescale(decimals);
            locale.number(value)
        }
        None => "–".to_owned(),
    }
}

/// A share in percent as people write it: `72,4 %`, `72.4%`. What is not nothing is not written as `0,0`.
pub(crate) fn percent(locale: Locale, value: f64) -> String {
    let number = if value > 0.0 && value < 0.05 {
        format!("<\u{202f}{}", rounded(locale, 0.1, 1))
    } else {
        rounded(locale, value, 1)
    };
    with_percent_sign(locale, &number)
}

/// `70 %`, `70%`.
pub(crate) fn with_percent_sign(locale: Locale, number: &str) -> String {
    match locale {
        Locale::Fr => format!("{number}\u{202f}%"),
        Locale::En => format!("{number}%"),
    }
}

/// An empty frame that says why it is empty.
pub(crate) fn insufficient(svg: &mut Svg, locale: Locale, (x, y): (f64, f64), width: f64, height: f64) {
    svg.rect((x, y), width, height, &format!("fill=\"none\" stroke=\"{SOFT}\" stroke-width=\"1\""));
    let middle = (x + width / 2.0, y + height / 2.0 + FONT_SIZE * 0.4);
    svg.text(
        middle.0,
        middle.1,
        Anchor::Middle,
        "data-part=\"empty\" font-size=\"12\"",
        insufficient_words(locale),
    );
}

/// What is said where nothing can be concluded.
pub(crate) fn insufficient_words(locale: Locale) -> &'static str {
    locale.pick("données insuffisantes", "insufficient data")
}
