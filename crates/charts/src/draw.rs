//! The picture itself.

use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::reduce::{Spot, reduce};
use crate::scale::{LEFT, Scale, TOP, time_ticks};
use crate::summary::{in_words, summary};
use crate::svg::{N, Svg, escape};
use crate::{Chart, Datum, Limit, Point, Severity, Side};

/// Above this many points, dots would be a smear: only the line is drawn.
const DOTS_MAX: usize = 260;

/// Draws a chart as an SVG element. Looks come from the page's style sheet through classes; the few
/// attributes given keep it readable without one.
pub fn draw(chart: &Chart) -> String {
    let scale = Scale::of(chart);
    let mut svg = Svg::default();
    let id = escape(&chart.id);
    svg.raw(format_args!(
        "<svg class=\"chart\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\" viewBox=\"0 0 {w} {h}\" \
         xmlns=\"http://www.w3.org/2000/svg\" font-size=\"12\">\
         <title id=\"{id}-title\">{name}</title><desc id=\"{id}-desc\">{desc}</desc>\
         <defs><clipPath id=\"{id}-clip\"><rect x=\"{cx}\" y=\"0\" width=\"{cw}\" height=\"{h}\"/></clipPath></defs>",
        w = N(scale.width),
        h = N(scale.height),
        // A shape on the edge is drawn whole.
        cx = N(LEFT - 8.0),
        cw = N(scale.right() - LEFT + 16.0),
        name = escape(&chart.name),
        desc = escape(&summary(chart)),
    ));
    axes(&mut svg, chart, &scale);
    svg.raw(format_args!("<g clip-path=\"url(#{id}-clip)\">"));
    for limit in &chart.limits {
        limit_line(&mut svg, chart, &scale, limit);
    }
    series(&mut svg, chart, &scale);
    markers(&mut svg, chart, &scale);
    svg.raw(format_args!("</g>"));
    limit_labels(&mut svg, chart, &scale);
    if !chart.series.iter().any(|point| inside(chart, point.at)) {
        svg.raw(format_args!(
            "<text class=\"empty\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            N((LEFT + scale.right()) / 2.0),
            N((TOP + scale.bottom()) / 2.0),
            chart.locale.pick("Aucune mesure sur la période", "No measurement in this period"),
        ));
    }
    svg.raw(format_args!("</svg>"));
    svg.into_string()
}

fn inside(chart: &Chart, at: Timestamp) -> bool {
    at >= chart.from && at <= chart.until
}

fn axes(svg: &mut Svg, chart: &Chart, scale: &Scale) {
    let (right, bottom) = (N(scale.right()), N(scale.bottom()));
    if let Some(band) = chart.band {
        let (top, base) = (scale.y(band.high), scale.y(band.low));
        svg.raw(format_args!(
            "<rect class=\"band\" x=\"{LEFT}\" y=\"{}\" width=\"{}\" height=\"{}\" fill-opacity=\"0.1\"/>",
            N(top),
            N(scale.right() - LEFT),
            N((base - top).max(0.0)),
        ));
    }
    svg.raw(format_args!("<g class=\"axis\" aria-hidden=\"true\">"));
    for tick in &scale.y_ticks {
        let y = scale.y(*tick);
        svg.raw(format_args!(
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y}\" y2=\"{y}\" stroke=\"currentColor\" \
             stroke-opacity=\"0.15\"/><text x=\"{x}\" y=\"{ty}\" text-anchor=\"end\">{label}</text>",
            x = N(LEFT - 6.0),
            y = N(y),
            ty = N(y + 4.0),
            label = escape(&chart.locale.number(*tick)),
        ));
    }
    // The unit stands left of the ticks' column, above them: in the row of the alert shapes, but outside the plot.
    svg.raw(format_args!(
        "<text class=\"unit\" x=\"2\" y=\"13\">{}</text><line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{bottom}\" y2=\"{bottom}\" \
         stroke=\"currentColor\"/>",
        escape(&chart.unit),
    ));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a width of at most 4000")]
    let labels_max = ((scale.right() - LEFT) / 62.0) as usize;
    for tick in time_ticks(chart, labels_max) {
        let x = scale.x(tick.at);
        if x < LEFT - 0.5 || x > scale.right() + 0.5 {
            continue;
        }
        svg.raw(format_args!(
            "<line class=\"tick\" x1=\"{x}\" x2=\"{x}\" y1=\"{bottom}\" y2=\"{end}\" stroke=\"currentColor\"/>\
             <text x=\"{x}\" y=\"{ty}\" text-anchor=\"middle\">{label}</text>",
            x = N(x),
            end = N(scale.bottom() + 4.0),
            ty = N(scale.bottom() + 18.0),
            label = escape(&tick.label),
        ));
    }
    svg.raw(format_args!("</g>"));
}

