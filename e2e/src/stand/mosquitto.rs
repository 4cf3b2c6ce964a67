//! Debian's mosquitto as a region's own cluster: with TLS, log-ins and the access rules of a file.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::lasting_port;
use crate::waiting::until;

const PATIENCE: Duration = Duration::from_secs(30);

/// What a broker needs; what is not there is not used.
#[derive(Debug, Default)]
pub struct MosquittoConfig {
    /// Certificate and key of the listener, in PEM. Without them it listens without TLS.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Log-ins. Without any, everybody is let in.
    pub users: Vec<(String, String)>,
    /// The text of an `acl_file`.
    pub acl: Option<String>,
}

/// A running broker on loopback, with a folder that goes with it. Killed when dropped.
#[derive(Debug)]
pub struct Mosquitto {
    folder: tempfile::TempDir,
    port: u16,
    child: Child,
}

impl Mosquitto {
    /// Starts one that keeps its sessions on disk.
    pub async fn start(config: &MosquittoConfig) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("vigie-mosquitto-").tempdir()?;
        let port = lasting_port()?;
        let path = |name: &str| folder.path().join(name);
        let mut text = format!(
            "listener {port} 127.0.0.1\nuser root\nlog_dest none\nmax_queued_messages 0\npersistence true\n\
             persistence_location {}/\nallow_anonymous {}\n",
            folder.path().display(),
            config.users.is_empty()
        );
        if let Some((certificate, key)) = &config.tls {
            writeln!(text, "certfile {}\nkeyfile {}", certificate.display(), key.display())?;
        }
        if let Some(acl) = &config.acl {
            std::fs::write(path("acl"), acl)?;
            writeln!(text, "acl_file {}", path("acl").display())?;
        }
        if !config.users.is_empty() {
            let lines: String = config.users.iter().map(|(user, word)| format!("{user}:{word}\n")).collect();
            std::fs::write(path("passwords"), lines)?;
            let hashed = Command::new("mosquitto_passwd").arg("-U").arg(path("passwords")).status().await;
            ensure!(hashed.context("mosquitto_passwd is not installed")?.success(), "mosquitto_passwd -U");
            writeln!(text, "password_file {}", path("passwords").display())?;
        }
        std::fs::write(path("mosquitto.conf"), text)?;
        let child = up(&path("mosquitto.conf"), port).await?;
        Ok(Self { folder, port, child })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends it in order: it writes its sessions to disk then. Starts it again with them.
    pub async fn restart(&mut self) -> Result<()> {
        let pid = self.child.id().context("mosquitto has ended")?.to_string();
        ensure!(Command::new("kill").args(["-TERM", &pid]).status().await?.success(), "kill -TERM");
        timeout(PATIENCE, self.child.wait()).await.context("mosquitto does not stop")??;
        self.child = up(&self.folder.path().join("mosquitto.conf"), self.port).await?;
        Ok(())
    }
}

/// A client program of mosquitto's, with what it needs to be let in.
#[derive(Debug, Clone, Copy)]
pub struct Visitor<'a> {
    /// The broker's port.
    pub port: u16,
    /// Authority to trust, where the broker has TLS.
    pub authority: Option<&'a Path>,
    /// User and password, where the broker asks.
    pub login: Option<(&'a str, &'a str)>,
}

impl Visitor<'_> {
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(["-h", "127.0.0.1", "-q", "1", "-p", &self.port.to_string()]);
        if let Some(authority) = self.authority {
            command.arg("--cafile").arg(authority);
        }
        if let Some((user, password)) = self.login {
            command.args(["-u", user, "-P", password]);
        }
        command.kill_on_drop(true);
        command
    }

    /// Publishes each payload at QoS 1; returns when the broker has acknowledged them all.
    pub async fn publish(&self, topic: &str, payloads: &[String]) -> Result<()> {
        let mut publisher =
            self.command("mosquitto_pub").args(["-l", "-t", topic]).stdin(Stdio::piped()).spawn()?;
        let mut stdin = publisher.stdin.take().context("stdin is piped")?;
        for payload in payloads {
            stdin.write_all(format!("{payload}\n").as_bytes()).await?;
        }
        drop(stdin);
        let status = timeout(PATIENCE, publisher.wait()).await.context("no PUBACK")??;
        ensure!(status.success(), "mosquitto_pub: {status}");
        Ok(())
    }

    /// Keeps what comes on a topic for this visitor while it is away (MQTT 5, a session of an hour).
    pub async fn subscribe(&self, topic: &str) -> Result<()> {
        let done = self.keeping(topic).args(["-E"]).status().await?;
        ensure!(done.success(), "mosquitto_sub: {done}");
        Ok(())
    }

    /// What was kept, and comes within some time, up to `most` messages.
    pub async fn fetch(&self, topic: &str, most: usize, within: Duration) -> Result<Vec<String>> {
        let seconds = within.as_secs().max(1).to_string();
        let output = self.keeping(topic).args(["-C", &most.to_string(), "-W", &seconds]).output().await?;
        // 27 says that the time is over.
        if !matches!(output.status.code(), Some(0 | 27)) {
            bail!("mosquitto_sub: {output:?}");
        }
        Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
    }

    fn keeping(&self, topic: &str) -> Command {
        let mut command = self.command("mosquitto_sub");
        // The session has the user's name; publishers get one of their own each time, so as not to end it.
        let name = self.login.map_or("visitor", |(user, _)| user);
        command.args(["-i", name, "-V", "5", "-c", "-x", "3600", "-t", topic]);
        command
    }
}

/// Starts it and waits until it listens.
async fn up(config: &Path, port: u16) -> Result<Child> {
    let child = spawn(config)?;
    let listens = async || TcpStream::connect(("127.0.0.1", port)).await.ok();
    until(PATIENCE, listens).await.context("mosquitto does not listen")?;
    Ok(child)
}

/// Starts it with the settings of this file. Killed when dropped.
pub(crate) fn spawn(config: &Path) -> Result<Child> {
    // Debian puts the broker where only root looks.
    let debian = Path::new("/usr/sbin/mosquitto");
    let program = if debian.exists() { debian } else { Path::new("mosquitto") };
    let mut command = Command::new(program);
    command.arg("-c").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
        .kill_on_drop(true)
        .spawn()
        .context("mosquitto is not installed (Debian package mosquitto; scripts/setup.sh test installs it)")
}
