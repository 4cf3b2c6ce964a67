//! `vigie device`: devices and what opens the listener to them.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use vigie_authority::{Authority, Folder, KeyAndCertificate};
use vigie_device_sim::DeviceKind;
use vigie_service::{Clock, hexadecimal, ids};
use vigie_store::audit::{self, NewEntry};
use vigie_store::certificates::{self, NewCertificate, NewClaim, Origin};
use vigie_store::devices::{NewDevice, enrol, hash_secret};
use vigie_store::setup::plan_began;
use vigie_store::{Database, Role, Tx};
use vigie_vitals::{DeviceId, PatientId};

use super::answer;
use crate::authority::{CaPlace, write_revocation_list};
use crate::locate::Where;
use crate::usage::usage;

/// Who acts here, in the audit trail: whoever may log in to the database as an administrator.
const ACTOR: &str = "command line";

/// What to do with devices.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Enrol a device for a patient; its id and secret are shown once
    Enrol(Enrol),
    /// Enrol a device that makes its key itself: a claim, shown once, with which it gets its first certificate
    Claim(NewClaimOf),
    /// Withdraw a device, or one of its certificates; its connection ends within seconds
    Revoke(Revoke),
}

/// A device and who holds it.
#[derive(Debug, clap::Args)]
pub(crate) struct Holder {
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
}

/// Options of `vigie device enrol`.
#[derive(Debug, clap::Args)]
pub(crate) struct Enrol {
    #[command(flatten)]
    holder: Holder,
    /// Also make a key and a client certificate, for a device that cannot make its key itself
    #[arg(long)]
    x509: bool,
    /// Write key and certificates into this folder instead of showing them
    #[arg(long, value_name = "DIR", requires = "x509")]
    out: Option<PathBuf>,
    /// How long the certificate is good
    #[arg(long, env = "VIGIE_CERTIFICATE_DAYS", default_value_t = 90, value_parser = clap::value_parser!(i32).range(1..=825))]
    days: i32,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    ca: CaPlace,
    #[command(flatten)]
    place: Where,
}

/// Options of `vigie device claim`.
#[derive(Debug, clap::Args)]
pub(crate) struct NewClaimOf {
    /// The patient's id, for a new device
    #[arg(long, value_name = "ID", required_unless_present = "device", requires = "kind")]
    patient: Option<String>,
    /// What it is, for a new device: as for enrol
    #[arg(long, value_name = "KIND", requires = "patient")]
    kind: Option<String>,
    /// When the patient began to hold it (RFC 3339), for a new device: as for enrol
    #[arg(long, value_name = "TIME", requires = "patient")]
    held_from: Option<String>,
    /// A device that is enrolled already: another claim for it
    #[arg(long, value_name = "ID", conflicts_with = "patient")]
    device: Option<String>,
    /// The maker's serial number; the device has to say it along with the claim
    #[arg(long, value_name = "S")]
    serial: Option<String>,
    /// How long the claim is worth something
    #[arg(long, env = "VIGIE_CLAIM_DAYS", default_value_t = 7, value_parser = clap::value_parser!(i64).range(1..=90))]
    days: i64,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

/// Options of `vigie device revoke`.
#[derive(Debug, clap::Args)]
pub(crate) struct Revoke {
    /// The device
    #[arg(long, value_name = "ID")]
    device: String,
    /// Only this certificate of it, by its serial number (hexadecimal)
    #[arg(long, value_name = "SERIAL")]
    certificate: Option<String>,
    #[command(flatten)]
    ca: CaPlace,
    #[command(flatten)]
    place: Where,
}

/// Runs `vigie device ...`.
pub(crate) async fn run(action: Action) -> Result<ExitCode> {
    let now = Clock::system().now();
    let said = match action {
        Action::Enrol(asked) => run_enrol(&asked, now).await?,
        Action::Claim(asked) => run_claim(&asked, now).await?,
        Action::Revoke(asked) => return run_revoke(&asked, now).await,
    };
    answer(&said)?;
    Ok(ExitCode::SUCCESS)
}

/// What was said on the command line, checked.
struct Enrolment {
    patient: PatientId,
    kind: DeviceKind,
    held_from: Option<Timestamp>,
}

impl Enrolment {
    fn read(patient: &str, kind: &str, held_from: Option<&str>) -> Result<Self> {
        let patient = patient
            .parse()
            .map_err(|_| usage(format!("--patient {patient} is not a patient's id (a UUID)")))?;
        let kind = kind.parse().map_err(|_| {
            let known: Vec<_> = DeviceKind::ALL.iter().map(|kind| kind.name()).collect();
            usage(format!("--kind {kind} is unknown; there are {}", known.join(", ")))
        })?;
        let held_from = held_from
            .map(|text| {
                text.parse().map_err(|_| usage(format!("--held-from {text} is not an RFC 3339 time")))
            })
            .transpose()?;
        Ok(Self { patient, kind, held_from })
    }

