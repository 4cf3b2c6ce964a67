//! Readings from gateways that have no MQTT: sent by curl and by Python's urllib, stored by the real binary.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use jiff::Timestamp;
use serde_json::{Value, json};
use vigie_device_sim::LoadVital;
use vigie_e2e::stand::{Group, Profile, Stand, lasting_port, patient_id};
use vigie_e2e::waiting::until;
use vigie_testkit::Proxy;
use vigie_vitals::plans::CarePlan;
use vigie_wire::{Message, v1};

use crate::actors::batch::{batch, glucose, now, one};
use crate::actors::house::{Enrolled, House, PATIENCE};
use crate::actors::paho::Paho;

const JSON: &str = "application/json";

/// What curl was told.
#[derive(Debug)]
struct Told {
    status: u16,
    headers: String,
    body: Vec<u8>,
}

impl Told {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// What became of each reading.
    fn outcomes(&self) -> Vec<String> {
        let receipt = self.json();
        let results = receipt["results"].as_array().unwrap_or_else(|| panic!("no receipt: {receipt}"));
        results.iter().map(|result| result["outcome"].as_str().unwrap().to_owned()).collect()
    }

    fn problem(&self) -> String {
        assert!(self.headers.contains("content-type: application/problem+json"), "{}", self.headers);
        self.json()["type"].as_str().unwrap().to_owned()
    }
}

/// A gateway at home: curl.
struct Curl<'a> {
    http: &'a str,
    device: &'a Enrolled,
}

impl Curl<'_> {
    async fn post(&self, content_type: &str, body: &[u8]) -> Told {
        self.send(&self.device.id, content_type, body, &[]).await
    }

    async fn send(&self, device: &str, content_type: &str, body: &[u8], options: &[&str]) -> Told {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("sent"), body).unwrap();
        let output = tokio::process::Command::new("curl")
            .args(["-sS", "--max-time", "60", "-o", "answer", "-D", "headers", "-w", "%{http_code}"])
            .args(["--user", &format!("{}:{}", self.device.id, self.device.secret)])
            .args(["-H", &format!("Content-Type: {content_type}"), "--data-binary", "@sent"])
            .args(options)
            .arg(format!("{}/api/v1/devices/{device}/readings", self.http))
            .current_dir(folder.path())
            .output()
            .await
            .expect("curl is installed");
        assert!(output.status.success(), "{output:?}");
        Told {
            status: String::from_utf8_lossy(&output.stdout).parse().unwrap(),
            headers: std::fs::read_to_string(at("headers")).unwrap().to_lowercase(),
            body: std::fs::read(at("answer")).unwrap_or_default(),
        }
    }
}

fn curl<'a>(house: &'a House, device: &'a Enrolled) -> Curl<'a> {
    Curl { http: &house.demo().manifest().http, device }
}

fn protobuf(sequence: i64, at: Timestamp, grams_per_litre: &str) -> Vec<u8> {
    let value = v1::Value {
        vital: "glucose".into(),
        value: grams_per_litre.into(),
        unit: "g/L".into(),
        ..v1::Value::default()
    };
    let reading =
        v1::Reading { sequence, measured_at: at.to_string(), values: vec![value], ..v1::Reading::default() };
    let batch = v1::ReadingBatch { epoch: 1, readings: vec![reading], ..v1::ReadingBatch::default() };
    batch.encode_to_vec()
}

