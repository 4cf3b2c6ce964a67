//! Who is let in, and who no longer is: certificates that a device asks for with a key that it made itself, and devices
//! that are withdrawn while they are connected.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vigie_e2e::demo::{Demo, Patient};

use crate::actors::api::since;
use crate::actors::batch::{glucose, now, one};
use crate::actors::house::{House, PATIENCE};
use crate::actors::paho::Paho;

/// Between the command that withdraws a device and the end of its connection.
const CUT_WITHIN: Duration = Duration::from_secs(60);

fn vigie(house: &House, arguments: &[&str]) -> Value {
    let output = house.demo().vigie(arguments).unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

fn claim(house: &House, patient: &Patient, serial: &str) -> (String, String) {
    let arguments =
        ["device", "claim", "--json", "--kind", "scale", "--patient", &patient.id, "--serial", serial];
    let answer = vigie(house, &arguments);
    let text = |name: &str| answer[name].as_str().unwrap().to_owned();
    (text("id"), text("claim"))
}

/// What `docs/device-trust.md` tells makers to type.
fn openssl(folder: &Path, line: &str) {
    let output = Command::new("openssl").args(line.split(' ')).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "openssl {line}: {output:?}");
}

fn new_key_and_request(folder: &Path, name: &str) {
    openssl(folder, &format!("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {name}.key"));
    openssl(folder, &format!("req -new -key {name}.key -subj /CN=device -out {name}.csr"));
}

async fn ask(house: &House, body: &Value) -> (u16, Value) {
    let url = format!("{}/api/v1/device-certificates", house.demo().manifest().http);
    let request = reqwest::Client::new().post(url).header("content-type", "application/json");
    let response = request.body(body.to_string()).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test]
