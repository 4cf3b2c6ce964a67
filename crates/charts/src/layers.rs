//! What a chart over time can show beside its series: a target that changed, pauses, a moving average, a
//! line of reference, medians, sessions, and the legend that says in words what each of them is.

use std::collections::BTreeMap;

use jiff::civil::{Date, Time};
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

use crate::draw::polyline;
use crate::frame::{BandStretch, EdgeLabel};
use crate::reduce::{Spot, reduce};
use crate::scale::{LEFT, Period, Scale, TOP};
use crate::shapes;
use crate::style::{HATCH, Part};
use crate::svg::{Anchor, N, Svg, escape, text_width};
use crate::{Band, Chart, Datum, LimitStep, Point, Style};

/// From an instant on, the target range is this (or none).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BandStep {
    /// In force from here.
    pub from: Timestamp,
    /// The range; `None` where there was none.
    pub band: Option<Band>,
}

/// A stretch of time in which no measurement was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// From.
    pub from: Timestamp,
    /// To; `None` if it goes on.
    pub until: Option<Timestamp>,
    /// Why, in a word or two (`hospital`); may be empty.
    pub label: String,
}

/// A line computed from the series, such as a moving average.
#[derive(Debug, Clone, PartialEq)]
pub struct Trend {
    /// What it is, for the legend.
    pub name: String,
    /// Its values, by time, in the unit of the chart.
    pub points: Vec<(Timestamp, Decimal)>,
    /// Points further apart than this are not joined.
    pub join_within: SignedDuration,
}

/// A value that others are compared with, such as the dry weight.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    /// What it is, for the legend.
    pub name: String,
    /// Its values, by time.
    pub steps: Vec<LimitStep>,
}

/// Layers of a chart over time. The default is none.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Layers {
    /// Target range by time; where there is any, it takes the place of the chart's own band.
    pub bands: Vec<BandStep>,
    /// Pauses, drawn as hatched stretches.
    pub pauses: Vec<Pause>,
    /// A moving average.
    pub average: Option<Trend>,
    /// A line of reference.
    pub reference: Option<Reference>,
    /// A tick at the median of each local day. A day whose median lies beyond the meter's range has none.
    pub daily_medians: bool,
    /// Pairs measured at this local time or later are of the evening and have square ends, those before
    /// round ones. `None`: they are not told apart.
    pub evening_from: Option<Time>,
    /// What each of the chart's limits is about, in their order, where the sign alone does not say it
    /// (`SBP`, `DBP`). May be shorter.
    pub limit_names: Vec<String>,
    /// A sentence under the picture, such as the shares of time in range.
    pub legend: String,
}

impl Layers {
    /// The target bands within the chart's period.
    pub(crate) fn stretches(&self, chart: &Chart) -> Vec<BandStretch> {
        if self.bands.is_empty() {
            let whole = |band: &Band| BandStretch { from: chart.from, until: chart.until, band: *band };
            return chart.band.iter().map(whole).collect();
        }
        let ends = self.bands.iter().skip(1).map(|step| step.from).chain([chart.until]);
        self.bands
            .iter()
            .zip(ends)
            .filter_map(|(step, end)| {
                let (from, until) = (step.from.max(chart.from), end.min(chart.until));
                step.band.filter(|_| from < until).map(|band| BandStretch { from, until, band })
            })
            .collect()
    }

    /// Values that have to fit onto the value axis.
    pub(crate) fn values(&self) -> impl Iterator<Item = Decimal> {
        let of_bands = self.bands.iter().filter_map(|step| step.band).flat_map(|band| [band.low, band.high]);
        let of_average = self.average.iter().flat_map(|trend| trend.points.iter().map(|(_, value)| *value));
        let of_reference = self.reference.iter().flat_map(|r| r.steps.iter().filter_map(|step| step.value));
        of_bands.chain(of_average).chain(of_reference)
    }

    pub(crate) fn is_evening(&self, chart: &Chart, at: Timestamp) -> bool {
        self.evening_from.is_some_and(|from| chart.zone.to_datetime(at).time() >= from)
    }

    /// The hatching of pauses, defined once per picture.
    pub(crate) fn definitions(&self, svg: &mut Svg, id: &str) {
        if !self.pauses.is_empty() {
            svg.raw(format_args!(
                "<pattern id=\"{id}-pause\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" \
                 patternTransform=\"rotate(45)\"><line x1=\"0\" y1=\"0\" x2=\"0\" y2=\"6\" stroke=\"{HATCH}\" stroke-width=\"1.4\"/></pattern>"
            ));
        }
    }

