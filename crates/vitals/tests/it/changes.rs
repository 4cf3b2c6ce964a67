//! Weight changes over windows, and readings set aside as jumps.

use jiff::Timestamp;
use rust_decimal::dec;
use vigie_vitals::plans::CarePlan;
use vigie_vitals::{Condition, Priority, Reading, RuleId, Unit, Vital};

use crate::patient::{Patient, hour, minute, reading, the_end, value, version, weight};
use Priority::{Low, Medium};

fn heart_failure(readings: Vec<Reading>) -> Patient {
    Patient { readings, ..Patient::on(CarePlan::HeartFailure) }
}

/// Two weights so many minutes apart, and what the second one breaks: rule, priority, window in hours.
#[track_caller]
fn check(first: &str, second: &str, minutes: i64, expected: Option<(&str, Priority, u32)>) {
    let patient = heart_failure(vec![weight(1, first, hour(0)), weight(2, second, minute(minutes))]);
    let found = patient.judge(the_end()).findings;
    let got: Vec<_> = found
        .iter()
        .map(|f| (f.rule.as_str(), f.evidence.priority, f.evidence.threshold.window_hours.unwrap()))
        .collect();
    assert_eq!(got, expected.into_iter().collect::<Vec<_>>(), "{first} to {second} in {minutes} minutes");
}

#[test]
fn a_gain_breaks_the_step_of_its_window() {
    let day = 24 * 60;
    check("80.0", "80.9", day, None);
    check("80.0", "81.0", day, Some(("weight_gain", Low, 24)));
    check("80.0", "81.9", day, Some(("weight_gain", Low, 24)));
    check("80.0", "82.0", day, Some(("weight_gain", Medium, 72)));
    check("80.0", "81.9", 2 * day, None);
    check("80.0", "82.0", 3 * day, Some(("weight_gain", Medium, 72)));
    check("80.0", "82.4", 8 * day, None);
    check("80.0", "82.5", 8 * day, Some(("weight_gain", Medium, 192)));
    check("80.0", "85.0", 9 * day, None);
}

#[test]
fn the_window_includes_its_far_end_to_the_minute() {
    check("80.0", "81.0", 24 * 60, Some(("weight_gain", Low, 24)));
    check("80.0", "81.0", 24 * 60 + 1, None);
    check("80.0", "82.0", 72 * 60, Some(("weight_gain", Medium, 72)));
    check("80.0", "82.0", 72 * 60 + 1, None);
    check("80.0", "82.5", 192 * 60, Some(("weight_gain", Medium, 192)));
    check("80.0", "82.5", 192 * 60 + 1, None);
    check("80.0", "82.0", 0, None);
}

#[test]
fn a_loss_breaks_its_own_rule() {
    check("80.0", "78.1", 72 * 60, None);
    check("80.0", "78.0", 72 * 60, Some(("weight_loss", Medium, 72)));
    check("80.0", "78.0", 72 * 60 + 1, None);
}

#[test]
fn the_reference_is_the_lowest_of_the_window() {
    let patient = heart_failure(vec![
        weight(1, "79.0", hour(-80)),
        weight(2, "81.5", hour(0)),
        weight(3, "80.2", hour(24)),
        weight(4, "80.9", hour(48)),
        weight(5, "82.2", hour(72)),
    ]);
    let found = patient.judge(the_end()).findings;
    let last = found.iter().rfind(|f| f.rule == RuleId::from("weight_gain")).unwrap();
    assert_eq!(last.evidence.happened_at, hour(72));
    // Against 79.0 it would be 3.2 kg, but within 8 days; the 3-day window is shorter, equally urgent.
    assert_eq!(last.evidence.threshold.window_hours, Some(72));
    assert_eq!(last.evidence.reference, Some((value("80.2", Unit::Kilogram), hour(24))));
}

#[test]
fn a_change_is_taken_in_the_unit_received_and_across_units_in_kilograms() {
    let pounds = |n, text, at| reading(n, Vital::Weight, value(text, Unit::Pound), at);
    let gain = |readings| {
        let found = heart_failure(readings).judge(the_end()).findings;
        found.first().map(|f| (f.evidence.threshold.value, f.evidence.threshold.unit.unwrap()))
    };
    // 4.4 lb are 1.996 kg: enough between pounds, not between pounds and kilograms.
    assert_eq!(
        gain(vec![pounds(1, "176.0", hour(0)), pounds(2, "180.4", hour(48))]),
        Some((dec!(4.4), Unit::Pound))
    );
    assert_eq!(gain(vec![weight(1, "80.000", hour(0)), pounds(2, "180.7", hour(48))]), None);
    assert_eq!(
        gain(vec![weight(1, "80.000", hour(0)), pounds(2, "180.8", hour(48))]),
        Some((dec!(2), Unit::Kilogram))
    );
    let grams = |n, text, at| reading(n, Vital::Weight, value(text, Unit::Gram), at);
    assert_eq!(
        gain(vec![grams(1, "80000", hour(0)), grams(2, "82000", hour(48))]),
        Some((dec!(2000), Unit::Gram))
    );
}

