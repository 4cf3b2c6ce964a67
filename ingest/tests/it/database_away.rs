//! The database goes away and comes back.

use std::time::Duration;

use vigie_ingest::Verdict;
use vigie_store::{Database, Role};
use vigie_testkit::{Proxy, TestDatabase, logs};
use vigie_wire::{Channel, Encoding};

use crate::{Bench, batch, glucose, publish};

const AT: &str = "2026-11-22T06:50:00Z";

#[tokio::test]
async fn while_the_database_is_away_nothing_is_acknowledged_and_then_everything_is() {
    logs::expect("not stored, not acknowledged");
    let database = TestDatabase::new().await;
    let proxy = Proxy::start(database.port()).await;
    let bench = Bench::on(database, Some(proxy.port())).await;
    bench.json(&batch(&[glucose(1, "1.1", AT)])).await;

    proxy.cut();
    let mut waiting: Vec<_> = (2..=20)
        .map(|n| {
            let ingest = bench.ingest.clone();
            let payload = batch(&[glucose(n, "1.1", AT)]).to_string().into_bytes();
            tokio::spawn(async move {
                ingest.submit(publish(Some(Channel::Readings(Encoding::Json)), payload)).await
            })
        })
        .collect();
    // Long enough for many tries; none may be answered.
    let first = waiting.remove(0);
    let answered = tokio::time::timeout(Duration::from_secs(2), first).await;
    assert!(answered.is_err(), "answered while the database was away");

    proxy.restore();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(2);
    for task in waiting {
        let outcome = tokio::time::timeout_at(deadline, task).await.expect("within two seconds").unwrap();
        assert_eq!(outcome.unwrap().verdict, Verdict::Taken);
    }
    assert_eq!(bench.database.value("SELECT count(DISTINCT sequence) FROM reading"), "20");
}

/// sqlx 0.9.0: a `begin()` that is cancelled leaves its connection inside a transaction that the pool does
/// not know of. Without the `after_release` hook of `vigie_store::Database`, what is written next on that
/// connection outside of a transaction is rolled back later, although it was reported as done.
#[tokio::test]
async fn a_cancelled_begin_never_takes_a_later_write_with_it() {
    let database = TestDatabase::new().await;
    let proxy = Proxy::start(database.port()).await;
    let pool = Database::connect(&database.url_through(proxy.port()), Role::Admin, 1).await.unwrap();
    for round in 0..50u64 {
        let cancelled = tokio::time::timeout(Duration::from_micros(20 * round), pool.begin()).await;
        drop(cancelled);
        let mut tx = pool.begin().await.unwrap();
        let name = format!("round {round}");
        vigie_store::setup::territory(&mut tx, &name, uuid(round)).await.unwrap();
        tx.commit().await.unwrap();
    }
    pool.close().await;
    assert_eq!(database.value("SELECT count(*) FROM territory"), "50");
    assert_eq!(
        database.value("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"),
        "0"
    );
}

fn uuid(n: u64) -> uuid::Uuid {
    uuid::Uuid::from_u64_pair(7, n)
}
