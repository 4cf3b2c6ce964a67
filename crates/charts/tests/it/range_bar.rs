//! The bar of the five ranges.

use proptest::prelude::*;
use rust_decimal::dec;
use vigie_charts::{Locale, RangeBar, RangeGoals, RangeShares, Size, range_bar, range_bar_summary};

use crate::support::{assert_sound, is_written, parts};

fn bar(locale: Locale) -> RangeBar {
    RangeBar {
        id: "ranges".into(),
        name: locale.pick("Plages de glycémie", "Glucose ranges").into(),
        caption: locale.pick("% du temps", "% of time").into(),
        unit: "mg/dL".into(),
        cut_offs: [dec!(54), dec!(70), dec!(180), dec!(250)],
        shares: Some(RangeShares { very_low: 0.04, low: 4.16, target: 71.2, high: 20.1, very_high: 4.5 }),
        goals: RangeGoals::ADULTS,
        locale,
        size: Size { width: 500, height: 100 },
    }
}

fn print(bar: &RangeBar) -> String {
    let svg = range_bar(bar);
    assert_sound(&svg, &range_bar_summary(bar));
    assert_eq!(svg, range_bar(bar), "the same every time");
    svg
}

#[test]
fn each_share_is_printed_with_its_words_and_its_goal_in_french() {
    let svg = print(&bar(Locale::Fr));
    for words in [
        "très bas <\u{202f}54",
        "<\u{202f}0,1\u{202f}%",
        "objectif <\u{202f}1\u{202f}%",
        "bas 54–69",
        "4,2\u{202f}%",
        "<\u{202f}70\u{202f}: obj. <\u{202f}4\u{202f}%",
        "4,2\u{202f}%, non atteint",
        "cible 70–180",
        "71,2\u{202f}%",
        "objectif >\u{202f}70\u{202f}%",
        "atteint",
        "haut 181–250",
        "20,1\u{202f}%",
        ">\u{202f}180\u{202f}: obj. <\u{202f}25\u{202f}%",
        "24,6\u{202f}%, atteint",
        "très haut >\u{202f}250",
        "4,5\u{202f}%",
        "objectif <\u{202f}5\u{202f}%",
        "% du temps · mg/dL",
    ] {
        assert!(is_written(&svg, words), "{words} in {svg}");
    }
    assert_eq!((parts(&svg, "met", "d").len(), parts(&svg, "unmet", "d").len()), (4, 1));
}

#[test]
fn the_ranges_follow_the_digits_of_their_unit() {
    let mut bar = bar(Locale::En);
    bar.unit = "mmol/L".into();
    bar.cut_offs = [dec!(3.0), dec!(3.9), dec!(10.0), dec!(13.9)];
    let svg = print(&bar);
    for words in ["low 3.0–3.8", "target 3.9–10.0", "high 10.1–13.9"] {
        assert!(is_written(&svg, words), "{words} in {svg}");
    }
}

#[test]
fn the_segments_are_as_wide_as_their_shares_and_each_has_its_own_hatching() {
    let svg = print(&bar(Locale::En));
    let widths: Vec<f64> = parts(&svg, "segment", "width").iter().map(|w| w.parse().unwrap()).collect();
    for (width, share) in widths.iter().zip([0.04, 4.16, 71.2, 20.1, 4.5]) {
        assert!((width - 4.92 * share).abs() <= 0.051, "{width} for {share}");
    }
    let fills: std::collections::BTreeSet<String> = parts(&svg, "segment", "fill").into_iter().collect();
    assert_eq!(fills.len(), 5);
    assert_eq!(parts(&svg, "leader", "d").len(), 5);
}

#[test]
fn the_summary_says_it_all() {
    assert_eq!(
        range_bar_summary(&bar(Locale::En)),
        "Glucose ranges, % of time, mg/dL: very low (<\u{202f}54) <\u{202f}0.1% [goal <\u{202f}1%, met]; \
         low (54–69) 4.2% [<\u{202f}70: goal <\u{202f}4%, 4.2%, not met]; target (70–180) 71.2% [goal >\u{202f}70%, met]; \
         high (181–250) 20.1% [>\u{202f}180: goal <\u{202f}25%, 24.6%, met]; \
         very high (>\u{202f}250) 4.5% [goal <\u{202f}5%, met]."
    );
}

#[test]
fn too_little_to_conclude_draws_no_bar() {
    for (locale, words) in [(Locale::Fr, "données insuffisantes"), (Locale::En, "insufficient data")] {
        let svg = print(&RangeBar { shares: None, ..bar(locale) });
        assert!(is_written(&svg, words));
        assert!(parts(&svg, "segment", "width").is_empty());
    }
}

proptest! {
    #[test]
    fn whatever_the_shares_the_picture_is_sound(
        very_low in any::<f64>(), low in any::<f64>(), target in any::<f64>(), high in any::<f64>(),
        very_high in any::<f64>(), name in any::<String>(), width in any::<u32>(), height in any::<u32>(),
    ) {
        let shares = Some(RangeShares { very_low, low, target, high, very_high });
        print(&RangeBar { name, shares, size: Size { width, height }, ..bar(Locale::Fr) });
    }
}
