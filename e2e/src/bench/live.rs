//! A whole Vigie with devices that publish at a steady rate, and a nurse who watches.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use vigie_device_sim::{Address, LoadConfig, LoadDevice, LoadReport, Rate, Stop, load};
use vigie_service::Clock;

use super::acks::{self, Acked};
use super::sight::Moments;
use super::watcher::Watcher;
use crate::stand::{Service, Stand, lasting_port, patient_id};
use crate::waiting::until;

/// What a machine may take for what it does in seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// Gateway, judging workers and pages in one process, and a nurse who follows the events of all patients.
pub(super) struct Live<'a> {
    stand: &'a Stand,
    vigie: Service,
    port: u16,
}

/// A load under way.
pub(super) struct Running {
    task: JoinHandle<Result<LoadReport, vigie_device_sim::Error>>,
    ack_log: PathBuf,
    /// No more publishes from when it is cancelled.
    pub(super) enough: CancellationToken,
}

impl<'a> Live<'a> {
    /// Starts it and waits until every patient was judged for the first time; then the nurse watches.
    pub(super) async fn start(stand: &'a Stand) -> Result<(Self, Watcher)> {
        stand.psql(&["-c", "ANALYZE"])?;
        let port = lasting_port()?;
        let mut vigie = stand.serve("gateway,alerts,dashboard", port, &stand.url())?;
        vigie.ready().await?;
        judged(stand, "true").await?;
        let watcher = Watcher::start(stand, &vigie).await?;
        Ok((Self { stand, vigie, port }, watcher))
    }

    /// A load with a list of acknowledgements and an epoch of its own.
    pub(super) fn config(&self, name: &str, devices: &[LoadDevice]) -> LoadConfig {
        let clock = Clock::system();
        let address = Address { host: "127.0.0.1".into(), port: self.port };
        LoadConfig {
            receipts: true,
            ack_log: Some(self.stand.file(name)),
            ..LoadConfig::new(address, devices.to_vec(), Arc::new(move || clock.now()))
        }
    }

    /// The same at so many readings a second.
    pub(super) fn steady(
        &self,
        name: &str,
        devices: &[LoadDevice],
        per_second: f64,
        longest: Duration,
    ) -> LoadConfig {
        LoadConfig {
            rate: Rate::PerSecond(per_second),
            stop: Stop::After(longest),
            ..self.config(name, devices)
        }
    }

    /// Stops it in order; it must have logged nothing but what is usual.
    pub(super) async fn stop(mut self) -> Result<()> {
        ensure!(self.vigie.stop().await?.success(), "vigie did not stop in order");
        let complaints = self.vigie.complaints(&[]);
        ensure!(complaints.is_empty(), "vigie complained: {complaints:#?}");
        Ok(())
    }
}

impl Running {
    pub(super) fn start(config: LoadConfig) -> Result<Self> {
        let ack_log = config.ack_log.clone().context("a list of acknowledgements")?;
        let enough = config.enough.clone();
        let task = tokio::spawn(load(config, CancellationToken::new()));
        Ok(Self { task, ack_log, enough })
    }

    /// Waits for its end. Everything that was published must have been acknowledged.
    pub(super) async fn end(self) -> Result<(LoadReport, Vec<Acked>)> {
        let report = tokio::time::timeout(PATIENCE, self.task).await.context("a load does not end")???;
        ensure!(report.acknowledged_readings == report.readings, "not all was acknowledged: {report}");
        let acked = acks::read(&self.ack_log)?;
        ensure!(acked.len() as u64 == report.readings, "{} acknowledgements noted: {report}", acked.len());
        Ok((report, acked))
    }
}

/// Waits until nothing is left to judge of the patients (`p`) of whom the condition holds.
pub(super) async fn judged(stand: &Stand, condition: &str) -> Result<()> {
    let sql = format!(
        "SELECT (SELECT count(*) FROM judgement_queue q JOIN patient p ON p.id = q.patient_id WHERE ({condition}))
            + (SELECT count(*) FROM patient_watch w JOIN patient p ON p.id = w.patient_id WHERE judged_at IS NULL AND ({condition}))"
    );
    let nothing_left = async || {
        let left = stand.number(&sql);
        // Each question starts a psql: not too many of them beside what is measured.
        tokio::time::sleep(Duration::from_millis(200)).await;
        match left {
            Ok(0) => Some(Ok(())),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        }
    };
    until(PATIENCE, nothing_left).await.context("not everybody is judged in time")?
}

/// When each reading was published, by patient.
pub(super) fn published(acked: &[Acked]) -> Moments {
    let mut moments = Moments::new();
    for reading in acked {
        let patient = patient_id(&reading.device).to_string();
        moments.entry(patient).or_default().push(reading.published);
    }
    for of_patient in moments.values_mut() {
        of_patient.sort_unstable();
    }
    moments
}

/// How long the PUBACKs took of the readings that were published from `from` until `until`, in microseconds.
pub(super) fn pubacks(acked: &[Acked], from: i64, until: i64) -> Vec<i64> {
    let then = acked.iter().filter(|reading| (from..until).contains(&reading.published));
    then.map(|reading| reading.took).collect()
}
