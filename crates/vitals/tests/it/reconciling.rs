//! Alerts over time: one per rule, nothing repeated, nothing undone.

use rust_decimal::dec;
use vigie_vitals::plans::CarePlan;
use vigie_vitals::{AlertChange, AlertOnRecord, AlertState, Condition, Pause, Priority, RuleId, reconcile};

use crate::patient::{Patient, default_rule, glucose, hour, minute, version, weight};

fn only(alerts: &[AlertOnRecord]) -> &AlertOnRecord {
    let [alert] = alerts else { panic!("{alerts:#?}") };
    alert
}

/// Glucose rules only: silences have their own tests.
fn glucose_patient() -> Patient {
    let rules = ["glucose_low", "glucose_high"]
        .map(|id| version(id, 1, hour(-1000), default_rule(CarePlan::Diabetes, id)));
    Patient::with(rules.to_vec())
}

fn silence_patient() -> Patient {
    let spec = default_rule(CarePlan::HeartFailure, "weight_silence");
    Patient::with(vec![version("weight_silence", 1, hour(-100), spec)])
}

#[test]
fn later_breaches_join_the_open_alert_and_may_raise_it() {
    let (mut patient, mut alerts) = (glucose_patient(), Vec::new());
    patient.readings.push(glucose(1, "0.65", hour(1)));
    assert_eq!(patient.work(&mut alerts, hour(1)), 1);
    assert_eq!((only(&alerts).priority, only(&alerts).state), (Priority::Medium, AlertState::Open));
    patient.readings.push(glucose(2, "0.50", hour(2)));
    assert_eq!(patient.work(&mut alerts, hour(2)), 1);
    patient.readings.push(glucose(3, "0.60", hour(3)));
    patient.work(&mut alerts, hour(3));
    let alert = only(&alerts);
    assert_eq!((alert.priority, alert.evidence.len()), (Priority::High, 3));
    assert_eq!(alert.worst().unwrap().happened_at, hour(2));
    assert_eq!((alert.happened_at(), alert.known_at()), (Some(hour(1)), Some(hour(1))));
    assert_eq!(patient.work(&mut alerts, hour(3)), 0, "asked again");
}

#[test]
fn a_late_breach_makes_the_alert_older_and_says_when_it_was_known() {
    let (mut patient, mut alerts) = (glucose_patient(), Vec::new());
    patient.readings.push(glucose(2, "0.65", hour(10)));
    patient.work(&mut alerts, hour(10));
    let mut late = glucose(1, "0.65", minute(130));
    late.received_at = minute(485);
    patient.readings.push(late);
    patient.work(&mut alerts, hour(11));
    let alert = only(&alerts);
    assert_eq!((alert.happened_at(), alert.known_at()), (Some(minute(130)), Some(minute(485))));
}

#[test]
fn the_condition_ends_but_the_work_does_not() {
    let (mut patient, mut alerts) = (glucose_patient(), Vec::new());
    patient.readings.push(glucose(1, "0.65", hour(1)));
    patient.work(&mut alerts, hour(1));
    patient.readings.push(glucose(2, "1.10", hour(2)));
    patient.work(&mut alerts, hour(2));
    assert_eq!((only(&alerts).state, only(&alerts).condition), (AlertState::Open, Condition::Ended));
    patient.readings.push(glucose(3, "0.65", hour(3)));
    patient.work(&mut alerts, hour(3));
    assert_eq!((only(&alerts).condition, only(&alerts).evidence.len()), (Condition::Active, 2));
}

#[test]
fn a_breach_in_the_past_opens_an_alert_whose_condition_has_ended() {
    let (mut patient, mut alerts) = (glucose_patient(), Vec::new());
    patient.readings.push(glucose(2, "1.10", hour(10)));
    assert_eq!(patient.work(&mut alerts, hour(10)), 0);
    let mut late = glucose(1, "0.65", hour(1));
    late.received_at = hour(49);
    patient.readings.push(late);
    patient.work(&mut alerts, hour(49));
    assert_eq!((only(&alerts).state, only(&alerts).condition), (AlertState::Open, Condition::Ended));
}

