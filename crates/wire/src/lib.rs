//! What devices and Vigie say to each other: the protobuf package `vigie.v1`, the same messages as
//! JSON, SenML packs that mean the same, and the topic grammar. Pure: no I/O, no clock, no medicine. Whether `"1.12" g/L` is a glucose
//! that a person can have is for `vigie-vitals` to say.

mod batch;
mod json;
mod senml;
mod topic;

pub use batch::{
    BadReading, Batch, DecodeError, batch_from_protobuf, batch_from_senml_cbor, batch_from_senml_json,
    decode_batch, encode_receipt,
};

pub use json::{JsonError, batch_from_json, receipt_to_json};
pub use prost::Message;
pub use senml::SenmlError;
pub use topic::{Channel, DeviceId, DeviceIdError, Encoding, Topic, TopicError};

/// Messages of the protobuf package `vigie.v1`; `proto/vigie/v1/vigie.proto` documents every field.
#[expect(missing_docs, reason = "generated; the .proto carries the documentation")]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/vigie.v1.rs"));
}

/// Most readings that one batch may carry; a larger batch is refused whole, with a receipt.
pub const READINGS_PER_BATCH_MAX: usize = 1_000;

/// Longest `batch_id`, in bytes; a longer one is refused, since the receipt echoes it.
pub const BATCH_ID_BYTES_MAX: usize = 64;

/// Most missing ranges that one receipt lists (the lowest ones first).
pub const MISSING_RANGES_MAX: usize = 100;
