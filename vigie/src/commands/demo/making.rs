//! Making a demo, so that a demo that was killed while it was being made is never taken for a whole one: a marker is
//! there from before the database until after `demo.json`. Found by the next start, what was made is dropped and made anew.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result};
use jiff::SignedDuration;
use vigie_device_sim::Address;
use vigie_pgcluster::Cluster;
use vigie_service::Clock;
use vigie_store::{Database, Role, setup};

use super::manifest::Manifest;
use super::past::{self, Cast, PATIENTS_MAX, Past};
use super::{Arguments, people, simulation};
use crate::commands::answer;
use crate::locate::DATABASE;
use crate::usage::usage;

/// The hours before now that the simulation replays, so that a newcomer sees something happen. They are no past.
const REPLAYED: SignedDuration = SignedDuration::from_hours(6);

/// The demo of this folder, made if there is none. Its database is up to date when this returns.
pub(super) async fn found_or_made(
    cluster: &Cluster,
    arguments: &Arguments,
    manifest_path: &Path,
    clock: &Clock,
) -> Result<Manifest> {
    let url = cluster.url(DATABASE);
    let marker = arguments.data_dir.join("demo.making");
    if let Some(manifest) = Manifest::read(manifest_path)? {
        remove(&marker)?;
        prepare(cluster, &url).await?;
        return Ok(manifest);
    }
    if marker.exists() {
        answer("  a demo was stopped while it was being made; making it anew")?;
        vigie_store::drop_database(&cluster.url("postgres"), DATABASE)
            .await
            .context("dropping the database that was not finished")?;
    }
    prepare(cluster, &url).await?;
    // Before the marker is set: what we did not begin to make ourselves is never dropped.
    if !is_empty(&url).await? {
        return Err(usage(format!(
            "{} is missing, but its database has patients: choose another --data-dir, or remove this one",
            manifest_path.display()
        )));
    }
    set(&marker, &arguments.data_dir)?;
    let manifest = made(&url, arguments, clock).await?;
    manifest.write(manifest_path)?;
    sync(&arguments.data_dir)?;
    remove(&marker)?;
    Ok(manifest)
}

async fn prepare(cluster: &Cluster, url: &str) -> Result<()> {
    vigie_store::create_database(&cluster.url("postgres"), DATABASE)
        .await
        .context("creating the database")?;
    vigie_store::migrate(url).await.context("migrating")
}

async fn is_empty(url: &str) -> Result<bool> {
    let database = Database::connect(url, Role::Admin, 1).await.context("connecting")?;
    let mut tx = database.begin().await?;
    let empty = setup::is_empty(&mut tx).await?;
    tx.commit().await?;
    database.close().await;
    Ok(empty)
}

async fn made(url: &str, arguments: &Arguments, clock: &Clock) -> Result<Manifest> {
    let (patients, seed) = (arguments.patients, arguments.seed);
    if arguments.past_days == 0 {
        return people::create(url, patients, seed, clock).await;
    }
    let now = clock.now();
    let until = if arguments.no_sim { now } else { now.checked_sub(REPLAYED)? };
    let past = Past::new(until, arguments.past_days, patients)?;
    let (manifest, retired) = people::create_since(url, patients, seed, clock, Some(&past)).await?;
    if patients > PATIENTS_MAX {
        answer(&format!("  the first {PATIENTS_MAX} of {patients} patients have a past"))?;
    }
    let nowhere = Address { host: String::new(), port: 0 };
    let simulation = simulation(arguments, nowhere, &manifest, clock)?;
    let cast = Cast {
        manifest: &manifest,
        retired: &retired,
        teams: people::teams(&manifest)?,
        team_of: &|index| people::team_of(index, patients),
    };
    past::make(url, &past, &cast, &simulation).await.context("making the past")?;
    Ok(manifest)
}

/// Creates the marker, on disk when this returns.
fn set(marker: &Path, folder: &Path) -> Result<()> {
    let file = File::create(marker).with_context(|| format!("creating {}", marker.display()))?;
    file.sync_all().with_context(|| format!("creating {}", marker.display()))?;
    sync(folder)
}

fn sync(folder: &Path) -> Result<()> {
    let written = File::open(folder).and_then(|folder| folder.sync_all());
    written.with_context(|| format!("writing to {}", folder.display()))
}

fn remove(marker: &Path) -> Result<()> {
    match std::fs::remove_file(marker) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", marker.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
