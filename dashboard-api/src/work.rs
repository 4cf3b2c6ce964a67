//! What people do to alerts, rules and pauses: one transaction each, with history, audit line and live
//! event. Used by the API and by the forms of the pages.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use vigie_store::alert_work::{self, Actor, Alert, Done};
use vigie_store::events::{self, NewEvent};
use vigie_store::setup::NewRuleVersion;
use vigie_store::{Tx, patients, rules, staff};
use vigie_vitals::{AlertId, AlertState, PatientId, Pause, RuleId, RuleSpec, UserId};

use crate::access::guard::Caller;
use crate::app::{App, commit};
use crate::problem::Problem;

/// Coded outcomes of a resolved alert. `known` is "known and expected, nothing to do".
pub(crate) const OUTCOMES: [&str; 9] = [
    "true_alert_called_patient",
    "treatment_changed",
    "sent_to_emergency",
    "known",
    "false_alarm_sensor",
    "false_alarm_threshold",
    "technical",
    "duplicate",
    "other",
];

const COMMENT_MAX: usize = 2_000;
const REASON_MAX: usize = 1_000;
/// A pause longer than this is no pause.
const PAUSE_MAX: SignedDuration = SignedDuration::from_hours(24 * 90);

/// What is done to an alert, and how many breaches the person had seen on it (`None`: a program that does not
/// say). Whoever takes or closes an alert must not thereby take or close a breach that came while they looked.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    pub(crate) action: Action,
    pub(crate) seen: Option<i64>,
}

/// What is done to an alert.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    Acknowledge,
    Resolve { outcome: String, comment: String },
    Comment { text: String },
    Assign { to: Option<UserId> },
}

impl Action {
    fn name(&self) -> &'static str {
        match self {
            Self::Acknowledge => "alert.acknowledge",
            Self::Resolve { .. } => "alert.resolve",
            Self::Comment { .. } => "alert.comment",
            Self::Assign { .. } => "alert.assign",
        }
    }

    fn check(&self) -> Result<(), Problem> {
        let (text, needed) = match self {
            Self::Acknowledge | Self::Assign { .. } => return Ok(()),
            Self::Resolve { outcome, comment } => {
                if !OUTCOMES.contains(&outcome.as_str()) {
                    return Err(Problem::invalid(format!("outcome is one of {}", OUTCOMES.join(", "))));
                }
                // "Other" says nothing, so it has to be explained.
                (comment, outcome == "other")
            }
            Self::Comment { text } => (text, true),
        };
        if text.chars().count() > COMMENT_MAX {
            return Err(Problem::invalid(format!("a comment has at most {COMMENT_MAX} characters")));
        }
        if needed && text.trim().is_empty() {
            return Err(Problem::invalid("a comment is needed"));
        }
        Ok(())
    }
}

