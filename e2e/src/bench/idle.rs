//! What a connected device costs that says nothing: resident memory of the gateway's process, before and after.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::SignedDuration;
use tokio::task::JoinSet;
use vigie_device_sim::{LoadDevice, LoadVital};
use vigie_service::Clock;
use vigie_vitals::plans::CarePlan;

use super::figures::Budget;
use super::idle_client::IdleClient;
use super::options::Options;
use super::{open_files, say};
use crate::stand::{Group, Profile, Stand, lasting_port};

/// The name of the phase.
pub(super) const NAME: &str = "idle devices";

/// Connected before the first look: what a gateway needs to work at all is not what a device costs.
const FIRST: usize = 500;
/// Log-ins at the same time.
const AT_ONCE: usize = 100;
/// Files that a process opens beside the sockets of devices.
const OTHER_FILES: usize = 150;
/// So long nothing is said before memory is looked at.
const REST: Duration = Duration::from_secs(5);
/// The design's limit.
const BYTES_MAX: f64 = 12_000.0;

/// Connects them all, rests, looks; then has each say that it is there, and looks again.
pub(super) async fn run(options: &Options) -> Result<Vec<Budget>> {
    if !options.chosen(NAME) {
        return Ok(Vec::new());
    }
    let files = usize::try_from(open_files::raise((options.idle + OTHER_FILES) as u64)?)?;
    let count = options.idle.min(files.saturating_sub(OTHER_FILES));
    ensure!(count > FIRST, "{files} open files are too few to measure anything");
    let stand = Stand::start(Profile::Release, &[]).await?;
    let group = Group {
        name: "idle",
        count,
        plan: CarePlan::Diabetes,
        vital: LoadVital::Glucose,
        since: Clock::system().now() - SignedDuration::from_hours(2),
    };
    let devices = stand.add(group).await?;
    stand.psql(&["-c", "ANALYZE"])?;
    let (port, limit) = (lasting_port()?, (count + FIRST).to_string());
    let environment = [("VIGIE_LIMIT_CONNECTIONS", limit.as_str())];
    let mut vigie = stand.serve_with("gateway", port, &stand.url(), &environment)?;
    vigie.ready().await?;
    let pid = vigie.pid().context("vigie ended")?;
    let (first, others) = devices.split_at(FIRST);
    let mut clients = connect_all(port, first).await?;
    tokio::time::sleep(REST).await;
    let before = resident_bytes(pid)?;
    clients.extend(connect_all(port, others).await?);
    tokio::time::sleep(REST).await;
    let rested = resident_bytes(pid)?;
    for client in &mut clients {
        client.ping().await?;
    }
    let pinged = resident_bytes(pid)?;
    let each = |after: f64| (after - before) / others.len() as f64;
    let megabytes = |bytes: f64| bytes / 1e6;
    say(&format!(
        "\n{NAME}: {} connected, all of them still there at the end (asked for {}; this process may open {files} files; \
         VIGIE_LIMIT_CONNECTIONS={limit})\nMQTT without TLS, subscribed to receipts and commands, sessions kept. Resident \
         memory of the gateway: {:.1} MB with {FIRST},\n{:.1} MB with all, {:.1} MB after each sent one PINGREQ: {:.0} bytes \
         each, {:.0} after the PINGREQ",
        clients.len(),
        options.idle,
        megabytes(before),
        megabytes(rested),
        megabytes(pinged),
        each(rested),
        each(pinged),
    ));
    drop(clients);
    ensure!(vigie.stop().await?.success(), "vigie did not stop in order");
    let complaints = vigie.complaints(&[]);
    ensure!(complaints.is_empty(), "vigie complained: {complaints:#?}");
    let bytes = each(rested.max(pinged));
    let found = format!("{bytes:.0} bytes");
    let what = "memory of each idle device";
    Ok(vec![Budget { what, found, wanted: "below 12,000 bytes", met: bytes < BYTES_MAX }])
}

async fn connect_all(port: u16, devices: &[LoadDevice]) -> Result<Vec<IdleClient>> {
    let mut running = JoinSet::new();
    let mut clients = Vec::with_capacity(devices.len());
    for device in devices {
        if running.len() >= AT_ONCE
            && let Some(client) = running.join_next().await
        {
            clients.push(client??);
        }
        let device = device.clone();
        running.spawn(async move { IdleClient::connect(port, &device).await });
    }
    while let Some(client) = running.join_next().await {
        clients.push(client??);
    }
    Ok(clients)
}

/// What a process holds in memory, pages shared with others included.
fn resident_bytes(pid: u32) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).context("vigie ended")?;
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:")).context("no Rss")?;
    let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse().context("Rss is no number")?;
    Ok(kilobytes * 1_024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_was_written_counts() {
        let before = resident_bytes(std::process::id()).unwrap();
        let block = vec![1_u8; 50_000_000];
        let after = resident_bytes(std::process::id()).unwrap();
        assert!(after - before > 40e6, "{before} {after} {}", block.len());
    }
}
