//! docs/clock.md, run row by row, and what the database keeps of it.

use jiff::Timestamp;
use serde_json::json;
use vigie_ingest::{Config, decode};
use vigie_wire::{Channel, Encoding, Message, v1};

use crate::{Bench, batch};

const DOCUMENT: &str = include_str!("../../../docs/clock.md");

/// One row of a table of the document.
#[derive(Debug)]
struct Case {
    name: String,
    arrival: Timestamp,
    sent_at: String,
    clock_state: String,
    measured_at: String,
    kept_at: String,
    outcome: String,
}

impl Case {
    fn batch(&self) -> v1::ReadingBatch {
        v1::ReadingBatch {
            sent_at: self.sent_at.clone(),
            clock_state: self.clock_state.clone(),
            epoch: 1,
            readings: vec![v1::Reading {
                sequence: 1,
                measured_at: self.measured_at.clone(),
                values: vec![v1::Value {
                    vital: "weight".into(),
                    value: "80.1".into(),
                    unit: "kg".into(),
                    ..v1::Value::default()
                }],
                ..v1::Reading::default()
            }],
            ..v1::ReadingBatch::default()
        }
    }

    /// As the document writes it: where it is kept and its flags, or that it is refused and the code.
    fn outcome(&self, encoding: Encoding, payload: &[u8]) -> (String, String) {
        let refused = |code: &str| ("refused".to_owned(), code.to_owned());
        match decode(encoding, payload, self.arrival, &Config::default()) {
            Err(rejection) => refused(rejection.code),
            Ok(decoded) => match decoded.readings.first().unwrap() {
                Err(rejection) => refused(rejection.code),
                Ok(reading) => (reading.measured_at.to_string(), reading.flags.join(", ")),
            },
        }
    }
}

/// The rows of every table that follows a mark `cases arriving`.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for part in DOCUMENT.split("<!-- cases arriving ").skip(1) {
        let (arrival, table) = part.split_once(" -->\n").unwrap();
        let rows = table.lines().take_while(|line| line.starts_with('|')).skip(2);
        for row in rows {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            let [name, sent_at, clock_state, measured_at, kept_at, outcome]: [&str; 6] =
                cells.try_into().unwrap();
            let field = |text: &str| if text == "–" { String::new() } else { text.to_owned() };
            cases.push(Case {
                name: name.into(),
                arrival: arrival.parse().unwrap(),
                sent_at: field(sent_at),
                clock_state: field(clock_state),
                measured_at: field(measured_at),
                kept_at: kept_at.into(),
                outcome: outcome.into(),
            });
        }
    }
    cases
}

#[test]
fn every_case_of_the_document_is_what_happens() {
    let cases = cases();
    assert!(cases.len() > 30, "the tables are found ({})", cases.len());
    for case in &cases {
        let expected = (case.kept_at.clone(), case.outcome.clone());
        let batch = case.batch();
        assert_eq!(case.outcome(Encoding::Protobuf, &batch.encode_to_vec()), expected, "{}", case.name);
        let mut json = serde_json::to_value(&batch).unwrap();
        if case.measured_at.is_empty() {
            json["readings"][0].as_object_mut().unwrap().remove("measured_at");
        }
        let payload = json.to_string().into_bytes();
        assert_eq!(case.outcome(Encoding::Json, &payload), expected, "{} as JSON", case.name);
    }
}

#[test]
fn every_doubt_that_a_reading_can_carry_is_explained_and_has_an_example() {
    let cases = cases();
    for doubt in vigie_vitals::TimeDoubt::ALL.map(vigie_vitals::TimeDoubt::as_str) {
        assert!(DOCUMENT.contains(&format!("| `{doubt}` |")), "{doubt} is explained");
        assert!(cases.iter().any(|case| case.outcome.contains(doubt)), "{doubt} has an example");
    }
}

/// Without a time it says `null`, which is the same as leaving it out.
fn weight(sequence: i64, measured_at: Option<&str>) -> serde_json::Value {
    let values = json!([{"vital": "weight", "value": "80.1", "unit": "kg"}]);
    json!({"sequence": sequence, "measured_at": measured_at, "values": values})
}

#[tokio::test]
async fn four_times_are_kept() {
    let bench = Bench::new().await;
    let mut ahead = batch(&[weight(1, Some("2026-11-23T06:50:00Z"))]);
    ahead["sent_at"] = json!("2026-11-23T07:00:00Z");
    bench.json(&ahead).await;
    assert_eq!(
        bench.database.query(
            "SELECT device_measured_at AT TIME ZONE 'UTC', measured_at AT TIME ZONE 'UTC',
                    received_at AT TIME ZONE 'UTC', stored_at BETWEEN now() - interval '5 minutes' AND now(), flags FROM reading"
        ),
        ["2026-11-23 06:50:00|2026-11-22 06:50:00|2026-11-22 07:00:00|t|{clock_corrected}"]
    );
}

