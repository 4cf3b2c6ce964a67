//! The status that a device published with the retain flag, byte for byte, for its own later subscriptions.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use crate::{Result, Tx};

/// Keeps a retained status in place of the one before; an empty payload takes it away. An older one never replaces a
/// newer one.
pub async fn keep(tx: &mut Tx, device: &str, payload: &[u8], received_at: Timestamp) -> Result<()> {
    // An empty one stays as a row, or an older one that arrives late would come back.
    sqlx::query!(
        r#"
        INSERT INTO device_retained_status AS s (device_id, payload, received_at) VALUES ($1, $2, $3)
        ON CONFLICT (device_id) DO UPDATE SET payload = excluded.payload, received_at = excluded.received_at
        WHERE s.received_at <= excluded.received_at
        "#,
        device,
        payload,
        received_at.to_sqlx() as _
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What is retained of a device, if anything.
pub async fn of_device(tx: &mut Tx, device: &str) -> Result<Option<Vec<u8>>> {
    Ok(sqlx::query_scalar!(
        "SELECT payload FROM device_retained_status WHERE device_id = $1 AND payload <> ''",
        device
    )
    .fetch_optional(&mut **tx)
    .await?)
}
