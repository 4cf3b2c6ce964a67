//! Late data, pauses, devices, limits, clock changes, what is left out, what came since, corrections.

use rust_decimal::dec;
use serde_json::json;
use vigie_charts::{LimitStep, Side};
use vigie_reports::content::{ChartData, CorrectionOf, DayState, build};
use vigie_store::reports::record::{Earlier, QuarantineCount};
use vigie_vitals::plans::CarePlan;
use vigie_vitals::{DeviceId, RuleSpec, Unit, Vital};

use crate::content_support::{Making, assert_near, at, minutes, paris, sentences, stored, value, week};

/// A weight each morning at seven.
fn weights(making: &mut Making, days: impl IntoIterator<Item = i64>) {
    for day in days {
        let morning = making.week.monday().checked_add(jiff::Span::new().days(day)).unwrap().at(7, 0, 0, 0);
        making.measured(Vital::Weight, paris().to_zoned(morning).unwrap().timestamp(), "72.0");
    }
}

/// Three fingersticks a day.
fn fingersticks(making: &mut Making) {
    for day in 16..23 {
        for hour in ["07:00", "12:00", "19:00"] {
            making.measured(Vital::Glucose, at(&format!("2026-11-{day} {hour}")), "1.20");
        }
    }
}

#[test]
fn readings_that_came_late_are_told_together_and_counted() {
    let mut making = week("2026-W47", &[CarePlan::Diabetes]);
    fingersticks(&mut making);
    // From Wednesday noon to Friday morning everything came on Friday at nine; Sunday evening came two hours late.
    let friday = at("2026-11-20 09:00");
    for stored in &mut making.record.readings {
        let measured = stored.reading.measured_at;
        if (at("2026-11-18 12:00")..=at("2026-11-20 07:00")).contains(&measured) {
            stored.reading.received_at = friday;
        }
        if measured == at("2026-11-22 19:00") {
            stored.reading.received_at = at("2026-11-22 21:00");
        }
        // An hour is not late.
        if measured == at("2026-11-16 07:00") {
            stored.reading.received_at = at("2026-11-16 08:00");
        }
    }
    let report = making.report();
    let lines: Vec<_> = report
        .late
        .iter()
        .map(|late| {
            (late.measured_at, late.measured_until, late.received_at, late.count, late.value.is_some())
        })
        .collect();
    assert_eq!(
        lines,
        [
            (at("2026-11-18 12:00"), at("2026-11-20 07:00"), friday, 6, false),
            (at("2026-11-22 19:00"), at("2026-11-22 19:00"), at("2026-11-22 21:00"), 1, true),
        ]
    );
    assert_eq!(
        sentences(&report, "fr")[2],
        "Mesures de glycémie complètes 7 jours sur 7~; 7 mesures reçues en retard."
    );
    assert_eq!(
        sentences(&report, "en")[2],
        "Glucose readings complete on 7 of 7 days; 7 readings received late."
    );
}

#[test]
fn a_blood_pressure_that_came_late_is_one_reading() {
    let mut making = week("2026-W47", &[CarePlan::HeartFailure]);
    making.pressure(at("2026-11-18 08:00"), "128", "74");
    for stored in &mut making.record.readings {
        stored.reading.received_at = at("2026-11-19 08:00");
    }
    let report = making.report();
    assert_eq!(report.late.len(), 1);
    assert_eq!((report.late[0].vital, report.late[0].count), (Vital::Systolic, 1));
    assert_eq!(report.completeness.received, 1);
}

#[test]
fn nothing_is_expected_during_a_stay_in_hospital() {
    let mut making = week("2026-W47", &[CarePlan::HeartFailure]);
    weights(&mut making, [0, 1, 5, 6]);
    making.pause("2026-11-17 10:00", "2026-11-20 18:00", "hospitalisation");
    let report = making.report();
    let schedule = &report.completeness.schedules[0];
    let states: Vec<DayState> = schedule.days.iter().map(|day| day.state).collect();
    use DayState::{Complete, Paused};
    assert_eq!(states, [Complete, Complete, Paused, Paused, Paused, Complete, Complete]);
    // Monday, Saturday, Sunday: ten hours of Tuesday and six of Friday expect less than half a weight.
    assert_near(schedule.expected, 3.0);
    assert_eq!(schedule.percent, Some(100.0));
    // From Tuesday at seven to Saturday at seven are 96 hours, 80 of them paused: 16. From one morning to the next: 24.
    assert_near(schedule.longest_gap_hours.unwrap(), 24.0);
    assert_eq!(report.pauses.len(), 1);
    assert_eq!(report.pauses[0].author, "Inf. Durand");
    let ChartData::Series { shaded, .. } = &report.charts[0] else { panic!("no curve of weight") };
    assert_eq!((shaded[0].from, shaded[0].to), (at("2026-11-17 10:00"), at("2026-11-20 18:00")));
    assert_eq!(
        sentences(&report, "fr")[2],
        "Mesures de poids complètes 4 jours sur 4~; pause du 17/11 à 10:00 au 20/11 à 18:00 (hospitalisation)."
    );
    assert_eq!(
        sentences(&report, "en")[2],
        "Weight readings complete on 4 of 4 days; pause from 17 Nov at 10:00 to 20 Nov at 18:00 (hospitalisation)."
    );
}

