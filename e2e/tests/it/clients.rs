//! Clients that nobody here wrote: a low glucose goes from their PUBACK to the API and to the nurse's screen within a
//! second.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;
use thirtyfour::By;
use vigie_e2e::demo::Patient;

use crate::actors::api::since;
use crate::actors::batch::{glucose, now, one};
use crate::actors::browser::Browser;
use crate::actors::house::House;
use crate::actors::mosquitto::mosquitto_pub;
use crate::actors::paho::Paho;

/// From the PUBACK to everything that follows from it.
const ALLOWED: Duration = Duration::from_secs(1);

async fn nurse_at_her_screen(house: &House) -> Browser {
    let browser = Browser::open().await;
    let manifest = house.demo().manifest();
    let nurse = manifest.user("infirmiere").unwrap();
    browser.log_in(&manifest.http, &nurse.login, &nurse.password).await;
    browser.mark().await;
    browser
}

fn time(json: &Value) -> Timestamp {
    json.as_str().unwrap().parse().unwrap()
}

/// The reading in the API, the alert in the API, the row on the page: each within a second of the PUBACK.
async fn everybody_knows(
    client: &str,
    house: &House,
    browser: &Browser,
    patient: &Patient,
    measured_at: Timestamp,
) {
    let acknowledged = Instant::now();
    let nurse = house.nurse();
    let row_id = format!("p-{}", patient.id);
    let timed = async |what: &str, found: Option<Value>| {
        let found = found.unwrap_or_else(|| panic!("{what} is not there a second after the PUBACK"));
        println!("{client}: {what} {} after the PUBACK", since(acknowledged));
        found
    };
    let (reading, alert, row) = tokio::join!(
        async { timed("the reading in the API", nurse.reading_with(&patient.id, 1, ALLOWED).await).await },
        async {
            timed("the alert in the API", nurse.open_alert(&patient.id, "glucose_low", ALLOWED).await).await
        },
        async {
            let row = browser.wait_for(By::Id(row_id.as_str()), ALLOWED).await;
            let row = row.expect("the patient is on the page a second after the PUBACK");
            println!("{client}: the row on the page {} after the PUBACK", since(acknowledged));
            row
        }
    );
    assert_eq!((&reading["value"], &reading["unit"]), (&"0.52".into(), &"g/L".into()));
    assert_eq!(time(&reading["measured_at"]), measured_at);
    assert_eq!((&alert["state"], &alert["priority"]), (&"open".into(), &"high".into()));
    assert_eq!((&alert["condition"], &alert["rule_version"]), (&"active".into(), &1.into()));
    assert_eq!(alert["threshold"]["value"], "0.54");
    assert_eq!(time(&alert["happened_at"]), measured_at);
    assert_eq!(time(&alert["known_at"]), time(&reading["received_at"]));
    assert_eq!(alert["summary"], "Glycémie 0,52 g/L (limite 0,54)");
    assert!(row.text().await.unwrap().contains("Glycémie 0,52 g/L (limite 0,54)"));
    let shown: Vec<Timestamp> =
        browser.times(&row, ".c-reason").await.iter().map(|text| text.parse().unwrap()).collect();
    assert_eq!(shown, [time(&alert["happened_at"]), time(&alert["known_at"])], "both times are on the page");
    assert!(browser.is_marked().await, "the page was not reloaded");
}

#[tokio::test]
async fn a_low_glucose_from_mosquitto_pub_is_on_the_nurses_screen_within_a_second() {
    let house = House::enter_alone().await;
    let patient = house.patient("diabetes").await;
    let device = house.enrol(&patient);
    let browser = nurse_at_her_screen(&house).await;
    let measured_at = now();
    let batch = one(glucose(1, measured_at, "0.52"));
    let output = mosquitto_pub(house.mqtt_port(), &device, &batch).await;
    assert!(output.status.success(), "{output:?}");
    everybody_knows("mosquitto_pub", &house, &browser, &patient, measured_at).await;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("received PUBACK"), "{said}");
    browser.close().await;
}

#[tokio::test]
async fn a_low_glucose_from_paho_in_mqtt_5_is_on_the_nurses_screen_within_a_second() {
    let house = House::enter_alone().await;
    let patient = house.patient("diabetes").await;
    let device = house.enrol(&patient);
    let browser = nurse_at_her_screen(&house).await;
    let mut paho = Paho::log_in(house.mqtt_port(), &device, 5).await;
    let measured_at = now();
    let reason = paho.publish(&one(glucose(1, measured_at, "0.52"))).await;
    everybody_knows("paho", &house, &browser, &patient, measured_at).await;
    assert_eq!(reason, 0x00);
    paho.leave().await;
    browser.close().await;
}

#[tokio::test]
async fn over_websocket_a_reading_is_acknowledged_answered_and_stored_as_everywhere_else() {
    let house = House::enter().await;
    let patient = house.patient("diabetes").await;
    let device = house.enrol(&patient);
    for (protocol, number) in [(5, 1), (311, 2)] {
        let mut paho = Paho::log_in_over_websocket(house.websocket_port(), &device, protocol).await;
        assert_eq!(paho.subscribe(&paho.topic("receipts")).await, 1, "QoS 1 is granted");
        assert!(paho.subscribe("vigie/v1/somebody-else/receipts").await >= 0x80, "and nobody else's");
        assert_eq!(paho.publish(&one(glucose(number, now(), "1.10"))).await, 0x00);
        assert_eq!(paho.receipt().await["results"][0]["outcome"], "stored");
        paho.leave().await;
    }
    assert_eq!(house.nurse().readings(&patient.id).await.len(), 2);
}
