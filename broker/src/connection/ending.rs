//! The end of a connection: tell the device why, start its will, let what is in hand commit, make room for the
//! device's return.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout};
use tracing::{debug, info};

use super::wills::Waiting;
use super::{Connection, End};
use crate::gateway::Gateway;
use crate::principal::Principal;
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
                debug!(client = %self.principal, "the farewell cannot be written");
            }
            if let Ok(Ok(())) = timeout(patience, self.transport.flush()).await {
                self.tell_written();
            }
        }
        // Nothing outlives the session, so no will waits longer.
        let will = self.will.take().filter(|_| end.publishes_will()).map(|will| *will);
        let mut later = None;
        if let Some(will) = will {
            match will.delay.min(self.session_expiry) {
                0 => self.start_will(will),
                seconds => later = Some((will, Duration::from_secs(u64::from(seconds)))),
            }
        }
        // Once, so that everything in hand has begun, in order, before the device's next connection is served.
        if futures_util::poll!(self.answers.next()).is_ready() {
            debug!(client = %self.principal, "a publish was decided too late to be acknowledged");
        }
        let Self {
            context,
            principal,
            remote,
            seat,
            session,
            session_expiry,
            pace,
            mut answers,
            mut fetches,
            transport,
            ..
        } = self;
        let lasts = session_expiry > 0 && end != End::Revoked;
        let left = if lasts { session.for_absence(principal.device().is_some()) } else { None };
        if let Some(session) = left {
            seat.leave_behind(session, session_expiry);
        } else if let Principal::Guest(guest) = &principal {
            guest.router.forget(&guest.client_id);
        }
        if let Some((will, delay)) = later {
            let waiting = Waiting {
                context: Arc::clone(&context),
                principal: principal.clone(),
                rooms: seat.rooms.clone(),
                remote,
                will,
                delay,
                fate: seat.leave_will(),
            };
            context.tasks.spawn(waiting.wait());
        }
        if let Principal::Device(device) = &principal {
            // Before the next connection of the device can begin.
            shared.paces.leave(device, pace, Instant::now());
        }
        drop(seat);
        if !answers.is_empty() || !fetches.running.is_empty() {
            let shared = Arc::clone(&shared);
            context.tasks.spawn(async move {
                while answers.next().await.is_some() {}
                while fetches.running.next().await.is_some() {}
                drop((answers, fetches));
                shared.sweep(principal.key());
            });
        }
        if timeout(patience, transport.close()).await.is_err() {
            debug!("the peer does not close its side; closed all the same");
        }
    }

    fn log(&self, end: End) {
        let client = &self.principal;
        match end {
            End::Goodbye | End::GoodbyeWithWill | End::Lost | End::ShuttingDown => {
                debug!(%client, "connection ended: {end}");
            }
            End::Fault(_)
            | End::KeepAlive
            | End::Stalled
            | End::WriteStuck
            | End::TakenOver
            | End::Revoked
            | End::GatewayFailed
            | End::Unwritable(_) => info!(%client, remote = %self.remote, "connection cut: {end}"),
        }
    }
}
