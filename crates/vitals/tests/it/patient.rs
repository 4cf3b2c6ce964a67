//! Builds a patient's record: valid by default, one thing changed per test.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;
use vigie_vitals::plans::{CarePlan, default_rules};
use vigie_vitals::{
    AlertId, AlertOnRecord, AlertState, Judgement, Pause, Reading, ReadingKey, Record, RuleId, RuleSpec,
    RuleVersion, Unit, Value, Vital, apply, judge, reconcile,
};

/// Hours since the first day of the tests; negative is before.
pub(crate) fn hour(hours: i64) -> Timestamp {
    minute(hours * 60)
}

pub(crate) fn minute(minutes: i64) -> Timestamp {
    let start: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    start + SignedDuration::from_mins(minutes)
}

/// Long after everything.
pub(crate) fn the_end() -> Timestamp {
    hour(24 * 365)
}

pub(crate) fn value(text: &str, unit: Unit) -> Value {
    Value::parse(text, "", unit).unwrap()
}

pub(crate) fn reading(sequence: i64, vital: Vital, value: Value, at: Timestamp) -> Reading {
    let key = ReadingKey { device: "dev-1".into(), epoch: 1, sequence };
    Reading { key, vital, value, measured_at: at, received_at: at, of_a_person: true }
}

pub(crate) fn weight(sequence: i64, kilograms: &str, at: Timestamp) -> Reading {
    reading(sequence, Vital::Weight, value(kilograms, Unit::Kilogram), at)
}

/// Glucose in g/L.
pub(crate) fn glucose(sequence: i64, grams: &str, at: Timestamp) -> Reading {
    reading(sequence, Vital::Glucose, value(grams, Unit::GramPerLitre), at)
}

pub(crate) fn version(rule: &str, number: i32, valid_from: Timestamp, spec: RuleSpec) -> RuleVersion {
    RuleVersion {
        rule: rule.into(),
        version: number,
        valid_from,
        recorded_at: valid_from,
        author: "Dr Weber".to_owned(),
        reason: "plan".to_owned(),
        spec,
    }
}

pub(crate) fn default_rule(plan: CarePlan, id: &str) -> RuleSpec {
    default_rules(plan).into_iter().find(|(rule, _)| rule.as_str() == id).unwrap().1
}

/// The first version of a plan, in force long before the tests begin.
pub(crate) fn plan(plan: CarePlan) -> Vec<RuleVersion> {
    default_rules(plan).into_iter().map(|(rule, spec)| version(rule.as_str(), 1, hour(-1000), spec)).collect()
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Patient {
    pub(crate) readings: Vec<Reading>,
    pub(crate) rules: Vec<RuleVersion>,
    pub(crate) pauses: Vec<Pause>,
    pub(crate) latest: BTreeMap<Vital, Timestamp>,
    pub(crate) watched_since: Timestamp,
}

impl Patient {
    pub(crate) fn on(care_plan: CarePlan) -> Self {
        Self::with(plan(care_plan))
    }

    pub(crate) fn with(rules: Vec<RuleVersion>) -> Self {
        Self { rules, watched_since: hour(0), ..Self::default() }
    }

    pub(crate) fn judge_from(&self, from: Timestamp, as_of: Timestamp) -> Judgement {
        let record = Record {
            readings: &self.readings,
            rules: &self.rules,
            pauses: &self.pauses,
            latest: &self.latest,
            watched_since: self.watched_since,
            from,
        };
        judge(&record, as_of)
    }

    pub(crate) fn judge(&self, as_of: Timestamp) -> Judgement {
        self.judge_from(Timestamp::MIN, as_of)
    }

    /// Judges, reconciles and writes, like a worker that loads the whole record; hands back how many
    /// changes were written.
    pub(crate) fn work(&self, alerts: &mut Vec<AlertOnRecord>, as_of: Timestamp) -> usize {
        let changes = reconcile(&self.judge(as_of), alerts, Timestamp::MIN, as_of);
        write(alerts, &changes);
        changes.len()
    }
}

/// Ids counted from 1, so that failures are readable.
pub(crate) fn write(alerts: &mut Vec<AlertOnRecord>, changes: &[vigie_vitals::AlertChange]) {
    let mut next = alerts.len() as u128;
    apply(alerts, changes, || {
        next += 1;
        AlertId(Uuid::from_u128(next))
    });
    let mut open: Vec<&RuleId> =
        alerts.iter().filter(|a| a.state != AlertState::Resolved).map(|a| &a.rule).collect();
    let count = open.len();
    open.sort();
    open.dedup();
    assert_eq!(count, open.len(), "more than one open alert of a rule");
}
