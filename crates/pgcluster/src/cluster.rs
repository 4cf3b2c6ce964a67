//! The cluster itself: made once, started, taken over, stopped, killed.

mod create;
mod launch;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Child;

use rustix::process::Signal;

use crate::account::Account;
use crate::postmaster::{PidFile, Postmaster};
use crate::watchdog::Watchdog;
use crate::{ClusterConfig, Error, Installation};

/// The superuser that initdb makes.
const SUPERUSER: &str = "postgres";

/// A running (or stopped) cluster that this process owns.
///
/// Dropping it stops the server at once, without a checkpoint; the next start recovers. For an orderly end call
/// [`Cluster::stop`]; to leave the server running, [`Cluster::leave_running`].
pub struct Cluster {
    config: ClusterConfig,
    layout: Layout,
    account: Account,
    installation: Installation,
    password: String,
    port: u16,
    server: Option<Server>,
    leave_running: bool,
    /// Held for as long as this process owns the cluster; the system lets go of it whatever ends the process.
    _lock: File,
}

/// Where things lie in the folder of a cluster.
#[derive(Debug, Clone)]
struct Layout {
    home: PathBuf,
    /// The path of the data without symbolic links: what the server is started with, and found by.
    data: PathBuf,
    password: PathBuf,
    log: PathBuf,
}

struct Server {
    postmaster: Postmaster,
    /// Missing when the server was started by an earlier process.
    child: Option<Child>,
    watchdog: Option<Watchdog>,
}

/// A cluster that some other process owns, as an administrative command sees it.
#[derive(Clone)]
pub struct Attached {
    password: String,
    port: u16,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("home", &self.layout.home)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Attached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attached").field("port", &self.port).finish_non_exhaustive()
    }
}

impl Attached {
    /// The superuser's URL of a database of this cluster. It holds the password: never log it.
    pub fn url(&self, database: &str) -> String {
        url_of(&self.password, self.port, database)
    }
}

impl Cluster {
    /// Makes the cluster when it does not exist yet, and starts it; ready when this returns.
    ///
    /// A server that an earlier owner left behind is taken over when it runs with the same settings, and started again
    /// otherwise. After a crash the server recovers by itself.
    pub async fn start(config: ClusterConfig) -> Result<Self, Error> {
        let prepared = create::prepare(&config).await?;
        let mut cluster = Self {
            port: 0,
            server: None,
            leave_running: false,
            layout: prepared.layout,
            account: prepared.account,
            installation: prepared.installation,
            password: prepared.password,
            _lock: prepared.lock,
            config,
        };
        if !cluster.take_over().await? {
            cluster.launch().await?;
        }
        Ok(cluster)
    }

    /// Finds the running cluster of another process in this folder; `None` when there is none, or it is not ready.
    pub fn adopt(data_dir: &Path) -> Result<Option<Attached>, Error> {
        let Ok(layout) = Layout::existing(data_dir) else {
            return Ok(None);
        };
        if Postmaster::of_data(&layout.data).is_none() {
            return Ok(None);
        }
        let port = PidFile::read(&layout.data).filter(|file| file.ready).and_then(|file| file.port);
        let Some(port) = port else { return Ok(None) };
        Ok(Some(Attached { password: create::read_password(&layout.password)?, port }))
    }

    /// The superuser's URL of a database of this cluster. It holds the password: never log it.
    pub fn url(&self, database: &str) -> String {
        url_of(&self.password, self.port, database)
    }

    /// The port on 127.0.0.1, the same for the life of this value, also after [`Cluster::restart`].
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether TimescaleDB was loaded into the server.
    pub fn has_timescale(&self) -> bool {
        self.installation.has_timescale()
    }

    /// The server that runs the cluster.
    pub fn installation(&self) -> &Installation {
        &self.installation
    }

    /// Where the server writes its messages.
    pub fn log_file(&self) -> &Path {
        &self.layout.log
    }

    /// The pid of the server's main process while it runs.
    pub fn pid(&self) -> Option<i32> {
        self.server
            .as_ref()
            .filter(|server| !server.postmaster.has_ended())
            .map(|server| server.postmaster.pid())
    }

    /// Completes when the server has ended, whatever ended it; at once when it is stopped.
    pub async fn ended(&self) {
        if let Some(server) = &self.server {
            server.postmaster.ended().await;
        }
    }

    /// Stops the server in order: sessions are cut and a checkpoint written; harder when that takes too long.
    /// Stopping a stopped cluster does nothing.
    pub async fn stop(&mut self) -> Result<(), Error> {
        let Some(mut server) = self.server.take() else {
            return Ok(());
        };
        let limits = self.config.deadlines;
        server.postmaster.signal(Signal::INT);
        let mut ended = server.postmaster.wait(limits.stop_fast).await;
        if !ended {
            tracing::warn!(
                pid = server.postmaster.pid(),
                "PostgreSQL did not stop in time; stopping it at once"
            );
            server.postmaster.signal(Signal::QUIT);
            ended = server.postmaster.wait(limits.stop_immediate).await;
        }
        if !ended {
            self.server = Some(server);
            return self.kill_hard().await;
        }
        server.collect();
        Ok(())
    }

    /// Kills every process of the server at once, as a power cut would. For tests of crashes.
    pub async fn kill_hard(&mut self) -> Result<(), Error> {
        let Some(mut server) = self.server.take() else {
            return Ok(());
        };
        let limit = self.config.deadlines.stop_immediate;
        let children = server.postmaster.kill_all();
        for process in children.iter().chain([&server.postmaster]) {
            if !process.wait(limit).await {
                let output = launch::last_lines(&self.layout.log);
                return Err(Error::TooSlow { step: "killing PostgreSQL", limit, output });
            }
        }
        server.collect();
        Ok(())
    }

    /// Stops the server in order if it still runs, and starts it on the same port.
    pub async fn restart(&mut self) -> Result<(), Error> {
        self.stop().await?;
        self.launch().await
    }

    /// Gives up ownership and lets the server run on.
    pub fn leave_running(mut self) {
        self.leave_running = true;
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let Some(mut server) = self.server.take() else {
            return;
        };
        if self.leave_running {
            return;
        }
        // SIGQUIT rather than SIGKILL: the server gives its shared memory back to the system.
        server.postmaster.signal(Signal::QUIT);
        let limit = self.config.deadlines.stop_immediate;
        if !server.postmaster.wait_blocking(limit) {
            let children = server.postmaster.kill_all();
            children.iter().chain([&server.postmaster]).for_each(|process| {
                process.wait_blocking(limit);
            });
        }
        server.collect();
    }
}

impl Server {
    /// Takes the exit status of an ended child, so that no zombie stays, and sends the watchdog home.
    fn collect(&mut self) {
        self.watchdog = None;
        if let Some(Err(error)) = self.child.as_mut().map(Child::try_wait) {
            tracing::debug!(%error, "the server's exit status could not be read");
        }
    }
}

impl Layout {
    /// The layout of a cluster that was made before.
    fn existing(home: &Path) -> Result<Self, Error> {
        Self::new(home, None)
    }

    fn new(home: &Path, log: Option<&Path>) -> Result<Self, Error> {
        let home = home.canonicalize().map_err(Error::io("open", home))?;
        let data = home.join("pgdata");
        Ok(Self {
            data: data.canonicalize().unwrap_or(data),
            password: home.join("superuser.password"),
            log: log.map_or_else(|| home.join("postgresql.log"), Path::to_path_buf),
            home,
        })
    }
}

fn url_of(password: &str, port: u16, database: &str) -> String {
    format!("postgres://{SUPERUSER}:{password}@127.0.0.1:{port}/{database}")
}
