//! Durable ingest beside COPY, and beside brokers that keep nothing.
//!
//! One cluster (fsync on), one machine that also runs the load generator:
//!
//! - bare binary `COPY` of the same rows into the real table, alone, on one connection and on two;
//! - through a `vigie serve` of its own, built as it is delivered: one reading per publish, each publish of a transaction
//!   from another device, and fifty; with the gateway alone and with the alert workers beside it;
//! - the same publishes to brokers that only acknowledge, without a subscriber and without a disk.
//!
//! Before each phase the tables are emptied and a checkpoint is made, so that none pays for the one before.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;
use vigie_device_sim::{Address, LoadConfig, LoadDevice, LoadReport, LoadVital, Stop, load};
use vigie_service::Clock;
use vigie_vitals::plans::CarePlan;

use super::copy::{bare_copy, empty};
use super::figures::Budget;
use super::meter::{self, Meter, Used};
use super::options::Options;
use super::peers::Peer;
use super::steps::{self, Steps};
use super::{report, say};
use crate::stand::{Group, Profile, Stand, lasting_port};

/// Every so many-th reading is abnormal in the phases with alert workers: some work, not a disaster.
const ABNORMAL_EVERY: u64 = 500;

/// Who takes the readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Server {
    /// `vigie serve` with these roles.
    Vigie(&'static str),
    /// A broker that only acknowledges.
    Peer(Peer),
}

