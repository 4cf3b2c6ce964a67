//! SenML JSON: an array of objects. Numbers keep their digits.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::SenmlError;
use super::field::{Field, Named};

/// The records of a pack as named fields.
pub(crate) fn fields_of_pack(bytes: &[u8]) -> Result<Vec<Vec<Named>>, SenmlError> {
    let text = std::str::from_utf8(bytes).map_err(SenmlError::new)?;
    let records: Vec<Record> = serde_json::from_str(text).map_err(SenmlError::new)?;
    Ok(records.into_iter().map(|record| record.0).collect())
}

/// An object with its fields in the order sent, doubles included.
struct Record(Vec<Named>);

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Record;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a SenML record")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
                let mut fields = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    fields.push(Named { name, field: field_of(value.get()) });
                }
                Ok(Record(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

fn field_of(raw: &str) -> Field {
    match raw.as_bytes().first() {
        Some(b'"') => serde_json::from_str(raw).map_or(Field::Other, Field::Text),
        Some(b'-' | b'0'..=b'9') => Field::Number(raw.to_owned()),
        Some(b't') => Field::Bool(true),
        Some(b'f') => Field::Bool(false),
        _ => Field::Other,
    }
}
