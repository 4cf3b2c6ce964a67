//! Packs of RFC 8428 and of devices, broken ones, and properties.

use proptest::prelude::*;
use serde_json::json;

use crate::{BadReading, Batch, DecodeError, batch_from_senml_cbor, batch_from_senml_json, v1};

/// 2026-11-22T07:00:00Z
const NOW: i128 = 1_795_330_800_000_000_000;

fn read(pack: &serde_json::Value) -> Batch {
    batch_from_senml_json(pack.to_string().as_bytes(), NOW).unwrap()
}

fn raw(text: &str) -> Batch {
    batch_from_senml_json(text.as_bytes(), NOW).unwrap()
}

/// The readings as `sequence time vital=value unit ...` or `sequence code`.
fn told(batch: &Batch) -> Vec<String> {
    batch.readings.iter().map(|reading| reading.as_ref().map_or_else(refused, taken)).collect()
}

fn refused(bad: &BadReading) -> String {
    format!("{} {}", bad.sequence.map_or("?".into(), |n| n.to_string()), bad.code)
}

fn taken(reading: &v1::Reading) -> String {
    let values: String =
        reading.values.iter().map(|v| format!(" {}={} {}", v.vital, v.value, v.unit)).collect();
    format!("{} {}{values}", reading.sequence, reading.measured_at)
}

fn whole(pack: &serde_json::Value) -> String {
    match batch_from_senml_json(pack.to_string().as_bytes(), NOW) {
        Err(error @ DecodeError::Senml(_)) => error.to_string(),
        other => panic!("{pack}: {other:?}"),
    }
}

/// RFC 8428, 5.1.2, with sequence numbers added.
const VOLTAGE_AND_CURRENT: &str = r#"[
    {"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09,"bu":"A","bver":5,
     "n":"voltage","u":"V","v":120.1,"vigie_seq":1},
    {"n":"current","t":-5,"v":1.2,"vigie_seq":2},
    {"n":"current","t":-4,"v":1.3,"vigie_seq":3},
    {"n":"current","v":1.7,"vigie_seq":4}]"#;

#[test]
fn base_values_of_the_example_of_the_rfc_are_resolved() {
    assert_eq!(
        told(&raw(VOLTAGE_AND_CURRENT)),
        [
            "1 2010-06-08T18:01:16.001Z voltage=120.1 V",
            "2 2010-06-08T18:01:11.001Z current=1.2 A",
            "3 2010-06-08T18:01:12.001Z current=1.3 A",
            "4 2010-06-08T18:01:16.001Z current=1.7 A",
        ]
    );
    assert!(!raw(VOLTAGE_AND_CURRENT).times_relative);
}

