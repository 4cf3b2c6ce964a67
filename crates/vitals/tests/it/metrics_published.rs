//! Worked examples that others have published. Each test names its source; a tolerance is half of the last digit
//! that the source prints, unless said otherwise.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::{Decimal, dec};
use vigie_vitals::metrics::Sample;
use vigie_vitals::metrics::glucose::{Glucose, Kind, Ranges, Settings, glucose, spanning};
use vigie_vitals::metrics::inr::{TherapeuticRange, inr};
use vigie_vitals::metrics::news2::{Circumstances, News2, Parameter, Spo2Scale, WINDOW, news2};
use vigie_vitals::{Unit, Value, Vital};

use crate::metrics_samples::{days, every, near, sample, start, within};

const MG: Unit = Unit::MilligramPerDecilitre;

fn cgm(texts: &[&str], unit: Unit) -> Glucose {
    let samples = every(5, texts, unit);
    glucose(&samples, spanning(&samples).unwrap(), &Settings::new(Kind::Cgm, TimeZone::UTC))
}

/// Shares of a hundred readings: very low, low, in range, high, very high.
fn hundred(counts: [usize; 5]) -> Glucose {
    let texts = ["50", "60", "120", "200", "300"];
    let all: Vec<&str> =
        texts.iter().zip(counts).flat_map(|(text, count)| std::iter::repeat_n(*text, count)).collect();
    assert_eq!(all.len(), 100);
    cgm(&all, MG)
}

#[test]
fn gmi_agrees_with_the_table_of_its_authors() {
    // Bergenstal et al., Diabetes Care 2018;41:2275, table 1, as reprinted by goveganway.com/glucose-management-indicator-gmi-calculator.
    for (mean, gmi) in [
        ("100", 5.7),
        ("125", 6.3),
        ("150", 6.9),
        ("175", 7.5),
        ("200", 8.1),
        ("225", 8.7),
        ("250", 9.3),
        ("275", 9.9),
        ("300", 10.5),
        ("350", 11.7),
    ] {
        within(cgm(&[mean], MG).gmi_percent, gmi, 0.05);
    }
}

#[test]
fn the_summary_of_the_hl7_guide_for_sensors_is_consistent_with_ours() {
    // github HL7/cgm @0b247ae, input/fsh/examples.fsh: mean 145 mg/dL (8.1 mmol/L), GMI 6.8, 3/8/65/20/4 % very low, low, in
    // range, high, very high.
    within(cgm(&["145"], MG).gmi_percent, 6.8, 0.05);
    // 8.1 mmol/L is 145.9 mg/dL; the guide rounded 145 mg/dL (8.05) up.
    within(cgm(&["8.1"], Unit::MillimolePerLitre).mean, 145.0, 1.0);
    let shares = hundred([3, 8, 65, 20, 4]).shares.unwrap();
    let all = [
        shares.very_low_percent,
        shares.low_percent,
        shares.in_range_percent,
        shares.high_percent,
        shares.very_high_percent,
    ];
    assert_eq!(all, [3.0, 8.0, 65.0, 20.0, 4.0]);
}

#[test]
fn ranges_agree_with_the_tests_of_iglu() {
    // github irinagain/iglu @33d72695, tests/testthat: of 100, 120 and 150, above 140 are 33.3 %, in 63-140 are 66.7 %.
    let got = cgm(&["100", "120", "150"], MG).pregnancy.unwrap();
    within(Some(got.above_140_percent), 33.3, 0.05);
    within(Some(got.in_63_140_percent), 66.7, 0.05);
}

#[test]
fn estimated_hba1c_agrees_with_the_table_of_the_ada() {
    // ADA Standards of Care, table 6.1 (ADAG; Nathan et al., Diabetes Care 2008;31:1473): HbA1c and its mean glucose. The table
    // rounds glucose to 1 mg/dL, which is 0.02 % of HbA1c.
    for (mean, a1c) in [
        ("126", 6.0),
        ("140", 6.5),
        ("154", 7.0),
        ("169", 7.5),
        ("183", 8.0),
        ("197", 8.5),
        ("212", 9.0),
        ("240", 10.0),
    ] {
        within(cgm(&[mean], MG).ea1c_percent, a1c, 0.02);
    }
}

#[test]
fn estimated_hba1c_agrees_with_the_openehr_guideline() {
    // github gdl-lang/common-clinical-models @2bb1667, gdl2/A1C_calculator.v1.test.yml, where 7.55 (216.7 / 28.7 = 7.5505) is
    // printed as 7.6 and 8.247 as 8.2.
    within(cgm(&["190"], MG).ea1c_percent, 8.2, 0.05);
    within(cgm(&["170"], MG).ea1c_percent, 7.6, 0.05);
}

