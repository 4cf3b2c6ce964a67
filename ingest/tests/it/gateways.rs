//! Several gateways and one device.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;
use vigie_ingest::{Config, Ingest, Outcome, Verdict};
use vigie_service::Clock;
use vigie_store::{Database, Role};
use vigie_testkit::Proxy;
use vigie_wire::{Channel, Encoding};

use crate::{Bench, batch, glucose, now, publish};

const AT: &str = "2026-11-22T06:50:00Z";

/// A second gateway process, as far as the database can tell.
async fn another(bench: &Bench, url: &str) -> Ingest {
    let pool = Database::connect(url, Role::Gateway, 4).await.unwrap();
    let tasks = TaskTracker::new();
    Ingest::start(pool, Clock::set_to(now()), Config::default(), Arc::new(Notify::new()), &tasks, &bench.stop)
}

async fn send(ingest: &Ingest, batch: &Value) -> (Outcome, Value) {
    let payload = batch.to_string().into_bytes();
    let outcome = ingest.submit(publish(Some(Channel::Readings(Encoding::Json)), payload)).await.unwrap();
    let receipt = serde_json::from_slice(&outcome.receipt.as_ref().unwrap().payload).unwrap();
    (outcome, receipt)
}

#[tokio::test]
async fn two_gateways_in_turn_tell_new_from_duplicate_and_conflict_for_the_same_device() {
    let bench = Bench::new().await;
    let other = another(&bench, bench.database.url()).await;
    for n in 1..=20 {
        let (here, there) = if n % 2 == 0 { (&bench.ingest, &other) } else { (&other, &bench.ingest) };
        let (_, receipt) = send(here, &batch(&[glucose(n, "1.10", AT)])).await;
        assert_eq!(receipt["results"][0]["outcome"], "stored");
        assert_eq!(receipt["contiguous"], n);
        let (_, receipt) = send(there, &batch(&[glucose(n, "1.10", AT)])).await;
        assert_eq!(receipt["results"][0]["outcome"], "duplicate");
        let (_, receipt) = send(there, &batch(&[glucose(n, "1.30", AT)])).await;
        assert_eq!(receipt["results"][0]["outcome"], "conflict");
    }
    assert_eq!(bench.database.query("SELECT count(*), count(DISTINCT value) FROM reading"), ["20|1"]);
    assert_eq!(bench.database.value("SELECT received FROM ledger"), "{[1,21)}");
}

#[tokio::test]
async fn the_same_readings_through_two_gateways_at_once_are_stored_once() {
    let bench = Bench::new().await;
    let other = another(&bench, bench.database.url()).await;
    let mut sending = Vec::new();
    for n in 1..=200 {
        for ingest in [&bench.ingest, &other] {
            let ingest = ingest.clone();
            let batch = batch(&[glucose(n, "1.10", AT)]);
            sending.push(tokio::spawn(async move { send(&ingest, &batch).await.1 }));
        }
    }
    let mut stored = 0;
    for told in sending {
        let outcome = told.await.unwrap()["results"][0]["outcome"].clone();
        assert!(outcome == "stored" || outcome == "duplicate", "{outcome}");
        stored += usize::from(outcome == "stored");
    }
    assert_eq!(stored, 200);
    assert_eq!(bench.database.query("SELECT count(*), count(DISTINCT sequence) FROM reading"), ["200|200"]);
    assert_eq!(bench.database.value("SELECT received FROM ledger"), "{[1,201)}");
}

#[tokio::test]
async fn of_a_gateway_that_is_cut_off_the_other_takes_over_without_loss_or_repetition() {
    vigie_testkit::logs::expect("not stored, not acknowledged");
    let bench = Bench::new().await;
    let proxy = Proxy::start(bench.database.port()).await;
    let first = another(&bench, &bench.database.url_through(proxy.port())).await;
    let mut unanswered = Vec::new();
    for n in 1..=300 {
        if n == 150 {
            proxy.cut();
        }
        let (ingest, batch) = (first.clone(), batch(&[glucose(n, "1.10", AT)]));
        unanswered.push((n, tokio::spawn(async move { send(&ingest, &batch).await.1 })));
        tokio::task::yield_now().await;
    }
    // Some were committed and never told, some never came: the device sends all of them again, elsewhere.
    for n in 1..=300 {
        let (outcome, _) = send(&bench.ingest, &batch(&[glucose(n, "1.10", AT)])).await;
        assert_eq!(outcome.verdict, Verdict::Taken);
    }
    for (_, task) in unanswered {
        task.abort();
    }
    proxy.restore();
    assert_eq!(bench.database.query("SELECT count(*), count(DISTINCT sequence) FROM reading"), ["300|300"]);
    assert_eq!(bench.database.value("SELECT received FROM ledger"), "{[1,301)}");
}

#[tokio::test]
async fn a_number_that_was_refused_is_a_conflict_when_it_comes_again_as_something_else() {
    let bench = Bench::new().await;
    let bad =
        json!({"sequence": 1, "measured_at": AT, "values": [{"vital": "mood", "value": "1", "unit": "1"}]});
    // Within one message, and in the next.
    let (_, receipt) = send(&bench.ingest, &batch(&[bad, glucose(1, "1.10", AT)])).await;
    assert_eq!(receipt["results"][0]["outcome"], "rejected");
    assert_eq!(receipt["results"][1]["outcome"], "conflict");
    let (_, receipt) = send(&bench.ingest, &batch(&[glucose(1, "1.10", AT), glucose(2, "1.10", AT)])).await;
    assert_eq!(receipt["results"][0]["outcome"], "conflict");
    assert_eq!(receipt["results"][1]["outcome"], "stored");
    assert_eq!(bench.database.query("SELECT sequence FROM reading"), ["2"]);
}
