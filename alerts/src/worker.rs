//! The loop around a round: woken for speed, polling for truth.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use vigie_service::{Clock, chain};
use vigie_store::judgement::Turn;
use vigie_store::{Database, devices, events};
use vigie_vitals::PatientId;

use crate::round::{Failure, judge_turn};

/// Settings of a worker.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Most patients in one transaction (128). Fewer while a round for everybody takes longer than 100 ms.
    pub patients_max: i64,
    /// Rounds for patients with fresh readings alone, if there are any, between two rounds for everybody in turn (1).
    pub fresh_rounds: u32,
    /// How often the queue is looked at when nobody wakes us (100 ms).
    pub poll: Duration,
    /// How often life is shown in `service_beat` (5 s).
    pub beat: Duration,
    /// Name of this process among several.
    pub instance: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            patients_max: 128,
            fresh_rounds: 1,
            poll: Duration::from_millis(100),
            beat: Duration::from_secs(5),
            instance: "1".into(),
        }
    }
}

/// What a round for everybody should take at most: it keeps those waiting who come next. Patients with a backlog take a
/// hundred times as long as others, so a round is cut by its time.
const ROUND: Duration = Duration::from_millis(100);

/// Fewer patients than that are not worth a transaction.
const PATIENTS_MIN: i64 = 8;

/// How long a database that refuses is left alone.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(500);

/// How long a patient whose judgement fails for good is passed over, so that the others are judged. The
/// queue keeps the patient, the log an error each time.
const SET_ASIDE: SignedDuration = SignedDuration::from_mins(1);

/// Events are kept for two days: longer than any browser is left without looking. What they tell of stays.
const EVENTS_KEPT: SignedDuration = SignedDuration::from_hours(48);

/// Events forgotten with each beat: more than a busy region makes in that time.
const EVENTS_FORGOTTEN_MAX: i64 = 20_000;

/// Judges until `stop`. A round that fails is rolled back and tried again; nothing is ever lost by it.
pub async fn run(
    database: Database,
    clock: Clock,
    settings: Settings,
    wake: Arc<Notify>,
    stop: CancellationToken,
) {
    let mut worker = Worker {
        database,
        clock,
        set_aside: Vec::new(),
        one_by_one: 0,
        fresh_done: 0,
        everybody_most: settings.patients_max,
        settings,
        next_beat: None,
        away: false,
    };
    loop {
        let wait = worker.work().await;
        if wait.is_zero() && !stop.is_cancelled() {
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = wake.notified(), if !worker.away => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

struct Worker {
    database: Database,
    clock: Clock,
    settings: Settings,
    /// Patients passed over, and until when.
    set_aside: Vec<(PatientId, Timestamp)>,
    /// Rounds of one patient left, to find whose judgement fails.
    one_by_one: usize,
    /// Rounds for fresh readings since the last one for everybody.
    fresh_done: u32,
    /// Patients in a round for everybody now.
    everybody_most: i64,
    next_beat: Option<Timestamp>,
    away: bool,
}

impl Worker {
    /// One round; how long to wait until the next.
    async fn work(&mut self) -> Duration {
        let now = self.clock.now();
        self.set_aside.retain(|(_, until)| now < *until);
        let except: Vec<PatientId> = self.set_aside.iter().map(|(patient, _)| *patient).collect();
        let turn = if self.fresh_done < self.settings.fresh_rounds { Turn::Fresh } else { Turn::Everybody };
        let most = if self.one_by_one > 0 { 1 } else { self.most(turn) };
        let began = Instant::now();
        match judge_turn(&self.database, &self.clock, most, &except, turn).await {
            Ok(round) => {
                self.one_by_one = self.one_by_one.saturating_sub(1);
                if turn == Turn::Everybody && most > 1 && round.patients > 0 {
                    let max = self.settings.patients_max;
                    self.everybody_most = next_most(most, round.patients, began.elapsed(), max);
                }
                self.fresh_done = match turn {
                    Turn::Everybody => 0,
                    Turn::Fresh if round.patients == 0 => self.settings.fresh_rounds,
                    Turn::Fresh => self.fresh_done.saturating_add(1),
                };
                match self.beat(now).await {
                    Err(error) => self.failed(Failure { patients: Vec::new(), error }, now),
                    Ok(()) if round.patients == 0 && turn == Turn::Everybody => self.settings.poll,
                    Ok(()) => Duration::ZERO,
                }
            }
            Err(failure) => self.failed(failure, now),
        }
    }

    /// A patient with fresh readings alone is soon judged, so a round of them is not cut.
    fn most(&self, turn: Turn) -> i64 {
        match turn {
            Turn::Everybody => self.everybody_most,
            Turn::Fresh => self.settings.patients_max,
        }
    }

    fn failed(&mut self, failure: Failure, now: Timestamp) -> Duration {
        if failure.error.is_temporary() {
            if !self.away {
                tracing::warn!(error = %chain(&failure), "not judged; trying again");
            }
            self.away = true;
            return PAUSE_AFTER_ERROR;
        }
        tracing::error!(error = %chain(&failure), patients = failure.patients.len(), "judging failed");
        match failure.patients.as_slice() {
            [] => return PAUSE_AFTER_ERROR,
            [one] => {
                tracing::error!(patient = %one, "passed over for a minute");
                self.set_aside.push((*one, now.saturating_add(SET_ASIDE).unwrap_or(now)));
            }
            several => self.one_by_one = several.len(),
        }
        Duration::ZERO
    }

    /// Shows that judging works: only after a round went through.
    async fn beat(&mut self, now: Timestamp) -> vigie_store::Result<()> {
        if self.away {
            tracing::info!("judging again");
            self.away = false;
        }
        if self.next_beat.is_some_and(|next| now < next) {
            return Ok(());
        }
        let mut tx = self.database.begin().await?;
        devices::beat(&mut tx, "alerts", &self.settings.instance, now).await?;
        events::expire(&mut tx, now.saturating_sub(EVENTS_KEPT).unwrap_or(now), EVENTS_FORGOTTEN_MAX).await?;
        tx.commit().await.map_err(vigie_store::Error::from)?;
        let every = SignedDuration::try_from(self.settings.beat).unwrap_or(SignedDuration::from_secs(5));
        self.next_beat = now.saturating_add(every).ok();
        Ok(())
    }
}

/// How many patients the next round takes, after one of `most` that found so many and took so long.
fn next_most(most: i64, found: usize, took: Duration, patients_max: i64) -> i64 {
    let was_full = i64::try_from(found).is_ok_and(|found| found >= most);
    if took > ROUND {
        (most / 2).max(PATIENTS_MIN).min(patients_max)
    } else if took < ROUND / 2 && was_full {
        most.saturating_mul(2).min(patients_max)
    } else {
        most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_round_is_followed_by_a_smaller_one_and_a_short_full_one_by_a_larger_one() {
        let ms = Duration::from_millis;
        assert_eq!(next_most(128, 128, ms(300), 128), 64);
        assert_eq!(next_most(8, 8, ms(300), 128), 8, "not below what a transaction is worth");
        assert_eq!(next_most(4, 4, ms(300), 4), 4, "never above the setting");
        assert_eq!(next_most(32, 32, ms(20), 128), 64);
        assert_eq!(next_most(32, 31, ms(20), 128), 32, "nobody else waited");
        assert_eq!(next_most(32, 32, ms(70), 128), 32);
        assert_eq!(next_most(128, 128, ms(20), 128), 128);
    }
}
