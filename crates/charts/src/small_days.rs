//! A week as small curves, one for each day, on the same scale of values.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use rust_decimal::Decimal;

use crate::draw::polyline;
use crate::frame::ValueAxis;
use crate::picture::{insufficient_words, percent};
use crate::reduce::reduce;
use crate::scale::{Axis, number, value_axis, within};
use crate::style::{Part, SOFT, TARGET_LINE};
use crate::svg::{Anchor, N, Svg};
use crate::{Band, Datum, Locale, Point, Size, Style, curve, shapes};

/// What stands above a day's curve.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct DayFigures {
    /// Share in the target range, in percent; `None` where the day has too little for it.
    pub in_range: Option<f64>,
    /// Count of readings.
    pub readings: u32,
}

/// Everything that [`small_days()`] needs.
#[derive(Debug, Clone)]
pub struct SmallDays {
    /// Unique within the page.
    pub id: String,
    /// What was measured, in words.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// The first local day, usually a Monday.
    pub first: Date,
    /// Seven days' figures from the first on; days without any are not labelled.
    pub figures: [DayFigures; 7],
    /// Measurements, by time.
    pub series: Vec<Point>,
    /// Target range.
    pub band: Option<Band>,
    /// Points further apart than this are not joined; `None`: dots, as for capillary readings.
    pub join_within: Option<SignedDuration>,
    /// Words and numbers.
    pub locale: Locale,
    /// The patient's time zone.
    pub zone: TimeZone,
    /// About 640 by 150.
    pub size: Size,
}

impl SmallDays {
    /// Each day with its beginning and its end: 23, 24 or 25 hours apart.
    fn days(&self) -> Vec<(Date, Timestamp, Timestamp)> {
        let midnight = |date: Date| date.to_zoned(self.zone.clone()).map(|zoned| zoned.timestamp());
        (0..7)
            .filter_map(|i| {
                let date = self.first.checked_add(i.days()).ok()?;
                let (start, end) = (midnight(date).ok()?, midnight(date.tomorrow().ok()?).ok()?);
                Some((date, start, end))
            })
            .collect()
    }

    fn of_day(&self, start: Timestamp, end: Timestamp) -> Vec<&Point> {
        self.series.iter().filter(|point| point.at >= start && point.at < end).collect()
    }
}

/// The text of `<desc>`.
pub fn small_days_summary(week: &SmallDays) -> String {
    let locale = week.locale;
    let colon = locale.pick("\u{202f}: ", ": ");
    let days = week.days();
    if !days.iter().any(|(_, start, end)| !week.of_day(*start, *end).is_empty()) {
        return format!("{}{colon}{}.", week.name, insufficient_words(locale));
    }
    let words: Vec<String> = days
        .iter()
        .zip(&week.figures)
        .map(|((date, _, _), figures)| {
            // French counts nothing in the singular, English in the plural.
            let readings = match (locale, figures.readings) {
                (Locale::Fr, n @ 0..=1) => format!("{n} mesure"),
                (Locale::Fr, n) => format!("{n} mesures"),
                (Locale::En, 1) => "1 reading".to_owned(),
                (Locale::En, n) => format!("{n} readings"),
            };
            let share = figures.in_range.map_or_else(String::new, |share| {
                format!(", {} {}", percent(locale, share), locale.pick("dans la cible", "in range"))
            });
            format!("{} {readings}{share}", locale.weekday_and_day(*date))
        })
        .collect();
    format!("{}{colon}{}.", week.name, words.join(locale.pick(" ; ", "; ")))
}

const LEFT: f64 = 34.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 18.0;
const GUTTER: f64 = 5.0;

/// Where the curves of all days lie.
struct Plot<'a> {
    week: &'a SmallDays,
    value: Axis,
    ticks: Vec<Decimal>,
    bottom: f64,
}

/// Draws seven small curves beside each other. The time of day runs over the length that the day really
/// has; gaps are gaps; a day without a reading says so.
pub fn small_days(week: &SmallDays) -> String {
    let (width, height) = within(week.size);
    let mut svg = Svg::open(Style::Print, &week.id, (width, height), &week.name, &small_days_summary(week));
    svg.text(2.0, TOP - 8.0, Anchor::Start, Style::Print.part(Part::Unit), &week.unit);
    let days = week.days();
    let of_band = week.band.iter().flat_map(|band| [band.low, band.high]);
    let of_series = days
        .iter()
        .flat_map(|(_, start, end)| week.of_day(*start, *end))
        .flat_map(|point| [point.value.low(), point.value.high()])
        .flatten();
    let (low, high, ticks) = value_axis(of_series.chain(of_band).map(number));
    let bottom = height - BOTTOM;
    let plot = Plot { week, value: Axis::new(low, high, bottom, TOP), ticks, bottom };
    let panel = (width - LEFT - 2.0) / 7.0;
    for (index, (day, figures)) in days.iter().zip(&week.figures).enumerate() {
        let left = LEFT + panel * index as f64;
        plot.draw_day(&mut svg, day, figures, left, left + panel - GUTTER, index == 0);
    }
    svg.close()
}

