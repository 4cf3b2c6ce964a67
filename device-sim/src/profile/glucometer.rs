//! Fingerstick glucose: four a day, as for more than one injection a day \[A-DIAB\], around meals.

use jiff::civil::Date;
use vigie_wire::v1;

use super::clock;
use crate::measurement::{Beyond, Measurement, glucose, glucose_beyond};
use crate::person::{DeviceKind, Person, day_number};
use crate::random::{Purpose, Stream};

/// What stays the same for one person (mg/dL, the simulator's choice).
pub(super) struct Traits {
    /// Before meals.
    pub(super) basal: f64,
    /// What a meal adds at its peak.
    pub(super) meal: f64,
}

pub(super) fn traits(person: &Person) -> Traits {
    let mut stream = person.stream(Purpose::Traits, 0);
    Traits { basal: stream.between(98.0, 142.0), meal: stream.between(35.0, 85.0) }
}

/// Share of days with a hypoglycaemia: about two a month.
const HYPOGLYCAEMIA: f64 = 0.06;
/// Share of days on which the meter shows HI; the same again for LO.
const BEYOND: f64 = 0.004;

pub(super) fn on_day(person: &Person, date: Date) -> Vec<Measurement> {
    let mut stream = person.stream(Purpose::Glucometer, day_number(date));
    let Traits { basal, meal } = traits(person);
    // When, how long the person may be early or late (seconds), in which context, and about how high.
    let plan = [
        (clock(7, 0), 1_500, "fasting", basal, 14.0),
        (clock(12, 10), 1_200, "preprandial", basal - 5.0, 16.0),
        (clock(14, 15), 1_200, "postprandial", basal + meal, 25.0),
        (clock(19, 10), 1_500, "preprandial", basal + 5.0, 18.0),
    ];
    let low_slot = stream.whole(0, 3);
    let low = stream.chance(HYPOGLYCAEMIA);
    let low_value = stream.whole(44, 66);
    let shows_high = stream.chance(BEYOND);
    let shows_low = stream.chance(BEYOND);

    let mut found = Vec::new();
    for (slot, (time, jitter, meal_context, level, spread)) in (0..).zip(plan) {
        let second = time + stream.whole(-jitter, jitter);
        let usual = (level + stream.spread(spread)) as i64;
        let repeat_after = stream.whole(900, 1_200);
        let repeat = stream.whole(85, 130);
        let mut shown = glucose(person.index, usual.clamp(72, 480));
        if low && slot == low_slot {
            shown = glucose(person.index, low_value);
            // Treated with sugar and measured again after a quarter of an hour.
            found.extend(taken(person, date, second + repeat_after, repeat, "casual"));
        }
        if shows_high && slot == 2 {
            shown = glucose_beyond(person.index, Beyond::High);
        }
        if shows_low && slot == 3 {
            shown = glucose_beyond(person.index, Beyond::Low);
        }
        found.extend(measurement(person, date, second, shown, meal_context));
    }
    found
}

fn taken(person: &Person, date: Date, second: i64, milligrams: i64, meal: &str) -> Option<Measurement> {
    measurement(person, date, second, glucose(person.index, milligrams), meal)
}

fn measurement(
    person: &Person,
    date: Date,
    second: i64,
    value: v1::Value,
    meal: &str,
) -> Option<Measurement> {
    Some(Measurement {
        at: person.at(date, second)?,
        kind: DeviceKind::Glucometer,
        values: vec![value],
        context: Some(v1::Context {
            meal: meal.to_owned(),
            sample: "capillary".to_owned(),
            ..v1::Context::default()
        }),
    })
}

/// A value for a measurement out of the usual rhythm.
pub(super) fn unplanned(person: &Person, stream: &mut Stream) -> i64 {
    let Traits { basal, meal } = traits(person);
    (basal + stream.between(0.0, meal / 2.0) + stream.spread(10.0)).clamp(75.0, 175.0) as i64
}
