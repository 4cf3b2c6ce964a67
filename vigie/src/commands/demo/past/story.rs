//! What happened to whom: a few things that a week's report has to tell, each to a patient of its own where there
//! are enough. They fall into the last whole week, Monday to Thursday, so that the week before now is worth a report.

use anyhow::{Context, Result};
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use vigie_device_sim::{DeviceKind, Profile, central_europe};

use crate::commands::demo::people::plan_of;

/// A past is made for so many patients at most: it is lived through before anything else starts.
pub(crate) const PATIENTS_MAX: u32 = 200;

/// From one moment to another, the second not included.
pub(super) type Stretch = (Timestamp, Timestamp);

/// Which days are made up, and what happens in them.
#[derive(Debug, Clone)]
pub(crate) struct Past {
    /// Local midnight: all days but the last are whole ones.
    pub(crate) from: Timestamp,
    /// Where the simulation, or real time, goes on.
    pub(crate) until: Timestamp,
    /// Whole days before the day on which it ends.
    pub(super) days: u32,
    /// Patients of the demo.
    patients: u32,
    pub(super) zone: TimeZone,
}

impl Past {
    /// So many days before the local day of `until`, and that day up to `until`.
    pub(crate) fn new(until: Timestamp, days: u32, patients: u32) -> Result<Self> {
        let zone = central_europe();
        let until = Timestamp::from_second(until.as_second())?;
        let first = until.to_zoned(zone.clone()).date().checked_sub(i64::from(days).days())?;
        let from = zone.to_timestamp(first.to_datetime(Time::midnight())).context("a midnight")?;
        Ok(Self { from, until, days, patients, zone })
    }

    /// Has this patient a past?
    pub(crate) fn covers(&self, index: u32) -> bool {
        index < self.patients.min(PATIENTS_MAX)
    }

    /// How many patients have one.
    pub(super) fn people(&self) -> u32 {
        self.patients.min(PATIENTS_MAX)
    }

    pub(super) fn date_of(&self, at: Timestamp) -> Date {
        at.to_zoned(self.zone.clone()).date()
    }

    /// A local time of a day.
    pub(super) fn at(&self, date: Date, hour: i8, minute: i8) -> Option<Timestamp> {
        self.zone.to_timestamp(date.at(hour, minute, 0, 0)).ok()
    }

    /// A local time of the last whole week, `weekday` counted from Monday (0); negative ones are of the week before.
    /// `None` when it lies before the past.
    pub(super) fn last_week(&self, weekday: i64, hour: i8, minute: i8) -> Option<Timestamp> {
        let today = self.date_of(self.until);
        let back = i64::from(today.weekday().to_monday_zero_offset()) + 7 - weekday;
        let at = self.at(today.checked_sub(back.days()).ok()?, hour, minute)?;
        (self.from <= at && at < self.until).then_some(at)
    }

    /// The patient of this profile with this place among them; `None` when there are too few.
    fn nth(&self, profile: Profile, place: usize) -> Option<u32> {
        (0..self.people()).filter(|index| plan_of(*index).0 == profile).nth(place)
    }

    fn is(&self, index: u32, profile: Profile, place: usize) -> bool {
        self.nth(profile, place) == Some(index)
    }

    /// When this patient's meter was replaced by another one.
    pub(crate) fn swap(&self, index: u32) -> Option<Timestamp> {
        self.is(index, Profile::Diabetes, 1).then(|| self.last_week(3, 10, 40))?
    }

    /// In hospital: nothing is measured, and the pause is recorded the day before.
    pub(super) fn hospital(&self, index: u32) -> Option<(Stretch, Timestamp)> {
        if !self.is(index, Profile::HeartFailure, 0) {
            return None;
        }
        let stay = (self.last_week(1, 9, 0)?, self.last_week(4, 16, 0)?);
        Some((stay, self.last_week(0, 16, 20)?))
    }

    /// The patient whose prescription a physician changes, and when.
    pub(super) fn prescription(&self, index: u32) -> Option<Timestamp> {
        let profile = plan_of(index).0;
        let place = match profile {
            Profile::Diabetes => 3,
            Profile::HeartFailure => 2,
            Profile::DiabetesCgm | Profile::OralAnticoagulation => 0,
        };
        let minute = i8::try_from(index % 40).unwrap_or_default();
        self.is(index, profile, place).then(|| self.last_week(2, 10, 15 + minute))?
    }

    /// Worn so rarely that nothing can be concluded: four hours every fourth day.
    pub(super) fn hardly_worn(&self, index: u32, kind: DeviceKind) -> bool {
        kind == DeviceKind::Cgm && self.is(index, Profile::DiabetesCgm, 2)
    }

