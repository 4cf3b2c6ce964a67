//! The connection of one integration engine, from its CONNACK to the last byte.
//!
//! It is apart from the connections of devices, so that nothing of theirs depends on it. Its session ends with
//! it: what is told while it is away, it does not get. While it does not take what it has been sent, nothing
//! more is sent, and what it misses is counted.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout};
use tracing::{debug, info};

use super::engine::{Admitted, Seat, ask};
use super::scope::FilterError;
use super::{EngineId, Filter, News, Subscription};
use crate::connection::{Context, OUTBOX_HIGH_WATER, wait_until};
use crate::gateway::Gateway;
use crate::pace::Pace;
use crate::protocol::{
    self, AckKind, AckReason, ConnackTerms, ConnectAnswer, Farewell, Fault, OutgoingPublish, Packet, Publish,
    Qos, Subscribe, SubscribeAnswer, Unwritable, Version, decode,
};
use crate::transport::{Transport, Turn};

/// How the connection comes to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum End {
    #[error("it said goodbye")]
    Goodbye,
    #[error("it closed the connection, or the network did")]
    Lost,
    #[error("{0}")]
    Fault(Fault),
    #[error("it published over MQTT 3.1.1, which cannot tell it that it may not")]
    Published,
    #[error("nothing came for one and a half times the keep-alive")]
    KeepAlive,
    #[error("it stopped in the middle of a packet")]
    Stalled,
    #[error("it does not take what is sent to it")]
    WriteStuck,
    #[error("the same client of it logged in again")]
    TakenOver,
    #[error("it was revoked")]
    Revoked,
    #[error("the process stops")]
    ShuttingDown,
    #[error("{0}")]
    Unwritable(Unwritable),
}

impl From<Unwritable> for End {
    fn from(unwritable: Unwritable) -> Self {
        Self::Unwritable(unwritable)
    }
}

impl End {
    fn farewell(self) -> Option<Farewell> {
        match self {
            Self::Goodbye | Self::Lost | Self::WriteStuck | Self::Published => None,
            Self::Fault(fault) => Some(Farewell::Fault(fault)),
            Self::KeepAlive | Self::Stalled => Some(Farewell::KeepAlive),
            Self::TakenOver => Some(Farewell::TakenOver),
            Self::Revoked => Some(Farewell::Revoked),
            Self::ShuttingDown => Some(Farewell::ShuttingDown),
            Self::Unwritable(_) => Some(Farewell::Unspecified),
        }
    }
}

struct Granted {
    filter: Filter,
    qos: Qos,
    identifier: Option<u32>,
}

enum Event {
    Turn(std::io::Result<Turn>),
    News(Option<News>),
    TakenOver,
    ShuttingDown,
    Deadline,
}

struct Reading<G, S> {
    context: Arc<Context<G>>,
    engine: EngineId,
    client_id: String,
    version: Version,
    transport: Transport<S>,
    subscription: Subscription,
    seat: Seat,
    granted: Vec<Granted>,
    /// Packet ids of what it has not acknowledged.
    unacknowledged: VecDeque<u16>,
    last_packet_id: u16,
    window: usize,
    packet_bytes_max: usize,
    silence_allowed: Option<Duration>,
    last_heard: Instant,
    write_waits_since: Option<Instant>,
    pace: Pace,
    paced_until: Option<Instant>,
    check_at: Instant,
    missed_told: u64,
}

/// Serves an engine that was admitted, to its end.
pub(crate) async fn serve<G, S>(
    context: Arc<Context<G>>,
    transport: Transport<S>,
    remote: SocketAddr,
    admitted: Admitted,
) where
    G: Gateway,
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let Admitted { version, connect, engine, client_id, subscription, seat } = admitted;
    info!(%engine, client_id, %remote, "an integration engine logged in");
    let keep_alive = Duration::from_secs(u64::from(connect.keep_alive));
    let limits = &context.shared.limits;
    let assigned = connect.client_id.is_empty();
    let window = usize::from(limits.outbound_window.min(connect.receive_maximum));
    let now = Instant::now();
    let mut reading = Reading {
        engine,
        client_id,
        version,
        transport,
        subscription,
        seat,
        granted: Vec::new(),
        unacknowledged: VecDeque::new(),
        last_packet_id: 0,
        window,
        packet_bytes_max: connect.packet_bytes_max,
        silence_allowed: (!keep_alive.is_zero()).then(|| keep_alive * 3 / 2),
        last_heard: now,
        write_waits_since: None,
        pace: Pace::default(),
        paced_until: None,
        check_at: now + limits.engine_checked_every,
        missed_told: 0,
        context,
    };
    let end = match reading.greet(assigned) {
        Ok(()) => reading.run().await,
        Err(unwritable) => unwritable.into(),
    };
    reading.finish(end).await;
}

