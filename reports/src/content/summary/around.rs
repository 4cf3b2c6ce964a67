//! The third sentence: completeness and circumstances; and the fourth, of corrected and provisional reports.

use vigie_words::rules::title;
use vigie_words::sentences::of_key;

use super::say::{Say, sentence as as_sentence};
use crate::content::late::count;
use crate::content::thresholds::changes;
use crate::content::{DayState, DeviceLine, Report, ScheduleLine};

pub(super) fn sentence(say: &Say<'_>) -> String {
    let report = say.report;
    let mut clauses = completeness(say);
    let expected = clauses.len();
    let left_out = usize::try_from(report.arrived_since_left_out).unwrap_or(usize::MAX);
    let arrived = count(&report.arrived_since).saturating_add(left_out);
    for (key, n) in [
        ("report.summary.late", count(&report.late)),
        ("report.summary.arrived_since", arrived),
        ("report.summary.excluded", report.excluded.len()),
        ("report.summary.never_arrived", usize::try_from(report.completeness.never_arrived).unwrap_or(0)),
    ] {
        if n > 0 {
            clauses.push(say.t.count(key, n));
        }
    }
    clauses.extend(report.pauses.iter().map(|pause| {
        let (from, until) = (say.moment(pause.from), say.moment(pause.until));
        say.t.fill("report.summary.pause", &[("from", &from), ("until", &until), ("reason", &pause.reason)])
    }));
    clauses.extend(devices(say));
    clauses.extend(thresholds(say));
    if clauses.len() == expected {
        clauses.push(say.t.get("report.summary.undisturbed").to_owned());
    }
    as_sentence(&say.joined(&clauses))
}

fn completeness(say: &Say<'_>) -> Vec<String> {
    let watched = |line: &&ScheduleLine| line.days.iter().any(|day| expects(day.state));
    let clauses: Vec<String> =
        say.report.completeness.schedules.iter().filter(watched).map(|line| schedule(say, line)).collect();
    if clauses.is_empty() { vec![say.t.get("report.summary.nothing_expected").to_owned()] } else { clauses }
}

fn schedule(say: &Say<'_>, line: &ScheduleLine) -> String {
    let of = say.t.get(&of_key(line.vital)).to_owned();
    let all = line.days.iter().filter(|day| expects(day.state)).count();
    let complete = line.days.iter().filter(|day| day.state == DayState::Complete).count();
    if line.every_hours <= 24 {
        return say.t.fill("report.summary.days", &[("of", &of), ("n", &complete), ("all", &all)]);
    }
    match all.saturating_sub(complete) {
        0 => say.t.with("report.summary.rhythm_kept", "of", of),
        n => say.t.fill("report.summary.rhythm_lost", &[("of", &of), ("n", &n), ("all", &all)]),
    }
}

/// Was something expected of the patient on this day?
pub(in crate::content) fn expects(state: DayState) -> bool {
    match state {
        DayState::Complete | DayState::Partial | DayState::Nothing => true,
        DayState::Paused | DayState::Outside => false,
    }
}

/// Changes of devices: one of a kind given and one taken back is a swap.
fn devices(say: &Say<'_>) -> Vec<String> {
    let mut clauses = Vec::new();
    for of_kind in say.report.devices.chunk_by(|a, b| a.kind == b.kind) {
        let key = format!("device.kind.{}", of_kind.first().map_or("", |device| device.kind.as_str()));
        let text = say.t.get(&key);
        // A kind that the catalogue does not know is told by its code.
        let kind = text.strip_prefix("device.kind.").unwrap_or(text).to_owned();
        let kind = lower_first(&kind);
        let returned = of_kind.iter().filter_map(|device: &DeviceLine| device.until).min();
        let given = of_kind.iter().filter_map(|device| device.since).max();
        let (key, at) = match (returned, given) {
            (Some(_), Some(given)) => ("report.summary.device_swapped", given),
            (None, Some(given)) => ("report.summary.device_given", given),
            (Some(returned), None) => ("report.summary.device_returned", returned),
            (None, None) => continue,
        };
        clauses.push(say.t.fill(key, &[("kind", &kind), ("at", &say.moment(at))]));
    }
    clauses
}

/// Within a sentence a common noun has no capital; a word of capitals keeps them.
fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    let (first, rest) = (letters.next(), letters.as_str());
    let is_word = rest.chars().next().is_some_and(char::is_lowercase);
    match first {
        Some(first) if is_word => format!("{}{rest}", first.to_lowercase()),
        _ => text.to_owned(),
    }
}

/// A change or two are told one by one.
const TOLD_ONE_BY_ONE: usize = 2;

fn thresholds(say: &Say<'_>) -> Vec<String> {
    let changes = changes(&say.report.thresholds);
    if changes.len() > TOLD_ONE_BY_ONE {
        return vec![say.t.count("report.summary.thresholds", changes.len())];
    }
    changes
        .into_iter()
        .map(|line| {
            let (rule, at) = (title(&line.spec, say.t), say.moment(line.valid_from));
            say.t.fill(
                "report.summary.threshold",
                &[("rule", &rule), ("at", &at), ("who", &line.author), ("reason", &line.reason)],
            )
        })
        .collect()
}

/// Only for a report that corrects another, or that is not about a whole week.
pub(super) fn version(say: &Say<'_>) -> Option<String> {
    let report: &Report = say.report;
    let mut clauses = Vec::new();
    if let Some(correction) = &report.correction {
        let added = say.t.count("report.summary.added", correction.readings_added);
        let changed = say.t.count("report.summary.changed", correction.changes.len());
        clauses.push(say.t.fill(
            "report.summary.corrects",
            &[
                ("who", &correction.author),
                ("reason", &correction.reason),
                ("version", &correction.of_version),
                ("added", &added),
                ("changed", &changed),
            ],
        ));
    }
    if report.provisional {
        clauses.push(say.t.with("report.summary.provisional", "at", say.moment(report.known_at)));
    }
    (!clauses.is_empty()).then(|| as_sentence(&say.joined(&clauses)))
}
