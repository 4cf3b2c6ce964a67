//! The readings of a report: which count, and which are left out and why.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use vigie_store::patients::StoredReading;
use vigie_store::reports::record::WeekRecord;
use vigie_vitals::metrics::{Period, Sample};
use vigie_vitals::{Reading, ReadingKey, Record, RuleSpec, RuleVersion, Unit, Vital, judge};
use vigie_words::rules::usual_unit;

use super::Excluded;

/// The readings of a record, in order, each once.
#[derive(Debug)]
pub(super) struct Measured<'a> {
    /// Those that figures are made from, by vital sign and time.
    counted: BTreeMap<Vital, Vec<&'a StoredReading>>,
    /// Those and the implausible ones: what a patient has sent of themselves.
    of_a_person: BTreeMap<Vital, Vec<&'a StoredReading>>,
    /// Everything within the windows, control solutions too.
    all: Vec<&'a StoredReading>,
    /// Those left out, with the reason.
    left_out: Vec<(&'a StoredReading, &'static str)>,
}

impl<'a> Measured<'a> {
    /// Sorts the record's readings. What lies outside the windows that were asked for does not count, so that a report
    /// does not depend on what else was loaded.
    pub(super) fn of(record: &'a WeekRecord) -> Self {
        let all = within_windows(record);
        let jumps = jumps(record, &all);
        let mut measured =
            Self { counted: BTreeMap::new(), of_a_person: BTreeMap::new(), all, left_out: Vec::new() };
        for stored in measured.all.iter().copied() {
            let reading = &stored.reading;
            if !reading.of_a_person {
                measured.left_out.push((stored, reason_of(stored)));
                continue;
            }
            measured.of_a_person.entry(reading.vital).or_default().push(stored);
            if jumps.contains(&(reading.vital, reading.key.clone())) {
                measured.left_out.push((stored, "implausible_jump"));
            } else {
                measured.counted.entry(reading.vital).or_default().push(stored);
            }
        }
        measured
    }

    /// The readings of a vital sign that count, by time.
    pub(super) fn of_vital(&self, vital: Vital) -> &[&'a StoredReading] {
        self.counted.get(&vital).map(Vec::as_slice).unwrap_or_default()
    }

    /// Those of a period.
    pub(super) fn within(&self, vital: Vital, period: Period) -> &[&'a StoredReading] {
        between(self.of_vital(vital), period)
    }

    /// As samples for the metrics, which look at their own period.
    pub(super) fn samples(&self, vital: Vital) -> Vec<Sample> {
        self.of_vital(vital)
            .iter()
            .map(|stored| Sample { at: stored.reading.measured_at, value: stored.reading.value })
            .collect()
    }

    /// When the patient was heard of: what a schedule of expected readings is held against.
    pub(super) fn heard(&self, vital: Vital) -> Vec<Timestamp> {
        let readings = self.of_a_person.get(&vital).map(Vec::as_slice).unwrap_or_default();
        readings.iter().map(|stored| stored.reading.measured_at).collect()
    }

    /// Everything received of a period, control solutions too; by time.
    pub(super) fn received(&self, period: Period) -> &[&'a StoredReading] {
        between(&self.all, period)
    }

    /// What is left out of a period, by time.
    pub(super) fn excluded(&self, period: Period) -> Vec<Excluded> {
        self.left_out
            .iter()
            .filter(|(stored, _)| period.contains(stored.reading.measured_at))
            .map(|(stored, reason)| Excluded {
                at: stored.reading.measured_at,
                vital: stored.reading.vital,
                value: stored.reading.value,
                reason: (*reason).to_owned(),
            })
            .collect()
    }

    /// The unit in which most readings of a period came, so that most are shown as they were sent.
    pub(super) fn shown_unit(&self, vital: Vital, period: Period) -> Unit {
        let mut counts: BTreeMap<Unit, usize> = BTreeMap::new();
        for stored in self.within(vital, period) {
            let count = counts.entry(stored.reading.value.unit).or_default();
            *count = count.saturating_add(1);
        }
        counts.into_iter().max_by_key(|(_, n)| *n).map_or(usual_unit(vital), |(unit, _)| unit)
    }
}

/// The part of a time-ordered slice that lies in a period.
fn between<'s, 'a>(readings: &'s [&'a StoredReading], period: Period) -> &'s [&'a StoredReading] {
    let first = readings.partition_point(|r| r.reading.measured_at < period.from);
    let last = readings.partition_point(|r| r.reading.measured_at < period.to);
    readings.get(first..last).unwrap_or_default()
}

/// By time, device, number and vital sign; of two copies the one received first.
fn within_windows(record: &WeekRecord) -> Vec<&StoredReading> {
    let wanted = &record.wanted;
    let since: BTreeMap<Vital, Timestamp> = wanted.since.iter().copied().collect();
    let mut readings: Vec<&StoredReading> = record
        .readings
        .iter()
        .filter(|stored| {
            let reading = &stored.reading;
            reading.received_at <= wanted.known_at
                && reading.measured_at < wanted.to
                && since.get(&reading.vital).is_some_and(|since| reading.measured_at >= *since)
        })
        .collect();
    readings.sort_by(|a, b| identity(a).cmp(&identity(b)));
    readings.dedup_by(|later, first| {
        (later.reading.vital, &later.reading.key) == (first.reading.vital, &first.reading.key)
    });
    readings.sort_by(|a, b| order(&a.reading).cmp(&order(&b.reading)));
    readings
}

fn identity(stored: &StoredReading) -> (Vital, &ReadingKey, Timestamp, Timestamp, String) {
    let reading = &stored.reading;
    (reading.vital, &reading.key, reading.received_at, reading.measured_at, reading.value.to_string())
}

fn order(reading: &Reading) -> (Timestamp, &ReadingKey, Vital) {
    (reading.measured_at, &reading.key, reading.vital)
}

/// What the engine itself sets aside as another person on the scale or a fault; see `crates/vitals/src/judge/jump.rs`.
fn jumps(record: &WeekRecord, readings: &[&StoredReading]) -> BTreeSet<(Vital, ReadingKey)> {
    let with_jumps = |version: &&RuleVersion| match &version.spec {
        RuleSpec::Change(rule) => !rule.implausible_jump.is_empty(),
        RuleSpec::Limit(_) | RuleSpec::Silence(_) => false,
    };
    let rules: Vec<RuleVersion> = record.rules.iter().filter(with_jumps).cloned().collect();
    let vitals: BTreeMap<_, _> = rules.iter().map(|version| (&version.rule, version.spec.vital())).collect();
    let watched: BTreeSet<Vital> = vitals.values().copied().collect();
    let readings: Vec<Reading> = readings
        .iter()
        .map(|stored| &stored.reading)
        .filter(|r| watched.contains(&r.vital))
        .cloned()
        .collect();
    let judged = judge(
        &Record {
            readings: &readings,
            rules: &rules,
            pauses: &[],
            latest: &BTreeMap::new(),
            watched_since: record.patient.watched_since,
            from: Timestamp::MIN,
        },
        record.wanted.known_at,
    );
    let of_rule = |(rule, key)| vitals.get(&rule).map(|vital| (*vital, key));
    judged.set_aside.into_iter().filter_map(of_rule).collect()
}

/// Why a reading is not of a person.
fn reason_of(stored: &StoredReading) -> &'static str {
    let sample = stored.context.as_ref().and_then(|context| context.get("sample"));
    if sample.and_then(serde_json::Value::as_str) == Some("control_solution") {
        "control_solution"
    } else {
        "self_test"
    }
}
