//! Brings the alerts on record in line with a judgement, without repeating and without undoing people's
//! work. Idempotent: applied and asked again, it has nothing to change.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::alert::BreachId;
use crate::{
    AlertChange, AlertId, AlertOnRecord, AlertState, Condition, Evidence, Judgement, Priority, RuleId,
    SilenceFinding, Threshold,
};

/// What has to be written so that the alerts say what the judgement says.
///
/// - At most one alert of a rule is not resolved. New breaches go to it; only without one is an alert opened.
/// - A breach on any alert of its rule, also on a resolved one, is never a reason again.
/// - A priority never sinks. Above what somebody acknowledged, the alert is open again.
/// - A silence that lasts is one breach; one that a human resolved stays so, and a new one is new.
/// - An alert whose breaches have all vanished is marked unsupported, not deleted.
///
/// `on_record` must hold the patient's unresolved alerts and every resolved one with a breach at or after
/// `from`; `from` is the same that was handed to [`judge()`](crate::judge()).
pub fn reconcile(
    judgement: &Judgement,
    on_record: &[AlertOnRecord],
    from: Timestamp,
    as_of: Timestamp,
) -> Vec<AlertChange> {
    let mut found: BTreeMap<&RuleId, Vec<Evidence>> = BTreeMap::new();
    for finding in &judgement.findings {
        found.entry(&finding.rule).or_default().push(finding.evidence.clone());
    }
    for silence in &judgement.silences {
        found.entry(&silence.rule).or_default().push(silence_evidence(silence, as_of));
    }
    let mut alerts: BTreeMap<&RuleId, Vec<&AlertOnRecord>> = BTreeMap::new();
    for alert in on_record {
        alerts.entry(&alert.rule).or_default().push(alert);
    }
    let rules: BTreeSet<&RuleId> = found.keys().chain(alerts.keys()).copied().collect();
    rules
        .into_iter()
        .flat_map(|rule| {
            let found = found.get(rule).map(Vec::as_slice).unwrap_or_default();
            let alerts = alerts.get(rule).map(Vec::as_slice).unwrap_or_default();
            RuleState { rule, judgement, found, alerts, from }.changes()
        })
        .collect()
}

/// One rule: what was found and the alerts that there are.
struct RuleState<'a> {
    rule: &'a RuleId,
    judgement: &'a Judgement,
    found: &'a [Evidence],
    alerts: &'a [&'a AlertOnRecord],
    from: Timestamp,
}

impl RuleState<'_> {
    fn changes(&self) -> Vec<AlertChange> {
        let new = self.new_breaches();
        let Some(alert) = self.alerts.iter().find(|a| a.state != AlertState::Resolved) else {
            return self.open(new).into_iter().collect();
        };
        if alert.is_silence() && self.judgement.heard.contains(self.rule) {
            // Breaches besides it, of the time when the rule was another one, need an alert of their own.
            let resolved = AlertChange::ResolveTechnical { alert: alert.id };
            return [resolved].into_iter().chain(self.open(new)).collect();
        }
        let supported = self.supported(alert, &new);
        let mut changes = Vec::new();
        changes.extend(self.append(alert, new));
        if let Some(supported) = supported {
            changes.push(AlertChange::Support { alert: alert.id, supported });
        }
        let unsupported = !supported.unwrap_or(!alert.unsupported);
        if let Some(condition) = self.condition().or(unsupported.then_some(Condition::Ended))
            && condition != alert.condition
        {
            changes.push(AlertChange::Condition { alert: alert.id, condition });
        }
        changes
    }

    /// Breaches that are on no alert of the rule yet, by time.
    fn new_breaches(&self) -> Vec<Evidence> {
        let mut known: BTreeSet<BreachId<'_>> =
            self.alerts.iter().flat_map(|a| &a.evidence).map(Evidence::breach_id).collect();
        self.found.iter().filter(|e| known.insert(e.breach_id())).cloned().collect()
    }

    fn open(&self, evidence: Vec<Evidence>) -> Option<AlertChange> {
        let priority = evidence.iter().map(|e| e.priority).max()?;
        let condition = self.condition().unwrap_or(Condition::Active);
        Some(AlertChange::Open { rule: self.rule.clone(), evidence, priority, condition })
    }

    fn append(&self, alert: &AlertOnRecord, mut evidence: Vec<Evidence>) -> Option<AlertChange> {
        let known: BTreeSet<BreachId<'_>> = alert.evidence.iter().map(Evidence::breach_id).collect();
        let graver = |e: &&Evidence| e.priority > alert.priority && known.contains(&e.breach_id());
        evidence.extend(self.found.iter().filter(graver).cloned());
        let priority = evidence.iter().map(|e| e.priority).max()?.max(alert.priority);
        evidence.sort_by(by_time);
        let reopened = alert.state == AlertState::Acknowledged && priority > alert.priority;
        Some(AlertChange::Append { alert: alert.id, evidence, priority, reopened })
    }

    /// What the newest reading, or the silence that lasts, says of the condition.
    fn condition(&self) -> Option<Condition> {
        let silent = self.found.iter().any(Evidence::is_silence);
        self.judgement.conditions.get(self.rule).copied().or(silent.then_some(Condition::Active))
    }

    /// `Some` if the mark on the alert has to change. A breach can be missed only where the judge looked:
    /// from `from` on, at a vital sign of which it had readings.
    fn supported(&self, alert: &AlertOnRecord, new: &[Evidence]) -> Option<bool> {
        let ids: BTreeSet<BreachId<'_>> = self.found.iter().map(Evidence::breach_id).collect();
        let backed = !new.is_empty() || alert.evidence.iter().any(|e| ids.contains(&e.breach_id()));
        if backed {
            return alert.unsupported.then_some(true);
        }
        let looked_at = |e: &Evidence| {
            !e.is_silence() && e.happened_at >= self.from && self.judgement.judged_vitals.contains(&e.vital)
        };
        let vanished = !alert.evidence.is_empty() && alert.evidence.iter().all(looked_at);
        (vanished && !alert.unsupported).then_some(false)
    }
}

