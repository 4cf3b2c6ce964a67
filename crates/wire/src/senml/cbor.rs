//! SenML CBOR: an array of maps whose labels are small integers (RFC 8428, table 6).
//!
//! Integers and decimal fractions (tag 4) are exact. A float stands for the shortest decimal that reads back
//! as the same float of its width, which is what a meter that shows 36.6 means by it.

use minicbor::data::{IanaTag, Type};
use minicbor::decode::Error;
use minicbor::{Decoder, data::Int};

use super::SenmlError;
use super::decimal::Decimal;
use super::field::{Field, Named};

/// Names of the integer labels -6 to 8.
const LABELS: [&str; 15] =
    ["bs", "bv", "bu", "bt", "bn", "bver", "n", "u", "v", "vs", "vb", "s", "t", "ut", "vd"];
const FIRST_LABEL: i64 = -6;

/// The records of a pack as named fields.
pub(crate) fn fields_of_pack(bytes: &[u8]) -> Result<Vec<Vec<Named>>, SenmlError> {
    let mut decoder = Decoder::new(bytes);
    let records = pack(&mut decoder).map_err(|error| SenmlError::new(explained(&error)))?;
    if decoder.position() == bytes.len() {
        Ok(records)
    } else {
        Err(SenmlError::new("something follows after the pack"))
    }
}

/// Without the bytes that the library's message might repeat.
fn explained(error: &Error) -> String {
    let what = if error.is_end_of_input() {
        "the pack ends too early"
    } else {
        "the CBOR is not of the shape of a pack"
    };
    match error.position() {
        Some(position) => format!("{what} (byte {position})"),
        None => what.to_owned(),
    }
}

fn pack(decoder: &mut Decoder<'_>) -> Result<Vec<Vec<Named>>, Error> {
    let mut records = Vec::new();
    let mut left = decoder.array()?;
    while more(decoder, &mut left)? {
        records.push(record(decoder)?);
    }
    Ok(records)
}

fn record(decoder: &mut Decoder<'_>) -> Result<Vec<Named>, Error> {
    let mut fields = Vec::new();
    let mut left = decoder.map()?;
    while more(decoder, &mut left)? {
        let name = label(decoder)?;
        fields.push(Named { name, field: field(decoder)? });
    }
    Ok(fields)
}

/// Is there another item in a container of a given length, or of one that ends by a break?
fn more(decoder: &mut Decoder<'_>, left: &mut Option<u64>) -> Result<bool, Error> {
    match left {
        Some(0) => Ok(false),
        Some(n) => {
            *n -= 1;
            Ok(true)
        }
        None if decoder.datatype()? == Type::Break => {
            decoder.set_position(decoder.position() + 1);
            Ok(false)
        }
        None => Ok(true),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "every other type is read as a number, or refused as one")]
fn label(decoder: &mut Decoder<'_>) -> Result<String, Error> {
    match decoder.datatype()? {
        Type::String | Type::StringIndef => text(decoder),
        _ => {
            let number = decoder.i64()?;
            let known = number.checked_sub(FIRST_LABEL).and_then(|at| usize::try_from(at).ok());
            let known = known.and_then(|at| LABELS.get(at));
            // An unknown label keeps its number as its name: it is ignored like any unknown field.
            Ok(known.map_or_else(|| number.to_string(), |name| (*name).to_owned()))
        }
    }
}

fn text(decoder: &mut Decoder<'_>) -> Result<String, Error> {
    decoder.str_iter()?.collect()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "every other type is skipped as a whole")]
fn field(decoder: &mut Decoder<'_>) -> Result<Field, Error> {
    Ok(match decoder.datatype()? {
        Type::U8
        | Type::U16
        | Type::U32
        | Type::U64
        | Type::I8
        | Type::I16
        | Type::I32
        | Type::I64
        | Type::Int => Field::Number(i128::from(decoder.int()?).to_string()),
        Type::F16 => float(decoder.f16()?),
        Type::F32 => float(decoder.f32()?),
        Type::F64 => {
            let number = decoder.f64()?;
            if number.is_finite() { Field::Number(number.to_string()) } else { Field::Other }
        }
        Type::Bool => Field::Bool(decoder.bool()?),
        Type::String | Type::StringIndef => Field::Text(text(decoder)?),
        Type::Tag => tagged(decoder)?,
        _ => {
            decoder.skip()?;
            Field::Other
        }
    })
}

fn float(number: f32) -> Field {
    if number.is_finite() { Field::Number(number.to_string()) } else { Field::Other }
}

/// A decimal fraction; any other tagged item means nothing in a record.
fn tagged(decoder: &mut Decoder<'_>) -> Result<Field, Error> {
    let start = decoder.position();
    if u64::from(decoder.tag()?) == u64::from(IanaTag::Decimal)
        && let Ok(Some(number)) = decimal_fraction(decoder)
    {
        return Ok(Field::Number(number.to_string()));
    }
    decoder.set_position(start);
    decoder.skip()?;
    Ok(Field::Other)
}

/// `[exponent, mantissa]`, exactly; `None` if it has more digits than any measure has.
fn decimal_fraction(decoder: &mut Decoder<'_>) -> Result<Option<Decimal>, Error> {
    if decoder.array()? != Some(2) {
        return Ok(None);
    }
    let exponent: Int = decoder.int()?;
    let mantissa: Int = decoder.int()?;
    let exponent = i32::try_from(i128::from(exponent)).ok();
    Ok(exponent.and_then(|exponent| Decimal::of(i128::from(mantissa), exponent)))
}
