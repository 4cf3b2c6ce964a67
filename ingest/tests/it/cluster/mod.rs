//! A region's own broker (Debian's mosquitto) between the devices and ingest.

mod mosquitto;
mod sessions;
mod storing;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vigie_ingest::cluster::{self, Settings, Source};
use vigie_ingest::{Config, Ingest};
use vigie_service::Clock;
use vigie_store::{Database, Role};
use vigie_testkit::{TestDatabase, logs, people};

use crate::now;
use mosquitto::Mosquitto;

/// For anything that has to happen; well below what a reader of the test would wait for.
const PATIENCE: Duration = Duration::from_secs(60);

const AT: &str = "2026-11-22T06:50:00Z";

/// What may be logged when the cluster or the database goes away.
const AWAY: [&str; 3] =
    ["the connection to the cluster broke", "the cluster cannot be reached", "not stored, not acknowledged"];

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A broker and a database with `dev-1` and `dev-2`.
struct Region {
    broker: Mosquitto,
    database: TestDatabase,
    clock: Clock,
}

impl Region {
    async fn new() -> Self {
        AWAY.into_iter().for_each(logs::expect);
        let database = TestDatabase::new().await;
        people(database.url(), "2026-01-01T00:00:00Z".parse().unwrap()).await;
        Self { broker: Mosquitto::start().await, database, clock: Clock::set_to(now()) }
    }

    /// A process of Vigie that reads from the broker.
    async fn station(&self, client_id: &str) -> Station {
        self.station_through(client_id, self.broker.port(), self.database.url()).await
    }

    /// One of several that share the messages, and that has subscribed.
    async fn sharing_station(&self, client_id: &str) -> Station {
        let mut settings = Settings::new("127.0.0.1".into(), self.broker.port(), client_id.into());
        settings.share = true;
        let station = self.station_with(settings, self.database.url()).await;
        self.subscribed(&station).await;
        station
    }

    async fn station_through(&self, client_id: &str, port: u16, url: &str) -> Station {
        let settings = Settings::new("127.0.0.1".into(), port, client_id.into());
        self.station_with(settings, url).await
    }

    async fn station_with(&self, settings: Settings, url: &str) -> Station {
        let pool = Database::connect(url, Role::Gateway, 8).await.unwrap();
        let (storing, tasks) = (CancellationToken::new(), TaskTracker::new());
        let committed = Arc::new(Notify::new());
        let config = Config::default();
        let ingest = Ingest::start(pool.clone(), self.clock.clone(), config, committed, &tasks, &storing);
        let session = settings.session();
        let source = Source::new(settings, ingest, pool, self.clock.clone()).unwrap();
        let stop = CancellationToken::new();
        let reading = tokio::spawn(cluster::run(source, stop.clone()));
        tasks.close();
        Station { session, stop, reading, storing, tasks }
    }

    /// One that has subscribed.
    async fn ready_station(&self, client_id: &str) -> Station {
        let station = self.station(client_id).await;
        self.subscribed(&station).await;
        station
    }

    async fn subscribed(&self, station: &Station) {
        let beats = format!(
            "SELECT count(*) FROM service_beat WHERE role = 'cluster' AND instance = '{}'",
            station.session
        );
        until("the station has subscribed", async || self.database.value(&beats) == "1").await;
    }

    /// Numbers stored of a device, each as often as it is stored.
    fn stored(&self, device: &str) -> Vec<i64> {
        let sql = format!("SELECT sequence FROM reading WHERE device_id = '{device}' ORDER BY sequence");
        self.database.query(&sql).iter().map(|n| n.parse().unwrap()).collect()
    }

    /// Waits until all these numbers are stored, and finds each of them once and no other.
    async fn has_exactly(&self, device: &str, numbers: std::ops::RangeInclusive<i64>) {
        let wanted: Vec<i64> = numbers.collect();
        let is_there = async || {
            let stored: BTreeSet<i64> = self.stored(device).into_iter().collect();
            wanted.iter().all(|n| stored.contains(n))
        };
        until("every number that was published is stored", is_there).await;
        assert_eq!(self.stored(device), wanted, "each once, no other");
    }
}

/// A running `cluster::run`.
struct Station {
    session: String,
    stop: CancellationToken,
    reading: JoinHandle<()>,
    storing: CancellationToken,
    tasks: TaskTracker,
}

impl Station {
    /// As a process that is told to stop.
    async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.reading).await.expect("it stops").unwrap();
        self.storing.cancel();
        tokio::time::timeout(PATIENCE, self.tasks.wait()).await.expect("ingest stops");
    }

    /// As a process that is killed: nothing more is stored, nothing more is said.
    async fn kill(self) {
        self.reading.abort();
        self.storing.cancel();
        drop(self.reading.await);
        self.tasks.wait().await;
    }
}

fn reading(number: i64) -> String {
    readings("1.10", [number])
}

fn readings(value: &str, numbers: impl IntoIterator<Item = i64>) -> String {
    let readings: Vec<_> = numbers.into_iter().map(|n| crate::glucose(n, value, AT)).collect();
    crate::batch(&readings).to_string()
}

fn numbered(numbers: std::ops::RangeInclusive<i64>) -> Vec<String> {
    numbers.map(reading).collect()
}
