//! The picture itself.

use rust_decimal::Decimal;

use crate::frame::{axes, bands, edge_labels, limit_labels, limit_line};
use crate::layers::{Layers, Legend};
use crate::reduce::{Spot, reduce};
use crate::scale::{LEFT, Period, Scale, TOP, within};
use crate::shapes;
use crate::style::Part;
use crate::summary::{in_words, summary_with};
use crate::svg::{Anchor, N, Svg, escape};
use crate::{Chart, Datum, Point, Style, curve};

/// Above this many points, dots would be a smear: only the line is drawn.
const DOTS_MAX: usize = 260;

/// Above this many arrows, numbers beside them would run into each other.
const ARROW_LABELS_MAX: usize = 12;

/// Draws a chart as an SVG element. Looks come from the page's style sheet through classes; the few
/// attributes given keep it readable without one.
pub fn draw(chart: &Chart) -> String {
    draw_with(chart, &Layers::default(), Style::Page)
}

/// Draws a chart with layers, in a style. So are drawn: INR with the target of the time, weight with its
/// moving average and the dry weight, pressure by morning and evening, other vital signs with the median of
/// each day.
pub fn draw_with(chart: &Chart, layers: &Layers, style: Style) -> String {
    let width = within(chart.size).0;
    let legend = Legend::of(chart, layers, style, width - LEFT);
    let scale = Scale::of(chart, layers.values(), legend.height());
    let mut svg =
        Svg::open(style, &chart.id, (scale.width, scale.height), &chart.name, &summary_with(chart, layers));
    let id = escape(&chart.id);
    svg.raw(format_args!(
        "<defs><clipPath id=\"{id}-clip\"><rect x=\"{cx}\" y=\"0\" width=\"{cw}\" height=\"{h}\"/></clipPath>",
        h = N(scale.height),
        // A shape on the edge is drawn whole.
        cx = N(LEFT - 8.0),
        cw = N(scale.right() - LEFT + 16.0),
    ));
    layers.definitions(&mut svg, &id);
    svg.raw(format_args!("</defs>"));
    let stretches = layers.stretches(chart);
    bands(&mut svg, &scale, chart.locale, style, &stretches);
    let edges: Vec<_> =
        stretches.last().map(|last| [last.band.low, last.band.high]).into_iter().flatten().collect();
    axes(&mut svg, chart, &scale, style, &edges);
    layers.pauses(&mut svg, chart, &scale, style);
    svg.raw(format_args!("<g clip-path=\"url(#{id}-clip)\">"));
    for limit in &chart.limits {
        limit_line(&mut svg, chart, &scale, style, limit);
    }
    layers.reference(&mut svg, chart, &scale, style);
    let picture = Picture { chart, layers, scale: &scale, style };
    picture.series(&mut svg);
    layers.computed(&mut svg, chart, &scale, style);
    picture.markers(&mut svg);
    svg.raw(format_args!("</g>"));
    let mut labels = limit_labels(chart, layers, &scale, style);
    labels.extend(layers.labels(chart, &scale, style));
    edge_labels(&mut svg, scale.right() + 5.0, scale.bottom(), labels);
    legend.draw(&mut svg, &id, scale.bottom() + 20.0, style);
    let period = Period::of(chart);
    if !chart.series.iter().any(|point| period.contains(point.at)) {
        let words = match style {
            Style::Page => chart.locale.pick("Aucune mesure sur la période", "No measurement in this period"),
            Style::Print => chart.locale.pick(
                "Données insuffisantes\u{202f}: aucune mesure sur la période",
                "Insufficient data: no measurement in this period",
            ),
        };
        let (x, y) = ((LEFT + scale.right()) / 2.0, (TOP + scale.bottom()) / 2.0);
        svg.text(x, y, Anchor::Middle, style.part(Part::Empty), words);
    }
    svg.close()
}

/// What the parts of a picture have in common.
struct Picture<'a> {
    chart: &'a Chart,
    layers: &'a Layers,
    scale: &'a Scale,
    style: Style,
}

