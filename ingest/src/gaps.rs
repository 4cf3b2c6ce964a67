//! Asks devices for what never arrived: a gap in a device's numbers that stays open for a while makes Vigie send the
//! device a `send_again` from the lowest missing number, a few times with growing pauses (docs/gaps.md).
//!
//! Any number of gateways may look at once: each claims ledgers that nobody else has at that moment.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;
use vigie_service::{Clock, Ticks};
use vigie_store::commands::{self, CommandKind, NewCommand};
use vigie_store::gaps::{self, Gap, Watched};
use vigie_store::{Database, Error, Result, Tx};

/// How often gaps are looked for.
const LOOK: Duration = Duration::from_secs(5);

/// Ledgers claimed in one transaction: ingest waits for it with what these devices send.
const LEDGERS_AT_ONCE: i64 = 100;

/// Transactions of one look; the rest waits for the next.
const ROUNDS_MAX: u32 = 10;

/// Pauses grow no longer than this.
const PAUSE_MAX: SignedDuration = SignedDuration::from_hours(24);

/// How long a request waits for its device, as one of staff does.
const REQUEST_KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Who asks, as staff see it.
const VIGIE: &str = "Vigie";

/// How patient Vigie is with a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long a gap may be disorder on the way. Nothing is asked when it is zero.
    pub after: SignedDuration,
    /// How often a device is asked for the same numbers.
    pub tries: i32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { after: SignedDuration::from_mins(15), tries: 4 }
    }
}

impl Settings {
    /// How long after this try the gap is looked at again: four times the first patience, then four times as long each
    /// time, a day at most.
    pub fn pause(self, tries: i32) -> SignedDuration {
        let times = 4_i32.saturating_pow(u32::try_from(tries.max(1)).unwrap_or(1));
        self.after.checked_mul(times).unwrap_or(PAUSE_MAX).min(PAUSE_MAX)
    }
}

/// What is done about the gaps of one ledger. Each stands for the first number of its gap.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    /// Their numbers are all there.
    closed: Vec<i64>,
    /// Not hoped for any more.
    given_up: Vec<i64>,
    /// With the tries so far, and when to look again.
    look_again: Vec<(i64, i32, Timestamp)>,
    /// Ask the device for the numbers from the first on; the second is the last of the lowest missing range, and the
    /// third which try it is.
    ask: Option<(i64, i64, i32)>,
}

/// What is done, as a pure function of what is on record.
fn plan(watched: &Watched, settings: Settings, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    for gap in &watched.gaps {
        let Some((lowest, last)) = watched.received.missing_within(gap.first, gap.last).first().copied()
        else {
            plan.closed.push(gap.first);
            continue;
        };
        if watched.is_revoked {
            plan.given_up.push(gap.first);
            continue;
        }
        if !is_due(gap, settings, now) {
            continue;
        }
        let again = |tries| now.saturating_add(settings.pause(tries)).unwrap_or(now);
        if !watched.is_current {
            // What was measured in an epoch that is over is gone with the memory: the device is not asked. The gap is
            // not forgotten at once, for a late message of an earlier epoch makes that one look like the present.
            if gap.tries >= settings.tries {
                plan.given_up.push(gap.first);
            } else {
                plan.look_again.push((gap.first, gap.tries + 1, again(gap.tries + 1)));
            }
            continue;
        }
        if watched.waiting_from.is_some_and(|from| from <= lowest) {
            // Asked already, and the device has not come for it.
            plan.look_again.push((gap.first, gap.tries, again(gap.tries)));
        } else if gap.tries >= settings.tries {
            plan.given_up.push(gap.first);
        } else {
            let tries = gap.tries + 1;
            plan.look_again.push((gap.first, tries, again(tries)));
            // Gaps come lowest first, and a device sends everything from the number that it is told.
            plan.ask.get_or_insert((lowest, last, tries));
        }
    }
    plan
}

fn is_due(gap: &Gap, settings: Settings, now: Timestamp) -> bool {
    match gap.next_at {
        Some(at) => at <= now,
        None => now.duration_since(gap.opened_at) >= settings.after,
    }
}

/// Looks for gaps until it is told to stop.
pub async fn run(database: Database, clock: Clock, settings: Settings, stop: CancellationToken) {
    if settings.after.is_zero() {
        tracing::info!("devices are not asked for what never arrived: VIGIE_GAPS_AFTER_SECONDS is 0");
        return;
    }
    let mut looks = Ticks::every(LOOK, stop);
    while looks.next().await {
        for _ in 0..ROUNDS_MAX {
            match look(&database, settings, clock.now()).await {
                Ok(claimed) if claimed < LEDGERS_AT_ONCE => break,
                Ok(_) => {}
                Err(error) => {
                    tracing::info!(%error, "gaps cannot be looked at now");
                    break;
                }
            }
        }
    }
}

/// One transaction; says how many ledgers it claimed, at most a hundred.
pub async fn look(database: &Database, settings: Settings, now: Timestamp) -> Result<i64> {
    let mut tx = database.begin().await?;
    let opened_until = now.saturating_sub(settings.after).unwrap_or(now);
    let claimed = gaps::claim(&mut tx, opened_until, now, LEDGERS_AT_ONCE).await?;
    for watched in &claimed {
        carry_out(&mut tx, watched, &plan(watched, settings, now), settings, now).await?;
    }
    tx.commit().await.map_err(Error::from)?;
    Ok(i64::try_from(claimed.len()).unwrap_or(LEDGERS_AT_ONCE))
}

async fn carry_out(
    tx: &mut Tx,
    watched: &Watched,
    plan: &Plan,
    settings: Settings,
    now: Timestamp,
) -> Result<()> {
    let key = &watched.key;
    let over: Vec<i64> = plan.closed.iter().chain(&plan.given_up).copied().collect();
    if !over.is_empty() {
        gaps::forget(tx, key, &over).await?;
    }
    if !plan.given_up.is_empty() {
        let (device, epoch, from) = (key.device.as_str(), key.epoch, &plan.given_up);
        tracing::info!(
            device,
            epoch,
            ?from,
            "numbers from these on never arrived and are not asked for any more"
        );
    }
    if !watched.is_current && watched.waiting_from.is_some() {
        gaps::take_back(tx, &key.device, Some(key.epoch), now).await?;
    }
    if !plan.look_again.is_empty() {
        gaps::look_again(tx, key, &plan.look_again).await?;
    }
    if let Some((from, last, tries)) = plan.ask {
        // The lower number asks for what the other request asked for as well.
        gaps::take_back(tx, &key.device, None, now).await?;
        let command = NewCommand {
            device: &key.device,
            kind: CommandKind::SendAgain,
            from_sequence: Some(from),
            message: "",
            reason: &format!("{from}–{last} ({tries}/{})", settings.tries),
            asked_by: None,
            asked_by_name: VIGIE,
            asked_at: now,
            expires_at: now.saturating_add(REQUEST_KEPT).unwrap_or(now),
        };
        commands::ask(tx, &command).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
