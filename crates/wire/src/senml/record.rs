//! A record: its fields, each by what it means.

use crate::v1;

use super::decimal::Decimal;
use super::field::{Field, Named};
use super::{Fault, SenmlError};

/// A record as sent, base values not yet applied.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) version: Option<i64>,
    pub(super) base_name: Option<String>,
    pub(super) base_time: Option<Decimal>,
    pub(super) base_unit: Option<String>,
    pub(super) base_value: Option<Decimal>,
    pub(super) name: Option<String>,
    pub(super) unit: Option<String>,
    pub(super) time: Option<Decimal>,
    pub(super) value: Measured,
    pub(super) sequence: Option<i64>,
    pub(super) epoch: Option<u64>,
    pub(super) batch_id: Option<String>,
    pub(super) context: Option<v1::Context>,
    /// The first thing wrong with it.
    pub(super) fault: Option<Fault>,
}

/// The value of a record.
#[derive(Debug, Default)]
pub(super) enum Measured {
    /// None of the value fields.
    #[default]
    Nothing,
    /// `v`, as sent.
    Number(String),
    /// `vs`: a meter that shows `HI`, `LO` or `<0.8` says so in words.
    Text(String),
    /// More than one of them, or one that no vital sign has.
    Foreign,
}

impl Measured {
    /// The value as text with the base value added. Digits stay as written; only an exponent, and a sum with a
    /// base value, are written out.
    pub(super) fn resolve(self, base: Option<Decimal>) -> Result<String, Fault> {
        let not_a_number = Fault { code: "senml_value", reason: "v is a number of at most 30 digits" };
        match (self, base) {
            (Self::Number(digits), None) if !digits.contains(['e', 'E']) => Ok(digits),
            (Self::Number(digits), base) => {
                let sum = Decimal::parse(&digits).and_then(|own| own.plus(base.unwrap_or_default()));
                sum.map(|sum| sum.to_string()).ok_or(not_a_number)
            }
            (Self::Text(text), None) => Ok(text),
            (Self::Text(_), Some(_)) => {
                Err(Fault { code: "senml_value", reason: "a value in words cannot be added to a base value" })
            }
            (Self::Nothing, Some(base)) => Ok(base.to_string()),
            (Self::Nothing, None) => Err(Fault { code: "senml_value", reason: "the record has no value" }),
            (Self::Foreign, _) => {
                Err(Fault { code: "senml_value", reason: "a vital sign has one of v and vs, no vb, vd or s" })
            }
        }
    }
}

/// Longest text taken from a field, in bytes; longer ones are refused here rather than copied on.
const TEXT_BYTES_MAX: usize = 255;

/// Reads a record. A broken base field is an error of the whole pack: the records after it would be misread.
pub(super) fn read(fields: Vec<Named>) -> Result<Record, SenmlError> {
    let mut record = Record::default();
    let mut seen: Vec<String> = Vec::new();
    for Named { name, field } in fields {
        if seen.contains(&name) {
            if name.starts_with('b') {
                return Err(SenmlError::new("a base field stands twice in one record"));
            }
            record.fail("senml_field", "a field stands twice in the record");
            continue;
        }
        record.take(&name, field)?;
        // Unknown names do not count: nothing depends on them, and a list of them could be long.
        if seen.len() < KNOWN_MAX && is_known(&name) {
            seen.push(name);
        }
    }
    Ok(record)
}

const KNOWN: [&str; 24] = [
    "bver",
    "bn",
    "bt",
    "bu",
    "bv",
    "bs",
    "n",
    "u",
    "v",
    "vs",
    "vb",
    "vd",
    "s",
    "t",
    "ut",
    "vigie_seq",
    "vigie_epoch",
    "vigie_batch",
    "vigie_meal",
    "vigie_sample",
    "vigie_session",
    "vigie_activity",
    "vigie_entry",
    "vigie_test",
];
const KNOWN_MAX: usize = KNOWN.len();

fn is_known(name: &str) -> bool {
    KNOWN.contains(&name)
}

/// Version 10 is RFC 8428, whose own examples still say 5; bit 4 on top of 10 announces secondary units
/// (RFC 9100), which are read as well. What announces more must not be read.
fn version(field: Field) -> Result<i64, SenmlError> {
    match integer(&field) {
        Some(version @ (1..=10 | 26)) => Ok(version),
        _ => Err(SenmlError::new(
            "this version of SenML is not understood; bver is at most 10, or 26 with secondary units",
        )),
    }
}

fn integer(field: &Field) -> Option<i64> {
    match field {
        Field::Number(text) => text.parse().ok(),
        Field::Text(_) | Field::Bool(_) | Field::Other => None,
    }
}