#[test]
fn a_change_is_known_once_both_readings_are() {
    let mut reference = weight(1, "80.0", hour(0));
    reference.received_at = hour(100);
    let patient = heart_failure(vec![reference, weight(2, "82.0", hour(48))]);
    assert!(patient.judge(hour(99)).findings.is_empty());
    let found = patient.judge(hour(100)).findings;
    assert_eq!((found[0].evidence.happened_at, found[0].evidence.known_at), (hour(48), hour(100)));
}

#[test]
fn a_censored_weight_stands_in_no_trend() {
    let patient = heart_failure(vec![
        weight(1, "80.0", hour(0)),
        weight(2, ">180", hour(24)),
        weight(3, "80.0", hour(48)),
    ]);
    let judgement = patient.judge(the_end());
    assert!(judgement.findings.is_empty() && judgement.set_aside.is_empty());
    assert_eq!(judgement.conditions[&"weight_gain".into()], Condition::Ended);
}

/// Weights one day apart; which are set aside by the gain rule, and which break it.
#[track_caller]
fn check_jumps(weights: &[&str], set_aside: &[usize], gains: &[usize]) {
    let readings = (0..).zip(weights).map(|(i, kg)| weight(i, kg, hour(24 * i))).collect();
    let judgement = heart_failure(readings).judge(the_end());
    let gain = RuleId::from("weight_gain");
    let day = |at: Timestamp| (0..weights.len()).find(|i| hour(24 * *i as i64) == at).unwrap();
    let aside: Vec<_> = judgement
        .set_aside
        .iter()
        .filter(|(rule, _)| *rule == gain)
        .map(|(_, key)| key.sequence as usize)
        .collect();
    let found: Vec<_> =
        judgement.findings.iter().filter(|f| f.rule == gain).map(|f| day(f.evidence.happened_at)).collect();
    assert_eq!((aside.as_slice(), found.as_slice()), (set_aside, gains), "{weights:?}");
}

#[test]
fn another_person_on_the_scale_is_set_aside_until_a_second_reading_agrees() {
    check_jumps(&["80", "95", "80.2"], &[1], &[]);
    check_jumps(&["80", "95"], &[1], &[]);
    check_jumps(&["80", "90"], &[1], &[]);
    check_jumps(&["80", "89.9"], &[], &[1]);
    // A second one agrees: then it is a gain, however large.
    check_jumps(&["80", "95", "97"], &[], &[1, 2]);
    check_jumps(&["80", "95", "98"], &[], &[1, 2]);
    // 98.1 is too far from 95 to confirm it, but near enough to it not to be a jump itself.
    check_jumps(&["80", "95", "98.1"], &[1], &[2]);
    // A steady gain is never a jump.
    check_jumps(&["80", "84", "88", "92", "96"], &[], &[1, 2, 3, 4]);
    // The first reading cannot be told from a true one; the next two can.
    check_jumps(&["95", "80", "80.1", "80.2"], &[], &[]);
}

#[test]
fn after_a_week_without_readings_a_new_weight_is_accepted() {
    let patient = heart_failure(vec![weight(1, "80", hour(0)), weight(2, "95", hour(7 * 24 + 1))]);
    let judgement = patient.judge(the_end());
    assert!(judgement.set_aside.is_empty());
    assert_eq!(judgement.findings.len(), 1, "within the 8 days of the longest window it is a gain");
    let patient = heart_failure(vec![weight(1, "80", hour(0)), weight(2, "95", hour(7 * 24))]);
    assert_eq!(patient.judge(the_end()).set_aside.len(), 2, "once for the gain and once for the loss rule");
}

#[test]
fn a_reading_set_aside_does_not_move_the_condition() {
    let mut patient = heart_failure(vec![weight(1, "80", hour(0)), weight(2, "82", hour(24))]);
    let condition = |patient: &Patient| patient.judge(the_end()).conditions[&"weight_gain".into()];
    assert_eq!(condition(&patient), Condition::Active);
    patient.readings.push(weight(3, "60", hour(48)));
    assert_eq!(condition(&patient), Condition::Active);
}

#[test]
fn a_version_without_a_step_for_the_unit_is_a_technical_breach() {
    let mut patient = Patient::on(CarePlan::HeartFailure);
    for rule in &mut patient.rules {
        if let vigie_vitals::RuleSpec::Change(change) = &mut rule.spec {
            for step in &mut change.steps {
                step.delta.remove(&Unit::Pound);
            }
        }
    }
    patient.readings.push(reading(1, Vital::Weight, value("170", Unit::Pound), hour(0)));
    let found = patient.judge(the_end()).findings;
    assert!(!found.is_empty() && found.iter().all(|f| f.evidence.priority == Priority::Technical));
    let spare = version("weight_gain", 2, hour(1), patient.rules[0].spec.clone());
    assert!(spare.spec.validate().is_err());
}
