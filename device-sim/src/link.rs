//! One MQTT connection of one device through rumqttc, 3.1.1 or 5, with the same face.
//!
//! Each connection has a new client and a new event loop. rumqttc can reconnect by itself, but events that it had
//! buffered before an error come out after the next CONNACK, where the packet id of an old PUBACK may already belong to
//! another batch: the device would delete what nobody stored. The event loop runs in a task of its own because its
//! `poll` must not be dropped half-way: a request that it had taken would be neither sent nor returned.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use rumqttc::v5;
use rumqttc::{Event, Incoming, NetworkOptions, Outgoing, QoS, SubscribeReasonCode};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use vigie_wire::{Channel, DeviceId, Topic};

use crate::config::{Address, Secret};

/// Batches on their way at once. Two would do for reordering; a few more fill the time that a commit takes.
pub(crate) const WINDOW: usize = 8;
/// Room for the window, two subscriptions and a status.
const REQUESTS: usize = 32;
/// Packet ids in use at most, well above the window so that ids never collide.
const IN_FLIGHT: u16 = 64;
/// Fifty readings as JSON are about 15 KB; a receipt with a hundred gaps is less.
const PACKET_MAX: u32 = 256 * 1024;
const KEEP_ALIVE: Duration = Duration::from_secs(30);
const CONNECT_SECONDS: u64 = 5;

/// Which MQTT a device speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    V311,
    V5,
}

/// Who connects, where, and what is said when they vanish.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    pub(crate) address: Address,
    pub(crate) device: DeviceId,
    pub(crate) secret: Secret,
    pub(crate) protocol: Protocol,
    pub(crate) will: Vec<u8>,
}

/// What happened on a connection. `T` is what the caller gave with a publish.
#[derive(Debug)]
pub(crate) enum LinkEvent<T> {
    /// Logged in and subscribed: sending may begin.
    Ready,
    /// A PUBACK came for this publish; with the reason if the server refused it for good (MQTT 5 only).
    Acknowledged(T, Option<String>),
    /// A receipt or a command.
    Message(Channel, Vec<u8>),
    /// Over; why.
    Closed(String),
}

/// What the event loop's task reports, in the order in which it happened.
#[derive(Debug)]
enum Raw {
    Connected,
    Subscribed(bool),
    Sent(u16),
    Acked(u16, Option<String>),
    Message(String, Vec<u8>),
    Closed(String),
}

enum Client {
    V311(rumqttc::AsyncClient),
    V5(v5::AsyncClient),
}

/// The request queue of the client is full or gone; the connection is of no more use.
#[derive(Debug)]
pub(crate) struct Stuck;

/// See the module.
pub(crate) struct Link<T> {
    client: Client,
    device: DeviceId,
    raw: mpsc::Receiver<Raw>,
    task: JoinHandle<()>,
    /// Publishes handed to rumqttc that it has not reported as sent: it works in order, so the n-th `Sent` is the n-th
    /// of these.
    submitted: VecDeque<(Instant, T)>,
    unacknowledged: HashMap<u16, (Instant, T)>,
    ready: bool,
}

impl<T> Link<T> {
    /// Starts connecting; [`LinkEvent::Ready`] or [`LinkEvent::Closed`] follows.
    pub(crate) fn open(login: &Login) -> Self {
        let (sender, raw) = mpsc::channel(64);
        let (client, task) = match login.protocol {
            Protocol::V311 => open_v311(login, sender),
            Protocol::V5 => open_v5(login, sender),
        };
        Self {
            client,
            device: login.device.clone(),
            raw,
            task,
            submitted: VecDeque::new(),
            unacknowledged: HashMap::new(),
            ready: false,
        }
    }

    /// May one publish?
    pub(crate) fn ready(&self) -> bool {
        self.ready
    }

    /// How many publishes wait for their PUBACK.
    pub(crate) fn outstanding(&self) -> usize {
        self.submitted.len() + self.unacknowledged.len()
    }

