//! Integration engines at the listener: who they are, and how they log in. They read what their territory may
//! see and write nothing.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::{FanoutError, Subscription, Territory};
use crate::admission::Refused;
use crate::connection::Context;
use crate::door::Turn;
use crate::gateway::{Gateway, Unavailable};
use crate::protocol::{Connect, ConnectAnswer, Version};

/// An integration engine's identity. Its user name is `integration:` and this.
///
/// 1 to 64 characters out of `A-Z a-z 0-9 -`. No device id has a colon, so no user name is both.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EngineId(String);

impl EngineId {
    /// What the user name of every integration engine begins with.
    pub const USER_NAME_PREFIX: &str = "integration:";

    /// Checks the alphabet and the length.
    pub fn parse(text: &str) -> Option<Self> {
        Territory::parse(text).map(|_| Self(text.to_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EngineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EngineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EngineId({})", self.0)
    }
}

/// Does this log-in say that it is an integration engine's?
pub(crate) fn is_engine(connect: &Connect) -> bool {
    connect.user_name.as_ref().is_some_and(|name| name.starts_with(EngineId::USER_NAME_PREFIX))
}

/// An engine that may read.
pub(crate) struct Admitted {
    pub(super) version: Version,
    pub(super) connect: Box<Connect>,
    pub(super) engine: EngineId,
    pub(super) client_id: String,
    pub(super) subscription: Subscription,
    pub(super) seat: Seat,
}

/// Checks everything, asks the directory (which writes the audit trail), ends the connection before, and begins
/// to read: in this order.
pub(crate) async fn log_in<G: Gateway>(
    context: &Arc<Context<G>>,
    version: Version,
    mut connect: Box<Connect>,
    remote: SocketAddr,
    turn: Turn,
) -> Result<Admitted, Refused> {
    let (engine, client_id) = identify(version, &connect)?;
    let secret = connect.password.take().unwrap_or_default();
    let territory = admit(context, &engine, secret, &client_id, remote, turn).await?;
    let Some(fanout) = context.gateway.fanout() else {
        return Err(Refused::new(ConnectAnswer::Unavailable, "this gateway has no fan-out"));
    };
    let seat = context.shared.engines.claim(&engine, &client_id).await;
    let subscription = fanout.subscribe(territory).map_err(|error| {
        let answer = match error {
            FanoutError::Full => ConnectAnswer::Busy,
            FanoutError::Ended => ConnectAnswer::Unavailable,
        };
        Refused::new(answer, format!("integration {engine} cannot read now: {error}"))
    })?;
    Ok(Admitted { version, connect, engine, client_id, subscription, seat })
}

fn identify(version: Version, connect: &Connect) -> Result<(EngineId, String), Refused> {
    let user_name = connect.user_name.as_deref().unwrap_or_default();
    let id = user_name.strip_prefix(EngineId::USER_NAME_PREFIX).unwrap_or_default();
    let Some(engine) = EngineId::parse(id) else {
        let why = "its user name begins with integration: and no integration's id follows";
        return Err(Refused::new(ConnectAnswer::BadCredentials, why));
    };
    if connect.enhanced_authentication {
        let why = "it asks for MQTT 5 enhanced authentication, which is not offered";
        return Err(Refused::new(ConnectAnswer::BadAuthenticationMethod, why));
    }
    if connect.password.is_none() {
        let why = format!("integration {engine} sent no password; the password is its secret");
        return Err(Refused::new(ConnectAnswer::BadCredentials, why));
    }
    if connect.will.is_some() {
        let why = format!("integration {engine} has a last will; an integration publishes nothing");
        return Err(Refused::new(ConnectAnswer::NotAuthorised, why));
    }
    let client_id = if connect.client_id.is_empty() {
        if version == Version::V311 && !connect.clean {
            let why = format!("integration {engine} wants to keep a session without a client id");
            return Err(Refused::new(ConnectAnswer::IdentifierRejected, why));
        }
        engine.as_str().to_owned()
    } else {
        connect.client_id.clone()
    };
    let well_formed = client_id.len() <= 64
        && client_id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if !well_formed {
        let why =
            format!("integration {engine} has another client id than 1 to 64 characters of A-Z a-z 0-9 - _");
        return Err(Refused::new(ConnectAnswer::IdentifierRejected, why));
    }
    Ok((engine, client_id))
}

/// Asks in a task of its own: when patience ends, the question is still asked to its end.
async fn admit<G: Gateway>(
    context: &Arc<Context<G>>,
    engine: &EngineId,
    secret: Vec<u8>,
    client_id: &str,
    remote: SocketAddr,
    turn: Turn,
) -> Result<Territory, Refused> {
    let gateway = Arc::clone(&context.gateway);
    let (asked, client) = (engine.clone(), client_id.to_owned());
    let answer = ask(context, async move {
        let answer = gateway.admit_engine(&asked, &secret, &client, remote).await;
        drop(turn);
        answer
    });
    match answer.await {
        Ok(Some(territory)) => Ok(territory),
        Ok(None) => {
            let why = format!("integration {engine} is unknown, revoked, or sent the wrong secret");
            Err(Refused::new(ConnectAnswer::BadCredentials, why))
        }
        Err(Unavailable) => {
            let why = format!("integration {engine} cannot be checked now; it is told to come back");
            Err(Refused::new(ConnectAnswer::Unavailable, why))
        }
    }
}

/// Has a question to the gateway answered, in a task that nobody drops; a panic or a late answer is none.
pub(super) async fn ask<G: Gateway, T: Send + 'static>(
    context: &Context<G>,
    question: impl Future<Output = Result<T, Unavailable>> + Send + 'static,
) -> Result<T, Unavailable> {
    let asking = context.tasks.spawn(async move {
        AssertUnwindSafe(question).catch_unwind().await.unwrap_or_else(|_| {
            error!("the gateway panicked on an integration engine");
            Err(Unavailable)
        })
    });
    match timeout(context.shared.limits.authenticate_timeout, asking).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) | Err(_) => Err(Unavailable),
    }
}

