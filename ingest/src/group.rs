//! What a group of publishes needs to know of the database: ledgers and holders, in as few round trips as possible.
//!
//! Nearly every reading is new. So the numbers of the group are first *added* to their ledgers, by a statement that
//! refuses where one of them is there already; only refused ledgers are locked, read, and decided reading by reading.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use vigie_store::intake::{self, Holding, StoredReading};
use vigie_store::{LedgerKey, Ranges, Result, Tx};
use vigie_vitals::{DeviceId, PatientId, ReadingKey};

use crate::decode::{Decoded, Rejection};
use crate::queue::{Content, Pending};

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
            holders,
        };
        let ledgers = keys.into_iter().zip(holders).map(ledger).collect();
        Ok(Self { ledgers, places, stored: HashMap::new() })
    }

    /// Adds the group's numbers to ledgers that have none of them; locks and reads the others, and what is stored under
    /// numbers that were taken before.
    pub(crate) async fn claim(&mut self, tx: &mut Tx, group: &[Pending]) -> Result<()> {
        let wanted = self.wanted(group);
        let asked: Vec<_> =
            self.ledgers.iter().zip(&wanted).filter(|(_, numbers)| !numbers.is_empty()).collect();
        let pairs: Vec<_> = asked.iter().map(|(ledger, numbers)| (&ledger.key, *numbers)).collect();
        let extended = if pairs.is_empty() { Vec::new() } else { intake::extend_ledgers(tx, &pairs).await? };
        let mut extended = extended.into_iter();
        for (ledger, numbers) in self.ledgers.iter_mut().zip(&wanted) {
            if !numbers.is_empty() {
                ledger.written = extended.next().flatten();
            }
        }
        let refused: BTreeSet<LedgerKey> = self
            .ledgers
            .iter()
            .filter(|ledger| ledger.written.is_none())
            .map(|ledger| ledger.key.clone())
            .collect();
        if refused.is_empty() {
            return Ok(());
        }
        let mut locked = intake::lock_ledgers(tx, &refused).await?;
        for ledger in self.ledgers.iter_mut().filter(|ledger| ledger.written.is_none()) {
            ledger.before = locked.remove(&ledger.key).ok_or_else(|| {
                vigie_store::Error::Inconsistent("a ledger is neither there nor made".into())
            })?;
            ledger.taken = ledger.before.clone();
        }
        self.read_stored(tx, group).await
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

    /// The ledger of a publish.
    pub(crate) fn ledger(&self, publish: usize) -> Option<&Ledger> {
        self.ledgers.get((*self.places.get(publish)?)?)
    }

    /// The ledger of a publish, to take numbers from, with what is stored.
    pub(crate) fn ledger_mut(
        &mut self,
        publish: usize,
    ) -> Option<(&mut Ledger, &HashMap<ReadingKey, StoredReading>)> {
        let place = (*self.places.get(publish)?)?;
        Some((self.ledgers.get_mut(place)?, &self.stored))
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
