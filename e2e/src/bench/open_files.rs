//! Room for thousands of sockets: this process and those that it starts begin with the usual 1,024 open files.

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit to what is wanted or, where only the administrator may, as far as the machine allows. Gives the limit
/// that is in force then; children inherit it.
pub(super) fn raise(wanted: u64) -> Result<u64> {
    let before = getrlimit(Resource::Nofile);
    let allowed = before.maximum.unwrap_or(u64::MAX);
    let in_force = before.current.unwrap_or(u64::MAX);
    if in_force >= wanted {
        return Ok(in_force);
    }
    if allowed < wanted
        && setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: Some(wanted) }).is_ok()
    {
        return Ok(wanted);
    }
    let current = allowed.min(wanted);
    setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum: before.maximum })
        .context("the limit of open files cannot be raised")?;
    Ok(current)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_said_is_the_one_in_force_and_is_never_lowered() {
        let before = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        assert_eq!(raise(1).unwrap(), before);
        let in_force = raise(u64::MAX / 2).unwrap();
        assert!(in_force >= before);
        assert_eq!(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX), in_force);
    }
}
