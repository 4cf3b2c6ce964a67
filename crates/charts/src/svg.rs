//! A writer of SVG elements: escapes what it is given and never writes a number that is not finite.

use std::fmt::Write;

use crate::Style;
use crate::style::{FONT_SIZE, INK};

/// Text that grows; a `String` never refuses a write, so the results of `write!` are consumed here once.
#[derive(Debug, Default)]
pub(crate) struct Svg {
    text: String,
}

/// Where a text ends that is written at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    fn attribute(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

impl Svg {
    /// Begins a picture: its size, its name and what it shows in words. `id` makes the ids inside unique.
    pub(crate) fn open(style: Style, id: &str, size: (f64, f64), name: &str, description: &str) -> Self {
        let mut svg = Self::default();
        let (id, name, description) = (escape(id), escape(name), escape(description));
        let (w, h) = (N(size.0), N(size.1));
        match style {
            Style::Page => svg.raw(format_args!(
                "<svg class=\"chart\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\" viewBox=\"0 0 {w} {h}\" \
                 xmlns=\"http://www.w3.org/2000/svg\" font-size=\"12\">"
            )),
            Style::Print => svg.raw(format_args!(
                "<svg role=\"img\" aria-labelledby=\"{id}-title {id}-desc\" width=\"{w}\" height=\"{h}\" \
                 viewBox=\"0 0 {w} {h}\" xmlns=\"http://www.w3.org/2000/svg\" \
                 font-family=\"IBM Plex Sans, sans-serif\" font-size=\"{FONT_SIZE}\" fill=\"{INK}\">"
            )),
        }
        svg.raw(format_args!(
            "<title id=\"{id}-title\">{name}</title><desc id=\"{id}-desc\">{description}</desc>"
        ));
        svg
    }

    pub(crate) fn raw(&mut self, piece: std::fmt::Arguments<'_>) {
        if self.text.write_fmt(piece).is_err() {
            debug_assert!(false, "a String takes everything");
        }
    }

    /// A text at a point; `attributes` come as they are, the text is escaped.
    pub(crate) fn text(&mut self, x: f64, y: f64, anchor: Anchor, attributes: &str, text: &str) {
        let space = if attributes.is_empty() { "" } else { " " };
        self.raw(format_args!(
            "<text{space}{attributes} x=\"{}\" y=\"{}\" text-anchor=\"{}\">{}</text>",
            N(x),
            N(y),
            anchor.attribute(),
            escape(text),
        ));
    }

    /// A straight line.
    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), attributes: &str) {
        self.raw(format_args!(
            "<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" {attributes}/>",
            N(from.0),
            N(from.1),
            N(to.0),
            N(to.1),
        ));
    }

    /// A rectangle; a negative width or height is none.
    pub(crate) fn rect(&mut self, corner: (f64, f64), width: f64, height: f64, attributes: &str) {
        self.raw(format_args!(
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" {attributes}/>",
            N(corner.0),
            N(corner.1),
            N(width.max(0.0)),
            N(height.max(0.0)),
        ));
    }

    /// Ends the picture.
    pub(crate) fn close(mut self) -> String {
        self.raw(format_args!("</svg>"));
        self.text
    }
}

/// About how wide a printed text is. Rather too wide: it decides what fits.
pub(crate) fn text_width(text: &str) -> f64 {
    text.chars().map(|c| if matches!(c, '\u{202f}' | 'i' | 'l' | '.' | ',' | ' ') { 3.2 } else { 5.9 }).sum()
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
