//! The open profile: an ordinary MQTT server for anonymous clients, so that conformance suites written for such a
//! server can judge the protocol and session code that devices use.
//!
//! **It protects nothing.** Anybody may connect, publish and subscribe; nothing is stored; it belongs on a loopback
//! address and nowhere else. It has no way to the gateway of Vigie, and no listener serves both.
//!
//! What it shares with devices is everything but the policy: the same connection, packets, sessions, takeover, wills
//! and limits. What it adds is `Router`, in memory.
//!
//! What a client may expect: QoS 0 to 2, retained messages, wills with their delay, sessions that last as long as
//! asked for (in memory), shared subscriptions, topic aliases both ways, all of it in MQTT 3.1.1 and 5. Subscribing to
//! `test/nosubscribe` is refused (0x80 / 0x87), which suites need to see. A keep-alive of more than a minute becomes
//! one minute in MQTT 5.
//!
//! What bounds it, besides [`Limits`]: `QUEUE` messages wait for one client, those that come when it is full are
//! lost; `SUBSCRIPTIONS` subscriptions per client, more are refused (0x97); `RETAINED` retained messages, more are
//! delivered and not kept; 16 topic aliases each way.

mod filter;
mod router;

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::error;
use vigie_wire::{Channel, DeviceId};

pub(crate) use router::Router;

use crate::admission::Refused;
use crate::carrier::Carrier;
use crate::gateway::{Admission, Gateway, Inbound, Outbound, Unavailable, Verdict};
use crate::limits::Limits;
use crate::listener::accept_until;
use crate::protocol::{Connect, ConnectAnswer, Version};
use crate::switchboard::Switchboard;

/// Messages that wait for one client, at least.
const QUEUE: usize = 1_024;
/// Subscriptions of one client, at least.
const SUBSCRIPTIONS: usize = 1_024;
/// Retained messages.
const RETAINED: usize = 10_000;
/// The longest keep-alive, in seconds.
const KEEP_ALIVE_MAX: u16 = 60;
/// What a client is told that asks for response information: there is no rule for its response topics.
pub(crate) const RESPONSE_INFORMATION: &str = "response/";

/// Serves anonymous clients until `shutdown`, then says goodbye and returns.
///
/// Nothing is stored and nobody is refused: for conformance suites, on a loopback address. Limits that
/// [`Limits::check`] refuses are logged as an error, and nothing is served.
pub async fn serve_open(listener: TcpListener, limits: Limits, shutdown: CancellationToken) {
    let limits = Limits {
        outbound_queue: limits.outbound_queue.max(QUEUE),
        subscriptions_max: limits.subscriptions_max.max(SUBSCRIPTIONS),
        ..limits
    };
    let switchboard = match Switchboard::new(limits) {
        Ok(switchboard) => switchboard,
        Err(why) => {
            error!("the open profile cannot be served: {why}");
            return;
        }
    };
    let router = Arc::new(Router::new(RETAINED));
    let carrier = Carrier::default();
    accept_until(carrier, listener, Arc::new(NoDevices), switchboard, Some(router), shutdown).await;
}

/// A gateway that no device passes. The open profile never asks it.
struct NoDevices;

impl Gateway for NoDevices {
    async fn authenticate(&self, _device: &DeviceId, _secret: &[u8]) -> Result<Admission, Unavailable> {
        Ok(Admission::Refused)
    }

    async fn take(&self, _publish: Inbound) -> Verdict {
        Verdict::GoneAway
    }

    async fn pending(&self, _device: &DeviceId, _channel: Channel) -> Vec<Outbound> {
        Vec::new()
    }

    fn delivered(&self, _device: &DeviceId, _outbox_id: i64) {}
}

/// What a guest is called.
pub(crate) struct Name {
    pub(crate) client_id: Arc<str>,
    /// It left the choice to us.
    pub(crate) assigned: bool,
}

/// Any client id will do. User name and password are not looked at.
pub(crate) fn name(router: &Router, version: Version, connect: &Connect) -> Result<Name, Refused> {
    if connect.enhanced_authentication {
        let why = "it asks for MQTT 5 enhanced authentication, which is not offered";
        return Err(Refused::new(ConnectAnswer::BadAuthenticationMethod, why));
    }
    if !connect.client_id.is_empty() {
        return Ok(Name { client_id: Arc::from(connect.client_id.as_str()), assigned: false });
    }
    if version == Version::V311 && !connect.clean {
        let why = "it wants to keep a session without a client id";
        return Err(Refused::new(ConnectAnswer::IdentifierRejected, why));
    }
    Ok(Name { client_id: router.new_name(), assigned: true })
}

/// The keep-alive that goes instead of the client's, in seconds, if it is too long.
pub(crate) fn server_keep_alive(version: Version, asked: u16) -> Option<u16> {
    (version == Version::V5 && asked > KEEP_ALIVE_MAX).then_some(KEEP_ALIVE_MAX)
}
