//! Every bound of the listener in one place, with its default and what goes wrong when it is off.

use std::time::Duration;

/// Largest packet that is not a PUBLISH. A CONNECT comes before we know who is talking, and an honest
/// one has a device id, a secret and a status as will.
pub const CONTROL_PACKET_BYTES_MAX: usize = 64 * 1024;

/// Bounds of the listener; [`Limits::check`] says whether they fit together.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once, those that have not yet logged in included. At the limit nothing is accepted
    /// until one ends; the backlog of the operating system waits.
    pub connections_max: usize,
    /// From the accepted socket to a complete CONNECT. Too high: silent peers hold places.
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
            connect_timeout: Duration::from_secs(10),
            authenticate_timeout: Duration::from_secs(10),
            in_flight: 64,
            bytes_in_flight_max: 256 * 1024 * 1024,
            packet_bytes_max: 4 * 1024 * 1024,
            write_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(30),
            outbound_queue: 64,
            outbound_window: 16,
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
