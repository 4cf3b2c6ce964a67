//! `demo.json`, read as a script would read it: only what the contract promises, and what `--patients` divides by.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

/// The whole file.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Manifest {
    /// Base URL of pages and API.
    pub http: String,
    /// `host:port` for devices.
    pub mqtt: String,
    /// The same over TLS, with `--mqtts`.
    #[serde(default)]
    pub mqtts: String,
    /// The same over WebSocket, with `--ws`.
    #[serde(default)]
    pub ws: String,
    /// Log-ins.
    pub users: Vec<User>,
    /// Patients.
    pub patients: Vec<Patient>,
}

/// A log-in.
#[derive(Debug, Clone, Deserialize)]
pub struct User {
    /// nurse, physician, coordinator, administrator or technician.
    pub role: String,
    /// Log-in name.
    pub login: String,
    /// Password.
    pub password: String,
    /// Bearer token for programs.
    pub token: String,
    /// Whose patients they see.
    pub care_teams: Vec<String>,
}

/// A patient.
#[derive(Debug, Clone, Deserialize)]
pub struct Patient {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Care plan.
    pub care_plan: String,
    /// Who looks after them.
    pub care_team: String,
    /// What they measure with.
    pub devices: Vec<Device>,
}

/// A device with its secret.
#[derive(Debug, Clone, Deserialize)]
pub struct Device {
    /// Id: client id and user name in MQTT.
    pub id: String,
    /// What it is.
    pub kind: String,
    /// Password in MQTT.
    pub secret: String,
}

impl Manifest {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} has another shape", path.display()))
    }

    /// The user of this log-in.
    pub fn user(&self, login: &str) -> Result<&User> {
        self.users.iter().find(|user| user.login == login).with_context(|| format!("no user {login}"))
    }
}
