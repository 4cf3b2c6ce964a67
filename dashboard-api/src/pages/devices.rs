//! Devices as staff sees them: which ones there are, how one is, what of it never arrived, and what is asked of it.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use vigie_store::commands::{self, CommandKind, Lives};
use vigie_store::ledger_reports;
use vigie_store::staff::StaffRole;
use vigie_store::{device_certificates, patients};
use vigie_vitals::PatientId;
use vigie_words::sentences::zone_of;
use vigie_words::values as words;

use crate::access::guard::Caller;
use crate::api::devices::DEVICES_MAX;
use crate::api::extract::{Form, Id, Query};
use crate::app::{App, commit};
use crate::device_work::{self, Asked, COMMANDS_MAX, MESSAGE_MAX, may_ask, visible};
use crate::pages::device_views::{
    CertificateView, CommandView, GapView, StatusView, certificate, command, gaps, kind_word, state_word,
    status,
};
use crate::pages::views::{PersonView, When, person, when};
use crate::pages::{Shell, html};
use crate::problem::Problem;
use crate::routes::Access;

/// Certificates shown of one device, the newest first.
const CERTIFICATES_MAX: i64 = 20;

struct DeviceLine {
    id: String,
    kind: String,
    person: Option<(String, String)>,
    last: Option<When>,
    state: String,
    battery: Option<String>,
    missing: Option<String>,
    revoked: bool,
}

#[derive(Template)]
#[template(path = "devices.html")]
struct DevicesPage {
    shell: Shell,
    lines: Vec<DeviceLine>,
    gaps: bool,
    sees_people: bool,
    cut: bool,
}

#[derive(Deserialize)]
pub(crate) struct Which {
    #[serde(default)]
    gaps: bool,
}

/// All devices that one may see, or those of which something never arrived.
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    let here = if which.gaps { "/devices?gaps=true" } else { "/devices" };
    let shell = Shell::of(&app, &caller, &headers, "devices.title", here);
    let (now, t) = (shell.now, shell.t);
    let mut tx = app.begin_reading_as(caller.account.id).await?;
    let devices = ledger_reports::devices(&mut tx, which.gaps, now, DEVICES_MAX).await?;
    let holders: Vec<PatientId> = devices.iter().filter_map(|device| device.patient).collect();
    let people = patients::list(&mut tx, None, None, Some(&holders), DEVICES_MAX).await?;
    caller.audit_each(&mut tx, &app, "devices.read", &holders).await?;
    commit(tx).await?;
    let people: HashMap<PatientId, PersonView> =
        people.iter().map(|patient| (patient.id, person(patient, now, t))).collect();
    let zone = &app.settings().time_zone;
    let lines: Vec<DeviceLine> = devices
        .iter()
        .map(|device| {
            let said = device.status.as_ref();
            let missing: i64 = device.epochs.iter().map(|epoch| epoch.missing).sum();
            DeviceLine {
                id: device.id.clone(),
                kind: kind_word(&device.kind, t),
                person: device.patient.and_then(|id| people.get(&id)).map(|person| {
                    (person.id.clone(), format!("{} {}", person.family_name, person.given_name))
                }),
                last: said.map(|(_, at)| when(*at, zone, now, t)),
                state: said.map(|(status, _)| state_word(&status.state, t)).unwrap_or_default(),
                battery: said
                    .and_then(|(status, _)| status.battery_percent)
                    .map(|n| t.with("device.battery", "n", n)),
                missing: (missing > 0).then(|| t.count("device.missing", missing)),
                revoked: device.revoked_at.is_some(),
            }
        })
        .collect();
    let cut = i64::try_from(lines.len()).is_ok_and(|n| n >= DEVICES_MAX);
    html(&DevicesPage { sees_people: shell.is_clinical(), shell, lines, gaps: which.gaps, cut })
}

/// A form that asks something of the device.
struct Ask {
    kind: &'static str,
    title: String,
    hint: String,
    /// Where to send again from, if that is asked.
    from: Option<i64>,
    message: bool,
}

#[derive(Template)]
#[template(path = "device.html")]
struct DevicePage {
    shell: Shell,
    id: String,
    kind: String,
    person: Option<PersonView>,
    /// The role does not see who holds it.
    is_hidden: bool,
    enrolled: String,
    revoked: Option<String>,
    status: Option<StatusView>,
    gaps: Vec<GapView>,
    commands: Vec<CommandView>,
    asks: Vec<Ask>,
    may_ask: bool,
    certificates: Vec<CertificateView>,
    message_max: usize,
    zone: String,
}

