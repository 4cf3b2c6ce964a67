//! An integration engine that nobody here wrote, mosquitto_sub, hears what its territory's devices send, hears nothing of
//! another territory, and nothing more once it is revoked.

use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;
use vigie_e2e::demo::{Demo, Device};
use vigie_pgcluster::Cluster;
use vigie_service::ids;
use vigie_store::devices::{NewDevice, enrol, hash_secret};
use vigie_store::setup::{NewPatient, add_patient, care_team, territory};
use vigie_store::{Database, Role};
use vigie_vitals::{DeviceId, PatientId};

use crate::actors::api::since;
use crate::actors::batch::{glucose, now, one};
use crate::actors::house::{Enrolled, PATIENCE};
use crate::actors::paho::Paho;

/// Between the command that revokes an engine and the end of its connection.
const CUT_WITHIN: Duration = Duration::from_secs(60);
const HERE: &str = "Grand Est (démonstration)";
const ELSEWHERE: &str = "Ailleurs";

/// What `vigie integration add --json` answers.
struct Integration {
    id: String,
    user_name: String,
    secret: String,
}

impl Integration {
    fn add(demo: &Demo, territory: &str) -> Self {
        let arguments = ["integration", "add", "--territory", territory, "--name", "bus", "--json"];
        let output = demo.vigie(&arguments).unwrap();
        assert!(output.status.success(), "{output:?}");
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        Self { id: text("id"), user_name: text("user_name"), secret: text("secret") }
    }

