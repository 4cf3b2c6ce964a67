//! The past of a new demo, lived through by the production code: ingest stores what devices sent when they sent it,
//! the judge opens alerts and notices silences at their time, and staff do their work, all on a clock that is set.
//! A weekly report tells what was known at a moment, so history that came all at once would leave nothing to tell.
//!
//! Time goes in steps of some hours, and stops whenever something should be noticed at once.

mod device;
mod hours;
mod prescriptions;
mod staff;
mod story;
#[cfg(test)]
mod tests;
mod words;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::{Future, poll_fn};
use std::io::{IsTerminal, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use anyhow::{Context, Result, bail};
use jiff::{Timestamp, ToSpan};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vigie_device_sim::{DeviceKind, SimConfig};
use vigie_ingest::{Ingest, Outcome, Publish};
use vigie_service::Clock;
use vigie_store::{Database, Role, intake};
use vigie_vitals::PatientId;
use vigie_vitals::plans::CarePlan;
use vigie_wire::DeviceId;

use self::device::{Teller, Told, Which};
use self::prescriptions::{Due, Order};
use self::staff::Staff;

pub(crate) use self::staff::{Member, Team};
pub(crate) use self::story::{PATIENTS_MAX, Past};

use super::manifest::Manifest;

/// Local times at which the day is judged, if nothing calls for it earlier: twice when people weigh themselves, and
/// every four hours or so.
const STOPS: [(i8, i8); 6] = [(4, 0), (7, 5), (7, 45), (12, 30), (16, 0), (20, 0)];
/// Patients judged in one transaction, as by the workers.
const JUDGED_AT_ONCE: i64 = 64;

/// A device that a patient held in the past and holds no longer.
#[derive(Debug, Clone)]
pub(crate) struct Retired {
    pub(crate) index: u32,
    pub(crate) kind: DeviceKind,
    pub(crate) id: DeviceId,
    pub(crate) until: Timestamp,
}

/// Who is there to live through it.
pub(crate) struct Cast<'a> {
    pub(crate) manifest: &'a Manifest,
    pub(crate) retired: &'a [Retired],
    /// By the place of their care team.
    pub(crate) teams: Vec<Team>,
    /// Which team looks after the patient of this index.
    pub(crate) team_of: &'a dyn Fn(u32) -> usize,
}

/// Lives through it. `simulation` is the one that goes on afterwards: people, faults and seed are the same.
pub(crate) async fn make(url: &str, past: &Past, cast: &Cast<'_>, simulation: &SimConfig) -> Result<()> {
    let clock = Clock::set_to(past.from);
    let database = async |role, connections| {
        Database::connect(url, role, connections).await.context("connecting to make the past")
    };
    let (storing, judging, working) = (
        database(Role::Gateway, 2).await?,
        database(Role::Alerts, 1).await?,
        database(Role::Dashboard, 1).await?,
    );
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    // One writer: what waits goes into one transaction.
    let config = vigie_ingest::Config { writers: 1, ..vigie_ingest::Config::default() };
    let ingest =
        Ingest::start(storing.clone(), clock.clone(), config, Arc::new(Notify::new()), &tasks, &stop);
    let mut indexes = HashMap::new();
    for (index, patient) in (0..).zip(&cast.manifest.patients) {
        indexes.insert(patient.id.parse::<PatientId>()?, index);
    }
    let teams = cast.teams.clone();
    let mut life = Life {
        clock,
        ingest,
        storing: storing.clone(),
        judging: judging.clone(),
        working: working.clone(),
        tellers: tellers(past, cast, simulation)?,
        staff: Staff::new(working.clone(), teams, simulation.seed, past.zone.clone(), indexes),
        orders: orders(past, cast)?,
        on_the_way: BTreeMap::new(),
        alarms: BTreeSet::new(),
        silences: HashMap::new(),
        now: past.from,
    };
    let lived = life.live(past).await;
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    for database in [storing, judging, working] {
        database.close().await;
    }
    lived
}