/// A limit as a step line: each value from when it was in force to when the next one was.
fn limit_line(svg: &mut Svg, chart: &Chart, scale: &Scale, limit: &Limit) {
    let mut path = String::new();
    let mut pen_down = false;
    for (i, step) in limit.steps.iter().enumerate() {
        let end = limit.steps.get(i + 1).map_or(chart.until, |next| next.from).min(chart.until);
        let start = step.from.max(chart.from);
        let Some(value) = step.value.filter(|_| end > chart.from && start < chart.until) else {
            pen_down = false;
            continue;
        };
        let command = if pen_down { 'L' } else { 'M' };
        let y = N(scale.y(value));
        path.push_str(&format!("{command}{} {y}L{} {y}", N(scale.x(start)), N(scale.x(end))));
        pen_down = true;
    }
    if !path.is_empty() {
        svg.raw(format_args!(
            "<path class=\"limit {}\" d=\"{path}\" fill=\"none\" stroke=\"currentColor\" stroke-dasharray=\"6 4\"/>",
            limit.severity.class(),
        ));
    }
}

/// Values of the limits now in force, at the right edge, pushed apart where they would overlap.
fn limit_labels(svg: &mut Svg, chart: &Chart, scale: &Scale) {
    let mut labels: Vec<(f64, &Limit, Decimal)> = chart
        .limits
        .iter()
        .filter_map(|limit| {
            let step = limit.steps.iter().rev().find(|step| step.from <= chart.until)?;
            step.value.map(|value| (scale.y(value), limit, value))
        })
        .collect();
    labels.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut previous = f64::NEG_INFINITY;
    for (y, limit, value) in labels {
        let y = y.max(previous + 13.0);
        previous = y;
        let sign = match limit.side {
            Side::Low => "<",
            Side::High => ">",
        };
        svg.raw(format_args!(
            "<text class=\"limit-label {}\" x=\"{}\" y=\"{}\" aria-hidden=\"true\">{} {}</text>",
            limit.severity.class(),
            N(scale.right() + 5.0),
            N(y + 4.0),
            escape(sign),
            escape(&chart.locale.number(value)),
        ));
    }
}

fn series(svg: &mut Svg, chart: &Chart, scale: &Scale) {
    let shown: Vec<&Point> = chart.series.iter().filter(|point| inside(chart, point.at)).collect();
    let spots: Vec<Spot> = shown
        .iter()
        .enumerate()
        .filter_map(|(index, point)| match point.value {
            Datum::Exact(value) => Some(Spot { index, x: scale.x(point.at), y: scale.y(value) }),
            Datum::Below(_) | Datum::Above(_) | Datum::Range { .. } => None,
        })
        .collect();
    if let Some(join_within) = chart.join_within {
        let near = |a: &Spot, b: &Spot| match (shown.get(a.index), shown.get(b.index)) {
            (Some(a), Some(b)) => b.at.duration_since(a.at) <= join_within,
            _ => false,
        };
        for segment in spots.chunk_by(near) {
            polyline(svg, &reduce(segment));
        }
    }
    if shown.len() <= DOTS_MAX {
        for point in &shown {
            dot(svg, chart, scale, point);
        }
    } else {
        for point in shown.iter().filter(|point| !matches!(point.value, Datum::Exact(_))) {
            dot(svg, chart, scale, point);
        }
        // A point alone in its segment would be invisible without a dot.
        if chart.join_within.is_none() {
            for spot in reduce(&spots) {
                svg.raw(format_args!(
                    "<circle class=\"dot\" cx=\"{}\" cy=\"{}\" r=\"1.5\"/>",
                    N(spot.x),
                    N(spot.y)
                ));
            }
        }
    }
}

