//! `vigie demo` as a child process, as a newcomer runs it: what it prints, what it leaves for scripts, and how it ends.

mod manifest;

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use vigie_pgcluster::{Cluster, Installation};

use crate::stand::{Profile, vigie};
use crate::waiting::until;

pub use manifest::{Device, Manifest, Patient, User};

/// From the start of the process to "ready"; includes making a PostgreSQL cluster.
const START: Duration = Duration::from_secs(60);
/// From Ctrl-C to the end of the process.
const STOP: Duration = Duration::from_secs(30);

/// Lines of a stream so far, and the thread that reads it to its end.
#[derive(Debug)]
struct Lines {
    so_far: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

/// A running `vigie demo`. Dropping it stops it without looking at how it ends: [`Demo::finish`] looks.
#[derive(Debug)]
pub struct Demo {
    child: Child,
    program: PathBuf,
    data_dir: PathBuf,
    began: Instant,
    printed: Lines,
    complaints: Lines,
    manifest: Manifest,
}

impl Demo {
    /// Starts it in a folder of its own, with these options on top, and waits until it is ready.
    pub async fn start(data_dir: &Path, options: &[&str]) -> Result<Self> {
        let program = vigie(Profile::Debug)?;
        let began = Instant::now();
        let mut child = Command::new(&program)
            .arg("demo")
            .args(["--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0", "--data-dir"])
            .arg(data_dir)
            .args(options)
            .env_remove("DATABASE_URL")
            .env_remove("VIGIE_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} does not start", program.display()))?;
        let printed = Lines::of(child.stdout.take());
        let complaints = Lines::of(child.stderr.take());
        let mut demo = Self {
            child,
            program,
            data_dir: data_dir.to_owned(),
            began,
            printed,
            complaints,
            manifest: Manifest::default(),
        };
        demo.wait_until_ready().await?;
        Ok(demo)
    }

    /// An earlier run's demo.json is still there, so it counts once the welcome is printed.
    async fn wait_until_ready(&mut self) -> Result<()> {
        let welcomed = until(START, async || {
            let over = self.child.try_wait().ok().flatten().is_some();
            let welcomed = self.printed.so_far().iter().any(|line| line.contains("stop with Ctrl-C"));
            (over || welcomed).then_some(welcomed)
        })
        .await;
        if welcomed != Some(true) {
            bail!("vigie demo does not get ready: {:#?} {:#?}", self.printed(), self.complaints());
        }
        self.manifest = Manifest::read(&self.data_dir.join("demo.json"))?;
        let url = format!("{}/readyz", self.manifest.http);
        let ready = until(START, async || {
            let answer = reqwest::get(&url).await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
        ready.with_context(|| format!("{url} does not get ready: {:#?}", self.complaints()))
    }

    /// What demo.json says.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Where it keeps everything.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// When the process was started.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// What it printed so far.
    pub fn printed(&self) -> Vec<String> {
        self.printed.so_far()
    }

    /// What it wrote to standard error: warnings, errors, panics. At its default log level there is nothing else.
    pub fn complaints(&self) -> Vec<String> {
        self.complaints.so_far()
    }

    /// Runs an administrative command on the same data directory.
    pub fn vigie(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new(&self.program);
        command.args(arguments).arg("--data-dir").arg(&self.data_dir);
        command.env_remove("DATABASE_URL").env_remove("VIGIE_LOG").stdin(Stdio::null());
        command.output().context("vigie does not start")
    }

    /// Asks the database with psql, which shares no code with Vigie; one `Vec` of columns per row.
    pub fn query(&self, sql: &str) -> Result<Vec<Vec<String>>> {
        let cluster = Cluster::adopt(&self.postgresql())?.context("the demo's PostgreSQL does not run")?;
        let output = Command::new(Installation::find(None, None)?.program("psql"))
            .args(["-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1"])
            .args(["-d", &cluster.url("vigie"), "-c", sql])
            .output()
            .context("psql does not start")?;
        ensure!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
    }

    /// Ctrl-C. It must end well, have said nothing but lines that contain one of `expected` on standard error, and
    /// leave no PostgreSQL behind.
    pub async fn finish(mut self, expected: &[&str]) -> Result<()> {
        let postgres = self.postgres_pid();
        self.signal(Signal::INT)?;
        let status = self.ended(STOP).await;
        let status = status.with_context(|| format!("Ctrl-C does not stop it: {:#?}", self.complaints()))?;
        let complaints =
            self.complaints.complete().await.context("somebody still holds its standard error")?;
        let unexpected: Vec<String> =
            complaints.into_iter().filter(|line| !expected.iter().any(|e| line.contains(e))).collect();
        ensure!(status.success(), "vigie demo ended with {status}: {unexpected:#?}");
        ensure!(unexpected.is_empty(), "vigie demo complained: {unexpected:#?}");
        if let Some(pid) = postgres {
            ensure!(!runs(pid), "PostgreSQL still runs as {}", pid.as_raw_nonzero());
        }
        Ok(())
    }

    /// `kill -9`: PostgreSQL stays behind, and the next start has to cope with it.
    pub async fn kill_hard(mut self) -> Result<()> {
        self.signal(Signal::KILL)?;
        self.ended(STOP).await.context("kill -9 does not end it")?;
        // Nothing to stop any more; PostgreSQL is what the next start finds.
        self.data_dir = PathBuf::new();
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.child), signal).context("the process is gone already")
    }

    async fn ended(&mut self, patience: Duration) -> Option<ExitStatus> {
        until(patience, async || self.child.try_wait().ok().flatten()).await
    }

    fn postgresql(&self) -> PathBuf {
        self.data_dir.join("postgresql")
    }

    /// First line of postmaster.pid, wherever below the cluster's folder it is.
    fn postgres_pid(&self) -> Option<Pid> {
        let text = std::fs::read_to_string(self.postgresql().join("pgdata/postmaster.pid")).ok()?;
        Pid::from_raw(text.lines().next()?.trim().parse().ok()?)
    }
}

impl Drop for Demo {
    /// A test that failed half-way must not leave processes behind.
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) && self.child.kill().is_ok() {
            drop(self.child.wait());
        }
        if let Some(postgres) = self.postgres_pid() {
            // Its own work may have ended it in the meantime.
            kill_process(postgres, Signal::QUIT).unwrap_or_default();
        }
    }
}

/// A process that has ended and that nobody has waited for yet (whoever adopted it may take a moment) does not run.
fn runs(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    let ended = stat.is_ok_and(|stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')));
    test_kill_process(pid).is_ok() && !ended
}

impl Lines {
    /// Reads on a thread of its own: a demo is shared by tests that each have their own runtime.
    fn of(stream: Option<impl Read + Send + 'static>) -> Self {
        let so_far = Arc::default();
        let into: Arc<Mutex<Vec<String>>> = Arc::clone(&so_far);
        let reader = stream.map(|stream| {
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    into.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                }
            })
        });
        Self { so_far, reader }
    }

    fn so_far(&self) -> Vec<String> {
        self.so_far.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the last line was read.
    async fn complete(&self) -> Option<Vec<String>> {
        let over = async || self.reader.as_ref().is_none_or(JoinHandle::is_finished).then_some(());
        until(STOP, over).await.map(|()| self.so_far())
    }
}
