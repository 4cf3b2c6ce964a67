//! What the gateway role does beside its listener, for a region where none runs: partitions, and old receipts.

use std::time::Duration;

use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;
use vigie_service::Clock;
use vigie_store::{Database, devices, intake};

const TIDY: Duration = Duration::from_secs(3_600);

/// While the database is away.
const AGAIN: Duration = Duration::from_secs(10);

/// Receipts that no device fetched are kept for a week, as by the gateway.
const RECEIPTS_KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Until `stop`. Several processes may do it at once.
pub(super) async fn keep(database: Database, clock: Clock, stop: CancellationToken) {
    loop {
        let pause = match tidy(&database, &clock).await {
            Ok(()) => TIDY,
            Err(error) => {
                tracing::info!(%error, "housekeeping waits for the database");
                AGAIN
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn tidy(database: &Database, clock: &Clock) -> vigie_store::Result<()> {
    let now = clock.now();
    let mut tx = database.begin().await?;
    devices::ensure_partitions(&mut tx, now).await?;
    intake::expire_receipts(&mut tx, now.saturating_sub(RECEIPTS_KEPT).unwrap_or(now)).await?;
    tx.commit().await.map_err(vigie_store::Error::from)
}
