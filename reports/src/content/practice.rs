//! The reports of a practice: one line per patient, those first in whom most has changed.
//!
//! The order is a rule, not a judgement, and the same lines always come in the same order. Compared one after the other:
//!
//! 1. alerts of high priority that nobody has closed, then those among them that nobody is on;
//! 2. alerts that were opened in the week: of high, then medium, then low priority;
//! 3. by how much the main number is worse than the week before, in steps (five points of a share, one kilogram);
//! 4. missing data: nothing to conclude from, then days without what was expected, then technical alerts;
//! 5. name, then id, so that equals never change places.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vigie_vitals::Priority;
use vigie_words::Texts;

use super::summary::{LOCALES, Say, expects, in_words, label, main_panels, standing};
use super::{AlertLine, DayState, Panel, Patient, Report, Topic, Week};

/// Version of the practice summary's JSON.
const SCHEMA: u32 = 1;

/// What a patient's report comes to in one line. Serialised, it is what is stored beside the report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PatientLine {
    /// Who.
    pub patient: Patient,
    /// Which week.
    pub week: Week,
    /// Which version of the report.
    pub version: i32,
    /// What the report knew.
    pub known_at: Timestamp,
    /// The week was not over.
    pub provisional: bool,
    /// Alerts of high priority that nobody has closed.
    pub open_high: usize,
    /// Of them, those that nobody is on.
    pub unhandled_high: usize,
    /// All alerts that nobody has closed.
    pub open: usize,
    /// Alerts opened in the week, by priority.
    pub new: NewAlerts,
    /// How the main number stands.
    pub main: Option<MainNumber>,
    /// There is nothing to conclude from in what a care plan is about.
    pub insufficient: bool,
    /// Days of the week on which something was expected.
    pub days_expected: usize,
    /// Of them, days on which nothing came.
    pub days_missing: usize,
    /// Why the patient stands where they stand, in words, by language.
    pub reason: BTreeMap<String, String>,
}

/// Alerts opened in the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NewAlerts {
    /// High.
    pub high: usize,
    /// Medium.
    pub medium: usize,
    /// Low.
    pub low: usize,
    /// Technical.
    pub technical: usize,
}

/// The number by which a patient is compared with the week before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MainNumber {
    /// What it is of.
    pub topic: Topic,
    /// Group in the report's metrics.
    pub group: String,
    /// Name in the report's metrics.
    pub name: String,
    /// This week, where there are enough data.
    pub value: Option<f64>,
    /// The week before, where there are enough data.
    pub before: Option<f64>,
    /// Tenths of a step by which it is worse; 0 when it is not, or cannot be compared.
    pub worse_by: i64,
}

/// What counts as a step to the worse (settings).
#[derive(Debug, Clone, Copy, PartialEq)]
struct Worsening {
    /// Is more worse?
    more_is_worse: bool,
    /// The size of a step.
    step: f64,
}

/// The lines of a practice, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PracticeSummary {
    /// Version of this shape.
    pub schema: u32,
    /// Whose.
    pub practice: String,
    /// Which week.
    pub week: Week,
    /// `vigie 0.1.0`.
    pub software: String,
    /// Patients, those first in whom most has changed.
    pub lines: Vec<PatientLine>,
    /// Patients with an alert of high priority that nobody has closed.
    pub with_open_high: usize,
    /// Patients with new alerts that are not technical.
    pub with_new_alerts: usize,
    /// Patients in whom there is nothing to conclude from.
    pub insufficient: usize,
}

/// Puts the lines of a practice in order.
pub fn build(practice: &str, week: Week, software: &str, mut lines: Vec<PatientLine>) -> PracticeSummary {
    lines.sort_by(|a, b| rank(a).cmp(&rank(b)));
    let with = |condition: fn(&PatientLine) -> bool| lines.iter().filter(|line| condition(line)).count();
    PracticeSummary {
        schema: SCHEMA,
        practice: practice.to_owned(),
        week,
        software: software.to_owned(),
        with_open_high: with(|line| line.open_high > 0),
        with_new_alerts: with(|line| line.new.clinical() > 0),
        insufficient: with(|line| line.insufficient),
        lines,
    }
}

type Changed = (Reverse<usize>, Reverse<usize>, Reverse<[usize; 3]>, Reverse<i64>);
type Missing = (Reverse<bool>, Reverse<usize>, Reverse<usize>);

/// Smaller comes first.
fn rank(line: &PatientLine) -> (Changed, Missing, (&str, &str, vigie_vitals::PatientId)) {
    let new = line.new;
    let worse = line.main.as_ref().map_or(0, |main| main.worse_by);
    (
        (
            Reverse(line.open_high),
            Reverse(line.unhandled_high),
            Reverse([new.high, new.medium, new.low]),
            Reverse(worse),
        ),
        (Reverse(line.insufficient), Reverse(line.days_missing), Reverse(new.technical)),
        (&line.patient.family_name, &line.patient.given_name, line.patient.id),
    )
}

