//! A real broker: Debian's mosquitto as a child process on a free loopback port.

use std::io::Write;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rumqttc::{AsyncClient, Event, Incoming, MqttOptions, QoS};
use tokio::sync::mpsc;
use vigie_device_sim::Address;

/// The broker; killed when dropped.
pub(crate) struct Broker {
    child: Child,
    folder: tempfile::TempDir,
    pub(crate) port: u16,
}

impl Broker {
    pub(crate) async fn start() -> Self {
        let port = free_port();
        let folder = tempfile::tempdir().unwrap();
        let child = spawn(&folder, port);
        let broker = Self { child, folder, port };
        broker.wait_until_up().await;
        broker
    }

    pub(crate) fn address(&self) -> Address {
        Address { host: "127.0.0.1".to_owned(), port: self.port }
    }

    /// `kill -9`, then a new one on the same port.
    pub(crate) async fn crash_and_restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = spawn(&self.folder, self.port);
        self.wait_until_up().await;
    }

    async fn wait_until_up(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
            assert!(Instant::now() < deadline, "mosquitto did not come up");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn spawn(folder: &tempfile::TempDir, port: u16) -> Child {
    let path = folder.path().join("mosquitto.conf");
    let mut config = std::fs::File::create(&path).unwrap();
    // The broker counts a backlog as one client's queue: do not let it drop any of it.
    write!(
        config,
        "listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 0\n"
    )
    .unwrap();
    Command::new("/usr/sbin/mosquitto")
        .arg("-c")
        .arg(&path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("mosquitto is installed")
}

/// One message that staff hear.
pub(crate) struct Heard {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) retained: bool,
}

/// Everything published below `vigie/v1/`, from the moment this returns.
pub(crate) async fn listen(port: u16) -> mpsc::Receiver<Heard> {
    let mut options = MqttOptions::new(format!("ear-{}", rand::random::<u32>()), "127.0.0.1", port);
    options.set_max_packet_size(1 << 20, 1 << 20);
    let (client, mut events) = AsyncClient::new(options, 10);
    client.subscribe("vigie/v1/#", QoS::AtLeastOnce).await.unwrap();
    let (sender, receiver) = mpsc::channel(100_000);
    let (up, subscribed) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let _client = client;
        let mut up = Some(up);
        while let Ok(event) = events.poll().await {
            if let Event::Incoming(Incoming::SubAck(_)) = event {
                up.take().map(|up| up.send(()));
            } else if let Event::Incoming(Incoming::Publish(publish)) = event {
                let heard = Heard {
                    topic: publish.topic,
                    payload: publish.payload.to_vec(),
                    retained: publish.retain,
                };
                if sender.send(heard).await.is_err() {
                    return;
                }
            }
        }
    });
    subscribed.await.unwrap();
    receiver
}
