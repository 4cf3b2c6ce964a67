//! Patients and readings through the API.

use serde_json::json;
use vigie_vitals::{Unit, Vital};

use crate::world::World;

const MEASURED: &str = "2026-11-21T07:00:00Z";

#[tokio::test]
async fn values_come_back_with_the_digits_that_were_sent() {
    let world = World::new().await;
    let sent = [
        (Vital::Glucose, "1.10", Unit::GramPerLitre),
        (Vital::Glucose, "110", Unit::MilligramPerDecilitre),
        (Vital::Weight, "82.40", Unit::Kilogram),
        (Vital::Temperature, "98.6", Unit::Fahrenheit),
        (Vital::Inr, "2.0", Unit::Inr),
        (Vital::Glucose, "HI", Unit::GramPerLitre),
        (Vital::Glucose, "LO", Unit::MillimolePerLitre),
        (Vital::Inr, ">8.0", Unit::Inr),
    ];
    let readings: Vec<_> =
        sent.iter().map(|(v, text, unit)| (*v, *text, *unit, MEASURED, MEASURED)).collect();
    world.readings(0, &readings).await;
    let path = format!("/api/v1/patients/{}/readings", world.people.patients[0]);
    let found = world.get(world.people.nurses[0], &path).await.json();
    let found: Vec<_> = found["readings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["value"].clone(), r["comparator"].clone(), r["unit"].clone()))
        .collect();
    assert_eq!(
        found,
        [
            (json!("1.10"), json!(null), json!("g/L")),
            (json!("110"), json!(null), json!("mg/dL")),
            (json!("82.40"), json!(null), json!("kg")),
            (json!("98.6"), json!(null), json!("[degF]")),
            (json!("2.0"), json!(null), json!("{INR}")),
            (json!("HI"), json!(">"), json!("g/L")),
            (json!("LO"), json!("<"), json!("mmol/L")),
            (json!("8.0"), json!(">"), json!("{INR}")),
        ]
    );
}

#[tokio::test]
async fn as_of_tells_what_was_known_at_that_moment() {
    let world = World::new().await;
    world
        .readings(
            0,
            &[
                (Vital::Inr, "2.1", Unit::Inr, "2026-11-19T07:00:00Z", "2026-11-19T07:00:05Z"),
                (Vital::Inr, "2.2", Unit::Inr, "2026-11-20T07:00:00Z", "2026-11-22T07:00:05Z"),
            ],
        )
        .await;
    let path = format!("/api/v1/patients/{}/readings?vital=inr", world.people.patients[0]);
    let count = |answer: crate::world::Answer| answer.json()["readings"].as_array().unwrap().len();
    assert_eq!(count(world.get(world.people.nurses[0], &path).await), 2);
    assert_eq!(
        count(world.get(world.people.nurses[0], &format!("{path}&as_of=2026-11-21T00:00:00Z")).await),
        1
    );
    assert_eq!(
        count(world.get(world.people.nurses[0], &format!("{path}&from=2026-11-20T00:00:00Z")).await),
        1
    );
}

#[tokio::test]
async fn readings_are_paged_oldest_first_without_gap_or_repetition() {
    let world = World::new().await;
    let texts: Vec<String> = (0..2300).map(|i| format!("{}", 60 + i % 60)).collect();
    // Many at the same instant: the cursor has to go by more than the time.
    let readings: Vec<_> =
        texts.iter().map(|text| (Vital::Pulse, text.as_str(), Unit::PerMinute, MEASURED, MEASURED)).collect();
    world.readings(0, &readings).await;
    let base = format!("/api/v1/patients/{}/readings?vital=pulse", world.people.patients[0]);
    let (mut path, mut sequences) = (base.clone(), Vec::new());
    loop {
        let page = world.get(world.people.nurses[0], &path).await.json();
        sequences
            .extend(page["readings"].as_array().unwrap().iter().map(|r| r["sequence"].as_i64().unwrap()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("{base}&cursor={next}");
    }
    assert_eq!(sequences, (1..=2300).collect::<Vec<i64>>());
}

#[tokio::test]
async fn a_patient_is_shown_with_devices_and_whether_data_are_complete() {
    let world = World::new().await;
    let path = format!("/api/v1/patients/{}", world.people.patients[0]);
    let patient = world.get(world.people.nurses[0], &path).await.json();
    assert_eq!(
        (&patient["devices"][0]["id"], &patient["completeness"]),
        (&json!("dev-1"), &json!("missing"))
    );
    assert_eq!(patient["name"], "Patient 1 Test");
    let audited = format!(
        "SELECT count(*) FROM audit WHERE action = 'patient.read' AND patient_id = '{}'",
        world.people.patients[0]
    );
    assert_eq!(world.database.value(&audited), "1");
}

#[tokio::test]
async fn a_search_takes_percent_and_underscore_literally() {
    let world = World::new().await;
    for (search, found) in [("Tes", 1), ("p-1", 1), ("%25", 0), ("_", 0), ("nobody", 0)] {
        let list =
            world.get(world.people.nurses[0], &format!("/api/v1/patients?search={search}")).await.json();
        assert_eq!(list["patients"].as_array().unwrap().len(), found, "{search}");
    }
}
