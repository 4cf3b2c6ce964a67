//! Finding the database of an administrative command: `DATABASE_URL`, or the data directory of a demo,
//! running or not.

use std::path::PathBuf;

use anyhow::{Context, Result};
use vigie_pgcluster::{Cluster, ClusterConfig};

use crate::config::database_url;
use crate::usage::usage;

/// Name of the demo's database.
pub(crate) const DATABASE: &str = "vigie";

/// Where the database is.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Where {
    /// The data directory of a demo [default: .vigie, unless DATABASE_URL is set]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// A database to work with; a cluster that had to be started for it is stopped by [`Located::release`].
pub(crate) struct Located {
    pub(crate) url: String,
    started: Option<Cluster>,
}

impl Where {
    /// The data directory meant, whether or not the database is there.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(|| PathBuf::from(".vigie"))
    }

    /// Finds it, and starts the demo's PostgreSQL for the time being when it does not run.
    pub(crate) async fn locate(&self) -> Result<Located> {
        if self.data_dir.is_none()
            && let Some(url) = database_url(&|name| std::env::var(name).ok())?
        {
            return Ok(Located { url, started: None });
        }
        let folder = self.data_dir();
        let cluster_folder = folder.join("postgresql");
        if !cluster_folder.is_dir() {
            return Err(usage(format!(
                "there is no demo in {}; set DATABASE_URL, or give --data-dir",
                folder.display()
            )));
        }
        if let Some(running) = Cluster::adopt(&cluster_folder).context("looking for the demo's PostgreSQL")? {
            return Ok(Located { url: running.url(DATABASE), started: None });
        }
        let cluster =
            Cluster::start(ClusterConfig::new(cluster_folder)).await.context("starting PostgreSQL")?;
        Ok(Located { url: cluster.url(DATABASE), started: Some(cluster) })
    }
}

impl Located {
    /// Stops what [`Where::locate`] started.
    pub(crate) async fn release(self) -> Result<()> {
        if let Some(mut cluster) = self.started {
            cluster.stop().await.context("stopping PostgreSQL")?;
        }
        Ok(())
    }
}
