//! One batch as it came off the wire, whatever its encoding.

use prost::Message;

use crate::{Encoding, JsonError, SenmlError, batch_from_json, receipt_to_json, senml, v1};

/// A batch whose envelope could be read. Readings stand in the order sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Chosen by the device, echoed in the receipt; may be empty.
    pub batch_id: String,
    /// The device's clock when it sent, RFC 3339, or empty.
    pub sent_at: String,
    /// What the device says of its clock; may be empty, or a word that nobody knows.
    pub clock_state: String,
    /// The device's memory epoch.
    pub epoch: u64,
    /// Each reading, or why this one could not be read (JSON and SenML).
    pub readings: Vec<Result<v1::Reading, BadReading>>,
    /// Some times were counted from the arrival (SenML): the same bytes arriving again tell another time.
    pub times_relative: bool,
}

/// One reading of a batch that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadReading {
    /// Its sequence number, where at least that could be read.
    pub sequence: Option<i64>,
    /// For programs, such as `not_a_reading`.
    pub code: &'static str,
    /// What is wrong, without any value.
    pub reason: String,
}

/// The payload is no batch at all; it goes to quarantine with its bytes.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON of the right shape.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// Not protobuf of the right shape.
    #[error("not a reading batch as protobuf: {0}")]
    Protobuf(#[from] prost::DecodeError),
    /// No SenML pack, or one that cannot be trusted.
    #[error(transparent)]
    Senml(#[from] SenmlError),
}

/// Reads a protobuf batch.
pub fn batch_from_protobuf(bytes: &[u8]) -> Result<Batch, DecodeError> {
    let batch = v1::ReadingBatch::decode(bytes)?;
    Ok(Batch {
        batch_id: batch.batch_id,
        sent_at: batch.sent_at,
        clock_state: batch.clock_state,
        epoch: batch.epoch,
        readings: batch.readings.into_iter().map(Ok).collect(),
        times_relative: false,
    })
}

/// Reads a SenML pack as JSON that arrived at `now`, in nanoseconds since 1970. Its size is for the caller to
/// bound: a pack holds some hundred times its bytes in memory at most.
pub fn batch_from_senml_json(bytes: &[u8], now: i128) -> Result<Batch, DecodeError> {
    Ok(senml::batch_of(senml::fields_of_json(bytes)?, now)?)
}

/// Reads a SenML pack as CBOR; otherwise like [`batch_from_senml_json`].
pub fn batch_from_senml_cbor(bytes: &[u8], now: i128) -> Result<Batch, DecodeError> {
    Ok(senml::batch_of(senml::fields_of_cbor(bytes)?, now)?)
}

/// Reads a batch that arrived at `now` (nanoseconds since 1970; only SenML counts times from it) in the
/// encoding that its topic or its content type names.
pub fn decode_batch(encoding: Encoding, bytes: &[u8], now: i128) -> Result<Batch, DecodeError> {
    match encoding {
        Encoding::Protobuf => batch_from_protobuf(bytes),
        Encoding::Json => Ok(batch_from_json(bytes)?),
        Encoding::SenmlJson => batch_from_senml_json(bytes, now),
        Encoding::SenmlCbor => batch_from_senml_cbor(bytes, now),
    }
}

/// Writes a receipt in the encoding of the batch that it answers; SenML has no receipts and is answered in JSON.
pub fn encode_receipt(encoding: Encoding, receipt: &v1::Receipt) -> Vec<u8> {
    match encoding {
        Encoding::Protobuf => receipt.encode_to_vec(),
        Encoding::Json | Encoding::SenmlJson | Encoding::SenmlCbor => receipt_to_json(receipt),
    }
}