impl<G: Gateway, S: AsyncRead + AsyncWrite + Unpin + Send> Reading<G, S> {
    fn greet(&mut self, assigned: bool) -> Result<(), Unwritable> {
        let limits = &self.context.shared.limits;
        let terms = ConnackTerms {
            receive_maximum: limits.in_flight,
            packet_bytes_max: limits.packet_bytes_max,
            assigned_client_id: assigned.then_some(self.client_id.as_str()),
            ..ConnackTerms::default()
        };
        let answer = ConnectAnswer::Accepted { session_present: false };
        protocol::connack(&mut self.transport.outbox, self.version, answer, &terms)
    }

    async fn run(&mut self) -> End {
        loop {
            if let Err(end) = self.read_packets().await {
                return end;
            }
            let now = Instant::now();
            self.paced_until = self.paced_until.filter(|until| *until > now);
            if self.transport.outbox.is_empty() {
                self.write_waits_since = None;
            } else {
                self.write_waits_since.get_or_insert(now);
            }
            let listening = self.accepts_packets();
            let event = self.next_event(listening).await;
            if !listening {
                self.last_heard = Instant::now();
            }
            if let Err(end) = self.on_event(event, listening).await {
                return end;
            }
        }
    }

    fn accepts_packets(&self) -> bool {
        self.paced_until.is_none() && self.transport.outbox.len() < OUTBOX_HIGH_WATER
    }

    /// What it can take now. What it cannot waits in its queue, and is dropped when that is full.
    fn takes_news(&self) -> bool {
        self.unacknowledged.len() < self.window && self.transport.outbox.len() < OUTBOX_HIGH_WATER
    }

    fn deadline(&self, listening: bool) -> Option<(Instant, End)> {
        let limits = &self.context.shared.limits;
        let silence = self.silence_allowed.filter(|_| listening);
        let mid_packet = listening && self.transport.is_mid_packet();
        [
            silence.map(|allowed| (self.last_heard + allowed, End::KeepAlive)),
            mid_packet.then(|| (self.last_heard + limits.stall_timeout, End::Stalled)),
            self.write_waits_since.map(|since| (since + limits.write_timeout, End::WriteStuck)),
        ]
        .into_iter()
        .flatten()
        .min_by_key(|(at, _)| *at)
    }

    async fn next_event(&mut self, listening: bool) -> Event {
        let patience = self.deadline(listening).map(|(at, _)| at);
        let wake = patience.into_iter().chain(self.paced_until).chain([self.check_at]).min();
        let taking = self.takes_news();
        tokio::select! {
            turn = self.transport.turn(listening) => Event::Turn(turn),
            news = self.subscription.next(), if taking => Event::News(news),
            () = self.seat.leave.cancelled() => Event::TakenOver,
            () = self.context.shutdown.cancelled() => Event::ShuttingDown,
            () = wait_until(wake) => Event::Deadline,
        }
    }

    async fn on_event(&mut self, event: Event, listening: bool) -> Result<(), End> {
        match event {
            Event::Turn(Err(_)) => Err(End::Lost),
            Event::Turn(Ok(turn)) => {
                if turn.read > 0 {
                    self.last_heard = Instant::now();
                }
                if turn.wrote > 0 {
                    self.write_waits_since = None;
                }
                if turn.ended { Err(End::Lost) } else { Ok(()) }
            }
            Event::News(Some(news)) => self.send(&news),
            Event::News(None) | Event::ShuttingDown => Err(End::ShuttingDown),
            Event::TakenOver => Err(End::TakenOver),
            Event::Deadline => {
                if let Some((at, end)) = self.deadline(listening)
                    && at <= Instant::now()
                {
                    return Err(end);
                }
                self.check_admission().await
            }
        }
    }

