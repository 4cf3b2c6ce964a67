//! The accept loop.

use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, error, info, warn};

use crate::carrier::{Carrier, serve_carried};
use crate::connection::{Context, serve_stream};
use crate::gateway::Gateway;
use crate::open::Router;
use crate::switchboard::Switchboard;
use crate::tls::Peer;

/// Breath taken when the operating system refuses to hand out another socket.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// After this much silence the operating system asks whether the peer is still there. A client that switched off the
/// keep-alive of MQTT and lost its network is found out by that alone.
const PROBE_AFTER: Duration = Duration::from_secs(120);
/// Between the questions that follow.
const PROBE_EVERY: Duration = Duration::from_secs(30);
/// Unanswered questions after which the connection has failed.
const PROBES: u32 = 4;

/// [`serve_over`] plain TCP.
pub async fn serve<G: Gateway>(
    listener: TcpListener,
    gateway: Arc<G>,
    switchboard: Switchboard,
    shutdown: CancellationToken,
) {
    serve_over(Carrier::default(), listener, gateway, switchboard, shutdown).await;
}

/// Accepts devices until `shutdown`, then lets publishes in hand be committed and acknowledged for at most
/// [`Limits::shutdown_grace`](crate::Limits::shutdown_grace), says goodbye, and returns.
///
/// Several listeners may share one [`Switchboard`]; a device then has one connection over all of them.
pub async fn serve_over<G: Gateway>(
    carrier: Carrier,
    listener: TcpListener,
    gateway: Arc<G>,
    switchboard: Switchboard,
    shutdown: CancellationToken,
) {
    accept_until(carrier, listener, gateway, switchboard, None, shutdown).await;
}

/// The same with the router of the open profile, or without.
pub(crate) async fn accept_until<G: Gateway>(
    carrier: Carrier,
    listener: TcpListener,
    gateway: Arc<G>,
    switchboard: Switchboard,
    open: Option<Arc<Router>>,
    shutdown: CancellationToken,
) {
    let context = Arc::new(Context {
        gateway,
        shared: Arc::clone(&switchboard.shared),
        open,
        shutdown: shutdown.clone(),
        tasks: TaskTracker::new(),
    });
    tokio::select! {
        () = accept_for_ever(&carrier, &listener, &context) => {}
        () = shutdown.cancelled() => {}
    }
    drop(listener);
    context.shared.cut_all();
    context.tasks.close();
    let limits = &context.shared.limits;
    let patience = limits.shutdown_grace + limits.farewell_timeout * 3;
    if timeout(patience, context.tasks.wait()).await.is_err() {
        let left = context.tasks.len();
        info!(left, "the grace is over; what is left was not acknowledged and will be sent again");
    }
}

async fn accept_for_ever<G: Gateway>(carrier: &Carrier, listener: &TcpListener, context: &Arc<Context<G>>) {
    loop {
        // The place first: at the limit the backlog waits in the operating system.
        let Ok(place) = Arc::clone(&context.shared.connections).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, remote)) => welcome(carrier, context, stream, remote, place),
            Err(error) if concerns_one_peer(&error) => debug!("a peer left before it was accepted: {error}"),
            Err(error) => {
                warn!("cannot accept connections now: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn concerns_one_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

fn welcome<G: Gateway>(
    carrier: &Carrier,
    context: &Arc<Context<G>>,
    stream: TcpStream,
    remote: SocketAddr,
    place: OwnedSemaphorePermit,
) {
    context.shared.tally.accepted();
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%remote, "cannot switch off Nagle's algorithm: {error}");
    }
    let probing = TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(PROBE_EVERY).with_retries(PROBES);
    if let Err(error) = SockRef::from(&stream).set_tcp_keepalive(&probing) {
        debug!(%remote, "cannot have the operating system probe a silent peer: {error}");
    }
    let context_of_it = Arc::clone(context);
    if carrier.is_plain() {
        let serving = serve_stream(context_of_it, stream, remote, Peer::Unproven);
        context.tasks.spawn(fenced(serving, remote, place));
    } else {
        let serving = serve_carried(carrier.clone(), context_of_it, stream, remote);
        context.tasks.spawn(fenced(serving, remote, place));
    }
}

/// A panic of one connection ends that one.
async fn fenced(serving: impl Future<Output = ()>, remote: SocketAddr, place: OwnedSemaphorePermit) {
    if AssertUnwindSafe(serving).catch_unwind().await.is_err() {
        error!(%remote, "a connection ended in a panic; the others go on");
    }
    drop(place);
}
