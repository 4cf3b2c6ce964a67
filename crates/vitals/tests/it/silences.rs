//! Silences: schedule, grace, pauses, first start.

use jiff::Timestamp;
use vigie_vitals::plans::CarePlan;
use vigie_vitals::{Pause, Vital};

use crate::patient::{Patient, default_rule, hour, version, weight};

/// Weight expected daily with 12 hours of grace, watched from hour 0.
fn patient() -> Patient {
    let spec = default_rule(CarePlan::HeartFailure, "weight_silence");
    Patient::with(vec![version("weight_silence", 1, hour(-100), spec)])
}

fn pause(from: i64, until: i64) -> Pause {
    Pause { from: hour(from), until: hour(until), reason: "hospital".to_owned(), recorded_at: hour(from) }
}

/// What stands at an hour: when the silence became one, and when time alone changes something next.
#[track_caller]
fn check(patient: &Patient, at: i64, silent_since: Option<i64>, next: Option<i64>) {
    let judgement = patient.judge(hour(at));
    let due: Vec<Timestamp> = judgement.silences.iter().map(|s| s.due_at).collect();
    assert_eq!(due, silent_since.map(hour).into_iter().collect::<Vec<_>>(), "silent at {at}");
    assert_eq!(judgement.next_due, next.map(hour), "next due at {at}");
    assert_eq!(judgement.heard.len(), usize::from(silent_since.is_none()), "heard at {at}");
}

#[test]
fn a_patient_who_never_measured_is_silent_from_the_start_of_watching() {
    check(&patient(), 0, None, Some(36));
    check(&patient(), 35, None, Some(36));
    check(&patient(), 36, Some(36), None);
    check(&patient(), 500, Some(36), None);
    let late_rule = Patient { watched_since: hour(-200), ..patient() };
    check(&late_rule, -65, None, Some(-64));
    check(&late_rule, -64, Some(-64), None);
}

#[test]
fn every_reading_of_the_person_starts_the_clock_again() {
    let mut patient = patient();
    patient.readings = vec![weight(2, "80", hour(30)), weight(1, "80", hour(6))];
    check(&patient, 65, None, Some(66));
    check(&patient, 66, Some(66), None);
    patient.readings[0].of_a_person = false;
    check(&patient, 42, Some(42), None);
    patient.latest.insert(Vital::Weight, hour(20));
    check(&patient, 42, None, Some(56));
    patient.latest.insert(Vital::Glucose, hour(40));
    check(&patient, 56, Some(56), None);
}

#[test]
fn a_reading_counts_once_it_was_received() {
    let mut patient = patient();
    let mut late = weight(1, "80", hour(30));
    late.received_at = hour(50);
    patient.readings.push(late);
    check(&patient, 49, Some(36), None);
    check(&patient, 50, None, Some(66));
}

#[test]
fn a_finding_names_the_last_reading_and_the_hours_allowed() {
    let mut patient = patient();
    patient.readings.push(weight(1, "80", hour(6)));
    let silences = patient.judge(hour(50)).silences;
    let silence = &silences[0];
    assert_eq!((silence.since, silence.due_at), (hour(6), hour(42)));
    assert_eq!((silence.every_hours, silence.grace_hours, silence.rule_version), (24, 12, 1));
    assert_eq!(silence.vital, Vital::Weight);
}

#[test]
fn within_a_pause_nobody_is_silent_and_after_it_the_clock_starts_again() {
    let mut patient = patient();
    patient.pauses = vec![pause(40, 100)];
    check(&patient, 39, Some(36), None);
    check(&patient, 40, None, Some(136));
    check(&patient, 99, None, Some(136));
    check(&patient, 100, None, Some(136));
    check(&patient, 136, Some(136), None);
}

#[test]
fn pauses_may_touch_and_overlap() {
    let mut patient = patient();
    patient.pauses = vec![pause(90, 200), pause(10, 50), pause(50, 100)];
    for pause in &mut patient.pauses {
        pause.recorded_at = hour(0);
    }
    check(&patient, 60, None, Some(236));
    check(&patient, 230, None, Some(236));
    check(&patient, 236, Some(236), None);
}

#[test]
fn a_pause_to_come_puts_off_only_what_falls_into_it() {
    let mut patient = patient();
    patient.pauses = vec![Pause { recorded_at: hour(0), ..pause(30, 100) }];
    check(&patient, 5, None, Some(136));
    patient.pauses = vec![Pause { recorded_at: hour(0), ..pause(37, 100) }];
    check(&patient, 5, None, Some(36));
    check(&patient, 36, Some(36), Some(37));
    check(&patient, 37, None, Some(136));
}

#[test]
fn a_pause_counts_from_when_it_was_recorded() {
    let mut patient = patient();
    patient.pauses = vec![Pause { recorded_at: hour(50), ..pause(10, 60) }];
    check(&patient, 49, Some(36), None);
    check(&patient, 50, None, Some(96));
}

#[test]
fn a_pause_that_ends_before_it_begins_is_none() {
    let mut patient = patient();
    patient.pauses = vec![pause(10, 10), Pause { until: hour(5), ..pause(20, 20) }];
    check(&patient, 36, Some(36), None);
}

#[test]
fn the_version_in_force_now_sets_the_schedule() {
    let spec = |hours| {
        vigie_vitals::RuleSpec::Silence(vigie_vitals::SilenceRule {
            vital: Vital::Weight,
            every_hours: hours,
            grace_hours: 0,
        })
    };
    let patient =
        Patient::with(vec![version("s", 1, hour(0), spec(24)), version("s", 2, hour(30), spec(72))]);
    check(&patient, 23, None, Some(24));
    check(&patient, 29, Some(24), None);
    check(&patient, 30, None, Some(72));
    check(&patient, 72, Some(72), None);
    assert_eq!(patient.judge(hour(72)).silences[0].rule_version, 2);
}

#[test]
fn a_rule_that_begins_later_is_not_broken_but_its_clock_is_known() {
    let spec = default_rule(CarePlan::HeartFailure, "weight_silence");
    let mut rule = version("weight_silence", 1, hour(100), spec);
    rule.recorded_at = hour(0);
    let patient = Patient::with(vec![rule]);
    check(&patient, 50, None, Some(136));
}

#[test]
fn the_earliest_of_all_clocks_is_the_next() {
    let mut patient = Patient::on(CarePlan::HeartFailure);
    let more = Patient::on(CarePlan::OralAnticoagulation);
    patient.rules.extend(more.rules);
    assert_eq!(patient.judge(hour(1)).next_due, Some(hour(36)));
    assert_eq!(patient.judge(hour(37)).next_due, Some(hour(240)));
}
