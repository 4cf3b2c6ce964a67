//! What staff see of a session: beats while readings can come through it, and that it was lost.

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use vigie_service::Clock;
use vigie_store::{Database, devices};

/// State of the link.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Link {
    /// Connected and subscribed.
    pub(super) reading: bool,
    /// How often the cluster had no session of ours when we came.
    pub(super) sessions_begun: u64,
}

/// Beats of the process whose session it is; `vigie healthcheck --role ingest` asks for them.
pub(super) const OWN: &str = "cluster";
/// Beats of a process that reads from the session of another one.
pub(super) const INHERITED: &str = "cluster_inherited";
/// One row for each session that was lost, with the time when it was seen.
const LOST: &str = "cluster_session_lost";
/// What the dashboard's banner looks at: can readings come in at all?
const GATEWAY: &str = "gateway";

const BEAT: Duration = Duration::from_secs(5);

/// The beats of one session, under its name ([`super::Settings::session`]).
pub(super) struct Signs {
    pub(super) database: Database,
    pub(super) clock: Clock,
    pub(super) session: String,
    pub(super) inherited: bool,
}

impl Signs {
    /// Beats until `stop`, or until nobody reads any more.
    pub(super) async fn show(self, mut link: watch::Receiver<Link>, stop: CancellationToken) {
        let mut beats = tokio::time::interval(BEAT);
        beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut seen = 0;
        loop {
            tokio::select! {
                _ = beats.tick() => {}
                changed = link.changed() => if changed.is_err() { return },
                () = stop.cancelled() => return,
            }
            let now = *link.borrow_and_update();
            match self.write(now, seen).await {
                Ok(()) => seen = now.sessions_begun,
                Err(error) => tracing::info!(%error, "no beat: staff will see that the cluster is silent"),
            }
        }
    }

    async fn write(&self, link: Link, seen: u64) -> vigie_store::Result<()> {
        let now = self.clock.now();
        let session = self.session.as_str();
        let mut tx = self.database.begin().await?;
        if link.sessions_begun > seen {
            let had_one = seen > 0
                || link.sessions_begun > 1
                || self.inherited
                || devices::last_beat(&mut tx, OWN, session).await?.is_some();
            if had_one {
                tracing::error!(
                    session,
                    "the cluster has lost this session, and with it every message that it had acknowledged to a \
                     device and not yet handed to Vigie; have the devices send again"
                );
                devices::beat(&mut tx, LOST, session, now).await?;
            }
        }
        if link.reading {
            devices::beat(&mut tx, if self.inherited { INHERITED } else { OWN }, session, now).await?;
            devices::beat(&mut tx, GATEWAY, session, now).await?;
        }
        tx.commit().await.map_err(vigie_store::Error::from)
    }
}
