//! `/api/v1/devices`: what a device says of itself, what of it never arrived, and what is asked of it.

use axum::Json as Answer;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use vigie_store::commands::{self, Command};
use vigie_store::ledger_reports::{self, Device, Prospect};

use crate::access::guard::Caller;
use crate::api::extract::{Id, Json, Query};
use crate::app::{App, commit};
use crate::device_work::{self, Asked, COMMANDS_MAX, visible};
use crate::problem::Problem;

/// Devices of one list.
pub(crate) const DEVICES_MAX: i64 = 5_000;
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

/// Queues a command. A device that is connected has it within seconds.
pub(crate) async fn ask(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<String>,
    Json(body): Json<Asked>,
) -> Result<Response, Problem> {
    let command = device_work::ask(&app, &caller, &id, &body).await?;
    Ok((StatusCode::CREATED, Answer(json!({ "id": command, "state": "queued" }))).into_response())
}

/// Cancels a command that the device does not have yet.
pub(crate) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Path((id, command)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let command = device_work::cancel(&app, &caller, &id, &command).await?;
    Ok(Answer(json!({ "id": command, "state": "cancelled" })).into_response())
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
