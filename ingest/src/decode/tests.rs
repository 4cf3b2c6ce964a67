//! What becomes of each kind of payload, without a database.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn received() -> Timestamp {
    "2026-11-22T07:00:00Z".parse().unwrap()
}

fn one(reading: serde_json::Value) -> serde_json::Value {
    json!({"batch_id": "b", "epoch": 1, "readings": [reading]})
}

fn glucose(value: &str, unit: &str) -> serde_json::Value {
    json!({"sequence": 1, "measured_at": "2026-11-22T06:59:00Z", "values": [{"vital": "glucose", "value": value, "unit": unit}]})
}

fn decoded(batch: &serde_json::Value) -> Result<Decoded, Rejection> {
    decode(Encoding::Json, batch.to_string().as_bytes(), received(), &Config::default())
}

/// The code of the first reading, or of the whole message; "ok" when it can be stored.
fn check(batch: serde_json::Value, expected: &str) {
    let code = match decoded(&batch) {
        Err(rejection) => rejection.code,
        Ok(decoded) => decoded.readings[0].as_ref().map_or_else(|r| r.code, |_| "ok"),
    };
    assert_eq!(code, expected, "{batch}");
}

#[test]
fn each_way_of_being_wrong_has_its_code() {
    let with = |key: &str, value: serde_json::Value| {
        let mut reading = glucose("1.12", "g/L");
        reading[key] = value;
        one(reading)
    };
    check(one(glucose("1.12", "g/L")), "ok");
    check(one(glucose("HI", "mg/dL")), "ok");
    check(one(glucose("<0.20", "g/L")), "ok");
    check(one(glucose("1,12", "g/L")), "not_a_value");
    check(one(glucose("1e2", "mg/dL")), "not_a_value");
    check(one(glucose("1.12", "kg")), "unit_of_another_dimension");
    check(one(glucose("1.12", "grams")), "unknown_unit");
    check(one(glucose("112", "g/L")), "implausible");
    check(one(glucose("-1", "g/L")), "implausible");
    check(with("sequence", json!(0)), "sequence_not_positive");
    check(with("sequence", json!(-4)), "sequence_not_positive");
    check(with("sequence", json!("x")), "not_a_reading");
    check(with("measured_at", json!("2026-11-23T07:00:00Z")), "measured_in_the_future");
    check(with("measured_at", json!("1970-01-01T00:00:00Z")), "earlier_timeline");
    check(with("measured_at", json!("2024-11-01T00:00:00Z")), "measured_too_long_ago");
    check(with("measured_at", json!("2026-11-22T06:59:00")), "measured_at_not_a_time");
    check(with("values", json!([])), "no_values");
    check(with("values", json!([{"vital": "mood", "value": "1", "unit": "1"}])), "unknown_vital");
    check(with("context", json!({"meal": "x".repeat(65)})), "context_too_long");
    check(json!({"batch_id": "b", "readings": []}), "empty_batch");
    check(json!({"batch_id": "b".repeat(65), "readings": [glucose("1", "g/L")]}), "batch_id_too_long");
    check(json!({"batch_id": "b", "readings": vec![glucose("1", "g/L"); 1001]}), "too_many_readings");
    check(json!([1, 2]), "not_a_batch");
}

#[test]
fn an_empty_a_broken_and_a_huge_payload_are_refused_whole() {
    let config = Config::default();
    for encoding in Encoding::ALL {
        assert_eq!(decode(encoding, b"", received(), &config).unwrap_err().code, "empty_payload");
        assert_eq!(decode(encoding, &[0xff; 40], received(), &config).unwrap_err().code, "not_a_batch");
        let huge = vec![b' '; 2 << 20];
        assert_eq!(decode(encoding, &huge, received(), &config).unwrap_err().code, "payload_too_large");
    }
}

