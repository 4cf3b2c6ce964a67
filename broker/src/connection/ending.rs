//! The end of a connection: tell the device why, start its will, let what is in hand commit, make room for the
//! device's return.

use std::sync::Arc;

use futures_util::StreamExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tracing::{debug, info};

use super::{Connection, End};
use crate::gateway::Gateway;
use crate::protocol;

impl<G: Gateway, S: AsyncRead + AsyncWrite + Unpin + Send> Connection<G, S> {
    pub(super) async fn finish(mut self, end: End) {
        let shared = Arc::clone(&self.context.shared);
        self.log(end);
        if end != End::Goodbye {
            shared.tally.cut();
        }
        let patience = shared.limits.farewell_timeout;
        if end != End::Lost && end != End::WriteStuck {
            if let Some(farewell) = end.farewell()
                && protocol::disconnect(&mut self.transport.outbox, self.version, farewell).is_err()
            {
                debug!(device = %self.device, "the farewell cannot be written");
            }
            if let Ok(Ok(())) = timeout(patience, self.transport.flush()).await {
                self.tell_written();
            }
        }
        if end.publishes_will() {
            self.start_will();
        }
        // Once, so that everything in hand has begun, in order, before the device's next connection is served.
        if futures_util::poll!(self.answers.next()).is_ready() {
            debug!(device = %self.device, "a publish was decided too late to be acknowledged");
        }
        let Self {
            context, device, seat, session, session_expiry, mut answers, mut fetches, transport, ..
        } = self;
        if session_expiry > 0 && end != End::Revoked {
            seat.leave_behind(session, session_expiry);
        }
        drop(seat);
        if !answers.is_empty() || !fetches.running.is_empty() {
            let shared = Arc::clone(&shared);
            context.tasks.spawn(async move {
                while answers.next().await.is_some() {}
                while fetches.running.next().await.is_some() {}
                drop((answers, fetches));
                shared.sweep(&device);
            });
        }
        if timeout(patience, transport.close()).await.is_err() {
            debug!("the peer does not close its side; closed all the same");
        }
    }

    fn log(&self, end: End) {
        let device = &self.device;
        match end {
            End::Goodbye | End::GoodbyeWithWill | End::Lost | End::ShuttingDown => {
                debug!(%device, "connection ended: {end}");
            }
            End::Fault(_)
            | End::KeepAlive
            | End::Stalled
            | End::WriteStuck
            | End::TakenOver
            | End::Revoked
            | End::GatewayFailed
            | End::Unwritable(_) => info!(%device, remote = %self.remote, "connection cut: {end}"),
        }
    }

    /// Without room for it (the device's publishes are not getting through either) the will is left out: a
    /// silent device raises its alert by its silence.
    fn start_will(&mut self) {
        let Some(will) = self.will.take() else {
            return;
        };
        let Ok(side) = Arc::clone(&self.seat.rooms.side).try_acquire_owned() else {
            info!(device = %self.device, "no room for the last will of the device; left out");
            return;
        };
        let inbound = self.inbound_will(*will);
        let taking = self.take(inbound, None, None, Some(side));
        self.answers.push_back(taking);
    }
}
