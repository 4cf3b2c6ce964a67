//! The glucose profile: what several days have in common, by the time of day.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use crate::frame::{EdgeLabel, ValueAxis, edge_labels};
use crate::picture::{insufficient, insufficient_words, rounded};
use crate::scale::{Axis, BOTTOM, LEFT, number, value_axis, within};
use crate::style::{Part, SOFT, TARGET_LINE};
use crate::svg::{Anchor, N, Svg};
use crate::{Band, Locale, Size, Style};

/// Half-hours of a day.
pub const PROFILE_BINS: usize = 48;

/// Quantiles of the readings of one half-hour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantiles {
    /// 5 % lie below.
    pub p5: f64,
    /// A quarter lies below.
    pub p25: f64,
    /// The median.
    pub p50: f64,
    /// A quarter lies above.
    pub p75: f64,
    /// 5 % lie above.
    pub p95: f64,
}

/// One half-hour of the day, over all days.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ProfileBin {
    /// Count of its readings.
    pub n: u32,
    /// Their quantiles; `None` without a reading.
    pub quantiles: Option<Quantiles>,
}

/// Everything that [`daily_profile()`] needs.
#[derive(Debug, Clone, PartialEq)]
pub struct DailyProfile {
    /// Unique within the page.
    pub id: String,
    /// What it is, in words: `Glucose profile, 14 days`.
    pub name: String,
    /// Unit of the values.
    pub unit: String,
    /// Target range.
    pub band: Option<Band>,
    /// The half-hours of the day from 00:00 on; what lies beyond the 48th is not drawn.
    pub bins: Vec<ProfileBin>,
    /// A half-hour with fewer readings is a gap.
    pub readings_min: u32,
    /// Decimals of the values in words.
    pub decimals: u32,
    /// Words and numbers.
    pub locale: Locale,
    /// How large.
    pub size: Size,
}

/// Sorts values into the half-hours of the local clock and computes their quantiles: the hour that comes
/// twice in autumn fills its bins twice, the one that is left out in spring leaves them as they are.
/// Quantiles are interpolated linearly between the order statistics (Hyndman and Fan, type 7). Values that
/// are not finite are left out.
pub fn profile_bins(points: &[(Timestamp, f64)], zone: &TimeZone) -> Vec<ProfileBin> {
    let mut values: Vec<Vec<f64>> = vec![Vec::new(); PROFILE_BINS];
    for (at, value) in points.iter().filter(|(_, value)| value.is_finite()) {
        let local = zone.to_datetime(*at);
        let index = usize::from(local.hour().unsigned_abs()) * 2 + usize::from(local.minute() >= 30);
        if let Some(bin) = values.get_mut(index) {
            bin.push(*value);
        }
    }
    values
        .into_iter()
        .map(|mut of_bin| {
            of_bin.sort_unstable_by(f64::total_cmp);
            let quantile = |p| quantile(&of_bin, p);
            let quantiles = quantile(0.05)
                .zip(quantile(0.25))
                .zip(quantile(0.5))
                .zip(quantile(0.75))
                .zip(quantile(0.95))
                .map(|((((p5, p25), p50), p75), p95)| Quantiles { p5, p25, p50, p75, p95 });
            ProfileBin { n: u32::try_from(of_bin.len()).unwrap_or(u32::MAX), quantiles }
        })
        .collect()
}

/// Type 7: of n sorted values the one at 1 + (n − 1)·p, interpolated.
fn quantile(sorted: &[f64], p: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = last as f64 * p;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 <= place <= last")]
    let below = place.floor() as usize;
    let (low, high) = (sorted.get(below)?, sorted.get((below + 1).min(last))?);
    // In this form the result stays between the two, and neither difference nor sum can overflow.
    let share = place - place.floor();
    Some(low * (1.0 - share) + high * share)
}

impl DailyProfile {
    /// Half-hours with enough readings: index, count, quantiles.
    fn shown(&self) -> Vec<(usize, u32, Quantiles)> {
        let enough =
            |bin: &ProfileBin| bin.quantiles.filter(|q| bin.n >= self.readings_min.max(1) && all_finite(q));
        let bins = self.bins.iter().take(PROFILE_BINS).enumerate();
        bins.filter_map(|(index, bin)| enough(bin).map(|quantiles| (index, bin.n, quantiles))).collect()
    }
}

