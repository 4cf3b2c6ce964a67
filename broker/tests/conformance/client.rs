//! One connection to the server under test, and what a case expects of it. Every expectation has a deadline; that
//! nothing comes is shown by something that comes later.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::server;
use crate::wire::*;

/// How long a case waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A last will.
#[derive(Clone, Default)]
pub(crate) struct Will {
    pub(crate) topic: Vec<u8>,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) properties: Vec<Property>,
}

impl Will {
    pub(crate) fn to(topic: &str, payload: &str) -> Self {
        Self { topic: topic.into(), payload: payload.into(), ..Self::default() }
    }
}

/// What a CONNECT says.
#[derive(Clone)]
pub(crate) struct Connect {
    pub(crate) level: Level,
    pub(crate) client_id: Vec<u8>,
    pub(crate) clean: bool,
    pub(crate) keep_alive: u16,
    pub(crate) properties: Vec<Property>,
    pub(crate) will: Option<Will>,
    pub(crate) user_name: Option<Vec<u8>>,
    pub(crate) password: Option<Vec<u8>>,
}

impl Connect {
    /// A clean session under a client id that nobody else uses.
    pub(crate) fn new(level: Level) -> Self {
        Self::named(level, &server::unique("c"))
    }

    pub(crate) fn named(level: Level, client_id: &str) -> Self {
        Self {
            level,
            client_id: client_id.into(),
            clean: true,
            keep_alive: 60,
            properties: Vec::new(),
            will: None,
            user_name: None,
            password: None,
        }
    }

    /// A session that goes on where the last one under this id ended, and stays.
    pub(crate) fn kept(level: Level, client_id: &str) -> Self {
        Self { clean: false, ..Self::named(level, client_id).with((id::SESSION_EXPIRY, Value::Four(600))) }
    }

    /// Adds a property, which only version 5 writes.
    pub(crate) fn with(mut self, property: Property) -> Self {
        self.properties.push(property);
        self
    }

    pub(crate) fn will(mut self, will: Will) -> Self {
        self.will = Some(will);
        self
    }

    pub(crate) fn flags(&self) -> u8 {
        let will = self.will.as_ref().map_or(0, |will| 4 | will.qos << 3 | u8::from(will.retain) << 5);
        let password = u8::from(self.password.is_some()) << 6;
        let user_name = u8::from(self.user_name.is_some()) << 7;
        u8::from(self.clean) << 1 | will | password | user_name
    }

    pub(crate) fn payload(&self) -> Vec<u8> {
        let mut bytes = string(&self.client_id);
        if let Some(will) = &self.will {
            bytes.extend(properties_of(self.level, &will.properties));
            bytes.extend([string(&will.topic), string(&will.payload)].concat());
        }
        for field in [&self.user_name, &self.password].into_iter().flatten() {
            bytes.extend(string(field));
        }
        bytes
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.bytes_saying("MQTT", self.level as u8, self.flags(), &self.payload())
    }

    /// The same with a header that may be wrong.
    pub(crate) fn bytes_saying(&self, name: &str, level: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut body = string(name);
        body.extend([level, flags]);
        body.extend(self.keep_alive.to_be_bytes());
        body.extend(properties_of(self.level, &self.properties));
        body.extend(payload);
        packet(CONNECT, 0, &body)
    }

    /// Logs in and expects to be accepted.
    pub(crate) async fn open(&self) -> Client {
        let (client, connack) = self.answer().await;
        assert_eq!(connack.reason, 0, "the CONNECT was refused: {connack:?}");
        client
    }

    /// Logs in and hands out the CONNACK, whatever it says.
    pub(crate) async fn answer(&self) -> (Client, Connack) {
        let mut client = Client::dial(self.level).await;
        client.send(&self.bytes()).await;
        let connack = client.next().await.connack(self.level);
        (client, connack)
    }
}

/// One connection.
pub(crate) struct Client {
    pub(crate) level: Level,
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Came while a case waited for something else.
    held: VecDeque<Packet>,
    last_packet_id: u16,
}

