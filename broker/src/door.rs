//! Where log-ins wait: when thousands of devices come back at once, the directory is asked about a few of
//! them at a time, in the order in which they came, and those that find the queue full are told to come back.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy;

/// The right to ask the directory once; it ends when the answer is there.
pub(crate) type Turn = OwnedSemaphorePermit;

pub(crate) struct Door {
    /// One permit per question; a semaphore of tokio hands them out in order.
    checks: Arc<Semaphore>,
    waiting: AtomicUsize,
    queue_max: usize,
    chance: RandomState,
}

/// A place in the queue, given back also when the waiting is given up.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Door {
    pub(crate) fn new(checks_max: usize, queue_max: usize) -> Self {
        Self {
            checks: Arc::new(Semaphore::new(checks_max)),
            waiting: AtomicUsize::new(0),
            queue_max,
            chance: RandomState::new(),
        }
    }

    /// Waits for its turn.
    pub(crate) async fn turn(&self) -> Result<Turn, Busy> {
        if let Ok(turn) = Arc::clone(&self.checks).try_acquire_owned() {
            return Ok(turn);
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _place = Place(&self.waiting);
        if before >= self.queue_max {
            return Err(Busy);
        }
        Arc::clone(&self.checks).acquire_owned().await.map_err(|_| Busy)
    }

    /// A part of `most`, another one for each client, so that a crowd that is sent away does not come back as
    /// one.
    pub(crate) fn jitter(&self, client: impl std::hash::Hash, most: Duration) -> Duration {
        let part = self.chance.hash_one(client) % 1_000;
        most * u32::try_from(part).unwrap_or(0) / 1_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::poll;
    use std::pin::pin;

    #[tokio::test]
    async fn turns_come_in_order_and_a_full_queue_says_so() {
        let door = Door::new(1, 2);
        let first = door.turn().await.unwrap();
        let (mut second, mut third) = (pin!(door.turn()), pin!(door.turn()));
        assert!(poll!(&mut second).is_pending());
        assert!(poll!(&mut third).is_pending());
        assert_eq!(door.turn().await.unwrap_err(), Busy);
        drop(first);
        assert!(poll!(&mut third).is_pending(), "the third may not overtake the second");
        assert!(poll!(&mut second).is_ready());
    }

    #[tokio::test]
    async fn who_gives_up_waiting_leaves_the_queue() {
        let door = Door::new(1, 1);
        let _held = door.turn().await.unwrap();
        {
            let mut impatient = pin!(door.turn());
            assert!(poll!(&mut impatient).is_pending());
        }
        let mut next = pin!(door.turn());
        assert!(poll!(&mut next).is_pending(), "its place is free again");
    }

    #[test]
    fn a_crowd_is_spread() {
        let door = Door::new(1, 1);
        let most = Duration::from_secs(2);
        let mut delays: Vec<_> = (0..200).map(|n| door.jitter(n, most)).collect();
        delays.sort();
        assert!(delays.iter().all(|delay| *delay < most));
        delays.dedup();
        assert!(delays.len() > 100, "{} of 200 differ", delays.len());
    }
}
