//! A device that is connected and says nothing: the least that MQTT 3.1.1 needs, so that twenty thousand of them fit
//! beside the gateway that they are there to measure.

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use vigie_device_sim::LoadDevice;
use vigie_wire::{Channel, Topic};

use crate::stand::secret_of;

/// Long enough that nothing is heard of a device while it is measured.
const KEEP_ALIVE_SECONDS: u16 = 1_200;

const CONNACK: u8 = 0x20;
const SUBACK: u8 = 0x90;
const PINGRESP: u8 = 0xD0;

/// A device that has logged in and listens to its receipts and commands.
pub(super) struct IdleClient(TcpStream);

impl IdleClient {
    /// Logs in with a session that outlives the connection, as real devices do, and subscribes.
    pub(super) async fn connect(port: u16, device: &LoadDevice) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.context("no connection")?;
        stream.set_nodelay(true)?;
        let mut client = Self(stream);
        client.0.write_all(&connect(device)?).await?;
        let answer = client.expect(CONNACK).await?;
        ensure!(answer == [0, 0], "{} is not let in: {answer:?}", device.id);
        client.0.write_all(&subscribe(device)?).await?;
        let answer = client.expect(SUBACK).await?;
        ensure!(answer == [0, 1, 1, 1], "{} may not listen: {answer:?}", device.id);
        Ok(client)
    }

    /// Is it still connected? Asks the gateway.
    pub(super) async fn ping(&mut self) -> Result<()> {
        self.0.write_all(&[0xC0, 0]).await?;
        self.expect(PINGRESP).await.map(drop)
    }

    /// Reads one packet, which must be of this kind, and gives its body.
    async fn expect(&mut self, kind: u8) -> Result<Vec<u8>> {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).await.context("the gateway hung up")?;
        let [first, length] = head;
        if first != kind || length > 127 {
            bail!("packet {first:#x} of length {length} and not {kind:#x}");
        }
        let mut body = vec![0; length.into()];
        self.0.read_exact(&mut body).await.context("the gateway hung up")?;
        Ok(body)
    }
}

fn connect(device: &LoadDevice) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    text(&mut body, "MQTT")?;
    // Level 4; user name and password, the session stays.
    body.extend([4, 0b1100_0000]);
    body.extend(KEEP_ALIVE_SECONDS.to_be_bytes());
    let id = device.id.as_str();
    for part in [id, id, &secret_of(id)] {
        text(&mut body, part)?;
    }
    packet(0x10, body)
}

fn subscribe(device: &LoadDevice) -> Result<Vec<u8>> {
    let mut body = vec![0, 1];
    for channel in [Channel::Receipts, Channel::Commands] {
        text(&mut body, &Topic { device: device.id.clone(), channel }.to_string())?;
        body.push(1);
    }
    packet(0x82, body)
}

fn text(out: &mut Vec<u8>, text: &str) -> Result<()> {
    out.extend(u16::try_from(text.len())?.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// One byte of length is enough for all that an idle device says.
fn packet(first: u8, body: Vec<u8>) -> Result<Vec<u8>> {
    let length = u8::try_from(body.len()).ok().filter(|length| *length < 128).context("too long")?;
    Ok([vec![first, length], body].concat())
}

#[cfg(test)]
mod tests {
    use vigie_device_sim::{LoadVital, Secret};
    use vigie_wire::DeviceId;

    use super::*;

    #[test]
    fn packets_are_laid_out_as_the_standard_says() {
        let id = DeviceId::parse("d-1").unwrap();
        let device = LoadDevice { id, secret: Secret::new("s"), vital: LoadVital::Glucose };
        let bytes = connect(&device).unwrap();
        assert_eq!(bytes[..2], [0x10, 35]);
        assert_eq!(bytes[2..12], [0, 4, b'M', b'Q', b'T', b'T', 4, 0xC0, 4, 0xB0]);
        assert_eq!(bytes[12..], *b"\0\x03d-1\0\x03d-1\0\x0dsecret of d-1");
        let bytes = subscribe(&device).unwrap();
        assert_eq!((bytes[0], usize::from(bytes[1])), (0x82, bytes.len() - 2));
        assert_eq!(bytes[2..4], [0, 1]);
        assert!(packet(0, vec![0; 128]).is_err());
    }
}
