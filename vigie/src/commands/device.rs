//! `vigie device`.

use std::process::ExitCode;

use anyhow::{Context, Result};
use vigie_device_sim::DeviceKind;
use vigie_service::{Clock, hexadecimal, ids};
use vigie_store::devices::{NewDevice, enrol, hash_secret};
use vigie_store::setup::plan_began;
use vigie_store::{Database, Role};
use vigie_vitals::{DeviceId, PatientId};

use super::answer;
use crate::locate::Where;
use crate::usage::usage;

/// What to do with devices.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Enrol a device for a patient; its id and secret are shown once
    Enrol {
        /// The patient's id
        #[arg(long, value_name = "ID")]
        patient: String,
        /// What it is: glucometer, cgm, scale, inr_meter, blood_pressure_monitor, oximeter, thermometer, spirometer
        #[arg(long, value_name = "KIND")]
        kind: String,
        /// When the patient began to hold it (RFC 3339); readings measured before belong to nobody
        /// [default: the start of the patient's care plan; give it for a device that somebody else used before]
        #[arg(long, value_name = "TIME")]
        held_from: Option<String>,
        /// Answer as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Where,
    },
}

/// Runs `vigie device ...`.
pub(crate) async fn run(action: Action) -> Result<ExitCode> {
    let Action::Enrol { patient, kind, held_from, json, place } = action;
    let patient: PatientId =
        patient.parse().map_err(|_| usage(format!("--patient {patient} is not a patient's id (a UUID)")))?;
    let kind: DeviceKind = kind.parse().map_err(|_| {
        let known: Vec<_> = DeviceKind::ALL.iter().map(|kind| kind.name()).collect();
        usage(format!("--kind {kind} is unknown; there are {}", known.join(", ")))
    })?;
    let now = Clock::system().now();
    let held_from = held_from
        .map(|text| text.parse().map_err(|_| usage(format!("--held-from {text} is not an RFC 3339 time"))))
        .transpose()?;
    let located = place.locate().await?;
    let enrolled = enrol_device(&located.url, patient, kind, held_from, now).await;
    located.release().await?;
    let (id, secret) = enrolled?;
    answer(&if json {
        serde_json::json!({ "id": id, "kind": kind.name(), "patient_id": patient, "secret": secret })
            .to_string()
    } else {
        format!(
            "device  {id}\nsecret  {secret}\nThe secret is shown this once. MQTT user name and client id are the device's id."
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

/// A fresh device id: what it is, and enough randomness that nobody guesses another one.
pub(crate) fn new_device_id(kind: DeviceKind) -> DeviceId {
    let prefix = match kind {
        DeviceKind::Glucometer => "gl",
        DeviceKind::Cgm => "cgm",
        DeviceKind::Scale => "sc",
        DeviceKind::InrMeter => "inr",
        DeviceKind::BloodPressureMonitor => "bp",
        DeviceKind::Oximeter => "ox",
        DeviceKind::Thermometer => "th",
        DeviceKind::Spirometer => "sp",
    };
    // Letters and digits only, at most 23 characters: what every MQTT 3.1.1 client can send.
    DeviceId(format!("{prefix}{}", hexadecimal(&ids::random_bytes::<8>())))
}

async fn enrol_device(
    url: &str,
    patient: PatientId,
    kind: DeviceKind,
    held_from: Option<jiff::Timestamp>,
    now: jiff::Timestamp,
) -> Result<(String, String)> {
    let database = Database::connect(url, Role::Admin, 1).await.context("connecting")?;
    let mut tx = database.begin().await?;
    let held_from = match held_from {
        Some(at) => at,
        None => plan_began(&mut tx, patient).await?.unwrap_or(now),
    };
    let (id, secret) = (new_device_id(kind), ids::random_text::<32>());
    let device = NewDevice {
        id: id.clone(),
        kind: kind.name().into(),
        secret_hash: hash_secret(secret.as_bytes()),
        patient,
        held_from,
        enrolled_at: now,
    };
    let known = enrol(&mut tx, &device).await.context("enrolling")?;
    tx.commit().await?;
    database.close().await;
    if known { Ok((id.0, secret)) } else { Err(usage(format!("there is no patient {patient}"))) }
}
