//! `vigie serve` as a child process, with what it logs.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::watch;
use tokio::time::timeout;

const START: Duration = Duration::from_secs(30);
const STOP: Duration = Duration::from_secs(20);

/// A running (or ended) `vigie serve`. Killed when dropped.
#[derive(Debug)]
pub struct Service {
    child: Child,
    /// Grows with each line logged; closed when the process has ended.
    log: watch::Receiver<Vec<String>>,
}

impl Service {
    pub(super) fn start(
        vigie: &Path,
        roles: &str,
        mqtt_port: u16,
        url: &str,
        environment: &[(&str, &str)],
    ) -> Result<Self> {
        let mut child = Command::new(vigie)
            .args(["serve", "--roles", roles])
            .env("DATABASE_URL", url)
            .env("VIGIE_MQTT_LISTEN", format!("127.0.0.1:{mqtt_port}"))
            .env("VIGIE_HTTP_LISTEN", "127.0.0.1:0")
            .env("VIGIE_INSTANCE", format!("stand-{roles}"))
            .env("VIGIE_LOG", "info")
            .env("VIGIE_LOG_FORMAT", "json")
            .envs(environment.iter().copied())
            .env_remove("DATABASE_URL_FILE")
            .env_remove("VIGIE_CONFIG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} does not start", vigie.display()))?;
        let stderr = child.stderr.take().context("stderr is piped")?;
        let (sender, log) = watch::channel(Vec::new());
        tokio::spawn(collect(BufReader::new(stderr).lines(), sender));
        Ok(Self { child, log })
    }

    /// Waits until all roles run.
    pub async fn ready(&mut self) -> Result<()> {
        self.said("serving").await
    }

    /// Waits until this message was logged. A role that reads from a cluster says `reading from the cluster` once it has
    /// subscribed.
    pub async fn said(&mut self, message: &str) -> Result<()> {
        let is_there =
            |lines: &Vec<String>| lines.iter().any(|line| message_of(line).as_deref() == Some(message));
        let outcome = timeout(START, self.log.wait_for(is_there)).await.map(|said| said.is_ok());
        match outcome {
            Ok(true) => Ok(()),
            Ok(false) => bail!("vigie serve ended: {:#?}", self.lines()),
            Err(_) => bail!("vigie serve did not say {message:?} within {START:?}: {:#?}", self.lines()),
        }
    }

    /// `kill -9`.
    pub async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.context("kill -9")
    }

    /// Asks it to stop, and waits for it.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        self.signal("TERM").await?;
        let status = timeout(STOP, self.child.wait()).await;
        let status = status.with_context(|| format!("vigie serve does not stop: {:#?}", self.lines()))??;
        // The pipe is read to its end, so that the last lines count, too.
        while self.log.changed().await.is_ok() {}
        Ok(status)
    }

    /// Sends it a signal (`TERM`, `STOP`, `CONT`).
    pub async fn signal(&self, name: &str) -> Result<()> {
        let pid = self.pid().context("it has ended already")?;
        let sent = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().await?;
        ensure!(sent.success(), "SIG{name} could not be sent: {sent}");
        Ok(())
    }

    /// The process id while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// What it logged so far, one JSON text per line.
    pub fn lines(&self) -> Vec<String> {
        self.log.borrow().clone()
    }

    /// Lines that should not be there: our errors, whatever is no log line (a panic), and warnings with a message that
    /// is not among the expected ones. The database driver calls an error what for us is a warning.
    pub fn complaints(&self, expected: &[&str]) -> Vec<String> {
        let expected = |line: &str| message_of(line).is_some_and(|m| expected.iter().any(|e| m.contains(e)));
        let fine = |line: &String| match level_of(line).as_deref() {
            Some("INFO" | "DEBUG" | "TRACE") => true,
            Some("WARN") => expected(line),
            Some("ERROR") => expected(line) && text_of(line, "target").is_some_and(|t| t.starts_with("sqlx")),
            Some(_) | None => false,
        };
        self.lines().into_iter().filter(|line| !fine(line)).collect()
    }
}

async fn collect(mut lines: Lines<BufReader<ChildStderr>>, log: watch::Sender<Vec<String>>) {
    while let Ok(Some(line)) = lines.next_line().await {
        log.send_modify(|log| log.push(line));
    }
}

fn level_of(line: &str) -> Option<String> {
    text_of(line, "level")
}

fn text_of(line: &str, field: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    Some(line.get(field)?.as_str()?.to_owned())
}

fn message_of(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    Some(line.get("fields")?.get("message")?.as_str()?.to_owned())
}
