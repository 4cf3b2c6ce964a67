//! Simulated staff: they look at the worklist in working hours, acknowledge, comment, and resolve mostly on the next
//! day, with a coded outcome. A few alerts stay longer.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use vigie_store::alert_work::{self, Actor, Alert, Filter};
use vigie_store::audit::{self, NewEntry};
use vigie_store::{Database, Tx};
use vigie_vitals::{AlertId, AlertState, PatientId, Priority, UserId};

use super::hours::{days_later, working_time_after};
use super::words;

/// More than a team has open alerts.
const LIST_MAX: i64 = 2_000;

/// One of the staff.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) id: UserId,
    pub(crate) login: String,
    pub(crate) name: String,
    pub(crate) english: bool,
}

/// A team that looks after patients.
#[derive(Debug, Clone)]
pub(crate) struct Team {
    pub(crate) nurse: Member,
    pub(crate) physician: Member,
}

enum Deed {
    Acknowledge,
    Comment(&'static str),
    Resolve { outcome: &'static str, comment: &'static str },
}

struct Planned {
    team: usize,
    /// The physician resolves what changed the treatment.
    by_physician: bool,
    alert: Alert,
    deed: Deed,
}

/// In the order in which it will be done; the rest of the key makes that order the same in every run.
type When = (Timestamp, u32, String, u8);

/// All staff with what they have planned.
pub(super) struct Staff {
    database: Database,
    teams: Vec<Team>,
    seed: u64,
    zone: TimeZone,
    indexes: HashMap<PatientId, u32>,
    planned: BTreeMap<When, Planned>,
    /// How often each alert was taken up.
    known: HashMap<AlertId, u32>,
}

impl Staff {
    pub(super) fn new(
        database: Database,
        teams: Vec<Team>,
        seed: u64,
        zone: TimeZone,
        indexes: HashMap<PatientId, u32>,
    ) -> Self {
        Self { database, teams, seed, zone, indexes, planned: BTreeMap::new(), known: HashMap::new() }
    }

    /// Looks at the worklists and plans what to do about what is new on them.
    pub(super) async fn look(&mut self, now: Timestamp) -> Result<()> {
        for team in 0..self.teams.len() {
            let Some(nurse) = self.teams.get(team).map(|team| team.nurse.id) else { continue };
            let mut tx = self.database.begin_as(nurse).await?;
            let filter = Filter { unresolved: true, ..Filter::default() };
            let alerts = alert_work::list(&mut tx, filter, LIST_MAX).await?;
            tx.commit().await?;
            for alert in alerts.into_iter().filter(|alert| alert.state == AlertState::Open) {
                self.take_up(team, alert, now);
            }
        }
        Ok(())
    }

    fn take_up(&mut self, team: usize, alert: Alert, now: Timestamp) {
        let Some(index) = self.indexes.get(&alert.patient).copied() else { return };
        let rule = alert.rule.as_str().to_owned();
        let waits = |(key, planned): (&When, &Planned)| {
            key.1 == index && planned.alert.id == alert.id && matches!(planned.deed, Deed::Acknowledge)
        };
        if self.planned.iter().any(waits) {
            return;
        }
        let times = self.known.entry(alert.id).or_insert(0);
        let mut random = stream(self.seed, index, &rule, alert.opened_at, *times);
        *times += 1;
        // It became graver: what was planned for it is planned anew.
        self.planned.retain(|_, planned| planned.alert.id != alert.id);
        let english = self.teams.get(team).is_some_and(|team| team.nurse.english);
        let (seen, resolved) = self.times(&alert, now, &mut random);
        let (outcome, by_physician) = words::outcome(&rule, &mut random);
        let remarks = random.random_bool(0.3);
        let remark = words::remark(&rule, english, &mut random);
        let comment = words::comment(outcome, english, &mut random);
        let mut plan = |at, step, by_physician, deed| {
            let planned = Planned { team, by_physician, alert: alert.clone(), deed };
            self.planned.insert((at, index, rule.clone(), step), planned);
        };
        plan(seen, 0, false, Deed::Acknowledge);
        if remarks {
            let later = seen.saturating_add(SignedDuration::from_secs(190)).unwrap_or(seen);
            plan(later, 1, false, Deed::Comment(remark));
        }
        plan(resolved.max(seen), 2, by_physician, Deed::Resolve { outcome, comment });
    }

