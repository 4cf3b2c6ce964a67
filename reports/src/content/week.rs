//! ISO weeks in a time zone.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::ToSpan;
use jiff::civil::{Date, ISOWeekDate, Weekday};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// An ISO 8601 week, written `2026-W47`. It begins on Monday at local midnight; one of 53 weeks in some years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Week {
    monday: Date,
}

/// A text that is no ISO week.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no ISO week such as 2026-W47")]
pub struct NoWeek(pub String);

impl Week {
    /// The week that a date lies in.
    pub fn of(date: Date) -> Self {
        let back = i64::from(date.weekday().to_monday_zero_offset());
        Self { monday: date.checked_sub(back.days()).unwrap_or(date) }
    }

    /// The week that an instant lies in, in a zone.
    pub fn at(instant: Timestamp, zone: &TimeZone) -> Self {
        Self::of(zone.to_datetime(instant).date())
    }

    /// Its Monday.
    pub fn monday(self) -> Date {
        self.monday
    }

    /// The week so many weeks later (earlier when negative).
    pub fn plus(self, weeks: i64) -> Self {
        Self { monday: self.monday.checked_add(weeks.weeks()).unwrap_or(self.monday) }
    }

    /// Local midnight of Monday.
    pub fn start(self, zone: &TimeZone) -> Timestamp {
        // A zone may skip midnight: then the day begins at the first instant there is.
        zone.to_zoned(self.monday.at(0, 0, 0, 0)).map_or(Timestamp::UNIX_EPOCH, |zoned| zoned.timestamp())
    }

    /// Local midnight of the next Monday: 167, 168 or 169 hours later.
    pub fn end(self, zone: &TimeZone) -> Timestamp {
        self.plus(1).start(zone)
    }
}

impl fmt::Display for Week {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let iso = self.monday.iso_week_date();
        write!(f, "{:04}-W{:02}", iso.year(), iso.week())
    }
}

impl FromStr for Week {
    type Err = NoWeek;

    fn from_str(text: &str) -> Result<Self, NoWeek> {
        let wrong = || NoWeek(text.chars().take(32).collect());
        let (year, week) = text.split_once("-W").ok_or_else(wrong)?;
        if year.len() != 4 || week.len() != 2 {
            return Err(wrong());
        }
        let year = year.parse().map_err(|_| wrong())?;
        let week = week.parse().map_err(|_| wrong())?;
        let monday = ISOWeekDate::new(year, week, Weekday::Monday).map_err(|_| wrong())?.date();
        Ok(Self { monday })
    }
}

impl TryFrom<String> for Week {
    type Error = NoWeek;

    fn try_from(text: String) -> Result<Self, NoWeek> {
        text.parse()
    }
}

impl From<Week> for String {
    fn from(week: Week) -> Self {
        week.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paris() -> TimeZone {
        TimeZone::get("Europe/Paris").unwrap()
    }

    fn hours(week: &str) -> i64 {
        let week: Week = week.parse().unwrap();
        week.end(&paris()).duration_since(week.start(&paris())).as_hours()
    }

    #[test]
    fn a_week_begins_on_monday_at_local_midnight() {
        let week: Week = "2026-W47".parse().unwrap();
        assert_eq!(week.start(&paris()).to_string(), "2026-11-15T23:00:00Z");
        assert_eq!(Week::at("2026-11-22T22:59:59Z".parse().unwrap(), &paris()), week);
        assert_eq!(Week::at("2026-11-22T23:00:00Z".parse().unwrap(), &paris()).to_string(), "2026-W48");
    }

    #[test]
    fn weeks_with_a_clock_change_have_an_hour_more_or_less() {
        assert_eq!((hours("2026-W13"), hours("2026-W14"), hours("2026-W43")), (167, 168, 169));
    }

    #[test]
    fn some_years_have_a_week_53_and_others_do_not() {
        assert_eq!("2026-W53".parse::<Week>().unwrap().monday(), jiff::civil::date(2026, 12, 28));
        for wrong in ["2025-W53", "2026-W00", "2026-W5", "2026W47", "", "2026-W1x"] {
            assert!(wrong.parse::<Week>().is_err(), "{wrong}");
        }
    }
}
