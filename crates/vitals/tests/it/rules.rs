//! What a rule must be to be accepted, and the shipped plans.

use std::collections::BTreeSet;

use rust_decimal::{Decimal, dec};
use vigie_vitals::plans::{CarePlan, default_rules};
use vigie_vitals::{Priority, RuleError, RuleSpec, Unit};

use crate::patient::default_rule;

#[test]
fn every_shipped_rule_is_acceptable_and_survives_json() {
    for plan in CarePlan::ALL {
        assert_eq!(CarePlan::parse(plan.code()), Ok(plan));
        assert_eq!(serde_json::to_string(&plan).unwrap(), format!("\"{plan}\""));
        let rules = default_rules(plan);
        let ids: BTreeSet<_> = rules.iter().map(|(id, _)| id).collect();
        assert_eq!(ids.len(), rules.len(), "{plan}");
        assert!(rules.iter().any(|(_, spec)| matches!(spec, RuleSpec::Silence(_))), "{plan}");
        for (id, spec) in &rules {
            assert_eq!(spec.validate(), Ok(()), "{id}");
            let json = serde_json::to_string(spec).unwrap();
            assert_eq!(&serde_json::from_str::<RuleSpec>(&json).unwrap(), spec, "{json}");
        }
    }
    assert!(CarePlan::parse("Diabetes").is_err());
}

/// The shipped rule, with one thing changed.
#[track_caller]
fn check(plan: CarePlan, id: &str, change: impl FnOnce(&mut RuleSpec), expected: RuleError) {
    let mut spec = default_rule(plan, id);
    change(&mut spec);
    assert_eq!(spec.validate(), Err(expected));
}

#[track_caller]
fn check_limit(change: impl FnOnce(&mut vigie_vitals::LimitRule), expected: RuleError) {
    check(
        CarePlan::Diabetes,
        "glucose_low",
        |spec| {
            let RuleSpec::Limit(limit) = spec else { panic!("{spec:?}") };
            change(limit);
        },
        expected,
    );
}

#[test]
fn a_limit_must_judge_every_unit_and_go_from_mild_to_severe() {
    check_limit(|rule| rule.levels.clear(), RuleError::Empty);
    check_limit(
        |rule| {
            rule.levels[1].threshold.remove(&Unit::MillimolePerLitre);
        },
        RuleError::MissingUnit("mmol/L"),
    );
    check_limit(
        |rule| {
            rule.levels[0].threshold.insert(Unit::Kilogram, dec!(1));
        },
        RuleError::ForeignUnit("kg"),
    );
    check_limit(|rule| rule.levels.reverse(), RuleError::Order);
    check_limit(|rule| rule.levels[1].priority = Priority::Low, RuleError::Order);
    check_limit(|rule| rule.levels[1] = rule.levels[0].clone(), RuleError::Order);
}

#[test]
fn a_slipped_decimal_point_is_refused() {
    for (unit, mistyped) in [(Unit::GramPerLitre, dec!(7.0)), (Unit::MillimolePerLitre, dec!(39))] {
        check_limit(
            |rule| {
                rule.levels.truncate(1);
                rule.levels[0].threshold.insert(unit, mistyped);
            },
            RuleError::Disagree(unit.ucum()),
        );
    }
}

#[test]
fn thresholds_changes_windows_and_periods_are_more_than_nothing() {
    for wrong in [dec!(0), dec!(-70)] {
        check_limit(
            |rule| {
                rule.levels[0].threshold.insert(Unit::MilligramPerDecilitre, wrong);
            },
            RuleError::NotPositive("a threshold"),
        );
    }
    let change = |edit: fn(&mut vigie_vitals::ChangeRule), expected| {
        check(
            CarePlan::HeartFailure,
            "weight_gain",
            |spec| {
                let RuleSpec::Change(rule) = spec else { panic!("{spec:?}") };
                edit(rule);
            },
            expected,
        );
    };
    change(|rule| rule.steps.clear(), RuleError::Empty);
    change(|rule| rule.steps[0].window_hours = 0, RuleError::NotPositive("the window"));
    change(
        |rule| {
            rule.steps[0].delta.insert(Unit::Kilogram, Decimal::ZERO);
        },
        RuleError::NotPositive("the change"),
    );
    change(
        |rule| {
            rule.steps[0].delta.insert(Unit::Pound, dec!(1));
        },
        RuleError::Disagree("[lb_av]"),
    );
    change(
        |rule| {
            rule.implausible_jump.remove(&Unit::Gram);
        },
        RuleError::MissingUnit("g"),
    );
    check(
        CarePlan::HeartFailure,
        "weight_silence",
        |spec| {
            let RuleSpec::Silence(rule) = spec else { panic!("{spec:?}") };
            rule.every_hours = 0;
        },
        RuleError::NotPositive("the period"),
    );
}

#[test]
fn a_censored_value_is_not_less_urgent_than_the_last_level() {
    check_limit(|rule| rule.beyond_range = Some(Priority::Low), RuleError::Order);
}
