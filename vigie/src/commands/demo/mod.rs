//! `vigie demo`: everything on this machine, with simulated patients, and nothing to configure.

mod making;
pub(crate) mod manifest;
mod past;
pub(crate) mod people;
mod practices;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use tokio_util::sync::CancellationToken;
use vigie_authority::Folder;
use vigie_broker::{Tls, TlsFiles};
use vigie_device_sim::{Address, SimConfig};
use vigie_pgcluster::{Cluster, ClusterConfig};
use vigie_service::{Clock, start_logs};

use super::answer;
use super::sim::{parse_address, sim_clock};
use crate::authority::{DEFAULT_NAME, culprit, demo_folder};
use crate::commands::demo::manifest::Manifest;
use crate::config::{Bounds, CERTIFICATE_DAYS, Ca, Commands, Doors, Reports};
use crate::locate::DATABASE;
use crate::services::{Roles, Services, Settings, stop_signal};
use crate::usage::usage;

/// Options of `vigie demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Simulated patients (of a new demo)
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    patients: u32,
    /// Decides names, values and faults: the same seed simulates the same people
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How fast the last six hours are replayed
    #[arg(long, default_value_t = 60.0, allow_negative_numbers = true)]
    speed: f64,
    /// Where pages and API are served
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// Where devices connect
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1883")]
    mqtt: SocketAddr,
    /// Where devices connect over TLS, by secret or certificate of the demo's own authority (in DIR/ca) [default: nowhere]
    #[arg(long, value_name = "ADDR")]
    mqtts: Option<SocketAddr>,
    /// Where devices connect by MQTT over WebSocket [default: nowhere]
    #[arg(long, value_name = "ADDR")]
    ws: Option<SocketAddr>,
    /// Where everything is kept
    #[arg(long, value_name = "DIR", default_value = ".vigie")]
    data_dir: PathBuf,
    /// No simulated devices
    #[arg(long)]
    no_sim: bool,
    /// Days that a new demo has behind it, with alerts and what staff did; 0 for none. With more than 200 patients the
    /// first 200 have a past
    #[arg(long, value_name = "N", default_value_t = 35, value_parser = clap::value_parser!(u32).range(0..=70))]
    past_days: u32,
}

/// Runs until Ctrl-C. Started again it goes on where it was, also after `kill -9`.
pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    check(&arguments)?;
    start_logs(&std::env::var("VIGIE_LOG").unwrap_or_else(|_| "warn".into()), false);
    let clock = Clock::system();
    make_data_dir(&arguments.data_dir)?;
    let mut cluster = Cluster::start(ClusterConfig::new(arguments.data_dir.join("postgresql")))
        .await
        .context("starting PostgreSQL")?;
    // From here on PostgreSQL is stopped whatever happens.
    let outcome = run_on(&cluster, &arguments, &clock).await;
    let stopped = cluster.stop().await.context("stopping PostgreSQL");
    outcome?;
    stopped?;
    answer("stopped; `vigie demo` goes on where it was")?;
    Ok(ExitCode::SUCCESS)
}

/// The demo's own certificate authority, made at the first start.
fn made_authority(arguments: &Arguments, clock: &Clock) -> Result<Folder> {
    let folder = demo_folder(&arguments.data_dir);
    if !folder.can_sign() {
        // A demo that was killed between the two files: without a certificate the key has signed nothing.
        if !folder.certificate().exists() && folder.key().exists() {
            std::fs::remove_file(folder.key()).context("removing an authority that was not finished")?;
        }
        folder.create(DEFAULT_NAME, clock.now()).map_err(culprit)?;
    }
    Ok(folder)
}

/// Besides plain MQTT; TLS with a certificate for this machine, made anew at each start.
fn doors(arguments: &Arguments, folder: &Folder, clock: &Clock) -> Result<Doors> {
    let open = Doors { ws_listen: arguments.ws, ..Doors::default() };
    let Some(address) = arguments.mqtts else { return Ok(open) };
    let names = ["localhost".to_owned(), address.ip().to_string()];
    let authority = folder.open().map_err(culprit)?;
    let made = authority.server(&names, clock.now(), CERTIFICATE_DAYS).map_err(culprit)?;
    folder.write_server(&made).map_err(culprit)?;
    let files = TlsFiles {
        certificate: folder.server_certificate(),
        key: folder.server_key(),
        device_ca: Some(folder.certificate()),
        device_crl: Some(folder.revocation_list()),
    };
    Ok(Doors { mqtts_listen: Some(address), tls: Some(Tls::load(files)?), ..open })
}

