//! From values and instants to picture coordinates, and where the ticks go.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::{Chart, Locale, Size};

pub(crate) const LEFT: f64 = 50.0;
pub(crate) const RIGHT: f64 = 58.0;
pub(crate) const TOP: f64 = 30.0;
pub(crate) const BOTTOM: f64 = 26.0;

/// A straight mapping of numbers onto picture coordinates. What lies far outside stays within reach of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis {
    low: f64,
    span: f64,
    start: f64,
    end: f64,
}

impl Axis {
    /// `low` lies at `start` and `high` at `end`.
    pub(crate) fn new(low: f64, high: f64, start: f64, end: f64) -> Self {
        Self { low, span: (high - low).max(f64::MIN_POSITIVE), start, end }
    }

    /// A time axis; shorter than a minute it would have no ticks.
    pub(crate) fn of_time(from: Timestamp, until: Timestamp, start: f64, end: f64) -> Self {
        let low = from.as_millisecond() as f64;
        Self::new(low, low.max(until.as_millisecond() as f64 - 60_000.0) + 60_000.0, start, end)
    }

    pub(crate) fn at(&self, value: f64) -> f64 {
        let share = (value - self.low) / self.span;
        self.start + share.clamp(-1.0, 2.0) * (self.end - self.start)
    }

    pub(crate) fn when(&self, at: Timestamp) -> f64 {
        self.at(at.as_millisecond() as f64)
    }
}

/// Where everything lies in a chart over time.
#[derive(Debug, Clone)]
pub(crate) struct Scale {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) time: Axis,
    value: Axis,
    bottom: f64,
    pub(crate) y_ticks: Vec<Decimal>,
}

impl Scale {
    /// `more` are values beyond the chart's own that have to fit; `rows` is room kept free under the time axis.
    pub(crate) fn of(chart: &Chart, more: impl Iterator<Item = Decimal>, rows: f64) -> Self {
        let (low, high, y_ticks) = value_axis(values(chart).chain(more).map(number));
        let (width, height) = within(chart.size);
        let bottom = height - BOTTOM - rows;
        Self {
            width,
            height,
            time: Axis::of_time(chart.from, chart.until, LEFT, width - RIGHT),
            value: Axis::new(low, high, bottom, TOP),
            bottom,
            y_ticks,
        }
    }

    pub(crate) fn x(&self, at: Timestamp) -> f64 {
        self.time.when(at)
    }

    pub(crate) fn y(&self, value: Decimal) -> f64 {
        self.value.at(number(value))
    }

    pub(crate) fn right(&self) -> f64 {
        self.width - RIGHT
    }

    pub(crate) fn bottom(&self) -> f64 {
        self.bottom
    }
}

/// Width and height that a picture over time can have.
pub(crate) fn within(size: Size) -> (f64, f64) {
    (f64::from(size.width.clamp(200, 4000)), f64::from(size.height.clamp(100, 4000)))
}

pub(crate) fn number(value: Decimal) -> f64 {
    value.to_f64().unwrap_or(0.0)
}

/// Measured values, limits and the target band.
fn values(chart: &Chart) -> impl Iterator<Item = Decimal> {
    let of_series = chart.series.iter().flat_map(|point| [point.value.low(), point.value.high()]).flatten();
    let of_limits = chart.limits.iter().flat_map(|limit| limit.steps.iter().filter_map(|step| step.value));
    let of_band = chart.band.iter().flat_map(|band| [band.low, band.high]);
    of_series.chain(of_limits).chain(of_band)
}

/// Lowest and highest value of an axis on which all of these lie with some air, and its ticks.
pub(crate) fn value_axis(all: impl Iterator<Item = f64>) -> (f64, f64, Vec<Decimal>) {
    let extremes = |(low, high): (f64, f64), value: f64| (low.min(value), high.max(value));
    let (lowest, highest) = all.filter(|v| v.is_finite()).fold((f64::INFINITY, f64::NEG_INFINITY), extremes);
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

/// What a time axis shows.
pub(crate) struct Period<'a> {
    pub(crate) from: Timestamp,
    pub(crate) until: Timestamp,
    pub(crate) zone: &'a TimeZone,
    pub(crate) locale: Locale,
    /// Name the weekday where each day has a tick and there is room.
    pub(crate) weekdays: bool,
}

impl<'a> Period<'a> {
    pub(crate) fn of(chart: &'a Chart) -> Self {
        let Chart { from, until, zone, locale, .. } = chart;
        Self { from: *from, until: *until, zone, locale: *locale, weekdays: false }
    }

    pub(crate) fn contains(&self, at: Timestamp) -> bool {
        at >= self.from && at <= self.until
    }

    /// Ticks at local midnights (hours for short spans), so that they are right on daylight-saving days.
    pub(crate) fn ticks(&self, labels_max: usize) -> Vec<TimeTick> {
        let hours = self.until.duration_since(self.from).as_hours().max(1);
        if hours <= 48 { self.hour_ticks(hours) } else { self.day_ticks(labels_max, hours) }
    }

    fn hour_ticks(&self, hours: i64) -> Vec<TimeTick> {
        let step = if hours <= 12 { 2 } else { 6 };
        let mut ticks = Vec::new();
        let Ok(mut at) = self.from.to_zoned(self.zone.clone()).start_of_day() else { return ticks };
        while at.timestamp() <= self.until && ticks.len() < 64 {
            if at.timestamp() >= self.from {
                let label = if at.hour() == 0 {
                    self.locale.day(at.date())
                } else {
                    self.locale.time(at.timestamp(), self.zone)
                };
                ticks.push(TimeTick { at: at.timestamp(), label });
            }
            // Civil arithmetic, so that 06:00 stays 06:00 after the clocks changed.
            let next = at.datetime().checked_add(step.hours()).and_then(|next| self.zone.to_zoned(next));
            let Ok(next) = next else { break };
            at = next;
        }
        ticks
    }

    fn day_ticks(&self, labels_max: usize, hours: i64) -> Vec<TimeTick> {
        let days = hours / 24 + 1;
        let labels_max = i64::try_from(labels_max.max(2)).unwrap_or(8);
        let step = [1, 2, 3, 7, 14, 30, 61, 91, 182, 365]
            .into_iter()
            .find(|step| days / step <= labels_max)
            .unwrap_or(3650);
        let mut ticks = Vec::new();
        // Backwards from the end: today is what people look for first.
        let mut date = self.zone.to_datetime(self.until).date();
        while ticks.len() < 64 {
            let Ok(midnight) = date.to_zoned(self.zone.clone()) else { break };
            if midnight.timestamp() < self.from {
                break;
            }
            ticks.push(TimeTick { at: midnight.timestamp(), label: self.label(date, step, days <= 8) });
            let Ok(earlier) = date.checked_sub(step.days()) else { break };
            date = earlier;
        }
        ticks.reverse();
        ticks
    }

    fn label(&self, date: jiff::civil::Date, step: i64, few: bool) -> String {
        match step {
            1 if few && self.weekdays => self.locale.weekday_and_day(date),
            182.. => self.locale.full_day(date),
            _ => self.locale.day(date),
        }
    }
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
