//! A test stand: a PostgreSQL of its own with patients and devices, and the real `vigie serve` as child processes
//! that can be killed. What is stored is asked with psql, which shares no code with Vigie.

mod binary;
pub(crate) mod mosquitto;
mod service;
mod staff;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use uuid::Uuid;
use vigie_device_sim::{LoadDevice, LoadVital, Secret};
use vigie_pgcluster::{Cluster, ClusterConfig};
use vigie_store::devices::{NewDevice, enrol, hash_secret};
use vigie_store::setup::{NewPatient, add_patient, care_team, start_plan, territory};
use vigie_store::{Database, Role};
use vigie_vitals::PatientId;
use vigie_vitals::plans::CarePlan;

pub use binary::{Profile, vigie};
pub use mosquitto::{Mosquitto, MosquittoConfig, Visitor};
pub use service::Service;

const DATABASE: &str = "vigie";

/// The cluster, and which build of `vigie` runs on it.
#[derive(Debug)]
pub struct Stand {
    /// For tests that kill it.
    pub cluster: Cluster,
    psql: PathBuf,
    vigie: PathBuf,
    directory: tempfile::TempDir,
}

/// Patients to add, each with one device of the same number.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    /// Devices are called `<name>-<n>`.
    pub name: &'static str,
    /// How many.
    pub count: usize,
    /// Their care plan.
    pub plan: CarePlan,
    /// What their devices measure.
    pub vital: LoadVital,
    /// From when on they are watched and hold their device.
    pub since: Timestamp,
}

impl Stand {
    /// A migrated database in a cluster made as for every test (fsync on, gone with this process). `settings` are the
    /// server's.
    pub async fn start(profile: Profile, settings: &[(&str, &str)]) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("vigie-stand-").tempdir()?;
        let mut config = ClusterConfig::for_tests(directory.path());
        for (name, value) in settings {
            config = config.with(name, value);
        }
        let cluster = Cluster::start(config).await.context("PostgreSQL does not start")?;
        let psql = cluster.installation().program("psql");
        vigie_store::create_database(&cluster.url("postgres"), DATABASE).await?;
        vigie_store::migrate(&cluster.url(DATABASE)).await?;
        Ok(Self { cluster, psql, vigie: vigie(profile)?, directory })
    }

    /// An administrator's URL; Vigie's pools change to their own role.
    pub fn url(&self) -> String {
        self.cluster.url(DATABASE)
    }

    /// The same database through another port.
    pub fn url_through(&self, port: u16) -> String {
        self.url().replacen(&format!(":{}/", self.cluster.port()), &format!(":{port}/"), 1)
    }

    /// A file in the stand's folder, which goes with it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs SQL with psql; one `Vec` of columns per row.
    pub fn query(&self, sql: &str) -> Result<Vec<Vec<String>>> {
        let text = self.psql(&["-A", "-t", "-F", "\t", "-c", sql])?;
        Ok(text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
    }

    /// One number.
    pub fn number(&self, sql: &str) -> Result<i64> {
        let rows = self.query(sql)?;
        let cell = rows.first().and_then(|row| row.first()).with_context(|| format!("no row: {sql}"))?;
        cell.parse().with_context(|| format!("{cell:?} is no number: {sql}"))
    }

    /// Runs psql with these arguments and gives what it printed.
    pub fn psql(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new(&self.psql)
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", &self.url()])
            .args(arguments)
            .output()
            .context("psql does not start")?;
        ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Adds patients with a device each.
    pub async fn add(&self, group: Group) -> Result<Vec<LoadDevice>> {
        let database = Database::connect(&self.url(), Role::Admin, 1).await?;
        let mut tx = database.begin().await?;
        let territory = territory(&mut tx, "Stand", Uuid::from_u128(1)).await?;
        let team = care_team(&mut tx, territory, "Team", Uuid::from_u128(2)).await?;
        let mut devices = Vec::with_capacity(group.count);
        for number in 1..=group.count {
            let name = format!("{}-{number}", group.name);
            let secret = secret_of(&name);
            let patient = NewPatient {
                id: PatientId(patient_id(&name)),
                care_team: team,
                identifier: name.clone(),
                family_name: "Stand".into(),
                given_name: name.clone(),
                birth_date: jiff::civil::date(1950, 1, 1),
                sex: "unknown".into(),
                language: "fr".into(),
                time_zone: "Europe/Paris".into(),
                watched_since: group.since,
            };
            add_patient(&mut tx, &patient).await?;
            start_plan(&mut tx, patient.id, group.plan, group.since, group.since).await?;
            let device = NewDevice {
                id: vigie_vitals::DeviceId(name.clone()),
                kind: "load".into(),
                secret_hash: hash_secret(secret.as_bytes()),
                patient: patient.id,
                held_from: group.since,
                enrolled_at: group.since,
            };
            ensure!(enrol(&mut tx, &device).await?, "{name} is not enrolled");
            let id = vigie_wire::DeviceId::parse(&name)?;
            devices.push(LoadDevice { id, secret: Secret::new(secret), vital: group.vital });
        }
        tx.commit().await?;
        database.close().await;
        Ok(devices)
    }

    /// Starts `vigie serve` with these roles; MQTT on `mqtt_port`, the database at `url`.
    pub fn serve(&self, roles: &str, mqtt_port: u16, url: &str) -> Result<Service> {
        self.serve_with(roles, mqtt_port, url, &[])
    }

    /// The same with further variables in its environment.
    pub fn serve_with(
        &self,
        roles: &str,
        mqtt_port: u16,
        url: &str,
        environment: &[(&str, &str)],
    ) -> Result<Service> {
        Service::start(&self.vigie, roles, mqtt_port, url, environment)
    }
}

/// The password of the device of this name.
pub fn secret_of(device: &str) -> String {
    format!("secret of {device}")
}

/// The id of the patient who holds the device of this name.
pub fn patient_id(device: &str) -> Uuid {
    // The letters themselves are number enough, as long as there are at most 16 of them.
    Uuid::from_u128(device.bytes().fold(1, |id, byte| (id << 8) | u128::from(byte)))
}

/// A free port below those that the system gives to outgoing connections. One of those could be taken by a client
/// that tries to reach the server while it is down (even connected to itself), and the server could not come back.
pub fn lasting_port() -> Result<u16> {
    let first = 20_000 + (std::process::id() % 8_000) as u16;
    (first..first + 2_000)
        .find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .context("no port is free")
}
