//! `/api/v1/devices`: what a device says of itself, what of it never arrived, and what is asked of it.

use axum::Json as Answer;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use vigie_store::Tx;
use vigie_store::commands::{self, Command, CommandKind, NewCommand};
use vigie_store::ledger_reports::{self, Device, Prospect};
use vigie_store::staff::StaffRole;
use vigie_vitals::DeviceId;

use crate::access::guard::Caller;
use crate::api::extract::{Id, Json, Query};
use crate::app::{App, commit};
use crate::problem::Problem;
use crate::work::check_reason;

/// Devices of one list.
const DEVICES_MAX: i64 = 5_000;
/// Commands shown of one device, newest first.
const COMMANDS_MAX: i64 = 100;
/// Commands that may wait for one device; over it one has to be cancelled first.
const QUEUED_MAX: usize = 20;
/// What a small display can show.
const MESSAGE_MAX: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    #[serde(default)]
    gaps: bool,
}

/// The devices that one may see; with `gaps=true` those of which something never arrived.
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    let mut tx = app.begin_reading_as(caller.account.id).await?;
    let devices = ledger_reports::devices(&mut tx, which.gaps, app.clock().now(), DEVICES_MAX).await?;
    let patients: Vec<_> = devices.iter().filter_map(|device| device.patient).collect();
    caller.audit_each(&mut tx, &app, "devices.read", &patients).await?;
    commit(tx).await?;
    let devices: Vec<Value> = devices.iter().map(shape).collect();
    Ok(Answer(json!({ "devices": devices, "next": null })).into_response())
}

/// One device with its commands.
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<String>,
) -> Result<Response, Problem> {
    let mut tx = app.begin_reading_as(caller.account.id).await?;
    let device = visible(&mut tx, &app, &id).await?;
    let commands = commands::of_device(&mut tx, &id, COMMANDS_MAX).await?;
    caller.audit(&mut tx, &app, "device.read", device.patient, &id).await?;
    commit(tx).await?;
    let mut body = shape(&device);
    if let Some(fields) = body.as_object_mut() {
        fields.insert("commands".into(), commands.iter().map(command_shape).collect());
    }
    Ok(Answer(body).into_response())
}

