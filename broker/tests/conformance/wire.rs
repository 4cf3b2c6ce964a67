//! Packets as bytes, both ways, written from the two specifications alone. It shares no code with the server, and
//! reads strictly: what a server must not send (a length longer than needed, a property where it has no place) is a
//! panic here, so every case checks it.

use std::fmt::Debug;

pub(crate) const CONNECT: u8 = 1;
pub(crate) const CONNACK: u8 = 2;
pub(crate) const PUBLISH: u8 = 3;
pub(crate) const PUBACK: u8 = 4;
pub(crate) const PUBREC: u8 = 5;
pub(crate) const PUBREL: u8 = 6;
pub(crate) const PUBCOMP: u8 = 7;
pub(crate) const SUBSCRIBE: u8 = 8;
pub(crate) const SUBACK: u8 = 9;
pub(crate) const UNSUBSCRIBE: u8 = 10;
pub(crate) const UNSUBACK: u8 = 11;
pub(crate) const PINGREQ: u8 = 12;
pub(crate) const PINGRESP: u8 = 13;
pub(crate) const DISCONNECT: u8 = 14;
pub(crate) const AUTH: u8 = 15;

/// The two versions; the number is the protocol level of CONNECT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Level {
    V311 = 4,
    V5 = 5,
}

/// Identifiers of the properties that the cases use.
pub(crate) mod id {
    pub(crate) const PAYLOAD_FORMAT: u8 = 0x01;
    pub(crate) const MESSAGE_EXPIRY: u8 = 0x02;
    pub(crate) const CONTENT_TYPE: u8 = 0x03;
    pub(crate) const RESPONSE_TOPIC: u8 = 0x08;
    pub(crate) const CORRELATION_DATA: u8 = 0x09;
    pub(crate) const SUBSCRIPTION_ID: u8 = 0x0b;
    pub(crate) const SESSION_EXPIRY: u8 = 0x11;
    pub(crate) const ASSIGNED_CLIENT_ID: u8 = 0x12;
    pub(crate) const SERVER_KEEP_ALIVE: u8 = 0x13;
    pub(crate) const AUTHENTICATION_METHOD: u8 = 0x15;
    pub(crate) const REQUEST_PROBLEM_INFORMATION: u8 = 0x17;
    pub(crate) const WILL_DELAY: u8 = 0x18;
    pub(crate) const REQUEST_RESPONSE_INFORMATION: u8 = 0x19;
    pub(crate) const RESPONSE_INFORMATION: u8 = 0x1a;
    pub(crate) const REASON_STRING: u8 = 0x1f;
    pub(crate) const RECEIVE_MAXIMUM: u8 = 0x21;
    pub(crate) const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
    pub(crate) const TOPIC_ALIAS: u8 = 0x23;
    pub(crate) const USER_PROPERTY: u8 = 0x26;
    pub(crate) const MAXIMUM_PACKET_SIZE: u8 = 0x27;
}

/// The value of a property, by its type on the wire.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Value {
    Byte(u8),
    Two(u16),
    Four(u32),
    Var(usize),
    Text(String),
    Bytes(Vec<u8>),
    Pair(String, String),
}

/// A property: identifier and value.
pub(crate) type Property = (u8, Value);

pub(crate) fn text_property(id: u8, text: &str) -> Property {
    (id, Value::Text(text.to_owned()))
}

pub(crate) fn user_property(name: &str, value: &str) -> Property {
    (id::USER_PROPERTY, Value::Pair(name.to_owned(), value.to_owned()))
}

/// A length in as few bytes as it takes.
pub(crate) fn var(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = u8::try_from(number % 128).unwrap();
        number /= 128;
        bytes.push(if number > 0 { byte | 0x80 } else { byte });
        if number == 0 {
            return bytes;
        }
    }
}

