//! One transaction: readings, ledger, quarantine, judgement queue, receipts. After it, and only after it,
//! anything is answered.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use jiff::Timestamp;
use rust_decimal::Decimal;
use sha2::{Digest, Sha256};
use vigie_store::intake::{self, Holding, NewValue, Quarantined, StoredReading};
use vigie_store::{Database, LedgerKey, Ranges, Result};
use vigie_vitals::{DeviceId, PatientId, ReadingKey};

use crate::decode::{Decoded, DecodedReading, Rejection};
use crate::queue::{Content, Outcome, Pending, Receipt, Verdict};
use crate::receipt::{self, ReadingOutcome};

/// What came of a group, in its order.
pub(crate) struct Answers {
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) queued_judgements: bool,
}

/// Everything that one transaction writes.
#[derive(Default)]
struct Writes {
    values: Vec<NewValue>,
    quarantine: Vec<Quarantined>,
    judgements: BTreeMap<PatientId, Timestamp>,
    /// Content of readings new in this transaction, to recognise a second copy within it.
    fresh: HashMap<ReadingKey, StoredReading>,
    touched: BTreeSet<LedgerKey>,
}

/// What the database knew before.
struct Known {
    ledgers: BTreeMap<LedgerKey, Ranges>,
    holdings: HashMap<DeviceId, Vec<Holding>>,
    stored: HashMap<ReadingKey, StoredReading>,
}

/// Stores a group in one transaction. Idempotent: after an unknown outcome the same group may come again.
pub(crate) async fn commit(database: &Database, group: &[Pending]) -> Result<Answers> {
    let mut tx = database.begin().await?;
    let mut known = read_known(&mut tx, group).await?;
    let mut writes = Writes::default();
    let mut verdicts = Vec::with_capacity(group.len());
    let mut batches: Vec<Option<Vec<ReadingOutcome>>> = Vec::with_capacity(group.len());
    for pending in group {
        match &pending.content {
            Content::Batch(_, decoded) => {
                let outcomes = take_batch(pending, decoded, &mut known, &mut writes);
                let taken = outcomes.iter().any(ReadingOutcome::is_taken);
                verdicts.push(if taken { Verdict::Taken } else { Verdict::Invalid });
                batches.push(Some(outcomes));
            }
            Content::Status(status) => {
                intake::save_status(&mut tx, pending.publish.device.as_str(), status, pending.received_at)
                    .await?;
                verdicts.push(Verdict::Taken);
                batches.push(None);
            }
            Content::Nothing => {
                verdicts.push(Verdict::Taken);
                batches.push(None);
            }
            Content::Refused { verdict, rejection, .. } => {
                writes.quarantine.push(quarantined(pending, None, rejection));
                verdicts.push(*verdict);
                batches.push(None);
            }
        }
    }
    write(&mut tx, &writes, &known).await?;
    let receipts = receipts(group, &batches, &known);
    let kept = keep_receipts(&mut tx, group, &batches, &receipts).await?;
    tx.commit().await.map_err(vigie_store::Error::from)?;
    let outcomes = verdicts
        .into_iter()
        .zip(receipts)
        .zip(kept)
        .map(|((verdict, payload), outbox_id)| Outcome {
            verdict,
            receipt: payload.map(|payload| Receipt { outbox_id, payload }),
        })
        .collect();
    Ok(Answers { outcomes, queued_judgements: !writes.judgements.is_empty() })
}

async fn read_known(tx: &mut vigie_store::Tx, group: &[Pending]) -> Result<Known> {
    let mut keys = BTreeSet::new();
    for pending in group {
        if let Content::Batch(_, decoded) = &pending.content {
            keys.insert(ledger_key(pending, decoded));
        }
    }
    if keys.is_empty() {
        return Ok(Known { ledgers: BTreeMap::new(), holdings: HashMap::new(), stored: HashMap::new() });
    }
    let ledgers = intake::lock_ledgers(tx, &keys).await?;
    let devices: BTreeSet<String> = keys.iter().map(|key| key.device.0.clone()).collect();
    let holdings = intake::holdings(tx, &devices.into_iter().collect::<Vec<_>>()).await?;
    let mut seen_before = Vec::new();
    for pending in group {
        let Content::Batch(_, decoded) = &pending.content else {
            continue;
        };
        let ledger_key = ledger_key(pending, decoded);
        let Some(ranges) = ledgers.get(&ledger_key) else {
            continue;
        };
        for reading in decoded.readings.iter().flatten() {
            if ranges.contains(reading.sequence) {
                seen_before.push(reading_key(&ledger_key, reading.sequence));
            }
        }
    }
    let stored = if seen_before.is_empty() {
        HashMap::new()
    } else {
        intake::stored_readings(tx, &seen_before).await?
    };
    Ok(Known { ledgers, holdings, stored })
}

