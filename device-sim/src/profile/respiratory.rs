//! Temperature and spirometry, once a day, for whoever has the device.

use jiff::civil::Date;
use vigie_wire::v1;

use super::clock;
use super::heart::taken;
use crate::measurement::{Measurement, digits, value};
use crate::person::{DeviceKind, Person, day_number};
use crate::random::{Purpose, Stream};

pub(super) fn temperature_on_day(person: &Person, date: Date) -> Vec<Measurement> {
    let mut stream = person.stream(Purpose::Thermometer, day_number(date));
    let second = clock(8, 0) + stream.whole(-1_800, 1_800);
    // One day in fifty with a fever (38.0 Cel and above, DOMAIN 2.6).
    let fever = if stream.chance(0.02) { stream.between(14.0, 26.0) } else { 0.0 };
    let values = vec![temperature(&mut stream, fever)];
    taken(person, date, second, DeviceKind::Thermometer, values, None)
}

pub(super) fn temperature(stream: &mut Stream, fever: f64) -> v1::Value {
    let tenths = (366.0 + fever + stream.spread(2.0)).clamp(350.0, 410.0) as i64;
    value("temperature", digits(tenths, 1), "Cel")
}

pub(super) fn spirometry_on_day(person: &Person, date: Date) -> Vec<Measurement> {
    let mut stream = person.stream(Purpose::Spirometer, day_number(date));
    let second = clock(8, 15) + stream.whole(-1_800, 1_800);
    let values = spirometry(person, &mut stream, 1.0);
    taken(person, date, second, DeviceKind::Spirometer, values, None)
}

/// FEV1 in L and peak flow in L/min; `share` is how much of their best a person reaches.
pub(super) fn spirometry(person: &Person, stream: &mut Stream, share: f64) -> Vec<v1::Value> {
    let mut best = person.stream(Purpose::Traits, 7);
    let (fev1, peak) = (best.between(120.0, 320.0), best.between(220.0, 480.0));
    let effort = share * stream.between(0.9, 1.0);
    vec![
        value("fev1", digits((fev1 * effort).max(30.0) as i64, 2), "L"),
        value("peak_flow", digits((peak * effort).max(60.0) as i64, 0), "L/min"),
    ]
}
