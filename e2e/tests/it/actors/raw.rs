//! Bytes on a socket, for what no decent client would send. MQTT 5.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::house::{Enrolled, PATIENCE};

/// A device without a client library.
pub(crate) struct Raw {
    stream: TcpStream,
}

impl Raw {
    /// Logs in, with a clean start.
    pub(crate) async fn log_in(port: u16, device: &Enrolled) -> Self {
        let mut raw = Self { stream: TcpStream::connect(("127.0.0.1", port)).await.unwrap() };
        let (id, secret) = (text(&device.id), text(&device.secret));
        // Protocol name and level, flags (user name, password, clean start), keep-alive of a minute, no properties.
        let body = [&text("MQTT")[..], &[5, 0b1100_0010, 0, 60, 0], &id, &id, &secret].concat();
        raw.send(&packet(0x10, &body)).await;
        let answer = raw.packet().await.expect("an answer to the log-in");
        assert_eq!((answer[0], answer[3]), (0x20, 0), "the log-in is accepted: {answer:x?}");
        raw
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next whole packet; `None` when the other side has closed. Long enough for lengths of one byte.
    pub(crate) async fn packet(&mut self) -> Option<Vec<u8>> {
        let reading = async {
            let mut packet = vec![0; 2];
            self.stream.read_exact(&mut packet).await.ok()?;
            let length = usize::from(packet[1]);
            assert!(length < 128, "a packet longer than these tests expect");
            packet.resize(2 + length, 0);
            self.stream.read_exact(&mut packet[2..]).await.ok()?;
            Some(packet)
        };
        timeout(PATIENCE, reading).await.expect("an answer")
    }
}

/// A PUBLISH at QoS 1 with packet id 1.
pub(crate) fn publish(topic: &str, payload: &[u8]) -> Vec<u8> {
    packet(0x32, &[&text(topic)[..], &[0, 1, 0], payload].concat())
}

fn text(of: &str) -> Vec<u8> {
    [&u16::try_from(of.len()).unwrap().to_be_bytes()[..], of.as_bytes()].concat()
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut rest = body.len();
    loop {
        let digit = u8::try_from(rest % 128).unwrap();
        rest /= 128;
        bytes.push(if rest > 0 { digit | 0x80 } else { digit });
        if rest == 0 {
            break;
        }
    }
    bytes.extend_from_slice(body);
    bytes
}
