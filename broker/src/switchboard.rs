//! Who is connected: at most one connection per client, the sessions of absent ones, and the handle through
//! which the rest of Vigie reaches a device. Clients go by a key: the device id, or the client id of a guest.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vigie_wire::DeviceId;

use crate::counters::{Counters, Tally};
use crate::door::Door;
use crate::fanout::Engines;
use crate::gateway::Outbound;
use crate::limits::{Limits, LimitsError};
use crate::mailbox::{Cut, Left, Mailbox};
use crate::message::Message;
use crate::pace::Paces;
use crate::protocol::Qos;
use crate::session::Session;

/// Futures of the gateway that one device may have running beside its publishes: looks into the outbox, and
/// last wills, also those of connections that have ended.
const SIDE_ROOM: usize = 4;

/// What became of a message pushed to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It waits for its turn on the device's connection (or the same outbox row already did).
    Queued,
    /// The device is not connected here; it gets its outbox when it comes.
    NotConnected,
    /// The device reads too slowly; it gets its outbox when it has caught up.
    Full,
}

/// The handle on the listener's connections. Cheap to clone.
#[derive(Clone)]
pub struct Switchboard {
    pub(crate) shared: Arc<Shared>,
}

impl Switchboard {
    /// Refuses limits that cannot work.
    pub fn new(limits: Limits) -> Result<Self, LimitsError> {
        limits.check()?;
        let shared = Shared {
            connections: Arc::new(Semaphore::new(limits.connections_max)),
            payload_room: Arc::new(Semaphore::new(limits.bytes_in_flight_max / ROOM_UNIT_BYTES + 1)),
            tally: Tally::default(),
            door: Door::new(limits.log_in_checks_max, limits.log_in_queue_max),
            paces: Paces::default(),
            engines: Engines::default(),
            registry: Mutex::new(Registry::default()),
            limits,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Sends a receipt or a command to a device, if it is connected here.
    pub fn push(&self, device: &DeviceId, message: Outbound) -> Pushed {
        let mailbox = match self.shared.lock().live(device.as_str()) {
            Some(live) => Arc::clone(&live.mailbox),
            None => return Pushed::NotConnected,
        };
        match mailbox.leave(Message::Outbox(message)) {
            Left::Queued | Left::Known => Pushed::Queued,
            Left::Full => {
                self.shared.tally.outbound_dropped();
                Pushed::Full
            }
        }
    }

    /// Ends the connection of a device and forgets its session (it was revoked). Publishes that it has in
    /// hand are still stored, and no longer acknowledged. Was it connected?
    pub fn cut(&self, device: &DeviceId) -> bool {
        let mut registry = self.shared.lock();
        let device = device.as_str();
        registry.forget(device);
        registry.cancel_will(device);
        if let Some(live) = registry.live(device) {
            live.mailbox.cut(Cut::Revoked);
            return true;
        }
        registry.sweep(device, self.shared.limits.in_flight);
        false
    }

    /// Ends the connection of a device, and its session, if it logged in by this certificate (which was revoked). The
    /// device itself is still welcome with another proof. Was it connected so?
    pub fn cut_certificate(&self, device: &DeviceId, fingerprint: &[u8; 32]) -> bool {
        let registry = self.shared.lock();
        let live =
            registry.live(device.as_str()).filter(|live| live.certificate.as_ref() == Some(fingerprint));
        if let Some(live) = live {
            live.mailbox.cut(Cut::Revoked);
        }
        live.is_some()
    }

    /// Is this device connected here?
    pub fn is_connected(&self, device: &DeviceId) -> bool {
        self.shared.lock().live(device.as_str()).is_some()
    }

    /// Counts since the start.
    pub fn counters(&self) -> Counters {
        let kept = self.shared.lock().kept_by_age.len();
        self.shared.tally.snapshot(kept, self.shared.engines.count())
    }
}

/// Payload room is counted in units, since a semaphore acquires a `u32`.
pub(crate) const ROOM_UNIT_BYTES: usize = 1024;

/// State that all connections share.
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    pub(crate) tally: Tally,
    /// Where log-ins wait for the directory.
    pub(crate) door: Door,
    /// How fast devices went before they left.
    pub(crate) paces: Paces,
    /// The connections of integration engines.
    pub(crate) engines: Engines,
    /// One permit per connection.
    pub(crate) connections: Arc<Semaphore>,
    /// One permit per [`ROOM_UNIT_BYTES`] of payload that waits for its commit.
    pub(crate) payload_room: Arc<Semaphore>,
    registry: Mutex<Registry>,
}

#[derive(Default)]
struct Registry {
    slots: HashMap<Arc<str>, Slot>,
    /// Kept sessions, longest absent first.
    kept_by_age: BTreeMap<u64, Arc<str>>,
    last_number: u64,
}

struct Slot {
    live: Option<Live>,
    kept: Option<Kept>,
    /// A last will that waits for its delay. Sent to: the client is back, there is no will. Dropped: the session
    /// ended, the will is due.
    will: Option<oneshot::Sender<()>>,
    rooms: Rooms,
}

struct Live {
    number: u64,
    /// Fingerprint of the certificate that it logged in by.
    certificate: Option<[u8; 32]>,
    mailbox: Arc<Mailbox>,
    ended: CancellationToken,
}

struct Kept {
    age: u64,
    session: Session,
    /// Messages for a guest that come while it is away.
    mailbox: Arc<Mailbox>,
    until: Option<Instant>,
}

impl Kept {
    fn is_good(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
    }
}

/// What one device may have running in the gateway, over all of its connections.
#[derive(Clone)]
pub(crate) struct Rooms {
    /// One permit per publish.
    pub(crate) publishes: Arc<Semaphore>,
    /// Looks into the outbox and wills.
    pub(crate) side: Arc<Semaphore>,
}

impl Rooms {
    fn new(in_flight: u16) -> Self {
        Self {
            publishes: Arc::new(Semaphore::new(usize::from(in_flight))),
            side: Arc::new(Semaphore::new(SIDE_ROOM)),
        }
    }

