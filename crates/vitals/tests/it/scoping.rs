//! A worker that loads only what the scope asks for comes to the same alerts as one that loads everything.

use jiff::SignedDuration;
use vigie_vitals::plans::CarePlan;
use vigie_vitals::{AlertOnRecord, Condition, Reading, RuleVersion, reconcile, scope};

use crate::patient::{Patient, default_rule, glucose, hour, plan, version, weight, write};

fn rule(id: &str) -> Vec<RuleVersion> {
    vec![version(id, 1, hour(-1000), default_rule(CarePlan::HeartFailure, id))]
}

/// Readings come in one by one, in the order given.
fn arrive(rules: &[RuleVersion], readings: &[Reading]) -> Vec<AlertOnRecord> {
    let mut alerts = Vec::new();
    for (count, new) in (1..).zip(readings) {
        let now = hour(5000 + count as i64);
        let wanted = scope(new.measured_at, rules, &alerts);
        let stored = readings.iter().take(count).filter(|r| r.measured_at >= wanted.readings_from);
        let patient = Patient { readings: stored.cloned().collect(), ..Patient::with(rules.to_vec()) };
        let changes = reconcile(&patient.judge_from(wanted.from, now), &alerts, wanted.from, now);
        write(&mut alerts, &changes);
    }
    alerts
}

#[test]
fn a_limit_needs_nothing_but_the_new_reading() {
    let wanted = scope(hour(10), &plan(CarePlan::Diabetes), &[]);
    assert_eq!((wanted.from, wanted.readings_from), (hour(10), hour(10)));
}

#[test]
fn a_change_needs_its_window_and_a_jump_the_week_around() {
    let mut rules = plan(CarePlan::HeartFailure);
    let wanted = scope(hour(1000), &rules, &[]);
    assert_eq!((wanted.from, wanted.readings_from), (hour(1000 - 168), hour(1000 - 168 - 192 - 168)));
    for rule in &mut rules {
        if let vigie_vitals::RuleSpec::Change(change) = &mut rule.spec {
            change.implausible_jump.clear();
        }
    }
    let wanted = scope(hour(1000), &rules, &[]);
    assert_eq!((wanted.from, wanted.readings_from), (hour(1000), hour(1000 - 192)));
}

#[test]
fn a_reference_is_loaded_together_with_what_sets_it_aside() {
    // The 95 is another person; without the 80 before it, it would pass for the first reading of a week,
    // and the 97.6 for a gain.
    let alerts = arrive(
        &rule("weight_gain"),
        &[
            weight(1, "80", hour(0)),
            weight(2, "95", hour(24)),
            weight(3, "97.6", hour(24 + 192)),
            weight(4, "97.6", hour(24 + 192 + 168)),
        ],
    );
    assert_eq!(alerts, []);
}

#[test]
fn an_alert_is_unsupported_once_all_its_breaches_are_taken_back_however_far_apart() {
    let three = |first, hours| {
        [
            weight(first, "95", hour(hours)),
            weight(first + 1, "80", hour(hours + 24)),
            weight(first + 2, "80", hour(hours + 48)),
        ]
    };
    let early = weight(7, "80", hour(-10));
    let late = weight(8, "80", hour(470));
    let both: Vec<Reading> = three(1, 0).into_iter().chain(three(4, 480)).collect();
    for (taken_back, unsupported) in [
        (vec![], false),
        (vec![early.clone()], false),
        (vec![late.clone()], false),
        (vec![early.clone(), late.clone()], true),
        (vec![late, early], true),
    ] {
        let readings: Vec<Reading> = both.iter().cloned().chain(taken_back).collect();
        let alerts = arrive(&rule("weight_loss"), &readings);
        assert_eq!(alerts.len(), 1);
        assert_eq!(alerts[0].unsupported, unsupported, "{} readings", readings.len());
        assert_eq!(alerts[0].evidence.len(), 4, "what was alerted stays on record");
        if unsupported {
            assert_eq!(alerts[0].condition, Condition::Ended);
        }
    }
}

#[test]
fn a_new_rule_is_looked_at_from_when_it_is_valid() {
    let mut alerts = Vec::new();
    let rules = plan(CarePlan::Diabetes);
    let patient = Patient {
        readings: vec![glucose(1, "0.50", hour(-2)), glucose(2, "0.50", hour(3))],
        ..Patient::with(rules.iter().cloned().map(|r| RuleVersion { valid_from: hour(0), ..r }).collect())
    };
    let wanted = scope(hour(0), &patient.rules, &alerts);
    let now = hour(4);
    let changes = reconcile(&patient.judge_from(wanted.from, now), &alerts, wanted.from, now);
    write(&mut alerts, &changes);
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0].happened_at(), Some(hour(0) + SignedDuration::from_hours(3)));
}
