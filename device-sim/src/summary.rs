//! What came of a run: counters that the device tasks share.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Totals of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// The seed that repeats it.
    pub seed: u64,
    /// Readings measured in this run.
    pub measured: u64,
    /// Batches published, repeats included.
    pub batches: u64,
    /// Readings that an acknowledgement released from their device.
    pub acknowledged: u64,
    /// Readings still held at the end.
    pub held: u64,
    /// Results `stored` in receipts.
    pub stored: u64,
    /// Results `duplicate` in receipts.
    pub duplicates: u64,
    /// Results `conflict` in receipts.
    pub conflicts: u64,
    /// Results `rejected` in receipts.
    pub rejected: u64,
    /// Batches refused whole.
    pub refused: u64,
    /// Acknowledged readings that devices were asked to send again, and did.
    pub sent_again: u64,
    /// Connections that came about.
    pub connections: u64,
    /// Measurements out of rhythm.
    pub moments: u64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seed {}: {} measured, {} acknowledged, {} held; {} batches over {} connections; receipts: {} stored, \
             {} duplicate, {} conflict, {} rejected; {} batches refused; {} sent again when asked; {} out of rhythm",
            self.seed,
            self.measured,
            self.acknowledged,
            self.held,
            self.batches,
            self.connections,
            self.stored,
            self.duplicates,
            self.conflicts,
            self.rejected,
            self.refused,
            self.sent_again,
            self.moments,
        )
    }
}

/// One counter; a statistic, so no ordering with anything else is needed.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The running totals.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) measured: Count,
    pub(crate) batches: Count,
    pub(crate) acknowledged: Count,
    pub(crate) held: Count,
    pub(crate) stored: Count,
    pub(crate) duplicates: Count,
    pub(crate) conflicts: Count,
    pub(crate) rejected: Count,
    pub(crate) refused: Count,
    pub(crate) sent_again: Count,
    pub(crate) connections: Count,
    pub(crate) moments: Count,
}

impl Counters {
    pub(crate) fn summary(&self, seed: u64) -> Summary {
        Summary {
            seed,
            measured: self.measured.get(),
            batches: self.batches.get(),
            acknowledged: self.acknowledged.get(),
            held: self.held.get(),
            stored: self.stored.get(),
            duplicates: self.duplicates.get(),
            conflicts: self.conflicts.get(),
            rejected: self.rejected.get(),
            refused: self.refused.get(),
            sent_again: self.sent_again.get(),
            connections: self.connections.get(),
            moments: self.moments.get(),
        }
    }
}
