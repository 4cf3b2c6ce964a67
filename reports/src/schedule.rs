//! When reports are due: some hours after a week's end in the patient's own zone.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use vigie_store::reports::jobs;
use vigie_store::{Database, Result};

use crate::content::Week;

/// When a week's report is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// So long after the end of the week, for readings that are on their way (6 h).
    pub after: SignedDuration,
    /// How many weeks that nobody reported on are caught up with (4): after an outage, or in a new installation.
    pub weeks_back: i64,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { after: SignedDuration::from_hours(6), weeks_back: 4 }
    }
}

impl Schedule {
    /// When the report of a week is due. It tells what was known at that moment, however late it is made.
    pub fn due(&self, week: Week, zone: &TimeZone) -> Timestamp {
        let end = week.end(zone);
        end.checked_add(self.after).unwrap_or(end)
    }

    /// What a report of this week made now may know: all that was received until it was due, or until now when it is not
    /// due yet.
    pub fn known_at(&self, week: Week, zone: &TimeZone, now: Timestamp) -> Timestamp {
        self.due(week, zone).min(now)
    }

    /// Weeks that are due in a zone, oldest first.
    pub fn due_weeks(&self, zone: &TimeZone, now: Timestamp) -> Vec<Week> {
        let this = Week::at(now, zone);
        let weeks = (1..=self.weeks_back).rev().map(|back| this.plus(-back));
        weeks.filter(|week| self.due(*week, zone) <= now).collect()
    }

    /// Puts what is due on the list of jobs. Idempotent, so any number of processes may do it. Returns how many are new.
    pub async fn fill(&self, database: &Database, now: Timestamp) -> Result<u64> {
        let mut tx = database.begin().await?;
        let mut new = 0;
        for name in jobs::zones(&mut tx).await? {
            let Ok(zone) = TimeZone::get(&name) else {
                tracing::error!(zone = name, "nobody knows this time zone; its patients have no reports");
                continue;
            };
            for week in self.due_weeks(&zone, now) {
                let (from, to) = (week.start(&zone), week.end(&zone));
                let due = self.due(week, &zone);
                new += jobs::schedule(&mut tx, &name, &week.to_string(), from, to, due, now).await?;
            }
        }
        tx.commit().await.map_err(vigie_store::Error::from)?;
        Ok(new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_week_is_due_six_hours_after_its_local_end() {
        let paris = TimeZone::get("Europe/Paris").unwrap();
        let reunion = TimeZone::get("Indian/Reunion").unwrap();
        let schedule = Schedule::default();
        let week: Week = "2026-W47".parse().unwrap();
        assert_eq!(schedule.due(week, &paris), at("2026-11-23T05:00:00Z"));
        assert_eq!(schedule.due(week, &reunion), at("2026-11-23T02:00:00Z"));
        // The Sunday of the clock change has 25 hours: the week ends at midnight all the same.
        let change: Week = "2026-W43".parse().unwrap();
        assert_eq!(schedule.due(change, &paris), at("2026-10-26T05:00:00Z"));
    }

    #[test]
    fn what_was_missed_is_caught_up_with_oldest_first_and_the_running_week_waits() {
        let paris = TimeZone::get("Europe/Paris").unwrap();
        let schedule = Schedule { weeks_back: 2, ..Schedule::default() };
        let weeks = |now| {
            let due = schedule.due_weeks(&paris, at(now));
            due.into_iter().map(|week| week.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(weeks("2026-11-23T04:59:59Z"), ["2026-W46"]);
        assert_eq!(weeks("2026-11-23T05:00:00Z"), ["2026-W46", "2026-W47"]);
        assert_eq!(weeks("2026-11-29T22:00:00Z"), ["2026-W46", "2026-W47"]);
    }

    #[test]
    fn a_report_made_late_knows_no_more_than_one_made_in_time() {
        let paris = TimeZone::get("Europe/Paris").unwrap();
        let schedule = Schedule::default();
        let week: Week = "2026-W47".parse().unwrap();
        assert_eq!(schedule.known_at(week, &paris, at("2026-12-24T00:00:00Z")), at("2026-11-23T05:00:00Z"));
        assert_eq!(schedule.known_at(week, &paris, at("2026-11-20T00:00:00Z")), at("2026-11-20T00:00:00Z"));
    }
}
