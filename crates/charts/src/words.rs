//! Numbers and dates as people of a language write them. 24-hour clock; a month is never a number alone.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

/// Language of a chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Locale {
    /// French.
    #[default]
    Fr,
    /// English.
    En,
}

const MONTHS_FR: [&str; 12] =
    ["janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.", "déc."];
const MONTHS_EN: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sept", "Oct", "Nov", "Dec"];

const WEEKDAYS_FR: [&str; 7] = ["lun.", "mar.", "mer.", "jeu.", "ven.", "sam.", "dim."];
const WEEKDAYS_EN: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

impl Locale {
    /// The language with this code, `fr` or `en`.
    pub fn of_code(code: &str) -> Option<Self> {
        match code {
            "fr" => Some(Self::Fr),
            "en" => Some(Self::En),
            _ => None,
        }
    }

    /// Picks the text of this language.
    pub fn pick<'a>(self, fr: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Fr => fr,
            Self::En => en,
        }
    }

    /// The digits as they are, with the decimal mark of the language and a true minus sign.
    pub fn number(self, value: Decimal) -> String {
        let text = value.to_string().replace('-', "\u{2212}");
        match self {
            Self::Fr => text.replace('.', ","),
            Self::En => text,
        }
    }

    fn month(self, date: Date) -> &'static str {
        let months = match self {
            Self::Fr => &MONTHS_FR,
            Self::En => &MONTHS_EN,
        };
        usize::try_from(date.month())
            .ok()
            .and_then(|month| months.get(month.wrapping_sub(1)))
            .copied()
            .unwrap_or("")
    }

    /// `22 nov.`, `22 Nov`.
    pub fn day(self, date: Date) -> String {
        let ordinal = if date.day() == 1 && self == Self::Fr { "er" } else { "" };
        format!("{}{ordinal}\u{a0}{}", date.day(), self.month(date))
    }

    /// `dim. 22 nov.`, `Sun 22 Nov`.
    pub fn weekday_and_day(self, date: Date) -> String {
        format!("{}\u{a0}{}", self.weekday(date), self.day(date))
    }

    /// The letter of the weekday: `L M M J V S D`, `M T W T F S S`.
    pub fn weekday_letter(self, date: Date) -> &'static str {
        let letters: &'static str = self.pick("LMMJVSD", "MTWTFSS");
        let index = usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or(0);
        letters.get(index..=index).unwrap_or("")
    }

    fn weekday(self, date: Date) -> &'static str {
        let weekdays = match self {
            Self::Fr => &WEEKDAYS_FR,
            Self::En => &WEEKDAYS_EN,
        };
        let index = usize::try_from(date.weekday().to_monday_zero_offset());
        index.ok().and_then(|index| weekdays.get(index)).copied().unwrap_or("")
    }

    /// `22 nov. 2026`, `22 Nov 2026`.
    pub fn full_day(self, date: Date) -> String {
        format!("{}\u{a0}{}", self.day(date), date.year())
    }

    /// The last local day of a stretch of time whose end is not part of it: one that ends at midnight ends
    /// with the day before.
    pub(crate) fn last_day(until: Timestamp, zone: &TimeZone) -> Date {
        zone.to_datetime(until.saturating_sub(SignedDuration::from_nanos(1)).unwrap_or(until)).date()
    }

    /// `07:00`.
    pub fn time(self, at: Timestamp, zone: &TimeZone) -> String {
        let local = zone.to_datetime(at);
        format!("{:02}:{:02}", local.hour(), local.minute())
    }

    /// `22 nov. à 07:00`, `22 Nov at 07:00`.
    pub fn day_time(self, at: Timestamp, zone: &TimeZone) -> String {
        format!("{} {} {}", self.day(zone.to_datetime(at).date()), self.pick("à", "at"), self.time(at, zone))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits_and_take_the_mark_of_the_language() {
        let value: Decimal = "-1.10".parse().unwrap();
        assert_eq!(Locale::Fr.number(value), "−1,10");
        assert_eq!(Locale::En.number(value), "−1.10");
    }

    #[test]
    fn dates_are_written_with_the_month_in_letters_in_the_local_zone() {
        let zone = TimeZone::get("Europe/Paris").unwrap();
        let at: Timestamp = "2026-11-30T23:30:00Z".parse().unwrap();
        assert_eq!(Locale::Fr.day_time(at, &zone), "1er\u{a0}déc. à 00:30");
        assert_eq!(Locale::En.day_time(at, &zone), "1\u{a0}Dec at 00:30");
    }
}
