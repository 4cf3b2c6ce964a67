//! Integration engines: who may read a territory's news, and whose news a device's are.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use subtle::ConstantTimeEq;
use uuid::Uuid;
use vigie_vitals::{DeviceId, TerritoryId};

use crate::devices::hash_secret;
use crate::{Result, Tx};

/// An integration engine to add.
#[derive(Debug, Clone)]
pub struct NewIntegration {
    /// Id.
    pub id: Uuid,
    /// What it may read.
    pub territory: TerritoryId,
    /// What people call it; 1 to 100 characters, one of its name in a territory.
    pub name: String,
    /// [`hash_secret`] of its secret.
    pub secret_hash: [u8; 32],
    /// Now.
    pub created_at: Timestamp,
}

/// An integration engine that may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Integration {
    /// What it may read.
    pub territory: TerritoryId,
    /// What people call it.
    pub name: String,
}

/// Adds an integration engine. A territory that does not exist is `false`.
pub async fn add(tx: &mut Tx, new: &NewIntegration) -> Result<bool> {
    let done = sqlx::query!(
        r#"
        INSERT INTO integration (id, territory_id, name, secret_hash, created_at)
        SELECT $1, t.id, $3, $4, $5 FROM territory t WHERE t.id = $2
        "#,
        new.id,
        new.territory.0,
        new.name,
        &new.secret_hash[..],
        new.created_at.to_sqlx() as _
    )
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The territory of this id or, if there is none, of this name.
pub async fn territory(tx: &mut Tx, id_or_name: &str) -> Result<Option<TerritoryId>> {
    let found = sqlx::query_scalar!(
        "SELECT id FROM territory WHERE id::text = lower($1) OR name = $1 ORDER BY id::text = lower($1) DESC LIMIT 1",
        id_or_name
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(found.map(TerritoryId))
}

/// Revokes an integration engine for good; gateways cut it within a minute. One that is not there, or was
/// revoked before, is `false`.
pub async fn revoke(tx: &mut Tx, id: Uuid, at: Timestamp) -> Result<bool> {
    let done = sqlx::query!(
        "UPDATE integration SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL",
        id,
        at.to_sqlx() as _
    )
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The integration engine that this secret opens. None for one that is unknown, revoked, or has another secret,
/// in the same time.
pub async fn admit(tx: &mut Tx, id: Uuid, secret: &[u8]) -> Result<Option<Integration>> {
    let row = sqlx::query!(
        "SELECT territory_id, name, secret_hash FROM integration WHERE id = $1 AND revoked_at IS NULL",
        id
    )
    .fetch_optional(&mut **tx)
    .await?;
    let offered = hash_secret(secret);
    let expected = row.as_ref().map_or_else(|| vec![0; 32], |row| row.secret_hash.clone());
    let matches = bool::from(offered.as_slice().ct_eq(expected.as_slice()));
    Ok(row
        .filter(|_| matches)
        .map(|row| Integration { territory: TerritoryId(row.territory_id), name: row.name }))
}

/// Is it there, and not revoked?
pub async fn is_admitted(tx: &mut Tx, id: Uuid) -> Result<bool> {
    let found = sqlx::query_scalar!("SELECT id FROM integration WHERE id = $1 AND revoked_at IS NULL", id)
        .fetch_optional(&mut **tx)
        .await?;
    Ok(found.is_some())
}

/// The territory of all who ever held each of these devices. A device that nobody held, or that people of
/// several territories held, has none: better told to nobody than to the wrong one.
pub async fn territories(tx: &mut Tx, devices: &[String]) -> Result<HashMap<DeviceId, TerritoryId>> {
    let rows = sqlx::query!(
        r#"
        SELECT a.device_id, (array_agg(p.territory_id))[1] AS "territory_id!"
        FROM device_assignment a JOIN patient p ON p.id = a.patient_id
        WHERE a.device_id = ANY($1)
        GROUP BY a.device_id HAVING count(DISTINCT p.territory_id) = 1
        "#,
        devices
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(|row| (DeviceId(row.device_id), TerritoryId(row.territory_id))).collect())
}
