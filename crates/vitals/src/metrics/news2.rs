//! National Early Warning Score 2, as a ranking aid and nothing more: it was made for the bedside.
//!
//! National Early Warning Score (NEWS) 2, Royal College of Physicians, London 2017. The table is reproduced unmodified
//! with acknowledgement of the Royal College of Physicians \[NEWS2\].

use jiff::{SignedDuration, Timestamp};
use rust_decimal::{Decimal, RoundingStrategy, dec};
use serde::{Deserialize, Serialize};

use super::Sample;
use super::number::canonical;
use crate::{Comparator, Vital};

/// How old a value may be (setting): readings at home come once a day.
pub const WINDOW: SignedDuration = SignedDuration::from_hours(24);

/// Which scale of SpO2 applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spo2Scale {
    /// For most people.
    #[default]
    One,
    /// Only where a clinician has prescribed 88-92 % for hypercapnic respiratory failure.
    Two,
}

/// What is scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parameter {
    /// Respiration rate.
    RespiratoryRate,
    /// SpO2, on the scale given.
    Spo2,
    /// Air or oxygen.
    Oxygen,
    /// Systolic blood pressure.
    Systolic,
    /// Pulse.
    Pulse,
    /// Alert, or confused, or responding to voice, to pain, or not.
    Consciousness,
    /// Temperature.
    Temperature,
}

/// What is not a measurement. What is not known is not assumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Circumstances {
    /// Which scale of SpO2.
    pub scale: Spo2Scale,
    /// Does the person breathe supplemental oxygen?
    pub oxygen: Option<bool>,
    /// Is the person alert (and not newly confused)?
    pub alert: Option<bool>,
}

/// The points of one parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Points {
    /// Which.
    pub parameter: Parameter,
    /// 0 to 3.
    pub points: u8,
    /// When it was measured; absent for circumstances.
    pub at: Option<Timestamp>,
}

/// A score, whole or partial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct News2 {
    /// Sum of the points that could be given: the score when nothing is missing, otherwise a lower bound of it.
    pub total: u8,
    /// The points, in the order of the table.
    pub points: Vec<Points>,
    /// What is missing. Unless this is empty, the score is partial and must be shown as such.
    pub missing: Vec<Parameter>,
    /// Does a single parameter score 3? Then an urgent review is called for whatever the sum \[NEWS2-D\].
    pub has_three: bool,
}

impl News2 {
    /// Is nothing missing?
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }
}

/// The score at a time, from the newest value of each vital sign within the window before it (the time itself
/// included).
///
/// Values are rounded to the table's steps, whole numbers and tenths of a degree, halves away from zero. A value
/// below a device's range scores like the lowest, one above like the highest. On scale 2, an SpO2 of 93 and more
/// cannot be scored while nobody says whether the person breathes air or oxygen.
pub fn news2(
    samples: &[(Vital, Sample)],
    at: Timestamp,
    window: SignedDuration,
    circumstances: Circumstances,
) -> News2 {
    let newest = |vital: Vital, places: u32| newest(samples, vital, at, window, places);
    let measured = |parameter, found: Option<(Timestamp, Decimal)>, score: fn(Decimal) -> u8| {
        (parameter, found.map(|(at, value)| (score(value), Some(at))))
    };
    let told = |parameter, points: Option<u8>| (parameter, points.map(|points| (points, None)));
    let spo2 = newest(Vital::Spo2, 0)
        .and_then(|(at, value)| Some((spo2(value, circumstances.scale, circumstances.oxygen)?, Some(at))));
    let scored = [
        measured(Parameter::RespiratoryRate, newest(Vital::RespiratoryRate, 0), respiratory_rate),
        (Parameter::Spo2, spo2),
        told(Parameter::Oxygen, circumstances.oxygen.map(|oxygen| if oxygen { 2 } else { 0 })),
        measured(Parameter::Systolic, newest(Vital::Systolic, 0), systolic),
        measured(Parameter::Pulse, newest(Vital::Pulse, 0), pulse),
        told(Parameter::Consciousness, circumstances.alert.map(|alert| if alert { 0 } else { 3 })),
        measured(Parameter::Temperature, newest(Vital::Temperature, 1), temperature),
    ];
    let points: Vec<Points> = scored
        .iter()
        .filter_map(|(parameter, score)| {
            score.map(|(points, at)| Points { parameter: *parameter, points, at })
        })
        .collect();
    News2 {
        total: points.iter().map(|points| points.points).sum(),
        has_three: points.iter().any(|points| points.points == 3),
        missing: scored
            .iter()
            .filter(|(_, score)| score.is_none())
            .map(|(parameter, _)| *parameter)
            .collect(),
        points,
    }
}

/// The newest value within the window, rounded; of several at one instant the one that sorts first.
fn newest(
    samples: &[(Vital, Sample)],
    vital: Vital,
    at: Timestamp,
    window: SignedDuration,
    places: u32,
) -> Option<(Timestamp, Decimal)> {
    samples
        .iter()
        .filter(|(other, _)| *other == vital)
        .filter(|(_, sample)| sample.at <= at && at.duration_since(sample.at) <= window)
        .filter_map(|(_, sample)| {
            let value = match sample.value.comparator {
                Some(Comparator::Below) => Decimal::MIN,
                Some(Comparator::Above) => Decimal::MAX,
                None => canonical(&sample.value, vital)?
                    .round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero),
            };
            Some((sample.at, value))
        })
        .max_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)))
}

fn respiratory_rate(rate: Decimal) -> u8 {
    if rate <= dec!(8) {
        3
    } else if rate <= dec!(11) {
        1
    } else if rate <= dec!(20) {
        0
    } else if rate <= dec!(24) {
        2
    } else {
        3
    }
}

fn spo2(percent: Decimal, scale: Spo2Scale, oxygen: Option<bool>) -> Option<u8> {
    if scale == Spo2Scale::One {
        return Some(if percent <= dec!(91) {
            3
        } else if percent <= dec!(93) {
            2
        } else if percent <= dec!(95) {
            1
        } else {
            0
        });
    }
    if percent >= dec!(93) {
        return oxygen.map(|oxygen| match (oxygen, percent) {
            (false, _) => 0,
            (true, percent) if percent <= dec!(94) => 1,
            (true, percent) if percent <= dec!(96) => 2,
            (true, _) => 3,
        });
    }
    Some(if percent <= dec!(83) {
        3
    } else if percent <= dec!(85) {
        2
    } else if percent <= dec!(87) {
        1
    } else {
        0
    })
}

fn systolic(pressure: Decimal) -> u8 {
    if pressure <= dec!(90) {
        3
    } else if pressure <= dec!(100) {
        2
    } else if pressure <= dec!(110) {
        1
    } else if pressure <= dec!(219) {
        0
    } else {
        3
    }
}

fn pulse(rate: Decimal) -> u8 {
    if rate <= dec!(40) {
        3
    } else if rate <= dec!(50) {
        1
    } else if rate <= dec!(90) {
        0
    } else if rate <= dec!(110) {
        1
    } else if rate <= dec!(130) {
        2
    } else {
        3
    }
}

fn temperature(celsius: Decimal) -> u8 {
    if celsius <= dec!(35.0) {
        3
    } else if celsius <= dec!(36.0) {
        1
    } else if celsius <= dec!(38.0) {
        0
    } else if celsius <= dec!(39.0) {
        1
    } else {
        2
    }
}
