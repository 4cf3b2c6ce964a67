//! Which acknowledgement may leave, and when. No I/O.

use std::collections::VecDeque;

/// A message taken in: the connection that it came on, and its place there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    epoch: u64,
    number: u64,
}

#[derive(Debug)]
struct Waiting<A> {
    number: u64,
    ack: A,
    committed: bool,
}

/// Messages of the present connection that are not acknowledged yet, in the order in which they came. `A` is
/// what it takes to acknowledge one.
#[derive(Debug)]
pub(super) struct Acks<A> {
    epoch: u64,
    connected: bool,
    next_number: u64,
    waiting: VecDeque<Waiting<A>>,
}

impl<A> Acks<A> {
    pub(super) fn new() -> Self {
        Self { epoch: 0, connected: false, next_number: 0, waiting: VecDeque::new() }
    }

    /// A ConnAck: whatever came before can no longer be acknowledged.
    pub(super) fn connected(&mut self) {
        self.epoch += 1;
        self.connected = true;
        self.waiting.clear();
    }

    /// An error of the connection: nothing is acknowledged until the next ConnAck.
    pub(super) fn disconnected(&mut self) {
        self.connected = false;
        self.waiting.clear();
    }

    /// Is there a connection to acknowledge on?
    pub(super) fn is_connected(&self) -> bool {
        self.connected
    }

    /// Messages that wait for their commit or for their turn.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// A message came. `None` without a connection: rumqttc still hands out what it had read before the
    /// connection broke, and the cluster will send it again.
    pub(super) fn received(&mut self, ack: A) -> Option<Ticket> {
        if !self.connected {
            return None;
        }
        let number = self.next_number;
        self.next_number += 1;
        self.waiting.push_back(Waiting { number, ack, committed: false });
        Some(Ticket { epoch: self.epoch, number })
    }

    /// A message was committed.
    pub(super) fn committed(&mut self, ticket: Ticket) {
        if ticket.epoch != self.epoch {
            return;
        }
        let first = self.waiting.front().map_or(ticket.number, |waiting| waiting.number);
        let place = ticket.number.checked_sub(first).and_then(|place| usize::try_from(place).ok());
        if let Some(waiting) = place.and_then(|place| self.waiting.get_mut(place)) {
            waiting.committed = true;
        }
    }

    /// The next acknowledgement that may leave.
    pub(super) fn due(&self) -> Option<&A> {
        self.waiting.front().filter(|waiting| waiting.committed).map(|waiting| &waiting.ack)
    }

    /// The acknowledgement that was due has left.
    pub(super) fn acknowledged(&mut self) {
        if self.due().is_some() {
            self.waiting.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What may happen, in any order.
    #[derive(Debug, Clone)]
    enum Step {
        ConnAck,
        Error,
        Publish,
        /// The commit of one of the tickets given out so far, also of an old one, also twice.
        Commit(prop::sample::Index),
        Drain,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            1 => Just(Step::ConnAck),
            1 => Just(Step::Error),
            5 => Just(Step::Publish),
            5 => any::<prop::sample::Index>().prop_map(Step::Commit),
            4 => Just(Step::Drain),
        ]
    }

    proptest! {
        /// Each ack is the (connection, place) that its message came with, kept apart from the machine's own count.
        #[test]
        fn acks_leave_in_order_after_commit_and_never_on_another_connection(steps in prop::collection::vec(step(), 0..200)) {
            let mut acks = Acks::new();
            let (mut connection, mut place, mut live) = (0u32, 0u32, false);
            let mut tickets = Vec::new();
            let mut committed = std::collections::BTreeSet::new();
            let mut next_to_ack = 0;
            for step in steps {
                match step {
                    Step::ConnAck => {
                        (connection, place, next_to_ack, live) = (connection + 1, 0, 0, true);
                        acks.connected();
                    }
                    Step::Error => {
                        live = false;
                        acks.disconnected();
                    }
                    Step::Publish => {
                        let ticket = acks.received((connection, place));
                        prop_assert_eq!(ticket.is_some(), live);
                        if let Some(ticket) = ticket {
                            tickets.push((ticket, (connection, place)));
                            place += 1;
                        }
                    }
                    Step::Commit(index) if !tickets.is_empty() => {
                        let (ticket, message) = tickets[index.index(tickets.len())];
                        committed.insert(message);
                        acks.committed(ticket);
                    }
                    Step::Commit(_) => {}
                    Step::Drain => {
                        while let Some(ack) = acks.due().copied() {
                            prop_assert!(live, "acknowledged without a connection");
                            prop_assert_eq!(ack, (connection, next_to_ack), "out of order, or of another connection");
                            prop_assert!(committed.contains(&ack), "acknowledged before its commit");
                            next_to_ack += 1;
                            acks.acknowledged();
                        }
                        // Nothing that could leave stays behind.
                        prop_assert!(!(live && next_to_ack < place && committed.contains(&(connection, next_to_ack))));
                    }
                }
            }
        }
    }
}
