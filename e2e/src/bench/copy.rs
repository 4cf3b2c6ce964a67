//! The rate to compare with: PostgreSQL loads the same rows into the same table without us.

use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use vigie_device_sim::LoadDevice;
use vigie_service::Clock;

use super::copy_file;
use super::options::Options;
use crate::stand::Stand;

/// Emptied before each phase. Patients, rules and devices stay.
const TABLES: &str = "reading, ledger, quarantine, judgement_queue, device_outbox, alert_evidence, alert_event, alert, stream_event";

/// Rows a second of `COPY ... (FORMAT binary)` by psql, the rows split over so many connections; the best of three.
pub(super) async fn bare_copy(
    stand: &Stand,
    options: &Options,
    devices: &[LoadDevice],
    connections: usize,
) -> Result<f64> {
    let now = Clock::system().now();
    let share = options.rows / connections;
    let mut files = Vec::new();
    for part in 0..connections {
        let file = stand.file(&format!("rows-{connections}-{part}"));
        copy_file::write(&file, devices, part * share, share, now)?;
        files.push(file);
    }
    let mut best = f64::MAX;
    for _ in 0..3 {
        empty(stand)?;
        let began = Instant::now();
        let mut running = Vec::new();
        for file in &files {
            running.push(copy(stand, file)?);
        }
        for mut psql in running {
            ensure!(psql.wait()?.success(), "psql cannot copy");
        }
        best = best.min(began.elapsed().as_secs_f64());
        let stored = usize::try_from(stand.number("SELECT count(*) FROM reading")?)?;
        ensure!(stored == share * connections, "{stored} rows were copied");
    }
    for file in files {
        std::fs::remove_file(file)?;
    }
    Ok((share * connections) as f64 / best)
}

fn copy(stand: &Stand, file: &Path) -> Result<std::process::Child> {
    let command =
        format!("\\copy reading ({}) from '{}' with (format binary)", copy_file::COLUMNS, file.display());
    std::process::Command::new(stand.cluster.installation().program("psql"))
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", &stand.url(), "-c", &command])
        .stdin(Stdio::null())
        .spawn()
        .context("psql does not start")
}

/// Empties the tables and makes a checkpoint, so that no phase pays for the one before.
pub(super) fn empty(stand: &Stand) -> Result<()> {
    stand.psql(&["-c", &format!("TRUNCATE {TABLES}"), "-c", "CHECKPOINT"])?;
    Ok(())
}