/// One device.
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Id(id): Id<String>,
) -> Result<Response, Problem> {
    let mut tx = app.begin_reading_as(caller.account.id).await?;
    let device = visible(&mut tx, &app, &id).await?;
    let mut shell = Shell::of(&app, &caller, &headers, "device.device", &format!("/devices/{id}"));
    let (now, t, role) = (shell.now, shell.t, caller.account.role);
    let holder = match device.patient {
        Some(patient) => patients::get(&mut tx, patient).await?,
        None => None,
    };
    let asked = commands::of_device(&mut tx, &id, COMMANDS_MAX).await?;
    let certificates = device_certificates::of_device(&mut tx, &id, now, CERTIFICATES_MAX).await?;
    caller.audit(&mut tx, &app, "device.read", device.patient, &id).await?;
    commit(tx).await?;
    let zone = holder.as_ref().map_or_else(|| app.settings().time_zone.clone(), |it| zone_of(&it.time_zone));
    let may_ask = Access::DeviceCommands.admits(role) && device.revoked_at.is_none();
    let first_missing = device
        .epochs
        .iter()
        .find(|epoch| epoch.is_current)
        .and_then(|epoch| epoch.ranges.first())
        .map(|range| range.0);
    let kind = kind_word(&device.kind, t);
    shell.title = format!("{kind} {id}");
    let page = DevicePage {
        kind,
        person: holder.as_ref().map(|patient| person(patient, now, t)),
        is_hidden: role == StaffRole::Technician,
        enrolled: words::moment(device.enrolled_at, &zone, now, t),
        revoked: device.revoked_at.map(|at| words::moment(at, &zone, now, t)),
        status: device.status.as_ref().map(|(said, at)| status(said, *at, &zone, now, t)),
        gaps: device.epochs.iter().map(|epoch| gaps(epoch, t)).collect(),
        commands: asked.iter().map(|it| command(it, may_ask, &zone, now, t)).collect(),
        asks: if may_ask {
            asks(role, first_missing, app.settings().command_lives, &shell)
        } else {
            Vec::new()
        },
        may_ask: Access::DeviceCommands.admits(role),
        certificates: certificates.iter().map(|it| certificate(it, &zone, now, t)).collect(),
        message_max: MESSAGE_MAX,
        zone: shell.zone_name(&zone),
        id,
        shell,
    };
    html(&page)
}

fn asks(role: StaffRole, first_missing: Option<i64>, lives: Lives, shell: &Shell) -> Vec<Ask> {
    let ask = |kind: CommandKind| {
        let name = kind.as_str();
        let waits = words::span(lives.of(kind).as_hours(), shell.t);
        Ask {
            kind: name,
            title: shell.t.get(&format!("command.{name}")).to_owned(),
            hint: shell.t.with(&format!("command.{name}.hint"), "waits", waits),
            from: (kind == CommandKind::SendAgain).then(|| first_missing.unwrap_or(1)),
            message: kind == CommandKind::ShowMessage,
        }
    };
    CommandKind::ALL.into_iter().filter(|kind| may_ask(role, *kind)).map(ask).collect()
}

/// A form; a field that a kind does not have is absent.
#[derive(Deserialize)]
pub(crate) struct AskForm {
    kind: String,
    #[serde(default)]
    from_sequence: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    reason: String,
}

/// Asks something of the device.
pub(crate) async fn ask(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<String>,
    Form(form): Form<AskForm>,
) -> Result<Response, Problem> {
    let from_sequence = match form.from_sequence.trim() {
        "" => None,
        text => Some(text.parse().map_err(|_| Problem::invalid("a sequence number is a whole number"))?),
    };
    let asked = Asked { kind: form.kind, from_sequence, message: form.message, reason: form.reason };
    device_work::ask(&app, &caller, &id, &asked).await?;
    Ok(to_commands(&id))
}

/// Cancels what the device does not have yet.
pub(crate) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Path((id, command)): Path<(String, String)>,
) -> Result<Response, Problem> {
    device_work::cancel(&app, &caller, &id, &command).await?;
    Ok(to_commands(&id))
}

fn to_commands(id: &str) -> Response {
    Redirect::to(&format!("/devices/{id}#commands")).into_response()
}
