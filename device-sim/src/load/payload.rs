//! What load devices say: plausible values that follow from the sequence number, so that a checker knows them too.

use jiff::{SignedDuration, Timestamp};
use vigie_wire::v1;

use super::{LoadConfig, LoadDevice, LoadVital, MeasuredAt};
use crate::encode::encode_batch;
use crate::measurement::{device_time, digits, value};

/// The values of a load reading: from its vital, its sequence number and `abnormal_every` alone.
pub fn reading_values(vital: LoadVital, sequence: i64, abnormal_every: Option<u64>) -> Vec<v1::Value> {
    let abnormal = abnormal_every
        .and_then(|every| i64::try_from(every).ok())
        .is_some_and(|every| every > 0 && sequence % every == 0);
    let shown = match vital {
        LoadVital::Glucose => {
            let hundredths = if abnormal { 50 } else { 90 + sequence.rem_euclid(70) };
            value("glucose", digits(hundredths, 2), "g/L")
        }
        LoadVital::Weight => {
            let tenths = if abnormal { 750 } else { 700 + sequence.rem_euclid(10) };
            value("weight", digits(tenths, 1), "kg")
        }
    };
    vec![shown]
}

/// Writes the batches of one device.
pub(super) struct Author {
    device: LoadDevice,
    next_sequence: i64,
    last_at: Option<Timestamp>,
}

/// A batch, ready to be sent and sent again.
pub(super) struct Written {
    pub(super) first: i64,
    pub(super) count: usize,
    pub(super) payload: Vec<u8>,
}

impl Author {
    pub(super) fn new(device: LoadDevice, first_sequence: i64) -> Self {
        Self { device, next_sequence: first_sequence, last_at: None }
    }

    pub(super) fn device(&self) -> &LoadDevice {
        &self.device
    }

    /// The next batch. Its numbers are used from now on.
    pub(super) fn write(&mut self, config: &LoadConfig) -> Written {
        let now = (config.clock)();
        let first = self.next_sequence;
        let utc = jiff::tz::TimeZone::UTC;
        let readings = (first..)
            .take(config.readings_per_publish)
            .map(|sequence| v1::Reading {
                sequence,
                measured_at: device_time(self.stamp(config, now, sequence), SignedDuration::ZERO, &utc),
                values: reading_values(self.device.vital, sequence, config.abnormal_every),
                context: None,
            })
            .collect();
        self.next_sequence = first.saturating_add_unsigned(config.readings_per_publish as u64);
        let batch = v1::ReadingBatch {
            batch_id: format!("l-{first}"),
            sent_at: device_time(now, SignedDuration::ZERO, &utc),
            epoch: config.epoch,
            readings,
            ..v1::ReadingBatch::default()
        };
        Written { first, count: config.readings_per_publish, payload: encode_batch(config.encoding, &batch) }
    }

    fn stamp(&mut self, config: &LoadConfig, now: Timestamp, sequence: i64) -> Timestamp {
        let at = match config.measured_at {
            MeasuredAt::Now => {
                // Readings of one batch lie a millisecond apart and end now.
                let behind = config.readings_per_publish as i64 - 1 - (sequence - self.next_sequence);
                let at = now.checked_sub(SignedDuration::from_millis(behind)).unwrap_or(now);
                let at = Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at);
                let after_last =
                    self.last_at.and_then(|last| last.checked_add(SignedDuration::from_millis(1)).ok());
                after_last.map_or(at, |after| at.max(after))
            }
            MeasuredAt::From(start, step) => i32::try_from(sequence - config.first_sequence)
                .ok()
                .and_then(|steps| step.checked_mul(steps))
                .and_then(|after| start.checked_add(after).ok())
                .unwrap_or(start),
        };
        self.last_at = Some(at);
        at
    }
}
