//! Weight, blood pressure, vital signs, NEWS2, adherence and alerts.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::dec;
use vigie_vitals::metrics::adherence::{Adherence, Schedule, adherence};
use vigie_vitals::metrics::alerts::{AlertSummary, alerts};
use vigie_vitals::metrics::blood_pressure::{Pressure, Protocol, blood_pressure, pressures};
use vigie_vitals::metrics::news2::{Circumstances, Parameter, Spo2Scale, WINDOW, news2};
use vigie_vitals::metrics::vital_signs::{Limits, vital_sign};
use vigie_vitals::metrics::weight::{Weight, weight};
use vigie_vitals::metrics::{Period, Sample, samples};
use vigie_vitals::{Pause, Priority, Reading, ReadingKey, Unit, Value, Vital};

use crate::metrics_samples::{at_day, at_minute, days, near, sample, start};

fn paris() -> TimeZone {
    TimeZone::get("Europe/Paris").unwrap()
}

fn weights(all: &[(i64, &str)]) -> Vec<Sample> {
    all.iter().map(|(minute, text)| sample(at_minute(*minute), text, Unit::Kilogram)).collect()
}

/// At seven in the morning of a day.
fn at_seven(day: i64) -> i64 {
    day * 1440 + 7 * 60
}

fn gain(got: &Weight, window: u8) -> Option<f64> {
    got.gains.iter().find(|gain| gain.days == window).unwrap().kilograms
}

#[test]
fn the_weight_of_a_day_is_the_first_of_the_morning_with_the_median_of_its_repeats() {
    let zone = TimeZone::UTC;
    let all = weights(&[
        (at_seven(0), "80.0"),
        (at_seven(0) + 4, "83.0"),
        (at_seven(0) + 10, "80.4"),
        (at_seven(0) + 11, "90.0"),
        (at_seven(1) - 6 * 60, "79.0"), // 01:00, the morning as well
        (at_seven(1), "81.0"),
        (2 * 1440 + 20 * 60, "82.0"), // only in the evening
    ]);
    let got = weight(&all, days(7), &zone, None);
    let kilograms: Vec<f64> = got.days.iter().map(|day| day.kilograms).collect();
    assert_eq!(kilograms, [80.4, 79.0, 82.0]);
}

#[test]
fn gains_are_against_the_lowest_weight_of_each_window() {
    let all = weights(&[
        (at_seven(-6), "78.0"),
        (at_seven(-1), "80.0"),
        (at_seven(0), "80.5"),
        (at_seven(1), "81.0"),
        (at_seven(2), "82.0"),
    ]);
    let got = weight(&all, days(7), &TimeZone::UTC, Some(79.0));
    near(gain(&got, 1), 1.0);
    near(gain(&got, 3), 2.0);
    near(gain(&got, 8), 4.0);
    near(got.above_dry_weight, 3.0);
    near(got.change, 1.5);
    // Seven days up to day 2: days -4 to 2.
    near(got.moving_average.last().map(|average| average.kilograms), (80.0 + 80.5 + 81.0 + 82.0) / 4.0);
    assert_eq!((got.days.len(), got.sufficient, got.baseline_lost), (3, true, false));
}

#[test]
fn without_a_weight_in_the_seven_days_before_the_baseline_is_lost() {
    let seven = weight(&weights(&[(at_seven(-7), "80"), (at_seven(0), "83")]), days(7), &TimeZone::UTC, None);
    assert_eq!((seven.baseline_lost, gain(&seven, 8), gain(&seven, 3)), (false, Some(3.0), None));
    let eight = weight(&weights(&[(at_seven(-8), "80"), (at_seven(0), "83")]), days(7), &TimeZone::UTC, None);
    assert_eq!((eight.baseline_lost, gain(&eight, 8), eight.sufficient), (true, None, false));
    let alone = weight(&weights(&[(at_seven(0), "83")]), days(7), &TimeZone::UTC, None);
    assert_eq!((alone.baseline_lost, alone.sufficient, gain(&alone, 1)), (false, false, None));
}

