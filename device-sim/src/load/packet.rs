//! The few packets of MQTT 3.1.1 that a load needs.

/// A packet from the server, as far as a load cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Incoming {
    /// With its return code: zero is welcome.
    ConnAck(u8),
    PubAck(u16),
    SubAck,
    PingResp,
    /// A publish to us, with its packet id where it wants an acknowledgement.
    Publish(Option<u16>),
}

/// The server sent what is no MQTT, or nothing for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// The longest packet that we expect from a server: a large receipt.
const INCOMING_MAX: usize = 1024 * 1024;

pub(super) fn connect(out: &mut Vec<u8>, client: &str, secret: &str, keep_alive_seconds: u16) {
    let mut body = Vec::with_capacity(64);
    text(&mut body, "MQTT");
    // Level 4; user name, password, clean session.
    body.extend([4, 0b1100_0010]);
    body.extend(keep_alive_seconds.to_be_bytes());
    text(&mut body, client);
    text(&mut body, client);
    text(&mut body, secret);
    packet(out, 0x10, &[&body]);
}

/// QoS 1.
pub(super) fn publish(out: &mut Vec<u8>, topic: &str, id: u16, payload: &[u8]) {
    let mut head = Vec::with_capacity(topic.len() + 4);
    text(&mut head, topic);
    head.extend(id.to_be_bytes());
    packet(out, 0x32, &[&head, payload]);
}

/// One filter at QoS 1.
pub(super) fn subscribe(out: &mut Vec<u8>, topic: &str, id: u16) {
    let mut body = id.to_be_bytes().to_vec();
    text(&mut body, topic);
    body.push(1);
    packet(out, 0x82, &[&body]);
}

pub(super) fn puback(out: &mut Vec<u8>, id: u16) {
    packet(out, 0x40, &[&id.to_be_bytes()]);
}

pub(super) fn pingreq(out: &mut Vec<u8>) {
    out.extend([0xC0, 0]);
}

pub(super) fn disconnect(out: &mut Vec<u8>) {
    out.extend([0xE0, 0]);
}

/// Takes one packet off the front of `bytes`: it and its length, or nothing when it is not all there yet.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Incoming, usize)>, Malformed> {
    let Some((first, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    let mut length = 0_usize;
    let mut head = 1;
    for (shift, byte) in [0, 7, 14, 21].into_iter().zip(rest) {
        length |= usize::from(byte & 0x7f) << shift;
        head += 1;
        if byte & 0x80 == 0 {
            if length > INCOMING_MAX {
                return Err(Malformed);
            }
            return match bytes.get(head..head + length) {
                Some(body) => Ok(Some((decode(*first, body)?, head + length))),
                None => Ok(None),
            };
        }
    }
    // Four bytes that all say "more follows" are no length.
    if head > 4 { Err(Malformed) } else { Ok(None) }
}

fn decode(first: u8, body: &[u8]) -> Result<Incoming, Malformed> {
    match (first >> 4, body) {
        (2, [_, code]) => Ok(Incoming::ConnAck(*code)),
        (4, [high, low]) => Ok(Incoming::PubAck(u16::from_be_bytes([*high, *low]))),
        (9, _) => Ok(Incoming::SubAck),
        (13, []) => Ok(Incoming::PingResp),
        (3, [high, low, rest @ ..]) => {
            let topic = usize::from(u16::from_be_bytes([*high, *low]));
            if first & 0b0110 == 0 {
                return Ok(Incoming::Publish(None));
            }
            match rest.get(topic..topic + 2) {
                Some([high, low]) => Ok(Incoming::Publish(Some(u16::from_be_bytes([*high, *low])))),
                Some(_) | None => Err(Malformed),
            }
        }
        _ => Err(Malformed),
    }
}

fn packet(out: &mut Vec<u8>, first: u8, parts: &[&[u8]]) {
    let mut length: usize = parts.iter().map(|part| part.len()).sum();
    out.push(first);
    loop {
        let byte = (length & 0x7f) as u8;
        length >>= 7;
        out.push(if length > 0 { byte | 0x80 } else { byte });
        if length == 0 {
            break;
        }
    }
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// Texts of a load are ids, secrets and topics: far below the 65,535 bytes that fit.
fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_publish_is_laid_out_as_the_standard_says() {
        let mut out = Vec::new();
        publish(&mut out, "a/b", 10, b"hi");
        assert_eq!(out, [0x32, 9, 0, 3, b'a', b'/', b'b', 0, 10, b'h', b'i']);
        let mut long = Vec::new();
        publish(&mut long, "a", 1, &[0; 200]);
        assert_eq!(long[..3], [0x32, 0xCD, 1], "205 bytes take two bytes of length");
    }

    #[test]
    fn packets_come_off_one_by_one_and_only_when_whole() {
        let bytes = [0x20, 2, 0, 0, 0x40, 2, 1, 44, 0xD0, 0];
        let (connack, used) = parse(&bytes).unwrap().unwrap();
        assert_eq!((connack, used), (Incoming::ConnAck(0), 4));
        assert_eq!(parse(&bytes[4..]).unwrap(), Some((Incoming::PubAck(300), 4)));
        assert_eq!(parse(&bytes[4..7]).unwrap(), None);
        assert_eq!(parse(&[0x32, 6, 0, 1, b'r', 0, 9, b'x']).unwrap(), Some((Incoming::Publish(Some(9)), 8)));
        assert_eq!(parse(&[0x40, 0xff, 0xff, 0xff, 0xff]), Err(Malformed));
        assert_eq!(parse(&[0x10, 0]), Err(Malformed));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic_or_read_beyond_them(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(Some((_, used))) = parse(&bytes) {
                prop_assert!(0 < used && used <= bytes.len());
            }
        }
    }
}
