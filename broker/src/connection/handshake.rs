//! From an accepted stream to a logged-in device, or to a refusal.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::stream::FuturesOrdered;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout};
use tracing::{debug, info};
use vigie_wire::DeviceId;

use super::inbound::report_panic;
use super::outbound::Fetches;
use super::{Connection, Context, End};
use crate::admission::{Refused, check_will, identify};
use crate::gateway::{Admission, Gateway};
use crate::limits::CONTROL_PACKET_BYTES_MAX;
use crate::protocol::{self, ConnackTerms, Connect, ConnectAnswer, Packet, Version, connect_level, decode};
use crate::session::Session;
use crate::switchboard::Seat;
use crate::transport::Transport;

/// A stream that does not become a connection.
enum Rejection {
    /// Not MQTT, too late, or gone: closed without an answer.
    Silent(&'static str),
    /// MQTT at another level than 3.1.1 and 5.
    UnknownLevel,
    Refused(Version, Refused),
}

struct Admitted {
    version: Version,
    connect: Box<Connect>,
    device: DeviceId,
    client_id_assigned: bool,
    seat: Seat,
    resumed: Option<Session>,
}

/// Serves one stream to its end. TLS and WebSocket are streams like any other.
pub(crate) async fn serve_stream<G, S>(context: Arc<Context<G>>, stream: S, remote: SocketAddr)
where
    G: Gateway,
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut transport = Transport::new(stream);
    let admission = tokio::select! {
        admission = Box::pin(log_in(&context, &mut transport, remote)) => admission,
        () = context.shutdown.cancelled() => Err(Rejection::Silent("the process stops")),
    };
    match admission {
        Ok(admitted) => {
            let mut connection = establish(context, transport, remote, admitted);
            let end = match connection.0.greet(connection.1) {
                Ok(()) => connection.0.run().await,
                Err(end) => end,
            };
            Box::pin(connection.0.finish(end)).await;
        }
        Err(rejection) => Box::pin(turn_away(&context, transport, remote, rejection)).await,
    }
}

async fn log_in<G: Gateway, S: AsyncRead + AsyncWrite + Unpin>(
    context: &Arc<Context<G>>,
    transport: &mut Transport<S>,
    remote: SocketAddr,
) -> Result<Admitted, Rejection> {
    let limits = &context.shared.limits;
    let (version, mut connect) = timeout(limits.connect_timeout, read_connect(transport))
        .await
        .map_err(|_| Rejection::Silent("no complete CONNECT came in time"))??;
    let refuse = |refused| Rejection::Refused(version, refused);
    let claim = identify(version, &connect).map_err(refuse)?;
    let secret = connect.password.take().unwrap_or_default();
    authenticate(context, &claim.device, secret).await.map_err(refuse)?;
    check_will(&claim.device, &connect).map_err(refuse)?;
    // Only now: a stranger must not be able to end the connection of the device.
    let (seat, resumed) = context.shared.claim(&claim.device, connect.clean).await;
    debug!(device = %claim.device, %remote, ?version, resumed = resumed.is_some(), "a device logged in");
    Ok(Admitted {
        version,
        connect,
        device: claim.device,
        client_id_assigned: claim.client_id_assigned,
        seat,
        resumed,
    })
}

async fn read_connect<S: AsyncRead + AsyncWrite + Unpin>(
    transport: &mut Transport<S>,
) -> Result<(Version, Box<Connect>), Rejection> {
    loop {
        let parse = |first, body: &[u8]| match connect_level(first, body) {
            Ok(Some(version)) => match decode(version, first, body) {
                Ok(Packet::Connect(connect)) => Ok((version, connect)),
                Ok(_) | Err(_) => Err(Rejection::Silent("its CONNECT is malformed")),
            },
            Ok(None) => Err(Rejection::UnknownLevel),
            Err(_) => Err(Rejection::Silent("its first packet is no CONNECT")),
        };
        match transport.next_packet(CONTROL_PACKET_BYTES_MAX, parse) {
            Ok(Some(connect)) => return connect,
            Ok(None) if transport.first_byte().is_some_and(|first| first != 0x10) => {
                return Err(Rejection::Silent("its first packet is no CONNECT"));
            }
            Ok(None) => {}
            Err(_) => return Err(Rejection::Silent("its first packet is too large or malformed")),
        }
        match transport.turn(true).await {
            Ok(turn) if !turn.ended => {}
            Ok(_) | Err(_) => return Err(Rejection::Silent("it closed before its CONNECT was complete")),
        }
    }
}

