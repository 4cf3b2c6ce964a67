//! INR: Rosendaal's time in therapeutic range, and variability.

use jiff::{SignedDuration, Timestamp};
use rust_decimal::{Decimal, dec};
use serde::{Deserialize, Serialize};

use super::number::{
    binary, coefficient_of_variation, days, highest, lowest, mean, percent, standard_deviation,
};
use super::{Metric, Period, Sample};
use crate::{Comparator, Value, Vital};

/// Between results further apart than this, nothing is interpolated: LOINC 72281-9 \[TTR-LNC\]\[JT-Q\]. A gap of exactly
/// 56 days is interpolated.
pub const GAP_DAYS_MAX: i64 = 56;

/// INR is held within these before interpolation \[JT-Q\]: beyond them a meter says nothing of worth.
const CLAMP: (Decimal, Decimal) = (dec!(0.8), dec!(10));
/// Where a bare `LO` and `HI` stand: the range of the home meters \[CUX\]\[MICROINR\].
const METER_RANGE: (Decimal, Decimal) = (dec!(0.8), dec!(8.0));
/// Results closer than this repeat one test and say nothing of how INR changes with time (setting): without it a repeat
/// after ten minutes would outweigh a year in the variance growth rate, which is published for results by date.
const REPEAT: SignedDuration = SignedDuration::from_hours(12);
const HOURS_PER_WEEK: f64 = 168.0;

/// A therapeutic range; both bounds belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TherapeuticRange {
    /// Lower bound, such as 2.
    pub low: Decimal,
    /// Upper bound, such as 3.
    pub high: Decimal,
}

/// INR over a period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inr {
    /// The period: from here,
    pub from: Timestamp,
    /// up to and without here.
    pub to: Timestamp,
    /// The therapeutic range.
    pub range: TherapeuticRange,
    /// Tests in the period, censored ones included.
    pub n: usize,
    /// Tests below the meter's range (`<0.8`).
    pub censored_low: usize,
    /// Tests above the meter's range (`>8.0`).
    pub censored_high: usize,
    /// Time in therapeutic range: 100 x `days_in` / (`days_in` + `days_below` + `days_above`).
    pub ttr_percent: Option<f64>,
    /// Days within the range, both bounds included.
    pub days_in: f64,
    /// Days below the range.
    pub days_below: f64,
    /// Days above the range.
    pub days_above: f64,
    /// Days of the period that lie in gaps of more than 56 days; part of no share.
    pub days_gap: f64,
    /// Days of the period before the first result that is used and after the last one: nothing is known of them.
    pub days_unknown: f64,
    /// Mean over consecutive tests of (difference)^2 / weeks between \[JT-V\], in 1/wk.
    pub variance_growth_rate: Option<f64>,
    /// Mean of the exact tests.
    pub mean: Option<f64>,
    /// Standard deviation (n - 1) of the exact tests.
    pub sd: Option<f64>,
    /// 100 x SD / mean.
    pub cv_percent: Option<f64>,
    /// Share of tests in range, bounds included.
    pub in_range_percent: Option<f64>,
    /// The lowest exact test.
    pub lowest: Option<f64>,
    /// The highest exact test.
    pub highest: Option<f64>,
    /// At least two results with a line between them, one of which may lie before the period.
    pub sufficient: bool,
}

