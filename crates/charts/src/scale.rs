//! From values and instants to picture coordinates, and where the ticks go.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::{Chart, Locale};

pub(crate) const LEFT: f64 = 50.0;
pub(crate) const RIGHT: f64 = 58.0;
pub(crate) const TOP: f64 = 30.0;
pub(crate) const BOTTOM: f64 = 26.0;

/// Where everything lies.
#[derive(Debug, Clone)]
pub(crate) struct Scale {
    pub(crate) width: f64,
    pub(crate) height: f64,
    from: f64,
    span: f64,
    low: f64,
    high: f64,
    pub(crate) y_ticks: Vec<Decimal>,
}

impl Scale {
    pub(crate) fn of(chart: &Chart) -> Self {
        let (low, high, y_ticks) = value_axis(chart);
        let from = chart.from.as_millisecond() as f64;
        let until = chart.until.as_millisecond() as f64;
        Self {
            width: f64::from(chart.size.width.clamp(200, 4000)),
            height: f64::from(chart.size.height.clamp(100, 4000)),
            from,
            span: (until - from).max(60_000.0),
            low,
            high,
            y_ticks,
        }
    }

    pub(crate) fn x(&self, at: Timestamp) -> f64 {
        let share = (at.as_millisecond() as f64 - self.from) / self.span;
        LEFT + share.clamp(-1.0, 2.0) * (self.width - LEFT - RIGHT)
    }

    pub(crate) fn y(&self, value: Decimal) -> f64 {
        let share = (number(value) - self.low) / (self.high - self.low);
        self.bottom() - share.clamp(-1.0, 2.0) * (self.bottom() - TOP)
    }

    pub(crate) fn right(&self) -> f64 {
        self.width - RIGHT
    }

    pub(crate) fn bottom(&self) -> f64 {
        self.height - BOTTOM
    }
}

fn number(value: Decimal) -> f64 {
    value.to_f64().unwrap_or(0.0)
}

/// Lowest and highest value of the axis, and its ticks. Values, limits in force and the target band all
/// lie inside, with some air.
fn value_axis(chart: &Chart) -> (f64, f64, Vec<Decimal>) {
    let of_series = chart.series.iter().flat_map(|point| [point.value.low(), point.value.high()]).flatten();
    let of_limits = chart.limits.iter().flat_map(|limit| limit.steps.iter().filter_map(|step| step.value));
    let of_band = chart.band.iter().flat_map(|band| [band.low, band.high]);
    let all: Vec<f64> = of_series.chain(of_limits).chain(of_band).map(number).collect();
    let lowest = all.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (lowest, highest) = if lowest.is_finite() { (lowest, highest) } else { (0.0, 1.0) };
    let span = (highest - lowest).max(highest.abs() * 0.04).max(0.01);
    let floor = if lowest >= 0.0 { (lowest - span * 0.12).max(0.0) } else { lowest - span * 0.12 };
    let ceiling = highest + span * 0.12;
    (floor, ceiling, ticks(floor, ceiling))
}

/// About four round values between two numbers: multiples of 1, 2 or 5 times a power of ten.
fn ticks(low: f64, high: f64) -> Vec<Decimal> {
    let raw = (high - low) / 4.0;
    let power = raw.log10().floor().clamp(-6.0, 24.0);
    let base = 10f64.powf(power);
    let step = match raw / base {
        r if r <= 1.0 => base,
        r if r <= 2.0 => 2.0 * base,
        r if r <= 5.0 => 5.0 * base,
        _ => 10.0 * base,
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=6")]
    let digits = (-step.log10().floor()).clamp(0.0, 6.0) as u32;
    let first = (low / step).ceil();
    (0..12)
        .map(|i| (first + f64::from(i)) * step)
        .take_while(|value| *value <= high)
        .filter_map(Decimal::from_f64_retain)
        .map(|value| {
            let mut value = value.round_dp(digits);
            value.rescale(digits);
            value
        })
        .collect()
}

/// A tick of the time axis.
pub(crate) struct TimeTick {
    pub(crate) at: Timestamp,
    pub(crate) label: String,
}

/// Ticks at local midnights (hours for short spans), so that they are right on daylight-saving days.
pub(crate) fn time_ticks(chart: &Chart, labels_max: usize) -> Vec<TimeTick> {
    let hours = chart.until.duration_since(chart.from).as_hours().max(1);
    if hours <= 48 { hour_ticks(chart, &chart.zone, hours) } else { day_ticks(chart, labels_max, hours) }
}

fn hour_ticks(chart: &Chart, zone: &TimeZone, hours: i64) -> Vec<TimeTick> {
    let step = if hours <= 12 { 2 } else { 6 };
    let mut ticks = Vec::new();
    let Ok(mut at) = chart.from.to_zoned(zone.clone()).start_of_day() else { return ticks };
    while at.timestamp() <= chart.until && ticks.len() < 64 {
        if at.timestamp() >= chart.from {
            let label = if at.hour() == 0 {
                chart.locale.day(at.date())
            } else {
                chart.locale.time(at.timestamp(), zone)
            };
            ticks.push(TimeTick { at: at.timestamp(), label });
        }
        // Civil arithmetic, so that 06:00 stays 06:00 after the clocks changed.
        let Ok(next) = at.datetime().checked_add(step.hours()).and_then(|next| zone.to_zoned(next)) else {
            break;
        };
        at = next;
    }
    ticks
}

fn day_ticks(chart: &Chart, labels_max: usize, hours: i64) -> Vec<TimeTick> {
    let days = hours / 24 + 1;
    let labels_max = i64::try_from(labels_max.max(2)).unwrap_or(8);
    let step = [1, 2, 3, 7, 14, 30, 61, 91, 182, 365]
        .into_iter()
        .find(|step| days / step <= labels_max)
        .unwrap_or(3650);
    let mut ticks = Vec::new();
    // Backwards from the end: today is what people look for first.
    let mut date = chart.zone.to_datetime(chart.until).date();
    while ticks.len() < 64 {
        let Ok(midnight) = date.to_zoned(chart.zone.clone()) else { break };
        if midnight.timestamp() < chart.from {
            break;
        }
        ticks.push(TimeTick { at: midnight.timestamp(), label: label(chart.locale, date, step) });
        let Ok(earlier) = date.checked_sub(step.days()) else { break };
        date = earlier;
    }
    ticks.reverse();
    ticks
}

fn label(locale: Locale, date: jiff::civil::Date, step: i64) -> String {
    if step >= 182 { locale.full_day(date) } else { locale.day(date) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_lie_inside() {
        let labels = |low, high| ticks(low, high).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(labels(0.3, 2.4), ["1", "2"].map(|s| s.to_owned()).to_vec());
        assert_eq!(labels(70.0, 78.0), ["70", "72", "74", "76", "78"]);
        assert_eq!(labels(0.0, 1.0), ["0.0", "0.5", "1.0"]);
    }
}
