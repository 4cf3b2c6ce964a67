//! What is stored, what is told.

use serde_json::json;
use vigie_ingest::Verdict;
use vigie_testkit::TestDatabase;
use vigie_wire::{Channel, Encoding};

use crate::{Bench, batch, glucose, publish};

const AT: &str = "2026-11-22T06:50:00Z";

#[tokio::test]
async fn the_same_batch_three_times_is_stored_once_and_told_duplicate() {
    let bench = Bench::new().await;
    let batch = batch(&[glucose(1, "1.10", AT), glucose(2, "0.52", AT)]);
    let (first, receipt) = bench.json(&batch).await;
    assert_eq!(first.verdict, Verdict::Taken);
    assert_eq!(
        receipt["results"],
        json!([{"sequence": 1, "outcome": "stored"}, {"sequence": 2, "outcome": "stored"}])
    );
    assert_eq!(receipt["contiguous"], 2);
    for _ in 0..2 {
        let (again, receipt) = bench.json(&batch).await;
        assert_eq!(again.verdict, Verdict::Taken);
        assert_eq!(receipt["results"][1]["outcome"], "duplicate");
    }
    assert_eq!(bench.database.query("SELECT sequence, value FROM reading ORDER BY 1"), ["1|1.10", "2|0.52"]);
    assert_eq!(bench.database.value("SELECT count(*) FROM quarantine"), "0");
}

#[tokio::test]
async fn a_sequence_number_used_twice_for_other_content_is_a_conflict_and_the_first_stays() {
    let bench = Bench::new().await;
    bench.json(&batch(&[glucose(1, "1.10", AT)])).await;
    let (outcome, receipt) = bench.json(&batch(&[glucose(1, "1.20", AT)])).await;
    assert_eq!(receipt["results"][0]["outcome"], "conflict");
    assert_eq!(outcome.verdict, Verdict::Invalid);
    assert!(outcome.receipt.unwrap().outbox_id.is_some(), "a receipt that says more than the ack is kept");
    assert_eq!(bench.database.query("SELECT value FROM reading"), ["1.10"]);
    assert_eq!(bench.database.query("SELECT code, sequence FROM quarantine"), ["conflict|1"]);
    // Inside one batch as well.
    let (_, receipt) =
        bench.json(&batch(&[glucose(2, "1.10", AT), glucose(2, "1.10", AT), glucose(2, "1.30", AT)])).await;
    let outcomes: Vec<_> =
        receipt["results"].as_array().unwrap().iter().map(|r| r["outcome"].clone()).collect();
    assert_eq!(outcomes, ["stored", "duplicate", "conflict"]);
}

#[tokio::test]
async fn stored_means_queued_for_judgement_since_its_earliest_reading() {
    let bench = Bench::new().await;
    bench.json(&batch(&[glucose(1, "1.10", AT), glucose(2, "1.10", "2026-11-20T02:10:00Z")])).await;
    let patient = bench.people.patients[0];
    assert_eq!(
        bench.database.query(
            "SELECT patient_id, since AT TIME ZONE 'UTC' FROM judgement_queue ORDER BY id DESC LIMIT 1"
        ),
        [format!("{patient}|2026-11-20 02:10:00")]
    );
}

#[tokio::test]
async fn gaps_are_told_exactly() {
    let bench = Bench::new().await;
    let (_, receipt) =
        bench.json(&batch(&[glucose(1, "1", AT), glucose(2, "1", AT), glucose(6, "1", AT)])).await;
    assert_eq!(receipt["contiguous"], 2);
    assert_eq!(receipt["missing"], json!([[3, 5]]));
    let (_, receipt) = bench.json(&batch(&[glucose(4, "1", AT)])).await;
    assert_eq!(receipt["missing"], json!([[3, 3], [5, 5]]));
}

#[tokio::test]
async fn a_reading_belongs_to_who_held_the_device_when_it_was_measured() {
    let bench = Bench::new().await;
    let (one, two) = (bench.people.patients[0], bench.people.patients[1]);
    bench.database.query(&format!(
        "UPDATE device_assignment SET held = tstzrange('2026-01-01Z', '2026-11-22 06:00Z') WHERE device_id = 'dev-1';
         INSERT INTO device_assignment VALUES ('dev-1', '{two}', tstzrange('2026-11-22 06:30Z', NULL))"
    ));
    let (_, receipt) = bench
        .json(&batch(&[
            glucose(1, "1.1", "2026-11-22T05:59:59Z"),
            glucose(2, "1.2", "2026-11-22T06:10:00Z"),
            glucose(3, "1.3", "2026-11-22T06:30:00Z"),
        ]))
        .await;
    assert_eq!(
        bench.database.query("SELECT sequence, patient_id FROM reading ORDER BY 1"),
        [format!("1|{one}"), format!("3|{two}")]
    );
    assert!(receipt["results"][1]["reason"].as_str().unwrap().starts_with("device_not_assigned"));
    assert_eq!(bench.database.query("SELECT code, sequence FROM quarantine"), ["device_not_assigned|2"]);
    // Not dealt with for good: it counts as missing, so that it is sent again.
    assert_eq!(receipt["missing"], json!([[2, 2]]));
}

