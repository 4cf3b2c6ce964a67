//! Indices made from means, shares and the risk of each value.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::super::day::Days;
use super::super::number::{finite, mean};
use super::ranges::Counts;

/// Glucose management indicator in %, `3.31 + 0.02392 x mean` with the mean in mg/dL \[IGLU\] (Bergenstal et al.,
/// Diabetes Care 2018;41:2275).
pub(super) fn gmi(mean: f64) -> Option<f64> {
    finite(3.31 + 0.02392 * mean)
}

/// Estimated HbA1c in %, `(46.7 + mean) / 28.7` with the mean in mg/dL \[IGLU\] (Nathan et al., Diabetes Care
/// 2008;31:1473).
pub(super) fn estimated_a1c(mean: f64) -> Option<f64> {
    finite((46.7 + mean) / 28.7)
}

/// J-index, `0.001 x (mean + SD)^2` in mg/dL (memory, DOMAIN 2.2; Wojcicki 1995).
pub(super) fn j_index(mean: f64, standard_deviation: f64) -> Option<f64> {
    finite(0.001 * (mean + standard_deviation).powi(2))
}

/// Glycaemia risk index, `3.0 VLow + 2.4 Low + 1.6 VHigh + 0.8 High`, in % of readings, at most 100 \[IGLU\]
/// (Klonoff et al., J Diabetes Sci Technol 2023;17:1226). Low is 54-69 and High 181-250.
pub(super) fn glycaemia_risk_index(counts: &Counts) -> Option<f64> {
    let shares = counts.shares()?;
    let weighted = 3.0 * shares.very_low_percent
        + 2.4 * shares.low_percent
        + 1.6 * shares.very_high_percent
        + 0.8 * shares.high_percent;
    finite(weighted.min(100.0))
}

/// Low and high blood glucose indices.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Risk {
    pub(super) low: f64,
    pub(super) high: f64,
}

/// The risk function, `f = 1.509 x (ln(g)^1.084 - 5.381)` with g in mg/dL; zero at 112.5 \[IGLU\] (Kovatchev et al.,
/// Diabetes Care 1997;20:1655). Glucose under 1 mg/dL, which no device reports, counts as 1, so that the logarithm
/// stays what it is meant for. From `libm`, so that the digits are the same on every machine.
fn transformed(milligrams: f64) -> f64 {
    1.509 * (libm::pow(libm::log(milligrams.max(1.0)), 1.084) - 5.381)
}

/// 10 f^2 on the side of low (negative f) and of high.
fn risk(milligrams: f64) -> Risk {
    let f = transformed(milligrams);
    let squared = 10.0 * f * f;
    if f < 0.0 { Risk { low: squared, high: 0.0 } } else { Risk { low: 0.0, high: squared } }
}

/// The risk of each value, in the order given.
pub(super) fn risks(milligrams: &[f64]) -> Vec<Risk> {
    milligrams.iter().map(|milligrams| risk(*milligrams)).collect()
}

/// LBGI and HBGI: the mean over all values of `10 f^2`, kept only where f is negative (low) or positive (high).
pub(super) fn indices(risks: &[Risk]) -> (Option<f64>, Option<f64>) {
    let side = |side: fn(&Risk) -> f64| mean(&risks.iter().map(side).collect::<Vec<_>>());
    (side(|risk| risk.low), side(|risk| risk.high))
}

/// The factor of ADRR as it is published, for 10 x 1.509^2 = 22.7708.
const DAILY_RISK: f64 = 22.77 / (10.0 * 1.509 * 1.509);

/// Average daily risk range: the greatest low risk of a local day plus its greatest high risk, averaged over the
/// days with a value \[IGLU\] (Kovatchev et al., Diabetes Care 2006;29:2433). The values are in order of time.
pub(super) fn average_daily_risk_range(times: &[Timestamp], risks: &[Risk], zone: &TimeZone) -> Option<f64> {
    let mut days = Days::new(zone);
    let mut ranges: Vec<f64> = Vec::new();
    let mut current = None;
    for (at, risk) in times.iter().zip(risks) {
        let date = days.date(*at);
        match &mut current {
            Some((same, worst)) if *same == date => raise(worst, risk),
            _ => {
                if let Some((_, Risk { low, high })) = current.replace((date, *risk)) {
                    ranges.push(low + high);
                }
            }
        }
    }
    if let Some((_, Risk { low, high })) = current {
        ranges.push(low + high);
    }
    mean(&ranges).map(|mean| DAILY_RISK * mean)
}

fn raise(worst: &mut Risk, risk: &Risk) {
    worst.low = worst.low.max(risk.low);
    worst.high = worst.high.max(risk.high);
}