    /// A directory that cannot be asked changes nothing: what was granted stays granted.
    async fn check_admission(&mut self) -> Result<(), End> {
        if Instant::now() < self.check_at {
            return Ok(());
        }
        self.check_at = Instant::now() + self.context.shared.limits.engine_checked_every;
        let (gateway, engine) = (Arc::clone(&self.context.gateway), self.engine.clone());
        let asking = async move { gateway.is_engine_admitted(&engine).await };
        match ask(&self.context, asking).await {
            Ok(false) => Err(End::Revoked),
            Ok(true) | Err(_) => Ok(()),
        }
    }

    async fn read_packets(&mut self) -> Result<(), End> {
        let (version, bytes_max) = (self.version, self.context.shared.limits.packet_bytes_max);
        while self.accepts_packets() {
            let parse = |first, body: &[u8]| decode(version, first, body);
            match self.transport.next_packet(bytes_max, parse) {
                Ok(Some(Ok(packet))) => self.on_packet(packet).await?,
                Ok(None) => break,
                Ok(Some(Err(fault))) | Err(fault) => return Err(End::Fault(fault)),
            }
        }
        Ok(())
    }

    async fn on_packet(&mut self, packet: Packet) -> Result<(), End> {
        let (limits, now) = (&self.context.shared.limits, Instant::now());
        if !matches!(packet, Packet::Puback(_)) {
            self.pace.packet(limits, 0, now);
            self.paced_until = self.pace.waits_until(limits, now);
        }
        match packet {
            Packet::Publish(publish) => self.refuse(&publish),
            Packet::Puback(packet_id) => {
                self.unacknowledged.retain(|waiting| *waiting != packet_id);
                Ok(())
            }
            Packet::Subscribe(subscribe) => self.on_subscribe(subscribe).await,
            Packet::Unsubscribe { packet_id, filters } => {
                let existed: Vec<bool> = filters.iter().map(|filter| self.unsubscribe(filter)).collect();
                Ok(protocol::unsuback(&mut self.transport.outbox, self.version, packet_id, &existed)?)
            }
            Packet::Pubrel(id) => Ok(protocol::pubcomp(&mut self.transport.outbox, self.version, id, false)?),
            Packet::Pingreq => Ok(protocol::pingresp(&mut self.transport.outbox)?),
            Packet::Disconnect { .. } => Err(End::Goodbye),
            // We send no QoS 2, so nothing of it can be acknowledged.
            Packet::Connect(_) | Packet::Pubrec { .. } | Packet::Pubcomp(_) => {
                Err(End::Fault(Fault::Protocol))
            }
        }
    }

    /// An engine publishes nothing. MQTT 5 can say so for one publish, 3.1.1 only by ending the connection.
    fn refuse(&mut self, publish: &Publish) -> Result<(), End> {
        self.context.shared.tally.engine_publish_refused();
        info!(engine = %self.engine, "an integration engine published; it may not");
        let kind = match publish.qos {
            Qos::AtMostOnce => return Ok(()),
            Qos::AtLeastOnce => AckKind::Puback,
            Qos::ExactlyOnce => AckKind::Pubrec,
        };
        if self.version == Version::V311 {
            return Err(End::Published);
        }
        let (outbox, id) = (&mut self.transport.outbox, publish.packet_id);
        Ok(protocol::ack(outbox, self.version, kind, id, AckReason::NotAuthorised)?)
    }

    fn unsubscribe(&mut self, filter: &str) -> bool {
        let before = self.granted.len();
        self.granted.retain(|granted| granted.filter.as_str() != filter);
        self.granted.len() < before
    }

