//! Fault plans do what they say, and a population has all of them.

use super::*;
use crate::person::{Profile, central_europe};

fn person(index: u32, profile: Profile) -> Person {
    Person { seed: 42, index, profile, zone: central_europe() }
}

fn anchor() -> Timestamp {
    "2026-11-22T06:00:00Z".parse().unwrap()
}

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

fn plans(profile: Profile, kind: DeviceKind) -> Vec<(Person, FaultPlan)> {
    (0..60)
        .map(|index| {
            let who = person(index, profile);
            let plan = FaultPlan::draw(&who, kind, anchor(), FaultSwitches::all());
            (who, plan)
        })
        .collect()
}

/// What the device measures with its faults, beside what it would without.
fn disturbed(who: &Person, plan: &FaultPlan, kind: DeviceKind) -> Vec<(Measurement, Vec<Measurement>)> {
    generate_for(who, kind, anchor() - days(14), anchor() + days(1))
        .into_iter()
        .map(|m| (m.clone(), plan.disturb(who, m)))
        .collect()
}

#[test]
fn sixty_devices_show_every_fault_and_none_when_switched_off() {
    let all = plans(Profile::Diabetes, DeviceKind::Glucometer);
    let some = |has: fn(&FaultPlan) -> bool| {
        let count = all.iter().filter(|(_, plan)| has(plan)).count();
        assert!((1..60).contains(&count));
    };
    some(|p| p.offline.is_some());
    some(|p| p.duplicates > 0.0);
    some(|p| p.reordering > 0.0);
    some(|p| p.clock_ahead > SignedDuration::ZERO);
    some(|p| p.out_of_range.is_some());
    some(|p| p.control_solution.is_some());
    some(|p| p.lost_memory.is_some());
    for (who, _) in all {
        let none = FaultPlan::draw(&who, DeviceKind::Glucometer, anchor(), FaultSwitches::none());
        assert_eq!(none, FaultPlan::none());
    }
}

#[test]
fn a_switch_changes_its_own_fault_only() {
    for (who, plan) in plans(Profile::HeartFailure, DeviceKind::Scale) {
        let switches = FaultSwitches { offline: false, ..FaultSwitches::all() };
        let without = FaultPlan::draw(&who, DeviceKind::Scale, anchor(), switches);
        assert_eq!(without, FaultPlan { offline: None, ..plan });
    }
}

#[test]
fn somebody_else_stands_on_the_scale_exactly_once() {
    let mut seen = 0;
    for (who, plan) in plans(Profile::HeartFailure, DeviceKind::Scale) {
        let kilos = |m: &Measurement| m.values[0].value.parse::<f64>().unwrap();
        let off: Vec<_> = disturbed(&who, &plan, DeviceKind::Scale)
            .iter()
            .map(|(usual, found)| (kilos(&found[0]) - kilos(usual)).abs())
            .filter(|difference| *difference > 0.01)
            .collect();
        assert_eq!(off.len(), usize::from(plan.wrong_person.is_some()));
        assert!(off.iter().all(|difference| (12.9..17.1).contains(difference)), "{off:?}");
        seen += off.len();
    }
    assert!(seen > 0);
}

#[test]
fn a_control_solution_is_marked_and_added_and_lies_before_what_it_checks() {
    let mut seen = 0;
    for (who, plan) in plans(Profile::Diabetes, DeviceKind::Glucometer) {
        let extra: Vec<_> = disturbed(&who, &plan, DeviceKind::Glucometer)
            .into_iter()
            .filter(|(_, found)| found.len() == 2)
            .collect();
        assert_eq!(extra.len(), usize::from(plan.control_solution.is_some()));
        for (usual, found) in extra {
            assert_eq!(found[0].context.as_ref().unwrap().sample, "control_solution");
            assert!(found[0].at < usual.at);
            seen += 1;
        }
    }
    assert!(seen > 0);
}

#[test]
fn a_value_beyond_the_range_has_no_number_or_a_comparator() {
    for (profile, kind) in [
        (Profile::Diabetes, DeviceKind::Glucometer),
        (Profile::DiabetesCgm, DeviceKind::Cgm),
        (Profile::OralAnticoagulation, DeviceKind::InrMeter),
    ] {
        let mut seen = 0;
        for (who, plan) in plans(profile, kind).into_iter().filter(|(_, p)| p.out_of_range.is_some()).take(3)
        {
            for (usual, found) in disturbed(&who, &plan, kind) {
                let value = &found.last().unwrap().values[0];
                if *value != usual.values[0] {
                    let word = matches!(value.value.as_str(), "HI" | "LO");
                    assert!(word || matches!(value.comparator.as_str(), "<" | ">"), "{value:?}");
                    seen += 1;
                }
            }
        }
        assert!(seen > 0, "{kind}");
    }
}

#[test]
fn while_offline_only_what_is_older_may_be_sent_and_then_everything() {
    let (from, to) = (anchor() - days(2), anchor() + days(1));
    let plan = FaultPlan { offline: Some((from, to)), ..FaultPlan::none() };
    assert!(plan.may_send(from - days(1), anchor()));
    assert!(!plan.may_send(from, anchor()));
    assert!(plan.may_send(anchor(), to));
    assert!(plan.may_send(anchor(), from - days(1)));
    let ended = plan.ending_by(Some(anchor()));
    assert!(ended.may_send(from, anchor()), "the simulation ends with the connection back");
}
