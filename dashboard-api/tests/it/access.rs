//! Who may do what to whom: every route, every role, one's own patient and somebody else's.

use axum::body::Body;
use axum::http::{StatusCode, header};
use serde_json::json;
use vigie_dashboard_api::{Access, RouteInfo, route_list};
use vigie_store::staff::StaffRole;

use crate::world::{NOW, World};

/// A body that the route understands. A new route that takes one has to be added here, or this fails.
fn body(route: &RouteInfo, base: &str) -> (&'static str, String) {
    const JSON: &str = "application/json";
    const FORM: &str = "application/x-www-form-urlencoded";
    let limit = json!({ "kind": "limit", "vital": "pulse", "side": "low",
        "levels": [{ "threshold": { "/min": "45" }, "priority": "low" }] });
    match (route.method, route.path) {
        ("GET" | "DELETE", _) => ("", String::new()),
        ("POST", "/api/v1/session") => (JSON, json!({ "login": "nobody", "password": "x" }).to_string()),
        ("POST", "/api/v1/alerts/{id}/acknowledge") => ("", String::new()),
        ("POST", "/api/v1/alerts/{id}/resolve") => (JSON, json!({ "outcome": "known" }).to_string()),
        ("POST", "/api/v1/alerts/{id}/comment") => (JSON, json!({ "text": "seen" }).to_string()),
        ("POST", "/api/v1/alerts/{id}/assign") => (JSON, "{}".into()),
        ("PUT", "/api/v1/patients/{id}/rules/{rule}") => {
            (JSON, json!({ "spec": limit, "reason": "athlete" }).to_string())
        }
        ("POST", "/api/v1/patients/{id}/pauses") => {
            (JSON, json!({ "until": "2026-11-25T08:00:00Z", "reason": "journey" }).to_string())
        }
        ("POST", "/api/v1/patients/{id}/reports/{week}/corrections") => {
            (JSON, json!({ "reason": "late readings" }).to_string())
        }
        ("POST", "/api/v1/deliveries/{id}/send-again") => (JSON, "{}".into()),
        ("POST", "/patients/{id}/reports/{week}/corrections") => (FORM, "reason=late+readings".into()),
        ("POST", "/deliveries/{id}/send-again") => (FORM, String::new()),
        ("POST", "/api/v1/devices/{id}/commands") => {
            (JSON, json!({ "kind": "repeat_measure", "reason": "odd value" }).to_string())
        }
        ("POST", "/api/v1/devices/{id}/commands/{command}/cancel") => ("", String::new()),
        ("POST", "/api/v1/devices/{id}/readings") => (JSON, json!({ "readings": [] }).to_string()),
        ("POST", "/api/v1/device-certificates") => {
            (JSON, json!({ "device": "dev-1", "claim": "x", "request": "x" }).to_string())
        }
        ("POST", "/devices/{id}/commands") => (FORM, "kind=repeat_measure&reason=odd+value".into()),
        ("POST", "/devices/{id}/commands/{command}/cancel") => (FORM, String::new()),
        ("POST", "/login") => (FORM, "login=nobody&password=x".into()),
        ("POST", "/logout") => ("", String::new()),
        ("POST", "/language") => (FORM, "language=en&to=/".into()),
        ("POST", "/alerts/{id}/acknowledge") => (FORM, String::new()),
        ("POST", "/alerts/{id}/resolve") => (FORM, "outcome=known".into()),
        ("POST", "/alerts/{id}/comment") => (FORM, "text=seen".into()),
        ("POST", "/alerts/{id}/assign") => (FORM, format!("to={base}")),
        ("POST", "/patients/{id}/rules/{rule}") => {
            (FORM, "base_version=1&reason=athlete&level.0.%2Fmin=44".into())
        }
        ("POST", "/patients/{id}/pauses") => (FORM, "until=2026-11-25T08:00&reason=journey".into()),
        (method, path) => panic!("{method} {path} has no body in the access test"),
    }
}

