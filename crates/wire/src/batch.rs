//! One batch as it came off the wire, whatever its encoding.

use prost::Message;

use crate::{Encoding, JsonError, batch_from_json, receipt_to_json, v1};

/// A batch whose envelope could be read. Readings stand in the order sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Chosen by the device, echoed in the receipt; may be empty.
    pub batch_id: String,
    /// The device's clock when it sent, RFC 3339, or empty.
    pub sent_at: String,
    /// The device's memory epoch.
    pub epoch: u64,
    /// Each reading, or why this one could not be read (JSON only).
    pub readings: Vec<Result<v1::Reading, BadReading>>,
}

/// One reading of a batch that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadReading {
    /// Its sequence number, where at least that could be read.
    pub sequence: Option<i64>,
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
}

/// Reads a protobuf batch.
pub fn batch_from_protobuf(bytes: &[u8]) -> Result<Batch, DecodeError> {
    let batch = v1::ReadingBatch::decode(bytes)?;
    Ok(Batch {
        batch_id: batch.batch_id,
        sent_at: batch.sent_at,
        epoch: batch.epoch,
        readings: batch.readings.into_iter().map(Ok).collect(),
    })
}

/// Reads a batch in the encoding that its topic names.
pub fn decode_batch(encoding: Encoding, bytes: &[u8]) -> Result<Batch, DecodeError> {
    match encoding {
        Encoding::Protobuf => batch_from_protobuf(bytes),
        Encoding::Json => Ok(batch_from_json(bytes)?),
    }
}

/// Writes a receipt in the encoding of the batch that it answers.
pub fn encode_receipt(encoding: Encoding, receipt: &v1::Receipt) -> Vec<u8> {
    match encoding {
        Encoding::Protobuf => receipt.encode_to_vec(),
        Encoding::Json => receipt_to_json(receipt),
    }
}
