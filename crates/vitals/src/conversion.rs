//! Exact conversion between the units of one vital sign: for charts, metrics and plausibility. Thresholds
//! are compared in the unit received.

use rust_decimal::{Decimal, dec};

use crate::{Unit, UnitError, Vital};

struct Scale {
    zero: Decimal,
    numerator: Decimal,
    denominator: Decimal,
}

impl Scale {
    fn linear(numerator: Decimal, denominator: Decimal) -> Self {
        Self { zero: Decimal::ZERO, numerator, denominator }
    }
}

/// Converts a number of a vital sign between two of its units, in exact decimals (28 digits where a
/// division does not end). The molar mass is that of glucose, which is why the vital sign is asked for;
/// a unit that the vital sign does not have is refused. The same unit keeps the digits as they are.
pub fn convert(number: Decimal, from: Unit, to: Unit, vital: Vital) -> Result<Decimal, UnitError> {
    for unit in [from, to] {
        if !vital.accepts(unit) {
            return Err(UnitError::Foreign { vital, unit: unit.ucum() });
        }
    }
    if from == to {
        return Ok(number);
    }
    let (source, target) = (from.scale(), to.scale());
    let up = source.numerator.checked_mul(target.denominator);
    let down = source.denominator.checked_mul(target.numerator);
    number
        .checked_sub(source.zero)
        .zip(up)
        .and_then(|(n, up)| n.checked_mul(up))
        .zip(down)
        .and_then(|(n, down)| n.checked_div(down))
        .and_then(|n| n.checked_add(target.zero))
        .ok_or(UnitError::TooLarge)
}

impl Unit {
    /// `canonical = (number - zero) x numerator / denominator`, canonical being the unit of
    /// [`Vital::canonical_unit`]. Kept as a fraction so that only one division rounds.
    fn scale(self) -> Scale {
        match self {
            Self::MilligramPerDecilitre
            | Self::Kilogram
            | Self::Inr
            | Self::One
            | Self::MillimetreOfMercury
            | Self::PerMinute
            | Self::Percent
            | Self::Celsius
            | Self::Litre
            | Self::LitrePerMinute
            | Self::Score => Scale::linear(Decimal::ONE, Decimal::ONE),
            Self::GramPerLitre => Scale::linear(dec!(100), Decimal::ONE), // exact
            Self::MillimolePerLitre => Scale::linear(dec!(18.0156), Decimal::ONE), // 180.156 g/mol (memory)
            Self::Gram => Scale::linear(Decimal::ONE, dec!(1000)),        // exact
            Self::Pound => Scale::linear(dec!(0.45359237), Decimal::ONE), // exact
            Self::Kilopascal => Scale::linear(Decimal::ONE, dec!(0.133322)),
            Self::Fahrenheit => Scale { zero: dec!(32), numerator: dec!(5), denominator: dec!(9) }, // exact
            Self::LitrePerSecond => Scale::linear(dec!(60), Decimal::ONE),                          // exact
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(vital: Vital, number: Decimal, from: Unit, expected: Decimal, to: Unit, digits: u32) {
        let got = convert(number, from, to, vital).unwrap();
        assert_eq!(got.round_dp(digits), expected, "{number} {from} in {to}: {got}");
    }

    #[test]
    fn conversions_agree_with_independent_oracles() {
        use Unit::*;
        use Vital::*;
        // DOMAIN 5.2 (ucum-lhc, ucumvert).
        check(Glucose, dec!(1), GramPerLitre, dec!(100), MilligramPerDecilitre, 28);
        check(Weight, dec!(150), Pound, dec!(68.0388555), Kilogram, 28);
        check(Temperature, dec!(98.6), Fahrenheit, dec!(37), Celsius, 28);
        check(PeakFlow, dec!(400), LitrePerMinute, dec!(6.6667), LitrePerSecond, 4);
        check(PeakFlow, dec!(8.20), LitrePerSecond, dec!(492), LitrePerMinute, 28);
        check(Systolic, dec!(120), MillimetreOfMercury, dec!(15.99864), Kilopascal, 28);
        // DOMAIN 1.3.
        check(Glucose, dec!(1), GramPerLitre, dec!(5.5507), MillimolePerLitre, 4);
        check(Weight, dec!(71300), Gram, dec!(71.3), Kilogram, 28);
        check(Weight, dec!(2), Kilogram, dec!(4.4092), Pound, 4);
        check(Temperature, dec!(37), Celsius, dec!(98.6), Fahrenheit, 28);
        check(Vital::Inr, dec!(2.5), One, dec!(2.5), Unit::Inr, 28);
        check(Diastolic, dec!(10), Kilopascal, dec!(75.0064), MillimetreOfMercury, 4);
    }

    #[test]
    fn published_glucose_cut_offs_are_not_conversions_of_each_other() {
        use Unit::*;
        // DOMAIN 1.3, classification trap: mg/dL, exact mmol/L, published mmol/L, and that in mg/dL.
        for (mg, exact, published, back) in [
            (dec!(54), dec!(2.9974), dec!(3.0), dec!(54.05)),
            (dec!(70), dec!(3.8855), dec!(3.9), dec!(70.26)),
            (dec!(180), dec!(9.9913), dec!(10.0), dec!(180.16)),
            (dec!(250), dec!(13.8769), dec!(13.9), dec!(250.42)),
            (dec!(140), dec!(7.7710), dec!(7.8), dec!(140.52)),
        ] {
            for vital in [Vital::Glucose, Vital::GlucoseInterstitial] {
                check(vital, mg, MilligramPerDecilitre, exact, MillimolePerLitre, 4);
                check(vital, published, MillimolePerLitre, back, MilligramPerDecilitre, 2);
            }
        }
    }

    #[test]
    fn the_same_unit_keeps_the_digits_sent() {
        let kept = convert(dec!(1.10), Unit::GramPerLitre, Unit::GramPerLitre, Vital::Glucose).unwrap();
        assert_eq!(kept.to_string(), "1.10");
    }

    #[test]
    fn units_of_another_vital_are_never_converted() {
        for (from, to, vital) in [
            (Unit::MilligramPerDecilitre, Unit::MillimolePerLitre, Vital::Weight),
            (Unit::One, Unit::Percent, Vital::Spo2),
            (Unit::Kilogram, Unit::Celsius, Vital::Weight),
            (Unit::Score, Unit::Score, Vital::Inr),
        ] {
            assert!(matches!(convert(dec!(1), from, to, vital), Err(UnitError::Foreign { .. })));
        }
    }

    #[test]
    fn a_number_too_large_to_convert_is_an_error() {
        assert_eq!(
            convert(Decimal::MAX, Unit::GramPerLitre, Unit::MilligramPerDecilitre, Vital::Glucose),
            Err(UnitError::TooLarge)
        );
    }
}
