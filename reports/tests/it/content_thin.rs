//! Weeks with too little to conclude.

use vigie_reports::content::{ChartData, DayState, Insufficient, Report};
use vigie_vitals::Vital;
use vigie_vitals::plans::CarePlan;

use crate::content_support::{at, minutes, sentences, week};

/// Nothing but the strips of what was expected, which say that nothing came.
fn drawn(report: &Report) -> usize {
    assert!(report.panels.iter().all(|panel| panel.charts.is_empty()));
    report.charts.iter().filter(|chart| !matches!(chart, ChartData::Adherence { .. })).count()
}

#[test]
fn an_empty_week_says_that_there_is_nothing_and_draws_nothing() {
    for (plan, french, english) in [
        (CarePlan::Diabetes, "Glycémie capillaire", "Capillary glucose"),
        (CarePlan::DiabetesCgm, "Capteur de glucose", "Glucose sensor"),
        (CarePlan::HeartFailure, "Poids", "Weight"),
        (CarePlan::OralAnticoagulation, "INR", "INR"),
    ] {
        let report = week("2026-W47", &[plan]).report();
        assert_eq!(report.panels.len(), 1);
        assert_eq!(report.panels[0].insufficient, Some(Insufficient::NoReadings), "{plan}");
        assert_eq!(drawn(&report), 0, "{plan}");
        assert!(
            report
                .metrics
                .values()
                .flat_map(|group| group.values())
                .all(|metric| { metric.value.is_none_or(f64::is_finite) })
        );
        assert_eq!(
            sentences(&report, "fr")[0],
            format!("{french}~: aucune mesure, données insuffisantes pour conclure.")
        );
        assert_eq!(
            sentences(&report, "en")[0],
            format!("{english}: no reading, insufficient data to conclude.")
        );
        assert_eq!(report.summary["fr"].len(), 3);
        assert_eq!(report.summary["en"].len(), 3);
    }
    let report = week("2026-W47", &[CarePlan::HeartFailure]).report();
    assert_eq!(
        sentences(&report, "fr")[2],
        "Mesures de poids complètes 0 jours sur 7~; ni retard, ni pause, ni changement."
    );
    assert!(report.completeness.schedules[0].days.iter().all(|day| day.state == DayState::Nothing));
    assert_eq!(report.completeness.schedules[0].percent, Some(0.0));
}

#[test]
fn a_sensor_worn_for_a_day_concludes_nothing_and_draws_nothing() {
    let mut making = week("2026-W47", &[CarePlan::DiabetesCgm]);
    for quarter in 0..96 {
        making.measured(Vital::GlucoseInterstitial, at("2026-11-18 00:00") + minutes(15 * quarter), "1.20");
    }
    let report = making.report();
    let Some(Insufficient::LittleActive { percent, needed }) = report.panels[0].insufficient else {
        panic!("{:?}", report.panels[0].insufficient)
    };
    assert!((percent - 100.0 / 7.0).abs() < 1e-9);
    assert!((needed - 70.0).abs() < 1e-9);
    assert!(!report.metrics["glucose"]["in_70_180_percent"].sufficient);
    assert!(!report.metrics["glucose"]["gmi_percent"].sufficient);
    assert_eq!(drawn(&report), 0);
    assert_eq!(
        sentences(&report, "fr")[0],
        "Capteur de glucose~: données présentes 14~% du temps pour 70~% nécessaires, données insuffisantes pour conclure."
    );
    assert_eq!(
        sentences(&report, "en")[0],
        "Glucose sensor: data for 14% of the time where 70% is needed, insufficient data to conclude."
    );
}

#[test]
fn a_sensor_worn_for_half_the_week_shows_its_days_and_no_shares() {
    let mut making = week("2026-W47", &[CarePlan::DiabetesCgm]);
    for quarter in 0..4 * 96 {
        making.measured(Vital::GlucoseInterstitial, at("2026-11-16 00:00") + minutes(15 * quarter), "1.20");
    }
    let report = making.report();
    assert!(!report.panels[0].sufficient);
    let kinds: Vec<bool> = report.panels[0]
        .charts
        .iter()
        .map(|index| matches!(report.charts[*index], ChartData::SmallDays { .. }))
        .collect();
    assert_eq!(kinds, [true]);
}

#[test]
fn two_fingersticks_in_a_week_conclude_nothing() {
    let mut making = week("2026-W47", &[CarePlan::Diabetes]);
    making.measured(Vital::Glucose, at("2026-11-17 07:00"), "0.40");
    making.measured(Vital::Glucose, at("2026-11-18 07:00"), "1.20");
    let report = making.report();
    assert_eq!(report.panels[0].insufficient, Some(Insufficient::TooFew { readings: 2, needed: 14 }));
    assert_eq!(drawn(&report), 0);
    assert_eq!(
        sentences(&report, "fr")[0],
        "Glycémie capillaire~: 2 mesures pour 14 nécessaires, données insuffisantes pour conclure."
    );
    assert_eq!(
        sentences(&report, "en")[0],
        "Capillary glucose: 2 readings of 14 needed, insufficient data to conclude."
    );
}

#[test]
fn two_fingersticks_a_day_are_enough_also_when_clocks_change() {
    for text in ["2026-W13", "2026-W43", "2026-W44"] {
        let mut making = week(text, &[CarePlan::Diabetes]);
        for day in 0..7 {
            let date = making.week.monday().checked_add(jiff::Span::new().days(day)).unwrap();
            for hour in ["07:00", "19:00"] {
                making.measured(Vital::Glucose, at(&format!("{date} {hour}")), "1.20");
            }
        }
        assert!(making.report().panels[0].sufficient, "{text}");
        making.record.readings.pop();
        let insufficient = making.report().panels[0].insufficient.clone();
        assert_eq!(insufficient, Some(Insufficient::TooFew { readings: 13, needed: 14 }), "{text}");
    }
}

