//! Heart failure: weight each morning \[A-IC\], blood pressure with pulse morning and evening, oximetry.

use jiff::civil::Date;
use vigie_wire::v1;

use super::clock;
use crate::measurement::{Measurement, digits, value};
use crate::person::{DeviceKind, Person, Profile, day_number};
use crate::random::{Purpose, Stream};

/// Dry weight in tenths of a kilogram.
pub(super) fn dry_weight(person: &Person) -> f64 {
    person.stream(Purpose::Traits, 2).between(580.0, 960.0)
}

/// How many tenths of a kilogram of water a person carries on a day.
///
/// Time is cut into blocks of four weeks; most hold one decompensation: about +2.5 kg over four days (which the rules
/// of the domain reference, 2.4, should see: +2 kg in 3 days \[HFM\]), two days until it is recognised, then four days
/// of diuretics back to a little under the dry weight.
pub(super) fn water(person: &Person, day: i64) -> f64 {
    const BLOCK: i64 = 28;
    if person.profile != Profile::HeartFailure {
        return 0.0;
    }
    // Each person's blocks begin on another day, or everybody would decompensate in the same fortnight.
    let shifted = day + person.stream(Purpose::Traits, 3).whole(0, BLOCK - 1);
    let mut stream = person.stream(Purpose::Decompensation, shifted.div_euclid(BLOCK));
    let happens = stream.chance(0.7);
    let start = stream.whole(0, BLOCK - 14);
    let gain = stream.between(22.0, 30.0);
    let after = shifted.rem_euclid(BLOCK) - start;
    if !happens || after < 0 {
        return 0.0;
    }
    match after {
        0..=3 => gain * (after + 1) as f64 / 4.0,
        4..=5 => gain,
        6..=8 => gain * (9 - after) as f64 / 4.0,
        9..=12 => -3.0,
        _ => 0.0,
    }
}

pub(super) fn weight_on_day(person: &Person, date: Date) -> Vec<Measurement> {
    let day = day_number(date);
    let mut stream = person.stream(Purpose::Scale, day);
    let second = clock(7, 5) + stream.whole(-2_100, 2_100);
    // A third of a kilogram of daily noise: clothes, drink, bladder.
    let tenths = dry_weight(person) + water(person, day) + stream.spread(2.5);
    taken(person, date, second, DeviceKind::Scale, vec![weight(tenths as i64)], None)
}

pub(super) fn weight(tenths: i64) -> v1::Value {
    value("weight", digits(tenths, 1), "kg")
}

/// Systolic, diastolic and pulse at rest.
struct Pressure {
    systolic: f64,
    diastolic: f64,
    pulse: f64,
}

fn pressure(person: &Person, day: i64) -> Pressure {
    let mut stream = person.stream(Purpose::Traits, 4);
    // Water raises the pulse a little: three a minute per kilogram.
    let strain = water(person, day).max(0.0) / 10.0;
    Pressure {
        systolic: stream.between(112.0, 136.0),
        diastolic: stream.between(66.0, 82.0),
        pulse: stream.between(58.0, 80.0) + 3.0 * strain,
    }
}

pub(super) fn blood_pressure_on_day(person: &Person, date: Date) -> Vec<Measurement> {
    let day = day_number(date);
    let mut stream = person.stream(Purpose::BloodPressure, day);
    [("morning", clock(7, 25)), ("evening", clock(19, 40))]
        .into_iter()
        .flat_map(|(session, time)| {
            let second = time + stream.whole(-900, 900);
            let values = blood_pressure(person, day, &mut stream, 0.0);
            let context = v1::Context { session: session.to_owned(), ..v1::Context::default() };
            taken(person, date, second, DeviceKind::BloodPressureMonitor, values, Some(context))
        })
        .collect()
}

/// One reading of three values; `raised` is added to the systolic pressure and half of it to the diastolic.
pub(super) fn blood_pressure(person: &Person, day: i64, stream: &mut Stream, raised: f64) -> Vec<v1::Value> {
    let usual = pressure(person, day);
    let systolic = (usual.systolic + raised + stream.spread(6.0)).clamp(75.0, 225.0) as i64;
    let diastolic = (usual.diastolic + raised / 2.0 + stream.spread(4.0)).clamp(45.0, 125.0) as i64;
    let pulse = (usual.pulse + stream.spread(4.0)).clamp(45.0, 150.0) as i64;
    vec![
        value("systolic", digits(systolic, 0), "mm[Hg]"),
        // A cuff never shows less than a quarter of the pressure between beats.
        value("diastolic", digits(diastolic.min(systolic - 20), 0), "mm[Hg]"),
        value("pulse", digits(pulse, 0), "/min"),
    ]
}

pub(super) fn oximetry_on_day(person: &Person, date: Date) -> Vec<Measurement> {
    let day = day_number(date);
    let mut stream = person.stream(Purpose::Oximeter, day);
    let second = clock(7, 40) + stream.whole(-900, 900);
    let values = oximetry(person, day, &mut stream, 0.0);
    let context = v1::Context { activity: "rest".to_owned(), ..v1::Context::default() };
    taken(person, date, second, DeviceKind::Oximeter, values, Some(context))
}

pub(super) fn oximetry(person: &Person, day: i64, stream: &mut Stream, drop: f64) -> Vec<v1::Value> {
    let usual = person.stream(Purpose::Traits, 5).between(95.0, 98.0);
    let strain = water(person, day).max(0.0) / 10.0;
    let saturation = (usual - strain - drop + stream.spread(0.7)).clamp(80.0, 100.0) as i64;
    let pulse = (pressure(person, day).pulse + stream.spread(4.0)).clamp(45.0, 150.0) as i64;
    vec![value("spo2", digits(saturation, 0), "%"), value("pulse", digits(pulse, 0), "/min")]
}

pub(super) fn taken(
    person: &Person,
    date: Date,
    second: i64,
    kind: DeviceKind,
    values: Vec<v1::Value>,
    context: Option<v1::Context>,
) -> Vec<Measurement> {
    person.at(date, second).map(|at| Measurement { at, kind, values, context }).into_iter().collect()
}
