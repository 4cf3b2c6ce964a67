//! How much of the record must be looked at again when something new came in.

use jiff::{SignedDuration, Timestamp};

use super::change::{earlier, reach};
use crate::{AlertOnRecord, AlertState, RuleSpec, RuleVersion};

/// What to load and what to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// Findings from here on may have changed: hand it to [`judge()`](crate::judge()) and [`reconcile()`](crate::reconcile()).
    pub from: Timestamp,
    /// All readings measured from here on, to the newest, must be in the record. Fewer would make
    /// breaches vanish whose reference is missing.
    pub readings_from: Timestamp,
}

/// The scope of a new reading measured at `first_new` (of the earliest, if there are several; of the
/// earliest `valid_from`, if rules were recorded). `on_record` are the patient's alerts.
///
/// A new reading changes findings at or after itself. Only where jumps are set aside does it also change
/// whether readings of the seven days before it count; and then an open alert is looked at from its first
/// breach on, because it is unsupported only once all its breaches are gone.
pub fn scope(first_new: Timestamp, rules: &[RuleVersion], on_record: &[AlertOnRecord]) -> Scope {
    let mut back = SignedDuration::ZERO;
    let mut context = SignedDuration::ZERO;
    for version in rules {
        if let RuleSpec::Change(change) = &version.spec {
            let (window, neighbourhood) = reach(change);
            back = back.max(neighbourhood);
            context = context.max(window.saturating_add(neighbourhood));
        }
    }
    let sets_aside = |alert: &AlertOnRecord| {
        rules.iter().filter(|v| v.rule == alert.rule).any(|v| match &v.spec {
            RuleSpec::Change(change) => !change.implausible_jump.is_empty(),
            RuleSpec::Limit(_) | RuleSpec::Silence(_) => false,
        })
    };
    let oldest_doubtful = on_record
        .iter()
        .filter(|alert| alert.state != AlertState::Resolved && sets_aside(alert))
        .filter_map(AlertOnRecord::happened_at)
        .min();
    let from = earlier(first_new, back).min(oldest_doubtful.unwrap_or(Timestamp::MAX));
    Scope { from, readings_from: earlier(from, context) }
}
