//! Weekly reports as staff get them.

use axum::http::StatusCode;
use jiff::SignedDuration;
use serde_json::json;
use vigie_store::reports::deliveries;
use vigie_vitals::{Unit, Vital};

use crate::world::{World, at};

async fn with_reports() -> World {
    let world = World::new().await;
    let days: Vec<(String, String)> = (9..=15)
        .map(|day| (format!("2026-11-{day:02}T07:00:00Z"), format!("2026-11-{day:02}T07:00:20Z")))
        .collect();
    for (measured, received) in &days {
        let glucose = (Vital::Glucose, "1.12", Unit::GramPerLitre, measured.as_str(), received.as_str());
        let weight = (Vital::Weight, "72.4", Unit::Kilogram, measured.as_str(), received.as_str());
        world.readings(0, &[glucose, weight]).await;
    }
    world.make_reports().await;
    world
}

fn path(world: &World, rest: &str) -> String {
    format!("/api/v1/patients/{}/reports{rest}", world.people.patients[0])
}

#[tokio::test]
async fn a_stored_report_is_given_as_it_was_stored_and_opening_it_is_noted() {
    let world = with_reports().await;
    let nurse = world.people.nurses[0];
    let stored = world.database.value(&format!(
        "SELECT encode(d.sha256, 'hex') FROM report_document d JOIN report r ON r.id = d.report_id
         WHERE r.patient_id = '{}' AND r.week = '2026-W46' AND d.format = 'pdf' AND d.language = 'fr'",
        world.people.patients[0]
    ));
    for _ in 0..2 {
        let answer = world.get(nurse, &path(&world, "/2026-W46?format=pdf&language=fr")).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("content-type"), "application/pdf");
        assert!(answer.text.starts_with("%PDF-1."));
        assert_eq!(answer.header("x-content-sha256"), stored);
        assert!(answer.header("content-disposition").contains("vigie-2026-W46-P-1-v1-fr.pdf"));
    }
    let listed = world.get(nurse, &path(&world, "")).await.json();
    let report = &listed["reports"][0];
    assert_eq!((&report["week"], &report["version"]), (&json!("2026-W46"), &json!(1)));
    assert_eq!(report["opened"].as_array().unwrap().len(), 2);
    assert_eq!(report["opened"][0]["by"], "The nurse 1");
    assert_eq!(report["deliveries"][0]["state"], "waiting");
    assert_eq!(
        world.database.value("SELECT count(*) FROM audit WHERE action = 'report.read'"),
        "2",
        "each is in the audit trail"
    );
}

#[tokio::test]
async fn another_language_is_set_from_the_same_record_and_says_the_same() {
    let world = with_reports().await;
    let nurse = world.people.nurses[0];
    let json = world.get(nurse, &path(&world, "/2026-W46?format=json")).await;
    let hash = json.header("x-content-sha256").to_owned();
    let english = world.get(nurse, &path(&world, "/2026-W46?format=html&language=en")).await;
    assert_eq!(english.status, StatusCode::OK);
    assert!(english.text.contains("lang=\"en\""));
    let shown = hash.get(..12).unwrap();
    assert!(english.text.contains(shown), "the page shows the hash of the stored content");
    assert!(english.header("content-security-policy").contains("style-src 'sha256-"));
    assert!(!english.text.contains("<script"));
    let again = world.get(nurse, &path(&world, "/2026-W46?format=html&language=en")).await;
    assert_eq!(again.text, english.text);
}

#[tokio::test]
async fn the_reports_json_carries_the_metrics_under_their_names() {
    let world = with_reports().await;
    let report = world.get(world.people.physicians[0], &path(&world, "/2026-W46?format=json")).await.json();
    // A patient on every plan: what the meter says stands beside what a sensor would say.
    let mean = &report["metrics"]["glucose_capillary"]["mean"];
    assert_eq!(mean["unit"], "mg/dL");
    assert_eq!(mean["value"], 112.0);
    assert_eq!(mean["n"], 7);
    for field in ["from", "to", "sufficient"] {
        assert!(!mean[field].is_null(), "{field}");
    }
    assert_eq!(report["summary"]["fr"].as_array().unwrap().len(), 3);
    assert_eq!(report["known_at"], "2026-11-16T05:00:00Z");
}

