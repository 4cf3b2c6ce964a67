//! The server's main process: its pid file, whether it lives, and the signals that stop it.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal};

/// How often a process is asked whether it has ended.
const POLL: Duration = Duration::from_millis(10);

/// What `postmaster.pid` says: pid, data folder, start time, port, socket folder, address, shared memory, status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PidFile {
    pub(crate) pid: i32,
    pub(crate) port: Option<u16>,
    pub(crate) ready: bool,
}

impl PidFile {
    pub(crate) fn read(data: &Path) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(data.join("postmaster.pid")).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        Some(Self {
            pid: lines.first()?.parse().ok()?,
            port: lines.get(3).and_then(|line| line.parse().ok()),
            ready: lines.get(7) == Some(&"ready"),
        })
    }
}

/// A handle on a live server process that cannot come to mean another process when its number is used again.
#[derive(Debug)]
pub(crate) struct Postmaster {
    pid: Pid,
    pidfd: OwnedFd,
}

impl Postmaster {
    /// The live server of these data, if there is one. A pid file left by a crash may name a process that has nothing to
    /// do with PostgreSQL by now, so the process must also have been started with these data on its command line (its
    /// working folder would say the same, but root in a container may not read another user's).
    pub(crate) fn of_data(data: &Path) -> Option<Self> {
        let found = Self::of_pid(PidFile::read(data)?.pid).ok()?;
        let command = std::fs::read(format!("/proc/{}/cmdline", found.pid())).ok()?;
        let data = data.canonicalize().ok()?;
        let named = command.split(|byte| *byte == 0).any(|argument| argument == data.as_os_str().as_bytes());
        (named && !found.has_ended()).then_some(found)
    }

    pub(crate) fn of_pid(pid: i32) -> std::io::Result<Self> {
        let pid = Pid::from_raw(pid).ok_or(std::io::ErrorKind::InvalidInput)?;
        Ok(Self { pid, pidfd: rustix::process::pidfd_open(pid, PidfdFlags::empty())? })
    }

    pub(crate) fn pid(&self) -> i32 {
        self.pid.as_raw_pid()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.wait_blocking(Duration::ZERO)
    }

    /// Waits for the end of the process; false when the time is over first.
    pub(crate) async fn wait(&self, limit: Duration) -> bool {
        tokio::time::timeout(limit, self.ended()).await.is_ok()
    }

    /// Completes when the process has ended. Cancelling it loses nothing.
    ///
    /// It asks again and again: registering a pidfd with the runtime needs unsafe code, and a question costs a microsecond.
    pub(crate) async fn ended(&self) {
        while !self.has_ended() {
            tokio::time::sleep(POLL).await;
        }
    }

    /// The same for `Drop`, which cannot await.
    pub(crate) fn wait_blocking(&self, limit: Duration) -> bool {
        let limit = Timespec { tv_sec: limit.as_secs().cast_signed(), tv_nsec: limit.subsec_nanos().into() };
        let mut fds = [PollFd::new(&self.pidfd, PollFlags::IN)];
        rustix::io::retry_on_intr(|| rustix::event::poll(&mut fds, Some(&limit))).is_ok_and(|ready| ready > 0)
    }

    /// Sends a signal; a process that has ended already is no error.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Err(error) = rustix::process::pidfd_send_signal(&self.pidfd, signal) {
            tracing::debug!(%error, pid = self.pid(), "the server had ended before the signal");
        }
    }

    /// Kills the server and every process of it at once, as a power cut would.
    ///
    /// Each PostgreSQL process leads a process group of its own, so killing the main one's group would leave the others
    /// running for a while, and they would keep the next start from succeeding. The main process is stopped first, so
    /// that it cannot start others meanwhile.
    pub(crate) fn kill_all(&self) -> Vec<Self> {
        self.signal(Signal::STOP);
        let children: Vec<Self> =
            children_of(self.pid()).into_iter().filter_map(|pid| Self::of_pid(pid).ok()).collect();
        self.signal(Signal::KILL);
        for child in &children {
            child.signal(Signal::KILL);
        }
        children
    }
}

/// The processes whose parent is `parent`.
fn children_of(parent: i32) -> Vec<i32> {
    std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| parent_of(*pid) == Some(parent))
        .collect()
}

/// The fourth field of /proc/PID/stat; the second is a name in brackets that may hold anything.
fn parent_of(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pid_file_of_a_ready_server_is_read() {
        let text = "4711\n/srv/data\n1790000000\n15433\n\n127.0.0.1\n  1234567    3\nready   \n";
        assert_eq!(PidFile::parse(text), Some(PidFile { pid: 4711, port: Some(15433), ready: true }));
    }

    #[test]
    fn pid_file_of_a_recovering_or_half_written_one_is_not_ready() {
        let text = "4711\n/srv/data\n1790000000\n15433\n\n127.0.0.1\n  1234567    3\nstarting\n";
        assert!(!PidFile::parse(text).unwrap().ready);
        assert_eq!(PidFile::parse("4711\n"), Some(PidFile { pid: 4711, port: None, ready: false }));
        assert_eq!(PidFile::parse(""), None);
    }

    #[test]
    fn pid_file_that_names_a_stranger_is_not_a_running_server() {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join("postmaster.pid"), format!("{}\n", std::process::id())).unwrap();
        assert!(Postmaster::of_data(data.path()).is_none());
    }
}
