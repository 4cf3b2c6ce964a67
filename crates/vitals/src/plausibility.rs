//! Two tiers of plausibility: *reject* what cannot be a measurement of a living person, *flag* what is
//! extreme but possible. A flagged reading is stored and judged like any other.

use rust_decimal::{Decimal, dec};
use serde::{Deserialize, Serialize};

use crate::{Unit, Value, Vital, convert};

/// Extreme, yet possible: to be shown with "please verify".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flag {
    /// The value lies outside what is usual for this vital sign.
    Extreme(Vital),
    /// Systolic and diastolic lie unusually near or far from each other.
    PulsePressure,
}

impl Flag {
    /// `extreme` or `pulse_pressure`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Extreme(_) => "extreme",
            Self::PulsePressure => "pulse_pressure",
        }
    }
}

/// Why a value cannot be a measurement of a living person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Implausible {
    /// Beyond the limits of a living person, or a corrupt frame.
    #[error("{vital} of {value} lies outside {low} to {high} {unit}")]
    OutOfBounds {
        /// The vital sign.
        vital: Vital,
        /// The value as sent.
        value: Value,
        /// The lowest plausible value.
        low: Decimal,
        /// The highest plausible value.
        high: Decimal,
        /// The unit of the bounds.
        unit: &'static str,
    },
    /// A unit of another vital sign.
    #[error("{vital} is not measured in {unit}")]
    ForeignUnit {
        /// The vital sign.
        vital: Vital,
        /// The UCUM code of the unit.
        unit: &'static str,
    },
    /// Neither a number nor `HI` nor `LO`.
    #[error("{0} has no value")]
    Empty(Vital),
    /// The same vital sign twice in one reading: which one would count?
    #[error("{0} is given twice in one reading")]
    Twice(Vital),
    /// The diastolic pressure is not below the systolic one.
    #[error("a diastolic pressure of {diastolic} is not below the systolic one of {systolic}")]
    PressuresCrossed {
        /// As sent.
        systolic: Value,
        /// As sent.
        diastolic: Value,
    },
}

/// Limits in the canonical unit; both ends belong to the range.
struct Bounds {
    reject: (Decimal, Decimal),
    flag: (Decimal, Decimal),
}

/// DOMAIN 1.4 (proposal), with the device ranges that it quotes.
fn bounds(vital: Vital) -> Bounds {
    let (reject, flag) = match vital {
        // mg/dL; meters show 10-600 [DARIO][INFORM2], 20-900 [GDR], HI above 600 [SEJOY].
        Vital::Glucose => ((dec!(5), dec!(1500)), (dec!(20), dec!(600))),
        // mg/dL; sensors show 40-400 or 40-500 [CGMR].
        Vital::GlucoseInterstitial => ((dec!(10), dec!(1000)), (dec!(40), dec!(400))),
        // kg, adult. A change of more than 3 % in a day needs the history and is not looked at here.
        Vital::Weight => ((dec!(20), dec!(400)), (dec!(35), dec!(250))),
        // Meters show 0.8-8.0 [CUX][MICROINR].
        Vital::Inr => ((dec!(0.3), dec!(30)), (dec!(0.8), dec!(8.0))),
        // mmHg.
        Vital::Systolic => ((dec!(40), dec!(300)), (dec!(70), dec!(230))),
        Vital::Diastolic => ((dec!(20), dec!(200)), (dec!(40), dec!(130))),
        // per minute.
        Vital::Pulse => ((dec!(15), dec!(300)), (dec!(35), dec!(180))),
        // %; accuracy is usually claimed for 70-100 (memory).
        Vital::Spo2 => ((dec!(30), dec!(100)), (dec!(70), dec!(100))),
        // degrees Celsius [PHD].
        Vital::Temperature => ((dec!(25), dec!(45)), (dec!(34), dec!(41.5))),
        // per minute.
        Vital::RespiratoryRate => ((dec!(2), dec!(80)), (dec!(6), dec!(40))),
        // litres. 120 % of the personal best needs the history and is not looked at here.
        Vital::Fev1 => ((dec!(0.1), dec!(9)), (dec!(0.3), dec!(6.5))),
        // litres per minute.
        Vital::PeakFlow => ((dec!(20), dec!(900)), (dec!(60), dec!(800))),
        // Each instrument declares its range; until instruments are configured, the widest in use.
        Vital::SymptomScore => ((dec!(0), dec!(100)), (dec!(0), dec!(100))),
    };
    Bounds { reject, flag }
}