#[test]
fn weights_in_pounds_and_grams_are_kilograms() {
    let all = [
        sample(at_minute(at_seven(0)), "150", Unit::Pound),
        sample(at_minute(at_seven(1)), "68500", Unit::Gram),
        sample(at_minute(at_seven(2)), "HI", Unit::Kilogram),
    ];
    let got = weight(&all, days(7), &TimeZone::UTC, None);
    assert_eq!(got.days.iter().map(|day| day.kilograms).collect::<Vec<_>>(), [68.0388555, 68.5]);
}

fn pressure(minute: i64, systolic: &str, diastolic: &str) -> Pressure {
    let value = |text| Value::parse(text, "", Unit::MillimetreOfMercury).unwrap();
    Pressure { at: at_minute(minute), systolic: value(systolic), diastolic: value(diastolic) }
}

/// Two in the morning and two in the evening of each day.
fn protocol(day_count: i64) -> Vec<Pressure> {
    (0..day_count)
        .flat_map(|day| {
            let first = if day == 0 { "160" } else { "130" };
            [
                pressure(at_seven(day), first, "80"),
                pressure(at_seven(day) + 2, "126", "80"),
                pressure(at_seven(day) + 720, "140", "90"),
                pressure(at_seven(day) + 722, "136", "84"),
            ]
        })
        .collect()
}

#[test]
fn the_mean_of_a_protocol_leaves_its_first_day_out_and_needs_twelve_readings() {
    let got = blood_pressure(&protocol(4), days(7), &TimeZone::UTC, Protocol::default());
    let mean = got.mean.unwrap();
    assert_eq!((mean.systolic, mean.diastolic, mean.n), (133.0, 83.5, 12));
    assert_eq!((got.morning.unwrap().systolic, got.evening.unwrap().systolic), (128.0, 138.0));
    assert_eq!((got.sessions.len(), got.days, got.sufficient), (8, 3, true));
    // Of four a day, 140/90 and 136/84 are at or above 135/85.
    assert_eq!(got.high_percent, Some(50.0));
    assert!(!blood_pressure(&protocol(3), days(7), &TimeZone::UTC, Protocol::default()).sufficient);
    let whole = Protocol { exclude_first_day: false, ..Protocol::default() };
    let got = blood_pressure(&protocol(3), days(7), &TimeZone::UTC, whole);
    assert_eq!((got.mean.unwrap().n, got.sufficient), (12, true));
    near(got.mean.map(|mean| mean.systolic), 133.0 + 30.0 / 12.0);
}

#[test]
fn either_pressure_at_its_limit_makes_a_reading_high() {
    let all = [pressure(0, "135", "70"), pressure(1, "120", "85"), pressure(2, "134", "84")];
    let whole = Protocol { exclude_first_day: false, readings_min: 1 };
    near(blood_pressure(&all, days(1), &TimeZone::UTC, whole).high_percent, 200.0 / 3.0);
}

#[test]
fn mornings_are_local() {
    // 10:30 UTC is 11:30 in Paris in November; 11:30 UTC is 12:30.
    let all = [pressure(630, "130", "80"), pressure(690, "140", "90")];
    let whole = Protocol { exclude_first_day: false, readings_min: 1 };
    let got = blood_pressure(&all, days(1), &paris(), whole);
    assert_eq!((got.morning.unwrap().n, got.evening.unwrap().n), (1, 1));
}

fn reading(sequence: i64, vital: Vital, text: &str, unit: Unit) -> Reading {
    Reading {
        key: ReadingKey { device: "bp-1".into(), epoch: 1, sequence },
        vital,
        value: Value::parse(text, "", unit).unwrap(),
        measured_at: start(),
        received_at: start(),
        of_a_person: sequence != 9,
    }
}

