//! The generator: what the devices of a person measure between two moments. Pure and without memory: each
//! measurement depends on the seed, the person and its own time only, so that `[a, c)` is always `[a, b)` and then
//! `[b, c)`, and a simulator that was stopped goes on as if it never had been.
//!
//! Numbers with a key in brackets are from the domain reference (its section 7 lists the sources); the others are
//! the simulator's choice, made so that a population shows every rule at work without looking ill.

mod anticoagulation;
mod cgm;
mod glucometer;
mod heart;
mod moment;
mod respiratory;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

use crate::measurement::Measurement;
use crate::person::{DeviceKind, Person};

pub(crate) use anticoagulation::shown as inr_value;
pub(crate) use cgm::shown as sensor_value;
pub use moment::{Mood, moment};

/// Everything that a person's usual devices measure in `[from, to)`, in order of time.
pub fn generate(person: &Person, from: Timestamp, to: Timestamp) -> Vec<Measurement> {
    let kinds = person.profile.usual_devices();
    let mut all: Vec<_> = kinds.iter().flat_map(|kind| generate_for(person, *kind, from, to)).collect();
    all.sort_by_key(|m| (m.at, m.kind));
    all
}

/// What one of a person's devices measures in `[from, to)`, in order of time.
pub fn generate_for(person: &Person, kind: DeviceKind, from: Timestamp, to: Timestamp) -> Vec<Measurement> {
    if from >= to {
        return Vec::new();
    }
    if kind == DeviceKind::Cgm {
        return cgm::between(person, from, to);
    }
    let mut found: Vec<_> = days(person, from, to)
        .into_iter()
        .flat_map(|date| on_day(person, kind, date))
        .filter(|m| from <= m.at && m.at < to)
        .collect();
    found.sort_by_key(|m| m.at);
    found
}

fn on_day(person: &Person, kind: DeviceKind, date: Date) -> Vec<Measurement> {
    match kind {
        DeviceKind::Glucometer => glucometer::on_day(person, date),
        DeviceKind::Scale => heart::weight_on_day(person, date),
        DeviceKind::BloodPressureMonitor => heart::blood_pressure_on_day(person, date),
        DeviceKind::Oximeter => heart::oximetry_on_day(person, date),
        DeviceKind::InrMeter => anticoagulation::on_day(person, date),
        DeviceKind::Thermometer => respiratory::temperature_on_day(person, date),
        DeviceKind::Spirometer => respiratory::spirometry_on_day(person, date),
        DeviceKind::Cgm => Vec::new(),
    }
}

/// The local dates that `[from, to)` touches.
fn days(person: &Person, from: Timestamp, to: Timestamp) -> Vec<Date> {
    let (mut date, last) = (person.date_of(from), person.date_of(to));
    let mut dates = Vec::new();
    while date <= last {
        dates.push(date);
        match date.checked_add(1.day()) {
            Ok(next) => date = next,
            Err(_) => break,
        }
    }
    dates
}

/// Hours and minutes as seconds of the day.
const fn clock(hour: i64, minute: i64) -> i64 {
    hour * 3_600 + minute * 60
}

#[cfg(test)]
mod tests;
