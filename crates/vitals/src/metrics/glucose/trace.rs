//! A sensor's values as a curve: its interval, what of the time it covers, and values on an even grid.

use jiff::Timestamp;

use super::super::Period;
use super::super::number::{days_between, finite, median};

pub(super) const MILLISECONDS_PER_MINUTE: i64 = 60_000;

/// Between readings further apart than this, nothing is interpolated \[IGLU\].
pub(super) const INTERPOLATION_GAP_MINUTES: i64 = 45;

/// The instants of a sensor's readings, in order and each once, and the usual distance between them.
#[derive(Debug)]
pub(super) struct Rhythm {
    instants: Vec<i64>,
    /// In whole minutes: the median of the distances, rounded; at least 1. Absent for a single instant.
    pub(super) interval_minutes: Option<i64>,
}

impl Rhythm {
    pub(super) fn of(times: impl Iterator<Item = Timestamp>) -> Self {
        let mut instants: Vec<i64> = times.map(Timestamp::as_millisecond).collect();
        instants.sort_unstable();
        instants.dedup();
        let minutes: Vec<f64> = distances(&instants).collect();
        let interval_minutes = median(&minutes).map(|minutes| (minutes.round_ties_even() as i64).max(1));
        Self { instants, interval_minutes }
    }

    /// Share of the readings that were expected between the first and the last one, in % \[IGLU\], "automatic":
    /// `(expected - missing) / expected`, `expected = round((last - first) / interval) + 1`; what is missing is what
    /// distances greater than the interval leave out.
    pub(super) fn active_percent(&self) -> Option<f64> {
        let interval = self.interval_minutes? as f64;
        let (first, last) = (self.instants.first()?, self.instants.last()?);
        let expected = (minutes(*last - *first) / interval).round_ties_even() + 1.0;
        let left_out: f64 =
            distances(&self.instants).filter(|gap| *gap > interval).map(|gap| gap - interval).sum();
        let missing = (left_out / interval).round_ties_even();
        finite(100.0 * (expected - missing) / expected)
    }

    /// Days for which there are data: each reading stands for one interval, or for the time until the next reading
    /// or the end of the period where that is shorter.
    pub(super) fn covered_days(&self, period: Period) -> f64 {
        let Some(interval) = self.interval_minutes else { return 0.0 };
        let end = period.to.as_millisecond();
        let following = self.instants.iter().copied().skip(1).chain([end]);
        let covered: f64 = self
            .instants
            .iter()
            .zip(following)
            .map(|(at, next)| minutes((next - at).max(0)).min(interval as f64))
            .sum();
        covered / (24.0 * 60.0)
    }

    /// The same as a share of the period, in %.
    pub(super) fn coverage_percent(&self, period: Period) -> Option<f64> {
        let days = days_between(period.from, period.to);
        if days > 0.0 { finite((100.0 * self.covered_days(period) / days).clamp(0.0, 100.0)) } else { None }
    }
}

fn minutes(milliseconds: i64) -> f64 {
    milliseconds as f64 / MILLISECONDS_PER_MINUTE as f64
}

fn distances(instants: &[i64]) -> impl Iterator<Item = f64> {
    instants.iter().zip(instants.iter().skip(1)).map(|(earlier, later)| minutes(later - earlier))
}

/// A curve through a sensor's exact values; values of one instant are averaged.
#[derive(Debug)]
pub(super) struct Trace {
    points: Vec<(i64, f64)>,
}

impl Trace {
    /// From values in mg/dL in order of time.
    pub(super) fn new(times: &[Timestamp], milligrams: &[f64]) -> Self {
        let mut points: Vec<(i64, f64)> = Vec::with_capacity(times.len());
        let mut same = 0.0;
        for (at, value) in times.iter().zip(milligrams) {
            let at = at.as_millisecond();
            match points.last_mut() {
                Some((last, average)) if *last == at => {
                    same += 1.0;
                    *average += (value - *average) / same;
                }
                _ => {
                    same = 1.0;
                    points.push((at, *value));
                }
            }
        }
        Self { points }
    }

    /// Values at the multiples of `step` minutes, as [`on_grid`] lays them, interpolated linearly.
    pub(super) fn on_grid(&self, step: i64) -> Vec<(i64, f64)> {
        on_grid(
            &self.points,
            step,
            |value| *value,
            |before, after, way| before + (after - before) / way.whole * way.gone,
        )
    }
}

/// How far a step of the grid lies between two readings, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    pub(super) gone: f64,
    pub(super) whole: f64,
}

/// What is known at the multiples of `step` minutes (counted from midnight, universal time): pairs of (number of
/// the step, what is known), in order. Between readings more than 45 minutes apart nothing is known.
///
/// The offsets of all zones in use are multiples of 15 minutes, so for the steps of sensors this is the grid that begins
/// at the patient's midnight as well.
pub(super) fn on_grid<T, U>(
    points: &[(i64, T)],
    step: i64,
    at_reading: impl Fn(&T) -> U,
    between: impl Fn(&T, &T, Way) -> U,
) -> Vec<(i64, U)> {
    let step = step.max(1).saturating_mul(MILLISECONDS_PER_MINUTE);
    let mut grid = Vec::with_capacity(points.len());
    if let Some((at, point)) = points.first()
        && at.rem_euclid(step) == 0
    {
        grid.push((at.div_euclid(step), at_reading(point)));
    }
    for ((from, before), (to, after)) in points.iter().zip(points.iter().skip(1)) {
        if to - from <= INTERPOLATION_GAP_MINUTES * MILLISECONDS_PER_MINUTE {
            let first = from.div_euclid(step) + 1;
            let end = to.div_euclid(step) + i64::from(to.rem_euclid(step) != 0);
            for tick in first..end {
                let way = Way { gone: (tick * step - from) as f64, whole: (to - from) as f64 };
                grid.push((tick, between(before, after, way)));
            }
        }
        if to.rem_euclid(step) == 0 {
            grid.push((to.div_euclid(step), at_reading(after)));
        }
    }
    grid
}

/// The instant of a step of the grid.
pub(super) fn instant(tick: i64, step: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(tick.saturating_mul(step).saturating_mul(MILLISECONDS_PER_MINUTE)).ok()
}
