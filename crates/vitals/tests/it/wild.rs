//! Whatever is handed in, however malformed: an answer, never a panic; and asked again, the same one.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;
use rust_decimal::Decimal;
use vigie_vitals::{
    ChangeRule, ChangeStep, Comparator, Direction, Level, LimitRule, Pause, Priority, Reading, ReadingKey,
    RuleSpec, RuleVersion, Side, SilenceRule, Unit, UnitTable, Value, Vital, check_plausibility,
    check_reading, convert, reconcile, scope,
};

use crate::patient::{Patient, hour, write};

fn instant() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        1 => Just(Timestamp::MIN),
        1 => Just(Timestamp::MAX),
        8 => (-500_i64..500).prop_map(hour),
    ]
}

fn decimal() -> impl Strategy<Value = Decimal> {
    prop_oneof![
        Just(Decimal::MAX),
        Just(Decimal::MIN),
        Just(Decimal::ZERO),
        (-100_i64..2000, 0_u32..4).prop_map(|(n, scale)| Decimal::new(n, scale)),
        (any::<i64>(), 0_u32..28).prop_map(|(n, scale)| Decimal::new(n, scale)),
    ]
}

fn vital() -> impl Strategy<Value = Vital> {
    prop_oneof![
        4 => Just(Vital::Weight),
        1 => prop::sample::select(Vital::ALL.to_vec()),
    ]
}

fn unit() -> impl Strategy<Value = Unit> {
    prop_oneof![
        4 => prop::sample::select(vec![Unit::Kilogram, Unit::Pound]),
        1 => prop::sample::select(Unit::ALL.to_vec()),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let comparator = prop_oneof![
        4 => Just(None),
        1 => Just(Some(Comparator::Below)),
        1 => Just(Some(Comparator::Above)),
    ];
    (prop::option::weighted(0.9, decimal()), comparator, unit())
        .prop_map(|(number, comparator, unit)| Value { number, comparator, unit })
}

fn reading() -> impl Strategy<Value = Reading> {
    (0_i64..30, vital(), value(), instant(), instant(), prop::bool::weighted(0.9)).prop_map(
        |(sequence, vital, value, measured_at, received_at, of_a_person)| Reading {
            key: ReadingKey { device: "d".into(), epoch: 1, sequence },
            vital,
            value,
            measured_at,
            received_at,
            of_a_person,
        },
    )
}

fn priority() -> impl Strategy<Value = Priority> {
    prop::sample::select(vec![Priority::Technical, Priority::Low, Priority::Medium, Priority::High])
}

fn table() -> impl Strategy<Value = UnitTable> {
    prop::collection::btree_map(unit(), decimal(), 0..4)
}

fn hours() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), Just(u32::MAX), 0_u32..300]
}

fn spec() -> impl Strategy<Value = RuleSpec> {
    let level = (table(), any::<bool>(), priority()).prop_map(|(threshold, inclusive, priority)| Level {
        threshold,
        inclusive,
        priority,
    });
    let step = (table(), hours(), priority()).prop_map(|(delta, window_hours, priority)| ChangeStep {
        delta,
        window_hours,
        priority,
    });
    let side = prop::sample::select(vec![Side::Low, Side::High]);
    let direction = prop::sample::select(vec![Direction::Gain, Direction::Loss]);
    prop_oneof![
        (vital(), side, prop::collection::vec(level, 0..4), prop::option::of(priority())).prop_map(
            |(vital, side, levels, beyond_range)| RuleSpec::Limit(LimitRule {
                vital,
                side,
                levels,
                beyond_range
            })
        ),
        (vital(), direction, prop::collection::vec(step, 0..4), table()).prop_map(
            |(vital, direction, steps, implausible_jump)| {
                RuleSpec::Change(ChangeRule { vital, direction, steps, implausible_jump })
            }
        ),
        (vital(), hours(), hours()).prop_map(|(vital, every_hours, grace_hours)| RuleSpec::Silence(
            SilenceRule { vital, every_hours, grace_hours }
        )),
    ]
}

fn rule() -> impl Strategy<Value = RuleVersion> {
    ("[abc]", 0_i32..4, instant(), instant(), spec()).prop_map(
        |(rule, version, valid_from, recorded_at, spec)| RuleVersion {
            rule: rule.as_str().into(),
            version,
            valid_from,
            recorded_at,
            author: String::new(),
            reason: String::new(),
            spec,
        },
    )
}

fn pause() -> impl Strategy<Value = Pause> {
    (instant(), instant(), instant()).prop_map(|(from, until, recorded_at)| Pause {
        from,
        until,
        reason: String::new(),
        recorded_at,
    })
}

fn patient() -> impl Strategy<Value = Patient> {
    (
        prop::collection::vec(reading(), 0..25),
        prop::collection::vec(rule(), 0..6),
        prop::collection::vec(pause(), 0..4),
        prop::collection::btree_map(vital(), instant(), 0..3),
        instant(),
    )
        .prop_map(|(readings, rules, pauses, latest, watched_since)| Patient {
            readings,
            rules,
            pauses,
            latest,
            watched_since,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn judging_and_reconciling_are_total_and_idempotent(
        patient in patient(),
        moments in prop::collection::vec((instant(), instant()), 1..4),
    ) {
        let mut alerts = Vec::new();
        for (from, as_of) in moments {
            let judgement = patient.judge_from(from, as_of);
            let changes = reconcile(&judgement, &alerts, from, as_of);
            write(&mut alerts, &changes);
            prop_assert_eq!(reconcile(&judgement, &alerts, from, as_of), vec![], "asked again");
            prop_assert!(alerts.iter().all(|a| a.happened_at().is_some() && a.worst().is_some()));
            let wanted = scope(from, &patient.rules, &alerts);
            prop_assert!(wanted.readings_from <= wanted.from && wanted.from <= from);
        }
    }

    #[test]
    fn the_order_in_which_a_record_is_handed_in_does_not_matter(
        patient in patient(),
        from in instant(),
        as_of in instant(),
    ) {
        // One copy of each version: two of the same number are told apart by nothing.
        let mut rules = BTreeMap::new();
        for rule in patient.rules.clone() {
            rules.insert((rule.rule.clone(), rule.version), rule);
        }
        let patient = Patient { rules: rules.into_values().collect(), ..patient };
        let mut reversed = patient.clone();
        reversed.readings.reverse();
        reversed.rules.reverse();
        reversed.pauses.reverse();
        prop_assert_eq!(patient.judge_from(from, as_of), reversed.judge_from(from, as_of));
    }

    #[test]
    fn checks_and_conversions_are_total(
        values in prop::collection::vec((vital(), value()), 0..5),
        number in decimal(),
        from in unit(),
        to in unit(),
        spec in spec(),
    ) {
        for (vital, value) in &values {
            let verdict = check_plausibility(*vital, value);
            if let Ok(whole) = check_reading(&values) {
                prop_assert!(verdict.is_ok());
                prop_assert!(whole.len() <= values.len() + 1);
            }
            if let Ok(converted) = convert(number, from, to, *vital) {
                prop_assert!(vital.accepts(from) && vital.accepts(to));
                prop_assert!(from != to || converted == number);
            }
        }
        prop_assert!(spec.validate().is_ok() || spec.validate().is_err());
    }
}
