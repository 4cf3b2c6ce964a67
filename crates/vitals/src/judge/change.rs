//! Changes: each reading against the lowest (for a gain) or highest (for a loss) of the window before it.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

use super::{Breach, Segment, Verdict, between, jump};
use crate::{ChangeRule, ChangeStep, Direction, Reading, Threshold, Unit, Value, Vital, convert};

/// An exact value that can stand in a trend. Censored values cannot: "more than 150" has no difference.
#[derive(Clone, Copy)]
pub(super) struct Point<'a> {
    pub(super) reading: &'a Reading,
    number: Decimal,
    /// In the canonical unit, for comparing values that arrived in different ones.
    pub(super) canonical: Decimal,
}

impl<'a> Point<'a> {
    fn new(reading: &'a Reading) -> Option<Self> {
        let Value { number: Some(number), comparator: None, unit } = reading.value else {
            return None;
        };
        let canonical = convert(number, unit, reading.vital.canonical_unit(), reading.vital).ok()?;
        Some(Self { reading, number, canonical })
    }

    pub(super) fn at(&self) -> Timestamp {
        self.reading.measured_at
    }

    fn unit(&self) -> Unit {
        self.reading.value.unit
    }
}

/// One verdict for each reading that the rule judges from `from` on, by time; and the readings set aside.
pub(super) fn verdicts<'a>(
    rule: &ChangeRule,
    segment: Segment<'_>,
    readings: &[&'a Reading],
    from: Timestamp,
) -> (Vec<Verdict<'a>>, Vec<&'a Reading>) {
    let start = segment.start.max(from);
    let (widest, neighbourhood) = reach(rule);
    // References may lie before the segment and are accepted or set aside by their own neighbours.
    let context_end = segment.end.map(|end| later(end, neighbourhood));
    let context_start = earlier(start, widest.saturating_add(neighbourhood));
    let context = between(readings, context_start, context_end, |r| r.measured_at);
    let points: Vec<Point<'a>> = context.iter().filter_map(|r| Point::new(r)).collect();
    let canonical = rule.vital.canonical_unit();
    let (accepted, rejected) = match rule.implausible_jump.get(&canonical) {
        Some(limit) => jump::split(&points, *limit),
        None => (points, Vec::new()),
    };
    let inside = |at: Timestamp| at >= from && segment.covers(at);

    let judged = between(&accepted, start, segment.end, Point::at);
    let mut breaches: Vec<Option<Breach<'a>>> = vec![None; judged.len()];
    let mut steps: Vec<&ChangeStep> = rule.steps.iter().collect();
    steps.sort_by_key(|step| (step.window_hours, step.priority));
    for step in steps {
        walk(rule, step, &accepted, judged, &mut breaches);
    }
    let mut verdicts: Vec<Verdict<'a>> = judged
        .iter()
        .zip(breaches)
        .map(|(point, breach)| {
            let breach = if comparable(rule, point) { breach } else { Some(Breach::incomparable()) };
            Verdict { reading: point.reading, breach }
        })
        .collect();
    // Exact values that are no point arrived in a unit of another vital sign: loud, not silent.
    let foreign = context.iter().filter(|r| r.value.comparator.is_none() && Point::new(r).is_none());
    verdicts.extend(
        foreign
            .filter(|r| inside(r.measured_at))
            .map(|reading| Verdict { reading, breach: Some(Breach::incomparable()) }),
    );
    verdicts.sort_by(|a, b| {
        (a.reading.measured_at, &a.reading.key).cmp(&(b.reading.measured_at, &b.reading.key))
    });
    let set_aside = rejected.into_iter().map(|p| p.reading).filter(|r| inside(r.measured_at)).collect();
    (verdicts, set_aside)
}

/// How far a rule looks: for references, and around each reading for the neighbours that decide whether it
/// is set aside.
pub(super) fn reach(rule: &ChangeRule) -> (SignedDuration, SignedDuration) {
    let hours = rule.steps.iter().map(|step| step.window_hours).max().unwrap_or(0);
    let neighbourhood =
        if rule.implausible_jump.is_empty() { SignedDuration::ZERO } else { jump::NEIGHBOURHOOD };
    (SignedDuration::from_hours(i64::from(hours)), neighbourhood)
}