#[test]
fn what_was_acknowledged_is_open_again_only_when_it_gets_more_urgent() {
    let (mut patient, mut alerts) = (glucose_patient(), Vec::new());
    patient.readings.push(glucose(1, "0.65", hour(1)));
    patient.work(&mut alerts, hour(1));
    alerts[0].state = AlertState::Acknowledged;
    patient.readings.push(glucose(2, "0.66", hour(2)));
    patient.work(&mut alerts, hour(2));
    assert_eq!(only(&alerts).state, AlertState::Acknowledged);
    patient.readings.push(glucose(3, "LO", hour(3)));
    patient.work(&mut alerts, hour(3));
    assert_eq!((only(&alerts).state, only(&alerts).priority), (AlertState::Open, Priority::High));
}

#[test]
fn a_breach_on_a_resolved_alert_is_never_a_reason_again() {
    let (mut patient, mut alerts) = (glucose_patient(), Vec::new());
    patient.readings.push(glucose(1, "0.65", hour(1)));
    patient.work(&mut alerts, hour(1));
    alerts[0].state = AlertState::Resolved;
    assert_eq!(patient.work(&mut alerts, hour(2)), 0);
    patient.readings.push(glucose(2, "0.65", hour(3)));
    patient.work(&mut alerts, hour(3));
    assert_eq!((alerts.len(), alerts[1].evidence.len()), (2, 1));
}

#[test]
fn sides_are_separate_alerts() {
    let (mut patient, mut alerts) = (glucose_patient(), Vec::new());
    patient.readings = vec![glucose(1, "0.65", hour(1)), glucose(2, "3.20", hour(2))];
    patient.work(&mut alerts, hour(2));
    assert_eq!(
        alerts.iter().map(|a| (a.rule.as_str(), a.condition)).collect::<Vec<_>>(),
        [("glucose_high", Condition::Active), ("glucose_low", Condition::Ended)]
    );
}

#[test]
fn a_late_reference_that_makes_a_known_gain_graver_raises_the_alert() {
    let spec = default_rule(CarePlan::HeartFailure, "weight_gain");
    let mut patient = Patient::with(vec![version("weight_gain", 1, hour(-100), spec)]);
    let mut alerts = Vec::new();
    patient.readings = vec![weight(2, "81.0", hour(24)), weight(3, "82.0", hour(48))];
    patient.work(&mut alerts, hour(48));
    assert_eq!((only(&alerts).priority, only(&alerts).evidence.len()), (Priority::Low, 1));
    let mut late = weight(1, "80.0", hour(0));
    late.received_at = hour(60);
    patient.readings.push(late);
    patient.work(&mut alerts, hour(60));
    let alert = only(&alerts);
    assert_eq!(alert.priority, Priority::Medium);
    let worst = alert.worst().unwrap();
    assert_eq!((worst.happened_at, worst.known_at, worst.threshold.value), (hour(48), hour(60), dec!(2)));
    assert_eq!(alert.evidence.len(), 2, "the graver entry took the place of the earlier one");
    assert_eq!(patient.work(&mut alerts, hour(61)), 0);
}

#[test]
fn an_alert_whose_breaches_were_taken_back_is_marked_and_may_be_supported_again() {
    let spec = default_rule(CarePlan::HeartFailure, "weight_loss");
    let rule = RuleId::from("weight_loss");
    let mut patient = Patient::with(vec![version("weight_loss", 1, hour(-1000), spec)]);
    let mut alerts = Vec::new();
    // The first reading of the record is another person's, which nobody can know yet.
    patient.readings = vec![weight(2, "95", hour(24)), weight(3, "80", hour(48)), weight(4, "80", hour(72))];
    patient.work(&mut alerts, hour(72));
    assert_eq!((&only(&alerts).rule, only(&alerts).condition), (&rule, Condition::Active));
    let mut late = weight(1, "80", hour(0));
    late.received_at = hour(80);
    patient.readings.push(late);
    patient.work(&mut alerts, hour(80));
    assert_eq!((only(&alerts).unsupported, only(&alerts).condition), (true, Condition::Ended));
    assert_eq!(only(&alerts).state, AlertState::Open, "nothing is undone");
    assert_eq!(patient.work(&mut alerts, hour(81)), 0, "marked once");
    let mut confirms = weight(5, "94", hour(30));
    confirms.received_at = hour(90);
    patient.readings.push(confirms);
    patient.work(&mut alerts, hour(90));
    assert!(!only(&alerts).unsupported);
    assert_eq!(only(&alerts).condition, Condition::Active);
}