/// Acts on an alert. Doing again what is done changes nothing and is no error; what the state does not
/// allow is a conflict. Returns the alert as it is then.
pub(crate) async fn act(app: &App, caller: &Caller, id: AlertId, act: &Act) -> Result<Alert, Problem> {
    let Act { action, seen } = act;
    action.check()?;
    let mut tx = app.begin_as(caller.account.id).await?;
    // From here on no breach can be added until this transaction ends.
    alert_work::lock(&mut tx, id).await?;
    let alert = alert_work::get(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    if seen.is_some_and(|seen| seen < alert.breaches) && alert.state != AlertState::Resolved {
        return Err(Problem::conflict("something was measured since you looked: look again"));
    }
    let now = app.clock().now();
    let actor = Actor { id: caller.account.id, name: &caller.account.display_name, at: now };
    let done = apply(&mut tx, &alert, action, actor).await?;
    if let Done::Conflict(state) = done {
        return Err(Problem::conflict(format!("the alert is {}", state.as_str())));
    }
    let alert = alert_work::get(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    caller.audit(&mut tx, app, action.name(), Some(alert.patient), &id.to_string()).await?;
    if done == Done::Changed {
        let detail = json!({ "state": alert.state, "priority": alert.priority });
        let event =
            NewEvent { at: now, kind: "alert_changed", patient: alert.patient, alert: Some(id), detail };
        events::append(&mut tx, &[event]).await?;
    }
    commit(tx).await?;
    Ok(alert)
}

async fn apply(tx: &mut Tx, alert: &Alert, action: &Action, actor: Actor<'_>) -> Result<Done, Problem> {
    Ok(match action {
        Action::Acknowledge => alert_work::acknowledge(tx, alert, actor).await?,
        Action::Resolve { outcome, comment } => {
            alert_work::resolve(tx, alert, outcome, comment.trim(), actor).await?
        }
        Action::Comment { text } => {
            alert_work::comment(tx, alert, text.trim(), actor).await?;
            Done::Changed
        }
        Action::Assign { to } => {
            let to = to.unwrap_or(actor.id);
            let colleagues = staff::colleagues(tx, alert.patient).await?;
            let (id, name) = colleagues.into_iter().find(|(id, _)| *id == to).ok_or_else(|| {
                Problem::invalid("an alert is assigned to somebody of the patient's care team")
            })?;
            alert_work::assign(tx, alert, id, &name, actor).await?
        }
    })
}

/// A new version of a rule.
#[derive(Debug, Clone)]
pub(crate) struct Prescription {
    pub(crate) rule: RuleId,
    pub(crate) spec: RuleSpec,
    pub(crate) reason: String,
    pub(crate) valid_from: Option<Timestamp>,
}

/// Adds a version to a rule. Readings are judged by it from `valid_from` on; what was judged before keeps
/// its own version.
pub(crate) async fn prescribe(
    app: &App,
    caller: &Caller,
    patient: PatientId,
    prescription: Prescription,
) -> Result<i32, Problem> {
    let Prescription { rule, spec, reason, valid_from } = prescription;
    check_reason(&reason)?;
    spec.validate().map_err(Problem::invalid)?;
    let mut tx = app.begin_as(caller.account.id).await?;
    patients::get(&mut tx, patient).await?.ok_or_else(Problem::not_found)?;
    let now = app.clock().now();
    let valid_from = valid_from.unwrap_or(now);
    if valid_from < now - SignedDuration::from_mins(5) {
        return Err(Problem::invalid(
            "a rule is valid from now on, or from later: it never changes the past",
        ));
    }
    let new = NewRuleVersion {
        rule: rule.clone(),
        spec,
        valid_from,
        recorded_at: now,
        author_id: Some(caller.account.id),
        author: caller.account.display_name.clone(),
        reason: reason.trim().to_owned(),
    };
    let version = rules::prescribe(&mut tx, patient, &new).await?.ok_or_else(|| {
        Problem::invalid("the patient has no such rule, or it watches something else in another way")
    })?;
    caller.audit(&mut tx, app, "rule.change", Some(patient), &format!("{rule} version {version}")).await?;
    let detail = json!({ "rule": rule, "version": version });
    events::append(&mut tx, &[NewEvent { at: now, kind: "rule_changed", patient, alert: None, detail }])
        .await?;
    commit(tx).await?;
    Ok(version)
}

/// Pauses the watch over silence, with a reason and an end.
pub(crate) async fn pause(
    app: &App,
    caller: &Caller,
    patient: PatientId,
    from: Option<Timestamp>,
    until: Timestamp,
    reason: &str,
) -> Result<i64, Problem> {
    check_reason(reason)?;
    let mut tx = app.begin_as(caller.account.id).await?;
    patients::get(&mut tx, patient).await?.ok_or_else(Problem::not_found)?;
    let now = app.clock().now();
    let from = from.unwrap_or(now);
    if until <= from || until <= now {
        return Err(Problem::invalid("a pause ends after it begins, and not in the past"));
    }
    if until.duration_since(from) > PAUSE_MAX {
        return Err(Problem::invalid("a pause lasts at most 90 days"));
    }
    let pause = Pause { from, until, reason: reason.trim().to_owned(), recorded_at: now };
    let author = (caller.account.id, caller.account.display_name.as_str());
    let id = rules::add_pause(&mut tx, patient, &pause, author).await?;
    caller.audit(&mut tx, app, "pause.add", Some(patient), &format!("pause {id}")).await?;
    let event = NewEvent { at: now, kind: "pause_changed", patient, alert: None, detail: json!({}) };
    events::append(&mut tx, &[event]).await?;
    commit(tx).await?;
    Ok(id)
}

pub(crate) fn check_reason(reason: &str) -> Result<(), Problem> {
    match reason.trim().chars().count() {
        0 => Err(Problem::invalid("a reason is needed")),
        1..=REASON_MAX => Ok(()),
        _ => Err(Problem::invalid(format!("a reason has at most {REASON_MAX} characters"))),
    }
}