type Key = (EngineId, String);

/// The connections of engines: one for each client id of an engine.
#[derive(Default)]
pub(crate) struct Engines(Arc<Mutex<HashMap<Key, Place>>>);

struct Place {
    leave: CancellationToken,
    left: CancellationToken,
}

/// The place of one connection; dropping it, also in a panic, makes room for the next.
pub(crate) struct Seat {
    engines: Arc<Mutex<HashMap<Key, Place>>>,
    key: Key,
    /// Set when the same client of the same engine has logged in again.
    pub(super) leave: CancellationToken,
    left: CancellationToken,
}

impl Engines {
    /// Ends the connection before, waits until it is gone, and takes its place.
    async fn claim(&self, engine: &EngineId, client_id: &str) -> Seat {
        let key = (engine.clone(), client_id.to_owned());
        loop {
            let before = {
                let mut places = lock(&self.0);
                match places.get(&key) {
                    Some(place) => {
                        place.leave.cancel();
                        place.left.clone()
                    }
                    None => {
                        let (leave, left) = (CancellationToken::new(), CancellationToken::new());
                        places.insert(key.clone(), Place { leave: leave.clone(), left: left.clone() });
                        return Seat { engines: Arc::clone(&self.0), key, leave, left };
                    }
                }
            };
            before.cancelled().await;
        }
    }

    pub(crate) fn count(&self) -> usize {
        lock(&self.0).len()
    }
}

fn lock(places: &Mutex<HashMap<Key, Place>>) -> MutexGuard<'_, HashMap<Key, Place>> {
    places.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Seat {
    fn drop(&mut self) {
        lock(&self.engines).remove(&self.key);
        self.left.cancel();
    }
}
