//! The same rules once more, written for the eye and not for speed, as an oracle.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use rust_decimal::{Decimal, dec};
use vigie_vitals::{
    ChangeRule, Comparator, Direction, LimitRule, Priority, Reading, ReadingKey, RuleId, RuleSpec,
    RuleVersion, Side, convert,
};

/// Rule, reading, priority.
pub(crate) type Breach = (RuleId, ReadingKey, Priority);

/// All breaches of well-formed rules by readings that are of a person and each given once.
pub(crate) fn breaches(readings: &[Reading], rules: &[RuleVersion]) -> BTreeSet<Breach> {
    let ids: BTreeSet<&RuleId> = rules.iter().map(|v| &v.rule).collect();
    let mut all = BTreeSet::new();
    for rule in ids {
        for reading in readings {
            let in_force = rules
                .iter()
                .filter(|v| v.rule == *rule && v.valid_from <= reading.measured_at)
                .max_by_key(|v| (v.valid_from, v.version));
            let Some(version) = in_force.filter(|v| v.spec.vital() == reading.vital) else {
                continue;
            };
            let priority = match &version.spec {
                RuleSpec::Limit(limit) => beyond(limit, reading),
                RuleSpec::Change(change) => changed(change, reading, readings),
                RuleSpec::Silence(_) => None,
            };
            all.extend(priority.map(|p| (rule.clone(), reading.key.clone(), p)));
        }
    }
    all
}

fn beyond(rule: &LimitRule, reading: &Reading) -> Option<Priority> {
    let value = reading.value;
    match (value.comparator, rule.side) {
        (Some(Comparator::Below), Side::Low) | (Some(Comparator::Above), Side::High) => {
            return Some(rule.beyond_range.unwrap_or(rule.levels.last()?.priority));
        }
        (Some(_), _) => return None,
        (None, _) => {}
    }
    let number = value.number?;
    rule.levels
        .iter()
        .filter(|level| {
            let threshold = level.threshold[&value.unit];
            let outside = if rule.side == Side::Low { number < threshold } else { number > threshold };
            outside || (level.inclusive && number == threshold)
        })
        .map(|level| level.priority)
        .max()
}

fn changed(rule: &ChangeRule, reading: &Reading, readings: &[Reading]) -> Option<Priority> {
    let trend: Vec<&Reading> = readings
        .iter()
        .filter(|r| r.vital == rule.vital && r.value.comparator.is_none() && !is_jump(rule, r, readings))
        .collect();
    if !trend.contains(&reading) {
        return None;
    }
    rule.steps
        .iter()
        .filter(|step| {
            let window = SignedDuration::from_hours(i64::from(step.window_hours));
            trend.iter().any(|before| {
                before.measured_at < reading.measured_at
                    && reading.measured_at.duration_since(before.measured_at) <= window
                    && difference(rule, before, reading) >= delta(step, before, reading)
            })
        })
        .map(|step| step.priority)
        .max()
}

fn canonical(reading: &Reading) -> Decimal {
    let vital = reading.vital;
    convert(reading.value.number.unwrap(), reading.value.unit, vital.canonical_unit(), vital).unwrap()
}

fn difference(rule: &ChangeRule, before: &Reading, now: &Reading) -> Decimal {
    let gain = if before.value.unit == now.value.unit {
        now.value.number.unwrap() - before.value.number.unwrap()
    } else {
        canonical(now) - canonical(before)
    };
    if rule.direction == Direction::Gain { gain } else { -gain }
}

fn delta(step: &vigie_vitals::ChangeStep, before: &Reading, now: &Reading) -> Decimal {
    let same = before.value.unit == now.value.unit;
    step.delta[&if same { now.value.unit } else { now.vital.canonical_unit() }]
}

fn is_jump(rule: &ChangeRule, reading: &Reading, readings: &[Reading]) -> bool {
    let Some(jump) = rule.implausible_jump.get(&rule.vital.canonical_unit()).copied() else {
        return false;
    };
    let week = SignedDuration::from_hours(7 * 24);
    let near = |from: Timestamp, to: Timestamp| from < to && to.duration_since(from) <= week;
    let others = || readings.iter().filter(|r| r.vital == rule.vital && r.value.comparator.is_none());
    let before: Vec<&Reading> = others().filter(|r| near(r.measured_at, reading.measured_at)).collect();
    let mut after = others().filter(|r| near(reading.measured_at, r.measured_at));
    let apart = |other: &Reading| (canonical(other) - canonical(reading)).abs();
    !before.is_empty()
        && before.iter().all(|r| apart(r) >= jump)
        && !after.any(|r| apart(r) <= jump * dec!(0.3))
}
