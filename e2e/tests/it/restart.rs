//! The demo goes on where it was, however it ended.

use std::path::Path;

use serde_json::Value;
use vigie_e2e::demo::{Demo, Patient};
use vigie_e2e::waiting::until;

use crate::actors::api::Staff;
use crate::actors::batch::{glucose, now, one};
use crate::actors::house::{Enrolled, PATIENCE};
use crate::actors::paho::Paho;

/// Without a past: every reading and alert of the patient is one of the test.
const OPTIONS: [&str; 5] = ["--no-sim", "--past-days", "0", "--patients", "9"];

async fn device_of(demo: &Demo, patient: &Patient) -> Paho {
    let device = &patient.devices[0];
    let enrolled = Enrolled { id: device.id.clone(), secret: device.secret.clone() };
    let port = demo.manifest().mqtt.rsplit(':').next().unwrap().parse().unwrap();
    Paho::log_in(port, &enrolled, 5).await
}

async fn nurse_with_password(demo: &Demo, password: &str) -> Staff {
    Staff::log_in(&demo.manifest().http, "infirmiere", password).await
}

/// What the nurse sees of the patient before and after.
async fn view(nurse: &Staff, patient: &Patient) -> (Vec<Value>, Vec<(Value, Value)>) {
    let alerts = nurse.alerts(&patient.id, "open").await;
    let alerts =
        alerts.into_iter().map(|alert| (alert["id"].clone(), alert["happened_at"].clone())).collect();
    (nurse.readings(&patient.id).await, alerts)
}

/// A reading and its alert, then `stop`, then a second start: everything is there and the device goes on.
async fn goes_on_after(stop: impl AsyncFnOnce(Demo)) {
    let folder = tempfile::Builder::new().prefix("vigie-restart-").tempdir().unwrap();
    let first = start(folder.path()).await;
    let patient = first.manifest().patients.iter().find(|p| p.care_plan == "diabetes").unwrap().clone();
    let password = first.manifest().user("infirmiere").unwrap().password.clone();
    let mut paho = device_of(&first, &patient).await;
    assert_eq!(paho.publish(&one(glucose(1, now(), "0.52"))).await, 0);
    let nurse = nurse_with_password(&first, &password).await;
    nurse.open_alert(&patient.id, "glucose_low", PATIENCE).await.expect("an alert");
    let before = view(&nurse, &patient).await;
    // Acknowledged at the last moment: judged or not, it must be there afterwards.
    assert_eq!(paho.publish(&one(glucose(2, now(), "0.50"))).await, 0);
    stop(first).await;
    paho.leave().await;

    let second = start(folder.path()).await;
    assert_eq!(second.manifest().user("infirmiere").unwrap().password, password, "the same log-ins");
    let nurse = nurse_with_password(&second, &password).await;
    let (readings, alerts) = view(&nurse, &patient).await;
    assert_eq!((&readings[..1], readings.len()), (&before.0[..1], 2), "every acknowledged reading, once");
    assert_eq!(alerts, before.1, "the same alert, still open, and no other");
    let path = format!("/alerts/{}", alerts[0].0.as_str().unwrap());
    let mut paho = device_of(&second, &patient).await;
    assert_eq!(paho.publish(&one(glucose(3, now(), "0.48"))).await, 0);
    let judged = async || (nurse.get(&path).await["readings_total"] == 3).then_some(());
    until(PATIENCE, judged).await.expect("all three breaches are in the alert");
    paho.leave().await;
    second.finish(&[]).await.unwrap();
}

async fn start(folder: &Path) -> Demo {
    Demo::start(folder, &OPTIONS).await.unwrap()
}

#[tokio::test]
async fn stopped_by_ctrl_c_and_started_again_it_goes_on_where_it_was() {
    goes_on_after(async |demo| {
        demo.finish(&[]).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn killed_and_started_again_it_goes_on_where_it_was() {
    goes_on_after(async |demo| {
        demo.kill_hard().await.unwrap();
    })
    .await;
}
