//! From the data of a picture to the picture: the same SVG in the PDF and in the page, with its words beside it.

use jiff::SignedDuration;
use jiff::civil::time;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use vigie_charts::{
    Adherence, AdherenceDay, Chart, DailyProfile, DayFigures, Lane, LaneMark, Lanes, Layers, Limit,
    LimitStep, Pause, Point, RangeBar, RangeGoals, RangeShares, Reference, Size, SmallDays, Style, Trend,
};
use vigie_vitals::{Unit, Vital};
use vigie_words::{Texts, rules, values};

use super::glucose::Ranges;
use super::numbers;
use crate::content::{ChartData, DayCount, DayState, LaneAlert, Pressure, rounded};

/// Width of the printed page between its margins, in user units (96 to the inch): text in pictures is 7.5 pt then.
const WIDE: u32 = 688;
/// Half of it, less the gap.
const HALF: u32 = 334;

/// Below so many readings in a half-hour of the day, its quantiles say nothing (proposal).
const PROFILE_READINGS_MIN: u32 = 5;

/// The target range in mg/dL, in which the points of a curve come.
const IN_RANGE: std::ops::RangeInclusive<f64> = 70.0..=180.0;
/// A day with less than this share of the fullest day's readings has no share in range: 70 % as for the week `[TIR]`.
const DAY_SHARE_MIN: f64 = 0.7;

/// A sensor that is silent for longer leaves a gap in the curve.
const SENSOR_GAP: SignedDuration = SignedDuration::from_mins(30);
/// Values of a moving average further apart are not joined.
const AVERAGE_GAP: SignedDuration = SignedDuration::from_hours(48);

/// A picture and its words.
pub(crate) struct Drawn {
    /// The SVG.
    pub svg: String,
    /// What it is.
    pub caption: String,
    /// What it shows.
    pub alt: String,
    /// Over the whole width.
    pub wide: bool,
}

/// Draws one picture; `id` is unique within the document. None where there is nothing to draw.
pub(crate) fn draw(
    data: &ChartData,
    id: &str,
    ranges: Ranges,
    texts: Texts,
    zone: &TimeZone,
) -> Option<Drawn> {
    let artist = Artist { id, ranges, t: texts, zone };
    let drawn = match data {
        ChartData::RangeBar { shares, of_readings } => artist.range_bar(*shares, *of_readings),
        ChartData::DailyProfile { from, to, points } => {
            let days = to.duration_since(*from).as_hours() / 24;
            artist.profile(days, points)
        }
        ChartData::SmallDays { from, points, joined, .. } => artist.small_days(*from, points, *joined),
        ChartData::Series {
            vital,
            unit,
            from,
            to,
            points,
            average,
            level,
            limits,
            band,
            join_within,
            shaded,
        } => {
            let mut chart = artist.chart(artist.vital(*vital), *unit, (*from, *to));
            chart.series.clone_from(points);
            chart.limits.clone_from(limits);
            chart.band = *band;
            chart.join_within = *join_within;
            let pauses = shaded.iter().map(|stretch| artist.pause(stretch)).collect();
            let steps = level.map(|value| vec![LimitStep { from: *from, value: Some(value) }]);
            let layers = Layers {
                pauses,
                average: artist.average(average),
                reference: steps
                    .map(|steps| Reference { name: artist.word("report.chart.dry_weight"), steps }),
                ..Layers::default()
            };
            artist.over_time(&chart, &layers, true)
        }
        ChartData::Pressure { from, to, readings, systolic_limits, diastolic_limits } => {
            artist.pressure((*from, *to), readings, systolic_limits, diastolic_limits)
        }
        ChartData::DotsByDay { vital, unit, from, to, points, limits } => {
            let mut chart = artist.chart(artist.vital(*vital), *unit, (*from, *to));
            chart.series.clone_from(points);
            chart.limits.clone_from(limits);
            chart.size = Size { width: HALF, height: 130 };
            artist.over_time(&chart, &Layers { daily_medians: true, ..Layers::default() }, false)
        }
        ChartData::Adherence { vital, days } => artist.adherence(*vital, days),
        ChartData::Lanes { from, to, lanes } if !lanes.is_empty() => artist.lanes((*from, *to), lanes),
        ChartData::Lanes { .. } => return None,
    };
    Some(drawn)
}

struct Artist<'a> {
    id: &'a str,
    ranges: Ranges,
    t: Texts,
    zone: &'a TimeZone,
}

type Span = (jiff::Timestamp, jiff::Timestamp);

