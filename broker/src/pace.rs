//! How fast a device may go: token buckets without a timer of their own. Pure: the time is handed in.
//!
//! A bucket is one moment in time (16 bytes), so that an idle connection costs nothing. What has arrived is
//! always taken and then paid for: a bucket may go into debt, and nothing more is read until the debt is
//! paid. So a reading is never refused because of a rate, however large it is.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use vigie_wire::DeviceId;

use crate::limits::Limits;

/// So many a minute in the long run, and as many at once after a quiet minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(u32);

impl Rate {
    /// This many a minute; 0 switches the limit off.
    pub const fn per_minute(count: u32) -> Self {
        Self(count)
    }

    /// How long it takes to earn this many.
    fn time_for(self, count: usize) -> Duration {
        match self.0 {
            0 => Duration::ZERO,
            rate => {
                let nanos = u128::from(u64::try_from(count).unwrap_or(u64::MAX)) * 60_000_000_000;
                Duration::from_nanos(u64::try_from(nanos / u128::from(rate)).unwrap_or(u64::MAX))
            }
        }
    }

    /// How long an empty bucket takes to be full.
    const fn window(self) -> Duration {
        match self.0 {
            0 => Duration::ZERO,
            _ => Duration::from_secs(60),
        }
    }
}

/// What is left of a [`Rate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Bucket {
    /// When it will be full; none: it is.
    full_at: Option<Instant>,
}

impl Bucket {
    /// Pays for something that has happened.
    pub(crate) fn pay(&mut self, rate: Rate, count: usize, now: Instant) {
        let from = self.full_at.filter(|at| *at > now).unwrap_or(now);
        self.full_at = from.checked_add(rate.time_for(count)).filter(|at| *at > now);
    }

    /// Until when nothing more may happen; none: it may now.
    pub(crate) fn waits_until(&self, rate: Rate, now: Instant) -> Option<Instant> {
        let free_at = self.full_at?.checked_sub(rate.window())?;
        (free_at > now).then_some(free_at)
    }

    fn is_full(&self, now: Instant) -> bool {
        self.full_at.is_none_or(|at| at <= now)
    }
}

/// The buckets of one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Pace {
    packets: Bucket,
    bytes: Bucket,
    connects: Bucket,
}

impl Pace {
    /// A packet came that is not an acknowledgement. `bytes` is its topic and payload, if it is a PUBLISH.
    pub(crate) fn packet(&mut self, limits: &Limits, bytes: usize, now: Instant) {
        self.packets.pay(limits.publishes_per_minute, 1, now);
        self.bytes.pay(limits.payload_bytes_per_minute, bytes, now);
    }

    /// Until when the socket is not read.
    pub(crate) fn waits_until(&self, limits: &Limits, now: Instant) -> Option<Instant> {
        let packets = self.packets.waits_until(limits.publishes_per_minute, now);
        packets.max(self.bytes.waits_until(limits.payload_bytes_per_minute, now))
    }

    fn is_rested(&self, now: Instant) -> bool {
        [self.packets, self.bytes, self.connects].iter().all(|bucket| bucket.is_full(now))
    }
}

/// Entries looked at beyond which a new one sweeps out the rested ones.
const SWEEP_AT_LEAST: usize = 1_024;

/// The paces of devices between their connections: coming back does not fill a bucket. A device that has
/// rested for a minute has no entry.
#[derive(Default)]
pub(crate) struct Paces(Mutex<Known>);

#[derive(Default)]
struct Known {
    paces: HashMap<DeviceId, Pace>,
    sweep_at: usize,
}

impl Paces {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until when this device has to wait with its next log-in.
    pub(crate) fn log_in_waits_until(
        &self,
        limits: &Limits,
        device: &DeviceId,
        now: Instant,
    ) -> Option<Instant> {
        self.lock().paces.get(device)?.connects.waits_until(limits.connects_per_minute, now)
    }

    /// The device has proven who it is. Only then does a log-in count: a stranger must not be able to use up
    /// the log-ins of a device.
    pub(crate) fn logged_in(&self, limits: &Limits, device: &DeviceId, now: Instant) {
        let mut known = self.lock();
        known.entry(device, now).connects.pay(limits.connects_per_minute, 1, now);
    }

    /// The pace of a device whose connection begins.
    pub(crate) fn of(&self, device: &DeviceId) -> Pace {
        self.lock().paces.get(device).copied().unwrap_or_default()
    }

