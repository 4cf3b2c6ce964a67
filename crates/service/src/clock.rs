//! The one place that asks what time it is. Everything else is handed a [`Clock`].

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

/// Wall-clock time, or a time that a test sets. Cheap to clone; clones of a settable clock move together.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    Set(Arc<AtomicI64>),
}

impl Clock {
    /// The system's clock (synchronise it: every time that Vigie shows depends on it).
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still until [`Clock::set`].
    pub fn set_to(now: Timestamp) -> Self {
        Self(Source::Set(Arc::new(AtomicI64::new(now.as_microsecond()))))
    }

    /// Now, in microseconds (what PostgreSQL keeps), so that a stored time equals the one in memory.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => {
                #[expect(clippy::disallowed_methods, reason = "this is the edge")]
                let now = Timestamp::now();
                Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
            }
            Source::Set(microseconds) => Timestamp::from_microsecond(microseconds.load(Ordering::SeqCst))
                .unwrap_or(Timestamp::UNIX_EPOCH),
        }
    }

    /// Moves a settable clock; without effect on the system's.
    pub fn set(&self, now: Timestamp) {
        match &self.0 {
            Source::System => {}
            Source::Set(microseconds) => microseconds.store(now.as_microsecond(), Ordering::SeqCst),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_of_a_set_clock_move_together() {
        let start: Timestamp = "2026-11-22T07:00:00Z".parse().unwrap();
        let clock = Clock::set_to(start);
        let other = clock.clone();
        assert_eq!(other.now(), start);
        clock.set("2026-11-22T08:00:00Z".parse().unwrap());
        assert_eq!(other.now().to_string(), "2026-11-22T08:00:00Z");
    }
}
