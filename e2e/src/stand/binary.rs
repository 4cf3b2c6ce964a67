//! Where the `vigie` program is.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Error, Result, ensure};

/// How it was compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// As for tests and the demo.
    Debug,
    /// As it is delivered.
    Release,
}

/// The `vigie` of this source tree, brought up to date. `VIGIE_BINARY` names another one.
pub fn vigie(profile: Profile) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("VIGIE_BINARY") {
        return Ok(path.into());
    }
    static DEBUG: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    static RELEASE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    // Once per process: sources that change while tests run must not give them two different programs.
    let built = match profile {
        Profile::Debug => &DEBUG,
        Profile::Release => &RELEASE,
    };
    built.get_or_init(|| build(profile).map_err(|error| format!("{error:#}"))).clone().map_err(Error::msg)
}

fn build(profile: Profile) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--locked", "--package", "vigie", "--bin", "vigie"]);
    build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    if profile == Profile::Release {
        build.arg("--release");
    }
    let status = build.status().context("cargo does not start")?;
    ensure!(status.success(), "vigie does not compile: see what cargo says above");
    // target/<profile>/ holds the binaries; test programs lie in its folder deps.
    let own = std::env::current_exe().context("the path of this program is unknown")?;
    let target = own
        .ancestors()
        .find(|folder| folder.ends_with("debug") || folder.ends_with("release"))
        .and_then(|folder| folder.parent())
        .with_context(|| format!("{} does not lie in a target folder", own.display()))?;
    let folder = match profile {
        Profile::Debug => "debug",
        Profile::Release => "release",
    };
    let path = target.join(folder).join("vigie");
    ensure!(path.is_file(), "cargo built vigie, but not as {}", path.display());
    Ok(path)
}
