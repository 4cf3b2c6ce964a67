//! Metrics of glucose: ranges, averages, what is censored, what is sufficient.

use jiff::tz::TimeZone;
use vigie_vitals::Unit;
use vigie_vitals::metrics::glucose::{EpisodeKind, Glucose, Kind, Settings, glucose, spanning};
use vigie_vitals::metrics::{Period, Sample};

use crate::metrics_samples::{at_day, at_minute, days, every, near, sample, within};

fn cgm(samples: &[Sample], period: Period) -> Glucose {
    glucose(samples, period, &Settings::new(Kind::Cgm, TimeZone::UTC))
}

fn capillary(samples: &[Sample], period: Period) -> Glucose {
    glucose(samples, period, &Settings::new(Kind::Capillary, TimeZone::UTC))
}

/// `count` readings of the same value, five minutes apart, from a minute on.
fn flat(from: i64, count: i64, text: &str) -> Vec<Sample> {
    (0..count).map(|i| sample(at_minute(from + 5 * i), text, Unit::MilligramPerDecilitre)).collect()
}

fn episodes(got: &Glucose, kind: EpisodeKind) -> usize {
    got.episodes.iter().filter(|episode| episode.kind == kind).count()
}

#[test]
fn the_target_includes_both_of_its_ends_in_every_unit() {
    for (unit, texts) in [
        (Unit::MilligramPerDecilitre, ["53", "54", "69", "70", "180", "181", "250", "251"]),
        (Unit::GramPerLitre, ["0.53", "0.54", "0.69", "0.70", "1.80", "1.81", "2.50", "2.51"]),
        (Unit::MillimolePerLitre, ["2.9", "3.0", "3.8", "3.9", "10.0", "10.1", "13.9", "14.0"]),
    ] {
        let got = cgm(&every(5, &texts, unit), days(1));
        let shares = got.shares.unwrap();
        assert_eq!(shares.very_low_percent, 12.5, "{unit}");
        assert_eq!(shares.low_percent, 25.0, "{unit}");
        assert_eq!(shares.in_range_percent, 25.0, "{unit}");
        assert_eq!(shares.high_percent, 25.0, "{unit}");
        assert_eq!(shares.very_high_percent, 12.5, "{unit}");
        assert_eq!((got.below_54_percent, got.below_70_percent), (Some(12.5), Some(37.5)), "{unit}");
        assert_eq!((got.above_180_percent, got.above_250_percent), (Some(37.5), Some(12.5)), "{unit}");
    }
}

#[test]
fn low_and_high_count_in_their_range_and_not_in_the_mean() {
    let got = cgm(&every(5, &["LO", "100", "140", "HI", "<40"], Unit::MilligramPerDecilitre), days(1));
    assert_eq!((got.n, got.censored_low, got.censored_high), (5, 2, 1));
    assert_eq!(
        (got.mean, got.below_54_percent, got.above_250_percent),
        (Some(120.0), Some(40.0), Some(20.0))
    );
    assert!(got.is_censored());
    let metrics = got.metrics();
    let n = |name| metrics.iter().find(|(other, _)| *other == name).unwrap().1.n;
    assert_eq!((n("mean"), n("below_54_percent")), (2, 5));
}

#[test]
fn fingersticks_have_shares_of_readings_and_no_sensor_metrics() {
    let samples: Vec<Sample> =
        (0..14).map(|i| sample(at_minute(i * 720), "1.20", Unit::GramPerLitre)).collect();
    let got = capillary(&samples, days(7));
    assert_eq!((got.n, got.in_70_180_percent, got.mean), (14, Some(100.0), Some(120.0)));
    assert_eq!(
        (got.gmi_percent, got.mage, got.modd, got.active_percent, got.gri),
        (None, None, None, None, None)
    );
    assert!(got.episodes.is_empty());
    assert!(got.sufficient, "two a day is the minimum");
    assert!(!capillary(&samples[1..], days(7)).sufficient, "and 13 in a week are under it");
}

#[test]
fn a_sensor_must_cover_seven_tenths_of_the_period_and_two_weeks_for_a_profile() {
    let per_day = 288;
    for (data, period, sufficient, profile) in
        [(14, 14, true, true), (10, 14, true, true), (9, 14, false, false), (7, 7, true, false)]
    {
        let got = cgm(&flat(0, data * per_day, "120"), days(period));
        assert_eq!(
            (got.sufficient, got.profile_sufficient),
            (sufficient, profile),
            "{data} of {period} days"
        );
        near(got.coverage_percent, 100.0 * data as f64 / period as f64);
    }
}

#[test]
fn excursions_are_not_shown_under_three_days_of_data() {
    let swing = ["100", "200"];
    let samples = |days: i64| -> Vec<Sample> {
        (0..days * 288)
            .map(|i| sample(at_minute(5 * i), swing[(i / 30 % 2) as usize], Unit::MilligramPerDecilitre))
            .collect()
    };
    for (count, shown) in [(2, false), (3, true)] {
        let got = cgm(&samples(count), days(3));
        assert!(got.mage.is_some());
        let metrics = got.metrics();
        let mage = &metrics.iter().find(|(name, _)| *name == "mage").unwrap().1;
        assert_eq!(mage.value.is_some(), shown, "{count} days");
    }
}