#[test]
fn a_meter_swapped_on_wednesday_is_told_with_the_readings_of_both() {
    let mut making = week("2026-W47", &[CarePlan::Diabetes]);
    for day in 16..23 {
        for hour in ["07:00", "19:00"] {
            let when = at(&format!("2026-11-{day} {hour}"));
            let device = if when < at("2026-11-18 12:00") { "meter-a" } else { "meter-b" };
            making.from_device(device, Vital::Glucose, when, "1.20");
        }
    }
    making.device("meter-b", "glucometer", Some("2026-11-18 12:00"), None);
    making.device("meter-a", "glucometer", Some("2026-02-01 09:00"), Some("2026-11-18 12:00"));
    let report = making.report();
    let lines: Vec<_> =
        report.devices.iter().map(|d| (d.id.as_str(), d.since, d.until, d.readings)).collect();
    let swapped = Some(at("2026-11-18 12:00"));
    assert_eq!(lines, [("meter-a", None, swapped, 5), ("meter-b", swapped, None, 9)]);
    assert_eq!(
        sentences(&report, "fr")[2],
        "Mesures de glycémie complètes 7 jours sur 7~; lecteur de glycémie remplacé le 18/11 à 12:00."
    );
    assert_eq!(
        sentences(&report, "en")[2],
        "Glucose readings complete on 7 of 7 days; glucose meter replaced on 18 Nov at 12:00."
    );
}

/// A second version of the upper limits of systolic pressure: 150 and 170 in place of 160 and 180.
fn other_limits(making: &mut Making, valid_from: &str) {
    let first = making.record.rules.iter().find(|v| v.rule.as_str() == "systolic_high").unwrap();
    let mut version = first.clone();
    version.version = 2;
    version.valid_from = at(valid_from);
    version.recorded_at = at(valid_from);
    version.author = "Dr Petit".into();
    version.reason = "objectif plus strict".into();
    let RuleSpec::Limit(rule) = &mut version.spec else { panic!("no limit") };
    rule.levels[0].threshold.insert(Unit::MillimetreOfMercury, dec!(150));
    rule.levels[1].threshold.insert(Unit::MillimetreOfMercury, dec!(170));
    making.record.rules.push(version);
}

#[test]
fn a_limit_changed_on_wednesday_is_told_in_both_versions_and_drawn_as_a_step() {
    let mut making = week("2026-W47", &[CarePlan::HeartFailure]);
    weights(&mut making, 0..7);
    for day in 16..23 {
        making.pressure(at(&format!("2026-11-{day} 08:00")), "128", "74");
    }
    other_limits(&mut making, "2026-11-18 10:30");
    let report = making.report();
    let lines: Vec<_> = report
        .thresholds
        .iter()
        .filter(|line| line.rule.as_str() == "systolic_high")
        .map(|line| (line.version, line.author.as_str(), line.valid_from, line.valid_until, line.changed))
        .collect();
    let changed_at = at("2026-11-18 10:30");
    assert_eq!(
        lines,
        [
            (1, "parcours", at("2026-01-05 00:00"), Some(changed_at), false),
            (2, "Dr Petit", changed_at, None, true),
        ]
    );
    let ChartData::Pressure { systolic_limits, .. } =
        report.charts.iter().find(|chart| matches!(chart, ChartData::Pressure { .. })).unwrap()
    else {
        panic!("no chart of pressure")
    };
    let high: Vec<_> = systolic_limits.iter().filter(|limit| limit.side == Side::High).collect();
    let step = |from, value| LimitStep { from, value: Some(value) };
    assert_eq!(high[0].steps, [step(report.from, dec!(160)), step(changed_at, dec!(150))]);
    assert_eq!(high[1].steps, [step(report.from, dec!(180)), step(changed_at, dec!(170))]);
    assert_eq!(
        sentences(&report, "fr")[2].replace('\u{a0}', " "),
        "Mesures de poids complètes 7 jours sur 7~; Pression systolique : limite haute, nouvelle version le 18/11 à 10:30 \
         par Dr Petit (objectif plus strict)."
    );
    assert_eq!(
        sentences(&report, "en")[2],
        "Weight readings complete on 7 of 7 days; Systolic pressure: upper limit, new version on 18 Nov at 10:30 by \
         Dr Petit (objectif plus strict)."
    );
}

