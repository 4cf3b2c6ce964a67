//! Whole devices without a network: the bytes of a seed, and numbers over restarts.

use vigie_wire::Encoding;

use super::*;
use crate::encode::encode_batch;
use crate::fault::{FaultPlan, FaultSwitches};
use crate::person::{DeviceKind, Person, Profile, central_europe};
use crate::profile::generate_for;

const BIRTH: Birth = Birth { epoch: 1, anchor: Timestamp::UNIX_EPOCH };

/// FNV-1a, 64 bits: a hash that no library update can change.
fn hash(bytes: &[u8], mut state: u64) -> u64 {
    for byte in bytes {
        state = (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    state
}

/// The hash of everything that the devices of six people send for two weeks, faults included.
async fn hash_of(seed: u64) -> u64 {
    let from: Timestamp = "2026-11-08T06:00:00Z".parse().unwrap();
    let to: Timestamp = "2026-11-22T06:00:00Z".parse().unwrap();
    let mut state = 0xcbf2_9ce4_8422_2325;
    for (index, kind) in (0..).zip(DeviceKind::ALL) {
        let profile = Profile::ALL[index as usize % 4];
        let person = Person { seed, index, profile, zone: central_europe() };
        let plan = FaultPlan::draw(&person, kind, to, FaultSwitches::all());
        let measured: Vec<_> = generate_for(&person, kind, from, to)
            .into_iter()
            .flat_map(|m| plan.disturb(&person, m))
            .collect();
        let mut device = Device::open(None, BIRTH, 100_000).await.unwrap();
        device.measure(&measured, Some(to), plan.clock_ahead, &person.zone).await.unwrap();
        let encoding = if index % 2 == 0 { Encoding::Json } else { Encoding::Protobuf };
        while let Some((carried, batch)) = device.next_batch(0, |_| true) {
            state = hash(&encode_batch(encoding, &batch), state);
            device.acknowledged(&carried).await.unwrap();
        }
        assert!(device.queue().is_empty());
    }
    state
}

#[tokio::test]
async fn the_same_seed_sends_the_same_bytes_today_and_in_every_build() {
    assert_eq!(hash_of(42).await, hash_of(42).await);
    assert_ne!(hash_of(42).await, hash_of(43).await);
    // Written down so that a change of what a seed means is seen. Change it on purpose only.
    assert_eq!(hash_of(42).await, 7_272_554_673_827_292_679);
}

#[tokio::test]
async fn numbers_rise_strictly_through_restarts_and_never_name_two_readings() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("d.journal");
    let person = Person { seed: 9, index: 0, profile: Profile::Diabetes, zone: central_europe() };
    let from: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    let mut sent = std::collections::BTreeMap::new();
    for run in 0..5 {
        let mut device = Device::open(Some(path.clone()), BIRTH, 1_000).await.unwrap();
        let until = device.until().unwrap_or(from);
        assert_eq!(until, from + SignedDuration::from_hours(48 * run));
        let to = until + SignedDuration::from_hours(48);
        let measured = generate_for(&person, DeviceKind::Glucometer, until, to);
        let first = device.queue().next_sequence();
        assert_eq!(first, sent.keys().next_back().map_or(1, |last| last + 1));
        device.measure(&measured, Some(to), SignedDuration::ZERO, &person.zone).await.unwrap();
        while let Some((carried, batch)) = device.next_batch(0, |_| true) {
            for reading in batch.readings {
                let known = sent.entry(reading.sequence).or_insert_with(|| reading.clone());
                assert_eq!(*known, reading, "one number, one reading");
            }
            // Every second run is killed before its acknowledgement.
            if run % 2 == 0 {
                device.acknowledged(&carried).await.unwrap();
            }
        }
    }
    assert_eq!(sent.len() as i64, *sent.keys().next_back().unwrap());
}

#[tokio::test]
async fn a_device_that_lost_its_memory_counts_from_one_in_another_epoch() {
    let person = Person { seed: 9, index: 0, profile: Profile::HeartFailure, zone: central_europe() };
    let from: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    let mut device = Device::open(None, BIRTH, 1_000).await.unwrap();
    let weights = generate_for(&person, DeviceKind::Scale, from, from + SignedDuration::from_hours(72));
    device.measure(&weights, None, SignedDuration::ZERO, &person.zone).await.unwrap();
    device.lose_memory().await.unwrap();
    device.measure(&weights, None, SignedDuration::ZERO, &person.zone).await.unwrap();
    let (_, batch) = device.next_batch(0, |_| true).unwrap();
    assert_eq!((batch.epoch, batch.readings[0].sequence), (2, 1));
    assert!(device.memory_lost());
}
