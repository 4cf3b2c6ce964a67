//! One device over time: measures when simulated time says so, connects, sends, and takes the answers.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};
use tokio_util::sync::CancellationToken;
use vigie_wire::{Channel, DeviceId, Encoding, v1};

use crate::Error;
use crate::config::{Clock, Secret};
use crate::device::Device;
use crate::encode::{encode_batch, encode_status};
use crate::fault::FaultPlan;
use crate::link::{Link, LinkEvent, Login, Protocol, Stuck, WINDOW};
use crate::measurement::device_time;
use crate::person::{DeviceKind, Person};
use crate::profile::{Mood, generate_for, moment};
use crate::queue::{BATCH_MAX, Carried, Held};
use crate::random::{Purpose, Stream};
use crate::receipt::{decode_command, decode_receipt};
use crate::summary::Counters;
use crate::timeline::Timeline;

/// How often a device looks at the time. At 60 times life this is a simulated quarter of a minute.
const TICK: Duration = Duration::from_millis(250);
/// How often a connected device says how it is.
const STATUS_EVERY: Duration = Duration::from_secs(60);
/// First and longest pause before another attempt to connect; jitter halves it at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// How long the end of a run waits for the last status to be acknowledged.
const FAREWELL: Duration = Duration::from_secs(2);

/// What a device of the simulation is.
pub(crate) struct Spec {
    pub(crate) person: Person,
    pub(crate) kind: DeviceKind,
    pub(crate) id: DeviceId,
    pub(crate) secret: Secret,
    pub(crate) protocol: Protocol,
    pub(crate) encoding: Encoding,
}

/// What all devices share.
pub(crate) struct World {
    pub(crate) address: crate::config::Address,
    pub(crate) clock: Clock,
    pub(crate) until: Option<Timestamp>,
    pub(crate) ack_patience: Duration,
    pub(crate) counters: Arc<Counters>,
    pub(crate) shutdown: CancellationToken,
}

/// What was published and waits for its PUBACK.
enum Sent {
    Status,
    Batch(Carried, Vec<u8>),
    Again,
}

/// The task of one device.
pub(crate) struct Runner {
    spec: Spec,
    world: Arc<World>,
    plan: FaultPlan,
    /// Real clock faults can be mended by a `set_clock` command.
    clock_ahead: SignedDuration,
    timeline: Timeline,
    device: Device,
    link: Option<Link<Sent>>,
    sending: Stream,
    backoff: Stream,
    attempts: u32,
    connect_at: Instant,
    status_at: Instant,
    again: Option<Vec<u8>>,
    moments: mpsc::Receiver<Mood>,
    ready: watch::Sender<bool>,
}

impl Runner {
    pub(crate) fn new(
        spec: Spec,
        world: Arc<World>,
        (device, plan, timeline): (Device, FaultPlan, Timeline),
        moments: mpsc::Receiver<Mood>,
        ready: watch::Sender<bool>,
    ) -> Self {
        // Two devices of a person send and stumble independently.
        let own = |purpose| spec.person.stream(purpose, spec.kind as i64);
        let (sending, mut backoff) = (own(Purpose::Sending), own(Purpose::Backoff));
        // Not everybody at once: a gateway that comes back meets its devices over half a second.
        let first = Duration::from_secs_f64(backoff.between(0.0, 0.5));
        Self {
            clock_ahead: plan.clock_ahead,
            plan,
            timeline,
            device,
            link: None,
            sending,
            backoff,
            attempts: 0,
            connect_at: Instant::now() + first,
            status_at: Instant::now(),
            again: None,
            moments,
            ready,
            spec,
            world,
        }
    }