/// What was asked of a device, newest first.
pub(crate) async fn list_commands(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<String>,
) -> Result<Response, Problem> {
    let mut tx = app.begin_reading_as(caller.account.id).await?;
    let device = visible(&mut tx, &app, &id).await?;
    let commands = commands::of_device(&mut tx, &id, COMMANDS_MAX).await?;
    caller.audit(&mut tx, &app, "device.commands.read", device.patient, &id).await?;
    commit(tx).await?;
    let commands: Vec<Value> = commands.iter().map(command_shape).collect();
    Ok(Answer(json!({ "commands": commands, "next": null })).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    kind: String,
    #[serde(default)]
    from_sequence: Option<i64>,
    #[serde(default)]
    message: String,
    reason: String,
}

impl Asked {
    fn check(&self, role: StaffRole) -> Result<CommandKind, Problem> {
        let names = CommandKind::ALL.map(CommandKind::as_str).join(", ");
        let kind = CommandKind::parse(&self.kind)
            .ok_or_else(|| Problem::invalid(format!("kind is one of {names}")))?;
        if (kind == CommandKind::SendAgain) != self.from_sequence.is_some_and(|from| from > 0) {
            return Err(Problem::invalid("send_again, and only it, needs from_sequence, from 1 on"));
        }
        if (kind == CommandKind::ShowMessage) == self.message.trim().is_empty() {
            return Err(Problem::invalid("show_message, and only it, needs a message"));
        }
        if self.message.chars().count() > MESSAGE_MAX || self.message.contains('\0') {
            return Err(Problem::invalid(format!(
                "a message has at most {MESSAGE_MAX} characters, and no NUL"
            )));
        }
        if kind == CommandKind::ShowMessage && role == StaffRole::Technician {
            return Err(Problem::forbidden().with("messages to patients are for those who look after them"));
        }
        check_reason(&self.reason)?;
        Ok(kind)
    }
}

/// Queues a command. A device that is connected has it within seconds.
pub(crate) async fn ask(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<String>,
    Json(body): Json<Asked>,
) -> Result<Response, Problem> {
    let mut tx = app.begin_as(caller.account.id).await?;
    let device = visible(&mut tx, &app, &id).await?;
    let kind = body.check(caller.account.role)?;
    if device.revoked_at.is_some() {
        return Err(Problem::conflict("the device is revoked"));
    }
    let before = commands::of_device(&mut tx, &id, COMMANDS_MAX).await?;
    if before.iter().filter(|command| command.state == "queued").count() >= QUEUED_MAX {
        return Err(Problem::conflict(format!("{QUEUED_MAX} commands wait for this device already")));
    }
    let now = app.clock().now();
    let command = NewCommand {
        device: &DeviceId(id.clone()),
        kind,
        from_sequence: body.from_sequence,
        message: body.message.trim(),
        reason: body.reason.trim(),
        asked_by: Some(caller.account.id),
        asked_by_name: &caller.account.display_name,
        asked_at: now,
        expires_at: now + app.settings().command_lives.of(kind),
    };
    let command = commands::ask(&mut tx, &command).await?;
    let detail = format!("{id} {} {command}", kind.as_str());
    caller.audit(&mut tx, &app, "device.command", device.patient, &detail).await?;
    commit(tx).await?;
    Ok((StatusCode::CREATED, Answer(json!({ "id": command, "state": "queued" }))).into_response())
}

/// Cancels a command that the device does not have yet.
pub(crate) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Path((id, command)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let command: i64 = command.parse().map_err(|_| Problem::not_found())?;
    let mut tx = app.begin_as(caller.account.id).await?;
    let device = visible(&mut tx, &app, &id).await?;
    let now = app.clock().now();
    let cancelled = commands::cancel(&mut tx, &id, command, &caller.account.display_name, now)
        .await?
        .ok_or_else(Problem::not_found)?;
    if !cancelled {
        return Err(Problem::conflict("the device has it already, or it has ended"));
    }
    caller.audit(&mut tx, &app, "device.command.cancel", device.patient, &format!("{id} {command}")).await?;
    commit(tx).await?;
    Ok(Answer(json!({ "id": command, "state": "cancelled" })).into_response())
}

async fn visible(tx: &mut Tx, app: &App, id: &str) -> Result<Device, Problem> {
    // The alphabet of device ids; anything else names nothing.
    if !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
        return Err(Problem::not_found());
    }
    ledger_reports::device(tx, id, app.clock().now()).await?.ok_or_else(Problem::not_found)
}

fn shape(device: &Device) -> Value {
    let gaps: Vec<Value> = device
        .epochs
        .iter()
        .map(|epoch| {
            json!({
                "epoch": epoch.epoch,
                "current": epoch.is_current,
                "highest": epoch.highest,
                "missing": epoch.missing,
                "ranges": epoch.ranges,
                "prospects": epoch.prospects.iter().map(prospect_shape).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "id": device.id,
        "kind": device.kind,
        "patient_id": device.patient,
        "enrolled_at": device.enrolled_at,
        "revoked_at": device.revoked_at,
        "status": device.status.as_ref().map(|(status, received_at)| json!({
            "state": status.state,
            "battery_percent": status.battery_percent,
            "firmware": status.firmware,
            "clock": status.clock,
            "queue_length": status.queue_length,
            "received_at": received_at,
        })),
        "missing": device.epochs.iter().map(|epoch| epoch.missing).sum::<i64>(),
        "gaps": gaps,
    })
}

fn prospect_shape(prospect: &Prospect) -> Value {
    match prospect {
        Prospect::WaitedFor => json!({ "state": "waited_for" }),
        Prospect::AskedFor { tries, next_at } => {
            json!({ "state": "asked_for", "tries": tries, "next_look_at": next_at })
        }
        Prospect::NeverArrived => json!({ "state": "never_arrived" }),
        Prospect::LostWithMemory => json!({ "state": "lost_with_memory" }),
    }
}

fn command_shape(command: &Command) -> Value {
    json!({
        "id": command.id,
        "kind": command.kind,
        "from_sequence": command.from_sequence,
        "message": (!command.message.is_empty()).then_some(&command.message),
        "reason": command.reason,
        "state": command.state,
        "asked_by": command.asked_by,
        "asked_at": command.asked_at,
        "expires_at": command.expires_at,
        "delivered_at": command.delivered_at,
        "ended_at": command.ended_at,
        "cancelled_by": command.cancelled_by,
    })
}
