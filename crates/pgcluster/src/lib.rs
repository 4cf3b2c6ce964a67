//! A private PostgreSQL cluster: initdb, start, stop, without root's privileges.
//!
//! `vigie demo` and the test kit each need a real PostgreSQL that nobody had to set up. This crate finds the
//! server's programs, makes a cluster in a folder of its own, and runs the server as a child process in a process
//! group of its own: a terminal's Ctrl-C reaches only Vigie, which then stops the server in order.
//!
//! What holds:
//!
//! - **Only over TCP on 127.0.0.1, only with a password.** No Unix socket, `scram-sha-256` everywhere, a random
//!   superuser password in a file of mode 0600 beside the data.
//! - **Never as root.** Started by root, initdb and the server run as the user `postgres` (else `nobody`), or as
//!   whoever owns a cluster that is already there.
//! - **One owner.** [`Cluster::start`] holds a lock on the folder. If its process is killed with `kill -9` the server
//!   lives on, and the next start takes it over, or recovers it when it died too.
//! - **Every wait has a deadline** ([`Deadlines`]).
//!
//! It knows nothing of Vigie's schema and speaks no SQL.
//!
//! ```no_run
//! # async fn example() -> Result<(), vigie_pgcluster::Error> {
//! use vigie_pgcluster::{Cluster, ClusterConfig};
//! let mut cluster = Cluster::start(ClusterConfig::new("/tmp/demo/postgresql")).await?;
//! let url = cluster.url("postgres");
//! cluster.stop().await?;
//! # Ok(()) }
//! ```

mod account;
mod cluster;
mod config;
mod error;
mod installation;
mod postmaster;
mod watchdog;

pub use cluster::{Attached, Cluster};
pub use config::{ClusterConfig, Deadlines};
pub use error::Error;
pub use installation::Installation;