#[test]
fn only_versions_in_force_in_the_week_and_known_are_told_and_they_name_the_rules_as_a_whole() {
    let version_2 = |valid_from: &str| {
        let mut making = week("2026-W47", &[CarePlan::HeartFailure]);
        other_limits(&mut making, valid_from);
        making
    };
    let told = |making: &Making| -> Vec<i32> {
        let report = making.report();
        report.thresholds.iter().filter(|l| l.rule.as_str() == "systolic_high").map(|l| l.version).collect()
    };
    assert_eq!(told(&version_2("2026-11-10 00:00")), [2], "replaced before the week");
    assert_eq!(told(&version_2("2026-11-16 00:00")), [2], "replaced as the week begins");
    assert_eq!(told(&version_2("2026-11-23 00:00")), [1], "valid from the next week");
    let mut unknown = version_2("2026-11-18 00:00");
    unknown.record.rules.last_mut().unwrap().recorded_at = at("2026-11-23 06:01");
    assert_eq!(told(&unknown), [1], "entered after the report");
    assert_ne!(version_2("2026-11-18 00:00").report().rules_version, unknown.report().rules_version);
    assert_eq!(unknown.report().rules_version.len(), 64);
}

#[test]
fn weeks_with_a_clock_change_expect_by_the_hours_that_they_have() {
    for (text, hours, sunday) in [("2026-W13", 167, 23), ("2026-W43", 169, 25), ("2026-W44", 168, 24)] {
        let mut making = week(text, &[CarePlan::HeartFailure, CarePlan::DiabetesCgm]);
        weights(&mut making, 0..7);
        // The sensor is expected hourly.
        for version in &mut making.record.rules {
            if let RuleSpec::Silence(rule) = &mut version.spec
                && rule.vital == Vital::GlucoseInterstitial
            {
                rule.every_hours = 1;
            }
        }
        // One value in each hour of the week.
        let start = making.week.start(&paris());
        for hour in 0..hours {
            making.measured(Vital::GlucoseInterstitial, start + minutes(60 * hour + 30), "1.20");
        }
        let report = making.report();
        let schedule = |vital| report.completeness.schedules.iter().find(|s| s.vital == vital).unwrap();
        let hourly = schedule(Vital::GlucoseInterstitial);
        assert_near(hourly.expected, hours as f64);
        assert_eq!(hourly.percent, Some(100.0), "{text}");
        assert_near(hourly.days[6].expected, sunday as f64);
        assert_eq!((hourly.days[6].received, hourly.days[6].state), (sunday as usize, DayState::Complete));
        assert_near(hourly.days[5].expected, 24.0);
        let daily = schedule(Vital::Weight);
        assert_near(daily.expected, 7.0);
        assert_eq!(daily.percent, Some(100.0));
        assert_eq!(
            sentences(&report, "fr")[2],
            "Mesures de glucose interstitiel complètes 7 jours sur 7~; mesures de poids complètes 7 jours sur 7~; ni \
             retard, ni pause, ni changement.",
            "{text}"
        );
    }
}

#[test]
fn readings_around_midnight_of_a_clock_change_belong_to_their_local_day() {
    for (text, sunday) in [("2026-W13", "2026-03-29"), ("2026-W43", "2026-10-25")] {
        let mut making = week(text, &[CarePlan::HeartFailure]);
        for time in ["00:00", "23:59"] {
            making.measured(Vital::Weight, at(&format!("{sunday} {time}")), "72.0");
        }
        let days = making.report().completeness.schedules[0].days.clone();
        let received: Vec<usize> = days.iter().map(|day| day.received).collect();
        assert_eq!(received, [0, 0, 0, 0, 0, 0, 2], "{text}");
        assert_eq!(days[6].date.to_string(), sunday);
    }
}

