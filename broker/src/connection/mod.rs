//! One connection of one client, from the CONNECT to the last byte.
//!
//! A connection is one task that never blocks on any single thing: it waits for its socket, for verdicts of
//! the gateway, for messages to the device and for its deadlines at once. What keeps memory bounded is that
//! it stops reading: when the device has as many publishes in hand as it may, when all devices together hold
//! as many payload bytes as they may, and when the device does not take what we write.

mod aliases;
mod ending;
mod handshake;
mod inbound;
mod outbound;
mod subscribing;
mod wills;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesOrdered, FuturesUnordered, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::gateway::Gateway;
use crate::mailbox::Cut;
use crate::open::Router;
use crate::pace::Pace;
use crate::principal::Principal;
use crate::protocol::{Farewell, Fault, Unwritable, Version, Will};
use crate::session::Session;
use crate::switchboard::{Seat, Shared};
use crate::transport::{Transport, Turn};

#[cfg(any(fuzzing, test))]
pub(crate) use aliases::resolve_all;
use aliases::{AliasesIn, AliasesOut};
pub(crate) use handshake::serve_stream;
use inbound::{Answered, Room, Stalled};
use outbound::{Fetched, Fetches};

/// With this much to write, nothing more is read or queued: what the device causes us to write is bounded.
pub(crate) const OUTBOX_HIGH_WATER: usize = 64 * 1024;

/// What every connection of one listener works with.
pub(crate) struct Context<G> {
    pub(crate) gateway: Arc<G>,
    pub(crate) shared: Arc<Shared>,
    /// Set on a listener of the open profile: its clients are guests, and none is a device.
    pub(crate) open: Option<Arc<Router>>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

/// How a connection comes to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum End {
    #[error("the device said goodbye")]
    Goodbye,
    #[error("the device said goodbye and asked for its will to be published")]
    GoodbyeWithWill,
    #[error("the device closed the connection, or the network did")]
    Lost,
    #[error("{0}")]
    Fault(Fault),
    #[error("nothing came for one and a half times the keep-alive")]
    KeepAlive,
    #[error("the device stopped in the middle of a packet")]
    Stalled,
    #[error("the device does not take what is sent to it")]
    WriteStuck,
    #[error("the device logged in again")]
    TakenOver,
    #[error("the device was revoked")]
    Revoked,
    #[error("the process stops")]
    ShuttingDown,
    #[error("the gateway failed; the device will send again")]
    GatewayFailed,
    #[error("{0}")]
    Unwritable(Unwritable),
}

impl From<Unwritable> for End {
    fn from(unwritable: Unwritable) -> Self {
        Self::Unwritable(unwritable)
    }
}

impl End {
    /// What an MQTT 5 device is told.
    fn farewell(self) -> Option<Farewell> {
        match self {
            Self::Goodbye | Self::GoodbyeWithWill | Self::Lost | Self::WriteStuck => None,
            Self::Fault(fault) => Some(Farewell::Fault(fault)),
            Self::KeepAlive | Self::Stalled => Some(Farewell::KeepAlive),
            Self::TakenOver => Some(Farewell::TakenOver),
            Self::Revoked => Some(Farewell::Revoked),
            Self::ShuttingDown => Some(Farewell::ShuttingDown),
            Self::GatewayFailed | Self::Unwritable(_) => Some(Farewell::Unspecified),
        }
    }

    /// Is it the device that vanished or misbehaved, so that its will is published? When the process stops or
    /// the operator withdrew the device, the device is not to blame.
    fn publishes_will(self) -> bool {
        match self {
            Self::Goodbye | Self::Revoked | Self::ShuttingDown => false,
            Self::GoodbyeWithWill
            | Self::Lost
            | Self::Fault(_)
            | Self::KeepAlive
            | Self::Stalled
            | Self::WriteStuck
            | Self::TakenOver
            | Self::GatewayFailed
            | Self::Unwritable(_) => true,
        }
    }
}

/// What the loop woke up for.
enum Event {
    Turn(std::io::Result<Turn>),
    Answered(Answered),
    Fetched(Fetched),
    Room(Option<Room>),
    Woken,
    Deadline,
}

struct Connection<G, S> {
    context: Arc<Context<G>>,
    principal: Principal,
    version: Version,
    remote: SocketAddr,
    transport: Transport<S>,
    seat: Seat,
    session: Session,
    session_expiry: u32,
    /// What the CONNECT asked for; a DISCONNECT may not turn none into some.
    session_expiry_at_connect: u32,
    will: Option<Box<Will>>,
    /// One and a half times the keep-alive; none if the device switched it off.
    silence_allowed: Option<Duration>,
    /// How many messages of ours may wait for their acknowledgement.
    window: usize,
    client_packet_bytes_max: usize,
    aliases_in: AliasesIn,
    aliases_out: AliasesOut,
    /// Publishes in hand, in order of arrival.
    answers: FuturesOrdered<BoxFuture<'static, Answered>>,
    /// A publish for which there is no room yet; while there is one, nothing is read.
    stalled: Option<Stalled>,
    fetches: Fetches,
    /// Outbox rows in the write buffer at QoS 0: delivered once it has been written.
    written: Vec<i64>,
    peer_ended: bool,
    pace: Pace,
    /// The device has gone faster than it may: until then nothing is read.
    paced_until: Option<Instant>,
    /// Set when the process stops: the end of the grace.
    drain_until: Option<Instant>,
    last_heard: Instant,
    write_waits_since: Option<Instant>,
}

