//! Rows of the table `reading` in PostgreSQL's binary COPY format, written by hand: the rate to compare with must not
//! depend on our own code for writing rows.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use jiff::Timestamp;
use vigie_device_sim::{LoadDevice, reading_values};

use crate::stand::patient_id;

/// The columns, in the order in which they are written.
pub(super) const COLUMNS: &str = "patient_id, vital, measured_at, received_at, device_id, epoch, sequence, \
    device_measured_at, value, comparator, unit, of_a_person, context, flags";

const FIELDS: i16 = 14;

/// Microseconds from 1970 to 2000, where PostgreSQL counts from.
const TO_2000: i64 = 946_684_800_000_000;

/// Writes `count` rows as the devices' readings arrive: one of each device in turn, from the `first`-th on.
pub(super) fn write(
    path: &Path,
    devices: &[LoadDevice],
    first: usize,
    count: usize,
    now: Timestamp,
) -> Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    out.write_all(b"PGCOPY\n\xff\r\n\0")?;
    out.write_all(&[0; 8])?;
    for row in first..first + count {
        let device = devices.get(row % devices.len()).context("no devices")?;
        let sequence = i64::try_from(row / devices.len())? + 1;
        write_row(&mut out, device, sequence, now.as_microsecond() - TO_2000 + sequence * 1_000)?;
    }
    out.write_all(&(-1_i16).to_be_bytes())?;
    Ok(out.flush()?)
}

fn write_row(out: &mut impl Write, device: &LoadDevice, sequence: i64, at: i64) -> Result<()> {
    let values = reading_values(device.vital, sequence, None);
    let value = values.first().context("a reading without a value")?;
    let id = device.id.as_str();
    out.write_all(&FIELDS.to_be_bytes())?;
    field(out, patient_id(id).as_bytes())?;
    field(out, value.vital.as_bytes())?;
    field(out, &at.to_be_bytes())?;
    field(out, &at.to_be_bytes())?;
    field(out, id.as_bytes())?;
    field(out, &1_i64.to_be_bytes())?;
    field(out, &sequence.to_be_bytes())?;
    field(out, &at.to_be_bytes())?;
    field(out, &numeric(&value.value)?)?;
    null(out)?;
    field(out, value.unit.as_bytes())?;
    field(out, &[1])?;
    null(out)?;
    null(out)
}

fn field(out: &mut impl Write, bytes: &[u8]) -> Result<()> {
    out.write_all(&i32::try_from(bytes.len())?.to_be_bytes())?;
    Ok(out.write_all(bytes)?)
}

fn null(out: &mut impl Write) -> Result<()> {
    Ok(out.write_all(&(-1_i32).to_be_bytes())?)
}

/// A positive number below 10,000 with at most four decimals, as `numeric` is sent: digits of base 10,000.
fn numeric(text: &str) -> Result<Vec<u8>> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let whole: u16 = whole.parse().with_context(|| format!("{text:?} is no such number"))?;
    let fraction: u16 =
        format!("{part:0<4}").parse().with_context(|| format!("{text:?} is no such number"))?;
    let mut digits = Vec::new();
    if whole > 0 {
        digits.push(whole);
    }
    if fraction > 0 {
        digits.push(fraction);
    }
    let weight: i16 = if whole > 0 { 0 } else { -1 };
    let head = [u16::try_from(digits.len())?, weight.cast_unsigned(), 0, u16::try_from(part.len())?];
    Ok(head.iter().chain(&digits).flat_map(|word| word.to_be_bytes()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_sent_in_digits_of_ten_thousand() {
        let words = |text| {
            let bytes = numeric(text).unwrap();
            bytes.chunks(2).map(|w| i16::from_be_bytes([w[0], w[1]])).collect::<Vec<_>>()
        };
        assert_eq!(words("1.12"), [2, 0, 0, 2, 1, 1_200]);
        assert_eq!(words("0.50"), [1, -1, 0, 2, 5_000]);
        assert_eq!(words("70.0"), [1, 0, 0, 1, 70]);
        assert!(numeric("12345.1").is_err() || numeric("99999").is_err());
    }
}