struct Life {
    clock: Clock,
    ingest: Ingest,
    storing: Database,
    judging: Database,
    working: Database,
    tellers: Vec<Teller>,
    staff: Staff,
    /// Earliest last.
    orders: Vec<Due>,
    /// What was measured and has not arrived, by arrival and device.
    on_the_way: BTreeMap<(Timestamp, usize), Vec<Told>>,
    /// Arrivals that somebody should look at soon.
    alarms: BTreeSet<Timestamp>,
    /// When each patient is silent, if nothing more comes.
    silences: HashMap<u32, Timestamp>,
    now: Timestamp,
}

impl Life {
    async fn live(&mut self, past: &Past) -> Result<()> {
        let mut progress = Progress::new(past.days);
        let mut date = past.date_of(past.from);
        for day in 0..=past.days {
            progress.show(day)?;
            let tomorrow = date.checked_add(1.day())?;
            let ends = past.at(tomorrow, 0, 0).context("a midnight")?.min(past.until);
            self.measure(self.now, ends);
            let mut stops: BTreeSet<Timestamp> =
                STOPS.iter().filter_map(|(hour, minute)| past.at(date, *hour, *minute)).collect();
            stops.insert(ends);
            self.live_until(ends, &stops).await?;
            date = tomorrow;
        }
        progress.end()
    }

    /// All that the devices measure in this stretch.
    fn measure(&mut self, from: Timestamp, to: Timestamp) {
        for (place, teller) in self.tellers.iter_mut().enumerate() {
            for told in teller.measure(from, to) {
                if told.alarming {
                    self.alarms.insert(told.arrives);
                }
                self.on_the_way.entry((told.arrives, place)).or_default().push(told);
            }
        }
    }

    async fn live_until(&mut self, ends: Timestamp, stops: &BTreeSet<Timestamp>) -> Result<()> {
        while self.now < ends {
            let next = self.next_stop(ends, stops);
            self.staff.act(next).await?;
            self.arrive(next).await?;
            self.clock.set(next);
            while let Some(due) = self.orders.pop_if(|due| due.at <= next) {
                due.write(&self.working).await?;
            }
            if self.judge().await? {
                self.staff.look(next).await?;
            }
            self.now = next;
        }
        Ok(())
    }

    fn next_stop(&self, ends: Timestamp, stops: &BTreeSet<Timestamp>) -> Timestamp {
        let later = |at: &Timestamp| *at > self.now;
        [
            stops.iter().copied().find(later),
            self.alarms.iter().copied().find(later),
            self.silences.values().copied().filter(later).min(),
            self.orders.last().map(|due| due.at).filter(later),
        ]
        .into_iter()
        .flatten()
        .fold(ends, Timestamp::min)
    }

    /// Hands in what arrives until then, each publish at its own time; they are committed together.
    async fn arrive(&mut self, until: Timestamp) -> Result<()> {
        let mut answers = Vec::new();
        while let Some(entry) = self.on_the_way.first_entry().filter(|entry| entry.key().0 <= until) {
            let ((at, place), told) = entry.remove_entry();
            let Some(teller) = self.tellers.get(place) else { continue };
            for reading in &told {
                if let Some(silent) = teller.silent_after(reading) {
                    let due = self.silences.entry(teller.index()).or_insert(silent);
                    *due = silent.max(*due);
                }
            }
            self.clock.set(at);
            for publish in teller.publishes(&told, at)? {
                answers.push(hand_in(&self.ingest, publish).await);
            }
        }
        self.alarms = self.alarms.split_off(&until);
        let mut receipts = Vec::new();
        for answer in answers {
            let outcome = match answer {
                Answer::There(outcome) => outcome,
                Answer::Waiting(waiting) => waiting.await,
            };
            let outcome = outcome.context("ingest stopped while the past was made")?;
            receipts.extend(outcome.receipt.and_then(|receipt| receipt.outbox_id));
        }
        self.fetch(&receipts).await
    }

