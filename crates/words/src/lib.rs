//! Texts, values, alerts and rules in French and English: for pages, reports and messages alike.
//!
//! Pure; knows no page. One catalogue per language (`locales/`), compared key by key and variable by variable.

pub mod rules;
pub mod sentences;
mod texts;
pub mod values;

pub use texts::Texts;
