//! `vigie metrics`: the clinical metrics of a file, by the functions that the reports use.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use vigie_vitals::metrics::Sample;
use vigie_vitals::metrics::glucose::{Glucose, Kind, Settings, glucose, spanning};
use vigie_vitals::metrics::inr::{Inr, TherapeuticRange, inr};
use vigie_vitals::{Unit, Value, Vital, check_plausibility};

use super::answer;
use crate::usage::usage;

/// Whose metrics.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Glucose: shares, mean, SD, CV, GMI, LBGI, HBGI, GRI, MAGE, MODD, episodes
    Glucose {
        #[command(flatten)]
        file: File,
        /// Unit of the values: mg/dL, g/L or mmol/L
        #[arg(long, value_name = "UNIT", default_value = "mg/dL")]
        unit: String,
        /// Where they come from: cgm (a sensor) or capillary (fingersticks)
        #[arg(long, value_name = "KIND", default_value = "cgm")]
        kind: String,
    },
    /// INR: time in therapeutic range by Rosendaal's method, variability
    Inr {
        #[command(flatten)]
        file: File,
        /// The therapeutic range, such as 2-3 or 2.5-3.5
        #[arg(long, value_name = "LOW-HIGH")]
        range: String,
    },
}

/// A file of readings.
#[derive(Debug, clap::Args)]
pub(crate) struct File {
    /// CSV with a header and the columns time and value; values may be HI, LO, <0.8, >8.0, or missing (empty, NA)
    #[arg(value_name = "FILE.csv")]
    path: PathBuf,
    /// Zone of times without an offset, and of the patient's days
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    time_zone: String,
}

