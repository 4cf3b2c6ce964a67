//! What the device is told about its batch.

use vigie_store::Ranges;
use vigie_wire::{Encoding, MISSING_RANGES_MAX, encode_receipt, v1};

use crate::decode::Rejection;

/// What became of one reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReadingOutcome {
    /// Committed now.
    Stored(i64),
    /// Committed before, with the same content.
    Duplicate(i64),
    /// The number was used before for something else; that one stays.
    Conflict(i64, String),
    /// In quarantine.
    Rejected(Rejection),
}

impl ReadingOutcome {
    /// Could it be taken?
    pub(crate) fn is_taken(&self) -> bool {
        match self {
            Self::Stored(_) | Self::Duplicate(_) => true,
            Self::Conflict(..) | Self::Rejected(_) => false,
        }
    }

    fn to_wire(&self) -> v1::Result {
        match self {
            Self::Stored(sequence) => result(*sequence, "stored", String::new()),
            Self::Duplicate(sequence) => result(*sequence, "duplicate", String::new()),
            Self::Conflict(sequence, reason) => result(*sequence, "conflict", reason.clone()),
            Self::Rejected(rejection) => {
                let reason = format!("{}: {}", rejection.code, rejection.reason);
                result(rejection.sequence.unwrap_or(0), "rejected", reason)
            }
        }
    }
}

fn result(sequence: i64, outcome: &str, reason: String) -> v1::Result {
    v1::Result { sequence, outcome: outcome.into(), reason }
}

/// The receipt of a batch whose envelope could be read.
pub(crate) fn of_batch(
    encoding: Encoding,
    batch_id: &str,
    epoch: i64,
    outcomes: &[ReadingOutcome],
    ledger: Option<&Ranges>,
) -> Vec<u8> {
    let receipt = v1::Receipt {
        batch_id: batch_id.to_owned(),
        results: outcomes.iter().map(ReadingOutcome::to_wire).collect(),
        epoch: u64::try_from(epoch).unwrap_or(0),
        contiguous: ledger.map_or(0, Ranges::contiguous),
        missing: ledger
            .map(|ranges| ranges.missing(MISSING_RANGES_MAX))
            .unwrap_or_default()
            .into_iter()
            .map(|(first, last)| v1::Range { first, last })
            .collect(),
        reason: String::new(),
    };
    encode_receipt(encoding, &receipt)
}

/// The receipt of a message of which nothing could be taken.
pub(crate) fn of_refusal(encoding: Encoding, rejection: &Rejection) -> Vec<u8> {
    let receipt =
        v1::Receipt { reason: format!("{}: {}", rejection.code, rejection.reason), ..v1::Receipt::default() };
    encode_receipt(encoding, &receipt)
}
