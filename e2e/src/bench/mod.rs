//! How fast durable ingest is, against the rate at which PostgreSQL loads the same rows without us.
//!
//! One run, one cluster (fsync on), one machine that also runs the load generator:
//!
//! - bare binary `COPY` of the same rows into the real table, alone, on one connection and on two;
//! - one reading per publish, each publish of a transaction from another device;
//! - fifty readings per publish;
//!
//! both through a `vigie serve` of its own, built as it is delivered, with the gateway alone and with the alert workers
//! beside it. Before each phase the tables are emptied and a checkpoint is made, so that none pays for the one before.

mod copy_file;
mod meter;
mod options;
mod report;

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;
use vigie_device_sim::{Address, LoadConfig, LoadDevice, LoadReport, LoadVital, Stop, load};
use vigie_service::Clock;
use vigie_vitals::plans::CarePlan;

use crate::stand::{Group, Profile, Stand, lasting_port};
use meter::{Meter, Used};
use options::Options;

/// Emptied before each phase. Patients, rules and devices stay.
const TABLES: &str = "reading, ledger, quarantine, judgement_queue, device_outbox, alert_evidence, alert_event, alert, stream_event";

/// Every so many-th reading is abnormal in the phases with alert workers: some work, not a disaster.
const ABNORMAL_EVERY: u64 = 500;

/// One way to send readings.
#[derive(Debug, Clone, Copy)]
struct Phase {
    name: &'static str,
    roles: &'static str,
    readings_per_publish: usize,
    /// Do the devices listen to their receipts? Those of devices that do not are kept in the database.
    receipts: bool,
}

const PHASES: [Phase; 5] = [
    Phase { name: "1 per publish, gateway", roles: "gateway", readings_per_publish: 1, receipts: true },
    Phase {
        name: "1 per publish, receipts kept",
        roles: "gateway",
        readings_per_publish: 1,
        receipts: false,
    },
    Phase {
        name: "1 per publish, with alerts",
        roles: "gateway,alerts",
        readings_per_publish: 1,
        receipts: true,
    },
    Phase { name: "50 per publish, gateway", roles: "gateway", readings_per_publish: 50, receipts: true },
    Phase {
        name: "50 per publish, with alerts",
        roles: "gateway,alerts",
        readings_per_publish: 50,
        receipts: true,
    },
];

/// Measures and prints.
pub async fn run(arguments: Vec<String>) -> Result<()> {
    let options = Options::parse(&arguments)?;
    say("building vigie as it is delivered, making a PostgreSQL ...");
    // Rarer checkpoints for all: a phase of ten seconds should not meet one by chance.
    let mut settings = vec![("max_wal_size", "4GB"), ("checkpoint_timeout", "30min")];
    if options.statements {
        settings.push(("shared_preload_libraries", "timescaledb,pg_stat_statements"));
        settings.push(("pg_stat_statements.track_planning", "on"));
    }
    let stand = Stand::start(Profile::Release, &settings).await?;
    if options.statements {
        stand.psql(&["-c", "CREATE EXTENSION pg_stat_statements"])?;
    }
    if !options.sql.is_empty() {
        stand.psql(&["-c", &options.sql])?;
    }
    let since = Clock::system().now() - SignedDuration::from_hours(2);
    let group = Group {
        name: "bench",
        count: options.devices,
        plan: CarePlan::Diabetes,
        vital: LoadVital::Glucose,
        since,
    };
    let devices = stand.add(group).await?;
    // As in a database that has been in use for a day.
    stand.psql(&["-c", "ANALYZE"])?;
    say(&format!(
        "{} devices, {} s per phase, {} processors, TimescaleDB {}, fdatasync of 8 KiB {:.2?} (median)",
        options.devices,
        options.seconds,
        std::thread::available_parallelism()?,
        if stand.cluster.has_timescale() { "yes" } else { "no" },
        meter::fdatasync_median(&stand.file("fdatasync"))?,
    ));

    let alone = bare_copy(&stand, &options, &devices, 1).await?;
    let two = bare_copy(&stand, &options, &devices, 2).await?;
    say(&report::head());
    say(&report::bare("COPY, one connection", alone, alone));
    say(&report::bare("COPY, two connections", two, alone));
    for phase in PHASES {
        if phase.name.contains(&options.only) {
            let (report, used) = ingest(&stand, &options, &devices, phase).await?;
            say(&report::line(phase.name, &report, &used, alone));
            if options.statements {
                say(&statements(&stand, report.acknowledged_readings)?);
            }
        }
    }
    say(report::LEGEND);
    Ok(())
}

/// Rows a second of `COPY ... (FORMAT binary)` by psql, the rows split over so many connections; the best of three.
async fn bare_copy(
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

fn empty(stand: &Stand) -> Result<()> {
    stand.psql(&["-c", &format!("TRUNCATE {TABLES}"), "-c", "CHECKPOINT"])?;
    Ok(())
}

/// What PostgreSQL spent its time on since the last call, per row stored.
fn statements(stand: &Stand, rows: u64) -> Result<String> {
    let sql = format!(
        "SELECT format('    %8s us/row, %7s calls, planning %5s us/row: %s', round(total_exec_time::numeric * 1000 / {rows}, 2),
             calls, round(total_plan_time::numeric * 1000 / {rows}, 2), left(regexp_replace(query, '\\s+', ' ', 'g'), 100))
         FROM pg_stat_statements WHERE calls > 20 ORDER BY total_exec_time + total_plan_time DESC LIMIT 14"
    );
    let text = stand.psql(&["-A", "-t", "-c", &sql])?;
    stand.psql(&["-A", "-t", "-o", "/dev/null", "-c", "SELECT pg_stat_statements_reset()"])?;
    Ok(text)
}

/// One phase through a `vigie serve` of its own.
async fn ingest(
    stand: &Stand,
    options: &Options,
    devices: &[LoadDevice],
    phase: Phase,
) -> Result<(LoadReport, Used)> {
    empty(stand)?;
    let port = lasting_port()?;
    let mut vigie = stand.serve(phase.roles, port, &stand.url())?;
    vigie.ready().await?;
    let clock = Clock::system();
    let address = Address { host: "127.0.0.1".into(), port };
    let config = LoadConfig {
        readings_per_publish: phase.readings_per_publish,
        stop: Stop::After(Duration::from_secs(options.seconds)),
        in_flight: 1,
        receipts: phase.receipts,
        abnormal_every: phase.roles.contains("alerts").then_some(ABNORMAL_EVERY),
        ..LoadConfig::new(address, devices.to_vec(), Arc::new(move || clock.now()))
    };
    let meter = Meter::start(stand, vigie.pid().context("vigie ended")?)?;
    let report = load(config, CancellationToken::new()).await?;
    let used = meter.stop(stand)?;
    ensure!(report.acknowledged_readings == report.readings, "not all was acknowledged: {report}");
    let stored = u64::try_from(stand.number("SELECT count(*) FROM reading")?)?;
    ensure!(stored == report.acknowledged_readings, "{stored} stored, {report}");
    ensure!(vigie.stop().await?.success(), "vigie did not stop in order");
    let complaints = vigie.complaints(&[]);
    ensure!(complaints.is_empty(), "vigie complained: {complaints:#?}");
    Ok((report, used))
}

/// For the person at the terminal.
fn say(text: &str) {
    println!("{text}");
}
