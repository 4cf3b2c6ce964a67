//! Nobody learns anything about another team's patients.

use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use serde_json::json;
use tokio::time::timeout;

use crate::actors::batch::{glucose, now, one, reading};
use crate::actors::house::{House, PATIENCE};
use crate::actors::paho::Paho;

/// Live events as text, read until `marker` has come.
async fn events_until(stream: &mut Response, text: &mut String, marker: &str) {
    let reading = async {
        while !text.contains(marker) {
            let chunk = stream.chunk().await.unwrap().expect("the stream goes on");
            text.push_str(&String::from_utf8_lossy(&chunk));
        }
    };
    let came = timeout(PATIENCE + Duration::from_secs(5), reading).await;
    assert!(came.is_ok(), "no {marker} in {text}");
}

#[tokio::test]
async fn a_nurse_gets_404_for_a_patient_of_another_team_and_no_event_about_them() {
    let house = House::enter().await;
    let (own, other) = (house.patient("diabetes").await, house.patient_of("Meuse rurale", "diabetes").await);
    let (nurse, colleague) = (house.nurse(), house.staff("nurse.meuse"));
    let mut stream = nurse.send(Method::GET, "/events", None).await;
    assert_eq!(stream.status(), StatusCode::OK);
    let mut heard = String::new();
    events_until(&mut stream, &mut heard, "event: heartbeat").await;

    let mut theirs = Paho::log_in(house.mqtt_port(), &house.enrol(&other), 5).await;
    assert_eq!(theirs.publish(&one(glucose(1, now(), "0.52"))).await, 0);
    let alert =
        colleague.open_alert(&other.id, "glucose_low", PATIENCE).await.expect("their own nurse sees it");
    let mut ours = Paho::log_in(house.mqtt_port(), &house.enrol(&own), 5).await;
    assert_eq!(ours.publish(&one(glucose(1, now(), "0.52"))).await, 0);
    // Events come in the order of commits: what was to come before this one has come.
    events_until(&mut stream, &mut heard, &own.id).await;
    let alert_id = alert["id"].as_str().unwrap();
    assert!(!heard.contains(&other.id) && !heard.contains(alert_id), "{heard}");

    let id = &other.id;
    for path in ["", "/readings", "/rules"] {
        assert_eq!(nurse.status(&format!("/patients/{id}{path}")).await, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(colleague.status(&format!("/patients/{id}{path}")).await, StatusCode::OK, "{path}");
    }
    assert_eq!(nurse.status(&format!("/alerts/{alert_id}")).await, StatusCode::NOT_FOUND);
    let acts = [
        (format!("/alerts/{alert_id}/acknowledge"), json!({})),
        (format!("/alerts/{alert_id}/comment"), json!({ "text": "hello" })),
        (format!("/alerts/{alert_id}/resolve"), json!({ "outcome": "technical" })),
        (
            format!("/patients/{id}/pauses"),
            json!({ "until": now() + jiff::SignedDuration::from_hours(1), "reason": "x" }),
        ),
    ];
    for (path, body) in acts {
        let status = nurse.send(Method::POST, &path, Some(&body)).await.status();
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
    }
    let spec = colleague.rule(id, "glucose_low").await["spec"].clone();
    let body = json!({ "spec": spec, "reason": "not mine" });
    let path = format!("/patients/{id}/rules/glucose_low");
    assert_eq!(house.physician().send(Method::PUT, &path, Some(&body)).await.status(), StatusCode::NOT_FOUND);
    for list in ["/alerts", "/patients", "/worklist", "/audit"] {
        let seen = nurse.get(list).await.to_string();
        assert!(!seen.contains(id.as_str()) && !seen.contains(alert_id), "GET {list} tells about them");
    }
    let untouched = colleague.get(&format!("/alerts/{alert_id}")).await;
    assert_eq!((&untouched["state"], untouched["history"].as_array().unwrap().len()), (&"open".into(), 1));
    theirs.leave().await;
    ours.leave().await;
}

#[tokio::test]
async fn a_device_of_another_teams_patient_reaches_that_team_only() {
    let house = House::enter().await;
    let other = house.patient_of("Meuse rurale", "oral_anticoagulation").await;
    let mut device = Paho::log_in(house.mqtt_port(), &house.enrol(&other), 5).await;
    assert_eq!(device.publish(&one(reading(1, now(), "inr", "6.4", "{INR}"))).await, 0);
    let colleague = house.staff("nurse.meuse");
    let alert =
        colleague.open_alert(&other.id, "inr_high", PATIENCE).await.expect("an alert for their nurse");
    assert_eq!(alert["priority"], "high");
    assert!(house.nurse().open_alert(&other.id, "inr_high", Duration::ZERO).await.is_none());
    // Who keeps the machines running sees no patient at all.
    assert_eq!(house.staff("technicien").status("/alerts").await, StatusCode::FORBIDDEN);
    assert_eq!(house.staff("administrateur").status("/patients").await, StatusCode::FORBIDDEN);
    device.leave().await;
}
