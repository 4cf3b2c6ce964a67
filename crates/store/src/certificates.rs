//! Certificates of devices: what was issued, to whom, what was revoked; and the claims by which a device gets its
//! first one for a key that it made itself.
//!
//! A certificate that another authority issued has no row here. It is admitted as long as its device is: what that
//! authority revokes is on its own list, which the listener reads.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use vigie_vitals::{DeviceId, PatientId};

use crate::devices::take_back;
use crate::{Error, Result, Tx};

/// SHA-256 of a certificate in DER.
pub type Fingerprint = [u8; 32];

/// Why a certificate was issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// With its key, by an operator.
    Enrolment,
    /// Against a claim.
    Claim,
    /// Against the certificate before it.
    Renewal,
}

impl Origin {
    fn as_str(self) -> &'static str {
        match self {
            Self::Enrolment => "enrolment",
            Self::Claim => "claim",
            Self::Renewal => "renewal",
        }
    }
}

/// A certificate that is about to be handed out.
#[derive(Debug, Clone, Copy)]
pub struct NewCertificate<'a> {
    /// SHA-256 of its DER.
    pub fingerprint: Fingerprint,
    /// Lower-case hexadecimal.
    pub serial: &'a str,
    /// Whose.
    pub device: &'a DeviceId,
    /// Why.
    pub origin: Origin,
    /// Now.
    pub issued_at: Timestamp,
    /// From then on it opens nothing.
    pub expires_at: Timestamp,
}

