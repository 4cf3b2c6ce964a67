//! Devices that do not behave: foreign topics, wrong passwords, half packets. Each has its defined outcome and disturbs
//! nobody else.

use tokio::time::timeout;
use vigie_e2e::waiting::until;

use crate::actors::batch::{glucose, now, one};
use crate::actors::house::{Enrolled, House, PATIENCE};
use crate::actors::paho::Paho;
use crate::actors::raw::{Raw, publish};

#[tokio::test]
async fn a_device_that_publishes_for_another_one_is_refused_and_writes_nothing_there() {
    let house = House::enter().await;
    let (patient, neighbour) = (house.patient("diabetes").await, house.patient("diabetes").await);
    let (device, victim) = (house.enrol(&patient), house.enrol(&neighbour));
    let topic = format!("vigie/v1/{}/readings/json", victim.id);
    let payload = one(glucose(1, now(), "0.52"));
    for (protocol, reason) in [(5, 0x87), (311, 0)] {
        let mut paho = Paho::log_in_for_receipts(house.mqtt_port(), &device, protocol).await;
        assert_eq!(paho.publish_to(&topic, payload.as_bytes()).await, reason);
        let receipt = paho.receipt().await;
        assert!(receipt["reason"].as_str().unwrap().starts_with("not_your_topic:"), "{receipt}");
        // Nor does it hear what others are told.
        let foreign = format!("vigie/v1/{}/receipts", victim.id);
        assert!(paho.subscribe(&foreign).await >= 0x80);
        assert!(paho.subscribe("#").await >= 0x80);
        paho.leave().await;
    }
    let mut own = Paho::log_in(house.mqtt_port(), &victim, 5).await;
    assert_eq!(own.publish(&one(glucose(1, now(), "1.05"))).await, 0);
    own.leave().await;
    house.judged(&neighbour).await;
    let nurse = house.nurse();
    assert_eq!(nurse.readings(&neighbour.id).await.len(), 1);
    assert!(nurse.alerts(&neighbour.id, "open").await.is_empty());
    assert!(nurse.readings(&patient.id).await.is_empty());
    let kept = format!("SELECT code, topic FROM quarantine WHERE device_id = '{}'", device.id);
    assert_eq!(house.demo().query(&kept).unwrap(), [["not_your_topic", topic.as_str()]], "kept once");
}

#[tokio::test]
async fn a_topic_with_a_wildcard_ends_the_connection_with_its_reason_and_the_device_may_come_back() {
    let house = House::enter().await;
    let patient = house.patient("diabetes").await;
    let device = house.enrol(&patient);
    for topic in ["vigie/v1/+/readings/json", "vigie/v1/#"] {
        let mut raw = Raw::log_in(house.mqtt_port(), &device).await;
        raw.send(&publish(topic, one(glucose(1, now(), "0.52")).as_bytes())).await;
        let answer = raw.packet().await.expect("a DISCONNECT");
        assert_eq!((answer[0], answer[2]), (0xe0, 0x90), "{topic}: topic name invalid");
        assert_eq!(raw.packet().await, None, "the connection is closed");
    }
    let mut paho = Paho::log_in(house.mqtt_port(), &device, 5).await;
    assert_eq!(paho.publish(&one(glucose(1, now(), "1.05"))).await, 0);
    assert_eq!(house.nurse().readings(&patient.id).await.len(), 1);
    paho.leave().await;
}

#[tokio::test]
async fn a_reading_at_qos_0_is_stored_and_has_a_receipt() {
    let house = House::enter().await;
    let patient = house.patient("diabetes").await;
    let mut paho = Paho::log_in_for_receipts(house.mqtt_port(), &house.enrol(&patient), 5).await;
    let topic = paho.topic("readings/json");
    paho.start_publish(&topic, one(glucose(1, now(), "0.52")).as_bytes(), 0).await;
    let receipt = paho.receipt().await;
    assert_eq!(receipt["results"][0]["outcome"], "stored");
    let nurse = house.nurse();
    assert_eq!(nurse.readings(&patient.id).await.len(), 1, "the receipt came after the commit");
    nurse.open_alert(&patient.id, "glucose_low", PATIENCE).await.expect("and it is judged like any other");
    paho.leave().await;
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_does_not_push_the_real_device_out() {
    let house = House::enter().await;
    let patient = house.patient("diabetes").await;
    let device = house.enrol(&patient);
    let mut real = Paho::log_in(house.mqtt_port(), &device, 5).await;
    let stranger = Enrolled { secret: "guessed".into(), ..device.clone() };
    let nobody = Enrolled { id: "gl0000000000000000".into(), ..device.clone() };
    for protocol in [5, 311] {
        for liar in [&stranger, &nobody] {
            let (paho, reason) = Paho::connect(house.mqtt_port(), liar, protocol).await;
            // paho tells the return code 4 of 3.1.1 with the number that MQTT 5 has for it.
            assert_eq!(reason, 0x86, "bad user name or password");
            paho.leave().await;
        }
    }
    assert_eq!(real.publish(&one(glucose(1, now(), "1.05"))).await, 0, "on the connection it had");
    real.leave().await;
}

#[tokio::test]
async fn a_device_that_stops_in_the_middle_of_a_packet_holds_up_nobody_not_even_itself() {
    let house = House::enter().await;
    let (patient, neighbour) = (house.patient("diabetes").await, house.patient("diabetes").await);
    let device = house.enrol(&patient);
    let mut stuck = Raw::log_in(house.mqtt_port(), &device).await;
    let topic = format!("vigie/v1/{}/readings/json", device.id);
    let whole = one(glucose(1, now(), "0.52"));
    let bytes = publish(&topic, whole.as_bytes());
    stuck.send(&bytes[..bytes.len() / 2]).await;

    let mut witness = Paho::log_in(house.mqtt_port(), &house.enrol(&neighbour), 5).await;
    assert_eq!(witness.publish(&one(glucose(1, now(), "1.05"))).await, 0);
    // The device starts over, as after an empty battery: its old connection is closed for it.
    let mut again = Paho::log_in(house.mqtt_port(), &device, 5).await;
    let answer = timeout(PATIENCE, stuck.packet()).await.unwrap().expect("a DISCONNECT");
    assert_eq!((answer[0], answer[2]), (0xe0, 0x8e), "session taken over");
    assert_eq!(again.publish(&whole).await, 0);
    let nurse = house.nurse();
    assert_eq!(nurse.readings(&patient.id).await.len(), 1, "stored once, and the half not at all");
    until(PATIENCE, async || (nurse.alerts(&patient.id, "open").await.len() == 1).then_some(()))
        .await
        .expect("one alert");
    again.leave().await;
    witness.leave().await;
}
