//! What other tasks leave for a connection: messages for the device, and the order to end. Bounded, and
//! without memory of its own while it is empty.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::message::Message;

/// Why a connection is told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The same device has logged in again.
    TakenOver,
    /// The operator withdrew the device.
    Revoked,
    /// The process stops.
    ShuttingDown,
}

/// What became of a message left in a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    Queued,
    /// The same row of the outbox is already waiting.
    Known,
    Full,
}

#[derive(Default)]
struct Inner {
    /// Each with the moment at which it was left.
    queue: VecDeque<(Message, Instant)>,
    /// Messages were turned away since the queue was last empty.
    missed: bool,
    cut: Option<Cut>,
}

pub(crate) struct Mailbox {
    capacity: usize,
    inner: Mutex<Inner>,
    wake: Notify,
}

impl Mailbox {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, inner: Mutex::new(Inner::default()), wake: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn leave(&self, message: Message) -> Left {
        {
            let mut inner = self.lock();
            let outbox_id = message.outbox_id();
            let waits = |(waiting, _): &(Message, Instant)| waiting.outbox_id() == outbox_id;
            if outbox_id.is_some() && inner.queue.iter().any(waits) {
                return Left::Known;
            }
            if inner.queue.len() >= self.capacity {
                inner.missed = true;
                return Left::Full;
            }
            inner.queue.push_back((message, Instant::now()));
        }
        self.wake.notify_one();
        Left::Queued
    }

    /// The next message, and when it was left.
    pub(crate) fn pop(&self) -> Option<(Message, Instant)> {
        let mut inner = self.lock();
        let message = inner.queue.pop_front();
        if inner.queue.is_empty() {
            inner.queue = VecDeque::new();
        }
        message
    }

    /// True once after messages were turned away, when there is room again for all of them.
    pub(crate) fn is_emptied_after_overflow(&self) -> bool {
        let mut inner = self.lock();
        inner.queue.is_empty() && std::mem::take(&mut inner.missed)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().queue.is_empty()
    }

    /// Takes over what was left in another one while nobody read it. Not commands: the outbox hands them out anew, and
    /// says then what holds then.
    pub(crate) fn inherit(&self, before: &Self) {
        let left = std::mem::take(&mut before.lock().queue);
        self.lock().queue.extend(left.into_iter().filter(|(message, _)| !message.is_command_of_outbox()));
    }

    /// The first order stands.
    pub(crate) fn cut(&self, cut: Cut) {
        self.lock().cut.get_or_insert(cut);
        self.wake.notify_one();
    }

    pub(crate) fn ordered_cut(&self) -> Option<Cut> {
        self.lock().cut
    }

    /// Resolves when something was left since the last time. One connection waits here.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::Outbound;
    use bytes::Bytes;
    use vigie_wire::Channel;

    fn message(outbox_id: Option<i64>) -> Message {
        let (channel, payload) = (Channel::Commands, Bytes::new());
        Message::Outbox(Outbound { outbox_id, channel, payload, retained: false })
    }

    #[test]
    fn a_full_mailbox_turns_messages_away_and_says_so_once_it_is_empty() {
        let mailbox = Mailbox::new(2);
        assert_eq!(mailbox.leave(message(Some(1))), Left::Queued);
        assert_eq!(mailbox.leave(message(Some(1))), Left::Known);
        assert_eq!(mailbox.leave(message(None)), Left::Queued);
        assert_eq!(mailbox.leave(message(Some(3))), Left::Full);
        assert!(!mailbox.is_emptied_after_overflow());
        assert!(mailbox.pop().is_some() && mailbox.pop().is_some() && mailbox.pop().is_none());
        assert!(mailbox.is_emptied_after_overflow());
        assert!(!mailbox.is_emptied_after_overflow());
    }

    #[test]
    fn commands_of_the_outbox_are_not_inherited() {
        let (before, after) = (Mailbox::new(3), Mailbox::new(3));
        for row in [Some(1), None] {
            before.leave(message(row));
        }
        after.inherit(&before);
        let left = |mailbox: &Mailbox| mailbox.pop().map(|(message, _)| message.outbox_id());
        assert_eq!((left(&after), left(&after)), (Some(None), None));
    }

    #[test]
    fn the_first_order_to_end_stands() {
        let mailbox = Mailbox::new(2);
        mailbox.cut(Cut::Revoked);
        mailbox.cut(Cut::TakenOver);
        assert_eq!(mailbox.ordered_cut(), Some(Cut::Revoked));
    }
}
