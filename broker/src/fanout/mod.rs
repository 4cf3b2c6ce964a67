//! The fan-out to integration engines: what was committed, told to whoever listens now, and to nobody else.
//!
//! It is **expendable**. Nothing durable and nothing of a device's safety depends on it: it is told after the
//! commit, by a `try_send` that never waits; when it is slow, full or dead, news are dropped and counted.
//! Behind it is rumqttd's `Router`, which keeps everything in memory, skips what a slow reader has not read,
//! and whose thread a wrong event can end. So it is fenced:
//!
//! - topics are built from checked parts (`scope.rs`), so they are ASCII and never begin with `$`; there are no
//!   retained messages, no QoS 1 or 2, no shared subscriptions and no properties in it;
//! - a link has exactly one filter, its territory's, and its name is the number of a slot: neither the
//!   filters nor the clients that it remembers for ever can grow. The reader's own filters are matched here;
//! - what comes out is checked again to be of the reader's territory;
//! - each link has a thread of its own, since building one and sending to it block; it reads at once, so that
//!   nobody is slow for the router, and drops what the reader does not take;
//! - each link is disconnected explicitly, and nothing is sent on it afterwards;
//! - a probe has to come back in time, or router and links are built anew (`keeper.rs`).

mod engine;
mod keeper;
mod links;
mod reading;
mod scope;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use vigie_wire::{Channel, Encoding, Topic};

pub use engine::EngineId;
pub(crate) use engine::{Admitted, Engines, is_engine, log_in};
use keeper::Generation;
pub use keeper::Keeper;
pub(crate) use reading::serve;
use scope::Filter;
pub use scope::Territory;

/// Bounds of the fan-out.
#[derive(Debug, Clone)]
pub struct FanoutSettings {
    /// Readers at once, over all territories. The next one is told to come back.
    pub subscribers_max: usize,
    /// News that wait for the router; over it they are dropped.
    pub queue: usize,
    /// Bytes of payload that wait for the router; over it they are dropped.
    pub queue_bytes_max: usize,
    /// News that wait for one reader; over it they are dropped for that reader.
    pub reader_queue: usize,
    /// Largest payload; larger ones are dropped.
    pub payload_bytes_max: usize,
    /// How often the router is asked whether it lives.
    pub probe_interval: Duration,
    /// Without an answer for so long it is built anew.
    pub probe_timeout: Duration,
    /// Pause before it is built anew; doubled up to [`FanoutSettings::rebuild_pause_max`] when it does not live
    /// for a minute.
    pub rebuild_pause: Duration,
    /// The longest such pause.
    pub rebuild_pause_max: Duration,
}

impl Default for FanoutSettings {
    fn default() -> Self {
        Self {
            subscribers_max: 16,
            queue: 4_096,
            queue_bytes_max: 16 * 1024 * 1024,
            reader_queue: 256,
            payload_bytes_max: 64 * 1024,
            probe_interval: Duration::from_millis(500),
            probe_timeout: Duration::from_secs(5),
            rebuild_pause: Duration::from_millis(50),
            rebuild_pause_max: Duration::from_secs(30),
        }
    }
}

/// Something that was committed.
#[derive(Clone, PartialEq, Eq)]
pub struct News {
    /// Whose it is: only readers of this territory get it.
    pub territory: Territory,
    /// `vigie/v1/{device}/readings/json` or `vigie/v1/{device}/status`; anything else is dropped.
    pub topic: Topic,
    /// JSON.
    pub payload: Bytes,
}

impl std::fmt::Debug for News {
    /// Without the payload: it is somebody's health.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("News")
            .field("territory", &self.territory)
            .field("topic", &self.topic)
            .field("payload_bytes", &self.payload.len())
            .finish()
    }
}

/// Why nobody can read now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FanoutError {
    /// [`FanoutSettings::subscribers_max`] are reading.
    #[error("as many readers as there may be are connected")]
    Full,
    /// The process stops.
    #[error("the fan-out has ended")]
    Ended,
}

/// Counts of what the fan-out did, for the metrics of the binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FanoutCounters {
    /// Gauge: readers now.
    pub readers: u64,
    /// Gauge: is the router there?
    pub alive: bool,
    /// News handed to the router.
    pub published: u64,
    /// News handed to readers.
    pub delivered: u64,
    /// News that no router took: it was full or away, or they were too large.
    pub dropped: u64,
    /// News that one reader did not get because it reads too slowly.
    pub missed: u64,
    /// News of another territory that reached a reader's link, and went no further. Anything but 0 is a bug.
    pub strayed: u64,
    /// Times that the router was built anew.
    pub rebuilt: u64,
}

/// The handle on the fan-out. Cheap to clone.
#[derive(Clone)]
pub struct Fanout {
    shared: Arc<Shared>,
}

struct Shared {
    settings: FanoutSettings,
    tally: Tally,
    waiting_bytes: AtomicUsize,
    readers: Arc<AtomicUsize>,
    state: Mutex<State>,
}

