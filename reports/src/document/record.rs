//! What the record is worth: expected and received, late readings, pauses, devices, readings left out.

use vigie_words::sentences::every_words;
use vigie_words::values;

use super::numbers;
use super::panels::semicolon;
use super::view::{Cell, Column, Kind, Part, Row, Table};
use super::writer::{Writer, known};
use crate::content::{DayCount, DayState, Late, ScheduleLine};

/// Less than this is no expectation of a day.
const ONE_A_DAY: f64 = 0.5;

impl Writer<'_> {
    pub(crate) fn record(&self) -> Vec<Part> {
        vec![
            self.completeness(),
            self.late("late", &self.report.late),
            self.late("since", &self.report.arrived_since),
            self.excluded(),
            self.pauses(),
            self.devices(),
        ]
    }

    fn part(&self, id: &str, lead: Vec<String>, table: Option<Table>) -> Part {
        let filled = table.filter(|table| !table.rows.is_empty());
        let none = self.texts.get(&format!("report.{id}.none")).to_owned();
        let empty = filled.is_none() && lead.is_empty();
        Part {
            title: self.texts.get(&format!("report.section.{id}")).to_owned(),
            id: id.to_owned(),
            kind: if filled.is_none() { Kind::Brief } else { Kind::Plain },
            lead: if empty { vec![none] } else { lead },
            tables: filled.into_iter().collect(),
            ..Part::default()
        }
    }

    fn completeness(&self) -> Part {
        let (t, record) = (self.texts, &self.report.completeness);
        let received = t.count("count.readings", i64::try_from(record.received).unwrap_or(i64::MAX));
        let mut lead = vec![t.fill(
            "report.completeness.received",
            &[("readings", &received), ("days", &record.days_with_data)],
        )];
        if record.never_arrived > 0 {
            lead.push(t.count("report.completeness.never_arrived", record.never_arrived));
        }
        if !record.refused.is_empty() {
            let codes: Vec<String> = record.refused.iter().map(|(code, n)| format!("{code} ({n})")).collect();
            lead.push(t.with("report.completeness.refused", "codes", codes.join(", ")));
        }
        if record.schedules.is_empty() {
            lead.push(t.get("report.completeness.no_schedule").to_owned());
        }
        self.part("completeness", lead, self.schedules(&record.schedules))
    }

    /// One row per expectation, one column per day.
    fn schedules(&self, schedules: &[ScheduleLine]) -> Option<Table> {
        let t = self.texts;
        let days = &schedules.first()?.days;
        let mut columns = vec![Column::text(t.get("report.col.expected"), 0)];
        columns.extend(days.iter().map(|day| Column::numbers(&t.0.weekday_and_day(day.date), 0)));
        columns.push(Column::numbers(t.get("report.col.kept"), 0));
        columns.push(Column::numbers(t.get("report.col.gap"), 0));
        let rows = schedules
            .iter()
            .filter(|schedule| schedule.days.len() == days.len())
            .map(|schedule| {
                let name = Cell::text(t.get(&format!("vital.{}", schedule.vital.code())))
                    .under([every_words(i64::from(schedule.every_hours), t)]);
                let mut cells = vec![name];
                cells.extend(schedule.days.iter().map(|day| self.day(day)));
                let kept = schedule
                    .percent
                    .map(|percent| numbers::with_unit(&numbers::number(percent, 0, t.0), "%", t));
                cells.push(Cell::strong(kept.unwrap_or_else(|| "–".to_owned())));
                let gap = schedule
                    .longest_gap_hours
                    .map(|hours| format!("{}\u{a0}h", numbers::number(hours, 0, t.0)));
                cells.push(Cell::text(gap.unwrap_or_else(|| "–".to_owned())));
                Row::of(cells)
            })
            .collect();
        Some(Table { caption: t.get("report.completeness.caption").to_owned(), columns, rows })
    }

    fn day(&self, day: &DayCount) -> Cell {
        let digits = if (day.expected - day.expected.round()).abs() < 0.05 { 0 } else { 1 };
        // Of what is expected once a week no day has its share: only what came is told.
        let count = if day.expected < ONE_A_DAY {
            day.received.to_string()
        } else {
            format!("{}/{}", day.received, numbers::number(day.expected, digits, self.locale()))
        };
        let (tint, text) = match day.state {
            DayState::Complete if day.expected < ONE_A_DAY => ("complete", count),
            DayState::Complete => ("complete", format!("✓\u{a0}{count}")),
            DayState::Partial => ("partial", count),
            DayState::Nothing => ("nothing", count),
            DayState::Paused => ("paused", self.texts.get("report.day.paused").to_owned()),
            DayState::Outside => ("outside", "–".to_owned()),
        };
        Cell { text, tint: Some(tint), ..Cell::default() }
    }

    /// Readings that came late in the week, or after the report before.
    fn late(&self, id: &str, lines: &[Late]) -> Part {
        let t = self.texts;
        let mut lead = Vec::new();
        if id == "since" && !lines.is_empty() {
            let earlier = self.report.earlier.as_ref();
            lead.extend(earlier.map(|earlier| {
                let known = self.full_moment(earlier.known_at);
                t.fill(
                    "report.since.what",
                    &[("week", &earlier.week), ("n", &earlier.version), ("known", &known)],
                )
            }));
        }
        let rows = lines
            .iter()
            .map(|late| {
                let name = t.get(&format!("vital.{}", late.vital.code())).to_owned();
                let (what, measured) = match &late.value {
                    Some(value) => {
                        (format!("{name} {}", values::value(value, t.0)), self.moment(late.measured_at))
                    }
                    None => {
                        let count = t.count("count.readings", i64::try_from(late.count).unwrap_or(i64::MAX));
                        let until = self.moment(late.measured_until);
                        let between = t.fill(
                            "report.between",
                            &[("from", &self.moment(late.measured_at)), ("to", &until)],
                        );
                        (t.fill("report.labelled", &[("label", &name), ("value", &count)]), between)
                    }
                };
                Row::of(vec![
                    Cell::text(what),
                    Cell::text(measured),
                    Cell::text(self.moment(late.received_at)),
                ])
            })
            .collect();
        let left_out = self.report.arrived_since_left_out;
        if id == "since" && left_out > 0 {
            lead.push(t.count("report.since.left_out", i64::try_from(left_out).unwrap_or(i64::MAX)));
        }
        let table = Table {
            caption: t.get(&format!("report.{id}.caption")).to_owned(),
            columns: vec![
                Column::text(t.get("report.col.reading"), 40),
                Column::text(t.get("reading.measured"), 36),
                Column::text(t.get("reading.received"), 24),
            ],
            rows,
        };
        self.part(id, lead, Some(table))
    }

    fn excluded(&self) -> Part {
        let t = self.texts;
        let rows = self
            .report
            .excluded
            .iter()
            .map(|excluded| {
                let name = t.get(&format!("vital.{}", excluded.vital.code())).to_owned();
                let key = format!("report.excluded.{}", excluded.reason);
                let why = t.get(&key).to_owned();
                Row::of(vec![
                    Cell::text(format!("{name} {}", values::value(&excluded.value, t.0))),
                    Cell::text(self.moment(excluded.at)),
                    Cell::text(if why == key { excluded.reason.clone() } else { why }),
                ])
            })
            .collect();
        let table = Table {
            caption: t.get("report.excluded.caption").to_owned(),
            columns: vec![
                Column::text(t.get("report.col.reading"), 40),
                Column::text(t.get("reading.measured"), 24),
                Column::text(t.get("report.col.why"), 36),
            ],
            rows,
        };
        self.part("excluded", Vec::new(), Some(table))
    }

    fn pauses(&self) -> Part {
        let t = self.texts;
        let lines = self.report.pauses.iter().map(|pause| {
            let (from, until) = (self.full_moment(pause.from), self.full_moment(pause.until));
            let recorded = self.full_moment(pause.recorded_at);
            t.fill(
                "report.pause.line",
                &[
                    ("from", &from),
                    ("until", &until),
                    ("reason", &pause.reason),
                    ("author", &pause.author),
                    ("recorded", &recorded),
                ],
            )
        });
        self.part("pauses", lines.collect(), None)
    }

    fn devices(&self) -> Part {
        let t = self.texts;
        let lines = self.report.devices.iter().map(|device| {
            let kind = t.get(&known(t, &format!("device.kind.{}", device.kind), "device.device")).to_owned();
            let count = t.count("count.readings", i64::try_from(device.readings).unwrap_or(i64::MAX));
            let mut said =
                vec![t.fill(
                    "report.device.line",
                    &[("kind", &kind), ("id", &device.id), ("readings", &count)],
                )];
            said.extend(device.since.map(|at| t.with("report.device.since", "at", self.moment(at))));
            said.extend(device.until.map(|at| t.with("report.device.until", "at", self.moment(at))));
            said.join(semicolon(t.0))
        });
        self.part("devices", lines.collect(), None)
    }
}
