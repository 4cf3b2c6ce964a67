//! Commands on their way: to devices that are connected here, within a second or two; and what became of them.

use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use vigie_broker::{Outbound, Switchboard};
use vigie_service::Clock;
use vigie_store::clocks::{self, AskToSet};
use vigie_store::commands::{self, Waiting};
use vigie_store::{Database, Result};
use vigie_wire::{Channel, DeviceId};

/// How often new commands are looked for.
const LOOK: Duration = Duration::from_secs(1);

/// How often it is asked what became of commands, in looks.
const SETTLE_EVERY: u32 = 10;

/// How far back a look goes beyond the one before: longer than any transaction that asks lasts.
const LOOK_BACK: SignedDuration = SignedDuration::from_mins(2);

/// Devices per look; the rest gets theirs at the next.
const DEVICES_MAX: i64 = 1_000;

/// Commands handed to a device at once; the rest follows when it has taken them.
pub(crate) const COMMANDS_MAX: i64 = 64;

/// Devices asked to set their clock at once; the rest is asked ten seconds later.
const ASKED_MAX: i64 = 1_000;

/// The message on the wire: JSON, with the time of this moment if it sets the clock.
pub(crate) fn to_outbound(waiting: &Waiting, now: Timestamp) -> Outbound {
    let mut body = json!({
        "command_id": waiting.id.to_string(),
        "kind": waiting.kind,
        "issued_at": now,
        "expires_at": waiting.expires_at,
    });
    if let Some(fields) = body.as_object_mut() {
        match waiting.kind.as_str() {
            "set_clock" => fields.insert("time".into(), json!(now)),
            "send_again" => fields.insert("from_sequence".into(), json!(waiting.from_sequence)),
            "show_message" => fields.insert("message".into(), json!(waiting.message)),
            _ => None,
        };
    }
    Outbound {
        outbox_id: Some(waiting.outbox_id),
        channel: Channel::Commands,
        payload: Bytes::from(body.to_string()),
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

/// Pushes new commands to devices that are connected here, and ends those that have ended. Asks devices whose clock is
/// proven wrong to set it, if there is a rule for it.
pub(crate) async fn run(
    database: Database,
    clock: Clock,
    switchboard: Switchboard,
    ask_to_set: Option<AskToSet>,
    stop: CancellationToken,
) {
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // What was asked before the start is fetched when its device subscribes.
    let mut looked = clock.now();
    let mut until_settled = 0;
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            () = stop.cancelled() => return,
        }
        let now = clock.now();
        match push(&database, &switchboard, looked.saturating_sub(LOOK_BACK).unwrap_or(looked), now).await {
            Ok(()) => looked = now,
            Err(error) => tracing::info!(%error, "new commands cannot be looked for now"),
        }
        if until_settled == 0 {
            until_settled = SETTLE_EVERY;
            if let Err(error) = settle(&database, now).await {
                tracing::info!(%error, "what became of commands cannot be asked now");
            }
            if let Some(rule) = &ask_to_set
                && let Err(error) = ask_to_set_clocks(&database, rule, now).await
            {
                tracing::info!(%error, "devices whose clock is wrong cannot be asked now to set it");
            }
        }
        until_settled -= 1;
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

async fn ask_to_set_clocks(database: &Database, rule: &AskToSet, now: Timestamp) -> Result<()> {
    let mut tx = database.begin().await?;
    if let Some(common) = clocks::common_error(&mut tx, now).await? {
        tracing::error!(
            devices = common.devices,
            ahead_seconds = common.ahead.as_secs(),
            "most wrong clocks are wrong by the same amount: is the clock of this server right? No device is asked to set its own"
        );
        return tx.commit().await.map_err(vigie_store::Error::from);
    }
    let asked = clocks::ask_to_set(&mut tx, rule, now, ASKED_MAX).await?;
    tx.commit().await.map_err(vigie_store::Error::from)?;
    if !asked.is_empty() {
        tracing::info!(devices = asked.len(), "their clocks are wrong; they are asked to set them");
    }
    Ok(())
}

async fn settle(database: &Database, now: Timestamp) -> Result<()> {
    let mut tx = database.begin().await?;
    commands::settle(&mut tx, now).await?;
    tx.commit().await.map_err(vigie_store::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_to_set_is_that_of_the_hand_over_and_other_commands_have_none() {
        let mut waiting = Waiting {
            outbox_id: 1,
            id: 7,
            device: "d".into(),
            kind: "set_clock".into(),
            from_sequence: None,
            message: String::new(),
            expires_at: "2026-11-25T08:00:00Z".parse().unwrap(),
        };
        let now: Timestamp = "2026-11-24T09:00:00Z".parse().unwrap();
        let sent = |waiting: &Waiting| {
            let payload = to_outbound(waiting, now).payload;
            serde_json::from_slice::<vigie_wire::v1::Command>(&payload).unwrap()
        };
        assert_eq!(sent(&waiting).time, "2026-11-24T09:00:00Z");
        assert_eq!(sent(&waiting).issued_at, "2026-11-24T09:00:00Z");
        assert_eq!(sent(&waiting).expires_at, "2026-11-25T08:00:00Z");
        waiting.kind = "send_again".into();
        waiting.from_sequence = Some(17);
        let command = sent(&waiting);
        assert_eq!(
            (command.command_id.as_str(), command.from_sequence, command.time.as_str()),
            ("7", 17, "")
        );
    }
}
