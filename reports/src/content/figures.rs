//! Numbers: from metrics to groups, decimals and figures.

use rust_decimal::Decimal;
use vigie_vitals::metrics::{Metric, Period};
use vigie_vitals::{Unit, Vital, convert};

use super::panels::vitals_of;
use super::{Figure, Goal, Metrics, Panel};

/// A decimal for charts, tables and sentences, from a metric: rounded half to even to so many digits, which are all
/// written (`7.0`).
pub fn rounded(value: f64, digits: u8) -> Decimal {
    let decimal = Decimal::from_f64_retain(value).unwrap_or_default();
    let mut decimal = decimal.round_dp(u32::from(digits));
    decimal.rescale(u32::from(digits));
    // No minus sign before a nought.
    if decimal.is_zero() { decimal.abs() } else { decimal }
}

/// Adds metrics to a group.
pub(super) fn add(metrics: &mut Metrics, group: &str, named: Vec<(&'static str, Metric)>) {
    let group = metrics.entry(group.to_owned()).or_default();
    group.extend(named.into_iter().map(|(name, metric)| (name.to_owned(), metric)));
}

/// A number that was counted.
pub(super) fn count(n: usize, period: Period) -> Metric {
    Metric::new(Some(n as f64), "1", period, n, true)
}

/// A metric by group and name.
pub(super) fn find<'a>(metrics: &'a Metrics, group: &str, name: &str) -> Option<&'a Metric> {
    metrics.get(group)?.get(name)
}

/// Its value, where there are enough data to tell it.
pub(super) fn told(metrics: &Metrics, group: &str, name: &str) -> Option<f64> {
    find(metrics, group, name).filter(|metric| metric.sufficient)?.value
}

/// A figure without a goal.
pub(super) fn figure(group: &str, name: &str, digits: u8) -> Figure {
    Figure { group: group.to_owned(), name: name.to_owned(), digits, goal: None }
}

/// A figure and what is aimed at.
pub(super) fn figure_with(group: &str, name: &str, digits: u8, goal: Option<Goal>) -> Figure {
    Figure { goal, ..figure(group, name, digits) }
}

impl Panel {
    /// A metric of this panel as people read it: glucose and weight in the unit in which most readings came, with the
    /// digits that people use of that unit; everything else as it is, with `digits`. The UCUM code of the unit comes with it.
    pub fn shown(&self, metric: &Metric, digits: u8) -> Option<(Decimal, String)> {
        let value = metric.value?;
        let as_it_is = || Some((rounded(value, digits), metric.unit.clone().into_owned()));
        let (Ok(from), Some(vital)) = (Unit::parse(&metric.unit), vitals_of(self.topic).first()) else {
            return as_it_is();
        };
        if from == self.unit || from.dimension() != self.unit.dimension() {
            return as_it_is();
        }
        let shown = in_unit(value, from, self.unit, *vital)?;
        Some((rounded(shown, digits_of(self.unit)), self.unit.ucum().to_owned()))
    }
}

/// A number in another unit of its vital sign.
pub(super) fn in_unit(value: f64, from: Unit, to: Unit, vital: Vital) -> Option<f64> {
    f64::try_from(convert(Decimal::from_f64_retain(value)?, from, to, vital).ok()?).ok()
}

/// How many digits after the decimal mark people use.
pub(super) fn digits_of(unit: Unit) -> u8 {
    match unit {
        Unit::GramPerLitre => 2,
        Unit::MillimolePerLitre
        | Unit::Kilogram
        | Unit::Pound
        | Unit::Inr
        | Unit::One
        | Unit::Kilopascal
        | Unit::Celsius
        | Unit::Fahrenheit
        | Unit::Litre
        | Unit::LitrePerSecond => 1,
        Unit::MilligramPerDecilitre
        | Unit::Gram
        | Unit::MillimetreOfMercury
        | Unit::PerMinute
        | Unit::Percent
        | Unit::LitrePerMinute
        | Unit::Score => 0,
    }
}