#[tokio::test]
async fn a_reading_without_a_time_that_comes_again_later_is_a_duplicate_and_the_first_time_stays() {
    let bench = Bench::new().await;
    let without = batch(&[weight(1, None)]);
    let (_, receipt) = bench.json(&without).await;
    assert_eq!(receipt["results"][0]["outcome"], "stored");
    bench.clock.set("2026-11-22T07:30:00Z".parse().unwrap());
    let (_, receipt) = bench.json(&without).await;
    assert_eq!(receipt["results"][0]["outcome"], "duplicate");
    assert_eq!(
        bench.database.query("SELECT measured_at AT TIME ZONE 'UTC', flags FROM reading"),
        ["2026-11-22 07:00:00|{time_of_arrival,time_relative}"]
    );
}

#[tokio::test]
async fn a_reading_of_an_earlier_timeline_is_in_quarantine_with_its_code_and_the_device_is_told() {
    let bench = Bench::new().await;
    let mut lost = batch(&[weight(1, Some("2026-11-20T06:50:00Z")), weight(2, Some("2000-01-01T00:02:00Z"))]);
    lost["sent_at"] = json!("2000-01-01T00:12:00Z");
    let (_, receipt) = bench.json(&lost).await;
    let told = receipt["results"][0]["reason"].as_str().unwrap();
    assert!(told.starts_with("earlier_timeline: "), "{told}");
    assert_eq!(receipt["results"][1]["outcome"], "stored");
    assert_eq!(bench.database.query("SELECT code, sequence FROM quarantine"), ["earlier_timeline|1"]);
    assert_eq!(
        bench.database.query("SELECT sequence, measured_at AT TIME ZONE 'UTC' FROM reading"),
        ["2|2026-11-22 06:50:00"]
    );
}

/// The correction of the first arrival stays: the same readings in another batch prove another offset.
#[tokio::test]
async fn a_corrected_reading_that_comes_again_is_a_duplicate() {
    let bench = Bench::new().await;
    let reading = weight(1, Some("2026-11-22T00:50:00Z"));
    for (sent_at, outcome) in [("2026-11-22T01:00:00Z", "stored"), ("2026-11-22T01:30:00Z", "duplicate")] {
        let mut batch = batch(std::slice::from_ref(&reading));
        batch["sent_at"] = json!(sent_at);
        batch["clock_state"] = json!("unsynchronised");
        let (_, receipt) = bench.json(&batch).await;
        assert_eq!(receipt["results"][0]["outcome"], outcome);
    }
    assert_eq!(
        bench.database.query("SELECT measured_at AT TIME ZONE 'UTC' FROM reading"),
        ["2026-11-22 06:50:00"]
    );
}

#[tokio::test]
async fn a_clock_that_is_proven_wrong_is_noted_and_one_that_only_seems_to_be_is_not() {
    let bench = Bench::new().await;
    let send = async |sequence, sent_at: &str, clock_state: &str| {
        let mut batch = batch(&[weight(sequence, Some(sent_at))]);
        batch["sent_at"] = json!(sent_at);
        batch["clock_state"] = json!(clock_state);
        let (_, receipt) = bench.json(&batch).await;
        assert_eq!(receipt["results"][0]["outcome"], "stored", "{sent_at}");
        bench.database.query("SELECT device_id, ahead_ms, noted_at AT TIME ZONE 'UTC' FROM device_clock")
    };
    // Right, late or slow without a word about it, and late by a clock that is vouched for.
    assert_eq!(send(1, "2026-11-22T07:01:59Z", "").await, Vec::<String>::new());
    assert_eq!(send(2, "2026-11-22T01:00:00Z", "").await, Vec::<String>::new());
    assert_eq!(send(3, "2026-11-22T01:00:00Z", "synchronised").await, Vec::<String>::new());
    let noted = send(4, "2026-11-22T01:00:00Z", "unsynchronised").await;
    assert_eq!(noted, ["dev-1|-21600000|2026-11-22 07:00:00"]);
    // Within a minute the row is left as it is; later the last word counts.
    assert_eq!(send(5, "2026-11-22T07:15:00Z", "").await, noted);
    bench.clock.set("2026-11-22T07:02:00Z".parse().unwrap());
    let noted = send(6, "2026-11-22T07:17:00Z", "").await;
    assert_eq!(noted, ["dev-1|900000|2026-11-22 07:02:00"]);
}

/// The night of 25 October 2026 in France has the hour from two to three twice.
#[tokio::test]
async fn the_same_local_hour_twice_is_two_readings_in_their_order() {
    let bench = Bench::new().await;
    let second = weight(2, Some("2026-10-25T02:30:00+01:00"));
    let first = weight(1, Some("2026-10-25T02:30:00+02:00"));
    bench.raw(Channel::Readings(Encoding::Json), batch(&[second, first]).to_string().into_bytes()).await;
    assert_eq!(
        bench.database.query(
            "SELECT sequence, measured_at AT TIME ZONE 'UTC', measured_at AT TIME ZONE 'Europe/Paris' FROM reading ORDER BY measured_at"
        ),
        ["1|2026-10-25 00:30:00|2026-10-25 02:30:00", "2|2026-10-25 01:30:00|2026-10-25 02:30:00"]
    );
}