/// The metrics of a period, with Rosendaal's method in its continuous form \[JT\]\[TTR-LNC\] (Rosendaal et al., Thromb
/// Haemost 1993;69:236).
///
/// Between consecutive results INR is taken to change evenly; the time on each side of the bounds is measured in
/// real seconds, so neither the order of the results nor a time zone matters.
///
/// - Results of the same instant are averaged; so results that come by date alone are averaged by date. Others of
///   one day stay apart, and the time between them counts as it is.
/// - A gap of more than 56 days is left out and reported; one of 56 is not.
/// - A censored result stands at its limit (`>8.0` at 8.0; bare `LO`, `HI` at 0.8, 8.0), and all are held within 0.8 to
///   10. For mean, SD, CV, extremes and variance growth censored results are left out; in the share of tests they count.
/// - The last result before the period is used, and the line to the next one is cut where the period begins. Results
///   from its end on are not: after its last result nothing is known yet.
/// - It needs two results. Long intervals after a change of dose make it look worse than it is \[TTR-CRIT\].
pub fn inr(samples: &[Sample], period: Period, range: TherapeuticRange) -> Inr {
    let known = usable(samples, period.to);
    let first = known.iter().position(|sample| sample.at >= period.from).unwrap_or(known.len());
    let tests = known.get(first..).unwrap_or_default();
    // The whole instant before the period, as several results may share it.
    let before = first.checked_sub(1).and_then(|last| known.get(last)).map(|sample| sample.at);
    let line: Vec<Sample> = known
        .iter()
        .filter(|sample| Some(sample.at) == before || sample.at >= period.from)
        .copied()
        .collect();
    let points = averaged(&line, standing);
    let time = if tests.is_empty() { Time::default() } else { time_in_range(&points, period.from, range) };
    let exact: Vec<f64> = tests.iter().filter_map(|sample| exact(&sample.value)).map(binary).collect();
    let inside = tests.iter().filter(|sample| range.contains(&sample.value)).count();
    let total = time.inside + time.below + time.above;
    let known_days = total + time.gap;
    Inr {
        from: period.from,
        to: period.to,
        range,
        n: tests.len(),
        censored_low: censored(tests, Comparator::Below),
        censored_high: censored(tests, Comparator::Above),
        ttr_percent: (total > 0.0).then(|| 100.0 * time.inside / total),
        days_in: time.inside,
        days_below: time.below,
        days_above: time.above,
        days_gap: time.gap,
        days_unknown: (period.days() - known_days).max(0.0),
        variance_growth_rate: variance_growth_rate(tests),
        mean: mean(&exact),
        sd: standard_deviation(&exact),
        cv_percent: coefficient_of_variation(&exact),
        in_range_percent: percent(inside, tests.len()),
        lowest: lowest(&exact),
        highest: highest(&exact),
        sufficient: total > 0.0,
    }
}

impl Inr {
    /// The numbers under their names, each with unit, period, n and whether it is sufficient.
    pub fn metrics(&self) -> Vec<(&'static str, Metric)> {
        let period = Period { from: self.from, to: self.to };
        let exact = self.n - self.censored_low - self.censored_high;
        let metric =
            |value, unit, n: usize, sufficient| Metric::new(value, unit, period, n, sufficient && n > 0);
        let time = |value| metric(value, "d", self.n, self.sufficient);
        vec![
            ("ttr_percent", metric(self.ttr_percent, "%", self.n, self.sufficient)),
            ("days_in", time(Some(self.days_in))),
            ("days_below", time(Some(self.days_below))),
            ("days_above", time(Some(self.days_above))),
            ("days_gap", time(Some(self.days_gap))),
            ("days_unknown", time(Some(self.days_unknown))),
            ("variance_growth_rate", metric(self.variance_growth_rate, "1/wk", exact, self.sufficient)),
            ("mean", metric(self.mean, "{INR}", exact, true)),
            ("sd", metric(self.sd, "{INR}", exact, self.sufficient)),
            ("cv_percent", metric(self.cv_percent, "%", exact, self.sufficient)),
            ("in_range_percent", metric(self.in_range_percent, "%", self.n, true)),
            ("lowest", metric(self.lowest, "{INR}", exact, true)),
            ("highest", metric(self.highest, "{INR}", exact, true)),
        ]
    }
}

impl TherapeuticRange {
    /// Does a test lie in it, bounds included? A censored one never does: it lies beyond what the meter can tell.
    pub fn contains(&self, value: &Value) -> bool {
        value.compare(self.low).is_ge() && value.compare(self.high).is_le()
    }
}

