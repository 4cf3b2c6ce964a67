//! Weight in heart failure: one a day, against the dry weight, moving average, gain by window.

use jiff::civil::{Date, Time, time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use super::number::{binary, canonical, mean, median};
use super::{Metric, Period, Sample};
use crate::Vital;

/// Windows over which a gain is looked at, in days: +1 kg in 1, +2 kg in 3, +2.5 kg in 8 (proposal, DOMAIN 2.4 a).
pub const GAIN_WINDOWS: [u8; 3] = [1, 3, 8];

/// Until here a weight is a morning weight (setting).
const MORNING_END: Time = time(12, 0, 0, 0);
/// Weights so close to the first are repeats of it; their median counts (proposal, DOMAIN 2.4).
const REPEATS: SignedDuration = SignedDuration::from_mins(10);
/// With nothing in so many days before the latest, there is no baseline (proposal, DOMAIN 2.4).
const BASELINE_DAYS: i32 = 7;
/// Days of the moving average, the day itself included.
const AVERAGE_DAYS: i32 = 7;

/// The weight of a day.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DailyWeight {
    /// Local date.
    pub date: Date,
    /// When it was measured: the first reading that it rests on.
    pub at: Timestamp,
    /// In kg.
    pub kilograms: f64,
}

/// The mean of the weights of seven days, up to a date.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AverageWeight {
    /// The last of the seven dates.
    pub date: Date,
    /// Mean in kg.
    pub kilograms: f64,
    /// Days with a weight among the seven.
    pub days: usize,
}

/// The latest weight against the lowest of a window before it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Gain {
    /// Days of the window.
    pub days: u8,
    /// Gain in kg, negative for a loss; absent without a weight in the window, or when the baseline is lost.
    pub kilograms: Option<f64>,
    /// The weight that it is compared with.
    pub reference: Option<DailyWeight>,
}

/// Weight over a period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Weight {
    /// The period: from here,
    pub from: Timestamp,
    /// up to and without here.
    pub to: Timestamp,
    /// The weight of each day of the period that has one.
    pub days: Vec<DailyWeight>,
    /// The last of them.
    pub latest: Option<DailyWeight>,
    /// The latest minus the first of the period, in kg.
    pub change: Option<f64>,
    /// The latest minus the dry weight, in kg.
    pub above_dry_weight: Option<f64>,
    /// For each day of the period with a weight: the mean of the seven days up to it.
    pub moving_average: Vec<AverageWeight>,
    /// Gains up to the latest weight.
    pub gains: Vec<Gain>,
    /// The weight before the latest is more than seven days older: no gain can be told.
    pub baseline_lost: bool,
    /// At least two days with a weight, and a baseline.
    pub sufficient: bool,
}

/// The metrics of a period (DOMAIN 2.4).
///
/// One weight a day: the first reading of the local morning (before noon) with the median of what follows within ten
/// minutes; without one in the morning, the first of the day. Censored readings are left out. Windows and the moving
/// average are counted in local dates and reach back before the period; nothing after it counts.
pub fn weight(samples: &[Sample], period: Period, zone: &TimeZone, dry_weight: Option<f64>) -> Weight {
    let all = daily(samples, period.to, zone);
    let days: Vec<DailyWeight> = all.iter().filter(|day| day.at >= period.from).copied().collect();
    let latest = days.last().copied();
    let before = latest.and_then(|latest| all.iter().rev().find(|day| day.date < latest.date));
    let baseline_lost = latest
        .zip(before)
        .is_some_and(|(latest, before)| days_apart(before.date, latest.date) > BASELINE_DAYS);
    let gains = latest.map(|latest| {
        GAIN_WINDOWS.map(|window| if baseline_lost { no_gain(window) } else { gain(&all, latest, window) })
    });
    Weight {
        from: period.from,
        to: period.to,
        latest,
        change: latest.zip(days.first()).map(|(latest, first)| latest.kilograms - first.kilograms),
        above_dry_weight: latest
            .zip(dry_weight)
            .map(|(latest, dry)| latest.kilograms - dry)
            .filter(|kilograms| kilograms.is_finite()),
        moving_average: days.iter().filter_map(|day| average(&all, day.date)).collect(),
        gains: gains.map_or_else(|| GAIN_WINDOWS.map(no_gain).to_vec(), |gains| gains.to_vec()),
        baseline_lost,
        sufficient: latest.is_some() && before.is_some() && !baseline_lost,
        days,
    }
}

