//! What every handler shares.

use std::sync::Arc;

use jiff::tz::TimeZone;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use vigie_reports::delivery::address::MSSANTE_DOMAINS;
use vigie_reports::schedule::Schedule;
use vigie_service::Clock;
use vigie_store::commands::Lives;
use vigie_store::{Database, Tx};
use vigie_typeset::Typesetter;
use vigie_vitals::UserId;

use crate::intake::Intake;
use crate::issuer::Issuer;
use crate::live::Pulse;
use crate::problem::Problem;

/// Settings of the dashboard.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Cookies only over https. Off for a listener on loopback without TLS.
    pub secure_cookies: bool,
    /// Time zone of what concerns no single patient, such as the banner.
    pub time_zone: TimeZone,
    /// Followers of the event stream at the same time, in this process.
    pub streams_max: usize,
    /// When weekly reports are due: what a report shown before it was made may know.
    pub schedule: Schedule,
    /// What the domain of an MSSanté address ends with.
    pub mssante_domains: Vec<String>,
    /// Who signs certificates for devices; without one, none are given.
    pub issuer: Option<Arc<dyn Issuer>>,
    /// How long commands to devices live.
    pub command_lives: Lives,
    /// Takes readings from gateways without MQTT; without one, they are told so.
    pub intake: Option<Intake>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            secure_cookies: false,
            time_zone: TimeZone::get("Europe/Paris").unwrap_or(TimeZone::UTC),
            streams_max: 2_000,
            schedule: Schedule::default(),
            mssante_domains: MSSANTE_DOMAINS.map(str::to_owned).to_vec(),
            issuer: None,
            command_lives: Lives::default(),
            intake: None,
        }
    }
}

/// Password hashes computed at the same time: each takes 19 MiB and a core.
const HASHES_MAX: usize = 2;

/// Reports set at the same time: each takes a core for some tens of milliseconds.
const RENDERS_MAX: usize = 2;

/// The dashboard's state; cheap to clone.
#[derive(Debug, Clone)]
pub struct App(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    database: Database,
    clock: Clock,
    settings: Settings,
    pulse: watch::Sender<Pulse>,
    streams: Arc<Semaphore>,
    hashes: Arc<Semaphore>,
    renders: Semaphore,
    typesetter: Arc<Typesetter>,
    closing: CancellationToken,
}

impl App {
    /// `database` is a pool of `Role::Dashboard`.
    pub fn new(database: Database, clock: Clock, settings: Settings) -> Self {
        let streams = Arc::new(Semaphore::new(settings.streams_max));
        Self(Arc::new(Inner {
            database,
            clock,
            settings,
            pulse: watch::Sender::new(Pulse::default()),
            streams,
            hashes: Arc::new(Semaphore::new(HASHES_MAX)),
            renders: Semaphore::new(RENDERS_MAX),
            typesetter: Arc::new(Typesetter::new()),
            closing: CancellationToken::new(),
        }))
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn pulse(&self) -> &watch::Sender<Pulse> {
        &self.0.pulse
    }

    pub(crate) fn streams(&self) -> &Arc<Semaphore> {
        &self.0.streams
    }

    pub(crate) fn hashes(&self) -> &Arc<Semaphore> {
        &self.0.hashes
    }

    pub(crate) fn renders(&self) -> &Semaphore {
        &self.0.renders
    }

    pub(crate) fn typesetter(&self) -> &Arc<Typesetter> {
        &self.0.typesetter
    }

    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.0.closing
    }

    /// Tells followers of the stream that it closes, so that a graceful stop does not wait for them.
    pub(crate) fn close_streams(&self) {
        self.0.closing.cancel();
    }

    /// A transaction of nobody: sessions, beats, positions; no patient is visible in it.
    pub(crate) async fn begin(&self) -> Result<Tx, Problem> {
        Ok(self.0.database.begin().await?)
    }

    /// A transaction on behalf of a member of staff.
    pub(crate) async fn begin_as(&self, staff: UserId) -> Result<Tx, Problem> {
        Ok(self.0.database.begin_as(staff).await?)
    }

    /// The same for reading, as of one moment.
    pub(crate) async fn begin_reading_as(&self, staff: UserId) -> Result<Tx, Problem> {
        Ok(self.0.database.begin_reading_as(staff).await?)
    }

    pub(crate) fn database(&self) -> &Database {
        &self.0.database
    }
}

/// Commits; nothing is told to anybody before this returned.
pub(crate) async fn commit(tx: Tx) -> Result<(), Problem> {
    tx.commit().await.map_err(|error| Problem::from(vigie_store::Error::from(error)))
}
