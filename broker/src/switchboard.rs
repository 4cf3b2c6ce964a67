//! Who is connected: at most one connection per device, the sessions of absent devices, and the handle
//! through which the rest of Vigie reaches a device.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vigie_wire::DeviceId;

use crate::counters::{Counters, Tally};
use crate::gateway::Outbound;
use crate::limits::{Limits, LimitsError};
use crate::mailbox::{Cut, Left, Mailbox};
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
            registry: Mutex::new(Registry::default()),
            limits,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Sends a receipt or a command to a device, if it is connected here.
    pub fn push(&self, device: &DeviceId, message: Outbound) -> Pushed {
        let mailbox = match self.shared.lock().live(device) {
            Some(live) => Arc::clone(&live.mailbox),
            None => return Pushed::NotConnected,
        };
        match mailbox.leave(message) {
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
        registry.forget(device);
        if let Some(live) = registry.live(device) {
            live.mailbox.cut(Cut::Revoked);
            return true;
        }
        registry.sweep(device, self.shared.limits.in_flight);
        false
    }

    /// Is this device connected here?
    pub fn is_connected(&self, device: &DeviceId) -> bool {
        self.shared.lock().live(device).is_some()
    }

    /// Counts since the start.
    pub fn counters(&self) -> Counters {
        let kept = self.shared.lock().kept_by_age.len();
        self.shared.tally.snapshot(kept)
    }
}

/// Payload room is counted in units, since a semaphore acquires a `u32`.
pub(crate) const ROOM_UNIT_BYTES: usize = 1024;

/// State that all connections share.
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    pub(crate) tally: Tally,
    /// One permit per connection.
    pub(crate) connections: Arc<Semaphore>,
    /// One permit per [`ROOM_UNIT_BYTES`] of payload that waits for its commit.
    pub(crate) payload_room: Arc<Semaphore>,
    registry: Mutex<Registry>,
}

#[derive(Default)]
struct Registry {
    slots: HashMap<DeviceId, Slot>,
    /// Kept sessions, longest absent first.
    kept_by_age: BTreeMap<u64, DeviceId>,
    last_number: u64,
}

struct Slot {
    live: Option<Live>,
    kept: Option<Kept>,
    rooms: Rooms,
}

struct Live {
    number: u64,
    mailbox: Arc<Mailbox>,
    ended: CancellationToken,
}

struct Kept {
    age: u64,
    session: Session,
    until: Option<Instant>,
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
    fn live(&self, device: &DeviceId) -> Option<&Live> {
        self.slots.get(device)?.live.as_ref()
    }

    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn forget(&mut self, device: &DeviceId) -> Option<Kept> {
        let kept = self.slots.get_mut(device)?.kept.take()?;
        self.kept_by_age.remove(&kept.age);
        Some(kept)
    }

    fn sweep(&mut self, device: &DeviceId, in_flight: u16) {
        let idle = |slot: &Slot| slot.live.is_none() && slot.kept.is_none() && slot.rooms.all_free(in_flight);
        if self.slots.get(device).is_some_and(idle) {
            self.slots.remove(device);
        }
    }

    fn keep(&mut self, device: &DeviceId, session: Session, until: Option<Instant>, limits: &Limits) {
        let age = self.number();
        let Some(slot) = self.slots.get_mut(device) else {
            return;
        };
        slot.kept = Some(Kept { age, session, until });
        self.kept_by_age.insert(age, device.clone());
        while self.kept_by_age.len() > limits.sessions_kept {
            let Some((_, oldest)) = self.kept_by_age.pop_first() else {
                return;
            };
            if let Some(slot) = self.slots.get_mut(&oldest) {
                slot.kept = None;
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
    pub(crate) async fn claim(self: &Arc<Self>, device: &DeviceId, clean: bool) -> (Seat, Option<Session>) {
        loop {
            let before = {
                let mut registry = self.lock();
                match registry.live(device) {
                    Some(live) => {
                        live.mailbox.cut(Cut::TakenOver);
                        live.ended.clone()
                    }
                    None => return self.sit_down(&mut registry, device, clean),
                }
            };
            before.cancelled().await;
        }
    }

    fn sit_down(
        self: &Arc<Self>,
        registry: &mut Registry,
        device: &DeviceId,
        clean: bool,
    ) -> (Seat, Option<Session>) {
        let number = registry.number();
        let still_good = |kept: &Kept| !clean && kept.until.is_none_or(|until| Instant::now() < until);
        let resumed = registry.forget(device).filter(still_good).map(|kept| kept.session);
        let slot = registry.slots.entry(device.clone()).or_insert_with(|| Slot {
            live: None,
            kept: None,
            rooms: Rooms::new(self.limits.in_flight),
        });
        let mailbox = Arc::new(Mailbox::new(self.limits.outbound_queue));
        let ended = CancellationToken::new();
        slot.live = Some(Live { number, mailbox: Arc::clone(&mailbox), ended: ended.clone() });
        self.tally.admitted();
        let seat = Seat {
            shared: Arc::clone(self),
            device: device.clone(),
            number,
            mailbox,
            ended,
            rooms: slot.rooms.clone(),
        };
        (seat, resumed)
    }

    /// Tells every connection that the process stops.
    pub(crate) fn cut_all(&self) {
        for slot in self.lock().slots.values() {
            if let Some(live) = &slot.live {
                live.mailbox.cut(Cut::ShuttingDown);
            }
        }
    }

    /// Forgets the device if nothing of it is left here.
    pub(crate) fn sweep(&self, device: &DeviceId) {
        self.lock().sweep(device, self.limits.in_flight);
    }
}

/// The place of the one live connection of a device. Dropping it, also in a panic, makes room for the next.
pub(crate) struct Seat {
    shared: Arc<Shared>,
    device: DeviceId,
    number: u64,
    pub(crate) mailbox: Arc<Mailbox>,
    ended: CancellationToken,
    pub(crate) rooms: Rooms,
}

impl Seat {
    /// Leaves the session behind for the device's return, for this many seconds (`u32::MAX`: for good).
    pub(crate) fn leave_behind(&self, session: Session, expiry_seconds: u32) {
        let until = if expiry_seconds == u32::MAX {
            None
        } else {
            Instant::now().checked_add(Duration::from_secs(u64::from(expiry_seconds)))
        };
        let mut registry = self.shared.lock();
        if registry.live(&self.device).is_some_and(|live| live.number == self.number) {
            registry.keep(&self.device, session.for_absence(), until, &self.shared.limits);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut registry = self.shared.lock();
        if let Some(slot) = registry.slots.get_mut(&self.device)
            && slot.live.as_ref().is_some_and(|live| live.number == self.number)
        {
            slot.live = None;
        }
        registry.sweep(&self.device, self.shared.limits.in_flight);
        drop(registry);
        self.shared.tally.left();
        self.ended.cancel();
    }
}
