//! Receipts and commands to devices behind the cluster: what is on its way. No I/O.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use vigie_wire::{Channel, DeviceId, Topic};

/// Messages that wait in memory for their turn; over it they are fetched again later.
const WAITING_MAX: usize = 1_024;

/// A row of the outbox, ready to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) outbox_id: i64,
    pub(super) topic: String,
    pub(super) payload: Bytes,
    /// How long the cluster may keep it for a device that is away.
    pub(super) life: Duration,
    /// Whom nobody listens to is asked again later.
    must_be_heard: bool,
}

impl Message {
    /// Nobody needs to listen: a device that does not is told by its next receipt, and sends again until then.
    pub(super) fn receipt(outbox_id: i64, device: &DeviceId, payload: Bytes, life: Duration) -> Self {
        let topic = Topic { device: device.clone(), channel: Channel::Receipts }.to_string();
        Self { outbox_id, topic, payload, life, must_be_heard: false }
    }

    /// A command is delivered when somebody listens to it.
    pub(super) fn command(outbox_id: i64, device: &DeviceId, payload: Bytes, life: Duration) -> Self {
        let topic = Topic { device: device.clone(), channel: Channel::Commands }.to_string();
        Self { outbox_id, topic, payload, life, must_be_heard: true }
    }
}

/// What the cluster said to a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// The device has it, or will have it.
    Taken,
    /// No session in the cluster is subscribed to it.
    NobodyListens,
    /// We may not, or the cluster cannot.
    Refused,
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    outbox_id: i64,
    must_be_heard: bool,
}

/// It pairs our rows with the packet ids that rumqttc tells.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    /// Handed to rumqttc, packet id not known yet, in that order.
    handed: VecDeque<Sent>,
    /// On the wire, by packet id.
    sent: BTreeMap<u16, Sent>,
    waiting: VecDeque<Message>,
    known: BTreeSet<i64>,
}

impl Outbound {
    /// Takes a message, unless it is on its way already or there is no room.
    pub(super) fn push(&mut self, message: Message) {
        if self.waiting.len() < WAITING_MAX && self.known.insert(message.outbox_id) {
            self.waiting.push_back(message);
        }
    }

    /// The next message to hand to rumqttc while fewer than `window` are on their way.
    pub(super) fn next(&self, window: usize) -> Option<&Message> {
        let room = self.handed.len() + self.sent.len() < window;
        self.waiting.front().filter(|_| room)
    }

    /// The message that was next has been handed over.
    pub(super) fn handed(&mut self) {
        if let Some(Message { outbox_id, must_be_heard, .. }) = self.waiting.pop_front() {
            self.handed.push_back(Sent { outbox_id, must_be_heard });
        }
    }

    /// rumqttc wrote a publish: it writes them in the order in which they were handed over.
    pub(super) fn written(&mut self, packet_id: u16) {
        if let Some(sent) = self.handed.pop_front() {
            self.sent.insert(packet_id, sent);
        }
    }

    /// The cluster answered: the row that may be deleted now, if the answer is a good one.
    pub(super) fn answered(&mut self, packet_id: u16, answer: Answer) -> Option<i64> {
        let Sent { outbox_id, must_be_heard } = self.sent.remove(&packet_id)?;
        self.known.remove(&outbox_id);
        let done = match answer {
            Answer::Taken => true,
            Answer::NobodyListens => !must_be_heard,
            Answer::Refused => false,
        };
        done.then_some(outbox_id)
    }

    /// The connection broke: nothing is known of what was on its way. The outbox still holds it.
    pub(super) fn disconnected(&mut self) {
        for sent in self.handed.drain(..).chain(std::mem::take(&mut self.sent).into_values()) {
            self.known.remove(&sent.outbox_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> DeviceId {
        DeviceId::parse("d").unwrap()
    }

    fn message(outbox_id: i64) -> Message {
        Message::receipt(outbox_id, &device(), Bytes::new(), Duration::from_secs(1))
    }

    #[test]
    fn a_row_is_deleted_only_when_its_own_publish_was_taken() {
        let mut outbound = Outbound::default();
        for id in [10, 11, 12] {
            outbound.push(message(id));
            outbound.push(message(id));
        }
        while outbound.next(2).is_some() {
            outbound.handed();
        }
        assert_eq!(outbound.next(2), None, "two are on their way");
        outbound.written(7);
        outbound.written(8);
        assert_eq!(outbound.answered(8, Answer::Taken), Some(11));
        assert_eq!(outbound.answered(8, Answer::Taken), None);
        assert_eq!(outbound.answered(7, Answer::Refused), None, "refused: it stays in the outbox");
        assert_eq!(outbound.next(2).map(|m| m.outbox_id), Some(12));
    }

    #[test]
    fn a_command_that_nobody_listens_to_stays_in_the_outbox_and_a_receipt_does_not() {
        let mut outbound = Outbound::default();
        outbound.push(Message::command(10, &device(), Bytes::new(), Duration::from_secs(1)));
        outbound.push(message(11));
        while outbound.next(2).is_some() {
            outbound.handed();
        }
        outbound.written(1);
        outbound.written(2);
        assert_eq!(outbound.answered(1, Answer::NobodyListens), None);
        assert_eq!(outbound.answered(2, Answer::NobodyListens), Some(11));
    }

    #[test]
    fn what_was_on_its_way_when_the_connection_broke_may_come_again() {
        let mut outbound = Outbound::default();
        outbound.push(message(10));
        outbound.handed();
        outbound.written(1);
        outbound.disconnected();
        assert_eq!(
            outbound.answered(1, Answer::Taken),
            None,
            "an answer that was read late belongs to nobody"
        );
        outbound.push(message(10));
        assert_eq!(outbound.next(1).map(|m| m.outbox_id), Some(10));
    }
}
