//! What every crash test needs: patients whose devices send, the two processes, and the quiet at the end.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use vigie_device_sim::{Address, LoadConfig, LoadDevice, LoadReport, LoadVital, Rate, Stop, load};
use vigie_e2e::stand::{Group, Profile, Service, Stand, lasting_port};
use vigie_service::Clock;
use vigie_vitals::plans::CarePlan;
use vigie_wire::Encoding;

use crate::checker;
use crate::nemesis::until;

/// One after the other: each uses the whole machine, and one of them measures a time.
static MACHINE: Mutex<()> = Mutex::const_new(());

/// What may be logged when the database goes away.
pub(crate) const DATABASE_AWAY: [&str; 5] = [
    "not stored, not acknowledged",
    "not judged; trying again",
    // sqlx's own words: a connection broke while it was lent, a new one was long in coming or broke at once.
    "error occurred while testing the connection on-release",
    "time to acquire exceeded slow threshold",
    "error returned from after_connect",
];

/// A kind of traffic.
pub(crate) struct Traffic {
    pub(crate) devices: Vec<LoadDevice>,
    pub(crate) readings_per_publish: usize,
    pub(crate) readings_per_second: f64,
    pub(crate) abnormal_every: u64,
    pub(crate) encoding: Encoding,
    pub(crate) receipts: bool,
}

pub(crate) struct Scene {
    pub(crate) stand: Stand,
    pub(crate) traffic: Vec<Traffic>,
    /// Patients of whom nothing will be heard.
    pub(crate) silent: Vec<LoadDevice>,
    /// Where devices connect, whatever process serves them at the moment.
    pub(crate) mqtt_port: u16,
    /// What was sent: what it came to, and the acknowledgements, by epoch and kind of traffic.
    pub(crate) sent: Vec<Sent>,
    _machine: MutexGuard<'static, ()>,
}

/// One load that is over.
pub(crate) struct Sent {
    pub(crate) report: LoadReport,
    pub(crate) ack_log: PathBuf,
}

/// Loads under way, one per kind of traffic, all in one epoch.
pub(crate) struct Loads(Vec<(JoinHandle<LoadReport>, PathBuf)>);

impl Loads {
    pub(crate) fn are_over(&self) -> bool {
        self.0.iter().all(|(load, _)| load.is_finished())
    }

    /// Bytes of acknowledgements noted.
    fn noted(&self) -> u64 {
        self.0.iter().map(|(_, log)| std::fs::metadata(log).map_or(0, |file| file.len())).sum()
    }

    /// Acknowledged readings noted so far.
    pub(crate) fn acknowledged(&self) -> Vec<checker::Key> {
        self.0.iter().flat_map(|(_, log)| checker::read_acks(log)).collect()
    }
}

impl Scene {
    pub(crate) async fn new() -> Self {
        let machine = MACHINE.lock().await;
        let stand = Stand::start(Profile::Debug, &[]).await.unwrap();
        let now = Clock::system().now();
        // Long enough ago for every reading, not long enough for a silence; and the other way round.
        let (active, silent) = (now - SignedDuration::from_hours(2), now - SignedDuration::from_hours(30));
        let group = |name, count, plan, vital, since| Group { name, count, plan, vital, since };
        let one = group("one", 90, CarePlan::Diabetes, LoadVital::Glucose, active);
        let many = group("many", 40, CarePlan::Diabetes, LoadVital::Glucose, active);
        let scale = group("scale", 10, CarePlan::HeartFailure, LoadVital::Weight, active);
        let mute = group("mute", 5, CarePlan::Diabetes, LoadVital::Glucose, silent);
        let traffic = vec![
            traffic(stand.add(one).await.unwrap(), 1, 1_200.0, 25, Encoding::Protobuf, false),
            traffic(stand.add(many).await.unwrap(), 7, 700.0, 40, Encoding::Json, true),
            traffic(stand.add(scale).await.unwrap(), 1, 30.0, 10, Encoding::Protobuf, true),
        ];
        let silent = stand.add(mute).await.unwrap();
        let mqtt_port = lasting_port().unwrap();
        Self { stand, traffic, silent, mqtt_port, sent: Vec::new(), _machine: machine }
    }

    pub(crate) async fn gateway(&self) -> Service {
        self.gateway_through(&self.stand.url()).await
    }

    pub(crate) async fn gateway_through(&self, url: &str) -> Service {
        let mut gateway = self.stand.serve("gateway", self.mqtt_port, url).unwrap();
        gateway.ready().await.unwrap();
        gateway
    }

    pub(crate) async fn worker(&self) -> Service {
        let mut worker = self.stand.serve("alerts", 0, &self.stand.url()).unwrap();
        worker.ready().await.unwrap();
        worker
    }

