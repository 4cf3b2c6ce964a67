//! Brokers that take the same publishes and only acknowledge them: nobody subscribes and nothing is kept on disk. They
//! say what the machine, its network and the load generator leave room for.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use rumqttd::{Broker, Config, ConnectionSettings, RouterConfig, ServerSettings};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::stand::mosquitto;
use crate::waiting::until;

/// From the start of the process to its first accepted connection.
const START: Duration = Duration::from_secs(10);

/// Makes the bench's own program a stock rumqttd: a process of its own, as the others have.
const RUMQTTD: &str = "be-rumqttd-on-port";

/// Which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// The system's mosquitto.
    Mosquitto,
    /// rumqttd, its release profile that of the bench.
    Rumqttd,
}

/// A running broker. Killed when dropped.
pub(super) struct Running {
    peer: Peer,
    child: Child,
}

impl Peer {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Mosquitto => "mosquitto",
            Self::Rumqttd => "rumqttd",
        }
    }

    /// Starts it on a port of the loopback and waits until it listens. `file` is for its settings.
    pub(super) async fn start(self, file: &Path, port: u16) -> Result<Running> {
        let child = match self {
            Self::Mosquitto => only_acknowledging(file, port)?,
            Self::Rumqttd => rumqttd(port)?,
        };
        let mut running = Running { peer: self, child };
        let up = async || {
            let ended = running.child.try_wait().ok().flatten();
            let listens = async || TcpStream::connect(("127.0.0.1", port)).await.is_ok();
            if ended.is_some() { Some(false) } else { listens().await.then_some(true) }
        };
        let up = until(START, up).await;
        ensure!(up == Some(true), "{} does not listen on port {port}", self.name());
        Ok(running)
    }
}

impl Running {
    /// Its process.
    pub(super) fn pid(&self) -> Result<u32> {
        self.child.id().with_context(|| format!("{} ended by itself", self.peer.name()))
    }

    /// Ends it. A broker that had ended before measured nothing.
    pub(super) async fn end(mut self) -> Result<()> {
        self.pid()?;
        self.child.kill().await.with_context(|| format!("{} does not end", self.peer.name()))
    }
}

/// In memory only, without a log, and without Nagle's algorithm, which Vigie does without, too.
fn only_acknowledging(file: &Path, port: u16) -> Result<Child> {
    let settings = format!(
        "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_dest none\nset_tcp_nodelay true\n"
    );
    std::fs::write(file, settings)?;
    mosquitto::spawn(file)
}

fn rumqttd(port: u16) -> Result<Child> {
    let own = std::env::current_exe().context("the path of this program is unknown")?;
    // It ends with the pipe, so also when the bench is killed.
    let mut command = Command::new(own);
    command.args([RUMQTTD, &port.to_string()]).stdin(Stdio::piped());
    command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command.spawn().context("rumqttd does not start")
}

/// The port, if this process is to be a rumqttd and not a bench.
pub(super) fn port_to_serve(arguments: &[String]) -> Result<Option<u16>> {
    match arguments {
        [word, port] if word == RUMQTTD => Ok(Some(port.parse().context("no port")?)),
        _ => Ok(None),
    }
}

/// A rumqttd with the settings that its release ships (rumqttd.toml), until standard input ends.
pub(super) async fn serve_rumqttd(port: u16) -> Result<()> {
    let connections = ConnectionSettings {
        connection_timeout_ms: 60_000,
        max_payload_size: 20_480,
        max_inflight_count: 100,
        auth: None,
        external_auth: None,
        dynamic_filters: true,
    };
    let server = ServerSettings {
        name: "v4-1".into(),
        listen: ([127, 0, 0, 1], port).into(),
        tls: None,
        next_connection_delay_ms: 1,
        connections,
    };
    let router = RouterConfig {
        max_connections: 10_010,
        max_outgoing_packet_count: 200,
        max_segment_size: 104_857_600,
        max_segment_count: 10,
        ..RouterConfig::default()
    };
    let config = Config { router, v4: Some([("1".to_owned(), server)].into()), ..Config::default() };
    // It blocks for as long as it serves.
    let serving = tokio::task::spawn_blocking(move || {
        let served = Broker::new(config).start();
        // Its own error carries the whole event that was not sent.
        served.map_err(|error| anyhow!("rumqttd: {error}"))
    });
    let hold = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    tokio::select! {
        ended = serving => ended?,
        over = hold => {
            over??;
            // Its threads know no end.
            std::process::exit(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_command_makes_a_broker_of_the_bench() {
        let of = |words: &[&str]| port_to_serve(&words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&[RUMQTTD, "1883"]).unwrap(), Some(1883));
        assert_eq!(of(&["--only", "rumqttd"]).unwrap(), None);
        assert!(of(&[RUMQTTD, "here"]).is_err());
    }
}
