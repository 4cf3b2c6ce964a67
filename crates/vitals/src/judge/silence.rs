//! Silences: the absence of what was expected. It cannot be switched off (French decrees of 22 June 2023
//! \[A-DIAB\]\[A-IC\]), only paused, and every pause has an end.

use jiff::{SignedDuration, Timestamp};

use super::change::later;
use super::{Record, SilenceFinding, earliest};
use crate::{Pause, RuleSpec, RuleVersion, SilenceRule, Vital};

/// What a silence rule says.
pub(super) struct Watch {
    /// The silence, if it lasts.
    pub(super) silent: Option<SilenceFinding>,
    /// When time alone would change that.
    pub(super) next_due: Option<Timestamp>,
}

/// Judges the versions of one rule, in order of coming into force. `None` if it is no silence rule.
pub(super) fn watch(
    versions: &[&RuleVersion],
    record: &Record<'_>,
    as_of: Timestamp,
    last: impl Fn(Vital) -> Option<Timestamp>,
) -> Option<Watch> {
    let first = versions.first()?;
    // Before its first version comes into force a rule is not broken, but its clock is known.
    let version = versions.iter().rev().find(|v| v.valid_from <= as_of).unwrap_or(first);
    let RuleSpec::Silence(rule) = &version.spec else {
        return None;
    };
    let start = record.watched_since.max(first.valid_from);
    let since = last(rule.vital).map_or(start, |at| at.max(start));
    let mut pauses: Vec<&Pause> =
        record.pauses.iter().filter(|p| p.recorded_at <= as_of && p.from < p.until).collect();
    pauses.sort_by_key(|p| (p.from, p.until));
    let (begun, to_come): (Vec<&Pause>, Vec<&Pause>) = pauses.into_iter().partition(|p| p.from <= as_of);

    let counted_from = begun.iter().map(|p| p.until).fold(since, Timestamp::max);
    let due_at = later(counted_from, allowed(rule));
    if due_at <= as_of {
        let silent = SilenceFinding {
            rule: version.rule.clone(),
            rule_version: version.version,
            vital: rule.vital,
            since,
            due_at,
            every_hours: rule.every_hours,
            grace_hours: rule.grace_hours,
        };
        // Nothing but a reading ends it, or a pause that is already recorded.
        let next_due = to_come.iter().map(|p| Some(p.from)).fold(None, earliest);
        return Some(Watch { silent: Some(silent), next_due });
    }
    // A pause that begins before the silence would puts it off until after the pause.
    let due_at = to_come.iter().fold(due_at, |due_at, pause| {
        if pause.from <= due_at { due_at.max(later(pause.until, allowed(rule))) } else { due_at }
    });
    Some(Watch { silent: None, next_due: Some(due_at) })
}

fn allowed(rule: &SilenceRule) -> SignedDuration {
    SignedDuration::from_hours(i64::from(rule.every_hours))
        .saturating_add(SignedDuration::from_hours(i64::from(rule.grace_hours)))
}
