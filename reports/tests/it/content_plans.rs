//! Each care plan with a week of data.

use jiff::{SignedDuration, ToSpan};
use vigie_reports::content::{ChartData, Topic};
use vigie_vitals::Vital;
use vigie_vitals::plans::CarePlan;

use crate::content_support::{Making, assert_near, minutes, paris, sentences, value, week};

/// Three weeks of a sensor, a value every 15 minutes: low for so many hours of each day, high for two, else 1.20 g/L.
fn sensor(making: &mut Making, low_hours: [i64; 3]) {
    for (index, low) in low_hours.into_iter().enumerate() {
        let start = making.week.plus(index as i64 - 2).start(&paris());
        for quarter in 0..7 * 96 {
            let hour = quarter % 96 / 4;
            let glucose = match hour {
                _ if hour < low => "0.60",
                22.. => "2.00",
                _ => "1.20",
            };
            making.measured(Vital::GlucoseInterstitial, start + minutes(15 * quarter), glucose);
        }
    }
}

#[test]
fn a_week_with_a_sensor_tells_time_in_range_and_a_profile_of_14_days() {
    let mut making = week("2026-W47", &[CarePlan::DiabetesCgm]);
    sensor(&mut making, [3, 3, 2]);
    let report = making.report();

    // Of 24 hours 2 low, 2 high, 20 in range; the week before 3 low.
    assert_near(value(&report.metrics, "glucose", "below_70_percent"), 100.0 * 2.0 / 24.0);
    assert_near(value(&report.metrics, "glucose", "in_70_180_percent"), 100.0 * 20.0 / 24.0);
    assert_near(value(&report.metrics_before, "glucose", "in_70_180_percent"), 100.0 * 19.0 / 24.0);
    assert_near(value(&report.metrics, "glucose", "mean"), (2.0 * 60.0 + 20.0 * 120.0 + 2.0 * 200.0) / 24.0);
    // GMI is of 14 days: the mean over both weeks is that of 2.5 low hours.
    let mean = (2.5 * 60.0 + 19.5 * 120.0 + 2.0 * 200.0) / 24.0;
    assert_near(value(&report.metrics, "glucose", "gmi_percent"), 3.31 + 0.02392 * mean);
    let gmi = &report.metrics["glucose"]["gmi_percent"];
    assert_eq!(gmi.to.duration_since(gmi.from), SignedDuration::from_hours(14 * 24));
    assert!(gmi.sufficient);
    let names =
        ["sd", "cv_percent", "below_54_percent", "above_180_percent", "above_250_percent", "lbgi", "hbgi"];
    for name in names.into_iter().chain(["gri", "mage", "modd", "active_percent"]) {
        assert!(report.metrics["glucose"].contains_key(name), "{name}");
    }
    // Each night is one episode below 70 and none below 54.
    assert_near(value(&report.metrics, "glucose", "episodes_below_70"), 7.0);
    // Two hours are not more than two hours.
    assert_near(value(&report.metrics, "glucose", "episodes_below_70_extended"), 0.0);
    assert_near(value(&report.metrics, "glucose", "episodes_below_54"), 0.0);

    assert_eq!(report.panels.len(), 1);
    assert_eq!(report.panels[0].topic, Topic::GlucoseCgm);
    let charts: Vec<&ChartData> =
        report.panels[0].charts.iter().map(|index| &report.charts[*index]).collect();
    assert!(matches!(charts[0], ChartData::RangeBar { of_readings: false, .. }));
    assert!(matches!(charts[1], ChartData::DailyProfile { points, .. } if points.len() == 2 * 7 * 96));
    assert!(matches!(charts[2], ChartData::SmallDays { points, joined: true, .. } if points.len() == 7 * 96));

    assert_eq!(
        sentences(&report, "fr"),
        [
            "Capteur de glucose~: 83~% du temps entre 0,70 et 1,80 g/L (79~% la semaine précédente), 8~% en dessous, \
             8~% au-dessus~; données suffisantes pour conclure.",
            "Aucune alerte sur la semaine.",
            "Mesures de glucose interstitiel complètes 7 jours sur 7~; ni retard, ni pause, ni changement.",
        ]
    );
    assert_eq!(
        sentences(&report, "en"),
        [
            "Glucose sensor: 83% of the time between 0.70 and 1.80 g/L (79% the week before), 8% below, 8% above; \
             enough data to conclude.",
            "No alert in the week.",
            "Interstitial glucose readings complete on 7 of 7 days; nothing late, no pause, no change.",
        ]
    );
}

