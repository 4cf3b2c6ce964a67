//! Work that comes back again and again until the process stops.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// Moments at a distance, the first of them at once. A piece of work that takes longer than the distance delays the
/// next moment; none is made up for.
#[derive(Debug)]
pub struct Ticks {
    interval: Interval,
    stop: CancellationToken,
}

impl Ticks {
    /// Until `stop`. The distance is more than zero.
    pub fn every(distance: Duration, stop: CancellationToken) -> Self {
        let mut interval = interval(distance);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { interval, stop }
    }

    /// Waits for the next moment. False when it is over: then there is nothing more to do.
    pub async fn next(&mut self) -> bool {
        tokio::select! {
            _ = self.interval.tick() => true,
            () = self.stop.cancelled() => false,
        }
    }
}