#[test]
fn a_control_solution_and_another_person_on_the_scale_are_left_out_of_every_figure() {
    let mut making = week("2026-W47", &[CarePlan::HeartFailure, CarePlan::Diabetes]);
    weights(&mut making, -7..7);
    making.measured(Vital::Weight, at("2026-11-18 07:02"), "95.4");
    fingersticks(&mut making);
    let control = making.measured(Vital::Glucose, at("2026-11-19 09:00"), "4.00");
    control.reading.of_a_person = false;
    control.context = Some(json!({ "sample": "control_solution" }));
    let test = making.measured(Vital::Glucose, at("2026-11-19 09:30"), "0.10");
    test.reading.of_a_person = false;
    test.context = Some(json!({ "test": true }));
    let report = making.report();
    let excluded: Vec<_> =
        report.excluded.iter().map(|e| (e.at, e.vital, e.value.to_string(), e.reason.as_str())).collect();
    assert_eq!(
        excluded,
        [
            (at("2026-11-18 07:02"), Vital::Weight, "95.4 kg".into(), "implausible_jump"),
            (at("2026-11-19 09:00"), Vital::Glucose, "4.00 g/L".into(), "control_solution"),
            (at("2026-11-19 09:30"), Vital::Glucose, "0.10 g/L".into(), "self_test"),
        ]
    );
    assert_near(value(&report.metrics, "weight", "moving_average"), 72.0);
    assert_near(value(&report.metrics, "weight", "gain_8_days"), 0.0);
    assert_near(value(&report.metrics, "glucose", "mean"), 120.0);
    assert_eq!(report.metrics["glucose"]["mean"].n, 21);
    let is_curve =
        |chart: &&ChartData| matches!(chart, ChartData::Series { points, .. } if points.len() == 14);
    assert_eq!(report.charts.iter().filter(is_curve).count(), 1);
    assert!(sentences(&report, "fr")[2].ends_with("3 mesures écartées des calculs."));
    assert!(sentences(&report, "en")[2].ends_with("3 readings left out of the figures."));
}

#[test]
fn a_jump_that_the_next_days_confirm_is_a_weight_like_any_other() {
    let mut making = week("2026-W47", &[CarePlan::HeartFailure]);
    weights(&mut making, -7..2);
    for day in 18..23 {
        making.measured(Vital::Weight, at(&format!("2026-11-{day} 07:00")), "83.0");
    }
    let report = making.report();
    assert!(report.excluded.is_empty());
    assert_near(value(&report.metrics, "weight", "latest"), 83.0);
}