fn by_time(a: &Evidence, b: &Evidence) -> std::cmp::Ordering {
    (a.happened_at, a.breach_id()).cmp(&(b.happened_at, b.breach_id()))
}

/// A silence happened when it became one; it is known from when it was seen.
fn silence_evidence(silence: &SilenceFinding, as_of: Timestamp) -> Evidence {
    let hours = u64::from(silence.every_hours).saturating_add(u64::from(silence.grace_hours));
    Evidence {
        reading: None,
        vital: silence.vital,
        value: None,
        reference: None,
        happened_at: silence.due_at,
        known_at: as_of,
        rule_version: silence.rule_version,
        priority: Priority::Technical,
        threshold: Threshold {
            value: Decimal::from(hours),
            unit: None,
            window_hours: Some(silence.every_hours),
            inclusive: true,
        },
    }
}

/// Writes changes into a list of alerts, as the database does. For simulations ("what would this threshold
/// have done last month?") and tests. A change of an alert that is not there does nothing.
pub fn apply(
    on_record: &mut Vec<AlertOnRecord>,
    changes: &[AlertChange],
    mut new_id: impl FnMut() -> AlertId,
) {
    for change in changes {
        match change {
            AlertChange::Open { rule, evidence, priority, condition } => on_record.push(AlertOnRecord {
                id: new_id(),
                rule: rule.clone(),
                state: AlertState::Open,
                condition: *condition,
                priority: *priority,
                evidence: evidence.clone(),
                unsupported: false,
            }),
            AlertChange::Append { alert, evidence, priority, reopened } => {
                edit(on_record, *alert, |alert| append(alert, evidence, *priority, *reopened));
            }
            AlertChange::Condition { alert, condition } => {
                edit(on_record, *alert, |alert| alert.condition = *condition);
            }
            AlertChange::ResolveTechnical { alert } => edit(on_record, *alert, |alert| {
                alert.state = AlertState::Resolved;
                alert.condition = Condition::Ended;
            }),
            AlertChange::Support { alert, supported } => {
                edit(on_record, *alert, |alert| alert.unsupported = !supported);
            }
        }
    }
}

fn edit(on_record: &mut [AlertOnRecord], id: AlertId, change: impl FnOnce(&mut AlertOnRecord)) {
    if let Some(alert) = on_record.iter_mut().find(|alert| alert.id == id) {
        change(alert);
    }
}

fn append(alert: &mut AlertOnRecord, evidence: &[Evidence], priority: Priority, reopened: bool) {
    for breach in evidence {
        alert.evidence.retain(|old| old.breach_id() != breach.breach_id());
        alert.evidence.push(breach.clone());
    }
    alert.evidence.sort_by(by_time);
    alert.priority = priority;
    if reopened {
        alert.state = AlertState::Open;
    }
}
