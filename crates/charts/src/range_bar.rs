//! The five ranges of glucose as one bar, with their shares and goals in words under it.

use rust_decimal::Decimal;

use crate::picture::{insufficient, insufficient_words, percent, rounded, with_percent_sign};
use crate::style::{SOFT, TARGET_LINE};
use crate::svg::{Anchor, N, Svg, escape};
use crate::{Locale, Size, Style};

/// Shares of the five ranges, in percent of the time or of the readings. They sum to 100.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RangeShares {
    /// Below the first cut-off.
    pub very_low: f64,
    /// From the first cut-off to below the second.
    pub low: f64,
    /// From the second cut-off to the third, both included.
    pub target: f64,
    /// Above the third cut-off, to the fourth.
    pub high: f64,
    /// Above the fourth cut-off.
    pub very_high: f64,
}

/// Goals for the shares, in percent; `None` where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RangeGoals {
    /// In the target range, at least more than this.
    pub target_above: Option<f64>,
    /// Low and very low together, less than this.
    pub low_below: Option<f64>,
    /// Very low, less than this.
    pub very_low_below: Option<f64>,
    /// High and very high together, less than this.
    pub high_below: Option<f64>,
    /// Very high, less than this.
    pub very_high_below: Option<f64>,
}

impl RangeGoals {
    /// The goals of the international consensus on time in range for adults with type 1 or type 2 diabetes
    /// (Diabetes Care 42(8):1593, 2019): over 70 % in range, under 4 % below 70 mg/dL, under 1 % below 54,
    /// under 25 % above 180, under 5 % above 250.
    pub const ADULTS: Self = Self {
        target_above: Some(70.0),
        low_below: Some(4.0),
        very_low_below: Some(1.0),
        high_below: Some(25.0),
        very_high_below: Some(5.0),
    };
}

/// Everything that [`range_bar()`] needs.
#[derive(Debug, Clone, PartialEq)]
pub struct RangeBar {
    /// Unique within the page.
    pub id: String,
    /// What it is, in words.
    pub name: String,
    /// What the shares are shares of, such as `% of time` or `% of readings (168 readings)`.
    pub caption: String,
    /// Unit of the cut-offs.
    pub unit: String,
    /// Where very low, low, target and high end: 54, 70, 180 and 250 mg/dL, with the digits of their unit.
    pub cut_offs: [Decimal; 4],
    /// `None`: too little to conclude.
    pub shares: Option<RangeShares>,
    /// Goals.
    pub goals: RangeGoals,
    /// Words and numbers.
    pub locale: Locale,
    /// About 500 by 100.
    pub size: Size,
}

/// One of the five ranges, as it is drawn.
struct Segment {
    name: &'static str,
    range: String,
    share: f64,
    fill: &'static str,
    goal: Option<Goal>,
}

struct Goal {
    words: String,
    met: bool,
    /// What is compared with the goal, where that is not the segment's own share.
    total: Option<f64>,
}