/// Two bytes of length, then the bytes: strings and binary data alike, well-formed or not.
pub(crate) fn string(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

/// A whole packet: type, flags of the first byte, body.
pub(crate) fn packet(kind: u8, flags: u8, body: &[u8]) -> Vec<u8> {
    [&[kind << 4 | flags][..], &var(body.len()), body].concat()
}

/// Properties with their length in front.
pub(crate) fn properties(list: &[Property]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (id, value) in list {
        bytes.push(*id);
        match value {
            Value::Byte(value) => bytes.push(*value),
            Value::Two(value) => bytes.extend(value.to_be_bytes()),
            Value::Four(value) => bytes.extend(value.to_be_bytes()),
            Value::Var(value) => bytes.extend(var(*value)),
            Value::Text(value) => bytes.extend(string(value)),
            Value::Bytes(value) => bytes.extend(string(value)),
            Value::Pair(name, value) => bytes.extend([string(name), string(value)].concat()),
        }
    }
    [var(bytes.len()), bytes].concat()
}

/// Properties of a level: none in 3.1.1, at least their length in 5.
pub(crate) fn properties_of(level: Level, list: &[Property]) -> Vec<u8> {
    match level {
        Level::V311 => Vec::new(),
        Level::V5 => properties(list),
    }
}

/// A PUBACK, PUBREC, PUBREL or PUBCOMP of the short form, which both versions know.
pub(crate) fn ack(kind: u8, packet_id: u16) -> Vec<u8> {
    packet(kind, if kind == PUBREL { 2 } else { 0 }, &packet_id.to_be_bytes())
}

/// The same of version 5 with a reason code.
pub(crate) fn ack_saying(kind: u8, packet_id: u16, reason: u8) -> Vec<u8> {
    let [high, low] = packet_id.to_be_bytes();
    packet(kind, if kind == PUBREL { 2 } else { 0 }, &[high, low, reason])
}

/// A SUBSCRIBE with the options byte of each filter.
pub(crate) fn subscribe(level: Level, packet_id: u16, list: &[Property], filters: &[(&str, u8)]) -> Vec<u8> {
    let mut body = packet_id.to_be_bytes().to_vec();
    body.extend(properties_of(level, list));
    for (filter, options) in filters {
        body.extend(string(filter));
        body.push(*options);
    }
    packet(SUBSCRIBE, 2, &body)
}

pub(crate) fn unsubscribe(level: Level, packet_id: u16, filters: &[&str]) -> Vec<u8> {
    let mut body = packet_id.to_be_bytes().to_vec();
    body.extend(properties_of(level, &[]));
    for filter in filters {
        body.extend(string(filter));
    }
    packet(UNSUBSCRIBE, 2, &body)
}

/// A PUBLISH to send, or as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Publish {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: u8,
    pub(crate) packet_id: u16,
    pub(crate) dup: bool,
    pub(crate) retain: bool,
    pub(crate) properties: Vec<Property>,
}

impl Publish {
    pub(crate) fn to(topic: &str, payload: &str) -> Self {
        Self { topic: topic.to_owned(), payload: payload.as_bytes().to_vec(), ..Self::default() }
    }

    pub(crate) fn qos(mut self, qos: u8, packet_id: u16) -> Self {
        (self.qos, self.packet_id) = (qos, packet_id);
        self
    }

    pub(crate) fn retain(mut self) -> Self {
        self.retain = true;
        self
    }

    pub(crate) fn dup(mut self) -> Self {
        self.dup = true;
        self
    }

    pub(crate) fn with(mut self, property: Property) -> Self {
        self.properties.push(property);
        self
    }

    pub(crate) fn bytes(&self, level: Level) -> Vec<u8> {
        let mut body = string(&self.topic);
        if self.qos > 0 {
            body.extend(self.packet_id.to_be_bytes());
        }
        body.extend(properties_of(level, &self.properties));
        body.extend(&self.payload);
        packet(PUBLISH, u8::from(self.dup) << 3 | self.qos << 1 | u8::from(self.retain), &body)
    }

