//! Wire to medicine, as a pure function: nothing invalid gets past this file, and nothing valid is lost.

use jiff::{SignedDuration, Timestamp};
use vigie_vitals::{Context, Unit, Value, Vital, check_reading};
use vigie_wire::{BATCH_ID_BYTES_MAX, Encoding, READINGS_PER_BATCH_MAX, decode_batch, v1};

use crate::Config;
use crate::clock::{Placed, Reference, Word, Written};

/// A batch whose envelope could be read.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// Echoed in the receipt.
    pub batch_id: String,
    /// The device's memory epoch.
    pub epoch: i64,
    /// By how much the device's clock is proven wrong: above zero it is ahead. `None` where it is right within the
    /// tolerance, or where nothing is proven.
    pub clock_lead: Option<SignedDuration>,
    /// Each reading in the order sent, or why it is refused.
    pub readings: Vec<Result<DecodedReading, Rejection>>,
}

/// A reading that can be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct DecodedReading {
    /// Position within the epoch, from 1.
    pub sequence: i64,
    /// The device's own word.
    pub device_measured_at: Timestamp,
    /// The same, corrected by what is proven about the device's clock (docs/clock.md).
    pub measured_at: Timestamp,
    /// Its values; never empty, each vital once.
    pub values: Vec<(Vital, Value)>,
    /// Circumstances.
    pub context: Context,
    /// Doubts to show with it.
    pub flags: Vec<String>,
}

/// Why something cannot be a reading. It goes to quarantine with its bytes, and the device is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The reading, where at least its number could be read; `None` for a whole message.
    pub sequence: Option<i64>,
    /// For programs.
    pub code: &'static str,
    /// For people.
    pub reason: String,
}

impl Rejection {
    pub(crate) fn new(sequence: Option<i64>, code: &'static str, reason: impl ToString) -> Self {
        Self { sequence, code, reason: reason.to_string() }
    }
}

/// Flag of a reading whose time was counted from its arrival: sent again, it tells another time.
pub(crate) const TIME_RELATIVE: &str = "time_relative";

/// Longest text of a context field, in bytes.
const CONTEXT_BYTES_MAX: usize = 64;

/// Decodes a payload that arrived at `received_at`. `Err` is for a message of which nothing can be taken.
pub fn decode(
    encoding: Encoding,
    payload: &[u8],
    received_at: Timestamp,
    config: &Config,
) -> Result<Decoded, Rejection> {
    let whole = |code, reason: String| Rejection { sequence: None, code, reason };
    if payload.is_empty() {
        return Err(whole("empty_payload", "the message is empty".into()));
    }
    if payload.len() > config.payload_bytes_max {
        let most = config.payload_bytes_max;
        return Err(whole("payload_too_large", format!("a batch has at most {most} bytes")));
    }
    let now = received_at.as_nanosecond();
    let batch =
        decode_batch(encoding, payload, now).map_err(|error| whole("not_a_batch", error.to_string()))?;
    if batch.batch_id.len() > BATCH_ID_BYTES_MAX {
        return Err(whole("batch_id_too_long", format!("a batch_id has at most {BATCH_ID_BYTES_MAX} bytes")));
    }
    if batch.readings.is_empty() {
        return Err(whole("empty_batch", "the batch has no readings".into()));
    }
    if batch.readings.len() > READINGS_PER_BATCH_MAX {
        return Err(whole(
            "too_many_readings",
            format!("a batch has at most {READINGS_PER_BATCH_MAX} readings"),
        ));
    }
    let epoch = i64::try_from(batch.epoch)
        .map_err(|_| whole("epoch_out_of_range", "an epoch is at most 9223372036854775807".into()))?;
    let sent_at = read_sent_at(&batch.sent_at)?;
    let reference = Reference::new(sent_at, Word::of(&batch.clock_state), received_at, config);
    let relative = batch.times_relative;
    let readings = batch
        .readings
        .into_iter()
        .map(|reading| {
            let reading = reading.map_err(|bad| Rejection::new(bad.sequence, bad.code, bad.reason))?;
            let mut reading = decode_reading(reading, &reference)?;
            if relative && !reading.flags.iter().any(|flag| flag == TIME_RELATIVE) {
                reading.flags.push(TIME_RELATIVE.to_owned());
            }
            Ok(reading)
        })
        .collect();
    Ok(Decoded { batch_id: batch.batch_id, epoch, clock_lead: reference.proven_lead(), readings })
}