    /// Its connection ends, and this is what it used.
    pub(crate) fn leave(&self, device: &DeviceId, pace: Pace, now: Instant) {
        if pace.packets.is_full(now) && pace.bytes.is_full(now) {
            return;
        }
        let mut known = self.lock();
        let kept = known.entry(device, now);
        kept.packets = pace.packets;
        kept.bytes = pace.bytes;
    }
}

impl Known {
    fn entry(&mut self, device: &DeviceId, now: Instant) -> &mut Pace {
        if self.paces.len() >= self.sweep_at.max(SWEEP_AT_LEAST) {
            self.paces.retain(|_, pace| !pace.is_rested(now));
            // Twice what is left: sweeping costs a constant for each new entry.
            self.sweep_at = self.paces.len() * 2;
        }
        self.paces.entry(device.clone()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIXTY: Rate = Rate::per_minute(60);

    #[test]
    fn a_minutes_worth_goes_at_once_and_then_one_a_second() {
        let start = Instant::now();
        let mut bucket = Bucket::default();
        for _ in 0..60 {
            assert_eq!(bucket.waits_until(SIXTY, start), None);
            bucket.pay(SIXTY, 1, start);
        }
        assert_eq!(bucket.waits_until(SIXTY, start), None, "the last one is paid for and not in debt");
        bucket.pay(SIXTY, 1, start);
        assert_eq!(bucket.waits_until(SIXTY, start), Some(start + Duration::from_secs(1)));
        assert_eq!(bucket.waits_until(SIXTY, start + Duration::from_secs(1)), None);
    }

    #[test]
    fn what_is_larger_than_the_bucket_is_taken_and_paid_off() {
        let start = Instant::now();
        let mut bucket = Bucket::default();
        bucket.pay(SIXTY, 180, start);
        assert_eq!(bucket.waits_until(SIXTY, start), Some(start + Duration::from_secs(120)));
        assert!(!bucket.is_full(start + Duration::from_secs(179)));
        assert!(bucket.is_full(start + Duration::from_secs(180)));
    }

    #[test]
    fn a_rate_of_zero_is_no_limit() {
        let start = Instant::now();
        let mut bucket = Bucket::default();
        bucket.pay(Rate::per_minute(0), usize::MAX, start);
        assert_eq!(bucket.waits_until(Rate::per_minute(0), start), None);
    }

    #[test]
    fn coming_back_does_not_fill_a_bucket_and_resting_does() {
        let start = Instant::now();
        let limits = Limits { publishes_per_minute: SIXTY, ..Limits::default() };
        let device = DeviceId::parse("gl-1").unwrap();
        let paces = Paces::default();
        let mut pace = paces.of(&device);
        for _ in 0..61 {
            pace.packet(&limits, 10, start);
        }
        paces.leave(&device, pace, start);
        assert!(paces.of(&device).waits_until(&limits, start).is_some());
        assert!(paces.of(&DeviceId::parse("gl-2").unwrap()).waits_until(&limits, start).is_none());
        let rested = start + Duration::from_secs(61);
        assert!(paces.of(&device).waits_until(&limits, rested).is_none());
    }

    #[test]
    fn rested_devices_are_forgotten() {
        let start = Instant::now();
        let limits = Limits::default();
        let paces = Paces::default();
        for n in 0..3_000 {
            let later = start + Duration::from_secs(60 * n);
            paces.logged_in(&limits, &DeviceId::parse(&format!("gl-{n}")).unwrap(), later);
        }
        assert!(paces.lock().paces.len() <= SWEEP_AT_LEAST + 1);
    }

    proptest! {
        #[test]
        fn no_pattern_gets_more_than_a_minutes_worth_ahead(gaps in prop::collection::vec(0u64..3_000, 1..300)) {
            let rate = Rate::per_minute(30);
            let start = Instant::now();
            let (mut bucket, mut now, mut taken) = (Bucket::default(), start, 0u64);
            for gap in gaps {
                now += Duration::from_millis(gap);
                if bucket.waits_until(rate, now).is_none() {
                    bucket.pay(rate, 1, now);
                    taken += 1;
                }
                let earned = 30 + u64::try_from((now - start).as_millis()).unwrap() / 2_000;
                prop_assert!(taken <= earned + 1, "{taken} of {earned}");
            }
        }
    }
}