#[derive(Default)]
struct Tally {
    published: AtomicU64,
    delivered: AtomicU64,
    dropped: AtomicU64,
    missed: AtomicU64,
    strayed: AtomicU64,
    rebuilt: AtomicU64,
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[derive(Default)]
struct State {
    /// The router and its links; none while it is being rebuilt.
    generation: Option<Generation>,
    /// By slot, which is also the name of the link.
    readers: Vec<Option<Reader>>,
    last_number: u64,
    ended: bool,
}

/// One that reads, over all generations of the router.
#[derive(Clone)]
struct Reader {
    number: u64,
    territory: Territory,
    news: mpsc::Sender<News>,
    missed: Arc<AtomicU64>,
}

impl Fanout {
    /// The handle, and what has to run for it to work.
    pub fn new(settings: FanoutSettings) -> (Self, Keeper) {
        let state = State { readers: vec![None; settings.subscribers_max], ..State::default() };
        let shared = Arc::new(Shared {
            settings,
            tally: Tally::default(),
            waiting_bytes: AtomicUsize::new(0),
            readers: Arc::new(AtomicUsize::new(0)),
            state: Mutex::new(state),
        });
        (Self { shared: Arc::clone(&shared) }, Keeper::new(shared))
    }

    /// Tells the readers of its territory. Never waits; false: it was dropped, and counted.
    pub fn publish(&self, news: News) -> bool {
        let taken = self.shared.offer(news);
        if !taken {
            add(&self.shared.tally.dropped);
        }
        taken
    }

    /// Does anybody read now, in any territory?
    pub fn has_readers(&self) -> bool {
        self.shared.readers.load(Ordering::Relaxed) > 0
    }

    /// Counts news that were dropped before they came here.
    pub fn count_dropped(&self) {
        add(&self.shared.tally.dropped);
    }

    /// Begins to read what is told in a territory from now on. Dropping it ends the reading.
    pub fn subscribe(&self, territory: Territory) -> Result<Subscription, FanoutError> {
        let (news, receiver) = mpsc::channel(self.shared.settings.reader_queue);
        let missed = Arc::new(AtomicU64::new(0));
        let mut state = self.shared.lock();
        if state.ended {
            return Err(FanoutError::Ended);
        }
        let slot = state.readers.iter().position(Option::is_none).ok_or(FanoutError::Full)?;
        state.last_number += 1;
        let reader = Reader { number: state.last_number, territory, news, missed: Arc::clone(&missed) };
        if let Some(generation) = &state.generation {
            links::start_reader(&self.shared, generation, slot, reader.clone());
        }
        if let Some(place) = state.readers.get_mut(slot) {
            *place = Some(reader);
        }
        let readers = Arc::clone(&self.shared.readers);
        readers.fetch_add(1, Ordering::Relaxed);
        Ok(Subscription { receiver, missed, readers })
    }

    /// What happened so far.
    pub fn counters(&self) -> FanoutCounters {
        let state = self.shared.lock();
        let alive = state.generation.is_some();
        drop(state);
        let tally = &self.shared.tally;
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        FanoutCounters {
            readers: u64::try_from(self.shared.readers.load(Ordering::Relaxed)).unwrap_or(u64::MAX),
            alive,
            published: get(&tally.published),
            delivered: get(&tally.delivered),
            dropped: get(&tally.dropped),
            missed: get(&tally.missed),
            strayed: get(&tally.strayed),
            rebuilt: get(&tally.rebuilt),
        }
    }

    /// Ends the router's thread the hard way, to see that nobody but readers notices and that it comes back.
    /// For fire drills and tests.
    pub fn crash_router(&self) {
        if let Some(generation) = &self.shared.lock().generation {
            links::start_crash(generation);
        }
    }
}

/// What one reader gets, oldest first.
pub struct Subscription {
    receiver: mpsc::Receiver<News>,
    missed: Arc<AtomicU64>,
    readers: Arc<AtomicUsize>,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.readers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Subscription {
    /// The next news. Nothing comes while the router is being rebuilt; `None`: the fan-out has ended.
    pub async fn next(&mut self) -> Option<News> {
        self.receiver.recv().await
    }

    /// How many news this reader has missed because it was slow.
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn offer(&self, news: News) -> bool {
        let bytes = news.payload.len();
        let speakable = matches!(news.topic.channel, Channel::Readings(Encoding::Json) | Channel::Status);
        if !speakable || bytes > self.settings.payload_bytes_max {
            return false;
        }
        let state = self.lock();
        let Some(generation) = &state.generation else {
            return false;
        };
        if self.waiting_bytes.load(Ordering::Relaxed) + bytes > self.settings.queue_bytes_max {
            return false;
        }
        self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        let taken = generation.news.try_send(news).is_ok();
        if !taken {
            self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        taken
    }

    /// The reader of this slot has gone, and its link is disconnected.
    fn free(&self, slot: usize, number: u64) {
        if let Some(place) = self.lock().readers.get_mut(slot)
            && place.as_ref().is_some_and(|reader| reader.number == number)
        {
            *place = None;
        }
    }
}
