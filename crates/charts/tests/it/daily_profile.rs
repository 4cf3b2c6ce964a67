//! The glucose profile over the hours of the day.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use vigie_charts::{
    Band, DailyProfile, Locale, ProfileBin, Quantiles, Size, daily_profile, daily_profile_summary,
    profile_bins,
};

use crate::support::{any_time, assert_sound, at, is_written, number, paris, parts, texts};

fn profile(locale: Locale, bins: Vec<ProfileBin>) -> DailyProfile {
    DailyProfile {
        id: "profile".into(),
        name: locale.pick("Profil glycémique", "Glucose profile").into(),
        unit: "mg/dL".into(),
        band: Some(Band { low: number("70"), high: number("180") }),
        bins,
        readings_min: 3,
        decimals: 0,
        locale,
        size: Size { width: 640, height: 230 },
    }
}

fn print(profile: &DailyProfile) -> String {
    let svg = daily_profile(profile);
    assert_sound(&svg, &daily_profile_summary(profile));
    assert_eq!(svg, daily_profile(profile), "the same every time");
    svg
}

fn bin(n: u32, median: f64) -> ProfileBin {
    let quantiles = Quantiles {
        p5: median - 40.0,
        p25: median - 15.0,
        p50: median,
        p75: median + 15.0,
        p95: median + 40.0,
    };
    ProfileBin { n, quantiles: Some(quantiles) }
}

#[test]
fn quantiles_are_those_of_r() {
    // R: quantile(c(50, 80, 90, 130, 200), c(.05, .25, .5, .75, .95)) is 56, 80, 90, 130, 186.
    let start = at("2026-11-16T07:00:00Z");
    let points: Vec<(Timestamp, f64)> = (0..)
        .zip([200.0, 50.0, 130.0, 90.0, 80.0])
        .map(|(i, v)| (start + SignedDuration::from_mins(5 * i), v))
        .collect();
    let bins = profile_bins(&points, &paris());
    let q = bins[16].quantiles.unwrap();
    for (value, expected) in [(q.p5, 56.0), (q.p25, 80.0), (q.p50, 90.0), (q.p75, 130.0), (q.p95, 186.0)] {
        assert!((value - expected).abs() < 1e-9, "{value} is not {expected}");
    }
    assert_eq!((bins.len(), bins[16].n, bins[15].n), (48, 5, 0));
}

#[test]
fn the_hour_that_comes_twice_shares_its_bins_and_the_one_left_out_has_none() {
    let every_half_hour = |from: &str, count: i64| {
        let from = at(from);
        (0..count).map(|i| (from + SignedDuration::from_mins(30 * i), 100.0)).collect::<Vec<_>>()
    };
    // 25 October 2026 in Paris: 50 half-hours; 02:00 to 03:00 comes twice.
    let autumn = profile_bins(&every_half_hour("2026-10-24T22:00:00Z", 50), &paris());
    let counts: Vec<u32> = autumn.iter().map(|bin| bin.n).collect();
    assert_eq!((counts[4], counts[5], counts.iter().sum::<u32>()), (2, 2, 50));
    assert!(counts.iter().enumerate().all(|(i, n)| i == 4 || i == 5 || *n == 1));
    // 29 March 2026: 46 half-hours; 02:00 to 03:00 does not come.
    let spring = profile_bins(&every_half_hour("2026-03-28T23:00:00Z", 46), &paris());
    let counts: Vec<u32> = spring.iter().map(|bin| bin.n).collect();
    assert_eq!((counts[3], counts[4], counts[5], counts[6], counts.iter().sum::<u32>()), (1, 0, 0, 1, 46));
}

