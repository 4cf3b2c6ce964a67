//! Limits, unit by unit and level by level, with the numbers of the shipped plans.

use rust_decimal::dec;
use vigie_vitals::plans::CarePlan;
use vigie_vitals::{Condition, Finding, Level, LimitRule, Priority, RuleSpec, Side, Unit, UnitTable, Vital};

use crate::patient::{Patient, default_rule, glucose, hour, reading, the_end, value, version};
use Priority::{High, Low, Medium, Technical};

fn findings(plan: CarePlan, vital: Vital, text: &str, unit: Unit) -> Vec<Finding> {
    let mut patient = Patient::on(plan);
    patient.readings.push(reading(1, vital, value(text, unit), hour(1)));
    patient.judge(hour(1)).findings
}

/// Each value with the rule that it breaks and how urgently, if any.
#[track_caller]
fn check(plan: CarePlan, vital: Vital, unit: Unit, table: &[(&str, Option<(&str, Priority)>)]) {
    for (text, expected) in table {
        let found = findings(plan, vital, text, unit);
        let got: Vec<_> = found.iter().map(|f| (f.rule.as_str(), f.evidence.priority)).collect();
        assert_eq!(got, expected.iter().copied().collect::<Vec<_>>(), "{vital} {text} {unit}");
    }
}

#[test]
fn glucose_is_classified_by_the_published_cut_off_of_the_unit_received() {
    for (vital, low, high) in [
        (Vital::Glucose, "glucose_low", "glucose_high"),
        (Vital::GlucoseInterstitial, "glucose_interstitial_low", "glucose_interstitial_high"),
    ] {
        check(
            CarePlan::Diabetes,
            vital,
            Unit::MilligramPerDecilitre,
            &[
                ("53", Some((low, High))),
                ("53.9", Some((low, High))),
                ("54", Some((low, Medium))),
                ("54.05", Some((low, Medium))),
                ("69", Some((low, Medium))),
                ("70", None),
                ("70.2", None),
                ("250", None),
                ("251", Some((high, Low))),
                ("300", Some((high, Low))),
                ("301", Some((high, Medium))),
            ],
        );
        check(
            CarePlan::Diabetes,
            vital,
            Unit::GramPerLitre,
            &[
                ("0.53", Some((low, High))),
                ("0.54", Some((low, Medium))),
                ("0.540", Some((low, Medium))),
                ("0.69", Some((low, Medium))),
                ("0.70", None),
                ("2.50", None),
                ("2.51", Some((high, Low))),
                ("3.00", Some((high, Low))),
                ("3.01", Some((high, Medium))),
            ],
        );
        check(
            CarePlan::Diabetes,
            vital,
            Unit::MillimolePerLitre,
            // 3.0 mmol/L is 54.05 mg/dL; 3.9 is 70.26: as conversions both would be "on the other side".
            &[
                ("2.9", Some((low, High))),
                ("2.99", Some((low, High))),
                ("3.0", Some((low, Medium))),
                ("3.8", Some((low, Medium))),
                ("3.89", Some((low, Medium))),
                ("3.9", None),
                ("13.9", None),
                ("14.0", Some((high, Low))),
                ("16.7", Some((high, Low))),
                ("16.8", Some((high, Medium))),
            ],
        );
    }
}

#[test]
fn a_censored_value_breaks_every_limit_on_its_side_and_none_on_the_other() {
    let mg = Unit::MilligramPerDecilitre;
    check(
        CarePlan::Diabetes,
        Vital::Glucose,
        mg,
        &[
            ("LO", Some(("glucose_low", High))),
            ("<20", Some(("glucose_low", High))),
            ("HI", Some(("glucose_high", High))),
            (">600", Some(("glucose_high", High))),
        ],
    );
    check(
        CarePlan::OralAnticoagulation,
        Vital::Inr,
        Unit::Inr,
        &[
            (">8.0", Some(("inr_high", High))),
            ("<0.8", Some(("inr_low", Medium))),
            ("HI", Some(("inr_high", High))),
        ],
    );
}

#[test]
fn a_limit_counts_itself_only_where_it_is_inclusive() {
    for unit in [Unit::Inr, Unit::One] {
        check(
            CarePlan::OralAnticoagulation,
            Vital::Inr,
            unit,
            &[
                ("1.4", Some(("inr_low", Medium))),
                ("1.5", Some(("inr_low", Low))),
                ("1.9", Some(("inr_low", Low))),
                ("2.0", None),
                ("3.0", None),
                ("3.1", Some(("inr_high", Low))),
                ("3.9", Some(("inr_high", Low))),
                ("4.0", Some(("inr_high", Medium))),
                ("5.9", Some(("inr_high", Medium))),
                ("6.0", Some(("inr_high", High))),
                ("12", Some(("inr_high", High))),
            ],
        );
    }
    let heart = CarePlan::HeartFailure;
    check(
        heart,
        Vital::Systolic,
        Unit::MillimetreOfMercury,
        &[
            ("89", Some(("systolic_low", Medium))),
            ("90", None),
            ("160", None),
            ("161", Some(("systolic_high", Low))),
            ("180", Some(("systolic_high", Medium))),
        ],
    );
    check(
        heart,
        Vital::Systolic,
        Unit::Kilopascal,
        &[
            ("11.9", Some(("systolic_low", Medium))),
            ("12.0", None),
            ("24.0", Some(("systolic_high", Medium))),
        ],
    );
    check(
        heart,
        Vital::Pulse,
        Unit::PerMinute,
        &[("49", Some(("pulse_low", Low))), ("50", None), ("110", None), ("111", Some(("pulse_high", Low)))],
    );
    check(
        heart,
        Vital::Spo2,
        Unit::Percent,
        &[
            ("85", Some(("spo2_low", High))),
            ("86", Some(("spo2_low", Medium))),
            ("89", Some(("spo2_low", Medium))),
            ("90", None),
        ],
    );
}

