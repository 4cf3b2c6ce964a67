//! The thirteen vital signs, with their codes in LOINC and IEEE 11073 (MDC) and their units.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Dimension, Unit};

/// What can be measured. Declared in the order in which a clinician reads them; the order has no meaning
/// beyond being stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vital {
    /// Glucose in capillary blood.
    Glucose,
    /// Glucose in interstitial fluid, by a continuous sensor.
    GlucoseInterstitial,
    /// Body weight.
    Weight,
    /// International normalised ratio of prothrombin time.
    Inr,
    /// Systolic blood pressure.
    Systolic,
    /// Diastolic blood pressure.
    Diastolic,
    /// Heart or pulse rate.
    Pulse,
    /// Oxygen saturation by pulse oximetry.
    Spo2,
    /// Body temperature.
    Temperature,
    /// Respiratory rate.
    RespiratoryRate,
    /// Forced expiratory volume in one second.
    Fev1,
    /// Peak expiratory flow.
    PeakFlow,
    /// Score of a symptom questionnaire.
    SymptomScore,
}

/// A text that names none of the vital signs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no vital sign that is known here")]
pub struct UnknownVital(pub String);

impl Vital {
    /// Every vital sign.
    pub const ALL: [Self; 13] = [
        Self::Glucose,
        Self::GlucoseInterstitial,
        Self::Weight,
        Self::Inr,
        Self::Systolic,
        Self::Diastolic,
        Self::Pulse,
        Self::Spo2,
        Self::Temperature,
        Self::RespiratoryRate,
        Self::Fev1,
        Self::PeakFlow,
        Self::SymptomScore,
    ];

    /// The name on the wire and in the database.
    pub fn code(self) -> &'static str {
        match self {
            Self::Glucose => "glucose",
            Self::GlucoseInterstitial => "glucose_interstitial",
            Self::Weight => "weight",
            Self::Inr => "inr",
            Self::Systolic => "systolic",
            Self::Diastolic => "diastolic",
            Self::Pulse => "pulse",
            Self::Spo2 => "spo2",
            Self::Temperature => "temperature",
            Self::RespiratoryRate => "respiratory_rate",
            Self::Fev1 => "fev1",
            Self::PeakFlow => "peak_flow",
            Self::SymptomScore => "symptom_score",
        }
    }

    /// Reads a name as it is on the wire; exact, so that no typing error ever becomes another vital sign.
    pub fn parse(text: &str) -> Result<Self, UnknownVital> {
        Self::ALL
            .into_iter()
            .find(|vital| vital.code() == text)
            .ok_or_else(|| UnknownVital(text.chars().take(64).collect()))
    }

    /// The LOINC code for the canonical unit. The questionnaire's score has none of its own: each
    /// instrument has one.
    pub fn loinc(self) -> Option<&'static str> {
        match self {
            Self::Glucose => Some("2339-0"), // Glucose [Mass/volume] in Blood [MES]
            Self::GlucoseInterstitial => Some("99504-3"), // [CGM]
            Self::Weight => Some("29463-7"), // [R4EX]
            Self::Inr => Some("34714-6"),    // in blood [CHRAD]
            Self::Systolic => Some("8480-6"), // [R4EX]
            Self::Diastolic => Some("8462-4"), // [R4EX]
            Self::Pulse => Some("8867-4"),   // [R4EX]
            Self::Spo2 => Some("2708-6"),    // required by the vital-signs profile [R4EX]
            Self::Temperature => Some("8310-5"), // [R4EX]
            Self::RespiratoryRate => Some("9279-1"), // [R4EX]
            Self::Fev1 => Some("20150-9"),   // (memory): to be confirmed in LOINC
            Self::PeakFlow => Some("33452-4"), // by peak-flow meter (memory): to be confirmed in LOINC
            Self::SymptomScore => None,
        }
    }

    /// The IEEE 11073 observation code (partition x 65536 + term) \[MDCJ\]; those marked "seen" were
    /// cross-checked in HL7 PHD examples \[PHD\].
    pub fn mdc(self) -> Option<u32> {
        match self {
            Self::Glucose => Some(160_184),
            Self::GlucoseInterstitial => Some(160_212),
            Self::Weight => Some(188_736),
            Self::Inr => Some(160_260),
            Self::Systolic => Some(150_021),  // seen
            Self::Diastolic => Some(150_022), // seen
            Self::Pulse => Some(149_530),     // by oximeter, seen
            Self::Spo2 => Some(150_456),      // seen
            Self::Temperature => Some(150_364),
            Self::RespiratoryRate => Some(151_562),
            Self::Fev1 => Some(152_586),
            Self::PeakFlow => Some(152_584), // seen in [R4EX] Observation-656
            Self::SymptomScore => None,
        }
    }

    /// What kind of quantity it is.
    pub fn dimension(self) -> Dimension {
        self.canonical_unit().dimension()
    }

    /// The units in which it may arrive, the canonical one first. Every rule on it has a threshold in each.
    pub fn units(self) -> &'static [Unit] {
        match self {
            Self::Glucose | Self::GlucoseInterstitial => {
                &[Unit::MilligramPerDecilitre, Unit::GramPerLitre, Unit::MillimolePerLitre]
            }
            Self::Weight => &[Unit::Kilogram, Unit::Gram, Unit::Pound],
            Self::Inr => &[Unit::Inr, Unit::One],
            Self::Systolic | Self::Diastolic => &[Unit::MillimetreOfMercury, Unit::Kilopascal],
            Self::Pulse | Self::RespiratoryRate => &[Unit::PerMinute],
            Self::Spo2 => &[Unit::Percent],
            Self::Temperature => &[Unit::Celsius, Unit::Fahrenheit],
            Self::Fev1 => &[Unit::Litre],
            Self::PeakFlow => &[Unit::LitrePerMinute, Unit::LitrePerSecond],
            Self::SymptomScore => &[Unit::Score],
        }
    }

    /// The unit of charts, metrics and plausibility limits. Thresholds are never compared in it unless the
    /// value arrived in it.
    pub fn canonical_unit(self) -> Unit {
        match self {
            Self::Glucose | Self::GlucoseInterstitial => Unit::MilligramPerDecilitre,
            Self::Weight => Unit::Kilogram,
            Self::Inr => Unit::Inr,
            Self::Systolic | Self::Diastolic => Unit::MillimetreOfMercury,
            Self::Pulse | Self::RespiratoryRate => Unit::PerMinute,
            Self::Spo2 => Unit::Percent,
            Self::Temperature => Unit::Celsius,
            Self::Fev1 => Unit::Litre,
            Self::PeakFlow => Unit::LitrePerMinute,
            Self::SymptomScore => Unit::Score,
        }
    }

    /// May it arrive in this unit? `1` is an INR and nothing else.
    pub fn accepts(self, unit: Unit) -> bool {
        self.units().contains(&unit)
    }
}

