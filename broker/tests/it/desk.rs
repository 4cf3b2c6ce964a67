//! A gateway in memory: it answers at once unless the payload or the test says otherwise, and notes
//! everything. It stands for the binary; nothing of MQTT is faked.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use vigie_broker::{
    Admission, Carrier, Gateway, Inbound, Limits, Outbound, Switchboard, Unavailable, Verdict, serve_over,
};
use vigie_wire::{Channel, DeviceId};

/// How long a test waits for something that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Both ends of thousands of connections are in this process, and the usual limit is 1,024 open files.
pub(crate) fn room_for_sockets() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

/// The secret of every device.
pub(crate) const SECRET: &str = "rosebud";

#[derive(Default)]
pub(crate) struct Book {
    /// Publishes in the order in which they were handed over.
    pub(crate) begun: Vec<Inbound>,
    /// Payloads in the order in which they were committed.
    pub(crate) committed: Vec<String>,
    pub(crate) delivered: Vec<i64>,
    pub(crate) looks: Vec<Channel>,
    outbox: HashMap<DeviceId, Vec<Outbound>>,
    /// How many rows one look hands out; 0 is all of them.
    pub(crate) part: usize,
    /// Forget the first note of each delivery.
    pub(crate) forgetful: bool,
    released: HashSet<String>,
    away: bool,
    stopping: bool,
    /// Fingerprints that the directory refuses.
    pub(crate) revoked_certificates: HashSet<[u8; 32]>,
    directory_away: bool,
    /// Log-ins are answered when the test says so.
    directory_holds: bool,
    /// Log-ins that the directory is being asked about, the most at once, and all.
    checks: (usize, usize, usize),
}

impl Book {
    /// The most log-ins that the directory was asked about at once, and how many in all.
    pub(crate) fn checks(&self) -> (usize, usize) {
        (self.checks.1, self.checks.2)
    }

    pub(crate) fn outbox_is_empty(&self) -> bool {
        self.outbox.values().all(Vec::is_empty)
    }

    pub(crate) fn begun_payloads(&self) -> Vec<String> {
        self.begun.iter().map(|inbound| text(&inbound.payload)).collect()
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn device(id: &str) -> DeviceId {
    DeviceId::parse(id).unwrap()
}

/// The gateway. A payload `hold...` waits for [`Desk::release`], `panic...` panics, `invalid...` is
/// quarantined, `receipt...` is answered with a receipt of outbox row 7; all others are taken at once.
pub(crate) struct Desk {
    book: Mutex<Book>,
    changes: watch::Sender<u64>,
}

impl Desk {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { book: Mutex::new(Book::default()), changes: watch::Sender::new(0) })
    }

    pub(crate) fn edit<T>(&self, edit: impl FnOnce(&mut Book) -> T) -> T {
        let result = edit(&mut self.book.lock().unwrap());
        self.changes.send_modify(|version| *version += 1);
        result
    }

    pub(crate) fn read<T>(&self, read: impl FnOnce(&Book) -> T) -> T {
        read(&self.book.lock().unwrap())
    }

    /// Waits until the book says so.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Book) -> bool) {
        let mut changes = self.changes.subscribe();
        let waiting = async {
            while !self.read(&holds) {
                changes.changed().await.unwrap();
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            panic!("waited in vain until {what}; begun: {:?}", self.read(Book::begun_payloads));
        }
    }

    pub(crate) fn release(&self, payload: &str) {
        self.edit(|book| book.released.insert(payload.to_owned()));
    }

    /// The database goes away, or comes back: meanwhile nothing is committed.
    pub(crate) fn set_away(&self, away: bool) {
        self.edit(|book| book.away = away);
    }

    pub(crate) fn set_stopping(&self) {
        self.edit(|book| book.stopping = true);
    }

    pub(crate) fn set_directory_away(&self) {
        self.edit(|book| book.directory_away = true);
    }

    pub(crate) fn set_directory_holds(&self, holds: bool) {
        self.edit(|book| book.directory_holds = holds);
    }

    async fn look_up(&self) {
        self.edit(|book| {
            let (now, most, all) = book.checks;
            book.checks = (now + 1, most.max(now + 1), all + 1);
        });
        let mut changes = self.changes.subscribe();
        while self.read(|book| book.directory_holds) {
            changes.changed().await.unwrap();
        }
        // A database takes its time: others come in meanwhile.
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        self.edit(|book| book.checks.0 -= 1);
    }

    pub(crate) fn put_in_outbox(&self, id: &str, row: i64, channel: Channel, payload: &str) {
        let message = outbound(Some(row), channel, payload);
        self.edit(|book| book.outbox.entry(device(id)).or_default().push(message));
    }

    /// The same row says something else now.
    pub(crate) fn replace_in_outbox(&self, id: &str, row: i64, payload: &str) {
        self.edit(|book| {
            let rows = book.outbox.get_mut(&device(id)).unwrap();
            let message = rows.iter_mut().find(|message| message.outbox_id == Some(row)).unwrap();
            message.payload = Bytes::from(payload.to_owned());
        });
    }

