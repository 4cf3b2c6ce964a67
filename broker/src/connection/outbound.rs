//! What goes to the client besides acknowledgements: receipts, commands and the retained status of a device, and
//! the messages of guests; and how they are acknowledged by it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tracing::{debug, info};
use vigie_wire::{Channel, Topic};

use super::aliases::Written;
use super::inbound::report_panic;
use super::{Connection, End, OUTBOX_HIGH_WATER};
use crate::gateway::{Gateway, Outbound};
use crate::mailbox::Left;
use crate::message::{Message, Routed};
use crate::principal::Principal;
use crate::protocol::{self, Fault, OutgoingPublish, Qos};
use crate::session::Unacknowledged;

/// Channels that have an outbox, looked into until it is empty. The retained status is looked up once for each
/// subscription.
const FETCHED: [Channel; 2] = [Channel::Receipts, Channel::Commands];

/// Before looking again at rows that have been delivered and are still there.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Looks into the outbox, at most one per channel at a time.
///
/// A look that finds something is followed by another one, until one finds nothing: the gateway may hand out
/// a long backlog in parts, and what the full queue turned away is still there.
#[derive(Default)]
pub(super) struct Fetches {
    wanted: Vec<Channel>,
    under_way: Vec<Channel>,
    /// To look at once the device has taken everything so far.
    when_caught_up: Vec<Channel>,
    /// To look at when the gateway has had time to note deliveries.
    later: Vec<Channel>,
    later_at: Option<Instant>,
    pub(super) running: FuturesUnordered<BoxFuture<'static, Fetched>>,
}

impl Fetches {
    pub(super) fn want(&mut self, channel: Channel) {
        let is_fetched = channel == Channel::Status || FETCHED.contains(&channel);
        if is_fetched && !self.wanted.contains(&channel) {
            self.wanted.push(channel);
        }
    }

    /// When there is something to do without anything else happening.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        self.later_at
    }

    fn want_due(&mut self) {
        if self.later_at.is_some_and(|at| at <= Instant::now()) {
            self.later_at = None;
            for channel in std::mem::take(&mut self.later) {
                self.want(channel);
            }
        }
    }

    fn want_later(&mut self, channel: Channel) {
        self.later.push(channel);
        self.later_at.get_or_insert_with(|| Instant::now() + LOOK_AGAIN_AFTER);
    }
}

/// What a look into the outbox found.
pub(super) struct Fetched {
    channel: Channel,
    messages: Vec<Outbound>,
    _side: OwnedSemaphorePermit,
}

impl<G: Gateway, S: AsyncRead + AsyncWrite + Unpin + Send> Connection<G, S> {
    /// Everything subscribed, for a session that was resumed.
    pub(super) fn want_everything(&mut self) {
        for channel in FETCHED {
            if self.session.grant(channel).is_some() {
                self.fetches.want(channel);
            }
        }
    }

    pub(super) fn start_fetches(&mut self) {
        let Principal::Device(device) = &self.principal else {
            return;
        };
        self.fetches.want_due();
        let mut later = Vec::new();
        for channel in std::mem::take(&mut self.fetches.wanted) {
            if self.fetches.under_way.contains(&channel) {
                later.push(channel);
                continue;
            }
            let Ok(side) = Arc::clone(&self.seat.rooms.side).try_acquire_owned() else {
                later.push(channel);
                continue;
            };
            let gateway = Arc::clone(&self.context.gateway);
            let device = device.clone();
            self.fetches.under_way.push(channel);
            self.fetches.running.push(
                async move {
                    let looking = AssertUnwindSafe(async { gateway.pending(&device, channel).await });
                    let messages = looking.catch_unwind().await.unwrap_or_else(|_| {
                        report_panic(&device);
                        Vec::new()
                    });
                    Fetched { channel, messages, _side: side }
                }
                .boxed(),
            );
        }
        self.fetches.wanted = later;
    }

    pub(super) fn on_fetched(&mut self, fetched: Fetched) {
        let channel = fetched.channel;
        self.fetches.under_way.retain(|under_way| *under_way != channel);
        let (mut fresh, mut lingering) = (false, false);
        for message in fetched.messages {
            match message.outbox_id {
                // Delivered, and not yet noted as such, or the note was lost: say it again.
                Some(outbox_id) if self.session.has_delivered(outbox_id) => {
                    lingering = true;
                    self.tell_gateway(outbox_id);
                }
                Some(_) | None => {
                    fresh = true;
                    self.queue(Message::Outbox(message));
                }
            }
        }
        if channel == Channel::Status {
            return;
        }
        if fresh {
            self.fetches.when_caught_up.push(channel);
        } else if lingering {
            self.fetches.want_later(channel);
        }
    }