#[test]
fn values_of_one_reading_belong_together_and_tests_of_the_device_to_nobody() {
    let mmhg = Unit::MillimetreOfMercury;
    let all = [
        reading(1, Vital::Diastolic, "80", mmhg),
        reading(2, Vital::Systolic, "150", mmhg),
        reading(1, Vital::Systolic, "130", mmhg),
        reading(1, Vital::Pulse, "70", Unit::PerMinute),
        reading(9, Vital::Systolic, "99", mmhg),
        reading(9, Vital::Diastolic, "66", mmhg),
    ];
    let got = pressures(&all);
    assert_eq!(got.len(), 1);
    assert_eq!((got[0].systolic.number, got[0].diastolic.number), (Some(dec!(130)), Some(dec!(80))));
    assert_eq!(samples(&all, Vital::Systolic).len(), 2);
}

#[test]
fn a_vital_sign_is_summed_up_by_local_day() {
    let all: Vec<Sample> =
        [(0, "95"), (60, "97"), (120, "91"), (23 * 60 + 30, "88"), (1500, "LO"), (1600, "92")]
            .map(|(minute, text)| sample(at_minute(minute), text, Unit::Percent))
            .to_vec();
    let limits = Limits { below: Some(dec!(92)), above: None };
    let got = vital_sign(&all, Vital::Spo2, days(7), &paris(), limits);
    // 23:30 UTC belongs to the next day in Paris.
    let by_day: Vec<_> = got.days.iter().map(|day| (day.n, day.lowest, day.median, day.highest)).collect();
    assert_eq!(by_day, [(3, 91.0, 95.0, 97.0), (2, 88.0, 90.0, 92.0)]);
    assert_eq!((got.n, got.censored, got.lowest, got.latest), (6, 1, Some(88.0), Some(92.0)));
    assert_eq!((got.median, got.below_percent, got.above_percent), (Some(92.0), Some(50.0), None));
}

#[test]
fn fever_is_told_in_degrees_celsius_whatever_the_thermometer() {
    let all = [sample(start(), "98.6", Unit::Fahrenheit), sample(at_minute(5), "38.5", Unit::Celsius)];
    let limits = Limits { below: None, above: Some(dec!(38.0)) };
    let got = vital_sign(&all, Vital::Temperature, days(1), &TimeZone::UTC, limits);
    assert_eq!((got.lowest, got.highest, got.above_percent), (Some(37.0), Some(38.5), Some(50.0)));
}

#[test]
fn what_news2_does_not_know_is_missing_and_never_assumed() {
    let all = [
        (Vital::Spo2, sample(at_minute(0), "94", Unit::Percent)),
        (Vital::Pulse, sample(at_minute(10), "120", Unit::PerMinute)),
        (Vital::Pulse, sample(at_minute(0), "70", Unit::PerMinute)),
        (Vital::Temperature, sample(at_minute(-1500), "40", Unit::Celsius)),
        (Vital::RespiratoryRate, sample(at_minute(61), "40", Unit::PerMinute)),
    ];
    let at = at_minute(60);
    let got = news2(&all, at, WINDOW, Circumstances::default());
    // The newest pulse scores 2, SpO2 1; the temperature is too old, the respiration not measured yet.
    assert_eq!((got.total, got.is_complete(), got.has_three), (3, false, false));
    use Parameter::*;
    assert_eq!(got.missing, [RespiratoryRate, Oxygen, Systolic, Consciousness, Temperature]);
    // On scale 2 an SpO2 of 94 depends on what the person breathes.
    let two = |oxygen| Circumstances { scale: Spo2Scale::Two, oxygen, alert: None };
    assert!(news2(&all, at, WINDOW, two(None)).missing.contains(&Spo2));
    assert_eq!(news2(&all, at, WINDOW, two(Some(false))).total, 2);
    assert_eq!(news2(&all, at, WINDOW, two(Some(true))).total, 2 + 1 + 2);
}

