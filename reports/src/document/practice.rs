//! The reports of a practice on one list: patients in the order of the content, one row each.

use jiff::tz::TimeZone;
use vigie_charts::Locale;
use vigie_words::{Texts, values};

use super::numbers;
use super::panels;
use super::view::{Banner, Cell, Column, Foot, Kind, Part, Row, Table, View};
use super::writer::{HASH_DIGITS, week_in_words};
use crate::content::practice::{MainNumber, PatientLine, PracticeSummary};

/// The view of a practice's list.
pub(super) fn view(summary: &PracticeSummary, locale: Locale, hash: &str) -> View {
    let t = Texts(locale);
    let week = summary.week;
    let title = t.fill("report.practice.file_title", &[("practice", &summary.practice), ("week", &week)]);
    let provisional = summary.lines.iter().any(|line| line.provisional);
    let hash: String = hash.chars().take(HASH_DIGITS).collect();
    View {
        language: t.code(),
        title,
        heading: t.get("report.practice.title").to_owned(),
        week: week_in_words(week, t),
        marks: if provisional { vec![t.get("report.mark.provisional").to_owned()] } else { Vec::new() },
        banner: Some(Banner {
            name: summary.practice.clone(),
            facts: vec![t.count("report.practice.patients", count(summary.lines.len()))],
            care: Vec::new(),
        }),
        parts: vec![overview(summary, t), list(summary, t)],
        foot: Foot {
            title: t.get("report.foot.title").to_owned(),
            about: format!("{} · {week}", summary.practice),
            made: t.fill("report.practice.made", &[("software", &summary.software), ("hash", &hash)]),
            emergency: t.get("report.foot.emergency").to_owned(),
            page: t.get("report.foot.page").to_owned(),
            of: t.get("report.foot.of").to_owned(),
        },
    }
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn overview(summary: &PracticeSummary, t: Texts) -> Part {
    let lead = if summary.lines.is_empty() {
        vec![t.get("report.practice.none").to_owned()]
    } else {
        vec![
            t.count("report.practice.open_high", count(summary.with_open_high)),
            t.count("report.practice.new_alerts", count(summary.with_new_alerts)),
            t.count("report.practice.insufficient", count(summary.insufficient)),
        ]
    };
    Part {
        title: t.get("report.section.summary").to_owned(),
        id: "summary".to_owned(),
        kind: Kind::Summary,
        lead,
        ..Part::default()
    }
}

fn list(summary: &PracticeSummary, t: Texts) -> Part {
    let table = Table {
        caption: t.get("report.practice.caption").to_owned(),
        columns: vec![
            Column::text(t.get("col.patient"), 30),
            Column::text(t.get("col.reason"), 38),
            Column::text(t.get("report.practice.alerts"), 16),
            Column::numbers(t.get("report.practice.main"), 16),
        ],
        rows: summary.lines.iter().map(|line| row(line, t)).collect(),
    };
    Part {
        title: t.get("report.practice.list").to_owned(),
        id: "patients".to_owned(),
        lead: vec![t.get("report.practice.order").to_owned()],
        tables: if table.rows.is_empty() { Vec::new() } else { vec![table] },
        ..Part::default()
    }
}

fn row(line: &PatientLine, t: Texts) -> Row {
    let patient = &line.patient;
    let name = format!("{} {}", patient.family_name.to_uppercase(), patient.given_name);
    let born = format!("{} · {}", values::day(patient.birth_date, t), patient.identifier);
    let plans: Vec<String> = patient
        .care_plans
        .iter()
        .map(|plan| t.get(&super::writer::known(t, &format!("plan.{plan}"), plan)).to_owned())
        .collect();
    let reason = line.reason.get(t.code()).cloned().unwrap_or_default();
    let open = if line.open_high > 0 {
        let text = t.count("report.practice.high", count(line.open_high));
        Cell { shape: Some("high"), ..Cell::strong(text) }
    } else {
        Cell::text(t.count("report.practice.open", count(line.open)))
    };
    let new = count(line.new.clinical());
    let open = open.under([t.count("report.practice.new", new)]);
    let (value, before) = line.main.as_ref().map_or_else(
        || ("–".to_owned(), Vec::new()),
        |main| {
            let topic = t.get(&format!("report.topic.{}", panels::code(main.topic))).to_owned();
            let before =
                main.before.map(|before| t.with("report.practice.before", "value", number(before, main, t)));
            let value = main.value.map_or_else(|| "–".to_owned(), |value| number(value, main, t));
            (value, std::iter::once(topic).chain(before).collect())
        },
    );
    Row::of(vec![
        Cell::strong(name).under([born, plans.join(" · ")]),
        Cell::text(reason),
        open,
        Cell::text(value).under(before),
    ])
}

fn number(value: f64, main: &MainNumber, t: Texts) -> String {
    let (digits, unit) = match (main.group.as_str(), main.name.as_str()) {
        (_, name) if name.ends_with("_percent") => (0, "%"),
        ("weight", _) => (1, "kg"),
        _ => (1, ""),
    };
    numbers::with_unit(&numbers::number(value, digits, t.0), unit, t)
}

/// When the newest of the reports was made; the end of the week where there is none.
pub(super) fn date(summary: &PracticeSummary) -> jiff::Timestamp {
    let newest = summary.lines.iter().map(|line| line.known_at).max();
    newest.unwrap_or_else(|| summary.week.end(&TimeZone::UTC))
}
