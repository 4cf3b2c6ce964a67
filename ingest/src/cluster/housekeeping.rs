//! What the gateway role does beside its listener, for a region where none runs: partitions, old receipts, and what
//! became of commands.

use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vigie_service::Clock;
use vigie_store::{Database, commands, devices, intake};

const SETTLE: Duration = Duration::from_secs(10);
const TIDY: Duration = Duration::from_secs(3_600);

/// Receipts that no device fetched are kept for a week, as by the gateway.
const RECEIPTS_KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Until `stop`. Several processes may do it at once.
pub(super) async fn keep(database: Database, clock: Clock, stop: CancellationToken) {
    let mut settles = tokio::time::interval(SETTLE);
    settles.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut next_tidy = Instant::now();
    loop {
        tokio::select! {
            _ = settles.tick() => {}
            () = stop.cancelled() => return,
        }
        let tidy = Instant::now() >= next_tidy;
        match work(&database, &clock, tidy).await {
            Ok(()) if tidy => next_tidy = Instant::now() + TIDY,
            Ok(()) => {}
            Err(error) => tracing::info!(%error, "housekeeping waits for the database"),
        }
    }
}

async fn work(database: &Database, clock: &Clock, tidy: bool) -> vigie_store::Result<()> {
    let now = clock.now();
    let mut tx = database.begin().await?;
    commands::settle(&mut tx, now).await?;
    if tidy {
        devices::ensure_partitions(&mut tx, now).await?;
        intake::expire_receipts(&mut tx, now.saturating_sub(RECEIPTS_KEPT).unwrap_or(now)).await?;
    }
    tx.commit().await.map_err(vigie_store::Error::from)
}