fn read_sent_at(text: &str) -> Result<Option<Timestamp>, Rejection> {
    if text.is_empty() {
        return Ok(None);
    }
    let written = Written::parse(text).ok_or_else(|| {
        Rejection::new(None, "sent_at_not_a_time", "sent_at is no RFC 3339 time with an offset")
    })?;
    Ok(Some(written.at))
}

fn decode_reading(reading: v1::Reading, reference: &Reference<'_>) -> Result<DecodedReading, Rejection> {
    let sequence = reading.sequence;
    let reject = |code, reason: &dyn ToString| Rejection::new(Some(sequence), code, reason.to_string());
    if sequence < 1 || sequence == i64::MAX {
        return Err(reject("sequence_not_positive", &"sequence numbers start at 1"));
    }
    let written = match reading.measured_at.as_str() {
        "" => None,
        text => Some(Written::parse(text).ok_or_else(|| {
            reject("measured_at_not_a_time", &"measured_at is no RFC 3339 time with an offset")
        })?),
    };
    let placed = reference.place(written).map_err(|why| reject(why.code(), &why.reason()))?;
    let context =
        decode_context(reading.context.unwrap_or_default()).map_err(|r| reject("context_too_long", &r))?;
    if reading.values.is_empty() {
        return Err(reject("no_values", &"the reading has no values"));
    }
    let values =
        reading.values.iter().map(|value| decode_value(sequence, value)).collect::<Result<Vec<_>, _>>()?;
    let mut flags = Vec::new();
    if context.is_of_a_person() {
        let doubts = check_reading(&values).map_err(|error| reject("implausible", &error))?;
        flags.extend(doubts.into_iter().map(|flag| flag.as_str().to_owned()));
        flags.dedup();
    } else {
        check_each_once(&values).map_err(|r| reject("implausible", &r))?;
    }
    flags.extend(placed.doubts.iter().map(|doubt| doubt.as_str().to_owned()));
    let Placed { device_measured_at, measured_at, .. } = placed;
    Ok(DecodedReading { sequence, device_measured_at, measured_at, values, context, flags })
}

fn decode_value(sequence: i64, value: &v1::Value) -> Result<(Vital, Value), Rejection> {
    let reject = |code, reason: &dyn ToString| Rejection::new(Some(sequence), code, reason.to_string());
    let vital = Vital::parse(&value.vital).map_err(|error| reject("unknown_vital", &error))?;
    let unit = Unit::parse(&value.unit).map_err(|error| reject("unknown_unit", &error))?;
    if !vital.accepts(unit) {
        let reason = format!("{} is not measured in {}", vital.code(), unit.ucum());
        return Err(reject("unit_of_another_dimension", &reason));
    }
    let parsed =
        Value::parse(&value.value, &value.comparator, unit).map_err(|error| reject("not_a_value", &error))?;
    Ok((vital, parsed))
}

/// A control solution may have any value, but still each vital only once.
fn check_each_once(values: &[(Vital, Value)]) -> Result<(), String> {
    for (i, (vital, _)) in values.iter().enumerate() {
        if values.iter().take(i).any(|(earlier, _)| earlier == vital) {
            return Err(format!("{} is given twice in one reading", vital.code()));
        }
    }
    Ok(())
}

fn decode_context(context: v1::Context) -> Result<Context, String> {
    for text in [&context.meal, &context.sample, &context.session, &context.activity, &context.entry] {
        if text.len() > CONTEXT_BYTES_MAX {
            return Err(format!("a context field has at most {CONTEXT_BYTES_MAX} bytes"));
        }
    }
    Ok(Context {
        meal: context.meal,
        sample: context.sample,
        session: context.session,
        activity: context.activity,
        entry: context.entry,
        test: context.test,
    })
}

#[cfg(test)]
mod tests;
