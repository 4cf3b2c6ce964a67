//! Finds the PostgreSQL server that is installed, and whether TimescaleDB is installed for it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Error;

/// The schema uses multiranges (14) and views that check row-level security as their caller (15).
const OLDEST_MAJOR: u32 = 15;

/// Where Debian and the PostgreSQL project's own packages put each major version.
const VERSIONED: &str = "/usr/lib/postgresql";

/// One installed PostgreSQL server.
#[derive(Debug, Clone)]
pub struct Installation {
    bin_dir: PathBuf,
    major: u32,
    timescale: bool,
}

impl Installation {
    /// Finds the programs: `bin_dir` when given; else the version that made the data; else the newest.
    pub fn find(bin_dir: Option<&Path>, data_major: Option<u32>) -> Result<Self, Error> {
        if let Some(dir) = bin_dir {
            return match has_programs(dir) {
                true => Self::inspect(dir.to_owned()),
                false => Err(Error::NotInstalled { looked_in: dir.display().to_string() }),
            };
        }
        let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir(VERSIONED)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
            .filter(|(_, dir)| has_programs(dir))
            .collect();
        versions.sort();
        let same = versions.iter().find(|(major, _)| Some(*major) == data_major);
        if let Some((_, dir)) = same.or(versions.last()) {
            return Self::inspect(dir.clone());
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        match std::env::split_paths(&path).find(|dir| has_programs(dir)) {
            Some(dir) => Self::inspect(dir),
            None => Err(Error::NotInstalled { looked_in: format!("{VERSIONED}/*/bin and PATH") }),
        }
    }

    fn inspect(bin_dir: PathBuf) -> Result<Self, Error> {
        let text = output_of(&bin_dir.join("postgres"), "--version")?;
        let major = parse_major(&text).unwrap_or(0);
        if major < OLDEST_MAJOR {
            return Err(Error::TooOld { found: major, needed: OLDEST_MAJOR });
        }
        let timescale = timescale_is_installed(&bin_dir);
        Ok(Self { bin_dir, major, timescale })
    }

    /// The major version, such as 15.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// Whether the TimescaleDB extension can be loaded by this server.
    pub fn has_timescale(&self) -> bool {
        self.timescale
    }

    /// The path of one of its programs, such as `psql`.
    pub fn program(&self, name: &str) -> PathBuf {
        self.bin_dir.join(name)
    }
}

fn has_programs(dir: &Path) -> bool {
    ["initdb", "postgres"].iter().all(|name| dir.join(name).is_file())
}

/// `postgres (PostgreSQL) 15.20 (Debian ...)` or `18beta1` -> the major version.
fn parse_major(text: &str) -> Option<u32> {
    let version = text.split_once("(PostgreSQL)")?.1.trim_start();
    let digits = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
    version.get(..digits)?.parse().ok()
}

/// Loading a library that is not there would keep the server from starting, so the control file alone is no proof: the
/// loader and the library of the version that the control file names must both be there.
fn timescale_is_installed(bin_dir: &Path) -> bool {
    let pg_config = bin_dir.join("pg_config");
    let (Ok(share), Ok(lib)) = (output_of(&pg_config, "--sharedir"), output_of(&pg_config, "--pkglibdir"))
    else {
        return false;
    };
    let control = Path::new(share.trim()).join("extension/timescaledb.control");
    let Some(version) = std::fs::read_to_string(control).ok().as_deref().and_then(default_version) else {
        return false;
    };
    let lib = Path::new(lib.trim());
    lib.join("timescaledb.so").is_file() && lib.join(format!("timescaledb-{version}.so")).is_file()
}

fn default_version(control: &str) -> Option<String> {
    let line = control.lines().find(|line| line.trim_start().starts_with("default_version"))?;
    Some(line.split_once('=')?.1.trim().trim_matches('\'').to_owned())
}

fn output_of(program: &Path, argument: &str) -> Result<String, Error> {
    let output = Command::new(program).arg(argument).output().map_err(Error::io("run", program))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn major_version_is_read_from_what_the_server_says() {
        assert_eq!(parse_major("postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)\n"), Some(15));
        assert_eq!(parse_major("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(parse_major("something else"), None);
    }

    #[test]
    fn extension_version_is_read_from_its_control_file() {
        assert_eq!(
            default_version("# x\ndefault_version = '2.19.3'\nother = 1\n").as_deref(),
            Some("2.19.3")
        );
    }

    #[test]
    fn folder_without_a_server_is_named_in_the_error() {
        let error = Installation::find(Some(Path::new("/nowhere")), None).unwrap_err();
        assert!(error.to_string().contains("/nowhere"), "{error}");
    }
}
