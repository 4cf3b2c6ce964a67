//! Commands to devices, whatever way they go: as bytes, and what becomes of them.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use vigie_service::{Clock, Ticks};
use vigie_store::clocks::{self, AskToSet};
use vigie_store::commands::{self, Waiting};
use vigie_store::{Database, Result};

/// How often it is asked what became of commands, and whose clock is wrong.
const LOOK: Duration = Duration::from_secs(10);

/// Devices asked to set their clock at once; the rest is asked at the next look.
const ASKED_MAX: i64 = 1_000;

/// The message on the wire: JSON, with the time of this moment if it sets the clock.
pub fn payload(waiting: &Waiting, now: Timestamp) -> Vec<u8> {
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
    body.to_string().into_bytes()
}

/// Until `stop`: ends commands that have ended, and asks devices whose clock is proven wrong to set it, if there is a
/// rule for it. Any number of processes may do it at once.
pub async fn keep(database: Database, clock: Clock, ask_to_set: Option<AskToSet>, stop: CancellationToken) {
    let mut looks = Ticks::every(LOOK, stop);
    while looks.next().await {
        let now = clock.now();
        if let Err(error) = settle(&database, now).await {
            tracing::info!(%error, "what became of commands cannot be asked now");
        }
        if let Some(rule) = &ask_to_set
            && let Err(error) = ask_to_set_clocks(&database, rule, now).await
        {
            tracing::info!(%error, "devices whose clock is wrong cannot be asked now to set it");
        }
    }
}

async fn settle(database: &Database, now: Timestamp) -> Result<()> {
    let mut tx = database.begin().await?;
    commands::settle(&mut tx, now).await?;
    tx.commit().await.map_err(vigie_store::Error::from)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_what_the_contract_says_and_only_one_that_sets_the_clock_has_a_time() {
        let now: Timestamp = "2026-11-24T09:00:00Z".parse().unwrap();
        let sent = |kind: &str| {
            let waiting = Waiting {
                outbox_id: 1,
                id: 7,
                device: "d".into(),
                kind: kind.into(),
                from_sequence: Some(17),
                message: "Bonjour".into(),
                expires_at: "2026-11-25T08:00:00Z".parse().unwrap(),
            };
            serde_json::from_slice::<vigie_wire::v1::Command>(&payload(&waiting, now)).unwrap()
        };
        let common = vigie_wire::v1::Command {
            command_id: "7".into(),
            issued_at: "2026-11-24T09:00:00Z".into(),
            expires_at: "2026-11-25T08:00:00Z".into(),
            ..Default::default()
        };
        let of = |kind: &str| vigie_wire::v1::Command { kind: kind.into(), ..common.clone() };
        assert_eq!(sent("repeat_measure"), of("repeat_measure"));
        let set_clock = vigie_wire::v1::Command { time: "2026-11-24T09:00:00Z".into(), ..of("set_clock") };
        assert_eq!(sent("set_clock"), set_clock);
        let send_again = vigie_wire::v1::Command { from_sequence: 17, ..of("send_again") };
        assert_eq!(sent("send_again"), send_again);
        let shown = vigie_wire::v1::Command { message: "Bonjour".into(), ..of("show_message") };
        assert_eq!(sent("show_message"), shown);
    }
}
