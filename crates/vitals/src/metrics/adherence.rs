//! What came against what was expected.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::day::bounds;
use super::number::percent;
use super::{Metric, Period};
use crate::{Pause, SilenceRule};

const SECONDS_PER_HOUR: f64 = 3600.0;
/// Days of a period beyond which nothing is listed by day: ten years.
const DAYS_MAX: usize = 3660;

/// What is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// One reading in every so many hours.
    EveryHours(u32),
    /// So many readings on each local date.
    PerDay(u32),
}

impl From<&SilenceRule> for Schedule {
    /// The grace of a silence rule delays its alert and changes nothing in what is expected.
    fn from(rule: &SilenceRule) -> Self {
        Self::EveryHours(rule.every_hours)
    }
}

/// One local date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DailyCount {
    /// The date.
    pub date: Date,
    /// Readings expected on it; absent when less than one a day is expected.
    pub expected: Option<usize>,
    /// Readings that came.
    pub received: usize,
}

/// A stretch without a reading.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Gap {
    /// From the last reading before it (or the begin of the period),
    pub from: Timestamp,
    /// to the next one (or the end of the period).
    pub to: Timestamp,
    /// How long, without what was paused.
    pub hours: f64,
}

/// Adherence over a period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Adherence {
    /// The period: from here,
    pub from: Timestamp,
    /// up to and without here.
    pub to: Timestamp,
    /// Readings expected, pauses excluded.
    pub expected: usize,
    /// Readings that came.
    pub received: usize,
    /// Of the readings expected, the share that came, in %: many on one day do not make up for none on another.
    /// Absent when nothing was expected.
    pub percent: Option<f64>,
    /// Each local date.
    pub days: Vec<DailyCount>,
    /// Local dates with a reading.
    pub days_with_data: usize,
    /// The longest stretch without a reading.
    pub longest_gap: Option<Gap>,
    /// Hours of the period that were paused.
    pub paused_hours: f64,
}

/// What came against a schedule (times of readings in any order).
///
/// Expectation follows real hours: an hourly reading is expected 23 or 25 times on the days when clocks change, a
/// daily one once. It is rounded to whole readings for each local date (half of one is not expected), from the hours that
/// lie in the period and in no pause. Less than one a day is expected over the whole period instead.
pub fn adherence(
    times: &[Timestamp],
    period: Period,
    schedule: Schedule,
    pauses: &[Pause],
    zone: &TimeZone,
) -> Adherence {
    let mut times: Vec<Timestamp> = times.iter().copied().filter(|at| period.contains(*at)).collect();
    times.sort_unstable();
    let paused = merged(pauses, period);
    let active = |from: Timestamp, to: Timestamp| hours(from, to) - paused_between(&paused, from, to);
    let mut days = Vec::new();
    let (mut expected, mut fulfilled) = (0, 0);
    for (date, from, to, whole) in dates(period, zone) {
        let due = match schedule {
            Schedule::EveryHours(every) if every > 24 => None,
            Schedule::EveryHours(every) => Some(rounded(active(from, to) / f64::from(every.max(1)))),
            Schedule::PerDay(count) => Some(rounded(active(from, to) / whole * f64::from(count))),
        };
        let today = times.iter().filter(|at| from <= **at && **at < to);
        let received = today.clone().count();
        let outside_pauses = today.filter(|at| !paused.iter().any(|pause| pause.contains(**at))).count();
        expected += due.unwrap_or(0);
        fulfilled += due.map_or(0, |due| due.min(outside_pauses));
        days.push(DailyCount { date, expected: due, received });
    }
    if let Schedule::EveryHours(every) = schedule
        && every > 24
        && period.from < period.to
    {
        expected = rounded(active(period.from, period.to) / f64::from(every));
        let outside_pauses = times.iter().filter(|at| !paused.iter().any(|pause| pause.contains(**at)));
        fulfilled = expected.min(outside_pauses.count());
    }
    Adherence {
        from: period.from,
        to: period.to,
        expected,
        received: times.len(),
        percent: percent(fulfilled, expected),
        days_with_data: days.iter().filter(|day| day.received > 0).count(),
        days,
        longest_gap: longest_gap(&times, period, &paused),
        paused_hours: paused.iter().map(|pause| hours(pause.from, pause.to)).sum(),
    }
}

impl Adherence {
    /// The numbers under their names, each with unit, period, n (readings that came) and whether it is sufficient.
    pub fn metrics(&self) -> Vec<(&'static str, Metric)> {
        let period = Period { from: self.from, to: self.to };
        let metric = |value, unit| Metric::new(value, unit, period, self.received, true);
        vec![
            ("expected", metric(Some(self.expected as f64), "1")),
            ("received", metric(Some(self.received as f64), "1")),
            ("percent", metric(self.percent, "%")),
            ("days_with_data", metric(Some(self.days_with_data as f64), "d")),
            ("longest_gap", metric(self.longest_gap.map(|gap| gap.hours), "h")),
        ]
    }
}

/// Half of one is not expected yet.
fn rounded(expected: f64) -> usize {
    (expected - 0.5).ceil().max(0.0) as usize
}

fn hours(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).max(SignedDuration::ZERO).as_secs_f64() / SECONDS_PER_HOUR
}

/// The local dates of a period: date, its part that lies in the period, and the hours of the whole date.
fn dates(period: Period, zone: &TimeZone) -> impl Iterator<Item = (Date, Timestamp, Timestamp, f64)> {
    let first = period.from.to_zoned(zone.clone()).date();
    std::iter::successors(Some(first), |date| date.tomorrow().ok()).take(DAYS_MAX).map_while(move |date| {
        let (from, to) = bounds(date, zone)?;
        let whole = hours(from, to);
        let (from, to) = (from.max(period.from), to.min(period.to));
        (from < to).then_some((date, from, to, whole))
    })
}

/// Pauses within the period, in order, without overlaps.
fn merged(pauses: &[Pause], period: Period) -> Vec<Period> {
    let mut within: Vec<Period> = pauses
        .iter()
        .map(|pause| Period { from: pause.from.max(period.from), to: pause.until.min(period.to) })
        .filter(|pause| pause.from < pause.to)
        .collect();
    within.sort_by_key(|pause| (pause.from, pause.to));
    let mut merged: Vec<Period> = Vec::with_capacity(within.len());
    for pause in within {
        match merged.last_mut() {
            Some(last) if pause.from <= last.to => last.to = last.to.max(pause.to),
            _ => merged.push(pause),
        }
    }
    merged
}

fn paused_between(paused: &[Period], from: Timestamp, to: Timestamp) -> f64 {
    paused.iter().map(|pause| hours(pause.from.max(from), pause.to.min(to))).sum()
}

/// Of equal gaps the first.
fn longest_gap(times: &[Timestamp], period: Period, paused: &[Period]) -> Option<Gap> {
    let starts = std::iter::once(period.from).chain(times.iter().copied());
    let ends = times.iter().copied().chain(std::iter::once(period.to));
    let mut longest: Option<Gap> = None;
    for (from, to) in starts.zip(ends).filter(|(from, to)| from < to) {
        let hours = hours(from, to) - paused_between(paused, from, to);
        if longest.is_none_or(|longest| hours > longest.hours) {
            longest = Some(Gap { from, to, hours });
        }
    }
    longest
}
