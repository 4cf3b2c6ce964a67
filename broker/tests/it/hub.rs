//! A gateway with a fan-out: the desk, whose commits are told to the readers of the device's territory. A device
//! belongs to the territory that its id begins with (`north-1`), and so does an engine.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use vigie_broker::{
    Admission, EngineId, Fanout, FanoutSettings, Gateway, Inbound, Limits, News, Outbound, Switchboard,
    Territory, Unavailable, Verdict, serve,
};
use vigie_wire::{Channel, DeviceId, Encoding, Topic};

use crate::desk::{Desk, PATIENCE, SECRET};
use crate::device::{Connect, Device, Level};

pub(crate) fn territory(name: &str) -> Territory {
    Territory::parse(name).unwrap()
}

/// News of one device, as the gateway would tell them.
pub(crate) fn news(device: &str, payload: &str) -> News {
    let device = DeviceId::parse(device).unwrap();
    News {
        territory: territory(device.as_str().split('-').next().unwrap()),
        topic: Topic { device, channel: Channel::Readings(Encoding::Json) },
        payload: Bytes::copy_from_slice(payload.as_bytes()),
    }
}

/// Waits until it holds, which nothing announces.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !holds() {
        assert!(tokio::time::Instant::now() < deadline, "waited in vain until {what}");
        tokio::task::yield_now().await;
    }
}

/// A fan-out that runs.
pub(crate) struct Running {
    pub(crate) fanout: Fanout,
    pub(crate) stop: CancellationToken,
}

impl Running {
    pub(crate) async fn start(adjust: impl FnOnce(&mut FanoutSettings)) -> Self {
        let mut settings = FanoutSettings::default();
        adjust(&mut settings);
        let (fanout, keeper) = Fanout::new(settings);
        let stop = CancellationToken::new();
        tokio::spawn(keeper.run(stop.clone()));
        until("the router is there", || fanout.counters().alive).await;
        Self { fanout, stop }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(crate) struct Hub {
    pub(crate) desk: Arc<Desk>,
    pub(crate) fanout: Fanout,
    trail: Mutex<Vec<String>>,
    trail_away: Mutex<bool>,
    revoked: Mutex<bool>,
}

impl Hub {
    pub(crate) fn set_trail_away(&self, away: bool) {
        *self.trail_away.lock().unwrap() = away;
    }

    pub(crate) fn revoke(&self) {
        *self.revoked.lock().unwrap() = true;
    }

    pub(crate) fn trail(&self) -> Vec<String> {
        self.trail.lock().unwrap().clone()
    }

    fn note(&self, line: String) -> Result<(), Unavailable> {
        if *self.trail_away.lock().unwrap() {
            return Err(Unavailable);
        }
        self.trail.lock().unwrap().push(line);
        Ok(())
    }
}

impl Gateway for Hub {
    async fn authenticate(&self, device: &DeviceId, secret: &[u8]) -> Result<Admission, Unavailable> {
        self.desk.authenticate(device, secret).await
    }

    async fn take(&self, publish: Inbound) -> Verdict {
        let told =
            publish.channel.map(|_| news(publish.device.as_str(), &crate::desk::text(&publish.payload)));
        let verdict = self.desk.take(publish).await;
        if let Some(told) = told {
            self.fanout.publish(told);
        }
        verdict
    }

    async fn pending(&self, device: &DeviceId, channel: Channel) -> Vec<Outbound> {
        self.desk.pending(device, channel).await
    }

    fn delivered(&self, device: &DeviceId, outbox_id: i64) {
        self.desk.delivered(device, outbox_id);
    }

    fn fanout(&self) -> Option<&Fanout> {
        Some(&self.fanout)
    }

    async fn admit_engine(
        &self,
        engine: &EngineId,
        secret: &[u8],
        client_id: &str,
        _remote: SocketAddr,
    ) -> Result<Option<Territory>, Unavailable> {
        if secret != SECRET.as_bytes() {
            return Ok(None);
        }
        self.note(format!("{engine} {client_id} logs in"))?;
        Ok(Some(territory(engine.as_str().split('-').next().unwrap())))
    }

    async fn engine_subscribes(
        &self,
        engine: &EngineId,
        client_id: &str,
        filters: &[String],
    ) -> Result<(), Unavailable> {
        self.note(format!("{engine} {client_id} reads {}", filters.join(" ")))
    }

    async fn is_engine_admitted(&self, _engine: &EngineId) -> Result<bool, Unavailable> {
        // A directory that is away has nothing to say.
        if *self.trail_away.lock().unwrap() { Err(Unavailable) } else { Ok(!*self.revoked.lock().unwrap()) }
    }
}

/// A listener with a fan-out behind it.
pub(crate) struct HubHouse {
    pub(crate) hub: Arc<Hub>,
    pub(crate) switchboard: Switchboard,
    pub(crate) address: SocketAddr,
    _running: Running,
    shutdown: CancellationToken,
}

impl HubHouse {
    pub(crate) async fn open(adjust: impl FnOnce(&mut Limits, &mut FanoutSettings)) -> Self {
        let (mut limits, mut settings) = (Limits::default(), FanoutSettings::default());
        adjust(&mut limits, &mut settings);
        let running = Running::start(|own| *own = settings).await;
        let hub = Arc::new(Hub {
            desk: Desk::new(),
            fanout: running.fanout.clone(),
            trail: Mutex::default(),
            trail_away: Mutex::new(false),
            revoked: Mutex::new(false),
        });
        let switchboard = Switchboard::new(limits).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        tokio::spawn(serve(listener, Arc::clone(&hub), switchboard.clone(), shutdown.clone()));
        Self { hub, switchboard, address, _running: running, shutdown }
    }

    pub(crate) fn engine_connect(level: Level, engine: &str, client_id: &str) -> Connect {
        let mut connect = Connect::of(level, client_id);
        connect.user_name = Some(format!("integration:{engine}"));
        connect
    }

    pub(crate) async fn engine(&self, level: Level, engine: &str, client_id: &str) -> Device {
        let connect = Self::engine_connect(level, engine, client_id);
        let (device, _, code) = Device::attempt(self.address, &connect).await;
        assert_eq!(code, 0, "the log-in is refused");
        device
    }

    pub(crate) async fn device(&self, level: Level, id: &str) -> Device {
        let (device, _, code) = Device::attempt(self.address, &Connect::of(level, id)).await;
        assert_eq!(code, 0, "the log-in is refused");
        device
    }

    /// Tells news of this device until this engine hears of one of them: its link is then there. All that is on
    /// its way is read.
    pub(crate) async fn until_heard(&self, engine: &mut Device, device: &str) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut words = LastWords::new();
        loop {
            assert!(tokio::time::Instant::now() < deadline, "waited in vain for news");
            self.hub.fanout.publish(news(device, &words.next()));
            while engine.has_news().await {
                if words.is_last(&engine.expect_message().await.1) {
                    return;
                }
            }
        }
    }
}

/// Words that are said until the last one is heard.
pub(crate) struct LastWords {
    series: usize,
    said: usize,
}

impl LastWords {
    pub(crate) fn new() -> Self {
        static SERIES: AtomicUsize = AtomicUsize::new(0);
        Self { series: SERIES.fetch_add(1, Ordering::Relaxed), said: 0 }
    }

    pub(crate) fn next(&mut self) -> String {
        self.said += 1;
        format!("word {} of series {}", self.said, self.series)
    }

    pub(crate) fn is_last(&self, heard: &str) -> bool {
        heard == format!("word {} of series {}", self.said, self.series)
    }
}

impl Drop for HubHouse {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}