    /// When it is acknowledged and when it is resolved.
    fn times(&self, alert: &Alert, now: Timestamp, random: &mut ChaCha12Rng) -> (Timestamp, Timestamp) {
        let minutes = |m: i64| SignedDuration::from_mins(m);
        let (least, most) = match alert.priority {
            Priority::High => (4, 25),
            Priority::Medium => (10, 90),
            Priority::Low => (20, 240),
            Priority::Technical => (60, 420),
        };
        let (effort, seconds) = (random.random_range(least..=most), random.random_range(0..60));
        let forgotten = alert.priority < Priority::Medium && random.random_bool(0.2);
        let mut seen = working_time_after(&self.zone, now, minutes(effort));
        if forgotten {
            seen = days_later(&self.zone, now, random.random_range(2..=3), minutes(effort));
        }
        let seen = seen.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(seen);
        let (days, morning) = (random.random_range(0..100), minutes(random.random_range(5..260)));
        let resolved = match days {
            ..30 if alert.priority == Priority::High => working_time_after(&self.zone, seen, morning),
            ..66 => days_later(&self.zone, seen, 1, morning),
            66..90 => days_later(&self.zone, seen, 2, morning),
            _ => days_later(&self.zone, seen, 6, morning),
        };
        (seen, resolved.saturating_add(SignedDuration::from_secs(60 - seconds)).unwrap_or(resolved))
    }

    /// Does what was planned until then.
    pub(super) async fn act(&mut self, until: Timestamp) -> Result<()> {
        while let Some(entry) = self.planned.first_entry().filter(|entry| entry.key().0 < until) {
            let ((at, ..), planned) = entry.remove_entry();
            let team = self.teams.get(planned.team).context("a team")?;
            let member = if planned.by_physician { &team.physician } else { &team.nurse };
            let mut tx = self.database.begin_as(member.id).await?;
            do_it(&mut tx, member, &planned, at).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}

async fn do_it(tx: &mut Tx, member: &Member, planned: &Planned, at: Timestamp) -> Result<()> {
    let actor = Actor { id: member.id, name: &member.name, at };
    let alert = &planned.alert;
    let action = match &planned.deed {
        Deed::Acknowledge => {
            alert_work::acknowledge(tx, alert, actor).await?;
            "alert.acknowledge"
        }
        Deed::Comment(text) => {
            alert_work::comment(tx, alert, text, actor).await?;
            "alert.comment"
        }
        Deed::Resolve { outcome, comment } => {
            alert_work::resolve(tx, alert, outcome, comment, actor).await?;
            "alert.resolve"
        }
    };
    note(tx, member, action, alert.patient, &alert.id.to_string(), at).await
}

/// What is done about a patient is in the trail, in a demo's past as well.
pub(super) async fn note(
    tx: &mut Tx,
    member: &Member,
    action: &str,
    patient: PatientId,
    detail: &str,
    at: Timestamp,
) -> Result<()> {
    let entry = NewEntry {
        at,
        actor: Some(member.id),
        actor_name: &member.login,
        action,
        patient: Some(patient),
        request_id: "demo",
        detail,
    };
    Ok(audit::record(tx, entry).await?)
}

/// What is drawn about an alert depends on whose it is, by which rule and since when, and not on the ids of a demo.
fn stream(seed: u64, index: u32, rule: &str, opened_at: Timestamp, times: u32) -> ChaCha12Rng {
    let mut key = [0_u8; 32];
    let bytes = [
        seed.to_le_bytes().as_slice(),
        &index.to_le_bytes(),
        &opened_at.as_second().to_le_bytes(),
        &times.to_le_bytes(),
    ]
    .concat();
    for (slot, byte) in key.iter_mut().zip(bytes.iter().chain(rule.as_bytes()).cycle().take(48)) {
        *slot = slot.rotate_left(3) ^ byte;
    }
    ChaCha12Rng::from_seed(key)
}
