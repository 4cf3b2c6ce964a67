//! Looks at the one counter row a few times a second and wakes all followers. Polling is the truth; a
//! notification could be missed, this cannot.

use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use vigie_store::stream::{self, Progress};

use crate::app::App;

/// How often the counter is looked at: part of the way from the device to the screen (150 ms in all).
const EVERY: Duration = Duration::from_millis(50);
/// Proof of life is shown with whole seconds; looked at every this many polls.
const PROGRESS_EVERY: u32 = 20;
/// After an error: the database gets some air.
const AFTER_ERROR: Duration = Duration::from_millis(500);

/// What the poller saw last.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Pulse {
    /// Number of the last committed event.
    pub(crate) position: i64,
    /// Proof of life of the way from device to screen.
    pub(crate) progress: Progress,
    /// When that was read; absent before the first time.
    pub(crate) read_at: Option<Timestamp>,
}

/// Runs until `shutdown`.
pub(crate) async fn poll(app: App, shutdown: CancellationToken) {
    let mut round = 0u32;
    let mut failing = false;
    while !shutdown.is_cancelled() {
        let wait = match look(&app, round.is_multiple_of(PROGRESS_EVERY)).await {
            Ok(()) => {
                if std::mem::take(&mut failing) {
                    tracing::info!("the event stream follows the database again");
                }
                round = round.wrapping_add(1);
                EVERY
            }
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the event stream cannot follow the database"
                    );
                }
                AFTER_ERROR
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

async fn look(app: &App, with_progress: bool) -> vigie_store::Result<()> {
    let mut tx = app.database().begin().await?;
    let position = stream::position(&mut tx).await?;
    let progress = if with_progress { Some(stream::progress(&mut tx).await?) } else { None };
    tx.commit().await?;
    let now = app.clock().now();
    // Followers are woken by a new position only; the rest is there when their heartbeat is due.
    app.pulse().send_if_modified(|pulse| {
        let moved = pulse.position != position;
        pulse.position = position;
        pulse.read_at = Some(now);
        if let Some(progress) = progress {
            pulse.progress = progress;
        }
        moved
    });
    Ok(())
}
