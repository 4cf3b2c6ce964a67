//! The one task that polls a connection, takes messages in and acknowledges them.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, DisconnectReasonCode, Filter, Packet, PubAckReason, Publish as Message, PublishProperties,
    SubscribeReasonCode,
};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, StateError};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vigie_wire::{DeviceId, Topic};

use super::acks::{Acks, Ticket};
use super::outbound::{self, Answer, Outbound};
use super::post::{Post, RECEIPT_LIFE};
use super::signs::Link;
use super::source::{Shared, Tenure};
use crate::{Outcome, Publish};

/// What Vigie reads.
pub(super) const FILTERS: [&str; 5] = [
    "vigie/v1/+/readings",
    "vigie/v1/+/readings/json",
    "vigie/v1/+/readings/senml-json",
    "vigie/v1/+/readings/senml-cbor",
    "vigie/v1/+/status",
];

/// Before a filter whose messages all processes of Vigie share.
const SHARE: &str = "$share/vigie/";

/// Pause before the second attempt to connect; it doubles up to the longest, and the half of it is random, so
/// that the processes of a region do not come back all at once.
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_LONGEST: Duration = Duration::from_secs(30);

/// A connection that lasted less than this does not make the pauses short again: where two processes have the same
/// client id, they throw each other out as soon as they are in.
const LASTING: Duration = Duration::from_secs(5);

/// At the end, how long it is waited for what was taken to be stored. What is not is not acknowledged.
const LEAVE: Duration = Duration::from_secs(5);

/// Bytes of messages that wait for their acknowledgement. Over it the connection is cut; what is stored by then is
/// acknowledged, the rest comes again. A cluster that keeps to the receive maximum never gets there; mosquitto 2.0 does
/// not when it resumes a session, and sends all that it has. Their number is bounded by MQTT: 65,535 packet ids.
const HELD_BYTES_MAX: usize = 64 << 20;

/// A message that was handed to ingest, and what came of it (`None`: not known, Vigie stops).
type Submitted = (Ticket, DeviceId, Option<Outcome>);

/// One session, for as long as it is read from.
pub(super) struct Reader {
    shared: Shared,
    tenure: Tenure,
    client: AsyncClient,
    post: Post,
    link: watch::Sender<Link>,
    window: usize,
    acks: Acks<Arc<Message>>,
    /// Bytes of the messages in `acks`.
    held_bytes: usize,
    /// More came than the receive maximum allows, on this connection.
    overrun: bool,
    /// Acknowledgements handed to rumqttc and not yet written.
    acks_on_their_way: usize,
    outbound: Outbound,
    submitted: FuturesUnordered<BoxFuture<'static, Submitted>>,
    connected_at: Option<Instant>,
    /// Vigie stops: nothing more is taken, and at this moment it is over.
    leaving: Option<Instant>,
    goodbye: bool,
}