#[test]
fn a_sensor_of_one_week_has_no_profile_yet() {
    let mut making = week("2026-W47", &[CarePlan::DiabetesCgm]);
    sensor(&mut making, [3, 3, 2]);
    let from = making.record.wanted.from;
    making.record.readings.retain(|stored| stored.reading.measured_at >= from);
    let report = making.report();
    assert!(!report.metrics["glucose"]["gmi_percent"].sufficient);
    assert!(report.metrics["glucose"]["in_70_180_percent"].sufficient);
    assert!(!report.charts.iter().any(|chart| matches!(chart, ChartData::DailyProfile { .. })));
    assert_eq!(
        sentences(&report, "fr")[0],
        "Capteur de glucose~: 83~% du temps entre 0,70 et 1,80 g/L (semaine précédente sans données suffisantes), 8~% \
         en dessous, 8~% au-dessus~; données suffisantes pour la semaine, pas encore pour un profil de 14 jours."
    );
}

#[test]
fn fingersticks_are_shares_of_readings_and_have_neither_gmi_nor_curve() {
    let mut making = week("2026-W47", &[CarePlan::Diabetes]);
    for back in 0..2 {
        let start = making.week.plus(-back).start(&paris());
        for day in 0..7 {
            // 1.00, 1.40, 2.10, and in the week before 2.60 in place of 1.40.
            let noon = if back == 0 { "1.40" } else { "2.60" };
            for (hour, glucose) in [(7, "1.00"), (12, noon), (19, "2.10")] {
                making.measured(Vital::Glucose, start + minutes(60 * (24 * day + hour)), glucose);
            }
        }
    }
    let report = making.report();
    assert_near(value(&report.metrics, "glucose", "mean"), 150.0);
    assert_near(value(&report.metrics_before, "glucose", "mean"), 190.0);
    assert_near(value(&report.metrics, "glucose", "in_70_180_percent"), 200.0 / 3.0);
    for name in ["gmi_percent", "mage", "modd", "active_percent", "gri"] {
        assert_eq!(report.metrics["glucose"][name].value, None, "{name}");
    }
    assert!(matches!(report.charts[0], ChartData::RangeBar { of_readings: true, .. }));
    assert!(matches!(report.charts[1], ChartData::SmallDays { joined: false, .. }));
    assert_eq!(
        sentences(&report, "fr")[0],
        "Glycémie capillaire~: moyenne 1,50 g/L (1,90 g/L la semaine précédente), 67~% des mesures entre 0,70 et \
         1,80 g/L, 0~% en dessous~; données suffisantes pour conclure."
    );
    assert_eq!(
        sentences(&report, "en")[0],
        "Capillary glucose: mean 1.50 g/L (1.90 g/L the week before), 67% of readings between 0.70 and 1.80 g/L, 0% \
         below; enough data to conclude."
    );
}

#[test]
fn a_patient_with_a_sensor_who_pricks_a_finger_as_well_has_both_panels() {
    let mut making = week("2026-W47", &[CarePlan::DiabetesCgm]);
    sensor(&mut making, [3, 3, 2]);
    let start = making.record.wanted.from;
    making.measured(Vital::Glucose, start + minutes(600), "1.00");
    making.measured(Vital::Glucose, start + minutes(2_000), "1.20");
    let report = making.report();
    let topics: Vec<Topic> = report.panels.iter().map(|panel| panel.topic).collect();
    assert_eq!(topics, [Topic::GlucoseCgm, Topic::GlucoseCapillary]);
    assert_near(value(&report.metrics, "glucose_capillary", "mean"), 110.0);
    assert!(report.metrics["glucose"]["gmi_percent"].value.is_some());
    assert!(!report.panels[1].sufficient);
}

