//! The one task that polls the connection, takes messages in and acknowledges them.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, Filter, Packet, PubAckReason, Publish as Message, SubscribeReasonCode,
};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use vigie_service::Clock;
use vigie_store::Database;
use vigie_wire::{Channel, DeviceId, Topic};

use super::acks::{Acks, Ticket};
use super::outbound::{self, Outbound, Post};
use super::settings::{Settings, TlsError};
use super::signs::{self, Link};
use crate::{Ingest, Outcome, Publish};

/// What is shared among all processes of Vigie that read from the cluster.
const FILTERS: [&str; 5] = [
    "$share/vigie/vigie/v1/+/readings",
    "$share/vigie/vigie/v1/+/readings/json",
    "$share/vigie/vigie/v1/+/readings/senml-json",
    "$share/vigie/vigie/v1/+/readings/senml-cbor",
    "$share/vigie/vigie/v1/+/status",
];

/// Pause before the second attempt to connect; it doubles up to the longest, and the half of it is random, so
/// that the processes of a region do not come back all at once.
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_LONGEST: Duration = Duration::from_secs(30);

/// Stands for the device where a topic names none.
const NOBODY: &str = "-";

/// A source that can be run.
pub struct Source {
    settings: Settings,
    options: MqttOptions,
    ingest: Ingest,
    database: Database,
    clock: Clock,
    instance: String,
}

impl Source {
    /// Checks what TLS needs. `database` is for the outbox and for signs of life; `instance` names this process.
    pub fn new(
        settings: Settings,
        ingest: Ingest,
        database: Database,
        clock: Clock,
        instance: String,
    ) -> Result<Self, TlsError> {
        let options = settings.to_options()?;
        Ok(Self { settings, options, ingest, database, clock, instance })
    }
}

/// Reads from the cluster until `stop`. What is not acknowledged then comes again at the next start.
pub async fn run(source: Source, stop: CancellationToken) {
    let Source { settings, options, ingest, database, clock, instance } = source;
    let (post, posting) = outbound::start(database.clone(), stop.clone());
    let (link, signs) = watch::channel(Link::default());
    let showing = signs::show(database, clock, instance, signs, stop.clone());
    // Room for every acknowledgement, publish and subscription that can be on its way at once.
    let room =
        usize::from(settings.receive_maximum) + usize::from(settings.publishes_in_flight) + FILTERS.len();
    let (client, events) = AsyncClient::new(options, room);
    let reader = Reader {
        client,
        ingest,
        post,
        link,
        window: usize::from(settings.publishes_in_flight),
        settings,
        acks: Acks::new(),
        outbound: Outbound::default(),
        submitted: FuturesUnordered::new(),
    };
    tokio::join!(reader.run(events, stop), posting, showing);
}

/// A message that was handed to ingest, and what came of it (`None`: not known, Vigie stops).
type Submitted = (Ticket, DeviceId, Option<Outcome>);

struct Reader {
    client: AsyncClient,
    ingest: Ingest,
    post: Post,
    link: watch::Sender<Link>,
    settings: Settings,
    window: usize,
    acks: Acks<Arc<Message>>,
    outbound: Outbound,
    submitted: FuturesUnordered<BoxFuture<'static, Submitted>>,
}

