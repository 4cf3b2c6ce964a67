//! What the listener needs from the rest of Vigie, handed in by the binary: it knows nothing of readings,
//! of ingest or of the database.

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;
use vigie_wire::{Channel, DeviceId};

use crate::fanout::{EngineId, Fanout, Territory};

/// The other side of the listener.
///
/// The futures returned here are driven to their end: a connection that closes, a takeover or a timeout
/// never drops one halfway (so a database connection is never left in the middle of a transaction). Only
/// the end of the process does. A panic in one closes that device's connection, unacknowledged, and
/// nothing else.
pub trait Gateway: Send + Sync + 'static {
    /// Is this the secret of this device? The secret is what the device sent as password.
    fn authenticate(
        &self,
        device: &DeviceId,
        secret: &[u8],
    ) -> impl Future<Output = Result<Admission, Unavailable>> + Send;

    /// Is the device that this certificate names enrolled, and neither it nor the certificate revoked? That the
    /// certificate is genuine, valid and the peer's own was checked before. `fingerprint` is the SHA-256 of it in
    /// DER. Where nobody answers this, none is admitted by certificate.
    fn authenticate_certificate(
        &self,
        _device: &DeviceId,
        _fingerprint: &[u8; 32],
    ) -> impl Future<Output = Result<Admission, Unavailable>> + Send {
        std::future::ready(Ok(Admission::Refused))
    }

    /// Takes over what a device published. Resolves only when the outcome is durable (after COMMIT), and
    /// may pend for as long as the database is away: the device is not acknowledged meanwhile.
    ///
    /// Called in the order in which a device published; the outcomes may come in any order.
    fn take(&self, publish: Inbound) -> impl Future<Output = Verdict> + Send;

    /// What the outbox holds for this device on [`Channel::Receipts`] or [`Channel::Commands`], oldest
    /// first; a long backlog may come in parts. Called when the device subscribes and when it resumes a
    /// session, then again whenever it has taken everything so far, until nothing is left.
    ///
    /// On [`Channel::Status`]: the last status that the device published with the retain flag, as
    /// [`Outbound::retained`] and without an outbox row. Asked once for each subscription to it.
    fn pending(&self, device: &DeviceId, channel: Channel) -> impl Future<Output = Vec<Outbound>> + Send;

    /// The device has this row of the outbox: it acknowledged it, or at QoS 0 it was written to the socket.
    /// Must not block. Said again for a row that [`Gateway::pending`] still hands out.
    fn delivered(&self, device: &DeviceId, outbox_id: i64);

    /// The fan-out to integration engines, if there is one here. Without it, none is admitted.
    fn fanout(&self) -> Option<&Fanout> {
        None
    }

    /// A log-in of an integration engine: the territory that it may read, or none if it is unknown, revoked or
    /// sent the wrong secret. It reads what concerns patients: a log-in that cannot be written into the audit
    /// trail is [`Unavailable`].
    fn admit_engine(
        &self,
        _engine: &EngineId,
        _secret: &[u8],
        _client_id: &str,
        _remote: SocketAddr,
    ) -> impl Future<Output = Result<Option<Territory>, Unavailable>> + Send {
        std::future::ready(Ok(None))
    }

    /// Writes a subscription of an engine into the audit trail. It is granted only if that worked.
    fn engine_subscribes(
        &self,
        _engine: &EngineId,
        _client_id: &str,
        _filters: &[String],
    ) -> impl Future<Output = Result<(), Unavailable>> + Send {
        std::future::ready(Err(Unavailable))
    }

    /// Is this engine, which is connected, still not revoked? Asked twice a minute.
    fn is_engine_admitted(
        &self,
        _engine: &EngineId,
    ) -> impl Future<Output = Result<bool, Unavailable>> + Send {
        std::future::ready(Ok(false))
    }
}

/// What the directory of devices says to a log-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// The secret is right and the device is not revoked.
    Granted,
    /// Unknown device, wrong secret, or revoked: the device is not told which.
    Refused,
}

/// The directory cannot be asked now. The device is told to come back, never that its secret is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the directory of devices cannot be asked now")]
pub struct Unavailable;

/// A publish of an authenticated device.
#[derive(Clone, PartialEq, Eq)]
pub struct Inbound {
    /// Who published: the identity that logged in, whatever the topic says.
    pub device: DeviceId,
    /// Where to, if it may publish there; `None` is a topic that it may not publish to.
    pub channel: Option<Channel>,
    /// The topic name as sent: UTF-8 without NUL and without wildcards, at most 65,535 bytes.
    pub topic: String,
    /// The bytes as sent.
    pub payload: Bytes,
    /// 0, 1 or 2.
    pub qos: u8,
    /// The device says that it has sent this before.
    pub duplicate: bool,
    /// The retain flag.
    pub retained: bool,
    /// Is the session subscribed to its receipts?
    pub wants_receipts: bool,
    /// Where the connection comes from.
    pub remote: SocketAddr,
    /// Its last will, published by us because the connection ended without a goodbye.
    pub will: bool,
}

impl fmt::Debug for Inbound {
    /// Without the payload: it is somebody's health.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbound")
            .field("device", &self.device)
            .field("channel", &self.channel)
            .field("topic", &self.topic)
            .field("payload_bytes", &self.payload.len())
            .field("qos", &self.qos)
            .field("duplicate", &self.duplicate)
            .field("retained", &self.retained)
            .field("wants_receipts", &self.wants_receipts)
            .field("remote", &self.remote)
            .field("will", &self.will)
            .finish()
    }
}

/// The durable outcome of a publish; it decides the acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Committed, now or before: PUBACK 0x00.
    Taken {
        /// What to tell the device, if it listens.
        receipt: Option<Outbound>,
    },
    /// In quarantine, nothing of it could be taken: PUBACK 0x99, in 3.1.1 a plain one.
    Invalid {
        /// What to tell the device, if it listens.
        receipt: Option<Outbound>,
    },
    /// In quarantine, not for this device to publish: PUBACK 0x87, in 3.1.1 a plain one.
    NotAuthorised {
        /// What to tell the device, if it listens.
        receipt: Option<Outbound>,
    },
    /// The outcome will not be known here (the process stops): no acknowledgement, the connection closes,
    /// the device sends again.
    GoneAway,
}

/// A message for one device.
#[derive(Clone, PartialEq, Eq)]
pub struct Outbound {
    /// The row of the outbox that it stands for; told back through [`Gateway::delivered`].
    pub outbox_id: Option<i64>,
    /// [`Channel::Receipts`], [`Channel::Commands`], or [`Channel::Status`] for what is retained there.
    pub channel: Channel,
    /// The bytes to send.
    pub payload: Bytes,
    /// Sent with the retain flag: the last known state, not news.
    pub retained: bool,
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound")
            .field("outbox_id", &self.outbox_id)
            .field("channel", &self.channel)
            .field("payload_bytes", &self.payload.len())
            .field("retained", &self.retained)
            .finish()
    }
}
