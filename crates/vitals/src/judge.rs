//! The judge: what a patient's record says at a given moment. A pure function, re-run for whatever changed.
//!
//! A reading is judged at its own time, by the rule version in force at that time, however late it came.
//! Only what was received and recorded by `as_of` counts, so the past can be asked what it knew.

mod change;
mod jump;
mod limit;
mod scope;
mod silence;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::{
    Condition, Evidence, Finding, Pause, Priority, Reading, ReadingKey, RuleId, RuleSpec, RuleVersion,
    Threshold, Value, Vital,
};

pub use scope::{Scope, scope};

/// What is on record about one patient, as far as [`judge()`] needs it. [`scope()`] says how far back.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// In any order; a second copy of a reading's value is ignored.
    pub readings: &'a [Reading],
    /// All versions of all rules of the patient.
    pub rules: &'a [RuleVersion],
    /// All pauses.
    pub pauses: &'a [Pause],
    /// The newest `measured_at` on record for each vital sign, of readings of a person received by `as_of`;
    /// silences are counted from it, also where `readings` holds only a part.
    pub latest: &'a BTreeMap<Vital, Timestamp>,
    /// Since when the patient follows the plan: no silence is counted from before.
    pub watched_since: Timestamp,
    /// Findings that happened before this are not asked for; readings before it are context.
    pub from: Timestamp,
}

/// What the judge found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Judgement {
    /// The readings' breaches from `from` on, by rule, time and key.
    pub findings: Vec<Finding>,
    /// For each rule by which at least one reading in the record was judged: does the newest one break it?
    /// For a change rule only readings from `from` on count, because earlier ones may lack their reference.
    pub conditions: BTreeMap<RuleId, Condition>,
    /// Silences that last at `as_of`.
    pub silences: Vec<SilenceFinding>,
    /// Silence rules in force that are not silent at `as_of`: heard in time, or paused.
    pub heard: Vec<RuleId>,
    /// The next moment at which time alone changes the judgement: the earliest beginning of a silence if
    /// nothing comes (or of a pause that ends one).
    pub next_due: Option<Timestamp>,
    /// Readings that a change rule left out as jumps (another person, a fault), from `from` on.
    pub set_aside: Vec<(RuleId, ReadingKey)>,
    /// Vital signs with a reading from `from` on: only of these can a missing finding be held against an
    /// alert.
    pub judged_vitals: BTreeSet<Vital>,
}

/// A silence that lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SilenceFinding {
    /// The rule.
    pub rule: RuleId,
    /// Its version in force at `as_of`.
    pub rule_version: i32,
    /// What was not measured.
    pub vital: Vital,
    /// The last reading, or the start of watching where there was none.
    pub since: Timestamp,
    /// When the silence began to be one: the schedule and its grace were over. It identifies the silence.
    pub due_at: Timestamp,
    /// A reading was expected in every so many hours.
    pub every_hours: u32,
    /// Tolerance on top, in hours.
    pub grace_hours: u32,
}

/// Judges a record as it was known at `as_of`.
///
/// A value in a unit for which the rule has no threshold (which [`RuleSpec::validate`] makes impossible) is
/// not passed over: it is a breach of priority [`Priority::Technical`] with a threshold without a unit, so
/// that somebody looks at the rule.
pub fn judge(record: &Record<'_>, as_of: Timestamp) -> Judgement {
    let readings = readings_by_vital(record.readings, as_of);
    let mut judgement = Judgement::default();
    for (vital, of_vital) in &readings {
        if of_vital.last().is_some_and(|newest| newest.measured_at >= record.from) {
            judgement.judged_vitals.insert(*vital);
        }
    }
    for (rule, versions) in versions_by_rule(record.rules, as_of) {
        judge_readings(rule, &versions, &readings, record.from, &mut judgement);
        let last = |vital: Vital| {
            let in_readings = readings.get(&vital).and_then(|r| r.last()).map(|r| r.measured_at);
            in_readings.max(record.latest.get(&vital).copied())
        };
        if let Some(watch) = silence::watch(&versions, record, as_of, last) {
            judgement.next_due = earliest(judgement.next_due, watch.next_due);
            match watch.silent {
                Some(finding) => judgement.silences.push(finding),
                None => judgement.heard.push(rule.clone()),
            }
        }
    }
    judgement
}

fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

/// A stretch in which one version of a rule is in force: from `start`, until just before `end`.
#[derive(Clone, Copy)]
struct Segment<'a> {
    version: &'a RuleVersion,
    start: Timestamp,
    end: Option<Timestamp>,
}

impl Segment<'_> {
    fn covers(&self, at: Timestamp) -> bool {
        self.start <= at && self.end.is_none_or(|end| at < end)
    }
}

/// What a rule says of one reading.
struct Verdict<'a> {
    reading: &'a Reading,
    breach: Option<Breach<'a>>,
}

/// How a reading breaks a rule.
#[derive(Clone)]
struct Breach<'a> {
    priority: Priority,
    threshold: Threshold,
    reference: Option<(Value, &'a Reading)>,
}

impl Breach<'_> {
    /// The value cannot be compared: loud, because silence would look like "within the rule".
    fn incomparable() -> Self {
        let threshold = Threshold { value: Decimal::ZERO, unit: None, window_hours: None, inclusive: false };
        Self { priority: Priority::Technical, threshold, reference: None }
    }
}

