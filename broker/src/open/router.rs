//! Who hears what in the open profile: subscriptions, groups and retained messages, in memory.
//!
//! Every publish is held against every subscription: right for a suite with a handful of clients, and simple
//! enough to be seen to be right.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use tracing::info;

use super::filter::Filter;
use crate::message::{Message, Published, Routed};
use crate::protocol::{Qos, SubscribeAnswer, SubscribeEntry};
use crate::switchboard::Shared;
use crate::topics::matches;

/// Nobody may subscribe to this.
const NOT_FOR_SUBSCRIBERS: &str = "test/nosubscribe";

/// The subscriptions of all clients, and what is retained.
pub(crate) struct Router {
    state: Mutex<State>,
    retained_max: usize,
    names: AtomicU64,
}

#[derive(Default)]
struct State {
    /// By client, in the order in which they were made.
    subscriptions: BTreeMap<Arc<str>, Vec<Subscription>>,
    /// By the filter of a shared subscription: how many of its messages have been handed out.
    turns: HashMap<String, usize>,
    retained: BTreeMap<String, Arc<Published>>,
}

#[derive(Clone)]
struct Subscription {
    /// As the client wrote it.
    filter: String,
    is_shared: bool,
    pattern: String,
    qos: Qos,
    identifier: Option<u32>,
    no_local: bool,
    retain_as_published: bool,
}

impl State {
    fn clear_turns(&mut self) {
        let subscriptions = &self.subscriptions;
        self.turns.retain(|filter, _| subscriptions.values().flatten().any(|one| one.filter == *filter));
    }
}

