//! The report in words: three sentences in each language, and a fourth for a correction or a week that is not over.
//!
//! 1. How the main thing followed stands, compared with the week before, and whether there are enough data to say so.
//! 2. Alerts: how many, what became of them, the most important one.
//! 3. Completeness, and what else to know before believing the numbers: late data, pauses, devices, limits.
//!
//! Never advice, never a diagnosis. Made from the report alone, so it says nothing that the report does not hold.

mod alerts;
mod around;
mod say;
mod signal;

use std::collections::BTreeMap;

use vigie_charts::Locale;
use vigie_words::Texts;

use super::Report;
pub(super) use around::expects;
pub(super) use say::Say;
pub(super) use signal::{in_words, label, main_panels, standing};

/// The languages of a report.
pub(super) const LOCALES: [Locale; 2] = [Locale::Fr, Locale::En];

/// The sentences by language.
pub(super) fn summary(report: &Report) -> BTreeMap<String, Vec<String>> {
    let of = |locale| {
        let say = Say::new(report, Texts(locale));
        let mut sentences = vec![signal::sentence(&say), alerts::sentence(&say), around::sentence(&say)];
        sentences.extend(around::version(&say));
        (say.t.code().to_owned(), sentences)
    };
    LOCALES.into_iter().map(of).collect()
}
