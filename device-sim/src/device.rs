//! A device: measures, numbers, keeps, hands out batches, and forgets what was acknowledged. It knows nothing of MQTT
//! nor of clocks.

use std::path::PathBuf;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use vigie_wire::v1;

use crate::Error;
use crate::journal::{Journal, Memory};
use crate::measurement::Measurement;
use crate::queue::{Carried, Held, Queue};

/// See the module.
#[derive(Debug)]
pub(crate) struct Device {
    memory: Memory,
    journal: Option<Journal>,
    capacity: usize,
}

/// Where a device starts when it remembers nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Birth {
    /// Must differ from every epoch that it had before.
    pub(crate) epoch: u64,
    pub(crate) anchor: Timestamp,
}

impl Device {
    /// A device with its memory in the file, or in RAM alone.
    pub(crate) async fn open(journal: Option<PathBuf>, birth: Birth, capacity: usize) -> Result<Self, Error> {
        let fresh = Memory {
            queue: Queue::new(birth.epoch, 1),
            until: None,
            anchor: birth.anchor,
            memory_lost: false,
        };
        let (journal, memory) = match journal {
            Some(path) => {
                let (journal, memory) = Journal::open(path, fresh).await?;
                (Some(journal), memory)
            }
            None => (None, fresh),
        };
        Ok(Self { memory, journal, capacity })
    }

    pub(crate) fn queue(&self) -> &Queue {
        &self.memory.queue
    }

    /// How many more readings it can hold.
    pub(crate) fn room(&self) -> usize {
        self.capacity.saturating_sub(self.memory.queue.len())
    }

    /// It has measured everything before this moment.
    pub(crate) fn until(&self) -> Option<Timestamp> {
        self.memory.until
    }

    pub(crate) fn anchor(&self) -> Timestamp {
        self.memory.anchor
    }

    pub(crate) fn memory_lost(&self) -> bool {
        self.memory.memory_lost
    }

    /// Numbers and keeps measurements; they count when this returns. `until` says how far the generator is now (none:
    /// measured out of rhythm).
    pub(crate) async fn measure(
        &mut self,
        measurements: &[Measurement],
        until: Option<Timestamp>,
        clock_ahead: SignedDuration,
        zone: &TimeZone,
    ) -> Result<(), Error> {
        if measurements.is_empty() {
            // Nothing to write down: a restart would generate the same nothing again.
            self.memory.until = until.or(self.memory.until);
            return Ok(());
        }
        let held: Vec<Held> = (self.memory.queue.next_sequence()..)
            .zip(measurements)
            .map(|(sequence, m)| Held { at: m.at, reading: m.stamped(sequence, clock_ahead, zone) })
            .collect();
        if let Some(journal) = &mut self.journal {
            journal.measured(until, &held).await?;
        }
        for held in held {
            self.memory.queue.hold(held);
        }
        self.memory.until = until.or(self.memory.until);
        Ok(())
    }

    /// The next batch to send, without its times.
    pub(crate) fn next_batch(
        &mut self,
        skip: usize,
        eligible: impl Fn(&Held) -> bool,
    ) -> Option<(Carried, v1::ReadingBatch)> {
        let (carried, readings) = self.memory.queue.take(skip, eligible)?;
        let (first, last) = (carried.sequences.first()?, carried.sequences.last()?);
        let batch = v1::ReadingBatch {
            batch_id: format!("b-{}-{first}-{last}", carried.epoch),
            sent_at: String::new(),
            epoch: carried.epoch,
            readings,
            ..v1::ReadingBatch::default()
        };
        Some((carried, batch))
    }

    /// Forgets what a batch carried, which the server has said is dealt with. Returns how many readings that was.
    pub(crate) async fn acknowledged(&mut self, carried: &Carried) -> Result<usize, Error> {
        let deleted = self.memory.queue.acknowledged(carried);
        if let Some(journal) = &mut self.journal
            && !deleted.is_empty()
        {
            journal.acknowledged(carried.epoch, &deleted).await?;
        }
        Ok(deleted.len())
    }

    /// Puts what it still has from this number on among what waits; says how many readings that are. Not written down:
    /// they were acknowledged, so a restart may forget the wish.
    pub(crate) fn send_again(&mut self, from: i64) -> usize {
        self.memory.queue.send_again(from)
    }

    pub(crate) fn connection_lost(&mut self) {
        self.memory.queue.connection_lost();
    }

    /// Loses everything but its identity; goes on in the next epoch.
    pub(crate) async fn lose_memory(&mut self) -> Result<(), Error> {
        let epoch = self.memory.queue.epoch() + 1;
        if let Some(journal) = &mut self.journal {
            journal.memory_lost(epoch).await?;
        }
        self.memory.queue.forget(epoch);
        self.memory.memory_lost = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