    /// When the weighing of somebody else is due.
    pub(super) fn wrong_person(&self, index: u32, kind: DeviceKind) -> Option<Timestamp> {
        let there = kind == DeviceKind::Scale && self.is(index, Profile::HeartFailure, 1);
        there.then(|| self.last_week(2, 5, 0))?
    }

    /// When the strips are checked with control solution.
    pub(super) fn control_solution(&self, index: u32, kind: DeviceKind) -> Option<Timestamp> {
        let there = kind == DeviceKind::Glucometer && self.is(index, Profile::Diabetes, 2);
        there.then(|| self.last_week(1, 9, 0))?
    }

    /// After this the clock of the scale is lost once: a reading of the year 2000, which is refused.
    pub(super) fn clock_reset(&self, index: u32, kind: DeviceKind) -> Option<Timestamp> {
        let there = kind == DeviceKind::Scale && self.is(index, Profile::HeartFailure, 3);
        there.then(|| self.last_week(3, 5, 0))?
    }

    /// After this one reading is lost on the device: its number never arrives.
    pub(super) fn lost_number(&self, index: u32, kind: DeviceKind) -> Option<Timestamp> {
        let there = kind == DeviceKind::Glucometer && self.is(index, Profile::Diabetes, 4);
        there.then(|| self.last_week(3, 5, 0))?
    }

    /// Without a connection from the Saturday before the last week until its Monday evening: what was measured in one
    /// week is known in the next.
    pub(super) fn over_the_weekend(&self, index: u32) -> Option<Stretch> {
        let there = self.is(index, Profile::DiabetesCgm, 1) || self.is(index, Profile::Diabetes, 5);
        there.then(|| Some((self.last_week(-2, 20, 0)?, self.last_week(0, 18, 0)?)))?
    }

    /// All that is not worn, when only four hours of every fourth day are.
    pub(super) fn not_worn(&self) -> Vec<Stretch> {
        let mut stretches = Vec::new();
        let mut since = self.from;
        let mut date = self.date_of(self.from);
        for day in 0..=self.days {
            if day % 4 == 1
                && let (Some(on), Some(off)) = (self.at(date, 9, 0), self.at(date, 13, 0))
            {
                stretches.push((since, on));
                since = off;
            }
            date = date.checked_add(1.day()).unwrap_or(date);
        }
        stretches.push((since, self.until.saturating_add(SignedDuration::from_hours(1)).unwrap_or(since)));
        stretches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(until: &str) -> Past {
        Past::new(until.parse().unwrap(), 35, 24).unwrap()
    }

    #[test]
    fn a_past_begins_at_a_local_midnight_whatever_the_hour_at_which_it_ends() {
        // Winter and summer time, and across the change of the clocks on 25 October 2026.
        for (until, from) in [
            ("2026-11-24T06:05:00Z", "2026-10-19T22:00:00Z"),
            ("2026-11-24T22:59:59Z", "2026-10-19T22:00:00Z"),
            ("2026-11-24T23:00:00Z", "2026-10-20T22:00:00Z"),
            ("2026-07-01T12:00:00Z", "2026-05-26T22:00:00Z"),
        ] {
            assert_eq!(past(until).from.to_string(), from, "{until}");
        }
    }

    #[test]
    fn the_last_whole_week_is_the_one_before_this_week_on_every_day_of_it() {
        // 23 November 2026 is a Monday, 29 November a Sunday.
        for until in ["2026-11-22T23:00:00Z", "2026-11-24T06:05:00Z", "2026-11-29T22:59:59Z"] {
            let wednesday = past(until).last_week(2, 10, 15).unwrap();
            assert_eq!(wednesday.to_string(), "2026-11-18T09:15:00Z", "{until}");
        }
        let short = Past::new("2026-11-24T06:05:00Z".parse().unwrap(), 3, 24).unwrap();
        assert_eq!(short.last_week(2, 10, 15), None, "before its beginning nothing happens");
    }

    #[test]
    fn whom_something_happens_to_depends_on_nothing_but_the_number_of_patients() {
        let past = past("2026-11-24T06:05:00Z");
        let all = |has: &dyn Fn(u32) -> bool| (0..30).filter(|index| has(*index)).collect::<Vec<_>>();
        assert_eq!(all(&|i| past.swap(i).is_some()), [3]);
        assert_eq!(all(&|i| past.hospital(i).is_some()), [1]);
        assert_eq!(all(&|i| past.prescription(i).is_some()), [2, 5, 7, 9]);
        assert_eq!(all(&|i| past.hardly_worn(i, DeviceKind::Cgm)), [17]);
        assert_eq!(all(&|i| past.wrong_person(i, DeviceKind::Scale).is_some()), [4]);
        assert_eq!(all(&|i| past.control_solution(i, DeviceKind::Glucometer).is_some()), [6]);
        assert_eq!(all(&|i| past.covers(i)), (0..24).collect::<Vec<_>>());
    }
}
