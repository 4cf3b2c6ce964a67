//! Glucose in the unit in which a patient's readings come: names of ranges, pictures and episodes of one report speak
//! of one unit.

use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, dec};
use vigie_charts::Band;
use vigie_vitals::{Unit, Vital, convert};
use vigie_words::{Texts, values};

use super::numbers;

/// The ranges of the international consensus (docs/clinical-metrics.md, `[TIR]`) in a unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ranges {
    /// The unit.
    pub unit: Unit,
    /// Where very low, low, target and high end.
    pub cut_offs: [Decimal; 4],
    /// Digits that people use.
    pub digits: u8,
}

impl Ranges {
    /// In the unit of a panel; in mg/dL where that is no unit of glucose.
    pub(crate) fn of(unit: Unit) -> Self {
        if unit == Unit::GramPerLitre {
            Self { unit, cut_offs: [dec!(0.54), dec!(0.70), dec!(1.80), dec!(2.50)], digits: 2 }
        } else if unit == Unit::MillimolePerLitre {
            Self { unit, cut_offs: [dec!(3.0), dec!(3.9), dec!(10.0), dec!(13.9)], digits: 1 }
        } else {
            let cut_offs = [dec!(54), dec!(70), dec!(180), dec!(250)];
            Self { unit: Unit::MilligramPerDecilitre, cut_offs, digits: 0 }
        }
    }

    /// The target range.
    pub(crate) fn target(&self) -> Band {
        let [_, low, high, _] = self.cut_offs;
        Band { low, high }
    }

    /// One mg/dL in this unit.
    pub(crate) fn of_a_milligram(&self) -> f64 {
        let from = Unit::MilligramPerDecilitre;
        let thousand = convert(dec!(1000), from, self.unit, Vital::Glucose).ok().and_then(|n| n.to_f64());
        thousand.unwrap_or(1_000.0) / 1_000.0
    }

    /// The unit as people write it.
    pub(crate) fn name(&self) -> &'static str {
        values::unit(self.unit)
    }

    /// A text with its cut-offs (`{very_low}`, `{low}`, `{high}`, `{very_high}`, `{unit}`).
    pub(crate) fn fill(&self, key: &str, texts: Texts) -> String {
        let [very_low, low, high, very_high] = self.cut_offs.map(|number| texts.0.number(number));
        texts.fill(
            key,
            &[
                ("very_low", &very_low),
                ("low", &low),
                ("high", &high),
                ("very_high", &very_high),
                ("unit", &self.name()),
            ],
        )
    }

    /// A number of mg/dL in this unit: `0,52 g/L`.
    pub(crate) fn shown(&self, milligrams: f64, texts: Texts) -> String {
        let number = numbers::number(milligrams * self.of_a_milligram(), self.digits, texts.0);
        numbers::with_unit(&number, self.unit.ucum(), texts)
    }
}

#[cfg(test)]
mod tests {
    use vigie_charts::Locale;

    use super::*;

    #[test]
    fn ranges_are_told_with_the_cut_offs_of_their_unit() {
        let told = |unit| Ranges::of(unit).fill("report.metric.glucose.in_70_180_percent", Texts(Locale::En));
        assert_eq!(told(Unit::GramPerLitre), "In range 0.70–1.80 g/L");
        assert_eq!(told(Unit::MillimolePerLitre), "In range 3.9–10.0 mmol/L");
        assert_eq!(told(Unit::MilligramPerDecilitre), "In range 70–180 mg/dL");
        assert_eq!(told(Unit::Kilogram), "In range 70–180 mg/dL");
    }

    #[test]
    fn a_computed_number_is_converted_exactly() {
        let shown = |unit| Ranges::of(unit).shown(52.0, Texts(Locale::Fr));
        assert_eq!(shown(Unit::GramPerLitre), "0,52\u{a0}g/L");
        assert_eq!(shown(Unit::MillimolePerLitre), "2,9\u{a0}mmol/L");
        assert_eq!(shown(Unit::MilligramPerDecilitre), "52\u{a0}mg/dL");
    }
}
