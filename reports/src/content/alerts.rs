//! The alerts of the week, as they stood when the report was made: told by their events.

use jiff::Timestamp;
use vigie_store::reports::record::{AlertStory, WeekRecord};
use vigie_vitals::metrics::Metric;
use vigie_vitals::metrics::alerts::{AlertSummary, alerts};
use vigie_vitals::{Evidence, Priority, RuleSpec};

use super::figures::count;
use super::frame::Frame;
use super::thresholds::severity;
use super::{Act, AlertLine, LaneAlert};

/// Who acts when no person does.
const SYSTEM: &str = "vigie";

/// The most urgent first, then by time.
pub(super) fn lines(record: &WeekRecord, frame: &Frame) -> Vec<AlertLine> {
    let opened = |story: &&AlertStory| story.opened_at <= frame.known_at;
    let mut lines: Vec<AlertLine> =
        record.alerts.iter().filter(opened).filter_map(|story| line(story, record, frame)).collect();
    lines.sort_by(|a, b| {
        (b.priority, a.happened_at, a.opened_at, a.id).cmp(&(a.priority, b.happened_at, b.opened_at, b.id))
    });
    lines
}

fn line(story: &AlertStory, record: &WeekRecord, frame: &Frame) -> Option<AlertLine> {
    let known: Vec<&Evidence> = story.evidence.iter().filter(|e| e.known_at <= frame.known_at).collect();
    let first = known.iter().min_by_key(|e| (e.happened_at, e.known_at))?;
    let worst = known.iter().max_by_key(|e| (e.priority, e.happened_at, &e.reading))?;
    let spec = record.rules.iter().find(|v| v.rule == story.rule && v.version == worst.rule_version);
    let mut line = AlertLine {
        id: story.id,
        rule: story.rule.clone(),
        rule_version: worst.rule_version,
        spec: spec.map(|version| version.spec.clone()),
        priority: story.priority,
        worst: (*worst).clone(),
        breaches: known.len(),
        happened_at: first.happened_at,
        known_at: first.known_at,
        opened_at: story.opened_at,
        acknowledged: None,
        resolved: None,
        outcome: None,
        ended: false,
        unsupported: false,
        carried_over: story.opened_at < frame.whole.from,
    };
    let mut events: Vec<_> = story.events.iter().filter(|event| event.at <= frame.known_at).collect();
    // Stable: events of one instant keep the order in which they were recorded.
    events.sort_by_key(|event| event.at);
    for event in events {
        let act = || Some(Act { at: event.at, by: event.actor.clone() });
        let word = |key: &str| event.detail.get(key).and_then(serde_json::Value::as_str);
        match event.kind.as_str() {
            "acknowledged" => line.acknowledged = act(),
            "reopened" => line.acknowledged = None,
            "resolved" => {
                line.resolved = act();
                line.outcome = word("outcome").map(str::to_owned);
                line.ended |= line.outcome.as_deref() == Some("ended_by_data");
            }
            "unresolved" => (line.resolved, line.outcome) = (None, None),
            "condition" => line.ended = word("condition") == Some("ended"),
            "no_longer_supported" => line.unsupported = true,
            "supported_again" => line.unsupported = false,
            _ => {}
        }
    }
    Some(line)
}

/// Counts, outcomes and response times of the alerts that were opened in the week.
pub(super) fn numbers(record: &WeekRecord, lines: &[AlertLine], frame: &Frame) -> Vec<(String, Metric)> {
    let period = frame.over;
    let summaries: Vec<AlertSummary> = lines.iter().map(|line| in_short(line, record, frame)).collect();
    // Opened after the week, about what happened in it: those count there, so that no alert counts for two weeks.
    let computed = alerts(&summaries, period);
    let mut numbers: Vec<(String, Metric)> =
        computed.metrics().into_iter().map(|(name, metric)| (name.to_owned(), metric)).collect();
    numbers.extend(
        computed
            .by_priority
            .iter()
            .map(|(priority, n)| (format!("raised_{}", priority.as_str()), count(*n, period))),
    );
    numbers.extend(
        computed.by_outcome.iter().map(|(outcome, n)| (format!("outcome_{outcome}"), count(*n, period))),
    );
    numbers
}

fn in_short(line: &AlertLine, record: &WeekRecord, frame: &Frame) -> AlertSummary {
    let events = record.alerts.iter().filter(|story| story.id == line.id).flat_map(|story| &story.events);
    let by_a_person = |kind: &'static str| {
        let of_kind = events
            .clone()
            .filter(move |event| event.kind == kind && event.at <= frame.known_at && event.actor != SYSTEM);
        of_kind.map(|event| event.at)
    };
    AlertSummary {
        opened_at: line.opened_at,
        acknowledged_at: by_a_person("acknowledged").min(),
        resolved_at: line.resolved.as_ref().filter(|act| act.by != SYSTEM).map(|act| act.at),
        priority: line.priority,
        outcome: line.outcome.clone(),
    }
}

impl AlertLine {
    /// Is it about the measuring chain rather than the patient?
    pub fn is_technical(&self) -> bool {
        self.priority == Priority::Technical
    }

    /// Nobody has closed it.
    pub fn is_open(&self) -> bool {
        self.resolved.is_none()
    }

    /// Nobody has closed it, and nobody is on it.
    pub fn is_unhandled(&self) -> bool {
        self.resolved.is_none() && self.acknowledged.is_none()
    }
}

/// A lane for each rule that has alerts, in order of the rules.
pub(super) fn lanes(lines: &[AlertLine], frame: &Frame) -> Vec<(RuleSpec, Vec<LaneAlert>)> {
    let mut by_rule: Vec<&AlertLine> = lines.iter().filter(|line| line.spec.is_some()).collect();
    by_rule.sort_by_key(|line| (line.rule.clone(), line.happened_at, line.id));
    by_rule
        .chunk_by(|a, b| a.rule == b.rule)
        .filter_map(|of_rule| {
            let spec = of_rule.last()?.spec.clone()?;
            let lane = of_rule.iter().map(|line| LaneAlert {
                from: line.happened_at,
                until: line.resolved.as_ref().map(|act| act.at.min(frame.known_at)),
                severity: severity(line.priority),
            });
            Some((spec, lane.collect()))
        })
        .collect()
}

/// The alert to be named first: of those opened in the week the most urgent one, otherwise of all; open before closed.
pub(super) fn foremost(lines: &[AlertLine]) -> Option<&AlertLine> {
    let rank = |line: &&AlertLine| {
        let late = std::cmp::Reverse::<Timestamp>(line.happened_at);
        (line.priority, line.is_unhandled(), line.is_open(), !line.carried_over, late, line.id)
    };
    lines.iter().filter(|line| !line.unsupported).max_by_key(rank).or_else(|| lines.iter().max_by_key(rank))
}
