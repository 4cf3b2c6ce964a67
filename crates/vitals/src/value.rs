//! A value exactly as sent: decimal, comparator, unit.

use std::cmp::Ordering;
use std::fmt;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::Unit;

/// The value lies beyond the meter's range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Comparator {
    /// Below: `LO`, `<0.8`.
    #[serde(rename = "<")]
    Below,
    /// Above: `HI`, `>8.0`.
    #[serde(rename = ">")]
    Above,
}

impl Comparator {
    /// `<` or `>`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Below => "<",
            Self::Above => ">",
        }
    }
}

/// A measured value. `number` keeps the digits sent (`1.10` stays `1.10`); it is absent only for a bare
/// `HI` or `LO`, which always carries a comparator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Value {
    /// The number, or the limit of the meter's range for a censored value.
    pub number: Option<Decimal>,
    /// Present for a censored value.
    pub comparator: Option<Comparator>,
    /// The unit received. Never converted before a comparison.
    pub unit: Unit,
}

/// Why a text is no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Not a plain decimal (no exponent, at most 28 digits), nor HI or LO.
    #[error("a value is a plain decimal such as 1.12, or HI, or LO")]
    NotADecimal,
    /// The comparator is neither `<` nor `>`.
    #[error("a comparator is < or >")]
    UnknownComparator,
    /// `HI` with `<`, or a comparator given twice in different ways.
    #[error("the comparator contradicts the value")]
    Contradiction,
}

impl Value {
    /// An exact value.
    pub fn exact(number: Decimal, unit: Unit) -> Self {
        Self { number: Some(number), comparator: None, unit }
    }

    /// Reads what a device sent: `("1.12","")`, `("8.0",">")`, `("<0.8","")`, `("HI","")`, `("LO","<")`.
    pub fn parse(text: &str, comparator: &str, unit: Unit) -> Result<Self, ValueError> {
        let given = match comparator {
            "" => None,
            "<" => Some(Comparator::Below),
            ">" => Some(Comparator::Above),
            _ => return Err(ValueError::UnknownComparator),
        };
        let (implied, digits) = match text {
            "HI" => (Some(Comparator::Above), None),
            "LO" => (Some(Comparator::Below), None),
            _ => match (text.strip_prefix('<'), text.strip_prefix('>')) {
                (Some(rest), _) => (Some(Comparator::Below), Some(rest)),
                (_, Some(rest)) => (Some(Comparator::Above), Some(rest)),
                _ => (None, Some(text)),
            },
        };
        if let (Some(a), Some(b)) = (given, implied)
            && a != b
        {
            return Err(ValueError::Contradiction);
        }
        let number = digits.map(parse_plain_decimal).transpose()?;
        Ok(Self { number, comparator: given.or(implied), unit })
    }

    /// Compares with a threshold in the same unit. A value below the meter's range is less than every
    /// threshold, one above it greater (`LO`, `HI`): censored values are values, not errors.
    pub fn compare(&self, threshold: Decimal) -> Ordering {
        match (self.comparator, self.number) {
            (Some(Comparator::Below), _) => Ordering::Less,
            (Some(Comparator::Above), _) => Ordering::Greater,
            (None, Some(number)) => number.cmp(&threshold),
            // Unreachable by construction; equal means that no strict threshold is broken by it.
            (None, None) => Ordering::Equal,
        }
    }
}

fn parse_plain_decimal(text: &str) -> Result<Decimal, ValueError> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let well_formed = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.ends_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && digits.bytes().filter(|b| *b == b'.').count() <= 1
        && digits.len() <= 28;
    if !well_formed {
        return Err(ValueError::NotADecimal);
    }
    Decimal::from_str_exact(text).map_err(|_| ValueError::NotADecimal)
}

impl fmt::Display for Value {
    /// `1.12 g/L`, `>8.0 {INR}`, `LO g/L`; for logs and tests. Pages format by locale.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.comparator, self.number) {
            (Some(c), Some(n)) => write!(f, "{}{n}", c.as_str())?,
            (Some(Comparator::Below), None) => f.write_str("LO")?,
            (Some(Comparator::Above), None) => f.write_str("HI")?,
            (None, Some(n)) => write!(f, "{n}")?,
            (None, None) => f.write_str("?")?,
        }
        write!(f, " {}", self.unit.ucum())
    }
}
