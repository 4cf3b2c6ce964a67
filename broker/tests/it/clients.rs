//! The main paths with clients that nobody here wrote: rumqttc in both versions, and mosquitto_pub.

use std::process::Output;
use std::time::Duration;

use rumqttc::v5;
use tokio::time::timeout;
use vigie_wire::Channel;

use crate::desk::{House, PATIENCE, SECRET, device as id, outbound, text};

const READING: &str = r#"{"batch_id":"b-1","epoch":1,"readings":[]}"#;

fn options_v4(house: &House, name: &str) -> rumqttc::MqttOptions {
    let mut options = rumqttc::MqttOptions::new(name, "127.0.0.1", house.address.port());
    options.set_credentials(name, SECRET);
    options.set_keep_alive(Duration::from_secs(5));
    options
}

fn options_v5(house: &House, name: &str) -> v5::MqttOptions {
    let mut options = v5::MqttOptions::new(name, "127.0.0.1", house.address.port());
    options.set_credentials(name, SECRET);
    options.set_keep_alive(Duration::from_secs(5));
    options
}

#[tokio::test]
async fn rumqttc_3_1_1_publishes_in_all_qualities_and_receives_its_receipt() {
    let house = House::open().await;
    let (client, mut events) = rumqttc::AsyncClient::new(options_v4(&house, "gl-1"), 10);
    let receipts = "vigie/v1/gl-1/receipts";
    client.subscribe(receipts, rumqttc::QoS::AtLeastOnce).await.unwrap();
    for (qos, payload) in [
        (rumqttc::QoS::AtMostOnce, READING),
        (rumqttc::QoS::ExactlyOnce, READING),
        (rumqttc::QoS::AtLeastOnce, "receipt"),
    ] {
        let topic = "vigie/v1/gl-1/readings/json";
        client.publish(topic, qos, false, payload).await.unwrap();
    }
    let (mut acknowledged, mut completed, mut receipt) = (false, false, None);
    while !(acknowledged && completed && receipt.is_some()) {
        let event = timeout(PATIENCE, events.poll()).await.unwrap().unwrap();
        let rumqttc::Event::Incoming(packet) = event else {
            continue;
        };
        acknowledged |= matches!(packet, rumqttc::Packet::PubAck(_));
        completed |= matches!(packet, rumqttc::Packet::PubComp(_));
        if let rumqttc::Packet::Publish(publish) = packet {
            receipt = Some(publish);
        }
    }
    let receipt = receipt.unwrap();
    assert_eq!((receipt.topic.as_str(), text(&receipt.payload)), (receipts, "stored receipt".to_owned()));
    let committed = house.desk.read(|book| book.committed.clone());
    assert_eq!(committed, [READING, READING, "receipt"]);
    // rumqttc acknowledges on its next polls.
    while house.desk.read(|book| book.delivered.is_empty()) {
        drop(timeout(Duration::from_millis(50), events.poll()).await);
    }
}

#[tokio::test]
async fn rumqttc_5_learns_the_reason_of_each_acknowledgement_and_receives_a_command() {
    let house = House::open().await;
    let (client, mut events) = v5::AsyncClient::new(options_v5(&house, "gl-1"), 10);
    let commands = "vigie/v1/gl-1/commands";
    client.subscribe(commands, v5::mqttbytes::QoS::AtLeastOnce).await.unwrap();
    for (topic, payload) in [
        ("vigie/v1/gl-1/readings/json", READING),
        ("vigie/v1/gl-1/readings/json", "invalid"),
        ("vigie/v1/gl-2/readings/json", READING),
    ] {
        let qos = v5::mqttbytes::QoS::AtLeastOnce;
        client.publish(topic, qos, false, payload).await.unwrap();
    }
    let (mut reasons, mut command) = (Vec::new(), None);
    while reasons.len() < 3 || command.is_none() {
        let event = timeout(PATIENCE, events.poll()).await.unwrap();
        match event.unwrap() {
            v5::Event::Incoming(v5::Incoming::SubAck(_)) => {
                let message = outbound(Some(1), Channel::Commands, "set clock");
                house.switchboard.push(&id("gl-1"), message);
            }
            v5::Event::Incoming(v5::Incoming::PubAck(ack)) => reasons.push(ack.reason),
            v5::Event::Incoming(v5::Incoming::Publish(publish)) => command = Some(publish),
            v5::Event::Incoming(_) | v5::Event::Outgoing(_) => {}
        }
    }
    use v5::mqttbytes::v5::PubAckReason::{NotAuthorized, PayloadFormatInvalid, Success};
    assert_eq!(reasons, [Success, PayloadFormatInvalid, NotAuthorized]);
    assert_eq!(text(&command.unwrap().payload), "set clock");
}

