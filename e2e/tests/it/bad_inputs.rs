//! Payloads that are no readings, or strange ones: each has its defined outcome, is kept, and disturbs nobody else.

use jiff::SignedDuration;
use serde_json::{Value, json};
use vigie_wire::{Message, v1};

use crate::actors::batch::{batch, glucose, now, one, reading};
use crate::actors::house::{House, PATIENCE};
use crate::actors::paho::Paho;

/// What the receipt says.
enum Told {
    /// The reading of this number is refused with this code.
    Reading(&'static str),
    /// The whole message is.
    Whole(&'static str),
    /// The whole message is, and it was protobuf.
    WholeInProtobuf(&'static str),
}

struct Case {
    what: &'static str,
    channel: &'static str,
    payload: Vec<u8>,
    told: Told,
}

fn case(what: &'static str, payload: impl Into<Vec<u8>>, told: Told) -> Case {
    Case { what, channel: "readings/json", payload: payload.into(), told }
}

/// Everything that is refused, the readings numbered from 1.
fn cases() -> Vec<Case> {
    let at = now();
    let tomorrow = at + SignedDuration::from_hours(24);
    let refused = |what, reading: Value, code| case(what, one(reading), Told::Reading(code));
    vec![
        refused("an unknown vital", reading(1, at, "mood", "3", "1"), "unknown_vital"),
        refused("an unknown unit", reading(2, at, "glucose", "1.1", "stone/cup"), "unknown_unit"),
        refused(
            "a unit of another dimension",
            reading(3, at, "glucose", "70", "kg"),
            "unit_of_another_dimension",
        ),
        refused("an implausible value", glucose(4, at, "90"), "implausible"),
        refused("what is no number", glucose(5, at, "about 1"), "not_a_value"),
        refused("a time a day in the future", glucose(6, tomorrow, "0.52"), "measured_in_the_future"),
        refused("a sequence of zero", glucose(0, at, "0.52"), "sequence_not_positive"),
        refused("a negative sequence", glucose(-7, at, "0.52"), "sequence_not_positive"),
        case("broken JSON", "{\"readings\":[", Told::Whole("not_a_batch")),
        case("JSON of something else", "[1,2,3]", Told::Whole("not_a_batch")),
        case("what is not UTF-8", b"\xff\xfe{\"readings\":[]}".to_vec(), Told::Whole("not_a_batch")),
        case("an empty payload", "", Told::Whole("empty_payload")),
        case("a batch of nothing", batch("b", &[]).to_string(), Told::Whole("empty_batch")),
        case("two mebibytes", vec![b'x'; 2 * 1024 * 1024], Told::Whole("payload_too_large")),
        Case {
            what: "broken protobuf",
            channel: "readings",
            payload: vec![0xff; 11],
            told: Told::WholeInProtobuf("not_a_batch"),
        },
    ]
}

fn begins_with_code(reason: &str, code: &str) -> bool {
    reason.split(':').next() == Some(code)
}

async fn check_receipt(paho: &mut Paho, what: &str, told: &Told) {
    match told {
        Told::Reading(code) => {
            let receipt = paho.receipt().await;
            let result = &receipt["results"][0];
            assert_eq!(result["outcome"], "rejected", "{what}: {receipt}");
            assert!(begins_with_code(result["reason"].as_str().unwrap(), code), "{what}: {receipt}");
        }
        Told::Whole(code) => {
            let receipt = paho.receipt().await;
            assert_eq!(receipt["results"], json!([]), "{what}");
            assert!(begins_with_code(receipt["reason"].as_str().unwrap(), code), "{what}: {receipt}");
        }
        Told::WholeInProtobuf(code) => {
            let receipt = v1::Receipt::decode(paho.receipt_bytes().await.as_slice()).unwrap();
            assert!(receipt.results.is_empty(), "{what}");
            assert!(begins_with_code(&receipt.reason, code), "{what}: {receipt:?}");
        }
    }
}

/// In MQTT 3.1.1 every PUBACK means "dealt with for good"; in 5 it carries the reason.
async fn refuse_everything(protocol: u32, refusal: i64) {
    let house = House::enter().await;
    let (patient, neighbour) = (house.patient("diabetes").await, house.patient("diabetes").await);
    let device = house.enrol(&patient);
    let mut paho = Paho::log_in_for_receipts(house.mqtt_port(), &device, protocol).await;
    let mut witness = Paho::log_in(house.mqtt_port(), &house.enrol(&neighbour), 5).await;
    let nurse = house.nurse();
    let cases = cases();
    for (number, case) in (1..).zip(&cases) {
        println!("MQTT {protocol}: {}", case.what);
        let topic = paho.topic(case.channel);
        assert_eq!(paho.publish_to(&topic, &case.payload).await, refusal, "{}", case.what);
        check_receipt(&mut paho, case.what, &case.told).await;
        assert_eq!(witness.publish(&one(glucose(number, now(), "1.05"))).await, 0, "{}", case.what);
    }
    // The device itself goes on as well, also within a batch: one bad reading never blocks the good ones.
    let mixed = [glucose(101, now(), "90"), glucose(102, now(), "1.10"), json!({ "sequence": 103 })];
    assert_eq!(paho.publish(&batch("b-mixed", &mixed).to_string()).await, 0);
    let receipt = paho.receipt().await;
    let outcome = |n: usize| receipt["results"][n]["outcome"].as_str().unwrap().to_owned();
    assert_eq!([outcome(0), outcome(1), outcome(2)], ["rejected", "stored", "rejected"]);

    house.judged(&patient).await;
    assert!(nurse.alerts(&patient.id, "open").await.is_empty(), "nothing refused ever alerts");
    let values: Vec<Value> = nurse.readings(&patient.id).await.iter().map(|r| r["value"].clone()).collect();
    assert_eq!(values, ["1.10"]);
    assert_eq!(nurse.readings(&neighbour.id).await.len(), cases.len(), "the neighbour lost nothing");
    let kept = format!(
        "SELECT encode(payload, 'hex'), code FROM quarantine WHERE device_id = '{}' ORDER BY id LIMIT {}",
        device.id,
        cases.len()
    );
    for (case, kept) in cases.iter().zip(house.demo().query(&kept).unwrap()) {
        let hexadecimal: String = case.payload.iter().map(|byte| format!("{byte:02x}")).collect();
        let (Told::Reading(code) | Told::Whole(code) | Told::WholeInProtobuf(code)) = case.told;
        assert!(kept[0] == hexadecimal, "{}: its bytes are not in quarantine", case.what);
        assert_eq!(kept[1], code, "{}", case.what);
    }
    paho.leave().await;
    witness.leave().await;
}

#[tokio::test]
async fn in_mqtt_5_each_refusal_has_its_reason_is_kept_and_disturbs_nobody() {
    refuse_everything(5, 0x99).await;
}

#[tokio::test]
async fn in_mqtt_3_1_1_each_refusal_is_acknowledged_and_the_receipt_says_why() {
    refuse_everything(311, 0).await;
}

#[tokio::test]
async fn a_control_solution_is_stored_and_neither_alerts_nor_is_drawn() {
    let house = House::enter().await;
    let patient = house.patient("diabetes").await;
    let mut paho = Paho::log_in_for_receipts(house.mqtt_port(), &house.enrol(&patient), 5).await;
    let mut solution = glucose(1, now(), "0.37");
    solution["context"] = json!({ "sample": "control_solution" });
    // As far from a person as a control solution may be.
    let mut beyond = glucose(2, now(), "31.5");
    beyond["context"] = json!({ "sample": "control_solution" });
    let readings = [solution, beyond, glucose(3, now(), "1.23")];
    assert_eq!(paho.publish(&batch("b-1", &readings).to_string()).await, 0);
    let receipt = paho.receipt().await;
    assert!(
        receipt["results"].as_array().unwrap().iter().all(|result| result["outcome"] == "stored"),
        "{receipt}"
    );
    house.judged(&patient).await;
    let nurse = house.nurse();
    let stored: Vec<(Value, Value)> = nurse
        .readings(&patient.id)
        .await
        .iter()
        .map(|r| (r["value"].clone(), r["of_a_person"].clone()))
        .collect();
    let expected = [("0.37", false), ("31.5", false), ("1.23", true)];
    assert_eq!(stored, expected.map(|(value, of_a_person)| (value.into(), of_a_person.into())));
    assert!(nurse.alerts(&patient.id, "open").await.is_empty());
    let page = nurse.page(&format!("/patients/{}", patient.id)).await;
    let charts: Vec<&str> =
        page.split("<svg").skip(1).filter_map(|rest| rest.split("</svg>").next()).collect();
    assert!(charts.iter().any(|chart| chart.contains("1,23")), "the chart tells the person's value");
    assert!(
        charts.iter().all(|chart| !chart.contains("0,37") && !chart.contains("31,5")),
        "and no solution's"
    );
    paho.leave().await;
}

#[tokio::test]
async fn what_a_meter_shows_as_hi_or_lo_is_stored_as_such_and_alerts_with_high_priority() {
    let house = House::enter().await;
    let patient = house.patient("diabetes").await;
    let mut paho = Paho::log_in(house.mqtt_port(), &house.enrol(&patient), 5).await;
    let nurse = house.nurse();
    for (sequence, shown, comparator, rule) in [(1, "HI", ">", "glucose_high"), (2, "LO", "<", "glucose_low")]
    {
        assert_eq!(paho.publish(&one(glucose(sequence, now(), shown))).await, 0);
        let stored = nurse.reading_with(&patient.id, sequence, PATIENCE).await.unwrap();
        assert_eq!((&stored["value"], &stored["comparator"]), (&shown.into(), &comparator.into()));
        let alert = nurse.open_alert(&patient.id, rule, PATIENCE).await.expect("an alert");
        assert_eq!(alert["priority"], "high");
        assert!(alert["summary"].as_str().unwrap().contains(shown), "{alert}");
    }
    paho.leave().await;
}
