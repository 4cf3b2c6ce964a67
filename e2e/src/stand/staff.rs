//! Staff of a stand, added with the commands that an administrator has.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Service, Stand};

impl Stand {
    /// Runs an administrative command of `vigie` on the stand's database and gives what it printed.
    pub fn administer(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new(&self.vigie)
            .args(arguments)
            .env("DATABASE_URL", self.url())
            .env_remove("DATABASE_URL_FILE")
            .env_remove("VIGIE_CONFIG")
            .output()
            .context("vigie does not start")?;
        ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Adds a nurse who sees every patient of [`Stand::add`] (so add patients first), and gives her password.
    pub fn add_nurse(&self, login: &str) -> Result<String> {
        let command = ["user", "add", "--json", "--role", "nurse", "--team", "Team", "--login", login];
        let answer: Value = serde_json::from_str(&self.administer(&command)?)?;
        let password = answer.get("password").and_then(Value::as_str).context("no password was made")?;
        Ok(password.to_owned())
    }
}

impl Service {
    /// Where its pages and its API are, once it is ready: `http://address:port`.
    pub fn http(&self) -> Result<String> {
        let address = self.lines().iter().find_map(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            let text = line.get("fields")?.get("http")?.as_str()?;
            // As the log shows an optional address.
            Some(text.strip_prefix("Some(")?.strip_suffix(')')?.to_owned())
        });
        Ok(format!("http://{}", address.context("it has no dashboard, or is not ready")?))
    }
}
