//! What the broker remembers of a client while it is connected, and, if the client asked for it, after.
//!
//! The subscriptions of a device are here, one per channel. Those of a guest of the open profile are in its
//! router, which must find them by topic.

use std::collections::{HashMap, VecDeque};

use vigie_wire::Channel;

use crate::message::Message;
use crate::protocol::Qos;

/// Rows of the outbox recently delivered and remembered, so that a look into the outbox that raced with an
/// acknowledgement does not send them again.
const REMEMBERED_DELIVERIES: usize = 64;

/// A granted subscription of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grant {
    /// At most 1: nothing that we send to a device gains from QoS 2.
    pub(crate) qos: Qos,
    /// MQTT 5: sent along with every message.
    pub(crate) identifier: Option<u32>,
}

/// How far a publish of the client's at QoS 2 has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Received {
    /// Waits for its verdict.
    Pending,
    /// PUBREC is out; the id is held until PUBREL.
    Recorded,
}

/// A message of ours that the client has not acknowledged to the end.
#[derive(Clone)]
pub(crate) enum Unacknowledged {
    /// Sent at QoS 1: waits for PUBACK.
    Puback(Message),
    /// Sent at QoS 2: waits for PUBREC.
    Pubrec(Message),
    /// PUBREL is out: waits for PUBCOMP, and the message is the client's.
    Pubcomp,
}

/// Session state, bounded by the window of unacknowledged messages.
#[derive(Default)]
pub(crate) struct Session {
    receipts: Option<Grant>,
    commands: Option<Grant>,
    status: Option<Grant>,
    unacknowledged: VecDeque<(u16, Unacknowledged)>,
    last_packet_id: u16,
    delivered: VecDeque<i64>,
    received: HashMap<u16, Received>,
}

impl Session {
    fn grant_mut(&mut self, channel: Channel) -> Option<&mut Option<Grant>> {
        match channel {
            Channel::Receipts => Some(&mut self.receipts),
            Channel::Commands => Some(&mut self.commands),
            Channel::Status => Some(&mut self.status),
            Channel::Readings(_) => None,
        }
    }

    pub(crate) fn grant(&self, channel: Channel) -> Option<Grant> {
        match channel {
            Channel::Receipts => self.receipts,
            Channel::Commands => self.commands,
            Channel::Status => self.status,
            Channel::Readings(_) => None,
        }
    }

    /// Was there no such subscription before?
    pub(crate) fn subscribe(&mut self, channel: Channel, grant: Grant) -> bool {
        self.grant_mut(channel).is_some_and(|slot| slot.replace(grant).is_none())
    }

    /// Was there such a subscription?
    pub(crate) fn unsubscribe(&mut self, channel: Channel) -> bool {
        self.grant_mut(channel).and_then(Option::take).is_some()
    }

    /// How many messages of ours wait for an acknowledgement.
    pub(crate) fn unacknowledged(&self) -> usize {
        self.unacknowledged.len()
    }

    /// Those messages, oldest first, for a resumed session.
    pub(crate) fn unacknowledged_messages(&self) -> impl Iterator<Item = (u16, &Unacknowledged)> {
        self.unacknowledged.iter().map(|(id, message)| (*id, message))
    }

    /// Is this row of the outbox on its way, or there already?
    pub(crate) fn knows(&self, outbox_id: i64) -> bool {
        let is_it = |waiting: &Unacknowledged| match waiting {
            Unacknowledged::Puback(message) | Unacknowledged::Pubrec(message) => {
                message.outbox_id() == Some(outbox_id)
            }
            Unacknowledged::Pubcomp => false,
        };
        self.has_delivered(outbox_id) || self.unacknowledged.iter().any(|(_, waiting)| is_it(waiting))
    }

    /// Did this row of the outbox reach the device lately?
    pub(crate) fn has_delivered(&self, outbox_id: i64) -> bool {
        self.delivered.contains(&outbox_id)
    }

    /// A packet id that no unacknowledged message has.
    pub(crate) fn next_packet_id(&mut self) -> u16 {
        loop {
            self.last_packet_id = self.last_packet_id.checked_add(1).unwrap_or(1);
            let id = self.last_packet_id;
            if self.unacknowledged.iter().all(|(used, _)| *used != id) {
                return id;
            }
        }
    }

    /// A message left at QoS 1 or 2.
    pub(crate) fn sent(&mut self, packet_id: u16, message: Unacknowledged) {
        self.unacknowledged.push_back((packet_id, message));
    }

    /// Ends the exchange of a packet id, at whatever point it is.
    pub(crate) fn end_exchange(&mut self, packet_id: u16) -> Option<Unacknowledged> {
        let at = self.unacknowledged.iter().position(|(id, _)| *id == packet_id)?;
        self.unacknowledged.remove(at).map(|(_, message)| message)
    }

    /// PUBACK: returns the message, or nothing for an id that waits for no such packet.
    pub(crate) fn acknowledged(&mut self, packet_id: u16) -> Option<Message> {
        let at = self
            .unacknowledged
            .iter()
            .position(|(id, waiting)| *id == packet_id && matches!(waiting, Unacknowledged::Puback(_)))?;
        match self.unacknowledged.remove(at)? {
            (_, Unacknowledged::Puback(message)) => Some(message),
            (_, Unacknowledged::Pubrec(_) | Unacknowledged::Pubcomp) => None,
        }
    }