impl fmt::Display for Vital {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Vital {
    type Err = UnknownVital;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vital_is_read_back_from_its_code_and_from_json() {
        for vital in Vital::ALL {
            assert_eq!(Vital::parse(vital.code()), Ok(vital));
            let json = serde_json::to_string(&vital).unwrap();
            assert_eq!(json, format!("\"{}\"", vital.code()));
            assert_eq!(serde_json::from_str::<Vital>(&json).unwrap(), vital);
        }
    }

    #[test]
    fn a_name_that_is_nearly_right_is_refused() {
        for text in ["", "Glucose", "glucose ", "GLUCOSE", "heart_rate", "spO2", "bp"] {
            assert!(Vital::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_canonical_unit_is_the_first_accepted_and_all_units_are_of_one_dimension() {
        for vital in Vital::ALL {
            assert_eq!(vital.units().first(), Some(&vital.canonical_unit()), "{vital}");
            for unit in vital.units() {
                assert_eq!(unit.dimension(), vital.dimension(), "{vital} {}", unit.ucum());
            }
        }
    }

    #[test]
    fn a_bare_one_is_accepted_for_inr_only() {
        for vital in Vital::ALL {
            assert_eq!(vital.accepts(Unit::One), vital == Vital::Inr, "{vital}");
        }
    }

    #[test]
    fn codes_are_given_to_one_vital_each() {
        let mut loinc: Vec<_> = Vital::ALL.into_iter().filter_map(Vital::loinc).collect();
        let mut mdc: Vec<_> = Vital::ALL.into_iter().filter_map(Vital::mdc).collect();
        loinc.sort_unstable();
        loinc.dedup();
        mdc.sort_unstable();
        mdc.dedup();
        assert_eq!((loinc.len(), mdc.len()), (12, 12));
    }
}