fn all_finite(q: &Quantiles) -> bool {
    [q.p5, q.p25, q.p50, q.p75, q.p95].iter().all(|value| value.is_finite())
}

/// The text of `<desc>`.
pub fn daily_profile_summary(profile: &DailyProfile) -> String {
    let locale = profile.locale;
    let colon = locale.pick("\u{202f}: ", ": ");
    let shown = profile.shown();
    let by_median = |a: &&(usize, u32, Quantiles), b: &&(usize, u32, Quantiles)| a.2.p50.total_cmp(&b.2.p50);
    let (Some(lowest), Some(highest)) = (shown.iter().min_by(by_median), shown.iter().max_by(by_median))
    else {
        return format!("{}{colon}{}.", profile.name, insufficient_words(locale));
    };
    let value = |x: f64| format!("{}\u{a0}{}", rounded(locale, x, profile.decimals), profile.unit);
    let clock = |index: usize| format!("{:02}:{:02}", index / 2, index % 2 * 30);
    let floor = shown.iter().min_by(|a, b| a.2.p5.total_cmp(&b.2.p5)).map_or(lowest, |bin| bin);
    let gaps = PROFILE_BINS - shown.len();
    let mut text = match locale {
        Locale::Fr => format!(
            "{}{colon}médiane la plus basse {} à {}, la plus haute {} à {} ; 5\u{202f}% des mesures sous {} à {}.",
            profile.name,
            value(lowest.2.p50),
            clock(lowest.0),
            value(highest.2.p50),
            clock(highest.0),
            value(floor.2.p5),
            clock(floor.0)
        ),
        Locale::En => format!(
            "{}{colon}lowest median {} at {}, highest {} at {}; 5% of readings below {} at {}.",
            profile.name,
            value(lowest.2.p50),
            clock(lowest.0),
            value(highest.2.p50),
            clock(highest.0),
            value(floor.2.p5),
            clock(floor.0)
        ),
    };
    if gaps > 0 {
        text.push_str(&match locale {
            Locale::Fr => format!(" Trop peu de mesures pour {gaps} des {PROFILE_BINS} demi-heures."),
            Locale::En => format!(" Too few readings in {gaps} of {PROFILE_BINS} half-hours."),
        });
    }
    text
}

const TOP: f64 = 20.0;
const RIGHT: f64 = 58.0;
const BANDS: [(&str, &str, &str); 2] =
    [("band-5-95", "#d6e2ee", "#6a86a3"), ("band-25-75", "#93b6d8", "#3f6a94")];

