//! The only file that names rumqttd: the router, and the threads at its links.
//!
//! What may not be done to it, as read in version 0.20: a link that is not there (an event after its
//! disconnect) ends its thread for everyone; so does a topic that begins with a character outside ASCII. It never
//! forgets a client's name, a filter or a topic, and it logs for ever that a reader was slow.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use flume::RecvTimeoutError;
use futures_util::FutureExt;
use rumqttd::local::{LinkBuilder, LinkError, LinkRx, LinkTx};
use rumqttd::protocol::{Disconnect, DisconnectReasonCode, Packet};
use rumqttd::{Notification, Router, RouterConfig};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::keeper::Generation;
use super::{FanoutSettings, News, Reader, Shared, add};

/// How soon a link's thread sees that its reader has gone.
const GLANCE: Duration = Duration::from_millis(200);

/// Memory of the router for each territory that is read: segments of so many bytes. It only bridges the moment
/// until a link's thread has read.
const SEGMENT_BYTES: usize = 256 * 1024;
const SEGMENTS: usize = 8;

/// Messages that the router hands over at once.
const HANDED_OVER_AT_ONCE: u64 = 100;

/// Links beside those of readers: publisher, probe, and one for a fire drill.
const OWN_LINKS: usize = 3;

const PROBE_TOPIC: &str = "probe";

/// The router, or this link to it, is gone. rumqttd's own error carries the whole event that was not sent.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Gone(String);

impl From<LinkError> for Gone {
    fn from(error: LinkError) -> Self {
        Self(error.to_string())
    }
}

type Linked = Result<(LinkTx, LinkRx), Gone>;

/// One router. Its channel's type has no public name, so it is kept in a closure.
pub(super) struct Core {
    link: Box<dyn Fn(&str) -> Linked + Send + Sync>,
}

impl Core {
    /// Starts a router in a thread of its own. Panics if there can be no thread.
    pub(super) fn start(settings: &FanoutSettings) -> Self {
        let config = RouterConfig {
            max_connections: settings.subscribers_max + OWN_LINKS,
            max_outgoing_packet_count: HANDED_OVER_AT_ONCE,
            max_segment_size: SEGMENT_BYTES,
            max_segment_count: SEGMENTS,
            ..RouterConfig::default()
        };
        let events = Router::new(0, config).spawn();
        let link = move |name: &str| -> Linked {
            let (sender, receiver, _) = LinkBuilder::new(name, events.clone()).build()?;
            Ok((sender, receiver))
        };
        Self { link: Box::new(link) }
    }

    /// Blocks until the router has answered.
    fn link(&self, name: &str) -> Linked {
        (self.link)(name)
    }
}

/// The last thing that is done on a link.
fn disconnect(mut link: LinkTx) {
    let goodbye = Disconnect { reason_code: DisconnectReasonCode::NormalDisconnection };
    // It is called asynchronous and is not: it blocks, or it is done.
    if !matches!(link.send(Packet::Disconnect(goodbye, None)).now_or_never(), Some(Ok(_))) {
        tracing::debug!("a link of the fan-out ended with its router");
    }
}

/// Runs a link's work in a thread of its own. When it fails, the router is no longer good.
fn start(
    name: String,
    generation: &Generation,
    work: impl FnOnce(&Core, &CancellationToken) -> Result<(), Gone> + Send + 'static,
) {
    let core = Arc::clone(&generation.core);
    let over = generation.over.clone();
    let failed = over.clone();
    let running = thread::Builder::new().name(format!("fanout-{name}")).spawn(move || {
        // Also when the work panics.
        let guard = over.clone().drop_guard();
        match work(&core, &over) {
            Ok(()) => drop(guard.disarm()),
            Err(error) => tracing::debug!(link = name, "a link of the fan-out failed: {error}"),
        }
    });
    if let Err(error) = running {
        tracing::warn!(%error, "no thread for the fan-out");
        failed.cancel();
    }
}