    fn mosquitto_sub(&self, demo: &Demo) -> Command {
        // Line by line also into a pipe.
        let mut command = Command::new("stdbuf");
        let port = demo.manifest().mqtt.rsplit(':').next().unwrap();
        command
            .args(["-oL", "mosquitto_sub"])
            .args(["-h", "127.0.0.1", "-p", port, "-V", "5", "-q", "1", "-i", "bus-1", "-t", "#", "-d"])
            .args(["-u", &self.user_name, "-P", &self.secret, "-F", "NEWS %t %p"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Connects, and is subscribed.
    async fn listen(&self, demo: &Demo) -> Engine {
        let mut child = self.mosquitto_sub(demo).spawn().expect("mosquitto_sub is installed");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut engine = Engine { child, lines, heard: Vec::new() };
        engine.line_with("received SUBACK").await;
        engine
    }
}

/// A running mosquitto_sub.
struct Engine {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// Topics and messages so far.
    heard: Vec<(String, Value)>,
}

impl Engine {
    async fn line(&mut self) -> Option<String> {
        let line = self.lines.next_line().await.unwrap()?;
        if let Some((topic, payload)) = line.strip_prefix("NEWS ").and_then(|news| news.split_once(' ')) {
            self.heard.push((topic.to_owned(), serde_json::from_str(payload).unwrap()));
        }
        Some(line)
    }

    async fn line_with(&mut self, text: &str) {
        let found = async { while !self.line().await.expect("it goes on").contains(text) {} };
        let found = timeout(PATIENCE, found).await;
        found.unwrap_or_else(|_| panic!("{text} does not come; heard {:#?}", self.heard));
    }

    /// The message on this topic, once it is there.
    async fn news(&mut self, topic: &str) -> Value {
        let position = async {
            loop {
                if let Some(at) = self.heard.iter().position(|(heard, _)| heard == topic) {
                    return at;
                }
                self.line().await.expect("it goes on");
            }
        };
        let position = timeout(PATIENCE, position).await;
        let position = position.unwrap_or_else(|_| panic!("nothing on {topic}"));
        self.heard.remove(position).1
    }

    async fn ended(&mut self, within: Duration) -> ExitStatus {
        let ended = async {
            while self.line().await.is_some() {}
            self.child.wait().await.unwrap()
        };
        timeout(within, ended).await.expect("it ends")
    }
}

/// Somebody of another territory, with a device.
async fn somebody_elsewhere(demo: &Demo) -> Enrolled {
    let cluster = Cluster::adopt(&demo.data_dir().join("postgresql")).unwrap().expect("it runs");
    let database = Database::connect(&cluster.url("vigie"), Role::Admin, 1).await.unwrap();
    let clock = vigie_service::Clock::system();
    let since = clock.now() - SignedDuration::from_hours(24);
    let mut tx = database.begin().await.unwrap();
    let territory = territory(&mut tx, ELSEWHERE, ids::new_v7(&clock)).await.unwrap();
    let patient = NewPatient {
        id: PatientId(ids::new_v7(&clock)),
        care_team: care_team(&mut tx, territory, "Équipe d’ailleurs", ids::new_v7(&clock)).await.unwrap(),
        identifier: "elsewhere-1".into(),
        family_name: "Ailleurs".into(),
        given_name: "Anne".into(),
        birth_date: jiff::civil::date(1950, 1, 1),
        sex: "female".into(),
        language: "fr".into(),
        time_zone: "Europe/Paris".into(),
        watched_since: since,
    };
    add_patient(&mut tx, &patient).await.unwrap();
    let device = NewDevice {
        id: DeviceId("gl-elsewhere".into()),
        kind: "glucometer".into(),
        secret_hash: hash_secret(b"a secret of elsewhere"),
        patient: patient.id,
        held_from: since,
        enrolled_at: since,
    };
    assert!(enrol(&mut tx, &device).await.unwrap());
    tx.commit().await.unwrap();
    database.close().await;
    Enrolled { id: "gl-elsewhere".into(), secret: "a secret of elsewhere".into() }
}

async fn post(demo: &Demo, device: &Enrolled, batch: &str) {
    let url = format!("{}/api/v1/devices/{}/readings", demo.manifest().http, device.id);
    let request = reqwest::Client::new().post(url).basic_auth(&device.id, Some(&device.secret));
    let request = request.header("content-type", "application/json").body(batch.to_owned());
    assert_eq!(request.send().await.unwrap().status(), 200);
}

/// What is told of one reading of a glucose.
fn told(sequence: i64, at: Timestamp, value: &str) -> Value {
    json!({ "batch_id": "b-1", "epoch": 1, "readings": [{ "sequence": sequence, "measured_at": at.to_string(),
        "values": [{ "vital": "glucose", "value": value, "unit": "g/L" }] }] })
}

#[tokio::test]
async fn an_engine_hears_its_territory_and_no_other_and_is_cut_when_it_is_revoked() {
    let folder = tempfile::Builder::new().prefix("vigie-integrations-").tempdir().unwrap();
    let options = ["--no-sim", "--past-days", "0", "--patients", "9"];
    let demo = Demo::start(folder.path(), &options).await.unwrap();
    let there = somebody_elsewhere(&demo).await;
    let Device { id, secret, .. } = demo.manifest().patients[0].devices[0].clone();
    let here = Enrolled { id, secret };
    let (bus, bus_elsewhere) = (Integration::add(&demo, HERE), Integration::add(&demo, ELSEWHERE));
    let mut engine = bus.listen(&demo).await;
    let mut engine_elsewhere = bus_elsewhere.listen(&demo).await;

    // First the other territory: what were told wrongly would be there before what is waited for.
    let mut paho_there = Paho::log_in(demo_port(&demo), &there, 5).await;
    let at = now();
    assert_eq!(paho_there.publish(&one(glucose(1, at, "1.30"))).await, 0);
    let topic_there = format!("vigie/v1/{}/readings/json", there.id);
    assert_eq!(engine_elsewhere.news(&topic_there).await, told(1, at, "1.30"));

    let mut paho = Paho::log_in(demo_port(&demo), &here, 5).await;
    let topic = format!("vigie/v1/{}/readings/json", here.id);
    assert_eq!(paho.publish(&one(glucose(1, at, "1.10"))).await, 0);
    assert_eq!(engine.news(&topic).await, told(1, at, "1.10"), "over MQTT");
    post(&demo, &here, &one(glucose(1, at, "1.10"))).await;
    post(&demo, &here, &one(glucose(2, at, "1.20"))).await;
    assert_eq!(engine.news(&topic).await, told(2, at, "1.20"), "over HTTP, and nothing about a duplicate");
    let status = json!({ "state": "online", "battery_percent": 81, "queue_length": 0 });
    let own_status = paho.topic("status");
    assert_eq!(paho.publish_to(&own_status, status.to_string().as_bytes()).await, 0);
    assert_eq!(engine.news(&format!("vigie/v1/{}/status", here.id)).await, status);
    assert_eq!(engine.heard, [], "nothing of the other territory, and nothing twice");

    // What one engine's revocation means for it, and that the other goes on.
    let began = Instant::now();
    let output = demo.vigie(&["integration", "revoke", &bus.id]).unwrap();
    assert!(output.status.success(), "{output:?}");
    let status = engine.ended(CUT_WITHIN).await;
    println!("the engine was cut {} after the command began, and ended with {status}", since(began));
    assert_eq!(paho.publish(&one(glucose(3, at, "1.25"))).await, 0, "its devices do not notice");
    let again = bus.mosquitto_sub(&demo).output();
    let again = timeout(PATIENCE, again).await.expect("refused at once").unwrap();
    assert!(!again.status.success(), "{again:?}");
    assert!(!String::from_utf8_lossy(&again.stdout).contains("NEWS"), "{again:?}");
    assert_eq!(paho_there.publish(&one(glucose(2, at, "1.40"))).await, 0);
    assert_eq!(engine_elsewhere.news(&topic_there).await, told(2, at, "1.40"));
    assert_eq!(engine_elsewhere.heard, []);

    let trail = format!(
        "SELECT string_agg(action, ' ' ORDER BY id) FROM audit WHERE action LIKE 'integration.%' AND detail LIKE '{}%'",
        bus.id
    );
    let expected = "integration.add integration.log_in integration.subscribe integration.revoke";
    assert_eq!(demo.query(&trail).unwrap()[0][0], expected);
    paho.leave().await;
    paho_there.leave().await;
    drop((engine, engine_elsewhere));
    demo.finish(&[]).await.unwrap();
}

fn demo_port(demo: &Demo) -> u16 {
    demo.manifest().mqtt.rsplit(':').next().unwrap().parse().unwrap()
}
