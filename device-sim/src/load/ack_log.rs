//! The list of acknowledged readings, for an independent checker.
//!
//! One line per reading: device, epoch, sequence, when it was first handed to the socket (microseconds since 1970 by the
//! load's clock), and how long its PUBACK took from then (microseconds).

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use vigie_wire::DeviceId;

use crate::Error;

/// One publish that a PUBACK named.
pub(super) struct Acked {
    pub(super) device: DeviceId,
    pub(super) epoch: u64,
    pub(super) first: i64,
    pub(super) count: usize,
    /// When it was first handed to the socket.
    pub(super) published: Timestamp,
    /// From then to its PUBACK.
    pub(super) took: Duration,
}

pub(super) type Sender = mpsc::Sender<Acked>;

/// Creates the file and the task that writes it. The task ends when every sender is gone; the file is then on disk.
pub(super) async fn open(path: PathBuf) -> Result<(Sender, JoinHandle<Result<(), Error>>), Error> {
    let file = File::create(&path).await.map_err(|source| Error::State { path: path.clone(), source })?;
    // Connections wait when the disk is slower than the server: nothing piles up.
    let (sender, receiver) = mpsc::channel(4_096);
    let task =
        tokio::spawn(
            async move { write(file, receiver).await.map_err(|source| Error::State { path, source }) },
        );
    Ok((sender, task))
}

async fn write(mut file: File, mut receiver: mpsc::Receiver<Acked>) -> std::io::Result<()> {
    let mut batch = Vec::with_capacity(512);
    let mut text = String::new();
    // Whatever has come is written at once: a reader of the file is never more than one write behind.
    while receiver.recv_many(&mut batch, 512).await > 0 {
        text.clear();
        for acked in batch.drain(..) {
            let (published, took) = (acked.published.as_microsecond(), acked.took.as_micros());
            for sequence in (acked.first..).take(acked.count) {
                text.push_str(&format!("{} {} {sequence} {published} {took}\n", acked.device, acked.epoch));
            }
        }
        file.write_all(text.as_bytes()).await?;
        file.flush().await?;
    }
    file.sync_all().await
}
