//! A source: the session of this process and, while others are silent, theirs.

use rumqttc::v5::{AsyncClient, MqttOptions};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use vigie_service::Clock;
use vigie_store::Database;
use vigie_wire::DeviceId;

use super::reader::{FILTERS, Reader};
use super::settings::{Settings, SettingsError};
use super::signs::{Link, Signs};
use super::{heirs, post};
use crate::{Ingest, housekeeping};

/// Stands for the device where a topic names none.
const NOBODY: &str = "-";

/// A source that can be run.
pub struct Source {
    options: MqttOptions,
    shared: Shared,
}

/// What every session of this process needs.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) ingest: Ingest,
    pub(super) database: Database,
    pub(super) clock: Clock,
    pub(super) nobody: DeviceId,
}

impl Source {
    /// Checks what TLS needs. `database` is for the outbox and for signs of life.
    pub fn new(
        settings: Settings,
        ingest: Ingest,
        database: Database,
        clock: Clock,
    ) -> Result<Self, SettingsError> {
        let options = settings.to_options()?;
        let nobody = DeviceId::parse(NOBODY)?;
        Ok(Self { options, shared: Shared { settings, ingest, database, clock, nobody } })
    }
}

/// Reads from the cluster until `stop`. What was taken by then and is stored within a few seconds is acknowledged; the
/// rest comes again at the next start.
pub async fn run(source: Source, stop: CancellationToken) {
    let Source { options, shared } = source;
    let heirs = async {
        // Where every process gets every message, nothing waits in a session that does not come to another process, too.
        if shared.settings.share {
            heirs::watch(shared.clone(), stop.clone()).await;
        }
    };
    tokio::join!(
        shared.read(options, Tenure::Own, stop.clone()),
        heirs,
        housekeeping::keep(shared.database.clone(), shared.clock.clone(), stop.clone()),
    );
}

/// Whose session is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tenure {
    /// That of this process: it connects again and again.
    Own,
    /// That of a silent one: over with its first connection.
    Inherited,
}

impl Shared {
    /// Reads from the session of another process until that one is back, or until `stop`.
    pub(super) async fn inherit(mut self, client_id: String, stop: CancellationToken) {
        self.settings.client_id = client_id;
        match self.settings.to_options() {
            Ok(options) => self.read(options, Tenure::Inherited, stop).await,
            Err(error) => tracing::error!(%error, "settings that were good are not good any more"),
        }
    }

    async fn read(&self, options: MqttOptions, tenure: Tenure, stop: CancellationToken) {
        let settings = &self.settings;
        let (post, posting) = post::start(self.database.clone(), self.clock.clone(), stop.clone());
        let (link, seen) = watch::channel(Link::default());
        let signs = Signs {
            database: self.database.clone(),
            clock: self.clock.clone(),
            session: settings.session(),
            inherited: tenure == Tenure::Inherited,
        };
        // Room for every acknowledgement, publish and subscription that can be on its way at once.
        let room =
            usize::from(settings.receive_maximum) + usize::from(settings.publishes_in_flight) + FILTERS.len();
        let (client, events) = AsyncClient::new(options, room);
        let reader = Reader::new(self.clone(), tenure, client, post, link);
        tokio::join!(reader.run(events, stop.clone()), posting, signs.show(seen, stop));
    }
}
