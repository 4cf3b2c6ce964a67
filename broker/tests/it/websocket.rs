//! MQTT inside WebSocket, plain and in TLS, by a client that nobody here wrote.

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::rustls::version::TLS13;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};
use vigie_broker::Carrier;

use crate::desk::{House, PATIENCE};
use crate::device::{Connect, Level, packet, string};
use crate::vault::{Vault, bare, connect};

async fn open() -> House {
    House::open_over(Carrier { tls: None, websocket: true }, |_| {}).await
}

/// Asks for the upgrade with these further headers.
async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    path: &str,
    headers: &[(&'static str, &'static str)],
) -> Result<WebSocketStream<S>, Error> {
    let mut request = format!("ws://localhost{path}").into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, HeaderValue::from_static(value));
    }
    let (frames, response) = client_async(request, stream).await?;
    assert_eq!(response.headers().get("sec-websocket-protocol").unwrap(), "mqtt");
    Ok(frames)
}

/// The bytes of the next binary frame; none when the connection ends.
async fn frame<S: AsyncRead + AsyncWrite + Unpin>(frames: &mut WebSocketStream<S>) -> Option<Vec<u8>> {
    loop {
        match timeout(PATIENCE, frames.next()).await.expect("nothing came in time") {
            Some(Ok(Message::Binary(bytes))) => return Some(bytes.to_vec()),
            Some(Ok(Message::Pong(_))) => {}
            _ => return None,
        }
    }
}

fn publish(id: &str, packet_id: u16, payload: &[u8]) -> Vec<u8> {
    let mut body = string(format!("vigie/v1/{id}/readings/json"));
    body.extend(packet_id.to_be_bytes());
    body.extend_from_slice(payload);
    packet(0x32, &body)
}

#[tokio::test]
async fn packets_travel_in_binary_frames_however_they_are_cut() {
    let house = open().await;
    let stream = TcpStream::connect(house.address).await.unwrap();
    let mut frames = ask(stream, "/mqtt", &[("sec-websocket-protocol", "mqtt")]).await.unwrap();
    // One packet in two frames, then two packets in one.
    let hello = Connect::of(Level::V311, "gl-1").bytes();
    let (head, tail) = hello.split_at(5);
    frames.send(Message::binary(head.to_vec())).await.unwrap();
    frames.send(Message::binary(tail.to_vec())).await.unwrap();
    assert_eq!(frame(&mut frames).await.unwrap(), [0x20, 2, 0, 0]);
    frames.send(Message::Ping(b"there?".to_vec().into())).await.unwrap();
    let both = [publish("gl-1", 1, b"a reading"), publish("gl-1", 2, &vec![b'x'; 200_000])].concat();
    frames.send(Message::binary(both)).await.unwrap();
    let mut acks = Vec::new();
    while acks.len() < 8 {
        acks.extend(frame(&mut frames).await.unwrap());
    }
    assert_eq!(acks, [0x40, 2, 0, 1, 0x40, 2, 0, 2]);
    frames.send(Message::binary(vec![0xe0, 0])).await.unwrap();
    assert_eq!(frame(&mut frames).await, None);
    house.until("it is gone", |board| board.counters().connections == 0).await;
    assert_eq!(house.switchboard.counters().cut, 0);
}

#[tokio::test]
async fn a_text_frame_ends_the_connection() {
    let house = open().await;
    let stream = TcpStream::connect(house.address).await.unwrap();
    let mut frames = ask(stream, "/", &[("sec-websocket-protocol", "mqtt")]).await.unwrap();
    frames.send(Message::binary(Connect::of(Level::V311, "gl-1").bytes())).await.unwrap();
    assert_eq!(frame(&mut frames).await.unwrap(), [0x20, 2, 0, 0]);
    frames.send(Message::text("hello")).await.unwrap();
    assert_eq!(frame(&mut frames).await, None);
    house.until("it is gone", |board| board.counters().connections == 0).await;
}

#[tokio::test]
async fn other_subprotocols_paths_and_pages_of_other_sites_are_not_upgraded() {
    let house = open().await;
    let mqtt = ("sec-websocket-protocol", "mqtt");
    for (path, headers, status) in [
        ("/mqtt", vec![], 400),
        ("/mqtt", vec![("sec-websocket-protocol", "mqttv3.1")], 400),
        ("/other", vec![mqtt], 404),
        ("/mqtt", vec![mqtt, ("origin", "https://evil.example")], 403),
    ] {
        let stream = TcpStream::connect(house.address).await.unwrap();
        match ask(stream, path, &headers).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), status, "{path} {headers:?}"),
            other => panic!("{path} {headers:?}: {:?}", other.err()),
        }
    }
    house.until("all are counted", |board| board.counters().handshakes_failed == 4).await;
}

#[tokio::test]
async fn inside_tls_the_certificate_is_the_identity_as_without_websocket() {
    let vault = Vault::new();
    let carrier = Carrier { websocket: true, ..vault.carrier() };
    let house = House::open_over(carrier, |_| {}).await;
    let card = vault.authority.client("gl-1", 1, |_| {});
    for (id, answer) in [("gl-1", 0), ("gl-2", 2)] {
        let stream = connect(house.address, &vault.trusting(&TLS13, Some(&card))).await.unwrap();
        let mut frames = ask(stream, "/mqtt", &[("sec-websocket-protocol", "mqtt")]).await.unwrap();
        frames.send(Message::binary(bare(Level::V311, id).bytes())).await.unwrap();
        assert_eq!(frame(&mut frames).await.unwrap(), [0x20, 2, 0, answer], "{id}");
    }
}
