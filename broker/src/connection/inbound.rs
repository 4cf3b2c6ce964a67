//! What the device sends: publishes on their way to the gateway and back as acknowledgements, subscriptions,
//! and the small packets.

use std::fmt::Display;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tracing::{debug, error, info};
use vigie_wire::Channel;

use super::wills::expires_at;
use super::{Connection, End};
use crate::gateway::{Gateway, Inbound, Outbound, Verdict};
use crate::message::{Message, Published};
use crate::principal::{Destination, Principal};
use crate::protocol::{self, AckKind, AckReason, Fault, Packet, Publish, Qos, Version, decode};
use crate::session::Received;
use crate::switchboard::ROOM_UNIT_BYTES;

/// The right to have one publish in hand; it ends with the acknowledgement.
pub(super) struct Room {
    _publish: OwnedSemaphorePermit,
    _payload: Option<OwnedSemaphorePermit>,
}

/// What is to be done for one PUBLISH packet.
pub(super) enum Work {
    Take(Box<Inbound>),
    /// For the other guests of the open profile.
    Route(Box<Published>),
    /// A QoS 2 packet sent again after its PUBREC: it is acknowledged again, in its turn.
    AcknowledgeAgain,
}

impl Work {
    fn payload_units(&self) -> u32 {
        match self {
            Self::Take(inbound) => {
                let bytes = inbound.payload.len() + inbound.topic.len();
                u32::try_from(bytes / ROOM_UNIT_BYTES).unwrap_or(u32::MAX)
            }
            // Routed at once, so it never waits here.
            Self::Route(_) | Self::AcknowledgeAgain => 0,
        }
    }
}

/// A publish that waits for room.
pub(super) struct Stalled {
    work: Work,
    ack: Option<Ack>,
    pub(super) room: BoxFuture<'static, Option<Room>>,
}

#[derive(Clone, Copy)]
pub(super) struct Ack {
    kind: AckKind,
    packet_id: u16,
}

enum Outcome {
    Verdict(Verdict),
    Routed,
    AlreadyRecorded,
    Panicked,
}

/// The end of the work on one PUBLISH packet.
pub(super) struct Answered {
    ack: Option<Ack>,
    outcome: Outcome,
    _room: Option<Room>,
    _side: Option<OwnedSemaphorePermit>,
}

async fn wait_for(publishes: Arc<Semaphore>, payload: Arc<Semaphore>, units: u32) -> Option<Room> {
    let publish = publishes.acquire_owned().await.ok()?;
    let payload = if units == 0 { None } else { Some(payload.acquire_many_owned(units).await.ok()?) };
    Some(Room { _publish: publish, _payload: payload })
}

impl<G: Gateway, S: AsyncRead + AsyncWrite + Unpin + Send> Connection<G, S> {
    /// Looks at the packets that have arrived, for as long as there is room for what they ask.
    pub(super) fn read_packets(&mut self) -> Result<(), End> {
        let (version, bytes_max) = (self.version, self.context.shared.limits.packet_bytes_max);
        while self.accepts_packets() {
            let parse = |first, body: &[u8]| decode(version, first, body);
            match self.transport.next_packet(bytes_max, parse) {
                Ok(Some(Ok(packet))) => self.on_packet(packet)?,
                Ok(None) => break,
                Ok(Some(Err(fault))) | Err(fault) => return Err(End::Fault(fault)),
            }
        }
        Ok(())
    }

    fn on_packet(&mut self, packet: Packet) -> Result<(), End> {
        self.keep_pace(&packet);
        match packet {
            Packet::Publish(publish) => self.on_publish(publish),
            Packet::Puback(packet_id) => {
                self.on_puback(packet_id);
                Ok(())
            }
            Packet::Pubrec { packet_id, refused } => self.on_pubrec(packet_id, refused),
            Packet::Pubrel(packet_id) => self.on_pubrel(packet_id),
            Packet::Pubcomp(packet_id) => self.on_pubcomp(packet_id),
            Packet::Subscribe(subscribe) => self.on_subscribe(&subscribe),
            Packet::Unsubscribe { packet_id, filters } => self.on_unsubscribe(packet_id, &filters),
            Packet::Pingreq => Ok(protocol::pingresp(&mut self.transport.outbox)?),
            Packet::Disconnect { with_will, session_expiry } => {
                if let Some(seconds) = session_expiry {
                    if self.session_expiry_at_connect == 0 && seconds > 0 {
                        return Err(End::Fault(Fault::Protocol));
                    }
                    self.session_expiry = seconds;
                }
                Err(if with_will { End::GoodbyeWithWill } else { End::Goodbye })
            }
            Packet::Connect(_) => Err(End::Fault(Fault::Protocol)),
        }
    }

