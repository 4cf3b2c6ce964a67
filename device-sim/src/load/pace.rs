//! When a connection may publish next, and whether it may at all.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::{Rate, Shared};

/// The rhythm of one connection.
pub(super) struct Pace {
    /// None: without a pause.
    every: Option<Duration>,
    next: Instant,
}

impl Pace {
    /// A slot's share of the rate, its beats spread evenly between those of the other slots.
    pub(super) fn of(shared: &Shared, slot: usize, slots: usize) -> Self {
        let every = match shared.config.rate {
            Rate::Max => None,
            Rate::PerSecond(rate) => {
                let own = rate / shared.config.readings_per_publish as f64 / slots as f64;
                // Less than one in thirty years is never.
                Some(Duration::from_secs_f64(if own > 1e-9 { 1.0 / own } else { 1e9 }))
            }
        };
        let idle = shared.config.rate == Rate::PerSecond(0.0);
        let offset =
            every.map_or(Duration::ZERO, |e| if idle { e } else { e.mul_f64(slot as f64 / slots as f64) });
        Self { every, next: shared.started + offset }
    }

    /// Takes one publish, if it is time and the load is not over. A rhythm that fell behind (a server that was away)
    /// catches up.
    pub(super) fn take(&mut self, shared: &Shared, now: Instant) -> bool {
        if over(shared, now) || (self.every.is_some() && now < self.next) {
            return false;
        }
        let left = |left: u64| left.checked_sub(1);
        if shared.budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).is_err() {
            return false;
        }
        if let Some(every) = self.every {
            self.next += every;
        }
        true
    }

    /// When to try again; none without a rhythm.
    pub(super) fn next(&self) -> Option<Instant> {
        self.every.map(|_| self.next)
    }
}

/// No new publishes from now on.
pub(super) fn over(shared: &Shared, now: Instant) -> bool {
    shared.shutdown.is_cancelled()
        || shared.config.enough.is_cancelled()
        || shared.end.is_some_and(|end| now >= end)
        || shared.budget.load(Ordering::Relaxed) == 0
}

/// When to stop waiting for what is missing; none while the load goes on.
pub(super) fn give_up_at(shared: &Shared, now: Instant) -> Option<Instant> {
    over(shared, now).then(|| *shared.over_since.get_or_init(|| now) + shared.config.drain)
}
