//! One private cluster per test process, one database per test.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::OnceCell;
use vigie_pgcluster::{Cluster, ClusterConfig};

static WITH_EXTENSIONS: OnceCell<Shared> = OnceCell::const_new();
static NATIVE: OnceCell<Shared> = OnceCell::const_new();
static NEXT: AtomicU32 = AtomicU32::new(1);

struct Shared {
    cluster: Cluster,
    _directory: tempfile::TempDir,
}

const FOLDER: &str = "vigie-test-pg-";
const TEMPLATE: &str = "vigie_template";

/// A migrated database of its own, on a real PostgreSQL. Dropped with the cluster when the tests end.
#[derive(Debug)]
pub struct TestDatabase {
    url: String,
    psql: std::path::PathBuf,
    port: u16,
}

impl TestDatabase {
    /// With TimescaleDB where it is installed (the set-up script installs it for tests).
    pub async fn new() -> Self {
        Self::clone_from(WITH_EXTENSIONS.get_or_init(|| start(true)).await)
    }

    /// On native partitions, as on a hospital's managed PostgreSQL.
    pub async fn native() -> Self {
        Self::clone_from(NATIVE.get_or_init(|| start(false)).await)
    }

    /// On a cluster of its own, for a test that changes what all databases of a cluster share (roles).
    pub async fn alone() -> Self {
        // Kept until the process ends; the cluster's watchdog stops it then.
        Self::clone_from(Box::leak(Box::new(start(true).await)))
    }

    fn clone_from(shared: &Shared) -> Self {
        let name = format!("vigie_test_{}", NEXT.fetch_add(1, Ordering::SeqCst));
        let psql = shared.cluster.installation().program("psql");
        let administrator = shared.cluster.url("postgres");
        run_psql(&psql, &administrator, &format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE}"));
        Self { url: shared.cluster.url(&name), psql, port: shared.cluster.port() }
    }

    /// An administrator's URL; Vigie's pools change to their own role.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The same database through another port (a [`crate::Proxy`]).
    pub fn url_through(&self, port: u16) -> String {
        self.url.replacen(&format!(":{}/", self.port), &format!(":{port}/"), 1)
    }

    /// Where PostgreSQL listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Does this database use TimescaleDB?
    pub fn has_timescale(&self) -> bool {
        self.value("SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'") == "1"
    }

    /// Runs SQL with psql, which is not our code: what the checkers look with. Columns are joined by `|`.
    pub fn query(&self, sql: &str) -> Vec<String> {
        run_psql(&self.psql, &self.url, sql).lines().map(str::to_owned).collect()
    }

    /// One value.
    pub fn value(&self, sql: &str) -> String {
        self.query(sql).into_iter().next().unwrap_or_default()
    }
}

/// Statics are never dropped, so a test process leaves its folder behind; the next one clears away those of
/// processes that are gone.
fn sweep() {
    let Ok(entries) = std::fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(owner) = name.strip_prefix(FOLDER).and_then(|rest| rest.split('-').next()) else { continue };
        if !std::path::Path::new("/proc").join(owner).exists() {
            // Another test process may be doing the same at this moment.
            drop(std::fs::remove_dir_all(entry.path()));
        }
    }
}

async fn start(extensions: bool) -> Shared {
    sweep();
    let prefix = format!("{FOLDER}{}-", std::process::id());
    let directory = tempfile::Builder::new().prefix(&prefix).tempdir().unwrap();
    let mut config = ClusterConfig::for_tests(directory.path());
    if !extensions {
        config = config.with("shared_preload_libraries", "");
    }
    let cluster =
        Cluster::start(config).await.unwrap_or_else(|error| panic!("PostgreSQL did not start: {error}"));
    let psql = cluster.installation().program("psql");
    run_psql(&psql, &cluster.url("postgres"), &format!("CREATE DATABASE {TEMPLATE}"));
    vigie_store::migrate(&cluster.url(TEMPLATE))
        .await
        .unwrap_or_else(|error| panic!("migration failed: {error:?}"));
    // Nobody may be connected to a template while it is copied.
    run_psql(&psql, &cluster.url("postgres"), &format!("ALTER DATABASE {TEMPLATE} ALLOW_CONNECTIONS false"));
    Shared { cluster, _directory: directory }
}

fn run_psql(psql: &std::path::Path, url: &str, sql: &str) -> String {
    let output = Command::new(psql)
        .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql])
        .output()
        .unwrap_or_else(|error| panic!("psql does not start: {error}"));
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