    /// What has come is paid for; in debt, nothing more is read until it is paid.
    fn keep_pace(&mut self, packet: &Packet) {
        if self.principal.device().is_none() {
            return;
        }
        let bytes = match packet {
            Packet::Publish(publish) => publish.topic.len() + publish.payload.len(),
            Packet::Subscribe(_) | Packet::Unsubscribe { .. } | Packet::Pingreq => 0,
            // What answers us, and what ends the connection, is free.
            Packet::Puback(_)
            | Packet::Pubrec { .. }
            | Packet::Pubrel(_)
            | Packet::Pubcomp(_)
            | Packet::Disconnect { .. }
            | Packet::Connect(_) => return,
        };
        let (limits, now) = (&self.context.shared.limits, Instant::now());
        self.pace.packet(limits, bytes, now);
        self.paced_until = self.pace.waits_until(limits, now);
        if self.paced_until.is_some() {
            self.context.shared.tally.paced();
            debug!(client = %self.principal, "the device goes faster than it may; it has to wait");
        }
    }

    fn on_publish(&mut self, mut publish: Publish) -> Result<(), End> {
        publish.topic = self.aliases_in.resolve(publish.alias, publish.topic).map_err(End::Fault)?;
        let ack = match publish.qos {
            Qos::AtMostOnce => None,
            Qos::AtLeastOnce => Some(AckKind::Puback),
            Qos::ExactlyOnce => Some(AckKind::Pubrec),
        }
        .map(|kind| Ack { kind, packet_id: publish.packet_id });
        let mut work = None;
        if publish.qos == Qos::ExactlyOnce {
            match self.session.received(publish.packet_id) {
                // Its PUBREC is on its way already.
                Some(Received::Pending) => return Ok(()),
                Some(Received::Recorded) => work = Some(Work::AcknowledgeAgain),
                None if self.exceeds_receive_maximum() => return Err(End::Fault(Fault::ReceiveMaximum)),
                None => self.session.set_received(publish.packet_id, Received::Pending),
            }
        }
        let work = work.unwrap_or_else(|| self.work(publish));
        self.admit(work, ack);
        Ok(())
    }

    /// A guest that does not keep to the Receive Maximum is told so. A device is made to wait, by not reading
    /// its socket, since a refusal is final for it.
    fn exceeds_receive_maximum(&self) -> bool {
        self.principal.device().is_none()
            && self.version == Version::V5
            && self.session.received_count() >= usize::from(self.context.shared.limits.in_flight)
    }

    fn work(&self, publish: Publish) -> Work {
        match self.principal.destination(&publish.topic) {
            Destination::Gateway(device, channel) => {
                if channel.is_none() {
                    info!(%device, "a device published to a topic that is not its own");
                }
                Work::Take(Box::new(Inbound {
                    device: device.clone(),
                    channel,
                    topic: publish.topic,
                    payload: publish.payload,
                    qos: publish.qos as u8,
                    duplicate: publish.duplicate,
                    retained: publish.retain,
                    wants_receipts: self.session.grant(Channel::Receipts).is_some(),
                    remote: self.remote,
                    will: false,
                }))
            }
            Destination::Router(_) => Work::Route(Box::new(Published {
                expires_at: expires_at(publish.expiry),
                topic: publish.topic,
                payload: publish.payload,
                qos: publish.qos,
                retain: publish.retain,
                forwarded: publish.forwarded,
            })),
        }
    }

    /// Starts the work if there is room for it, or else stops reading until there is.
    fn admit(&mut self, work: Work, ack: Option<Ack>) {
        let units = work.payload_units();
        let rooms = &self.seat.rooms;
        let shared = &self.context.shared;
        let publish = Arc::clone(&rooms.publishes).try_acquire_owned().ok();
        let payload = match units {
            0 => None,
            units => Arc::clone(&shared.payload_room).try_acquire_many_owned(units).ok(),
        };
        match publish {
            Some(publish) if units == 0 || payload.is_some() => {
                let room = Room { _publish: publish, _payload: payload };
                self.start(work, ack, room);
            }
            Some(_) | None => {
                shared.tally.stall();
                debug!(client = %self.principal, "a limit is reached; the device has to wait");
                let room = wait_for(Arc::clone(&rooms.publishes), Arc::clone(&shared.payload_room), units);
                self.stalled = Some(Stalled { work, ack, room: room.boxed() });
            }
        }
    }

