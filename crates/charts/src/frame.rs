//! What stands around the data: axes, target band, limits and their labels.

use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::scale::{Axis, LEFT, Period, Scale};
use crate::style::{Part, SOFT, TARGET_LINE};
use crate::svg::{Anchor, N, Svg, escape};
use crate::{Band, Chart, Layers, Limit, Locale, Side, Style};

/// The target band, from when to when it was in force.
pub(crate) struct BandStretch {
    pub(crate) from: Timestamp,
    pub(crate) until: Timestamp,
    pub(crate) band: Band,
}

/// Draws the target band and, in print, its edges: a pale area alone is lost on paper.
pub(crate) fn bands(svg: &mut Svg, scale: &Scale, locale: Locale, style: Style, stretches: &[BandStretch]) {
    for (i, stretch) in stretches.iter().enumerate() {
        let (left, right) = (scale.x(stretch.from).max(LEFT), scale.x(stretch.until).min(scale.right()));
        let (top, base) = (scale.y(stretch.band.high), scale.y(stretch.band.low));
        svg.rect((left, top), right - left, base - top, style.part(Part::Band));
        if style == Style::Print {
            for y in [top, base] {
                svg.line((left, y), (right, y), &format!("stroke=\"{TARGET_LINE}\" stroke-width=\"0.8\""));
            }
            // The one in force is numbered at the axis, former ones at their end.
            if i + 1 < stretches.len() {
                let words =
                    format!("{}–{}", locale.number(stretch.band.low), locale.number(stretch.band.high));
                let bold = format!("data-part=\"target\" fill=\"{TARGET_LINE}\"");
                svg.text(right - 3.0, top - 3.0, Anchor::End, &bold, &words);
            }
        }
    }
}

/// Both axes with their ticks, and the unit.
pub(crate) fn axes(svg: &mut Svg, chart: &Chart, scale: &Scale, style: Style, edges: &[Decimal]) {
    svg.raw(format_args!("<g {}=\"axis\" aria-hidden=\"true\">", style.name()));
    let values = ValueAxis { locale: chart.locale, left: LEFT, right: scale.right(), style };
    values.draw(svg, &scale.y_ticks, edges, |value| scale.y(value));
    // The unit stands left of the ticks' column, above them: in the row of the alert shapes, but outside the plot.
    svg.text(2.0, 13.0, Anchor::Start, style.part(Part::Unit), &chart.unit);
    let roomy = scale.right() - LEFT >= 500.0;
    let period = Period { weekdays: style == Style::Print && roomy, ..Period::of(chart) };
    time_axis(svg, &period, &scale.time, (scale.right(), scale.bottom()), style);
    svg.raw(format_args!("</g>"));
}

/// An axis of values at the left edge of a plot.
pub(crate) struct ValueAxis {
    pub(crate) locale: Locale,
    pub(crate) left: f64,
    pub(crate) right: f64,
    pub(crate) style: Style,
}

impl ValueAxis {
    /// Grid lines and numbers at the ticks. The edges of the target band are numbered too, in bold, and
    /// take the place of a tick that would touch them.
    pub(crate) fn draw(
        &self,
        svg: &mut Svg,
        ticks: &[Decimal],
        edges: &[Decimal],
        y: impl Fn(Decimal) -> f64,
    ) {
        let edges: Vec<Decimal> = match self.style {
            Style::Page => Vec::new(),
            Style::Print => edges.to_vec(),
        };
        let x = self.left - 6.0;
        for tick in ticks {
            let at = y(*tick);
            svg.line((self.left, at), (self.right, at), self.style.part(Part::Grid));
            if edges.iter().all(|edge| (y(*edge) - at).abs() >= 10.0) {
                svg.text(x, at + 4.0, Anchor::End, self.soft(), &self.locale.number(*tick));
            }
        }
        for edge in edges {
            let bold = format!("data-part=\"target\" font-weight=\"bold\" fill=\"{TARGET_LINE}\"");
            svg.text(x, y(edge) + 4.0, Anchor::End, &bold, &self.locale.number(edge));
        }
    }

