//! What devices send, as they would write it: by hand, not with the server's types.

use jiff::Timestamp;
use serde_json::{Value, json};
use vigie_service::Clock;

pub(crate) fn now() -> Timestamp {
    Clock::system().now()
}

/// One reading of one value.
pub(crate) fn reading(sequence: i64, at: Timestamp, vital: &str, value: &str, unit: &str) -> Value {
    let values = json!([{ "vital": vital, "value": value, "unit": unit }]);
    json!({ "sequence": sequence, "measured_at": at.to_string(), "values": values })
}

/// A glucose in g/L, as a French meter shows it.
pub(crate) fn glucose(sequence: i64, at: Timestamp, grams_per_litre: &str) -> Value {
    reading(sequence, at, "glucose", grams_per_litre, "g/L")
}

/// A batch, without the device's own time of sending.
pub(crate) fn batch(id: &str, readings: &[Value]) -> Value {
    json!({ "batch_id": id, "epoch": 1, "readings": readings })
}

/// A batch of one reading.
pub(crate) fn one(reading: Value) -> String {
    batch("b-1", &[reading]).to_string()
}
