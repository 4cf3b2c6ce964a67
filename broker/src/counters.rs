//! Counts of what the listener did, for the metrics of the binary.

use std::sync::atomic::{AtomicU64, Ordering};

/// A snapshot; all but the two gauges only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Gauge: devices logged in now.
    pub connections: u64,
    /// Gauge: sessions of absent devices kept in memory.
    pub sessions_kept: u64,
    /// Gauge: integration engines logged in now.
    pub engines: u64,
    /// Sockets accepted.
    pub accepted: u64,
    /// Log-ins accepted.
    pub admitted: u64,
    /// Log-ins refused, and sockets that never became one.
    pub refused: u64,
    /// Connections that the device did not end with a DISCONNECT.
    pub cut: u64,
    /// Publishes handed to the gateway, wills included.
    pub publishes: u64,
    /// PUBACK and PUBREC written.
    pub acks: u64,
    /// Receipts and commands written.
    pub outbound_sent: u64,
    /// Receipts and commands that a full queue turned away; the outbox still has them.
    pub outbound_dropped: u64,
    /// Receipts and commands larger than the device accepts: given up.
    pub outbound_too_large: u64,
    /// Times that a device had to wait because a limit was reached.
    pub stalls: u64,
    /// Times that a device was not read because it went faster than its rates allow.
    pub paced: u64,
    /// Publishes of integration engines, which may not publish: refused.
    pub engine_publishes_refused: u64,
    /// TLS handshakes and upgrades to WebSocket that failed or took too long; not among `refused`.
    pub handshakes_failed: u64,
    /// Log-ins sent away because too many came at once.
    pub sent_away_busy: u64,
    /// Log-ins sent away because their device logs in too often.
    pub sent_away_often: u64,
}

#[derive(Default)]
pub(crate) struct Tally {
    connections: AtomicU64,
    accepted: AtomicU64,
    admitted: AtomicU64,
    refused: AtomicU64,
    cut: AtomicU64,
    publishes: AtomicU64,
    acks: AtomicU64,
    outbound_sent: AtomicU64,
    outbound_dropped: AtomicU64,
    outbound_too_large: AtomicU64,
    stalls: AtomicU64,
    paced: AtomicU64,
    engine_publishes_refused: AtomicU64,
    handshakes_failed: AtomicU64,
    sent_away_busy: AtomicU64,
    sent_away_often: AtomicU64,
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Tally {
    pub(crate) fn accepted(&self) {
        add(&self.accepted);
    }
    pub(crate) fn admitted(&self) {
        add(&self.admitted);
        add(&self.connections);
    }
    pub(crate) fn left(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }
    pub(crate) fn refused(&self) {
        add(&self.refused);
    }
    pub(crate) fn cut(&self) {
        add(&self.cut);
    }
    pub(crate) fn publish(&self) {
        add(&self.publishes);
    }
    pub(crate) fn ack(&self) {
        add(&self.acks);
    }
    pub(crate) fn outbound_sent(&self) {
        add(&self.outbound_sent);
    }
    pub(crate) fn outbound_dropped(&self) {
        add(&self.outbound_dropped);
    }
    pub(crate) fn outbound_too_large(&self) {
        add(&self.outbound_too_large);
    }
    pub(crate) fn stall(&self) {
        add(&self.stalls);
    }

    pub(crate) fn paced(&self) {
        add(&self.paced);
    }
    pub(crate) fn engine_publish_refused(&self) {
        add(&self.engine_publishes_refused);
    }
    pub(crate) fn handshake_failed(&self) {
        add(&self.handshakes_failed);
    }
    pub(crate) fn sent_away_busy(&self) {
        add(&self.sent_away_busy);
    }
    pub(crate) fn sent_away_often(&self) {
        add(&self.sent_away_often);
    }

    pub(crate) fn snapshot(&self, sessions_kept: usize, engines: usize) -> Counters {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            connections: get(&self.connections),
            sessions_kept: u64::try_from(sessions_kept).unwrap_or(u64::MAX),
            engines: u64::try_from(engines).unwrap_or(u64::MAX),
            accepted: get(&self.accepted),
            admitted: get(&self.admitted),
            refused: get(&self.refused),
            cut: get(&self.cut),
            publishes: get(&self.publishes),
            acks: get(&self.acks),
            outbound_sent: get(&self.outbound_sent),
            outbound_dropped: get(&self.outbound_dropped),
            outbound_too_large: get(&self.outbound_too_large),
            stalls: get(&self.stalls),
            paced: get(&self.paced),
            engine_publishes_refused: get(&self.engine_publishes_refused),
            handshakes_failed: get(&self.handshakes_failed),
            sent_away_busy: get(&self.sent_away_busy),
            sent_away_often: get(&self.sent_away_often),
        }
    }
}