    /// Enrols a device with this secret; the caller commits.
    async fn write(&self, tx: &mut Tx, id: &DeviceId, secret: &str, now: Timestamp) -> Result<()> {
        let held_from = match self.held_from {
            Some(at) => at,
            None => plan_began(tx, self.patient).await?.unwrap_or(now),
        };
        let device = NewDevice {
            id: id.clone(),
            kind: self.kind.name().into(),
            secret_hash: hash_secret(secret.as_bytes()),
            patient: self.patient,
            held_from,
            enrolled_at: now,
        };
        if !enrol(tx, &device).await.context("enrolling")? {
            return Err(usage(format!("there is no patient {}", self.patient)));
        }
        Ok(())
    }
}

/// Runs work in a transaction of an administrator, on the database of the command.
async fn in_transaction<T>(place: &Where, work: impl AsyncFnOnce(&mut Tx) -> Result<T>) -> Result<T> {
    let located = place.locate().await?;
    let done = async {
        let database = Database::connect(&located.url, Role::Admin, 1).await.context("connecting")?;
        let mut tx = database.begin().await?;
        let done = work(&mut tx).await?;
        tx.commit().await?;
        database.close().await;
        anyhow::Ok(done)
    }
    .await;
    located.release().await?;
    done
}

async fn run_enrol(asked: &Enrol, now: Timestamp) -> Result<String> {
    let Holder { patient, kind, held_from } = &asked.holder;
    let new = Enrolment::read(patient, kind, held_from.as_deref())?;
    let authority = if asked.x509 { Some(asked.ca.open(&asked.place, now)?) } else { None };
    let (id, secret) = (new_device_id(new.kind), ids::random_text::<32>());
    let made =
        authority.as_ref().map(|(_, ca)| ca.device_with_key(id.as_str(), now, asked.days)).transpose()?;
    in_transaction(&asked.place, async |tx| {
        new.write(tx, &id, &secret, now).await?;
        if let Some(made) = &made {
            note(tx, &id, made, new.patient, now).await?;
        }
        Ok(())
    })
    .await?;
    if let (Some(out), Some(made), Some((folder, _))) = (&asked.out, &made, &authority) {
        folder.hand_out(id.as_str(), made, out).with_context(|| {
            format!(
                "device {id} is enrolled, and its key could not be written: revoke it and enrol another one"
            )
        })?;
    }
    Ok(if asked.json {
        as_json(&new, &id, &secret, made.as_ref(), authority.as_ref().map(|(_, ca)| ca))
    } else {
        as_text(asked, &id, &secret, made.as_ref(), authority.as_ref())
    })
}

async fn note(
    tx: &mut Tx,
    id: &DeviceId,
    made: &KeyAndCertificate,
    patient: PatientId,
    now: Timestamp,
) -> Result<()> {
    let new = NewCertificate {
        fingerprint: made.issued.fingerprint,
        serial: &made.issued.serial,
        device: id,
        origin: Origin::Enrolment,
        issued_at: now,
        expires_at: made.issued.expires_at,
    };
    certificates::note(tx, &new).await?;
    let detail = format!("{id} {}", made.issued.serial);
    record(tx, "device.certificate_issued", Some(patient), &detail, now).await
}

async fn record(
    tx: &mut Tx,
    action: &str,
    patient: Option<PatientId>,
    detail: &str,
    now: Timestamp,
) -> Result<()> {
    let entry = NewEntry { at: now, actor: None, actor_name: ACTOR, action, patient, request_id: "", detail };
    Ok(audit::record(tx, entry).await?)
}

fn as_json(
    new: &Enrolment,
    id: &DeviceId,
    secret: &str,
    made: Option<&KeyAndCertificate>,
    authority: Option<&Authority>,
) -> String {
    let mut json = serde_json::json!({
        "id": id, "kind": new.kind.name(), "patient_id": new.patient, "secret": secret,
    });
    if let (Some(made), Some(authority), Some(object)) = (made, authority, json.as_object_mut()) {
        object.insert("certificate".into(), made.issued.pem.as_str().into());
        object.insert("key".into(), made.key_pem.as_str().into());
        object.insert("ca".into(), authority.pem().into());
        object.insert("serial".into(), made.issued.serial.as_str().into());
        object.insert("expires_at".into(), made.issued.expires_at.to_string().into());
    }
    json.to_string()
}

fn as_text(
    asked: &Enrol,
    id: &DeviceId,
    secret: &str,
    made: Option<&KeyAndCertificate>,
    authority: Option<&(Folder, Authority)>,
) -> String {
    let mut text = format!("device  {id}\nsecret  {secret}\n");
    match (made, authority, &asked.out) {
        (Some(made), _, Some(out)) => {
            text.push_str(&format!(
                "files   {}: {id}.key, {id}.pem, ca.pem (good until {})\n",
                out.display(),
                made.issued.expires_at
            ));
        }
        (Some(made), Some((_, authority)), None) => {
            for part in [made.key_pem.as_str(), made.issued.pem.as_str(), authority.pem()] {
                text.push_str(part);
            }
        }
        (Some(_) | None, _, _) => {}
    }
    text.push_str("The secret is shown this once. MQTT user name and client id are the device's id.");
    text
}

async fn run_claim(asked: &NewClaimOf, now: Timestamp) -> Result<String> {
    if asked.serial.as_ref().is_some_and(|serial| serial.is_empty() || serial.chars().count() > 64) {
        return Err(usage("--serial has 1 to 64 characters"));
    }
    let new = match (&asked.patient, &asked.kind) {
        (Some(patient), Some(kind)) => Some(Enrolment::read(patient, kind, asked.held_from.as_deref())?),
        _ => None,
    };
    let id = match (&new, &asked.device) {
        (Some(new), _) => new_device_id(new.kind),
        (None, Some(device)) => DeviceId(device.clone()),
        (None, None) => return Err(usage("give --patient and --kind, or --device")),
    };
    let claim = ids::random_text::<32>();
    let expires_at = now + SignedDuration::from_hours(24 * asked.days);
    in_transaction(&asked.place, async |tx| {
        if let Some(new) = &new {
            // Nobody ever learns the secret: this device logs in by certificate only.
            new.write(tx, &id, &ids::random_text::<32>(), now).await?;
        }
        let claim = NewClaim {
            hash: hash_secret(claim.as_bytes()),
            device: &id,
            serial_number: asked.serial.as_deref(),
            created_at: now,
            expires_at,
        };
        certificates::add_claim(tx, &claim).await.map_err(|error| {
            if error.is_constraint("device_claim_device_id_fkey") {
                usage(format!("there is no device {id}"))
            } else {
                anyhow::Error::from(error).context("noting the claim")
            }
        })?;
        let patient = certificates::holder(tx, &id, now).await?;
        record(tx, "device.claim_made", patient, id.as_str(), now).await
    })
    .await?;
    Ok(if asked.json {
        serde_json::json!({ "id": id, "claim": claim, "expires_at": expires_at, "serial_number": asked.serial })
            .to_string()
    } else {
        format!(
            "device  {id}\nclaim   {claim}\nuntil   {expires_at}\nThe claim is shown this once and is good for one certificate: \
             POST /api/v1/device-certificates (docs/device-trust.md)."
        )
    })
}

async fn run_revoke(asked: &Revoke, now: Timestamp) -> Result<ExitCode> {
    let id = DeviceId(asked.device.clone());
    let serial = asked.certificate.as_ref().map(|text| text.replace(':', "").to_lowercase());
    in_transaction(&asked.place, async |tx| {
        let patient = certificates::holder(tx, &id, now).await?;
        let (known, missing) = match &serial {
            Some(serial) => (
                certificates::revoke_certificate(tx, &id, serial, now).await?,
                format!("device {id} has no certificate {serial}"),
            ),
            None => (certificates::revoke_device(tx, &id, now).await?, format!("there is no device {id}")),
        };
        if !known {
            return Err(usage(missing));
        }
        let (action, detail) = match &serial {
            Some(serial) => ("device.certificate_revoked", format!("{id} {serial}")),
            None => ("device.revoked", id.0.clone()),
        };
        record(tx, action, patient, &detail, now).await
    })
    .await?;
    let folder = asked.ca.folder(&asked.place);
    let mut said = format!("revoked  {id}{}", serial.map(|serial| format!(" {serial}")).unwrap_or_default());
    if !folder.can_sign() {
        said.push_str(&format!(
            "\nNo revocation list was written, for there is no authority in {}; the listener refuses it all the same, \
             since it asks the database.",
            folder.path().display()
        ));
        answer(&said)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (path, _) = in_transaction(&asked.place, async |tx| {
        let authority = folder.open().context("the device is revoked, but the list cannot be written")?;
        write_revocation_list(&folder, &authority, tx, now).await
    })
    .await?;
    answer(&format!("{said}\nlist     {}", path.display()))?;
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
