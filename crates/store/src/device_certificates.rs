//! A device's certificates as staff sees them. What a device shows to get one is in [`crate::certificates`].

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use crate::{Result, Tx};

/// A certificate that was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Lower-case hexadecimal.
    pub serial: String,
    /// `enrolment`, `claim` or `renewal`.
    pub origin: String,
    /// When it was signed.
    pub issued_at: Timestamp,
    /// From then on it opens nothing.
    pub expires_at: Timestamp,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
}

/// The certificates of a device that this member of staff may see, the newest first.
pub async fn of_device(tx: &mut Tx, device: &str, now: Timestamp, most: i64) -> Result<Vec<Certificate>> {
    let rows = sqlx::query!(
        r#"
        SELECT serial, origin, issued_at, expires_at, revoked_at FROM device_certificate
        WHERE device_id = $1 AND sees_device($1, $2) ORDER BY issued_at DESC, serial LIMIT $3
        "#,
        device,
        now.to_sqlx() as _,
        most
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Certificate {
            serial: row.serial,
            origin: row.origin,
            issued_at: row.issued_at.to_jiff(),
            expires_at: row.expires_at.to_jiff(),
            revoked_at: row.revoked_at.map(|t| t.to_jiff()),
        })
        .collect())
}