    /// PUBREC: is there an exchange that goes on with a PUBREL?
    pub(crate) fn recorded(&mut self, packet_id: u16) -> bool {
        match self.unacknowledged.iter_mut().find(|(id, _)| *id == packet_id) {
            Some((_, waiting @ Unacknowledged::Pubrec(_))) => {
                *waiting = Unacknowledged::Pubcomp;
                true
            }
            Some((_, Unacknowledged::Pubcomp)) => true,
            Some((_, Unacknowledged::Puback(_))) | None => false,
        }
    }

    /// PUBCOMP ends an exchange that waits for it.
    pub(crate) fn completed(&mut self, packet_id: u16) {
        self.unacknowledged
            .retain(|(id, waiting)| *id != packet_id || !matches!(waiting, Unacknowledged::Pubcomp));
    }

    /// A row of the outbox has reached the device.
    pub(crate) fn remember_delivery(&mut self, outbox_id: i64) {
        if self.delivered.len() == REMEMBERED_DELIVERIES {
            self.delivered.pop_front();
        }
        self.delivered.push_back(outbox_id);
    }

    pub(crate) fn received(&self, packet_id: u16) -> Option<Received> {
        self.received.get(&packet_id).copied()
    }

    /// How many packet ids of the client's at QoS 2 are held.
    pub(crate) fn received_count(&self) -> usize {
        self.received.len()
    }

    pub(crate) fn set_received(&mut self, packet_id: u16, state: Received) {
        self.received.insert(packet_id, state);
    }

    pub(crate) fn forget_received(&mut self, packet_id: u16) -> Option<Received> {
        self.received.remove(&packet_id)
    }

    /// What outlives the connection of a device. The packet ids of QoS 2 do not: a device that lost its memory
    /// would reuse one for a new reading, which we would then acknowledge without storing. Taking a repeat
    /// again is harmless, since the store knows sequence numbers.
    ///
    /// A guest's do, as the specification says: its messages have no numbers but these.
    ///
    /// Nothing, where a command is unacknowledged: the session ends with the connection. Resumed, it would have to
    /// repeat that message as it was (MQTT-4.4.0-1): a clock set by the time of an earlier day, a message to who held the
    /// device then. The device is told (session present = 0), subscribes again, and the outbox hands out what still
    /// holds. docs/device-commands.md says why the specifications allow it.
    pub(crate) fn for_absence(mut self, is_device: bool) -> Option<Self> {
        let is_command = |waiting: &Unacknowledged| match waiting {
            Unacknowledged::Puback(message) | Unacknowledged::Pubrec(message) => {
                message.is_command_of_outbox()
            }
            Unacknowledged::Pubcomp => false,
        };
        if self.unacknowledged.iter().any(|(_, waiting)| is_command(waiting)) {
            return None;
        }
        if is_device {
            self.received = HashMap::new();
        }
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::Outbound;
    use bytes::Bytes;

    fn message(outbox_id: i64) -> Message {
        Message::Outbox(Outbound {
            outbox_id: Some(outbox_id),
            channel: Channel::Receipts,
            payload: Bytes::new(),
            retained: false,
        })
    }

    #[test]
    fn an_exchange_of_qos_2_ends_with_pubcomp_and_no_other_packet() {
        let mut session = Session::default();
        session.sent(1, Unacknowledged::Pubrec(message(10)));
        assert!(session.acknowledged(1).is_none());
        session.completed(1);
        assert!(session.recorded(1) && session.recorded(1));
        assert!(!session.recorded(2));
        assert_eq!(session.unacknowledged(), 1);
        session.completed(1);
        assert_eq!(session.unacknowledged(), 0);
    }

    #[test]
    fn packet_ids_go_round_and_skip_those_in_use() {
        let mut session = Session::default();
        assert_eq!(session.next_packet_id(), 1);
        session.sent(1, Unacknowledged::Puback(message(10)));
        session.last_packet_id = u16::MAX;
        assert_eq!(session.next_packet_id(), 2);
    }

    #[test]
    fn a_row_is_known_from_the_sending_to_after_the_delivery() {
        let mut session = Session::default();
        assert!(!session.knows(10));
        session.sent(1, Unacknowledged::Puback(message(10)));
        assert!(session.knows(10));
        let acknowledged = session.acknowledged(1).unwrap();
        assert!(session.acknowledged(1).is_none());
        session.remember_delivery(acknowledged.outbox_id().unwrap());
        assert!(session.knows(10));
    }

    #[test]
    fn a_session_with_an_unacknowledged_command_ends_and_one_with_a_receipt_lasts() {
        let command = Message::Outbox(Outbound {
            outbox_id: Some(11),
            channel: Channel::Commands,
            payload: Bytes::new(),
            retained: false,
        });
        let mut session = Session::default();
        session.sent(1, Unacknowledged::Puback(message(10)));
        let mut session = session.for_absence(true).unwrap();
        session.sent(2, Unacknowledged::Puback(command.clone()));
        session.acknowledged(2).unwrap();
        let mut session = session.for_absence(true).unwrap();
        session.sent(3, Unacknowledged::Puback(command));
        assert!(session.for_absence(true).is_none());
    }

    #[test]
    fn remembered_deliveries_are_bounded() {
        let mut session = Session::default();
        for id in 0..1_000 {
            session.remember_delivery(id);
        }
        assert_eq!(session.delivered.len(), REMEMBERED_DELIVERIES);
        assert!(session.knows(999));
    }
}