#[test]
fn what_arrived_since_the_report_before_is_told_in_this_one() {
    let mut making = week("2026-W47", &[CarePlan::Diabetes]);
    fingersticks(&mut making);
    making.record.earlier = Some(Earlier {
        week: "2026-W46".into(),
        version: 2,
        known_at: at("2026-11-16 06:00"),
        from: at("2026-11-09 00:00"),
    });
    for (n, (measured, received)) in [
        ("2026-11-13 07:00", "2026-11-17 10:00"),
        ("2026-11-13 12:00", "2026-11-17 10:00"),
        ("2026-11-14 07:00", "2026-11-17 10:00"),
        // Known to the report before; not known to this one; of this week.
        ("2026-11-15 07:00", "2026-11-16 05:59"),
        ("2026-11-15 12:00", "2026-11-23 06:01"),
        ("2026-11-16 07:00", "2026-11-17 10:00"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut late = stored("old", n as i64 + 1, Vital::Glucose, at(measured), "1.00", Unit::GramPerLitre);
        late.reading.received_at = at(received);
        making.record.arrived_since.push(late);
    }
    let report = making.report();
    let lines: Vec<_> = report.arrived_since.iter().map(|l| (l.measured_at, l.count)).collect();
    assert_eq!(lines, [(at("2026-11-13 07:00"), 2), (at("2026-11-14 07:00"), 1)]);
    assert_eq!(report.earlier.as_ref().unwrap().version, 2);
    assert_eq!(
        sentences(&report, "fr")[2],
        "Mesures de glycémie complètes 7 jours sur 7~; 3 mesures antérieures reçues depuis le rapport précédent."
    );
    assert_eq!(
        sentences(&report, "en")[2],
        "Glucose readings complete on 7 of 7 days; 3 earlier readings received since the report before."
    );
    // More than a record lists are counted all the same.
    making.record.arrived_since_left_out = 1_000;
    let report = making.report();
    assert_eq!(report.arrived_since_left_out, 1_000);
    assert!(sentences(&report, "en")[2].contains("1003 earlier readings received"));
}

#[test]
fn a_corrected_report_says_what_changed_and_who_asked() {
    let mut making = week("2026-W47", &[CarePlan::Diabetes]);
    fingersticks(&mut making);
    let first = making.report();
    // Read back from its JSON, as the worker does.
    let replaces = serde_json::from_str(&serde_json::to_string(&first).unwrap()).unwrap();
    let late = making.measured(Vital::Glucose, at("2026-11-21 15:00"), "3.40");
    late.reading.received_at = at("2026-11-24 09:00");
    let later = at("2026-11-24 10:00");
    making.record.wanted.known_at = later;
    let mut options = making.options();
    options.version = 2;
    options.correction = Some(CorrectionOf {
        replaces: Box::new(replaces),
        author: "Dr Petit".into(),
        reason: "mesures retrouvées".into(),
    });
    let report = build(&making.record, &options);
    let correction = report.correction.as_ref().unwrap();
    assert_eq!((correction.of_version, correction.readings_added), (1, 1));
    assert_eq!(correction.known_at_before, first.known_at);
    let mean = correction.changes.iter().find(|c| (c.group.as_str(), c.name.as_str()) == ("glucose", "mean"));
    let mean = mean.unwrap();
    assert_near(mean.before.unwrap(), 120.0);
    assert_near(mean.after.unwrap(), (21.0 * 120.0 + 340.0) / 22.0);
    assert!(!correction.changes.iter().any(|change| change.name == "below_54_percent"));
    let changed = correction.changes.len();
    let french = sentences(&report, "fr");
    assert_eq!(french.len(), 4);
    assert_eq!(
        french[3],
        format!(
            "Rapport corrigé à la demande de Dr Petit (mesures retrouvées), remplace la version 1~: 1 mesure ajoutée, \
             {changed} valeurs modifiées."
        )
    );
    assert_eq!(
        sentences(&report, "en")[3],
        format!(
            "Report corrected at the request of Dr Petit (mesures retrouvées), replaces version 1: 1 reading added, \
             {changed} numbers changed."
        )
    );
}

#[test]
fn a_correction_that_changes_nothing_says_so() {
    let mut making = week("2026-W47", &[CarePlan::Diabetes]);
    fingersticks(&mut making);
    let replaces = serde_json::from_str(&serde_json::to_string(&making.report()).unwrap()).unwrap();
    let mut options = making.options();
    options.version = 2;
    options.correction =
        Some(CorrectionOf { replaces: Box::new(replaces), author: "x".into(), reason: "y".into() });
    let report = build(&making.record, &options);
    assert_eq!(report.correction.as_ref().unwrap().changes, []);
    assert!(sentences(&report, "en")[3].ends_with("0 readings added, 0 numbers changed."));
}

#[test]
fn a_report_before_the_week_is_over_is_provisional() {
    let mut making = week("2026-W47", &[CarePlan::HeartFailure]);
    weights(&mut making, 0..4);
    making.record.wanted.known_at = at("2026-11-19 12:00");
    let report = making.report();
    assert!(report.provisional);
    let states: Vec<DayState> = report.completeness.schedules[0].days.iter().map(|day| day.state).collect();
    use DayState::{Complete, Outside};
    assert_eq!(states, [Complete, Complete, Complete, Outside, Outside, Outside, Outside]);
    assert_near(report.completeness.schedules[0].expected, 3.0);
    assert_eq!(report.metrics["weight"]["latest"].to, at("2026-11-19 12:00"));
    assert_eq!(report.to, at("2026-11-23 00:00"));
    assert_eq!(
        sentences(&report, "fr")[3],
        "Rapport provisoire~: la semaine n’est pas terminée, état connu le 19/11 à 12:00."
    );
    assert_eq!(
        sentences(&report, "en")[3],
        "Provisional report: the week is not over, as known on 19 Nov at 12:00."
    );
}

#[test]
fn what_never_arrived_and_what_was_refused_is_counted() {
    let mut making = week("2026-W47", &[CarePlan::Diabetes]);
    fingersticks(&mut making);
    making.record.never_arrived = 4;
    for (code, count) in [("out_of_bounds", 2), ("unknown_unit", 1), ("out_of_bounds", 1)] {
        making.record.quarantine.push(QuarantineCount {
            device: DeviceId("meter".into()),
            code: code.into(),
            count,
            last_at: at("2026-11-18 07:00"),
        });
    }
    let report = making.report();
    assert_eq!(report.completeness.refused["out_of_bounds"], 3);
    assert_eq!(report.completeness.refused["unknown_unit"], 1);
    assert_eq!(
        sentences(&report, "fr")[2],
        "Mesures de glycémie complètes 7 jours sur 7~; 4 mesures comptées par les appareils et jamais reçues."
    );
}
