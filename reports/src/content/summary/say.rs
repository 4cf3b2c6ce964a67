//! Numbers, times and sentences in one language.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use vigie_charts::Locale;
use vigie_vitals::Unit;
use vigie_words::sentences::zone_of;
use vigie_words::{Texts, values};

use crate::content::figures::digits_of;
use crate::content::{Report, rounded};

/// A report and the language in which something is said of it.
pub(in crate::content) struct Say<'a> {
    pub(in crate::content) report: &'a Report,
    pub(in crate::content) t: Texts,
    pub(in crate::content) zone: TimeZone,
}

impl<'a> Say<'a> {
    pub(in crate::content) fn new(report: &'a Report, t: Texts) -> Self {
        Self { report, t, zone: zone_of(&report.time_zone) }
    }

    /// `68 %`, `68%`.
    pub(super) fn percent(&self, value: f64, digits: u8) -> String {
        let number = self.number(value, digits);
        match self.t.0 {
            Locale::Fr => format!("{number}\u{202f}%"),
            Locale::En => format!("{number}%"),
        }
    }

    /// A share of a whole, in whole percent: nothing that occurred is told as nothing, and nothing that has exceptions as
    /// all: `< 1 %`, `> 99 %`.
    pub(in crate::content) fn share(&self, percent: f64) -> String {
        if 0.0 < percent && percent < 1.0 {
            format!("<\u{a0}{}", self.percent(1.0, 0))
        } else if 99.0 < percent && percent < 100.0 {
            format!(">\u{a0}{}", self.percent(99.0, 0))
        } else {
            self.percent(percent, 0)
        }
    }

    /// `2,5`.
    pub(super) fn number(&self, value: f64, digits: u8) -> String {
        self.t.0.number(rounded(value, digits))
    }

    /// A number and its unit, with the digits that people use.
    pub(super) fn quantity(&self, value: f64, unit: Unit) -> String {
        let number = self.number(value, digits_of(unit));
        format!("{number} {}", values::unit(unit)).trim_end().to_owned()
    }

    /// An amount with the sign of its value, `+0,6 kg`; what is shown as nought has none.
    pub(super) fn signed(&self, value: f64, amount: String) -> String {
        let nothing = !amount.contains(|digit| ('1'..='9').contains(&digit));
        let sign = match value < 0.0 {
            _ if nothing => "",
            true => "\u{2212}",
            false => "+",
        };
        format!("{sign}{amount}")
    }

    /// A decimal as it stands, with its unit.
    pub(super) fn exact(&self, number: Decimal, unit: Unit) -> String {
        format!("{} {}", self.t.0.number(number), values::unit(unit)).trim_end().to_owned()
    }

    /// `18/11 à 07:10`.
    pub(super) fn moment(&self, at: Timestamp) -> String {
        values::moment(at, &self.zone, self.report.known_at, self.t)
    }

    /// What follows one another within a sentence.
    pub(super) fn joined(&self, clauses: &[String]) -> String {
        clauses.join(match self.t.0 {
            Locale::Fr => "\u{202f}; ",
            Locale::En => "; ",
        })
    }

    /// `Poids : moyenne 72,4 kg`.
    pub(super) fn labelled(&self, label: &str, text: &str) -> String {
        match self.t.0 {
            Locale::Fr => format!("{label}\u{202f}: {text}"),
            Locale::En => format!("{label}: {text}"),
        }
    }
}

/// A clause as a sentence: a capital letter, a full stop.
pub(super) fn sentence(clause: &str) -> String {
    let mut letters = clause.chars();
    let first: String = letters.next().map(|letter| letter.to_uppercase().collect()).unwrap_or_default();
    let rest = letters.as_str();
    if rest.ends_with('.') { format!("{first}{rest}") } else { format!("{first}{rest}.") }
}
