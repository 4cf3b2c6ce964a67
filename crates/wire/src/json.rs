//! The JSON form: the field names of the `.proto`, empty fields left out.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{BadReading, Batch, v1};

/// The text is not a `ReadingBatch` as JSON. The message names place and cause and repeats no value.
#[derive(Debug, thiserror::Error)]
#[error("not a reading batch as JSON: {0}")]
pub struct JsonError(String);

/// Reads a batch, reading by reading: a broken reading is an `Err` in its place and never hides the
/// good ones. Unknown fields are ignored (a newer device may send more than we know); a `value` may be
/// a JSON string or a JSON number, whose digits are kept as written.
pub fn batch_from_json(bytes: &[u8]) -> Result<Batch, JsonError> {
    let text = std::str::from_utf8(bytes).map_err(|e| JsonError(e.to_string()))?;
    let envelope: Envelope<'_> = serde_json::from_str(text).map_err(|e| JsonError(e.to_string()))?;
    Ok(Batch {
        batch_id: envelope.batch_id,
        sent_at: envelope.sent_at.unwrap_or_default(),
        clock_state: envelope.clock_state.and_then(word).unwrap_or_default(),
        epoch: envelope.epoch,
        readings: envelope.readings.into_iter().map(reading_from_json).collect(),
        times_relative: false,
    })
}

