//! Devices: their secrets, who holds them, and what proves that the services live.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use vigie_vitals::{DeviceId, PatientId, TerritoryId};

use crate::{Error, Result, Tx};

/// A device to enrol.
#[derive(Debug, Clone)]
pub struct NewDevice {
    /// Its id on the wire.
    pub id: DeviceId,
    /// What it is: `glucometer`, `scale`, ...
    pub kind: String,
    /// Hash of its secret: [`hash_secret`].
    pub secret_hash: [u8; 32],
    /// Who holds it.
    pub patient: PatientId,
    /// From when on.
    pub held_from: Timestamp,
    /// Now.
    pub enrolled_at: Timestamp,
}

/// SHA-256 of a device secret. The secret has 256 random bits, so nothing slower is needed.
pub fn hash_secret(secret: &[u8]) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// Does this secret open this device? False for an unknown or revoked device, in the same time.
pub async fn secret_matches(tx: &mut Tx, device: &str, secret: &[u8]) -> Result<bool> {
    let stored =
        sqlx::query_scalar!("SELECT secret_hash FROM device WHERE id = $1 AND revoked_at IS NULL", device)
            .fetch_optional(&mut **tx)
            .await?;
    let offered = hash_secret(secret);
    let expected = stored.unwrap_or_else(|| vec![0; 32]);
    Ok(bool::from(offered.as_slice().ct_eq(expected.as_slice())))
}

/// Enrols a device for a patient, in the patient's territory. A patient that does not exist is `false`.
pub async fn enrol(tx: &mut Tx, device: &NewDevice) -> Result<bool> {
    let territory = sqlx::query_scalar!("SELECT territory_id FROM patient WHERE id = $1", device.patient.0)
        .fetch_optional(&mut **tx)
        .await?;
    let Some(territory) = territory else {
        return Ok(false);
    };
    sqlx::query!(
        "INSERT INTO device (id, territory_id, kind, secret_hash, enrolled_at) VALUES ($1, $2, $3, $4, $5)",
        device.id.as_str(),
        TerritoryId(territory).0,
        device.kind,
        &device.secret_hash[..],
        device.enrolled_at.to_sqlx() as _
    )
    .execute(&mut **tx)
    .await?;
    assign(tx, &device.id, device.patient, device.held_from).await?;
    Ok(true)
}

/// Takes a device back: who held it at this moment holds it no longer. Nobody holds it then.
pub async fn take_back(tx: &mut Tx, device: &DeviceId, at: Timestamp) -> Result<()> {
    sqlx::query!(
        r#"
        UPDATE device_assignment SET held = tstzrange(lower(held), $2)
        WHERE device_id = $1 AND held @> $2::timestamptz AND lower(held) < $2
        "#,
        device.as_str(),
        at.to_sqlx() as _
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Hands a device to a patient from a moment on; who held it until then holds it no longer.
pub async fn assign(tx: &mut Tx, device: &DeviceId, patient: PatientId, from: Timestamp) -> Result<()> {
    take_back(tx, device, from).await?;
    sqlx::query!(
        "INSERT INTO device_assignment (device_id, patient_id, held) VALUES ($1, $2, tstzrange($3, NULL))",
        device.as_str(),
        patient.0,
        from.to_sqlx() as _
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Tells that a role lives. Called every few seconds by each process; its age is shown to staff.
pub async fn beat(tx: &mut Tx, role: &str, instance: &str, now: Timestamp) -> Result<()> {
    sqlx::query!(
        r#"
        INSERT INTO service_beat (role, instance, at) VALUES ($1, $2, $3)
        ON CONFLICT (role, instance) DO UPDATE SET at = excluded.at
        "#,
        role,
        instance,
        now.to_sqlx() as _
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The newest proof of life of a role of one instance.
pub async fn last_beat(tx: &mut Tx, role: &str, instance: &str) -> Result<Option<Timestamp>> {
    let at =
        sqlx::query_scalar!("SELECT at FROM service_beat WHERE role = $1 AND instance = $2", role, instance)
            .fetch_optional(&mut **tx)
            .await?;
    Ok(at.map(|t| t.to_jiff()))
}

/// Instances whose last sign of life in any of these roles lies between two moments, at most `most`, those first that
/// have been silent for the shortest time.
pub async fn silent_instances(
    tx: &mut Tx,
    roles: &[&str],
    from: Timestamp,
    until: Timestamp,
    most: i64,
) -> Result<Vec<String>> {
    let roles: Vec<String> = roles.iter().map(|role| (*role).to_owned()).collect();
    Ok(sqlx::query_scalar!(
        r#"
        SELECT instance FROM service_beat WHERE role = ANY($1)
        GROUP BY instance HAVING max(at) >= $2 AND max(at) < $3 ORDER BY max(at) DESC LIMIT $4
        "#,
        &roles,
        from.to_sqlx() as _,
        until.to_sqlx() as _,
        most
    )
    .fetch_all(&mut **tx)
    .await?)
}

/// Makes sure that the coming months have their partition (nothing to do with TimescaleDB).
pub async fn ensure_partitions(tx: &mut Tx, now: Timestamp) -> Result<()> {
    let made = sqlx::query_scalar!(
        "SELECT ensure_reading_partitions($1::timestamptz::date, ($1::timestamptz + interval '13 months')::date)",
        now.to_sqlx() as _
    )
    .fetch_one(&mut **tx)
    .await?;
    made.map(|_| ()).ok_or_else(|| Error::inconsistent("ensure_reading_partitions answered nothing"))
}