impl Picture<'_> {
    fn series(&self, svg: &mut Svg) {
        let (chart, scale) = (self.chart, self.scale);
        let period = Period::of(chart);
        let shown: Vec<&Point> = chart.series.iter().filter(|point| period.contains(point.at)).collect();
        let spots = curve::spots(&shown, |point, value| (scale.x(point.at), scale.y(value)));
        if let Some(join_within) = chart.join_within {
            for segment in curve::segments(&shown, &spots, join_within) {
                polyline(svg, &segment, self.style.part(Part::Line));
            }
        }
        let beyond = shown.iter().filter(|p| matches!(p.value, Datum::Above(_) | Datum::Below(_))).count();
        let number_arrows = self.style == Style::Print && beyond <= ARROW_LABELS_MAX;
        let few = shown.len() <= DOTS_MAX;
        for point in shown.iter().filter(|point| few || !matches!(point.value, Datum::Exact(_))) {
            self.dot(svg, point, number_arrows);
        }
        // A point alone in its segment would be invisible without a dot.
        if !few && chart.join_within.is_none() {
            for spot in reduce(&spots) {
                svg.raw(format_args!(
                    "<circle {} cx=\"{}\" cy=\"{}\" r=\"1.5\"/>",
                    self.style.part(Part::SmallDot),
                    N(spot.x),
                    N(spot.y)
                ));
            }
        }
    }

    /// One measurement; `number_arrow` writes what a value beyond the range was beside its arrow.
    fn dot(&self, svg: &mut Svg, point: &Point, number_arrow: bool) {
        let x = self.scale.x(point.at);
        let late = point.is_late();
        let label = escape(&point_in_words(self.chart, point));
        match point.value {
            Datum::Exact(value) => svg.raw(format_args!(
                "<circle {} cx=\"{}\" cy=\"{}\" r=\"3.2\"><title>{label}</title></circle>",
                self.style.part(Part::Dot { late }),
                N(x),
                N(self.scale.y(value)),
            )),
            Datum::Range { low, high } => self.range(svg, point, (low, high), &label),
            Datum::Above(_) => self.arrow(svg, (x, TOP + 2.0), 1.0, late, &label),
            Datum::Below(_) => self.arrow(svg, (x, self.scale.bottom() - 2.0), -1.0, late, &label),
        }
        if number_arrow && let Some(words) = beyond_in_words(self.chart, point.value) {
            let y = match point.value {
                Datum::Below(_) => self.scale.bottom() - 4.0,
                Datum::Above(_) | Datum::Exact(_) | Datum::Range { .. } => TOP + 11.0,
            };
            // On the side where there is room.
            let left = x > self.scale.right() - 40.0;
            let (x, anchor) = if left { (x - 7.0, Anchor::End) } else { (x + 7.0, Anchor::Start) };
            svg.text(x, y, anchor, "data-part=\"beyond-label\"", &words);
        }
    }

    /// A pair: round ends, or square ones where it is told apart as of the evening.
    fn range(&self, svg: &mut Svg, point: &Point, (low, high): (Decimal, Decimal), label: &str) {
        let late = point.is_late();
        let end = self.style.part(Part::RangeEnd { late });
        let (x, top, base) = (self.scale.x(point.at), self.scale.y(high), self.scale.y(low));
        svg.raw(format_args!(
            "<g {}=\"range{}\"><title>{label}</title>",
            self.style.name(),
            if late { " late" } else { "" }
        ));
        svg.line((x, top), (x, base), self.style.part(Part::RangeLine));
        for y in [top, base] {
            if self.layers.is_evening(self.chart, point.at) {
                svg.raw(format_args!("<path {end} d=\"{}\"/>", shapes::square(x, y, 2.6)));
            } else {
                svg.raw(format_args!("<circle {end} cx=\"{}\" cy=\"{}\" r=\"2.6\"/>", N(x), N(y)));
            }
        }
        svg.raw(format_args!("</g>"));
    }

    /// A value beyond the meter's range: an arrow at the edge that it lies beyond.
    fn arrow(&self, svg: &mut Svg, (x, tip): (f64, f64), down: f64, late: bool, label: &str) {
        svg.raw(format_args!(
            "<path {} d=\"{}\"><title>{label}</title></path>",
            self.style.part(Part::Beyond { late }),
            shapes::arrow(x, tip, down),
        ));
    }

    /// Alerts in a lane above the plot, each priority with a shape of its own, on a thin line down to its time.
    fn markers(&self, svg: &mut Svg) {
        let y = TOP - 14.0;
        let period = Period::of(self.chart);
        let name = self.style.name();
        for marker in self.chart.alerts.iter().filter(|marker| period.contains(marker.at)) {
            let x = self.scale.x(marker.at);
            svg.raw(format_args!(
                "<g {name}=\"alert {}\"><title>{}</title>",
                marker.severity.class(),
                escape(&marker.label)
            ));
            svg.line((x, TOP), (x, self.scale.bottom()), self.style.part(Part::AlertLine));
            svg.raw(format_args!(
                "<path {} d=\"{}\"/></g>",
                self.style.part(Part::AlertShape(marker.severity)),
                shapes::alert(marker.severity, x, y)
            ));
        }
    }
}

/// When, what, and when it arrived if that was late.
fn point_in_words(chart: &Chart, point: &Point) -> String {
    let mut words =
        format!("{} : {}", chart.locale.day_time(point.at, &chart.zone), in_words(point.value, chart));
    if point.is_late() {
        let received = chart.locale.day_time(point.received_at, &chart.zone);
        words.push_str(&format!(" ({} {received})", chart.locale.pick("reçu le", "received")));
    }
    words
}

/// `HI`, `> 8,0`: what stands beside an arrow.
fn beyond_in_words(chart: &Chart, value: Datum) -> Option<String> {
    match value {
        Datum::Below(None) => Some("LO".to_owned()),
        Datum::Above(None) => Some("HI".to_owned()),
        Datum::Below(Some(value)) => Some(format!("<\u{202f}{}", chart.locale.number(value))),
        Datum::Above(Some(value)) => Some(format!(">\u{202f}{}", chart.locale.number(value))),
        Datum::Exact(_) | Datum::Range { .. } => None,
    }
}

/// A line through spots; a spot alone is a short stroke.
pub(crate) fn polyline(svg: &mut Svg, spots: &[Spot], attributes: &str) {
    let mut path = String::with_capacity(spots.len() * 12);
    for (i, spot) in spots.iter().enumerate() {
        path.push(if i == 0 { 'M' } else { 'L' });
        path.push_str(&format!("{} {}", N(spot.x), N(spot.y)));
    }
    if spots.len() == 1 {
        path.push_str("h0.1");
    }
    if !path.is_empty() {
        svg.raw(format_args!("<path {attributes} d=\"{path}\"/>"));
    }
}
