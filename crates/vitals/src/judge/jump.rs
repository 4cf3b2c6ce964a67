//! Jumps: a weight that differs by 10 kg from one day to the next is usually another person on the scale
//! (DOMAIN 1.4, proposal). Such a reading is kept and shown, but set aside from the trend until a second
//! one agrees with it.
//!
//! The rule looks only at the seven days on either side of a reading, never at what was decided about
//! others, so that a late reading cannot change decisions without end:
//!
//! a reading is **set aside** if there are readings in the seven days before it, all of them differ from it
//! by the jump or more, and no reading in the seven days after it agrees with it within three tenths of the
//! jump (3 kg for a jump of 10 kg).
//!
//! The first reading in seven days is thus accepted. Where in doubt it accepts: then an alert is raised and
//! somebody looks.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use jiff::SignedDuration;
use rust_decimal::{Decimal, dec};

use super::change::{Point, earlier, later};

/// How far the neighbours may lie.
pub(super) const NEIGHBOURHOOD: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Agreement after a jump, as a share of the jump. A setting to come.
const AGREEMENT: Decimal = dec!(0.3);

/// Splits time-ordered points into accepted ones and those set aside, each by time.
pub(super) fn split<'a>(points: &[Point<'a>], jump: Decimal) -> (Vec<Point<'a>>, Vec<Point<'a>>) {
    // A jump of nothing or less is no rule (and refused when rules are written).
    if jump <= Decimal::ZERO {
        return (points.to_vec(), Vec::new());
    }
    let agreement = jump.checked_mul(AGREEMENT).unwrap_or(jump);
    let suspicious = suspicious(points, jump);
    let confirmed = confirmed(points, agreement);
    let (mut accepted, mut set_aside) = (Vec::new(), Vec::new());
    for ((point, suspicious), confirmed) in points.iter().zip(suspicious).zip(confirmed) {
        if suspicious && !confirmed { set_aside.push(*point) } else { accepted.push(*point) }
    }
    (accepted, set_aside)
}

/// For each point: are there readings in the days before it, none of them nearer than the jump?
fn suspicious(points: &[Point<'_>], jump: Decimal) -> Vec<bool> {
    let mut near = Near::default();
    let mut window: VecDeque<&Point<'_>> = VecDeque::new();
    let mut pending = points.iter().peekable();
    let mut answers = Vec::with_capacity(points.len());
    for point in points {
        while let Some(before) = pending.next_if(|p| p.at() < point.at()) {
            near.add(before.canonical);
            window.push_back(before);
        }
        let start = earlier(point.at(), NEIGHBOURHOOD);
        while let Some(old) = window.front().filter(|old| old.at() < start) {
            near.remove(old.canonical);
            window.pop_front();
        }
        answers.push(!window.is_empty() && !near.any(point.canonical, jump, false));
    }
    answers
}

/// For each point: does a reading in the days after it agree with it?
fn confirmed(points: &[Point<'_>], agreement: Decimal) -> Vec<bool> {
    let mut near = Near::default();
    let mut window: VecDeque<&Point<'_>> = VecDeque::new();
    let mut pending = points.iter().rev().peekable();
    let mut answers = Vec::with_capacity(points.len());
    for point in points.iter().rev() {
        while let Some(after) = pending.next_if(|p| p.at() > point.at()) {
            near.add(after.canonical);
            window.push_back(after);
        }
        let end = later(point.at(), NEIGHBOURHOOD);
        while let Some(far) = window.front().filter(|far| far.at() > end) {
            near.remove(far.canonical);
            window.pop_front();
        }
        answers.push(near.any(point.canonical, agreement, true));
    }
    answers.reverse();
    answers
}

/// The values of a moving window, to be asked for one near a given value.
#[derive(Default)]
struct Near(BTreeMap<Decimal, usize>);

impl Near {
    fn add(&mut self, value: Decimal) {
        let count = self.0.entry(value).or_default();
        *count = count.saturating_add(1);
    }

    fn remove(&mut self, value: Decimal) {
        if let Some(count) = self.0.get_mut(&value) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.0.remove(&value);
            }
        }
    }

    /// `distance` is more than zero, so the bounds are in order.
    fn any(&self, value: Decimal, distance: Decimal, inclusive: bool) -> bool {
        let low = value.checked_sub(distance).unwrap_or(Decimal::MIN);
        let high = value.checked_add(distance).unwrap_or(Decimal::MAX);
        let bounds = if inclusive || low >= high {
            (Bound::Included(low), Bound::Included(high))
        } else {
            (Bound::Excluded(low), Bound::Excluded(high))
        };
        self.0.range(bounds).next().is_some()
    }
}
