//! Numbers and times as a document writes them.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use vigie_charts::Locale;
use vigie_vitals::Unit;
use vigie_words::{Texts, values};

use crate::content::rounded;

/// A number with so many digits after the mark: `154`, `1,10`.
pub(crate) fn number(value: f64, digits: u8, locale: Locale) -> String {
    if value.is_finite() { locale.number(rounded(value, digits)) } else { "–".to_owned() }
}

/// A number with its unit: `72,4 %`, `154 mg/dL`, `1,2`.
pub(crate) fn with_unit(number: &str, ucum: &str, texts: Texts) -> String {
    match (unit(ucum, texts).as_str(), texts.0) {
        ("", _) => number.to_owned(),
        ("%", Locale::Fr) => format!("{number}\u{202f}%"),
        ("%", Locale::En) => format!("{number}%"),
        (unit, _) => format!("{number}\u{a0}{unit}"),
    }
}

/// A unit as people write it, from its UCUM code.
fn unit(ucum: &str, texts: Texts) -> String {
    if let Ok(unit) = Unit::parse(ucum) {
        return values::unit(unit).to_owned();
    }
    match ucum {
        "d" => texts.get("report.unit.days").to_owned(),
        "1/wk" => texts.get("report.unit.per_week").to_owned(),
        // An annotation in braces names what is counted; the figure's own name says it.
        annotation if annotation.starts_with('{') => String::new(),
        other => other.to_owned(),
    }
}

/// `20 nov. à 02:10`, `20 Nov at 02:10`.
pub(crate) fn moment(at: Timestamp, zone: &TimeZone, locale: Locale) -> String {
    locale.day_time(at, zone)
}

/// `20 nov. 2026 à 02:10`: with the year, for what may lie long back.
pub(crate) fn full_moment(at: Timestamp, zone: &TimeZone, locale: Locale) -> String {
    let date = locale.full_day(zone.to_datetime(at).date());
    format!("{date} {} {}", locale.pick("à", "at"), locale.time(at, zone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_asked_for_and_the_mark_of_the_language() {
        assert_eq!(number(154.25, 1, Locale::Fr), "154,2");
        assert_eq!(number(70.0, 1, Locale::Fr), "70,0");
        assert_eq!(number(-0.04, 1, Locale::En), "0.0");
        assert_eq!(number(-1.5, 1, Locale::Fr), "−1,5");
        assert_eq!(number(f64::NAN, 1, Locale::Fr), "–");
    }

    #[test]
    fn the_percent_sign_keeps_its_distance_in_french_and_none_in_english() {
        assert_eq!(with_unit("72,4", "%", Texts(Locale::Fr)), "72,4\u{202f}%");
        assert_eq!(with_unit("72.4", "%", Texts(Locale::En)), "72.4%");
        assert_eq!(with_unit("2,1", "{INR}", Texts(Locale::Fr)), "2,1");
        assert_eq!(with_unit("3", "d", Texts(Locale::Fr)), "3\u{a0}jours");
        assert_eq!(with_unit("128", "mm[Hg]", Texts(Locale::Fr)), "128\u{a0}mmHg");
    }
}
