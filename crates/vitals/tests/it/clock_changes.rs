//! The nights on which clocks change in France: 2026-03-29 from 02:00 to 03:00, 2026-10-25 from 03:00 to 02:00. What is
//! ordered and judged are moments, what is grouped are local dates.

use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use vigie_vitals::metrics::Period;
use vigie_vitals::metrics::adherence::{Schedule, adherence};
use vigie_vitals::plans::CarePlan;
use vigie_vitals::{Condition, Reading};

use crate::patient::{Patient, default_rule, glucose, version, weight};

/// A local time with its offset.
fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn on(rule: &str, plan: CarePlan, readings: Vec<Reading>) -> Patient {
    let long_before = at("2026-01-01T00:00:00Z");
    let rules = vec![version(rule, 1, long_before, default_rule(plan, rule))];
    Patient { readings, rules, watched_since: long_before, ..Patient::default() }
}

#[test]
fn the_same_local_hour_twice_is_two_readings_in_the_order_in_which_they_were_measured() {
    let first = glucose(1, "0.52", at("2026-10-25T02:30:00+02:00"));
    let second = glucose(2, "1.10", at("2026-10-25T02:30:00+01:00"));
    // However they arrive, and whatever the local time says, the second is the newer one.
    for readings in [vec![first.clone(), second.clone()], vec![second, first]] {
        let patient = on("glucose_low", CarePlan::Diabetes, readings);
        let findings = patient.judge(at("2026-10-25T04:00:00+01:00")).findings;
        let happened: Vec<_> = findings.iter().map(|finding| finding.evidence.happened_at).collect();
        assert_eq!(happened, [at("2026-10-25T00:30:00Z")]);
        let mut alerts = Vec::new();
        patient.work(&mut alerts, at("2026-10-25T04:00:00+01:00"));
        assert_eq!(alerts.len(), 1);
        assert_eq!(alerts[0].condition, Condition::Ended, "the newest reading is within the rule");
    }
}

/// Windows are real hours: a gain over a day is a gain over 24 hours, not over 25 or 23.
#[test]
fn the_window_of_a_change_is_as_long_as_on_other_days() {
    let gain_seen = |before: &str, after: &str| {
        let readings = vec![weight(1, "80.0", at(before)), weight(2, "81.0", at(after))];
        let patient = on("weight_gain", CarePlan::HeartFailure, readings);
        !patient.judge(at(after)).findings.is_empty()
    };
    assert!(gain_seen("2026-10-24T08:00:00+02:00", "2026-10-25T07:00:00+01:00"), "24 h");
    assert!(!gain_seen("2026-10-24T08:00:00+02:00", "2026-10-25T07:01:00+01:00"), "24 h and a minute");
    assert!(gain_seen("2026-03-28T08:00:00+01:00", "2026-03-29T08:00:00+02:00"), "23 h");
    assert!(gain_seen("2026-03-28T08:00:00+01:00", "2026-03-29T09:00:00+02:00"), "24 h");
    assert!(!gain_seen("2026-03-28T08:00:00+01:00", "2026-03-29T09:01:00+02:00"), "24 h and a minute");
}

/// A weight is expected within 36 hours: the silence comes an hour earlier or later by the clock on the wall.
#[test]
fn a_silence_counts_real_hours() {
    for (last, due) in [
        ("2026-10-24T08:00:00+02:00", "2026-10-25T19:00:00+01:00"),
        ("2026-03-28T08:00:00+01:00", "2026-03-29T21:00:00+02:00"),
        ("2026-06-06T08:00:00+02:00", "2026-06-07T20:00:00+02:00"),
    ] {
        let patient = on("weight_silence", CarePlan::HeartFailure, vec![weight(1, "80.0", at(last))]);
        let minute = SignedDuration::from_mins(1);
        assert!(patient.judge(at(due) - minute).silences.is_empty(), "a minute before {due}");
        let silences = patient.judge(at(due)).silences;
        assert_eq!(silences.iter().map(|s| s.due_at).collect::<Vec<_>>(), [at(due)]);
    }
}

/// Both readings of the doubled hour, and the last minute before midnight, belong to that Sunday.
#[test]
fn local_dates_take_in_23_and_25_hours() {
    let paris = TimeZone::get("Europe/Paris").unwrap();
    for (sunday, from, times) in [
        (
            date(2026, 10, 25),
            "2026-10-24T00:00:00+02:00",
            [
                "2026-10-25T00:00:00+02:00",
                "2026-10-25T02:30:00+02:00",
                "2026-10-25T02:30:00+01:00",
                "2026-10-25T23:59:00+01:00",
            ],
        ),
        (
            date(2026, 3, 29),
            "2026-03-28T00:00:00+01:00",
            [
                "2026-03-29T00:00:00+01:00",
                "2026-03-29T01:59:00+01:00",
                "2026-03-29T03:00:00+02:00",
                "2026-03-29T23:59:00+02:00",
            ],
        ),
    ] {
        let from = at(from);
        let period = Period { from, to: from + SignedDuration::from_hours(71) };
        let got = adherence(&times.map(at), period, Schedule::PerDay(4), &[], &paris);
        let received = |day| got.days.iter().find(|d| d.date == day).unwrap().received;
        assert_eq!(received(sunday), 4, "{sunday}");
        assert_eq!(received(sunday.yesterday().unwrap()) + received(sunday.tomorrow().unwrap()), 0);
    }
}