/// One way to send readings.
#[derive(Debug, Clone, Copy)]
struct Phase {
    name: &'static str,
    server: Server,
    readings_per_publish: usize,
    /// Do the devices listen to their receipts? Those of devices that do not are kept in the database.
    receipts: bool,
    /// The least that the design asks for, as a share of COPY.
    budget: Option<(f64, &'static str)>,
}

const fn phase(name: &'static str, server: Server, readings_per_publish: usize) -> Phase {
    let receipts = matches!(server, Server::Vigie(_));
    Phase { name, server, readings_per_publish, receipts, budget: None }
}

const ONE: Option<(f64, &str)> = Some((0.10, "at least 0.10 of COPY"));
const FIFTY: Option<(f64, &str)> = Some((0.5, "at least 0.5 of COPY"));

const PHASES: [Phase; 9] = [
    Phase { budget: ONE, ..phase("1 per publish, gateway", Server::Vigie("gateway"), 1) },
    Phase { receipts: false, ..phase("1 per publish, receipts kept", Server::Vigie("gateway"), 1) },
    Phase { budget: ONE, ..phase("1 per publish, with alerts", Server::Vigie("gateway,alerts"), 1) },
    phase("1 per publish, mosquitto", Server::Peer(Peer::Mosquitto), 1),
    phase("1 per publish, rumqttd", Server::Peer(Peer::Rumqttd), 1),
    Phase { budget: FIFTY, ..phase("50 per publish, gateway", Server::Vigie("gateway"), 50) },
    Phase { budget: FIFTY, ..phase("50 per publish, with alerts", Server::Vigie("gateway,alerts"), 50) },
    phase("50 per publish, mosquitto", Server::Peer(Peer::Mosquitto), 50),
    phase("50 per publish, rumqttd", Server::Peer(Peer::Rumqttd), 50),
];

/// What a phase came to.
struct Outcome {
    phase: Phase,
    report: LoadReport,
    used: Used,
    /// Where Vigie's time went.
    steps: Option<Steps>,
}

/// Runs the chosen phases, prints their tables, and gives what the design asks for.
pub(super) async fn run(options: &Options) -> Result<Vec<Budget>> {
    let chosen: Vec<Phase> = PHASES.into_iter().filter(|phase| options.chosen(phase.name)).collect();
    if chosen.is_empty() {
        return Ok(Vec::new());
    }
    let (stand, devices) = prepare(options).await?;
    let alone = bare_copy(&stand, options, &devices, 1).await?;
    let two = bare_copy(&stand, options, &devices, 2).await?;
    say(&report::head());
    say(&report::bare("COPY, one connection", alone, alone));
    say(&report::bare("COPY, two connections", two, alone));
    let mut outcomes = Vec::new();
    for phase in chosen {
        let outcome = match phase.server {
            Server::Vigie(roles) => through_vigie(&stand, options, &devices, phase, roles).await?,
            Server::Peer(peer) => through_peer(&stand, options, &devices, phase, peer).await?,
        };
        say(&match phase.server {
            Server::Vigie(_) => report::line(phase.name, &outcome.report, &outcome.used, alone),
            Server::Peer(_) => report::peer_line(phase.name, &outcome.report, &outcome.used, alone),
        });
        if options.statements && outcome.steps.is_some() {
            say(&statements(&stand, outcome.report.acknowledged_readings)?);
        }
        outcomes.push(outcome);
    }
    say(report::LEGEND);
    say_steps(&outcomes);
    say_peers(&outcomes);
    Ok(outcomes.iter().filter_map(|outcome| budget(outcome, alone)).collect())
}

async fn prepare(options: &Options) -> Result<(Stand, Vec<LoadDevice>)> {
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
    let group = Group {
        name: "bench",
        count: options.devices,
        plan: CarePlan::Diabetes,
        vital: LoadVital::Glucose,
        since: Clock::system().now() - SignedDuration::from_hours(2),
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
    Ok((stand, devices))
}

/// The load of a phase, the same for every server.
fn load_config(options: &Options, devices: &[LoadDevice], phase: Phase, port: u16) -> LoadConfig {
    let clock = Clock::system();
    let address = Address { host: "127.0.0.1".into(), port };
    let judged = matches!(phase.server, Server::Vigie(roles) if roles.contains("alerts"));
    LoadConfig {
        readings_per_publish: phase.readings_per_publish,
        stop: Stop::After(Duration::from_secs(options.seconds)),
        in_flight: 1,
        receipts: phase.receipts,
        abnormal_every: judged.then_some(ABNORMAL_EVERY),
        ..LoadConfig::new(address, devices.to_vec(), Arc::new(move || clock.now()))
    }
}

/// One phase through a `vigie serve` of its own.
async fn through_vigie(
    stand: &Stand,
    options: &Options,
    devices: &[LoadDevice],
    phase: Phase,
    roles: &str,
) -> Result<Outcome> {
    empty(stand)?;
    let port = lasting_port()?;
    let mut vigie = stand.serve(roles, port, &stand.url())?;
    vigie.ready().await?;
    let meter = Meter::start(stand, vigie.pid().context("vigie ended")?)?;
    let report = load(load_config(options, devices, phase, port), CancellationToken::new()).await?;
    let used = meter.stop(stand)?;
    ensure!(report.acknowledged_readings == report.readings, "not all was acknowledged: {report}");
    let stored = u64::try_from(stand.number("SELECT count(*) FROM reading")?)?;
    ensure!(stored == report.acknowledged_readings, "{stored} stored, {report}");
    ensure!(vigie.stop().await?.success(), "vigie did not stop in order");
    let complaints = vigie.complaints(&[]);
    ensure!(complaints.is_empty(), "vigie complained: {complaints:#?}");
    let steps = Some(Steps::of(&vigie.lines())?);
    Ok(Outcome { phase, report, used, steps })
}

/// The same publishes to a broker that only acknowledges.
async fn through_peer(
    stand: &Stand,
    options: &Options,
    devices: &[LoadDevice],
    phase: Phase,
    peer: Peer,
) -> Result<Outcome> {
    let port = lasting_port()?;
    let broker = peer.start(&stand.file(peer.name()), port).await?;
    let meter = Meter::start(stand, broker.pid()?)?;
    let report = load(load_config(options, devices, phase, port), CancellationToken::new()).await?;
    let used = meter.stop(stand)?;
    ensure!(report.acknowledged_readings == report.readings, "{} lost some: {report}", peer.name());
    broker.end().await?;
    Ok(Outcome { phase, report, used, steps: None })
}

fn say_steps(outcomes: &[Outcome]) {
    let of_vigie = || outcomes.iter().filter_map(|o| o.steps.as_ref().map(|steps| (o.phase.name, steps)));
    if let Some((_, first)) = of_vigie().next() {
        say(&format!("\nWhere the time of ingest goes\n{}", first.head()));
        for (name, steps) in of_vigie() {
            say(&steps.line(name));
        }
        say(steps::LEGEND);
    }
}

/// Vigie's rates as shares of those of the peers that got the same publishes.
fn say_peers(outcomes: &[Outcome]) {
    let rate =
        |outcome: &Outcome| outcome.report.readings_per_second() / outcome.phase.readings_per_publish as f64;
    let mut lines = Vec::new();
    for ours in outcomes.iter().filter(|outcome| outcome.steps.is_some()) {
        let peers = outcomes.iter().filter_map(|theirs| match theirs.phase.server {
            Server::Peer(peer) if theirs.phase.readings_per_publish == ours.phase.readings_per_publish => {
                Some(format!("{:.2} of {} ({:.0})", rate(ours) / rate(theirs), peer.name(), rate(theirs)))
            }
            Server::Peer(_) | Server::Vigie(_) => None,
        });
        let peers: Vec<String> = peers.collect();
        if !peers.is_empty() {
            lines.push(format!("{:<28} {:>7.0}  {}", ours.phase.name, rate(ours), peers.join(", ")));
        }
    }
    if !lines.is_empty() {
        say("\nPublishes acknowledged a second, beside brokers that only acknowledge");
        say(&lines.join("\n"));
    }
}

fn budget(outcome: &Outcome, alone: f64) -> Option<Budget> {
    let (least, wanted) = outcome.phase.budget?;
    let ratio = outcome.report.readings_per_second() / alone;
    Some(Budget { what: outcome.phase.name, found: format!("{ratio:.3}"), wanted, met: ratio >= least })
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
