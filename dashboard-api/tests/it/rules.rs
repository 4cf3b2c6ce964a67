//! Limits are prescriptions: versions with an author and a reason, never a change of the past.

use serde_json::{Value, json};

use crate::world::World;

fn pulse_low(threshold: &str) -> Value {
    json!({ "kind": "limit", "vital": "pulse", "side": "low",
            "levels": [{ "threshold": { "/min": threshold }, "priority": "low" }] })
}

#[tokio::test]
async fn a_physician_prescribes_a_new_version_and_the_old_one_stays() {
    let world = World::new().await;
    let patient = world.people.patients[0];
    world.database.query("DELETE FROM judgement_queue");
    let path = format!("/api/v1/patients/{patient}/rules/pulse_low");
    let body = json!({ "spec": pulse_low("45"), "reason": "athlete" });
    let answer = world.call(world.people.physicians[0], "PUT", &path, &body).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (201, json!({ "rule": "pulse_low", "version": 2 })));
    let rules = world.get(world.people.nurses[0], &format!("/api/v1/patients/{patient}/rules")).await.json();
    let rule = rules["rules"].as_array().unwrap().iter().find(|r| r["rule"] == "pulse_low").unwrap();
    assert_eq!(
        (&rule["version"], &rule["author"], &rule["reason"]),
        (&json!(2), &json!("The physician 1"), &json!("athlete"))
    );
    assert_eq!(rule["versions"][0]["spec"]["levels"][0]["threshold"]["/min"], "50");
    assert_eq!(world.database.value("SELECT since = '2026-11-22T08:00:00Z' FROM judgement_queue"), "t");
    assert_eq!(world.database.value("SELECT kind FROM stream_event"), "rule_changed");
}

#[tokio::test]
async fn a_nurse_cannot_prescribe_not_even_past_the_handlers() {
    let world = World::new().await;
    let patient = world.people.patients[0];
    let path = format!("/api/v1/patients/{patient}/rules/pulse_low");
    let body = json!({ "spec": pulse_low("45"), "reason": "easier" });
    assert_eq!(world.call(world.people.nurses[0], "PUT", &path, &body).await.status, 403);
    // The database itself refuses.
    let insert = format!(
        "BEGIN; SET LOCAL ROLE vigie_dashboard; SELECT set_config('vigie.staff_id', '{}', true); \
         DO $$ BEGIN INSERT INTO rule_version (patient_id, rule, version, valid_from, recorded_at, author, reason, spec) \
         VALUES ('{patient}', 'pulse_low', 9, now(), now(), 'x', 'x', '{{}}'); RAISE 'inserted'; \
         EXCEPTION WHEN insufficient_privilege THEN NULL; END $$; COMMIT",
        world.people.nurses[0]
    );
    world.database.query(&insert);
    assert_eq!(world.database.value("SELECT count(*) FROM rule_version WHERE version > 1"), "0");
}

#[tokio::test]
async fn a_rule_that_would_protect_nobody_or_change_the_past_is_refused() {
    let world = World::new().await;
    let physician = world.people.physicians[0];
    let path = |rule: &str| format!("/api/v1/patients/{}/rules/{rule}", world.people.patients[0]);
    let good = pulse_low("45");
    let bodies = [
        ("pulse_low", json!({ "spec": good, "reason": " " })),
        ("pulse_low", json!({ "spec": good, "reason": "r", "valid_from": "2026-11-01T00:00:00Z" })),
        ("pulse_low", json!({ "spec": pulse_low("-1"), "reason": "r" })),
        (
            "pulse_low",
            json!({ "spec": { "kind": "limit", "vital": "pulse", "side": "low", "levels": [] }, "reason": "r" }),
        ),
        // A silence cannot be turned into something else, nor a rule into one of another vital sign.
        ("weight_silence", json!({ "spec": good, "reason": "r" })),
        ("spo2_low", json!({ "spec": good, "reason": "r" })),
        ("no_such_rule", json!({ "spec": good, "reason": "r" })),
    ];
    for (rule, body) in bodies {
        let answer = world.call(physician, "PUT", &path(rule), &body).await;
        assert_eq!(answer.status, 422, "{rule} {body}: {}", answer.text);
    }
    assert_eq!(world.database.value("SELECT count(*) FROM rule_version WHERE version > 1"), "0");
}

#[tokio::test]
async fn a_pause_needs_a_reason_and_an_end() {
    let world = World::new().await;
    let nurse = world.people.nurses[0];
    let path = format!("/api/v1/patients/{}/pauses", world.people.patients[0]);
    for body in [
        json!({ "until": "2026-11-22T07:00:00Z", "reason": "over already" }),
        json!({ "until": "2027-11-22T07:00:00Z", "reason": "a year" }),
        json!({ "until": "2026-11-25T07:00:00Z", "reason": "" }),
    ] {
        assert_eq!(world.post(nurse, &path, &body).await.status, 422, "{body}");
    }
    assert_eq!(world.post(nurse, &path, &json!({ "reason": "no end" })).await.status, 422);
    let body = json!({ "until": "2026-11-25T07:00:00Z", "reason": "hospital" });
    assert_eq!(world.post(nurse, &path, &body).await.status, 201);
    let patient = world.get(nurse, &format!("/api/v1/patients/{}", world.people.patients[0])).await.json();
    assert_eq!(
        (&patient["completeness"], &patient["pauses"][0]["author"]),
        (&json!("paused"), &json!("The nurse 1"))
    );
}
