//! Group commit: one transaction for whatever is waiting, tried until it is stored.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Notify, mpsc};
use tokio_util::sync::CancellationToken;
use vigie_service::chain;
use vigie_store::{Database, Error};

use crate::Config;
use crate::commit::{self, Answers};
use crate::decode::Rejection;
use crate::queue::{Content, Pending, Verdict};

/// First and longest pause between two tries; short, because devices wait: a database that is back is
/// used within half a second.
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_LONGEST: Duration = Duration::from_millis(500);

pub(crate) struct Writer {
    pub(crate) database: Database,
    pub(crate) receiver: Arc<Mutex<mpsc::Receiver<Pending>>>,
    pub(crate) config: Arc<Config>,
    pub(crate) committed: Arc<Notify>,
    pub(crate) stop: CancellationToken,
}

impl Writer {
    pub(crate) async fn run(self) {
        loop {
            let mut group = Vec::new();
            {
                let mut receiver = self.receiver.lock().await;
                tokio::select! {
                    biased;
                    taken = receiver.recv_many(&mut group, self.config.group_publishes_max) => {
                        if taken == 0 {
                            return;
                        }
                    }
                    () = self.stop.cancelled() => return,
                }
            }
            self.store(group).await;
        }
    }

    async fn store(&self, mut group: Vec<Pending>) {
        match self.try_until_stored(&group).await {
            Ok(Some(answers)) => self.answer(group, answers),
            // Stopping: dropped without an answer, so without an acknowledgement.
            Ok(None) => {}
            Err(error) if group.len() > 1 => {
                tracing::error!(
                    error = chain(&error),
                    publishes = group.len(),
                    "a group cannot be stored; trying one by one"
                );
                for pending in group {
                    // Boxed: one level of recursion, since a group of one does not come here again.
                    Box::pin(self.store(vec![pending])).await;
                }
            }
            Err(error) => {
                let Some(pending) = group.first_mut() else { return };
                if matches!(
                    pending.content,
                    Content::Refused { rejection: Rejection { code: "internal_error", .. }, .. }
                ) {
                    tracing::error!(
                        error = chain(&error),
                        "a message cannot even be quarantined; not acknowledged"
                    );
                    return;
                }
                tracing::error!(error = chain(&error), device = %pending.publish.device, "a message cannot be stored; quarantined");
                pending.content = Content::Refused {
                    verdict: Verdict::Invalid,
                    encoding: vigie_wire::Encoding::Json,
                    rejection: Rejection::new(
                        None,
                        "internal_error",
                        "kept aside for Vigie's operators to look at",
                    ),
                };
                Box::pin(self.store(group)).await;
            }
        }
    }

    /// `Ok(None)` when stopping; `Err` only for what trying again cannot mend.
    async fn try_until_stored(&self, group: &[Pending]) -> Result<Option<Answers>, Error> {
        let mut pause = RETRY_FIRST;
        let mut told = false;
        loop {
            match commit::commit(&self.database, group).await {
                Ok(answers) => {
                    if told {
                        tracing::info!(publishes = group.len(), "the database is back; stored");
                    }
                    return Ok(Some(answers));
                }
                Err(error) if error.is_temporary() => {
                    if !told {
                        tracing::warn!(
                            error = chain(&error),
                            publishes = group.len(),
                            "not stored, not acknowledged; trying again"
                        );
                        told = true;
                    }
                    tokio::select! {
                        () = tokio::time::sleep(pause) => pause = (pause * 2).min(RETRY_LONGEST),
                        () = self.stop.cancelled() => return Ok(None),
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn answer(&self, group: Vec<Pending>, answers: Answers) {
        if answers.queued_judgements {
            self.committed.notify_one();
        }
        for (pending, outcome) in group.into_iter().zip(answers.outcomes) {
            // The connection may be gone by now; what is stored stays stored.
            drop(pending.answer.send(outcome));
        }
    }
}