    /// Runs until told to stop, or until everything before the end of the simulation is acknowledged.
    pub(crate) async fn run(mut self) -> Result<(), Error> {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let shutdown = self.world.shutdown.clone();
        let mut moments_open = true;
        loop {
            let now = self.simulated_now();
            self.measure_until(now).await?;
            if self.finished() {
                break;
            }
            self.mind_the_connection(now);
            let oldest = self.link.as_ref().and_then(Link::oldest);
            if oldest.is_some_and(|since| since.elapsed() > self.world.ack_patience) {
                self.drop_link("no acknowledgement for too long");
            }
            if self.fill_window(now).is_err() {
                self.drop_link("its request queue is full");
            }
            tokio::select! {
                () = shutdown.cancelled() => break,
                event = next_event(&mut self.link) => self.on_event(event).await?,
                mood = self.moments.recv(), if moments_open => match mood {
                    Some(mood) => self.take_moment(mood).await?,
                    None => moments_open = false,
                },
                _ = tick.tick() => {}
            }
        }
        self.farewell().await?;
        self.world.counters.held.add(self.device.queue().len());
        Ok(())
    }

    fn real_now(&self) -> Timestamp {
        (self.world.clock)()
    }

    fn simulated_now(&self) -> Timestamp {
        let now = self.timeline.simulated(self.real_now());
        self.world.until.map_or(now, |until| until.min(now))
    }

    /// Everything that may be measured was, and nothing waits.
    fn finished(&self) -> bool {
        let reached = |until| self.device.until().is_some_and(|done| done >= until);
        self.world.until.is_some_and(reached) && self.device.queue().is_empty() && self.again.is_none()
    }

    /// Measures all that is due, a day at a time, as far as there is room.
    async fn measure_until(&mut self, now: Timestamp) -> Result<(), Error> {
        let mut from = self.device.until().unwrap_or(self.device.anchor());
        while from < now {
            let mut to = from.checked_add(SignedDuration::from_hours(24)).map_or(now, |day| day.min(now));
            let mut due = generate_for(&self.spec.person, self.spec.kind, from, to);
            // A fault may add one reading: keep a place for it.
            if let Some(first_without_place) = due.get(self.device.room().saturating_sub(1)) {
                to = first_without_place.at;
                due.retain(|m| m.at < to);
                if due.is_empty() {
                    break;
                }
            }
            let due: Vec<_> = due.into_iter().flat_map(|m| self.plan.disturb(&self.spec.person, m)).collect();
            self.world.counters.measured.add(due.len());
            self.device.measure(&due, Some(to), self.clock_ahead, &self.spec.person.zone).await?;
            from = to;
        }
        let due = self.plan.lost_memory.is_some_and(|at| at <= now);
        if due && !self.device.memory_lost() && self.device.queue().is_empty() {
            tracing::info!(device = %self.spec.id, "loses its memory and begins a new epoch");
            self.device.lose_memory().await?;
        }
        Ok(())
    }

    /// Connects when it is time to, and hangs up when an offline fault has begun and nothing older is left to send.
    fn mind_the_connection(&mut self, now: Timestamp) {
        let offline = self.plan.offline.is_some_and(|(from, to)| from <= now && now < to);
        let may_send = |held: &Held| self.plan.may_send(held.at, now);
        if offline && !self.device.queue().any(may_send) {
            if self.link.is_some() {
                self.drop_link("an offline fault begins");
            }
            return;
        }
        if self.link.is_none() && Instant::now() >= self.connect_at {
            self.link = Some(Link::open(&Login {
                address: self.world.address.clone(),
                device: self.spec.id.clone(),
                secret: self.spec.secret.clone(),
                protocol: self.spec.protocol,
                will: self.status("offline"),
            }));
        }
    }

