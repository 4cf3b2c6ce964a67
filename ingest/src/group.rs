//! What a group of publishes needs to know of the database: ledgers and holders, in as few round trips as possible.
//!
//! Nearly every reading is new. So the numbers of the group are first *added* to their ledgers, by a statement that
//! refuses where one of them is there already; only refused ledgers are locked, read, and decided reading by reading.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use vigie_store::intake::{self, Holding, StoredReading};
use vigie_store::{LedgerKey, Ranges, Result, Tx, ledgers};
use vigie_vitals::{DeviceId, PatientId, ReadingKey};

use crate::decode::{Decoded, Rejection};
use crate::queue::{Content, Pending};
use crate::repeats::{Compared, Measured, WATCH, tells_its_time};

/// One device's memory epoch, as far as this transaction is concerned.
pub(crate) struct Ledger {
    pub(crate) key: LedgerKey,
    /// Numbers that are taken: those before, and those of the group so far.
    pub(crate) taken: Ranges,
    /// Numbers taken before this transaction, as far as they can matter: none where [`Ledger::written`] is there.
    pub(crate) before: Ranges,
    /// The ledger with the group's numbers, if it is written already.
    pub(crate) written: Option<Ranges>,
    /// Is there something to write?
    pub(crate) touched: bool,
    /// The highest number taken before this transaction.
    highest_before: i64,
    /// The device began another epoch lately.
    repeats_possible: bool,
    holders: Vec<Holding>,
}

impl Ledger {
    /// As it is once the transaction is committed.
    pub(crate) fn after(&self) -> &Ranges {
        self.written.as_ref().unwrap_or(&self.taken)
    }

    /// Takes a number; it was not taken before.
    pub(crate) fn take(&mut self, sequence: i64) {
        self.touched |= self.taken.insert(sequence);
    }

    /// Who held the device at that moment.
    pub(crate) fn holder(&self, at: Timestamp) -> Option<PatientId> {
        self.holders
            .iter()
            .find(|h| h.from.is_none_or(|from| from <= at) && h.until.is_none_or(|until| at < until))
            .map(|h| h.patient)
    }

    /// The reading's name.
    pub(crate) fn reading(&self, sequence: i64) -> ReadingKey {
        ReadingKey { device: self.key.device.clone(), epoch: self.key.epoch, sequence }
    }
}

/// What is known before anything is decided.
pub(crate) struct Known {
    ledgers: Vec<Ledger>,
    /// Per publish of the group, its ledger.
    places: Vec<Option<usize>>,
    /// What is on record of readings whose number was taken before this transaction.
    pub(crate) stored: HashMap<ReadingKey, StoredReading>,
    /// What other epochs of a device have on record.
    pub(crate) measured: Measured,
}

impl Known {
    /// The ledgers of a group, and who held the devices.
    pub(crate) async fn holders(tx: &mut Tx, group: &[Pending]) -> Result<Self> {
        let mut keys: Vec<LedgerKey> = group.iter().filter_map(ledger_key).collect();
        keys.sort_unstable();
        keys.dedup();
        let place = |pending: &Pending| {
            let Content::Batch(_, decoded) = &pending.content else { return None };
            let wanted = (pending.publish.device.as_str(), decoded.epoch);
            keys.binary_search_by(|key| (key.device.as_str(), key.epoch).cmp(&wanted)).ok()
        };
        let places = group.iter().map(place).collect();
        let devices: Vec<&str> = keys.iter().map(|key| key.device.as_str()).collect();
        let holders = if devices.is_empty() { Vec::new() } else { intake::holdings(tx, &devices).await? };
        let ledger = |(key, holders)| Ledger {
            key,
            taken: Ranges::default(),
            before: Ranges::default(),
            written: None,
            touched: false,
            highest_before: 0,
            repeats_possible: false,
            holders,
        };
        let ledgers = keys.into_iter().zip(holders).map(ledger).collect();
        Ok(Self { ledgers, places, stored: HashMap::new(), measured: Measured::default() })
    }

    /// Adds the group's numbers to ledgers that have none of them; locks and reads the others, what is stored under
    /// numbers that were taken before, and what other epochs of a device may have told already.
    pub(crate) async fn claim(&mut self, tx: &mut Tx, group: &[Pending]) -> Result<()> {
        let Some(now) = group.iter().map(|pending| pending.received_at).max() else { return Ok(()) };
        let wanted = self.wanted(group);
        self.extend(tx, &wanted, now).await?;
        let refused: BTreeSet<LedgerKey> = self
            .ledgers
            .iter()
            .filter(|ledger| ledger.written.is_none())
            .map(|ledger| ledger.key.clone())
            .collect();
        if !refused.is_empty() {
            let watch_until = now.saturating_add(WATCH).unwrap_or(now);
            let mut locked = ledgers::lock_ledgers(tx, &refused, now, watch_until).await?;
            for ledger in self.ledgers.iter_mut().filter(|ledger| ledger.written.is_none()) {
                let found = locked.remove(&ledger.key).ok_or_else(|| {
                    vigie_store::Error::Inconsistent("a ledger is neither there nor made".into())
                })?;
                ledger.highest_before = found.received.highest();
                ledger.repeats_possible = found.repeats_possible;
                ledger.taken = found.received.clone();
                ledger.before = found.received;
            }
            self.read_stored(tx, group).await?;
        }
        self.read_measured(tx, group).await
    }

