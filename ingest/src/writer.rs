//! Group commit: one transaction for whatever is waiting, tried until it is stored.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use vigie_service::chain;
use vigie_store::{Database, Error};

use crate::Config;
use crate::commit::{self, Answers};
use crate::decode::Rejection;
use crate::queue::{Content, Pending, Verdict};
use crate::timings::{Step, Steps, Timings};

/// First and longest pause between two tries; short, because devices wait: a database that is back is
/// used within half a second.
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_LONGEST: Duration = Duration::from_millis(500);

/// Of a group, the share that a backlog gets while there is enough of both.
const BULK_SHARE: usize = 4;

/// What waits for one writer.
pub(crate) struct Lanes {
    /// What has just been measured.
    pub(crate) prompt: mpsc::Receiver<Pending>,
    /// Backlogs.
    pub(crate) bulk: mpsc::Receiver<Pending>,
}

impl Lanes {
    /// Whatever waits, up to the limits of a transaction; waits for the first. `None` when nothing can come any more.
    async fn next_group(&mut self, config: &Config) -> Option<Vec<Pending>> {
        let first = tokio::select! {
            biased;
            Some(first) = self.prompt.recv() => first,
            Some(first) = self.bulk.recv() => first,
            else => return None,
        };
        let mut group = Group { rows: first.rows(), publishes: vec![first] };
        let kept_for_bulk = config.group_rows_max / BULK_SHARE;
        group.fill(&mut self.prompt, config, config.group_rows_max - kept_for_bulk);
        group.fill(&mut self.bulk, config, config.group_rows_max);
        group.fill(&mut self.prompt, config, config.group_rows_max);
        Some(group.publishes)
    }
}

struct Group {
    publishes: Vec<Pending>,
    rows: usize,
}

impl Group {
    /// Takes from one lane until there are so many rows. The last publish may go beyond: it is not cut.
    fn fill(&mut self, lane: &mut mpsc::Receiver<Pending>, config: &Config, rows_max: usize) {
        while self.rows < rows_max && self.publishes.len() < config.group_publishes_max {
            let Ok(pending) = lane.try_recv() else { return };
            self.rows += pending.rows();
            self.publishes.push(pending);
        }
    }
}

pub(crate) struct Writer {
    pub(crate) database: Database,
    pub(crate) lanes: Lanes,
    pub(crate) config: Arc<Config>,
    pub(crate) committed: Arc<Notify>,
    pub(crate) stop: CancellationToken,
    pub(crate) timings: Arc<Timings>,
}

impl Writer {
    pub(crate) async fn run(mut self) {
        loop {
            let group = tokio::select! {
                biased;
                group = self.lanes.next_group(&self.config) => group,
                () = self.stop.cancelled() => None,
            };
            let Some(group) = group else { break };
            let taken = Instant::now();
            for pending in &group {
                self.timings.add(Step::Wait, taken.duration_since(pending.queued));
            }
            self.store(group).await;
        }
        self.timings.writer_ended();
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
            let mut steps = Steps::start();
            match commit::commit(&self.database, group, &mut steps).await {
                Ok(answers) => {
                    let rows = group.iter().map(Pending::rows).sum();
                    self.timings.committed(&steps, group.len(), rows);
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
        let began = Instant::now();
        if answers.queued_judgements {
            self.committed.notify_one();
        }
        for (pending, outcome) in group.into_iter().zip(answers.outcomes) {
            // The connection may be gone by now; what is stored stays stored.
            drop(pending.answer.send(outcome));
        }
        self.timings.add(Step::Answer, began.elapsed());
    }
}

#[cfg(test)]
mod tests;