#[tokio::test]
async fn what_cannot_be_a_reading_is_kept_with_its_bytes_once() {
    let bench = Bench::new().await;
    for _ in 0..3 {
        let (outcome, receipt) = bench.raw(Channel::Readings(Encoding::Json), b"{broken".to_vec()).await;
        assert_eq!(outcome.verdict, Verdict::Invalid);
        assert!(receipt["reason"].as_str().unwrap().starts_with("not_a_batch"));
    }
    let foreign = bench.ingest.submit(publish(None, b"hello".to_vec())).await.unwrap();
    assert_eq!(foreign.verdict, Verdict::NotAuthorised);
    assert_eq!(
        bench.database.query("SELECT code, convert_from(payload, 'UTF8') FROM quarantine ORDER BY id"),
        ["not_a_batch|{broken", "not_your_topic|hello"]
    );
}

#[tokio::test]
async fn blood_pressure_is_one_reading_with_three_values() {
    let bench = Bench::new().await;
    let reading = json!({"sequence": 1, "measured_at": AT, "values": [
        {"vital": "systolic", "value": "132", "unit": "mm[Hg]"}, {"vital": "diastolic", "value": "84", "unit": "mm[Hg]"},
        {"vital": "pulse", "value": "71", "unit": "/min"}], "context": {"session": "morning"}});
    let (_, receipt) = bench.json(&batch(std::slice::from_ref(&reading))).await;
    assert_eq!(receipt["results"], json!([{"sequence": 1, "outcome": "stored"}]));
    assert_eq!(
        bench.database.value("SELECT count(*) FROM reading WHERE context->>'session' = 'morning'"),
        "3"
    );
    let (_, receipt) = bench.json(&batch(&[reading])).await;
    assert_eq!(receipt["results"][0]["outcome"], "duplicate");
}

#[tokio::test]
async fn a_device_that_does_not_listen_finds_its_receipt_later() {
    let bench = Bench::new().await;
    let mut silent =
        publish(Some(Channel::Readings(Encoding::Json)), batch(&[glucose(1, "1.1", AT)]).to_string().into());
    silent.wants_receipts = false;
    let outcome = bench.ingest.submit(silent).await.unwrap();
    assert!(outcome.receipt.unwrap().outbox_id.is_some());
    assert_eq!(bench.database.value("SELECT count(*) FROM device_outbox WHERE device_id = 'dev-1'"), "1");
}

#[tokio::test]
async fn it_works_on_native_partitions_as_well() {
    let bench = Bench::on(TestDatabase::native().await, None).await;
    assert!(!bench.database.has_timescale());
    let late = "2026-03-01T00:00:00Z";
    bench.json(&batch(&[glucose(1, "1.10", AT), glucose(2, "HI", late)])).await;
    assert_eq!(
        bench.database.query("SELECT sequence, tableoid::regclass FROM reading ORDER BY 1"),
        ["1|reading_2026_11", "2|reading_2026_03"]
    );
}

#[tokio::test]
async fn many_devices_at_once_are_stored_completely() {
    let bench = Bench::new().await;
    let submits = (1..=300).map(|n| {
        let bench = &bench;
        async move { bench.json(&batch(&[glucose(n, "1.10", AT)])).await.0.verdict }
    });
    for verdict in futures(submits).await {
        assert_eq!(verdict, Verdict::Taken);
    }
    assert_eq!(bench.database.value("SELECT count(DISTINCT sequence) FROM reading"), "300");
    assert_eq!(bench.database.value("SELECT received FROM ledger"), "{[1,301)}");
}

/// Runs all of them together.
async fn futures<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut pending: Vec<_> = all.map(Box::pin).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|cx| {
        pending.retain_mut(|future| match future.as_mut().poll(cx) {
            std::task::Poll::Ready(value) => {
                done.push(value);
                false
            }
            std::task::Poll::Pending => true,
        });
        if pending.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done
}

#[tokio::test]
async fn a_senml_pack_with_relative_times_that_comes_again_is_a_duplicate_and_the_first_time_stays() {
    let bench = Bench::new().await;
    let pack = json!([{"n": "glucose", "u": "g/L", "v": 1.1, "vigie_seq": 1, "t": -60}]).to_string();
    let later = json!([{"n": "glucose", "u": "g/L", "v": 1.1, "vigie_seq": 1, "t": -90}]).to_string();
    let other = json!([{"n": "glucose", "u": "g/L", "v": 1.2, "vigie_seq": 1, "t": -60}]).to_string();
    for (pack, outcome) in [(pack, "stored"), (later, "duplicate"), (other, "conflict")] {
        let (_, receipt) = bench.raw(Channel::Readings(Encoding::SenmlJson), pack.into_bytes()).await;
        assert_eq!(receipt["results"][0]["outcome"], outcome);
    }
    assert_eq!(
        bench.database.query("SELECT value, measured_at AT TIME ZONE 'UTC', flags FROM reading"),
        ["1.1|2026-11-22 06:59:00|{time_relative}"]
    );
}