impl Plot<'_> {
    fn draw_day(
        &self,
        svg: &mut Svg,
        (date, start, end): &(Date, Timestamp, Timestamp),
        figures: &DayFigures,
        left: f64,
        right: f64,
        first: bool,
    ) {
        let (week, middle) = (self.week, (left + right) / 2.0);
        let time = Axis::of_time(*start, *end, left, right);
        self.head(svg, *date, figures, middle);
        let y = |value: Decimal| self.value.at(number(value));
        if let Some(band) = week.band {
            svg.rect(
                (left, y(band.high)),
                right - left,
                y(band.low) - y(band.high),
                Style::Print.part(Part::Band),
            );
            for edge in [band.low, band.high] {
                let attributes = format!("stroke=\"{TARGET_LINE}\" stroke-width=\"0.8\"");
                svg.line((left, y(edge)), (right, y(edge)), &attributes);
            }
        }
        if first {
            let axis = ValueAxis { locale: week.locale, left, right, style: Style::Print };
            let edges: Vec<Decimal> = week.band.iter().flat_map(|band| [band.low, band.high]).collect();
            axis.draw(svg, &self.ticks, &edges, y);
        } else {
            for tick in &self.ticks {
                svg.line((left, y(*tick)), (right, y(*tick)), Style::Print.part(Part::Grid));
            }
        }
        svg.line((left, self.bottom), (right, self.bottom), Style::Print.part(Part::AxisLine));
        for hour in [6, 12, 18] {
            let at = date.at(hour, 0, 0, 0).to_zoned(week.zone.clone());
            let Ok(at) = at.map(|zoned| zoned.timestamp()) else { continue };
            let x = time.when(at);
            svg.line((x, self.bottom), (x, self.bottom + 3.0), Style::Print.part(Part::Tick));
            if hour == 12 {
                let hour = week.locale.pick("12\u{a0}h", "12:00");
                svg.text(x, self.bottom + 13.0, Anchor::Middle, &format!("fill=\"{SOFT}\""), hour);
            }
        }
        let points = week.of_day(*start, *end);
        if points.is_empty() {
            let attributes = format!("data-part=\"empty\" fill=\"{SOFT}\"");
            let words = week.locale.pick("aucune mesure", "no reading");
            svg.text(middle, (TOP + self.bottom) / 2.0 + 4.0, Anchor::Middle, &attributes, words);
        }
        self.curve(svg, &points, &time);
    }

    /// The day, its share in range and its count of readings.
    fn head(&self, svg: &mut Svg, date: Date, figures: &DayFigures, x: f64) {
        let locale = self.week.locale;
        svg.text(
            x,
            10.0,
            Anchor::Middle,
            "data-part=\"day\" font-weight=\"bold\"",
            &locale.weekday_and_day(date),
        );
        let share = match figures.in_range {
            Some(share) => match locale {
                Locale::Fr => format!("cible {}", percent(locale, share)),
                Locale::En => format!("{} in range", percent(locale, share)),
            },
            None => "–".to_owned(),
        };
        svg.text(x, 23.0, Anchor::Middle, "data-part=\"in-range\"", &share);
        let readings = format!("n\u{a0}=\u{a0}{}", figures.readings);
        svg.text(x, 35.0, Anchor::Middle, &format!("data-part=\"readings\" fill=\"{SOFT}\""), &readings);
    }

    fn curve(&self, svg: &mut Svg, points: &[&Point], time: &Axis) {
        let place = |point: &Point, value| (time.when(point.at), self.value.at(number(value)));
        let spots = curve::spots(points, place);
        match self.week.join_within {
            Some(join_within) => {
                for segment in curve::segments(points, &spots, join_within) {
                    polyline(svg, &segment, Style::Print.part(Part::Line));
                }
            }
            None => {
                for spot in reduce(&spots) {
                    let late = points.get(spot.index).is_some_and(|point| point.is_late());
                    svg.raw(format_args!(
                        "<circle {} cx=\"{}\" cy=\"{}\" r=\"2.4\"/>",
                        Style::Print.part(Part::Dot { late }),
                        N(spot.x),
                        N(spot.y)
                    ));
                }
            }
        }
        for point in points {
            let (tip, down) = match point.value {
                Datum::Above(_) => (TOP + 1.0, 1.0),
                Datum::Below(_) => (self.bottom - 1.0, -1.0),
                Datum::Exact(_) | Datum::Range { .. } => continue,
            };
            let arrow = shapes::arrow(time.when(point.at), tip, down);
            let part = Style::Print.part(Part::Beyond { late: point.is_late() });
            svg.raw(format_args!("<path {part} d=\"{arrow}\"/>"));
        }
    }
}