#[test]
fn a_week_of_heart_failure_tells_weight_and_what_else_was_measured() {
    let mut making = week("2026-W47", &[CarePlan::HeartFailure]);
    // 72.0 kg in the week before; then 72.0 until Thursday and 73.0, 73.0, 73.4.
    for day in 0..14 {
        let weight = match day {
            11 | 12 => "73.0",
            13 => "73.4",
            _ => "72.0",
        };
        let morning = making.week.plus(-1).start(&paris()) + minutes(60 * (24 * day + 7));
        making.measured(Vital::Weight, morning, weight);
        for (hour, minute) in [(8, 0), (19, 0)] {
            making.pressure(morning + minutes(60 * (hour - 7) + minute), "128", "74");
        }
        making.measured(Vital::Spo2, morning, "96");
    }
    let report = making.report();
    // Against the lowest of Thursday to Saturday.
    assert_near(value(&report.metrics, "weight", "gain_3_days"), 73.4 - 72.0);
    assert_near(value(&report.metrics, "weight", "moving_average"), (4.0 * 72.0 + 73.0 + 73.0 + 73.4) / 7.0);
    assert_near(value(&report.metrics_before, "weight", "moving_average"), 72.0);
    assert_near(value(&report.metrics, "blood_pressure", "systolic"), 128.0);
    assert_eq!(report.metrics["blood_pressure"]["systolic"].n, 14);
    assert_near(value(&report.metrics, "spo2", "median"), 96.0);
    let topics: Vec<Topic> = report.panels.iter().map(|panel| panel.topic).collect();
    assert_eq!(topics, [Topic::Weight, Topic::BloodPressure, Topic::Spo2]);
    let ChartData::Series { points, average, .. } = &report.charts[0] else { panic!("no curve of weight") };
    assert_eq!((points.len(), average.len()), (14, 14));
    assert_eq!(
        sentences(&report, "fr")[0],
        "Poids~: moyenne sur 7 jours 72,5 kg (72,0 kg la semaine précédente), dernier poids 73,4 kg (+1,4 kg par rapport \
         au plus bas des 3 jours précédents)~; données suffisantes pour conclure."
    );
    assert_eq!(
        sentences(&report, "en")[0],
        "Weight: 7-day mean 72.5 kg (72.0 kg the week before), latest weight 73.4 kg (+1.4 kg against the lowest of the \
         3 days before); enough data to conclude."
    );
    assert_eq!(
        sentences(&report, "fr")[2],
        "Mesures de poids complètes 7 jours sur 7~; ni retard, ni pause, ni changement."
    );
}

#[test]
fn a_week_with_inr_tells_time_in_range_over_half_a_year() {
    let mut making = week("2026-W47", &[CarePlan::OralAnticoagulation]);
    // A test each Monday at 8:00, 28 of them, all at 2.5 but the one ten weeks ago, at 3.5.
    for back in 0..28 {
        let monday = making.week.plus(-back).monday();
        let when = paris().to_zoned(monday.at(8, 0, 0, 0)).unwrap().timestamp();
        making.measured(Vital::Inr, when, if back == 10 { "3.5" } else { "2.5" });
    }
    let report = making.report();
    let inr = &report.metrics["inr"]["ttr_percent"];
    assert_eq!(inr.from, making.week.plus(-25).start(&paris()));
    assert_eq!(inr.to, making.record.wanted.to);
    // Half of the two weeks around it is above: 7 days; known until the last test, 25 weeks and 8 hours after the start,
    // less the hour that October's clock change gives back (the window begins in summer time, on 25 May).
    assert_near(value(&report.metrics, "inr", "days_above"), 7.0);
    let known = 25.0 * 7.0 + (8.0 + 1.0) / 24.0;
    assert_near(value(&report.metrics, "inr", "days_in"), known - 7.0);
    assert_near(value(&report.metrics, "inr", "ttr_percent"), 100.0 * (known - 7.0) / known);
    for name in ["days_below", "days_gap", "variance_growth_rate", "sd", "cv_percent"] {
        assert!(report.metrics["inr"].contains_key(name), "{name}");
    }
    assert_eq!(
        sentences(&report, "fr")[0],
        "INR~: 96~% du temps entre 2,0 et 3,0 sur 26 semaines (96~% la semaine précédente), dernier résultat 2,5 (16/11 à \
         08:00)~; données suffisantes pour conclure."
    );
    assert_eq!(
        sentences(&report, "en")[0],
        "INR: 96% of the time between 2.0 and 3.0 over 26 weeks (96% the week before), latest result 2.5 (16 Nov at \
         08:00); enough data to conclude."
    );
    assert_eq!(
        sentences(&report, "fr")[2],
        "Mesure d’INR dans le rythme prescrit~; ni retard, ni pause, ni changement."
    );
    assert!(
        matches!(&report.charts[0], ChartData::Series { points, band: Some(_), .. } if points.len() == 26)
    );
    assert!(making.week.monday().checked_sub(25.weeks()).is_ok());
}

