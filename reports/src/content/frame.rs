//! The times that a report is about.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use vigie_store::reports::record::WeekRecord;
use vigie_vitals::metrics::Period;
use vigie_words::sentences::zone_of;

use super::Week;

/// The week, the zone, and what was known.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    /// Which week.
    pub(super) week: Week,
    /// The patient's zone.
    pub(super) zone: TimeZone,
    /// The whole week.
    pub(super) whole: Period,
    /// The part of the week that is over: all of it, unless the report is provisional.
    pub(super) over: Period,
    /// What was known at this moment.
    pub(super) known_at: Timestamp,
}

/// One local day of the week.
#[derive(Debug, Clone, Copy)]
pub(super) struct Day {
    pub(super) date: Date,
    pub(super) period: Period,
}

impl Frame {
    pub(super) fn new(week: Week, record: &WeekRecord) -> Self {
        let wanted = &record.wanted;
        let whole = Period { from: wanted.from, to: wanted.to };
        let end = wanted.to.min(wanted.known_at).max(wanted.from);
        Self {
            week,
            zone: zone_of(&record.patient.time_zone),
            whole,
            over: Period { from: wanted.from, to: end },
            known_at: wanted.known_at,
        }
    }

    /// Was the week not over when the report was made?
    pub(super) fn provisional(&self) -> bool {
        self.known_at < self.whole.to
    }

    /// The week before.
    pub(super) fn before(&self) -> Period {
        Period { from: self.week.plus(-1).start(&self.zone), to: self.whole.from }
    }

    /// So many weeks up to the end of this one (of what is over of it).
    pub(super) fn weeks(&self, weeks: i64) -> Period {
        Period { from: self.week.plus(1 - weeks).start(&self.zone), to: self.over.to }
    }

    /// As many weeks, up to the end of the week before.
    pub(super) fn weeks_before(&self, weeks: i64) -> Period {
        Period { from: self.week.plus(-weeks).start(&self.zone), to: self.whole.from }
    }

    /// So many days of 24 hours up to the end of this week (of what is over of it): 14 days are 14 days also where clocks
    /// change.
    pub(super) fn days_up_to_now(&self, days: i64) -> Period {
        up_to(self.over.to, days)
    }

    /// As many, up to the end of the week before.
    pub(super) fn days_up_to_before(&self, days: i64) -> Period {
        up_to(self.whole.from, days)
    }

    /// How many local days of the week have begun.
    pub(super) fn days_begun(&self) -> usize {
        self.days().iter().filter(|day| day.period.from < self.over.to).count()
    }

    /// The local date of an instant.
    pub(super) fn date(&self, at: Timestamp) -> Date {
        self.zone.to_datetime(at).date()
    }

    /// The seven local days, of 23, 24 or 25 hours.
    pub(super) fn days(&self) -> Vec<Day> {
        let mut days = Vec::with_capacity(7);
        let mut date = self.week.monday();
        while days.len() < 7 {
            let Ok(next) = date.tomorrow() else { break };
            days.push(Day { date, period: Period { from: self.start_of(date), to: self.start_of(next) } });
            date = next;
        }
        days
    }

    /// Local midnight, or the first instant of a day that has none.
    fn start_of(&self, date: Date) -> Timestamp {
        self.zone.to_zoned(date.at(0, 0, 0, 0)).map_or(Timestamp::UNIX_EPOCH, |zoned| zoned.timestamp())
    }
}

fn up_to(to: Timestamp, days: i64) -> Period {
    Period { from: to.checked_sub(SignedDuration::from_hours(24 * days)).unwrap_or(Timestamp::MIN), to }
}

/// Do two stretches overlap?
pub(super) fn overlap(from: Timestamp, until: Timestamp, period: Period) -> bool {
    from < period.to && until > period.from && from < until
}