    /// Pauses, under the data.
    pub(crate) fn pauses(&self, svg: &mut Svg, chart: &Chart, scale: &Scale, style: Style) {
        let id = escape(&chart.id);
        for pause in &self.pauses {
            let (from, until) =
                (pause.from.max(chart.from), pause.until.unwrap_or(chart.until).min(chart.until));
            if from >= until {
                continue;
            }
            let (left, right) = (scale.x(from), scale.x(until));
            let attributes = format!("{} fill=\"url(#{id}-pause)\"", style.part(Part::Pause));
            svg.rect((left, TOP), right - left, scale.bottom() - TOP, &attributes);
            if text_width(&pause.label) + 6.0 < right - left && !pause.label.is_empty() {
                let middle = (left + right) / 2.0;
                let width = text_width(&pause.label) + 4.0;
                svg.rect((middle - width / 2.0, TOP + 4.0), width, 13.0, "fill=\"#ffffff\"");
                svg.text(middle, TOP + 14.0, Anchor::Middle, style.part(Part::PauseLabel), &pause.label);
            }
        }
    }

    /// The line of reference, by its historic values.
    pub(crate) fn reference(&self, svg: &mut Svg, chart: &Chart, scale: &Scale, style: Style) {
        let Some(reference) = &self.reference else { return };
        let ends = reference.steps.iter().skip(1).map(|step| step.from).chain([chart.until]);
        for (step, end) in reference.steps.iter().zip(ends) {
            let (from, until) = (step.from.max(chart.from), end.min(chart.until));
            if let Some(value) = step.value.filter(|_| from < until) {
                let y = scale.y(value);
                svg.line((scale.x(from), y), (scale.x(until), y), style.part(Part::Reference));
            }
        }
    }

    /// The moving average and the medians, over the data.
    pub(crate) fn computed(&self, svg: &mut Svg, chart: &Chart, scale: &Scale, style: Style) {
        let period = Period::of(chart);
        if let Some(trend) = &self.average {
            let shown: Vec<_> = trend.points.iter().filter(|(at, _)| period.contains(*at)).collect();
            for segment in shown.chunk_by(|a, b| b.0.duration_since(a.0) <= trend.join_within) {
                let spots: Vec<Spot> = segment
                    .iter()
                    .enumerate()
                    .map(|(index, (at, value))| Spot { index, x: scale.x(*at), y: scale.y(*value) })
                    .collect();
                polyline(svg, &reduce(&spots), style.part(Part::Average));
            }
        }
        if self.daily_medians {
            for (date, median) in daily_medians(chart) {
                let midnight = |date: Date| date.to_zoned(chart.zone.clone()).map(|zoned| zoned.timestamp());
                let (Ok(start), Ok(end)) = (midnight(date), date.tomorrow().and_then(midnight)) else {
                    continue;
                };
                let (left, right) = (scale.x(start).max(LEFT), scale.x(end).min(scale.right()));
                let inset = (right - left) * 0.15;
                let y = scale.y(median);
                svg.line((left + inset, y), (right - inset, y), style.part(Part::Median));
            }
        }
    }

    /// The reference now in force, at the right edge.
    pub(crate) fn labels(&self, chart: &Chart, scale: &Scale, style: Style) -> Vec<EdgeLabel> {
        let current = self.reference.iter().filter_map(|reference| value_at(&reference.steps, chart.until));
        current
            .map(|value| EdgeLabel {
                y: scale.y(value),
                text: chart.locale.number(value),
                attributes: style.part(Part::ReferenceLabel).to_owned(),
            })
            .collect()
    }
}

/// The value in force at an instant.
pub(crate) fn value_at(steps: &[LimitStep], at: Timestamp) -> Option<Decimal> {
    steps.iter().rev().find(|step| step.from <= at)?.value
}

/// The median of each local day, where it is a number: of an even count the mean of the two in the middle.
pub(crate) fn daily_medians(chart: &Chart) -> Vec<(Date, Decimal)> {
    // Values beyond the range sort below or above all numbers, so that they count without having one.
    let mut days: BTreeMap<Date, Vec<(i8, Decimal)>> = BTreeMap::new();
    let period = Period::of(chart);
    for point in chart.series.iter().filter(|point| period.contains(point.at)) {
        let rank = match point.value {
            Datum::Exact(value) => (0, value),
            Datum::Below(_) => (-1, Decimal::ZERO),
            Datum::Above(_) => (1, Decimal::ZERO),
            Datum::Range { .. } => continue,
        };
        days.entry(chart.zone.to_datetime(point.at).date()).or_default().push(rank);
    }
    days.into_iter()
        .filter_map(|(date, mut values)| {
            values.sort_unstable();
            let (low, high) = (values.get((values.len() - 1) / 2)?, values.get(values.len() / 2)?);
            // Halved before they are added, so that no sum is too large for a decimal.
            let two = Decimal::TWO;
            (low.0 == 0 && high.0 == 0).then(|| (date, low.1 / two + high.1 / two))
        })
        .collect()
}

