//! When staff work: Monday to Friday, 8:30 to 17:30. Alerts are read then and at no other time.

use jiff::civil::{Date, time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

fn opening(zone: &TimeZone, date: Date) -> Option<(Timestamp, Timestamp)> {
    let at = |time| zone.to_timestamp(date.to_datetime(time)).ok();
    let works = date.weekday().to_monday_zero_offset() < 5;
    works.then_some(())?;
    Some((at(time(8, 30, 0, 0))?, at(time(17, 30, 0, 0))?))
}

/// `effort` of working time after `from`.
pub(super) fn working_time_after(zone: &TimeZone, from: Timestamp, effort: SignedDuration) -> Timestamp {
    let (mut left, mut date) = (effort, from.to_zoned(zone.clone()).date());
    // A fortnight holds more working hours than anything that is planned.
    for _ in 0..14 {
        if let Some((opens, closes)) = opening(zone, date) {
            let begins = from.max(opens);
            let there_is = closes.duration_since(begins);
            if left < there_is {
                return begins.saturating_add(left).unwrap_or(begins);
            }
            left -= there_is.max(SignedDuration::ZERO);
        }
        date = date.saturating_add(1.day());
    }
    from
}

/// So many working days after the day of `from`, `effort` after opening.
pub(super) fn days_later(zone: &TimeZone, from: Timestamp, days: u32, effort: SignedDuration) -> Timestamp {
    let (mut left, mut date) = (days.max(1), from.to_zoned(zone.clone()).date());
    for _ in 0..28 {
        date = date.saturating_add(1.day());
        if let Some((opens, _)) = opening(zone, date) {
            left -= 1;
            if left == 0 {
                return opens.saturating_add(effort).unwrap_or(opens);
            }
        }
    }
    from
}

#[cfg(test)]
mod tests {
    use vigie_device_sim::central_europe;

    use super::*;

    fn after(from: &str, minutes: i64) -> String {
        let effort = SignedDuration::from_mins(minutes);
        working_time_after(&central_europe(), from.parse().unwrap(), effort).to_string()
    }

    #[test]
    fn what_comes_on_friday_evening_is_looked_at_on_monday_morning() {
        // Friday 20 November 2026, 18:10 in Paris; Monday 8:30 is 7:30 UTC.
        assert_eq!(after("2026-11-20T17:10:00Z", 10), "2026-11-23T07:40:00Z");
        assert_eq!(after("2026-11-24T03:00:00Z", 0), "2026-11-24T07:30:00Z");
        assert_eq!(after("2026-11-24T09:00:00Z", 25), "2026-11-24T09:25:00Z");
    }

    #[test]
    fn work_that_a_day_ends_goes_on_the_next() {
        assert_eq!(after("2026-11-24T16:20:00Z", 30), "2026-11-25T07:50:00Z");
    }

    #[test]
    fn the_working_day_after_friday_is_monday() {
        let friday = "2026-11-20T09:00:00Z".parse().unwrap();
        let next = days_later(&central_europe(), friday, 1, SignedDuration::from_mins(45));
        assert_eq!(next.to_string(), "2026-11-23T08:15:00Z");
    }
}
