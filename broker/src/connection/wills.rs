//! The last will of a client that vanished: published at once, or after its delay unless the client is back.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};
use tracing::info;
use vigie_wire::DeviceId;

use super::inbound::report_panic;
use super::{Connection, Context};
use crate::gateway::{Gateway, Inbound};
use crate::message::Published;
use crate::principal::{Destination, Guest, Principal};
use crate::protocol::Will;
use crate::switchboard::Rooms;
use crate::topics::may_will;

impl<G: Gateway, S: AsyncRead + AsyncWrite + Unpin + Send> Connection<G, S> {
    /// Publishes the will now. Without room for it (the device's publishes are not getting through either) it is
    /// left out: a silent device raises its alert by its silence.
    pub(super) fn start_will(&mut self, will: Will) {
        match self.principal.destination(&will.topic) {
            Destination::Router(guest) => guest.publish(&self.context.shared, published(will)),
            Destination::Gateway(device, _) => {
                let Ok(side) = Arc::clone(&self.seat.rooms.side).try_acquire_owned() else {
                    info!(%device, "no room for the last will of the device; left out");
                    return;
                };
                let inbound = inbound_will(device, self.remote, will);
                let taking = self.take(inbound, None, None, Some(side));
                self.answers.push_back(taking);
            }
        }
    }
}

/// A will whose client may still come back.
pub(super) struct Waiting<G> {
    pub(super) context: Arc<Context<G>>,
    pub(super) principal: Principal,
    pub(super) rooms: Rooms,
    pub(super) remote: SocketAddr,
    pub(super) will: Will,
    pub(super) delay: Duration,
    /// See [`Seat::leave_will`](crate::switchboard::Seat::leave_will).
    pub(super) fate: oneshot::Receiver<()>,
}

impl<G: Gateway> Waiting<G> {
    /// Publishes the will when its delay is over, when the session ends, or when the process stops, whichever
    /// comes first; not at all if the client comes back before.
    pub(super) async fn wait(self) {
        tokio::select! {
            () = sleep(self.delay) => {}
            fate = self.fate => if fate.is_ok() { return },
            () = self.context.shutdown.cancelled() => {}
        }
        let device = match &self.principal {
            Principal::Guest(guest) => {
                guest.publish(&self.context.shared, published(self.will));
                return;
            }
            Principal::Device(device) => device,
        };
        let Ok(_side) = self.rooms.side.try_acquire() else {
            info!(%device, "no room for the last will of the device; left out");
            return;
        };
        self.context.shared.tally.publish();
        let inbound = inbound_will(device, self.remote, self.will);
        let taking = AssertUnwindSafe(self.context.gateway.take(inbound));
        if taking.catch_unwind().await.is_err() {
            report_panic(&self.principal);
        }
    }
}

/// The will as a publish of the device.
fn inbound_will(device: &DeviceId, remote: SocketAddr, will: Will) -> Inbound {
    Inbound {
        device: device.clone(),
        channel: may_will(device, &will.topic),
        topic: will.topic,
        payload: will.payload,
        qos: will.qos as u8,
        duplicate: false,
        retained: will.retain,
        wants_receipts: false,
        remote,
        will: true,
    }
}

fn published(will: Will) -> Published {
    Published {
        expires_at: expires_at(will.expiry),
        topic: will.topic,
        payload: will.payload,
        qos: will.qos,
        retain: will.retain,
        forwarded: will.forwarded,
    }
}

/// When a message with this expiry interval, which comes now, expires.
pub(super) fn expires_at(seconds: Option<u32>) -> Option<Instant> {
    Instant::now().checked_add(Duration::from_secs(u64::from(seconds?)))
}

impl Guest {
    /// Publishes to the other guests.
    pub(super) fn publish(&self, shared: &crate::switchboard::Shared, published: Published) {
        self.router.publish(shared, &self.client_id, published);
    }
}