/// The cluster does something that MQTT forbids or that cannot be served.
struct Cut(&'static str);

impl Reader {
    async fn run(mut self, mut events: EventLoop, stop: CancellationToken) {
        let mut pause = RETRY_FIRST;
        loop {
            let Some(event) = self.next_event(&mut events, &stop).await else { return };
            let broken = match event {
                Ok(Event::Incoming(packet)) => {
                    if matches!(packet, Packet::ConnAck(_)) {
                        pause = RETRY_FIRST;
                    }
                    self.incoming(packet).err().map(|Cut(reason)| reason.to_owned())
                }
                Ok(Event::Outgoing(Outgoing::Publish(packet_id))) => {
                    self.outbound.written(packet_id);
                    None
                }
                Ok(Event::Outgoing(_)) => None,
                Err(error) => Some(error.to_string()),
            };
            if let Some(reason) = broken {
                self.disconnected(&mut events, &reason, pause);
                tokio::select! {
                    () = tokio::time::sleep(jittered(pause)) => pause = (pause * 2).min(RETRY_LONGEST),
                    () = stop.cancelled() => return,
                }
            }
        }
    }

    /// Polls to the end of one poll, whatever happens meanwhile: a poll given up in the middle could lose a
    /// packet that rumqttc has taken out of its queue and not yet written.
    async fn next_event(
        &mut self,
        events: &mut EventLoop,
        stop: &CancellationToken,
    ) -> Option<Result<Event, rumqttc::v5::ConnectionError>> {
        let mut poll = pin!(events.poll());
        loop {
            self.send_due();
            tokio::select! {
                event = &mut poll => return Some(event),
                Some(done) = self.submitted.next(), if !self.submitted.is_empty() => self.settle(done),
                Some(message) = self.post.found.recv() => self.outbound.push(message),
                () = stop.cancelled() => return None,
            }
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "what only a client sends does not come")]
    fn incoming(&mut self, packet: Packet) -> Result<(), Cut> {
        match packet {
            Packet::ConnAck(answer) => self.connected(&answer),
            Packet::Publish(message) => self.take(message),
            Packet::PubAck(answer) => {
                let taken =
                    matches!(answer.reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers);
                if let Some(outbox_id) = self.outbound.answered(answer.pkid, taken)
                    && self.post.taken.try_send(outbox_id).is_err()
                {
                    tracing::debug!(outbox_id, "delivery not noted; the device will get it once more");
                }
                Ok(())
            }
            Packet::SubAck(answer) => {
                let granted = |code: &SubscribeReasonCode| matches!(code, SubscribeReasonCode::Success(_));
                let all = answer.return_codes.iter().all(granted);
                if !all {
                    tracing::error!(
                        codes = ?answer.return_codes,
                        "the cluster does not let Vigie subscribe; no reading comes from it"
                    );
                }
                self.link.send_modify(|link| link.reading = all);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn connected(&mut self, answer: &ConnAck) -> Result<(), Cut> {
        self.acks.connected();
        let cluster_takes = answer.properties.as_ref().and_then(|p| p.receive_max).unwrap_or(u16::MAX);
        // One less than what the cluster takes: at that number rumqttc would hold back our acknowledgements, too.
        self.window =
            usize::from(self.settings.publishes_in_flight.min(cluster_takes.saturating_sub(1)).max(1));
        tracing::info!(session_present = answer.session_present, "connected to the cluster");
        if !answer.session_present {
            self.link.send_modify(|link| link.sessions_begun += 1);
        }
        // Also into a session that was kept: a newer Vigie may read more topics than the one that began it.
        let filters = FILTERS.map(|filter| Filter::new(filter, QoS::AtLeastOnce));
        self.client.try_subscribe_many(filters).map_err(|_| Cut("no room for the subscription"))
    }

    fn disconnected(&mut self, events: &mut EventLoop, reason: &str, pause: Duration) {
        if self.acks.is_connected() {
            tracing::warn!(
                reason,
                unacknowledged = self.acks.waiting(),
                "the connection to the cluster broke"
            );
        } else {
            tracing::warn!(reason, ?pause, "the cluster cannot be reached; trying again");
        }
        self.acks.disconnected();
        self.outbound.disconnected();
        self.submitted.clear();
        self.link.send_modify(|link| link.reading = false);
        events.clean();
        // The outbox is our list of what is pending; rumqttc's own is dropped.
        events.pending.clear();
        events.state.collision = None;
    }

    fn take(&mut self, message: Message) -> Result<(), Cut> {
        if self.acks.is_connected() && self.acks.waiting() >= usize::from(self.settings.receive_maximum) {
            if message.qos == QoS::AtMostOnce {
                tracing::warn!("a message of QoS 0 is dropped: too many wait for the database");
                return Ok(());
            }
            return Err(Cut("the cluster sends more than the receive maximum allows"));
        }
        let publish = publish_of(&message);
        let Some(ticket) = self.acks.received(Arc::new(message)) else { return Ok(()) };
        if publish.channel.is_some() && self.post.heard.try_send(publish.device.to_string()).is_err() {
            tracing::debug!("a device's outbox is looked at when it is heard again");
        }
        let ingest = self.ingest.clone();
        self.submitted.push(Box::pin(async move {
            let device = publish.device.clone();
            (ticket, device, ingest.submit(publish).await)
        }));
        Ok(())
    }

    fn settle(&mut self, (ticket, device, outcome): Submitted) {
        // Not known whether it was stored: never acknowledged, so it comes again.
        let Some(outcome) = outcome else { return };
        self.acks.committed(ticket);
        if let Some(receipt) = outcome.receipt
            && let Some(outbox_id) = receipt.outbox_id
            && device.as_str() != NOBODY
        {
            let topic = Topic { device, channel: Channel::Receipts }.to_string();
            self.outbound.push(outbound::Message { outbox_id, topic, payload: receipt.payload });
        }
    }

    /// Hands to rumqttc what may leave now. What finds no room is tried again after the next event.
    fn send_due(&mut self) {
        if !self.acks.is_connected() {
            return;
        }
        while let Some(message) = self.acks.due() {
            if self.client.try_ack(message).is_err() {
                return;
            }
            self.acks.acknowledged();
        }
        while let Some(message) = self.outbound.next(self.window) {
            let payload = message.payload.clone();
            if self.client.try_publish(&message.topic, QoS::AtLeastOnce, false, payload).is_err() {
                return;
            }
            self.outbound.handed();
        }
    }
}

/// The device is the one in the topic: the cluster lets no other one publish there. A topic that is not of a
/// device's readings or status is nobody's to publish and goes to quarantine.
fn publish_of(message: &Message) -> Publish {
    let topic = String::from_utf8_lossy(&message.topic).into_owned();
    let parsed = Topic::parse(&topic).ok().filter(|topic| topic.channel.device_publishes());
    let named = || topic.split('/').nth(2).and_then(|level| DeviceId::parse(level).ok());
    let (device, channel) = match parsed {
        Some(topic) => (Some(topic.device), Some(topic.channel)),
        None => (named(), None),
    };
    let device = device.or_else(|| DeviceId::parse(NOBODY).ok());
    Publish {
        device: device.unwrap_or_else(|| unreachable!("a hyphen is a device id")),
        channel,
        topic,
        payload: message.payload.clone(),
        wants_receipts: false,
        will: false,
    }
}

/// Between a half and the whole of it.
fn jittered(pause: Duration) -> Duration {
    let part = getrandom::u32().map_or(0.5, |n| f64::from(n) / f64::from(u32::MAX));
    pause.mul_f64(0.5 + part / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(topic: &str) -> (String, bool) {
        let publish = publish_of(&Message::new(topic, QoS::AtLeastOnce, "x", None));
        (publish.device.to_string(), publish.channel.is_some())
    }

    #[test]
    fn the_device_is_the_one_in_the_topic_and_foreign_topics_are_nobodys_to_publish() {
        assert_eq!(taken("vigie/v1/gl-1/readings/json"), ("gl-1".into(), true));
        assert_eq!(taken("vigie/v1/gl-1/status"), ("gl-1".into(), true));
        assert_eq!(taken("vigie/v1/gl-1/receipts"), ("gl-1".into(), false));
        assert_eq!(taken("vigie/v1/é/readings"), ("-".into(), false));
        assert_eq!(taken("other"), ("-".into(), false));
    }

    #[test]
    fn pauses_are_jittered_within_their_half() {
        for _ in 0..100 {
            let pause = jittered(RETRY_LONGEST);
            assert!(pause >= RETRY_LONGEST / 2 && pause <= RETRY_LONGEST, "{pause:?}");
        }
    }
}