fn is_for_programs(path: &str) -> bool {
    path.starts_with("/api/") || ["/openapi.json", "/healthz", "/readyz"].contains(&path)
}

async fn status(world: &World, route: &RouteInfo, role: Option<StaffRole>, who: usize) -> StatusCode {
    let staff = role.map(|role| world.of_role.iter().find(|(r, _)| *r == role).unwrap().1);
    // A fresh alert each time: what one role did must not stand in the way of the next.
    world.database.query("UPDATE alert SET state = 'resolved', resolved_at = now() WHERE state <> 'resolved'; DELETE FROM alert_evidence");
    let alert = world.open_alert(who).await;
    let id = if route.path.contains("/alerts/{id}") {
        alert.to_string()
    } else if route.path.contains("/practices/{id}") {
        world.database.value(&format!("SELECT id FROM practice WHERE name = 'Practice {}'", who + 1))
    } else if route.path.contains("/deliveries/{id}") {
        let of = world.people.patients[who];
        world.database.value(&format!(
            "SELECT id FROM report_delivery WHERE patient_id = '{of}' ORDER BY created_at LIMIT 1"
        ))
    } else if route.path.contains("/devices/{id}") {
        world.people.devices[who].to_string()
    } else {
        world.people.patients[who].to_string()
    };
    // Commands that earlier requests left waiting must not fill the queue; one is there to be cancelled.
    world.database.query(&format!(
        "UPDATE device_command SET state = 'done';
         INSERT INTO device_command (device_id, kind, reason, asked_by_name, asked_at, expires_at)
         VALUES ('{}', 'set_clock', 'x', 'x', '{NOW}', '{NOW}'::timestamptz + interval '1 hour')",
        world.people.devices[who]
    ));
    let command = world.database.value("SELECT max(id) FROM device_command");
    let path = route.path.replace("{command}", &command);
    let path = path.replace("{id}", &id).replace("{rule}", "pulse_low").replace("{name}", "vigie.css");
    let mut path = path.replace("{week}", "2026-W46");
    if path == "/api/v1/activity" {
        path.push_str("?month=2026-11");
    }
    let (kind, body) = body(route, &world.people.nurses[0].to_string());
    let mut request = world.request(staff, route.method, &path);
    if !kind.is_empty() {
        request = request.header(header::CONTENT_TYPE, kind);
    }
    world.send(request.body(Body::from(body)).unwrap()).await.status
}

#[tokio::test]
async fn every_route_admits_exactly_whom_it_says_and_shows_nobody_elses_patient() {
    let mut world = World::new().await;
    world.make_reports().await;
    let routes = route_list();
    assert!(routes.len() > 30);
    for route in &routes {
        // The stream never ends; it has tests of its own. Logging out would end the session used here.
        if ["/api/v1/events", "/logout"].contains(&route.path) || route.method == "DELETE" {
            continue;
        }
        let about_somebody = route.path.contains("{id}");
        let anonymous = status(&world, route, None, 0).await;
        let page =
            !is_for_programs(route.path) && route.method == "GET" && !route.path.starts_with("/fragments");
        if route.access == Access::Everybody {
            let refused = matches!(anonymous.as_u16(), 403 | 404 | 405 | 422 | 500);
            assert!(!refused, "{route:?} to everybody: {anonymous}");
        } else if page {
            assert_eq!(anonymous, 303, "{route:?} without a session");
        } else {
            assert_eq!(anonymous, 401, "{route:?} without a session");
        }
        if route.access == Access::Everybody {
            continue;
        }
        for role in StaffRole::ALL {
            let own = status(&world, route, Some(role), 0).await;
            if route.access == Access::Device {
                assert_eq!(own, 401, "{route:?} as {role:?}: a session is no device's secret");
                continue;
            }
            if route.access.admits(role) {
                // 409: the page's form was made from an older version of the rule; the report is on its way already.
                assert!(own.is_success() || own == 303 || own == 409, "{route:?} as {role:?}: {own}");
            } else {
                assert_eq!(own, 403, "{route:?} as {role:?}");
            }
            if about_somebody {
                let others = status(&world, route, Some(role), 1).await;
                let expected = if route.access.admits(role) { 404 } else { 403 };
                assert_eq!(others, expected, "{route:?} as {role:?} about somebody else's patient");
            }
        }
    }
    // Nothing was written about the other team's patient by all that.
    let other = world.people.patients[1];
    assert_eq!(
        world.database.value(&format!(
            "SELECT count(*) FROM device_command WHERE patient_id = '{other}' AND (asked_by IS NOT NULL OR cancelled_by IS NOT NULL)"
        )),
        "0"
    );
    assert_eq!(
        world.database.value(&format!(
            "SELECT count(*) FROM rule_version WHERE patient_id = '{other}' AND version > 1"
        )),
        "0"
    );
    assert_eq!(
        world.database.value(&format!("SELECT count(*) FROM pause WHERE patient_id = '{other}'")),
        "0"
    );
    assert_eq!(
        world.database.value(&format!(
            "SELECT count(*) FROM alert_event WHERE patient_id = '{other}' AND actor_id IS NOT NULL"
        )),
        "0"
    );
    world.of_role.clear();
}

