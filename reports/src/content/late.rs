//! What came late, and what came since the report before.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use vigie_store::patients::StoredReading;
use vigie_store::reports::record::WeekRecord;
use vigie_vitals::{ReadingKey, Vital};

use super::Late;
use super::frame::Frame;
use super::measured::Measured;

/// What arrives later than this is told with both its times, as on the pages.
const LATE: SignedDuration = SignedDuration::from_hours(1);

/// Readings of the week that came late; those that follow one another are told together.
pub(super) fn late(measured: &Measured<'_>, frame: &Frame) -> Vec<Late> {
    let lines = by_vital(once_each(measured.received(frame.whole)));
    let mut late = Vec::new();
    for (_, readings) in lines {
        for run in readings.chunk_by(|a, b| is_late(a) == is_late(b)) {
            if run.first().is_some_and(|first| is_late(first)) {
                late.extend(together(run));
            }
        }
    }
    in_order(late)
}

/// Readings of earlier weeks that the report before did not know; of each vital sign, those of one local day together.
pub(super) fn arrived_since(record: &WeekRecord, frame: &Frame) -> Vec<Late> {
    let Some(earlier) = &record.earlier else { return Vec::new() };
    let mut readings: Vec<&StoredReading> = record
        .arrived_since
        .iter()
        .filter(|stored| {
            let reading = &stored.reading;
            reading.measured_at < frame.whole.from
                && earlier.known_at < reading.received_at
                && reading.received_at <= frame.known_at
        })
        .collect();
    readings.sort_by(|a, b| {
        let (a, b) = (&a.reading, &b.reading);
        (a.measured_at, &a.key, a.vital, a.received_at).cmp(&(b.measured_at, &b.key, b.vital, b.received_at))
    });
    readings.dedup_by(|later, first| {
        (later.reading.vital, &later.reading.key) == (first.reading.vital, &first.reading.key)
    });
    let day = |stored: &StoredReading| frame.date(stored.reading.measured_at);
    let lines = by_vital(once_each(&readings));
    let groups = lines.values().flat_map(|readings| readings.chunk_by(|a, b| day(a) == day(b)));
    in_order(groups.filter_map(together).collect())
}

/// How many readings of the week came late.
pub(super) fn count(lines: &[Late]) -> usize {
    lines.iter().map(|line| line.count).sum()
}

fn is_late(stored: &StoredReading) -> bool {
    stored.reading.received_at.duration_since(stored.reading.measured_at) > LATE
}

/// A reading with several values (blood pressure) once, under the first of them.
pub(super) fn once_each<'a>(readings: &[&'a StoredReading]) -> Vec<&'a StoredReading> {
    let mut first: BTreeMap<&ReadingKey, &'a StoredReading> = BTreeMap::new();
    for stored in readings.iter().copied() {
        let entry = first.entry(&stored.reading.key).or_insert(stored);
        if stored.reading.vital < entry.reading.vital {
            *entry = stored;
        }
    }
    let mut readings: Vec<&StoredReading> = first.into_values().collect();
    readings.sort_by(|a, b| {
        (a.reading.measured_at, &a.reading.key).cmp(&(b.reading.measured_at, &b.reading.key))
    });
    readings
}

fn by_vital(readings: Vec<&StoredReading>) -> BTreeMap<Vital, Vec<&StoredReading>> {
    let mut lines: BTreeMap<Vital, Vec<&StoredReading>> = BTreeMap::new();
    for stored in readings {
        lines.entry(stored.reading.vital).or_default().push(stored);
    }
    lines
}

/// One line for readings that follow one another.
fn together(run: &[&StoredReading]) -> Option<Late> {
    let (first, last) = (run.first()?, run.last()?);
    Some(Late {
        measured_at: first.reading.measured_at,
        received_at: run.iter().map(|r| r.reading.received_at).max().unwrap_or(Timestamp::MIN),
        vital: first.reading.vital,
        value: (run.len() == 1).then_some(first.reading.value),
        count: run.len(),
        measured_until: last.reading.measured_at,
    })
}

fn in_order(mut lines: Vec<Late>) -> Vec<Late> {
    lines.sort_by_key(|line| (line.measured_at, line.vital));
    lines
}