async fn a_device_gets_a_certificate_for_its_own_key_with_a_claim_and_renews_it_by_itself() {
    let house = House::enter().await;
    let patient = house.patient("heart_failure").await;
    let (device, claim) = claim(&house, &patient, "SN-1");
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let write = |name: &str, value: &Value| {
        std::fs::write(folder.path().join(name), value.as_str().unwrap()).unwrap();
    };
    new_key_and_request(folder.path(), "device");
    let mut body = json!({ "device": device, "claim": claim, "request": read("device.csr") });
    assert_eq!(ask(&house, &body).await.0, 401, "without the serial number");
    body["serial_number"] = "SN-1".into();
    let (status, first) = ask(&house, &body).await;
    assert_eq!(status, 201, "{first}");
    write("device.pem", &first["certificate"]);
    write("ca.pem", &first["ca"]);
    openssl(folder.path(), "verify -CAfile ca.pem -purpose sslclient device.pem");

    new_key_and_request(folder.path(), "next");
    openssl(folder.path(), "req -in next.csr -outform DER -out next.der");
    openssl(folder.path(), "dgst -sha256 -sign device.key -out proof next.der");
    openssl(folder.path(), "base64 -A -in proof -out proof.b64");
    let renewal = |certificate: &str, request: &str| json!({ "device": device, "request": read(request), "certificate": read(certificate), "signature": read("proof.b64") });
    assert_eq!(ask(&house, &renewal("device.pem", "device.csr")).await.0, 401, "signed was another request");
    assert_eq!(ask(&house, &renewal("ca.pem", "next.csr")).await.0, 401, "another certificate");
    let (status, second) = ask(&house, &renewal("device.pem", "next.csr")).await;
    assert_eq!(status, 201, "{second}");
    write("next.pem", &second["certificate"]);
    openssl(folder.path(), "verify -CAfile ca.pem -purpose sslclient next.pem");
    let good = format!(
        "SELECT count(*) FROM device_certificate WHERE device_id = '{device}' AND revoked_at IS NULL"
    );
    assert_eq!(house.demo().query(&good).unwrap()[0][0], "2", "both are good until the old one ends");

    let serial = second["serial"].as_str().unwrap();
    let revoke = ["device", "revoke", "--device", &device, "--certificate", serial];
    vigie(&house, &revoke);
    let list = house.demo().data_dir().join("ca/crl.pem");
    std::fs::copy(list, folder.path().join("crl.pem")).unwrap();
    openssl(folder.path(), "verify -CAfile ca.pem -crl_check -CRLfile crl.pem device.pem");
    let refused = Command::new("openssl")
        .args(["verify", "-CAfile", "ca.pem", "-crl_check", "-CRLfile", "crl.pem", "next.pem"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(!refused.status.success(), "the second one is on the list");
}

#[tokio::test]
async fn a_device_is_enrolled_with_a_key_and_a_certificate_where_it_cannot_make_its_own() {
    let house = House::enter().await;
    let patient = house.patient("heart_failure").await;
    let arguments = ["device", "enrol", "--json", "--x509", "--kind", "scale", "--patient", &patient.id];
    let made = vigie(&house, &arguments);
    let folder = tempfile::tempdir().unwrap();
    for name in ["certificate", "key", "ca"] {
        std::fs::write(folder.path().join(name), made[name].as_str().unwrap()).unwrap();
    }
    openssl(folder.path(), "verify -CAfile ca -purpose sslclient certificate");
    openssl(folder.path(), "pkey -in key -noout");
    let out = folder.path().join("out");
    let arguments = ["device", "enrol", "--x509", "--kind", "scale", "--patient", &patient.id, "--out"];
    let output = house.demo().vigie(&[&arguments[..], &[out.to_str().unwrap()]].concat()).unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(
        !String::from_utf8_lossy(&output.stdout).contains("PRIVATE KEY"),
        "it is in the file, and not shown"
    );
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 3);
}

#[tokio::test]
async fn a_device_that_is_revoked_is_cut_within_a_minute_and_not_let_in_again() {
    let house = House::enter().await;
    let patient = house.patient("diabetes").await;
    let device = house.enrol(&patient);
    let mut paho = Paho::log_in(house.mqtt_port(), &device, 5).await;
    assert_eq!(paho.publish(&one(glucose(1, now(), "1.10"))).await, 0);
    let began = Instant::now();
    let output = house.demo().vigie(&["device", "revoke", "--device", &device.id]).unwrap();
    assert!(output.status.success(), "{output:?}");
    paho.disconnected().await;
    println!("cut {} after the command began", since(began));
    assert!(began.elapsed() < CUT_WITHIN);
    let (_paho, reason) = Paho::connect(house.mqtt_port(), &device, 5).await;
    assert_eq!(reason, 0x86, "bad user name or password");
    let reading = house.nurse().reading_with(&patient.id, 1, PATIENCE).await;
    assert!(reading.is_some(), "what it measured before stays");
    let trail = format!(
        "SELECT count(*) FROM audit WHERE action = 'device.revoked' AND patient_id = '{}'",
        patient.id
    );
    assert_eq!(house.demo().query(&trail).unwrap()[0][0], "1");
}

#[tokio::test]
async fn a_certificate_that_is_revoked_ends_its_connection_within_a_minute_and_opens_nothing_more() {
    let folder = tempfile::Builder::new().prefix("vigie-trust-").tempdir().unwrap();
    let options = ["--no-sim", "--past-days", "0", "--patients", "9", "--mqtts", "127.0.0.1:0"];
    let demo = Demo::start(folder.path(), &options).await.unwrap();
    let patient = &demo.manifest().patients[0].id;
    let out = folder.path().join("cards");
    let enrol = ["device", "enrol", "--x509", "--json", "--kind", "scale", "--patient", patient, "--out"];
    let output = demo.vigie(&[&enrol[..], &[out.to_str().unwrap()]].concat()).unwrap();
    assert!(output.status.success(), "{output:?}");
    let made: Value = serde_json::from_slice(&output.stdout).unwrap();
    let (device, serial) = (made["id"].as_str().unwrap(), made["serial"].as_str().unwrap());
    let port = demo.manifest().mqtts.rsplit(':').next().unwrap().parse().unwrap();
    let (mut paho, reason) = Paho::connect_by_certificate(port, device, &out).await;
    assert_eq!(reason, 0, "let in without a user name and a password");
    assert_eq!(paho.publish(&one(glucose(1, now(), "1.10"))).await, 0);
    let began = Instant::now();
    let revoke = ["device", "revoke", "--device", device, "--certificate", serial];
    let output = demo.vigie(&revoke).unwrap();
    assert!(output.status.success(), "{output:?}");
    paho.disconnected().await;
    println!("the connection of a revoked certificate was cut {} after the command began", since(began));
    assert!(began.elapsed() < CUT_WITHIN);

    // mosquitto_pub is another TLS library's user. It is refused by the database first, and by the list soon after.
    let topic = format!("vigie/v1/{device}/readings/json");
    let output = Command::new("mosquitto_pub")
        .args(["-h", "localhost", "-p", &port.to_string(), "-i", device, "-q", "1", "-t", &topic, "-m", "{}"])
        .args(["--cafile", "ca.pem", "--cert", &format!("{device}.pem"), "--key", &format!("{device}.key")])
        .current_dir(&out)
        .output()
        .unwrap();
    assert!(!output.status.success(), "{output:?}");
    demo.finish(&[]).await.unwrap();
}
