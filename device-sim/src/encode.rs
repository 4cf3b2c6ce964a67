//! Batches as bytes: protobuf, or JSON written here and not by the server's code, with empty fields left out as the
//! contract's example has them.

use serde::Serialize;
use vigie_wire::{Encoding, Message, v1};

/// Writes a batch in an encoding. Simulated devices do not speak SenML: asked for it, they send JSON.
pub fn encode_batch(encoding: Encoding, batch: &v1::ReadingBatch) -> Vec<u8> {
    match encoding {
        Encoding::Protobuf => batch.encode_to_vec(),
        Encoding::Json | Encoding::SenmlJson | Encoding::SenmlCbor => json(&Batch {
            batch_id: &batch.batch_id,
            sent_at: &batch.sent_at,
            epoch: batch.epoch,
            readings: batch.readings.iter().map(Reading::of).collect(),
        }),
    }
}

/// Writes a status in an encoding; its topic is the same for both, and `{` tells them apart.
pub(crate) fn encode_status(encoding: Encoding, status: &v1::Status) -> Vec<u8> {
    match encoding {
        Encoding::Protobuf => status.encode_to_vec(),
        Encoding::Json | Encoding::SenmlJson | Encoding::SenmlCbor => json(&Status {
            state: &status.state,
            battery_percent: status.battery_percent,
            firmware: &status.firmware,
            clock: &status.clock,
            queue_length: status.queue_length,
        }),
    }
}

/// Structures of texts and numbers have no way to fail.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

#[derive(Serialize)]
struct Batch<'a> {
    batch_id: &'a str,
    sent_at: &'a str,
    epoch: u64,
    readings: Vec<Reading<'a>>,
}

#[derive(Serialize)]
struct Reading<'a> {
    sequence: i64,
    measured_at: &'a str,
    values: Vec<Value<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Context<'a>>,
}

impl<'a> Reading<'a> {
    fn of(reading: &'a v1::Reading) -> Self {
        Self {
            sequence: reading.sequence,
            measured_at: &reading.measured_at,
            values: reading
                .values
                .iter()
                .map(|v| Value { vital: &v.vital, value: &v.value, unit: &v.unit, comparator: &v.comparator })
                .collect(),
            context: reading.context.as_ref().map(|c| Context {
                meal: &c.meal,
                sample: &c.sample,
                session: &c.session,
                activity: &c.activity,
                entry: &c.entry,
                test: c.test,
            }),
        }
    }
}

#[derive(Serialize)]
struct Value<'a> {
    vital: &'a str,
    value: &'a str,
    unit: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    comparator: &'a str,
}

#[derive(Serialize)]
struct Context<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    meal: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    sample: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    session: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    activity: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    entry: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    test: bool,
}

#[derive(Serialize)]
struct Status<'a> {
    state: &'a str,
    battery_percent: u32,
    firmware: &'a str,
    clock: &'a str,
    queue_length: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_wire::decode_batch;

    #[test]
    fn both_encodings_say_the_same_and_json_looks_like_the_contract() {
        let batch = v1::ReadingBatch {
            batch_id: "b-17".into(),
            sent_at: "2026-11-22T07:01:03+01:00".into(),
            epoch: 1,
            readings: vec![v1::Reading {
                sequence: 42,
                measured_at: "2026-11-22T07:00:10+01:00".into(),
                values: vec![crate::measurement::value("glucose", "1.12".into(), "g/L")],
                context: Some(v1::Context {
                    meal: "fasting".into(),
                    sample: "capillary".into(),
                    ..v1::Context::default()
                }),
            }],
            ..v1::ReadingBatch::default()
        };
        let text = encode_batch(Encoding::Json, &batch);
        assert_eq!(
            String::from_utf8_lossy(&text),
            concat!(
                r#"{"batch_id":"b-17","sent_at":"2026-11-22T07:01:03+01:00","epoch":1,"#,
                r#""readings":[{"sequence":42,"measured_at":"2026-11-22T07:00:10+01:00","#,
                r#""values":[{"vital":"glucose","value":"1.12","unit":"g/L"}],"#,
                r#""context":{"meal":"fasting","sample":"capillary"}}]}"#
            )
        );
        let binary = encode_batch(Encoding::Protobuf, &batch);
        assert_eq!(
            decode_batch(Encoding::Json, &text, 0).unwrap(),
            decode_batch(Encoding::Protobuf, &binary, 0).unwrap()
        );
    }
}
