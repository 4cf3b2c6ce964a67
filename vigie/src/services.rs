//! The roles of a process, started in order and stopped in the reverse one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vigie_broker::{Carrier, Fanout, Switchboard};
use vigie_dashboard_api::{App, Intake, IntakeLimits};
use vigie_ingest::{Ingest, cluster};
use vigie_reports::delivery::{self, Mailer};
use vigie_reports::maker::Maker;
use vigie_reports::worker;
use vigie_service::Clock;
use vigie_store::{Database, Role};
use vigie_typeset::Typesetter;

use crate::authority::Signer;
use crate::config::{Bounds, Ca, Commands, Doors, NO_DOMAIN, Reports, message_domain};
use crate::device_commands;
use crate::gateway::{Bridge, beat, cut_withdrawn, forget_delivered};
use crate::http_intake::{HttpIntake, Inlet};
use crate::telling::Teller;

/// Which roles a process has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Roles {
    pub(crate) gateway: bool,
    /// Reads from a region's own MQTT cluster.
    pub(crate) ingest: bool,
    pub(crate) alerts: bool,
    pub(crate) reports: bool,
    pub(crate) dashboard: bool,
}

impl Roles {
    /// All that work by themselves; ingest needs a cluster.
    pub(crate) const ALL: Self =
        Self { gateway: true, ingest: false, alerts: true, reports: true, dashboard: true };
}

/// What the roles need.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) database_url: String,
    pub(crate) mqtt_listen: SocketAddr,
    pub(crate) http_listen: SocketAddr,
    pub(crate) http_secure: bool,
    pub(crate) instance: String,
    pub(crate) workers: usize,
    pub(crate) reports: Reports,
    pub(crate) ca: Ca,
    pub(crate) bounds: Bounds,
    pub(crate) doors: Doors,
    pub(crate) commands: Commands,
    /// What the ingest role reads from.
    pub(crate) cluster: Option<cluster::Settings>,
}

/// Running roles.
pub(crate) struct Services {
    /// Where devices connect, if the gateway runs here.
    pub(crate) mqtt: Option<SocketAddr>,
    /// Where devices connect over TLS and WebSocket, if they can.
    pub(crate) doors: Vec<(&'static str, SocketAddr)>,
    /// Where browsers connect, if the dashboard runs here.
    pub(crate) http: Option<SocketAddr>,
    /// Ends when a role ended that should not have.
    pub(crate) broken: CancellationToken,
    /// Devices first, then ingest (which still has to store what they sent), then judging and pages.
    stages: Vec<Stage>,
    /// Their pools, closed last.
    databases: Vec<Database>,
}

/// A connection still in use after this long is left to the database's own end.
const CLOSE: Duration = Duration::from_secs(5);

/// Reports made in one transaction: a few hundred milliseconds of work, which is all that a crash costs.
const REPORTS_AT_ONCE: i64 = 8;

/// How often the files of TLS are looked at: a new revocation list is in force within that.
const TLS_FILES_EVERY: Duration = Duration::from_secs(5);

struct Stage {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Stage {
    fn new() -> Self {
        Self { stop: CancellationToken::new(), tasks: TaskTracker::new() }
    }

