//! Where the time of ingest goes: sums of a few steps, cheap enough to be always on.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What is measured, in the order in which a reading meets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Bytes to checked readings, in the task of the connection. Per publish.
    Decode,
    /// From there until a writer takes it. Per publish.
    Wait,
    /// A connection and BEGIN. From here on per transaction.
    Begin,
    /// Who held the devices.
    Holders,
    /// Ledgers: extend, or lock and write.
    Ledger,
    /// New or known, whose, what to write: no I/O.
    Check,
    /// INSERT of values.
    Values,
    /// INSERT into the judgement queue.
    Queue,
    /// Quarantine, receipts and what of them is kept.
    Receipts,
    /// COMMIT, with its fsync.
    Commit,
    /// Waking the connections.
    Answer,
}

const STEPS: [(Step, &str); 11] = [
    (Step::Decode, "decode"),
    (Step::Wait, "wait"),
    (Step::Begin, "begin"),
    (Step::Holders, "holders"),
    (Step::Ledger, "ledger"),
    (Step::Check, "check"),
    (Step::Values, "values"),
    (Step::Queue, "queue"),
    (Step::Receipts, "receipts"),
    (Step::Commit, "commit"),
    (Step::Answer, "answer"),
];

/// Sums over the life of one ingest.
#[derive(Debug)]
pub(crate) struct Timings {
    nanoseconds: [AtomicU64; STEPS.len()],
    readings: AtomicU64,
    publishes: AtomicU64,
    transactions: AtomicU64,
    /// Writers that still run: the last one tells the sums.
    writers: AtomicUsize,
}

impl Timings {
    pub(crate) fn new(writers: usize) -> Self {
        Self {
            nanoseconds: Default::default(),
            readings: AtomicU64::new(0),
            publishes: AtomicU64::new(0),
            transactions: AtomicU64::new(0),
            writers: AtomicUsize::new(writers),
        }
    }

    pub(crate) fn add(&self, step: Step, took: Duration) {
        if let Some(sum) = self.nanoseconds.get(step as usize) {
            sum.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    /// Adds the steps of a transaction that was committed.
    pub(crate) fn committed(&self, steps: &Steps, publishes: usize, readings: usize) {
        for ((step, _), took) in STEPS.iter().zip(steps.took) {
            if took > Duration::ZERO {
                self.add(*step, took);
            }
        }
        self.publishes.fetch_add(publishes as u64, Ordering::Relaxed);
        self.readings.fetch_add(readings as u64, Ordering::Relaxed);
        self.transactions.fetch_add(1, Ordering::Relaxed);
    }

    /// A writer has ended; the last one writes the sums into the log.
    pub(crate) fn writer_ended(&self) {
        let readings = self.readings.load(Ordering::Relaxed);
        if self.writers.fetch_sub(1, Ordering::Relaxed) == 1 && readings > 0 {
            tracing::info!(
                readings,
                publishes = self.publishes.load(Ordering::Relaxed),
                transactions = self.transactions.load(Ordering::Relaxed),
                microseconds_per_reading = self.line(readings),
                "ingest ended; where its time went"
            );
        }
    }

    fn line(&self, readings: u64) -> String {
        let steps = STEPS.iter().zip(&self.nanoseconds).map(|((_, name), sum)| {
            format!("{name} {:.2}", sum.load(Ordering::Relaxed) as f64 / 1_000.0 / readings as f64)
        });
        steps.collect::<Vec<_>>().join(", ")
    }
}

/// The steps of one transaction.
#[derive(Debug)]
pub(crate) struct Steps {
    since: Instant,
    took: [Duration; STEPS.len()],
}

impl Steps {
    pub(crate) fn start() -> Self {
        Self { since: Instant::now(), took: [Duration::ZERO; STEPS.len()] }
    }

    /// What went on since the last call was this step.
    pub(crate) fn ended(&mut self, step: Step) {
        let now = Instant::now();
        if let Some(sum) = self.took.get_mut(step as usize) {
            *sum += now.duration_since(self.since);
        }
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_told_per_reading_and_each_step_under_its_name() {
        for (place, (step, _)) in STEPS.iter().enumerate() {
            assert_eq!(*step as usize, place);
        }
        let timings = Timings::new(1);
        timings.add(Step::Decode, Duration::from_micros(30));
        let line = timings.line(10);
        assert!(line.starts_with("decode 3.00, wait 0.00"), "{line}");
    }
}
