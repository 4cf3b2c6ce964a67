//! Limits: each reading by itself, in the unit in which it arrived.

use std::cmp::Ordering;

use super::{Breach, Segment, Verdict, between};
use crate::{Comparator, Level, LimitRule, Reading, Side, Threshold};

/// One verdict for each reading in the segment, by time.
pub(super) fn verdicts<'a>(
    rule: &LimitRule,
    segment: Segment<'_>,
    readings: &[&'a Reading],
) -> Vec<Verdict<'a>> {
    between(readings, segment.start, segment.end, |r| r.measured_at)
        .iter()
        .map(|reading| Verdict { reading, breach: breach(rule, reading) })
        .collect()
}

/// The most severe level that the reading breaks.
fn breach<'a>(rule: &LimitRule, reading: &Reading) -> Option<Breach<'a>> {
    let value = &reading.value;
    if let Some(comparator) = value.comparator {
        return beyond_range(rule, comparator, reading);
    }
    let Some(number) = value.number else {
        return Some(Breach::incomparable());
    };
    let mut worst: Option<Breach<'a>> = None;
    for level in &rule.levels {
        let Some(threshold) = level.threshold.get(&value.unit) else {
            return Some(Breach::incomparable());
        };
        let broken = match number.cmp(threshold) {
            Ordering::Equal => level.inclusive,
            Ordering::Less => rule.side == Side::Low,
            Ordering::Greater => rule.side == Side::High,
        };
        if broken && worst.as_ref().is_none_or(|w| level.priority >= w.priority) {
            worst = Some(Breach {
                priority: level.priority,
                threshold: threshold_of(level, reading),
                reference: None,
            });
        }
    }
    worst
}

/// `LO` is below every low threshold and `HI` above every high one: they break the last level.
fn beyond_range<'a>(rule: &LimitRule, comparator: Comparator, reading: &Reading) -> Option<Breach<'a>> {
    let dangerous = match comparator {
        Comparator::Below => Side::Low,
        Comparator::Above => Side::High,
    };
    if dangerous != rule.side {
        return None;
    }
    let last = rule.levels.last()?;
    Some(Breach {
        priority: rule.beyond_range.unwrap_or(last.priority),
        threshold: threshold_of(last, reading),
        reference: None,
    })
}

fn threshold_of(level: &Level, reading: &Reading) -> Threshold {
    match level.threshold.get(&reading.value.unit) {
        Some(value) => Threshold {
            value: *value,
            unit: Some(reading.value.unit),
            window_hours: None,
            inclusive: level.inclusive,
        },
        None => Breach::incomparable().threshold,
    }
}