    async fn extend(&mut self, tx: &mut Tx, wanted: &[Ranges], now: Timestamp) -> Result<()> {
        let asked: Vec<_> =
            self.ledgers.iter().zip(wanted).filter(|(_, numbers)| !numbers.is_empty()).collect();
        let pairs: Vec<_> = asked.iter().map(|(ledger, numbers)| (&ledger.key, *numbers)).collect();
        if pairs.is_empty() {
            return Ok(());
        }
        let mut extended = ledgers::extend_ledgers(tx, &pairs, now).await?.into_iter();
        for (ledger, numbers) in self.ledgers.iter_mut().zip(wanted) {
            if numbers.is_empty() {
                continue;
            }
            if let Some(found) = extended.next().flatten() {
                ledger.highest_before = found.received.highest_without(numbers);
                ledger.repeats_possible = found.repeats_possible;
                ledger.written = Some(found.received);
            }
        }
        Ok(())
    }

    /// The numbers that each ledger gets if all of them are new. Must take exactly what deciding takes then.
    fn wanted(&self, group: &[Pending]) -> Vec<Ranges> {
        let mut wanted = vec![Ranges::default(); self.ledgers.len()];
        for (pending, place) in group.iter().zip(&self.places) {
            let (Content::Batch(_, decoded), Some(place)) = (&pending.content, *place) else { continue };
            let (Some(ledger), Some(numbers)) = (self.ledgers.get(place), wanted.get_mut(place)) else {
                continue;
            };
            for reading in &decoded.readings {
                let number = match reading {
                    Ok(reading) => ledger.holder(reading.measured_at).map(|_| reading.sequence),
                    Err(rejection) => used_up(rejection),
                };
                if let Some(number) = number {
                    numbers.insert(number);
                }
            }
        }
        wanted
    }

    async fn read_stored(&mut self, tx: &mut Tx, group: &[Pending]) -> Result<()> {
        let mut seen_before = Vec::new();
        for (pending, place) in group.iter().zip(&self.places) {
            let (Content::Batch(_, decoded), Some(place)) = (&pending.content, *place) else { continue };
            let Some(ledger) = self.ledgers.get(place).filter(|ledger| ledger.written.is_none()) else {
                continue;
            };
            let known = decoded.readings.iter().flatten().filter(|r| ledger.taken.contains(r.sequence));
            seen_before.extend(known.map(|reading| ledger.reading(reading.sequence)));
        }
        if !seen_before.is_empty() {
            self.stored = intake::stored_readings(tx, &seen_before).await?;
        }
        Ok(())
    }

    /// What other epochs have on record: for devices that began one lately, and for numbers that were taken before
    /// without a reading under them, as those of repeats are.
    async fn read_measured(&mut self, tx: &mut Tx, group: &[Pending]) -> Result<()> {
        let watched: BTreeSet<DeviceId> = self
            .ledgers
            .iter()
            .filter(|ledger| ledger.repeats_possible)
            .map(|ledger| ledger.key.device.clone())
            .collect();
        if watched.is_empty() && self.ledgers.iter().all(|ledger| ledger.before.is_empty()) {
            return Ok(());
        }
        let mut compared = Vec::new();
        for (pending, place) in group.iter().zip(&self.places) {
            let (Content::Batch(_, decoded), Some(place)) = (&pending.content, *place) else { continue };
            let Some(ledger) = self.ledgers.get(place) else { continue };
            let is_watched = watched.contains(&ledger.key.device);
            for reading in decoded.readings.iter().flatten().filter(|reading| tells_its_time(reading)) {
                let without_reading = ledger.before.contains(reading.sequence)
                    && !self.stored.contains_key(&ledger.reading(reading.sequence));
                if let Some(patient) = ledger.holder(reading.measured_at)
                    && (is_watched || without_reading)
                {
                    compared.push(Compared { device: &ledger.key.device, patient, reading });
                }
            }
        }
        self.measured = Measured::read(tx, watched, &compared).await?;
        Ok(())
    }

    /// Gaps that this transaction opens: the first and the last number that were jumped over.
    pub(crate) fn opened(&self) -> Vec<(&LedgerKey, i64, i64)> {
        let mut opened = Vec::new();
        for ledger in &self.ledgers {
            if let Some((first, last)) = ledger.after().opened_above(ledger.highest_before) {
                opened.push((&ledger.key, first, last));
            }
        }
        opened
    }

    /// The ledger of a publish.
    pub(crate) fn ledger(&self, publish: usize) -> Option<&Ledger> {
        self.ledgers.get((*self.places.get(publish)?)?)
    }

    /// The ledger of a publish, to take numbers from, with what is stored and what other epochs have.
    pub(crate) fn ledger_mut(
        &mut self,
        publish: usize,
    ) -> Option<(&mut Ledger, &HashMap<ReadingKey, StoredReading>, &mut Measured)> {
        let place = (*self.places.get(publish)?)?;
        Some((self.ledgers.get_mut(place)?, &self.stored, &mut self.measured))
    }

    /// Ledgers with new numbers that are not written yet.
    pub(crate) fn to_write(&self) -> BTreeMap<LedgerKey, Ranges> {
        self.ledgers
            .iter()
            .filter(|ledger| ledger.touched && ledger.written.is_none())
            .map(|ledger| (ledger.key.clone(), ledger.taken.clone()))
            .collect()
    }
}

/// A number that was refused for good was received: it is no gap.
pub(crate) fn used_up(rejection: &Rejection) -> Option<i64> {
    rejection.sequence.filter(|n| *n >= 1 && *n < i64::MAX)
}

fn ledger_key(pending: &Pending) -> Option<LedgerKey> {
    let Content::Batch(_, Decoded { epoch, .. }) = &pending.content else { return None };
    Some(LedgerKey { device: DeviceId(pending.publish.device.as_str().to_owned()), epoch: *epoch })
}
