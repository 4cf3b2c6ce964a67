//! One connection that follows the events which its member of staff may see.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::Event as SseEvent;
use futures_util::Stream;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use vigie_store::staff;
use vigie_store::stream::{self, Batch, Event};

use crate::access::guard::Caller;
use crate::access::session::IDLE;
use crate::app::{App, commit};
use crate::live::Pulse;
use crate::problem::Problem;

/// Proof that data flow, often enough for a page to notice within 12 s that they do not.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Events read at a time.
const BATCH: i64 = 200;
/// Events that may wait for a slow browser; after that the database is not read for it.
const WAITING_MAX: usize = 64;
/// A browser that takes nothing for this long is gone.
const STUCK: Duration = Duration::from_secs(30);
/// A position read longer ago than this proves nothing.
const FRESH: SignedDuration = SignedDuration::from_secs(8);

/// Why a stream ends.
enum End {
    /// The browser is gone, or stuck.
    Gone,
    /// The session ended or the account was disabled.
    SessionEnded,
    /// This process stops.
    Stopping,
}

/// Follows from `after`, or from now on. The stream holds `permit` as long as it lives.
pub(crate) fn follow(
    app: App,
    caller: Caller,
    after: Option<i64>,
    permit: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<SseEvent, Infallible>> + Send + use<> {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    tokio::spawn(async move {
        let follower = Follower { app, caller, sender, position: 0 };
        follower.run(after).await;
        drop(permit);
    });
    futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|event| (Ok(event), receiver))
    })
}

struct Follower {
    app: App,
    caller: Caller,
    sender: mpsc::Sender<SseEvent>,
    /// Everything visible up to this number was sent.
    position: i64,
}

impl Follower {
    async fn run(mut self, after: Option<i64>) {
        let end = match self.follow(after).await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        let farewell = match end {
            End::Gone => return,
            End::SessionEnded => "session_ended",
            End::Stopping => "stopping",
        };
        // Best effort: whoever does not hear it notices that the stream is over.
        if self.send(SseEvent::default().event(farewell).data("{}")).await.is_err() {
            tracing::debug!("a follower was gone before the stream was closed");
        }
    }

    async fn follow(&mut self, after: Option<i64>) -> Result<Infallible, End> {
        // Subscribed before the first look: nothing that happens in between is missed.
        let mut pulse = self.app.pulse().subscribe();
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut begun = match after {
            Some(number) => {
                self.position = number;
                true
            }
            None => false,
        };
        loop {
            if begun {
                self.catch_up().await?;
            } else if let Ok(position) = self.position_now().await {
                self.position = position;
                begun = true;
            }
            let closing = self.app.closing().clone();
            tokio::select! {
                () = closing.cancelled() => return Err(End::Stopping),
                () = self.sender.closed() => return Err(End::Gone),
                changed = pulse.changed() => if changed.is_err() { return Err(End::Stopping) },
                _ = heartbeat.tick() => {
                    let pulse = *pulse.borrow();
                    self.heartbeat(pulse, begun).await?;
                }
            }
        }
    }

    async fn position_now(&self) -> Result<i64, Problem> {
        let mut tx = self.app.begin().await?;
        let position = stream::position(&mut tx).await?;
        commit(tx).await?;
        Ok(position)
    }

    /// Sends what lies between the position and now. A database that does not answer is tried again at the
    /// next wake-up; meanwhile no heartbeat claims that data flow.
    async fn catch_up(&mut self) -> Result<(), End> {
        loop {
            let batch = match self.read().await {
                Ok(batch) => batch,
                Err(problem) => {
                    tracing::debug!(code = problem.code, "a follower could not read the events");
                    return Ok(());
                }
            };
            let (events, complete_to) = match batch {
                Batch::Events(events, complete_to) => (events, complete_to),
                Batch::Reset(position) => {
                    self.position = position;
                    let reset = json!({ "position": position }).to_string();
                    let event = SseEvent::default().event("reset").id(position.to_string()).data(reset);
                    return self.send(event).await;
                }
            };
            let full = i64::try_from(events.len()).is_ok_and(|n| n >= BATCH);
            for event in &events {
                self.send(as_sse(event)).await?;
            }
            self.position = complete_to;
            if !full {
                return Ok(());
            }
        }
    }

    async fn read(&self) -> Result<Batch, Problem> {
        let mut tx = self.app.begin_as(self.caller.account.id).await?;
        let batch = stream::after(&mut tx, self.position, BATCH).await?;
        commit(tx).await?;
        Ok(batch)
    }

    async fn heartbeat(&mut self, pulse: Pulse, begun: bool) -> Result<(), End> {
        let now = self.app.clock().now();
        if !self.session_is_in_force(now).await? {
            return Err(End::SessionEnded);
        }
        let Some(read_at) = pulse.read_at.filter(|at| begun && now.duration_since(*at) < FRESH) else {
            return Ok(());
        };
        let data = json!({
            "now": now,
            "as_of": read_at,
            "position": self.position,
            "last_judged_at": pulse.progress.last_judged_at,
            "last_gateway_beat": pulse.progress.last_gateway_beat,
            "last_alerts_beat": pulse.progress.last_alerts_beat,
            "judging_queue_age": pulse.progress.queue_age_seconds,
        });
        // With the id, a quiet connection that comes back after hours is not behind what is still kept.
        let event =
            SseEvent::default().event("heartbeat").id(self.position.to_string()).data(data.to_string());
        self.send(event).await
    }

    async fn session_is_in_force(&self, now: Timestamp) -> Result<bool, End> {
        let look = async {
            let mut tx = self.app.begin().await?;
            let session = staff::session(&mut tx, &self.caller.token_hash, now, IDLE, false).await?;
            commit(tx).await?;
            Ok::<bool, Problem>(session.is_some_and(|s| s.account.role == self.caller.account.role))
        };
        match look.await {
            Ok(in_force) => Ok(in_force),
            // Not known: nothing is sent in this state anyway, because reading fails as well.
            Err(problem) => {
                tracing::debug!(code = problem.code, "a follower's session could not be checked");
                Ok(true)
            }
        }
    }

    async fn send(&self, event: SseEvent) -> Result<(), End> {
        match tokio::time::timeout(STUCK, self.sender.send(event)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Gone),
        }
    }
}

fn as_sse(event: &Event) -> SseEvent {
    let data = json!({
        "id": event.id,
        "kind": event.kind,
        "at": event.at,
        "patient_id": event.patient,
        "alert_id": event.alert,
        "detail": event.detail,
    });
    SseEvent::default().event(event.kind.clone()).id(event.id.to_string()).data(data.to_string())
}