    /// Since when the longest of them has been waiting.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        let waiting = self.submitted.iter().chain(self.unacknowledged.values());
        waiting.map(|(since, _)| *since).min()
    }

    /// Publishes at QoS 1; the token comes back with the PUBACK.
    pub(crate) fn publish(
        &mut self,
        channel: Channel,
        retain: bool,
        payload: Vec<u8>,
        token: T,
    ) -> Result<(), Stuck> {
        let topic = Topic { device: self.device.clone(), channel }.to_string();
        match &self.client {
            Client::V311(client) => {
                client.try_publish(topic, QoS::AtLeastOnce, retain, payload).map_err(|_| Stuck)?;
            }
            Client::V5(client) => {
                let qos = v5::mqttbytes::QoS::AtLeastOnce;
                client.try_publish(topic, qos, retain, payload).map_err(|_| Stuck)?;
            }
        }
        self.submitted.push_back((Instant::now(), token));
        Ok(())
    }

    /// Says goodbye: the last will is not sent. The caller waits for [`LinkEvent::Closed`] or drops the link.
    pub(crate) fn disconnect(&self) -> Result<(), Stuck> {
        match &self.client {
            Client::V311(client) => client.try_disconnect().map_err(|_| Stuck),
            Client::V5(client) => client.try_disconnect().map_err(|_| Stuck),
        }
    }

    /// The next thing that happens. Safe to drop at any time.
    pub(crate) async fn next(&mut self) -> LinkEvent<T> {
        loop {
            let Some(raw) = self.raw.recv().await else {
                self.ready = false;
                return LinkEvent::Closed("the connection's task ended".to_owned());
            };
            if let Some(event) = self.take(raw) {
                return event;
            }
        }
    }

    fn take(&mut self, raw: Raw) -> Option<LinkEvent<T>> {
        match raw {
            Raw::Connected => match self.subscribe() {
                Ok(()) => None,
                Err(Stuck) => Some(LinkEvent::Closed("cannot subscribe".to_owned())),
            },
            Raw::Subscribed(granted) => {
                if !granted {
                    tracing::warn!(device = %self.device, "not allowed to hear its own receipts or commands");
                }
                self.ready = true;
                Some(LinkEvent::Ready)
            }
            Raw::Sent(packet) => {
                let token = self.submitted.pop_front()?;
                self.unacknowledged.insert(packet, token);
                None
            }
            Raw::Acked(packet, refused) => {
                let (_, token) = self.unacknowledged.remove(&packet)?;
                Some(LinkEvent::Acknowledged(token, refused))
            }
            Raw::Message(topic, payload) => match Topic::parse(&topic) {
                Ok(topic) if topic.device == self.device => Some(LinkEvent::Message(topic.channel, payload)),
                Ok(_) | Err(_) => {
                    tracing::warn!(device = %self.device, "heard something that is not for it");
                    None
                }
            },
            Raw::Closed(reason) => {
                self.ready = false;
                Some(LinkEvent::Closed(reason))
            }
        }
    }

    /// Receipts and commands in one SUBSCRIBE, so that one SUBACK says that everything is heard.
    fn subscribe(&self) -> Result<(), Stuck> {
        let topics = [Channel::Receipts, Channel::Commands]
            .map(|channel| Topic { device: self.device.clone(), channel }.to_string());
        match &self.client {
            Client::V311(client) => {
                let filters = topics.map(|path| rumqttc::SubscribeFilter::new(path, QoS::AtLeastOnce));
                client.try_subscribe_many(filters).map_err(|_| Stuck)
            }
            Client::V5(client) => {
                let qos = v5::mqttbytes::QoS::AtLeastOnce;
                let filters = topics.map(|path| v5::mqttbytes::v5::Filter::new(path, qos));
                client.try_subscribe_many(filters).map_err(|_| Stuck)
            }
        }
    }
}

impl<T> Drop for Link<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The status topic, and a will on it.
fn status_topic(login: &Login) -> String {
    Topic { device: login.device.clone(), channel: Channel::Status }.to_string()
}

fn open_v311(login: &Login, sender: mpsc::Sender<Raw>) -> (Client, JoinHandle<()>) {
    let mut options =
        rumqttc::MqttOptions::new(login.device.as_str(), login.address.host.as_str(), login.address.port);
    options.set_credentials(login.device.as_str(), login.secret.reveal());
    options.set_keep_alive(KEEP_ALIVE);
    options.set_clean_session(true);
    options.set_inflight(IN_FLIGHT);
    options.set_max_packet_size(PACKET_MAX as usize, PACKET_MAX as usize);
    let will = rumqttc::LastWill::new(status_topic(login), login.will.clone(), QoS::AtLeastOnce, true);
    options.set_last_will(will);
    let (client, mut events) = rumqttc::AsyncClient::new(options, REQUESTS);
    events.network_options = network();
    let task = tokio::spawn(async move {
        loop {
            let raw = match events.poll().await {
                Ok(event) => raw_v311(event),
                Err(error) => Some(Raw::Closed(error.to_string())),
            };
            if !forward(&sender, raw).await {
                return;
            }
        }
    });
    (Client::V311(client), task)
}

