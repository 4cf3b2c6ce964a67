//! What staff see of the link to a cluster: a beat while readings can come, and lost sessions.

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

const BEAT: Duration = Duration::from_secs(5);

/// Beats as a gateway, since readings come in here, and as `cluster`, which remembers that this instance has had
/// a session. A lost session leaves a beat of the role `cluster_session_lost`, at the time when it was seen.
pub(super) async fn show(
    database: Database,
    clock: Clock,
    instance: String,
    mut link: watch::Receiver<Link>,
    stop: CancellationToken,
) {
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
        match write(&database, &clock, &instance, now, seen).await {
            Ok(()) => seen = now.sessions_begun,
            Err(error) => tracing::info!(%error, "no beat: staff will see that the cluster is silent"),
        }
    }
}

async fn write(
    database: &Database,
    clock: &Clock,
    instance: &str,
    link: Link,
    seen: u64,
) -> vigie_store::Result<()> {
    let now = clock.now();
    let mut tx = database.begin().await?;
    if link.sessions_begun > seen {
        let had_one = seen > 0
            || link.sessions_begun > 1
            || devices::last_beat(&mut tx, "cluster", instance).await?.is_some();
        if had_one {
            tracing::error!(
                instance,
                "the cluster has lost the session of this instance, and with it every message that it had \
                 acknowledged to a device and not yet handed to Vigie; ask the devices to send again"
            );
            devices::beat(&mut tx, "cluster_session_lost", instance, now).await?;
        }
    }
    if link.reading {
        devices::beat(&mut tx, "gateway", instance, now).await?;
        devices::beat(&mut tx, "cluster", instance, now).await?;
    }
    tx.commit().await.map_err(vigie_store::Error::from)
}
