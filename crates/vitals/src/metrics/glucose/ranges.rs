//! The ranges into which glucose is sorted, in the unit received.

use rust_decimal::{Decimal, dec};
use serde::{Deserialize, Serialize};

use super::super::Sample;
use super::super::number::{binary, milligrams_per_decilitre, percent};
use crate::{Unit, Value, Vital};

/// One published cut-off, as it is published in each unit. They are no conversions of each other (DOMAIN 1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutOff {
    /// In mg/dL.
    pub milligrams: Decimal,
    /// In g/L.
    pub grams: Decimal,
    /// In mmol/L.
    pub millimoles: Decimal,
}

impl CutOff {
    fn new(milligrams: Decimal, grams: Decimal, millimoles: Decimal) -> Self {
        Self { milligrams, grams, millimoles }
    }

    fn in_unit(&self, unit: Unit) -> Decimal {
        if unit == Unit::MilligramPerDecilitre {
            self.milligrams
        } else if unit == Unit::GramPerLitre {
            self.grams
        } else {
            self.millimoles
        }
    }
}

/// Where a value lies among five ranges that do not overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Band {
    /// Below the lower of the two low cut-offs.
    VeryLow,
    /// From there to below the target.
    Low,
    /// On target, both ends included.
    InRange,
    /// Above the target.
    High,
    /// Above the higher of the two high cut-offs, where there is one.
    VeryHigh,
}

/// A set of ranges. The target includes both of its ends: 70 and 180 are in 70-180 \[TIR\].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ranges {
    /// Below it is very low.
    pub very_low: CutOff,
    /// Below it is low.
    pub low: CutOff,
    /// Above it is high.
    pub high: CutOff,
    /// Above it is very high; not every set has it.
    pub very_high: Option<CutOff>,
}

impl Ranges {
    /// 54, 70, 180 and 250 mg/dL \[TIR\]\[HYPO\].
    pub fn standard() -> Self {
        Self {
            very_low: CutOff::new(dec!(54), dec!(0.54), dec!(3.0)),
            low: CutOff::new(dec!(70), dec!(0.70), dec!(3.9)),
            high: CutOff::new(dec!(180), dec!(1.80), dec!(10.0)),
            very_high: Some(CutOff::new(dec!(250), dec!(2.50), dec!(13.9))),
        }
    }

    /// Pregnancy: 54, 63 and 140 mg/dL; 3.0, 3.5 and 7.8 mmol/L \[TIR\].
    pub fn pregnancy() -> Self {
        Self {
            very_low: CutOff::new(dec!(54), dec!(0.54), dec!(3.0)),
            low: CutOff::new(dec!(63), dec!(0.63), dec!(3.5)),
            high: CutOff::new(dec!(140), dec!(1.40), dec!(7.8)),
            very_high: None,
        }
    }

    /// The band of a value, compared in its own unit. `LO` is very low, `HI` very high (or high where there is no
    /// very high). `None` for a unit in which glucose is not measured.
    pub fn band(&self, value: &Value) -> Option<Band> {
        if !Vital::Glucose.accepts(value.unit) {
            return None;
        }
        let against = |cut: &CutOff| value.compare(cut.in_unit(value.unit));
        Some(if against(&self.very_low).is_lt() {
            Band::VeryLow
        } else if against(&self.low).is_lt() {
            Band::Low
        } else if against(&self.high).is_le() {
            Band::InRange
        } else if self.very_high.is_some_and(|cut| against(&cut).is_gt()) {
            Band::VeryHigh
        } else {
            Band::High
        })
    }
}

/// Units whose numbers can be interpolated and then compared with the cut-offs of one of them: g/L is mg/dL by a factor of
/// 100, its cut-offs as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    Mass,
    Molar,
}

impl Scale {
    /// The number of an exact value, in mg/dL or mmol/L.
    pub(super) fn number(value: &Value) -> Option<(f64, Self)> {
        if value.unit != Unit::MillimolePerLitre {
            return Some((milligrams_per_decilitre(value)?, Self::Mass));
        }
        let number = if value.comparator.is_some() { None } else { value.number };
        Some((binary(number?), Self::Molar))
    }
}

impl Ranges {
    /// The band of a number between readings.
    pub(super) fn band_of(&self, number: f64, scale: Scale) -> Band {
        let cut = |cut: &CutOff| binary(if scale == Scale::Mass { cut.milligrams } else { cut.millimoles });
        if number < cut(&self.very_low) {
            Band::VeryLow
        } else if number < cut(&self.low) {
            Band::Low
        } else if number <= cut(&self.high) {
            Band::InRange
        } else if self.very_high.is_some_and(|very_high| number > cut(&very_high)) {
            Band::VeryHigh
        } else {
            Band::High
        }
    }
}

/// The shares of five ranges that do not overlap, in percent of readings; they sum to 100.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Shares {
    /// Below the lower low cut-off (54 mg/dL).
    pub very_low_percent: f64,
    /// From there to below the target (54-69).
    pub low_percent: f64,
    /// On target (70-180, or 63-140 in pregnancy).
    pub in_range_percent: f64,
    /// Above the target (181-250).
    pub high_percent: f64,
    /// Above the higher high cut-off (250 mg/dL); zero in a set without one.
    pub very_high_percent: f64,
}

/// How many readings are in each range.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) very_low: usize,
    pub(super) low: usize,
    pub(super) in_range: usize,
    pub(super) high: usize,
    pub(super) very_high: usize,
}

impl Counts {
    pub(super) fn of(samples: &[Sample], ranges: &Ranges) -> Self {
        let mut counts = Self::default();
        for band in samples.iter().filter_map(|sample| ranges.band(&sample.value)) {
            counts.add(band);
        }
        counts
    }

    pub(super) fn add(&mut self, band: Band) {
        match band {
            Band::VeryLow => self.very_low += 1,
            Band::Low => self.low += 1,
            Band::InRange => self.in_range += 1,
            Band::High => self.high += 1,
            Band::VeryHigh => self.very_high += 1,
        }
    }

    pub(super) fn all(&self) -> usize {
        self.very_low + self.low + self.in_range + self.high + self.very_high
    }

    pub(super) fn shares(&self) -> Option<Shares> {
        let all = self.all();
        Some(Shares {
            very_low_percent: percent(self.very_low, all)?,
            low_percent: percent(self.low, all)?,
            in_range_percent: percent(self.in_range, all)?,
            high_percent: percent(self.high, all)?,
            very_high_percent: percent(self.very_high, all)?,
        })
    }
}