    fn all_free(&self, in_flight: u16) -> bool {
        self.publishes.available_permits() == usize::from(in_flight)
            && self.side.available_permits() == SIDE_ROOM
    }
}

impl Registry {
    fn live(&self, key: &str) -> Option<&Live> {
        self.slots.get(key)?.live.as_ref()
    }

    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn forget(&mut self, key: &str) -> Option<Kept> {
        let kept = self.slots.get_mut(key)?.kept.take()?;
        self.kept_by_age.remove(&kept.age);
        Some(kept)
    }

    fn cancel_will(&mut self, key: &str) {
        if let Some(will) = self.slots.get_mut(key).and_then(|slot| slot.will.take()) {
            // No one listens if the will has been published just now.
            will.send(()).ok();
        }
    }

    fn sweep(&mut self, key: &str, in_flight: u16) {
        let idle = |slot: &Slot| slot.live.is_none() && slot.kept.is_none() && slot.rooms.all_free(in_flight);
        if self.slots.get(key).is_some_and(idle) {
            self.slots.remove(key);
        }
    }

    fn keep(
        &mut self,
        key: &Arc<str>,
        session: Session,
        mailbox: Arc<Mailbox>,
        until: Option<Instant>,
        limits: &Limits,
    ) {
        let age = self.number();
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        slot.kept = Some(Kept { age, session, mailbox, until });
        self.kept_by_age.insert(age, Arc::clone(key));
        while self.kept_by_age.len() > limits.sessions_kept {
            let Some((_, oldest)) = self.kept_by_age.pop_first() else {
                return;
            };
            if let Some(slot) = self.slots.get_mut(&oldest) {
                slot.kept = None;
                slot.will = None;
            }
            self.sweep(&oldest, limits.in_flight);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes this connection the only one of its device: the one before is told to end, and waited for.
    /// Returns the session that it resumes, if there is one and it wants it.
    pub(crate) async fn claim(
        self: &Arc<Self>,
        key: &str,
        clean: bool,
        certificate: Option<[u8; 32]>,
    ) -> (Seat, Option<Session>) {
        loop {
            let before = {
                let mut registry = self.lock();
                match registry.live(key) {
                    Some(live) => {
                        live.mailbox.cut(Cut::TakenOver);
                        live.ended.clone()
                    }
                    None => return self.sit_down(&mut registry, key, clean, certificate),
                }
            };
            before.cancelled().await;
        }
    }

    fn sit_down(
        self: &Arc<Self>,
        registry: &mut Registry,
        key: &str,
        clean: bool,
        certificate: Option<[u8; 32]>,
    ) -> (Seat, Option<Session>) {
        let number = registry.number();
        let resumed = registry.forget(key).filter(|kept| !clean && kept.is_good());
        if resumed.is_some() {
            registry.cancel_will(key);
        }
        let key: Arc<str> = Arc::from(key);
        let slot = registry.slots.entry(Arc::clone(&key)).or_insert_with(|| Slot {
            live: None,
            kept: None,
            will: None,
            rooms: Rooms::new(self.limits.in_flight),
        });
        // A session that was not resumed has ended, and with it the wait for its will.
        slot.will = None;
        let mailbox = Arc::new(Mailbox::new(self.limits.outbound_queue));
        if let Some(kept) = &resumed {
            mailbox.inherit(&kept.mailbox);
        }
        let ended = CancellationToken::new();
        slot.live = Some(Live { number, certificate, mailbox: Arc::clone(&mailbox), ended: ended.clone() });
        self.tally.admitted();
        let seat = Seat { shared: Arc::clone(self), key, number, mailbox, ended, rooms: slot.rooms.clone() };
        (seat, resumed.map(|kept| kept.session))
    }

    /// Leaves a message for a guest, present or away. False: it has no session any more.
    ///
    /// An absent guest gets nothing at QoS 0, and a full mailbox turns the message away: it is lost, which the
    /// open profile says of itself.
    pub(crate) fn deliver(&self, key: &str, message: Message, qos: Qos) -> bool {
        let registry = self.lock();
        let Some(slot) = registry.slots.get(key) else {
            return false;
        };
        let mailbox = match (&slot.live, &slot.kept) {
            (Some(live), _) => &live.mailbox,
            (None, Some(kept)) if kept.is_good() => {
                if qos == Qos::AtMostOnce {
                    return true;
                }
                &kept.mailbox
            }
            (None, Some(_) | None) => return false,
        };
        if mailbox.leave(message) == Left::Full {
            self.tally.outbound_dropped();
        }
        true
    }

    /// Is this guest connected now?
    pub(crate) fn is_live(&self, key: &str) -> bool {
        self.lock().live(key).is_some()
    }

    /// Tells every connection that the process stops.
    pub(crate) fn cut_all(&self) {
        for slot in self.lock().slots.values() {
            if let Some(live) = &slot.live {
                live.mailbox.cut(Cut::ShuttingDown);
            }
        }
    }

    /// Forgets the client if nothing of it is left here.
    pub(crate) fn sweep(&self, key: &str) {
        self.lock().sweep(key, self.limits.in_flight);
    }
}

/// The place of the one live connection of a client. Dropping it, also in a panic, makes room for the next.
pub(crate) struct Seat {
    shared: Arc<Shared>,
    key: Arc<str>,
    number: u64,
    pub(crate) mailbox: Arc<Mailbox>,
    ended: CancellationToken,
    pub(crate) rooms: Rooms,
}

impl Seat {
    /// Leaves the session behind for the client's return, for this many seconds (`u32::MAX`: for good).
    pub(crate) fn leave_behind(&self, session: Session, expiry_seconds: u32) {
        let until = if expiry_seconds == u32::MAX {
            None
        } else {
            Instant::now().checked_add(Duration::from_secs(u64::from(expiry_seconds)))
        };
        let mut registry = self.shared.lock();
        if registry.live(&self.key).is_some_and(|live| live.number == self.number) {
            let mailbox = Arc::clone(&self.mailbox);
            registry.keep(&self.key, session, mailbox, until, &self.shared.limits);
        }
    }

    /// Leaves a last will behind, after the session. What it returns resolves with `Ok` when the client is back
    /// and there is no will any more, with an error when the session ended and the will is due at once.
    pub(crate) fn leave_will(&self) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut registry = self.shared.lock();
        if let Some(slot) = registry.slots.get_mut(&self.key)
            && slot.kept.is_some()
        {
            slot.will = Some(sender);
        }
        receiver
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut registry = self.shared.lock();
        if let Some(slot) = registry.slots.get_mut(&self.key)
            && slot.live.as_ref().is_some_and(|live| live.number == self.number)
        {
            slot.live = None;
        }
        registry.sweep(&self.key, self.shared.limits.in_flight);
        drop(registry);
        self.shared.tally.left();
        self.ended.cancel();
    }
}
