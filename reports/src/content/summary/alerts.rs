//! The second sentence: alerts.

use vigie_vitals::{Condition, Priority};
use vigie_words::sentences::{Told, reason};

use super::say::{Say, sentence as as_sentence};
use crate::content::AlertLine;
use crate::content::alerts::foremost;

pub(super) fn sentence(say: &Say<'_>) -> String {
    let alerts = &say.report.alerts;
    let Some(first) = foremost(alerts) else {
        return as_sentence(say.t.get("report.summary.no_alert"));
    };
    let count = |condition: fn(&AlertLine) -> bool| alerts.iter().filter(|alert| condition(alert)).count();
    let mut head = vec![say.t.count("report.summary.alerts", alerts.len())];
    // Of a single alert everything is said with its reason.
    if alerts.len() > 1 {
        for (key, n) in [
            ("report.summary.high", count(|alert| alert.priority == Priority::High)),
            ("report.summary.carried", count(|alert| alert.carried_over)),
        ] {
            if n > 0 {
                head.push(say.t.with(key, "n", n));
            }
        }
        for (key, n) in [
            ("report.summary.resolved", count(|alert| !alert.is_open())),
            ("report.summary.acknowledged", count(|alert| alert.is_open() && !alert.is_unhandled())),
            ("report.summary.unhandled", count(AlertLine::is_unhandled)),
        ] {
            if n > 0 {
                head.push(say.t.count(key, n));
            }
        }
    }
    let unsupported = count(|alert| alert.unsupported);
    if unsupported > 0 {
        head.push(say.t.with("report.summary.unsupported", "n", unsupported));
    }
    let head = head.join(", ");
    let (reason, state) = (why(say, first), state(say, first));
    let told: [(&str, &dyn std::fmt::Display); 2] = [("reason", &reason), ("state", &state)];
    as_sentence(&if alerts.len() > 1 {
        say.joined(&[head, say.t.fill("report.summary.foremost", &told)])
    } else {
        say.labelled(&head, &say.t.fill("report.summary.only", &told))
    })
}

/// The reason of an alert, with its time.
fn why(say: &Say<'_>, alert: &AlertLine) -> String {
    let condition = if alert.ended { Condition::Ended } else { Condition::Active };
    let told = Told {
        worst: &alert.worst,
        spec: alert.spec.as_ref(),
        condition,
        last_reading_at: None,
        zone: &say.zone,
    };
    let reason = reason(told, say.report.known_at, say.t);
    if reason.late.is_some() {
        return reason.whole();
    }
    format!("{}, {}", reason.text, say.moment(alert.worst.happened_at))
}

fn state(say: &Say<'_>, alert: &AlertLine) -> String {
    if let Some(resolved) = &alert.resolved {
        let outcome = alert.outcome.as_deref().unwrap_or("other");
        if outcome == "ended_by_data" {
            return say.t.get("report.summary.state_ended").to_owned();
        }
        let outcome = say.t.get(&format!("outcome.{outcome}")).to_owned();
        return say.t.fill("report.summary.state_resolved", &[("who", &resolved.by), ("outcome", &outcome)]);
    }
    match &alert.acknowledged {
        Some(acknowledged) => say.t.with("report.summary.state_acknowledged", "who", &acknowledged.by),
        None => say.t.get("report.summary.state_open").to_owned(),
    }
}
