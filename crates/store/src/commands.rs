//! Commands to devices: asked by staff or by Vigie itself, handed out by the gateway, followed until they end.

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use vigie_vitals::{DeviceId, UserId};

use crate::{Result, Tx};

/// What a device can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandKind {
    /// Set the clock to the time in the command.
    SetClock,
    /// Measure again.
    RepeatMeasure,
    /// Send again what is on the device, from a sequence number on.
    SendAgain,
    /// Show a text to the patient.
    ShowMessage,
}

impl CommandKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::SetClock, Self::RepeatMeasure, Self::SendAgain, Self::ShowMessage];

    /// The name on the wire and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SetClock => "set_clock",
            Self::RepeatMeasure => "repeat_measure",
            Self::SendAgain => "send_again",
            Self::ShowMessage => "show_message",
        }
    }

    /// By its name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// How long commands live: from the asking, over the waiting for the device, to the proof of what it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lives {
    /// `set_clock` (24 h): the time to set is written when it is handed out, so it may wait.
    pub set_clock: SignedDuration,
    /// `repeat_measure` (4 h): it was asked because of what is known now.
    pub repeat_measure: SignedDuration,
    /// `send_again` (7 days): what is on the device stays there.
    pub send_again: SignedDuration,
    /// `show_message` (24 h).
    pub show_message: SignedDuration,
}

impl Default for Lives {
    fn default() -> Self {
        let hours = SignedDuration::from_hours;
        Self {
            set_clock: hours(24),
            repeat_measure: hours(4),
            send_again: hours(7 * 24),
            show_message: hours(24),
        }
    }
}

impl Lives {
    /// That of a kind.
    pub fn of(&self, kind: CommandKind) -> SignedDuration {
        match kind {
            CommandKind::SetClock => self.set_clock,
            CommandKind::RepeatMeasure => self.repeat_measure,
            CommandKind::SendAgain => self.send_again,
            CommandKind::ShowMessage => self.show_message,
        }
    }
}

/// A command to queue.
#[derive(Debug, Clone)]
pub struct NewCommand<'a> {
    /// To whom.
    pub device: &'a DeviceId,
    /// What.
    pub kind: CommandKind,
    /// `send_again` only: from this number on.
    pub from_sequence: Option<i64>,
    /// `show_message` only: the text, else empty.
    pub message: &'a str,
    /// Why, in words.
    pub reason: &'a str,
    /// Who asks; absent for Vigie itself.
    pub asked_by: Option<UserId>,
    /// The same in words.
    pub asked_by_name: &'a str,
    /// Now.
    pub asked_at: Timestamp,
    /// A device that did not fetch it by then does not get it any more.
    pub expires_at: Timestamp,
}

/// A command and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Its id, on the wire as `command_id`.
    pub id: i64,
    /// To whom.
    pub device: String,
    /// What, as in [`CommandKind::as_str`].
    pub kind: String,
    /// `send_again`: from this number on.
    pub from_sequence: Option<i64>,
    /// `show_message`: the text.
    pub message: String,
    /// Why.
    pub reason: String,
    /// Who asked.
    pub asked_by: String,
    /// When.
    pub asked_at: Timestamp,
    /// Not handed out after this.
    pub expires_at: Timestamp,
    /// `queued`, `delivered`, `done`, `failed`, `expired` or `cancelled`.
    pub state: String,
    /// When the device acknowledged it.
    pub delivered_at: Option<Timestamp>,
    /// When it was done, failed, expired or was cancelled, or when nothing more could be learnt of it.
    pub ended_at: Option<Timestamp>,
    /// Who cancelled it.
    pub cancelled_by: Option<String>,
}

/// A command ready to be handed out. The caller writes the bytes, with the time of that moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Row of the outbox, for [`delivered`].
    pub outbox_id: i64,
    /// The command.
    pub id: i64,
    /// To whom.
    pub device: String,
    /// What.
    pub kind: String,
    /// `send_again`: from this number on.
    pub from_sequence: Option<i64>,
    /// `show_message`: the text.
    pub message: String,
    /// The command is void after this.
    pub expires_at: Timestamp,
}

