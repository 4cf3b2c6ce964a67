//! Exact decimals: what base values and exponents need, and no more.

use std::fmt;

/// Most digits of a number, before and after the point together. A vital sign has three to six, a time in
/// nanoseconds nineteen.
const DIGITS_MAX: u32 = 30;

/// `units` x 10^-`scale`, at most [`DIGITS_MAX`] digits. `1.10` is 110 x 10^-2: zeros at the end are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Decimal {
    units: i128,
    scale: u32,
}

impl Decimal {
    /// `mantissa` x 10^`exponent`.
    pub(crate) fn of(mantissa: i128, exponent: i32) -> Option<Self> {
        let decimal = if exponent > 0 {
            let exponent = exponent.unsigned_abs();
            let units = if mantissa == 0 { 0 } else { mantissa.checked_mul(power(exponent)?)? };
            Self { units, scale: 0 }
        } else {
            Self { units: mantissa, scale: exponent.unsigned_abs() }
        };
        decimal.checked()
    }

    /// Reads a number as JSON writes it, with or without an exponent.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (number, exponent) = match text.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = whole.strip_prefix('-').unwrap_or(whole);
        let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if digits.is_empty() || !all_digits(digits) || !all_digits(fraction) {
            return None;
        }
        let units: i128 = format!("{whole}{fraction}").parse().ok()?;
        let scale = i32::try_from(fraction.len()).ok()?;
        Self::of(units, exponent.checked_sub(scale)?)
    }

    /// The exact sum.
    pub(crate) fn plus(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let units = self.scaled(scale)?.checked_add(other.scaled(scale)?)?;
        Self { units, scale }.checked()
    }

    /// As a count of 10^-9, what is finer cut off.
    pub(crate) fn nanos(self) -> Option<i128> {
        match 9u32.checked_sub(self.scale) {
            Some(_) => self.scaled(9),
            None => Some(self.units.div_euclid(power(self.scale - 9)?)),
        }
    }

    fn scaled(self, scale: u32) -> Option<i128> {
        self.units.checked_mul(power(scale.checked_sub(self.scale)?)?)
    }

    fn checked(self) -> Option<Self> {
        let small = self.units.unsigned_abs() < power(DIGITS_MAX)?.unsigned_abs();
        (small && self.scale <= DIGITS_MAX).then_some(self)
    }
}

impl fmt::Display for Decimal {
    /// Plain digits, never an exponent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = usize::try_from(self.scale).unwrap_or_default() + 1;
        let digits = format!("{:0width$}", self.units.unsigned_abs());
        let (whole, fraction) = digits.split_at(digits.len() + 1 - width);
        let sign = if self.units < 0 { "-" } else { "" };
        let point = if fraction.is_empty() { "" } else { "." };
        write!(f, "{sign}{whole}{point}{fraction}")
    }
}

fn power(exponent: u32) -> Option<i128> {
    10i128.checked_pow(exponent)
}
