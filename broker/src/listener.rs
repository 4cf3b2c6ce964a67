//! The accept loop.

use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, error, info, warn};

use crate::connection::{Context, serve_stream};
use crate::gateway::Gateway;
use crate::switchboard::Switchboard;

/// Breath taken when the operating system refuses to hand out another socket.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts devices until `shutdown`, then lets publishes in hand be committed and acknowledged for at most
/// [`Limits::shutdown_grace`](crate::Limits::shutdown_grace), says goodbye, and returns.
///
/// Several listeners may share one [`Switchboard`]; a device then has one connection over all of them.
pub async fn serve<G: Gateway>(
    listener: TcpListener,
    gateway: Arc<G>,
    switchboard: Switchboard,
    shutdown: CancellationToken,
) {
    let context = Arc::new(Context {
        gateway,
        shared: Arc::clone(&switchboard.shared),
        shutdown: shutdown.clone(),
        tasks: TaskTracker::new(),
    });
    tokio::select! {
        () = accept_for_ever(&listener, &context) => {}
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

async fn accept_for_ever<G: Gateway>(listener: &TcpListener, context: &Arc<Context<G>>) {
    loop {
        // The place first: at the limit the backlog waits in the operating system.
        let Ok(place) = Arc::clone(&context.shared.connections).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, remote)) => welcome(context, stream, remote, place),
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
    context: &Arc<Context<G>>,
    stream: TcpStream,
    remote: SocketAddr,
    place: OwnedSemaphorePermit,
) {
    context.shared.tally.accepted();
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%remote, "cannot switch off Nagle's algorithm: {error}");
    }
    let serving = serve_stream(Arc::clone(context), stream, remote);
    context.tasks.spawn(async move {
        if AssertUnwindSafe(serving).catch_unwind().await.is_err() {
            error!(%remote, "a connection ended in a panic; the others go on");
        }
        drop(place);
    });
}
