//! MQTT over WebSocket: the upgrade, and a byte stream over binary frames. What is above does not notice.
//!
//! Packets and frames need not fit each other: a frame may hold several packets or a part of one.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::handshake::server::{Callback, ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::header::{HOST, ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as FrameError, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

use crate::limits::{CONTROL_PACKET_BYTES_MAX, Limits};

/// What clients ask for as `Sec-WebSocket-Protocol`.
const SUBPROTOCOL: &str = "mqtt";
/// Bytes read at once, kept per connection.
const READ_BYTES: usize = 4 * 1024;
/// The largest frame that we send.
const FRAME_BYTES_MAX: usize = 16 * 1024;
/// Over it a write fails; frames wait one at a time, so it is never reached.
const WRITE_BYTES_MAX: usize = 4 * FRAME_BYTES_MAX;

/// The bytes inside the binary frames of a WebSocket.
pub(crate) struct WebSocket<S> {
    frames: WebSocketStream<S>,
    /// What is left of the frame that is being read.
    rest: Bytes,
}

/// Answers the upgrade. The path is `/mqtt` or `/`. Bounded by the caller.
pub(crate) async fn upgrade<S>(stream: S, limits: &Limits) -> Result<WebSocket<S>, FrameError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let largest = Some(limits.packet_bytes_max.saturating_add(CONTROL_PACKET_BYTES_MAX));
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BYTES_MAX)
        .max_message_size(largest)
        .max_frame_size(largest);
    let frames = accept_hdr_async_with_config(stream, Terms, Some(config)).await?;
    Ok(WebSocket { frames, rest: Bytes::new() })
}

/// Which requests are upgraded.
struct Terms;

impl Callback for Terms {
    fn on_request(self, request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
        if !matches!(request.uri().path(), "/mqtt" | "/") {
            return Err(refusal(StatusCode::NOT_FOUND, "MQTT is at /mqtt\n"));
        }
        if !speaks_mqtt(request.headers()) {
            return Err(refusal(StatusCode::BAD_REQUEST, "the sub-protocol must be mqtt\n"));
        }
        if !is_same_origin(request.headers()) {
            return Err(refusal(StatusCode::FORBIDDEN, "pages of other sites may not connect\n"));
        }
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        Ok(response)
    }
}

fn refusal(status: StatusCode, why: &str) -> ErrorResponse {
    let mut response = ErrorResponse::new(Some(why.to_owned()));
    *response.status_mut() = status;
    response
}

fn speaks_mqtt(headers: &HeaderMap) -> bool {
    headers
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .any(|name| name.trim() == SUBPROTOCOL)
}

/// Browsers say which page opens the socket, and would send the client certificate for any page. Devices say
/// nothing, or name the host that they connect to.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, rest)| rest);
    match (origin, host) {
        (Some(origin), Some(host)) => without_port(origin) == without_port(host),
        (None, _) | (_, None) => false,
    }
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        Some(_) | None => authority,
    }
}

fn broken(error: FrameError) -> io::Error {
    if let FrameError::Io(error) = error { error } else { io::Error::other(error) }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.frames).poll_next(cx)) {
                Some(Ok(Message::Binary(bytes))) => self.rest = bytes,
                // Answered by the library, together with the next write.
                Some(Ok(Message::Ping(_))) => {
                    if let Poll::Ready(Err(error)) = Pin::new(&mut self.frames).poll_flush(cx) {
                        return Poll::Ready(Err(broken(error)));
                    }
                }
                Some(Ok(Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(_)) | Err(FrameError::ConnectionClosed)) | None => {
                    return Poll::Ready(Ok(()));
                }
                // [MQTT-6.0.0-1]
                Some(Ok(Message::Text(_))) => {
                    return Poll::Ready(Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "a text frame: MQTT is binary",
                    )));
                }
                Some(Err(error)) => return Poll::Ready(Err(broken(error))),
            }
        }
        let taken = self.rest.len().min(buffer.remaining());
        let part = self.rest.split_to(taken);
        buffer.put_slice(part.chunk());
        if self.rest.is_empty() {
            self.rest = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WebSocket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(Pin::new(&mut self.frames).poll_ready(cx)).map_err(broken)?;
        let part = bytes.get(..FRAME_BYTES_MAX).unwrap_or(bytes);
        let frame = Message::Binary(Bytes::copy_from_slice(part));
        Pin::new(&mut self.frames).start_send(frame).map_err(broken)?;
        Poll::Ready(Ok(part.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.frames).poll_flush(cx).map_err(broken)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.frames).poll_close(cx).map_err(broken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_subprotocol_is_found_among_several() {
        assert!(speaks_mqtt(&headers(&[("sec-websocket-protocol", "mqttv3.1, mqtt")])));
        assert!(!speaks_mqtt(&headers(&[("sec-websocket-protocol", "mqttv3.1")])));
        assert!(!speaks_mqtt(&headers(&[])));
    }

    #[test]
    fn a_page_of_another_site_is_not_let_in() {
        assert!(is_same_origin(&headers(&[("host", "vigie.example:8084")])));
        assert!(is_same_origin(&headers(&[
            ("host", "vigie.example:8084"),
            ("origin", "https://vigie.example")
        ])));
        assert!(!is_same_origin(&headers(&[("host", "vigie.example"), ("origin", "https://evil.example")])));
        assert!(!is_same_origin(&headers(&[("host", "vigie.example"), ("origin", "null")])));
    }
}
