//! Alerts through the API.

use serde_json::json;
use vigie_testkit::logs;
use vigie_vitals::Priority;

use crate::world::World;

#[tokio::test]
async fn an_alert_has_every_field_of_the_contract_and_both_its_times() {
    let world = World::new().await;
    world
        .readings(
            0,
            &[(
                vigie_vitals::Vital::Glucose,
                "0.52",
                vigie_vitals::Unit::GramPerLitre,
                "2026-11-20T01:10:00Z",
                "2026-11-22T07:04:00Z",
            )],
        )
        .await;
    let id = world.open_alert(0).await;
    let alert =
        world.get(world.people.nurses[0], "/api/v1/alerts?state=open").await.json()["alerts"][0].clone();
    for field in [
        "id",
        "patient_id",
        "rule",
        "rule_version",
        "priority",
        "state",
        "condition",
        "happened_at",
        "known_at",
        "opened_at",
        "summary",
        "threshold",
        "readings",
    ] {
        assert!(!alert[field].is_null(), "{field}");
    }
    assert_eq!(alert["id"], id.to_string());
    assert_eq!(alert["happened_at"], "2026-11-20T01:10:00Z");
    assert_eq!(alert["known_at"], "2026-11-22T07:05:00Z");
    assert_eq!(
        alert["summary"],
        "Glycémie 0,52 g/L (limite 0,54), survenu le 20/11 à 02:10, connu le 22/11 à 08:05"
    );
    assert_eq!(
        alert["threshold"],
        json!({ "value": "0.54", "unit": "g/L", "window_hours": null, "inclusive": false })
    );
    assert_eq!(alert["threshold_author"], "care plan diabetes");
    let reading = &alert["readings"][0];
    assert_eq!((&reading["value"], &reading["unit"]), (&json!("0.52"), &json!("g/L")));
    assert_eq!(reading["received_at"], "2026-11-22T07:04:00Z");
    assert_eq!(
        (&reading["device_id"], &reading["epoch"], &reading["sequence"]),
        (&json!("dev-1"), &json!(1), &json!(1))
    );
}

#[tokio::test]
async fn the_summary_is_in_the_language_asked_for() {
    let world = World::new().await;
    let id = world.open_alert(0).await;
    let request = world
        .request(Some(world.people.nurses[0]), "GET", &format!("/api/v1/alerts/{id}"))
        .header("accept-language", "en-GB,en;q=0.9");
    let alert = world.send(request.body(axum::body::Body::empty()).unwrap()).await.json();
    assert_eq!(
        alert["summary"],
        "Glucose 0.52 g/L (limit 0.54), happened 20 Nov at 02:10, known 22 Nov at 08:05"
    );
}

#[tokio::test]
async fn acknowledging_twice_is_once() {
    let world = World::new().await;
    let id = world.open_alert(0).await;
    let path = format!("/api/v1/alerts/{id}/acknowledge");
    for nurse in [world.people.nurses[0], world.people.physicians[0]] {
        let answer = world.post(nurse, &path, &json!({})).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["state"]), (200, &json!("acknowledged")));
        assert_eq!(answer.json()["acknowledged_by"], "The nurse 1");
    }
    assert_eq!(world.database.value("SELECT count(*) FROM alert_event WHERE kind = 'acknowledged'"), "1");
    assert_eq!(world.database.value("SELECT count(*) FROM stream_event WHERE kind = 'alert_changed'"), "1");
    // Both asked, so both are in the trail.
    assert_eq!(world.database.value("SELECT count(*) FROM audit WHERE action = 'alert.acknowledge'"), "2");
}

#[tokio::test]
async fn nobody_closes_a_breach_that_came_while_they_looked() {
    let world = World::new().await;
    let nurse = world.people.nurses[0];
    let id = world.open_alert(0).await;
    let seen =
        world.get(nurse, &format!("/api/v1/alerts/{id}")).await.json()["readings_total"].as_i64().unwrap();
    world.database.query(&format!(
        "INSERT INTO alert_evidence (alert_id, patient_id, rule, breach, happened_at, evidence)
         SELECT alert_id, patient_id, rule, 'dev-1/1/99/glucose', happened_at, evidence FROM alert_evidence
         WHERE alert_id = '{id}' LIMIT 1"
    ));
    let body = json!({ "outcome": "treatment_changed" });
    let resolve = |seen: i64| format!("/api/v1/alerts/{id}/resolve?seen={seen}");
    assert_eq!(
        world.post(nurse, &format!("/api/v1/alerts/{id}/acknowledge?seen={seen}"), &json!({})).await.status,
        409
    );
    assert_eq!(world.post(nurse, &resolve(seen), &body).await.status, 409);
    assert_eq!(world.post(nurse, &resolve(seen + 1), &body).await.status, 200);
}

#[tokio::test]
async fn two_who_acknowledge_at_the_same_moment_leave_one_entry() {
    let world = World::new().await;
    let id = world.open_alert(0).await;
    let path = format!("/api/v1/alerts/{id}/acknowledge");
    let body = json!({});
    let (a, b) = tokio::join!(
        world.post(world.people.nurses[0], &path, &body),
        world.post(world.people.physicians[0], &path, &body)
    );
    assert_eq!((a.status.as_u16(), b.status.as_u16()), (200, 200));
    assert_eq!(a.json()["acknowledged_by"], b.json()["acknowledged_by"]);
    assert_eq!(world.database.value("SELECT count(*) FROM alert_event WHERE kind = 'acknowledged'"), "1");
}