/// Queues a command; row-level security decides whether this member of staff may. The id comes back.
pub async fn ask(tx: &mut Tx, command: &NewCommand<'_>) -> Result<i64> {
    Ok(sqlx::query_scalar!(
        r#"
        INSERT INTO device_command (device_id, kind, from_sequence, message, reason, asked_by, asked_by_name, asked_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id
        "#,
        command.device.as_str(),
        command.kind.as_str(),
        command.from_sequence,
        command.message,
        command.reason,
        command.asked_by.map(|id| id.0),
        command.asked_by_name,
        command.asked_at.to_sqlx() as _,
        command.expires_at.to_sqlx() as _
    )
    .fetch_one(&mut **tx)
    .await?)
}

/// What a device still has to get, oldest first. Nothing that expired, was cancelled, or was meant for somebody
/// who does not hold the device any more.
pub async fn waiting(tx: &mut Tx, device: &str, now: Timestamp, most: i64) -> Result<Vec<Waiting>> {
    waiting_for_any(tx, &[device.to_owned()], now, most).await
}

/// The same for any of these devices.
pub async fn waiting_for_any(
    tx: &mut Tx,
    devices: &[String],
    now: Timestamp,
    most: i64,
) -> Result<Vec<Waiting>> {
    let rows = sqlx::query!(
        r#"
        SELECT o.id AS outbox_id, c.id, c.device_id AS device, c.kind, c.from_sequence, c.message, c.expires_at
        FROM device_outbox o JOIN device_command c ON c.id = o.command_id
        WHERE o.device_id = ANY($1) AND o.channel = 'commands' AND c.state = 'queued' AND c.expires_at > $2
          AND c.patient_id IS NOT DISTINCT FROM
              (SELECT a.patient_id FROM device_assignment a WHERE a.device_id = c.device_id AND a.held @> $2::timestamptz)
        ORDER BY o.id LIMIT $3
        "#,
        devices,
        now.to_sqlx() as _,
        most
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Waiting {
            outbox_id: row.outbox_id,
            id: row.id,
            device: row.device,
            kind: row.kind,
            from_sequence: row.from_sequence,
            message: row.message,
            expires_at: row.expires_at.to_jiff(),
        })
        .collect())
}

/// Devices to which something was asked since a moment and not delivered yet: those that are connected get it at
/// once. The caller looks back further than any transaction lasts, since commits come in any order.
pub async fn asked_since(tx: &mut Tx, since: Timestamp, most: i64) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar!(
        "SELECT device_id FROM device_command WHERE state = 'queued' AND ended_at IS NULL AND asked_at >= $1 GROUP BY device_id ORDER BY min(asked_at) LIMIT $2",
        since.to_sqlx() as _,
        most
    )
    .fetch_all(&mut **tx)
    .await?)
}