    /// Publishes as long as there is something to say and room on the way.
    fn fill_window(&mut self, now: Timestamp) -> Result<(), Stuck> {
        let sent_at = device_time(self.real_now(), self.clock_ahead, &self.spec.person.zone);
        let channel = Channel::Readings(self.spec.encoding);
        if self.status_at <= Instant::now() && self.link.as_ref().is_some_and(Link::ready) {
            let status = self.status("online");
            self.publish(Channel::Status, true, status, Sent::Status)?;
            self.status_at = Instant::now() + STATUS_EVERY;
        }
        while self.link.as_ref().is_some_and(|link| link.ready() && link.outstanding() < WINDOW) {
            if let Some(payload) = self.again.take() {
                self.world.counters.batches.add(1);
                self.publish(channel, false, payload, Sent::Again)?;
                continue;
            }
            let plan = &self.plan;
            let eligible = |held: &Held| plan.may_send(held.at, now);
            let disorder = plan.reordering > 0.0 && self.sending.chance(plan.reordering);
            let later = disorder.then(|| self.device.next_batch(BATCH_MAX, eligible)).flatten();
            let Some((carried, mut batch)) = later.or_else(|| self.device.next_batch(0, eligible)) else {
                return Ok(());
            };
            batch.sent_at.clone_from(&sent_at);
            let payload = encode_batch(self.spec.encoding, &batch);
            self.world.counters.batches.add(1);
            self.publish(channel, false, payload.clone(), Sent::Batch(carried, payload))?;
        }
        Ok(())
    }

    fn publish(&mut self, channel: Channel, retain: bool, payload: Vec<u8>, sent: Sent) -> Result<(), Stuck> {
        match &mut self.link {
            Some(link) => link.publish(channel, retain, payload, sent),
            None => Ok(()),
        }
    }

    async fn on_event(&mut self, event: LinkEvent<Sent>) -> Result<(), Error> {
        match event {
            LinkEvent::Ready => {
                self.attempts = 0;
                self.status_at = Instant::now();
                self.world.counters.connections.add(1);
                // Who is about to go offline is nobody to measure for an audience.
                let now = self.simulated_now();
                self.ready.send_replace(self.plan.offline.is_none_or(|(_, back)| back <= now));
                tracing::debug!(device = %self.spec.id, waiting = self.device.queue().len(), "connected");
            }
            LinkEvent::Acknowledged(Sent::Batch(carried, payload), refused) => {
                if let Some(reason) = refused {
                    tracing::warn!(device = %self.spec.id, reason, "a batch was refused for good");
                    self.world.counters.refused.add(1);
                } else if self.plan.duplicates > 0.0 && self.sending.chance(self.plan.duplicates) {
                    self.again = Some(payload);
                }
                let released = self.device.acknowledged(&carried).await?;
                self.world.counters.acknowledged.add(released);
            }
            LinkEvent::Acknowledged(Sent::Status | Sent::Again, refused) => {
                if let Some(reason) = refused {
                    tracing::warn!(device = %self.spec.id, reason, "a status or a repeated batch was refused");
                }
            }
            LinkEvent::Message(channel, payload) => self.on_message(channel, &payload),
            LinkEvent::Closed(reason) => self.drop_link(&reason),
        }
        Ok(())
    }

    /// Lets go of the connection and plans the next one: doubling pauses with jitter, so that a server that comes back
    /// is not met by everybody in the same instant.
    fn drop_link(&mut self, reason: &str) {
        if self.attempts == 0 {
            tracing::info!(device = %self.spec.id, reason, "not connected");
        }
        self.link = None;
        self.again = None;
        self.device.connection_lost();
        self.ready.send_replace(false);
        let doubled = BACKOFF.0.saturating_mul(1 << self.attempts.min(10)).min(BACKOFF.1);
        self.attempts = self.attempts.saturating_add(1);
        self.connect_at = Instant::now() + doubled.mul_f64(self.backoff.between(0.5, 1.0));
    }

    fn on_message(&mut self, channel: Channel, payload: &[u8]) {
        match channel {
            Channel::Receipts => self.on_receipt(payload),
            Channel::Commands => self.on_command(payload),
            Channel::Readings(_) | Channel::Status => {}
        }
    }

