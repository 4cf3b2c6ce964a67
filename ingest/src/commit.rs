//! One transaction: readings, ledger, quarantine, judgement queue, receipts. After it, and only after it,
//! anything is answered.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use rust_decimal::Decimal;
use sha2::{Digest, Sha256};
use vigie_store::intake::{self, DeviceStatus, NewValue, Quarantined, StoredReading};
use vigie_store::{Database, Result, gaps, ledgers, retained_status};
use vigie_vitals::{DeviceId, PatientId};

use crate::decode::{Decoded, DecodedReading, Rejection, TIME_RELATIVE};
use crate::group::{Known, Ledger, used_up};
use crate::queue::{Content, Outcome, Pending, Receipt, Verdict};
use crate::receipt::{self, ReadingOutcome};
use crate::repeats::SAME_TIME_AS_ANOTHER;
use crate::timings::{Step, Steps};

/// What came of a group, in its order.
pub(crate) struct Answers {
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) queued_judgements: bool,
}

/// Everything that one transaction writes, beside the ledgers.
#[derive(Default)]
struct Writes {
    values: Vec<NewValue>,
    quarantine: Vec<Quarantined>,
    judgements: BTreeMap<PatientId, Timestamp>,
}

/// Stores a group in one transaction. Idempotent: after an unknown outcome the same group may come again.
pub(crate) async fn commit(database: &Database, group: &[Pending], steps: &mut Steps) -> Result<Answers> {
    let mut tx = database.begin().await?;
    steps.ended(Step::Begin);
    let mut known = Known::holders(&mut tx, group).await?;
    steps.ended(Step::Holders);
    known.claim(&mut tx, group).await?;
    steps.ended(Step::Ledger);
    let mut writes = Writes::default();
    let mut verdicts = Vec::with_capacity(group.len());
    let mut batches: Vec<Option<Vec<ReadingOutcome>>> = Vec::with_capacity(group.len());
    for (publish, pending) in group.iter().enumerate() {
        let (verdict, outcomes) = match &pending.content {
            Content::Batch(_, decoded) => {
                let outcomes = take_batch(group, publish, decoded, &mut known, &mut writes);
                let taken = outcomes.iter().any(ReadingOutcome::is_taken);
                (if taken { Verdict::Taken } else { Verdict::Invalid }, Some(outcomes))
            }
            Content::Status(status) => {
                let device = pending.publish.device.as_str();
                if intake::save_status(&mut tx, device, status, pending.received_at).await? {
                    (Verdict::Taken, None)
                } else {
                    let rejection =
                        Rejection::new(None, "unknown_device", "no device of this id is enrolled");
                    writes.quarantine.push(quarantined(pending, None, &rejection));
                    (Verdict::Invalid, None)
                }
            }
            Content::RetainedStatus(status) => {
                keep_status(&mut tx, pending, status.as_ref()).await?;
                (Verdict::Taken, None)
            }
            Content::Nothing => (Verdict::Taken, None),
            Content::Refused { verdict, rejection, .. } => {
                writes.quarantine.push(quarantined(pending, None, rejection));
                (*verdict, None)
            }
        };
        verdicts.push(verdict);
        batches.push(outcomes);
    }
    steps.ended(Step::Check);
    let now = group.iter().map(|pending| pending.received_at).max().unwrap_or_default();
    write(&mut tx, &writes, &known, now, steps).await?;
    let receipts = receipts(group, &batches, &known);
    let kept = keep_receipts(&mut tx, group, &batches, &receipts).await?;
    crate::drift::note(&mut tx, group).await?;
    steps.ended(Step::Receipts);
    tx.commit().await.map_err(vigie_store::Error::from)?;
    steps.ended(Step::Commit);
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

/// What is retained, byte for byte, and what it says, if anything.
async fn keep_status(
    tx: &mut vigie_store::Tx,
    pending: &Pending,
    status: Option<&DeviceStatus>,
) -> Result<()> {
    let device = pending.publish.device.as_str();
    if let Some(status) = status {
        intake::save_status(tx, device, status, pending.received_at).await?;
    }
    retained_status::keep(tx, device, &pending.publish.payload, pending.received_at).await
}

async fn write(
    tx: &mut vigie_store::Tx,
    writes: &Writes,
    known: &Known,
    now: Timestamp,
    steps: &mut Steps,
) -> Result<()> {
    if !writes.values.is_empty() {
        intake::insert_values(tx, &writes.values).await?;
    }
    steps.ended(Step::Values);
    let touched = known.to_write();
    if !touched.is_empty() {
        ledgers::save_ledgers(tx, &touched, now).await?;
    }
    let opened = known.opened();
    if !opened.is_empty() {
        gaps::opened(tx, &opened, now).await?;
    }
    steps.ended(Step::Ledger);
    if !writes.judgements.is_empty() {
        intake::queue_judgements(tx, &writes.judgements).await?;
    }
    steps.ended(Step::Queue);
    if !writes.quarantine.is_empty() {
        intake::quarantine(tx, &writes.quarantine).await?;
    }
    Ok(())
}

fn take_batch(
    group: &[Pending],
    publish: usize,
    decoded: &Decoded,
    known: &mut Known,
    writes: &mut Writes,
) -> Vec<ReadingOutcome> {
    let Some(pending) = group.get(publish) else { return Vec::new() };
    let take = |reading: &std::result::Result<DecodedReading, Rejection>| match reading {
        Ok(reading) => take_reading(group, publish, reading, known, writes),
        Err(rejection) => {
            writes.quarantine.push(quarantined(pending, Some(decoded), rejection));
            if let (Some(sequence), Some((ledger, ..))) = (used_up(rejection), known.ledger_mut(publish)) {
                ledger.take(sequence);
            }
            ReadingOutcome::Rejected(rejection.clone())
        }
    };
    decoded.readings.iter().map(take).collect()
}

fn take_reading(
    group: &[Pending],
    publish: usize,
    reading: &DecodedReading,
    known: &mut Known,
    writes: &mut Writes,
) -> ReadingOutcome {
    let sequence = reading.sequence;
    let (Some(pending), Some((ledger, stored, measured))) = (group.get(publish), known.ledger_mut(publish))
    else {
        return ReadingOutcome::Rejected(Rejection::new(Some(sequence), "internal_error", "no ledger"));
    };
    if ledger.taken.contains(sequence) {
        let content = content_of(reading);
        let before = if ledger.before.contains(sequence) {
            stored.get(&ledger.reading(sequence)).cloned()
        } else {
            first_of_group(group, ledger, sequence).map(content_of)
        };
        let known_before = match before {
            Some(before) => is_the_same(&before, &content, reading),
            // Taken without a reading of its own: refused, or a repeat of what another epoch told.
            None => measured.has(&ledger.key, reading),
        };
        if known_before {
            return ReadingOutcome::Duplicate(sequence);
        }
        let reason =
            "conflict: this sequence number was used before for another content; the first one stays";
        let rejection = Rejection::new(Some(sequence), "conflict", reason);
        writes.quarantine.push(quarantined_reading(pending, ledger.key.epoch, &rejection));
        return ReadingOutcome::Conflict(sequence, rejection.reason);
    }
    let Some(patient) = ledger.holder(reading.measured_at) else {
        let reason = "nobody held this device at that time; it may be sent again once it is assigned";
        let rejection = Rejection::new(Some(sequence), "device_not_assigned", reason);
        writes.quarantine.push(quarantined_reading(pending, ledger.key.epoch, &rejection));
        return ReadingOutcome::Rejected(rejection);
    };
    ledger.take(sequence);
    if measured.has(&ledger.key, reading) {
        return ReadingOutcome::Duplicate(sequence);
    }
    let mut flags = reading.flags.clone();
    if measured.disagrees(&ledger.key, reading) {
        flags.push(SAME_TIME_AS_ANOTHER.to_owned());
    }
    measured.note(&ledger.key, reading);
    let key = ledger.reading(sequence);
    writes.values.extend(reading.values.iter().map(|(vital, value)| NewValue {
        patient,
        key: key.clone(),
        vital: *vital,
        value: *value,
        measured_at: reading.measured_at,
        device_measured_at: reading.device_measured_at,
        received_at: pending.received_at,
        context: reading.context.clone(),
        flags: flags.clone(),
    }));
    let since = writes.judgements.entry(patient).or_insert(reading.measured_at);
    *since = reading.measured_at.min(*since);
    ReadingOutcome::Stored(sequence)
}

/// The reading that took this number within the group; `None` where it was refused and so has no content.
fn first_of_group<'a>(group: &'a [Pending], ledger: &Ledger, sequence: i64) -> Option<&'a DecodedReading> {
    let readings = group.iter().flat_map(|pending| match &pending.content {
        Content::Batch(_, decoded)
            if pending.publish.device.as_str() == ledger.key.device.as_str()
                && decoded.epoch == ledger.key.epoch =>
        {
            decoded.readings.as_slice()
        }
        Content::Batch(..)
        | Content::Status(_)
        | Content::RetainedStatus(_)
        | Content::Nothing
        | Content::Refused { .. } => &[],
    });
    for reading in readings {
        match reading {
            Ok(reading) if reading.sequence == sequence && ledger.holder(reading.measured_at).is_some() => {
                return Some(reading);
            }
            Err(rejection) if used_up(rejection) == Some(sequence) => return None,
            Ok(_) | Err(_) => {}
        }
    }
    None
}