#[test]
fn the_risk_of_glucose_goes_from_100_over_zero_to_100() {
    // Kovatchev et al., Diabetes Care 1997;20:1655: the range of meters, 20 to 600 mg/dL, is mapped so that risk is 100 at both
    // ends and 0 at 112.5. The published factors have four digits, which leave 0.2.
    let low = cgm(&["20"], MG);
    within(low.lbgi, 100.0, 0.2);
    assert_eq!(low.hbgi, Some(0.0));
    let high = cgm(&["600"], MG);
    within(high.hbgi, 100.0, 0.2);
    assert_eq!(high.lbgi, Some(0.0));
    let centre = cgm(&["112.5"], MG);
    within(centre.lbgi.zip(centre.hbgi).map(|(low, high)| low + high), 0.0, 0.001);
    // And symmetric around the target: risk at 70 and at 180 is the same (assumption A2 of the paper).
    within(cgm(&["70"], MG).lbgi.zip(cgm(&["180"], MG).hbgi).map(|(low, high)| low - high), 0.0, 0.05);
}

#[test]
fn the_glycaemia_risk_index_is_bounded_and_weighs_lows_most() {
    // Klonoff et al., J Diabetes Sci Technol 2023;17:1226: 3.0 VLow + 2.4 Low + 1.6 VHigh + 0.8 High, at most 100. By hand for
    // the summary of the HL7 guide: 9 + 19.2 + 6.4 + 16 = 50.6.
    near(hundred([3, 8, 65, 20, 4]).gri, 50.6);
    near(hundred([0, 0, 100, 0, 0]).gri, 0.0);
    near(hundred([40, 0, 60, 0, 0]).gri, 100.0);
    near(hundred([0, 0, 0, 100, 0]).gri, 80.0);
}

#[test]
fn glucose_cut_offs_are_those_of_the_consensus_in_both_units() {
    // Battelino et al., Diabetes Care 2019;42:1593, targets in mg/dL and mmol/L (those of pregnancy are table 4).
    let ranges = [
        ("54", "3.0", Ranges::standard().very_low),
        ("70", "3.9", Ranges::standard().low),
        ("180", "10.0", Ranges::standard().high),
        ("250", "13.9", Ranges::standard().very_high.unwrap()),
        ("63", "3.5", Ranges::pregnancy().low),
        ("140", "7.8", Ranges::pregnancy().high),
    ];
    for (milligrams, millimoles, cut) in ranges {
        assert_eq!(cut.milligrams, milligrams.parse().unwrap());
        assert_eq!(cut.millimoles, millimoles.parse().unwrap());
        assert_eq!(cut.grams * Decimal::ONE_HUNDRED, cut.milligrams);
    }
}

/// github projecttacoma/hqmf2js @6744055, test/unit/custom_calculations_test.rb: the calculation of the American quality
/// measure CMS179 (time in therapeutic range), with days in range for each pair of results.
const CMS179: [(&str, &str, f64); 13] = [
    ("2010-01-05", "2.8", 3.714_285_714),
    ("2010-01-18", "3.5", 0.0),
    ("2010-02-02", "3.4", 0.0),
    ("2010-02-15", "3.9", 10.454_545_45),
    ("2010-03-10", "1.7", 7.0),
    ("2010-03-24", "2.3", 19.0),
    ("2010-04-12", "2.4", 23.25),
    ("2010-05-13", "3.2", 0.0),
    ("2010-05-27", "3.5", 0.0),
    ("2010-06-10", "3.5", 0.0),
    ("2010-06-24", "3.4", 9.692_307_692),
    ("2010-07-08", "2.1", 14.0),
    ("2010-07-22", "2.6", 0.0),
];

fn cms179() -> Vec<Sample> {
    let at = |date: &str| format!("{date}T00:00:00Z").parse::<Timestamp>().unwrap();
    CMS179.iter().map(|(date, text, _)| sample(at(date), text, Unit::Inr)).collect()
}

#[test]
fn time_in_range_of_each_pair_agrees_with_the_american_quality_measure() {
    let range = TherapeuticRange { low: dec!(2), high: dec!(3) };
    let samples = cms179();
    for (pair, (date, _, expected)) in samples.windows(2).zip(CMS179) {
        let got = inr(pair, spanning(pair).unwrap(), range);
        assert!((got.days_in - expected).abs() < 1e-8, "{date}: {} is not {expected}", got.days_in);
    }
}

#[test]
fn time_in_range_as_a_whole_agrees_with_the_american_quality_measure() {
    let range = TherapeuticRange { low: dec!(2), high: dec!(3) };
    let samples = cms179();
    let got = inr(&samples, spanning(&samples).unwrap(), range);
    near(Some(got.days_in + got.days_below + got.days_above), 198.0);
    within(Some(got.days_in), 87.111_138_86, 5e-9);
    within(got.ttr_percent, 43.995_524_68, 5e-9);
}

