//! What templates show of patients and alerts, in words.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use vigie_store::alert_work::Alert;
use vigie_store::patients::Patient;
use vigie_store::worklist::Completeness;
use vigie_vitals::{AlertState, Condition, Priority};

use crate::sentence::reason;
use crate::text::Texts;
use crate::worklist::Row;
use vigie_words::sentences::{of_key, zone_of};
use vigie_words::values as words;

/// An instant for a `<time>` element: for machines, in full, and as an age that a script keeps ticking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct When {
    pub(crate) iso: String,
    pub(crate) words: String,
    pub(crate) age: String,
}

pub(crate) fn when(at: Timestamp, zone: &TimeZone, now: Timestamp, t: Texts) -> When {
    When { iso: at.to_string(), words: words::moment(at, zone, now, t), age: words::age(at, now, t) }
}

/// A person, as the banner and the lists name them: surname first and in capitals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PersonView {
    pub(crate) id: String,
    pub(crate) family_name: String,
    pub(crate) given_name: String,
    /// `76 ans, femme`.
    pub(crate) age_sex: String,
    pub(crate) birth_date: String,
    pub(crate) identifier: String,
    pub(crate) care_team: String,
    pub(crate) plans: Vec<String>,
}

pub(crate) fn person(patient: &Patient, now: Timestamp, t: Texts) -> PersonView {
    let today = zone_of(&patient.time_zone).to_datetime(now).date();
    let years = t.with("person.years", "n", words::years(patient.birth_date, today));
    let sex = t.get(&format!("sex.{}", patient.sex)).to_owned();
    PersonView {
        id: patient.id.to_string(),
        family_name: patient.family_name.to_uppercase(),
        given_name: patient.given_name.clone(),
        age_sex: format!("{years}, {sex}"),
        birth_date: words::day(patient.birth_date, t),
        identifier: patient.identifier.clone(),
        care_team: patient.care_team.clone(),
        plans: patient.plans.iter().map(|plan| t.get(&format!("plan.{plan}")).to_owned()).collect(),
    }
}

/// A priority: never by colour alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PriorityView {
    pub(crate) code: &'static str,
    pub(crate) word: String,
}

impl PriorityView {
    /// The outline of its shape in a square of 16: the same shapes as in the charts.
    pub(crate) fn shape(&self) -> &'static str {
        match self.code {
            "high" => "M8 1l7 13H1Z",
            "medium" => "M8 1l7 7-7 7-7-7Z",
            "low" => "M2 8a6 6 0 1 0 12 0a6 6 0 1 0 -12 0Z",
            _ => "M2 2h12v12H2Z",
        }
    }
}

pub(crate) fn priority(priority: Priority, t: Texts) -> PriorityView {
    let code = priority.as_str();
    PriorityView { code, word: t.get(&format!("priority.{code}")).to_owned() }
}

/// A row of the worklist.
pub(crate) struct RowView {
    pub(crate) person: PersonView,
    pub(crate) bucket: &'static str,
    pub(crate) rank: String,
    pub(crate) priority: PriorityView,
    pub(crate) reason: String,
    pub(crate) late: bool,
    pub(crate) happened: When,
    pub(crate) known: When,
    pub(crate) opened: When,
    pub(crate) ended: bool,
    pub(crate) unsupported: bool,
    pub(crate) more: Option<String>,
    pub(crate) last: Option<When>,
    pub(crate) missing: Option<String>,
    pub(crate) alert_id: String,
    /// How many breaches are on that alert: what the form says was seen.
    pub(crate) seen: i64,
    pub(crate) open: bool,
    pub(crate) acknowledged: Option<String>,
    pub(crate) assigned: Option<String>,
    /// For the live region: priority, person, reason.
    pub(crate) announcement: String,
}

pub(crate) fn row(row: &Row, now: Timestamp, t: Texts) -> Option<RowView> {
    let alert = row.worst()?;
    let zone = zone_of(&row.patient.time_zone);
    let person = person(&row.patient, now, t);
    let priority = priority(alert.priority, t);
    let reason = reason(alert, now, t);
    let others = row.alerts.len().saturating_sub(1);
    let missing = match row.flow.completeness(now) {
        Completeness::Missing(vital) => Some(t.with("flow.missing", "of", t.get(&of_key(vital)))),
        Completeness::Paused(until) => {
            Some(t.with("flow.paused", "until", words::moment(until, &zone, now, t)))
        }
        Completeness::Complete | Completeness::Unscheduled => None,
    };
    Some(RowView {
        announcement: format!(
            "{} : {} {}. {}",
            priority.word, person.family_name, person.given_name, reason.text
        ),
        bucket: row.bucket.code(),
        rank: row.rank(),
        late: reason.late.is_some(),
        reason: reason.text,
        happened: when(alert.worst.happened_at, &zone, now, t),
        known: when(alert.worst.known_at, &zone, now, t),
        opened: when(alert.opened_at, &zone, now, t),
        ended: alert.condition == Condition::Ended,
        unsupported: alert.unsupported,
        more: (others > 0).then(|| t.count("count.more_alerts", others)),
        last: row.flow.newest().map(|at| when(at, &zone, now, t)),
        missing,
        alert_id: alert.id.to_string(),
        seen: alert.breaches,
        open: alert.state == AlertState::Open,
        acknowledged: acknowledged_by(alert, &zone, now, t),
        assigned: alert.assigned_to.as_ref().map(|(_, name)| name.clone()),
        person,
        priority,
    })
}

/// "pris en charge par … le …", only while it stands: a rise in priority opens the alert again.
pub(crate) fn acknowledged_by(alert: &Alert, zone: &TimeZone, now: Timestamp, t: Texts) -> Option<String> {
    let (at, by) = alert.acknowledged.as_ref().filter(|_| alert.state != AlertState::Open)?;
    let at = words::moment(*at, zone, now, t);
    Some(t.fill("alert.acknowledged_by", &[("name", by), ("at", &at)]))
}

/// "no alert" is told apart by whether it can be trusted.
pub(crate) struct StandingView {
    pub(crate) code: &'static str,
    pub(crate) words: String,
}

pub(crate) fn standing(
    completeness: &Completeness,
    alerts: usize,
    zone: &TimeZone,
    now: Timestamp,
    t: Texts,
) -> StandingView {
    if alerts > 0 {
        return StandingView { code: "alerts", words: t.count("count.open_alerts", alerts) };
    }
    match completeness {
        Completeness::Complete => {
            StandingView { code: "complete", words: t.get("standing.complete").to_owned() }
        }
        Completeness::Missing(vital) => {
            StandingView { code: "missing", words: t.with("standing.missing", "of", t.get(&of_key(*vital))) }
        }
        Completeness::Paused(until) => StandingView {
            code: "paused",
            words: t.with("standing.paused", "until", words::moment(*until, zone, now, t)),
        },
        Completeness::Unscheduled => {
            StandingView { code: "unscheduled", words: t.get("standing.unscheduled").to_owned() }
        }
    }
}