    pub(super) fn queue(&mut self, message: Message) {
        if self.seat.mailbox.leave(message) == Left::Full {
            self.context.shared.tally.outbound_dropped();
        }
    }

    /// Moves messages into the write buffer, as many as the device's window and the buffer allow.
    pub(super) fn send_messages(&mut self) -> Result<(), End> {
        while self.session.unacknowledged() < self.window && self.transport.outbox.len() < OUTBOX_HIGH_WATER {
            let Some((message, left_at)) = self.seat.mailbox.pop() else {
                break;
            };
            let fresh_for = self.context.shared.limits.command_fresh_for;
            if message.is_command_of_outbox() && left_at.elapsed() > fresh_for {
                self.fetches.want(Channel::Commands);
                continue;
            }
            self.send(message)?;
        }
        if self.session.unacknowledged() == 0 && self.written.is_empty() {
            self.on_caught_up();
        }
        Ok(())
    }

    /// Nothing of ours is on its way.
    fn on_caught_up(&mut self) {
        if self.seat.mailbox.is_emptied_after_overflow() {
            self.want_everything();
        }
        if self.seat.mailbox.is_empty() {
            for channel in std::mem::take(&mut self.fetches.when_caught_up) {
                self.fetches.want(channel);
            }
        }
    }

    fn send(&mut self, message: Message) -> Result<(), End> {
        let qos = match &message {
            Message::Outbox(outbound) => {
                let Some(grant) = self.session.grant(outbound.channel) else {
                    debug!(device = %self.principal, channel = ?outbound.channel, "the device does not listen; its outbox keeps the message");
                    return Ok(());
                };
                if outbound.outbox_id.is_some_and(|id| self.session.knows(id)) {
                    return Ok(());
                }
                grant.qos
            }
            Message::Routed(_) if message.is_expired(Instant::now()) => return Ok(()),
            Message::Routed(routed) => routed.qos,
        };
        let packet_id = (qos >= Qos::AtLeastOnce).then(|| self.session.next_packet_id());
        if !self.write_message(&message, packet_id, false)? {
            self.delivered(message.outbox_id());
            return Ok(());
        }
        match packet_id {
            Some(packet_id) if qos == Qos::ExactlyOnce => {
                self.session.sent(packet_id, Unacknowledged::Pubrec(message));
            }
            Some(packet_id) => self.session.sent(packet_id, Unacknowledged::Puback(message)),
            None => self.written.extend(message.outbox_id()),
        }
        Ok(())
    }

    /// Sends again what a resumed session had not acknowledged, as MQTT demands: with the same packet ids.
    pub(super) fn send_again(&mut self) -> Result<(), End> {
        let unacknowledged: Vec<(u16, Unacknowledged)> =
            self.session.unacknowledged_messages().map(|(id, message)| (id, message.clone())).collect();
        for (packet_id, waiting) in unacknowledged {
            match waiting {
                Unacknowledged::Puback(message) | Unacknowledged::Pubrec(message) => {
                    if !self.write_message(&message, Some(packet_id), true)? {
                        self.session.end_exchange(packet_id);
                        self.delivered(message.outbox_id());
                    }
                }
                Unacknowledged::Pubcomp => {
                    protocol::pubrel(&mut self.transport.outbox, self.version, packet_id, true)?;
                }
            }
        }
        Ok(())
    }

    /// False: the message is larger than the client accepts, and was not written.
    fn write_message(
        &mut self,
        message: &Message,
        packet_id: Option<u16>,
        duplicate: bool,
    ) -> Result<bool, End> {
        let before = self.transport.outbox.len();
        let mut introduced = None;
        match message {
            Message::Outbox(outbound) => self.write_outbound(outbound, packet_id, duplicate)?,
            Message::Routed(routed) => introduced = self.write_routed(routed, packet_id, duplicate)?,
        }
        if self.transport.outbox.len() - before > self.client_packet_bytes_max {
            self.transport.outbox.truncate(before);
            self.context.shared.tally.outbound_too_large();
            info!(client = %self.principal, "a message is larger than the client accepts; given up");
            return Ok(false);
        }
        if let Some(topic) = introduced {
            self.aliases_out.said(topic);
        }
        self.context.shared.tally.outbound_sent();
        Ok(true)
    }

