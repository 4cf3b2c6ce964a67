//! SenML (RFC 8428), as JSON and as CBOR, to the same [`Batch`] as every other encoding.
//!
//! A pack is an array of records. Each encoding is read into [`field::Field`]s by names (`json.rs`, `cbor.rs`),
//! fields become a record (`record.rs`), and here the base values are resolved and records are put together
//! to readings. docs/senml.md is the reference for device makers.
//!
//! Two kinds of error: what makes the meaning of *other* records doubtful (no array, a record that is no map,
//! a broken base field, an unknown version) refuses the whole pack; anything else refuses the one reading.
//!
//! Architecture invariant: nothing goes through a float that was not sent as one, and a name, unit or time
//! repeated by a base field never makes the output larger than the input by more than a constant a record.

mod cbor;
mod decimal;
mod field;
mod instant;
mod json;
mod record;
mod units;

#[cfg(test)]
mod tests;

use crate::{BadReading, Batch, READINGS_PER_BATCH_MAX, v1};
use decimal::Decimal;
use record::Record;

pub(crate) use cbor::fields_of_pack as fields_of_cbor;
pub(crate) use json::fields_of_pack as fields_of_json;

/// Longest resolved name, in bytes; RFC 8428 names are URNs, the longest in use stay far below.
const NAME_BYTES_MAX: usize = 255;

/// Most records of a pack: a reading has rarely more than three values.
const RECORDS_MAX: usize = 8 * READINGS_PER_BATCH_MAX;

/// The bytes are no SenML pack, or one of which nothing can be trusted. Repeats no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a SenML pack: {0}")]
pub struct SenmlError(pub(crate) String);

impl SenmlError {
    pub(crate) fn new(reason: impl ToString) -> Self {
        Self(reason.to_string())
    }
}

/// What is wrong with one record: a code for programs and a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: &'static str,
    pub(crate) reason: &'static str,
}

/// Base values in force at a record.
#[derive(Default)]
struct Base {
    name: String,
    time: Option<Decimal>,
    unit: String,
    value: Option<Decimal>,
}

/// Reads a pack whose records are given as fields. `now` is the time of arrival in nanoseconds since 1970:
/// times of the pack below 2^28 seconds are relative to it.
pub(crate) fn batch_of(records: Vec<Vec<field::Named>>, now: i128) -> Result<Batch, SenmlError> {
    if records.len() > RECORDS_MAX {
        return Err(SenmlError::new(format!("a pack has at most {RECORDS_MAX} records")));
    }
    let mut pack = Pack::default();
    for fields in records {
        pack.take(record::read(fields)?, now)?;
    }
    Ok(pack.into_batch())
}

/// A reading that still grows.
struct Growing {
    sequence: Option<i64>,
    result: Result<v1::Reading, Fault>,
}

#[derive(Default)]
struct Pack {
    base: Base,
    version: Option<i64>,
    /// What all names of the pack have in common: one pack speaks for one device.
    owner: Option<String>,
    batch_id: Option<String>,
    epoch: Option<u64>,
    relative: bool,
    readings: Vec<Growing>,
}

impl Pack {
    fn take(&mut self, record: Record, now: i128) -> Result<(), SenmlError> {
        self.take_base(&record)?;
        if record.is_base_only() {
            return Ok(());
        }
        let joins = match (record.sequence, self.readings.last()) {
            (None, Some(_)) => true,
            (Some(sequence), Some(last)) => last.sequence == Some(sequence),
            (_, None) => false,
        };
        let sequence = record.sequence;
        let value = self.resolve(record, now);
        if joins {
            if let Some(last) = self.readings.last_mut() {
                last.join(value);
            }
        } else {
            self.readings.push(Growing::new(sequence, value));
        }
        Ok(())
    }

    /// Takes over the fields that hold for the records after this one, too.
    fn take_base(&mut self, record: &Record) -> Result<(), SenmlError> {
        let version = record.version.or(self.version);
        if self.version.is_some() && version != self.version {
            return Err(SenmlError::new("bver differs between the records of the pack"));
        }
        self.version = version;
        if let Some(name) = &record.base_name {
            if name.len() > NAME_BYTES_MAX {
                return Err(SenmlError::new(format!("a name has at most {NAME_BYTES_MAX} bytes")));
            }
            self.base.name.clone_from(name);
        }
        if let Some(unit) = &record.base_unit {
            if unit.len() > units::BYTES_MAX {
                return Err(SenmlError::new(format!("a unit has at most {} bytes", units::BYTES_MAX)));
            }
            self.base.unit.clone_from(unit);
        }
        self.base.time = record.base_time.or(self.base.time);
        self.base.value = record.base_value.or(self.base.value);
        if let Some(id) = &record.batch_id {
            match &self.batch_id {
                Some(before) if before != id => {
                    return Err(SenmlError::new("vigie_batch differs between the records of the pack"));
                }
                _ => self.batch_id = Some(id.clone()),
            }
        }
        if let Some(epoch) = record.epoch {
            match self.epoch {
                Some(before) if before != epoch => {
                    return Err(SenmlError::new("vigie_epoch differs between the records of the pack"));
                }
                _ => self.epoch = Some(epoch),
            }
        }
        Ok(())
    }

