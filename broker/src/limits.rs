//! Every bound of the listener in one place, with its default and what goes wrong when it is off.

use std::time::Duration;

use crate::pace::Rate;

/// Largest packet that is not a PUBLISH. A CONNECT comes before we know who is talking, and an honest
/// one has a device id, a secret and a status as will.
pub const CONTROL_PACKET_BYTES_MAX: usize = 64 * 1024;

/// Bounds of the listener; [`Limits::check`] says whether they fit together.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once, those that have not yet logged in included. At the limit nothing is accepted
    /// until one ends; the backlog of the operating system waits.
    pub connections_max: usize,
    /// From the accepted socket to the end of the TLS handshake and of the upgrade to WebSocket, where there are
    /// such. Past it the peer is cut.
    pub handshake_timeout: Duration,
    /// From the accepted socket (or the end of its handshake) to a complete CONNECT. Too high: silent peers hold places.
    pub connect_timeout: Duration,
    /// Patience with the directory of devices; past it the device is told to come back (3 / 0x88).
    pub authenticate_timeout: Duration,
    /// Publishes of one device that wait for their commit, over all of its connections; announced as
    /// Receive Maximum in MQTT 5. At the limit its socket is not read.
    pub in_flight: u16,
    /// Payload bytes of all devices that wait for their commit. It bounds memory when the database is
    /// away; at the limit sockets with a finished PUBLISH are not read.
    pub bytes_in_flight_max: usize,
    /// Largest PUBLISH; announced as Maximum Packet Size in MQTT 5. Larger ones are refused from their
    /// fixed header, before a byte of the body is kept.
    pub packet_bytes_max: usize,
    /// Packets of one device that are not acknowledgements: above all its publishes. Over it, its socket is not
    /// read until the rate allows; nothing that it sent is refused. Over all of its connections.
    pub publishes_per_minute: Rate,
    /// Bytes of topic and payload that one device publishes. Over it, as above; a publish that is larger than
    /// what is left is taken, and paid off before the next is read.
    pub payload_bytes_per_minute: Rate,
    /// Log-ins of one device that proved to be right. Over it, a log-in waits for [`Limits::connect_patience`]
    /// and is then told to come back (3 / 0x97), without asking the directory.
    pub connects_per_minute: Rate,
    /// How long a log-in over [`Limits::connects_per_minute`] is held before it is told to come back.
    pub connect_patience: Duration,
    /// Topic filters of one session, and of one SUBSCRIBE. A device has use for three. Those over it are not
    /// granted (0x80 / 0x97); the connection goes on.
    pub subscriptions_max: usize,
    /// Log-ins about which the directory is asked at once. The others wait in the order in which they came.
    pub log_in_checks_max: usize,
    /// Log-ins that wait for that. Those that find the queue full are told to come back (3 / 0x89).
    pub log_in_queue_max: usize,
    /// How long one of them may wait before it is told so as well.
    pub log_in_wait_max: Duration,
    /// "Come back" is said after a random part of this time, so that a crowd does not come back as one.
    pub busy_jitter: Duration,
    /// How often the directory is asked whether an integration engine that is connected is still admitted: a
    /// revocation cuts it by then.
    pub engine_checked_every: Duration,
    /// A peer that takes no byte of what we have for it during this time is gone.
    pub write_timeout: Duration,
    /// A peer that stops in the middle of a packet for this time is gone.
    pub stall_timeout: Duration,
    /// Receipts and commands that wait for one session. Over it they are dropped here and fetched again
    /// with [`Gateway::pending`](crate::Gateway::pending) once the session has caught up.
    pub outbound_queue: usize,
    /// Receipts and commands sent at QoS 1 and not yet acknowledged, per session; a smaller Receive
    /// Maximum of the client wins.
    pub outbound_window: u16,
    /// A command that waited for longer behind others before it could be sent is fetched anew: it holds for the moment
    /// of the hand-over, above all the time in it. Too low: a device that acknowledges slowly never gets one.
    pub command_fresh_for: Duration,
    /// Sessions of absent devices kept in memory; the one absent for longest goes first. A device whose
    /// session went is told so (session present = 0) and subscribes again.
    pub sessions_kept: usize,
    /// At shutdown: how long publishes in hand may still commit and be acknowledged.
    pub shutdown_grace: Duration,
    /// How long a closing connection may take to accept its last bytes (the DISCONNECT that names the
    /// cause). A takeover waits for it.
    pub farewell_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 25_000,
            handshake_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(10),
            authenticate_timeout: Duration::from_secs(10),
            in_flight: 64,
            bytes_in_flight_max: 256 * 1024 * 1024,
            packet_bytes_max: 4 * 1024 * 1024,
            publishes_per_minute: Rate::per_minute(6_000),
            payload_bytes_per_minute: Rate::per_minute(64 * 1024 * 1024),
            connects_per_minute: Rate::per_minute(30),
            connect_patience: Duration::from_secs(2),
            subscriptions_max: 16,
            log_in_checks_max: 4,
            log_in_queue_max: 10_000,
            log_in_wait_max: Duration::from_secs(30),
            busy_jitter: Duration::from_secs(2),
            engine_checked_every: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(30),
            outbound_queue: 64,
            outbound_window: 16,
            command_fresh_for: Duration::from_secs(5),
            sessions_kept: 50_000,
            shutdown_grace: Duration::from_secs(5),
            farewell_timeout: Duration::from_millis(500),
        }
    }
}