    fn on_receipt(&self, payload: &[u8]) {
        let device = &self.spec.id;
        let receipt = match decode_receipt(self.spec.encoding, payload) {
            Ok(receipt) => receipt,
            Err(reason) => return tracing::warn!(%device, reason, "cannot read a receipt"),
        };
        if !receipt.reason.is_empty() {
            tracing::warn!(%device, batch = receipt.batch_id, reason = receipt.reason, "a batch was not taken");
        }
        let counters = &self.world.counters;
        for result in &receipt.results {
            let (sequence, reason) = (result.sequence, &result.reason);
            match result.outcome.as_str() {
                "stored" => counters.stored.add(1),
                "duplicate" => counters.duplicates.add(1),
                "conflict" => {
                    counters.conflicts.add(1);
                    tracing::warn!(%device, sequence, reason, "the server has other content for this number");
                }
                "rejected" => {
                    counters.rejected.add(1);
                    tracing::warn!(%device, sequence, reason, "the server rejects a reading");
                }
                other => {
                    tracing::warn!(%device, sequence, outcome = other, "a receipt with an unknown outcome")
                }
            }
        }
    }

    fn on_command(&mut self, payload: &[u8]) {
        let device = self.spec.id.clone();
        match decode_command(payload) {
            Ok(command) if command.kind == "set_clock" => {
                self.clock_ahead = SignedDuration::ZERO;
                tracing::info!(%device, "sets its clock");
            }
            Ok(command) if command.kind == "send_again" => {
                let readings = self.device.send_again(command.from_sequence);
                self.world.counters.sent_again.add(readings);
                tracing::info!(%device, from = command.from_sequence, readings, "sends again what it still has");
            }
            // The other commands want a person.
            Ok(command) => tracing::info!(%device, kind = command.kind, "heard a command"),
            Err(reason) => tracing::warn!(%device, reason, "cannot read a command"),
        }
    }

    /// Measures now, whatever the hour of the simulation.
    async fn take_moment(&mut self, mood: Mood) -> Result<(), Error> {
        if self.device.room() == 0 {
            return Ok(());
        }
        let taken = moment(&self.spec.person, self.spec.kind, whole_second(self.real_now()), mood);
        self.world.counters.measured.add(1);
        self.world.counters.moments.add(1);
        self.device.measure(&[taken], None, self.clock_ahead, &self.spec.person.zone).await
    }

    fn status(&self, state: &str) -> Vec<u8> {
        let now = self.real_now();
        // A battery lasts eighty days, and each device is somewhere else in it.
        let used = (now.as_second() / 86_400 + i64::from(self.spec.person.index) * 13).rem_euclid(80);
        let status = v1::Status {
            state: state.to_owned(),
            battery_percent: u32::try_from(100 - used).unwrap_or(100),
            firmware: concat!("sim-", env!("CARGO_PKG_VERSION")).to_owned(),
            clock: device_time(now, self.clock_ahead, &self.spec.person.zone),
            queue_length: u32::try_from(self.device.queue().len()).unwrap_or(u32::MAX),
        };
        encode_status(self.spec.encoding, &status)
    }

    /// Says goodbye in order: takes the acknowledgements that are on their way, leaves `offline` as its status, and
    /// disconnects so that no last will is sent.
    async fn farewell(&mut self) -> Result<(), Error> {
        let deadline = Instant::now() + FAREWELL;
        if !self.link.as_ref().is_some_and(Link::ready) {
            return Ok(());
        }
        let status = self.status("offline");
        if self.publish(Channel::Status, true, status, Sent::Status).is_err() {
            return Ok(());
        }
        while self.link.as_ref().is_some_and(|link| link.outstanding() > 0) {
            match timeout_at(deadline, next_event(&mut self.link)).await {
                Ok(event) => self.on_event(event).await?,
                Err(_) => break,
            }
        }
        let goodbye = self.link.as_ref().map(Link::disconnect);
        if matches!(goodbye, Some(Ok(()))) {
            while self.link.is_some() {
                match timeout_at(deadline, next_event(&mut self.link)).await {
                    Ok(event) => self.on_event(event).await?,
                    Err(_) => break,
                }
            }
        }
        Ok(())
    }
}

/// Meters show no fractions of a second.
fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

async fn next_event(link: &mut Option<Link<Sent>>) -> LinkEvent<Sent> {
    match link {
        Some(link) => link.next().await,
        None => std::future::pending().await,
    }
}