    /// The record with the base values applied: a reading of one value.
    fn resolve(&mut self, record: Record, now: i128) -> Result<v1::Reading, Fault> {
        if let Some(fault) = record.fault {
            return Err(fault);
        }
        let vital = self.vital(record.name.as_deref().unwrap_or_default())?;
        let time = record.time.unwrap_or_default().plus(self.base.time.unwrap_or_default());
        let (measured_at, relative) = instant::resolve(time.ok_or(instant::OUT_OF_RANGE)?, now)?;
        self.relative |= relative;
        let unit = record.unit.as_deref().unwrap_or(&self.base.unit);
        let unit = units::to_ucum(unit)?;
        let value = record.value.resolve(self.base.value)?;
        Ok(v1::Reading {
            sequence: record.sequence.unwrap_or_default(),
            measured_at,
            values: vec![v1::Value { vital, value, unit: unit.to_owned(), comparator: String::new() }],
            context: record.context,
        })
    }

    /// The vital is what follows the last `:`, `/` or `.` of the resolved name. What stands before names the
    /// device in the maker's own terms; it must be the same in the whole pack, since all of it will be taken
    /// for the readings of the one device that published.
    fn vital(&mut self, name: &str) -> Result<String, Fault> {
        if self.base.name.len() + name.len() > NAME_BYTES_MAX {
            return Err(Fault { code: "senml_name", reason: "a name has at most 255 bytes" });
        }
        let full = format!("{}{name}", self.base.name);
        let well_formed = full.starts_with(|c: char| c.is_ascii_alphanumeric())
            && full.bytes().all(|b| b.is_ascii_alphanumeric() || b"-:./_".contains(&b));
        if !well_formed {
            return Err(Fault {
                code: "senml_name",
                reason: "a record needs a name out of A-Z a-z 0-9 - : . / _",
            });
        }
        let (owner, vital) = match full.rfind([':', '/', '.']) {
            Some(at) => full.split_at(at + 1),
            None => ("", full.as_str()),
        };
        match &self.owner {
            Some(before) if before != owner => {
                return Err(Fault {
                    code: "senml_other_device",
                    reason: "a pack speaks for one device only",
                });
            }
            Some(_) => {}
            None => self.owner = Some(owner.to_owned()),
        }
        Ok(vital.to_owned())
    }

    fn into_batch(self) -> Batch {
        Batch {
            batch_id: self.batch_id.unwrap_or_default(),
            sent_at: String::new(),
            clock_state: String::new(),
            epoch: self.epoch.unwrap_or_default(),
            readings: self.readings.into_iter().map(Growing::end).collect(),
            times_relative: self.relative,
        }
    }
}

impl Growing {
    fn new(sequence: Option<i64>, value: Result<v1::Reading, Fault>) -> Self {
        let missing = Fault {
            code: "senml_sequence",
            reason: "the first record of a reading carries vigie_seq, its sequence number",
        };
        let result = if sequence.is_none() { value.and(Err(missing)) } else { value };
        Self { sequence, result }
    }

    /// Adds a value taken together with the others. One that is wrong spoils the reading: half a blood
    /// pressure is none.
    fn join(&mut self, value: Result<v1::Reading, Fault>) {
        let Ok(reading) = &mut self.result else { return };
        match value {
            Err(fault) => self.result = Err(fault),
            Ok(more) if more.measured_at != reading.measured_at => {
                self.result = Err(Fault {
                    code: "senml_time",
                    reason: "the records of one reading have one time; another reading has its own vigie_seq",
                });
            }
            Ok(more) => {
                reading.values.extend(more.values);
                if let Some(context) = more.context {
                    match &reading.context {
                        Some(before) if *before != context => {
                            let reason = "the records of one reading have one context";
                            self.result = Err(Fault { code: "senml_context", reason });
                        }
                        _ => reading.context = Some(context),
                    }
                }
            }
        }
    }

    fn end(self) -> Result<v1::Reading, BadReading> {
        self.result.map_err(|fault| BadReading {
            sequence: self.sequence,
            code: fault.code,
            reason: fault.reason.to_owned(),
        })
    }
}
