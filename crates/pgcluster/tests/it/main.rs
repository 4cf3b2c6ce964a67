//! The cluster with a real PostgreSQL: what a demo and a test suite rely on, and what a crash leaves.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod crash;
mod lifecycle;
mod owner;
mod root;

use std::process::{Command, Output};

use tempfile::TempDir;
use vigie_pgcluster::{Cluster, ClusterConfig, Installation};

/// A folder that any user may pass through, as a server that does not run as root needs it.
fn folder() -> TempDir {
    tempfile::Builder::new().prefix("vigie-pgcluster-").tempdir().unwrap()
}

/// The folder itself becomes the cluster's home: a folder in it would be closed to the server's user.
fn config(folder: &TempDir) -> ClusterConfig {
    ClusterConfig::for_tests(folder.path())
}

async fn started(folder: &TempDir) -> Cluster {
    Cluster::start(config(folder)).await.unwrap()
}

fn psql(url: &str, sql: &str) -> Output {
    let installation = Installation::find(None, None).unwrap();
    Command::new(installation.program("psql"))
        .args(["-X", "-A", "-t", "-q", "-w", "-v", "ON_ERROR_STOP=1", "-c", sql, url])
        .env_remove("PGPASSWORD")
        .env("PGPASSFILE", "/dev/null")
        .current_dir("/")
        .output()
        .unwrap()
}

/// What a query answers; a failed one fails the test.
fn query(url: &str, sql: &str) -> String {
    let output = psql(url, sql);
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Whether the process runs. One that ended and waits for its parent to notice (Z) does not.
fn is_alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn signal(pid: i32, name: &str) {
    assert!(Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
}