    fn write_outbound(
        &mut self,
        outbound: &Outbound,
        packet_id: Option<u16>,
        duplicate: bool,
    ) -> Result<(), End> {
        let Principal::Device(device) = &self.principal else {
            return Ok(());
        };
        let topic = Topic { device: device.clone(), channel: outbound.channel }.to_string();
        let identifier = self.session.grant(outbound.channel).and_then(|grant| grant.identifier);
        let publish = OutgoingPublish {
            topic: &topic,
            payload: &outbound.payload,
            packet_id,
            duplicate,
            retain: outbound.retained,
            identifiers: identifier.as_slice(),
            ..OutgoingPublish::default()
        };
        Ok(protocol::publish(&mut self.transport.outbox, self.version, &publish)?)
    }

    /// Returns the topic for which the packet introduces an alias.
    fn write_routed<'a>(
        &mut self,
        routed: &'a Routed,
        packet_id: Option<u16>,
        duplicate: bool,
    ) -> Result<Option<&'a str>, End> {
        let published = &routed.published;
        let (topic, alias, introduced) = match self.aliases_out.look_up(&published.topic) {
            Written::Plain => (published.topic.as_str(), None, None),
            Written::Introduces(alias) => {
                (published.topic.as_str(), Some(alias), Some(published.topic.as_str()))
            }
            Written::Known(alias) => ("", Some(alias), None),
        };
        let publish = OutgoingPublish {
            topic,
            payload: &published.payload,
            packet_id,
            duplicate,
            exactly_once: routed.qos == Qos::ExactlyOnce,
            retain: routed.retain,
            identifiers: &routed.identifiers,
            alias,
            expiry: published.expires_at.map(seconds_until),
            forwarded: published.forwarded.as_ref(),
        };
        protocol::publish(&mut self.transport.outbox, self.version, &publish)?;
        Ok(introduced)
    }

    pub(super) fn on_puback(&mut self, packet_id: u16) {
        if let Some(message) = self.session.acknowledged(packet_id) {
            self.delivered(message.outbox_id());
        }
    }

    pub(super) fn on_pubrec(&mut self, packet_id: u16, refused: bool) -> Result<(), End> {
        self.speaks_qos_2()?;
        let known = self.session.recorded(packet_id);
        if refused {
            // The client does not want it: the exchange is over, and no PUBREL follows.
            self.session.completed(packet_id);
            return Ok(());
        }
        Ok(protocol::pubrel(&mut self.transport.outbox, self.version, packet_id, known)?)
    }

    pub(super) fn on_pubcomp(&mut self, packet_id: u16) -> Result<(), End> {
        self.speaks_qos_2()?;
        self.session.completed(packet_id);
        Ok(())
    }

    /// A device is sent nothing at QoS 2, so it has nothing of it to acknowledge.
    fn speaks_qos_2(&self) -> Result<(), End> {
        match &self.principal {
            Principal::Guest(_) => Ok(()),
            Principal::Device(_) => Err(End::Fault(Fault::Protocol)),
        }
    }

    /// The write buffer is empty: what went at QoS 0 has gone.
    pub(super) fn tell_written(&mut self) {
        for outbox_id in std::mem::take(&mut self.written) {
            self.delivered(Some(outbox_id));
        }
    }

    fn delivered(&mut self, outbox_id: Option<i64>) {
        if let Some(outbox_id) = outbox_id {
            self.session.remember_delivery(outbox_id);
            self.tell_gateway(outbox_id);
        }
    }

    fn tell_gateway(&self, outbox_id: i64) {
        if let Principal::Device(device) = &self.principal {
            self.context.gateway.delivered(device, outbox_id);
        }
    }
}

/// Seconds that are left, rounded up: what has just been published has lost nothing.
fn seconds_until(at: Instant) -> u32 {
    let left = at.saturating_duration_since(Instant::now()) + Duration::from_millis(999);
    u32::try_from(left.as_secs()).unwrap_or(u32::MAX)
}
