//! Numbers that never arrived are asked for by Vigie itself, once.

use serde_json::{Value, json};
use vigie_e2e::waiting::until;

use crate::actors::batch::{batch, glucose, now};
use crate::actors::house::{House, PATIENCE};
use crate::actors::paho::Paho;

/// Readings with these numbers, each with a value of its own.
fn readings(numbers: &[i64]) -> String {
    let at = now();
    let readings: Vec<Value> = numbers.iter().map(|n| glucose(*n, at, &format!("1.{n:02}"))).collect();
    batch("b-1", &readings).to_string()
}

#[tokio::test]
async fn a_device_that_left_out_three_numbers_is_asked_for_them_once_and_the_gap_closes() {
    let house = House::enter().await;
    let patient = house.patient("diabetes").await;
    let device = house.enrol(&patient);
    let (nurse, demo) = (house.nurse(), house.demo());
    let look = async || nurse.get(&format!("/devices/{}", device.id)).await;
    let sql = |text: &str| demo.query(&text.replace("{}", &device.id)).unwrap();
    let mut paho = Paho::log_in(house.mqtt_port(), &device, 5).await;
    let commands = paho.topic("commands");
    assert_eq!(paho.subscribe(&commands).await, 1);

    let without: Vec<i64> = (1..=16).chain(20..=22).collect();
    let told = readings(&without);
    assert_eq!(paho.publish(&told).await, 0x00);
    let seen = look().await;
    assert_eq!((&seen["missing"], &seen["commands"]), (&3.into(), &json!([])));
    assert_eq!(seen["gaps"][0]["ranges"], json!([[17, 19]]));
    assert_eq!(seen["gaps"][0]["prospects"], json!([{ "state": "waited_for" }]));

    // A quarter of an hour later.
    sql("UPDATE ledger_gap SET opened_at = opened_at - interval '15 minutes' WHERE device_id = '{}'");
    let command = paho.command_heard().await;
    assert_eq!((&command["kind"], &command["from_sequence"]), (&"send_again".into(), &17.into()));
    let seen = look().await;
    let asked = &seen["commands"][0];
    assert_eq!((&asked["asked_by"], &asked["reason"]), (&"Vigie".into(), &"17–19 (1/4)".into()));
    assert_eq!(seen["gaps"][0]["prospects"][0]["state"], "asked_for");

    // It sends everything that it has from there on.
    assert_eq!(paho.publish(&readings(&[17, 18, 19])).await, 0x00);
    assert_eq!(paho.publish(&told).await, 0x00);
    let done = async || (look().await["commands"][0]["state"] == "done").then_some(());
    until(PATIENCE, done).await.expect("the request is done");
    let seen = look().await;
    assert_eq!((&seen["missing"], &seen["gaps"][0]["prospects"]), (&0.into(), &json!([])));

    // When its pause is over the gap is forgotten, and nothing is asked twice.
    sql("UPDATE ledger_gap SET next_at = now() - interval '1 second' WHERE device_id = '{}'");
    let forgotten =
        async || (sql("SELECT count(*) FROM ledger_gap WHERE device_id = '{}'") == [["0"]]).then_some(());
    until(PATIENCE, forgotten).await.expect("the gap is forgotten");
    assert_eq!(sql("SELECT count(*) FROM device_command WHERE device_id = '{}'"), [["1"]]);
    assert_eq!(nurse.readings(&patient.id).await.len(), 22, "each once");
    paho.leave().await;
}

#[tokio::test]
async fn a_device_that_lost_its_memory_and_tells_the_same_hypoglycaemia_again_raises_nothing_new() {
    let house = House::enter().await;
    let patient = house.patient("diabetes").await;
    let mut paho = Paho::log_in_for_receipts(house.mqtt_port(), &house.enrol(&patient), 5).await;
    let at = now();
    let mut told = batch("b-1", &[glucose(8, at, "0.52")]);
    assert_eq!(paho.publish(&told.to_string()).await, 0x00);
    assert_eq!(paho.receipt().await["results"][0]["outcome"], "stored");
    let nurse = house.nurse();
    let alert = nurse.open_alert(&patient.id, "glucose_low", PATIENCE).await.expect("an alert");
    let path = format!("/alerts/{}", alert["id"].as_str().unwrap());
    house.judged(&patient).await;
    let before = nurse.get(&path).await;

    told["epoch"] = 77.into();
    told["readings"][0]["sequence"] = 1.into();
    assert_eq!(paho.publish(&told.to_string()).await, 0x00);
    let receipt = paho.receipt().await;
    assert_eq!(receipt["results"], json!([{ "sequence": 1, "outcome": "duplicate" }]));
    assert_eq!((&receipt["epoch"], &receipt["contiguous"]), (&77.into(), &1.into()));
    house.judged(&patient).await;
    assert_eq!(nurse.get(&path).await, before);
    assert_eq!(nurse.alerts(&patient.id, "open").await.len(), 1);
    assert_eq!(nurse.readings(&patient.id).await.len(), 1);
    paho.leave().await;
}
