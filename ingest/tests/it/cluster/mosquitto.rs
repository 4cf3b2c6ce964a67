//! Debian's mosquitto as a region's cluster, and its own programs as devices: none of it shares code with Vigie.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::{PATIENCE, until};

/// A broker on a port of its own, with a folder that survives its restarts.
pub(crate) struct Mosquitto {
    folder: tempfile::TempDir,
    port: u16,
    child: Option<Child>,
}

impl Mosquitto {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("vigie-mosquitto-").tempdir().unwrap();
        let mut broker = Self { folder, port: free_port(), child: None };
        broker.up(true).await;
        broker
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Did it log this?
    pub(crate) fn logged(&self, text: &str) -> bool {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap().contains(text)
    }

    /// Starts it again, with what it kept on disk or without.
    pub(crate) async fn up(&mut self, persistent: bool) {
        let file = self.folder.path().join("mosquitto.conf");
        let folder = self.folder.path().display();
        let mut text = format!(
            "listener {} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nuser root\nlog_type all\nlog_dest file {folder}/log\n",
            self.port
        );
        if persistent {
            writeln!(text, "persistence true\npersistence_location {folder}/").unwrap();
        }
        std::fs::write(&file, text).unwrap();
        self.child = Some(
            Command::new(program("mosquitto"))
                .arg("-c")
                .arg(&file)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .kill_on_drop(true)
                .spawn()
                .expect("mosquitto is installed (Debian package mosquitto; scripts/setup.sh test)"),
        );
        let port = self.port;
        until("mosquitto listens", async || TcpStream::connect(("127.0.0.1", port)).await.is_ok()).await;
    }

    /// Stops it in order: it writes its sessions to disk then.
    pub(crate) async fn down(&mut self) {
        let mut child = self.child.take().unwrap();
        let pid = child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
        timeout(PATIENCE, child.wait()).await.expect("mosquitto stops").unwrap();
    }

    /// Publishes each payload at QoS 1, and returns when the broker has acknowledged them all.
    pub(crate) async fn publish(&self, topic: &str, payloads: &[String]) {
        let mut child = Command::new(program("mosquitto_pub"))
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-q", "1", "-l", "-t", topic])
            .stdin(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("mosquitto_pub is installed (Debian package mosquitto-clients; scripts/setup.sh test)");
        let mut stdin = child.stdin.take().unwrap();
        for payload in payloads {
            stdin.write_all(format!("{payload}\n").as_bytes()).await.unwrap();
        }
        drop(stdin);
        let status = timeout(PATIENCE, child.wait()).await.expect("the broker acknowledges").unwrap();
        assert!(status.success(), "mosquitto_pub: {status}");
    }

    /// A client that has subscribed to a topic.
    pub(crate) async fn listen(&self, topic: &str) -> Listener {
        // Line by line, although it writes into a pipe.
        let mut child = Command::new("stdbuf")
            .args(["-oL", "mosquitto_sub"])
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-q", "1", "-d", "-t", topic])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut listener = Listener { _child: child, lines };
        listener.line("Subscribed").await;
        listener
    }
}

/// mosquitto_sub, which says everything that it does.
pub(crate) struct Listener {
    _child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Listener {
    /// The next line that contains this.
    pub(crate) async fn line(&mut self, part: &str) -> String {
        let next = async {
            loop {
                let line = self.lines.next_line().await.unwrap().expect("mosquitto_sub goes on");
                if line.contains(part) {
                    return line;
                }
            }
        };
        timeout(PATIENCE, next).await.unwrap_or_else(|_| panic!("mosquitto_sub never said {part}"))
    }
}

fn program(name: &str) -> PathBuf {
    // Debian puts the broker where only root looks.
    let sbin = Path::new("/usr/sbin").join(name);
    if sbin.exists() { sbin } else { name.into() }
}

/// Below the ports that the system gives to outgoing connections: a client that tries to reach the broker while it is
/// down must not be given its port.
fn free_port() -> u16 {
    let first = 12_000 + u16::try_from(std::process::id() % 6_000).unwrap();
    let free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    static NEXT: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(0);
    let begin = first + NEXT.fetch_add(20, std::sync::atomic::Ordering::SeqCst);
    (begin..begin + 2_000).find(free).expect("a free port")
}