#[test]
fn a_clock_that_runs_a_day_ahead_is_corrected_and_told() {
    let batch = json!({"batch_id": "b", "epoch": 1, "sent_at": "2026-11-23T07:00:00Z", "readings": [
        {"sequence": 1, "measured_at": "2026-11-23T06:50:00Z", "values": [{"vital": "weight", "value": "80.1", "unit": "kg"}]}]});
    let decoded = decoded(&batch).unwrap();
    let reading = decoded.readings[0].as_ref().unwrap();
    assert_eq!(reading.measured_at.to_string(), "2026-11-22T06:50:00Z");
    assert_eq!(reading.device_measured_at.to_string(), "2026-11-23T06:50:00Z");
    assert_eq!(reading.flags, ["clock_corrected"]);
}

#[test]
fn a_batch_written_hours_ago_is_not_taken_for_a_slow_clock_and_says_so() {
    let batch = json!({"batch_id": "b", "epoch": 1, "sent_at": "2026-11-22T01:00:00Z", "readings": [
        {"sequence": 1, "measured_at": "2026-11-22T00:50:00Z", "values": [{"vital": "weight", "value": "80.1", "unit": "kg"}]}]});
    let reading = decoded(&batch).unwrap().readings[0].clone().unwrap();
    assert_eq!(reading.measured_at.to_string(), "2026-11-22T00:50:00Z");
    assert_eq!(reading.flags, ["clock_unproven"]);
}

#[test]
fn a_control_solution_may_have_any_value_and_is_not_of_a_person() {
    let mut reading = glucose("0.01", "g/L");
    reading["context"] = json!({"sample": "control_solution"});
    let decoded = decoded(&one(reading)).unwrap();
    assert!(!decoded.readings[0].as_ref().unwrap().context.is_of_a_person());
}

#[test]
fn one_bad_reading_does_not_block_the_good_ones() {
    let mut bad = glucose("nonsense", "g/L");
    bad["sequence"] = json!(2);
    let batch = json!({"batch_id": "b", "readings": [glucose("1.12", "g/L"), bad, {"sequence": 3}]});
    let decoded = decoded(&batch).unwrap();
    assert!(decoded.readings[0].is_ok());
    assert_eq!(decoded.readings[1].as_ref().unwrap_err().sequence, Some(2));
    assert_eq!(decoded.readings[2].as_ref().unwrap_err().code, "not_a_reading");
}

#[test]
fn a_senml_pack_is_checked_like_any_other_batch() {
    let at = |encoding, payload: &[u8]| decode(encoding, payload, received(), &Config::default()).unwrap();
    let pack = json!([
        {"bn": "urn:dev:x:", "vigie_epoch": 2, "vigie_batch": "b"},
        {"n": "glucose", "u": "g/L", "v": 1.12, "t": -60, "vigie_seq": 1, "vigie_meal": "fasting"},
        {"n": "spo2", "u": "/", "v": 0.97, "t": -60, "vigie_seq": 2},
        {"n": "mood", "v": 1, "vigie_seq": 3}]);
    let decoded = at(Encoding::SenmlJson, pack.to_string().as_bytes());
    assert_eq!((decoded.batch_id.as_str(), decoded.epoch), ("b", 2));
    let first = decoded.readings[0].as_ref().unwrap();
    assert_eq!(first.measured_at.to_string(), "2026-11-22T06:59:00Z");
    assert_eq!(
        (first.context.meal.as_str(), first.flags.as_slice()),
        ("fasting", &[TIME_RELATIVE.to_owned()][..])
    );
    let codes: Vec<_> = decoded.readings[1..].iter().map(|r| r.as_ref().unwrap_err().code).collect();
    assert_eq!(codes, ["unit_of_another_dimension", "unknown_vital"]);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for encoding in Encoding::ALL {
            drop(decode(encoding, &bytes, received(), &Config::default()));
        }
    }

    #[test]
    fn digits_are_kept_as_sent(whole in 1u32..5, fraction in 0u32..100) {
        let text = format!("{whole}.{fraction:02}");
        let decoded = decoded(&one(glucose(&text, "g/L"))).unwrap();
        let (_, value) = decoded.readings[0].as_ref().unwrap().values[0];
        prop_assert_eq!(value.number.unwrap().to_string(), text);
    }
}
