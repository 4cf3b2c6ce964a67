//! Numbers of metrics: from exact decimals to binary ones, and the statistics that all metrics share.

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

use crate::{Unit, Value, Vital, convert};

const SECONDS_PER_DAY: f64 = 86_400.0;

/// Days of 24 hours from one instant to another.
pub(super) fn days_between(from: Timestamp, to: Timestamp) -> f64 {
    days(to.duration_since(from))
}

/// A duration in days of 24 hours.
pub(super) fn days(duration: SignedDuration) -> f64 {
    duration.as_secs_f64() / SECONDS_PER_DAY
}

/// The nearest binary number. One division, so that 1.53 is what the text `1.53` would be read as.
pub(super) fn binary(number: Decimal) -> f64 {
    scaled(number, 1, 0)
}

/// `number x factor / 10^places`, rounded once (where the digits fit 53 bits, as those of any meter do).
fn scaled(number: Decimal, factor: i128, places: u32) -> f64 {
    let scale = i32::try_from(number.scale().saturating_add(places)).unwrap_or(i32::MAX);
    number.mantissa().saturating_mul(factor) as f64 / 10_f64.powi(scale)
}

/// An exact (not censored) glucose in mg/dL; `None` for a censored one or one in a unit that is not glucose's.
/// The factors are those of [`convert`], applied before the only rounding: 0.57 g/L is 57, not 56.999.
pub(super) fn milligrams_per_decilitre(value: &Value) -> Option<f64> {
    let number = exact(value)?;
    match value.unit {
        Unit::MilligramPerDecilitre => Some(binary(number)),
        Unit::GramPerLitre => Some(scaled(number, 100, 0)),
        Unit::MillimolePerLitre => Some(scaled(number, 180_156, 4)),
        Unit::Kilogram
        | Unit::Gram
        | Unit::Pound
        | Unit::Inr
        | Unit::One
        | Unit::MillimetreOfMercury
        | Unit::Kilopascal
        | Unit::PerMinute
        | Unit::Percent
        | Unit::Celsius
        | Unit::Fahrenheit
        | Unit::Litre
        | Unit::LitrePerMinute
        | Unit::LitrePerSecond
        | Unit::Score => None,
    }
}

/// An exact (not censored) value of a vital sign in its canonical unit.
pub(super) fn canonical(value: &Value, vital: Vital) -> Option<Decimal> {
    convert(exact(value)?, value.unit, vital.canonical_unit(), vital).ok()
}

fn exact(value: &Value) -> Option<Decimal> {
    if value.comparator.is_some() { None } else { value.number }
}

/// Only what is finite.
pub(super) fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}

/// Arithmetic mean.
pub(super) fn mean(numbers: &[f64]) -> Option<f64> {
    if numbers.is_empty() { None } else { finite(numbers.iter().sum::<f64>() / numbers.len() as f64) }
}

/// Standard deviation of a sample (divisor n - 1); needs two numbers.
pub(super) fn standard_deviation(numbers: &[f64]) -> Option<f64> {
    if numbers.len() < 2 {
        return None;
    }
    let mean = mean(numbers)?;
    let squares: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
    finite((squares / (numbers.len() - 1) as f64).sqrt())
}

/// Coefficient of variation in percent, 100 x SD / mean; needs a mean above zero.
pub(super) fn coefficient_of_variation(numbers: &[f64]) -> Option<f64> {
    let mean = mean(numbers).filter(|mean| *mean > 0.0)?;
    finite(100.0 * standard_deviation(numbers)? / mean)
}

/// The middle one, or the mean of the two in the middle.
pub(super) fn median(numbers: &[f64]) -> Option<f64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    let upper = *sorted.get(half)?;
    if sorted.len() % 2 == 1 {
        return finite(upper);
    }
    let lower = *sorted.get(half.checked_sub(1)?)?;
    finite(lower + (upper - lower) / 2.0)
}

/// `100 x part / whole`; `None` of nothing.
pub(super) fn percent(part: usize, whole: usize) -> Option<f64> {
    if whole == 0 { None } else { finite(100.0 * part as f64 / whole as f64) }
}

/// The lowest number.
pub(super) fn lowest(numbers: &[f64]) -> Option<f64> {
    numbers.iter().copied().min_by(f64::total_cmp)
}

/// The highest number.
pub(super) fn highest(numbers: &[f64]) -> Option<f64> {
    numbers.iter().copied().max_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glucose(text: &str, unit: Unit) -> Option<f64> {
        milligrams_per_decilitre(&Value::parse(text, "", unit).unwrap())
    }

    #[test]
    fn a_decimal_becomes_the_nearest_binary_number() {
        for text in ["1.53", "0.1", "71.35", "-3.7", "0.0000001", "12345678901.5"] {
            assert_eq!(binary(text.parse().unwrap()), text.parse::<f64>().unwrap(), "{text}");
        }
    }

    #[test]
    fn glucose_in_grams_and_milligrams_is_the_same_number() {
        for hundredths in 1..=600 {
            let grams = format!("{}.{:02}", hundredths / 100, hundredths % 100);
            assert_eq!(
                glucose(&grams, Unit::GramPerLitre),
                glucose(&hundredths.to_string(), Unit::MilligramPerDecilitre)
            );
        }
    }

    #[test]
    fn glucose_agrees_with_the_exact_conversion() {
        for text in ["3.9", "10.0", "13.9", "5.55"] {
            let exact = convert(
                text.parse().unwrap(),
                Unit::MillimolePerLitre,
                Unit::MilligramPerDecilitre,
                Vital::Glucose,
            );
            assert_eq!(glucose(text, Unit::MillimolePerLitre), Some(binary(exact.unwrap())));
        }
    }

    #[test]
    fn censored_values_and_foreign_units_have_no_number() {
        assert_eq!(glucose("LO", Unit::MilligramPerDecilitre), None);
        assert_eq!(glucose(">600", Unit::MilligramPerDecilitre), None);
        assert_eq!(glucose("70", Unit::Kilogram), None);
    }

    #[test]
    fn statistics_of_little_are_absent_rather_than_wrong() {
        assert_eq!((mean(&[]), median(&[]), percent(0, 0)), (None, None, None));
        assert_eq!((standard_deviation(&[1.0]), coefficient_of_variation(&[0.0, 0.0])), (None, None));
        assert_eq!((median(&[3.0, 1.0]), median(&[5.0, 1.0, 2.0])), (Some(2.0), Some(2.0)));
        // By hand: mean 10 above a thousand million, squares 36 + 9 + 9 + 36 over 3. Sums of squares would lose it.
        let sd = standard_deviation(&[1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0]).unwrap();
        assert!((sd * sd - 30.0).abs() < 1e-9);
    }
}
