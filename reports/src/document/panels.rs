//! One part for each thing followed: figures in a table, pictures, notes.

use rust_decimal::Decimal;
use vigie_charts::Locale;
use vigie_vitals::metrics::Metric;
use vigie_vitals::{Unit, Vital};
use vigie_words::values;

use super::glucose::Ranges;
use super::numbers;
use super::pictures;
use super::view::{Cell, Column, Kind, Part, Picture, Row, Table};
use super::writer::{Writer, known};
use crate::content::{ChartData, Figure, Insufficient, Metrics, Note, Panel, Topic, rounded};

/// The name of a topic in keys.
pub(crate) fn code(topic: Topic) -> &'static str {
    match topic {
        Topic::GlucoseCgm => "glucose_cgm",
        Topic::GlucoseCapillary => "glucose_capillary",
        Topic::Inr => "inr",
        Topic::Weight => "weight",
        Topic::BloodPressure => "blood_pressure",
        Topic::Pulse => "pulse",
        Topic::Spo2 => "spo2",
        Topic::Temperature => "temperature",
        Topic::RespiratoryRate => "respiratory_rate",
        Topic::News2 => "news2",
    }
}

fn find<'m>(metrics: &'m Metrics, figure: &Figure) -> Option<&'m Metric> {
    metrics.get(&figure.group)?.get(&figure.name)
}