/// Asks in a task of its own: when patience ends, the question is still asked to its end.
async fn authenticate<G: Gateway>(
    context: &Arc<Context<G>>,
    device: &DeviceId,
    secret: Vec<u8>,
) -> Result<(), Refused> {
    let gateway = Arc::clone(&context.gateway);
    let asked = device.clone();
    let asking = context.tasks.spawn(async move {
        let asking = AssertUnwindSafe(async { gateway.authenticate(&asked, &secret).await });
        asking.catch_unwind().await.inspect_err(|_| report_panic(&asked))
    });
    match timeout(context.shared.limits.authenticate_timeout, asking).await {
        Ok(Ok(Ok(Ok(Admission::Granted)))) => Ok(()),
        Ok(Ok(Ok(Ok(Admission::Refused)))) => {
            let why = format!("device {device} is unknown, revoked, or sent the wrong secret");
            Err(Refused::new(ConnectAnswer::BadCredentials, why))
        }
        // Unavailable, a panic of the gateway, or no answer in time: the device is to come back.
        Ok(Ok(Ok(Err(_)) | Err(_)) | Err(_)) | Err(_) => {
            let why = format!("device {device} cannot be checked now; it is told to come back");
            Err(Refused::new(ConnectAnswer::Unavailable, why))
        }
    }
}

fn establish<G: Gateway, S: AsyncRead + AsyncWrite + Unpin + Send>(
    context: Arc<Context<G>>,
    transport: Transport<S>,
    remote: SocketAddr,
    admitted: Admitted,
) -> (Connection<G, S>, Greeting) {
    let Admitted { version, connect, device, client_id_assigned, seat, resumed } = admitted;
    let window = context.shared.limits.outbound_window.min(connect.receive_maximum);
    let greeting = Greeting { session_present: resumed.is_some(), client_id_assigned };
    let keep_alive = Duration::from_secs(u64::from(connect.keep_alive));
    let connection = Connection {
        context,
        device,
        version,
        remote,
        transport,
        seat,
        session: resumed.unwrap_or_default(),
        session_expiry: connect.session_expiry,
        session_expiry_at_connect: connect.session_expiry,
        will: connect.will.map(Box::new),
        silence_allowed: (!keep_alive.is_zero()).then(|| keep_alive * 3 / 2),
        window: usize::from(window),
        device_packet_bytes_max: connect.packet_bytes_max,
        answers: FuturesOrdered::new(),
        stalled: None,
        fetches: Fetches::default(),
        written: Vec::new(),
        peer_ended: false,
        drain_until: None,
        last_heard: Instant::now(),
        write_waits_since: None,
    };
    (connection, greeting)
}

/// What the accepting CONNACK says.
#[derive(Clone, Copy)]
struct Greeting {
    session_present: bool,
    client_id_assigned: bool,
}

impl<G: Gateway, S: AsyncRead + AsyncWrite + Unpin + Send> Connection<G, S> {
    fn greet(&mut self, greeting: Greeting) -> Result<(), End> {
        let limits = &self.context.shared.limits;
        let terms = ConnackTerms {
            receive_maximum: limits.in_flight,
            packet_bytes_max: limits.packet_bytes_max,
            assigned_client_id: greeting.client_id_assigned.then_some(self.device.as_str()),
        };
        let session_present = greeting.session_present;
        let answer = ConnectAnswer::Accepted { session_present };
        protocol::connack(&mut self.transport.outbox, self.version, answer, &terms)?;
        if session_present {
            self.send_again()?;
            self.want_everything();
        }
        Ok(())
    }
}

async fn turn_away<G: Gateway, S: AsyncRead + AsyncWrite + Unpin>(
    context: &Context<G>,
    mut transport: Transport<S>,
    remote: SocketAddr,
    rejection: Rejection,
) {
    context.shared.tally.refused();
    let (version, answer) = match rejection {
        Rejection::Silent(why) => {
            debug!(%remote, "closed without an answer: {why}");
            return;
        }
        Rejection::UnknownLevel => {
            info!(%remote, "refused: it speaks another MQTT than 3.1.1 and 5");
            (Version::V311, ConnectAnswer::UnsupportedVersion)
        }
        Rejection::Refused(version, refused) => {
            info!(%remote, "refused: {}", refused.why);
            (version, refused.answer)
        }
    };
    let terms = ConnackTerms { receive_maximum: 1, packet_bytes_max: 1, assigned_client_id: None };
    let written = protocol::connack(&mut transport.outbox, version, answer, &terms);
    let patience = context.shared.limits.farewell_timeout;
    if written.is_err() || !matches!(timeout(patience, transport.flush()).await, Ok(Ok(()))) {
        debug!(%remote, "the refusal could not be sent");
        return;
    }
    if timeout(patience, transport.close()).await.is_err() {
        debug!(%remote, "the peer does not close its side; closed all the same");
    }
}
