//! What arrives late is judged at its own time, and says so.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use vigie_e2e::demo::Patient;

use crate::actors::batch::{glucose, now, one};
use crate::actors::house::{House, PATIENCE};
use crate::actors::paho::Paho;

/// The physician asks to be told earlier, from now on: below 0.90, and at once below 0.60.
async fn prescribe_stricter_limits(house: &House, patient: &Patient) {
    let physician = house.physician();
    let mut spec = physician.rule(&patient.id, "glucose_low").await["spec"].clone();
    for (level, (milligrams, grams, millimoles)) in
        [("90", "0.90", "5.0"), ("60", "0.60", "3.3")].into_iter().enumerate()
    {
        spec["levels"][level]["threshold"] =
            json!({ "mg/dL": milligrams, "g/L": grams, "mmol/L": millimoles });
    }
    let body = json!({ "spec": spec, "reason": "Hypoglycémies non ressenties" });
    let path = format!("/patients/{}/rules/glucose_low", patient.id);
    let response = physician.send(Method::PUT, &path, Some(&body)).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let version: Value = response.json().await.unwrap();
    assert_eq!(version["version"], 2);
}

/// A time at the patient's home, in French and in English; the year is told where it is another one.
fn moments(at: &Value) -> (String, String) {
    let zone = TimeZone::get("Europe/Paris").unwrap();
    let at = at.as_str().unwrap().parse::<Timestamp>().unwrap().to_zoned(zone.clone());
    let this_year = at.year() == now().to_zoned(zone).year();
    let (french, english) = if this_year { ("%d/%m", "%-d %b") } else { ("%d/%m/%Y", "%-d %b %Y") };
    let french = format!("{} à {}", at.strftime(french), at.strftime("%H:%M"));
    // The one month that British usage shortens to four letters.
    let english = at.strftime(english).to_string().replace("Sep", "Sept");
    (french, format!("{english} at {}", at.strftime("%H:%M")))
}

#[tokio::test]
async fn a_reading_of_two_days_ago_is_judged_by_the_limit_of_that_day_and_its_alert_says_both_times() {
    let house = House::enter().await;
    let patient = house.patient("diabetes").await;
    let mut paho = Paho::log_in(house.mqtt_port(), &house.enrol(&patient), 5).await;
    prescribe_stricter_limits(&house, &patient).await;

    let then = now() - SignedDuration::from_hours(48);
    assert_eq!(paho.publish(&one(glucose(1, then, "0.58"))).await, 0);
    let nurse = house.nurse();
    let alert =
        nurse.open_alert(&patient.id, "glucose_low", PATIENCE).await.expect("the alert of two days ago");
    // By the limits of that day 0.58 is below 0.70; by those of today it would be below 0.60 and more urgent.
    assert_eq!((&alert["rule_version"], &alert["priority"]), (&1.into(), &"medium".into()));
    assert_eq!(alert["threshold"]["value"], "0.70");
    let (happened, known) = (&alert["happened_at"], &alert["known_at"]);
    assert_eq!(happened.as_str().unwrap().parse::<Timestamp>().unwrap(), then);
    let known_at: Timestamp = known.as_str().unwrap().parse().unwrap();
    assert!(known_at.duration_since(then) >= SignedDuration::from_hours(48));
    let ((happened_fr, happened_en), (known_fr, known_en)) = (moments(happened), moments(known));
    let expected = format!("Glycémie 0,58 g/L (limite 0,70), survenu le {happened_fr}, connu le {known_fr}");
    assert_eq!(alert["summary"], expected.as_str());
    let id = alert["id"].as_str().unwrap();
    let in_english = nurse.reading("en").get(&format!("/alerts/{id}")).await;
    let expected = format!("Glucose 0.58 g/L (limit 0.70), happened {happened_en}, known {known_en}");
    assert_eq!(in_english["summary"], expected.as_str());

    // The same value of today is judged by the limits of today; both stand in the one alert with their versions.
    assert_eq!(paho.publish(&one(glucose(2, now(), "0.58"))).await, 0);
    house.judged(&patient).await;
    let both = nurse.get(&format!("/alerts/{id}")).await;
    let mut versions: Vec<(i64, i64)> = both["readings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|reading| (reading["sequence"].as_i64().unwrap(), reading["rule_version"].as_i64().unwrap()))
        .collect();
    versions.sort_unstable();
    assert_eq!(versions, [(1, 1), (2, 2)]);
    assert_eq!(both["priority"], "high");
    assert_eq!(nurse.alerts(&patient.id, "open").await.len(), 1, "one open alert of the rule");
    paho.leave().await;
}

#[tokio::test]
async fn an_old_normal_reading_never_clears_a_current_alert() {
    let house = House::enter().await;
    let patient = house.patient("diabetes").await;
    let mut paho = Paho::log_in(house.mqtt_port(), &house.enrol(&patient), 5).await;
    let nurse = house.nurse();
    assert_eq!(paho.publish(&one(glucose(1, now(), "0.52"))).await, 0);
    let alert = nurse.open_alert(&patient.id, "glucose_low", PATIENCE).await.expect("the current alert");
    let path = format!("/alerts/{}", alert["id"].as_str().unwrap());

    for (sequence, hours) in [(2, 2), (3, 47)] {
        let old = now() - SignedDuration::from_hours(hours);
        assert_eq!(paho.publish(&one(glucose(sequence, old, "1.10"))).await, 0);
    }
    house.judged(&patient).await;
    let after = nurse.get(&path).await;
    assert_eq!((&after["state"], &after["condition"]), (&"open".into(), &"active".into()));
    assert_eq!((&after["happened_at"], &after["summary"]), (&alert["happened_at"], &alert["summary"]));

    // A current normal reading does say that it is over; the alert itself waits for a person.
    assert_eq!(paho.publish(&one(glucose(4, now(), "1.10"))).await, 0);
    house.judged(&patient).await;
    let after = nurse.get(&path).await;
    assert_eq!((&after["state"], &after["condition"]), (&"open".into(), &"ended".into()));
    paho.leave().await;
}
