//! Units by their UCUM codes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Vital;

/// A unit of measure. In JSON it is its UCUM code, also as the key of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unit {
    /// `mg/dL`
    MilligramPerDecilitre,
    /// `g/L`
    GramPerLitre,
    /// `mmol/L`
    MillimolePerLitre,
    /// `kg`
    Kilogram,
    /// `g`
    Gram,
    /// `[lb_av]`
    Pound,
    /// `{INR}`
    Inr,
    /// `1`, which some INR meters send for `{INR}`
    One,
    /// `mm[Hg]`
    MillimetreOfMercury,
    /// `kPa`
    Kilopascal,
    /// `/min`; `{beats}/min` is read as the same
    PerMinute,
    /// `%`
    Percent,
    /// `Cel`
    Celsius,
    /// `[degF]`
    Fahrenheit,
    /// `L`
    Litre,
    /// `L/min`
    LitrePerMinute,
    /// `L/s`
    LitrePerSecond,
    /// `{score}`
    Score,
}

/// The kind of quantity that a unit measures. Ratios, percentages and scores are kept apart although all
/// are dimensionless: an INR is no saturation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dimension {
    /// Mass or amount of glucose in a volume.
    Concentration,
    /// Mass.
    Mass,
    /// Ratio of clotting times.
    Ratio,
    /// Pressure.
    Pressure,
    /// Events in a time.
    Rate,
    /// Share.
    Fraction,
    /// Temperature.
    Temperature,
    /// Volume.
    Volume,
    /// Volume in a time.
    Flow,
    /// Points of a questionnaire.
    Score,
}

/// Why a unit is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// A habitual spelling that is no UCUM code (`mmHg`, `bpm`) or means something else in UCUM (`C` is
    /// coulomb).
    #[error("{given:?} is not the UCUM code; write {meant}")]
    Misspelt {
        /// As sent.
        given: String,
        /// The code that was meant.
        meant: &'static str,
    },
    /// No unit that is used here.
    #[error("{0:?} is no unit that is known here")]
    Unknown(String),
    /// A unit of another kind of quantity.
    #[error("{vital} is not measured in {unit}")]
    Foreign {
        /// The vital sign.
        vital: Vital,
        /// The UCUM code of the unit.
        unit: &'static str,
    },
    /// The number has too many digits to be converted.
    #[error("the number is too large to be converted")]
    TooLarge,
}

/// Spellings found in the field, and the UCUM code meant. `mmHg`, `bpm` and `[kg]` are invalid and `C` is
/// coulomb (checked with ucum-lhc 7.1.9).
const MISSPELT: [(&str, Unit); 32] = [
    ("mmHg", Unit::MillimetreOfMercury),
    ("mmhg", Unit::MillimetreOfMercury),
    ("mm Hg", Unit::MillimetreOfMercury),
    ("kpa", Unit::Kilopascal),
    ("bpm", Unit::PerMinute),
    ("BPM", Unit::PerMinute),
    ("1/min", Unit::PerMinute),
    ("{breaths}/min", Unit::PerMinute),
    ("C", Unit::Celsius),
    ("°C", Unit::Celsius),
    ("degC", Unit::Celsius),
    ("F", Unit::Fahrenheit),
    ("°F", Unit::Fahrenheit),
    ("degF", Unit::Fahrenheit),
    ("[kg]", Unit::Kilogram),
    ("Kg", Unit::Kilogram),
    ("KG", Unit::Kilogram),
    ("lb", Unit::Pound),
    ("lbs", Unit::Pound),
    ("[lb]", Unit::Pound),
    ("mg/dl", Unit::MilligramPerDecilitre),
    ("mgdL", Unit::MilligramPerDecilitre),
    ("g/l", Unit::GramPerLitre),
    ("mmol/l", Unit::MillimolePerLitre),
    ("INR", Unit::Inr),
    ("{inr}", Unit::Inr),
    ("percent", Unit::Percent),
    ("l", Unit::Litre),
    ("l/min", Unit::LitrePerMinute),
    ("L/mn", Unit::LitrePerMinute),
    ("l/s", Unit::LitrePerSecond),
    ("score", Unit::Score),
];

impl Unit {
    /// Every unit.
    pub const ALL: [Self; 18] = [
        Self::MilligramPerDecilitre,
        Self::GramPerLitre,
        Self::MillimolePerLitre,
        Self::Kilogram,
        Self::Gram,
        Self::Pound,
        Self::Inr,
        Self::One,
        Self::MillimetreOfMercury,
        Self::Kilopascal,
        Self::PerMinute,
        Self::Percent,
        Self::Celsius,
        Self::Fahrenheit,
        Self::Litre,
        Self::LitrePerMinute,
        Self::LitrePerSecond,
        Self::Score,
    ];