    /// Grants only what the audit trail has taken.
    async fn on_subscribe(&mut self, subscribe: Subscribe) -> Result<(), End> {
        let subscriptions_max = self.context.shared.limits.subscriptions_max;
        let mut answers = Vec::with_capacity(subscribe.entries.len());
        let mut fresh: Vec<Granted> = Vec::new();
        for entry in &subscribe.entries {
            answers.push(match Filter::parse(&entry.filter) {
                _ if self.granted.len() + fresh.len() >= subscriptions_max => SubscribeAnswer::TooMany,
                Ok(filter) => {
                    let qos = entry.qos.min(Qos::AtLeastOnce);
                    fresh.push(Granted { filter, qos, identifier: subscribe.identifier });
                    SubscribeAnswer::Granted(qos)
                }
                Err(FilterError::Malformed) => SubscribeAnswer::FilterInvalid,
                Err(FilterError::NotOffered) => SubscribeAnswer::NotAuthorised,
            });
        }
        if !fresh.is_empty() && !self.is_audited(&fresh).await {
            answers.fill(SubscribeAnswer::NotAuthorised);
            fresh.clear();
        }
        for granted in fresh {
            self.unsubscribe(granted.filter.as_str());
            self.granted.push(granted);
        }
        Ok(protocol::suback(&mut self.transport.outbox, self.version, subscribe.packet_id, &answers)?)
    }

    async fn is_audited(&self, fresh: &[Granted]) -> bool {
        let filters: Vec<String> = fresh.iter().map(|granted| granted.filter.as_str().to_owned()).collect();
        let (gateway, engine) = (Arc::clone(&self.context.gateway), self.engine.clone());
        let client_id = self.client_id.clone();
        let asking = async move { gateway.engine_subscribes(&engine, &client_id, &filters).await };
        let audited = ask(&self.context, asking).await.is_ok();
        if !audited {
            info!(engine = %self.engine, "a subscription cannot be written into the audit trail; not granted");
        }
        audited
    }

    fn send(&mut self, news: &News) -> Result<(), End> {
        self.tell_missed();
        let topic = news.topic.to_string();
        let matching = self.granted.iter().filter(|granted| granted.filter.matches(&topic));
        let Some((qos, identifier)) =
            matching.max_by_key(|granted| granted.qos).map(|granted| (granted.qos, granted.identifier))
        else {
            return Ok(());
        };
        let packet_id = (qos >= Qos::AtLeastOnce).then(|| self.next_packet_id());
        let before = self.transport.outbox.len();
        let publish = OutgoingPublish {
            topic: &topic,
            payload: &news.payload,
            packet_id,
            identifiers: identifier.as_slice(),
            ..OutgoingPublish::default()
        };
        protocol::publish(&mut self.transport.outbox, self.version, &publish)?;
        if self.transport.outbox.len() - before > self.packet_bytes_max {
            self.transport.outbox.truncate(before);
            debug!(engine = %self.engine, "a message is larger than the engine accepts; left out");
            return Ok(());
        }
        self.unacknowledged.extend(packet_id);
        self.context.shared.tally.outbound_sent();
        Ok(())
    }

    /// An id that is not in use: there are fewer in use than there are.
    fn next_packet_id(&mut self) -> u16 {
        loop {
            self.last_packet_id = self.last_packet_id.checked_add(1).unwrap_or(1);
            if !self.unacknowledged.contains(&self.last_packet_id) {
                return self.last_packet_id;
            }
        }
    }

    fn tell_missed(&mut self) {
        let missed = self.subscription.missed();
        // At each doubling, so that a reader that is always slow does not fill the log.
        if missed > self.missed_told * 2 {
            info!(engine = %self.engine, client_id = self.client_id, missed, "an integration engine reads too slowly and misses news");
            self.missed_told = missed;
        }
    }

    async fn finish(mut self, end: End) {
        info!(engine = %self.engine, client_id = self.client_id, missed = self.subscription.missed(), "an integration engine's connection ended: {end}");
        let patience = self.context.shared.limits.farewell_timeout;
        let written = match end.farewell() {
            Some(farewell) => {
                protocol::disconnect(&mut self.transport.outbox, self.version, farewell).is_ok()
            }
            None => false,
        };
        if written && timeout(patience, self.transport.flush()).await.is_err() {
            debug!("an integration engine did not take its farewell");
        }
        // The link first: whoever takes over must not find it.
        drop(self.subscription);
        drop(self.seat);
        if timeout(patience, self.transport.close()).await.is_err() {
            debug!("the peer does not close its side; closed all the same");
        }
    }
}
