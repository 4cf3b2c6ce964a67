//! A measurement out of rhythm: somebody measures now, as people do when they feel something.

use jiff::Timestamp;
use vigie_wire::v1;

use super::{anticoagulation, cgm, glucometer, heart, respiratory};
use crate::measurement::{Measurement, glucose};
use crate::person::{DeviceKind, Person, day_number};
use crate::random::Purpose;

/// How it turns out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// As usual for this person.
    Usual,
    /// Somewhere that an alert should come from.
    Abnormal,
    /// Exactly 0.52 g/L (52 mg/dL): below 54 mg/dL, which needs action at once (consensus on levels of hypoglycaemia, 2017). For glucose devices; the
    /// others take it as abnormal.
    Hypoglycaemia,
}

/// Glucose of [`Mood::Hypoglycaemia`], mg/dL.
const HYPOGLYCAEMIA: i64 = 52;

/// A measurement with `kind` at `at`: the same seed, person, time and mood give the same values.
pub fn moment(person: &Person, kind: DeviceKind, at: Timestamp, mood: Mood) -> Measurement {
    let mut noise = person.stream(Purpose::Moments, at.as_second());
    let stream = &mut noise;
    let day = day_number(person.date_of(at));
    let usual = mood == Mood::Usual;
    let low = || {
        if mood == Mood::Hypoglycaemia { HYPOGLYCAEMIA } else { 48 }
    };
    let values = match kind {
        DeviceKind::Glucometer => {
            let level = glucometer::unplanned(person, stream);
            let high = stream.chance(0.5) && mood == Mood::Abnormal;
            let level = if usual {
                level
            } else if high {
                318
            } else {
                low()
            };
            vec![glucose(person.index, level)]
        }
        DeviceKind::Cgm => {
            let level = glucometer::unplanned(person, stream);
            vec![cgm::shown(if usual { level } else { low() })]
        }
        DeviceKind::Scale => {
            let gained = if usual { 0.0 } else { 32.0 };
            let tenths = heart::dry_weight(person) + heart::water(person, day) + gained + stream.spread(2.0);
            vec![heart::weight(tenths as i64)]
        }
        DeviceKind::InrMeter => {
            vec![anticoagulation::shown(if usual { stream.whole(21, 29) } else { stream.whole(50, 66) })]
        }
        DeviceKind::BloodPressureMonitor => {
            heart::blood_pressure(person, day, stream, if usual { 0.0 } else { 62.0 })
        }
        DeviceKind::Oximeter => heart::oximetry(person, day, stream, if usual { 0.0 } else { 9.0 }),
        DeviceKind::Thermometer => vec![respiratory::temperature(stream, if usual { 0.0 } else { 24.0 })],
        DeviceKind::Spirometer => respiratory::spirometry(person, stream, if usual { 1.0 } else { 0.45 }),
    };
    Measurement { at, kind, values, context: context(kind) }
}

fn context(kind: DeviceKind) -> Option<v1::Context> {
    let (meal, sample) = match kind {
        DeviceKind::Glucometer => ("casual", "capillary"),
        DeviceKind::Cgm => ("", "interstitial"),
        DeviceKind::Scale
        | DeviceKind::InrMeter
        | DeviceKind::BloodPressureMonitor
        | DeviceKind::Oximeter
        | DeviceKind::Thermometer
        | DeviceKind::Spirometer => return None,
    };
    Some(v1::Context { meal: meal.to_owned(), sample: sample.to_owned(), ..v1::Context::default() })
}
