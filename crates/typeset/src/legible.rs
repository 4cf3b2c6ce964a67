//! Text that the fonts on board can show.
//!
//! A name in a script that they lack must not cost the patient a report, and must not vanish silently either.

use serde_json::Value;
use typst::text::Font;

/// Stands for a character that cannot be shown.
const REPLACEMENT: char = '\u{fffd}';

/// Makes every string within `value` legible.
pub(crate) fn make(value: &mut Value, fonts: &[Font]) {
    match value {
        Value::String(text) => {
            if !text.chars().all(|c| matches!(c, ' '..='~')) {
                *text = text.chars().filter_map(|c| shown(c, fonts)).collect();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| make(value, fonts)),
        Value::Object(fields) => fields.values_mut().for_each(|value| make(value, fonts)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The character to show for this one; none for what only steers how text runs.
fn shown(c: char, fonts: &[Font]) -> Option<char> {
    match c {
        ' '..='~' => Some(c),
        // A line break within a value is a space: values are shown as running text.
        '\n' | '\r' | '\t' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some(' '),
        _ if c.is_control() || steers(c) => None,
        _ if private(c) || !covered(c, fonts) => {
            Some(if covered(REPLACEMENT, fonts) { REPLACEMENT } else { '?' })
        }
        _ => Some(c),
    }
}

/// Soft hyphens, joiners, marks of direction (which can make a text read as another) and variation selectors.
fn steers(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Private use: means nothing outside the font, so the archival standard refuses it.
fn private(c: char) -> bool {
    matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}')
}

fn covered(c: char, fonts: &[Font]) -> bool {
    fonts.iter().all(|font| font.info().coverage.contains(u32::from(c)))
}