/// The cluster does something that MQTT forbids or that cannot be served.
struct Cut(&'static str);

impl Reader {
    pub(super) fn new(
        shared: Shared,
        tenure: Tenure,
        client: AsyncClient,
        post: Post,
        link: watch::Sender<Link>,
    ) -> Self {
        Self {
            window: usize::from(shared.settings.publishes_in_flight),
            shared,
            tenure,
            client,
            post,
            link,
            acks: Acks::new(),
            held_bytes: 0,
            overrun: false,
            acks_on_their_way: 0,
            outbound: Outbound::default(),
            submitted: FuturesUnordered::new(),
            connected_at: None,
            leaving: None,
            goodbye: false,
        }
    }

    pub(super) async fn run(mut self, mut events: EventLoop, stop: CancellationToken) {
        let mut pause = RETRY_FIRST;
        loop {
            let Some(event) = self.next_event(&mut events, &stop).await else { break };
            let broken = match event {
                Ok(Event::Incoming(packet)) => {
                    self.incoming(packet).err().map(|Cut(reason)| reason.to_owned())
                }
                Ok(Event::Outgoing(Outgoing::Publish(packet_id))) => {
                    self.outbound.written(packet_id);
                    None
                }
                Ok(Event::Outgoing(Outgoing::PubAck(_))) => {
                    self.acks_on_their_way = self.acks_on_their_way.saturating_sub(1);
                    None
                }
                Ok(Event::Outgoing(Outgoing::Disconnect)) => break,
                Ok(Event::Outgoing(_)) => None,
                Err(error) => Some(in_words(&error)),
            };
            let Some(reason) = broken else { continue };
            if self.connected_at.is_some_and(|at| at.elapsed() >= LASTING) {
                pause = RETRY_FIRST;
            }
            self.disconnected(&mut events, &reason, pause);
            if self.tenure == Tenure::Inherited || self.leaving.is_some() {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep(jittered(pause)) => pause = (pause * 2).min(RETRY_LONGEST),
                () = stop.cancelled() => break,
            }
        }
        if self.acks.waiting() > 0 {
            tracing::info!(
                session = self.shared.settings.session(),
                unacknowledged = self.acks.waiting(),
                "left with messages that are not stored; the cluster keeps them"
            );
        }
    }

    /// Polls to the end of one poll, whatever happens meanwhile: a poll given up in the middle could lose a
    /// packet that rumqttc has taken out of its queue and not yet written. `None`: it is over.
    async fn next_event(
        &mut self,
        events: &mut EventLoop,
        stop: &CancellationToken,
    ) -> Option<Result<Event, ConnectionError>> {
        let mut poll = pin!(events.poll());
        loop {
            self.send_due();
            let leaving = self.leaving;
            if leaving.is_some() && !self.acks.is_connected() {
                return None;
            }
            tokio::select! {
                event = &mut poll => return Some(event),
                Some(done) = self.submitted.next(), if !self.submitted.is_empty() => self.settle(done),
                Some(message) = self.post.found.recv() => self.outbound.push(message),
                () = stop.cancelled(), if leaving.is_none() => self.leaving = Some(Instant::now() + LEAVE),
                () = at(leaving), if leaving.is_some() => return None,
            }
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "what only a client sends does not come")]
    fn incoming(&mut self, packet: Packet) -> Result<(), Cut> {
        match packet {
            Packet::ConnAck(answer) => self.connected(&answer),
            Packet::Publish(message) => self.take(message),
            Packet::PubAck(answer) => {
                self.answered(answer.pkid, answer.reason);
                Ok(())
            }
            Packet::SubAck(answer) => {
                let granted = |code: &SubscribeReasonCode| matches!(code, SubscribeReasonCode::Success(_));
                let all = answer.return_codes.iter().all(granted);
                let session = self.shared.settings.session();
                if all {
                    tracing::info!(session, "reading from the cluster");
                } else {
                    tracing::error!(
                        session,
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

    #[expect(clippy::wildcard_enum_match_arm, reason = "every other reason is a refusal")]
    fn answered(&mut self, packet_id: u16, reason: PubAckReason) {
        let answer = match reason {
            PubAckReason::Success => Answer::Taken,
            PubAckReason::NoMatchingSubscribers => Answer::NobodyListens,
            _ => Answer::Refused,
        };
        if let Some(outbox_id) = self.outbound.answered(packet_id, answer)
            && self.post.taken.try_send(outbox_id).is_err()
        {
            tracing::debug!(outbox_id, "delivery not noted; the device will get it once more");
        }
    }

    fn connected(&mut self, answer: &ConnAck) -> Result<(), Cut> {
        self.acks.connected();
        self.connected_at = Some(Instant::now());
        let cluster_takes = answer.properties.as_ref().and_then(|p| p.receive_max).unwrap_or(u16::MAX);
        // One less than what the cluster takes: at that number rumqttc would hold back our acknowledgements, too.
        let window = self.shared.settings.publishes_in_flight.min(cluster_takes.saturating_sub(1));
        self.window = usize::from(window.max(1));
        let session = self.shared.settings.session();
        tracing::info!(session, session_present = answer.session_present, "connected to the cluster");
        if !answer.session_present {
            self.link.send_modify(|link| link.sessions_begun += 1);
        }
        // Also into a session that was kept: a newer Vigie may read more topics than the one that began it.
        let share = if self.shared.settings.share { SHARE } else { "" };
        let filters = FILTERS.map(|filter| Filter::new(format!("{share}{filter}"), QoS::AtLeastOnce));
        self.client.try_subscribe_many(filters).map_err(|_| Cut("no room for the subscription"))
    }

    fn disconnected(&mut self, events: &mut EventLoop, reason: &str, pause: Duration) {
        let session = self.shared.settings.session();
        if self.tenure == Tenure::Inherited {
            tracing::info!(session, reason, "not read from here any more");
        } else if self.acks.is_connected() {
            let unacknowledged = self.acks.waiting();
            tracing::warn!(session, reason, unacknowledged, "the connection to the cluster broke");
        } else {
            tracing::warn!(session, reason, ?pause, "the cluster cannot be reached; trying again");
        }
        self.acks.disconnected();
        self.acks_on_their_way = 0;
        (self.held_bytes, self.overrun) = (0, false);
        self.connected_at = None;
        self.outbound.disconnected();
        self.submitted.clear();
        self.link.send_modify(|link| link.reading = false);
        events.clean();
        // The outbox is our list of what is pending; rumqttc's own is dropped.
        events.pending.clear();
        events.state.collision = None;
    }

    fn take(&mut self, message: Message) -> Result<(), Cut> {
        // The cluster keeps what comes now; it follows what is being acknowledged, so that the order is kept.
        if self.leaving.is_some() {
            return Ok(());
        }
        if self.acks.is_connected() {
            self.admit(&message)?;
        }
        let publish = publish_of(&message, &self.shared.nobody);
        let bytes = size(&message);
        let Some(ticket) = self.acks.received(Arc::new(message)) else { return Ok(()) };
        self.held_bytes += bytes;
        if publish.channel.is_some() && self.post.heard.try_send(publish.device.to_string()).is_err() {
            tracing::debug!("a device's outbox is looked at when it is heard again");
        }
        let ingest = self.shared.ingest.clone();
        self.submitted.push(Box::pin(async move {
            let device = publish.device.clone();
            (ticket, device, ingest.submit(publish).await)
        }));
        Ok(())
    }

    /// Is there room for one more?
    fn admit(&mut self, message: &Message) -> Result<(), Cut> {
        if self.held_bytes + size(message) > HELD_BYTES_MAX {
            return Err(Cut("more is sent ahead of the database than fits into memory"));
        }
        let most = usize::from(self.shared.settings.receive_maximum);
        if self.acks.waiting() >= most && !self.overrun {
            self.overrun = true;
            tracing::info!(most, "the cluster does not keep to the receive maximum; taken all the same");
        }
        Ok(())
    }

    fn settle(&mut self, (ticket, device, outcome): Submitted) {
        // Not known whether it was stored: never acknowledged, so it comes again.
        let Some(outcome) = outcome else { return };
        self.acks.committed(ticket);
        if let Some(receipt) = outcome.receipt
            && let Some(outbox_id) = receipt.outbox_id
            && device != self.shared.nobody
        {
            self.outbound.push(outbound::Message::receipt(outbox_id, &device, receipt.payload, RECEIPT_LIFE));
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
            // What came at QoS 0 needs none, and none is written.
            self.acks_on_their_way += usize::from(message.qos != QoS::AtMostOnce);
            self.held_bytes = self.held_bytes.saturating_sub(size(message));
            self.acks.acknowledged();
        }
        if self.leaving.is_some() {
            let done = self.acks.waiting() == 0 && self.acks_on_their_way == 0;
            if done && !self.goodbye {
                self.goodbye = self.client.try_disconnect().is_ok();
            }
            return;
        }
        while let Some(message) = self.outbound.next(self.window) {
            let properties = PublishProperties {
                message_expiry_interval: u32::try_from(message.life.as_secs()).ok(),
                ..PublishProperties::default()
            };
            let (qos, payload) = (QoS::AtLeastOnce, message.payload.clone());
            let handed =
                self.client.try_publish_with_properties(&message.topic, qos, false, payload, properties);
            if handed.is_err() {
                return;
            }
            self.outbound.handed();
        }
    }
}

fn size(message: &Message) -> usize {
    message.topic.len() + message.payload.len()
}

/// The moment, or never.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// The error, with a hint where the reason is likely to be found in our own settings.
fn in_words(error: &ConnectionError) -> String {
    if let ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, .. }) = error
        && *reason_code == DisconnectReasonCode::SessionTakenOver
    {
        return "another client connected under this client id: each process needs one of its own".into();
    }
    error.to_string()
}

/// The device is the one in the topic: the cluster lets no other one publish there. A topic that is not of a
/// device's readings or status is nobody's to publish and goes to quarantine.
fn publish_of(message: &Message, nobody: &DeviceId) -> Publish {
    let topic = String::from_utf8_lossy(&message.topic).into_owned();
    let parsed = Topic::parse(&topic).ok().filter(|topic| topic.channel.device_publishes());
    let named = || topic.split('/').nth(2).and_then(|level| DeviceId::parse(level).ok());
    let (device, channel) = match parsed {
        Some(topic) => (topic.device, Some(topic.channel)),
        None => (named().unwrap_or_else(|| nobody.clone()), None),
    };
    let payload = message.payload.clone();
    Publish { device, channel, topic, payload, wants_receipts: false, will: false }
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
        let nobody = DeviceId::parse("-").unwrap();
        let publish = publish_of(&Message::new(topic, QoS::AtLeastOnce, "x", None), &nobody);
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
