//! What a caller may choose about a cluster, with a default for everything but the folder.

use std::path::PathBuf;
use std::time::Duration;

/// How to make and run a cluster.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// The folder that holds everything: the data, the password, the log, the lock. Made when missing.
    pub data_dir: PathBuf,
    /// The port on 127.0.0.1; a free one is found when not given.
    pub port: Option<u16>,
    /// Server settings, after (and so stronger than) the ones that this crate sets.
    pub settings: Vec<(String, String)>,
    /// Where the server's messages go, appended; `postgresql.log` in `data_dir` when not given.
    pub log_file: Option<PathBuf>,
    /// The folder with `initdb` and `postgres`. [`ClusterConfig::new`] takes it from `VIGIE_PG_BIN`; when not given,
    /// the newest of `/usr/lib/postgresql/*/bin` that fits the data, then `PATH`.
    pub bin_dir: Option<PathBuf>,
    /// Stop the server also when this process dies without a chance to do it (`kill -9`, abort). Right for tests,
    /// wrong for data that somebody wants to find again running.
    pub die_with_owner: bool,
    /// Root's home is closed to other users, so a server without root's privileges cannot reach a data folder under
    /// it. When true the data then live under `/var/lib/vigie`, with a link to them in `data_dir`; when false that is an error.
    pub relocate_unreachable: bool,
    /// How long each step may take.
    pub deadlines: Deadlines,
}

impl ClusterConfig {
    /// A cluster for a person's demo: it survives its owner, and is found again.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            port: None,
            settings: Vec::new(),
            log_file: None,
            bin_dir: std::env::var_os("VIGIE_PG_BIN").filter(|value| !value.is_empty()).map(PathBuf::from),
            die_with_owner: false,
            relocate_unreachable: true,
            deadlines: Deadlines::default(),
        }
    }

    /// A cluster for tests: it never outlives the test's process, and TimescaleDB's background workers are off, since
    /// its scheduler sits in every database and makes `CREATE DATABASE ... TEMPLATE` wait and fail.
    ///
    /// Durability stays on: the suite checks what an acknowledged reading survives.
    pub fn for_tests(data_dir: impl Into<PathBuf>) -> Self {
        let mut config = Self::new(data_dir);
        config.die_with_owner = true;
        config.relocate_unreachable = false;
        config.with("timescaledb.max_background_workers", "0").with("max_connections", "300")
    }

    /// The same with one more server setting.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// How long each step may take before it is an error (or the next, harder step of stopping).
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// `initdb`. Seconds on an idle machine; a loaded machine with a slow disk syncs for longer.
    pub initdb: Duration,
    /// From starting the server to "ready to accept connections", crash recovery included.
    pub start: Duration,
    /// Fast shutdown (SIGINT): sessions are cut and a checkpoint is written. Then SIGQUIT.
    pub stop_fast: Duration,
    /// Immediate shutdown (SIGQUIT): no checkpoint, recovery at the next start. Then SIGKILL.
    pub stop_immediate: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            initdb: Duration::from_secs(120),
            start: Duration::from_secs(60),
            stop_fast: Duration::from_secs(20),
            stop_immediate: Duration::from_secs(8),
        }
    }
}
