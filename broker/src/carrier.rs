//! What carries MQTT: TCP as it is, TLS, WebSocket, or WebSocket in TLS. Everything here happens in the
//! connection's own task, under a deadline: a peer that stalls its handshake delays nobody.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tracing::{debug, info};

use crate::connection::{Context, serve_stream};
use crate::gateway::Gateway;
use crate::tls::{Peer, Tls};
use crate::websocket::upgrade;

/// What a listener speaks below MQTT; the default is plain TCP.
#[derive(Debug, Clone, Default)]
pub struct Carrier {
    /// TLS, with these certificates.
    pub tls: Option<Tls>,
    /// WebSocket with the sub-protocol `mqtt`.
    pub websocket: bool,
}

impl Carrier {
    /// TCP, and nothing between it and MQTT?
    pub(crate) fn is_plain(&self) -> bool {
        self.tls.is_none() && !self.websocket
    }
}

/// Serves an accepted socket over what carries MQTT here.
pub(crate) async fn serve_carried<G: Gateway>(
    carrier: Carrier,
    context: Arc<Context<G>>,
    stream: TcpStream,
    remote: SocketAddr,
) {
    let deadline = Instant::now() + context.shared.limits.handshake_timeout;
    let Some(tls) = carrier.tls else {
        return serve_upgraded(carrier.websocket, context, stream, remote, Peer::Unproven, deadline).await;
    };
    let shaken = tokio::select! {
        shaken = Box::pin(timeout_at(deadline, tls.shake_hands(stream))) => shaken,
        () = context.shutdown.cancelled() => return,
    };
    match shaken {
        Ok(Ok((stream, peer))) => {
            // A TLS session is more than a kilobyte, and each step of a future keeps what it was handed.
            let stream = Box::new(stream);
            serve_upgraded(carrier.websocket, context, stream, remote, peer, deadline).await;
        }
        Ok(Err(failed)) => {
            context.shared.tally.handshake_failed();
            if failed.certificate {
                info!(%remote, "refused: its certificate does not pass: {}", failed.why);
            } else {
                debug!(%remote, "the TLS handshake failed: {}", failed.why);
            }
        }
        Err(_) => {
            context.shared.tally.handshake_failed();
            debug!(%remote, "the TLS handshake took too long");
        }
    }
}

async fn serve_upgraded<G, S>(
    websocket: bool,
    context: Arc<Context<G>>,
    stream: S,
    remote: SocketAddr,
    peer: Peer,
    deadline: Instant,
) where
    G: Gateway,
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    if !websocket {
        return Box::pin(serve_stream(context, stream, remote, peer)).await;
    }
    let upgraded = tokio::select! {
        upgraded = Box::pin(timeout_at(deadline, upgrade(stream, &context.shared.limits))) => upgraded,
        () = context.shutdown.cancelled() => return,
    };
    match upgraded {
        Ok(Ok(stream)) => Box::pin(serve_stream(context, Box::new(stream), remote, peer)).await,
        Ok(Err(error)) => {
            context.shared.tally.handshake_failed();
            debug!(%remote, "no WebSocket for MQTT: {error}");
        }
        Err(_) => {
            context.shared.tally.handshake_failed();
            debug!(%remote, "the upgrade to WebSocket took too long");
        }
    }
}
