//! paho-mqtt: a device that stays connected, in both versions of MQTT. The client runs in Python (e2e/python/device.py).

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::house::{Enrolled, PATIENCE};

/// A device made of paho-mqtt.
pub(crate) struct Paho {
    id: String,
    child: Child,
    commands: ChildStdin,
    events: Lines<BufReader<ChildStdout>>,
    /// Events that nobody asked for yet.
    kept: VecDeque<Value>,
}

impl Paho {
    /// Connects; gives the reason code of the CONNACK as well.
    pub(crate) async fn connect(port: u16, device: &Enrolled, protocol: u32) -> (Self, i64) {
        let who = json!({ "port": port, "id": device.id, "secret": device.secret, "protocol": protocol });
        Self::connect_as(&device.id, &who).await
    }

    /// The same over TLS with a certificate, in MQTT 5, without a user name and a password. The folder is what
    /// `vigie device enrol --x509 --out` wrote.
    pub(crate) async fn connect_by_certificate(port: u16, id: &str, folder: &Path) -> (Self, i64) {
        let file = |name: String| folder.join(name);
        let who = json!({ "port": port, "id": id, "protocol": 5, "ca": file("ca.pem".to_owned()),
            "cert": file(format!("{id}.pem")), "key": file(format!("{id}.key")) });
        Self::connect_as(id, &who).await
    }

    /// By MQTT over WebSocket, and is let in.
    pub(crate) async fn log_in_over_websocket(port: u16, device: &Enrolled, protocol: u32) -> Self {
        let who = json!({ "port": port, "id": device.id, "secret": device.secret, "protocol": protocol,
            "transport": "websockets" });
        let (paho, reason) = Self::connect_as(&device.id, &who).await;
        assert_eq!(reason, 0, "the log-in is accepted");
        paho
    }

    async fn connect_as(id: &str, who: &Value) -> (Self, i64) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = root.join("../target/tools/python/bin/python");
        assert!(python.exists(), "paho-mqtt is missing at {}: run scripts/setup.sh test", python.display());
        let mut child = Command::new(python)
            .arg(root.join("python/device.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let commands = child.stdin.take().unwrap();
        let events = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut paho = Self { id: id.to_owned(), child, commands, events, kept: VecDeque::new() };
        paho.command(who).await;
        let reason = paho.event("connected").await["reason"].as_i64().unwrap();
        (paho, reason)
    }

    /// Connects and is let in.
    pub(crate) async fn log_in(port: u16, device: &Enrolled, protocol: u32) -> Self {
        let (paho, reason) = Self::connect(port, device, protocol).await;
        assert_eq!(reason, 0, "the log-in is accepted");
        paho
    }

    /// The same, listening to its receipts.
    pub(crate) async fn log_in_for_receipts(port: u16, device: &Enrolled, protocol: u32) -> Self {
        let mut paho = Self::log_in(port, device, protocol).await;
        let topic = paho.topic("receipts");
        assert_eq!(paho.subscribe(&topic).await, 1, "QoS 1 is granted");
        paho
    }

    /// Subscribes, and gives the reason code of the SUBACK: the QoS granted, or 0x80 and more.
    pub(crate) async fn subscribe(&mut self, topic: &str) -> i64 {
        self.command(&json!({ "do": "subscribe", "topic": topic })).await;
        self.event("subscribed").await["reasons"][0].as_i64().unwrap()
    }

    /// One of its own topics.
    pub(crate) fn topic(&self, channel: &str) -> String {
        format!("vigie/v1/{}/{channel}", self.id)
    }

    /// Publishes at QoS 1 and gives the reason code of the PUBACK.
    pub(crate) async fn publish_to(&mut self, topic: &str, payload: &[u8]) -> i64 {
        self.start_publish(topic, payload, 1).await;
        self.event("acknowledged").await["reason"].as_i64().unwrap()
    }

    /// A JSON batch to its own topic, at QoS 1.
    pub(crate) async fn publish(&mut self, batch: &str) -> i64 {
        let topic = self.topic("readings/json");
        self.publish_to(&topic, batch.as_bytes()).await
    }

    /// A publish whose acknowledgement is not waited for.
    pub(crate) async fn start_publish(&mut self, topic: &str, payload: &[u8], qos: u8) {
        let mut hexadecimal = String::with_capacity(payload.len() * 2);
        for byte in payload {
            write!(hexadecimal, "{byte:02x}").unwrap();
        }
        self.command(&json!({ "do": "publish", "topic": topic, "payload": hexadecimal, "qos": qos })).await;
    }

    /// The next receipt, as its bytes.
    pub(crate) async fn receipt_bytes(&mut self) -> Vec<u8> {
        self.message("receipts").await
    }

    /// The next command.
    pub(crate) async fn command_heard(&mut self) -> Value {
        serde_json::from_slice(&self.message("commands").await).unwrap()
    }

    /// The next message, which must be on this channel.
    async fn message(&mut self, channel: &str) -> Vec<u8> {
        let message = self.event("message").await;
        assert_eq!(message["topic"], self.topic(channel));
        let hexadecimal = message["payload"].as_str().unwrap();
        let byte = |at| u8::from_str_radix(&hexadecimal[at..at + 2], 16).unwrap();
        (0..hexadecimal.len()).step_by(2).map(byte).collect()
    }

    /// The next receipt, as JSON.
    pub(crate) async fn receipt(&mut self) -> Value {
        serde_json::from_slice(&self.receipt_bytes().await).unwrap()
    }

    /// Waits until the connection ends by itself. (paho reads no reason from a DISCONNECT without properties.)
    pub(crate) async fn disconnected(&mut self) {
        self.event("disconnected").await;
    }

    /// Disconnects as one should.
    pub(crate) async fn leave(mut self) {
        self.command(&json!({ "do": "leave" })).await;
        timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap();
    }

    async fn command(&mut self, command: &Value) {
        self.commands.write_all(format!("{command}\n").as_bytes()).await.unwrap();
        self.commands.flush().await.unwrap();
    }

    /// The next event of this name; others are kept for who asks for them.
    async fn event(&mut self, name: &str) -> Value {
        if let Some(at) = self.kept.iter().position(|event| event["event"] == name) {
            return self.kept.remove(at).unwrap();
        }
        loop {
            let line = timeout(PATIENCE, self.events.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("no {name} came, but {:?}", self.kept)).unwrap();
            let line = line.unwrap_or_else(|| panic!("the client ended before {name}: {:?}", self.kept));
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["event"] == name {
                return event;
            }
            self.kept.push_back(event);
        }
    }
}
