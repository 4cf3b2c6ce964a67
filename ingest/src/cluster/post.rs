//! The task between the outbox and a reader: fetches what waits for devices behind the cluster, deletes what the cluster
//! has taken.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use vigie_service::Clock;
use vigie_store::commands;
use vigie_store::{Database, intake};
use vigie_wire::DeviceId;

use super::outbound::Message;
use crate::commands::payload;
use crate::housekeeping::RECEIPTS_KEPT;

/// Devices remembered as being behind the cluster. Over it the oldest is forgotten until it is heard again.
const DEVICES_MAX: usize = 20_000;

/// How often the outbox is looked at for receipts, and for commands to devices heard since the last look.
const LOOK: Duration = Duration::from_secs(2);

/// Every so many looks, also for commands to the others: they may listen without saying anything.
const LOOKS_FOR_ALL: u32 = 30;

/// Rows fetched and deletions written at once.
const ROWS_MAX: usize = 256;

/// The cluster keeps a receipt for a device that is away as long as the outbox would.
pub(super) const RECEIPT_LIFE: Duration = RECEIPTS_KEPT.unsigned_abs();

/// A command is for the person who holds the device now, and for the time now. So the cluster must not keep it for
/// another day; a device that is connected gets it at once.
const COMMAND_LIFE: Duration = Duration::from_secs(60);

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
    clock: Clock,
    stop: CancellationToken,
) -> (Post, impl Future<Output = ()> + Send + 'static) {
    let (heard, heard_end) = mpsc::channel(1_024);
    let (taken, taken_end) = mpsc::channel(1_024);
    let (found_end, found) = mpsc::channel(ROWS_MAX);
    let office = Office { database, clock, devices: Devices::default(), looks: 0, found: found_end };
    (Post { heard, taken, found }, office.work(stop, heard_end, taken_end))
}

struct Office {
    database: Database,
    clock: Clock,
    devices: Devices,
    looks: u32,
    found: mpsc::Sender<Message>,
}

impl Office {
    async fn work(
        mut self,
        stop: CancellationToken,
        mut heard: mpsc::Receiver<String>,
        mut taken: mpsc::Receiver<i64>,
    ) {
        let mut ids = Vec::new();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let done = tokio::select! {
                () = stop.cancelled() => return,
                device = heard.recv() => match device {
                    Some(device) => {
                        self.devices.remember(device);
                        Ok(())
                    }
                    None => return,
                },
                count = taken.recv_many(&mut ids, ROWS_MAX) => {
                    if count == 0 {
                        return;
                    }
                    self.delivered(&std::mem::take(&mut ids)).await
                }
                _ = look.tick() => self.fetch().await,
            };
            if let Err(error) = done {
                tracing::info!(%error, "the outbox cannot be asked now; it is asked again");
            }
        }
    }

    async fn fetch(&mut self) -> vigie_store::Result<()> {
        let room = self.found.capacity();
        if self.devices.order.is_empty() || room == 0 {
            return Ok(());
        }
        self.looks = (self.looks + 1) % LOOKS_FOR_ALL;
        let all: Vec<String> = self.devices.order.iter().cloned().collect();
        let lately: Vec<String> = std::mem::take(&mut self.devices.lately).into_iter().collect();
        let to_command = if self.looks == 0 { &all } else { &lately };
        let now = self.clock.now();
        let most = i64::try_from(room).unwrap_or(1);
        let mut tx = self.database.begin().await?;
        let receipts = intake::receipts_waiting(&mut tx, &all, most).await?;
        let commands = commands::waiting_for_any(&mut tx, to_command, now, most).await?;
        tx.commit().await.map_err(vigie_store::Error::from)?;
        let commands = commands.iter().filter_map(|waiting| {
            let device = DeviceId::parse(&waiting.device).ok()?;
            Some(Message::command(waiting.outbox_id, &device, payload(waiting, now).into(), COMMAND_LIFE))
        });
        let receipts = receipts.into_iter().filter_map(|(device, row)| {
            let device = DeviceId::parse(&device).ok()?;
            Some(Message::receipt(row.id, &device, row.payload.into(), RECEIPT_LIFE))
        });
        for message in commands.chain(receipts) {
            if self.found.try_send(message).is_err() {
                break;
            }
        }
        Ok(())
    }

    async fn delivered(&self, ids: &[i64]) -> vigie_store::Result<()> {
        let mut tx = self.database.begin().await?;
        commands::delivered(&mut tx, ids, self.clock.now()).await?;
        tx.commit().await.map_err(vigie_store::Error::from)
    }
}

/// Devices heard, the oldest first, and those of them that were heard since the last look.
#[derive(Default)]
struct Devices {
    known: HashSet<String>,
    order: VecDeque<String>,
    lately: BTreeSet<String>,
}

impl Devices {
    fn remember(&mut self, device: String) {
        if self.lately.len() < DEVICES_MAX {
            self.lately.insert(device.clone());
        }
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
