//! A device that lost its memory begins another epoch, and may send again what it told before.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, TestRunner};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;
use vigie_ingest::{Config, Ingest, Verdict};
use vigie_service::Clock;
use vigie_store::{Database, Role};
use vigie_testkit::TestDatabase;
use vigie_wire::{Channel, Encoding};

use crate::{Bench, glucose, now, publish};

const AT: &str = "2026-11-22T06:50:00Z";

fn in_epoch(epoch: i64, readings: &[Value]) -> Value {
    json!({"batch_id": "b-1", "epoch": epoch, "readings": readings})
}

fn outcomes(receipt: &Value) -> Vec<&str> {
    receipt["results"].as_array().unwrap().iter().map(|result| result["outcome"].as_str().unwrap()).collect()
}

async fn tell(bench: &Bench, epoch: i64, readings: &[Value]) -> Vec<String> {
    let (_, receipt) = bench.json(&in_epoch(epoch, readings)).await;
    outcomes(&receipt).into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn what_another_epoch_told_is_a_duplicate_its_number_is_used_and_nothing_is_judged_again() {
    for database in [TestDatabase::new().await, TestDatabase::native().await] {
        let bench = Bench::on(database, None).await;
        let pressure = json!({"sequence": 3, "measured_at": AT, "values": [
            {"vital": "systolic", "value": "132", "unit": "mm[Hg]"}, {"vital": "diastolic", "value": "84", "unit": "mm[Hg]"}]});
        let old = [glucose(1, "1.10", AT), glucose(2, "HI", "2026-11-21T06:50:00Z"), pressure];
        assert_eq!(tell(&bench, 5, &old).await, ["stored"; 3]);
        let judged = bench.database.value("SELECT count(*) FROM judgement_queue");

        // Epoch 2 is the later one: an epoch is any number.
        let renumbered: Vec<Value> = old
            .iter()
            .zip([4, 7, 6])
            .map(|(reading, sequence)| {
                let mut reading = reading.clone();
                reading["sequence"] = sequence.into();
                reading
            })
            .collect();
        for _ in 0..2 {
            let (outcome, receipt) = bench.json(&in_epoch(2, &renumbered)).await;
            assert_eq!((outcome.verdict, outcomes(&receipt)), (Verdict::Taken, vec!["duplicate"; 3]));
            assert_eq!(receipt["missing"], json!([[1, 3], [5, 5]]));
        }
        assert_eq!(
            bench.database.query("SELECT epoch, sequence, vital FROM reading ORDER BY 2, 3"),
            ["5|1|glucose", "5|2|glucose", "5|3|diastolic", "5|3|systolic"]
        );
        assert_eq!(bench.database.value("SELECT count(*) FROM judgement_queue"), judged);
        assert_eq!(bench.database.value("SELECT count(*) FROM quarantine"), "0");
        // A number of a repeat stands for its content, as any other.
        assert_eq!(tell(&bench, 2, &[glucose(4, "0.52", AT)]).await, ["conflict"]);
    }
}

#[tokio::test]
async fn something_else_at_the_same_device_time_is_stored_and_marked() {
    let bench = Bench::new().await;
    assert_eq!(tell(&bench, 1, &[glucose(1, "1.10", AT)]).await, ["stored"]);
    let mut control = glucose(2, "1.10", AT);
    control["context"] = json!({"sample": "control_solution"});
    let weight = json!({"sequence": 3, "measured_at": AT,
        "values": [{"vital": "weight", "value": "70.1", "unit": "kg"}]});
    assert_eq!(tell(&bench, 2, &[glucose(1, "1.11", AT), control, weight]).await, ["stored"; 3]);
    assert_eq!(
        bench.database.query("SELECT sequence, flags FROM reading WHERE epoch = 2 ORDER BY 1"),
        ["1|{same_time_as_another}", "2|{same_time_as_another}", "3|"]
    );
}

#[tokio::test]
async fn a_device_that_measures_twice_in_one_second_is_believed_within_an_epoch() {
    let bench = Bench::new().await;
    assert_eq!(tell(&bench, 1, &[glucose(1, "1.10", AT), glucose(2, "1.10", AT)]).await, ["stored"; 2]);
    assert_eq!(tell(&bench, 2, &[glucose(1, "1.10", AT), glucose(2, "1.10", AT)]).await, ["duplicate"; 2]);
    assert_eq!(bench.database.value("SELECT count(*) FROM reading"), "2");
}

#[tokio::test]
async fn a_clock_that_was_ahead_and_is_right_now_does_not_hide_a_repeat() {
    let bench = Bench::new().await;
    // Told by a clock that is 100 minutes ahead, and says so.
    let mut first = in_epoch(1, &[glucose(1, "1.10", "2026-11-22T08:30:00Z")]);
    first["sent_at"] = "2026-11-22T08:40:00Z".into();
    bench.json(&first).await;
    assert_eq!(
        bench.database.query("SELECT measured_at AT TIME ZONE 'UTC', flags FROM reading"),
        ["2026-11-22 06:50:00|{clock_corrected}"]
    );
    let later = another(&bench, now() + SignedDuration::from_hours(24)).await;
    assert_eq!(
        send(&later, &in_epoch(2, &[glucose(9, "1.10", "2026-11-22T08:30:00Z")])).await,
        ["duplicate"]
    );
}

#[tokio::test]
async fn after_thirty_days_a_device_is_not_watched_any_more_and_one_with_one_epoch_never_was() {
    let bench = Bench::new().await;
    assert_eq!(tell(&bench, 1, &[glucose(1, "1.10", AT)]).await, ["stored"]);
    assert_eq!(bench.database.query("SELECT repeats_until FROM ledger"), [""]);
    assert_eq!(tell(&bench, 2, &[glucose(1, "1.20", AT)]).await, ["stored"]);
    assert_eq!(
        bench.database.query("SELECT epoch, repeats_until AT TIME ZONE 'UTC' FROM ledger ORDER BY 1"),
        ["1|2026-12-22 07:00:00", "2|2026-12-22 07:00:00"]
    );
    let late = another(&bench, now() + SignedDuration::from_hours(31 * 24)).await;
    assert_eq!(send(&late, &in_epoch(2, &[glucose(2, "1.10", AT)])).await, ["stored"]);
    // A third epoch begins the watch anew.
    assert_eq!(send(&late, &in_epoch(3, &[glucose(1, "1.20", AT)])).await, ["duplicate"]);
}

#[tokio::test]
async fn a_number_that_jumps_opens_a_gap_and_one_that_was_refused_does_not() {
    let bench = Bench::new().await;
    let bad =
        json!({"sequence": 3, "measured_at": AT, "values": [{"vital": "mood", "value": "1", "unit": "1"}]});
    assert_eq!(tell(&bench, 1, &[glucose(1, "1", AT), glucose(2, "1", AT)]).await, ["stored"; 2]);
    assert_eq!(tell(&bench, 1, &[bad, glucose(4, "1", AT)]).await, ["rejected", "stored"]);
    let gaps = "SELECT epoch, first, last FROM ledger_gap ORDER BY 1, 2";
    assert_eq!(bench.database.query(gaps), Vec::<String>::new());
    // The jump of a batch, and one that a repeated number of the same batch sends the long way.
    tell(&bench, 1, &[glucose(7, "1", AT), glucose(9, "1", AT)]).await;
    tell(&bench, 1, &[glucose(9, "1", AT), glucose(12, "1", AT)]).await;
    // What fills one opens none.
    tell(&bench, 1, &[glucose(5, "1", AT), glucose(11, "1", AT)]).await;
    assert_eq!(bench.database.query(gaps), ["1|5|8", "1|10|11"]);
    tell(&bench, 8, &[glucose(42, "1.3", AT)]).await;
    assert_eq!(bench.database.query(gaps), ["1|5|8", "1|10|11", "8|1|41"]);
}

#[tokio::test]
async fn a_device_that_sends_every_other_number_only_makes_no_rows_without_end() {
    let bench = Bench::new().await;
    for n in 1..=30 {
        tell(&bench, 1, &[glucose(2 * n, "1", AT)]).await;
    }
    assert_eq!(bench.database.query("SELECT count(*), max(first), max(last) FROM ledger_gap"), ["20|39|59"]);
}

/// A second gateway process, as far as the database can tell, with a clock of its own.
async fn another(bench: &Bench, at: Timestamp) -> Ingest {
    let pool = Database::connect(bench.database.url(), Role::Gateway, 4).await.unwrap();
    let (tasks, committed) = (TaskTracker::new(), Arc::new(Notify::new()));
    Ingest::start(pool, Clock::set_to(at), Config::default(), committed, &tasks, &bench.stop)
}

async fn send(ingest: &Ingest, batch: &Value) -> Vec<String> {
    let payload = batch.to_string().into_bytes();
    let outcome = ingest.submit(publish(Some(Channel::Readings(Encoding::Json)), payload)).await.unwrap();
    assert_eq!(outcome.verdict, Verdict::Taken);
    let receipt = serde_json::from_slice(&outcome.receipt.unwrap().payload).unwrap();
    outcomes(&receipt).into_iter().map(str::to_owned).collect()
}

/// One publish: which of the epochs, which of the measurements, through which gateway.
type Told = (usize, usize, bool);

/// Three epochs, of which each has some of the measurements, all told once or twice in any order, partly at once.
fn stories() -> impl Strategy<Value = (Vec<Told>, bool)> {
    let told = proptest::collection::vec((0_usize..3, 0_usize..8, any::<bool>()), 1..30);
    (told, any::<bool>())
}

#[test]
fn any_interleaving_of_resends_under_new_epochs_gives_each_measurement_once() {
    vigie_testkit::logs::expect("not stored, not acknowledged");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (bench, other) = runtime.block_on(async {
        let bench = Bench::new().await;
        let other = another(&bench, now()).await;
        (bench, other)
    });
    let case = std::cell::Cell::new(0_i64);
    let mut runner = TestRunner::new(Cases { cases: 40, max_shrink_iters: 20, ..Cases::default() });
    let outcome = runner.run(&stories(), |(told, at_once)| {
        // An hour and three epochs of its own.
        case.set(case.get() + 1);
        let began: Timestamp = now() - SignedDuration::from_hours(case.get());
        let measurement = |n: usize| {
            // Two values for each of four seconds.
            (began + SignedDuration::from_secs(n as i64 / 2), ["1.10", "1.20"][n % 2])
        };
        let batch = |(epoch, n, _): Told| {
            let (at, value) = measurement(n);
            // Each epoch counts in another order.
            let sequence = [n, 7 - n, (n + 3) % 8][epoch] as i64 + 1;
            in_epoch(case.get() * 10 + epoch as i64, &[glucose(sequence, value, &at.to_string())])
        };
        runtime.block_on(async {
            let mut under_way = Vec::new();
            for one in &told {
                let ingest = if one.2 { other.clone() } else { bench.ingest.clone() };
                let batch = batch(*one);
                let sent = tokio::spawn(async move { send(&ingest, &batch).await });
                if at_once {
                    under_way.push(sent);
                } else {
                    sent.await.unwrap();
                }
            }
            for sent in under_way {
                sent.await.unwrap();
            }
        });
        let expected: BTreeSet<String> = told
            .iter()
            .map(|(_, n, _)| measurement(*n))
            .map(|(at, value)| format!("{}|{value}", at.as_second()))
            .collect();
        let stored = bench.database.query(&format!(
            "SELECT extract(epoch FROM measured_at)::bigint, value FROM reading
             WHERE epoch / 10 = {} ORDER BY 1, 2",
            case.get()
        ));
        prop_assert_eq!(stored, expected.into_iter().collect::<Vec<_>>());
        Ok(())
    });
    // Its pool is dropped inside the runtime that it lives in.
    runtime.block_on(async { drop((bench, other)) });
    outcome.unwrap();
}