#[test]
fn news2_follows_the_table_at_every_edge() {
    let points = |vital: Vital, text: &str, unit: Unit, circumstances: Circumstances| {
        let got = news2(&[(vital, sample(start(), text, unit))], start(), WINDOW, circumstances);
        got.points.iter().find(|points| points.at.is_some()).unwrap().points
    };
    let plain = |vital, text, unit| points(vital, text, unit, Circumstances::default());
    for (text, expected) in
        [("8", 3), ("9", 1), ("11", 1), ("12", 0), ("20", 0), ("21", 2), ("24", 2), ("25", 3), ("LO", 3)]
    {
        assert_eq!(plain(Vital::RespiratoryRate, text, Unit::PerMinute), expected, "respiration {text}");
    }
    for (text, expected) in [("91", 3), ("92", 2), ("93", 2), ("94", 1), ("95", 1), ("96", 0), ("<70", 3)] {
        assert_eq!(plain(Vital::Spo2, text, Unit::Percent), expected, "SpO2 {text}");
    }
    for (text, air, oxygen) in [
        ("83", 3, 3),
        ("84", 2, 2),
        ("85", 2, 2),
        ("86", 1, 1),
        ("87", 1, 1),
        ("88", 0, 0),
        ("92", 0, 0),
        ("93", 0, 1),
        ("94", 0, 1),
        ("95", 0, 2),
        ("96", 0, 2),
        ("97", 0, 3),
    ] {
        let on = |oxygen| Circumstances { scale: Spo2Scale::Two, oxygen: Some(oxygen), alert: None };
        assert_eq!(points(Vital::Spo2, text, Unit::Percent, on(false)), air, "scale 2, air, {text}");
        assert_eq!(points(Vital::Spo2, text, Unit::Percent, on(true)), oxygen, "scale 2, oxygen, {text}");
    }
    for (text, expected) in
        [("90", 3), ("91", 2), ("100", 2), ("101", 1), ("110", 1), ("111", 0), ("219", 0), ("220", 3)]
    {
        assert_eq!(plain(Vital::Systolic, text, Unit::MillimetreOfMercury), expected, "systolic {text}");
    }
    for (text, expected) in [
        ("40", 3),
        ("41", 1),
        ("50", 1),
        ("51", 0),
        ("90", 0),
        ("91", 1),
        ("110", 1),
        ("111", 2),
        ("130", 2),
        ("131", 3),
    ] {
        assert_eq!(plain(Vital::Pulse, text, Unit::PerMinute), expected, "pulse {text}");
    }
    for (text, expected) in [
        ("35.0", 3),
        ("35.1", 1),
        ("36.0", 1),
        ("36.1", 0),
        ("38.0", 0),
        ("38.04", 0),
        ("38.1", 1),
        ("39.0", 1),
        ("39.1", 2),
    ] {
        assert_eq!(plain(Vital::Temperature, text, Unit::Celsius), expected, "temperature {text}");
    }
    assert_eq!(plain(Vital::Temperature, "102.4", Unit::Fahrenheit), 2, "39.1 degrees Celsius");
}

fn readings_at(hours: &[i64], from: Timestamp) -> Vec<Timestamp> {
    hours.iter().map(|hour| from + SignedDuration::from_hours(*hour)).collect()
}

fn week(from: &str, to: &str) -> Period {
    Period { from: from.parse().unwrap(), to: to.parse().unwrap() }
}

#[test]
fn expectation_follows_the_real_hours_of_a_week_in_which_clocks_change() {
    // Europe/Paris, 19 to 25 October 2026: Sunday has 25 hours; 23 to 29 March: Sunday has 23.
    let autumn = week("2026-10-18T22:00:00Z", "2026-10-25T23:00:00Z");
    let spring = week("2026-03-22T23:00:00Z", "2026-03-29T22:00:00Z");
    let expected = |period, schedule| {
        let got = adherence(&[], period, schedule, &[], &paris());
        (got.expected, got.days.len(), got.days.last().unwrap().expected)
    };
    assert_eq!(expected(autumn, Schedule::EveryHours(1)), (169, 7, Some(25)));
    assert_eq!(expected(spring, Schedule::EveryHours(1)), (167, 7, Some(23)));
    for period in [autumn, spring] {
        assert_eq!(
            expected(period, Schedule::EveryHours(24)),
            (7, 7, Some(1)),
            "a daily weight is a daily weight"
        );
        assert_eq!(expected(period, Schedule::PerDay(4)), (28, 7, Some(4)));
        assert_eq!(expected(period, Schedule::EveryHours(7 * 24)), (1, 7, None));
    }
}