impl Client {
    /// A connection on which nothing has been said.
    pub(crate) async fn dial(level: Level) -> Self {
        let stream = timeout(PATIENCE, TcpStream::connect(server::address())).await.unwrap().unwrap();
        stream.set_nodelay(true).unwrap();
        Self { level, stream, buffer: Vec::new(), held: VecDeque::new(), last_packet_id: 1000 }
    }

    /// A clean session.
    pub(crate) async fn open(level: Level) -> Self {
        Connect::new(level).open().await
    }

    /// Writes bytes. That the server has gone already is for the expectation after it to judge.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        timeout(PATIENCE, self.stream.write_all(bytes)).await.expect("the server reads nothing").ok();
    }

    pub(crate) fn packet_id(&mut self) -> u16 {
        self.last_packet_id += 1;
        self.last_packet_id
    }

    async fn read(&mut self) -> Option<Packet> {
        loop {
            if let Some(packet) = Packet::take(&mut self.buffer) {
                return Some(packet);
            }
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.buffer)).await;
            match read.expect("neither a packet nor the end of the connection came in time") {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// The next packet, in order of arrival.
    pub(crate) async fn next(&mut self) -> Packet {
        if let Some(packet) = self.held.pop_front() {
            return packet;
        }
        self.read().await.expect("the server closed the connection")
    }

    /// The next packet of this type; others are kept for later.
    pub(crate) async fn expect(&mut self, kind: u8) -> Packet {
        if let Some(at) = self.held.iter().position(|packet| packet.kind == kind) {
            return self.held.remove(at).unwrap();
        }
        loop {
            let Some(packet) = self.read().await else {
                panic!("closed while type {kind} was due, after {:02x?}", self.held);
            };
            if packet.kind == kind {
                return packet;
            }
            self.held.push_back(packet);
        }
    }

    pub(crate) async fn expect_ack(&mut self, kind: u8, packet_id: u16) -> Said {
        let said = self.expect(kind).await.ack(self.level);
        assert_eq!(said.packet_id, packet_id, "packet identifier of the acknowledgement of type {kind}");
        said
    }

    /// The connection lives, and nothing was sent on it before the answer to a ping.
    pub(crate) async fn fence(&mut self) {
        self.send(&packet(PINGREQ, 0, &[])).await;
        let packet = self.next().await;
        assert_eq!(packet.kind, PINGRESP, "nothing was due, and there came {packet:?}");
    }

    /// Everything until the server closes.
    pub(crate) async fn ending(&mut self) -> Vec<Packet> {
        let mut packets: Vec<Packet> = self.held.drain(..).collect();
        while let Some(packet) = self.read().await {
            assert_ne!(packet.kind, PINGRESP, "the server goes on serving");
            packets.push(packet);
        }
        packets
    }

    /// Everything until the server closes, or up to a packet of this type.
    pub(crate) async fn ending_or(&mut self, kind: u8) -> Vec<Packet> {
        let mut packets: Vec<Packet> = self.held.drain(..).collect();
        while packets.last().is_none_or(|last| last.kind != kind) {
            let Some(packet) = self.read().await else { break };
            packets.push(packet);
        }
        packets
    }

    /// The server closes without a word, but for the DISCONNECT of version 5, whose reason is returned.
    pub(crate) async fn closed(&mut self) -> Option<u8> {
        let packets = self.ending().await;
        match packets.as_slice() {
            [] => None,
            [last] if self.level == Level::V5 && last.kind == DISCONNECT => Some(last.disconnect().reason),
            other => panic!("before the end came {other:?}"),
        }
    }

    /// The server closes; if it names a reason, it is one of these.
    pub(crate) async fn closed_for(&mut self, reasons: &[u8]) {
        if let Some(reason) = self.closed().await {
            assert!(reasons.contains(&reason), "DISCONNECT says {reason:#04x}, not one of {reasons:02x?}");
        }
    }

    /// Subscribes to one filter and expects the grant.
    pub(crate) async fn subscribe(&mut self, filter: &str, options: u8) {
        let reasons = self.subscribe_all(&[], &[(filter, options)]).await;
        assert_eq!(reasons, [options & 3], "granted for {filter}");
    }

    /// Subscribes and returns the reasons.
    pub(crate) async fn subscribe_all(&mut self, list: &[Property], filters: &[(&str, u8)]) -> Vec<u8> {
        let packet_id = self.packet_id();
        self.send(&subscribe(self.level, packet_id, list, filters)).await;
        let granted = self.expect(SUBACK).await.granted(self.level);
        assert_eq!(granted.packet_id, packet_id, "packet identifier of the SUBACK");
        granted.reasons
    }

    pub(crate) async fn unsubscribe(&mut self, filters: &[&str]) -> Vec<u8> {
        let packet_id = self.packet_id();
        self.send(&unsubscribe(self.level, packet_id, filters)).await;
        let granted = self.expect(UNSUBACK).await.granted(self.level);
        assert_eq!(granted.packet_id, packet_id, "packet identifier of the UNSUBACK");
        granted.reasons
    }

    /// Publishes up to the end of the exchange that the QoS asks for. QoS 0 is fenced by a ping, so that the
    /// server has read it.
    pub(crate) async fn publish(&mut self, mut publish: Publish) {
        publish.packet_id = self.packet_id();
        let packet_id = publish.packet_id;
        self.send(&publish.bytes(self.level)).await;
        match publish.qos {
            0 => {
                self.send(&packet(PINGREQ, 0, &[])).await;
                self.expect(PINGRESP).await;
            }
            1 => assert!(self.expect_ack(PUBACK, packet_id).await.reason < 0x80),
            _ => {
                assert!(self.expect_ack(PUBREC, packet_id).await.reason < 0x80);
                self.send(&ack(PUBREL, packet_id)).await;
                assert_eq!(self.expect_ack(PUBCOMP, packet_id).await.reason, 0);
            }
        }
    }

    /// Takes the next message and acknowledges it as its QoS asks.
    pub(crate) async fn receive(&mut self) -> Publish {
        let publish = self.take().await;
        match publish.qos {
            0 => {}
            1 => self.send(&ack(PUBACK, publish.packet_id)).await,
            _ => {
                self.send(&ack(PUBREC, publish.packet_id)).await;
                self.expect_ack(PUBREL, publish.packet_id).await;
                self.send(&ack(PUBCOMP, publish.packet_id)).await;
            }
        }
        publish
    }

    /// Takes the next message without acknowledging it.
    pub(crate) async fn take(&mut self) -> Publish {
        self.expect(PUBLISH).await.publish(self.level)
    }

    /// Nothing but what is published now reaches this client.
    pub(crate) async fn only_marker(&mut self, from: &mut Client, topic: &str) {
        from.publish(Publish::to(topic, "marker").qos(1, 0)).await;
        let publish = self.receive().await;
        assert_eq!(publish.payload(), "marker", "nothing was due, and there came {publish:?}");
    }

    /// Says goodbye, and waits until the server has closed: it has then done what the DISCONNECT asks.
    pub(crate) async fn leave(mut self) {
        self.send(&packet(DISCONNECT, 0, &[])).await;
        self.ending().await;
    }

    /// Ends by a mistake that nobody overlooks, and waits until the server has closed.
    pub(crate) async fn end_by_mistake(mut self) -> Vec<Packet> {
        self.send(&Publish::to("mistake", "").qos(3, 1).bytes(self.level)).await;
        self.ending().await
    }

    /// Ends as a network that breaks, and does not wait: what follows in the server follows.
    pub(crate) fn drop_connection(self) {
        drop(self.stream);
    }
}

/// A subscriber of `filter` at QoS `qos`, and a publisher.
pub(crate) async fn pair(level: Level, filter: &str, qos: u8) -> (Client, Client) {
    let mut subscriber = Client::open(level).await;
    subscriber.subscribe(filter, qos).await;
    (subscriber, Client::open(level).await)
}

/// Lets time pass where the statement is about the passing of time and nothing happens at its end.
pub(crate) async fn let_pass(duration: Duration) {
    tokio::time::sleep(duration).await;
}
