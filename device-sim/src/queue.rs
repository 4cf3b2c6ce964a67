//! What a device holds until it is acknowledged. Pure: numbers readings, hands out batches, forgets only what an
//! acknowledgement named.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use vigie_wire::v1;

/// Most readings in one batch.
pub(crate) const BATCH_MAX: usize = 50;

/// Acknowledged readings that a device still has, the newest: what it can send again when it is asked to.
pub(crate) const KEPT_MAX: usize = 500;

/// One reading that waits, with its true time (the device's clock may be wrong).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Held {
    pub(crate) at: Timestamp,
    pub(crate) reading: v1::Reading,
}

/// Which readings a batch carries: what its acknowledgement will delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Carried {
    pub(crate) epoch: u64,
    pub(crate) sequences: Vec<i64>,
}

/// Store and forward, in order of sequence.
#[derive(Debug)]
pub(crate) struct Queue {
    epoch: u64,
    next_sequence: i64,
    held: BTreeMap<i64, Held>,
    in_flight: BTreeSet<i64>,
    /// Acknowledged and not yet overwritten.
    kept: BTreeMap<i64, Held>,
}

impl Queue {
    pub(crate) fn new(epoch: u64, next_sequence: i64) -> Self {
        Self {
            epoch,
            next_sequence: next_sequence.max(1),
            held: BTreeMap::new(),
            in_flight: BTreeSet::new(),
            kept: BTreeMap::new(),
        }
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(crate) fn next_sequence(&self) -> i64 {
        self.next_sequence
    }

    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Held> {
        self.held.values()
    }

    /// Keeps a reading. Its number was given by [`Queue::next_sequence`] or read from the journal; a number that was
    /// already used is not taken again.
    pub(crate) fn hold(&mut self, held: Held) -> bool {
        let sequence = held.reading.sequence;
        if sequence < self.next_sequence {
            return false;
        }
        self.next_sequence = sequence + 1;
        self.held.insert(sequence, held);
        true
    }

    /// Numbers below `next` are used, whether their readings are still held or not.
    pub(crate) fn skip_to(&mut self, next: i64) {
        self.next_sequence = self.next_sequence.max(next);
    }

    /// The next batch that is not on its way: at most [`BATCH_MAX`] readings out of those that `eligible` allows,
    /// after `skip` of them (a device that sends in disorder skips one batch).
    pub(crate) fn take(
        &mut self,
        skip: usize,
        eligible: impl Fn(&Held) -> bool,
    ) -> Option<(Carried, Vec<v1::Reading>)> {
        let chosen: Vec<&Held> = self
            .held
            .iter()
            .filter(|(sequence, held)| !self.in_flight.contains(sequence) && eligible(held))
            .map(|(_, held)| held)
            .skip(skip)
            .take(BATCH_MAX)
            .collect();
        if chosen.is_empty() {
            return None;
        }
        let readings: Vec<_> = chosen.into_iter().map(|held| held.reading.clone()).collect();
        let sequences: Vec<_> = readings.iter().map(|r| r.sequence).collect();
        self.in_flight.extend(sequences.iter().copied());
        Some((Carried { epoch: self.epoch, sequences }, readings))
    }

    /// Does anything wait that `eligible` allows, on its way or not?
    pub(crate) fn any(&self, eligible: impl Fn(&Held) -> bool) -> bool {
        self.held.values().any(eligible)
    }

    /// Deletes what an acknowledged batch carried and says which readings that were; a batch of an epoch that is over
    /// deletes nothing.
    pub(crate) fn acknowledged(&mut self, carried: &Carried) -> Vec<i64> {
        if carried.epoch != self.epoch {
            return Vec::new();
        }
        let mut deleted = Vec::new();
        for sequence in &carried.sequences {
            self.in_flight.remove(sequence);
            if let Some(held) = self.held.remove(sequence) {
                deleted.push(*sequence);
                self.kept.insert(*sequence, held);
            }
        }
        while self.kept.len() > KEPT_MAX {
            self.kept.pop_first();
        }
        deleted
    }

    /// Holds again whatever is still there from this number on, and says how many readings that are.
    pub(crate) fn send_again(&mut self, from: i64) -> usize {
        let again = self.kept.split_off(&from);
        let count = again.len();
        self.held.extend(again);
        count
    }

    /// The connection is gone: whatever was on its way may or may not have arrived, so it is sent again.
    pub(crate) fn connection_lost(&mut self) {
        self.in_flight.clear();
    }

    /// Memory lost: numbers start again, in another epoch.
    pub(crate) fn forget(&mut self, epoch: u64) {
        *self = Self::new(epoch, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue_of(count: i64) -> Queue {
        let mut queue = Queue::new(1, 1);
        for _ in 0..count {
            let sequence = queue.next_sequence();
            let reading = v1::Reading { sequence, ..v1::Reading::default() };
            assert!(queue.hold(Held { at: Timestamp::UNIX_EPOCH, reading }));
        }
        queue
    }

    #[test]
    fn only_an_acknowledgement_deletes() {
        let mut queue = queue_of(120);
        let (first, _) = queue.take(0, |_| true).unwrap();
        let (second, _) = queue.take(0, |_| true).unwrap();
        assert_eq!(first.sequences, (1..=50).collect::<Vec<_>>());
        assert_eq!(second.sequences, (51..=100).collect::<Vec<_>>());
        assert_eq!(queue.len(), 120);
        assert_eq!(queue.acknowledged(&second).len(), 50);
        queue.connection_lost();
        let (again, _) = queue.take(0, |_| true).unwrap();
        assert_eq!(again, first);
        assert_eq!(queue.len(), 70);
    }

    #[test]
    fn what_was_acknowledged_is_sent_again_when_it_is_asked_for_as_far_as_it_is_still_there() {
        let mut queue = queue_of(KEPT_MAX as i64 + 50);
        while let Some((carried, _)) = queue.take(0, |_| true) {
            queue.acknowledged(&carried);
        }
        assert_eq!(queue.send_again(1), KEPT_MAX, "the oldest are overwritten");
        assert_eq!(queue.send_again(1), 0, "they wait already");
        let (again, readings) = queue.take(0, |_| true).unwrap();
        assert_eq!((again.sequences[0], readings[0].sequence), (51, 51));
        assert_eq!(queue.acknowledged(&again).len(), 50);
        assert_eq!(queue.send_again(60), 41, "and only those from the number on");
        queue.forget(2);
        assert_eq!(queue.send_again(1), 0);
    }

    #[test]
    fn an_acknowledgement_counts_once() {
        let mut queue = queue_of(10);
        let (carried, _) = queue.take(0, |_| true).unwrap();
        assert_eq!(queue.acknowledged(&carried).len(), 10);
        assert!(queue.acknowledged(&carried).is_empty());
    }

    #[test]
    fn a_used_number_is_not_taken_again() {
        let mut queue = queue_of(3);
        let reading = v1::Reading { sequence: 2, ..v1::Reading::default() };
        assert!(!queue.hold(Held { at: Timestamp::UNIX_EPOCH, reading }));
        assert_eq!(queue.next_sequence(), 4);
    }

    #[test]
    fn an_acknowledgement_from_before_memory_was_lost_deletes_nothing() {
        let mut queue = queue_of(3);
        let (old, _) = queue.take(0, |_| true).unwrap();
        queue.forget(2);
        let reading = v1::Reading { sequence: 1, ..v1::Reading::default() };
        queue.hold(Held { at: Timestamp::UNIX_EPOCH, reading });
        assert!(queue.acknowledged(&old).is_empty());
        assert_eq!(queue.len(), 1);
    }

    #[test]
    fn skipping_sends_the_later_batch_first() {
        let mut queue = queue_of(70);
        assert_eq!(queue.take(50, |_| true).unwrap().0.sequences.first(), Some(&51));
        assert_eq!(queue.take(0, |_| true).unwrap().0.sequences.len(), 50);
        assert!(queue.take(0, |_| true).is_none());
    }
}