impl<G: Gateway, S: AsyncRead + AsyncWrite + Unpin + Send> Connection<G, S> {
    async fn run(&mut self) -> End {
        if self.context.shutdown.is_cancelled() {
            self.seat.mailbox.cut(Cut::ShuttingDown);
        }
        loop {
            if let Err(end) = self.advance() {
                return end;
            }
            let reading = self.is_reading();
            let event = self.next_event(reading).await;
            if !reading {
                // Nothing can have been heard: the device's silence begins now.
                self.last_heard = Instant::now();
            }
            if let Err(end) = self.on_event(event, reading) {
                return end;
            }
        }
    }

    /// Does everything that can be done without waiting.
    fn advance(&mut self) -> Result<(), End> {
        match self.seat.mailbox.ordered_cut() {
            Some(Cut::TakenOver) => return Err(End::TakenOver),
            Some(Cut::Revoked) => return Err(End::Revoked),
            Some(Cut::ShuttingDown) if self.drain_until.is_none() => {
                self.drain_until = Some(Instant::now() + self.context.shared.limits.shutdown_grace);
            }
            Some(Cut::ShuttingDown) | None => {}
        }
        self.paced_until = self.paced_until.filter(|until| *until > Instant::now());
        if self.transport.is_all_sent() {
            self.tell_written();
        }
        self.read_packets()?;
        self.send_messages()?;
        if self.drain_until.is_none() {
            self.start_fetches();
        }
        if self.transport.is_all_sent() {
            self.write_waits_since = None;
            if self.drain_until.is_some() && self.answers.is_empty() {
                return Err(End::ShuttingDown);
            }
        } else {
            self.write_waits_since.get_or_insert_with(Instant::now);
        }
        if self.peer_ended && self.accepts_packets() {
            return Err(End::Lost);
        }
        Ok(())
    }

    /// May the next packet be looked at?
    fn accepts_packets(&self) -> bool {
        self.stalled.is_none()
            && self.paced_until.is_none()
            && self.drain_until.is_none()
            && self.transport.outbox.len() < OUTBOX_HIGH_WATER
    }

    fn is_reading(&self) -> bool {
        self.accepts_packets() && !self.peer_ended
    }

    /// The earliest moment at which patience ends.
    fn deadline(&self, reading: bool) -> Option<(Instant, End)> {
        let limits = &self.context.shared.limits;
        let silence = self.silence_allowed.filter(|_| reading);
        let mid_packet = reading && self.transport.is_mid_packet();
        [
            silence.map(|allowed| (self.last_heard + allowed, End::KeepAlive)),
            mid_packet.then(|| (self.last_heard + limits.stall_timeout, End::Stalled)),
            self.write_waits_since.map(|since| (since + limits.write_timeout, End::WriteStuck)),
            self.drain_until.map(|until| (until, End::ShuttingDown)),
        ]
        .into_iter()
        .flatten()
        .min_by_key(|(at, _)| *at)
    }

    async fn next_event(&mut self, reading: bool) -> Event {
        let end_of_patience = self.deadline(reading).map(|(at, _)| at);
        let deadline =
            end_of_patience.into_iter().chain(self.fetches.wake_at()).chain(self.paced_until).min();
        let Self { transport, answers, stalled, fetches, seat, .. } = self;
        let running: &mut FuturesUnordered<_> = &mut fetches.running;
        tokio::select! {
            turn = transport.turn(reading) => Event::Turn(turn),
            Some(answered) = answers.next(), if !answers.is_empty() => Event::Answered(answered),
            Some(fetched) = running.next(), if !running.is_empty() => Event::Fetched(fetched),
            room = wait_for_room(stalled) => Event::Room(room),
            () = seat.mailbox.woken() => Event::Woken,
            () = wait_until(deadline) => Event::Deadline,
        }
    }

    fn on_event(&mut self, event: Event, reading: bool) -> Result<(), End> {
        match event {
            Event::Turn(Err(_)) => Err(End::Lost),
            Event::Turn(Ok(turn)) => {
                if turn.read > 0 {
                    self.last_heard = Instant::now();
                }
                if turn.wrote > 0 || turn.flushed {
                    self.write_waits_since = None;
                }
                self.peer_ended |= turn.ended;
                Ok(())
            }
            Event::Answered(answered) => self.on_answered(answered),
            Event::Fetched(fetched) => {
                self.on_fetched(fetched);
                Ok(())
            }
            Event::Room(room) => self.on_room(room),
            Event::Woken => Ok(()),
            Event::Deadline => match self.deadline(reading) {
                Some((at, end)) if at <= Instant::now() => Err(end),
                Some(_) | None => Ok(()),
            },
        }
    }
}

/// Waits until then, or for ever.
pub(crate) async fn wait_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn wait_for_room(stalled: &mut Option<Stalled>) -> Option<Room> {
    match stalled {
        Some(stalled) => stalled.room.as_mut().await,
        None => std::future::pending().await,
    }
}
