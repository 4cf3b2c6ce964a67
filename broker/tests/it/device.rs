//! A device that writes its own bytes, right or wrong.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::desk::{House, PATIENCE, SECRET};

/// Protocol level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Level {
    V311 = 4,
    V5 = 5,
}

pub(crate) const LEVELS: [Level; 2] = [Level::V311, Level::V5];

/// A packet as it came: first byte, then what follows the length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) first: u8,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut rest = body.len();
    loop {
        let byte = u8::try_from(rest % 128).unwrap();
        rest /= 128;
        bytes.push(if rest > 0 { byte | 0x80 } else { byte });
        if rest == 0 {
            break;
        }
    }
    bytes.extend_from_slice(body);
    bytes
}

pub(crate) fn string(text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    let mut bytes = u16::try_from(text.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend_from_slice(text);
    bytes
}

/// What a CONNECT says; start from [`Connect::of`].
#[derive(Clone)]
pub(crate) struct Connect {
    pub(crate) level: Level,
    pub(crate) client_id: String,
    pub(crate) user_name: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) clean: bool,
    pub(crate) keep_alive: u16,
    /// Topic and payload.
    pub(crate) will: Option<(String, String)>,
    /// Raw properties of MQTT 5.
    pub(crate) properties: Vec<u8>,
}

impl Connect {
    pub(crate) fn of(level: Level, id: &str) -> Self {
        Self {
            level,
            client_id: id.to_owned(),
            user_name: Some(id.to_owned()),
            password: Some(SECRET.to_owned()),
            clean: true,
            keep_alive: 0,
            will: None,
            properties: Vec::new(),
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut flags = 0;
        for (set, flag) in [
            (self.user_name.is_some(), 0x80),
            (self.password.is_some(), 0x40),
            (self.will.is_some(), 0x04),
            (self.clean, 0x02),
        ] {
            flags |= if set { flag } else { 0 };
        }
        let mut body = string("MQTT");
        body.extend([self.level as u8, flags]);
        body.extend(self.keep_alive.to_be_bytes());
        if self.level == Level::V5 {
            body.push(u8::try_from(self.properties.len()).unwrap());
            body.extend(&self.properties);
        }
        body.extend(string(&self.client_id));
        if let Some((topic, payload)) = &self.will {
            if self.level == Level::V5 {
                body.push(0);
            }
            body.extend(string(topic));
            body.extend(string(payload));
        }
        for text in [&self.user_name, &self.password].into_iter().flatten() {
            body.extend(string(text));
        }
        packet(0x10, &body)
    }
}

pub(crate) struct Device {
    pub(crate) stream: TcpStream,
    pub(crate) level: Level,
    pub(crate) id: String,
}

impl Device {
    /// Sends this CONNECT and returns the CONNACK's flags and code.
    pub(crate) async fn attempt(address: SocketAddr, connect: &Connect) -> (Self, u8, u8) {
        let mut device = Self {
            stream: TcpStream::connect(address).await.unwrap(),
            level: connect.level,
            id: connect.user_name.clone().unwrap_or_default(),
        };
        device.send(&connect.bytes()).await;
        let connack = device.expect(0x20).await;
        (device, connack.body[0], connack.body[1])
    }

    pub(crate) async fn log_in(house: &House, connect: &Connect) -> Self {
        let (device, _, code) = Self::attempt(house.address, connect).await;
        assert_eq!(code, 0, "the log-in is refused");
        device
    }

