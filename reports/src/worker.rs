//! The loop around the maker: schedules what is due, makes it, shows that it lives.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;
use vigie_service::chain;
use vigie_store::devices;

use crate::maker::Maker;
use crate::schedule::Schedule;

/// Settings of a worker.
#[derive(Debug, Clone)]
pub struct Settings {
    /// When reports are due.
    pub schedule: Schedule,
    /// How often the list is looked at when there was nothing to do (1 s).
    pub poll: Duration,
    /// Name of this process among several.
    pub instance: String,
    /// One worker of a process looks what is due; the others only make.
    pub schedules: bool,
}

/// How often it is looked what has become due.
const SCHEDULE_EVERY: SignedDuration = SignedDuration::from_secs(60);
/// How often life is shown in `service_beat`.
const BEAT_EVERY: SignedDuration = SignedDuration::from_secs(5);
/// How long a database that refuses is left alone.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(500);

/// Makes reports until `stop`. What is under way when it is told to stop is finished first.
pub async fn run(maker: Maker, settings: Settings, stop: CancellationToken) {
    let mut worker = Worker { maker, settings, next_schedule: None, next_beat: None, away: false, told: 0 };
    loop {
        let wait = match worker.work().await {
            Ok(true) => Duration::ZERO,
            Ok(false) => worker.settings.poll,
            Err(error) => worker.failed(&error),
        };
        if wait.is_zero() && !stop.is_cancelled() {
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

struct Worker {
    maker: Maker,
    settings: Settings,
    next_schedule: Option<Timestamp>,
    next_beat: Option<Timestamp>,
    away: bool,
    /// Reports made since progress was last told.
    told: usize,
}

impl Worker {
    /// True when something was made and there may be more.
    async fn work(&mut self) -> vigie_store::Result<bool> {
        let now = self.maker.clock.now();
        if self.settings.schedules && is_due(self.next_schedule, now) {
            let new = self.settings.schedule.fill(&self.maker.database, now).await?;
            if new > 0 {
                tracing::info!(reports = new, "reports are due");
            }
            self.next_schedule = now.checked_add(SCHEDULE_EVERY).ok();
        }
        let round = self.maker.make_once().await?;
        if self.away {
            tracing::info!("making reports again");
            self.away = false;
        }
        self.told += round.made;
        self.beat(now, round.made > 0).await?;
        Ok(round.made + round.failed > 0)
    }

    async fn beat(&mut self, now: Timestamp, busy: bool) -> vigie_store::Result<()> {
        if !is_due(self.next_beat, now) {
            return Ok(());
        }
        let mut tx = self.maker.database.begin().await?;
        devices::beat(&mut tx, "reports", &self.settings.instance, now).await?;
        tx.commit().await.map_err(vigie_store::Error::from)?;
        self.next_beat = now.checked_add(BEAT_EVERY).ok();
        if self.told > 0 {
            tracing::info!(reports = self.told, busy, "made");
            self.told = 0;
        }
        Ok(())
    }

    fn failed(&mut self, error: &vigie_store::Error) -> Duration {
        if error.is_temporary() {
            if !self.away {
                tracing::warn!(error = %chain(error), "no reports are made; trying again");
            }
            self.away = true;
        } else {
            tracing::error!(error = %chain(error), "making reports failed");
        }
        PAUSE_AFTER_ERROR
    }
}

fn is_due(next: Option<Timestamp>, now: Timestamp) -> bool {
    next.is_none_or(|next| next <= now)
}