/// Draws the profile: the median, the half of the readings around it, nine tenths of them, and the target.
/// Half-hours with too few readings are gaps.
pub fn daily_profile(profile: &DailyProfile) -> String {
    let (width, height) = within(profile.size);
    let summary = daily_profile_summary(profile);
    let mut svg = Svg::open(Style::Print, &profile.id, (width, height), &profile.name, &summary);
    svg.text(2.0, 10.0, Anchor::Start, Style::Print.part(Part::Unit), &profile.unit);
    let (right, bottom) = (width - RIGHT, height - BOTTOM);
    let shown = profile.shown();
    if shown.is_empty() {
        insufficient(&mut svg, profile.locale, (LEFT, TOP), right - LEFT, bottom - TOP);
        return svg.close();
    }
    let of_band: Vec<Decimal> = profile.band.iter().flat_map(|band| [band.low, band.high]).collect();
    let all = shown.iter().flat_map(|(_, _, q)| [q.p5, q.p95]).chain(of_band.iter().copied().map(number));
    let (low, high, ticks) = value_axis(all);
    let value = Axis::new(low, high, bottom, TOP);
    let time = Axis::new(0.0, PROFILE_BINS as f64, LEFT, right);
    if let Some(band) = profile.band {
        let (top, base) = (value.at(number(band.high)), value.at(number(band.low)));
        svg.rect((LEFT, top), right - LEFT, base - top, Style::Print.part(Part::Band));
    }
    let axis = ValueAxis { locale: profile.locale, left: LEFT, right, style: Style::Print };
    axis.draw(&mut svg, &ticks, &of_band, |tick| value.at(number(tick)));
    hours(&mut svg, &time, right, bottom);
    for run in shown.chunk_by(|a, b| a.0 + 1 == b.0) {
        let outer: [fn(&Quantiles) -> f64; 2] = [|q| q.p5, |q| q.p95];
        let inner: [fn(&Quantiles) -> f64; 2] = [|q| q.p25, |q| q.p75];
        for ((part, fill, stroke), [low, high]) in BANDS.into_iter().zip([outer, inner]) {
            let mut edge = outline(run, &time, &value, high);
            edge.extend(outline(run, &time, &value, low).into_iter().rev());
            svg.raw(format_args!(
                "<path data-part=\"{part}\" d=\"{}Z\" fill=\"{fill}\" stroke=\"{stroke}\" stroke-width=\"0.9\"/>",
                path(&edge)
            ));
        }
        let median = outline(run, &time, &value, |q| q.p50);
        svg.raw(format_args!(
            "<path data-part=\"median\" d=\"{}\" fill=\"none\" stroke=\"#0a2540\" stroke-width=\"2.4\"/>",
            path(&median)
        ));
    }
    // Over the bands, which would hide them.
    for edge in &of_band {
        let y = value.at(number(*edge));
        svg.line(
            (LEFT, y),
            (right, y),
            &format!("data-part=\"target-line\" stroke=\"{TARGET_LINE}\" stroke-width=\"1.2\""),
        );
    }
    curve_labels(&mut svg, profile.locale, &shown, &value, right, bottom);
    svg.close()
}

/// A curve through the middles of its half-hours, level to the outer ends of the first and the last.
fn outline(
    run: &[(usize, u32, Quantiles)],
    time: &Axis,
    value: &Axis,
    of: impl Fn(&Quantiles) -> f64,
) -> Vec<(f64, f64)> {
    let place = |index: usize, offset: f64| time.at(index as f64 + offset);
    let first = run.first().map(|(i, _, q)| (place(*i, 0.0), value.at(of(q))));
    let last = run.last().map(|(i, _, q)| (place(*i, 1.0), value.at(of(q))));
    let middles = run.iter().map(|(i, _, q)| (place(*i, 0.5), value.at(of(q))));
    first.into_iter().chain(middles).chain(last).collect()
}

fn path(corners: &[(f64, f64)]) -> String {
    let mut path = String::with_capacity(corners.len() * 12);
    for (i, (x, y)) in corners.iter().enumerate() {
        path.push(if i == 0 { 'M' } else { 'L' });
        path.push_str(&format!("{} {}", N(*x), N(*y)));
    }
    path
}

fn hours(svg: &mut Svg, time: &Axis, right: f64, bottom: f64) {
    svg.line((LEFT, bottom), (right, bottom), Style::Print.part(Part::AxisLine));
    for hour in (0..=24u8).step_by(3) {
        let x = time.at(f64::from(hour) * 2.0);
        svg.line((x, bottom), (x, bottom + 4.0), Style::Print.part(Part::Tick));
        svg.text(x, bottom + 18.0, Anchor::Middle, &format!("fill=\"{SOFT}\""), &format!("{hour:02}:00"));
    }
}

/// Names the curves where they end.
fn curve_labels(
    svg: &mut Svg,
    locale: Locale,
    shown: &[(usize, u32, Quantiles)],
    value: &Axis,
    right: f64,
    bottom: f64,
) {
    let Some((_, _, last)) = shown.last() else { return };
    let name = |percent: &str| crate::picture::with_percent_sign(locale, percent);
    let labels = [
        (last.p95, name("95")),
        (last.p75, name("75")),
        (last.p50, locale.pick("médiane", "median").to_owned()),
        (last.p25, name("25")),
        (last.p5, name("5")),
    ];
    let labels = labels.into_iter().map(|(y, text)| EdgeLabel {
        y: value.at(y),
        text,
        attributes: "data-part=\"curve-label\"".to_owned(),
    });
    edge_labels(svg, right + 5.0, bottom, labels.collect());
}