#[test]
fn the_evidence_says_what_was_broken_by_what_and_when_it_was_known() {
    let mut patient = Patient::on(CarePlan::Diabetes);
    let mut late = glucose(7, "0.520", hour(2));
    late.received_at = hour(8);
    patient.readings.push(late.clone());
    let found = patient.judge(hour(8)).findings;
    let [finding] = found.as_slice() else { panic!("{found:?}") };
    let evidence = &finding.evidence;
    assert_eq!((evidence.happened_at, evidence.known_at), (hour(2), hour(8)));
    assert_eq!(evidence.reading, Some(late.key));
    assert_eq!(evidence.value.unwrap().to_string(), "0.520 g/L");
    assert_eq!((evidence.threshold.value, evidence.threshold.unit), (dec!(0.54), Some(Unit::GramPerLitre)));
    assert_eq!((evidence.rule_version, evidence.threshold.inclusive), (1, false));
    assert!(patient.judge(hour(7)).findings.is_empty(), "not received yet");
}

#[test]
fn a_control_solution_is_never_judged() {
    let mut patient = Patient::on(CarePlan::Diabetes);
    let mut control = glucose(1, "0.40", hour(1));
    control.of_a_person = false;
    patient.readings.push(control);
    let judgement = patient.judge(hour(2));
    assert!(judgement.findings.is_empty() && judgement.conditions.is_empty());
    assert!(judgement.judged_vitals.is_empty());
}

#[test]
fn a_second_copy_of_a_reading_changes_nothing() {
    let mut patient = Patient::on(CarePlan::Diabetes);
    patient.readings.push(glucose(1, "0.40", hour(1)));
    let once = patient.judge(hour(9));
    let mut copy = glucose(1, "0.40", hour(1));
    copy.received_at = hour(5);
    patient.readings.insert(0, copy);
    assert_eq!(patient.judge(hour(9)), once);
}

#[test]
fn an_old_normal_reading_does_not_change_the_condition_and_the_newest_one_does() {
    let mut patient = Patient::on(CarePlan::Diabetes);
    let condition = |patient: &Patient| patient.judge(the_end()).conditions[&"glucose_low".into()];
    patient.readings.push(glucose(2, "0.50", hour(10)));
    assert_eq!(condition(&patient), Condition::Active);
    let mut old = glucose(1, "1.10", hour(9));
    old.received_at = hour(20);
    patient.readings.push(old);
    assert_eq!(condition(&patient), Condition::Active);
    patient.readings.push(glucose(3, "1.10", hour(11)));
    assert_eq!(condition(&patient), Condition::Ended);
}

#[test]
fn a_unit_without_a_threshold_is_a_technical_breach_and_not_silence() {
    let only = UnitTable::from([(Unit::MilligramPerDecilitre, dec!(70))]);
    let level = Level { threshold: only, inclusive: false, priority: High };
    let rule = LimitRule { vital: Vital::Glucose, side: Side::Low, levels: vec![level], beyond_range: None };
    let mut patient = Patient::with(vec![version("broken", 1, hour(0), RuleSpec::Limit(rule))]);
    patient.readings.push(glucose(1, "1.10", hour(1)));
    let judgement = patient.judge(hour(1));
    assert_eq!(judgement.findings[0].evidence.priority, Technical);
    assert_eq!(judgement.findings[0].evidence.threshold.unit, None);
    assert_eq!(judgement.conditions[&"broken".into()], Condition::Active);
}

#[test]
fn findings_before_from_are_not_asked_for() {
    let mut patient = Patient::with(vec![version(
        "glucose_low",
        1,
        hour(-1),
        default_rule(CarePlan::Diabetes, "glucose_low"),
    )]);
    patient.readings =
        vec![glucose(1, "0.50", hour(1)), glucose(2, "0.51", hour(2)), glucose(3, "0.52", hour(3))];
    let found = patient.judge_from(hour(2), the_end()).findings;
    assert_eq!(found.iter().map(|f| f.evidence.happened_at).collect::<Vec<_>>(), [hour(2), hour(3)]);
}
