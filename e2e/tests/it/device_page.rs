//! A nurse with a browser finds a device from its patient's page, asks something of it, and sees that it has it.

use serde_json::json;
use thirtyfour::By;
use vigie_e2e::waiting::until;

use crate::actors::batch::{batch, glucose, now};
use crate::actors::browser::Browser;
use crate::actors::house::{House, PATIENCE};
use crate::actors::paho::Paho;

async fn click(browser: &Browser, by: By) {
    let element = browser.wait_for(by.clone(), PATIENCE).await;
    element.unwrap_or_else(|| panic!("{by:?} is not on the page")).click().await.unwrap();
}

#[tokio::test]
async fn a_nurse_asks_for_readings_that_never_arrived_and_sees_that_the_device_has_it() {
    let house = House::enter().await;
    let patient = house.patient("diabetes").await;
    let device = house.enrol(&patient);
    let mut paho = Paho::log_in(house.mqtt_port(), &device, 5).await;
    let status = json!({ "state": "online", "battery_percent": 81, "firmware": "1.4.2" }).to_string();
    let own_status = paho.topic("status");
    assert_eq!(paho.publish_to(&own_status, status.as_bytes()).await, 0);
    let readings = [glucose(1, now(), "1.10"), glucose(5, now(), "1.20")];
    assert_eq!(paho.publish(&batch("b-1", &readings).to_string()).await, 0);

    let browser = Browser::open().await;
    let manifest = house.demo().manifest();
    let nurse = manifest.user("infirmiere").unwrap();
    browser.log_in(&manifest.http, &nurse.login, &nurse.password).await;
    click(&browser, By::Css("nav a[href='/patients']")).await;
    click(&browser, By::Css(format!("a.person[href='/patients/{}']", patient.id))).await;
    click(&browser, By::Css(format!("#devices a[href='/devices/{}']", device.id))).await;
    let gaps = browser.wait_for(By::Css("#gaps .odd"), PATIENCE).await.expect("what never arrived");
    assert_eq!(gaps.text().await.unwrap(), "3 mesures ne sont jamais arrivées");
    let status = browser.wait_for(By::Css("#status dl"), PATIENCE).await.expect("its last word");
    assert!(status.text().await.unwrap().contains("81 %"));

    click(&browser, By::Css("#ask-send_again summary")).await;
    let from = browser.wait_for(By::Css("#ask-send_again input[name='from_sequence']"), PATIENCE).await;
    assert_eq!(from.unwrap().prop("value").await.unwrap().as_deref(), Some("2"), "the first that is missing");
    let reason = browser.wait_for(By::Css("#ask-send_again input[name='reason']"), PATIENCE).await.unwrap();
    reason.send_keys("trois mesures manquent").await.unwrap();
    click(&browser, By::Css("#ask-send_again button")).await;
    let asked = browser.wait_for(By::Css(".command-state.queued"), PATIENCE).await;
    assert_eq!(asked.expect("it is asked").text().await.unwrap(), "en attente");

    // The device comes for it.
    let commands = paho.topic("commands");
    assert!(paho.subscribe(&commands).await < 0x80);
    let device_has_it = async || {
        let sql = format!("SELECT state FROM device_command WHERE device_id = '{}'", device.id);
        (house.demo().query(&sql).unwrap()[0][0] == "delivered").then_some(())
    };
    until(PATIENCE, device_has_it).await.expect("the device acknowledges it");
    click(&browser, By::Css("nav a[href='/devices']")).await;
    click(&browser, By::Css(format!("main a[href='/devices/{}']", device.id))).await;
    let state = browser.wait_for(By::Css(".command-state.delivered"), PATIENCE).await;
    assert_eq!(state.expect("it is delivered").text().await.unwrap(), "remis");
    browser.close().await;
    paho.leave().await;
}
