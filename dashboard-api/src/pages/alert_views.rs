//! An alert on the patient page: its reason, what it rests on, and what was done.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use vigie_store::alert_work::{Alert, Breach, HistoryEntry};
use vigie_vitals::{AlertState, Condition};

use crate::pages::patient::author_words;
use crate::pages::views::{PriorityView, When, acknowledged_by, priority, when};
use crate::sentence::reason;
use crate::text::Texts;
use vigie_words::rules as rule_words;
use vigie_words::sentences::breach;
use vigie_words::values as words;

/// An alert that is not resolved.
pub(crate) struct AlertCard {
    pub(crate) id: String,
    pub(crate) priority: PriorityView,
    pub(crate) reason: String,
    pub(crate) late: bool,
    pub(crate) happened: When,
    pub(crate) known: When,
    pub(crate) opened: When,
    pub(crate) condition: String,
    pub(crate) open: bool,
    pub(crate) state: String,
    pub(crate) acknowledged: Option<String>,
    pub(crate) assigned: Option<String>,
    pub(crate) unsupported: bool,
    /// `Glycémie : limite basse, version 2, prescrite par …`.
    pub(crate) rule: String,
    pub(crate) evidence: Vec<EvidenceRow>,
    pub(crate) evidence_count: String,
    /// How many breaches are shown: what the forms say was seen.
    pub(crate) seen: i64,
    pub(crate) history: Vec<String>,
}

pub(crate) struct EvidenceRow {
    pub(crate) happened: String,
    pub(crate) known: String,
    pub(crate) text: String,
    pub(crate) version: i32,
}

pub(crate) fn card(
    alert: &Alert,
    breaches: &[Breach],
    history: &[HistoryEntry],
    zone: &TimeZone,
    now: Timestamp,
    t: Texts,
) -> AlertCard {
    let reason = reason(alert, now, t);
    AlertCard {
        id: alert.id.to_string(),
        priority: priority(alert.priority, t),
        late: reason.late.is_some(),
        reason: reason.text,
        happened: when(alert.worst.happened_at, zone, now, t),
        known: when(alert.worst.known_at, zone, now, t),
        opened: when(alert.opened_at, zone, now, t),
        condition: t.get(&format!("condition.{}", alert.condition.as_str())).to_owned(),
        open: alert.state == AlertState::Open,
        state: t.get(&format!("state.{}", alert.state.as_str())).to_owned(),
        acknowledged: acknowledged_by(alert, zone, now, t),
        assigned: alert.assigned_to.as_ref().map(|(_, name)| name.clone()),
        unsupported: alert.unsupported,
        rule: rule_line(alert, t),
        evidence: breaches
            .iter()
            .rev()
            .filter(|b| b.evidence.reading.is_some())
            .map(|b| EvidenceRow {
                happened: words::moment(b.evidence.happened_at, zone, now, t),
                known: words::moment(b.received_at.unwrap_or(b.evidence.known_at), zone, now, t),
                text: breach(&b.evidence, alert.spec.as_ref(), t),
                version: b.evidence.rule_version,
            })
            .collect(),
        evidence_count: t.count("count.readings", alert.breaches),
        seen: alert.breaches,
        history: history.iter().map(|entry| history_line(entry, zone, now, t)).collect(),
    }
}

/// Which rule, which version, by whom.
fn rule_line(alert: &Alert, t: Texts) -> String {
    let title = alert.spec.as_ref().map_or_else(|| alert.rule.to_string(), |spec| rule_words::title(spec, t));
    let author = alert.author.as_deref().map_or_else(String::new, |author| author_words(author, t));
    t.fill("alert.rule", &[("rule", &title), ("version", &alert.rule_version), ("author", &author)])
}

fn history_line(entry: &HistoryEntry, zone: &TimeZone, now: Timestamp, t: Texts) -> String {
    let text = |name: &str| entry.detail.get(name).and_then(|value| value.as_str()).unwrap_or("").to_owned();
    let at = words::moment(entry.at, zone, now, t);
    let key = format!("history.{}", entry.kind);
    let mut line = t.fill(&key, &[("actor", &entry.actor), ("to", &text("name"))]);
    if line == key {
        line = format!("{} ({})", entry.kind, entry.actor);
    }
    let outcome = text("outcome");
    if !outcome.is_empty() {
        line.push_str(&format!(" : {}", t.get(&format!("outcome.{outcome}"))));
    }
    for remark in [text("comment"), text("text")] {
        if !remark.is_empty() {
            line.push_str(&format!(" : {remark}"));
        }
    }
    format!("{at}, {line}")
}

/// A resolved alert, as one line.
pub(crate) struct ClosedAlert {
    pub(crate) priority: PriorityView,
    pub(crate) reason: String,
    pub(crate) happened: String,
    pub(crate) known: String,
    pub(crate) outcome: String,
    pub(crate) resolved: String,
}

pub(crate) fn closed(alert: &Alert, zone: &TimeZone, now: Timestamp, t: Texts) -> ClosedAlert {
    // Told as it stood, not as if it went on.
    let as_ended = Alert { condition: Condition::Ended, ..alert.clone() };
    let outcome = alert.outcome.as_deref().unwrap_or("other");
    let resolved = match &alert.resolved {
        Some((at, Some(by))) => format!("{}, {by}", words::moment(*at, zone, now, t)),
        Some((at, None)) => words::moment(*at, zone, now, t),
        None => String::new(),
    };
    ClosedAlert {
        priority: priority(alert.priority, t),
        reason: reason(&as_ended, now, t).text,
        happened: words::moment(alert.happened_at, zone, now, t),
        known: words::moment(alert.known_at, zone, now, t),
        outcome: t.get(&format!("outcome.{outcome}")).to_owned(),
        resolved,
    }
}
