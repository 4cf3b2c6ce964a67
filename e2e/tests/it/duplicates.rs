//! Sent again is stored once; sent otherwise under the same number is a conflict.

use serde_json::{Value, json};

use crate::actors::batch::{batch, glucose, now};
use crate::actors::house::House;
use crate::actors::paho::Paho;

fn outcomes(receipt: &Value) -> Vec<&str> {
    receipt["results"].as_array().unwrap().iter().map(|result| result["outcome"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_same_batch_three_times_is_stored_once_and_the_receipt_says_duplicate() {
    let house = House::enter().await;
    let patient = house.patient("diabetes").await;
    let mut paho = Paho::log_in_for_receipts(house.mqtt_port(), &house.enrol(&patient), 5).await;
    let at = now();
    let readings = [glucose(1, at, "1.05"), glucose(2, at, "1.10"), glucose(3, at, "0.52")];
    let text = batch("b-1", &readings).to_string();
    for expected in [["stored"; 3], ["duplicate"; 3], ["duplicate"; 3]] {
        assert_eq!(paho.publish(&text).await, 0x00);
        let receipt = paho.receipt().await;
        assert_eq!(outcomes(&receipt), expected);
        assert_eq!((&receipt["batch_id"], &receipt["epoch"]), (&"b-1".into(), &1.into()));
        assert_eq!((&receipt["contiguous"], &receipt["missing"]), (&3.into(), &json!([])));
    }
    house.judged(&patient).await;
    let nurse = house.nurse();
    let values: Vec<Value> =
        nurse.readings(&patient.id).await.into_iter().map(|reading| reading["value"].clone()).collect();
    assert_eq!(values, ["1.05", "1.10", "0.52"], "once each, digits as sent");
    let alerts = nurse.alerts(&patient.id, "open").await;
    assert_eq!((alerts.len(), &alerts[0]["readings_total"]), (1, &1.into()), "one breach, once");
    paho.leave().await;
}

#[tokio::test]
async fn a_sequence_number_used_again_for_something_else_is_a_conflict_and_the_first_one_stays() {
    let house = House::enter().await;
    let patient = house.patient("diabetes").await;
    let device = house.enrol(&patient);
    let mut paho = Paho::log_in_for_receipts(house.mqtt_port(), &device, 5).await;
    let at = now();
    assert_eq!(paho.publish(&batch("b-1", &[glucose(1, at, "1.05")]).to_string()).await, 0x00);
    assert_eq!(outcomes(&paho.receipt().await), ["stored"]);

    let conflict = batch("b-2", &[glucose(1, at, "0.40")]).to_string();
    assert_eq!(paho.publish(&conflict).await, 0x99, "nothing of it could be taken");
    assert_eq!(outcomes(&paho.receipt().await), ["conflict"]);

    // A good reading in the same batch is taken all the same; so is what else happens to a gap.
    let mixed = batch("b-3", &[glucose(1, at, "0.40"), glucose(5, at, "1.20")]).to_string();
    assert_eq!(paho.publish(&mixed).await, 0x00);
    let receipt = paho.receipt().await;
    assert_eq!(outcomes(&receipt), ["conflict", "stored"]);
    assert_eq!((&receipt["contiguous"], &receipt["missing"]), (&1.into(), &json!([[2, 4]])));

    house.judged(&patient).await;
    let nurse = house.nurse();
    let values: Vec<Value> =
        nurse.readings(&patient.id).await.into_iter().map(|reading| reading["value"].clone()).collect();
    assert_eq!(values, ["1.05", "1.20"]);
    assert!(nurse.alerts(&patient.id, "open").await.is_empty(), "what was not stored does not alert");
    let kept = format!(
        "SELECT code, epoch, sequence, convert_from(payload, 'UTF8') FROM quarantine WHERE device_id = '{}' ORDER BY id",
        device.id
    );
    assert_eq!(
        house.demo().query(&kept).unwrap(),
        [["conflict", "1", "1", conflict.as_str()], ["conflict", "1", "1", mixed.as_str()]]
    );
    paho.leave().await;
}