impl Router {
    pub(super) fn new(retained_max: usize) -> Self {
        Self { state: Mutex::new(State::default()), retained_max, names: AtomicU64::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client id for a client that has none.
    pub(super) fn new_name(&self) -> Arc<str> {
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        Arc::from(format!("vigie-guest-{number}"))
    }

    /// Subscribes, or replaces the subscription with the same filter. Was there none before?
    pub(crate) fn subscribe(
        &self,
        client: &Arc<str>,
        entry: &SubscribeEntry,
        identifier: Option<u32>,
        subscriptions_max: usize,
    ) -> Result<bool, SubscribeAnswer> {
        let filter = Filter::parse(&entry.filter).ok_or(SubscribeAnswer::FilterInvalid)?;
        if filter.pattern == NOT_FOR_SUBSCRIBERS {
            return Err(SubscribeAnswer::Refused);
        }
        let fresh = Subscription {
            filter: entry.filter.clone(),
            is_shared: filter.group.is_some(),
            pattern: filter.pattern.to_owned(),
            qos: entry.qos,
            identifier,
            no_local: entry.no_local,
            retain_as_published: entry.retain_as_published,
        };
        let mut state = self.lock();
        let subscriptions = state.subscriptions.entry(Arc::clone(client)).or_default();
        if let Some(before) = subscriptions.iter_mut().find(|one| one.filter == entry.filter) {
            *before = fresh;
            return Ok(false);
        }
        if subscriptions.len() >= subscriptions_max {
            return Err(SubscribeAnswer::TooMany);
        }
        subscriptions.push(fresh);
        Ok(true)
    }

    /// Was there such a subscription?
    pub(crate) fn unsubscribe(&self, client: &str, filter: &str) -> bool {
        let mut state = self.lock();
        let Some(subscriptions) = state.subscriptions.get_mut(client) else {
            return false;
        };
        let before = subscriptions.len();
        subscriptions.retain(|one| one.filter != filter);
        let existed = subscriptions.len() < before;
        if subscriptions.is_empty() {
            state.subscriptions.remove(client);
        }
        state.clear_turns();
        existed
    }

    /// The session of this client has ended.
    pub(crate) fn forget(&self, client: &str) {
        let mut state = self.lock();
        if state.subscriptions.remove(client).is_some() {
            state.clear_turns();
        }
    }

    /// What is retained and matches this subscription. A shared one gets nothing of it.
    pub(crate) fn retained(&self, entry: &SubscribeEntry, identifier: Option<u32>) -> Vec<Routed> {
        let Some(Filter { group: None, pattern }) = Filter::parse(&entry.filter) else {
            return Vec::new();
        };
        let now = Instant::now();
        let mut state = self.lock();
        state.retained.retain(|_, message| message.expires_at.is_none_or(|at| at > now));
        let matching = state.retained.iter().filter(|(topic, _)| matches(pattern, topic));
        matching
            .map(|(_, message)| Routed {
                published: Arc::clone(message),
                qos: message.qos.min(entry.qos),
                retain: true,
                identifiers: identifier.into_iter().collect(),
            })
            .collect()
    }

    /// Hands a message to everybody who subscribed to it: once to each client, however many of its subscriptions
    /// match, and once to each group.
    pub(crate) fn publish(&self, shared: &Shared, publisher: &str, published: Published) {
        let message = Arc::new(published);
        let mut state = self.lock();
        if message.retain {
            self.retain(&mut state, &message);
        }
        let mut gone = Vec::new();
        let mut groups: BTreeMap<String, Vec<(Arc<str>, Subscription)>> = BTreeMap::new();
        for (client, subscriptions) in &state.subscriptions {
            let mut own: Option<Routed> = None;
            let matching = subscriptions.iter().filter(|one| matches(&one.pattern, &message.topic));
            for one in matching.filter(|one| !one.no_local || publisher != client.as_ref()) {
                if one.is_shared {
                    let members = groups.entry(one.filter.clone()).or_default();
                    members.push((Arc::clone(client), one.clone()));
                } else {
                    add(&mut own, one, &message);
                }
            }
            if let Some(routed) = own
                && !deliver(shared, client, routed)
            {
                gone.push(Arc::clone(client));
            }
        }
        for (filter, members) in groups {
            let turn = state.turns.entry(filter).or_default();
            let first = *turn % members.len();
            *turn = turn.wrapping_add(1);
            hand_out(shared, &members, first, &message);
        }
        for client in gone {
            state.subscriptions.remove(&client);
        }
    }

    /// Keeps the message for those who subscribe later; an empty one takes away what was kept.
    fn retain(&self, state: &mut State, message: &Arc<Published>) {
        if message.payload.is_empty() {
            state.retained.remove(&message.topic);
        } else if state.retained.len() < self.retained_max || state.retained.contains_key(&message.topic) {
            state.retained.insert(message.topic.clone(), Arc::clone(message));
        } else {
            info!("as many messages are retained as may be; one more was delivered and not kept");
        }
    }
}

/// Adds a subscription to what its client gets: the highest QoS, all identifiers.
fn add(own: &mut Option<Routed>, one: &Subscription, message: &Arc<Published>) {
    let routed = own.get_or_insert_with(|| Routed {
        published: Arc::clone(message),
        qos: Qos::AtMostOnce,
        retain: false,
        identifiers: Vec::new(),
    });
    routed.qos = routed.qos.max(one.qos.min(message.qos));
    routed.retain |= one.retain_as_published && message.retain;
    routed.identifiers.extend(one.identifier);
}

/// To the member whose turn it is, or the next that is there; to one that is away only if all are.
fn hand_out(shared: &Shared, members: &[(Arc<str>, Subscription)], first: usize, message: &Arc<Published>) {
    let in_turn = || members.iter().cycle().skip(first).take(members.len());
    let present = in_turn().filter(|(client, _)| shared.is_live(client));
    for (client, one) in present.chain(in_turn()) {
        let mut routed = None;
        add(&mut routed, one, message);
        if routed.is_some_and(|routed| deliver(shared, client, routed)) {
            return;
        }
    }
}

fn deliver(shared: &Shared, client: &str, routed: Routed) -> bool {
    let qos = routed.qos;
    shared.deliver(client, Message::Routed(Box::new(routed)), qos)
}
