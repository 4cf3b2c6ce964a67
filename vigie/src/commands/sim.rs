//! `vigie sim`: simulated patients against a running Vigie.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use tokio_util::sync::CancellationToken;
use vigie_device_sim::{Address, SimConfig};
use vigie_service::{Clock, start_logs};

use super::answer;
use super::demo::manifest::Manifest;
use super::demo::people;
use crate::locate::Where;
use crate::services::stop_signal;
use crate::usage::usage;

/// Options of `vigie sim`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A demo's demo.json, or the file that a first run writes (mode 0600: it holds secrets)
    /// [default: manifest.json in --state-dir, else demo.json in --data-dir or .vigie]
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Where Vigie listens for MQTT [default: what the manifest says]
    #[arg(long, value_name = "HOST:PORT")]
    mqtt: Option<String>,
    /// How many patients a first run adds to the database
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    patients: u32,
    /// Decides everything that is random: the same seed simulates the same people
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How fast the last hours are replayed
    #[arg(long, default_value_t = 60.0)]
    speed: f64,
    /// Days of history on the first run
    #[arg(long, default_value_t = 14)]
    history_days: u32,
    /// Where devices keep their memory between runs
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    #[command(flatten)]
    place: Where,
}

/// Simulates until told to stop. Without a manifest, patients and devices are added to the database first.
pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    start_logs(&std::env::var("VIGIE_LOG").unwrap_or_else(|_| "info".into()), false);
    let path = arguments.manifest.clone().unwrap_or_else(|| match &arguments.state_dir {
        Some(folder) => folder.join("manifest.json"),
        None => arguments.place.data_dir().join("demo.json"),
    });
    let manifest = match Manifest::read(&path)? {
        Some(manifest) => manifest,
        None => prepare(&arguments, &path).await?,
    };
    let address = parse_address(arguments.mqtt.as_deref().unwrap_or(&manifest.mqtt))?;
    let clock = sim_clock(&Clock::system());
    let mut config = SimConfig::new(address, manifest.seed, manifest.sim_patients()?, clock);
    config.speed = arguments.speed;
    config.history_days = arguments.history_days;
    config.live_hours = config.live_hours.min(arguments.history_days.saturating_mul(24));
    config.state_dir = arguments.state_dir;
    answer(&format!("simulating {} patients, seed {}", manifest.patients.len(), manifest.seed))?;
    let stop = CancellationToken::new();
    let mut simulation = tokio::spawn(vigie_device_sim::run(config, stop.clone()));
    let summary = tokio::select! {
        ended = &mut simulation => ended??,
        signal = stop_signal() => {
            signal?;
            stop.cancel();
            simulation.await??
        }
    };
    answer(&summary.to_string())?;
    Ok(ExitCode::SUCCESS)
}

async fn prepare(arguments: &Arguments, path: &Path) -> Result<Manifest> {
    let located = arguments.place.locate().await.with_context(|| {
        format!("there is no manifest {}, and no database to add simulated patients to", path.display())
    })?;
    let made = people::create(&located.url, arguments.patients, arguments.seed, &Clock::system()).await;
    located.release().await?;
    let mut manifest = made?;
    manifest.mqtt = arguments.mqtt.clone().unwrap_or_else(|| "127.0.0.1:1883".into());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    manifest.write(path)?;
    Ok(manifest)
}

/// Our clock in the simulator's terms.
pub(crate) fn sim_clock(clock: &Clock) -> vigie_device_sim::Clock {
    let clock = clock.clone();
    Arc::new(move || clock.now())
}

/// `host:port`.
pub(crate) fn parse_address(text: &str) -> Result<Address> {
    let parsed = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let (host, port) = parsed.ok_or_else(|| usage(format!("--mqtt {text} is not HOST:PORT")))?;
    Ok(Address { host: host.to_owned(), port })
}