/// `[{n: "glucose", u: "g/L", v: 4([-2, 131]), t: ..., "vigie_seq": ..., "vigie_epoch": 1}]`, byte by byte.
fn senml_cbor(sequence: u8, at: Timestamp) -> Vec<u8> {
    let text = |text: &str| [&[0x60 + u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let second = u32::try_from(at.as_second()).unwrap();
    let mut pack = vec![0x81, 0xa6, 0x00];
    pack.extend(text("glucose"));
    pack.push(0x01);
    pack.extend(text("g/L"));
    pack.extend([0x02, 0xc4, 0x82, 0x21, 0x18, 131, 0x06, 0x1a]);
    pack.extend(second.to_be_bytes());
    pack.extend(text("vigie_seq"));
    pack.push(sequence);
    pack.extend(text("vigie_epoch"));
    pack.push(1);
    pack
}

#[tokio::test]
async fn a_gateway_with_curl_sends_each_encoding_and_gets_its_receipt_after_the_commit() {
    let house = House::enter().await;
    let patient = house.patient("diabetes").await;
    let device = house.enrol(&patient);
    let gateway = curl(&house, &device);
    let at = now();
    let senml = json!([{ "n": "glucose", "u": "g/L", "v": 1.2, "t": at.as_second(), "vigie_seq": 3, "vigie_epoch": 1 }]);
    for (content_type, sent, receipt_type) in [
        ("application/json; charset=utf-8", one(glucose(1, at, "1.10")).into_bytes(), JSON),
        ("application/x-protobuf", protobuf(2, at, "1.15"), "application/x-protobuf"),
        ("application/senml+json", senml.to_string().into_bytes(), JSON),
        ("application/senml+cbor", senml_cbor(4, at), JSON),
        ("application/vnd.google.protobuf", protobuf(5, at, "1.25"), "application/x-protobuf"),
    ] {
        for expected in ["stored", "duplicate"] {
            let told = gateway.post(content_type, &sent).await;
            assert_eq!(told.status, 200, "{content_type}: {told:?}");
            assert!(told.headers.contains(&format!("content-type: {receipt_type}\r\n")), "{}", told.headers);
            let outcome = if receipt_type == JSON {
                told.outcomes().join(" ")
            } else {
                v1::Receipt::decode(told.body.as_slice()).unwrap().results[0].outcome.clone()
            };
            assert_eq!(outcome, expected, "{content_type}");
        }
        // No waiting: what was answered is on record.
        let stored = format!("SELECT max(sequence) FROM reading WHERE device_id = '{}'", device.id);
        let highest: usize = house.demo().query(&stored).unwrap()[0][0].parse().unwrap();
        assert!(highest >= 1, "{content_type}");
    }
    let values: Vec<Value> =
        house.nurse().readings(&patient.id).await.iter().map(|r| r["value"].clone()).collect();
    let mut values: Vec<&str> = values.iter().map(|value| value.as_str().unwrap()).collect();
    values.sort_unstable();
    assert_eq!(values, ["1.10", "1.15", "1.2", "1.25", "1.31"], "once each, digits as sent");
}

#[tokio::test]
async fn a_low_glucose_over_http_alerts_once_also_when_it_comes_again_over_mqtt() {
    let house = House::enter().await;
    let patient = house.patient("diabetes").await;
    let device = house.enrol(&patient);
    let sent = one(glucose(1, now(), "0.52"));
    let gateway = curl(&house, &device);
    let (first, second) =
        tokio::join!(gateway.post(JSON, sent.as_bytes()), gateway.post(JSON, sent.as_bytes()));
    let mut outcomes = [first.outcomes(), second.outcomes()].concat();
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["duplicate", "stored"], "at the same moment, twice");
    let nurse = house.nurse();
    let alert = nurse.open_alert(&patient.id, "glucose_low", PATIENCE).await.expect("an alert");
    assert_eq!(alert["priority"], "high");
    let mut paho = Paho::log_in(house.mqtt_port(), &device, 5).await;
    assert_eq!(paho.publish(&sent).await, 0);
    assert_eq!(gateway.post(JSON, sent.as_bytes()).await.outcomes(), ["duplicate"]);
    house.judged(&patient).await;
    let alerts = nurse.alerts(&patient.id, "open").await;
    assert_eq!((alerts.len(), &alerts[0]["readings_total"]), (1, &1.into()), "one breach, once");
    paho.leave().await;
}

#[tokio::test]
async fn only_the_device_itself_with_its_secret_is_admitted_and_not_once_it_is_revoked() {
    let house = House::enter().await;
    let patient = house.patient("diabetes").await;
    let (device, other) = (house.enrol(&patient), house.enrol(&patient));
    let sent = one(glucose(1, now(), "1.10")).into_bytes();
    let wrong = Enrolled { secret: other.secret.clone(), ..device.clone() };
    let unknown = Enrolled { id: "nobody".into(), ..device.clone() };
    for (what, told) in [
        ("a wrong secret", curl(&house, &wrong).post(JSON, &sent).await),
        ("an unknown device", curl(&house, &unknown).post(JSON, &sent).await),
        ("another device's path", curl(&house, &device).send(&other.id, JSON, &sent, &[]).await),
    ] {
        assert_eq!(told.status, 401, "{what}: {told:?}");
        assert!(told.headers.contains("www-authenticate: basic realm="), "{what}: {}", told.headers);
        assert_eq!(told.problem(), "urn:vigie:problem:device-not-admitted", "{what}");
    }
    assert_eq!(curl(&house, &device).post(JSON, &sent).await.status, 200);
    let revoked = house.demo().vigie(&["device", "revoke", "--device", &device.id]).unwrap();
    assert!(revoked.status.success(), "{revoked:?}");
    let later = one(glucose(2, now(), "1.20")).into_bytes();
    assert_eq!(curl(&house, &device).post(JSON, &later).await.status, 401, "at once");
    let readings = house.nurse().readings(&patient.id).await;
    assert_eq!(readings.len(), 1, "what it measured before stays, and nothing came after: {readings:?}");
}

#[tokio::test]
async fn what_cannot_be_taken_is_told_why_and_kept_and_the_good_of_a_batch_is_stored() {
    let house = House::enter().await;
    let patient = house.patient("diabetes").await;
    let device = house.enrol(&patient);
    let gateway = curl(&house, &device);
    let quarantined = |code: &str| {
        let sql = format!(
            "SELECT encode(payload, 'escape'), topic FROM quarantine WHERE device_id = '{}' AND code = '{code}'",
            device.id
        );
        house.demo().query(&sql).unwrap()
    };
    let broken = gateway.post(JSON, b"{\"readings\":[").await;
    assert_eq!(broken.status, 422, "{broken:?}");
    assert!(broken.json()["reason"].as_str().unwrap().starts_with("not_a_batch: "), "{broken:?}");
    let kept = quarantined("not_a_batch");
    assert_eq!(kept[0][0], "{\"readings\":[", "with its bytes");
    assert!(kept[0][1].starts_with("POST "), "and how it came: {}", kept[0][1]);

    let told = gateway.post(JSON, one(glucose(1, now(), "90")).as_bytes()).await;
    assert_eq!((told.status, told.outcomes()), (422, vec!["rejected".to_owned()]));
    let mixed = batch("b-2", &[glucose(2, now(), "90"), glucose(3, now(), "1.10")]).to_string();
    let told = gateway.post(JSON, mixed.as_bytes()).await;
    assert_eq!((told.status, told.outcomes().join(" ")), (200, "rejected stored".to_owned()));
    assert_eq!(quarantined("implausible").len(), 2);

    let told = gateway.post("text/plain", mixed.as_bytes()).await;
    assert_eq!((told.status, told.problem().as_str()), (415, "urn:vigie:problem:unsupported-media-type"));
    // curl asks first whether it may send so much; a client that does not is told all the same.
    let told = gateway.post(JSON, &vec![b' '; 2 * 1024 * 1024]).await;
    assert_eq!((told.status, told.problem().as_str()), (413, "urn:vigie:problem:too-large"));
    let told = gateway.send(&device.id, JSON, &vec![b' '; 3 * 1024 * 1024], &["-H", "Expect:"]).await;
    assert_eq!(told.status, 413, "{told:?}");

    assert_eq!(house.nurse().readings(&patient.id).await.len(), 1);
    // Receipts that were answered do not wait for a subscription as well.
    let waiting = format!("SELECT count(*) FROM device_outbox WHERE device_id = '{}'", device.id);
    let none = async || (house.demo().query(&waiting).unwrap()[0][0] == "0").then_some(());
    until(PATIENCE, none).await.expect("no receipt waits");
}

#[tokio::test]
async fn the_example_for_makers_sends_its_queue() {
    let house = House::enter().await;
    let patient = house.patient("diabetes").await;
    let device = house.enrol(&patient);
    let guide = include_str!("../../../docs/http-intake.md");
    let (_, script) = guide.split_once("```python\n").unwrap();
    let (script, _) = script.split_once("```").unwrap();
    let output = tokio::process::Command::new("python3")
        .args(["-c", script])
        .env("DEVICE", &device.id)
        .env("SECRET", &device.secret)
        .env("URL", &house.demo().manifest().http)
        .output()
        .await
        .expect("python3 is installed");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(said.matches("200 {").count(), 2, "{said}");
    assert_eq!(said.matches("\"outcome\": \"stored\"").count(), 2, "{said}");
    assert_eq!(house.nurse().readings(&patient.id).await.len(), 2);
}

fn not_known(told: &Told) {
    assert_eq!((told.status, told.problem().as_str()), (503, "urn:vigie:problem:unavailable"));
    assert!(told.headers.contains("retry-after: "), "{}", told.headers);
    assert!(told.json()["detail"].as_str().unwrap().contains("not known"), "{told:?}");
}

/// Somebody at psql who keeps a table to himself.
struct Holder(Child);

impl Holder {
    async fn of(stand: &Stand, table: &str) -> Self {
        let mut child = Command::new("psql")
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", &stand.url()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("psql is installed");
        let line = format!("BEGIN; LOCK TABLE {table};\n");
        child.stdin.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
        let held = format!(
            "SELECT count(*) FROM pg_locks
             WHERE granted AND mode = 'AccessExclusiveLock' AND relation = '{table}'::regclass"
        );
        let has_it = async || (stand.number(&held).unwrap() == 1).then_some(());
        until(PATIENCE, has_it).await.expect("he has the table");
        Self(child)
    }

    /// He goes, and the lock with him.
    fn leave(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().unwrap().success());
    }
}