/// Notes a certificate. Nobody may get it before this was committed.
pub async fn note(tx: &mut Tx, new: &NewCertificate<'_>) -> Result<()> {
    sqlx::query!(
        r#"
        INSERT INTO device_certificate (fingerprint, serial, device_id, origin, issued_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        "#,
        &new.fingerprint[..],
        new.serial,
        new.device.as_str(),
        new.origin.as_str(),
        new.issued_at.to_sqlx() as _,
        new.expires_at.to_sqlx() as _
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// May a device log in by this certificate, which the listener has verified? Not if the device is unknown or revoked,
/// if the certificate is revoked, or if it was issued to another device.
pub async fn admits(tx: &mut Tx, device: &str, fingerprint: &Fingerprint) -> Result<bool> {
    let admitted = sqlx::query_scalar!(
        r#"
        SELECT EXISTS (
            SELECT FROM device d
            LEFT JOIN device_certificate c ON c.fingerprint = $2
            WHERE d.id = $1 AND d.revoked_at IS NULL AND c.revoked_at IS NULL
              AND (c.device_id IS NULL OR c.device_id = d.id)
        ) AS "admitted!"
        "#,
        device,
        &fingerprint[..]
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(admitted)
}

/// A certificate on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Whose.
    pub device: DeviceId,
    /// Lower-case hexadecimal.
    pub serial: String,
    /// From then on it opens nothing.
    pub expires_at: Timestamp,
    /// Is it revoked, or its device?
    pub revoked: bool,
}

/// The certificate with this fingerprint, if we issued it.
pub async fn find(tx: &mut Tx, fingerprint: &Fingerprint) -> Result<Option<Known>> {
    let row = sqlx::query!(
        r#"
        SELECT c.device_id, c.serial, c.expires_at,
               (c.revoked_at IS NOT NULL OR d.revoked_at IS NOT NULL) AS "revoked!"
        FROM device_certificate c JOIN device d ON d.id = c.device_id
        WHERE c.fingerprint = $1
        "#,
        &fingerprint[..]
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.map(|row| Known {
        device: DeviceId(row.device_id),
        serial: row.serial,
        expires_at: row.expires_at.to_jiff(),
        revoked: row.revoked,
    }))
}

/// How many certificates of a device are good at this moment. Until the transaction ends, nobody else counts those of
/// this device.
pub async fn good_ones(tx: &mut Tx, device: &DeviceId, now: Timestamp) -> Result<i64> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended($1, 15))", device.as_str())
        .execute(&mut **tx)
        .await?;
    let count = sqlx::query_scalar!(
        r#"
        SELECT count(*) AS "n!" FROM device_certificate
        WHERE device_id = $1 AND revoked_at IS NULL AND expires_at > $2
        "#,
        device.as_str(),
        now.to_sqlx() as _
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(count)
}

/// A claim to hand out.
#[derive(Debug, Clone)]
pub struct NewClaim<'a> {
    /// SHA-256 of the claim: [`crate::devices::hash_secret`].
    pub hash: [u8; 32],
    /// Whose certificate it is for.
    pub device: &'a DeviceId,
    /// The maker's number on the device; who uses the claim has to say it.
    pub serial_number: Option<&'a str>,
    /// Now.
    pub created_at: Timestamp,
    /// From then on it is worth nothing.
    pub expires_at: Timestamp,
}

/// Notes a claim.
pub async fn add_claim(tx: &mut Tx, new: &NewClaim<'_>) -> Result<()> {
    sqlx::query!(
        r#"
        INSERT INTO device_claim (claim_hash, device_id, serial_number, created_at, expires_at)
        VALUES ($1, $2, $3, $4, $5)
        "#,
        &new.hash[..],
        new.device.as_str(),
        new.serial_number,
        new.created_at.to_sqlx() as _,
        new.expires_at.to_sqlx() as _
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A claim on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Whose certificate it is for.
    pub device: DeviceId,
    /// The maker's number that has to be said.
    pub serial_number: Option<String>,
    /// From then on it is worth nothing.
    pub expires_at: Timestamp,
    /// When it was used.
    pub used_at: Option<Timestamp>,
    /// Is its device revoked?
    pub device_revoked: bool,
}

/// The claim with this hash. Until the transaction ends, nobody else can use it.
pub async fn claim(tx: &mut Tx, hash: &[u8; 32]) -> Result<Option<Claim>> {
    let row = sqlx::query!(
        r#"
        SELECT c.device_id, c.serial_number, c.expires_at, c.used_at, d.revoked_at IS NOT NULL AS "device_revoked!"
        FROM device_claim c JOIN device d ON d.id = c.device_id
        WHERE c.claim_hash = $1
        FOR UPDATE OF c
        "#,
        &hash[..]
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.map(|row| Claim {
        device: DeviceId(row.device_id),
        serial_number: row.serial_number,
        expires_at: row.expires_at.to_jiff(),
        used_at: row.used_at.map(|t| t.to_jiff()),
        device_revoked: row.device_revoked,
    }))
}

/// Notes that a claim was used. The database refuses a second time.
pub async fn use_claim(tx: &mut Tx, hash: &[u8; 32], at: Timestamp) -> Result<()> {
    sqlx::query!("UPDATE device_claim SET used_at = $2 WHERE claim_hash = $1", &hash[..], at.to_sqlx() as _)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Withdraws a device: neither its secret nor any of its certificates opens anything from now on. Nobody holds it any
/// more; what it measured before stays who held it then. False: there is no such device. Said again
/// it changes nothing.
pub async fn revoke_device(tx: &mut Tx, device: &DeviceId, at: Timestamp) -> Result<bool> {
    let known = sqlx::query!(
        "UPDATE device SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1",
        device.as_str(),
        at.to_sqlx() as _
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "UPDATE device_certificate SET revoked_at = $2 WHERE device_id = $1 AND revoked_at IS NULL",
        device.as_str(),
        at.to_sqlx() as _
    )
    .execute(&mut **tx)
    .await?;
    take_back(tx, device, at).await?;
    Ok(known.rows_affected() > 0)
}

/// Revokes one certificate of a device. False: the device has no such certificate. Said again it changes nothing.
pub async fn revoke_certificate(tx: &mut Tx, device: &DeviceId, serial: &str, at: Timestamp) -> Result<bool> {
    let known = sqlx::query!(
        r#"
        UPDATE device_certificate SET revoked_at = coalesce(revoked_at, $3) WHERE device_id = $1 AND serial = $2
        "#,
        device.as_str(),
        serial,
        at.to_sqlx() as _
    )
    .execute(&mut **tx)
    .await?;
    Ok(known.rows_affected() > 0)
}

/// Who holds a device at this moment.
pub async fn holder(tx: &mut Tx, device: &DeviceId, at: Timestamp) -> Result<Option<PatientId>> {
    let holder = sqlx::query_scalar!(
        "SELECT patient_id FROM device_assignment WHERE device_id = $1 AND held @> $2::timestamptz",
        device.as_str(),
        at.to_sqlx() as _
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(holder.map(PatientId))
}

/// A line of the revocation list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// Lower-case hexadecimal.
    pub serial: String,
    /// Since when.
    pub at: Timestamp,
}

/// What belongs on the revocation list: revoked and not expired yet, in the order of serial numbers.
pub async fn revoked(tx: &mut Tx, now: Timestamp) -> Result<Vec<Revoked>> {
    let rows = sqlx::query!(
        r#"
        SELECT serial, revoked_at AS "revoked_at!" FROM device_certificate
        WHERE revoked_at IS NOT NULL AND expires_at > $1 ORDER BY serial
        "#,
        now.to_sqlx() as _
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(|row| Revoked { serial: row.serial, at: row.revoked_at.to_jiff() }).collect())
}

/// A connection that has to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Withdrawn {
    /// However the device logged in.
    Device(DeviceId),
    /// If the device logged in by this certificate.
    Certificate(DeviceId, Fingerprint),
}

/// What was revoked since a moment, devices first.
pub async fn withdrawn_since(tx: &mut Tx, since: Timestamp) -> Result<Vec<Withdrawn>> {
    let devices = sqlx::query_scalar!("SELECT id FROM device WHERE revoked_at >= $1", since.to_sqlx() as _)
        .fetch_all(&mut **tx)
        .await?;
    let certificates = sqlx::query!(
        r#"
        SELECT c.device_id, c.fingerprint FROM device_certificate c JOIN device d ON d.id = c.device_id
        WHERE c.revoked_at >= $1 AND d.revoked_at IS NULL
        "#,
        since.to_sqlx() as _
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut withdrawn: Vec<_> = devices.into_iter().map(|id| Withdrawn::Device(DeviceId(id))).collect();
    for row in certificates {
        let fingerprint =
            row.fingerprint.try_into().map_err(|_| Error::inconsistent("a fingerprint's length"))?;
        withdrawn.push(Withdrawn::Certificate(DeviceId(row.device_id), fingerprint));
    }
    Ok(withdrawn)
}
