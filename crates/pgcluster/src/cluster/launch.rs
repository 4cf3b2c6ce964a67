//! Starts the server's process and waits until it accepts connections.

use std::fs::OpenOptions;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tokio::time::Instant;

use super::{Cluster, Server};
use crate::account::Account;
use crate::postmaster::{PidFile, Postmaster};
use crate::watchdog::Watchdog;
use crate::{ClusterConfig, Error};

/// How often a state that announces itself nowhere (the pid file) is looked at.
const POLL: Duration = Duration::from_millis(15);

/// Ports are tried from below the range that the system takes for outgoing connections: a port of ours must still be
/// free when a killed server is started again.
const PORTS: std::ops::Range<u16> = 15_000..30_000;

/// How often another port is tried when somebody was faster.
const PORT_TRIES: usize = 20;

impl Cluster {
    /// Takes over the server that a dead owner left behind. False when there is none to take.
    pub(super) async fn take_over(&mut self) -> Result<bool, Error> {
        let Some(postmaster) = Postmaster::of_data(&self.layout.data) else {
            return Ok(false);
        };
        let limit = self.config.deadlines.start;
        let pid = postmaster.pid();
        // It may still be recovering from a crash; its owner died, not it.
        let found = tokio::time::timeout(limit, async {
            while !postmaster.has_ended() {
                let file = PidFile::read(&self.layout.data).filter(|file| file.ready && file.pid == pid);
                if let Some(port) = file.and_then(|file| file.port) {
                    return Some(port);
                }
                tokio::time::sleep(POLL).await;
            }
            None
        });
        let Some(port) = found.await.map_err(|_elapsed| self.too_slow("taking over PostgreSQL"))? else {
            return Ok(false);
        };
        self.server = Some(Server { postmaster, child: None, watchdog: None });
        let wanted = self.config.port.unwrap_or(port);
        if wanted != port
            || !self.runs_with(&arguments(&self.config, &self.layout.data, port, self.has_timescale()))
        {
            tracing::info!(pid, "PostgreSQL was left running with other settings; starting it again");
            self.stop().await?;
            return Ok(false);
        }
        tracing::info!(pid, "PostgreSQL was left running; taking it over");
        self.port = port;
        self.guard(pid)?;
        Ok(true)
    }

    /// Starts the server, again and again while a crashed one's processes still hold the data, and on another port when
    /// somebody took the one that was free a moment ago.
    pub(super) async fn launch(&mut self) -> Result<(), Error> {
        let deadline = Instant::now() + self.config.deadlines.start;
        let mut other_ports = PORT_TRIES;
        loop {
            let port = match (self.port, self.config.port) {
                (0, Some(port)) => port,
                (0, None) => free_port()?,
                (port, _) => port,
            };
            let log_from = std::fs::metadata(&self.layout.log).map_or(0, |meta| meta.len());
            let Some(status) = self.launch_once(port, deadline).await? else {
                self.port = port;
                return Ok(());
            };
            let said = lines_since(&self.layout.log, log_from);
            let taken =
                said.contains("could not bind IPv4 address") && self.port == 0 && self.config.port.is_none();
            let orphans = ["lock file \"postmaster.pid\" already exists", "shared memory block"]
                .iter()
                .any(|reason| said.contains(reason));
            other_ports = other_ports.saturating_sub(usize::from(taken));
            if Instant::now() >= deadline || other_ports == 0 || !(taken || orphans) {
                return Err(Error::Failed { program: "postgres", status, output: said });
            }
            tracing::debug!(%status, "PostgreSQL did not start; trying again");
            tokio::time::sleep(POLL * 10).await;
        }
    }

    /// `None` when the server is ready; its exit status when it ended instead.
    async fn launch_once(&mut self, port: u16, deadline: Instant) -> Result<Option<ExitStatus>, Error> {
        let (child, postmaster) = self.spawn(port)?;
        let pid = postmaster.pid();
        let server = self.server.insert(Server { postmaster, child: Some(child), watchdog: None });
        loop {
            if PidFile::read(&self.layout.data).is_some_and(|file| file.ready && file.pid == pid) {
                self.guard(pid)?;
                return Ok(None);
            }
            if server.postmaster.wait(POLL).await {
                let status = server.child.as_mut().and_then(|child| child.wait().ok()).unwrap_or_default();
                self.server = None;
                return Ok(Some(status));
            }
            if Instant::now() >= deadline {
                let error = self.too_slow("starting PostgreSQL");
                self.kill_hard().await?;
                return Err(error);
            }
        }
    }