    fn soft(&self) -> &'static str {
        match self.style {
            Style::Page => "",
            Style::Print => "fill=\"#4a5866\"",
        }
    }
}

/// The line of time with ticks at local midnights.
pub(crate) fn time_axis(
    svg: &mut Svg,
    period: &Period<'_>,
    time: &Axis,
    (right, bottom): (f64, f64),
    style: Style,
) {
    svg.line((LEFT, bottom), (right, bottom), style.part(Part::AxisLine));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a width of at most 4000")]
    let labels_max = ((right - LEFT) / 62.0) as usize;
    let attributes = match style {
        Style::Page => String::new(),
        Style::Print => format!("fill=\"{SOFT}\""),
    };
    for tick in period.ticks(labels_max) {
        let x = time.when(tick.at);
        if x < LEFT - 0.5 || x > right + 0.5 {
            continue;
        }
        svg.line((x, bottom), (x, bottom + 4.0), style.part(Part::Tick));
        svg.text(x, bottom + 18.0, Anchor::Middle, &attributes, &tick.label);
    }
}

/// A limit as a step line: each value from when it was in force to when the next one was.
pub(crate) fn limit_line(svg: &mut Svg, chart: &Chart, scale: &Scale, style: Style, limit: &Limit) {
    let mut path = String::new();
    let mut former = Vec::new();
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
        if end < chart.until {
            former.push((scale.x(end), scale.y(value), value));
        }
    }
    if !path.is_empty() {
        svg.raw(format_args!("<path {} d=\"{path}\"/>", style.part(Part::Limit(limit.severity))));
    }
    if style == Style::Print {
        for (x, y, value) in former {
            // Left of the step that ends it, on the dangerous side of its line.
            let y = match limit.side {
                Side::Low => y + 10.0,
                Side::High => y - 3.0,
            };
            let label = format!("{} {}", sign(limit.side), chart.locale.number(value));
            svg.text(x - 3.0, y, Anchor::End, style.part(Part::LimitLabel(limit.severity)), &label);
        }
    }
}

fn sign(side: Side) -> &'static str {
    match side {
        Side::Low => "<",
        Side::High => ">",
    }
}

/// A label at the right edge of the plot.
pub(crate) struct EdgeLabel {
    pub(crate) y: f64,
    pub(crate) text: String,
    pub(crate) attributes: String,
}

/// Values of the limits now in force.
pub(crate) fn limit_labels(chart: &Chart, layers: &Layers, scale: &Scale, style: Style) -> Vec<EdgeLabel> {
    chart
        .limits
        .iter()
        .enumerate()
        .filter_map(|(index, limit)| {
            let name = layers.limit_names.get(index).map(|name| format!("{name} ")).unwrap_or_default();
            let step = limit.steps.iter().rev().find(|step| step.from <= chart.until)?;
            let value = step.value?;
            Some(EdgeLabel {
                y: scale.y(value),
                text: format!("{name}{} {}", sign(limit.side), chart.locale.number(value)),
                attributes: style.part(Part::LimitLabel(limit.severity)).to_owned(),
            })
        })
        .collect()
}

/// Writes labels at the right edge, pushed apart where they would overlap.
pub(crate) fn edge_labels(svg: &mut Svg, x: f64, bottom: f64, mut labels: Vec<EdgeLabel>) {
    labels.sort_by(|a, b| a.y.total_cmp(&b.y));
    let mut previous = f64::NEG_INFINITY;
    for label in &mut labels {
        label.y = label.y.max(previous + 13.0);
        previous = label.y;
    }
    // Those that were pushed out of the plot come back up.
    let mut next = bottom + 13.0;
    for label in labels.iter_mut().rev() {
        label.y = label.y.min(next - 13.0);
        next = label.y;
    }
    for label in labels {
        svg.raw(format_args!(
            "<text {} x=\"{}\" y=\"{}\" aria-hidden=\"true\">{}</text>",
            label.attributes,
            N(x),
            N(label.y + 4.0),
            escape(&label.text),
        ));
    }
}