/// DOMAIN 1.4 (proposal), mmHg: pulse pressures outside are flagged.
const PULSE_PRESSURE: (Decimal, Decimal) = (dec!(15), dec!(120));

fn within(number: Decimal, (low, high): (Decimal, Decimal)) -> bool {
    low <= number && number <= high
}

/// Checks one value. A bare `HI` or `LO` is a value; `>8.0` is checked by its limit. Limits are compared in
/// the canonical unit, in exact decimals.
pub fn check_plausibility(vital: Vital, value: &Value) -> Result<Option<Flag>, Implausible> {
    if !vital.accepts(value.unit) {
        return Err(Implausible::ForeignUnit { vital, unit: value.unit.ucum() });
    }
    let Some(number) = value.number else {
        return if value.comparator.is_some() { Ok(None) } else { Err(Implausible::Empty(vital)) };
    };
    let Bounds { reject, flag } = bounds(vital);
    match convert(number, value.unit, vital.canonical_unit(), vital) {
        Ok(number) if within(number, reject) => Ok((!within(number, flag)).then_some(Flag::Extreme(vital))),
        _ => Err(Implausible::OutOfBounds {
            vital,
            value: *value,
            low: reject.0,
            high: reject.1,
            unit: vital.canonical_unit().ucum(),
        }),
    }
}

/// Checks a whole reading: each value, and the pressures against each other. Flags come in the order of
/// the values.
pub fn check_reading(values: &[(Vital, Value)]) -> Result<Vec<Flag>, Implausible> {
    let mut flags = Vec::new();
    let mut seen: Vec<Vital> = Vec::new();
    for (vital, value) in values {
        if seen.contains(vital) {
            return Err(Implausible::Twice(*vital));
        }
        seen.push(*vital);
        flags.extend(check_plausibility(*vital, value)?);
    }
    let find = |wanted: Vital| values.iter().find(|(vital, _)| *vital == wanted).map(|(_, value)| value);
    if let (Some(systolic), Some(diastolic)) = (find(Vital::Systolic), find(Vital::Diastolic))
        && let (Some(high), Some(low)) =
            (in_mmhg(Vital::Systolic, systolic), in_mmhg(Vital::Diastolic, diastolic))
    {
        if low >= high {
            return Err(Implausible::PressuresCrossed { systolic: *systolic, diastolic: *diastolic });
        }
        // Both are within their bounds here, so the difference cannot overflow.
        if !within(high - low, PULSE_PRESSURE) {
            flags.push(Flag::PulsePressure);
        }
    }
    Ok(flags)
}