impl Writer<'_> {
    pub(crate) fn panels(&self, drawn: &mut Vec<String>) -> Vec<Part> {
        self.report.panels.iter().map(|panel| self.panel(panel, drawn)).collect()
    }

    fn panel(&self, panel: &Panel, drawn: &mut Vec<String>) -> Part {
        let t = self.texts;
        let title = t.get(&format!("report.topic.{}", code(panel.topic))).to_owned();
        let lead = match &panel.insufficient {
            Some(why) => vec![self.insufficient(why)],
            None if panel.sufficient => Vec::new(),
            None => vec![t.get("report.insufficient.plain").to_owned()],
        };
        let charts = panel.charts.iter().filter_map(|place| self.report.charts.get(*place));
        let pictures = charts.filter_map(|chart| self.picture(chart, panel.unit, drawn)).collect();
        let mut notes: Vec<String> = panel.notes.iter().map(|note| self.note(note, panel.unit)).collect();
        notes.extend(self.windows(&panel.figures));
        let table = self.figures(&title, panel);
        Part {
            title,
            id: code(panel.topic).replace('_', "-"),
            kind: Kind::Panel,
            lead,
            tables: if table.rows.is_empty() { Vec::new() } else { vec![table] },
            pictures,
            notes,
        }
    }

    /// Draws a picture among the document's.
    pub(crate) fn picture(&self, chart: &ChartData, unit: Unit, drawn: &mut Vec<String>) -> Option<Picture> {
        let index = drawn.len();
        let picture =
            pictures::draw(chart, &format!("picture-{index}"), Ranges::of(unit), self.texts, &self.zone)?;
        drawn.push(picture.svg);
        Some(Picture { index, caption: picture.caption, alt: picture.alt, wide: picture.wide })
    }

    /// What a metric is called. One without a name of its own has that of its kind; without any it is better named by
    /// its code than not shown.
    pub(crate) fn metric_name(&self, group: &str, name: &str) -> String {
        // Of adherence there is a number for each vital sign.
        if group == "adherence"
            && let Some(vital) =
                Vital::ALL.into_iter().find(|vital| name.starts_with(&format!("{}_", vital.code())))
        {
            let (vital, rest) = (vital.code(), name.get(vital.code().len() + 1..).unwrap_or(""));
            let what = self.metric_name("any", rest);
            return self.texts.fill(
                "report.labelled",
                &[("label", &self.texts.get(&format!("vital.{vital}"))), ("value", &what)],
            );
        }
        let kind = if group.starts_with("glucose") { "glucose" } else { "any" };
        let of = |group: &str| format!("report.metric.{group}.{name}");
        let keys = [of(group), of(kind), of("any")];
        let found = keys.iter().find(|key| self.texts.get(key) != key.as_str());
        let of_group = |panel: &&Panel| panel.figures.iter().any(|figure| figure.group == group);
        let unit =
            self.report.panels.iter().find(of_group).map_or(Unit::MilligramPerDecilitre, |panel| panel.unit);
        found.map_or_else(|| format!("{group} {name}"), |key| Ranges::of(unit).fill(key, self.texts))
    }

    fn figures(&self, title: &str, panel: &Panel) -> Table {
        let (t, figures) = (self.texts, &panel.figures);
        let goals = figures.iter().any(|figure| figure.goal.is_some());
        let before = figures.iter().any(|figure| find(&self.report.metrics_before, figure).is_some());
        let mut columns =
            vec![Column::text(t.get("report.col.figure"), 0), Column::numbers(t.get("report.col.week"), 0)];
        if goals {
            columns.push(Column::text(t.get("report.col.goal"), 0));
        }
        if before {
            columns.push(Column::numbers(t.get("report.col.before"), 0));
            columns.push(Column::numbers(t.get("report.col.change"), 0));
        }
        let rows = figures
            .iter()
            .map(|figure| {
                let now = find(&self.report.metrics, figure);
                let mut cells = vec![
                    Cell::text(self.metric_name(&figure.group, &figure.name)),
                    self.now(panel, figure, now),
                ];
                if goals {
                    cells.push(self.goal(figure, now));
                }
                if before {
                    cells.extend(self.before(panel, figure, now));
                }
                Row::of(cells)
            })
            .collect();
        Table { caption: t.with("report.figures.caption", "topic", title), columns, rows }
    }

    /// A metric in the unit in which people read it; a dash where there is none.
    pub(crate) fn shown(&self, panel: Option<&Panel>, metric: &Metric, digits: u8) -> String {
        let shown = match panel {
            Some(panel) => panel.shown(metric, digits),
            None => metric.value.map(|value| (rounded(value, digits), metric.unit.clone().into_owned())),
        };
        shown.map_or_else(
            || "–".to_owned(),
            |(number, unit)| numbers::with_unit(&self.locale().number(number), &unit, self.texts),
        )
    }

    fn now(&self, panel: &Panel, figure: &Figure, metric: Option<&Metric>) -> Cell {
        let Some(metric) = metric else { return Cell::text("–") };
        let text = self.shown(Some(panel), metric, figure.digits);
        match (metric.sufficient, metric.value) {
            (true, _) => Cell::strong(text),
            (false, Some(_)) => Cell::text(self.texts.with("report.insufficient.mark", "value", text)),
            (false, None) => Cell::text(text),
        }
    }

    fn goal(&self, figure: &Figure, metric: Option<&Metric>) -> Cell {
        let (Some(goal), t) = (figure.goal, self.texts) else { return Cell::text("") };
        let digits = if goal.value.fract() == 0.0 { 0 } else { 1 };
        let unit = metric.map_or("", |metric| &*metric.unit);
        let sign = if goal.above { ">" } else { "<" };
        let bound = numbers::with_unit(&numbers::number(goal.value, digits, t.0), unit, t);
        let text = format!("{sign}\u{a0}{bound}");
        let met = metric
            .filter(|metric| metric.sufficient)
            .and_then(|metric| metric.value)
            .map(|value| if goal.above { value > goal.value } else { value < goal.value });
        match met {
            Some(true) => Cell::text(t.with("report.goal.met", "goal", text)),
            Some(false) => Cell::strong(t.with("report.goal.missed", "goal", text)),
            None => Cell::text(text),
        }
    }

    /// The week before, and what is different. The difference is that of the numbers as they are shown.
    fn before(&self, panel: &Panel, figure: &Figure, now: Option<&Metric>) -> [Cell; 2] {
        let Some(before) = find(&self.report.metrics_before, figure) else {
            return [Cell::text("–"), Cell::text("")];
        };
        let both = now.filter(|now| now.sufficient && before.sufficient);
        let change = both.and_then(|now| {
            let (now, unit) = panel.shown(now, figure.digits)?;
            let (before, unit_before) = panel.shown(before, figure.digits)?;
            let change = now.checked_sub(before).filter(|_| unit == unit_before)?;
            let sign = if change > Decimal::ZERO { "+" } else { "" };
            Some(format!("{sign}{}", self.locale().number(change)))
        });
        [Cell::text(self.shown(Some(panel), before, figure.digits)), Cell::text(change.unwrap_or_default())]
    }

    /// Which figures rest on another period than the week.
    fn windows(&self, figures: &[Figure]) -> Vec<String> {
        let mut windows: Vec<((jiff::Timestamp, jiff::Timestamp), Vec<String>)> = Vec::new();
        for figure in figures {
            let Some(metric) = find(&self.report.metrics, figure) else { continue };
            let window = (metric.from, metric.to);
            // One reading has its time, not a period.
            if window == (self.report.from, self.report.to) || metric.n <= 1 {
                continue;
            }
            let name = self.metric_name(&figure.group, &figure.name);
            match windows.iter_mut().find(|(known, _)| *known == window) {
                Some((_, names)) => names.push(name),
                None => windows.push((window, vec![name])),
            }
        }
        let day = |at| self.locale().full_day(self.zone.to_datetime(at).date());
        windows
            .into_iter()
            .map(|((from, to), names)| {
                let last = to.checked_sub(jiff::SignedDuration::from_secs(1)).unwrap_or(to);
                let names = names.join(semicolon(self.locale()));
                self.texts.fill(
                    "report.figures.window",
                    &[("from", &day(from)), ("to", &day(last)), ("names", &names)],
                )
            })
            .collect()
    }

    fn insufficient(&self, why: &Insufficient) -> String {
        let t = self.texts;
        let share = |value: f64| numbers::with_unit(&numbers::number(value, 0, t.0), "%", t);
        match why {
            Insufficient::NoReadings => t.get("report.insufficient.no_readings").to_owned(),
            Insufficient::TooFew { readings, needed } => {
                t.fill("report.insufficient.too_few", &[("readings", readings), ("needed", needed)])
            }
            Insufficient::LittleActive { percent, needed } => t.fill(
                "report.insufficient.little_active",
                &[("percent", &share(*percent)), ("needed", &share(*needed))],
            ),
            Insufficient::BaselineLost => t.get("report.insufficient.baseline_lost").to_owned(),
        }
    }

    fn note(&self, note: &Note, unit: Unit) -> String {
        let t = self.texts;
        match note {
            Note::Extremes { lowest, highest } => t.fill(
                "report.note.extremes",
                &[
                    ("low", &values::value(&lowest.value, t.0)),
                    ("low_at", &self.moment(lowest.at)),
                    ("high", &values::value(&highest.value, t.0)),
                    ("high_at", &self.moment(highest.at)),
                ],
            ),
            Note::Episode { level, from, until, extreme } => {
                let key = known(t, &format!("report.episode.{level}"), "report.episode.other");
                let level = Ranges::of(unit).fill(&key, t);
                let from = self.moment(*from);
                let mut text = match until {
                    Some(until) => t.fill(
                        "report.note.episode",
                        &[("level", &level), ("from", &from), ("until", &self.moment(*until))],
                    ),
                    None => t.fill("report.note.episode_open", &[("level", &level), ("from", &from)]),
                };
                if let Some(value) = *extreme {
                    let value = Ranges::of(unit).shown(value, t);
                    text = t.fill("report.note.extreme", &[("text", &text), ("value", &value)]);
                }
                text
            }
            Note::InrGap { days } => t.with("report.note.inr_gap", "days", numbers::number(*days, 0, t.0)),
            Note::Censored { below, above } => {
                t.fill("report.note.censored", &[("below", below), ("above", above)])
            }
            Note::Missing { vitals } => {
                let names: Vec<String> =
                    vitals.iter().map(|vital| t.get(&format!("vital.{}", vital.code())).to_owned()).collect();
                t.with("report.note.missing", "vitals", names.join(", "))
            }
        }
    }
}

/// The separator of a list within a sentence.
pub(crate) fn semicolon(locale: Locale) -> &'static str {
    locale.pick("\u{202f}; ", "; ")
}
