//! Rule versions: a reading is judged by the version of its own time.

use jiff::Timestamp;
use rust_decimal::{Decimal, dec};
use vigie_vitals::{Level, LimitRule, Priority, RuleSpec, Side, Unit, UnitTable, Vital};

use crate::patient::{Patient, glucose, hour, the_end, version};

fn low(milligrams: u32) -> RuleSpec {
    let mg = Decimal::from(milligrams);
    let threshold = UnitTable::from([
        (Unit::MilligramPerDecilitre, mg),
        (Unit::GramPerLitre, mg / dec!(100)),
        (Unit::MillimolePerLitre, (mg / dec!(18.0156)).round_dp(1)),
    ]);
    let levels = vec![Level { threshold, inclusive: false, priority: Priority::Medium }];
    RuleSpec::Limit(LimitRule { vital: Vital::Glucose, side: Side::Low, levels, beyond_range: None })
}

/// Which version found a reading of 0.75 g/L measured at `at` (received at the end) too low, if any.
fn found_by(patient: &Patient, at: Timestamp, as_of: Timestamp) -> Option<i32> {
    let mut patient = patient.clone();
    patient.readings.push(glucose(1, "0.75", at));
    patient.judge(as_of).findings.first().map(|f| f.evidence.rule_version)
}

#[test]
fn a_late_reading_is_judged_by_the_version_of_its_time() {
    let patient = Patient::with(vec![
        version("low", 2, hour(48), low(80)),
        version("low", 1, hour(0), low(70)),
        version("low", 3, hour(96), low(70)),
    ]);
    assert_eq!(found_by(&patient, hour(-1), the_end()), None, "no version was in force");
    assert_eq!(found_by(&patient, hour(0), the_end()), None);
    assert_eq!(found_by(&patient, hour(47), the_end()), None);
    assert_eq!(found_by(&patient, hour(48), the_end()), Some(2));
    assert_eq!(found_by(&patient, hour(95), the_end()), Some(2));
    assert_eq!(found_by(&patient, hour(96), the_end()), None);
}

#[test]
fn of_versions_valid_from_the_same_time_the_highest_counts() {
    for order in [[1, 2], [2, 1]] {
        let spec = |n| if n == 1 { low(70) } else { low(80) };
        let rules = order.into_iter().map(|n| version("low", n, hour(0), spec(n))).collect();
        assert_eq!(found_by(&Patient::with(rules), hour(1), the_end()), Some(2));
    }
}

#[test]
fn a_version_is_unknown_before_it_was_recorded() {
    let mut second = version("low", 2, hour(10), low(80));
    second.recorded_at = hour(50);
    let patient = Patient::with(vec![version("low", 1, hour(0), low(70)), second]);
    assert_eq!(found_by(&patient, hour(20), hour(49)), None);
    assert_eq!(found_by(&patient, hour(20), hour(50)), Some(2));
    let mut late = patient.clone();
    late.readings.push(glucose(1, "0.75", hour(20)));
    assert_eq!(late.judge(hour(50)).findings[0].evidence.known_at, hour(50));
}

#[test]
fn the_condition_is_that_of_the_newest_reading_by_its_own_version() {
    let patient = Patient {
        readings: vec![glucose(1, "0.75", hour(60)), glucose(2, "0.75", hour(100))],
        ..Patient::with(vec![version("low", 1, hour(0), low(80)), version("low", 2, hour(96), low(70))])
    };
    let judgement = patient.judge(the_end());
    assert_eq!(judgement.findings.len(), 1);
    assert_eq!(judgement.conditions[&"low".into()], vigie_vitals::Condition::Ended);
}