/// A row of the guideline's test cases: name, respiration, SpO2, hypercapnic, oxygen, systolic, pulse, alert, temperature,
/// total.
type Case = (
    &'static str,
    &'static str,
    &'static str,
    bool,
    bool,
    &'static str,
    &'static str,
    bool,
    &'static str,
    u8,
);

/// github gdl-lang/common-clinical-models @1208dde, gdl2/NEWS2.v1.test.yml: test cases of the openEHR guideline.
const NEWS2: [Case; 14] = [
    ("score 0", "20", "98", false, false, "111", "78", true, "37", 0),
    ("score 1, spO2", "20", "95", false, false, "111", "78", true, "37", 1),
    ("score 2, spO2", "20", "93", false, false, "111", "78", true, "37", 2),
    ("score 3, spO2", "20", "91", false, false, "111", "78", true, "37", 3),
    ("Low-medium", "20", "98", false, false, "70", "78", true, "37", 3),
    ("Hypercapnic RF, high SpO2", "20", "98", true, true, "111", "78", true, "37", 5),
    ("no supplementary O2", "20", "98", true, false, "111", "78", true, "37", 0),
    ("Hypercapnic RF, low SpO2", "20", "82", true, false, "111", "78", true, "37", 3),
    ("Unconscious", "20", "98", true, true, "111", "78", false, "37", 8),
    ("Hypothermia", "20", "98", true, true, "111", "78", false, "34", 11),
    ("Fever", "20", "98", true, true, "111", "78", false, "39", 9),
    ("High fever", "20", "98", true, true, "111", "78", false, "40", 10),
    ("Bradycardia", "20", "98", true, true, "111", "48", false, "40", 11),
    ("Tachycardia", "20", "98", true, true, "111", "150", false, "40", 13),
];

fn score(values: &[(Vital, &str, Unit)], circumstances: Circumstances) -> News2 {
    let samples: Vec<(Vital, Sample)> =
        values.iter().map(|(vital, text, unit)| (*vital, sample(start(), text, *unit))).collect();
    news2(&samples, start() + SignedDuration::from_hours(1), WINDOW, circumstances)
}

#[test]
fn news2_agrees_with_the_test_cases_of_the_openehr_guideline() {
    for (name, respiration, spo2, hypercapnic, oxygen, systolic, pulse, alert, temperature, total) in NEWS2 {
        let scale = if hypercapnic { Spo2Scale::Two } else { Spo2Scale::One };
        let got = score(
            &[
                (Vital::RespiratoryRate, respiration, Unit::PerMinute),
                (Vital::Spo2, spo2, Unit::Percent),
                (Vital::Systolic, systolic, Unit::MillimetreOfMercury),
                (Vital::Pulse, pulse, Unit::PerMinute),
                (Vital::Temperature, temperature, Unit::Celsius),
            ],
            Circumstances { scale, oxygen: Some(oxygen), alert: Some(alert) },
        );
        assert!(got.is_complete(), "{name}");
        assert_eq!(got.total, total, "{name}: {got:?}");
    }
}

#[test]
fn news2_components_agree_with_a_welsh_fhir_example_but_for_its_mistake() {
    // github SynaneticsLtd/emergency-department-ig @2c81fe7, caroltest-news2.fsh: respiration 21 scores 2, pulse 95 scores 1, SpO2 93
    // scores 2, systolic 120 scores 0, alert and on air 0. It gives 1 for 37.5 degrees and so 6 in all; the RCP's table gives 0
    // for 36.1 to 38.0, and so 5.
    let got = score(
        &[
            (Vital::RespiratoryRate, "21", Unit::PerMinute),
            (Vital::Pulse, "95", Unit::PerMinute),
            (Vital::Spo2, "93", Unit::Percent),
            (Vital::Systolic, "120", Unit::MillimetreOfMercury),
            (Vital::Temperature, "37.5", Unit::Celsius),
        ],
        Circumstances { oxygen: Some(false), alert: Some(true), ..Circumstances::default() },
    );
    let of = |parameter| got.points.iter().find(|points| points.parameter == parameter).unwrap().points;
    assert_eq!(of(Parameter::RespiratoryRate), 2);
    assert_eq!(of(Parameter::Pulse), 1);
    assert_eq!(of(Parameter::Spo2), 2);
    assert_eq!(of(Parameter::Systolic), 0);
    assert_eq!((of(Parameter::Temperature), got.total), (0, 5));
}

#[test]
fn glucose_converts_as_ucum_does() {
    // DOMAIN 5.2 (ucum-lhc): 1 g/L is 100 mg/dL; and 1.3: 5.5507 mmol/L.
    near(cgm(&["1"], Unit::GramPerLitre).mean, 100.0);
    within(cgm(&["5.5507"], Unit::MillimolePerLitre).mean, 100.0, 0.001);
    let censored = Sample { at: start(), value: Value::parse("HI", "", MG).unwrap() };
    assert_eq!(glucose(&[censored], days(1), &Settings::new(Kind::Cgm, TimeZone::UTC)).mean, None);
}
