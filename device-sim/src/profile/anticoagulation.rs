//! INR under a vitamin K antagonist: once a week, wandering about 2.5, the middle of the usual target 2 to 3
//! \[HAS-AVK\], with excursions above 4 and below 2.

use jiff::civil::Date;
use vigie_wire::v1;

use super::clock;
use super::heart::taken;
use crate::measurement::{Measurement, digits, value};
use crate::person::{DeviceKind, Person, day_number};
use crate::random::{Purpose, Stream};

/// Range of a point-of-care meter in tenths: 0.8 to 8.0 \[CUX\] \[MICROINR\].
pub(super) const LOW: i64 = 8;
pub(super) const HIGH: i64 = 80;

pub(super) fn on_day(person: &Person, date: Date) -> Vec<Measurement> {
    let day = day_number(date);
    let weekday = person.stream(Purpose::Traits, 6).whole(0, 6);
    let (week, of_week) = ((day - weekday).div_euclid(7), (day - weekday).rem_euclid(7));
    let mut stream = person.stream(Purpose::InrWeek, week);
    let second = clock(9, 0) + stream.whole(-3_600, 3_600);
    let excursion = excursion(person, week);
    let inr = match (of_week, excursion) {
        (0, None) => wander(person, week),
        (0, Some(tenths)) => tenths as f64,
        // After an INR out of bounds the next one is due the next day [HAS-AVK].
        (1, Some(tenths)) => (tenths as f64 + wander(person, week)) / 2.0,
        _ => return Vec::new(),
    };
    taken(person, date, second, DeviceKind::InrMeter, vec![shown(inr as i64)], None)
}

pub(crate) fn shown(tenths: i64) -> v1::Value {
    let mut shown = value("inr", digits(tenths.clamp(LOW, HIGH), 1), "{INR}");
    if tenths < LOW {
        shown.comparator = "<".to_owned();
    } else if tenths > HIGH {
        shown.comparator = ">".to_owned();
    }
    shown
}

/// A random walk that is drawn back to 2.5: each week keeps seven tenths of what the last one was off. Written as a
/// sum over the last twelve weeks, so that no week needs to know where the walk began (0.7 to the 12th is 0.01).
fn wander(person: &Person, week: i64) -> f64 {
    let mut kept = 1.0;
    let mut off = 0.0;
    for back in 0..12 {
        off += kept * week_stream(person, week - back).spread(2.6);
        kept *= 0.7;
    }
    (25.0 + off).clamp(15.0, 38.0)
}

/// The shocks have a stream of their own, or drawing a time first would change the walk.
fn week_stream(person: &Person, week: i64) -> Stream {
    person.stream(Purpose::InrExcursion, week * 2)
}

/// About one week in twelve is far too high (4.2 to 6.8: skip a dose \[HAS-AVK\]), one in twelve too low.
fn excursion(person: &Person, week: i64) -> Option<i64> {
    let mut stream = person.stream(Purpose::InrExcursion, week * 2 + 1);
    let (high, low) = (stream.chance(0.08), stream.chance(0.08));
    let (above, below) = (stream.whole(42, 68), stream.whole(13, 18));
    if high { Some(above) } else { low.then_some(below) }
}
