//! Builds router and links, watches them, and builds them anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::links::{Core, start_probe, start_publisher, start_reader};
use super::{News, Shared, add};

/// A router that lived so long was good: the pause before the next one is short again.
const GOOD_LIFE: Duration = Duration::from_secs(60);

/// One router with its links.
pub(super) struct Generation {
    pub(super) core: Arc<Core>,
    pub(super) news: mpsc::Sender<News>,
    /// Set when it is no longer good, by whoever sees it first.
    pub(super) over: CancellationToken,
    /// How many probes came back.
    pub(super) answers: Arc<AtomicU64>,
}

/// What keeps the fan-out alive.
pub struct Keeper {
    shared: Arc<Shared>,
}

impl Keeper {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Runs until `stop`. Nothing is told and nobody reads before it runs.
    pub async fn run(self, stop: CancellationToken) {
        let settings = &self.shared.settings;
        let mut pause = settings.rebuild_pause;
        while !stop.is_cancelled() {
            let born = Instant::now();
            match self.build().await {
                Some((over, answers)) => {
                    tokio::select! {
                        () = over.cancelled() => tracing::warn!("the fan-out's router died; it is built anew"),
                        () = self.silence(&answers) => {
                            tracing::warn!("the fan-out's router does not answer; it is built anew");
                        }
                        () = stop.cancelled() => {}
                    }
                    self.take_down();
                }
                None => tracing::warn!("the fan-out's router cannot be started now"),
            }
            if born.elapsed() >= GOOD_LIFE {
                pause = settings.rebuild_pause;
            }
            if timeout(pause, stop.cancelled()).await.is_err() {
                add(&self.shared.tally.rebuilt);
            }
            pause = (pause * 2).min(settings.rebuild_pause_max);
        }
        let mut state = self.shared.lock();
        state.ended = true;
        // Their channels close, and those who read see the end.
        state.readers.clear();
    }

    async fn build(&self) -> Option<(CancellationToken, Arc<AtomicU64>)> {
        let settings = self.shared.settings.clone();
        let core = tokio::task::spawn_blocking(move || Core::start(&settings)).await.ok()?;
        let (news, receiver) = mpsc::channel(self.shared.settings.queue);
        let generation = Generation {
            core: Arc::new(core),
            news,
            over: CancellationToken::new(),
            answers: Arc::new(AtomicU64::new(0)),
        };
        start_publisher(&self.shared, &generation, receiver);
        start_probe(&generation, self.shared.settings.probe_interval);
        let mut state = self.shared.lock();
        for (slot, place) in state.readers.iter_mut().enumerate() {
            match place {
                Some(reader) if reader.news.is_closed() => *place = None,
                Some(reader) => start_reader(&self.shared, &generation, slot, reader.clone()),
                None => {}
            }
        }
        let watched = (generation.over.clone(), Arc::clone(&generation.answers));
        state.generation = Some(generation);
        Some(watched)
    }

    /// Resolves when no probe has come back for too long.
    async fn silence(&self, answers: &AtomicU64) {
        let mut seen = 0;
        loop {
            sleep(self.shared.settings.probe_timeout).await;
            let now = answers.load(Ordering::Relaxed);
            if now == seen {
                return;
            }
            seen = now;
        }
    }

    /// The threads of its links see it and end; those that hang in it are left behind with it.
    fn take_down(&self) {
        if let Some(generation) = self.shared.lock().generation.take() {
            generation.over.cancel();
        }
    }
}
