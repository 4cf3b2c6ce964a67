//! A line as small as a word, for a row of a table.

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

use crate::draw::polyline;
use crate::picture::insufficient_words;
use crate::reduce::{Spot, reduce};
use crate::scale::{Axis, number, value_axis};
use crate::style::Part;
use crate::svg::{N, Svg};
use crate::{Locale, Severity, Size, Style};

/// Everything that [`sparkline()`] needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Sparkline {
    /// Unique within the page.
    pub id: String,
    /// What was measured, and of whom if the row does not say it.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// Left end.
    pub from: Timestamp,
    /// Right end.
    pub until: Timestamp,
    /// Values by time.
    pub points: Vec<(Timestamp, Decimal)>,
    /// Points further apart than this are not joined.
    pub join_within: SignedDuration,
    /// A limit in force.
    pub limit: Option<Decimal>,
    /// Words and numbers.
    pub locale: Locale,
    /// About 90 by 18.
    pub size: Size,
}

impl Sparkline {
    fn shown(&self) -> Vec<(Timestamp, Decimal)> {
        self.points.iter().filter(|(at, _)| *at >= self.from && *at <= self.until).copied().collect()
    }
}

/// The text of `<desc>`.
pub fn sparkline_summary(line: &Sparkline) -> String {
    let locale = line.locale;
    let colon = locale.pick("\u{202f}: ", ": ");
    let shown = line.shown();
    let values = || shown.iter().map(|(_, value)| *value);
    let (Some((_, last)), Some(low), Some(high)) = (shown.last(), values().min(), values().max()) else {
        return format!("{}{colon}{}.", line.name, insufficient_words(locale));
    };
    let (count, last) = (shown.len(), locale.number(*last));
    let (low, high) = (locale.number(low), locale.number(high));
    let unit = if line.unit.is_empty() { String::new() } else { format!("\u{a0}{}", line.unit) };
    let plural = if count > 1 { "s" } else { "" };
    let mut text = match locale {
        Locale::Fr => format!(
            "{}{colon}{count} mesure{plural}, dernière {last}{unit} ; minimum {low}, maximum {high}",
            line.name
        ),
        Locale::En => {
            format!(
                "{}{colon}{count} measurement{plural}, last {last}{unit}; lowest {low}, highest {high}",
                line.name
            )
        }
    };
    if let Some(limit) = line.limit {
        text.push_str(locale.pick(" ; limite ", "; limit "));
        text.push_str(&locale.number(limit));
    }
    text.push('.');
    text
}

/// Draws the line: gaps are gaps, the last value is a dot, the limit a dashed line. Without any value it is
/// a dash in the middle.
pub fn sparkline(line: &Sparkline) -> String {
    let (width, height) =
        (f64::from(line.size.width.clamp(30, 1000)), f64::from(line.size.height.clamp(10, 400)));
    let mut svg = Svg::open(Style::Print, &line.id, (width, height), &line.name, &sparkline_summary(line));
    let shown = line.shown();
    if shown.is_empty() {
        let middle = height / 2.0;
        svg.line(
            (width / 2.0 - 5.0, middle),
            (width / 2.0 + 5.0, middle),
            "data-part=\"empty\" stroke=\"#4a5866\"",
        );
        return svg.close();
    }
    let time = Axis::of_time(line.from, line.until, 3.0, width - 3.0);
    let (low, high, _) = value_axis(shown.iter().map(|(_, value)| *value).chain(line.limit).map(number));
    let value = Axis::new(low, high, height - 2.0, 2.0);
    if let Some(limit) = line.limit {
        let y = value.at(number(limit));
        svg.line((0.0, y), (width, y), Style::Print.part(Part::Limit(Severity::High)));
    }
    for segment in shown.chunk_by(|a, b| b.0.duration_since(a.0) <= line.join_within) {
        let spots: Vec<Spot> = segment
            .iter()
            .enumerate()
            .map(|(index, (at, v))| Spot { index, x: time.when(*at), y: value.at(number(*v)) })
            .collect();
        polyline(&mut svg, &reduce(&spots), Style::Print.part(Part::Line));
    }
    if let Some((at, last)) = shown.last() {
        svg.raw(format_args!(
            "<circle {} cx=\"{}\" cy=\"{}\" r=\"2\"/>",
            Style::Print.part(Part::SmallDot),
            N(time.when(*at)),
            N(value.at(number(*last)))
        ));
    }
    svg.close()
}