impl RangeBar {
    fn segments(&self, shares: &RangeShares) -> [Segment; 5] {
        let l = self.locale;
        let [very_low, low, target, high] = self.cut_offs;
        let number = |value: Decimal| l.number(value);
        // The ranges are disjoint: the next one begins one last digit further on.
        let after = |value: Decimal| number(value.saturating_add(Decimal::new(1, value.scale())));
        let before = |value: Decimal| number(value.saturating_sub(Decimal::new(1, value.scale())));
        let below = |goal: f64| format!("<\u{202f}{}", with_percent_sign(l, &plain(l, goal)));
        let own = |value: f64, limit: Option<f64>| {
            limit.map(|goal| Goal {
                words: format!("{} {}", l.pick("objectif", "goal"), below(goal)),
                met: value < goal,
                total: None,
            })
        };
        let together = |total: f64, limit: Option<f64>, words: String| {
            limit.map(|goal| Goal {
                words: format!("{words} {}", below(goal)),
                met: total < goal,
                total: Some(total),
            })
        };
        let (below_target, above_target) = (shares.very_low + shares.low, shares.high + shares.very_high);
        [
            Segment {
                name: l.pick("très bas", "very low"),
                range: format!("<\u{202f}{}", number(very_low)),
                share: shares.very_low,
                fill: "very-low",
                goal: own(shares.very_low, self.goals.very_low_below),
            },
            Segment {
                name: l.pick("bas", "low"),
                range: format!("{}–{}", number(very_low), before(low)),
                share: shares.low,
                fill: "low",
                goal: together(
                    below_target,
                    self.goals.low_below,
                    match l {
                        Locale::Fr => format!("<\u{202f}{}\u{202f}: obj.", number(low)),
                        Locale::En => format!("<\u{202f}{}: goal", number(low)),
                    },
                ),
            },
            Segment {
                name: l.pick("cible", "target"),
                range: format!("{}–{}", number(low), number(target)),
                share: shares.target,
                fill: "target",
                goal: self.goals.target_above.map(|goal| Goal {
                    words: format!(
                        "{} >\u{202f}{}",
                        l.pick("objectif", "goal"),
                        with_percent_sign(l, &plain(l, goal))
                    ),
                    met: shares.target > goal,
                    total: None,
                }),
            },
            Segment {
                name: l.pick("haut", "high"),
                range: format!("{}–{}", after(target), number(high)),
                share: shares.high,
                fill: "high",
                goal: together(
                    above_target,
                    self.goals.high_below,
                    match l {
                        Locale::Fr => format!(">\u{202f}{}\u{202f}: obj.", number(target)),
                        Locale::En => format!(">\u{202f}{}: goal", number(target)),
                    },
                ),
            },
            Segment {
                name: l.pick("très haut", "very high"),
                range: format!(">\u{202f}{}", number(high)),
                share: shares.very_high,
                fill: "very-high",
                goal: own(shares.very_high, self.goals.very_high_below),
            },
        ]
    }
}

/// A goal without superfluous decimals.
fn plain(locale: Locale, value: f64) -> String {
    rounded(locale, value, if value.fract() == 0.0 { 0 } else { 1 })
}

fn verdict(locale: Locale, goal: &Goal) -> String {
    let words = match goal.met {
        true => locale.pick("atteint", "met"),
        false => locale.pick("non atteint", "not met"),
    };
    goal.total.map_or_else(|| words.to_owned(), |total| format!("{}, {words}", percent(locale, total)))
}

/// The text of `<desc>`.
pub fn range_bar_summary(bar: &RangeBar) -> String {
    let colon = bar.locale.pick("\u{202f}: ", ": ");
    let Some(shares) = &bar.shares else {
        return format!("{}{colon}{}.", bar.name, insufficient_words(bar.locale));
    };
    let words: Vec<String> = bar
        .segments(shares)
        .iter()
        .map(|segment| {
            let share = percent(bar.locale, segment.share);
            let own = format!("{} ({}) {share}", segment.name, segment.range);
            match &segment.goal {
                Some(goal) => format!("{own} [{}, {}]", goal.words, verdict(bar.locale, goal)),
                None => own,
            }
        })
        .collect();
    format!("{}, {}, {}{colon}{}.", bar.name, bar.caption, bar.unit, words.join(bar.locale.pick(" ; ", "; ")))
}

const BAR_TOP: f64 = 16.0;
const BAR_HEIGHT: f64 = 20.0;
const MARGIN: f64 = 4.0;

