//! Everything that can go wrong with a cluster, each with what the reader can do about it.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// Why a cluster could not be made, started, stopped or found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No server programs anywhere.
    #[error(
        "no PostgreSQL server found (looked in {looked_in}): install the package postgresql, or name its folder of \
         programs in VIGIE_PG_BIN"
    )]
    NotInstalled {
        /// The places that were looked at.
        looked_in: String,
    },
    /// The data were made by a major version that is not installed.
    #[error(
        "the data in {data_dir} belong to PostgreSQL {wanted}, and the server found is version {found}: install \
         postgresql-{wanted} or choose another data folder"
    )]
    WrongVersion {
        /// The folder of the cluster.
        data_dir: PathBuf,
        /// The major version that wrote the data.
        wanted: u32,
        /// The major version that is installed.
        found: u32,
    },
    /// The server is too old for Vigie's schema.
    #[error("PostgreSQL {found} is too old: Vigie needs {needed} or newer")]
    TooOld {
        /// The major version that is installed.
        found: u32,
        /// The oldest that works.
        needed: u32,
    },
    /// Root may not run PostgreSQL, and there is no user to run it as.
    #[error("started as root, PostgreSQL must run as another user, and neither postgres nor nobody exists")]
    NoAccount,
    /// The user that would run the server cannot reach the folder.
    #[error(
        "PostgreSQL must not run as root and runs as the user {account}, who cannot enter {closed}: choose a data folder \
         elsewhere (--data-dir), or let others pass through with `chmod o+x {closed}`"
    )]
    Unreachable {
        /// The first folder on the way that is closed.
        closed: PathBuf,
        /// Who cannot pass.
        account: String,
    },
    /// The data belong to somebody else.
    #[error(
        "{path} belongs to user id {owner}, and this process is user id {process}: run as its owner or as root"
    )]
    ForeignData {
        /// The folder of the data.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Who we are.
        process: u32,
    },
    /// Another live process owns the cluster.
    #[error(
        "another process is already running the database in {data_dir}: stop it first, or choose another data folder"
    )]
    InUse {
        /// The folder of the cluster.
        data_dir: PathBuf,
    },
    /// The password's file does not hold what this crate wrote.
    #[error("{path} is not the password file that was written when the cluster was made")]
    BadPasswordFile {
        /// The file.
        path: PathBuf,
    },
    /// No port could be bound.
    #[error("no free port on 127.0.0.1 was found")]
    NoFreePort,
    /// The operating system's random source failed.
    #[error("the operating system gave no random bytes for a password")]
    Random(#[source] getrandom::Error),
    /// A program ended with an error.
    #[error("{program} failed ({status}): {output}")]
    Failed {
        /// Which program.
        program: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// The last lines that it wrote.
        output: String,
    },
    /// A step took too long.
    #[error("{step} took longer than {} s; the server's last messages: {output}", limit.as_secs())]
    TooSlow {
        /// What was waited for.
        step: &'static str,
        /// The deadline.
        limit: Duration,
        /// The last lines of the log.
        output: String,
    },
    /// The operating system refused something.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file or program.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// For `map_err`: what was tried, and with what.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}