    pub(crate) async fn new(house: &House, level: Level, id: &str) -> Self {
        Self::log_in(house, &Connect::of(level, id)).await
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    pub(crate) fn topic(&self, leaf: &str) -> String {
        format!("vigie/v1/{}/{leaf}", self.id)
    }

    pub(crate) fn publish_bytes(&self, qos: u8, packet_id: u16, topic: &[u8], payload: &[u8]) -> Vec<u8> {
        let mut body = string(topic);
        if qos > 0 {
            body.extend(packet_id.to_be_bytes());
        }
        if self.level == Level::V5 {
            body.push(0);
        }
        body.extend_from_slice(payload);
        packet(0x30 | (qos << 1), &body)
    }

    /// Publishes a reading in JSON on the own topic.
    pub(crate) async fn publish(&mut self, qos: u8, packet_id: u16, payload: &str) {
        let topic = self.topic("readings/json");
        let bytes = self.publish_bytes(qos, packet_id, topic.as_bytes(), payload.as_bytes());
        self.send(&bytes).await;
    }

    /// Subscribes to these filters and returns the codes of the SUBACK.
    pub(crate) async fn subscribe(&mut self, qos: u8, filters: &[&str]) -> Vec<u8> {
        let mut body = 9u16.to_be_bytes().to_vec();
        if self.level == Level::V5 {
            body.push(0);
        }
        for filter in filters {
            body.extend(string(filter));
            body.push(qos);
        }
        self.send(&packet(0x82, &body)).await;
        let suback = self.expect(0x90).await;
        assert_eq!(suback.body[..2], 9u16.to_be_bytes());
        suback.body[if self.level == Level::V5 { 3 } else { 2 }..].to_vec()
    }

    pub(crate) async fn ping(&mut self) {
        self.send(&[0xc0, 0]).await;
        self.expect(0xd0).await;
    }

    pub(crate) async fn puback(&mut self, packet_id: u16) {
        self.send(&packet(0x40, &packet_id.to_be_bytes())).await;
    }

    /// The next packet, or nothing when the connection ended.
    pub(crate) async fn next(&mut self) -> Option<Packet> {
        timeout(PATIENCE, self.read_packet()).await.expect("no packet came in time")
    }

    async fn read_packet(&mut self) -> Option<Packet> {
        let first = self.stream.read_u8().await.ok()?;
        let (mut length, mut shift) = (0usize, 0);
        loop {
            let byte = self.stream.read_u8().await.ok()?;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.ok()?;
        Some(Packet { first, body })
    }

    /// The next packet, which must begin like this.
    pub(crate) async fn expect(&mut self, first: u8) -> Packet {
        let packet = self.next().await.expect("the connection ended");
        assert_eq!(packet.first, first, "an unexpected packet: {packet:?}");
        packet
    }

    /// The next packet is an acknowledgement: packet id and reason code (0 when there is none).
    pub(crate) async fn expect_ack(&mut self, first: u8) -> (u16, u8) {
        let ack = self.expect(first).await;
        let id = u16::from_be_bytes([ack.body[0], ack.body[1]]);
        (id, ack.body.get(2).copied().unwrap_or_default())
    }

    /// The next packet is a message: topic, payload, packet id (0 at QoS 0).
    pub(crate) async fn expect_message(&mut self) -> (String, String, u16) {
        let message = self.next().await.expect("the connection ended");
        assert_eq!(message.first >> 4, 3, "an unexpected packet: {message:?}");
        let length = usize::from(u16::from_be_bytes([message.body[0], message.body[1]]));
        let topic = String::from_utf8(message.body[2..2 + length].to_vec()).unwrap();
        let mut rest = &message.body[2 + length..];
        let mut packet_id = 0;
        if message.first & 0x06 != 0 {
            packet_id = u16::from_be_bytes([rest[0], rest[1]]);
            rest = &rest[2..];
        }
        if self.level == Level::V5 {
            rest = &rest[1 + usize::from(rest[0])..];
        }
        (topic, String::from_utf8(rest.to_vec()).unwrap(), packet_id)
    }

    /// The server ends the connection: in MQTT 5 with this reason, in 3.1.1 without a word.
    pub(crate) async fn expect_cut(&mut self, reason: u8) {
        if self.level == Level::V5 {
            let disconnect = self.expect(0xe0).await;
            assert_eq!(disconnect.body.first(), Some(&reason), "{disconnect:x?}");
        }
        assert_eq!(self.next().await, None);
    }

    /// Has something come, or does it in a moment?
    pub(crate) async fn has_news(&mut self) -> bool {
        timeout(Duration::from_millis(5), self.stream.peek(&mut [0])).await.is_ok()
    }

    /// Nothing comes for a while. Only for what must not happen, never to wait for what must.
    pub(crate) async fn expect_silence(&mut self) {
        self.expect_silence_for(Duration::from_millis(150)).await;
    }

    pub(crate) async fn expect_silence_for(&mut self, duration: Duration) {
        let silence = timeout(duration, self.stream.read_u8()).await;
        assert!(silence.is_err(), "something came: {silence:?}");
    }
}
