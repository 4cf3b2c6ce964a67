//! Randomness from a seed that is told, and waiting for conditions.

use std::time::Duration;

use rand::RngExt;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tokio::time::{Instant, sleep};

/// Waits of this suite end here: far longer than anything it waits for takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Nemesis(ChaCha8Rng);

impl Nemesis {
    /// From `VIGIE_SEED`, or else the time.
    pub(crate) fn new(test: &str) -> Self {
        let seed = match std::env::var("VIGIE_SEED") {
            Ok(text) => text.parse().expect("VIGIE_SEED is a number"),
            Err(_) => vigie_service::Clock::system().now().as_microsecond().unsigned_abs(),
        };
        println!("{test}: VIGIE_SEED={seed}");
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Lets the others work for a random time: the blow must fall at any moment of theirs.
    pub(crate) async fn pause(&mut self, millis: std::ops::RangeInclusive<u64>) {
        let millis = self.0.random_range(millis);
        sleep(Duration::from_millis(millis)).await;
    }

    /// True once in `n` times.
    pub(crate) fn once_in(&mut self, n: u32) -> bool {
        self.0.random_ratio(1, n)
    }
}

/// Asks until the answer is yes.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain until {what}");
        sleep(Duration::from_millis(5)).await;
    }
}
