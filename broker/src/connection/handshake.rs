//! From an accepted stream to a logged-in device, or to a refusal.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::stream::FuturesOrdered;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{debug, info};
use vigie_wire::DeviceId;

use super::aliases::{AliasesIn, AliasesOut};
use super::inbound::report_panic;
use super::outbound::Fetches;
use super::{Connection, Context, End};
use crate::admission::{Proof, Refused, check_will, identify_peer};
use crate::door::Turn;
use crate::fanout;
use crate::gateway::{Admission, Gateway};
use crate::limits::CONTROL_PACKET_BYTES_MAX;
use crate::open;
use crate::pace::Pace;
use crate::principal::{Guest, Principal};
use crate::protocol::{self, ConnackTerms, Connect, ConnectAnswer, Packet, Version, connect_level, decode};
use crate::session::Session;
use crate::switchboard::Seat;
use crate::tls::Peer;
use crate::transport::{Transport, Turn as Moved};

/// A stream that does not become a connection.
enum Rejection {
    /// Not MQTT, too late, or gone: closed without an answer.
    Silent(&'static str),
    /// MQTT at another level than 3.1.1 and 5.
    UnknownLevel,
    Refused(Version, Refused),
}

/// Who has logged in.
enum Entered {
    /// A device, or a guest of the open profile.
    Client(Admitted),
    Engine(fanout::Admitted),
}

struct Admitted {
    version: Version,
    connect: Box<Connect>,
    principal: Principal,
    client_id_assigned: bool,
    seat: Seat,
    resumed: Option<Session>,
}

/// Serves one stream to its end. TLS and WebSocket are streams like any other.
pub(crate) async fn serve_stream<G, S>(context: Arc<Context<G>>, stream: S, remote: SocketAddr, peer: Peer)
where
    G: Gateway,
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut transport = Transport::new(stream);
    let admission = tokio::select! {
        admission = Box::pin(log_in(&context, &mut transport, remote, &peer)) => admission,
        () = context.shutdown.cancelled() => Err(Rejection::Silent("the process stops")),
    };
    match admission {
        Ok(Entered::Engine(admitted)) => {
            Box::pin(fanout::serve(context, transport, remote, admitted)).await;
        }
        Ok(Entered::Client(admitted)) => {
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
    peer: &Peer,
) -> Result<Entered, Rejection> {
    let limits = &context.shared.limits;
    let (version, mut connect) = timeout(limits.connect_timeout, read_connect(transport))
        .await
        .map_err(|_| Rejection::Silent("no complete CONNECT came in time"))??;
    let refuse = |refused| Rejection::Refused(version, refused);
    if let Some(router) = &context.open {
        return enter(context, router, version, connect).await.map(Entered::Client).map_err(refuse);
    }
    if *peer == Peer::Unproven && fanout::is_engine(&connect) {
        let turn = wait_for_turn(context, transport, remote, version).await?;
        let logging_in = fanout::log_in(context, version, connect, remote, turn);
        return logging_in.await.map(Entered::Engine).map_err(refuse);
    }
    let (claim, proof) = identify_peer(version, &mut connect, peer).map_err(refuse)?;
    let certificate = match proof {
        Proof::Certificate(fingerprint) => Some(fingerprint),
        Proof::Secret(_) => None,
    };
    wait_for_pace(context, &claim.device).await.map_err(refuse)?;
    let turn = wait_for_turn(context, transport, remote, version).await?;
    authenticate(context, &claim.device, proof, turn).await.map_err(refuse)?;
    context.shared.paces.logged_in(limits, &claim.device, Instant::now());
    check_will(&claim.device, &connect).map_err(refuse)?;
    // Only now: a stranger must not be able to end the connection of the device.
    let (seat, resumed) = context.shared.claim(claim.device.as_str(), connect.clean, certificate).await;
    debug!(device = %claim.device, %remote, ?version, resumed = resumed.is_some(), "a device logged in");
    Ok(Entered::Client(Admitted {
        version,
        connect,
        principal: Principal::Device(claim.device),
        client_id_assigned: claim.client_id_assigned,
        seat,
        resumed,
    }))
}

/// A guest of the open profile: nobody is asked.
async fn enter<G: Gateway>(
    context: &Context<G>,
    router: &Arc<open::Router>,
    version: Version,
    connect: Box<Connect>,
) -> Result<Admitted, Refused> {
    let name = open::name(router, version, &connect)?;
    let (seat, resumed) = context.shared.claim(&name.client_id, connect.clean, None).await;
    if resumed.is_none() {
        router.forget(&name.client_id);
    }
    let guest = Guest { client_id: name.client_id, router: Arc::clone(router) };
    Ok(Admitted {
        version,
        connect,
        principal: Principal::Guest(guest),
        client_id_assigned: name.assigned,
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

/// A device that logs in too often is held for a moment and then sent away, before the directory is asked.
async fn wait_for_pace<G: Gateway>(context: &Context<G>, device: &DeviceId) -> Result<(), Refused> {
    let (shared, now) = (&context.shared, Instant::now());
    let Some(until) = shared.paces.log_in_waits_until(&shared.limits, device, now) else {
        return Ok(());
    };
    let patience_ends = now + shared.limits.connect_patience;
    sleep_until(until.min(patience_ends)).await;
    if until <= patience_ends {
        return Ok(());
    }
    shared.tally.sent_away_often();
    let why = format!("device {device} logs in more often than it may; it is told to come back");
    Err(Refused::new(ConnectAnswer::TooOften, why))
}

/// Waits until the directory may be asked. A client that gave up meanwhile is not asked about.
async fn wait_for_turn<G: Gateway, S: AsyncRead + AsyncWrite + Unpin>(
    context: &Context<G>,
    transport: &mut Transport<S>,
    remote: SocketAddr,
    version: Version,
) -> Result<Turn, Rejection> {
    let (door, limits) = (&context.shared.door, &context.shared.limits);
    let Ok(Ok(turn)) = timeout(limits.log_in_wait_max, door.turn()).await else {
        sleep(door.jitter(remote, limits.busy_jitter)).await;
        context.shared.tally.sent_away_busy();
        let why = "too many log in at once; it is told to come back";
        return Err(Rejection::Refused(version, Refused::new(ConnectAnswer::Busy, why)));
    };
    if matches!(
        futures_util::poll!(pin!(transport.turn(true))),
        Poll::Ready(Err(_) | Ok(Moved { ended: true, .. }))
    ) {
        return Err(Rejection::Silent("it gave up waiting for its turn"));
    }
    Ok(turn)
}

/// Asks in a task of its own: when patience ends, the question is still asked to its end.
async fn authenticate<G: Gateway>(
    context: &Arc<Context<G>>,
    device: &DeviceId,
    proof: Proof,
    turn: Turn,
) -> Result<(), Refused> {
    let gateway = Arc::clone(&context.gateway);
    let asked = device.clone();
    let asking = context.tasks.spawn(async move {
        let asking = AssertUnwindSafe(async {
            match &proof {
                Proof::Secret(secret) => gateway.authenticate(&asked, secret).await,
                Proof::Certificate(fingerprint) => {
                    gateway.authenticate_certificate(&asked, fingerprint).await
                }
            }
        });
        let answer = asking.catch_unwind().await.inspect_err(|_| report_panic(&asked));
        drop(turn);
        answer
    });
    match timeout(context.shared.limits.authenticate_timeout, asking).await {
        Ok(Ok(Ok(Ok(Admission::Granted)))) => Ok(()),
        Ok(Ok(Ok(Ok(Admission::Refused)))) => {
            let why = format!(
                "device {device} is unknown, it or its certificate is revoked, or its secret is wrong"
            );
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
    let Admitted { version, connect, principal, client_id_assigned, seat, resumed } = admitted;
    let window = context.shared.limits.outbound_window.min(connect.receive_maximum);
    let server_keep_alive = match &principal {
        Principal::Guest(_) => open::server_keep_alive(version, connect.keep_alive),
        Principal::Device(_) => None,
    };
    let greeting = Greeting {
        session_present: resumed.is_some(),
        client_id_assigned,
        server_keep_alive,
        wants_response_information: connect.wants_response_information,
    };
    let pace = principal.device().map_or_else(Pace::default, |device| context.shared.paces.of(device));
    let paced_until = pace.waits_until(&context.shared.limits, Instant::now());
    let keep_alive = Duration::from_secs(u64::from(server_keep_alive.unwrap_or(connect.keep_alive)));
    let connection = Connection {
        context,
        aliases_in: AliasesIn::of(&principal),
        aliases_out: AliasesOut::of(&principal, connect.topic_alias_maximum),
        principal,
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
        client_packet_bytes_max: connect.packet_bytes_max,
        answers: FuturesOrdered::new(),
        stalled: None,
        fetches: Fetches::default(),
        written: Vec::new(),
        peer_ended: false,
        pace,
        paced_until,
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
    server_keep_alive: Option<u16>,
    wants_response_information: bool,
}

impl<G: Gateway, S: AsyncRead + AsyncWrite + Unpin + Send> Connection<G, S> {
    fn greet(&mut self, greeting: Greeting) -> Result<(), End> {
        let limits = &self.context.shared.limits;
        let terms = ConnackTerms {
            receive_maximum: limits.in_flight,
            packet_bytes_max: limits.packet_bytes_max,
            assigned_client_id: greeting.client_id_assigned.then_some(self.principal.key()),
            topic_alias_maximum: self.aliases_in.maximum,
            server_keep_alive: greeting.server_keep_alive,
            response_information: match &self.principal {
                Principal::Guest(_) if greeting.wants_response_information => {
                    Some(open::RESPONSE_INFORMATION)
                }
                Principal::Guest(_) | Principal::Device(_) => None,
            },
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
    let terms = ConnackTerms::default();
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
