//! Where the time goes, as far as /proc and PostgreSQL tell it for nothing.

use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::stand::Stand;

/// The kernel's unit of processor time in /proc, the same on every Linux that Rust knows.
const TICKS_PER_SECOND: f64 = 100.0;

/// What was used between start and stop.
#[derive(Debug)]
pub(super) struct Used {
    pub(super) seconds: f64,
    /// Processors of the machine.
    pub(super) processors: f64,
    /// Processor seconds of Vigie, or of the broker beside which it is measured.
    pub(super) server: f64,
    pub(super) postgresql: f64,
    pub(super) generator: f64,
    /// Processor seconds that nobody used.
    pub(super) idle: f64,
    /// Transactions that wrote something.
    pub(super) transactions: f64,
    pub(super) wal_bytes: f64,
}

/// A measurement under way.
pub(super) struct Meter {
    server: u32,
    began: Instant,
    before: Reading,
}

struct Reading {
    server: f64,
    postgresql: f64,
    generator: f64,
    idle: f64,
    transactions: i64,
    wal_bytes: i64,
}

impl Meter {
    pub(super) fn start(stand: &Stand, server: u32) -> Result<Self> {
        let before = Reading::take(stand, server)?;
        Ok(Self { server, began: Instant::now(), before })
    }

    pub(super) fn stop(self, stand: &Stand) -> Result<Used> {
        let seconds = self.began.elapsed().as_secs_f64();
        let after = Reading::take(stand, self.server)?;
        Ok(Used {
            seconds,
            server: after.server - self.before.server,
            postgresql: after.postgresql - self.before.postgresql,
            generator: after.generator - self.before.generator,
            idle: after.idle - self.before.idle,
            processors: std::thread::available_parallelism()?.get() as f64,
            transactions: (after.transactions - self.before.transactions) as f64,
            wal_bytes: (after.wal_bytes - self.before.wal_bytes) as f64,
        })
    }
}

impl Reading {
    fn take(stand: &Stand, server: u32) -> Result<Self> {
        let postmaster = u32::try_from(stand.cluster.pid().context("PostgreSQL ended")?)?;
        Ok(Self {
            server: seconds_of(server).context("the server ended")?.0,
            postgresql: seconds_of_family(postmaster)?,
            generator: seconds_of(std::process::id()).context("no /proc")?.0,
            idle: idle_seconds().context("no /proc/stat")?,
            // The next transaction number: counted by whoever writes, exactly and at once.
            transactions: stand.number("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")?,
            wal_bytes: stand.number("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint")?,
        })
    }
}

/// Processor seconds of a process (with those of its ended children), and its parent.
fn seconds_of(pid: u32) -> Option<(f64, u32)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; the third field follows it.
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let parent = fields.get(1)?.parse().ok()?;
    let ticks: f64 = fields.get(11..15)?.iter().filter_map(|field| field.parse::<f64>().ok()).sum();
    Some((ticks / TICKS_PER_SECOND, parent))
}

/// Seconds in which a processor had nothing to do, or waited for a disk; of all processors since the machine started.
fn idle_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let total: Vec<&str> = text.lines().next()?.split_whitespace().collect();
    let ticks: f64 = total.get(4..6)?.iter().filter_map(|field| field.parse::<f64>().ok()).sum();
    Some(ticks / TICKS_PER_SECOND)
}

/// Of a process and its children.
fn seconds_of_family(head: u32) -> Result<f64> {
    let mut sum = 0.0;
    for entry in std::fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Some((seconds, parent)) = seconds_of(pid)
            && (pid == head || parent == head)
        {
            sum += seconds;
        }
    }
    Ok(sum)
}

/// How long this disk takes to make 8 KiB durable: what every commit waits for.
pub(super) fn fdatasync_median(path: &Path) -> Result<Duration> {
    let mut file = std::fs::File::create(path)?;
    file.write_all(&[0; 8_192])?;
    file.sync_all()?;
    let mut times = Vec::new();
    for _ in 0..200 {
        let began = Instant::now();
        file.write_all_at(&[1; 8_192], 0)?;
        file.sync_data()?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    times.get(times.len() / 2).copied().context("no time was taken")
}
