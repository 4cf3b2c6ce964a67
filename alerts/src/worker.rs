//! The loop around a round: woken for speed, polling for truth.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use vigie_service::{Clock, chain};
use vigie_store::{Database, devices, events};
use vigie_vitals::PatientId;

use crate::round::{Failure, judge_once};

/// Settings of a worker.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Most patients in one transaction (64).
    pub patients_max: i64,
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
            patients_max: 64,
            poll: Duration::from_millis(100),
            beat: Duration::from_secs(5),
            instance: "1".into(),
        }
    }
}

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
        settings,
        set_aside: Vec::new(),
        one_by_one: 0,
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
    next_beat: Option<Timestamp>,
    away: bool,
}

impl Worker {
    /// One round; how long to wait until the next.
    async fn work(&mut self) -> Duration {
        let now = self.clock.now();
        self.set_aside.retain(|(_, until)| now < *until);
        let except: Vec<PatientId> = self.set_aside.iter().map(|(patient, _)| *patient).collect();
        let most = if self.one_by_one > 0 { 1 } else { self.settings.patients_max };
        match judge_once(&self.database, &self.clock, most, &except).await {
            Ok(round) => {
                self.one_by_one = self.one_by_one.saturating_sub(1);
                match self.beat(now).await {
                    Err(error) => self.failed(Failure { patients: Vec::new(), error }, now),
                    Ok(()) if round.patients == 0 => self.settings.poll,
                    Ok(()) => Duration::ZERO,
                }
            }
            Err(failure) => self.failed(failure, now),
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