#[test]
fn an_alert_from_before_the_readings_looked_at_is_left_alone() {
    let (mut patient, mut alerts) = (glucose_patient(), Vec::new());
    patient.readings.push(glucose(1, "0.65", hour(1)));
    patient.work(&mut alerts, hour(1));
    patient.readings = vec![glucose(2, "0.90", hour(5))];
    let changes = reconcile(&patient.judge_from(hour(5), hour(5)), &alerts, hour(5), hour(5));
    let ended = AlertChange::Condition { alert: alerts[0].id, condition: Condition::Ended };
    assert_eq!(changes, [ended]);
    patient.readings.clear();
    let nothing_loaded = patient.judge_from(hour(0), hour(6));
    assert_eq!(reconcile(&nothing_loaded, &alerts, hour(0), hour(6)), []);
}

#[test]
fn a_silence_is_one_alert_that_closes_by_itself_when_something_comes() {
    let (mut patient, mut alerts) = (silence_patient(), Vec::new());
    assert_eq!(patient.work(&mut alerts, hour(35)), 0);
    assert_eq!(patient.work(&mut alerts, hour(37)), 1);
    let alert = only(&alerts);
    assert_eq!((alert.priority, alert.condition), (Priority::Technical, Condition::Active));
    assert_eq!((alert.happened_at(), alert.known_at()), (Some(hour(36)), Some(hour(37))));
    assert_eq!(alert.evidence[0].threshold.value, dec!(36));
    assert_eq!(patient.work(&mut alerts, hour(60)), 0, "it goes on");
    patient.readings.push(weight(1, "80", hour(61)));
    assert_eq!(patient.work(&mut alerts, hour(61)), 1);
    assert_eq!((only(&alerts).state, only(&alerts).condition), (AlertState::Resolved, Condition::Ended));
    assert_eq!(patient.work(&mut alerts, hour(96)), 0);
    assert_eq!(patient.work(&mut alerts, hour(97)), 1);
    assert_eq!(alerts.len(), 2, "a new silence is a new alert");
}

#[test]
fn a_silence_resolved_by_a_human_stays_resolved_until_a_new_one() {
    let (mut patient, mut alerts) = (silence_patient(), Vec::new());
    patient.work(&mut alerts, hour(37));
    alerts[0].state = AlertState::Resolved;
    assert_eq!(patient.work(&mut alerts, hour(200)), 0);
    patient.readings.push(weight(1, "80", hour(201)));
    assert_eq!(patient.work(&mut alerts, hour(201)), 0);
    assert_eq!(patient.work(&mut alerts, hour(300)), 1);
    assert_eq!(alerts.len(), 2);
}

#[test]
fn a_pause_closes_a_silence_and_after_it_a_new_one_may_begin() {
    let (mut patient, mut alerts) = (silence_patient(), Vec::new());
    patient.work(&mut alerts, hour(37));
    patient.pauses = vec![Pause {
        from: hour(40),
        until: hour(100),
        reason: "hospital".to_owned(),
        recorded_at: hour(40),
    }];
    patient.work(&mut alerts, hour(40));
    assert_eq!(only(&alerts).state, AlertState::Resolved);
    assert_eq!(patient.work(&mut alerts, hour(135)), 0);
    patient.work(&mut alerts, hour(136));
    assert_eq!(alerts.len(), 2);
}

#[test]
fn a_silence_that_moved_while_it_lasted_stays_the_same_alert() {
    let (mut patient, mut alerts) = (silence_patient(), Vec::new());
    patient.work(&mut alerts, hour(37));
    let mut late = weight(1, "80", hour(10));
    late.received_at = hour(60);
    patient.readings.push(late);
    patient.work(&mut alerts, hour(60));
    assert_eq!((only(&alerts).state, only(&alerts).evidence.len()), (AlertState::Open, 2));
    assert_eq!(patient.work(&mut alerts, hour(61)), 0);
}
