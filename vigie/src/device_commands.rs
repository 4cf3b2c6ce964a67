//! Commands on their way: to devices that are connected here, within a second or two.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;
use vigie_broker::{Outbound, Switchboard};
use vigie_ingest::commands::payload;
use vigie_service::{Clock, Ticks};
use vigie_store::commands::{self, Waiting};
use vigie_store::{Database, Result};
use vigie_wire::{Channel, DeviceId};

/// How often new commands are looked for.
const LOOK: Duration = Duration::from_secs(1);

/// How far back a look goes beyond the one before: longer than any transaction that asks lasts.
const LOOK_BACK: SignedDuration = SignedDuration::from_mins(2);

/// Devices per look; the rest gets theirs at the next.
const DEVICES_MAX: i64 = 1_000;

/// Commands handed to a device at once; the rest follows when it has taken them.
pub(crate) const COMMANDS_MAX: i64 = 64;

/// The message as the listener sends it.
pub(crate) fn to_outbound(waiting: &Waiting, now: Timestamp) -> Outbound {
    Outbound {
        outbox_id: Some(waiting.outbox_id),
        channel: Channel::Commands,
        payload: payload(waiting, now).into(),
        retained: false,
    }
}

/// What waits for one device, ready to be sent.
pub(crate) async fn waiting(database: &Database, device: &DeviceId, now: Timestamp) -> Result<Vec<Outbound>> {
    let mut tx = database.begin().await?;
    let waiting = commands::waiting(&mut tx, device.as_str(), now, COMMANDS_MAX).await?;
    tx.commit().await.map_err(vigie_store::Error::from)?;
    Ok(waiting.iter().map(|command| to_outbound(command, now)).collect())
}

/// Pushes new commands to devices that are connected here.
pub(crate) async fn run(database: Database, clock: Clock, switchboard: Switchboard, stop: CancellationToken) {
    let mut looks = Ticks::every(LOOK, stop);
    // What was asked before the start is fetched when its device subscribes.
    let mut looked = clock.now();
    while looks.next().await {
        let now = clock.now();
        match push(&database, &switchboard, looked.saturating_sub(LOOK_BACK).unwrap_or(looked), now).await {
            Ok(()) => looked = now,
            Err(error) => tracing::info!(%error, "new commands cannot be looked for now"),
        }
    }
}

async fn push(
    database: &Database,
    switchboard: &Switchboard,
    since: Timestamp,
    now: Timestamp,
) -> Result<()> {
    let mut tx = database.begin().await?;
    let devices = commands::asked_since(&mut tx, since, DEVICES_MAX).await?;
    tx.commit().await.map_err(vigie_store::Error::from)?;
    for device in devices.iter().filter_map(|device| DeviceId::parse(device).ok()) {
        if switchboard.is_connected(&device) {
            for message in waiting(database, &device, now).await? {
                // One that is on its way already, or that the device does not listen to, is not sent again.
                switchboard.push(&device, message);
            }
        }
    }
    Ok(())
}
