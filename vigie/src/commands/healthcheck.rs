//! `vigie healthcheck`: does a role of this machine work, seen from where it matters?

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use jiff::SignedDuration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use vigie_service::Clock;
use vigie_store::{Database, Role, devices};

use super::answer;
use crate::config::Config;
use crate::usage::usage;

/// A beat older than this is no life (beats come every 5 s).
const BEAT_AGE_MAX: SignedDuration = SignedDuration::from_secs(30);

const PATIENCE: Duration = Duration::from_secs(4);

/// Options of `vigie healthcheck`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// gateway, ingest, alerts, reports or dashboard
    #[arg(long, default_value = "dashboard")]
    role: String,
}

/// Exit status 0 when the role works, 1 when not.
pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let config = Config::from_environment()?;
    let checked = match arguments.role.as_str() {
        "gateway" => timeout(PATIENCE, async {
            TcpStream::connect(local(config.mqtt_listen)).await.context("the MQTT port does not answer")?;
            beat(&config, "gateway", Role::Gateway).await
        }),
        // Beats come while the cluster lets this process read.
        "ingest" => return finish(timeout(PATIENCE, reading(&config)).await),
        "alerts" => return finish(timeout(PATIENCE, beat(&config, "alerts", Role::Alerts)).await),
        "reports" => return finish(timeout(PATIENCE, beat(&config, "reports", Role::Reports)).await),
        "dashboard" => return finish(timeout(PATIENCE, ready(&config)).await),
        other => {
            return Err(usage(format!(
                "--role {other} is none; there are gateway, ingest, alerts, reports and dashboard"
            )));
        }
    };
    finish(checked.await)
}

fn finish(checked: Result<Result<()>, tokio::time::error::Elapsed>) -> Result<ExitCode> {
    checked.context("no answer in time")??;
    answer("healthy")?;
    Ok(ExitCode::SUCCESS)
}

/// The address from inside: what listens on every interface is asked on loopback.
fn local(address: std::net::SocketAddr) -> std::net::SocketAddr {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    address
}

async fn beat(config: &Config, name: &str, role: Role) -> Result<()> {
    beat_of(config, name, role, &config.instance).await
}

async fn reading(config: &Config) -> Result<()> {
    let Some(source) = &config.cluster else {
        return Err(usage("the role ingest needs VIGIE_MQTT_SOURCE"));
    };
    beat_of(config, "cluster", Role::Gateway, &source.session()).await
}

async fn beat_of(config: &Config, name: &str, role: Role, instance: &str) -> Result<()> {
    let database =
        Database::connect(&config.database_url, role, 1).await.context("the database does not answer")?;
    let mut tx = database.begin().await?;
    let last = devices::last_beat(&mut tx, name, instance).await?;
    tx.commit().await?;
    database.close().await;
    match last {
        Some(at) if Clock::system().now().duration_since(at) <= BEAT_AGE_MAX => Ok(()),
        Some(at) => bail!("the last sign of life of {name} is from {at}"),
        None => bail!("{name} has given no sign of life yet"),
    }
}

async fn ready(config: &Config) -> Result<()> {
    let mut stream =
        TcpStream::connect(local(config.http_listen)).await.context("the HTTP port does not answer")?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    let mut answer = Vec::new();
    stream.take(4_096).read_to_end(&mut answer).await?;
    if answer.starts_with(b"HTTP/1.1 200") { Ok(()) } else { bail!("/readyz does not say 200") }
}
