//! From a report to its view: heading, banner, summary, correction, foot. The other parts have modules of their own.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use vigie_charts::Locale;
use vigie_vitals::metrics::Metric;
use vigie_words::sentences::zone_of;
use vigie_words::{Texts, values};

use super::numbers;
use super::view::{Banner, Cell, Column, Foot, Kind, Part, Row, Table, View};
use crate::content::{Correction, Report, Week};

/// Digits of a hash that are printed: enough to compare by eye.
pub(super) const HASH_DIGITS: usize = 12;

/// Digits of a number that a correction changed: more than figures have, so that the change can be seen.
const CHANGE_DIGITS: u8 = 2;

/// Writes one report in one language.
pub(crate) struct Writer<'a> {
    pub(crate) report: &'a Report,
    pub(crate) texts: Texts,
    pub(crate) zone: TimeZone,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(report: &'a Report, locale: Locale) -> Self {
        Self { report, texts: Texts(locale), zone: zone_of(&report.time_zone) }
    }

    /// The whole view, with its pictures in order; `hash` is that of the content.
    pub(crate) fn view(&self, hash: &str) -> (View, Vec<String>) {
        let mut pictures = Vec::new();
        let mut parts = vec![self.summary()];
        parts.extend(self.report.correction.as_ref().map(|correction| self.correction(correction)));
        parts.extend(self.panels(&mut pictures));
        parts.push(self.alerts(&mut pictures));
        parts.push(self.thresholds());
        parts.extend(self.record());
        let t = self.texts;
        let name = self.name();
        let week = self.report.week;
        let view = View {
            language: t.code(),
            title: t.fill("report.file_title", &[("name", &name), ("week", &week)]),
            heading: t.get("report.title").to_owned(),
            week: week_in_words(week, t),
            marks: self.marks(),
            banner: Some(self.banner(name)),
            parts,
            foot: self.foot(hash),
        };
        (view, pictures)
    }

    pub(crate) fn locale(&self) -> Locale {
        self.texts.0
    }

    /// `20 nov. à 02:10`.
    pub(crate) fn moment(&self, at: Timestamp) -> String {
        numbers::moment(at, &self.zone, self.locale())
    }

    /// `20 nov. 2026 à 02:10`.
    pub(crate) fn full_moment(&self, at: Timestamp) -> String {
        numbers::full_moment(at, &self.zone, self.locale())
    }

    fn name(&self) -> String {
        let patient = &self.report.patient;
        format!("{} {}", patient.family_name.to_uppercase(), patient.given_name)
    }

    fn born(&self) -> String {
        let patient = &self.report.patient;
        let key = known(self.texts, &format!("report.born.{}", patient.sex), "report.born.unknown");
        self.texts.with(&key, "date", values::day(patient.birth_date, self.texts))
    }

    fn banner(&self, name: String) -> Banner {
        let (t, patient) = (self.texts, &self.report.patient);
        let age = values::years(patient.birth_date, self.last_day());
        let plan = |code: &String| t.get(&known(t, &format!("plan.{code}"), code)).to_owned();
        let plans: Vec<String> = patient.care_plans.iter().map(plan).collect();
        let sex = known(t, &format!("sex.{}", patient.sex), "sex.unknown");
        let labelled =
            |key: &str, value: &str| t.fill("report.labelled", &[("label", &t.get(key)), ("value", &value)]);
        let mut care = Vec::new();
        if !plans.is_empty() {
            care.push(labelled("report.plans", &plans.join(" · ")));
        }
        if !patient.care_team.is_empty() {
            care.push(labelled("person.team", &patient.care_team));
        }
        Banner {
            name,
            facts: vec![
                self.born(),
                t.with("person.years", "n", age),
                t.get(&sex).to_owned(),
                labelled("person.identifier", &patient.identifier),
            ],
            care,
        }
    }

    /// The last local day of the week.
    fn last_day(&self) -> Date {
        let before_end = self.report.to.checked_sub(SignedDuration::from_secs(1)).unwrap_or(self.report.to);
        self.zone.to_datetime(before_end).date()
    }

    fn marks(&self) -> Vec<String> {
        let (t, report) = (self.texts, self.report);
        let version = match &report.correction {
            Some(correction) => {
                t.fill("report.mark.corrected", &[("n", &report.version), ("of", &correction.of_version)])
            }
            None => t.with("report.mark.version", "n", report.version),
        };
        let provisional = report.provisional.then(|| t.get("report.mark.provisional").to_owned());
        std::iter::once(version).chain(provisional).collect()
    }

    fn summary(&self) -> Part {
        let sentences = self.report.summary.get(self.texts.code()).cloned().unwrap_or_default();
        Part {
            title: self.texts.get("report.section.summary").to_owned(),
            id: "summary".to_owned(),
            kind: Kind::Summary,
            lead: sentences,
            ..Part::default()
        }
    }

    fn correction(&self, correction: &Correction) -> Part {
        let t = self.texts;
        let before = self.full_moment(correction.known_at_before);
        let mut lead = vec![t.fill(
            "report.correction.what",
            &[
                ("of", &correction.of_version),
                ("before", &before),
                ("author", &correction.author),
                ("reason", &correction.reason),
            ],
        )];
        if correction.readings_added > 0 {
            lead.push(t.count(
                "report.correction.readings",
                i64::try_from(correction.readings_added).unwrap_or(i64::MAX),
            ));
        }
        if correction.changes.is_empty() {
            lead.push(t.get("report.correction.no_change").to_owned());
        }
        // In the unit of the panel that shows the group; the metric of now says in which unit a value is.
        let shown = |value: Option<f64>, group: &str, name: &str| {
            let panel =
                self.report.panels.iter().find(|panel| panel.figures.iter().any(|f| f.group == group));
            match self.report.metrics.get(group).and_then(|metrics| metrics.get(name)) {
                Some(metric) => self.shown(panel, &Metric { value, ..metric.clone() }, CHANGE_DIGITS),
                None => {
                    value.map_or_else(|| "–".to_owned(), |value| numbers::number(value, CHANGE_DIGITS, t.0))
                }
            }
        };
        let rows: Vec<Row> = correction
            .changes
            .iter()
            .map(|change| {
                Row::of(vec![
                    Cell::text(self.metric_name(&change.group, &change.name)),
                    Cell::text(shown(change.before, &change.group, &change.name)),
                    Cell::strong(shown(change.after, &change.group, &change.name)),
                ])
            })
            .collect();
        let table = Table {
            caption: t.get("report.correction.caption").to_owned(),
            columns: vec![
                Column::text(t.get("report.col.figure"), 6),
                Column::numbers(&t.with("report.mark.version", "n", correction.of_version), 3),
                Column::numbers(&t.with("report.mark.version", "n", self.report.version), 3),
            ],
            rows,
        };
        Part {
            title: t.with("report.section.correction", "of", correction.of_version),
            id: "correction".to_owned(),
            kind: Kind::Framed,
            lead,
            tables: if table.rows.is_empty() { Vec::new() } else { vec![table] },
            ..Part::default()
        }
    }

    fn foot(&self, hash: &str) -> Foot {
        let (t, report) = (self.texts, self.report);
        let short = |hash: &str| hash.chars().take(HASH_DIGITS).collect::<String>();
        let about = [
            self.name(),
            self.born(),
            report.patient.identifier.clone(),
            report.week.to_string(),
            t.with("report.mark.version", "n", report.version),
        ];
        let known = self.full_moment(report.known_at);
        Foot {
            title: t.get("report.foot.title").to_owned(),
            about: about.join(" · "),
            made: t.fill(
                "report.foot.made",
                &[
                    ("software", &report.software),
                    ("rules", &short(&report.rules_version)),
                    ("known", &known),
                    ("zone", &report.time_zone),
                    ("hash", &short(hash)),
                ],
            ),
            emergency: t.get("report.foot.emergency").to_owned(),
            page: t.get("report.foot.page").to_owned(),
            of: t.get("report.foot.of").to_owned(),
        }
    }
}

/// `Semaine 47 de 2026, du lun. 16 nov. au dim. 22 nov. 2026`.
pub(crate) fn week_in_words(week: Week, t: Texts) -> String {
    let monday = week.monday();
    let sunday = monday.checked_add(6.days()).unwrap_or(monday);
    let (from, to) = (t.0.weekday_and_day(monday), t.0.weekday_and_day(sunday));
    let iso = monday.iso_week_date();
    t.fill(
        "report.week",
        &[("n", &iso.week()), ("year", &iso.year()), ("from", &from), ("to", &to), ("end", &sunday.year())],
    )
}

/// The key where the catalogue has it, else the other.
pub(crate) fn known(texts: Texts, key: &str, otherwise: &str) -> String {
    let found = texts.get(key) != key;
    if found { key.to_owned() } else { otherwise.to_owned() }
}
