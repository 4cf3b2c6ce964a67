//! Measurements that come again under another epoch of their device (docs/adr/0012): a device that lost its memory may
//! still have old readings somewhere, and sends them under new numbers.
//!
//! The same measurement is the same device, the device's own time, and the same vital signs with the same values, as in
//! the deduplication identifier of HL7's Personal Health Device guide. Looked at only for devices that began another
//! epoch lately, and for numbers that were taken before without a reading of their own.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};
use vigie_store::intake::{self, StoredReading};
use vigie_store::repeats::{self, Stretch};
use vigie_store::{LedgerKey, Result, Tx};
use vigie_vitals::{DeviceId, PatientId, Vital};

use crate::commit::content_of;
use crate::decode::{DecodedReading, TIME_RELATIVE};

/// How long a device is watched after it began an epoch. Longer than most devices are offline with old readings; for
/// ever would make the common path dearer with every battery that is changed.
pub(crate) const WATCH: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How far the corrected time of the first copy may lie from either time of the second one: a clock that was wrong by a
/// day, or by a time zone, and is right now.
const AROUND: SignedDuration = SignedDuration::from_hours(48);

/// Flag of a reading at a device time at which its device told another value of the same vital sign in another epoch.
pub(crate) const SAME_TIME_AS_ANOTHER: &str = "same_time_as_another";

/// A reading that is to be compared.
pub(crate) struct Compared<'a> {
    pub(crate) device: &'a DeviceId,
    pub(crate) patient: PatientId,
    pub(crate) reading: &'a DecodedReading,
}

/// What is on record at the times that matter, and what this transaction adds.
#[derive(Default)]
pub(crate) struct Measured {
    /// Devices whose epochs are compared.
    watched: BTreeSet<DeviceId>,
    at: HashMap<(DeviceId, Timestamp), Vec<(i64, StoredReading)>>,
}

impl Measured {
    /// Reads what these readings may repeat. Transactions about watched devices follow each other from here on, so what
    /// another gateway stores at this moment is seen.
    pub(crate) async fn read(
        tx: &mut Tx,
        watched: BTreeSet<DeviceId>,
        compared: &[Compared<'_>],
    ) -> Result<Self> {
        if !watched.is_empty() {
            let ids: Vec<&str> = watched.iter().map(DeviceId::as_str).collect();
            repeats::lock_devices(tx, &ids).await?;
        }
        let mut measured = Self { watched, at: HashMap::new() };
        let (stretches, times) = stretches(compared);
        if stretches.is_empty() {
            return Ok(measured);
        }
        let keys = repeats::measured_at(tx, &stretches, &times).await?;
        if keys.is_empty() {
            return Ok(measured);
        }
        for (key, stored) in intake::stored_readings(tx, &keys).await? {
            let at = (key.device, stored.device_measured_at);
            measured.at.entry(at).or_default().push((key.epoch, stored));
        }
        Ok(measured)
    }

    /// Was this told in another epoch?
    pub(crate) fn has(&self, ledger: &LedgerKey, reading: &DecodedReading) -> bool {
        let now = content_of(reading);
        self.in_other_epochs(ledger, reading).any(|before| {
            before.values == now.values && before.context.is_of_a_person() == now.context.is_of_a_person()
        })
    }

    /// Does another epoch have another value at the same time of the device?
    pub(crate) fn disagrees(&self, ledger: &LedgerKey, reading: &DecodedReading) -> bool {
        self.in_other_epochs(ledger, reading)
            .any(|before| reading.values.iter().any(|(vital, _)| before.values.contains_key(vital.code())))
    }

    /// Notes a reading that this transaction stores.
    pub(crate) fn note(&mut self, ledger: &LedgerKey, reading: &DecodedReading) {
        if self.watched.contains(&ledger.device) {
            let at = (ledger.device.clone(), reading.device_measured_at);
            self.at.entry(at).or_default().push((ledger.epoch, content_of(reading)));
        }
    }

    fn in_other_epochs(
        &self,
        ledger: &LedgerKey,
        reading: &DecodedReading,
    ) -> impl Iterator<Item = &StoredReading> {
        let epoch = ledger.epoch;
        // Nothing is known of most devices: do not copy a key for them.
        let at = (!self.at.is_empty() && tells_its_time(reading))
            .then(|| (ledger.device.clone(), reading.device_measured_at));
        let there = at.and_then(|at| self.at.get(&at)).map(Vec::as_slice).unwrap_or_default();
        there.iter().filter(move |(other, _)| *other != epoch).map(|(_, stored)| stored)
    }
}

/// A time that was counted back from the arrival is not the device's.
pub(crate) fn tells_its_time(reading: &DecodedReading) -> bool {
    !reading.flags.iter().any(|flag| flag == TIME_RELATIVE)
}

/// Where copies of these readings would be, without overlaps, and the device times that they would carry.
fn stretches(compared: &[Compared<'_>]) -> (Vec<Stretch>, Vec<Timestamp>) {
    let mut around: BTreeMap<(&DeviceId, PatientId, Vital), Vec<Timestamp>> = BTreeMap::new();
    let mut times = BTreeSet::new();
    for Compared { device, patient, reading } in compared {
        times.insert(reading.device_measured_at);
        for (vital, _) in &reading.values {
            let moments = around.entry((device, *patient, *vital)).or_default();
            moments.extend([reading.measured_at, reading.device_measured_at]);
        }
    }
    let mut stretches = Vec::new();
    for ((device, patient, vital), mut moments) in around {
        moments.sort_unstable();
        let mut open: Option<Stretch> = None;
        for moment in moments {
            let from = moment.saturating_sub(AROUND).unwrap_or(moment);
            let until = moment.saturating_add(AROUND).unwrap_or(moment);
            match &mut open {
                Some(stretch) if from <= stretch.until => stretch.until = until,
                Some(_) | None => {
                    let next = Stretch { device: device.clone(), patient, vital, from, until };
                    stretches.extend(open.replace(next));
                }
            }
        }
        stretches.extend(open);
    }
    (stretches, times.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use vigie_vitals::{Context, Unit, Value};

    use super::*;

    fn reading(at: &str) -> DecodedReading {
        let at = at.parse().unwrap();
        DecodedReading {
            sequence: 1,
            device_measured_at: at,
            measured_at: at,
            values: vec![(Vital::Weight, Value::parse("70.1", "", Unit::parse("kg").unwrap()).unwrap())],
            context: Context::default(),
            flags: Vec::new(),
        }
    }

    #[test]
    fn stretches_that_touch_are_one_and_those_that_do_not_are_not() {
        let device = DeviceId("d".into());
        let readings = ["2026-03-01T07:00:00Z", "2026-03-04T07:00:00Z", "2026-09-01T07:00:00Z"].map(reading);
        let compared: Vec<_> = readings
            .iter()
            .map(|reading| Compared { device: &device, patient: PatientId(uuid::Uuid::nil()), reading })
            .collect();
        let (found, times) = stretches(&compared);
        let told: Vec<String> = found.iter().map(|s| format!("{} {}", s.from, s.until)).collect();
        assert_eq!(
            told,
            ["2026-02-27T07:00:00Z 2026-03-06T07:00:00Z", "2026-08-30T07:00:00Z 2026-09-03T07:00:00Z"]
        );
        assert_eq!(times.len(), 3);
    }
}