/// Limits that cannot work; the message names the culprit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LimitsError(&'static str);

impl Limits {
    /// Refuses limits under which the listener would stand still.
    pub fn check(&self) -> Result<(), LimitsError> {
        let largest_packet = 256 * 1024 * 1024;
        let refused = [
            (self.connections_max == 0, "connections_max must be at least 1"),
            (self.connections_max > 1_000_000, "connections_max must be at most 1000000"),
            (self.in_flight == 0, "in_flight must be at least 1"),
            (self.packet_bytes_max < CONTROL_PACKET_BYTES_MAX, "packet_bytes_max must be at least 65536"),
            (
                self.packet_bytes_max > largest_packet,
                "packet_bytes_max must be at most 268435456, the largest packet of MQTT",
            ),
            (
                self.bytes_in_flight_max < self.packet_bytes_max,
                "bytes_in_flight_max must be at least packet_bytes_max, or the largest packet waits for ever",
            ),
            (
                self.bytes_in_flight_max > 1024 * 1024 * 1024 * 1024,
                "bytes_in_flight_max must be at most 1 TiB",
            ),
            (self.outbound_queue == 0, "outbound_queue must be at least 1"),
            (self.outbound_window == 0, "outbound_window must be at least 1"),
            (self.command_fresh_for.is_zero(), "command_fresh_for must not be zero"),
            (self.subscriptions_max == 0, "subscriptions_max must be at least 1"),
            (self.log_in_checks_max == 0, "log_in_checks_max must be at least 1"),
            (self.log_in_checks_max > 1_000, "log_in_checks_max must be at most 1000"),
            (self.log_in_wait_max.is_zero(), "log_in_wait_max must not be zero"),
            (self.handshake_timeout.is_zero(), "handshake_timeout must not be zero"),
            (self.engine_checked_every.is_zero(), "engine_checked_every must not be zero"),
            (self.connect_timeout.is_zero(), "connect_timeout must not be zero"),
            (self.authenticate_timeout.is_zero(), "authenticate_timeout must not be zero"),
            (self.write_timeout.is_zero(), "write_timeout must not be zero"),
            (self.stall_timeout.is_zero(), "stall_timeout must not be zero"),
        ];
        match refused.iter().find(|(wrong, _)| *wrong) {
            Some((_, why)) => Err(LimitsError(why)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_fit_together() {
        assert_eq!(Limits::default().check(), Ok(()));
    }

    #[test]
    fn a_limit_under_which_nothing_moves_is_refused_by_name() {
        let limits = Limits { bytes_in_flight_max: 1024, ..Limits::default() };
        let error = limits.check().unwrap_err().to_string();
        assert!(error.contains("bytes_in_flight_max"), "{error}");
    }
}
