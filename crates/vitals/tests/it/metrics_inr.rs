//! Time in therapeutic range and variability of INR.

use rust_decimal::{Decimal, dec};
use vigie_vitals::Unit;
use vigie_vitals::metrics::inr::{Inr, TherapeuticRange, inr};
use vigie_vitals::metrics::{Period, Sample};

use crate::metrics_samples::{at_day, at_minute, days, inr_by_day, near, sample};

const RANGE: TherapeuticRange = TherapeuticRange { low: Decimal::TWO, high: dec!(3) };

fn of(results: &[(i64, &str)]) -> Inr {
    inr(&inr_by_day(results), days(1000), RANGE)
}

#[track_caller]
fn check(results: &[(i64, &str)], expected: [f64; 4]) {
    let got = of(results);
    near(Some(got.days_in), expected[0]);
    near(Some(got.days_below), expected[1]);
    near(Some(got.days_above), expected[2]);
    near(got.ttr_percent, expected[3]);
}

#[test]
fn time_in_range_agrees_with_exact_fractions() {
    // DOMAIN 5.2, "Rosendaal", computed there with exact fractions.
    check(&[(0, "2.0"), (10, "3.0")], [10.0, 0.0, 0.0, 100.0]);
    check(&[(0, "2.5"), (10, "3.5")], [5.0, 0.0, 5.0, 50.0]);
    check(&[(0, "1.5"), (10, "2.5")], [5.0, 5.0, 0.0, 50.0]);
    check(&[(0, "1.5"), (20, "3.5")], [10.0, 5.0, 5.0, 50.0]);
    check(&[(0, "2.5"), (57, "2.5"), (67, "3.5")], [5.0, 0.0, 5.0, 50.0]);
}

#[test]
fn a_gap_of_56_days_is_interpolated_and_a_longer_one_is_left_out_and_reported() {
    let edge = of(&[(0, "2.5"), (56, "2.5")]);
    assert_eq!((edge.days_in, edge.days_gap, edge.ttr_percent), (56.0, 0.0, Some(100.0)));
    let mut samples = inr_by_day(&[(0, "2.5")]);
    samples.push(sample(at_minute(56 * 24 * 60 + 1), "2.5", Unit::Inr));
    let beyond = inr(&samples, days(1000), RANGE);
    assert_eq!((beyond.days_in, beyond.ttr_percent, beyond.sufficient), (0.0, None, false));
    near(Some(beyond.days_gap), 56.0 + 1.0 / 1440.0);
}

#[test]
fn both_bounds_belong_to_the_range() {
    check(&[(0, "2.0"), (7, "2.0"), (14, "3.0"), (21, "3.0")], [21.0, 0.0, 0.0, 100.0]);
    let outside = of(&[(0, "1.9"), (7, "1.9"), (14, "3.1"), (21, "3.1")]);
    near(Some(outside.days_below), 7.0 + 7.0 / 12.0);
    near(Some(outside.days_in), 7.0 * 10.0 / 12.0);
    near(Some(outside.days_above), 7.0 + 7.0 / 12.0);
    assert_eq!(outside.in_range_percent, Some(0.0));
}

#[test]
fn results_of_one_instant_are_averaged() {
    // (2 + 4) / 2 = 3 on day 0, to 2 on day 10: always in range.
    check(&[(0, "2.0"), (0, "4.0"), (10, "2.0")], [10.0, 0.0, 0.0, 100.0]);
}

#[test]
fn the_last_result_before_the_period_is_used_and_the_line_is_cut_at_its_edge() {
    let period = Period { from: at_day(10), to: at_day(30) };
    let results = [(0, "1.0"), (20, "3.0"), (40, "9.0")];
    let got = inr(&inr_by_day(&results), period, RANGE);
    // From day 10 (2.0, half way from 1.0 to 3.0) to day 20 in range; after day 20 nothing is known yet.
    near(Some(got.days_in), 10.0);
    assert_eq!((got.n, got.days_below, got.days_above), (1, 0.0, 0.0));
    near(Some(got.days_unknown), 10.0);
    assert!(got.sufficient);
    let without = inr(&inr_by_day(&results[1..]), period, RANGE);
    assert_eq!((without.ttr_percent, without.sufficient), (None, false));
    // A gap is judged by its whole length, and only the part within the period is reported.
    let far = inr(&inr_by_day(&[(-40, "2.5"), (20, "2.5")]), period, RANGE);
    assert_eq!((far.ttr_percent, far.days_gap), (None, 10.0));
}

#[test]
fn censored_results_stand_at_their_limit_and_are_left_out_of_averages() {
    let got = of(&[(0, "2.0"), (10, ">8.0"), (20, "2.0")]);
    // From 2 to 8 in 10 days: a sixth of the way in range.
    near(Some(got.days_in), 2.0 * 10.0 / 6.0);
    near(Some(got.days_above), 2.0 * 50.0 / 6.0);
    assert_eq!((got.n, got.censored_high, got.mean, got.highest), (3, 1, Some(2.0), Some(2.0)));
    near(got.in_range_percent, 200.0 / 3.0);
    assert_eq!(got.ttr_percent, of(&[(0, "2.0"), (10, "HI"), (20, "2.0")]).ttr_percent);
    let low = of(&[(0, "<0.8"), (10, "2.0")]);
    assert_eq!((low.days_below, low.censored_low, low.mean), (10.0, 1, Some(2.0)));
    // Beyond 10 a number says no more than 10 does.
    assert_eq!(of(&[(0, "2.0"), (10, "16")]).ttr_percent, of(&[(0, "2.0"), (10, "10")]).ttr_percent);
}

#[test]
fn variance_grows_by_squared_difference_over_weeks() {
    // By hand: (0.5)^2 / 1 week, (1.0)^2 / 2 weeks, mean (0.25 + 0.5) / 2.
    let got = of(&[(0, "2.0"), (7, "2.5"), (21, "3.5")]);
    near(got.variance_growth_rate, 0.375);
    near(got.mean, 8.0 / 3.0);
    near(got.sd, (7.0_f64 / 12.0).sqrt());
    near(got.cv_percent, 100.0 * (7.0_f64 / 12.0).sqrt() / (8.0 / 3.0));
}

#[test]
fn a_repeat_after_ten_minutes_does_not_outweigh_everything_else() {
    let mut samples: Vec<Sample> = inr_by_day(&[(0, "2.0"), (7, "2.5")]);
    samples.push(sample(at_minute(7 * 24 * 60 + 10), "2.1", Unit::Inr));
    near(inr(&samples, days(30), RANGE).variance_growth_rate, 0.25);
}