#[test]
fn numbers_are_shown_in_the_unit_in_which_most_readings_came() {
    let mut making = week("2026-W47", &[CarePlan::Diabetes]);
    let start = making.record.wanted.from;
    for n in 0..21 {
        making.measured(Vital::Glucose, start + minutes(480 * n + 60), "1.50");
    }
    let report = making.report();
    let panel = &report.panels[0];
    let shown = |name: &str| panel.shown(&report.metrics["glucose"][name], 0).unwrap();
    assert_eq!(shown("mean"), (rust_decimal::dec!(1.50), "g/L".to_owned()));
    assert_eq!(shown("in_70_180_percent"), (rust_decimal::dec!(100), "%".to_owned()));

    for stored in &mut making.record.readings {
        stored.reading.value =
            vigie_vitals::Value::parse("8.3", "", vigie_vitals::Unit::MillimolePerLitre).unwrap();
    }
    let report = making.report();
    let shown = report.panels[0].shown(&report.metrics["glucose"]["mean"], 0).unwrap();
    assert_eq!(shown, (rust_decimal::dec!(8.3), "mmol/L".to_owned()));
    assert_eq!(
        sentences(&report, "en")[0],
        "Capillary glucose: mean 8.3 mmol/L (not enough data the week before), 100% of readings between 3.9 and \
         10.0 mmol/L, 0% below; enough data to conclude."
    );
}

#[test]
fn a_meter_beside_a_sensor_never_mixes_its_numbers_with_the_sensors() {
    // Both care plans: the meter's panel comes first.
    let mut making = week("2026-W47", &[CarePlan::Diabetes, CarePlan::DiabetesCgm]);
    sensor(&mut making, [3, 3, 2]);
    let start = making.record.wanted.from;
    for n in 0..21 {
        making.measured(Vital::Glucose, start + minutes(480 * n + 60), "1.50");
    }
    let report = making.report();
    assert_eq!(report.panels[0].topic, Topic::GlucoseCapillary);
    assert_near(value(&report.metrics, "glucose_capillary", "mean"), 150.0);
    assert_near(value(&report.metrics, "glucose", "in_70_180_percent"), 100.0 * 20.0 / 24.0);
    assert!(
        sentences(&report, "fr")[0]
            .contains("g/L, 0~% en dessous~; données suffisantes pour conclure~; Capteur")
    );
}

#[test]
fn an_inr_beyond_the_meter_is_told_as_the_meter_showed_it() {
    let mut making = week("2026-W47", &[CarePlan::OralAnticoagulation]);
    for back in 0..10 {
        let monday = making.week.plus(-back).monday();
        let when = paris().to_zoned(monday.at(8, 0, 0, 0)).unwrap().timestamp();
        making.measured(Vital::Inr, when, if back == 0 { ">8.0" } else { "2.5" });
    }
    let report = making.report();
    assert!(!report.metrics["inr"].contains_key("latest"));
    assert!(sentences(&report, "fr")[0].contains("dernier résultat > 8,0 (16/11 à 08:00)"));
}

#[test]
fn a_rare_low_is_never_told_as_none() {
    let mut making = week("2026-W47", &[CarePlan::DiabetesCgm]);
    let start = making.week.plus(-1).start(&paris());
    // One value of 0.50 and one of 0.65 among 672 of the week.
    for quarter in 0..14 * 96 {
        let glucose = match quarter {
            1_000 => "0.50",
            1_010 => "0.65",
            _ => "1.20",
        };
        making.measured(Vital::GlucoseInterstitial, start + minutes(15 * quarter), glucose);
    }
    let report = making.report();
    assert_near(value(&report.metrics, "glucose", "below_54_percent"), 100.0 / 672.0);
    assert_eq!(
        sentences(&report, "fr")[0].replace('\u{a0}', " "),
        "Capteur de glucose~: > 99~% du temps entre 0,70 et 1,80 g/L (100~% la semaine précédente), < 1~% en dessous, dont \
         < 1~% sous 0,54 g/L, 0~% au-dessus~; données suffisantes pour conclure."
    );
    assert_eq!(
        sentences(&report, "en")[0].replace('\u{a0}', " "),
        "Glucose sensor: > 99% of the time between 0.70 and 1.80 g/L (100% the week before), < 1% below, of it < 1% below \
         0.54 g/L, 0% above; enough data to conclude."
    );
}

#[test]
fn a_weight_that_does_not_change_has_no_sign() {
    let mut making = week("2026-W47", &[CarePlan::HeartFailure]);
    let start = making.week.plus(-1).start(&paris());
    for day in 0..14 {
        making.measured(Vital::Weight, start + minutes(60 * (24 * day + 7)), "72.0");
    }
    assert!(
        sentences(&making.report(), "fr")[0]
            .contains("dernier poids 72,0 kg (0,0 kg par rapport au plus bas")
    );
}