fn judge_readings(
    rule: &RuleId,
    versions: &[&RuleVersion],
    readings: &BTreeMap<Vital, Vec<&Reading>>,
    from: Timestamp,
    judgement: &mut Judgement,
) {
    for segment in segments(versions) {
        let Some(of_vital) = readings.get(&segment.version.spec.vital()) else {
            continue;
        };
        let verdicts = match &segment.version.spec {
            RuleSpec::Limit(limit) => limit::verdicts(limit, segment, of_vital),
            RuleSpec::Change(change) => {
                let (verdicts, set_aside) = change::verdicts(change, segment, of_vital, from);
                judgement.set_aside.extend(set_aside.into_iter().map(|r| (rule.clone(), r.key.clone())));
                verdicts
            }
            RuleSpec::Silence(_) => continue,
        };
        // Segments follow each other in time, so the last verdict of the last one is the newest.
        if let Some(newest) = verdicts.last() {
            let condition = if newest.breach.is_some() { Condition::Active } else { Condition::Ended };
            judgement.conditions.insert(rule.clone(), condition);
        }
        for verdict in verdicts.into_iter().filter(|v| v.reading.measured_at >= from) {
            if let Some(breach) = verdict.breach {
                let evidence = evidence(segment.version, verdict.reading, breach);
                judgement.findings.push(Finding { rule: rule.clone(), evidence });
            }
        }
    }
}

/// The server could know once it had the reading, the one it is compared with, and the rule.
fn evidence(version: &RuleVersion, reading: &Reading, breach: Breach<'_>) -> Evidence {
    let reference_received = breach.reference.map_or(Timestamp::MIN, |(_, r)| r.received_at);
    Evidence {
        reading: Some(reading.key.clone()),
        vital: reading.vital,
        value: Some(reading.value),
        reference: breach.reference.map(|(value, r)| (value, r.measured_at)),
        happened_at: reading.measured_at,
        known_at: reading.received_at.max(reference_received).max(version.recorded_at),
        rule_version: version.version,
        priority: breach.priority,
        threshold: breach.threshold,
    }
}

/// The readings of a person received by `as_of`, each value once, by time and key. Where two copies differ
/// (which ingest quarantines) the one received first stands, whatever the order handed in.
fn readings_by_vital(readings: &[Reading], as_of: Timestamp) -> BTreeMap<Vital, Vec<&Reading>> {
    let mut by_vital: BTreeMap<Vital, Vec<&Reading>> = BTreeMap::new();
    for reading in readings.iter().filter(|r| r.received_at <= as_of) {
        by_vital.entry(reading.vital).or_default().push(reading);
    }
    for of_vital in by_vital.values_mut() {
        of_vital.sort_by(|a, b| {
            (&a.key, a.received_at, a.measured_at, a.of_a_person, content(&a.value)).cmp(&(
                &b.key,
                b.received_at,
                b.measured_at,
                b.of_a_person,
                content(&b.value),
            ))
        });
        of_vital.dedup_by(|later, first| later.key == first.key);
        of_vital.retain(|r| r.of_a_person);
        of_vital.sort_by(|a, b| (a.measured_at, &a.key).cmp(&(b.measured_at, &b.key)));
    }
    by_vital.retain(|_, of_vital| !of_vital.is_empty());
    by_vital
}

type Content = (Option<Decimal>, Option<u32>, Option<&'static str>, &'static str);

fn content(value: &Value) -> Content {
    (
        value.number,
        value.number.map(|n| n.scale()),
        value.comparator.map(crate::Comparator::as_str),
        value.unit.ucum(),
    )
}

/// The versions recorded by `as_of`, by rule, in the order in which they come into force.
fn versions_by_rule(rules: &[RuleVersion], as_of: Timestamp) -> BTreeMap<&RuleId, Vec<&RuleVersion>> {
    let mut by_rule: BTreeMap<&RuleId, Vec<&RuleVersion>> = BTreeMap::new();
    for version in rules.iter().filter(|v| v.recorded_at <= as_of) {
        by_rule.entry(&version.rule).or_default().push(version);
    }
    for versions in by_rule.values_mut() {
        versions.sort_by_key(|v| (v.valid_from, v.version, v.recorded_at));
    }
    by_rule
}

/// The stretches in force: the greatest `valid_from` not after a reading counts, among equals the highest
/// version. Nothing is judged by a rule before its first version.
fn segments<'a>(versions: &[&'a RuleVersion]) -> Vec<Segment<'a>> {
    let ends = versions.iter().skip(1).map(|next| Some(next.valid_from)).chain([None]);
    versions
        .iter()
        .zip(ends)
        .map(|(version, end)| Segment { version, start: version.valid_from, end })
        .filter(|segment| segment.end.is_none_or(|end| segment.start < end))
        .collect()
}

/// The part of a time-ordered slice from `start` until just before `end`.
fn between<T>(items: &[T], start: Timestamp, end: Option<Timestamp>, at: impl Fn(&T) -> Timestamp) -> &[T] {
    let first = items.partition_point(|item| at(item) < start);
    let last = end.map_or(items.len(), |end| items.partition_point(|item| at(item) < end));
    items.get(first..last).unwrap_or_default()
}