/// Notes that devices acknowledged these rows of the outbox, and forgets the rows. Rows of receipts go as well. Nothing
/// more can be learnt of a message that is shown: that command has ended.
pub async fn delivered(tx: &mut Tx, outbox_ids: &[i64], now: Timestamp) -> Result<()> {
    sqlx::query!(
        r#"
        UPDATE device_command
        SET state = 'delivered', delivered_at = $2, ended_at = CASE kind WHEN 'show_message' THEN $2::timestamptz END
        WHERE id IN (SELECT command_id FROM device_outbox WHERE id = ANY($1) AND command_id IS NOT NULL) AND state = 'queued'
        "#,
        outbox_ids,
        now.to_sqlx() as _
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!("DELETE FROM device_outbox WHERE id = ANY($1)", outbox_ids).execute(&mut **tx).await?;
    Ok(())
}

/// Ends what has ended: `done` by what the device did, `failed` when it did not in time, `expired` when it never
/// came for it. A clock that is proven wrong five minutes after it was to be set, or later, was not set; of one that
/// gives no more proof nothing is known, so the command stays `delivered`. Returns how many changed.
pub async fn settle(tx: &mut Tx, now: Timestamp) -> Result<u64> {
    let done = sqlx::query!(
        r#"
        UPDATE device_command c SET state = 'done', ended_at = $1
        WHERE c.ended_at IS NULL AND c.state IN ('queued', 'delivered')
          AND CASE c.kind
              WHEN 'send_again' THEN EXISTS (SELECT FROM ledger l
                  WHERE l.device_id = c.device_id AND l.epoch = c.epoch AND l.received @> c.wanted)
              WHEN 'repeat_measure' THEN c.state = 'delivered' AND EXISTS (SELECT FROM reading r
                  WHERE r.device_id = c.device_id AND r.measured_at > c.asked_at AND r.received_at > c.asked_at)
              ELSE false END
        "#,
        now.to_sqlx() as _
    )
    .execute(&mut **tx)
    .await?
    .rows_affected();
    let not_set = sqlx::query!(
        r#"
        UPDATE device_command c SET state = 'failed', ended_at = $1
        FROM device_clock k
        WHERE c.ended_at IS NULL AND c.state = 'delivered' AND c.kind = 'set_clock'
          AND k.device_id = c.device_id AND k.noted_at > c.delivered_at + interval '5 minutes'
        "#,
        now.to_sqlx() as _
    )
    .execute(&mut **tx)
    .await?
    .rows_affected();
    let late = sqlx::query!(
        r#"
        UPDATE device_command SET ended_at = $1, state = CASE
            WHEN state = 'queued' THEN 'expired'
            WHEN kind IN ('send_again', 'repeat_measure') THEN 'failed'
            ELSE state END
        WHERE ended_at IS NULL AND expires_at <= $1
        "#,
        now.to_sqlx() as _
    )
    .execute(&mut **tx)
    .await?
    .rows_affected();
    sqlx::query!(
        r#"
        DELETE FROM device_outbox o USING device_command c
        WHERE c.id = o.command_id AND c.state IN ('done', 'failed', 'expired', 'cancelled')
        "#
    )
    .execute(&mut **tx)
    .await?;
    Ok(done + not_set + late)
}

/// The commands of a device that this member of staff may see, newest first.
pub async fn of_device(tx: &mut Tx, device: &str, most: i64) -> Result<Vec<Command>> {
    let rows = sqlx::query!(
        r#"
        SELECT id, device_id, kind, from_sequence, message, reason, asked_by_name, asked_at, expires_at, state,
               delivered_at, ended_at, cancelled_by
        FROM device_command WHERE device_id = $1 ORDER BY id DESC LIMIT $2
        "#,
        device,
        most
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Command {
            id: row.id,
            device: row.device_id,
            kind: row.kind,
            from_sequence: row.from_sequence,
            message: row.message,
            reason: row.reason,
            asked_by: row.asked_by_name,
            asked_at: row.asked_at.to_jiff(),
            expires_at: row.expires_at.to_jiff(),
            state: row.state,
            delivered_at: row.delivered_at.map(|t| t.to_jiff()),
            ended_at: row.ended_at.map(|t| t.to_jiff()),
            cancelled_by: row.cancelled_by,
        })
        .collect())
}

/// Cancels a command that the device does not have yet. `None`: no such command of this device that one may see;
/// `false`: too late.
pub async fn cancel(
    tx: &mut Tx,
    device: &str,
    command: i64,
    by: &str,
    now: Timestamp,
) -> Result<Option<bool>> {
    let cancelled = sqlx::query!(
        r#"
        UPDATE device_command SET state = 'cancelled', ended_at = $3, cancelled_by = $4
        WHERE id = $1 AND device_id = $2 AND state = 'queued'
        "#,
        command,
        device,
        now.to_sqlx() as _,
        by
    )
    .execute(&mut **tx)
    .await?
    .rows_affected();
    if cancelled == 1 {
        return Ok(Some(true));
    }
    let known = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM device_command WHERE id = $1 AND device_id = $2) AS "known!""#,
        command,
        device
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(known.then_some(false))
}