    /// What the device published last as its status, with the retain flag.
    pub(crate) fn retain_status(&self, id: &str, payload: &str) {
        let message = Outbound { retained: true, ..outbound(None, Channel::Status, payload) };
        self.edit(|book| book.outbox.entry(device(id)).or_default().push(message));
    }

    fn may_go_on(book: &Book, payload: &str) -> bool {
        !book.away && (!payload.starts_with("hold") || book.released.contains(payload))
    }
}

pub(crate) fn outbound(row: Option<i64>, channel: Channel, payload: &str) -> Outbound {
    let payload = Bytes::copy_from_slice(payload.as_bytes());
    Outbound { outbox_id: row, channel, payload, retained: false }
}

impl Gateway for Desk {
    async fn authenticate(&self, device: &DeviceId, secret: &[u8]) -> Result<Admission, Unavailable> {
        assert!(device.as_str() != "panicking", "the directory panics for this device");
        if self.read(|book| book.directory_away) {
            return Err(Unavailable);
        }
        self.look_up().await;
        let right = secret == SECRET.as_bytes() && device.as_str() != "revoked";
        Ok(if right { Admission::Granted } else { Admission::Refused })
    }

    async fn authenticate_certificate(
        &self,
        device: &DeviceId,
        fingerprint: &[u8; 32],
    ) -> Result<Admission, Unavailable> {
        if self.read(|book| book.directory_away) {
            return Err(Unavailable);
        }
        self.look_up().await;
        let revoked = self.read(|book| book.revoked_certificates.contains(fingerprint));
        Ok(if revoked || device.as_str() == "revoked" { Admission::Refused } else { Admission::Granted })
    }

    async fn take(&self, publish: Inbound) -> Verdict {
        let payload = text(&publish.payload);
        let foreign = publish.channel.is_none();
        let receipt = payload
            .starts_with("receipt")
            .then(|| outbound(Some(7), Channel::Receipts, &format!("stored {payload}")));
        self.edit(|book| book.begun.push(publish));
        assert!(!payload.starts_with("panic"), "the gateway panics for this payload");
        let mut changes = self.changes.subscribe();
        while !self.read(|book| Self::may_go_on(book, &payload)) {
            if self.read(|book| book.stopping) {
                return Verdict::GoneAway;
            }
            changes.changed().await.unwrap();
        }
        self.edit(|book| book.committed.push(payload.clone()));
        if foreign {
            Verdict::NotAuthorised { receipt }
        } else if payload.starts_with("invalid") {
            Verdict::Invalid { receipt }
        } else {
            Verdict::Taken { receipt }
        }
    }

    async fn pending(&self, device: &DeviceId, channel: Channel) -> Vec<Outbound> {
        self.edit(|book| {
            book.looks.push(channel);
            let waiting = book.outbox.get(device).cloned().unwrap_or_default();
            waiting.into_iter().filter(|message| message.channel == channel).collect()
        })
    }

    fn delivered(&self, device: &DeviceId, outbox_id: i64) {
        self.edit(|book| {
            let first_note = !book.delivered.contains(&outbox_id);
            book.delivered.push(outbox_id);
            if book.forgetful && first_note {
                return;
            }
            if let Some(waiting) = book.outbox.get_mut(device) {
                waiting.retain(|message| message.outbox_id != Some(outbox_id));
            }
        });
    }
}

/// A listener on a free port of the loopback.
pub(crate) struct House {
    pub(crate) desk: Arc<Desk>,
    pub(crate) switchboard: Switchboard,
    pub(crate) address: SocketAddr,
    shutdown: CancellationToken,
    serving: JoinHandle<()>,
}

impl House {
    pub(crate) async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    pub(crate) async fn open_with(adjust: impl FnOnce(&mut Limits)) -> Self {
        Self::open_over(Carrier::default(), adjust).await
    }

    pub(crate) async fn open_over(carrier: Carrier, adjust: impl FnOnce(&mut Limits)) -> Self {
        room_for_sockets();
        let mut limits = Limits::default();
        adjust(&mut limits);
        let desk = Desk::new();
        let switchboard = Switchboard::new(limits).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(serve_over(
            carrier,
            listener,
            Arc::clone(&desk),
            switchboard.clone(),
            shutdown.clone(),
        ));
        Self { desk, switchboard, address, shutdown, serving }
    }

    pub(crate) fn begin_shutdown(&self) {
        self.shutdown.cancel();
    }

    pub(crate) async fn closed(self) {
        tokio::time::timeout(PATIENCE, self.serving).await.unwrap().unwrap();
    }

    /// Waits until the counters or the list of devices say so, which nothing announces.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Switchboard) -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !holds(&self.switchboard) {
            assert!(
                tokio::time::Instant::now() < deadline,
                "waited in vain until {what}: {:?}",
                self.switchboard.counters()
            );
            tokio::task::yield_now().await;
        }
    }
}
