//! SpO2, temperature, respiratory rate, pulse: by local day and over the period.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::day::Days;
use super::number::{binary, canonical, highest, lowest, mean, median, percent};
use super::{Metric, Period, Sample};
use crate::{Comparator, Vital};

/// Limits of interest, in the vital sign's canonical unit; both exclusive: a value at the limit breaks neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Limits {
    /// Values below it are counted.
    pub below: Option<Decimal>,
    /// Values above it are counted.
    pub above: Option<Decimal>,
}

/// One local day.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DailyVital {
    /// Local date.
    pub date: Date,
    /// Exact readings.
    pub n: usize,
    /// The lowest.
    pub lowest: f64,
    /// The one in the middle.
    pub median: f64,
    /// The highest.
    pub highest: f64,
}

/// A vital sign over a period, in its canonical unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VitalSign {
    /// Which one.
    pub vital: Vital,
    /// The period: from here,
    pub from: Timestamp,
    /// up to and without here.
    pub to: Timestamp,
    /// Readings, censored ones included.
    pub n: usize,
    /// Of them, those beyond the device's range; they count for the shares and for nothing else.
    pub censored: usize,
    /// The lowest exact reading.
    pub lowest: Option<f64>,
    /// The median of the exact readings.
    pub median: Option<f64>,
    /// Their mean.
    pub mean: Option<f64>,
    /// The highest.
    pub highest: Option<f64>,
    /// The newest.
    pub latest: Option<f64>,
    /// Share of readings below the limit, in %.
    pub below_percent: Option<f64>,
    /// Share of readings above the limit, in %.
    pub above_percent: Option<f64>,
    /// Each local day with an exact reading.
    pub days: Vec<DailyVital>,
}

/// The metrics of a period. Shares are of readings, not of time.
pub fn vital_sign(
    samples: &[Sample],
    vital: Vital,
    period: Period,
    zone: &TimeZone,
    limits: Limits,
) -> VitalSign {
    let samples: Vec<&Sample> = samples
        .iter()
        .filter(|sample| period.contains(sample.at) && vital.accepts(sample.value.unit))
        .collect();
    let mut exact: Vec<(Timestamp, Decimal)> =
        samples.iter().filter_map(|sample| Some((sample.at, canonical(&sample.value, vital)?))).collect();
    exact.sort_unstable();
    let censored = |side| samples.iter().filter(|sample| sample.value.comparator == Some(side)).count();
    let (low, high) = (censored(Comparator::Below), censored(Comparator::Above));
    let n = exact.len() + low + high;
    let below = |limit| low + exact.iter().filter(|(_, value)| *value < limit).count();
    let above = |limit| high + exact.iter().filter(|(_, value)| *value > limit).count();
    let numbers: Vec<f64> = exact.iter().map(|(_, value)| binary(*value)).collect();
    VitalSign {
        vital,
        from: period.from,
        to: period.to,
        n,
        censored: low + high,
        lowest: lowest(&numbers),
        median: median(&numbers),
        mean: mean(&numbers),
        highest: highest(&numbers),
        latest: numbers.last().copied(),
        below_percent: limits.below.and_then(|limit| percent(below(limit), n)),
        above_percent: limits.above.and_then(|limit| percent(above(limit), n)),
        days: by_day(&exact, zone),
    }
}

impl VitalSign {
    /// The numbers under their names, each with unit, period, n and whether it is sufficient (one reading is).
    pub fn metrics(&self) -> Vec<(&'static str, Metric)> {
        let period = Period { from: self.from, to: self.to };
        let unit = self.vital.canonical_unit().ucum();
        let exact = self.n - self.censored;
        let number = |value| Metric::new(value, unit, period, exact, true);
        let share = |value| Metric::new(value, "%", period, self.n, true);
        vec![
            ("lowest", number(self.lowest)),
            ("median", number(self.median)),
            ("mean", number(self.mean)),
            ("highest", number(self.highest)),
            ("latest", number(self.latest)),
            ("below_percent", share(self.below_percent)),
            ("above_percent", share(self.above_percent)),
        ]
    }
}

fn by_day(exact: &[(Timestamp, Decimal)], zone: &TimeZone) -> Vec<DailyVital> {
    let mut days = Days::new(zone);
    let dated: Vec<(Date, f64)> = exact.iter().map(|(at, value)| (days.date(*at), binary(*value))).collect();
    dated
        .chunk_by(|a, b| a.0 == b.0)
        .filter_map(|day| {
            let numbers: Vec<f64> = day.iter().map(|(_, value)| *value).collect();
            Some(DailyVital {
                date: day.first()?.0,
                n: numbers.len(),
                lowest: lowest(&numbers)?,
                median: median(&numbers)?,
                highest: highest(&numbers)?,
            })
        })
        .collect()
}
