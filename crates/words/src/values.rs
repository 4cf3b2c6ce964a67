//! Values, units, times and ages as clinicians read them.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use vigie_charts::Locale;
use vigie_vitals::{Comparator, Unit, Value};

use crate::Texts;

/// A unit as people write it; UCUM codes are for machines.
pub fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::MillimetreOfMercury => "mmHg",
        Unit::Celsius => "°C",
        Unit::Fahrenheit => "°F",
        Unit::Pound => "lb",
        Unit::Inr | Unit::One | Unit::Score => "",
        Unit::MilligramPerDecilitre
        | Unit::GramPerLitre
        | Unit::MillimolePerLitre
        | Unit::Kilogram
        | Unit::Gram
        | Unit::Kilopascal
        | Unit::PerMinute
        | Unit::Percent
        | Unit::Litre
        | Unit::LitrePerMinute
        | Unit::LitrePerSecond => unit.ucum(),
    }
}

/// `0,52 g/L`, `> 8,0`, `HI`.
pub fn value(value: &Value, locale: Locale) -> String {
    let unit = unit(value.unit);
    let text = match (value.comparator, value.number) {
        (None, Some(number)) => locale.number(number),
        (Some(comparator), Some(number)) => format!("{} {}", comparator.as_str(), locale.number(number)),
        (Some(Comparator::Below), None) => return "LO".to_owned(),
        (Some(Comparator::Above), None) => return "HI".to_owned(),
        (None, None) => return "?".to_owned(),
    };
    if unit.is_empty() { text } else { format!("{text} {unit}") }
}

/// A value for programs, with the digits that were sent: `1.10`, `HI`.
pub fn exact(value: &Value) -> String {
    match (value.number, value.comparator) {
        (Some(number), _) => number.to_string(),
        (None, Some(Comparator::Below)) => "LO".to_owned(),
        (None, Some(Comparator::Above)) => "HI".to_owned(),
        (None, None) => String::new(),
    }
}

/// `20/11 à 02:10`, `20 Nov at 02:10`; with the year where it is not the present one.
pub fn moment(at: Timestamp, zone: &TimeZone, now: Timestamp, texts: Texts) -> String {
    let local = zone.to_datetime(at);
    let same_year = zone.to_datetime(now).year() == local.year();
    let time = format!("{:02}:{:02}", local.hour(), local.minute());
    match (texts.0, same_year) {
        (Locale::Fr, true) => format!("{:02}/{:02} à {time}", local.day(), local.month()),
        (Locale::Fr, false) => format!("{:02}/{:02}/{} à {time}", local.day(), local.month(), local.year()),
        (Locale::En, true) => format!("{} at {time}", plain(&texts.0.day(local.date()))),
        (Locale::En, false) => format!("{} at {time}", plain(&texts.0.full_day(local.date()))),
    }
}

/// `22 nov. 2026`.
pub fn day(date: Date, texts: Texts) -> String {
    texts.0.full_day(date)
}

fn plain(text: &str) -> String {
    text.replace('\u{a0}', " ")
}

/// How long ago, in the one unit that matters: `4 min`, `7 h`, `3 j`.
pub fn age(at: Timestamp, now: Timestamp, texts: Texts) -> String {
    let seconds = now.duration_since(at).as_secs().max(0);
    match seconds {
        ..60 => texts.get("age.now").to_owned(),
        60..5_400 => texts.with("age.minutes", "n", seconds / 60),
        5_400..172_800 => texts.with("age.hours", "n", seconds / 3_600),
        _ => texts.with("age.days", "n", seconds / 86_400),
    }
}

/// Years completed.
pub fn years(birth: Date, today: Date) -> i16 {
    let had_birthday = (today.month(), today.day()) >= (birth.month(), birth.day());
    today.year() - birth.year() - i16::from(!had_birthday)
}

/// Hours as people say them: `38 h`, `5 jours`.
pub fn span(hours: i64, texts: Texts) -> String {
    if hours >= 96 || (hours >= 48 && hours % 24 == 0) {
        texts.count("span.days", hours / 24)
    } else {
        texts.with("span.hours", "n", hours)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value_of(text: &str, comparator: &str, unit: Unit) -> Value {
        Value::parse(text, comparator, unit).unwrap()
    }

    #[test]
    fn values_keep_their_digits() {
        let value_ = value_of("1.10", "", Unit::GramPerLitre);
        assert_eq!(value(&value_, Locale::Fr), "1,10 g/L");
        assert_eq!(value(&value_, Locale::En), "1.10 g/L");
        assert_eq!(exact(&value_), "1.10");
    }

    #[test]
    fn censored_values_are_shown_as_the_meter_showed_them() {
        assert_eq!(value(&value_of("HI", "", Unit::GramPerLitre), Locale::Fr), "HI");
        assert_eq!(value(&value_of("8.0", ">", Unit::Inr), Locale::Fr), "> 8,0");
        assert_eq!(exact(&value_of("LO", "", Unit::GramPerLitre)), "LO");
    }

    #[test]
    fn a_person_turns_a_year_older_on_the_birthday() {
        let birth = jiff::civil::date(1950, 11, 22);
        assert_eq!(years(birth, jiff::civil::date(2026, 11, 21)), 75);
        assert_eq!(years(birth, jiff::civil::date(2026, 11, 22)), 76);
    }

    #[test]
    fn ages_use_one_unit() {
        let now: Timestamp = "2026-11-22T08:00:00Z".parse().unwrap();
        let texts = Texts(Locale::Fr);
        for (seconds, expected) in [
            (-5, "à l’instant"),
            (59, "à l’instant"),
            (61, "1 min"),
            (5_400, "1 h"),
            (172_799, "47 h"),
            (172_800, "2 j"),
        ] {
            assert_eq!(age(now - jiff::SignedDuration::from_secs(seconds), now, texts), expected);
        }
    }
}
