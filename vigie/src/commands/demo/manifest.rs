//! `demo.json`: what scripts need to know of a demo. It holds secrets, so its mode is 0600.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vigie_device_sim::{Profile, Secret, SimDevice, SimPatient};
use vigie_wire::DeviceId;

/// The whole file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// Base URL of pages and API.
    pub(crate) http: String,
    /// `host:port` for devices.
    pub(crate) mqtt: String,
    /// The same over TLS; empty without `--mqtts`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) mqtts: String,
    /// The same over WebSocket; empty without `--ws`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) ws: String,
    /// The simulation's seed.
    pub(crate) seed: u64,
    /// Log-ins, the nurse first.
    pub(crate) users: Vec<User>,
    /// Patients; `index` in the simulation is their place here.
    pub(crate) patients: Vec<Patient>,
}

/// A log-in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) role: String,
    pub(crate) login: String,
    pub(crate) password: String,
    /// A bearer token for programs, renewed at each start.
    pub(crate) token: String,
    pub(crate) care_teams: Vec<String>,
}

/// A simulated patient.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Patient {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) care_plan: String,
    pub(crate) care_team: String,
    /// The simulator's profile.
    pub(crate) profile: String,
    pub(crate) devices: Vec<Device>,
    /// What was measured before this moment was made up when the demo was; the simulation goes on from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lived_until: Option<Timestamp>,
}

/// A simulated device.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Device {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) secret: String,
}

impl Manifest {
    /// Reads the file; `None` when it is not there.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Some(
                serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", path.display()))?,
            )),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
        }
    }

    /// Writes the file, whole or not at all, mode 0600.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let next = path.with_extension("json.next");
        let mut file =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&next)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()?;
        std::fs::rename(&next, path).with_context(|| format!("writing {}", path.display()))
    }

    /// The patients in the simulator's terms.
    pub(crate) fn sim_patients(&self) -> Result<Vec<SimPatient>> {
        let mut patients = Vec::with_capacity(self.patients.len());
        for (index, patient) in self.patients.iter().enumerate() {
            let profile: Profile =
                patient.profile.parse().map_err(|_| anyhow!("profile {}", patient.profile))?;
            let mut devices = Vec::new();
            for device in &patient.devices {
                devices.push(SimDevice {
                    id: DeviceId::parse(&device.id)?,
                    kind: device.kind.parse().map_err(|_| anyhow!("device kind {}", device.kind))?,
                    secret: Secret::new(device.secret.clone()),
                });
            }
            patients.push(SimPatient {
                index: u32::try_from(index)?,
                profile,
                devices,
                lived_until: patient.lived_until,
            });
        }
        Ok(patients)
    }
}
