//! Whatever the order, the repetition and the lateness in which readings come in, the alerts end the same.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use rust_decimal::Decimal;
use vigie_vitals::plans::{CarePlan, default_rules};
use vigie_vitals::{
    AlertOnRecord, AlertState, Condition, Priority, Reading, ReadingKey, RuleId, RuleSpec, RuleVersion, Unit,
    Value, Vital, reconcile, scope,
};

use crate::naive;
use crate::patient::{Patient, hour, version, write};

/// Twenty days; hours, so that readings often fall together and on the ends of windows.
const HOURS: i64 = 20 * 24;

fn any_reading() -> impl Strategy<Value = (Vital, Value, i64)> {
    let weight = prop_oneof![
        8 => (770_i64..830).prop_map(|n| Value::exact(Decimal::new(n, 1), Unit::Kilogram)),
        1 => (900_i64..960).prop_map(|n| Value::exact(Decimal::new(n, 1), Unit::Kilogram)),
        1 => (1700_i64..1830).prop_map(|n| Value::exact(Decimal::new(n, 1), Unit::Pound)),
        1 => Just(Value::parse("HI", "", Unit::Kilogram).unwrap()),
    ];
    let glucose = prop_oneof![
        4 => (40_i64..330).prop_map(|n| Value::exact(Decimal::new(n, 2), Unit::GramPerLitre)),
        2 => (25_i64..180).prop_map(|n| Value::exact(Decimal::new(n, 1), Unit::MillimolePerLitre)),
        1 => Just(Value::parse("LO", "", Unit::MilligramPerDecilitre).unwrap()),
    ];
    prop_oneof![
        3 => (Just(Vital::Weight), weight, 0..HOURS),
        1 => (Just(Vital::Glucose), glucose, 0..HOURS),
    ]
}

/// A record, and the order in which it arrives: batches of indices, with repetitions.
#[derive(Debug, Clone)]
struct Arrival {
    readings: Vec<Reading>,
    batches: Vec<Vec<usize>>,
}

fn any_arrival() -> impl Strategy<Value = Arrival> {
    prop::collection::vec(any_reading(), 1..40)
        .prop_flat_map(|values| {
            let readings: Vec<Reading> = (1..)
                .zip(values)
                .map(|(sequence, (vital, value, hours))| {
                    crate::patient::reading(sequence, vital, value, hour(hours))
                })
                .collect();
            let count = readings.len();
            let order = Just((0..count).collect::<Vec<_>>()).prop_shuffle();
            let again = prop::collection::vec(0..count, 0..6);
            let sizes = prop::collection::vec(1_usize..4, count + 6);
            (Just(readings), order, again, sizes)
        })
        .prop_map(|(readings, mut order, again, sizes)| {
            for (i, index) in again.into_iter().enumerate() {
                order.insert((i * 7) % (order.len() + 1), index);
            }
            let mut rest = order.as_slice();
            let mut batches = Vec::new();
            for size in sizes {
                let (batch, after) = rest.split_at(size.min(rest.len()));
                batches.push(batch.to_vec());
                rest = after;
            }
            batches.push(rest.to_vec());
            batches.retain(|batch| !batch.is_empty());
            Arrival { readings, batches }
        })
}

/// The shipped rules, with a second version of each change rule and of one limit half way.
fn rules(with_jumps: bool) -> Vec<RuleVersion> {
    let mut rules = Vec::new();
    for (id, spec) in [CarePlan::Diabetes, CarePlan::HeartFailure].into_iter().flat_map(default_rules) {
        let mut spec = spec;
        if let RuleSpec::Change(change) = &mut spec
            && !with_jumps
        {
            change.implausible_jump.clear();
        }
        rules.push(version(id.as_str(), 1, hour(24), spec.clone()));
        match &mut spec {
            RuleSpec::Change(change) => change.steps.truncate(2),
            RuleSpec::Limit(limit) if limit.vital == Vital::Glucose => limit.levels.truncate(1),
            RuleSpec::Limit(_) | RuleSpec::Silence(_) => continue,
        }
        rules.push(version(id.as_str(), 2, hour(HOURS / 2), spec));
    }
    rules
}

/// Hands the batches to a worker one after the other. It loads only what the scope asks for (and `more`
/// hours, as a cautious worker might), and asks twice, which must change nothing.
fn feed(
    arrival: &Arrival,
    rules: &[RuleVersion],
    more: i64,
    mut act: impl FnMut(&mut Vec<AlertOnRecord>),
) -> Vec<AlertOnRecord> {
    let mut stored: Vec<Reading> = Vec::new();
    let mut alerts = Vec::new();
    let mut now = hour(HOURS + 100);
    for batch in &arrival.batches {
        now += SignedDuration::from_mins(7);
        let new: Vec<Reading> =
            batch.iter().map(|i| Reading { received_at: now, ..arrival.readings[*i].clone() }).collect();
        let first_new = new.iter().map(|r| r.measured_at).min().unwrap();
        stored.extend(new);
        let wanted = scope(first_new, rules, &alerts);
        let more = SignedDuration::from_hours(more);
        let (from, readings_from) = (wanted.from - more, wanted.readings_from - more);
        let patient = Patient {
            readings: stored.iter().filter(|r| r.measured_at >= readings_from).cloned().collect(),
            ..Patient::with(rules.to_vec())
        };
        let mut judgement = patient.judge_from(from, now);
        // Silences depend on the hour of the day, not on the order of readings.
        (judgement.silences, judgement.heard) = (Vec::new(), Vec::new());
        let changes = reconcile(&judgement, &alerts, from, now);
        write(&mut alerts, &changes);
        assert_eq!(reconcile(&judgement, &alerts, from, now), [], "asked again");
        act(&mut alerts);
    }
    alerts
}