#[test]
fn the_first_example_of_the_rfc_lacks_only_its_sequence_number() {
    let batch = raw(r#"[{"n":"urn:dev:ow:10e2073a01080063","u":"Cel","v":23.1}]"#);
    assert_eq!(told(&batch), ["? senml_sequence"]);
    assert!(batch.times_relative, "no time at all means now");
}

#[test]
fn the_example_as_cbor_says_the_same() {
    // Section 6 of the RFC, its first two records, with a text label for the sequence number.
    let mut bytes = vec![0x82, 0xa8, 0x21, 0x78, 0x1b];
    bytes.extend(b"urn:dev:ow:10e2073a0108006:");
    bytes.extend([0x22, 0xfb, 0x41, 0xd3, 0x03, 0xa1, 0x5b, 0x00, 0x10, 0x62, 0x23, 0x61, b'A', 0x20, 0x05]);
    bytes.extend([0x00, 0x67]);
    bytes.extend(b"voltage");
    bytes.extend([0x01, 0x61, b'V', 0x02, 0xfb, 0x40, 0x5e, 0x06, 0x66, 0x66, 0x66, 0x66, 0x66]);
    bytes.extend([0x69]);
    bytes.extend(b"vigie_seq");
    bytes.extend([0x01, 0xa4, 0x00, 0x67]);
    bytes.extend(b"current");
    bytes.extend([0x06, 0x24, 0x02, 0xfb, 0x3f, 0xf3, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x69]);
    bytes.extend(b"vigie_seq");
    bytes.extend([0x02]);
    // The map announced eight pairs: bn, bt, bu, bver, n, u, v and the sequence number.
    let batch = batch_from_senml_cbor(&bytes, NOW).unwrap();
    assert_eq!(told(&batch), told(&raw(VOLTAGE_AND_CURRENT))[..2]);
}

#[test]
fn a_blood_pressure_is_one_reading_of_three_records() {
    let batch = read(&json!([
        {"bn": "urn:dev:mac:0024befffe804ff1:", "bt": 1_795_330_700, "vigie_epoch": 3, "vigie_batch": "b-9"},
        {"n": "systolic", "u": "mm[Hg]", "v": 132, "vigie_seq": 7, "vigie_session": "morning"},
        {"n": "diastolic", "u": "mm[Hg]", "v": 84},
        {"n": "pulse", "u": "beat/min", "v": 71},
        {"n": "temperature", "u": "Cel", "v": 37, "vigie_seq": 8, "t": 10}]));
    assert_eq!((batch.epoch, batch.batch_id.as_str()), (3, "b-9"));
    assert_eq!(
        told(&batch),
        [
            "7 2026-11-22T06:58:20Z systolic=132 mm[Hg] diastolic=84 mm[Hg] pulse=71 /min",
            "8 2026-11-22T06:58:30Z temperature=37 Cel"
        ]
    );
    assert_eq!(batch.readings[0].as_ref().unwrap().context.as_ref().unwrap().session, "morning");
}

#[test]
fn half_a_blood_pressure_is_none() {
    for bad in [json!({"n": "diastolic", "v": true}), json!({"n": "diastolic", "v": 84, "t": -60})] {
        let batch = read(&json!([{"n": "systolic", "u": "mm[Hg]", "v": 132, "vigie_seq": 7}, bad,
            {"n": "weight", "u": "kg", "v": 80.1, "vigie_seq": 8}]));
        assert_eq!(told(&batch)[0].split(' ').next(), Some("7"));
        assert!(batch.readings[0].is_err(), "{batch:?}");
        assert!(batch.readings[1].is_ok(), "{batch:?}");
    }
}

#[test]
fn small_times_count_from_the_arrival_and_large_ones_from_1970() {
    let at = |time: &str| {
        let batch = raw(&format!(r#"[{{"n":"weight","u":"kg","v":80.1,"vigie_seq":1,"t":{time}}}]"#));
        (told(&batch).concat(), batch.times_relative)
    };
    assert_eq!(at("-60.5"), ("1 2026-11-22T06:58:59.5Z weight=80.1 kg".into(), true));
    assert_eq!(at("0"), ("1 2026-11-22T07:00:00Z weight=80.1 kg".into(), true));
    assert_eq!(at("268435455"), ("1 2035-05-26T04:24:15Z weight=80.1 kg".into(), true));
    assert_eq!(at("268435456"), ("1 1978-07-04T21:24:16Z weight=80.1 kg".into(), false));
    assert_eq!(at("1e11"), ("1 5138-11-16T09:46:40Z weight=80.1 kg".into(), false));
    assert_eq!(at("1e12").0, "1 senml_time");
    assert_eq!(at("-1e10").0, "1 senml_time");
}

#[test]
fn digits_stay_as_written_and_sums_are_exact() {
    let value = |fields: &str| {
        let batch = raw(&format!(r#"[{{"n":"x","vigie_seq":1,"t":1795330700,{fields}}}]"#));
        batch.readings[0].as_ref().map_or_else(|bad| bad.code.to_owned(), |r| r.values[0].value.clone())
    };
    assert_eq!(value(r#""v":1.10"#), "1.10");
    assert_eq!(value(r#""v":0.1,"bv":0.2"#), "0.3");
    assert_eq!(value(r#""v":1.10,"bv":-2"#), "-0.90");
    assert_eq!(value(r#""bv":4.20"#), "4.20");
    assert_eq!(value(r#""v":1.276e+02"#), "127.6");
    assert_eq!(value(r#""v":5E-3"#), "0.005");
    assert_eq!(value(r#""vs":"HI""#), "HI");
    assert_eq!(value(r#""v":1e400"#), "senml_value");
    assert_eq!(value(r#""vs":"HI","bv":1"#), "senml_value");
    assert_eq!(value(r#""v":1,"vs":"HI""#), "senml_value");
    assert_eq!(value(r#""v":1,"s":3"#), "senml_value");
    assert_eq!(value(r#""vb":true"#), "senml_value");
    assert_eq!(value(r#""u":"kg""#), "senml_value");
}

#[test]
fn units_mean_the_same_in_ucum_and_none_is_converted() {
    let unit = |unit: &str| {
        let batch = read(&json!([{"n": "x", "vigie_seq": 1, "v": 1, "u": unit}]));
        batch.readings[0].as_ref().map_or_else(|bad| bad.code.to_owned(), |r| r.values[0].unit.clone())
    };
    for (senml, ucum) in [
        ("Cel", "Cel"),
        ("kg", "kg"),
        ("%", "%"),
        ("/100", "%"),
        ("beat/min", "/min"),
        ("1/min", "/min"),
        ("l", "L"),
        ("/", "1"),
        ("", "1"),
        ("mg/dL", "mg/dL"),
        ("mm[Hg]", "mm[Hg]"),
        ("K", "K"),
        ("hPa", "hPa"),
    ] {
        assert_eq!(unit(senml), ucum);
    }
    assert_eq!(unit(&"x".repeat(65)), "senml_unit");
}

#[test]
fn a_field_that_must_be_understood_is_not_passed_over() {
    let good = json!({"n": "weight", "u": "kg", "v": 80, "vigie_seq": 1, "colour": "red"});
    assert!(read(&json!([good])).readings[0].is_ok(), "an unknown field is ignored");
    let mut bad = good.clone();
    bad["calibrated_"] = json!(false);
    bad["vigie_seq"] = json!(2);
    assert_eq!(told(&read(&json!([good, bad])))[1], "2 senml_must_understand");
    assert!(whole(&json!([{"bscale_": 10, "n": "weight"}])).contains("must be understood"));
}

#[test]
fn one_pack_speaks_for_one_device() {
    let batch = read(&json!([
        {"n": "urn:dev:mac:01:weight", "u": "kg", "v": 80, "vigie_seq": 1},
        {"n": "urn:dev:mac:02:weight", "u": "kg", "v": 60, "vigie_seq": 2}]));
    assert!(batch.readings[0].is_ok());
    assert_eq!(told(&batch)[1], "2 senml_other_device");
}

#[test]
fn names_that_the_rfc_forbids_are_refused() {
    for name in ["", "-weight", "é", "a weight", &"x".repeat(256)] {
        let batch = read(&json!([{"n": name, "u": "kg", "v": 80, "vigie_seq": 1}]));
        assert!(batch.readings[0].is_err(), "{name}");
    }
}

#[test]
fn what_makes_other_records_doubtful_refuses_the_pack() {
    for (pack, reason) in [
        (json!({"n": "weight"}), "sequence"),
        (json!([1]), "record"),
        (json!([{"bn": 1}]), "base field"),
        (json!([{"bt": "now"}]), "base field"),
        (json!([{"bver": 11}]), "version"),
        (json!([{"bver": 10}, {"bver": 9}]), "bver differs"),
        (json!([{"vigie_epoch": 1}, {"vigie_epoch": 2}]), "vigie_epoch differs"),
        (json!([{"vigie_epoch": -1}]), "base field"),
        (json!(vec![json!({}); 8_001]), "at most"),
    ] {
        let said = whole(&pack);
        assert!(said.contains(reason), "{pack}: {said}");
    }
    let twice = batch_from_senml_json(br#"[{"bn":"a:","bn":"b:"}]"#, NOW);
    assert!(twice.is_err());
    assert!(raw(r#"[{"n":"weight","n":"pulse","v":1,"vigie_seq":1}]"#).readings[0].is_err());
}

#[test]
fn a_long_base_name_is_not_repeated_into_memory() {
    let long = "a".repeat(256);
    assert!(
        whole(&json!([{"bn": long}])).contains("string")
            || whole(&json!([{"bn": long}])).contains("base field")
    );
}

fn cbor(value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x81, 0xa4, 0x00, 0x61, b'x', 0x06, 0x1a, 0x6b, 0x02, 0xb7, 0x4c, 0x69];
    bytes.extend(b"vigie_seq");
    bytes.extend([0x01, 0x02]);
    bytes.extend(value);
    bytes
}

fn cbor_value(value: &[u8]) -> String {
    let batch = batch_from_senml_cbor(&cbor(value), NOW).unwrap();
    batch.readings[0].as_ref().map_or_else(|bad| bad.code.to_owned(), |r| r.values[0].value.clone())
}

#[test]
fn numbers_of_cbor_are_exact_and_floats_the_shortest_decimal_of_their_width() {
    assert_eq!(cbor_value(&[0x18, 0x84]), "132");
    assert_eq!(cbor_value(&[0x38, 0x63]), "-100");
    assert_eq!(cbor_value(&[0xc4, 0x82, 0x21, 0x18, 0x6e]), "1.10", "decimal fraction 110e-2 keeps its zero");
    assert_eq!(cbor_value(&[0xc4, 0x82, 0x02, 0x03]), "300");
    assert_eq!(cbor_value(&[0xf9, 0x50, 0x90]), "36.5");
    assert_eq!(cbor_value(&[&[0xfa][..], &36.6f32.to_be_bytes()].concat()), "36.6");
    assert_eq!(cbor_value(&[&[0xfb][..], &36.6f64.to_be_bytes()].concat()), "36.6");
    assert_eq!(cbor_value(&[&[0xfb][..], &f64::NAN.to_be_bytes()].concat()), "senml_value");
    assert_eq!(cbor_value(&[0xc4, 0x82, 0x39, 0xff, 0xff, 0x01]), "senml_value");
    assert_eq!(cbor_value(&[0xc2, 0x41, 0x01]), "senml_value", "a big number is no measure");
    assert_eq!(cbor_value(&[0x82, 0x01, 0x02]), "senml_value");
}

#[test]
fn broken_cbor_is_an_error_that_says_where() {
    let good = cbor(&[0x01]);
    for length in 0..good.len() {
        assert!(batch_from_senml_cbor(&good[..length], NOW).is_err(), "{length}");
    }
    let mut more = good.clone();
    more.push(0);
    assert!(batch_from_senml_cbor(&more, NOW).unwrap_err().to_string().contains("follows"));
    // Announces 2^64-1 records, or one in another, deeper than any stack.
    assert!(batch_from_senml_cbor(&[0x9b, 255, 255, 255, 255, 255, 255, 255, 255], NOW).is_err());
    assert!(batch_from_senml_cbor(&vec![0x9f; 1 << 20], NOW).is_err());
    assert!(batch_from_senml_cbor(&[&[0x81, 0xa1, 0x00][..], &vec![0x81; 1 << 20]].concat(), NOW).is_err());
}

#[test]
fn containers_without_a_length_are_read_as_well() {
    let mut bytes = vec![0x9f, 0xbf, 0x00, 0x7f, 0x62, b'w', b'e', 0x61, b'x', 0xff, 0x02, 0x01, 0x69];
    bytes.extend(b"vigie_seq");
    bytes.extend([0x05, 0xff, 0xff]);
    let batch = batch_from_senml_cbor(&bytes, NOW).unwrap();
    assert_eq!(told(&batch), ["5 2026-11-22T07:00:00Z wex=1 1"]);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(batch_from_senml_cbor(&bytes, NOW));
        drop(batch_from_senml_json(&bytes, NOW));
    }

    #[test]
    fn every_decimal_keeps_its_digits(whole in 0u64..100_000, fraction in "[0-9]{0,6}", negative: bool) {
        let point = if fraction.is_empty() { "" } else { "." };
        let text = format!("{}{whole}{point}{fraction}", if negative { "-" } else { "" });
        let batch = raw(&format!(r#"[{{"n":"x","vigie_seq":1,"v":{text}}}]"#));
        prop_assert_eq!(&batch.readings[0].as_ref().unwrap().values[0].value, &text);
    }

    #[test]
    fn any_order_of_base_fields_and_own_fields_means_the_same(base in -1000i64..1000, own in -1000i64..1000) {
        let summed = raw(&format!(r#"[{{"bv":{base}}},{{"n":"x","vigie_seq":1,"v":{own}}}]"#));
        let direct = raw(&format!(r#"[{{"vigie_seq":1,"v":{},"n":"x"}}]"#, base + own));
        prop_assert_eq!(summed, direct);
    }

    #[test]
    fn json_and_cbor_say_the_same(value in -1_000_000i64..1_000_000, sequence in 1i64..1_000_000, time in 300_000_000i64..2_000_000_000) {
        let mut bytes = Vec::new();
        let mut encoder = minicbor::Encoder::new(&mut bytes);
        encoder.array(1).unwrap().map(4).unwrap();
        encoder.i8(0).unwrap().str("urn:dev:x:weight").unwrap();
        encoder.i8(2).unwrap().i64(value).unwrap();
        encoder.i8(6).unwrap().i64(time).unwrap();
        encoder.str("vigie_seq").unwrap().i64(sequence).unwrap();
        let text = json!([{"n": "urn:dev:x:weight", "v": value, "t": time, "vigie_seq": sequence}]);
        prop_assert_eq!(batch_from_senml_cbor(&bytes, NOW).unwrap(), read(&text));
    }
}