fn polyline(svg: &mut Svg, spots: &[Spot]) {
    let mut path = String::with_capacity(spots.len() * 12);
    for (i, spot) in spots.iter().enumerate() {
        path.push(if i == 0 { 'M' } else { 'L' });
        path.push_str(&format!("{} {}", N(spot.x), N(spot.y)));
    }
    if spots.len() == 1 {
        path.push_str("h0.1");
    }
    if !path.is_empty() {
        svg.raw(format_args!("<path class=\"line\" d=\"{path}\" fill=\"none\" stroke=\"currentColor\"/>"));
    }
}

fn dot(svg: &mut Svg, chart: &Chart, scale: &Scale, point: &Point) {
    let x = scale.x(point.at);
    let late = if point.is_late() { " late" } else { "" };
    let mut label =
        format!("{} : {}", chart.locale.day_time(point.at, &chart.zone), in_words(point.value, chart));
    if point.is_late() {
        let received = chart.locale.day_time(point.received_at, &chart.zone);
        label.push_str(&format!(" ({} {received})", chart.locale.pick("reçu le", "received")));
    }
    let label = escape(&label);
    match point.value {
        Datum::Exact(value) => svg.raw(format_args!(
            "<circle class=\"dot{late}\" cx=\"{}\" cy=\"{}\" r=\"3.2\"><title>{label}</title></circle>",
            N(x),
            N(scale.y(value)),
        )),
        Datum::Range { low, high } => {
            let (x, top, base) = (N(x), N(scale.y(high)), N(scale.y(low)));
            svg.raw(format_args!(
                "<g class=\"range{late}\"><title>{label}</title><line x1=\"{x}\" x2=\"{x}\" y1=\"{top}\" y2=\"{base}\" \
                 stroke=\"currentColor\"/><circle cx=\"{x}\" cy=\"{top}\" r=\"2.6\"/><circle cx=\"{x}\" cy=\"{base}\" \
                 r=\"2.6\"/></g>",
            ));
        }
        Datum::Above(_) => arrow(svg, x, TOP + 2.0, 1.0, late, &label),
        Datum::Below(_) => arrow(svg, x, scale.bottom() - 2.0, -1.0, late, &label),
    }
}

/// A value beyond the meter's range: an arrow at the edge that it lies beyond.
fn arrow(svg: &mut Svg, x: f64, tip: f64, down: f64, late: &str, label: &str) {
    svg.raw(format_args!(
        "<path class=\"beyond{late}\" d=\"M{} {}L{} {}L{} {}Z\"><title>{label}</title></path>",
        N(x),
        N(tip),
        N(x + 5.0),
        N(tip + 10.0 * down),
        N(x - 5.0),
        N(tip + 10.0 * down),
    ));
}

/// Alerts in a lane above the plot, each priority with a shape of its own, on a thin line down to its time.
fn markers(svg: &mut Svg, chart: &Chart, scale: &Scale) {
    let y = TOP - 14.0;
    for marker in chart.alerts.iter().filter(|marker| inside(chart, marker.at)) {
        let x = scale.x(marker.at);
        let shape = match marker.severity {
            Severity::High => format!("M{} {}l7 12h-14Z", N(x), N(y - 7.0)),
            Severity::Medium => format!("M{} {}l7 7l-7 7l-7 -7Z", N(x), N(y - 7.0)),
            Severity::Low => format!("M{} {}a5 5 0 1 0 10 0a5 5 0 1 0 -10 0Z", N(x - 5.0), N(y)),
            Severity::Technical => format!("M{} {}h10v10h-10Z", N(x - 5.0), N(y - 5.0)),
        };
        svg.raw(format_args!(
            "<g class=\"alert {class}\"><title>{label}</title><line x1=\"{x}\" x2=\"{x}\" y1=\"{TOP}\" y2=\"{bottom}\" \
             stroke=\"currentColor\" stroke-opacity=\"0.4\" stroke-dasharray=\"1 3\"/><path d=\"{shape}\"/></g>",
            class = marker.severity.class(),
            label = escape(&marker.label),
            x = N(x),
            bottom = N(scale.bottom()),
        ));
    }
}