async fn write(tx: &mut vigie_store::Tx, writes: &Writes, known: &Known) -> Result<()> {
    if !writes.values.is_empty() {
        intake::insert_values(tx, &writes.values).await?;
    }
    let touched: BTreeMap<LedgerKey, Ranges> = known
        .ledgers
        .iter()
        .filter(|(key, _)| writes.touched.contains(key))
        .map(|(key, ranges)| (key.clone(), ranges.clone()))
        .collect();
    if !touched.is_empty() {
        intake::save_ledgers(tx, &touched).await?;
    }
    if !writes.judgements.is_empty() {
        intake::queue_judgements(tx, &writes.judgements).await?;
    }
    if !writes.quarantine.is_empty() {
        intake::quarantine(tx, &writes.quarantine).await?;
    }
    Ok(())
}

fn take_batch(
    pending: &Pending,
    decoded: &Decoded,
    known: &mut Known,
    writes: &mut Writes,
) -> Vec<ReadingOutcome> {
    let ledger_key = ledger_key(pending, decoded);
    decoded
        .readings
        .iter()
        .map(|reading| match reading {
            Ok(reading) => take_reading(pending, &ledger_key, reading, known, writes),
            Err(rejection) => {
                writes.quarantine.push(quarantined(pending, Some(decoded), rejection));
                // A number that was refused for good was received: it is no gap.
                if let Some(sequence) = rejection.sequence.filter(|n| *n >= 1 && *n < i64::MAX)
                    && let Some(ranges) = known.ledgers.get_mut(&ledger_key)
                    && ranges.insert(sequence)
                {
                    writes.touched.insert(ledger_key.clone());
                }
                ReadingOutcome::Rejected(rejection.clone())
            }
        })
        .collect()
}

fn take_reading(
    pending: &Pending,
    ledger_key: &LedgerKey,
    reading: &DecodedReading,
    known: &mut Known,
    writes: &mut Writes,
) -> ReadingOutcome {
    let sequence = reading.sequence;
    let key = reading_key(ledger_key, sequence);
    let content = content_of(reading);
    let Some(ranges) = known.ledgers.get_mut(ledger_key) else {
        return ReadingOutcome::Rejected(Rejection::new(Some(sequence), "internal_error", "no ledger"));
    };
    if ranges.contains(sequence) {
        let before = writes.fresh.get(&key).or_else(|| known.stored.get(&key));
        if before == Some(&content) {
            return ReadingOutcome::Duplicate(sequence);
        }
        let reason =
            "conflict: this sequence number was used before for another content; the first one stays";
        let rejection = Rejection::new(Some(sequence), "conflict", reason);
        writes.quarantine.push(quarantined_reading(pending, ledger_key.epoch, &rejection));
        return ReadingOutcome::Conflict(sequence, rejection.reason);
    }
    let Some(patient) = holder(known.holdings.get(&ledger_key.device), reading.measured_at) else {
        let reason = "nobody held this device at that time; it may be sent again once it is assigned";
        let rejection = Rejection::new(Some(sequence), "device_not_assigned", reason);
        writes.quarantine.push(quarantined_reading(pending, ledger_key.epoch, &rejection));
        return ReadingOutcome::Rejected(rejection);
    };
    ranges.insert(sequence);
    writes.touched.insert(ledger_key.clone());
    writes.values.extend(reading.values.iter().map(|(vital, value)| NewValue {
        patient,
        key: key.clone(),
        vital: *vital,
        value: *value,
        measured_at: reading.measured_at,
        device_measured_at: reading.device_measured_at,
        received_at: pending.received_at,
        context: reading.context.clone(),
        flags: reading.flags.clone(),
    }));
    let since = writes.judgements.entry(patient).or_insert(reading.measured_at);
    *since = reading.measured_at.min(*since);
    writes.fresh.insert(key, content);
    ReadingOutcome::Stored(sequence)
}