    pub(crate) fn payload(&self) -> &str {
        std::str::from_utf8(&self.payload).unwrap()
    }

    /// The only property with this identifier, if there is one.
    pub(crate) fn property(&self, id: u8) -> Option<&Value> {
        only(&self.properties, id)
    }
}

/// The only property with this identifier, if there is one.
pub(crate) fn only(list: &[Property], id: u8) -> Option<&Value> {
    list.iter().find(|(each, _)| *each == id).map(|(_, value)| value)
}

/// A packet as it came: type, flags and what follows the length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) body: Vec<u8>,
    /// All of its bytes, the fixed header included.
    pub(crate) size: usize,
}

/// What an acknowledgement or a DISCONNECT says. In 3.1.1 the reason is 0 and there are no properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) packet_id: u16,
    pub(crate) reason: u8,
    pub(crate) properties: Vec<Property>,
}

/// What a SUBACK or UNSUBACK says. The UNSUBACK of 3.1.1 has no reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    pub(crate) packet_id: u16,
    pub(crate) properties: Vec<Property>,
    pub(crate) reasons: Vec<u8>,
}

/// What a CONNACK says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Connack {
    pub(crate) flags: u8,
    pub(crate) reason: u8,
    pub(crate) properties: Vec<Property>,
}

impl Packet {
    /// Takes a packet from the front of `buffer` if it is there in whole.
    pub(crate) fn take(buffer: &mut Vec<u8>) -> Option<Self> {
        let mut length = 0;
        let mut at = 1;
        loop {
            let byte = *buffer.get(at)?;
            assert!(at <= 4, "the server sent a length of more than four bytes");
            length |= usize::from(byte & 0x7f) << (7 * (at - 1));
            at += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        assert_eq!(at - 1, var(length).len(), "the server wrote a length with more bytes than it needs");
        if buffer.len() < at + length {
            return None;
        }
        let whole: Vec<u8> = buffer.drain(..at + length).collect();
        Some(Self {
            kind: whole[0] >> 4,
            flags: whole[0] & 15,
            body: whole[at..].to_vec(),
            size: whole.len(),
        })
    }

    /// Flags other than of a PUBLISH are fixed.
    fn check_flags(&self) {
        assert_eq!(self.flags, if self.kind == PUBREL { 2 } else { 0 }, "reserved flags of {self:?}");
    }

    pub(crate) fn connack(&self, level: Level) -> Connack {
        self.check_flags();
        assert_eq!(self.kind, CONNACK, "a CONNACK was due, not {self:?}");
        let mut rest = Reader(&self.body);
        let (flags, reason) = (rest.byte(), rest.byte());
        // A refusal of a level that the server does not speak may come in the form of the other one.
        let properties =
            if level == Level::V5 && !rest.0.is_empty() { rest.properties() } else { Vec::new() };
        rest.end();
        Connack { flags, reason, properties }
    }

    pub(crate) fn publish(&self, level: Level) -> Publish {
        assert_eq!(self.kind, PUBLISH, "a PUBLISH was due, not {self:?}");
        let qos = self.flags >> 1 & 3;
        assert!(qos < 3, "a PUBLISH with QoS 3");
        let mut rest = Reader(&self.body);
        let topic = rest.text();
        let packet_id = if qos > 0 { rest.two() } else { 0 };
        assert!(qos == 0 || packet_id != 0, "packet identifier 0");
        let properties = if level == Level::V5 { rest.properties() } else { Vec::new() };
        let (dup, retain) = (self.flags & 8 != 0, self.flags & 1 != 0);
        Publish { topic, payload: rest.0.to_vec(), qos, packet_id, dup, retain, properties }
    }

    /// A PUBACK, PUBREC, PUBREL or PUBCOMP.
    pub(crate) fn ack(&self, level: Level) -> Said {
        self.check_flags();
        assert!((PUBACK..=PUBCOMP).contains(&self.kind), "an acknowledgement was due, not {self:?}");
        let mut rest = Reader(&self.body);
        let packet_id = rest.two();
        let (reason, properties) = rest.reason(level);
        Said { packet_id, reason, properties }
    }

    pub(crate) fn disconnect(&self) -> Said {
        self.check_flags();
        assert_eq!(self.kind, DISCONNECT, "a DISCONNECT was due, not {self:?}");
        let (reason, properties) = Reader(&self.body).reason(Level::V5);
        Said { packet_id: 0, reason, properties }
    }

    /// A SUBACK or UNSUBACK.
    pub(crate) fn granted(&self, level: Level) -> Granted {
        self.check_flags();
        let mut rest = Reader(&self.body);
        let packet_id = rest.two();
        let properties = if level == Level::V5 { rest.properties() } else { Vec::new() };
        Granted { packet_id, properties, reasons: rest.0.to_vec() }
    }
}

/// What has not been read of a body.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take(&mut self, count: usize) -> Vec<u8> {
        let (taken, rest) = self.0.split_at_checked(count).expect("the packet ends too early");
        self.0 = rest;
        taken.to_vec()
    }

    fn byte(&mut self) -> u8 {
        self.take(1)[0]
    }

    fn two(&mut self) -> u16 {
        u16::from_be_bytes(self.take(2).try_into().unwrap())
    }

    fn four(&mut self) -> u32 {
        u32::from_be_bytes(self.take(4).try_into().unwrap())
    }

    fn var(&mut self) -> usize {
        let (mut number, mut count) = (0, 0);
        loop {
            let byte = self.byte();
            number |= usize::from(byte & 0x7f) << (7 * count);
            count += 1;
            if byte & 0x80 == 0 {
                assert_eq!(count, var(number).len(), "a number with more bytes than it needs");
                return number;
            }
            assert!(count < 4, "a number of more than four bytes");
        }
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = usize::from(self.two());
        self.take(length)
    }

    fn text(&mut self) -> String {
        let text = String::from_utf8(self.bytes()).expect("the server sent ill-formed UTF-8");
        assert!(!text.contains('\0'), "the server sent U+0000");
        text
    }

    fn properties(&mut self) -> Vec<Property> {
        let length = self.var();
        let bytes = self.take(length);
        let mut rest = Reader(&bytes);
        let mut list = Vec::new();
        while !rest.0.is_empty() {
            let id = rest.byte();
            let value = match id {
                0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28..=0x2a => Value::Byte(rest.byte()),
                0x13 | 0x21..=0x23 => Value::Two(rest.two()),
                0x02 | 0x11 | 0x18 | 0x27 => Value::Four(rest.four()),
                0x0b => Value::Var(rest.var()),
                0x03 | 0x08 | 0x12 | 0x15 | 0x1a | 0x1c | 0x1f => Value::Text(rest.text()),
                0x09 | 0x16 => Value::Bytes(rest.bytes()),
                0x26 => Value::Pair(rest.text(), rest.text()),
                unknown => panic!("property {unknown:#04x} does not exist"),
            };
            let may_repeat = [id::USER_PROPERTY, id::SUBSCRIPTION_ID].contains(&id);
            assert!(may_repeat || only(&list, id).is_none(), "property {id:#04x} twice");
            list.push((id, value));
        }
        list
    }

    /// Reason code and properties, each of which may be left out at the end.
    fn reason(&mut self, level: Level) -> (u8, Vec<Property>) {
        let reason = if level == Level::V5 && !self.0.is_empty() { self.byte() } else { 0 };
        let properties =
            if level == Level::V5 && !self.0.is_empty() { self.properties() } else { Vec::new() };
        self.end();
        (reason, properties)
    }

    fn end(&self) {
        assert!(self.0.is_empty(), "bytes after the end: {:?}", self.0);
    }
}