    /// Starts all traffic for a time, in a memory epoch of its own; it ends when all that was sent is acknowledged.
    pub(crate) fn begin(&self, publishing: Duration) -> Loads {
        let epoch = self.sent.len() as u64 / self.traffic.len() as u64 + 1;
        let loads = self.traffic.iter().enumerate().map(|(kind, traffic)| {
            let ack_log = self.stand.file(&format!("acknowledged-{epoch}-{kind}"));
            let address = Address { host: "127.0.0.1".into(), port: self.mqtt_port };
            let clock = Clock::system();
            let config = LoadConfig {
                readings_per_publish: traffic.readings_per_publish,
                rate: Rate::PerSecond(traffic.readings_per_second),
                stop: Stop::After(publishing),
                epoch,
                abnormal_every: Some(traffic.abnormal_every),
                encoding: traffic.encoding,
                receipts: traffic.receipts,
                ack_log: Some(ack_log.clone()),
                // Nothing is sent again because it took long: only because a connection broke.
                ack_patience: Duration::from_secs(300),
                drain: Duration::from_secs(120),
                ..LoadConfig::new(address, traffic.devices.clone(), Arc::new(move || clock.now()))
            };
            let running = tokio::spawn(async move { load(config, CancellationToken::new()).await.unwrap() });
            (running, ack_log)
        });
        Loads(loads.collect())
    }

    /// Waits until more was acknowledged than now, so that the next blow falls under load. False when the load is over
    /// before.
    pub(crate) async fn progress(&self, loads: &Loads) -> bool {
        let before = loads.noted();
        until("something more is acknowledged", || loads.noted() > before || loads.are_over()).await;
        !loads.are_over()
    }

    /// Waits until everything sent was acknowledged.
    pub(crate) async fn end(&mut self, loads: Loads) {
        for (load, ack_log) in loads.0 {
            let report = load.await.unwrap();
            self.sent.push(Sent { report, ack_log });
        }
    }

    /// Waits until nothing is left to judge.
    pub(crate) async fn quiet(&self) {
        until("everyone is judged", || {
            let waiting = "SELECT (SELECT count(*) FROM judgement_queue)
                + (SELECT count(*) FROM patient_watch WHERE judged_at IS NULL)";
            self.stand.number(waiting).unwrap() == 0
        })
        .await;
    }

    /// Stops what runs in order, and looks at what all processes logged, the killed ones, too.
    pub(crate) async fn close(&self, running: [&mut Service; 2], killed: &[Service], expected: &[&str]) {
        for service in running {
            assert!(service.stop().await.unwrap().success());
            assert_eq!(service.complaints(expected), Vec::<String>::new());
        }
        for service in killed {
            assert_eq!(service.complaints(expected), Vec::<String>::new());
        }
    }

    /// Totals of what was sent.
    pub(crate) fn summary(&self, began: Instant) -> String {
        let sum = |of: fn(&LoadReport) -> u64| self.sent.iter().map(|sent| of(&sent.report)).sum::<u64>();
        format!(
            "{} publishes, {} readings acknowledged, {} publishes sent again, {} connections, {} receipts in {:.0?}",
            sum(|r| r.publishes),
            sum(|r| r.acknowledged_readings),
            sum(|r| r.resent),
            sum(|r| r.connections),
            sum(|r| r.receipts),
            began.elapsed()
        )
    }

    /// How often each device had to have an abnormal value, by device: for the checker.
    pub(crate) fn abnormal_every(&self) -> BTreeMap<String, (LoadVital, u64)> {
        let of = |t: &Traffic| {
            t.devices.iter().map(|d| (d.id.to_string(), (d.vital, t.abnormal_every))).collect::<Vec<_>>()
        };
        self.traffic.iter().flat_map(of).collect()
    }

    /// Readings stored and not acknowledged at this moment, when no gateway runs: those that would be there twice, or
    /// be lost, if the devices or the gateway got it wrong.
    pub(crate) fn in_doubt(&self, loads: &Loads) -> i64 {
        let epoch = self.sent.len() / self.traffic.len() + 1;
        let stored = format!(
            "SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM ledger, unnest(received) AS r WHERE epoch = {epoch}"
        );
        self.stand.number(&stored).unwrap() - i64::try_from(loads.acknowledged().len()).unwrap()
    }
}

fn traffic(
    devices: Vec<LoadDevice>,
    readings_per_publish: usize,
    readings_per_second: f64,
    abnormal_every: u64,
    encoding: Encoding,
    receipts: bool,
) -> Traffic {
    Traffic { devices, readings_per_publish, readings_per_second, abnormal_every, encoding, receipts }
}