    async fn end(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Services {
    /// Starts the roles. Sockets are bound before anything else, so that a taken port is told at once.
    pub(crate) async fn start(roles: Roles, settings: Settings, clock: Clock) -> Result<Self> {
        let mqtt = if roles.gateway { Some(bind("MQTT", settings.mqtt_listen).await?) } else { None };
        let mut doors = Vec::new();
        for (name, address, carrier) in settings.doors.all() {
            if roles.gateway {
                doors.push((name, carrier, bind(name, address).await?));
            }
        }
        let http = if roles.dashboard { Some(bind("HTTP", settings.http_listen).await?) } else { None };
        let mut services = Self {
            mqtt: mqtt.as_ref().map(TcpListener::local_addr).transpose()?,
            doors: doors
                .iter()
                .map(|(name, _, listener)| Ok((*name, listener.local_addr()?)))
                .collect::<Result<_>>()?,
            http: http.as_ref().map(TcpListener::local_addr).transpose()?,
            broken: CancellationToken::new(),
            stages: Vec::new(),
            databases: Vec::new(),
        };
        let committed = Arc::new(Notify::new());
        let mut inlet = None;
        if let Some(listener) = mqtt {
            let mut listeners = vec![(Carrier::default(), listener)];
            listeners.extend(doors.into_iter().map(|(_, carrier, listener)| (carrier, listener)));
            inlet = Some(services.start_gateway(listeners, &settings, &clock, &committed).await?);
        }
        if let Some(source) = settings.cluster.clone().filter(|_| roles.ingest) {
            services.start_cluster(source, &settings, &clock, &committed).await?;
        }
        if roles.alerts {
            services.start_alerts(&settings, &clock, &committed).await?;
        }
        if roles.reports {
            services.start_reports(&settings, &clock).await?;
        }
        if let Some(listener) = http {
            let inlet = match inlet {
                Some(inlet) => inlet,
                None => services.start_ingest_of_dashboard(&settings, &clock, &committed).await?,
            };
            services.start_dashboard(listener, &settings, &clock, inlet).await?;
        }
        Ok(services)
    }

    async fn start_gateway(
        &mut self,
        listeners: Vec<(Carrier, TcpListener)>,
        settings: &Settings,
        clock: &Clock,
        committed: &Arc<Notify>,
    ) -> Result<Inlet> {
        let (devices, storing) = (Stage::new(), Stage::new());
        let ingest = self.start_ingest(settings, clock, committed, &storing).await?;
        let bounds = &settings.bounds;
        // A pool of its own: a storm of log-ins must not keep readings from being stored. Log-ins can take all but two.
        let connections = u32::try_from(bounds.listener.log_in_checks_max + 2).unwrap_or(6);
        let asking = self.connect(&settings.database_url, Role::Gateway, connections).await?;
        let (fanout, keeper) = Fanout::new(bounds.fanout.clone());
        storing.tasks.spawn(keeper.run(storing.stop.clone()));
        let (teller, telling) = Teller::new(fanout);
        storing.tasks.spawn(telling.run(asking.clone(), storing.stop.clone()));
        let inlet = Inlet {
            ingest: ingest.clone(),
            teller: Some(teller.clone()),
            tasks: devices.tasks.clone(),
            stop: devices.stop.clone(),
        };
        let (bridge, delivered) = Bridge::new(asking.clone(), ingest, teller, clock.clone());
        storing.tasks.spawn(forget_delivered(asking.clone(), clock.clone(), delivered, storing.stop.clone()));
        storing.tasks.spawn(beat(
            asking.clone(),
            clock.clone(),
            settings.instance.clone(),
            storing.stop.clone(),
        ));
        let switchboard = Switchboard::new(bounds.listener.clone()).context("limits of the listener")?;
        storing.tasks.spawn(cut_withdrawn(
            asking.clone(),
            clock.clone(),
            switchboard.clone(),
            storing.stop.clone(),
        ));
        look_after_devices(&devices, &asking, settings, clock);
        devices.tasks.spawn(device_commands::run(
            asking,
            clock.clone(),
            switchboard.clone(),
            devices.stop.clone(),
        ));
        let bridge = Arc::new(bridge);
        for (carrier, listener) in listeners {
            let (bridge, switchboard) = (Arc::clone(&bridge), switchboard.clone());
            let (stop, broken) = (devices.stop.clone(), self.broken.clone());
            devices.tasks.spawn(async move {
                vigie_broker::serve_over(carrier, listener, bridge, switchboard, stop).await;
                broken.cancel();
            });
        }
        if let Some(tls) = settings.doors.tls.clone() {
            devices.tasks.spawn(tls.keep_fresh(TLS_FILES_EVERY, devices.stop.clone()));
        }
        self.stages.push(devices);
        self.stages.push(storing);
        Ok(inlet)
    }

    /// The writers, with a pool of their own. They end with `storing`.
    async fn start_ingest(
        &mut self,
        settings: &Settings,
        clock: &Clock,
        committed: &Arc<Notify>,
        storing: &Stage,
    ) -> Result<Ingest> {
        let writing = self.connect(&settings.database_url, Role::Gateway, 4).await?;
        Ok(Ingest::start(
            writing,
            clock.clone(),
            vigie_ingest::Config::default(),
            Arc::clone(committed),
            &storing.tasks,
            &storing.stop,
        ))
    }

    /// Where no gateway runs in this process: what comes over HTTP is stored here all the same.
    async fn start_ingest_of_dashboard(
        &mut self,
        settings: &Settings,
        clock: &Clock,
        committed: &Arc<Notify>,
    ) -> Result<Inlet> {
        let (taking, storing) = (Stage::new(), Stage::new());
        let ingest = self.start_ingest(settings, clock, committed, &storing).await?;
        let inlet = Inlet { ingest, teller: None, tasks: taking.tasks.clone(), stop: taking.stop.clone() };
        self.stages.push(taking);
        self.stages.push(storing);
        Ok(inlet)
    }

    /// Reads from a region's own MQTT cluster. The reader ends first: what it has taken is stored and acknowledged.
    async fn start_cluster(
        &mut self,
        source: cluster::Settings,
        settings: &Settings,
        clock: &Clock,
        committed: &Arc<Notify>,
    ) -> Result<()> {
        let (reading, storing) = (Stage::new(), Stage::new());
        let ingest = self.start_ingest(settings, clock, committed, &storing).await?;
        // A pool of its own beside that of the writers, as in the gateway.
        let asking = self.connect(&settings.database_url, Role::Gateway, 4).await?;
        look_after_devices(&reading, &asking, settings, clock);
        let source =
            cluster::Source::new(source, ingest, asking, clock.clone()).context("the cluster's settings")?;
        let (stop, broken) = (reading.stop.clone(), self.broken.clone());
        reading.tasks.spawn(async move {
            cluster::run(source, stop).await;
            broken.cancel();
        });
        self.stages.push(reading);
        self.stages.push(storing);
        Ok(())
    }

    async fn start_alerts(
        &mut self,
        settings: &Settings,
        clock: &Clock,
        committed: &Arc<Notify>,
    ) -> Result<()> {
        let workers = settings.workers;
        let connections = u32::try_from(workers * 2).unwrap_or(8);
        let database = self.connect(&settings.database_url, Role::Alerts, connections).await?;
        let judging = Stage::new();
        for n in 1..=workers {
            let settings = vigie_alerts::Settings {
                instance: if n == 1 {
                    settings.instance.clone()
                } else {
                    format!("{}-{n}", settings.instance)
                },
                // Of several workers the first looks after what has just been measured, and the others after everybody.
                fresh_rounds: match (workers, n) {
                    (1, _) => 1,
                    (_, 1) => u32::MAX,
                    _ => 0,
                },
                ..vigie_alerts::Settings::default()
            };
            judging.tasks.spawn(vigie_alerts::run(
                database.clone(),
                clock.clone(),
                settings,
                Arc::clone(committed),
                judging.stop.clone(),
            ));
        }
        self.stages.push(judging);
        Ok(())
    }

    /// Makes what is due and, where there is a mail server, delivers it.
    async fn start_reports(&mut self, settings: &Settings, clock: &Clock) -> Result<()> {
        let Reports { schedule, workers, smtp, .. } = settings.reports.clone();
        // A maker holds one connection while it works and takes another to show that it lives; the mailer needs two.
        let connections = u32::try_from(workers + 4).unwrap_or(16);
        let database = self.connect(&settings.database_url, Role::Reports, connections).await?;
        let stage = Stage::new();
        let typesetter = Arc::new(Typesetter::new());
        let domain = smtp.as_ref().map_or_else(|| NO_DOMAIN.to_owned(), message_domain);
        for n in 1..=workers {
            let maker = Maker {
                database: database.clone(),
                clock: clock.clone(),
                typesetter: Arc::clone(&typesetter),
                most: REPORTS_AT_ONCE,
                message_domain: domain.clone(),
            };
            let instance =
                if n == 1 { settings.instance.clone() } else { format!("{}-{n}", settings.instance) };
            let settings =
                worker::Settings { schedule, poll: Duration::from_secs(1), instance, schedules: n == 1 };
            stage.tasks.spawn(worker::run(maker, settings, stage.stop.clone()));
        }
        if let Some(smtp) = smtp {
            let mailer = Arc::new(Mailer::new(smtp).context("the mail server's settings")?);
            let settings =
                delivery::Settings { instance: format!("{}-mail", settings.instance), ..Default::default() };
            stage.tasks.spawn(delivery::run(
                database,
                clock.clone(),
                mailer,
                settings,
                Arc::new(Notify::new()),
                stage.stop.clone(),
            ));
        } else {
            tracing::info!("no mail server is set: reports are made and can be downloaded, their mails wait");
        }
        self.stages.push(stage);
        Ok(())
    }

    async fn start_dashboard(
        &mut self,
        listener: TcpListener,
        settings: &Settings,
        clock: &Clock,
        inlet: Inlet,
    ) -> Result<()> {
        let database = self.connect(&settings.database_url, Role::Dashboard, 12).await?;
        let limits = IntakeLimits::default();
        // One for each log-in that is checked, and one to forget receipts that were answered.
        let connections = u32::try_from(limits.checks_max + 1).unwrap_or(3);
        let asking = self.connect(&settings.database_url, Role::Gateway, connections).await?;
        let intake = HttpIntake::new(inlet, asking, clock.clone());
        let app = App::new(
            database,
            clock.clone(),
            vigie_dashboard_api::Settings {
                secure_cookies: settings.http_secure,
                schedule: settings.reports.schedule,
                mssante_domains: settings.reports.mssante_domains.clone(),
                issuer: signer(&settings.ca),
                command_lives: settings.commands.lives,
                intake: Some(Intake::new(Arc::new(intake), limits)),
                ..vigie_dashboard_api::Settings::default()
            },
        );
        let pages = Stage::new();
        let (stop, broken) = (pages.stop.clone(), self.broken.clone());
        pages.tasks.spawn(async move {
            if let Err(error) = vigie_dashboard_api::serve(listener, app, stop).await {
                tracing::error!(%error, "the dashboard ended");
            }
            broken.cancel();
        });
        self.stages.push(pages);
        Ok(())
    }

    async fn connect(&mut self, url: &str, role: Role, connections: u32) -> Result<Database> {
        let database = Database::connect(url, role, connections)
            .await
            .with_context(|| format!("connecting as {}", role.as_str()))?;
        self.databases.push(database.clone());
        Ok(database)
    }

    /// Stops everything in order; what devices sent is stored and acknowledged first. Afterwards no connection is
    /// in use any more, so that a PostgreSQL of our own can be stopped without breaking one.
    pub(crate) async fn stop(self) {
        for stage in self.stages {
            stage.end().await;
        }
        for database in self.databases {
            if tokio::time::timeout(CLOSE, database.close()).await.is_err() {
                tracing::info!("a connection to the database is still in use; left to end by itself");
            }
        }
    }
}

/// What whoever takes readings in does beside: ends commands, asks for gaps, and asks devices to set their clock.
fn look_after_devices(stage: &Stage, asking: &Database, settings: &Settings, clock: &Clock) {
    let (database, stop) = (|| asking.clone(), || stage.stop.clone());
    stage.tasks.spawn(vigie_ingest::gaps::run(database(), clock.clone(), settings.bounds.gaps, stop()));
    let ask_to_set = settings.commands.ask_to_set_clock;
    stage.tasks.spawn(vigie_ingest::commands::keep(database(), clock.clone(), ask_to_set, stop()));
}

fn signer(ca: &Ca) -> Option<Arc<dyn vigie_dashboard_api::Issuer>> {
    let folder = ca.folder.clone()?;
    Some(Arc::new(Signer { folder, days: ca.certificate_days }))
}

async fn bind(what: &str, address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .map_err(|error| crate::usage::usage(format!("{what} cannot listen on {address}: {error}")))
}

/// Ctrl-C, SIGTERM or SIGHUP.
pub(crate) async fn stop_signal() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}