/// A sample in the legend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sample {
    Line(Part),
    Hatching,
    Round,
    Square,
    Hollow,
    Arrow,
    Nothing,
}

/// The legend: samples with words, in rows under the time axis.
pub(crate) struct Legend {
    rows: Vec<Vec<(Sample, String)>>,
}

const ROW_HEIGHT: f64 = 15.0;
const SAMPLE_WIDTH: f64 = 20.0;

impl Legend {
    /// What needs words, in rows that fit into `width`.
    pub(crate) fn of(chart: &Chart, layers: &Layers, style: Style, width: f64) -> Self {
        let mut keys = Vec::new();
        let pick = |fr, en| chart.locale.pick(fr, en).to_owned();
        let period = Period::of(chart);
        let shown: Vec<&Point> = chart.series.iter().filter(|point| period.contains(point.at)).collect();
        let any = |test: fn(&Datum) -> bool| shown.iter().any(|point| test(&point.value));
        if !layers.legend.is_empty() {
            keys.push((Sample::Nothing, layers.legend.clone()));
        }
        if let Some(average) = &layers.average {
            keys.push((Sample::Line(Part::Average), average.name.clone()));
        }
        if let Some(reference) = &layers.reference {
            keys.push((Sample::Line(Part::Reference), reference.name.clone()));
        }
        if layers.daily_medians && any(|value| !matches!(value, Datum::Range { .. })) {
            keys.push((Sample::Line(Part::Median), pick("médiane du jour", "median of the day")));
        }
        if layers.evening_from.is_some() && any(|value| matches!(value, Datum::Range { .. })) {
            keys.push((Sample::Round, pick("matin", "morning")));
            keys.push((Sample::Square, pick("soir", "evening")));
        }
        if !layers.pauses.is_empty() {
            keys.push((Sample::Hatching, pick("pause", "pause")));
        }
        // The page explains these two itself, once for all its charts.
        if style == Style::Print && shown.iter().any(|point| point.is_late()) {
            keys.push((Sample::Hollow, pick("reçu plus d’une heure après", "received over an hour later")));
        }
        if style == Style::Print && any(|value| matches!(value, Datum::Above(_) | Datum::Below(_))) {
            keys.push((Sample::Arrow, pick("hors de l’étendue de mesure", "beyond the measuring range")));
        }
        let mut rows: Vec<Vec<(Sample, String)>> = Vec::new();
        let mut used = f64::INFINITY;
        for key in keys {
            let needed = key_width(&key);
            if used + needed > width {
                rows.push(Vec::new());
                used = 0.0;
            }
            used += needed;
            if let Some(row) = rows.last_mut() {
                row.push(key);
            }
        }
        Self { rows }
    }

    pub(crate) fn height(&self) -> f64 {
        self.rows.len() as f64 * ROW_HEIGHT
    }

    pub(crate) fn draw(&self, svg: &mut Svg, id: &str, top: f64, style: Style) {
        let mut y = top + ROW_HEIGHT;
        for row in &self.rows {
            let mut x = LEFT;
            for key in row {
                key.0.draw(svg, id, (x, y - 3.5), style);
                let indent = if key.0 == Sample::Nothing { 0.0 } else { SAMPLE_WIDTH };
                svg.text(x + indent, y, Anchor::Start, style.part(Part::Legend), &key.1);
                x += key_width(key);
            }
            y += ROW_HEIGHT;
        }
    }
}

fn key_width(key: &(Sample, String)) -> f64 {
    SAMPLE_WIDTH + text_width(&key.1) + 14.0
}

impl Sample {
    fn draw(self, svg: &mut Svg, id: &str, (x, y): (f64, f64), style: Style) {
        let middle = x + 8.0;
        let circle = |svg: &mut Svg, part: Part| {
            svg.raw(format_args!(
                "<circle {} cx=\"{}\" cy=\"{}\" r=\"3\"/>",
                style.part(part),
                N(middle),
                N(y)
            ));
        };
        match self {
            Self::Line(part) => svg.line((x, y), (x + 16.0, y), style.part(part)),
            Self::Hatching => {
                let fill = format!("fill=\"url(#{})\" stroke=\"{HATCH}\"", format_args!("{id}-pause"));
                svg.rect((x, y - 4.5), 16.0, 9.0, &fill);
            }
            Self::Round => circle(svg, Part::RangeEnd { late: false }),
            Self::Hollow => circle(svg, Part::Dot { late: true }),
            Self::Square => svg.raw(format_args!(
                "<path {} d=\"{}\"/>",
                style.part(Part::RangeEnd { late: false }),
                shapes::square(middle, y, 3.0)
            )),
            Self::Arrow => svg.raw(format_args!(
                "<path {} d=\"{}\"/>",
                style.part(Part::Beyond { late: false }),
                shapes::arrow(middle, y - 5.0, 1.0)
            )),
            Self::Nothing => {}
        }
    }
}