fn open_v5(login: &Login, sender: mpsc::Sender<Raw>) -> (Client, JoinHandle<()>) {
    let mut options =
        v5::MqttOptions::new(login.device.as_str(), login.address.host.as_str(), login.address.port);
    options.set_credentials(login.device.as_str(), login.secret.reveal());
    options.set_keep_alive(KEEP_ALIVE);
    options.set_clean_start(true);
    options.set_outgoing_inflight_upper_limit(IN_FLIGHT);
    options.set_max_packet_size(Some(PACKET_MAX));
    options.set_connection_timeout(CONNECT_SECONDS);
    options.set_network_options(network());
    let qos = v5::mqttbytes::QoS::AtLeastOnce;
    let will = v5::mqttbytes::v5::LastWill::new(status_topic(login), login.will.clone(), qos, true, None);
    options.set_last_will(will);
    let (client, mut events) = v5::AsyncClient::new(options, REQUESTS);
    let task = tokio::spawn(async move {
        loop {
            let raw = match events.poll().await {
                Ok(event) => raw_v5(event),
                Err(error) => Some(Raw::Closed(error.to_string())),
            };
            if !forward(&sender, raw).await {
                return;
            }
        }
    });
    (Client::V5(client), task)
}

fn network() -> NetworkOptions {
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    network.set_connection_timeout(CONNECT_SECONDS);
    network
}

/// False when the task is done: the connection closed, or nobody listens.
async fn forward(sender: &mpsc::Sender<Raw>, raw: Option<Raw>) -> bool {
    let Some(raw) = raw else {
        return true;
    };
    let closed = matches!(raw, Raw::Closed(_));
    sender.send(raw).await.is_ok() && !closed
}

fn raw_v311(event: Event) -> Option<Raw> {
    if let Event::Incoming(Incoming::ConnAck(_)) = event {
        return Some(Raw::Connected);
    }
    if let Event::Incoming(Incoming::SubAck(ack)) = event {
        let granted = ack.return_codes.iter().all(|code| matches!(code, SubscribeReasonCode::Success(_)));
        return Some(Raw::Subscribed(granted));
    }
    if let Event::Incoming(Incoming::PubAck(ack)) = event {
        return Some(Raw::Acked(ack.pkid, None));
    }
    if let Event::Incoming(Incoming::Publish(publish)) = event {
        return Some(Raw::Message(publish.topic, publish.payload.to_vec()));
    }
    if let Event::Outgoing(Outgoing::Publish(packet)) = event {
        return Some(Raw::Sent(packet));
    }
    matches!(event, Event::Outgoing(Outgoing::Disconnect)).then(|| Raw::Closed("said goodbye".to_owned()))
}

fn raw_v5(event: v5::Event) -> Option<Raw> {
    use v5::mqttbytes::v5::{Packet, PubAckReason, SubscribeReasonCode};
    if let v5::Event::Incoming(Packet::ConnAck(_)) = event {
        return Some(Raw::Connected);
    }
    if let v5::Event::Incoming(Packet::SubAck(ack)) = event {
        let granted = ack.return_codes.iter().all(|code| matches!(code, SubscribeReasonCode::Success(_)));
        return Some(Raw::Subscribed(granted));
    }
    if let v5::Event::Incoming(Packet::PubAck(ack)) = event {
        // Below 0x80 the server has taken it; a readings topic without staff listening is still stored.
        let taken = matches!(ack.reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers);
        return Some(Raw::Acked(ack.pkid, (!taken).then(|| format!("{:?}", ack.reason))));
    }
    if let v5::Event::Incoming(Packet::Publish(publish)) = event {
        let topic = String::from_utf8_lossy(&publish.topic).into_owned();
        return Some(Raw::Message(topic, publish.payload.to_vec()));
    }
    if let v5::Event::Outgoing(Outgoing::Publish(packet)) = event {
        return Some(Raw::Sent(packet));
    }
    matches!(event, v5::Event::Outgoing(Outgoing::Disconnect)).then(|| Raw::Closed("said goodbye".to_owned()))
}