fn sorted_at_once(readings: &[Reading]) -> Arrival {
    let mut readings = readings.to_vec();
    readings.sort_by(|a, b| (a.measured_at, &a.key).cmp(&(b.measured_at, &b.key)));
    let batches = vec![(0..readings.len()).collect()];
    Arrival { readings, batches }
}

#[derive(Debug, PartialEq)]
struct Seen {
    state: AlertState,
    condition: Condition,
    priority: Priority,
    evidence: BTreeSet<(ReadingKey, Vital)>,
    happened_at: Option<Timestamp>,
    unsupported: bool,
}

fn seen(alerts: &[AlertOnRecord]) -> BTreeMap<RuleId, Seen> {
    let by_rule: BTreeMap<RuleId, Seen> = alerts
        .iter()
        .map(|alert| {
            let seen = Seen {
                state: alert.state,
                condition: alert.condition,
                priority: alert.priority,
                evidence: alert.evidence.iter().map(|e| (e.reading.clone().unwrap(), e.vital)).collect(),
                happened_at: alert.happened_at(),
                unsupported: alert.unsupported,
            };
            assert_eq!(seen.evidence.len(), alert.evidence.len(), "a breach twice on an alert");
            (alert.rule.clone(), seen)
        })
        .collect();
    assert_eq!(by_rule.len(), alerts.len(), "nobody resolved anything, so there is one alert for a rule");
    by_rule
}

proptest! {
    /// For limits, and for changes where nothing is set aside: exactly the same alerts.
    #[test]
    fn any_order_repetition_and_lateness_ends_in_the_same_alerts(
        arrival in any_arrival(),
        more in prop_oneof![Just(0_i64), Just(192)],
    ) {
        let rules = rules(false);
        let got = seen(&feed(&arrival, &rules, more, |_| {}));
        let expected = seen(&feed(&sorted_at_once(&arrival.readings), &rules, 0, |_| {}));
        prop_assert_eq!(&got, &expected);
        prop_assert!(got.values().all(|alert| !alert.unsupported));
    }

    /// Where jumps are set aside, a late reading may take a breach back. What was alerted stays on record,
    /// so: every breach of the sorted record is on the alert; the alert's condition is the same; what it
    /// has beyond that can only make it older or more urgent; and an alert that the sorted record would not
    /// have raised at all is marked unsupported and its condition has ended.
    #[test]
    fn with_jumps_set_aside_nothing_is_missed_and_what_was_taken_back_is_marked(
        arrival in any_arrival(),
    ) {
        let rules = rules(true);
        let got = seen(&feed(&arrival, &rules, 0, |_| {}));
        let expected = seen(&feed(&sorted_at_once(&arrival.readings), &rules, 0, |_| {}));
        for (rule, expected) in &expected {
            let alert = got.get(rule);
            prop_assert!(alert.is_some(), "{} is missing", rule);
            if let Some(alert) = alert {
                prop_assert!(alert.evidence.is_superset(&expected.evidence), "{}", rule);
                prop_assert_eq!(alert.condition, expected.condition, "{}", rule);
                prop_assert!(alert.priority >= expected.priority);
                prop_assert!(alert.happened_at <= expected.happened_at);
                prop_assert!(!alert.unsupported, "{}", rule);
                if alert.evidence == expected.evidence {
                    prop_assert_eq!(alert.happened_at, expected.happened_at);
                }
            }
        }
        for (rule, alert) in &got {
            if !expected.contains_key(rule) {
                prop_assert!(alert.unsupported && alert.condition == Condition::Ended, "{}", rule);
            }
        }
    }

    /// People acknowledge and resolve between the batches: every breach is on exactly one alert, and
    /// never more than one alert of a rule is open (which writing checks).
    #[test]
    fn people_working_meanwhile_neither_lose_nor_repeat_a_breach(
        arrival in any_arrival(),
        acts in prop::collection::vec((0_usize..4, any::<bool>()), 60),
    ) {
        let rules = rules(false);
        let mut acts = acts.into_iter();
        let alerts = feed(&arrival, &rules, 0, |alerts| {
            if let Some((which, resolve)) = acts.next()
                && let Some(alert) = alerts.iter_mut().filter(|a| a.state != AlertState::Resolved).nth(which)
            {
                alert.state = if resolve { AlertState::Resolved } else { AlertState::Acknowledged };
            }
        });
        let mut on_alerts: Vec<(RuleId, ReadingKey)> = alerts
            .iter()
            .flat_map(|a| a.evidence.iter().map(|e| (a.rule.clone(), e.reading.clone().unwrap())))
            .collect();
        on_alerts.sort();
        let expected: Vec<(RuleId, ReadingKey)> =
            naive::breaches(&arrival.readings, &rules).into_iter().map(|(rule, key, _)| (rule, key)).collect();
        prop_assert_eq!(on_alerts, expected);
    }

    /// The judge agrees with a reading of the rules written without any care for speed.
    #[test]
    fn the_judge_finds_what_the_rules_say(arrival in any_arrival(), with_jumps in any::<bool>()) {
        let rules = rules(with_jumps);
        let patient = Patient { readings: arrival.readings.clone(), ..Patient::with(rules.clone()) };
        let found: BTreeSet<naive::Breach> = patient
            .judge(hour(HOURS * 2))
            .findings
            .into_iter()
            .map(|f| (f.rule, f.evidence.reading.unwrap(), f.evidence.priority))
            .collect();
        prop_assert_eq!(found, naive::breaches(&arrival.readings, &rules));
    }
}