    /// The UCUM code.
    pub fn ucum(self) -> &'static str {
        match self {
            Self::MilligramPerDecilitre => "mg/dL",
            Self::GramPerLitre => "g/L",
            Self::MillimolePerLitre => "mmol/L",
            Self::Kilogram => "kg",
            Self::Gram => "g",
            Self::Pound => "[lb_av]",
            Self::Inr => "{INR}",
            Self::One => "1",
            Self::MillimetreOfMercury => "mm[Hg]",
            Self::Kilopascal => "kPa",
            Self::PerMinute => "/min",
            Self::Percent => "%",
            Self::Celsius => "Cel",
            Self::Fahrenheit => "[degF]",
            Self::Litre => "L",
            Self::LitrePerMinute => "L/min",
            Self::LitrePerSecond => "L/s",
            Self::Score => "{score}",
        }
    }

    /// Reads a UCUM code. Nothing is guessed: a misspelt unit is refused with the code that was meant.
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        if text == "{beats}/min" {
            return Ok(Self::PerMinute);
        }
        if let Some(unit) = Self::ALL.into_iter().find(|unit| unit.ucum() == text) {
            return Ok(unit);
        }
        match MISSPELT.iter().find(|(wrong, _)| *wrong == text) {
            Some((_, unit)) => Err(UnitError::Misspelt { given: text.to_owned(), meant: unit.ucum() }),
            None => Err(UnitError::Unknown(text.chars().take(32).collect())),
        }
    }

    /// The kind of quantity.
    pub fn dimension(self) -> Dimension {
        match self {
            Self::MilligramPerDecilitre | Self::GramPerLitre | Self::MillimolePerLitre => {
                Dimension::Concentration
            }
            Self::Kilogram | Self::Gram | Self::Pound => Dimension::Mass,
            Self::Inr | Self::One => Dimension::Ratio,
            Self::MillimetreOfMercury | Self::Kilopascal => Dimension::Pressure,
            Self::PerMinute => Dimension::Rate,
            Self::Percent => Dimension::Fraction,
            Self::Celsius | Self::Fahrenheit => Dimension::Temperature,
            Self::Litre => Dimension::Volume,
            Self::LitrePerMinute | Self::LitrePerSecond => Dimension::Flow,
            Self::Score => Dimension::Score,
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.ucum())
    }
}

impl FromStr for Unit {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Serialize for Unit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.ucum())
    }
}

impl<'de> Deserialize<'de> for Unit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct UcumCode;

        impl serde::de::Visitor<'_> for UcumCode {
            type Value = Unit;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a UCUM code such as mg/dL")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Unit, E> {
                Unit::parse(text).map_err(E::custom)
            }
        }

        deserializer.deserialize_str(UcumCode)
    }
}

#[cfg(test)]
mod tests {
    use rust_decimal::dec;

    use super::*;
    use crate::UnitTable;

    #[test]
    fn a_misspelt_unit_is_refused_with_the_code_that_was_meant() {
        for (text, code) in [("mmHg", "mm[Hg]"), ("bpm", "/min"), ("C", "Cel"), ("[kg]", "kg")] {
            let error = Unit::parse(text).unwrap_err();
            assert!(error.to_string().ends_with(&format!("write {code}")), "{error}");
        }
        for (wrong, _) in MISSPELT {
            assert!(matches!(Unit::parse(wrong), Err(UnitError::Misspelt { .. })), "{wrong}");
        }
        for text in ["", " kg", "stone", "mg", "%%"] {
            assert!(matches!(Unit::parse(text), Err(UnitError::Unknown(_))), "{text}");
        }
    }

    #[test]
    fn every_unit_is_read_back_from_its_code_and_from_json_also_as_a_key() {
        for unit in Unit::ALL {
            assert_eq!(Unit::parse(unit.ucum()), Ok(unit));
            let table = UnitTable::from([(unit, dec!(3.90))]);
            let json = serde_json::to_string(&table).unwrap();
            assert_eq!(json, format!("{{\"{}\":\"3.90\"}}", unit.ucum()));
            assert_eq!(serde_json::from_str::<UnitTable>(&json).unwrap(), table);
            assert_eq!(
                serde_json::from_value::<UnitTable>(serde_json::to_value(&table).unwrap()).unwrap(),
                table
            );
        }
        assert_eq!(Unit::parse("{beats}/min"), Ok(Unit::PerMinute));
        assert!(serde_json::from_str::<Unit>("\"mmHg\"").unwrap_err().to_string().contains("mm[Hg]"));
    }
}