#[tokio::test]
async fn a_batch_whose_commit_is_not_known_is_503_and_stored_once_when_it_is_sent_again() {
    let stand = Stand::start(Profile::Debug, &[]).await.unwrap();
    let group = Group {
        name: "hub",
        count: 1,
        plan: CarePlan::Diabetes,
        vital: LoadVital::Glucose,
        since: "2026-01-01T00:00:00Z".parse().unwrap(),
    };
    let added = stand.add(group).await.unwrap();
    let device = Enrolled { id: added[0].id.to_string(), secret: "secret of hub-1".into() };
    let proxy = Proxy::start(stand.cluster.port()).await;
    let listen = format!("127.0.0.1:{}", lasting_port().unwrap());
    let serve = || {
        let environment = [("VIGIE_HTTP_LISTEN", listen.as_str())];
        // Without the gateway: the dashboard has an ingest of its own.
        stand.serve_with("dashboard", 1, &stand.url_through(proxy.port()), &environment).unwrap()
    };
    let mut service = serve();
    service.ready().await.unwrap();
    let http = format!("http://{listen}");
    let gateway = Curl { http: &http, device: &device };
    let sent = |sequence| one(glucose(sequence, now(), "1.10")).into_bytes();
    let stored = || stand.number("SELECT count(*) FROM reading").unwrap();
    assert_eq!(gateway.post(JSON, &sent(1)).await.status, 200);

    // The database goes away altogether: not even the log-in can be checked.
    proxy.cut();
    let second = sent(2);
    let told = gateway.post(JSON, &second).await;
    assert_eq!(told.status, 503, "{told:?}");
    assert!(told.headers.contains("retry-after: "), "{}", told.headers);
    proxy.restore();
    let back = async || (gateway.post(JSON, &second).await.status == 200).then_some(());
    until(PATIENCE, back).await.expect("it is stored when the database is back");
    assert_eq!(stored(), 2);

    // Somebody holds the table: the log-in is checked, and the commit does not come. Vigie stops meanwhile.
    let holder = Holder::of(&stand, "ledger").await;
    let third = sent(3);
    let (told, stopped) = tokio::join!(
        async {
            let told = gateway.post(JSON, &third).await;
            holder.leave();
            told
        },
        async {
            let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
            until(PATIENCE, async || (stand.number(waiting).unwrap() > 0).then_some(())).await.unwrap();
            service.stop().await.unwrap()
        }
    );
    not_known(&told);
    assert!(stopped.success(), "{stopped}: {:#?}", service.lines());
    // It is started again, and nobody stops it: there is an end to waiting all the same.
    let mut service = serve();
    service.ready().await.unwrap();
    let holder = Holder::of(&stand, "ledger").await;
    let fourth = sent(4);
    not_known(&gateway.post(JSON, &fourth).await);
    holder.leave();
    for sent in [&third, &fourth] {
        assert_eq!(gateway.post(JSON, sent).await.status, 200, "sent again");
    }
    assert_eq!(stored(), 4, "each once");
    let numbers = format!(
        "SELECT count(DISTINCT sequence) FROM reading WHERE patient_id = '{}'",
        patient_id(&device.id)
    );
    assert_eq!(stand.number(&numbers).unwrap(), 4);
    let queued = "SELECT count(*) FROM judgement_queue";
    assert!(stand.number(queued).unwrap() > 0, "and somebody will judge them");
    assert!(service.stop().await.unwrap().success());
}