async fn run_on(cluster: &Cluster, arguments: &Arguments, clock: &Clock) -> Result<()> {
    let url = cluster.url(DATABASE);
    let manifest_path = arguments.data_dir.join("demo.json");
    let mut manifest = making::found_or_made(cluster, arguments, &manifest_path, clock).await?;
    let folder = made_authority(arguments, clock)?;
    let settings = Settings {
        database_url: url.clone(),
        mqtt_listen: arguments.mqtt,
        http_listen: arguments.http,
        http_secure: false,
        instance: "demo".into(),
        workers: 2,
        reports: Reports::default(),
        ca: Ca { folder: Some(folder.clone()), certificate_days: CERTIFICATE_DAYS },
        bounds: Bounds::default(),
        commands: Commands::usual()?,
        doors: doors(arguments, &folder, clock)?,
        cluster: None,
    };
    let services = Services::start(Roles::ALL, settings, clock.clone()).await?;
    manifest.http = services.http.map(|address| format!("http://{address}")).unwrap_or_default();
    manifest.mqtt = services.mqtt.map(|address| address.to_string()).unwrap_or_default();
    let door = |wanted| services.doors.iter().find(|(name, _)| *name == wanted);
    let address = |wanted| door(wanted).map(|(_, address)| address.to_string()).unwrap_or_default();
    (manifest.mqtts, manifest.ws) = (address("mqtts"), address("ws"));
    people::refresh_tokens(&url, &mut manifest, clock).await?;
    manifest.write(&manifest_path)?;
    answer(&welcome(&manifest, &manifest_path, cluster))?;

    let stop_sim = CancellationToken::new();
    let simulation = if arguments.no_sim {
        None
    } else {
        let config = simulation(arguments, parse_address(&manifest.mqtt)?, &manifest, clock)?;
        Some(tokio::spawn(vigie_device_sim::run(config, stop_sim.clone())))
    };
    let broken = services.broken.clone();
    tokio::select! {
        signal = stop_signal() => signal?,
        () = broken.cancelled() => tracing::error!("a role ended by itself; stopping"),
        () = cluster.ended() => tracing::error!("PostgreSQL ended by itself; stopping"),
    }
    answer("stopping ...")?;
    stop_sim.cancel();
    if let Some(simulation) = simulation {
        match simulation.await? {
            Ok(summary) => tracing::info!(%summary, "the simulation ended"),
            Err(error) => tracing::error!(%error, "the simulation failed"),
        }
    }
    services.stop().await;
    Ok(())
}

fn simulation(
    arguments: &Arguments,
    address: Address,
    manifest: &Manifest,
    clock: &Clock,
) -> Result<SimConfig> {
    let mut config = SimConfig::new(address, manifest.seed, manifest.sim_patients()?, sim_clock(clock));
    config.speed = arguments.speed;
    config.state_dir = Some(arguments.data_dir.join("sim"));
    Ok(config)
}

fn check(arguments: &Arguments) -> Result<()> {
    let all = [
        ("--http", Some(arguments.http)),
        ("--mqtt", Some(arguments.mqtt)),
        ("--mqtts", arguments.mqtts),
        ("--ws", arguments.ws),
    ];
    for (option, address) in all {
        if let Some(address) = address.filter(|address| !address.ip().is_loopback()) {
            return Err(usage(format!("{option} {address} is not loopback; a demo is for this machine")));
        }
    }
    if !(arguments.speed.is_finite() && arguments.speed >= 1.0) {
        return Err(usage(format!("--speed {} is less than 1", arguments.speed)));
    }
    Ok(())
}

/// The data directory. PostgreSQL's own folder below it belongs to another account when we are root, so
/// that one must be able to pass through.
fn make_data_dir(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(folder)
        .map_err(|error| usage(format!("--data-dir {} cannot be made: {error}", folder.display())))?;
    let mode = if rustix::process::geteuid().is_root() { 0o711 } else { 0o700 };
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode))
        .with_context(|| format!("setting the mode of {}", folder.display()))
}

fn welcome(manifest: &Manifest, path: &Path, cluster: &Cluster) -> String {
    let series = if cluster.has_timescale() { "TimescaleDB" } else { "native partitions" };
    let mut text = format!(
        "\n  Vigie demo: {} patients, seed {}, PostgreSQL with {series}\n\n  dashboard  {}\n  MQTT       {}\n\n",
        manifest.patients.len(),
        manifest.seed,
        manifest.http,
        manifest.mqtt
    );
    for user in &manifest.users {
        text.push_str(&format!("  {:<14} {:<22} {}\n", user.role, user.login, user.password));
    }
    text.push_str(&format!("\n  for scripts: {}   stop with Ctrl-C\n", path.display()));
    text
}