/// Runs `vigie metrics ...`.
pub(crate) fn run(action: Action) -> Result<ExitCode> {
    answer(&match action {
        Action::Glucose { file, unit, kind } => {
            serde_json::to_string_pretty(&of_glucose(&file, &unit, &kind)?)?
        }
        Action::Inr { file, range } => serde_json::to_string_pretty(&of_inr(&file, &range)?)?,
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The answer for glucose.
#[derive(serde::Serialize)]
struct GlucoseAnswer {
    glucose: Glucose,
    skipped: usize,
}

/// The answer for INR.
#[derive(serde::Serialize)]
struct InrAnswer {
    inr: Inr,
    skipped: usize,
}

fn of_glucose(file: &File, unit: &str, kind: &str) -> Result<GlucoseAnswer> {
    let (kind, vital) = match kind {
        "cgm" => (Kind::Cgm, Vital::GlucoseInterstitial),
        "capillary" => (Kind::Capillary, Vital::Glucose),
        other => return Err(usage(format!("--kind {other} is unknown; there are cgm and capillary"))),
    };
    let unit = Unit::parse(unit)
        .ok()
        .filter(|unit| vital.accepts(*unit))
        .ok_or_else(|| usage(format!("--unit {unit} is unknown; glucose is in mg/dL, g/L or mmol/L")))?;
    let zone = file.zone()?;
    let Readings { samples, skipped } = file.read(&zone, vital, unit)?;
    let period = spanning(&samples).ok_or_else(|| file.nothing())?;
    Ok(GlucoseAnswer { glucose: glucose(&samples, period, &Settings::new(kind, zone)), skipped })
}

fn of_inr(file: &File, range: &str) -> Result<InrAnswer> {
    let range = parse_range(range).ok_or_else(|| {
        usage(format!("--range {range} is no range; write the lower and the upper bound, such as 2-3"))
    })?;
    let Readings { samples, skipped } = file.read(&file.zone()?, Vital::Inr, Unit::Inr)?;
    let period = spanning(&samples).ok_or_else(|| file.nothing())?;
    Ok(InrAnswer { inr: inr(&samples, period, range), skipped })
}

fn parse_range(text: &str) -> Option<TherapeuticRange> {
    let (low, high) = text.split_once('-')?;
    let bound = |text: &str| text.trim().parse::<Decimal>().ok();
    let range = TherapeuticRange { low: bound(low)?, high: bound(high)? };
    (Decimal::ZERO < range.low && range.low < range.high).then_some(range)
}

/// What a file holds.
struct Readings {
    samples: Vec<Sample>,
    /// Rows without a value.
    skipped: usize,
}

impl File {
    fn zone(&self) -> Result<TimeZone> {
        TimeZone::get(&self.time_zone).map_err(|_| {
            usage(format!("--time-zone {} is no time zone, such as Europe/Paris", self.time_zone))
        })
    }

    fn nothing(&self) -> anyhow::Error {
        usage(format!("{} holds no value", self.path.display()))
    }

    fn read(&self, zone: &TimeZone, vital: Vital, unit: Unit) -> Result<Readings> {
        let path = &self.path;
        let mut rows = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_path(path)
            .map_err(|error| usage(format!("{} cannot be read: {error}", path.display())))?;
        let header = rows.headers().map_err(|error| bad(path, 1, &error.to_string()))?.clone();
        let column = |name: &str| {
            header
                .iter()
                .position(|other| other.trim_start_matches('\u{feff}') == name)
                .ok_or_else(|| bad(path, 1, &format!("there is no column {name}")))
        };
        let (time, value) = (column("time")?, column("value")?);
        let mut readings = Readings { samples: Vec::new(), skipped: 0 };
        for row in rows.records() {
            let row = row.map_err(|error| {
                bad(
                    path,
                    error.position().map_or(0, csv::Position::line),
                    "the row is not as long as the header",
                )
            })?;
            let line = row.position().map_or(0, csv::Position::line);
            let (time, value) = (row.get(time).unwrap_or_default(), row.get(value).unwrap_or_default());
            let at = parse_time(time, zone).ok_or_else(|| {
                bad(path, line, &format!("{time:?} is no time, such as 2026-03-29T08:00:00+02:00"))
            })?;
            match parse_value(value, vital, unit).map_err(|why| bad(path, line, &why))? {
                Some(value) => readings.samples.push(Sample { at, value }),
                None => readings.skipped += 1,
            }
        }
        Ok(readings)
    }
}

/// A mistake in a file.
fn bad(path: &Path, line: u64, why: &str) -> anyhow::Error {
    usage(format!("{} line {line}: {why}", path.display()))
}

/// An instant with its offset; or a local time, or a date alone (its midnight), in the zone given. A local time that
/// comes twice is the earlier one, one that is left out is an hour later.
fn parse_time(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    let local: DateTime = text.parse().ok()?;
    Some(local.to_zoned(zone.clone()).ok()?.timestamp())
}

/// A value; `None` for a missing one. What could not be a measurement of a person is a mistake, as it is for a device.
fn parse_value(text: &str, vital: Vital, unit: Unit) -> Result<Option<Value>, String> {
    let text = match text.to_ascii_uppercase().as_str() {
        "" | "NA" | "NAN" | "NULL" => return Ok(None),
        "HI" | "HIGH" => "HI",
        "LO" | "LOW" => "LO",
        _ => text,
    };
    let value = Value::parse(text, "", unit).map_err(|error| format!("{text:?}: {error}"))?;
    check_plausibility(vital, &value).map_err(|error| format!("{text:?}: {error}"))?;
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_an_offset_or_are_local_or_are_dates() {
        let paris = TimeZone::get("Europe/Paris").unwrap();
        for (text, expected) in [
            ("2026-03-29T08:00:00+02:00", "2026-03-29T06:00:00Z"),
            ("2026-03-29T06:00:00Z", "2026-03-29T06:00:00Z"),
            ("2015-06-06 16:50:27", "2015-06-06T14:50:27Z"),
            ("2015-01-06T16:50:27", "2015-01-06T15:50:27Z"),
            ("2015-01-06", "2015-01-05T23:00:00Z"),
            // Twice, and never, on the days when the clocks change.
            ("2026-10-25 02:30:00", "2026-10-25T00:30:00Z"),
            ("2026-03-29 02:30:00", "2026-03-29T01:30:00Z"),
        ] {
            assert_eq!(parse_time(text, &paris), Some(expected.parse().unwrap()), "{text}");
        }
        for text in ["", "yesterday", "06/06/2015 16:50", "1433602227"] {
            assert_eq!(parse_time(text, &paris), None, "{text}");
        }
    }

    #[test]
    fn missing_values_are_none_and_impossible_ones_are_refused() {
        let glucose = |text| parse_value(text, Vital::Glucose, Unit::MilligramPerDecilitre);
        for text in ["", "NA", "na", "NaN"] {
            assert_eq!(glucose(text), Ok(None), "{text}");
        }
        for text in ["LO", "Low", "HI", "high", "<40", ">600", "120", "120.5"] {
            assert!(matches!(glucose(text), Ok(Some(_))), "{text}");
        }
        for text in ["12O", "1,2", "1e2", "-5", "0", "99999"] {
            assert!(glucose(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_range_goes_from_a_lower_to_a_higher_bound() {
        let range = parse_range("2.5-3.5").unwrap();
        assert_eq!((range.low.to_string(), range.high.to_string()), ("2.5".to_owned(), "3.5".to_owned()));
        for text in ["", "2", "3-2", "2-2", "0-3", "-1-3", "a-b", "2-3-4"] {
            assert!(parse_range(text).is_none(), "{text}");
        }
    }
}