fn number(field: &Field) -> Option<Decimal> {
    match field {
        Field::Number(text) => Decimal::parse(text),
        Field::Text(_) | Field::Bool(_) | Field::Other => None,
    }
}

fn text(field: Field) -> Option<String> {
    match field {
        Field::Text(text) => Some(text).filter(|text| text.len() <= TEXT_BYTES_MAX),
        Field::Number(_) | Field::Bool(_) | Field::Other => None,
    }
}

fn base<T>(value: Option<T>) -> Result<Option<T>, SenmlError> {
    match value {
        Some(value) => Ok(Some(value)),
        None => Err(SenmlError::new("a base field is not of its type")),
    }
}

impl Record {
    /// Nothing but base fields: it sets them for the records that follow.
    pub(super) fn is_base_only(&self) -> bool {
        self.name.is_none()
            && self.unit.is_none()
            && self.time.is_none()
            && self.sequence.is_none()
            && self.context.is_none()
            && self.fault.is_none()
            && matches!(self.value, Measured::Nothing)
    }

    fn fail(&mut self, code: &'static str, reason: &'static str) {
        self.fault.get_or_insert(Fault { code, reason });
    }

    fn take(&mut self, name: &str, field: Field) -> Result<(), SenmlError> {
        match name {
            "bver" => self.version = Some(version(field)?),
            "bn" => self.base_name = base(text(field))?,
            "bt" => self.base_time = base(number(&field))?,
            "bu" => self.base_unit = base(text(field))?,
            "bv" => self.base_value = base(number(&field))?,
            "bs" => {
                base(number(&field))?;
            }
            "vigie_epoch" => self.epoch = base(integer(&field).and_then(|n| u64::try_from(n).ok()))?,
            "vigie_batch" => self.batch_id = base(text(field))?,
            "n" => self.name = self.or_fail(text(field), "n is a string of at most 255 bytes"),
            "u" => self.unit = self.or_fail(text(field), "u is a string"),
            "t" => self.time = self.or_fail(number(&field), "t is a number of seconds"),
            "ut" => {}
            "v" | "vs" | "vb" | "vd" | "s" => self.take_value(name, field),
            "vigie_seq" => match integer(&field) {
                Some(sequence) => self.sequence = Some(sequence),
                None => self.fail("senml_sequence", "vigie_seq is an integer"),
            },
            _ => return self.take_further(name, field),
        }
        Ok(())
    }

    fn or_fail<T>(&mut self, value: Option<T>, reason: &'static str) -> Option<T> {
        if value.is_none() {
            self.fail("senml_field", reason);
        }
        value
    }

    fn take_value(&mut self, name: &str, field: Field) {
        self.value = match (&self.value, name, field) {
            (Measured::Nothing, "v", Field::Number(digits)) => Measured::Number(digits),
            (Measured::Nothing, "vs", Field::Text(text)) if text.len() <= TEXT_BYTES_MAX => {
                Measured::Text(text)
            }
            _ => Measured::Foreign,
        };
    }

    /// Circumstances, and fields that nobody here knows. RFC 8428: an unknown field is ignored, unless its name
    /// ends in `_`; whoever sends that insists on being understood.
    fn take_further(&mut self, name: &str, field: Field) -> Result<(), SenmlError> {
        if let Some(circumstance) = name.strip_prefix("vigie_")
            && self.take_context(circumstance, &field)
        {
            return Ok(());
        }
        if name.ends_with('_') {
            if name.starts_with('b') {
                return Err(SenmlError::new("a base field that must be understood is not"));
            }
            self.fail("senml_must_understand", "a field whose name ends in _ is not understood");
        }
        Ok(())
    }

    /// Was it a circumstance?
    fn take_context(&mut self, name: &str, field: &Field) -> bool {
        let mut context = self.context.take().unwrap_or_default();
        let slot = match name {
            "meal" => Some(&mut context.meal),
            "sample" => Some(&mut context.sample),
            "session" => Some(&mut context.session),
            "activity" => Some(&mut context.activity),
            "entry" => Some(&mut context.entry),
            _ => None,
        };
        let known = match (slot, name, field) {
            (Some(slot), _, Field::Text(text)) => {
                slot.clone_from(text);
                true
            }
            (None, "test", Field::Bool(test)) => {
                context.test = *test;
                true
            }
            (Some(_), ..) | (None, "test", _) => {
                self.fail("senml_context", "a circumstance is a string, vigie_test is true or false");
                true
            }
            (None, ..) => false,
        };
        if known || context != v1::Context::default() {
            self.context = Some(context);
        }
        known
    }
}
