//! Receipts and commands to devices behind the cluster: from the outbox, deleted once the cluster has them.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use vigie_store::{Database, intake};

/// Messages that wait in memory for their turn; over it they are fetched again later.
const WAITING_MAX: usize = 1_024;

/// Devices remembered as being behind the cluster. Over it the oldest is forgotten until it is heard again.
const DEVICES_MAX: usize = 20_000;

/// How often the outbox is looked at for them.
const LOOK: Duration = Duration::from_secs(5);

/// Rows fetched and deletions written at once.
const ROWS_MAX: usize = 256;

/// A row of the outbox, ready to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) outbox_id: i64,
    pub(super) topic: String,
    pub(super) payload: Bytes,
}

/// What is on its way to the cluster. No I/O: it pairs our rows with the packet ids that rumqttc tells.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    /// Handed to rumqttc, packet id not known yet, in that order.
    handed: VecDeque<i64>,
    /// On the wire, by packet id.
    sent: BTreeMap<u16, i64>,
    waiting: VecDeque<Message>,
    known: BTreeSet<i64>,
}

impl Outbound {
    /// Takes a message, unless it is on its way already or there is no room.
    pub(super) fn push(&mut self, message: Message) {
        if self.waiting.len() < WAITING_MAX && self.known.insert(message.outbox_id) {
            self.waiting.push_back(message);
        }
    }

    /// The next message to hand to rumqttc while fewer than `window` are on their way.
    pub(super) fn next(&self, window: usize) -> Option<&Message> {
        let room = self.handed.len() + self.sent.len() < window;
        self.waiting.front().filter(|_| room)
    }

    /// The message that was next has been handed over.
    pub(super) fn handed(&mut self) {
        if let Some(message) = self.waiting.pop_front() {
            self.handed.push_back(message.outbox_id);
        }
    }

    /// rumqttc wrote a publish: it writes them in the order in which they were handed over.
    pub(super) fn written(&mut self, packet_id: u16) {
        if let Some(outbox_id) = self.handed.pop_front() {
            self.sent.insert(packet_id, outbox_id);
        }
    }

    /// The cluster answered: the row that may be deleted now, if the answer is a good one.
    pub(super) fn answered(&mut self, packet_id: u16, taken: bool) -> Option<i64> {
        let outbox_id = self.sent.remove(&packet_id)?;
        self.known.remove(&outbox_id);
        taken.then_some(outbox_id)
    }

    /// The connection broke: nothing is known of what was on its way. The outbox still holds it.
    pub(super) fn disconnected(&mut self) {
        for outbox_id in self.handed.drain(..).chain(std::mem::take(&mut self.sent).into_values()) {
            self.known.remove(&outbox_id);
        }
    }
}

/// The two ends of the task that talks to the outbox.
pub(super) struct Post {
    /// Devices heard through the cluster.
    pub(super) heard: mpsc::Sender<String>,
    /// Rows that may be deleted.
    pub(super) taken: mpsc::Sender<i64>,
    /// What waits for devices heard.
    pub(super) found: mpsc::Receiver<Message>,
}

/// Fetches and deletes rows of the outbox until `stop`. A lost note costs a repetition, never a loss.
pub(super) fn start(
    database: Database,
    stop: CancellationToken,
) -> (Post, impl Future<Output = ()> + Send + 'static) {
    let (heard, heard_end) = mpsc::channel(1_024);
    let (taken, taken_end) = mpsc::channel(1_024);
    let (found_end, found) = mpsc::channel(ROWS_MAX);
    (Post { heard, taken, found }, work(database, stop, heard_end, taken_end, found_end))
}

async fn work(
    database: Database,
    stop: CancellationToken,
    mut heard: mpsc::Receiver<String>,
    mut taken: mpsc::Receiver<i64>,
    found: mpsc::Sender<Message>,
) {
    let mut devices = Devices::default();
    let mut ids = Vec::new();
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let done = tokio::select! {
            () = stop.cancelled() => return,
            device = heard.recv() => match device {
                Some(device) => {
                    devices.remember(device);
                    Ok(())
                }
                None => return,
            },
            count = taken.recv_many(&mut ids, ROWS_MAX) => {
                if count == 0 {
                    return;
                }
                delete(&database, &std::mem::take(&mut ids)).await
            }
            _ = look.tick() => fetch(&database, &devices, &found).await,
        };
        if let Err(error) = done {
            tracing::info!(%error, "the outbox cannot be asked now; it is asked again");
        }
    }
}

/// Devices heard, the oldest first.
#[derive(Default)]
struct Devices {
    known: HashSet<String>,
    order: VecDeque<String>,
}

impl Devices {
    fn remember(&mut self, device: String) {
        if !self.known.insert(device.clone()) {
            return;
        }
        self.order.push_back(device);
        if self.order.len() > DEVICES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

async fn fetch(
    database: &Database,
    devices: &Devices,
    found: &mpsc::Sender<Message>,
) -> vigie_store::Result<()> {
    let room = found.capacity();
    if devices.order.is_empty() || room == 0 {
        return Ok(());
    }
    let names: Vec<String> = devices.order.iter().cloned().collect();
    let mut tx = database.begin().await?;
    let most = i64::try_from(room).unwrap_or(1);
    let rows = intake::waiting_for_devices(&mut tx, &names, most).await?;
    tx.commit().await.map_err(vigie_store::Error::from)?;
    for (device, row) in rows {
        let topic = format!("vigie/v1/{device}/{}", row.channel);
        let message = Message { outbox_id: row.id, topic, payload: row.payload.into() };
        if found.try_send(message).is_err() {
            break;
        }
    }
    Ok(())
}

async fn delete(database: &Database, ids: &[i64]) -> vigie_store::Result<()> {
    let mut tx = database.begin().await?;
    intake::delivered(&mut tx, ids).await?;
    tx.commit().await.map_err(vigie_store::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(outbox_id: i64) -> Message {
        Message { outbox_id, topic: "vigie/v1/d/receipts".into(), payload: Bytes::new() }
    }

    #[test]
    fn a_row_is_deleted_only_when_its_own_publish_was_taken() {
        let mut outbound = Outbound::default();
        for id in [10, 11, 12] {
            outbound.push(message(id));
            outbound.push(message(id));
        }
        while outbound.next(2).is_some() {
            outbound.handed();
        }
        assert_eq!(outbound.next(2), None, "two are on their way");
        outbound.written(7);
        outbound.written(8);
        assert_eq!(outbound.answered(8, true), Some(11));
        assert_eq!(outbound.answered(8, true), None);
        assert_eq!(outbound.answered(7, false), None, "refused: it stays in the outbox");
        assert_eq!(outbound.next(2).map(|m| m.outbox_id), Some(12));
    }

    #[test]
    fn what_was_on_its_way_when_the_connection_broke_may_come_again() {
        let mut outbound = Outbound::default();
        outbound.push(message(10));
        outbound.handed();
        outbound.written(1);
        outbound.disconnected();
        assert_eq!(outbound.answered(1, true), None, "an answer that was read late belongs to nobody");
        outbound.push(message(10));
        assert_eq!(outbound.next(1).map(|m| m.outbox_id), Some(10));
    }
}