impl Weight {
    /// The numbers under their names, each with unit, period, n (days with a weight) and whether it is sufficient.
    pub fn metrics(&self) -> Vec<(&'static str, Metric)> {
        let period = Period { from: self.from, to: self.to };
        let n = self.days.len();
        let metric = |value, sufficient| Metric::new(value, "kg", period, n, sufficient);
        let gain = |days| self.gains.iter().find(|gain| gain.days == days).and_then(|gain| gain.kilograms);
        vec![
            ("latest", metric(self.latest.map(|day| day.kilograms), true)),
            ("change", metric(self.change, n >= 2)),
            ("above_dry_weight", metric(self.above_dry_weight, true)),
            (
                "moving_average",
                metric(self.moving_average.last().map(|last| last.kilograms), self.sufficient),
            ),
            ("gain_1_day", metric(gain(1), self.sufficient)),
            ("gain_3_days", metric(gain(3), self.sufficient)),
            ("gain_8_days", metric(gain(8), self.sufficient)),
        ]
    }
}

fn daily(samples: &[Sample], end: Timestamp, zone: &TimeZone) -> Vec<DailyWeight> {
    let mut readings: Vec<(Date, Time, Timestamp, f64)> = samples
        .iter()
        .filter(|sample| sample.at < end)
        .filter_map(|sample| {
            let kilograms = binary(canonical(&sample.value, Vital::Weight)?);
            let local = sample.at.to_zoned(zone.clone());
            Some((local.date(), local.time(), sample.at, kilograms))
        })
        .collect();
    readings.sort_by(|a, b| (a.2, a.3).partial_cmp(&(b.2, b.3)).unwrap_or(std::cmp::Ordering::Equal));
    readings
        .chunk_by(|a, b| a.0 == b.0)
        .filter_map(|day| {
            let first = day.iter().find(|reading| reading.1 < MORNING_END).or(day.first())?;
            let repeats: Vec<f64> = day
                .iter()
                .filter(|reading| reading.2 >= first.2 && reading.2.duration_since(first.2) <= REPEATS)
                .map(|reading| reading.3)
                .collect();
            Some(DailyWeight { date: first.0, at: first.2, kilograms: median(&repeats)? })
        })
        .collect()
}

fn gain(all: &[DailyWeight], latest: DailyWeight, window: u8) -> Gain {
    let reference = all
        .iter()
        .filter(|day| (1..=i32::from(window)).contains(&days_apart(day.date, latest.date)))
        .min_by(|a, b| a.kilograms.total_cmp(&b.kilograms))
        .copied();
    let kilograms = reference.map(|reference| latest.kilograms - reference.kilograms);
    Gain { days: window, kilograms, reference }
}

fn no_gain(window: u8) -> Gain {
    Gain { days: window, kilograms: None, reference: None }
}

fn average(all: &[DailyWeight], date: Date) -> Option<AverageWeight> {
    let first = date.checked_sub((AVERAGE_DAYS - 1).days()).ok()?;
    let weights: Vec<f64> =
        all.iter().filter(|day| first <= day.date && day.date <= date).map(|day| day.kilograms).collect();
    Some(AverageWeight { date, kilograms: mean(&weights)?, days: weights.len() })
}

/// Dates from one to a later one.
fn days_apart(earlier: Date, later: Date) -> i32 {
    later.since(earlier).map_or(0, |span| span.get_days())
}