impl NewAlerts {
    /// Those about the patient rather than the measuring chain.
    pub fn clinical(self) -> usize {
        self.high.saturating_add(self.medium).saturating_add(self.low)
    }
}

impl PatientLine {
    /// The line of a report.
    pub fn of(report: &Report) -> Self {
        let count = |condition: fn(&AlertLine) -> bool| report.alerts.iter().filter(|a| condition(a)).count();
        let new = |priority: Priority| {
            let opened = |alert: &&AlertLine| report.from <= alert.opened_at && alert.opened_at < report.to;
            report.alerts.iter().filter(opened).filter(|alert| alert.priority == priority).count()
        };
        let panels = main_panels(report);
        let main = panels.first().map(|panel| main_number(report, panel));
        let days = || report.completeness.schedules.iter().flat_map(|line| &line.days);
        let dates = |condition: fn(DayState) -> bool| {
            let dates = days().filter(|day| condition(day.state)).map(|day| day.date);
            dates.collect::<std::collections::BTreeSet<_>>().len()
        };
        let mut line = Self {
            patient: report.patient.clone(),
            week: report.week,
            version: report.version,
            known_at: report.known_at,
            provisional: report.provisional,
            open_high: count(|alert| alert.priority == Priority::High && alert.is_open()),
            unhandled_high: count(|alert| alert.priority == Priority::High && alert.is_unhandled()),
            open: count(AlertLine::is_open),
            new: NewAlerts {
                high: new(Priority::High),
                medium: new(Priority::Medium),
                low: new(Priority::Low),
                technical: new(Priority::Technical),
            },
            main,
            insufficient: panels.iter().any(|panel| !panel.sufficient),
            days_expected: dates(expects),
            days_missing: dates(|state| state == DayState::Nothing),
            reason: BTreeMap::new(),
        };
        for locale in LOCALES {
            let say = Say::new(report, Texts(locale));
            line.reason.insert(say.t.code().to_owned(), reason(&line, &panels, &say));
        }
        line
    }
}

fn main_number(report: &Report, panel: &Panel) -> MainNumber {
    let standing = standing(report, panel.topic);
    // What cannot be concluded from is not compared either.
    let value = standing.value.filter(|_| panel.sufficient);
    let worse_by = value.zip(standing.before).zip(worsening(panel.topic)).map_or(0, |((now, before), of)| {
        let difference = if of.more_is_worse { now - before } else { before - now };
        (10.0 * difference / of.step).round_ties_even().max(0.0) as i64
    });
    MainNumber {
        topic: panel.topic,
        group: standing.group.to_owned(),
        name: standing.name.to_owned(),
        value,
        before: standing.before,
        worse_by,
    }
}

/// Five points of a share, or the smallest gain of weight that the shipped rules look at (1 kg, DOMAIN 2.4). The steps
/// only put different numbers on one scale; nobody is told that one of them matters.
fn worsening(topic: Topic) -> Option<Worsening> {
    match topic {
        Topic::GlucoseCgm | Topic::GlucoseCapillary | Topic::Inr => {
            Some(Worsening { more_is_worse: false, step: 5.0 })
        }
        Topic::Weight => Some(Worsening { more_is_worse: true, step: 1.0 }),
        Topic::BloodPressure
        | Topic::Pulse
        | Topic::Spo2
        | Topic::Temperature
        | Topic::RespiratoryRate
        | Topic::News2 => None,
    }
}

/// Less than a step is not worth a line.
const A_STEP: i64 = 10;
/// So many reasons fit one line.
const REASONS_MOST: usize = 3;

fn reason(line: &PatientLine, panels: &[&Panel], say: &Say<'_>) -> String {
    let mut reasons = Vec::new();
    if line.open_high > 0 {
        reasons.push(say.t.count("report.summary.practice.open_high", line.open_high));
    }
    if line.new.clinical() > 0 {
        reasons.push(say.t.count("report.summary.practice.new", line.new.clinical()));
    }
    if let (Some(main), Some(panel)) = (&line.main, panels.first())
        && main.worse_by >= A_STEP
        && let (Some(value), Some(before)) = (main.value, main.before)
    {
        let before = say.t.with("report.summary.before", "value", in_words(say, panel, before));
        let (what, value) = (label(say, panel.topic), in_words(say, panel, value));
        reasons.push(say.t.fill(
            "report.summary.practice.worse",
            &[("what", &what), ("value", &value), ("before", &before)],
        ));
    }
    reasons.extend(
        panels
            .iter()
            .filter(|panel| !panel.sufficient)
            .map(|panel| say.t.with("report.summary.practice.insufficient", "what", label(say, panel.topic))),
    );
    if line.days_missing > 0 {
        reasons.push(say.t.count("report.summary.practice.missing", line.days_missing));
    }
    if reasons.is_empty() {
        return say.t.get("report.summary.practice.nothing").to_owned();
    }
    reasons.truncate(REASONS_MOST);
    reasons.join(", ")
}