#[tokio::test]
async fn an_alert_is_resolved_with_a_coded_outcome_and_then_left_alone() {
    let world = World::new().await;
    let nurse = world.people.nurses[0];
    let id = world.open_alert(0).await;
    let resolve = format!("/api/v1/alerts/{id}/resolve");
    assert_eq!(world.post(nurse, &resolve, &json!({ "outcome": "whatever" })).await.status, 422);
    assert_eq!(world.post(nurse, &resolve, &json!({ "outcome": "other" })).await.status, 422);
    let body = json!({ "outcome": "true_alert_called_patient", "comment": "ate sugar" });
    let answer = world.post(nurse, &resolve, &body).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["outcome"]),
        (200, &json!("true_alert_called_patient"))
    );
    assert_eq!(world.post(nurse, &resolve, &body).await.status, 200, "the same again changes nothing");
    assert_eq!(
        world.post(world.people.physicians[0], &resolve, &json!({ "outcome": "duplicate" })).await.status,
        409
    );
    assert_eq!(world.post(nurse, &format!("/api/v1/alerts/{id}/acknowledge"), &json!({})).await.status, 409);
    let shown = world.get(nurse, &format!("/api/v1/alerts/{id}")).await.json();
    let kinds: Vec<&str> =
        shown["history"].as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["opened", "resolved"]);
    assert_eq!(shown["history"][1]["detail"]["comment"], "ate sugar");
}

#[tokio::test]
async fn an_alert_is_commented_and_assigned_within_the_care_team_only() {
    let world = World::new().await;
    let nurse = world.people.nurses[0];
    let id = world.open_alert(0).await;
    assert_eq!(
        world.post(nurse, &format!("/api/v1/alerts/{id}/comment"), &json!({ "text": " " })).await.status,
        422
    );
    assert_eq!(
        world
            .post(nurse, &format!("/api/v1/alerts/{id}/comment"), &json!({ "text": "no answer" }))
            .await
            .status,
        200
    );
    let assign = format!("/api/v1/alerts/{id}/assign");
    assert_eq!(world.post(nurse, &assign, &json!({ "to": world.people.nurses[1] })).await.status, 422);
    let answer = world.post(nurse, &assign, &json!({ "to": world.people.physicians[0] })).await;
    assert_eq!(answer.json()["assigned_to"]["name"], "The physician 1");
}

#[tokio::test]
async fn what_cannot_be_written_into_the_audit_trail_does_not_happen() {
    let world = World::new().await;
    logs::expect("a request failed");
    let id = world.open_alert(0).await;
    world.database.query("REVOKE INSERT ON audit FROM vigie_dashboard");
    let nurse = world.people.nurses[0];
    assert_eq!(world.post(nurse, &format!("/api/v1/alerts/{id}/acknowledge"), &json!({})).await.status, 500);
    assert_eq!(world.get(nurse, &format!("/api/v1/patients/{}", world.people.patients[0])).await.status, 500);
    world.database.query("GRANT INSERT ON audit TO vigie_dashboard");
    assert_eq!(world.database.value("SELECT state FROM alert"), "open");
    assert_eq!(world.database.value("SELECT count(*) FROM stream_event WHERE kind = 'alert_changed'"), "0");
}

#[tokio::test]
async fn a_long_list_is_paged_without_gap_or_repetition() {
    let world = World::new().await;
    for i in 0..120 {
        world.alert(0, &format!("rule_{i}"), Priority::Low).await;
        world.database.query("DELETE FROM alert_evidence");
    }
    let mut seen = std::collections::BTreeSet::new();
    let mut path = "/api/v1/alerts?state=open".to_owned();
    let mut pages = 0;
    loop {
        let page = world.get(world.people.nurses[0], &path).await.json();
        for alert in page["alerts"].as_array().unwrap() {
            assert!(seen.insert(alert["id"].as_str().unwrap().to_owned()), "twice");
        }
        pages += 1;
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/alerts?state=open&cursor={next}");
    }
    assert_eq!((seen.len(), pages), (120, 2));
}

#[tokio::test]
async fn the_worklist_has_one_row_per_patient_worst_first() {
    let world = World::new().await;
    let nurse = world.people.nurses[0];
    let low = world.alert(0, "glucose_high", Priority::Low).await;
    world.database.query("DELETE FROM alert_evidence");
    let list = world.get(nurse, "/api/v1/worklist").await.json();
    assert_eq!((&list["worklist"][0]["bucket"], &list["counts"]["review"]), (&json!("review"), &json!(1)));
    let high = world.open_alert(0).await;
    let list = world.get(nurse, "/api/v1/worklist").await.json();
    assert_eq!(list["worklist"].as_array().unwrap().len(), 1);
    let row = &list["worklist"][0];
    assert_eq!((&row["bucket"], &row["alert"]["id"]), (&json!("now"), &json!(high.to_string())));
    assert_eq!(row["alert_ids"], json!([high.to_string(), low.to_string()]));
    for id in [high, low] {
        world.post(nurse, &format!("/api/v1/alerts/{id}/acknowledge"), &json!({})).await;
    }
    let list = world.get(nurse, "/api/v1/worklist").await.json();
    assert_eq!(list["worklist"][0]["bucket"], "acknowledged");
}
