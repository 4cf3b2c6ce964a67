//! What the server tells a device, read in either encoding.

use serde::Deserialize;
use vigie_wire::{Encoding, Message, v1};

/// The part of a receipt that a device acts upon.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Receipt {
    pub(crate) batch_id: String,
    pub(crate) results: Vec<Outcome>,
    pub(crate) reason: String,
}

#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Outcome {
    pub(crate) sequence: i64,
    pub(crate) outcome: String,
    pub(crate) reason: String,
}

/// Reads a receipt; the message of the error is for a log.
pub(crate) fn decode_receipt(encoding: Encoding, bytes: &[u8]) -> Result<Receipt, String> {
    match encoding {
        Encoding::Json | Encoding::SenmlJson | Encoding::SenmlCbor => {
            serde_json::from_slice(bytes).map_err(|e| e.to_string())
        }
        Encoding::Protobuf => {
            let receipt = v1::Receipt::decode(bytes).map_err(|e| e.to_string())?;
            Ok(Receipt {
                batch_id: receipt.batch_id,
                results: receipt
                    .results
                    .into_iter()
                    .map(|r| Outcome { sequence: r.sequence, outcome: r.outcome, reason: r.reason })
                    .collect(),
                reason: receipt.reason,
            })
        }
    }
}

/// Reads a command. It answers nothing, so its encoding is seen from its first byte: no protobuf of ours begins with
/// `{`, which would be a field that does not exist.
pub(crate) fn decode_command(bytes: &[u8]) -> Result<v1::Command, String> {
    if bytes.first() == Some(&b'{') {
        serde_json::from_slice(bytes).map_err(|e| e.to_string())
    } else {
        v1::Command::decode(bytes).map_err(|e| e.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_reads_the_same_in_both_encodings() {
        let sent = v1::Receipt {
            batch_id: "b-1-1-50".into(),
            results: vec![v1::Result { sequence: 3, outcome: "stored".into(), reason: String::new() }],
            epoch: 1,
            contiguous: 3,
            missing: vec![v1::Range { first: 1, last: 1 }],
            reason: String::new(),
        };
        let read = |encoding| decode_receipt(encoding, &vigie_wire::encode_receipt(encoding, &sent)).unwrap();
        assert_eq!(read(Encoding::Json), read(Encoding::Protobuf));
        assert_eq!(read(Encoding::Json).results[0].outcome, "stored");
        assert!(decode_receipt(Encoding::Json, b"{").is_err());
    }
}
