//! A writer of SVG elements: escapes what it is given and never writes a number that is not finite.

use std::fmt::Write;

/// Text that grows; a `String` never refuses a write, so the results of `write!` are consumed here once.
#[derive(Debug, Default)]
pub(crate) struct Svg {
    text: String,
}

impl Svg {
    pub(crate) fn raw(&mut self, piece: std::fmt::Arguments<'_>) {
        if self.text.write_fmt(piece).is_err() {
            debug_assert!(false, "a String takes everything");
        }
    }

    pub(crate) fn into_string(self) -> String {
        self.text
    }
}

/// Text for element content and attribute values. Characters that XML 1.0 forbids are left out.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\t' | '\n' | '\r' => escaped.push(' '),
            c if c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => escaped.push(c),
        }
    }
    escaped
}

/// A coordinate with one decimal: a tenth of a pixel is finer than anybody sees.
#[derive(Debug, Clone, Copy)]
pub(crate) struct N(pub(crate) f64);

impl std::fmt::Display for N {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let finite = if self.0.is_finite() { self.0.clamp(-1e6, 1e6) } else { 0.0 };
        let rounded = (finite * 10.0).round() / 10.0;
        // Adding zero turns "-0" into "0".
        write!(f, "{}", rounded + 0.0)
    }
}
