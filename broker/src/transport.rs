//! A byte stream with its two buffers. An idle connection has neither: bytes are read through a buffer on the
//! stack, and both buffers are given back when they have been emptied.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::protocol::{Fault, Frame, frame};

/// Bytes taken from the socket in one turn.
const READ_BYTES: usize = 16 * 1024;
/// An emptied buffer larger than this is given back to the allocator.
const KEEP_BYTES: usize = 512;

/// What one turn moved.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) read: usize,
    pub(crate) wrote: usize,
    /// What had been written before has now left for the socket (TLS and WebSocket keep some back).
    pub(crate) flushed: bool,
    /// The peer will send nothing more.
    pub(crate) ended: bool,
}

pub(crate) struct Transport<S> {
    stream: S,
    inbox: BytesMut,
    /// Packets to send; append, and the next turn writes them.
    pub(crate) outbox: BytesMut,
    unflushed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Transport<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, inbox: BytesMut::new(), outbox: BytesMut::new(), unflushed: false }
    }

    /// Writes what is waiting and, if `want_read`, reads what is there; resolves as soon as anything moved.
    /// Nothing is lost when it is dropped while pending.
    pub(crate) async fn turn(&mut self, want_read: bool) -> io::Result<Turn> {
        poll_fn(|cx| self.poll_turn(cx, want_read)).await
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>, want_read: bool) -> Poll<io::Result<Turn>> {
        let mut turn = Turn::default();
        while !self.outbox.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, &self.outbox)? {
                Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(n) => {
                    self.outbox.advance(n);
                    turn.wrote += n;
                    self.unflushed = true;
                }
                Poll::Pending => break,
            }
        }
        if self.unflushed && Pin::new(&mut self.stream).poll_flush(cx)?.is_ready() {
            self.unflushed = false;
            turn.flushed = true;
        }
        if want_read {
            self.poll_read(cx, &mut turn)?;
        }
        give_back(&mut self.outbox);
        if turn == Turn::default() { Poll::Pending } else { Poll::Ready(Ok(turn)) }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, turn: &mut Turn) -> io::Result<()> {
        let mut bytes = [MaybeUninit::<u8>::uninit(); READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut bytes);
        if let Poll::Ready(result) = Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
            result?;
            turn.read = buffer.filled().len();
            turn.ended = turn.read == 0;
            self.inbox.extend_from_slice(buffer.filled());
        }
        Ok(())
    }

    /// Hands the next complete packet (first byte, body) to `parse`, if it has arrived.
    pub(crate) fn next_packet<T>(
        &mut self,
        publish_bytes_max: usize,
        parse: impl FnOnce(u8, &[u8]) -> T,
    ) -> Result<Option<T>, Fault> {
        let Some(Frame { header_bytes, total_bytes }) = frame(&self.inbox, publish_bytes_max)? else {
            return Ok(None);
        };
        let Some(packet) = self.inbox.get(..total_bytes) else {
            return Ok(None);
        };
        let first = packet.first().copied().ok_or(Fault::Malformed)?;
        let parsed = parse(first, packet.get(header_bytes..).ok_or(Fault::Malformed)?);
        self.inbox.advance(total_bytes);
        give_back(&mut self.inbox);
        Ok(Some(parsed))
    }

    /// The first byte of the packet that has begun to arrive.
    pub(crate) fn first_byte(&self) -> Option<u8> {
        self.inbox.first().copied()
    }

    /// Has a packet begun that is not complete?
    pub(crate) fn is_mid_packet(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// Is everything that was to be sent in the socket?
    pub(crate) fn is_all_sent(&self) -> bool {
        self.outbox.is_empty() && !self.unflushed
    }

    /// Writes everything that waits.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        while !self.is_all_sent() {
            poll_fn(|cx| match self.poll_turn(cx, false) {
                Poll::Pending if self.outbox.is_empty() && !self.unflushed => {
                    Poll::Ready(Ok(Turn::default()))
                }
                moved @ (Poll::Pending | Poll::Ready(_)) => moved,
            })
            .await?;
        }
        Ok(())
    }

    /// Says that nothing more comes, then reads until the peer closes too, so that the operating system does
    /// not throw away our last bytes because of unread input. Bounded by the caller.
    pub(crate) async fn close(mut self) {
        self.inbox = BytesMut::new();
        if poll_fn(|cx| Pin::new(&mut self.stream).poll_shutdown(cx)).await.is_err() {
            return;
        }
        while let Ok(Turn { ended: false, .. }) = self.turn(true).await {
            self.inbox.clear();
        }
    }
}

fn give_back(buffer: &mut BytesMut) {
    if buffer.is_empty() && buffer.capacity() > KEEP_BYTES {
        *buffer = BytesMut::new();
    }
}