impl Artist<'_> {
    fn word(&self, key: &str) -> String {
        self.t.get(key).to_owned()
    }

    fn vital(&self, vital: Vital) -> String {
        self.word(&format!("vital.{}", vital.code()))
    }

    /// Points in mg/dL in the unit of the report.
    fn in_unit(&self, points: &[(jiff::Timestamp, f64)]) -> Vec<(jiff::Timestamp, f64)> {
        let factor = self.ranges.of_a_milligram();
        points.iter().map(|(at, value)| (*at, value * factor)).collect()
    }

    /// A computed value as a datum, with a digit more than people use: a picture shows no more.
    fn datum(&self, value: f64) -> vigie_charts::Datum {
        vigie_charts::Datum::Exact(rounded(value, self.ranges.digits.saturating_add(1)))
    }

    fn range_bar(&self, shares: [f64; 5], of_readings: bool) -> Drawn {
        let [very_low, low, target, high, very_high] = shares;
        let caption =
            self.word(if of_readings { "report.chart.of_readings" } else { "report.chart.of_time" });
        let bar = RangeBar {
            id: self.id.to_owned(),
            name: self.word("report.chart.ranges"),
            caption: caption.clone(),
            unit: self.ranges.name().to_owned(),
            cut_offs: self.ranges.cut_offs,
            shares: Some(RangeShares { very_low, low, target, high, very_high }),
            // The goals are about time on a sensor: shares of a few fingersticks are not judged by them.
            goals: if of_readings { RangeGoals::default() } else { RangeGoals::ADULTS },
            locale: self.t.0,
            size: Size { width: WIDE, height: 96 },
        };
        let caption = self.t.fill("report.labelled", &[("label", &bar.name), ("value", &caption)]);
        Drawn {
            svg: vigie_charts::range_bar(&bar),
            caption,
            alt: vigie_charts::range_bar_summary(&bar),
            wide: true,
        }
    }

    fn profile(&self, days: i64, points: &[(jiff::Timestamp, f64)]) -> Drawn {
        let profile = DailyProfile {
            id: self.id.to_owned(),
            name: self.t.count("report.chart.profile", days),
            unit: self.ranges.name().to_owned(),
            band: Some(self.ranges.target()),
            bins: vigie_charts::profile_bins(&self.in_unit(points), self.zone),
            readings_min: PROFILE_READINGS_MIN,
            decimals: u32::from(self.ranges.digits),
            locale: self.t.0,
            size: Size { width: WIDE, height: 190 },
        };
        Drawn {
            svg: vigie_charts::daily_profile(&profile),
            caption: profile.name.clone(),
            alt: vigie_charts::daily_profile_summary(&profile),
            wide: true,
        }
    }

    fn small_days(&self, from: jiff::Timestamp, points: &[(jiff::Timestamp, f64)], joined: bool) -> Drawn {
        let shown = self.in_unit(points);
        let series: Vec<Point> = shown
            .iter()
            .map(|(at, value)| Point { at: *at, received_at: *at, value: self.datum(*value) })
            .collect();
        let first = self.zone.to_datetime(from).date();
        let mut figures = [DayFigures::default(); 7];
        let mut in_range = [0_u32; 7];
        for (at, value) in points {
            let day = usize::try_from((self.zone.to_datetime(*at).date() - first).get_days()).unwrap_or(7);
            if let (Some(figure), Some(count)) = (figures.get_mut(day), in_range.get_mut(day)) {
                figure.readings += 1;
                *count += u32::from(IN_RANGE.contains(value));
            }
        }
        if joined {
            let fullest = figures.iter().map(|figure| figure.readings).max().unwrap_or(0);
            for (figure, count) in figures.iter_mut().zip(in_range) {
                let enough = f64::from(figure.readings) >= f64::from(fullest) * DAY_SHARE_MIN;
                figure.in_range = (enough && figure.readings > 0)
                    .then(|| 100.0 * f64::from(count) / f64::from(figure.readings));
            }
        }
        let week = SmallDays {
            id: self.id.to_owned(),
            name: self.word("report.chart.days"),
            unit: self.ranges.name().to_owned(),
            first,
            figures,
            series,
            band: Some(self.ranges.target()),
            join_within: joined.then_some(SENSOR_GAP),
            locale: self.t.0,
            zone: self.zone.clone(),
            size: Size { width: WIDE, height: 130 },
        };
        Drawn {
            svg: vigie_charts::small_days(&week),
            caption: week.name.clone(),
            alt: vigie_charts::small_days_summary(&week),
            wide: true,
        }
    }

    fn chart(&self, name: String, unit: Unit, (from, until): Span) -> Chart {
        Chart {
            id: self.id.to_owned(),
            name,
            unit: values::unit(unit).to_owned(),
            from,
            until,
            series: Vec::new(),
            limits: Vec::new(),
            band: None,
            alerts: Vec::new(),
            join_within: None,
            locale: self.t.0,
            zone: self.zone.clone(),
            size: Size { width: WIDE, height: 180 },
        }
    }

    fn over_time(&self, chart: &Chart, layers: &Layers, wide: bool) -> Drawn {
        let day = |at| self.t.0.day(self.zone.to_datetime(at).date());
        let last = chart.until.checked_sub(SignedDuration::from_secs(1)).unwrap_or(chart.until);
        let period = self.t.fill("report.between", &[("from", &day(chart.from)), ("to", &day(last))]);
        Drawn {
            svg: vigie_charts::draw_with(chart, layers, Style::Print),
            caption: format!("{}, {period}", chart.name),
            alt: vigie_charts::summary_with(chart, layers),
            wide,
        }
    }

    fn pause(&self, stretch: &crate::content::Shaded) -> Pause {
        Pause { from: stretch.from, until: Some(stretch.to), label: self.word("report.day.paused") }
    }

    fn average(&self, points: &[(jiff::Timestamp, Decimal)]) -> Option<Trend> {
        (!points.is_empty()).then(|| Trend {
            name: self.word("report.chart.average"),
            points: points.to_vec(),
            join_within: AVERAGE_GAP,
        })
    }

    fn pressure(&self, span: Span, readings: &[Pressure], systolic: &[Limit], diastolic: &[Limit]) -> Drawn {
        let mut chart = self.chart(self.word("vital.blood_pressure"), Unit::MillimetreOfMercury, span);
        chart.series = readings
            .iter()
            .map(|reading| Point {
                at: reading.at,
                received_at: reading.at,
                value: vigie_charts::Datum::Range { low: reading.diastolic, high: reading.systolic },
            })
            .collect();
        chart.limits = systolic.iter().chain(diastolic).cloned().collect();
        let names = std::iter::repeat_n("report.chart.systolic", systolic.len());
        let names = names.chain(std::iter::repeat_n("report.chart.diastolic", diastolic.len()));
        let layers = Layers {
            evening_from: Some(time(12, 0, 0, 0)),
            limit_names: names.map(|key| self.word(key)).collect(),
            ..Layers::default()
        };
        self.over_time(&chart, &layers, true)
    }

    fn adherence(&self, vital: Vital, days: &[DayCount]) -> Drawn {
        let strip = Adherence {
            id: self.id.to_owned(),
            name: self.vital(vital),
            days: days.iter().map(|day| AdherenceDay { date: day.date, state: state(day) }).collect(),
            locale: self.t.0,
            width: HALF,
        };
        let caption = self.t.get("report.completeness.caption");
        Drawn {
            svg: vigie_charts::adherence(&strip),
            caption: self.t.fill("report.labelled", &[("label", &strip.name), ("value", &caption)]),
            alt: vigie_charts::adherence_summary(&strip),
            wide: false,
        }
    }

    fn lanes(&self, (from, until): Span, lanes: &[(vigie_vitals::RuleSpec, Vec<LaneAlert>)]) -> Drawn {
        let lane = |(spec, alerts): &(vigie_vitals::RuleSpec, Vec<LaneAlert>)| Lane {
            label: rules::title(spec, self.t),
            marks: alerts
                .iter()
                .map(|alert| LaneMark {
                    severity: alert.severity,
                    happened_at: alert.from,
                    resolved_at: alert.until,
                    label: numbers::moment(alert.from, self.zone, self.t.0),
                })
                .collect(),
        };
        let picture = Lanes {
            id: self.id.to_owned(),
            name: self.word("report.section.alerts"),
            from,
            until,
            lanes: lanes.iter().map(lane).collect(),
            locale: self.t.0,
            zone: self.zone.clone(),
            width: WIDE,
        };
        Drawn {
            svg: vigie_charts::lanes(&picture),
            caption: picture.name.clone(),
            alt: vigie_charts::lanes_summary(&picture),
            wide: true,
        }
    }
}

fn state(day: &DayCount) -> vigie_charts::DayState {
    match day.state {
        DayState::Paused => vigie_charts::DayState::Paused,
        DayState::Outside => vigie_charts::DayState::Outside,
        DayState::Complete | DayState::Partial | DayState::Nothing => {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "clamped to the type's range"
            )]
            let expected = day.expected.ceil().clamp(0.0, f64::from(u32::MAX)) as u32;
            vigie_charts::DayState::Counted {
                expected,
                received: u32::try_from(day.received).unwrap_or(u32::MAX),
            }
        }
    }
}
