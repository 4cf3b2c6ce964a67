//! Sensor glucose: a curve of basal level, meals, slow drift and dips, sampled at the sensor's interval.

use jiff::Timestamp;
use vigie_wire::v1;

use super::glucometer::{Traits, traits};
use super::{clock, days};
use crate::measurement::{Measurement, digits, value};
use crate::person::{DeviceKind, Person, day_number};
use crate::random::Purpose;

/// Outside this range the sensor says only that it is outside, mg/dL \[CGMR\].
pub(super) const LOW: i64 = 40;
pub(super) const HIGH: i64 = 400;

/// Seconds between two values: 5 minutes (Dexcom, Medtronic) for even people, 15 (Libre's memory) for odd ones
/// \[CGMR\].
pub(crate) fn interval(person: &Person) -> i64 {
    if person.index.is_multiple_of(2) { 300 } else { 900 }
}

pub(super) fn between(person: &Person, from: Timestamp, to: Timestamp) -> Vec<Measurement> {
    let step = interval(person);
    // Each sensor was started at its own second.
    let phase = person.stream(Purpose::Traits, 1).whole(0, step - 1);
    let first = (from.as_nanosecond().div_euclid(1_000_000_000)) as i64;
    let mut second = (first - phase).div_euclid(step) * step + phase;
    let curves: Vec<Day> = days(person, from, to).into_iter().map(|d| Day::of(person, d)).collect();
    let mut found = Vec::new();
    while let Ok(at) = Timestamp::from_second(second) {
        if at >= to {
            break;
        }
        if at >= from {
            found.push(measured(person, at, &curves));
        }
        second += step;
    }
    found
}

fn measured(person: &Person, at: Timestamp, days: &[Day]) -> Measurement {
    let local = person.zone.to_datetime(at);
    let of_day = clock(i64::from(local.hour()), i64::from(local.minute())) + i64::from(local.second());
    let number = day_number(local.date());
    let shape = days.iter().find(|d| d.number == number).map_or(110.0, |d| d.level(of_day));
    let level = (shape + drift(person, at.as_second())) as i64;
    Measurement {
        at,
        kind: DeviceKind::Cgm,
        values: vec![shown(level)],
        context: Some(v1::Context { sample: "interstitial".to_owned(), ..v1::Context::default() }),
    }
}

pub(crate) fn shown(milligrams: i64) -> v1::Value {
    let mut shown = value("glucose_interstitial", digits(milligrams.clamp(LOW, HIGH), 0), "mg/dL");
    if milligrams < LOW {
        shown.comparator = "<".to_owned();
    } else if milligrams > HIGH {
        shown.comparator = ">".to_owned();
    }
    shown
}

/// Slow wander of about ±15 mg/dL: one number per half hour, straight lines between.
fn drift(person: &Person, second: i64) -> f64 {
    const HALF_HOUR: i64 = 1_800;
    let block = second.div_euclid(HALF_HOUR);
    let part = second.rem_euclid(HALF_HOUR) as f64 / HALF_HOUR as f64;
    let knot = |block| person.stream(Purpose::CgmNoise, block).spread(7.0);
    knot(block) * (1.0 - part) + knot(block + 1) * part
}

/// The curve of one day.
struct Day {
    number: i64,
    basal: f64,
    /// Start (second of the day) and height of each meal.
    meals: [(i64, f64); 3],
    /// Start and depth of a dip, on some days.
    dip: Option<(i64, f64)>,
}

impl Day {
    fn of(person: &Person, date: jiff::civil::Date) -> Self {
        let number = day_number(date);
        let mut stream = person.stream(Purpose::CgmDay, number);
        let Traits { basal, meal } = traits(person);
        let mut eaten = |hour, minute| {
            let start = clock(hour, minute) + stream.whole(-1_500, 1_500);
            (start, (meal + 20.0 + stream.spread(22.0)).max(5.0))
        };
        let meals = [eaten(7, 20), eaten(12, 30), eaten(19, 30)];
        // Some nights and some late afternoons go low, most of them below 70 mg/dL.
        let dips = stream.chance(0.12);
        let night = stream.chance(0.5);
        let start = if night { clock(2, 0) } else { clock(16, 30) } + stream.whole(-2_400, 2_400);
        let depth = basal - stream.between(42.0, 72.0);
        Self { number, basal, meals, dip: dips.then_some((start, depth)) }
    }

    fn level(&self, second: i64) -> f64 {
        let meals: f64 = self.meals.iter().map(|(start, height)| height * excursion(second - start)).sum();
        let dip = self.dip.map_or(0.0, |(start, depth)| depth * hollow(second - start));
        self.basal + meals - dip
    }
}

/// Up in 50 minutes, down in 150: a meal's share of its peak after so many seconds.
fn excursion(after: i64) -> f64 {
    const UP: i64 = 3_000;
    const DOWN: i64 = 9_000;
    if after <= 0 || after >= UP + DOWN {
        0.0
    } else if after < UP {
        smooth(after as f64 / UP as f64)
    } else {
        smooth(1.0 - (after - UP) as f64 / DOWN as f64)
    }
}

/// Down in 30 minutes, low for 30, up in 30.
fn hollow(after: i64) -> f64 {
    const PART: i64 = 1_800;
    if after <= 0 || after >= 3 * PART {
        0.0
    } else if after < PART {
        smooth(after as f64 / PART as f64)
    } else if after < 2 * PART {
        1.0
    } else {
        smooth((3 * PART - after) as f64 / PART as f64)
    }
}

/// From 0 to 1 without a corner (a polynomial: exact on every machine).
fn smooth(x: f64) -> f64 {
    x * x * (3.0 - 2.0 * x)
}
