//! What charts are drawn from.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use rust_decimal::{Decimal, dec};
use vigie_charts::{Band, Datum, Point};
use vigie_store::patients::StoredReading;
use vigie_store::reports::record::WeekRecord;
use vigie_vitals::metrics::Period;
use vigie_vitals::{Comparator, ReadingKey, Unit, Value, Vital, convert};

use super::completeness::pauses_known;
use super::frame::{Frame, overlap};
use super::{Pressure, Shaded};

/// The readings as points in one unit.
pub(super) fn points(readings: &[&StoredReading], vital: Vital, unit: Unit) -> Vec<Point> {
    let point = |stored: &&StoredReading| {
        let reading = &stored.reading;
        let value = datum(&reading.value, unit, vital)?;
        Some(Point { at: reading.measured_at, received_at: reading.received_at, value })
    };
    readings.iter().filter_map(point).collect()
}

/// Glucose for curves: in mg/dL, to one decimal. A censored value stands at the end of the range that the device
/// named, a bare `LO` or `HI` at that of the devices in use (sensors 40 and 400 \[CGMR\], meters 10 and 600
/// \[DARIO\]\[INFORM2\]), so that a curve does not hide it.
pub(super) fn milligrams(readings: &[&StoredReading], vital: Vital) -> Vec<(Timestamp, f64)> {
    let range =
        if vital == Vital::GlucoseInterstitial { (dec!(40), dec!(400)) } else { (dec!(10), dec!(600)) };
    let number = |value: &Value| {
        let bare = match value.comparator {
            Some(Comparator::Below) => Some((range.0, Unit::MilligramPerDecilitre)),
            Some(Comparator::Above) => Some((range.1, Unit::MilligramPerDecilitre)),
            None => None,
        };
        let (number, unit) = value.number.map(|number| (number, value.unit)).or(bare)?;
        let milligrams = convert(number, unit, Unit::MilligramPerDecilitre, vital).ok()?;
        f64::try_from(milligrams.round_dp(1)).ok()
    };
    readings.iter().filter_map(|r| Some((r.reading.measured_at, number(&r.reading.value)?))).collect()
}

fn datum(value: &Value, unit: Unit, vital: Vital) -> Option<Datum> {
    let number = match value.number {
        // For the picture only: rounded, because a conversion has no honest digits beyond that.
        Some(number) if value.unit != unit => {
            Some(convert(number, value.unit, unit, vital).ok()?.round_dp(2))
        }
        number => number,
    };
    match value.comparator {
        Some(Comparator::Below) => Some(Datum::Below(number)),
        Some(Comparator::Above) => Some(Datum::Above(number)),
        None => number.map(Datum::Exact),
    }
}

/// Systolic and diastolic values of the same reading, in mmHg; those of which one is censored are not drawn.
pub(super) fn pressures(
    systolic: &[&StoredReading],
    diastolic: &[&StoredReading],
    frame: &Frame,
) -> Vec<Pressure> {
    let exact = |stored: &StoredReading, vital| match datum(
        &stored.reading.value,
        Unit::MillimetreOfMercury,
        vital,
    ) {
        Some(Datum::Exact(number)) => Some(number),
        _ => None,
    };
    let low: BTreeMap<&ReadingKey, Decimal> = diastolic
        .iter()
        .filter_map(|stored| Some((&stored.reading.key, exact(stored, Vital::Diastolic)?)))
        .collect();
    systolic
        .iter()
        .filter_map(|stored| {
            Some(Pressure {
                at: stored.reading.measured_at,
                systolic: exact(stored, Vital::Systolic)?,
                diastolic: *low.get(&stored.reading.key)?,
                morning: is_morning(stored, frame),
            })
        })
        .collect()
}

/// As the device said, otherwise before noon.
fn is_morning(stored: &StoredReading, frame: &Frame) -> bool {
    let session = stored.context.as_ref().and_then(|context| context.get("session"));
    match session.and_then(serde_json::Value::as_str) {
        Some("morning") => true,
        Some("evening") => false,
        _ => frame.zone.to_datetime(stored.reading.measured_at).hour() < 12,
    }
}

/// Pauses within a period.
pub(super) fn shaded(record: &WeekRecord, frame: &Frame, period: Period) -> Vec<Shaded> {
    pauses_known(record, frame)
        .into_iter()
        .filter(|pause| overlap(pause.from, pause.until, period))
        .map(|pause| Shaded { from: pause.from.max(period.from), to: pause.until.min(period.to) })
        .collect()
}

/// 70 to 180 mg/dL as it is published in each unit \[TIR\] (DOMAIN 1.3).
pub(super) fn glucose_target(unit: Unit) -> Option<Band> {
    [
        (Unit::MilligramPerDecilitre, dec!(70), dec!(180)),
        (Unit::GramPerLitre, dec!(0.70), dec!(1.80)),
        (Unit::MillimolePerLitre, dec!(3.9), dec!(10.0)),
    ]
    .into_iter()
    .find(|(of, _, _)| *of == unit)
    .map(|(_, low, high)| Band { low, high })
}

/// 54 mg/dL as it is published in each unit \[HYPO\] (DOMAIN 1.3).
pub(super) fn very_low_limit(unit: Unit) -> Option<Decimal> {
    [
        (Unit::MilligramPerDecilitre, dec!(54)),
        (Unit::GramPerLitre, dec!(0.54)),
        (Unit::MillimolePerLitre, dec!(3.0)),
    ]
    .into_iter()
    .find(|(of, _)| *of == unit)
    .map(|(_, limit)| limit)
}

/// Points further apart than this are not joined: a line would claim what nobody measured. As on the pages.
pub(super) fn join_within(vital: Vital) -> Option<SignedDuration> {
    match vital {
        Vital::GlucoseInterstitial => Some(SignedDuration::from_mins(20)),
        // Weekly tests; two weeks without one is a gap.
        Vital::Inr => Some(SignedDuration::from_hours(24 * 15)),
        Vital::Weight => Some(SignedDuration::from_hours(36)),
        Vital::Glucose
        | Vital::Systolic
        | Vital::Diastolic
        | Vital::Pulse
        | Vital::Spo2
        | Vital::Temperature
        | Vital::RespiratoryRate
        | Vital::Fev1
        | Vital::PeakFlow
        | Vital::SymptomScore => None,
    }
}
