//! Simulated time: history first, then faster than life until the present is reached, then the present.

use jiff::{SignedDuration, Timestamp};

/// How simulated time follows real time. Pure; real time is handed in.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeline {
    started: Timestamp,
    origin: Timestamp,
    speed: f64,
}

impl Timeline {
    /// Started at `started` (real), the replay begins at `origin` (not after `started`) and runs `speed` times as
    /// fast as life; less than one would never arrive, so it is taken as one.
    pub fn new(started: Timestamp, origin: Timestamp, speed: f64) -> Self {
        Self {
            started,
            origin: origin.min(started),
            speed: if speed.is_finite() { speed.max(1.0) } else { 1.0 },
        }
    }

    /// The simulated time at a real one; never later than it, so that nothing is measured in the future.
    pub fn simulated(&self, now: Timestamp) -> Timestamp {
        let passed = now.duration_since(self.started).as_secs_f64().max(0.0) * self.speed;
        // Beyond ten years of replay there is nothing left to catch up with.
        let replayed = SignedDuration::from_millis((passed.min(3.2e8) * 1_000.0) as i64);
        self.origin.checked_add(replayed).map_or(now, |t| t.min(now))
    }

    /// Where the replay began: earlier measurements are backlog.
    pub fn origin(&self) -> Timestamp {
        self.origin
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn six_hours_at_sixty_times_life_are_caught_up_in_about_six_minutes() {
        let timeline = Timeline::new(at("2026-11-22T12:00:00Z"), at("2026-11-22T06:00:00Z"), 60.0);
        assert_eq!(timeline.simulated(at("2026-11-22T12:00:00Z")), at("2026-11-22T06:00:00Z"));
        assert_eq!(timeline.simulated(at("2026-11-22T12:01:00Z")), at("2026-11-22T07:00:00Z"));
        assert!(timeline.simulated(at("2026-11-22T12:06:00Z")) < at("2026-11-22T12:06:00Z"));
        assert_eq!(timeline.simulated(at("2026-11-22T12:06:07Z")), at("2026-11-22T12:06:07Z"));
        assert_eq!(timeline.simulated(at("2026-11-23T12:00:00Z")), at("2026-11-23T12:00:00Z"));
    }

    proptest! {
        #[test]
        fn simulated_time_never_runs_ahead_nor_backwards(
            behind in 0_i64..10_000_000, speed in -1.0_f64..1e6, a in 0_i64..100_000_000, b in 0_i64..100_000_000,
        ) {
            let started = at("2026-11-22T12:00:00Z");
            let timeline = Timeline::new(started, started - SignedDuration::from_secs(behind), speed);
            let (a, b) = (a.min(b), a.max(b));
            let (earlier, later) = (started + SignedDuration::from_secs(a), started + SignedDuration::from_secs(b));
            prop_assert!(timeline.simulated(earlier) <= earlier);
            prop_assert!(timeline.simulated(earlier) <= timeline.simulated(later));
        }
    }
}
