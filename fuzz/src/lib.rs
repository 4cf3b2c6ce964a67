//! What has to hold of any payload whatever, for the four targets that read payloads.

use jiff::Timestamp;
use vigie_ingest::{Config, Decoded, decode};
use vigie_wire::{Encoding, Message, READINGS_PER_BATCH_MAX, decode_batch, v1};

/// Reads the payload as if it had just arrived. Panics where something does not hold.
///
/// - Reading it again gives the same.
/// - A reading that is taken has a number, values, each vital once, and a time that is neither ahead nor years back.
/// - The same batch written as protobuf is read the same.
pub fn payload(encoding: Encoding, bytes: &[u8]) {
    let config = Config::default();
    let received_at = Timestamp::constant(1_795_510_800, 0);
    let result = decode(encoding, bytes, received_at, &config);
    assert_eq!(result, decode(encoding, bytes, received_at, &config), "read twice, it says two things");
    let Ok(decoded) = result else { return };
    check(&decoded, received_at, &config);
    compare_with_protobuf(encoding, bytes, received_at, &config, &decoded);
}

fn check(decoded: &Decoded, received_at: Timestamp, config: &Config) {
    assert!(!decoded.readings.is_empty() && decoded.readings.len() <= READINGS_PER_BATCH_MAX);
    for reading in decoded.readings.iter().flatten() {
        assert!(reading.sequence >= 1, "a reading without a number was taken");
        assert!(!reading.values.is_empty(), "a reading without values was taken");
        for (at, (vital, _)) in reading.values.iter().enumerate() {
            let mut earlier = reading.values.iter().take(at);
            assert!(earlier.all(|(other, _)| other != vital), "a vital is there twice");
        }
        let age = received_at.duration_since(reading.measured_at);
        assert!(
            age >= -config.future_max && age <= config.age_max,
            "a reading of {} was taken",
            reading.measured_at
        );
        let micros = reading.measured_at.as_nanosecond() % 1_000;
        assert_eq!(micros, 0, "PostgreSQL would keep another time");
    }
}

/// A batch means the same in every encoding. Only where every reading could be read, since protobuf cannot carry one
/// that could not, and where no time was counted from the arrival, which is a property of the encoding.
fn compare_with_protobuf(
    encoding: Encoding,
    bytes: &[u8],
    received_at: Timestamp,
    config: &Config,
    decoded: &Decoded,
) {
    let Ok(batch) = decode_batch(encoding, bytes, received_at.as_nanosecond()) else { return };
    if batch.times_relative {
        return;
    }
    let Ok(readings) = batch.readings.into_iter().collect::<Result<Vec<v1::Reading>, _>>() else { return };
    let same = v1::ReadingBatch {
        batch_id: batch.batch_id,
        sent_at: batch.sent_at,
        epoch: batch.epoch,
        readings,
        clock_state: batch.clock_state,
    };
    let written = same.encode_to_vec();
    if written.len() <= config.payload_bytes_max {
        let again = decode(Encoding::Protobuf, &written, received_at, config);
        assert_eq!(again.as_ref(), Ok(decoded), "as protobuf it says something else");
    }
}
