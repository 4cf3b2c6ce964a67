//! What somebody has to do now and then, whatever way readings come in: make partitions, clear old receipts. The gateway
//! does it with its beats; where none runs, the reader of an outside cluster does.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;
use vigie_service::Clock;
use vigie_store::{Database, Tx, devices, intake};

/// How often it is done.
pub const TIDY_EVERY: Duration = Duration::from_secs(3_600);

/// Receipts that no device fetched are kept for a week; what they say is in the readings and in quarantine.
pub const RECEIPTS_KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// While the database is away.
const AGAIN: Duration = Duration::from_secs(10);

/// Until `stop`. Several processes may do it at once.
pub(crate) async fn keep(database: Database, clock: Clock, stop: CancellationToken) {
    loop {
        let pause = match tidy_alone(&database, &clock).await {
            Ok(()) => TIDY_EVERY,
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

async fn tidy_alone(database: &Database, clock: &Clock) -> vigie_store::Result<()> {
    let mut tx = database.begin().await?;
    tidy(&mut tx, clock.now()).await?;
    tx.commit().await.map_err(vigie_store::Error::from)
}

/// Partitions for the coming months are there afterwards, and receipts that nobody fetched are gone.
pub async fn tidy(tx: &mut Tx, now: Timestamp) -> vigie_store::Result<()> {
    devices::ensure_partitions(tx, now).await?;
    intake::expire_receipts(tx, now.saturating_sub(RECEIPTS_KEPT).unwrap_or(now)).await?;
    Ok(())
}