#[tokio::test]
async fn on_one_connection_the_second_user_never_sees_what_the_first_may_see() {
    let world = World::with_connections(1).await;
    let alerts = [world.open_alert(0).await, world.open_alert(1).await];
    for _ in 0..10 {
        for (who, other) in [(0, 1), (1, 0)] {
            let nurse = world.people.nurses[who];
            let list = world.get(nurse, "/api/v1/patients").await.json();
            let ids: Vec<&str> =
                list["patients"].as_array().unwrap().iter().map(|p| p["id"].as_str().unwrap()).collect();
            assert_eq!(ids, [world.people.patients[who].to_string()]);
            let list = world.get(nurse, "/api/v1/alerts").await.json();
            let ids: Vec<&str> =
                list["alerts"].as_array().unwrap().iter().map(|a| a["id"].as_str().unwrap()).collect();
            assert_eq!(ids, [alerts[who].to_string()]);
            assert_eq!(world.get(nurse, &format!("/api/v1/alerts/{}", alerts[other])).await.status, 404);
            let audit = world.get(nurse, "/api/v1/audit").await.text;
            assert!(!audit.contains(&world.people.patients[other].to_string()));
        }
    }
}

#[tokio::test]
async fn the_dashboards_role_cannot_read_the_hash_of_a_devices_secret_nor_rewrite_what_an_alert_is_about() {
    let world = World::new().await;
    let may = |privilege: &str| world.database.value(&format!("SELECT {privilege}"));
    assert_eq!(may("has_column_privilege('vigie_dashboard', 'device', 'secret_hash', 'SELECT')"), "f");
    assert_eq!(may("has_column_privilege('vigie_dashboard', 'device', 'kind', 'SELECT')"), "t");
    assert_eq!(may("has_column_privilege('vigie_dashboard', 'alert', 'happened_at', 'UPDATE')"), "f");
    assert_eq!(may("has_column_privilege('vigie_dashboard', 'alert', 'state', 'UPDATE')"), "t");
    assert_eq!(may("has_table_privilege('vigie_dashboard', 'audit', 'UPDATE')"), "f");
}

#[tokio::test]
async fn the_description_names_every_route_of_the_api_and_no_other() {
    let world = World::new().await;
    let document =
        world.send(world.request(None, "GET", "/openapi.json").body(Body::empty()).unwrap()).await.json();
    let mut described: Vec<String> = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        described.extend(
            operations.as_object().unwrap().keys().map(|method| format!("{} {path}", method.to_uppercase())),
        );
    }
    let mut routes: Vec<String> = route_list()
        .iter()
        .filter(|route| is_for_programs(route.path))
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    described.sort();
    routes.sort();
    assert_eq!(described, routes);
}
