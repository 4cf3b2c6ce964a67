//! What staff asks of devices: one transaction each, with its audit line. Used by the API and by the forms of the pages.

use serde::Deserialize;
use vigie_store::Tx;
use vigie_store::commands::{self, CommandKind, NewCommand};
use vigie_store::ledger_reports::{self, Device};
use vigie_store::staff::StaffRole;
use vigie_vitals::DeviceId;

use crate::access::guard::Caller;
use crate::app::{App, commit};
use crate::problem::Problem;
use crate::work::check_reason;

/// Commands shown of one device, newest first.
pub(crate) const COMMANDS_MAX: i64 = 100;
/// Commands that may wait for one device; over it one has to be cancelled first.
pub(crate) const QUEUED_MAX: usize = 20;
/// What a small display can show.
pub(crate) const MESSAGE_MAX: usize = 200;

/// A command as a program or a form asks it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) from_sequence: Option<i64>,
    #[serde(default)]
    pub(crate) message: String,
    pub(crate) reason: String,
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
        if !may_ask(role, kind) {
            return Err(Problem::forbidden().with("messages to patients are for those who look after them"));
        }
        check_reason(&self.reason)?;
        Ok(kind)
    }
}

/// May somebody of this role, who may ask things of devices at all, ask this?
pub(crate) fn may_ask(role: StaffRole, kind: CommandKind) -> bool {
    kind != CommandKind::ShowMessage || role != StaffRole::Technician
}

/// Queues a command; its id comes back. A device that is connected has it within seconds.
pub(crate) async fn ask(app: &App, caller: &Caller, id: &str, asked: &Asked) -> Result<i64, Problem> {
    let mut tx = app.begin_as(caller.account.id).await?;
    let device = visible(&mut tx, app, id).await?;
    let kind = asked.check(caller.account.role)?;
    if device.revoked_at.is_some() {
        return Err(Problem::conflict("the device is revoked"));
    }
    let before = commands::of_device(&mut tx, id, COMMANDS_MAX).await?;
    if before.iter().filter(|command| command.state == "queued").count() >= QUEUED_MAX {
        return Err(Problem::conflict(format!("{QUEUED_MAX} commands wait for this device already")));
    }
    let now = app.clock().now();
    let command = NewCommand {
        device: &DeviceId(id.to_owned()),
        kind,
        from_sequence: asked.from_sequence,
        message: asked.message.trim(),
        reason: asked.reason.trim(),
        asked_by: Some(caller.account.id),
        asked_by_name: &caller.account.display_name,
        asked_at: now,
        expires_at: now + app.settings().command_lives.of(kind),
    };
    let command = commands::ask(&mut tx, &command).await?;
    let detail = format!("{id} {} {command}", kind.as_str());
    caller.audit(&mut tx, app, "device.command", device.patient, &detail).await?;
    commit(tx).await?;
    Ok(command)
}

/// Cancels a command that the device does not have yet; its id comes back.
pub(crate) async fn cancel(app: &App, caller: &Caller, id: &str, command: &str) -> Result<i64, Problem> {
    let command: i64 = command.parse().map_err(|_| Problem::not_found())?;
    let mut tx = app.begin_as(caller.account.id).await?;
    let device = visible(&mut tx, app, id).await?;
    let now = app.clock().now();
    let cancelled = commands::cancel(&mut tx, id, command, &caller.account.display_name, now)
        .await?
        .ok_or_else(Problem::not_found)?;
    if !cancelled {
        return Err(Problem::conflict("the device has it already, or it has ended"));
    }
    caller.audit(&mut tx, app, "device.command.cancel", device.patient, &format!("{id} {command}")).await?;
    commit(tx).await?;
    Ok(command)
}

/// The device of this id, if the caller may see it.
pub(crate) async fn visible(tx: &mut Tx, app: &App, id: &str) -> Result<Device, Problem> {
    // The alphabet of device ids; anything else names nothing.
    if !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
        return Err(Problem::not_found());
    }
    ledger_reports::device(tx, id, app.clock().now()).await?.ok_or_else(Problem::not_found)
}