/// An exact pressure; a censored one says nothing about a difference.
fn in_mmhg(vital: Vital, value: &Value) -> Option<Decimal> {
    match (value.comparator, value.number) {
        (None, Some(number)) => convert(number, value.unit, Unit::MillimetreOfMercury, vital).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    enum Verdict {
        Fine,
        Flagged,
        Rejected,
    }
    use Verdict::*;

    #[track_caller]
    fn check(vital: Vital, unit: Unit, expected: &[(&str, Verdict)]) {
        for (text, verdict) in expected {
            let value = Value::parse(text, "", unit).unwrap();
            let got = match check_plausibility(vital, &value) {
                Ok(None) => Fine,
                Ok(Some(flag)) => {
                    assert_eq!(flag, Flag::Extreme(vital));
                    Flagged
                }
                Err(_) => Rejected,
            };
            assert_eq!(&got, verdict, "{vital} {value}");
        }
    }

    #[test]
    fn each_limit_belongs_to_the_range_that_it_closes() {
        for vital in Vital::ALL {
            let Bounds { reject, flag } = bounds(vital);
            let unit = vital.canonical_unit();
            let step = dec!(0.001);
            let verdict = |number| check_plausibility(vital, &Value::exact(number, unit));
            for (low, high) in [reject, flag] {
                assert!(verdict(low).is_ok() && verdict(high).is_ok(), "{vital}");
            }
            assert!(verdict(reject.0 - step).is_err() && verdict(reject.1 + step).is_err(), "{vital}");
            assert_eq!(verdict(flag.0), Ok(None), "{vital}");
            assert_eq!(verdict(flag.1), Ok(None), "{vital}");
            for (inside, outside) in [(flag.0, flag.0 - step), (flag.1, flag.1 + step)] {
                if within(outside, reject) {
                    assert_eq!(verdict(outside), Ok(Some(Flag::Extreme(vital))), "{vital} {inside}");
                }
            }
        }
    }

    #[test]
    fn limits_hold_in_every_unit() {
        check(
            Vital::Glucose,
            Unit::GramPerLitre,
            &[("0.04", Rejected), ("0.05", Flagged), ("0.19", Flagged), ("0.20", Fine), ("6.00", Fine)],
        );
        check(
            Vital::Glucose,
            Unit::MillimolePerLitre,
            // 20 mg/dL = 1.1101 mmol/L, 600 = 33.3045, 1500 = 83.261.
            &[("1.1", Flagged), ("1.2", Fine), ("33.3", Fine), ("33.4", Flagged), ("83.3", Rejected)],
        );
        check(
            Vital::Weight,
            Unit::Pound,
            &[("44", Rejected), ("45", Flagged), ("80", Fine), ("900", Rejected)],
        );
        check(Vital::Temperature, Unit::Fahrenheit, &[("98.6", Fine), ("106.8", Flagged), ("37", Rejected)]);
        check(Vital::Systolic, Unit::Kilopascal, &[("16", Fine), ("5", Rejected), ("120", Rejected)]);
        check(Vital::PeakFlow, Unit::LitrePerSecond, &[("8.2", Fine), ("0.9", Flagged), ("16", Rejected)]);
    }

    #[test]
    fn grams_per_litre_sent_as_milligrams_are_rejected() {
        check(Vital::Glucose, Unit::MilligramPerDecilitre, &[("1.12", Rejected), ("112", Fine)]);
    }

    #[test]
    fn a_censored_value_is_checked_by_its_limit_and_a_bare_one_is_a_value() {
        check(
            Vital::Inr,
            Unit::Inr,
            &[
                ("HI", Fine),
                ("LO", Fine),
                (">8.0", Fine),
                ("<0.8", Fine),
                (">12", Flagged),
                (">80", Rejected),
            ],
        );
    }

    #[test]
    fn negative_and_enormous_numbers_are_rejected() {
        for vital in Vital::ALL {
            for unit in vital.units() {
                check(vital, *unit, &[("-1", Rejected), ("7000000000000000000000000000", Rejected)]);
            }
        }
    }

    #[test]
    fn a_unit_of_another_vital_is_rejected() {
        let error = check_plausibility(Vital::Spo2, &Value::exact(dec!(1), Unit::One)).unwrap_err();
        assert_eq!(error.to_string(), "spo2 is not measured in 1");
    }

    #[track_caller]
    fn check_pressures(systolic: &str, diastolic: &str, unit: Unit, expected: Option<&[Flag]>) {
        let value = |text| Value::parse(text, "", unit).unwrap();
        let reading = [(Vital::Diastolic, value(diastolic)), (Vital::Systolic, value(systolic))];
        assert_eq!(check_reading(&reading).ok().as_deref(), expected, "{systolic}/{diastolic}");
    }

    #[test]
    fn pressures_are_checked_against_each_other() {
        let mmhg = Unit::MillimetreOfMercury;
        check_pressures("130", "80", mmhg, Some(&[]));
        check_pressures("80", "130", mmhg, None);
        check_pressures("80", "80", mmhg, None);
        check_pressures("95", "80", mmhg, Some(&[]));
        check_pressures("94", "80", mmhg, Some(&[Flag::PulsePressure]));
        check_pressures("200", "80", mmhg, Some(&[]));
        check_pressures("201", "80", mmhg, Some(&[Flag::PulsePressure]));
        check_pressures("HI", "80", mmhg, Some(&[]));
        check_pressures("17.3", "10.7", Unit::Kilopascal, Some(&[]));
        check_pressures("10.7", "17.3", Unit::Kilopascal, None);
    }

    #[test]
    fn a_vital_given_twice_in_one_reading_is_rejected() {
        let value = Value::exact(dec!(70), Unit::PerMinute);
        assert_eq!(
            check_reading(&[(Vital::Pulse, value), (Vital::Pulse, value)]),
            Err(Implausible::Twice(Vital::Pulse))
        );
    }
}
