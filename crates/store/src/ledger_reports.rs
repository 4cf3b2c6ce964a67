//! A device as staff sees it: what it is, its last word about itself, and what of it never arrived.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use vigie_vitals::{DeviceId, PatientId};

use crate::gaps::{self, Gap};
use crate::intake::DeviceStatus;
use crate::ranges::{LedgerKey, Ranges};
use crate::{Result, Tx};

/// Missing ranges listed per epoch; the rest is counted.
const GAPS_LISTED_MAX: usize = 100;

/// A device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its id on the wire.
    pub id: String,
    /// `glucometer`, `scale`, ...
    pub kind: String,
    /// When it was enrolled.
    pub enrolled_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Who holds it now, if one may see that patient.
    pub patient: Option<PatientId>,
    /// Its last word about itself, and when it came.
    pub status: Option<(DeviceStatus, Timestamp)>,
    /// What is on record of its sequence numbers, the epoch that it uses now first.
    pub epochs: Vec<EpochGaps>,
}

/// What never arrived of one memory epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochGaps {
    /// The epoch.
    pub epoch: i64,
    /// Does the device use it now?
    pub is_current: bool,
    /// The highest number received; 0 when none was.
    pub highest: i64,
    /// How many numbers below it never arrived.
    pub missing: i64,
    /// Which, inclusive, lowest first; at most 100 ranges.
    pub ranges: Vec<(i64, i64)>,
    /// What is to be expected of each of these ranges, in the same order.
    pub prospects: Vec<Prospect>,
}

/// What is to be expected of numbers that are missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prospect {
    /// They may be on their way; nobody has been asked for them.
    WaitedFor,
    /// Vigie asked the device for them.
    AskedFor {
        /// How often.
        tries: i32,
        /// When it looks again.
        next_at: Timestamp,
    },
    /// The device was asked as often as it is asked, or is not asked any more. Nothing more is done.
    NeverArrived,
    /// The device began another epoch: it lost what it had measured in this one, so it is not asked.
    LostWithMemory,
}

impl EpochGaps {
    fn of(epoch: i64, is_current: bool, ledger: &Ranges, gaps: &[Gap]) -> Self {
        let ranges = ledger.missing(GAPS_LISTED_MAX);
        let prospect = |(first, last): &(i64, i64)| {
            if !is_current {
                return Prospect::LostWithMemory;
            }
            let gap = gaps.iter().find(|gap| gap.first <= *last && *first <= gap.last);
            match gap.map(|gap| (gap.tries, gap.next_at)) {
                None => Prospect::NeverArrived,
                Some((tries @ 1.., Some(next_at))) => Prospect::AskedFor { tries, next_at },
                Some(_) => Prospect::WaitedFor,
            }
        };
        Self {
            epoch,
            is_current,
            highest: ledger.highest(),
            missing: ledger.missing_count(),
            prospects: ranges.iter().map(prospect).collect(),
            ranges,
        }
    }
}

/// A device that this member of staff may see: that of somebody of their care team who holds it now, or any of
/// their territory for a technician.
pub async fn device(tx: &mut Tx, id: &str, now: Timestamp) -> Result<Option<Device>> {
    Ok(devices_where(tx, Some(id), now, 1).await?.into_iter().next())
}

/// All of them by id, after `after`; with `gaps` only those of which something never arrived.
pub async fn devices(tx: &mut Tx, gaps: bool, now: Timestamp, most: i64) -> Result<Vec<Device>> {
    let mut devices = devices_where(tx, None, now, most).await?;
    if gaps {
        devices.retain(|device| device.epochs.iter().any(|epoch| epoch.missing > 0));
    }
    Ok(devices)
}

async fn devices_where(tx: &mut Tx, id: Option<&str>, now: Timestamp, most: i64) -> Result<Vec<Device>> {
    let rows = sqlx::query!(
        r#"
        SELECT d.id, d.kind, d.enrolled_at, d.revoked_at, a.patient_id AS "patient_id?", s.state AS "state?",
               s.battery_percent, s.firmware, s.clock, s.queue_length, s.received_at AS "received_at?"
        FROM device d
        LEFT JOIN device_assignment a ON a.device_id = d.id AND a.held @> $2::timestamptz
        LEFT JOIN device_status s ON s.device_id = d.id
        WHERE ($1::text IS NULL OR d.id = $1) AND sees_device(d.id, $2)
        ORDER BY d.id LIMIT $3
        "#,
        id,
        now.to_sqlx() as _,
        most
    )
    .fetch_all(&mut **tx)
    .await?;
    let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
    let ledgers = sqlx::query!(
        r#"
        SELECT device_id, epoch, received::text AS "received!" FROM ledger
        WHERE device_id = ANY($1) ORDER BY device_id, used_at DESC NULLS LAST, epoch DESC
        "#,
        &ids
    )
    .fetch_all(&mut **tx)
    .await?;
    let gaps = gaps::of_devices(tx, &ids).await?;
    let mut devices: Vec<Device> = rows
        .into_iter()
        .map(|row| Device {
            id: row.id,
            kind: row.kind,
            enrolled_at: row.enrolled_at.to_jiff(),
            revoked_at: row.revoked_at.map(|t| t.to_jiff()),
            patient: row.patient_id.map(PatientId),
            status: row.state.zip(row.received_at).map(|(state, received_at)| {
                let status = DeviceStatus {
                    state,
                    battery_percent: row.battery_percent,
                    firmware: row.firmware,
                    clock: row.clock,
                    queue_length: row.queue_length,
                };
                (status, received_at.to_jiff())
            }),
            epochs: Vec::new(),
        })
        .collect();
    for row in ledgers {
        let received = Ranges::from_sql_text(&row.received)?;
        if let Some(device) = devices.iter_mut().find(|device| device.id == row.device_id) {
            // The first one is the one that was used last.
            let is_current = device.epochs.is_empty();
            let key = LedgerKey { device: DeviceId(row.device_id), epoch: row.epoch };
            let gaps = gaps.get(&key).map_or(&[][..], Vec::as_slice);
            device.epochs.push(EpochGaps::of(row.epoch, is_current, &received, gaps));
        }
    }
    Ok(devices)
}
