//! Stops a test's server when the test's process dies without a chance to do it.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The script waits on a pipe whose other end only this process holds. A line means "stopped in order, go home"; the
/// pipe's end means that this process is gone, so the server has to go too: if the pid still is the server of these data.
const SCRIPT: &str =
    r#"read -r line || { tr '\0' '\n' <"/proc/$1/cmdline" | grep -qxF "$2" && kill -QUIT "$1"; }"#;

/// A small shell that outlives this process by one signal.
#[derive(Debug)]
pub(crate) struct Watchdog(Child);

impl Watchdog {
    /// Guards the server of these data. Its own process group keeps a terminal's Ctrl-C from ending it first.
    pub(crate) fn guard(pid: i32, data: &Path) -> std::io::Result<Self> {
        Command::new("/bin/sh")
            .args(["-c", SCRIPT, "vigie-watchdog", &pid.to_string()])
            .arg(data)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map(Self)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        let told = self.0.stdin.take().map(|mut pipe| pipe.write_all(b"done\n"));
        if let Some(Err(error)) = told {
            tracing::debug!(%error, "the watchdog had ended before its server");
        }
        if let Err(error) = self.0.wait() {
            tracing::debug!(%error, "the watchdog's end could not be awaited");
        }
    }
}