    fn spawn(&self, port: u16) -> Result<(Child, Postmaster), Error> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&self.layout.log)
            .map_err(Error::io("open the log", &self.layout.log))?;
        self.account.own(&self.layout.log)?;
        let errors = log.try_clone().map_err(Error::io("open the log", &self.layout.log))?;
        let program = self.installation.program("postgres");
        let mut command = Command::new(&program);
        command.args(arguments(&self.config, &self.layout.data, port, self.has_timescale()));
        confine(&mut command, &self.account, &self.layout.data);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(Error::io("run", &program))?;
        let pid = child.id().cast_signed();
        match Postmaster::of_pid(pid) {
            Ok(postmaster) => Ok((child, postmaster)),
            Err(source) => {
                if let Err(error) = child.kill().and_then(|()| child.wait()) {
                    tracing::warn!(%error, pid, "PostgreSQL could not be stopped");
                }
                Err(Error::Io { action: "watch the process of", path: program, source })
            }
        }
    }

    fn guard(&mut self, pid: i32) -> Result<(), Error> {
        if let Some(server) = self.server.as_mut().filter(|_| self.config.die_with_owner) {
            server.watchdog =
                Some(Watchdog::guard(pid, &self.layout.data).map_err(Error::io("run", "/bin/sh"))?);
        }
        Ok(())
    }

    /// `postmaster.opts` holds the command line of the last start, each argument in quotes.
    fn runs_with(&self, arguments: &[String]) -> bool {
        let quoted: String = arguments.iter().map(|argument| format!(" \"{argument}\"")).collect();
        std::fs::read_to_string(self.layout.data.join("postmaster.opts"))
            .is_ok_and(|line| line.trim_end().ends_with(&quoted) && line.contains("postgres"))
    }

    fn too_slow(&self, step: &'static str) -> Error {
        Error::TooSlow { step, limit: self.config.deadlines.start, output: last_lines(&self.layout.log) }
    }
}

/// Runs a program as the server's user, with nothing of our environment that could change what it does (PGDATA,
/// PGPORT, a locale), in a folder that it can enter, and out of reach of the terminal's Ctrl-C.
pub(super) fn confine(command: &mut Command, account: &Account, folder: &Path) {
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .current_dir(folder);
    command.process_group(0);
    if account.switch {
        command.uid(account.uid).gid(account.gid);
    }
}

/// The server's command line. Settings there are stronger than those in any file of the cluster.
fn arguments(config: &ClusterConfig, data: &Path, port: u16, timescale: bool) -> Vec<String> {
    let mut settings: Vec<(String, String)> = [
        ("listen_addresses", "127.0.0.1"),
        ("unix_socket_directories", ""),
        ("password_encryption", "scram-sha-256"),
        // Acknowledged means stored: the three that this depends on, whatever a file says.
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("synchronous_commit", "on"),
        // A backstop against a session that forgot its transaction and so holds back everybody's clean-up.
        ("idle_in_transaction_session_timeout", "60s"),
        ("timezone", "UTC"),
        ("log_timezone", "UTC"),
        ("logging_collector", "off"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    settings.push(("port".into(), port.to_string()));
    if timescale {
        settings.push(("shared_preload_libraries".into(), "timescaledb".into()));
        // Nothing about patients' databases is sent anywhere.
        settings.push(("timescaledb.telemetry_level".into(), "off".into()));
    }
    settings.extend(config.settings.iter().cloned());
    let mut arguments = vec!["-D".to_owned(), data.display().to_string()];
    for (name, value) in settings {
        arguments.extend(["-c".to_owned(), format!("{name}={value}")]);
    }
    arguments
}

fn free_port() -> Result<u16, Error> {
    let mut seed = [0_u8; 2];
    getrandom::fill(&mut seed).map_err(Error::Random)?;
    let skip = usize::from(u16::from_ne_bytes(seed)) % PORTS.len();
    PORTS
        .cycle()
        .skip(skip)
        .take(PORTS.len())
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .ok_or(Error::NoFreePort)
}

/// The last lines of the server's log, for an error message.
pub(super) fn last_lines(log: &Path) -> String {
    let text = lines_since(log, 0);
    let lines: Vec<&str> = text.lines().rev().take(8).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

/// What the server wrote after the first `from` bytes of its log; bytes that are no UTF-8 do not hide the rest.
fn lines_since(log: &Path, from: u64) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let new = usize::try_from(from).ok().and_then(|from| bytes.get(from..)).unwrap_or_default();
    String::from_utf8_lossy(new).trim().to_owned()
}