#[test]
fn many_on_one_day_do_not_make_up_for_none_on_another() {
    let times = readings_at(&[1, 2, 3, 4, 5, 6, 7, 30], start());
    let got = adherence(&times, days(7), Schedule::PerDay(1), &[], &TimeZone::UTC);
    assert_eq!((got.expected, got.received, got.days_with_data), (7, 8, 2));
    near(got.percent, 200.0 / 7.0);
    let gap = got.longest_gap.unwrap();
    assert_eq!((gap.from, gap.to, gap.hours), (times[7], at_day(7), 138.0));
}

#[test]
fn a_weekly_test_is_looked_for_in_the_whole_period() {
    let one =
        adherence(&readings_at(&[100], start()), days(14), Schedule::EveryHours(168), &[], &TimeZone::UTC);
    assert_eq!((one.expected, one.percent), (2, Some(50.0)));
    let nothing_due = adherence(&[], days(3), Schedule::EveryHours(168), &[], &TimeZone::UTC);
    assert_eq!((nothing_due.expected, nothing_due.percent), (0, None));
}

#[test]
fn in_a_pause_nothing_is_expected() {
    let pause = |from, until| Pause {
        from: at_day(from),
        until: at_day(until),
        reason: "hospital".to_owned(),
        recorded_at: start(),
    };
    // Overlapping, and reaching out of the period.
    let pauses = [pause(2, 4), pause(3, 5), pause(6, 60)];
    let daily = readings_at(&[7, 31, 127], start()); // days 0, 1 and 5
    let got: Adherence = adherence(&daily, days(7), Schedule::EveryHours(24), &pauses, &TimeZone::UTC);
    assert_eq!((got.expected, got.percent, got.paused_hours), (3, Some(100.0), 96.0));
    assert_eq!(got.longest_gap.unwrap().hours, 24.0, "96 hours from day 1 to day 5, 72 of them paused");
    // What comes during a pause is counted as received, and not as fulfilling what was expected.
    let within = adherence(
        &readings_at(&[50, 60, 70], start()),
        days(7),
        Schedule::EveryHours(24),
        &pauses,
        &TimeZone::UTC,
    );
    assert_eq!((within.received, within.percent), (3, Some(0.0)));
}

fn alert(
    opened: i64,
    acknowledged: Option<i64>,
    resolved: Option<i64>,
    priority: Priority,
    outcome: &str,
) -> AlertSummary {
    AlertSummary {
        opened_at: at_minute(opened),
        acknowledged_at: acknowledged.map(at_minute),
        resolved_at: resolved.map(at_minute),
        priority,
        outcome: (!outcome.is_empty()).then(|| outcome.to_owned()),
    }
}

#[test]
fn alerts_are_counted_by_priority_and_outcome_with_the_median_of_their_response_times() {
    let all = [
        alert(-1, Some(5), Some(6), Priority::High, "known"), // before the period
        alert(0, Some(10), Some(60), Priority::High, "true_alert_called_patient"),
        alert(100, Some(130), None, Priority::High, ""),
        alert(200, None, None, Priority::Low, ""),
        alert(300, None, None, Priority::Technical, "ended_by_data"),
        alert(400, Some(420), Some(440), Priority::Low, "known"),
    ];
    let got = alerts(&all, days(1));
    assert_eq!((got.n, got.unresolved), (5, 2));
    assert_eq!(got.by_priority[&Priority::High], 2);
    assert_eq!(got.by_priority[&Priority::Low], 2);
    assert_eq!(got.by_priority[&Priority::Technical], 1);
    assert_eq!(got.by_outcome["known"], 1);
    assert_eq!(got.by_outcome["ended_by_data"], 1);
    assert_eq!((got.to_acknowledged.median_minutes, got.to_acknowledged.n), (Some(20.0), 3));
    assert_eq!((got.to_resolved.median_minutes, got.to_resolved.n), (Some(50.0), 2));
    assert_eq!(got.to_acknowledged_by_priority[&Priority::High].longest_minutes, Some(30.0));
    assert_eq!(got.to_acknowledged_by_priority[&Priority::Technical].n, 0);
}