/// Who held the device at that moment.
fn holder(holdings: Option<&Vec<Holding>>, at: Timestamp) -> Option<PatientId> {
    holdings?
        .iter()
        .find(|h| h.from.is_none_or(|from| from <= at) && h.until.is_none_or(|until| at < until))
        .map(|h| h.patient)
}

/// Content as the database tells it, so that both can be compared.
fn content_of(reading: &DecodedReading) -> StoredReading {
    let values: BTreeMap<String, (Option<Decimal>, Option<String>, String)> = reading
        .values
        .iter()
        .map(|(vital, value)| {
            let comparator = value.comparator.map(|c| c.as_str().to_owned());
            (vital.code().to_owned(), (value.number, comparator, value.unit.ucum().to_owned()))
        })
        .collect();
    StoredReading { device_measured_at: reading.device_measured_at, values, context: reading.context.clone() }
}

fn ledger_key(pending: &Pending, decoded: &Decoded) -> LedgerKey {
    LedgerKey { device: DeviceId(pending.publish.device.as_str().to_owned()), epoch: decoded.epoch }
}

fn reading_key(ledger_key: &LedgerKey, sequence: i64) -> ReadingKey {
    ReadingKey { device: ledger_key.device.clone(), epoch: ledger_key.epoch, sequence }
}

fn quarantined(pending: &Pending, batch: Option<&Decoded>, rejection: &Rejection) -> Quarantined {
    let payload = pending.publish.payload.to_vec();
    Quarantined {
        device: DeviceId(pending.publish.device.as_str().to_owned()),
        received_at: pending.received_at,
        topic: pending.publish.topic.clone(),
        payload_sha256: Sha256::digest(&payload).into(),
        payload,
        batch_id: batch.map(|batch| batch.batch_id.clone()),
        reading: batch.zip(rejection.sequence).map(|(batch, sequence)| (batch.epoch, sequence)),
        code: rejection.code,
        reason: rejection.reason.clone(),
    }
}

fn quarantined_reading(pending: &Pending, epoch: i64, rejection: &Rejection) -> Quarantined {
    Quarantined {
        reading: rejection.sequence.map(|sequence| (epoch, sequence)),
        ..quarantined(pending, None, rejection)
    }
}

fn receipts(group: &[Pending], batches: &[Option<Vec<ReadingOutcome>>], known: &Known) -> Vec<Option<Bytes>> {
    group
        .iter()
        .zip(batches)
        .map(|(pending, outcomes)| match (&pending.content, outcomes) {
            (Content::Batch(encoding, decoded), Some(outcomes)) => {
                let ledger = known.ledgers.get(&ledger_key(pending, decoded));
                Some(receipt::of_batch(*encoding, &decoded.batch_id, decoded.epoch, outcomes, ledger).into())
            }
            (Content::Refused { encoding, rejection, .. }, _) => {
                Some(receipt::of_refusal(*encoding, rejection).into())
            }
            (Content::Batch(..) | Content::Status(_) | Content::Nothing, _) => None,
        })
        .collect()
}

/// A receipt is kept for a device that does not listen now, and whenever it says more than the
/// acknowledgement itself does: it must survive our restart.
async fn keep_receipts(
    tx: &mut vigie_store::Tx,
    group: &[Pending],
    batches: &[Option<Vec<ReadingOutcome>>],
    receipts: &[Option<Bytes>],
) -> Result<Vec<Option<i64>>> {
    let mut kept = vec![None; group.len()];
    let mut places = Vec::new();
    let mut rows = Vec::new();
    for (place, ((pending, outcomes), payload)) in group.iter().zip(batches).zip(receipts).enumerate() {
        let Some(payload) = payload else { continue };
        let all_taken = outcomes.as_ref().is_some_and(|o| o.iter().all(ReadingOutcome::is_taken));
        if !(pending.publish.wants_receipts && all_taken) {
            places.push(place);
            rows.push((DeviceId(pending.publish.device.as_str().to_owned()), payload.to_vec()));
        }
    }
    let Some(now) = group.iter().map(|pending| pending.received_at).max() else {
        return Ok(kept);
    };
    if rows.is_empty() {
        return Ok(kept);
    }
    for (place, id) in places.into_iter().zip(intake::post_receipts(tx, &rows, now).await?) {
        if let Some(slot) = kept.get_mut(place) {
            *slot = Some(id);
        }
    }
    Ok(kept)
}
