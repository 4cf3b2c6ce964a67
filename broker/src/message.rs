//! A message on its way to a client, as mailboxes and sessions hold it.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;
use vigie_wire::Channel;

use crate::gateway::Outbound;
use crate::protocol::{Forwarded, Qos};

/// What was published in the open profile.
pub(crate) struct Published {
    pub(crate) topic: String,
    pub(crate) payload: Bytes,
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
    /// After this it is delivered to nobody who has not begun to get it.
    pub(crate) expires_at: Option<Instant>,
    pub(crate) forwarded: Option<Forwarded>,
}

/// A message of the open profile for one client.
#[derive(Clone)]
pub(crate) struct Routed {
    pub(crate) published: Arc<Published>,
    /// The lower one of what was published and what was granted.
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
    /// Of all subscriptions of the client that matched.
    pub(crate) identifiers: Vec<u32>,
}

/// A message for the client of one connection.
#[derive(Clone)]
pub(crate) enum Message {
    /// For a device, from Vigie.
    Outbox(Outbound),
    /// For a client of the open profile, from another one.
    Routed(Box<Routed>),
}

impl Message {
    /// The row of the outbox that it stands for.
    pub(crate) fn outbox_id(&self) -> Option<i64> {
        match self {
            Self::Outbox(outbound) => outbound.outbox_id,
            Self::Routed(_) => None,
        }
    }

    /// A command that the outbox can hand out anew. What it says holds for the moment of the hand-over: the time to
    /// set, whose device it is, that nobody has cancelled it.
    pub(crate) fn is_command_of_outbox(&self) -> bool {
        match self {
            Self::Outbox(outbound) => outbound.channel == Channel::Commands && outbound.outbox_id.is_some(),
            Self::Routed(_) => false,
        }
    }

    /// Has its time passed?
    pub(crate) fn is_expired(&self, now: Instant) -> bool {
        match self {
            Self::Outbox(_) => false,
            Self::Routed(routed) => routed.published.expires_at.is_some_and(|at| at <= now),
        }
    }
}