    /// The devices listen, so they have their receipts at once: none waits for the live simulation.
    async fn fetch(&self, receipts: &[i64]) -> Result<()> {
        if !receipts.is_empty() {
            let mut tx = self.storing.begin().await?;
            intake::delivered(&mut tx, receipts).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Judges until nobody waits. Did any alert change?
    async fn judge(&self) -> Result<bool> {
        let mut changed = false;
        loop {
            let round = vigie_alerts::judge_once(&self.judging, &self.clock, JUDGED_AT_ONCE, &[]).await?;
            changed |= round.changes > 0;
            if round.patients == 0 {
                return Ok(changed);
            }
        }
    }
}

enum Answer {
    There(Option<Outcome>),
    Waiting(Pin<Box<dyn Future<Output = Option<Outcome>> + Send>>),
}

/// Hands a publish in as received now. Ingest asks for the time when it is first polled, so it is polled before the
/// clock moves on; its answer comes with the commit of the group.
async fn hand_in(ingest: &Ingest, publish: Publish) -> Answer {
    let ingest = ingest.clone();
    let mut submitted: Pin<Box<dyn Future<Output = Option<Outcome>> + Send>> =
        Box::pin(async move { ingest.submit(publish).await });
    match poll_fn(|context| Poll::Ready(submitted.as_mut().poll(context))).await {
        Poll::Ready(outcome) => Answer::There(outcome),
        Poll::Pending => Answer::Waiting(submitted),
    }
}

/// The devices of everybody who has a past, those handed back included.
fn tellers(past: &Past, cast: &Cast<'_>, simulation: &SimConfig) -> Result<Vec<Teller>> {
    let mut tellers = Vec::new();
    for (patient, on_record) in simulation.patients.iter().zip(&cast.manifest.patients) {
        if !past.covers(patient.index) {
            continue;
        }
        let plan: CarePlan = on_record.care_plan.parse()?;
        let swapped = past.swap(patient.index);
        let which = |kind, id, held, number| Which {
            index: patient.index,
            person: simulation.person(patient),
            plan,
            kind,
            id,
            held,
            number,
        };
        for device in &patient.devices {
            let faults = simulation.fault_plan(patient, device, past.until);
            let before = cast.retired.iter().find(|r| r.index == patient.index && r.kind == device.kind);
            if let Some(old) = before {
                let held = (past.from, old.until);
                let which = which(old.kind, old.id.clone(), held, tellers.len());
                tellers.push(Teller::new(which, faults.clone(), past));
            }
            let held = (before.and(swapped).unwrap_or(past.from), past.until);
            let which = which(device.kind, device.id.clone(), held, tellers.len());
            tellers.push(Teller::new(which, faults, past));
        }
    }
    Ok(tellers)
}

/// What physicians and nurses will order, earliest last.
fn orders(past: &Past, cast: &Cast<'_>) -> Result<Vec<Due>> {
    let mut orders = Vec::new();
    for (index, on_record) in (0..).zip(&cast.manifest.patients) {
        if !past.covers(index) {
            break;
        }
        let patient: PatientId = on_record.id.parse()?;
        let Some(team) = cast.teams.get((cast.team_of)(index)) else { bail!("patient {index} has no team") };
        if let Some(at) = past.prescription(index) {
            let order = Order::Prescribe(on_record.care_plan.parse()?);
            orders.push(Due { at, patient, by: team.physician.clone(), order });
        }
        if let Some((stay, at)) = past.hospital(index) {
            orders.push(Due { at, patient, by: team.nurse.clone(), order: Order::Pause(stay) });
        }
    }
    orders.sort_by_key(|due| std::cmp::Reverse(due.at));
    Ok(orders)
}

/// One line that counts the days, on a terminal; elsewhere it is said once.
struct Progress {
    days: u32,
    counts: bool,
}

impl Progress {
    fn new(days: u32) -> Self {
        Self { days, counts: std::io::stdout().is_terminal() }
    }

    fn show(&mut self, day: u32) -> Result<()> {
        let days = self.days;
        let mut out = std::io::stdout().lock();
        if self.counts {
            write!(out, "\r  making up the last {days} days ... {day}/{days}")?;
        } else if day == 0 {
            writeln!(out, "  making up the last {days} days ...")?;
        }
        Ok(out.flush()?)
    }

    fn end(&mut self) -> Result<()> {
        if self.counts {
            writeln!(std::io::stdout().lock())?;
        }
        Ok(())
    }
}