pub(super) fn earlier(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_sub(by).unwrap_or(Timestamp::MIN)
}

pub(super) fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// Does every step have a limit in the unit received and, for references in another unit, in the canonical?
fn comparable(rule: &ChangeRule, point: &Point<'_>) -> bool {
    let canonical = point.reading.vital.canonical_unit();
    rule.steps.iter().all(|s| s.delta.contains_key(&point.unit()) && s.delta.contains_key(&canonical))
}

/// Looks at every judged point with one step, keeping the more urgent breach (the earlier step's among
/// equals, and steps come by window).
fn walk<'a>(
    rule: &ChangeRule,
    step: &ChangeStep,
    accepted: &[Point<'a>],
    judged: &[Point<'a>],
    breaches: &mut [Option<Breach<'a>>],
) {
    let window = SignedDuration::from_hours(i64::from(step.window_hours));
    let mut extremes = Extremes { direction: rule.direction, by_unit: BTreeMap::new() };
    let mut pending = accepted.iter().peekable();
    for (point, best) in judged.iter().zip(breaches) {
        while let Some(reference) = pending.next_if(|p| p.at() < point.at()) {
            extremes.push(*reference);
        }
        extremes.forget_before(earlier(point.at(), window));
        if best.as_ref().is_some_and(|b| b.priority >= step.priority) {
            continue;
        }
        if let Some((reference, threshold)) = extremes.broken_by(point, step, rule.vital) {
            *best = Some(Breach {
                priority: step.priority,
                threshold,
                reference: Some((reference.reading.value, reference.reading)),
            });
        }
    }
}

/// The most extreme points of the moving window, per unit: a queue for each, whose front is the extreme and
/// whose later entries take over when it leaves the window. Each point enters and leaves once.
struct Extremes<'a> {
    direction: Direction,
    by_unit: BTreeMap<Unit, VecDeque<Point<'a>>>,
}

impl<'a> Extremes<'a> {
    fn push(&mut self, point: Point<'a>) {
        let queue = self.by_unit.entry(point.unit()).or_default();
        while queue.back().is_some_and(|back| match self.direction {
            Direction::Gain => back.number >= point.number,
            Direction::Loss => back.number <= point.number,
        }) {
            queue.pop_back();
        }
        queue.push_back(point);
    }

    fn forget_before(&mut self, start: Timestamp) {
        for queue in self.by_unit.values_mut() {
            while queue.front().is_some_and(|front| front.at() < start) {
                queue.pop_front();
            }
        }
    }

    /// The reference against which the point changed most, if the change reaches the step's limit: in the
    /// unit received where both share it, else in the canonical one.
    fn broken_by(
        &self,
        point: &Point<'_>,
        step: &ChangeStep,
        vital: Vital,
    ) -> Option<(Point<'a>, Threshold)> {
        self.by_unit
            .values()
            .filter_map(|queue| queue.front())
            .filter_map(|reference| {
                let same = reference.unit() == point.unit();
                let unit = if same { point.unit() } else { vital.canonical_unit() };
                let limit = *step.delta.get(&unit)?;
                let change = if same {
                    self.change(reference.number, point.number)
                } else {
                    self.change(reference.canonical, point.canonical)
                };
                let threshold = Threshold {
                    value: limit,
                    unit: Some(unit),
                    window_hours: Some(step.window_hours),
                    inclusive: true,
                };
                (change >= limit).then_some((*reference, threshold))
            })
            .max_by_key(|(reference, _)| {
                (self.change(reference.canonical, point.canonical), reference.at(), reference.unit())
            })
    }

    /// A difference too large to be written is as large as can be.
    fn change(&self, before: Decimal, now: Decimal) -> Decimal {
        let (larger, smaller) = match self.direction {
            Direction::Gain => (now, before),
            Direction::Loss => (before, now),
        };
        let overflow = if larger > smaller { Decimal::MAX } else { Decimal::MIN };
        larger.checked_sub(smaller).unwrap_or(overflow)
    }
}