#[test]
fn fourteen_days_of_a_sensor_are_enough_for_a_profile_also_when_clocks_change() {
    for text in ["2026-W13", "2026-W14", "2026-W43", "2026-W44"] {
        let mut making = week(text, &[CarePlan::DiabetesCgm]);
        let start = making.week.plus(-2).start(&crate::content_support::paris());
        for quarter in 0..3 * 7 * 96 + 8 {
            making.measured(Vital::GlucoseInterstitial, start + minutes(15 * quarter), "1.20");
        }
        let report = making.report();
        assert!(report.metrics["glucose"]["gmi_percent"].sufficient, "{text}");
        assert!(report.metrics_before["glucose"]["gmi_percent"].sufficient, "{text}");
        assert!(report.charts.iter().any(|chart| matches!(chart, ChartData::DailyProfile { .. })), "{text}");
    }
}

#[test]
fn a_single_weight_and_one_after_a_long_silence_conclude_nothing() {
    let mut making = week("2026-W47", &[CarePlan::HeartFailure]);
    making.measured(Vital::Weight, at("2026-11-22 07:00"), "72.0");
    assert_eq!(making.report().panels[0].insufficient, Some(Insufficient::TooFew { readings: 1, needed: 2 }));
    making.measured(Vital::Weight, at("2026-11-10 07:00"), "70.0");
    let report = making.report();
    assert_eq!(report.panels[0].insufficient, Some(Insufficient::BaselineLost));
    assert_eq!(drawn(&report), 0);
    assert_eq!(
        sentences(&report, "fr")[0],
        "Poids~: mesure de référence trop ancienne, données insuffisantes pour conclure."
    );
}

#[test]
fn one_inr_has_no_time_in_range() {
    let mut making = week("2026-W47", &[CarePlan::OralAnticoagulation]);
    making.measured(Vital::Inr, at("2026-11-17 08:00"), "2.4");
    let report = making.report();
    assert_eq!(report.panels[0].insufficient, Some(Insufficient::TooFew { readings: 1, needed: 2 }));
    assert_eq!(report.metrics["inr"]["ttr_percent"].value, None);
    assert_eq!(drawn(&report), 0);
}

#[test]
fn seven_pressures_are_drawn_and_have_no_mean_to_conclude_from() {
    let mut making = week("2026-W47", &[CarePlan::HeartFailure]);
    for day in 16..23 {
        making.measured(Vital::Weight, at(&format!("2026-11-{day} 07:00")), "72.0");
        making.pressure(at(&format!("2026-11-{day} 08:00")), "128", "74");
    }
    let report = making.report();
    let panel = &report.panels[1];
    assert_eq!(panel.insufficient, Some(Insufficient::TooFew { readings: 7, needed: 12 }));
    assert!(!report.metrics["blood_pressure"]["systolic"].sufficient);
    assert_eq!(panel.charts.len(), 1);
}

#[test]
fn without_a_care_plan_and_without_readings_there_are_still_three_sentences() {
    let report = week("2026-W47", &[]).report();
    assert_eq!(
        sentences(&report, "fr"),
        [
            "Aucun parcours en cours et aucune mesure sur la semaine.",
            "Aucune alerte sur la semaine.",
            "Aucune mesure attendue~; ni retard, ni pause, ni changement.",
        ]
    );
    assert_eq!(report.summary["en"].len(), 3);
}

#[test]
fn a_test_that_is_overdue_is_told_by_the_days_out_of_rhythm() {
    let mut making = week("2026-W47", &[CarePlan::OralAnticoagulation]);
    // Weekly: after Thursday at eight the next was due on the Thursday of this week.
    making.measured(Vital::Inr, at("2026-11-05 08:00"), "2.4");
    making.measured(Vital::Inr, at("2026-11-12 08:00"), "2.4");
    let report = making.report();
    let states: Vec<DayState> = report.completeness.schedules[0].days.iter().map(|day| day.state).collect();
    use DayState::{Complete, Nothing};
    assert_eq!(states, [Complete, Complete, Complete, Nothing, Nothing, Nothing, Nothing]);
    assert!(sentences(&report, "fr")[2].starts_with("Mesure d’INR hors du rythme prescrit 4 jours sur 7"));
    assert!(
        sentences(&report, "en")[2].starts_with("INR readings out of the prescribed rhythm on 4 of 7 days")
    );
}

#[test]
fn nothing_is_missed_before_a_patient_is_watched() {
    let mut making = week("2026-W47", &[CarePlan::HeartFailure]);
    making.record.patient.watched_since = at("2026-11-19 10:00");
    making.measured(Vital::Weight, at("2026-11-20 07:00"), "72.0");
    let report = making.report();
    let states: Vec<DayState> = report.completeness.schedules[0].days.iter().map(|day| day.state).collect();
    use DayState::{Complete, Nothing, Outside};
    // Fourteen hours of Thursday are more than half a day.
    assert_eq!(states, [Outside, Outside, Outside, Nothing, Complete, Nothing, Nothing]);
    assert!((report.completeness.schedules[0].expected - 4.0).abs() < 1e-9);
    assert!(sentences(&report, "en")[2].starts_with("Weight readings complete on 1 of 4 days"));
}
