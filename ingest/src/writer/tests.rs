//! Which publishes one transaction takes, and in what order.

use jiff::Timestamp;
use tokio::sync::{Semaphore, oneshot};
use vigie_vitals::Context;
use vigie_wire::{Channel, DeviceId, Encoding};

use super::*;
use crate::decode::{Decoded, DecodedReading};
use crate::queue::Publish;

/// A publish with so many readings.
fn pending(readings: i64) -> Pending {
    let at = Timestamp::UNIX_EPOCH;
    let reading = |sequence| DecodedReading {
        sequence,
        device_measured_at: at,
        measured_at: at,
        values: Vec::new(),
        context: Context::default(),
        flags: Vec::new(),
    };
    let readings = (1..=readings).map(reading).map(Ok).collect();
    let encoding = Encoding::Json;
    Pending {
        publish: Publish {
            device: DeviceId::parse("dev-1").unwrap(),
            channel: Some(Channel::Readings(encoding)),
            topic: String::new(),
            payload: bytes::Bytes::new(),
            wants_receipts: true,
            will: false,
        },
        received_at: at,
        queued: Instant::now(),
        content: Content::Batch(
            encoding,
            Decoded { batch_id: String::new(), epoch: 1, clock_lead: None, readings },
        ),
        answer: oneshot::channel().0,
        _room: Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap(),
    }
}

/// Groups as rows per publish, when so many publishes of so many rows wait in the lanes.
async fn groups(prompt: (usize, i64), bulk: (usize, i64)) -> Vec<Vec<usize>> {
    let config = Config { group_rows_max: 100, ..Config::default() };
    let (prompt_sender, prompt_lane) = mpsc::channel(1_000);
    let (bulk_sender, bulk_lane) = mpsc::channel(1_000);
    for (sender, (count, rows)) in [(prompt_sender, prompt), (bulk_sender, bulk)] {
        for _ in 0..count {
            sender.try_send(pending(rows)).unwrap();
        }
    }
    let mut lanes = Lanes { prompt: prompt_lane, bulk: bulk_lane };
    let mut groups = Vec::new();
    while let Some(group) = lanes.next_group(&config).await {
        groups.push(group.iter().map(Pending::rows).collect());
    }
    groups
}

#[tokio::test]
async fn what_has_just_been_measured_does_not_wait_behind_a_backlog() {
    let groups = groups((3, 1), (50, 20)).await;
    assert_eq!(groups[0], [1, 1, 1, 20, 20, 20, 20, 20]);
    assert!(groups[1..].iter().flatten().all(|rows| *rows == 20));
}

#[tokio::test]
async fn a_backlog_gets_on_though_there_is_more_new_than_can_be_stored() {
    for group in &groups((400, 1), (20, 5)).await[..4] {
        assert_eq!(group.iter().filter(|rows| **rows == 1).count(), 75);
        assert_eq!(group.iter().filter(|rows| **rows == 5).count(), 5);
    }
}

#[tokio::test]
async fn a_group_is_bounded_by_its_readings_and_none_is_cut() {
    assert_eq!(groups((0, 1), (3, 90)).await, [vec![90, 90], vec![90]]);
    assert_eq!(groups((250, 1), (0, 1)).await.iter().map(Vec::len).collect::<Vec<_>>(), [100, 100, 50]);
}