#[test]
fn an_episode_needs_fifteen_minutes_beyond_and_fifteen_back() {
    let mut samples = flat(0, 12, "100");
    samples.extend(flat(60, 2, "60")); // ten minutes: none
    samples.extend(flat(70, 3, "100"));
    samples.extend(flat(85, 3, "60")); // fifteen minutes: begins
    samples.extend(flat(100, 2, "100")); // ten minutes back: goes on
    samples.extend(flat(110, 1, "50"));
    samples.extend(flat(115, 3, "100")); // fifteen minutes back: ends
    let got = cgm(&samples, days(1));
    assert_eq!(got.episodes.len(), 1, "{:?}", got.episodes);
    let episode = got.episodes[0];
    assert_eq!(
        (episode.kind, episode.from, episode.to),
        (EpisodeKind::HypoLevel1, at_minute(85), at_minute(115))
    );
    assert_eq!((episode.ended, episode.extreme, episode.beyond_range), (true, Some(50.0), false));
}

#[test]
fn two_hours_below_seventy_are_not_extended_and_more_are() {
    for (readings, extended) in [(24, 0), (25, 1)] {
        let mut samples = flat(0, 6, "100");
        samples.extend(flat(30, readings, "60"));
        samples.extend(flat(30 + 5 * readings, 6, "100"));
        let got = cgm(&samples, days(1));
        assert_eq!(episodes(&got, EpisodeKind::HypoLevel1), 1);
        assert_eq!(episodes(&got, EpisodeKind::HypoExtended), extended, "{readings}");
    }
}

#[test]
fn low_beyond_the_sensors_range_makes_a_level_2_episode() {
    let mut samples = flat(0, 6, "100");
    samples.extend(flat(30, 3, "LO"));
    samples.extend(flat(45, 6, "100"));
    let got = cgm(&samples, days(1));
    let [level_1, level_2] = got.episodes.as_slice() else { panic!("{:?}", got.episodes) };
    assert_eq!((level_1.kind, level_2.kind), (EpisodeKind::HypoLevel1, EpisodeKind::HypoLevel2));
    assert!(level_2.beyond_range && level_2.extreme.is_none());
    assert_eq!((level_2.from, level_2.to), (at_minute(30), at_minute(45)));
}

#[test]
fn a_gap_of_more_than_45_minutes_ends_an_episode() {
    let mut samples = flat(0, 6, "300");
    samples.extend(flat(75, 6, "300"));
    assert_eq!(episodes(&cgm(&samples, days(1)), EpisodeKind::HyperLevel2), 2, "50 minutes apart");
    let mut samples = flat(0, 6, "300");
    samples.extend(flat(70, 6, "300"));
    assert_eq!(episodes(&cgm(&samples, days(1)), EpisodeKind::HyperLevel2), 1, "45 minutes apart");
}

#[test]
fn active_share_counts_what_is_missing_between_the_first_and_the_last_reading() {
    // iglu's documentation: readings at 0, 5, 10, 15 with that at 5 missing are 75 % active. With a usual distance of
    // 5 minutes, as the rest of the day has it.
    let mut samples = flat(0, 100, "120");
    samples.remove(1);
    near(cgm(&samples, days(1)).active_percent, 99.0);
}

#[test]
fn modd_is_the_mean_absolute_difference_of_values_a_day_apart() {
    // Day 1 at 100, day 2 at 130, day 3 at 120: (30 + 10) / 2.
    let mut samples = flat(0, 288, "100");
    samples.extend(flat(1440, 288, "130"));
    samples.extend(flat(2880, 288, "120"));
    near(cgm(&samples, days(3)).modd, 20.0);
}

#[test]
fn mage_of_a_regular_swing_is_its_height() {
    // Two hours up at 200, two hours down at 100, for three days: every rise and every fall is 100.
    let samples: Vec<Sample> = (0..864)
        .map(|i| {
            let text = if i / 24 % 2 == 0 { "100" } else { "200" };
            sample(at_minute(5 * i), text, Unit::MilligramPerDecilitre)
        })
        .collect();
    near(cgm(&samples, days(3)).mage, 100.0);
}

#[test]
fn a_flat_curve_has_no_excursions() {
    let got = cgm(&flat(0, 864, "120"), days(3));
    assert_eq!((got.mage, got.modd, got.sd), (None, Some(0.0), Some(0.0)));
}

#[test]
fn no_readings_give_no_numbers_and_are_not_sufficient() {
    for got in [cgm(&[], days(7)), capillary(&[], days(7))] {
        assert_eq!((got.n, got.mean, got.in_70_180_percent, got.lbgi, got.gri), (0, None, None, None, None));
        assert!(!got.sufficient && !got.profile_sufficient && !got.excursions_sufficient);
        assert!(
            got.metrics()
                .iter()
                .all(|(_, metric)| metric.value.is_none_or(|v| v == 0.0) && !metric.sufficient)
        );
    }
    assert_eq!(spanning(&[]), None);
}

#[test]
fn a_file_is_its_own_period() {
    let period = spanning(&flat(0, 288, "120")).unwrap();
    assert_eq!(period, Period { from: at_day(0), to: at_day(1) });
    within(cgm(&flat(0, 288, "120"), period).coverage_percent, 100.0, 1e-9);
}