#[test]
fn half_hours_with_too_few_readings_are_gaps() {
    let mut bins = vec![bin(14, 120.0); 48];
    (bins[10], bins[11], bins[30]) = (bin(2, 300.0), ProfileBin::default(), bin(0, 100.0));
    let svg = print(&profile(Locale::En, bins));
    let medians = parts(&svg, "median", "d");
    assert_eq!(medians.len(), 3);
    assert_eq!((parts(&svg, "band-5-95", "d").len(), parts(&svg, "band-25-75", "d").len()), (3, 3));
    // The first run ends at 05:00: 10 of 48 half-hours of a plot that is 532 wide and begins at 50.
    let end: f64 = medians[0].rsplit('L').next().unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!((end - (50.0 + 532.0 * 10.0 / 48.0)).abs() < 0.1, "{end}");
}

#[test]
fn curves_and_limits_are_named_and_the_trademark_is_not_used() {
    for (locale, words) in [
        (Locale::Fr, ["médiane", "25\u{202f}%", "75\u{202f}%", "5\u{202f}%", "95\u{202f}%"]),
        (Locale::En, ["median", "25%", "75%", "5%", "95%"]),
    ] {
        let mut bins = vec![bin(14, 120.0); 48];
        (bins[8], bins[26]) = (bin(14, 82.4), bin(14, 171.0));
        bins[47].n = 0;
        let profile = profile(locale, bins);
        let svg = print(&profile);
        for words in words.into_iter().chain(["70", "180", "06:00", "24:00"]) {
            assert!(is_written(&svg, words), "{words} in {:?}", texts(&svg));
        }
        assert!(!svg.contains("AGP"));
        let expected = locale.pick(
            "Profil glycémique\u{202f}: médiane la plus basse 82\u{a0}mg/dL à 04:00, la plus haute 171\u{a0}mg/dL à 13:00 ; \
             5\u{202f}% des mesures sous 42\u{a0}mg/dL à 04:00. Trop peu de mesures pour 1 des 48 demi-heures.",
            "Glucose profile: lowest median 82\u{a0}mg/dL at 04:00, highest 171\u{a0}mg/dL at 13:00; \
             5% of readings below 42\u{a0}mg/dL at 04:00. Too few readings in 1 of 48 half-hours.",
        );
        let summary = daily_profile_summary(&profile);
        assert_eq!(summary, expected);
    }
}

#[test]
fn too_little_to_conclude_draws_no_curve() {
    let svg = print(&profile(Locale::Fr, vec![bin(2, 120.0); 48]));
    assert!(is_written(&svg, "données insuffisantes") && parts(&svg, "median", "d").is_empty());
}

proptest! {
    #[test]
    fn whatever_it_is_given_the_picture_is_sound(
        points in proptest::collection::vec((any_time(), any::<f64>()), 0..300), readings_min in 0u32..4,
        bins in proptest::option::of(proptest::collection::vec((any::<u32>(), any::<[f64; 5]>()), 0..60)),
        width in any::<u32>(), height in any::<u32>(), decimals in 0u32..4,
    ) {
        let given = |(n, [p5, p25, p50, p75, p95]): (u32, [f64; 5])| ProfileBin {
            n, quantiles: Some(Quantiles { p5, p25, p50, p75, p95 }),
        };
        let bins = match bins {
            Some(bins) => bins.into_iter().map(given).collect(),
            None => profile_bins(&points, &paris()),
        };
        print(&DailyProfile { readings_min, decimals, size: Size { width, height }, ..profile(Locale::En, bins) });
    }

    #[test]
    fn every_finite_reading_is_in_one_bin_and_quantiles_rise(
        points in proptest::collection::vec((any_time(), -1e9..1e9f64), 0..300),
    ) {
        let bins = profile_bins(&points, &paris());
        prop_assert_eq!(bins.iter().map(|bin| bin.n as usize).sum::<usize>(), points.len());
        for q in bins.iter().filter_map(|bin| bin.quantiles) {
            let rising = [q.p5, q.p25, q.p50, q.p75, q.p95];
            prop_assert!(rising.windows(2).all(|pair| pair[0] <= pair[1] + 1e-6), "{rising:?}");
        }
    }
}