/// Text, or nothing: this field came later, and an older device may have had another meaning for its name.
fn word(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

fn reading_from_json(raw: &RawValue) -> Result<v1::Reading, BadReading> {
    serde_json::from_str::<Reading>(raw.get()).map(Reading::into_proto).map_err(|error| BadReading {
        sequence: serde_json::from_str::<OnlySequence>(raw.get()).ok().map(|s| s.sequence),
        code: "not_a_reading",
        reason: error.to_string(),
    })
}

/// Writes a receipt: `{"batch_id","results":[..],"epoch","contiguous","missing":[[first,last],..]}`,
/// with `reason` only when the whole batch was refused.
pub fn receipt_to_json(receipt: &v1::Receipt) -> Vec<u8> {
    let results: Vec<_> = receipt
        .results
        .iter()
        .map(|r| {
            if r.reason.is_empty() {
                serde_json::json!({ "sequence": r.sequence, "outcome": r.outcome })
            } else {
                serde_json::json!({ "sequence": r.sequence, "outcome": r.outcome, "reason": r.reason })
            }
        })
        .collect();
    let missing: Vec<_> = receipt.missing.iter().map(|r| [r.first, r.last]).collect();
    let mut json = serde_json::json!({
        "batch_id": receipt.batch_id,
        "results": results,
        "epoch": receipt.epoch,
        "contiguous": receipt.contiguous,
        "missing": missing,
    });
    if let Some(fields) = json.as_object_mut()
        && !receipt.reason.is_empty()
    {
        fields.insert("reason".into(), receipt.reason.clone().into());
    }
    json.to_string().into_bytes()
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(default)]
    batch_id: String,
    #[serde(default)]
    sent_at: Option<String>,
    #[serde(default, borrow)]
    clock_state: Option<&'a RawValue>,
    #[serde(default)]
    epoch: u64,
    #[serde(borrow)]
    readings: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct OnlySequence {
    sequence: i64,
}

#[derive(Deserialize)]
struct Reading {
    sequence: i64,
    #[serde(default)]
    measured_at: Option<String>,
    values: Vec<Value>,
    #[serde(default)]
    context: Option<v1::Context>,
}

impl Reading {
    fn into_proto(self) -> v1::Reading {
        v1::Reading {
            sequence: self.sequence,
            measured_at: self.measured_at.unwrap_or_default(),
            values: self.values.into_iter().map(Value::into_proto).collect(),
            context: self.context,
        }
    }
}

#[derive(Deserialize)]
struct Value {
    vital: String,
    value: Literal,
    unit: String,
    #[serde(default)]
    comparator: Option<String>,
}

impl Value {
    fn into_proto(self) -> v1::Value {
        v1::Value {
            vital: self.vital,
            value: self.value.0,
            unit: self.unit,
            comparator: self.comparator.unwrap_or_default(),
        }
    }
}

/// A string, or the digits of a number exactly as they stand in the text (never through a float).
struct Literal(String);

impl<'de> Deserialize<'de> for Literal {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        if raw.starts_with('"') {
            return serde_json::from_str(raw).map(Self).map_err(serde::de::Error::custom);
        }
        if raw.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
            return Ok(Self(raw.to_owned()));
        }
        Err(serde::de::Error::custom("a value is a decimal, as a string or a number"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = r#"{"batch_id":"b-17","sent_at":"2026-11-22T07:01:03+01:00","epoch":1,
        "readings":[{"sequence":42,"measured_at":"2026-11-22T07:00:10+01:00",
        "values":[{"vital":"glucose","value":"1.12","unit":"g/L"}],
        "context":{"meal":"fasting","sample":"capillary"}}]}"#;

    #[test]
    fn the_example_of_the_contract_is_read() {
        let batch = batch_from_json(EXAMPLE.as_bytes()).unwrap();
        assert_eq!(batch.batch_id, "b-17");
        assert_eq!(batch.epoch, 1);
        let reading = batch.readings[0].as_ref().unwrap();
        assert_eq!(reading.sequence, 42);
        assert_eq!(reading.values[0].value, "1.12");
        assert_eq!(reading.context.as_ref().unwrap().meal, "fasting");
    }

    #[test]
    fn digits_of_a_number_are_kept_as_written() {
        let text = EXAMPLE.replace(r#""1.12""#, "1.10");
        assert_eq!(
            batch_from_json(text.as_bytes()).unwrap().readings[0].as_ref().unwrap().values[0].value,
            "1.10"
        );
    }

    #[test]
    fn the_clock_state_is_a_word_and_anything_else_says_nothing() {
        let with = |text: &str| {
            let batch = EXAMPLE.replace(r#""epoch":1"#, &format!(r#""epoch":1,"clock_state":{text}"#));
            batch_from_json(batch.as_bytes()).unwrap().clock_state
        };
        assert_eq!(with(r#""unsynchronised""#), "unsynchronised");
        for other in ["null", "7", r#"{"set":true}"#] {
            assert_eq!(with(other), "", "{other}");
        }
    }

    #[test]
    fn a_reading_without_a_time_is_read_and_says_so() {
        for without in [r#""measured_at":null,"#, r#""measured_at":"","#, ""] {
            let text = EXAMPLE.replace(r#""measured_at":"2026-11-22T07:00:10+01:00","#, without);
            let batch = batch_from_json(text.as_bytes()).unwrap();
            assert_eq!(batch.readings[0].as_ref().unwrap().measured_at, "", "{without}");
        }
    }

    #[test]
    fn a_broken_reading_does_not_hide_the_good_ones() {
        let text = r#"{"readings":[{"sequence":7},
            {"sequence":8,"measured_at":"2026-11-22T07:00:10Z","values":[]}, 5]}"#;
        let batch = batch_from_json(text.as_bytes()).unwrap();
        assert_eq!(batch.readings[0].as_ref().unwrap_err().sequence, Some(7));
        assert_eq!(batch.readings[1].as_ref().unwrap().sequence, 8);
        assert_eq!(batch.readings[2].as_ref().unwrap_err().sequence, None);
    }

    #[test]
    fn broken_texts_are_errors_and_never_panics() {
        for text in ["", "{", "[]", "null", r#"{"readings":1}"#, r#"{"batch_id":"b"}"#] {
            assert!(batch_from_json(text.as_bytes()).is_err(), "{text}");
        }
        assert!(batch_from_json(&[0xff, 0xfe]).is_err());
        let bool_value = EXAMPLE.replace(r#""1.12""#, "true");
        assert!(batch_from_json(bool_value.as_bytes()).unwrap().readings[0].is_err());
    }

    #[test]
    fn a_receipt_has_the_shape_of_the_contract() {
        let receipt = v1::Receipt {
            batch_id: "b-17".into(),
            results: vec![v1::Result { sequence: 42, outcome: "stored".into(), reason: String::new() }],
            epoch: 1,
            contiguous: 41,
            missing: vec![v1::Range { first: 17, last: 19 }],
            reason: String::new(),
        };
        let json: serde_json::Value = serde_json::from_slice(&receipt_to_json(&receipt)).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"batch_id":"b-17","results":[{"sequence":42,"outcome":"stored"}],
                "epoch":1,"contiguous":41,"missing":[[17,19]]})
        );
    }
}
