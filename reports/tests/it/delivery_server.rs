//! aiosmtpd, an SMTP server that nobody here wrote, told how to behave (reports/tests/smtp/server.py), and the
//! certificates that it shows.

use std::collections::VecDeque;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;
use vigie_reports::delivery::{Security, Smtp};

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The sender of all mails here.
pub(crate) const SENDER: &str = "rapports@vigie.mssante.fr";

/// A certificate authority made for one test.
pub(crate) struct Authority {
    /// What believes in it.
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// Certificate and key of a server, as PEM.
    fn server(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

/// A running mail server on a free port. Its certificate is for `localhost`.
pub(crate) struct MailServer {
    pub(crate) port: u16,
    pub(crate) authority: Authority,
    security: Security,
    commands: ChildStdin,
    events: mpsc::Receiver<Value>,
    /// Events that nobody asked for yet.
    kept: VecDeque<Value>,
    _child: Child,
    _folder: tempfile::TempDir,
}

impl MailServer {
    /// Offers STARTTLS and insists on it.
    pub(crate) async fn start() -> Self {
        Self::with(Security::StartTls, None).await
    }

    /// With this security, and with a log-in where one is given.
    pub(crate) async fn with(security: Security, login: Option<(&str, &str)>) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = root.join("../target/tools/python/bin/python");
        assert!(python.exists(), "aiosmtpd is missing at {}: run scripts/setup.sh test", python.display());
        let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
        let (certificate, key) = authority.server("localhost");
        let (certificate_file, key_file) = (folder.path().join("server.pem"), folder.path().join("key.pem"));
        std::fs::write(&certificate_file, certificate).unwrap();
        std::fs::write(&key_file, key).unwrap();
        let mut child = Command::new(python)
            .arg(root.join("tests/smtp/server.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let commands = child.stdin.take().unwrap();
        // Read at once whatever the test does: a server whose output nobody reads stands still.
        let (sender, events) = mpsc::channel(10_000);
        tokio::spawn(read(child.stdout.take().unwrap(), sender));
        let mut server = Self {
            port: 0,
            authority,
            security,
            commands,
            events,
            kept: VecDeque::new(),
            _child: child,
            _folder: folder,
        };
        let security = match security {
            Security::StartTls => "starttls",
            Security::Tls => "tls",
            Security::None => "none",
        };
        let config = json!({
            "security": security,
            "certificate": certificate_file,
            "key": key_file,
            "user": login.map(|(user, _)| user),
            "password": login.map(|(_, password)| password),
        });
        server.command(&config).await;
        server.port = server.event("listening").await["port"].as_u64().unwrap().try_into().unwrap();
        server
    }

    /// Settings of a client that trusts this server.
    pub(crate) fn settings(&self) -> Smtp {
        Smtp {
            port: self.port,
            security: self.security,
            authority: Some(self.authority.pem.clone().into_bytes()),
            ..Smtp::new("localhost", SENDER)
        }
    }

    /// The next answers to `RCPT TO` this address (`*`: any).
    pub(crate) async fn answer(&mut self, rcpt: &str, replies: &[&str]) {
        self.command(&json!({ "do": "answer", "rcpt": rcpt, "replies": replies })).await;
        self.settled().await;
    }

    /// What happens at the next `DATA`s: `mute` and `leave` before the message, `hold`, `vanish`, `long` or an error reply
    /// after it, `take`.
    pub(crate) async fn act(&mut self, acts: &[&str]) {
        self.command(&json!({ "do": "act", "acts": acts })).await;
        self.settled().await;
    }

    /// Lets a mail that is held be answered.
    pub(crate) async fn go(&mut self) {
        self.command(&json!({ "do": "go" })).await;
        self.settled().await;
    }

    /// The next mail that is taken.
    pub(crate) async fn mail(&mut self) -> Value {
        self.event("mail").await
    }

    /// Every event of this name up to now that nobody asked for yet.
    pub(crate) async fn so_far(&mut self, name: &str) -> Vec<Value> {
        self.settled().await;
        let (wanted, others): (Vec<_>, Vec<_>) =
            self.kept.drain(..).partition(|event| event["event"] == name);
        self.kept = others.into();
        wanted
    }

    /// The next event of this name; others are kept for who asks for them.
    pub(crate) async fn event(&mut self, name: &str) -> Value {
        if let Some(at) = self.kept.iter().position(|event| event["event"] == name) {
            return self.kept.remove(at).unwrap();
        }
        loop {
            let event = self.next(name).await;
            if event["event"] == name {
                return event;
            }
            self.kept.push_back(event);
        }
    }

    /// The server knows what it was told, and we what happened there until then.
    async fn settled(&mut self) {
        self.command(&json!({ "do": "ping" })).await;
        loop {
            let event = self.next("pong").await;
            if event["event"] == "pong" {
                return;
            }
            self.kept.push_back(event);
        }
    }

    async fn next(&mut self, awaited: &str) -> Value {
        let event = timeout(PATIENCE, self.events.recv()).await;
        let event = event.unwrap_or_else(|_| panic!("no {awaited} came, but {:?}", self.kept));
        event.unwrap_or_else(|| panic!("the server ended before {awaited}: {:?}", self.kept))
    }

    async fn command(&mut self, command: &Value) {
        self.commands.write_all(format!("{command}\n").as_bytes()).await.unwrap();
        self.commands.flush().await.unwrap();
    }
}

async fn read(output: ChildStdout, events: mpsc::Sender<Value>) {
    let mut lines = BufReader::new(output).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        let event = serde_json::from_str(&line).unwrap();
        if events.send(event).await.is_err() {
            return;
        }
    }
}