/// Results before the end of the period, in order of time and, within an instant, of value.
fn usable(samples: &[Sample], end: Timestamp) -> Vec<Sample> {
    let mut known: Vec<Sample> = samples
        .iter()
        .filter(|sample| sample.at < end && Vital::Inr.accepts(sample.value.unit))
        .filter(|sample| sample.value.number.is_some() || sample.value.comparator.is_some())
        .copied()
        .collect();
    known.sort_by_key(|sample| (sample.at, standing(&sample.value)));
    known
}

fn censored(tests: &[Sample], side: Comparator) -> usize {
    tests.iter().filter(|sample| sample.value.comparator == Some(side)).count()
}

fn exact(value: &Value) -> Option<Decimal> {
    if value.comparator.is_some() { None } else { value.number }
}

/// Where a result stands on the line.
fn standing(value: &Value) -> Option<Decimal> {
    let number = match (value.number, value.comparator) {
        (Some(number), _) => Some(number),
        (None, Some(Comparator::Below)) => Some(METER_RANGE.0),
        (None, Some(Comparator::Above)) => Some(METER_RANGE.1),
        (None, None) => None,
    };
    number.map(|number| number.clamp(CLAMP.0, CLAMP.1))
}

/// One point per instant.
fn averaged(sorted: &[Sample], number: fn(&Value) -> Option<Decimal>) -> Vec<(Timestamp, f64)> {
    sorted
        .chunk_by(|a, b| a.at == b.at)
        .filter_map(|group| {
            let numbers: Vec<f64> =
                group.iter().filter_map(|sample| number(&sample.value)).map(binary).collect();
            Some((group.first()?.at, mean(&numbers)?))
        })
        .collect()
}

/// Days on each side of a range.
#[derive(Debug, Clone, Copy, Default)]
struct Time {
    inside: f64,
    below: f64,
    above: f64,
    gap: f64,
}

fn time_in_range(points: &[(Timestamp, f64)], from: Timestamp, range: TherapeuticRange) -> Time {
    let (low, high) = (binary(range.low), binary(range.high));
    let mut time = Time::default();
    for (&(start, mut a), &(end, b)) in points.iter().zip(points.iter().skip(1)) {
        let whole = end.duration_since(start);
        let part = end.duration_since(start.max(from));
        let length = days(part);
        if whole > SignedDuration::from_hours(24 * GAP_DAYS_MAX) {
            time.gap += length;
            continue;
        }
        if start < from {
            a = b + (a - b) * (part.as_secs_f64() / whole.as_secs_f64());
        }
        let (inside, below) = shares(a.min(b), a.max(b), low, high);
        time.inside += length * inside;
        time.below += length * below;
        time.above += length * (1.0 - inside - below).max(0.0);
    }
    time
}

/// How much of an even way from `least` to `most` lies within and below a range, as parts of 1. All on one side is
/// exactly 1, whatever the rounding.
fn shares(least: f64, most: f64, low: f64, high: f64) -> (f64, f64) {
    if low <= least && most <= high {
        return (1.0, 0.0);
    }
    if most < low {
        return (0.0, 1.0);
    }
    if least > high {
        return (0.0, 0.0);
    }
    let way = most - least;
    (((most.min(high) - least.max(low)) / way).clamp(0.0, 1.0), ((low - least) / way).clamp(0.0, 1.0))
}

/// Mean of (difference)^2 / weeks over consecutive exact tests of the period \[JT-V\]; tests of one instant are averaged,
/// and tests less than 12 hours apart are passed over, as they repeat one another.
fn variance_growth_rate(tests: &[Sample]) -> Option<f64> {
    let points = averaged(tests, exact);
    let rates: Vec<f64> = points
        .iter()
        .zip(points.iter().skip(1))
        .filter(|((start, _), (end, _))| end.duration_since(*start) >= REPEAT)
        .map(|((start, a), (end, b))| {
            (b - a).powi(2) / (days(end.duration_since(*start)) * 24.0 / HOURS_PER_WEEK)
        })
        .collect();
    mean(&rates)
}