/// Starts the thread that hands news to the router, until the channel's other end is dropped.
pub(super) fn start_publisher(shared: &Arc<Shared>, generation: &Generation, mut news: mpsc::Receiver<News>) {
    let shared = Arc::clone(shared);
    start("publisher".into(), generation, move |core, _| {
        let linked = core.link("publisher");
        let result = linked.and_then(|(mut link, _keep)| {
            while let Some(next) = news.blocking_recv() {
                shared.waiting_bytes.fetch_sub(next.payload.len(), Ordering::Relaxed);
                link.publish(next.territory.inner_topic(&next.topic), next.payload)?;
                add(&shared.tally.published);
            }
            disconnect(link);
            Ok(())
        });
        news.close();
        while let Ok(left) = news.try_recv() {
            shared.waiting_bytes.fetch_sub(left.payload.len(), Ordering::Relaxed);
            add(&shared.tally.dropped);
        }
        result
    });
}

/// Starts the thread that asks the router again and again whether it lives.
pub(super) fn start_probe(generation: &Generation, interval: Duration) {
    let answers = Arc::clone(&generation.answers);
    start("probe".into(), generation, move |core, over| {
        let (mut link, mut answered) = core.link("probe")?;
        link.subscribe(PROBE_TOPIC)?;
        let mut asked = 0u64;
        while !over.is_cancelled() {
            asked += 1;
            link.publish(PROBE_TOPIC, asked.to_be_bytes().to_vec())?;
            let next = Instant::now() + interval;
            while let Some(notification) = receive(&mut answered, next)? {
                if let Notification::Forward(forward) = notification
                    && *forward.publish.payload == asked.to_be_bytes()
                {
                    answers.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        disconnect(link);
        Ok(())
    });
}

/// Starts the thread that reads for one reader, until the reader has gone.
pub(super) fn start_reader(shared: &Arc<Shared>, generation: &Generation, slot: usize, reader: Reader) {
    let shared = Arc::clone(shared);
    start(format!("reader-{slot}"), generation, move |core, over| {
        // A slot has one reader, and is free only when that reader's link is disconnected: nobody is taken over.
        let (mut link, mut incoming) = core.link(&format!("reader-{slot}"))?;
        link.subscribe(reader.territory.filter())?;
        while !reader.news.is_closed() && !over.is_cancelled() {
            match receive(&mut incoming, Instant::now() + GLANCE)? {
                Some(Notification::Forward(forward)) => {
                    hand_over(&shared, &reader, &forward.publish.topic, forward.publish.payload);
                }
                Some(Notification::Unschedule) => incoming.ready()?,
                Some(_) | None => {}
            }
        }
        disconnect(link);
        // After the end of a router, its keeper frees the slots.
        if reader.news.is_closed() && !over.is_cancelled() {
            shared.free(slot, reader.number);
        }
        Ok(())
    });
}

fn hand_over(shared: &Shared, reader: &Reader, inner: &[u8], payload: bytes::Bytes) {
    let Some(topic) = reader.territory.outer_topic(inner) else {
        add(&shared.tally.strayed);
        tracing::error!(territory = %reader.territory, "news of another territory reached a link; kept back");
        return;
    };
    match reader.news.try_send(News { territory: reader.territory.clone(), topic, payload }) {
        Ok(()) => add(&shared.tally.delivered),
        Err(mpsc::error::TrySendError::Full(_)) => {
            add(&shared.tally.missed);
            add(&reader.missed);
        }
        Err(mpsc::error::TrySendError::Closed(_)) => {}
    }
}

/// The next notification, or nothing by the deadline.
fn receive(link: &mut LinkRx, deadline: Instant) -> Result<Option<Notification>, Gone> {
    loop {
        match link.recv_deadline(deadline) {
            // Woken for what an earlier call has taken already.
            Ok(None) => {}
            Ok(Some(notification)) => return Ok(Some(notification)),
            Err(LinkError::RecvTimeout(RecvTimeoutError::Timeout)) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Does the one thing that a link must never do: it speaks after its disconnect.
pub(super) fn start_crash(generation: &Generation) {
    start("crash".into(), generation, |core, _| {
        let (link, incoming) = core.link("crash")?;
        disconnect(link);
        Ok(incoming.ready()?)
    });
}