#[tokio::test]
async fn a_week_that_is_not_over_is_provisional_and_is_not_stored() {
    let world = with_reports().await;
    let nurse = world.people.nurses[0];
    let report = world.get(nurse, &path(&world, "/2026-W47?format=json")).await.json();
    assert_eq!(report["provisional"], true);
    assert_eq!(world.database.value("SELECT count(*) FROM report WHERE week = '2026-W47'"), "0");
    assert_eq!(world.get(nurse, &path(&world, "/2026-W48")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.get(nurse, &path(&world, "/2025-W10")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.get(nurse, &path(&world, "/2026-W46?version=2")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.get(nurse, &path(&world, "/2026-W46?format=doc")).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_correction_is_a_new_version_that_says_what_changed_and_the_old_one_stays() {
    let world = with_reports().await;
    let nurse = world.people.nurses[0];
    let before = world.get(nurse, &path(&world, "/2026-W46?format=pdf&language=fr")).await;
    world
        .readings(
            0,
            &[(Vital::Glucose, "2.12", Unit::GramPerLitre, "2026-11-12T12:00:00Z", "2026-11-21T08:00:00Z")],
        )
        .await;
    let asked = world
        .post(nurse, &path(&world, "/2026-W46/corrections"), &json!({ "reason": "the meter was found" }))
        .await;
    assert_eq!(asked.status, StatusCode::ACCEPTED);
    assert_eq!(asked.json()["version"], 2);
    world.clock.set(world.clock.now() + SignedDuration::from_mins(1));
    world.make_reports().await;
    let corrected = world.get(nurse, &path(&world, "/2026-W46?format=json")).await.json();
    assert_eq!(corrected["version"], 2);
    assert_eq!(corrected["correction"]["reason"], "the meter was found");
    assert_eq!(corrected["correction"]["author"], "The nurse 1");
    assert_eq!(corrected["correction"]["readings_added"], 1);
    let changes = corrected["correction"]["changes"].as_array().unwrap();
    let mean = changes.iter().find(|c| c["group"] == "glucose_capillary" && c["name"] == "mean").unwrap();
    assert_eq!((&mean["before"], &mean["after"]), (&json!(112.0), &json!(124.5)));
    let kept = world.get(nurse, &path(&world, "/2026-W46?format=pdf&language=fr&version=1")).await;
    assert_eq!(kept.header("x-content-sha256"), before.header("x-content-sha256"));
    // In the language that was not stored, too.
    let english = world.get(nurse, &path(&world, "/2026-W46?format=html&language=en")).await;
    assert!(english.text.contains("the meter was found"));
    let empty = world.post(nurse, &path(&world, "/2026-W46/corrections"), &json!({ "reason": " " })).await;
    assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY);
    let running =
        world.post(nurse, &path(&world, "/2026-W47/corrections"), &json!({ "reason": "now" })).await;
    assert_eq!(running.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_refused_report_is_seen_on_the_page_and_can_be_sent_elsewhere() {
    let world = with_reports().await;
    let nurse = world.people.nurses[0];
    let reports = world.reports().await;
    let now = world.clock.now();
    let mut tx = reports.begin().await.unwrap();
    for _ in 0..4 {
        for delivery in deliveries::claim(&mut tx, now, SignedDuration::from_mins(5), 10).await.unwrap() {
            let reply = "550 no such user";
            deliveries::refused(&mut tx, delivery.id, delivery.attempt, now, reply).await.unwrap();
        }
    }
    tx.commit().await.unwrap();
    let page = world.get(nurse, "/reports").await;
    assert!(page.text.contains("550 no such user"), "{}", page.text);
    assert!(page.text.contains("secretariat1@mail.example"));
    assert!(!page.text.contains("secretariat2@mail.example"), "somebody else's practice");
    let list = world.get(nurse, "/api/v1/deliveries/undelivered").await.json();
    let of_patient =
        list["deliveries"].as_array().unwrap().iter().find(|line| !line["patient_id"].is_null()).unwrap();
    let again = format!("/api/v1/deliveries/{}/send-again", of_patient["id"].as_str().unwrap());
    let wrong = world.post(nurse, &again, &json!({ "address": "nobody" })).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let sent = world.post(nurse, &again, &json!({ "address": "right@mail.example" })).await;
    assert_eq!(sent.status, StatusCode::ACCEPTED, "{}", sent.text);
    let twice = world.post(nurse, &again, &json!({ "address": "right@mail.example" })).await;
    assert_eq!(twice.status, StatusCode::CONFLICT);
    assert_eq!(
        world.database.value("SELECT state FROM report_delivery WHERE address = 'right@mail.example'"),
        "waiting"
    );
}

#[tokio::test]
async fn a_practices_summary_is_for_those_who_see_everybody_in_it() {
    let world = with_reports().await;
    let id = |n: usize| world.database.value(&format!("SELECT id FROM practice WHERE name = 'Practice {n}'"));
    let own = format!("/api/v1/practices/{}/reports/2026-W46?format=pdf", id(1));
    let nurse = world.people.nurses[0];
    let answer = world.get(nurse, &own).await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/pdf"));
    assert_eq!(world.get(world.people.nurses[1], &own).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_activity_extract_has_ones_own_patients_only() {
    let world = with_reports().await;
    let answer = world.get(world.people.nurses[0], "/api/v1/activity?month=2026-11").await;
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8");
    let lines: Vec<&str> = answer.text.trim_end().split("\r\n").collect();
    assert_eq!(lines.len(), 2, "{}", answer.text);
    let of = |name: &str| {
        let column = lines[0].split(',').position(|column| column == name).unwrap();
        lines[1].split(',').nth(column).unwrap()
    };
    assert_eq!((of("month"), of("patient_identifier")), ("2026-11", "P-1"));
    assert_eq!((of("days_transmitted"), of("readings")), ("7", "14"));
    assert_eq!(
        world.get(world.people.nurses[0], "/api/v1/activity?month=13").await.status,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn the_pages_show_the_reports_in_both_languages() {
    let world = with_reports().await;
    let nurse = world.people.nurses[0];
    let patient = world.people.patients[0];
    for (language, title) in [("fr", "Rapports hebdomadaires"), ("en", "Weekly reports")] {
        let get = |path: String| {
            let request =
                world.request(Some(nurse), "GET", &path).header("cookie", format!("vigie_lang={language}"));
            world.send(request.body(axum::body::Body::empty()).unwrap())
        };
        let page = get("/reports?week=2026-W46".into()).await.text;
        assert!(page.contains(title));
        assert!(page.contains(&format!("/patients/{patient}/reports/2026-W46?format=pdf")));
        let page = get(format!("/patients/{patient}")).await.text;
        assert!(page.contains(title) && page.contains("2026-W46"));
    }
    assert_eq!(at("2026-11-22T08:00:00Z"), world.clock.now());
}