/// Draws the bar. Each range has a hatching of its own, and its name, share and goal in words in a column
/// under the bar, joined to its segment by a line: a share of 0.3 % is as legible as one of 70 %.
pub fn range_bar(bar: &RangeBar) -> String {
    let (width, height) =
        (f64::from(bar.size.width.clamp(320, 4000)), f64::from(bar.size.height.clamp(100, 4000)));
    let mut svg = Svg::open(Style::Print, &bar.id, (width, height), &bar.name, &range_bar_summary(bar));
    svg.text(
        MARGIN,
        10.0,
        Anchor::Start,
        &format!("fill=\"{SOFT}\""),
        &format!("{} · {}", bar.caption, bar.unit),
    );
    let Some(shares) = &bar.shares else {
        let room = (width - 2.0 * MARGIN, height - BAR_TOP - MARGIN);
        insufficient(&mut svg, bar.locale, (MARGIN, BAR_TOP), room.0, room.1);
        return svg.close();
    };
    let id = escape(&bar.id);
    patterns(&mut svg, &id);
    let segments = bar.segments(shares);
    let positive = |share: f64| if share.is_finite() { share.max(0.0) } else { 0.0 };
    let sum = segments.iter().map(|segment| positive(segment.share)).sum::<f64>().max(1e-9);
    let column = (width - 2.0 * MARGIN) / 5.0;
    let mut left = MARGIN;
    let base = BAR_TOP + BAR_HEIGHT;
    for (index, segment) in segments.iter().enumerate() {
        let share = positive(segment.share) / sum * (width - 2.0 * MARGIN);
        let center = MARGIN + column * (index as f64 + 0.5);
        if share > 0.0 {
            svg.rect(
                (left, BAR_TOP),
                share,
                BAR_HEIGHT,
                &format!(
                    "data-part=\"segment\" fill=\"url(#{id}-{})\" stroke=\"#17212b\" stroke-width=\"0.8\"",
                    segment.fill
                ),
            );
            let middle = N(left + share / 2.0);
            svg.raw(format_args!(
                "<path data-part=\"leader\" d=\"M{middle} {}v3L{} {}\" fill=\"none\" stroke=\"{SOFT}\" stroke-width=\"0.8\"/>",
                N(base),
                N(center),
                N(base + 11.0),
            ));
        }
        left += share;
        column_of_words(&mut svg, bar.locale, segment, center, base);
    }
    svg.close()
}

fn column_of_words(svg: &mut Svg, locale: Locale, segment: &Segment, x: f64, base: f64) {
    svg.text(x, base + 20.0, Anchor::Middle, "", &format!("{} {}", segment.name, segment.range));
    let bold = "data-part=\"share\" font-size=\"13\" font-weight=\"bold\"";
    svg.text(x, base + 34.0, Anchor::Middle, bold, &percent(locale, segment.share));
    let Some(goal) = &segment.goal else { return };
    svg.text(x, base + 47.0, Anchor::Middle, &format!("fill=\"{SOFT}\""), &goal.words);
    let words = verdict(locale, goal);
    let half = crate::svg::text_width(&words) / 2.0;
    // A tick or a cross as well as the word.
    let (mark, colour) =
        if goal.met { ("l2.5 3l4.5 -6.5", TARGET_LINE) } else { ("l6 6m-6 0l6 -6", "#a4161a") };
    let (mark_x, mark_y) = (x - half - 6.0, base + if goal.met { 56.0 } else { 53.0 });
    svg.raw(format_args!(
        "<path data-part=\"{}\" d=\"M{} {}{mark}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\"/>",
        if goal.met { "met" } else { "unmet" },
        N(mark_x),
        N(mark_y),
    ));
    svg.text(x - half + 4.0, base + 60.0, Anchor::Start, &format!("fill=\"{colour}\""), &words);
}

/// Dense lines for what is dangerous, plain for the target: told apart in grey as well as in colour.
fn patterns(svg: &mut Svg, id: &str) {
    svg.raw(format_args!("<defs>"));
    for (name, ground, ink, turn, width) in [
        ("very-low", "#f3c7c9", "#7d0f14", 45, 2.6),
        ("low", "#fae3e3", "#a4161a", 45, 0.9),
        ("target", "#9fcdb0", "#9fcdb0", 0, 0.0),
        ("high", "#fdf0cf", "#8a6400", -45, 0.9),
        ("very-high", "#f2dba0", "#6b4e00", -45, 2.6),
    ] {
        svg.raw(format_args!(
            "<pattern id=\"{id}-{name}\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" \
             patternTransform=\"rotate({turn})\"><rect width=\"6\" height=\"6\" fill=\"{ground}\"/>\
             <line x1=\"3\" y1=\"0\" x2=\"3\" y2=\"6\" stroke=\"{ink}\" stroke-width=\"{width}\"/></pattern>"
        ));
    }
    svg.raw(format_args!("</defs>"));
}
