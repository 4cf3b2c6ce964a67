//! Alerts with what became of them, and the thresholds that judged.

use jiff::Timestamp;
use jiff::civil::Time;
use vigie_vitals::{Condition, Priority, RuleSpec, Unit};
use vigie_words::rules::{steps, title, usual_unit};
use vigie_words::sentences::{Told, reason};

use super::view::{Cell, Column, Part, Row, Table};
use super::writer::{Writer, known};
use crate::content::{Act, AlertLine, ChartData, ThresholdLine};

/// The shape of a priority, the same as in pictures.
fn shape(priority: Priority) -> &'static str {
    priority.as_str()
}

impl Writer<'_> {
    pub(crate) fn alerts(&self, drawn: &mut Vec<String>) -> Part {
        let t = self.texts;
        let rows: Vec<Row> = self.report.alerts.iter().map(|alert| self.alert(alert)).collect();
        let (mut lead, mut tables) = (Vec::new(), Vec::new());
        if rows.is_empty() {
            lead.push(t.get("report.alerts.none").to_owned());
        } else {
            tables.push(Table {
                caption: t.get("report.alerts.caption").to_owned(),
                columns: vec![
                    Column::text(t.get("col.priority"), 12),
                    Column::text(t.get("report.col.happened"), 32),
                    Column::text(t.get("report.col.when"), 17),
                    Column::text(t.get("report.col.taken"), 18),
                    Column::text(t.get("col.outcome"), 21),
                ],
                rows,
            });
        }
        let lanes = self.report.charts.iter().filter(|chart| matches!(chart, ChartData::Lanes { .. }));
        Part {
            title: t.get("report.section.alerts").to_owned(),
            id: "alerts".to_owned(),
            lead,
            tables,
            pictures: lanes.filter_map(|chart| self.picture(chart, Unit::One, drawn)).collect(),
            ..Part::default()
        }
    }

    fn alert(&self, alert: &AlertLine) -> Row {
        let t = self.texts;
        let condition = if alert.ended { Condition::Ended } else { Condition::Active };
        let told = Told {
            worst: &alert.worst,
            spec: alert.spec.as_ref(),
            condition,
            last_reading_at: None,
            zone: &self.zone,
        };
        // As it stood when the week was over, or when the report was made if that was before.
        let reason = reason(told, self.report.known_at.min(self.report.to), t);
        let mut under = Vec::new();
        if alert.breaches > 1 {
            under.push(t.count("report.alert.breaches", i64::try_from(alert.breaches).unwrap_or(i64::MAX)));
        }
        if alert.carried_over {
            under.push(t.with("report.alert.carried_over", "at", self.moment(alert.opened_at)));
        }
        if alert.unsupported {
            under.push(t.get("tag.unsupported_long").to_owned());
        }
        let late = reason.late.map(|_| t.with("report.alert.known", "at", self.moment(alert.known_at)));
        let priority = Cell {
            text: t.get(&format!("priority.{}", alert.priority.as_str())).to_owned(),
            shape: Some(shape(alert.priority)),
            strong: true,
            ..Cell::default()
        };
        let taken = alert
            .acknowledged
            .as_ref()
            .map_or_else(|| Cell::text(t.get("report.alert.not_taken")), |act| self.act(act));
        Row::of(vec![
            priority,
            Cell::text(reason.text).under(under),
            Cell::text(self.moment(alert.happened_at)).under(late),
            taken,
            self.outcome(alert),
        ])
    }

    /// `20 nov. à 08:12`, and by whom.
    fn act(&self, act: &Act) -> Cell {
        Cell::text(self.moment(act.at)).under([self.by(&act.by)])
    }

    fn by(&self, name: &str) -> String {
        if name == "vigie" { self.texts.get("report.by_system").to_owned() } else { name.to_owned() }
    }

    fn outcome(&self, alert: &AlertLine) -> Cell {
        let t = self.texts;
        let condition = if alert.ended { "condition.ended" } else { "condition.active" };
        let silence = matches!(alert.spec, Some(RuleSpec::Silence(_))) || alert.worst.reading.is_none();
        let Some(resolved) = &alert.resolved else {
            // Of a silence there is no limit to be within.
            let standing = if silence { String::new() } else { t.get(condition).to_owned() };
            return Cell::strong(t.get("report.alert.open")).under([standing]);
        };
        let text = alert.outcome.as_ref().map_or("state.resolved".to_owned(), |outcome| {
            known(t, &format!("outcome.{outcome}"), "state.resolved")
        });
        Cell::text(t.get(&text)).under([self.moment(resolved.at), self.by(&resolved.by)])
    }

    pub(crate) fn thresholds(&self) -> Part {
        let t = self.texts;
        let rows: Vec<Row> = self.report.thresholds.iter().map(|line| self.threshold(line)).collect();
        let (mut lead, mut tables) = (Vec::new(), Vec::new());
        if rows.is_empty() {
            lead.push(t.get("report.thresholds.none").to_owned());
        } else {
            tables.push(Table {
                caption: t.get("report.thresholds.caption").to_owned(),
                columns: vec![
                    Column::text(t.get("report.col.rule"), 38),
                    Column::text(t.get("report.col.in_force"), 22),
                    Column::text(t.get("report.col.author"), 40),
                ],
                rows,
            });
        }
        Part {
            title: t.get("report.section.thresholds").to_owned(),
            id: "thresholds".to_owned(),
            lead,
            tables,
            ..Part::default()
        }
    }

    fn threshold(&self, line: &ThresholdLine) -> Row {
        let t = self.texts;
        let steps = steps(&line.spec, usual_unit(line.spec.vital()), t).join(" · ");
        let since = t.with("rule.since", "at", self.since(line.valid_from));
        let version = t.with("rule.version", "n", line.version);
        let until = line.valid_until.map(|until| t.with("report.threshold.until", "at", self.since(until)));
        let plan = line.author.strip_prefix("care plan ");
        let author = plan.map_or_else(
            || line.author.clone(),
            |plan| t.with("rule.by_plan", "plan", t.get(&known(t, &format!("plan.{plan}"), plan))),
        );
        let reason = if plan.is_some() { t.get("rule.default_reason") } else { &line.reason };
        let (name, in_force) = if line.changed {
            let changed = Cell::strong(t.get("report.threshold.changed")).under([since]);
            (Cell::strong(title(&line.spec, t)), changed)
        } else {
            (Cell::text(title(&line.spec, t)), Cell::text(since))
        };
        let in_force = in_force.under(until).under([version]);
        Row {
            marked: line.changed,
            cells: vec![name.under([steps]), in_force, Cell::text(author).under([reason.to_owned()])],
        }
    }

    /// A date, with the time where it is not midnight.
    fn since(&self, at: Timestamp) -> String {
        let local = self.zone.to_datetime(at);
        if local.time() == Time::midnight() {
            self.locale().full_day(local.date())
        } else {
            self.full_moment(at)
        }
    }
}