/// Content as the database tells it, so that both can be compared.
pub(crate) fn content_of(reading: &DecodedReading) -> StoredReading {
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

/// A time counted back from the arrival differs each time that the same bytes arrive; the first one counts.
fn is_the_same(before: &StoredReading, now: &StoredReading, reading: &DecodedReading) -> bool {
    let same_time = before.device_measured_at == now.device_measured_at
        || reading.flags.iter().any(|flag| flag == TIME_RELATIVE);
    same_time && before.values == now.values && before.context == now.context
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
    let receipt = |(publish, (pending, outcomes)): (usize, (&Pending, &Option<Vec<ReadingOutcome>>))| match (
        &pending.content,
        outcomes,
    ) {
        (Content::Batch(encoding, decoded), Some(outcomes)) => {
            let ledger = known.ledger(publish).map(Ledger::after);
            Some(receipt::of_batch(*encoding, &decoded.batch_id, decoded.epoch, outcomes, ledger).into())
        }
        (Content::Refused { encoding, rejection, .. }, _) => {
            Some(receipt::of_refusal(*encoding, rejection).into())
        }
        (Content::Batch(..) | Content::Status(_) | Content::RetainedStatus(_) | Content::Nothing, _) => None,
    };
    group.iter().zip(batches).enumerate().map(receipt).collect()
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
