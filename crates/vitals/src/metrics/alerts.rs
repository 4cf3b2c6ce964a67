//! Alerts of a period: how many, how they ended, how fast people were.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::number::{highest, median};
use super::{Metric, Period};
use crate::Priority;

/// What is asked of an alert here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertSummary {
    /// When it was raised (known, not happened: nobody can respond to what is not known).
    pub opened_at: Timestamp,
    /// When a person first acknowledged it.
    pub acknowledged_at: Option<Timestamp>,
    /// When a person resolved it; absent as well for one that closed by itself.
    pub resolved_at: Option<Timestamp>,
    /// Its highest priority.
    pub priority: Priority,
    /// Its coded outcome, once it is closed, by whomever.
    pub outcome: Option<String>,
}

/// How long something took.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct ResponseTime {
    /// Median in minutes.
    pub median_minutes: Option<f64>,
    /// The longest in minutes.
    pub longest_minutes: Option<f64>,
    /// Alerts for which it is known.
    pub n: usize,
}

/// Alerts raised in a period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alerts {
    /// The period: from here,
    pub from: Timestamp,
    /// up to and without here.
    pub to: Timestamp,
    /// Alerts raised in it.
    pub n: usize,
    /// By priority; those that did not occur are not listed.
    pub by_priority: BTreeMap<Priority, usize>,
    /// By outcome; those without one are not listed.
    pub by_outcome: BTreeMap<String, usize>,
    /// Alerts that nobody and nothing has closed.
    pub unresolved: usize,
    /// From raised to acknowledged.
    pub to_acknowledged: ResponseTime,
    /// From raised to resolved by a person.
    pub to_resolved: ResponseTime,
    /// From raised to acknowledged, by priority.
    pub to_acknowledged_by_priority: BTreeMap<Priority, ResponseTime>,
}

/// Counts and response times of the alerts that were raised in a period (DOMAIN 2.7, 5), in real minutes around the
/// clock: an alert of Saturday night counts the hours in which nobody is on duty. What came after the period
/// counts as handed in; who wants to know what was known then leaves it out.
pub fn alerts(all: &[AlertSummary], period: Period) -> Alerts {
    let raised: Vec<&AlertSummary> = all.iter().filter(|alert| period.contains(alert.opened_at)).collect();
    let mut by_priority = BTreeMap::new();
    let mut by_outcome = BTreeMap::new();
    for alert in &raised {
        *by_priority.entry(alert.priority).or_insert(0) += 1;
        if let Some(outcome) = &alert.outcome {
            *by_outcome.entry(outcome.clone()).or_insert(0) += 1;
        }
    }
    let acknowledged = |priority: Option<Priority>| {
        let of = raised.iter().filter(|alert| priority.is_none_or(|wanted| alert.priority == wanted));
        response_time(of.map(|alert| (alert.opened_at, alert.acknowledged_at)))
    };
    Alerts {
        from: period.from,
        to: period.to,
        n: raised.len(),
        unresolved: raised
            .iter()
            .filter(|alert| alert.resolved_at.is_none() && alert.outcome.is_none())
            .count(),
        to_acknowledged: acknowledged(None),
        to_resolved: response_time(raised.iter().map(|alert| (alert.opened_at, alert.resolved_at))),
        to_acknowledged_by_priority: by_priority
            .keys()
            .map(|priority| (*priority, acknowledged(Some(*priority))))
            .collect(),
        by_priority,
        by_outcome,
    }
}

impl Alerts {
    /// The numbers under their names, each with unit, period and n (alerts that it rests on).
    pub fn metrics(&self) -> Vec<(&'static str, Metric)> {
        let period = Period { from: self.from, to: self.to };
        let count = |count: usize| Metric::new(Some(count as f64), "1", period, self.n, true);
        let time = |time: ResponseTime| Metric::new(time.median_minutes, "min", period, time.n, true);
        vec![
            ("raised", count(self.n)),
            ("unresolved", count(self.unresolved)),
            ("minutes_to_acknowledged", time(self.to_acknowledged)),
            ("minutes_to_resolved", time(self.to_resolved)),
        ]
    }
}

/// Of the pairs that have an end, not before their begin.
fn response_time(pairs: impl Iterator<Item = (Timestamp, Option<Timestamp>)>) -> ResponseTime {
    let minutes: Vec<f64> = pairs
        .filter_map(|(from, to)| to.map(|to| to.duration_since(from).as_secs_f64() / 60.0))
        .filter(|minutes| *minutes >= 0.0)
        .collect();
    ResponseTime { median_minutes: median(&minutes), longest_minutes: highest(&minutes), n: minutes.len() }
}
