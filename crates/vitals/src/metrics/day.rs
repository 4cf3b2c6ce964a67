//! Local dates of instants, with one look into the zone's rules per day.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Gives local dates; fast for instants that come in order.
pub(super) struct Days<'a> {
    zone: &'a TimeZone,
    today: Option<(Timestamp, Timestamp, Date)>,
}

impl<'a> Days<'a> {
    pub(super) fn new(zone: &'a TimeZone) -> Self {
        Self { zone, today: None }
    }

    /// The local date of an instant.
    pub(super) fn date(&mut self, at: Timestamp) -> Date {
        if let Some((from, to, date)) = self.today
            && from <= at
            && at < to
        {
            return date;
        }
        let date = at.to_zoned(self.zone.clone()).date();
        self.today = bounds(date, self.zone).map(|(from, to)| (from, to, date));
        date
    }
}

/// When a local date begins and when the next one does: 23, 24 or 25 hours later. `None` at the ends of time.
pub(super) fn bounds(date: Date, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
    let start = |date: Date| Some(date.to_zoned(zone.clone()).ok()?.start_of_day().ok()?.timestamp());
    Some((start(date)?, start(date.tomorrow().ok()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_of_a_change_of_clocks_have_23_and_25_hours() {
        let paris = TimeZone::get("Europe/Paris").unwrap();
        for (date, hours) in [("2026-03-29", 23), ("2026-10-25", 25), ("2026-07-01", 24)] {
            let (from, to) = bounds(date.parse().unwrap(), &paris).unwrap();
            assert_eq!(to.duration_since(from).as_hours(), hours, "{date}");
        }
    }

    #[test]
    fn dates_are_local_whatever_the_order_of_the_questions() {
        let paris = TimeZone::get("Europe/Paris").unwrap();
        let mut days = Days::new(&paris);
        for (at, date) in [
            ("2026-06-01T21:59:59Z", "2026-06-01"),
            ("2026-06-01T22:00:00Z", "2026-06-02"),
            ("2026-05-31T22:00:00Z", "2026-06-01"),
        ] {
            assert_eq!(days.date(at.parse().unwrap()), date.parse().unwrap(), "{at}");
        }
    }
}