    /// There is room for the publish that had to wait.
    pub(super) fn on_room(&mut self, room: Option<Room>) -> Result<(), End> {
        // The semaphores are never closed; if one were, ending unacknowledged is safe.
        let room = room.ok_or(End::GatewayFailed)?;
        if let Some(stalled) = self.stalled.take() {
            self.start(stalled.work, stalled.ack, room);
        }
        Ok(())
    }

    fn start(&mut self, work: Work, ack: Option<Ack>, room: Room) {
        let outcome = match work {
            Work::Take(inbound) => {
                let answer = self.take(*inbound, ack, Some(room), None);
                self.answers.push_back(answer);
                return;
            }
            Work::Route(published) => {
                if let Principal::Guest(guest) = &self.principal {
                    self.context.shared.tally.publish();
                    guest.publish(&self.context.shared, *published);
                }
                Outcome::Routed
            }
            Work::AcknowledgeAgain => Outcome::AlreadyRecorded,
        };
        let answered = Answered { ack, outcome, _room: Some(room), _side: None };
        self.answers.push_back(std::future::ready(answered).boxed());
    }

    /// The future of one take. A panic of the gateway stays inside.
    pub(super) fn take(
        &self,
        inbound: Inbound,
        ack: Option<Ack>,
        room: Option<Room>,
        side: Option<OwnedSemaphorePermit>,
    ) -> BoxFuture<'static, Answered> {
        self.context.shared.tally.publish();
        let gateway = Arc::clone(&self.context.gateway);
        let device = inbound.device.clone();
        async move {
            let taking = AssertUnwindSafe(async { gateway.take(inbound).await }).catch_unwind();
            let outcome = match taking.await {
                Ok(verdict) => Outcome::Verdict(verdict),
                Err(_) => {
                    report_panic(&device);
                    Outcome::Panicked
                }
            };
            Answered { ack, outcome, _room: room, _side: side }
        }
        .boxed()
    }

    /// Acknowledges. Called in order of arrival.
    pub(super) fn on_answered(&mut self, answered: Answered) -> Result<(), End> {
        let (reason, receipt) = match answered.outcome {
            Outcome::Verdict(Verdict::Taken { receipt }) => (AckReason::Success, receipt),
            Outcome::Verdict(Verdict::Invalid { receipt }) => (AckReason::PayloadInvalid, receipt),
            Outcome::Verdict(Verdict::NotAuthorised { receipt }) => (AckReason::NotAuthorised, receipt),
            Outcome::Verdict(Verdict::GoneAway) => return Err(End::ShuttingDown),
            Outcome::Routed | Outcome::AlreadyRecorded => (AckReason::Success, None),
            Outcome::Panicked => return Err(End::GatewayFailed),
        };
        if let Some(Ack { kind, packet_id }) = answered.ack {
            protocol::ack(&mut self.transport.outbox, self.version, kind, packet_id, reason)?;
            self.context.shared.tally.ack();
            if kind == AckKind::Pubrec {
                // In MQTT 5 a refusal ends the exchange: no PUBREL follows.
                if reason == AckReason::Success || self.version == Version::V311 {
                    self.session.set_received(packet_id, Received::Recorded);
                } else {
                    self.session.forget_received(packet_id);
                }
            }
        }
        if let Some(receipt) = receipt {
            self.queue_receipt(receipt);
        }
        Ok(())
    }

    fn queue_receipt(&mut self, receipt: Outbound) {
        if self.session.grant(receipt.channel).is_some() {
            self.queue(Message::Outbox(receipt));
        }
    }

    fn on_pubrel(&mut self, packet_id: u16) -> Result<(), End> {
        let known = match self.session.received(packet_id) {
            Some(Received::Pending) => return Err(End::Fault(Fault::Protocol)),
            Some(Received::Recorded) => true,
            None => false,
        };
        self.session.forget_received(packet_id);
        Ok(protocol::pubcomp(&mut self.transport.outbox, self.version, packet_id, known)?)
    }
}

/// `client`: whose call to the gateway panicked.
pub(super) fn report_panic(client: &impl Display) {
    error!(%client, "the gateway panicked on this device; nothing was acknowledged for it");
}