#[tokio::test]
async fn rumqttc_is_told_about_a_wrong_secret_in_both_versions() {
    let house = House::open().await;
    let mut options = options_v4(&house, "gl-1");
    options.set_credentials("gl-1", "wrong");
    let (_client, mut events) = rumqttc::AsyncClient::new(options, 10);
    let error = timeout(PATIENCE, events.poll()).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("BadUserNamePassword"), "{error}");

    let mut options = options_v5(&house, "gl-1");
    options.set_credentials("gl-1", "wrong");
    let (_client, mut events) = v5::AsyncClient::new(options, 10);
    let error = timeout(PATIENCE, events.poll()).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("BadUserNamePassword"), "{error}");
}

#[tokio::test]
async fn rumqttc_sends_again_after_a_takeover_and_nothing_is_missing() {
    let house = House::open().await;
    let mut options = options_v4(&house, "gl-1");
    options.set_clean_session(false);
    let (client, mut events) = rumqttc::AsyncClient::new(options, 10);
    for n in 1..=3 {
        let topic = "vigie/v1/gl-1/readings/json";
        let payload = format!("hold {n}");
        client.publish(topic, rumqttc::QoS::AtLeastOnce, false, payload).await.unwrap();
    }
    let handed_over = house.desk.until("three are in hand", |book| book.begun.len() == 3);
    let polling = async {
        loop {
            events.poll().await.unwrap();
        }
    };
    tokio::select! {
        () = handed_over => {}
        () = polling => {}
    }
    // A second log-in pushes it out; it comes back and sends what was never acknowledged.
    // (With a clean session rumqttc would drop it.)
    let mut connect = crate::device::Connect::of(crate::device::Level::V311, "gl-1");
    connect.clean = false;
    drop(crate::device::Device::log_in(&house, &connect).await);
    for n in 1..=3 {
        house.desk.release(&format!("hold {n}"));
    }
    let acknowledged = async {
        let mut acknowledged = 0;
        while acknowledged < 3 {
            if let Ok(rumqttc::Event::Incoming(rumqttc::Packet::PubAck(_))) = events.poll().await {
                acknowledged += 1;
            }
        }
    };
    timeout(PATIENCE, acknowledged).await.unwrap();
    let committed = house.desk.read(|book| book.committed.clone());
    assert!((1..=3).all(|n| committed.contains(&format!("hold {n}"))));
}

async fn mosquitto_pub(house: &House, arguments: &[&str]) -> Output {
    let port = house.address.port().to_string();
    let arguments: Vec<String> = ["-h", "127.0.0.1", "-p", &port, "-u", "gl-1", "-q", "1"]
        .iter()
        .chain(arguments)
        .map(|argument| (*argument).to_owned())
        .collect();
    let running = tokio::task::spawn_blocking(move || {
        std::process::Command::new("mosquitto_pub")
            .args(arguments)
            .output()
            .expect("mosquitto_pub is installed (Debian package mosquitto-clients)")
    });
    timeout(PATIENCE, running).await.unwrap().unwrap()
}

#[tokio::test]
async fn mosquitto_pub_publishes_in_both_versions() {
    let house = House::open().await;
    let topic = "vigie/v1/gl-1/readings/json";
    for version in ["mqttv311", "mqttv5"] {
        let arguments = ["-V", version, "-i", "gl-1", "-P", SECRET, "-t", topic, "-m", READING];
        let output = mosquitto_pub(&house, &arguments).await;
        assert!(output.status.success(), "{output:?}");
    }
    assert_eq!(house.desk.read(|book| book.committed.clone()), [READING, READING]);
}

#[tokio::test]
async fn mosquitto_pub_with_a_wrong_secret_or_a_random_client_id_fails_clearly() {
    let house = House::open().await;
    let topic = "vigie/v1/gl-1/readings/json";
    let wrong = ["-i", "gl-1", "-P", "wrong", "-t", topic, "-m", READING];
    let output = mosquitto_pub(&house, &wrong).await;
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("bad user name or password"), "{output:?}");
    let random = ["-P", SECRET, "-t", topic, "-m", READING, "-I", "somebody-"];
    let output = mosquitto_pub(&house, &random).await;
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("identifier rejected"), "{output:?}");
    assert!(house.desk.read(|book| book.begun.is_empty()));
}
