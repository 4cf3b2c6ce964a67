//! Sessions: opened by a password, limited in time, useless to other sites.

use axum::body::Body;
use axum::http::header;
use jiff::SignedDuration;
use serde_json::json;
use uuid::Uuid;
use vigie_dashboard_api::hash_password;
use vigie_store::staff::StaffRole;
use vigie_vitals::UserId;

use crate::world::{Answer, World};

const PASSWORD: &str = "une phrase assez longue";

async fn world_with_a_password() -> World {
    let world = World::new().await;
    let hash = hash_password(PASSWORD).unwrap();
    world.database.query(&format!("UPDATE staff SET password_hash = '{hash}' WHERE login = 'nurse1'"));
    world
}

async fn log_in(world: &World, login: &str, password: &str) -> Answer {
    let request =
        world.request(None, "POST", "/api/v1/session").header(header::CONTENT_TYPE, "application/json");
    world
        .send(request.body(Body::from(json!({ "login": login, "password": password }).to_string())).unwrap())
        .await
}

/// Logs in as a browser does and returns the cookie.
async fn cookie(world: &World) -> String {
    let request = world
        .request(None, "POST", "/login")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "same-origin");
    let body = format!("login=nurse1&password={}&next=%2Fpatients", PASSWORD.replace(' ', "+"));
    let answer = world.send(request.body(Body::from(body)).unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/patients"));
    let set = answer.header("set-cookie");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(set.contains(part), "{set}");
    }
    set.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_program_logs_in_works_and_logs_out() {
    let world = world_with_a_password().await;
    let answer = log_in(&world, "nurse1", PASSWORD).await;
    assert_eq!(answer.status, 201);
    let body = answer.json();
    assert_eq!(
        (&body["user"]["role"], &body["expires_at"]),
        (&json!("nurse"), &json!("2026-11-22T20:00:00Z"))
    );
    let token = format!("Bearer {}", body["token"].as_str().unwrap());
    let with_token = |method: &str, path: &str| {
        world.request(None, method, path).header(header::AUTHORIZATION, &token).body(Body::empty()).unwrap()
    };
    assert_eq!(world.send(with_token("GET", "/api/v1/worklist")).await.status, 200);
    assert_eq!(world.send(with_token("DELETE", "/api/v1/session")).await.status, 204);
    assert_eq!(world.send(with_token("GET", "/api/v1/worklist")).await.status, 401);
    // The token itself is nowhere in the database.
    assert_eq!(
        world.database.value("SELECT count(*) FROM staff_session WHERE length(token_hash) <> 32"),
        "0"
    );
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_login_get_the_same_answer() {
    let world = world_with_a_password().await;
    let (wrong, unknown) = (log_in(&world, "nurse1", "x").await, log_in(&world, "nobody", "x").await);
    assert_eq!((wrong.status.as_u16(), unknown.status.as_u16()), (401, 401));
    let told = |answer: &Answer| {
        (answer.json()["type"].clone(), answer.json()["title"].clone(), answer.json()["detail"].clone())
    };
    assert_eq!(told(&wrong), told(&unknown));
}

#[tokio::test]
async fn guessing_is_slowed_down_also_for_logins_that_do_not_exist_and_time_heals() {
    let world = world_with_a_password().await;
    for login in ["nurse1", "nobody"] {
        for _ in 0..5 {
            assert_eq!(log_in(&world, login, "guess").await.status, 401);
        }
        let slowed = log_in(&world, login, PASSWORD).await;
        assert_eq!((slowed.status.as_u16(), slowed.header("retry-after")), (429, "1"));
    }
    world.clock.set(world.clock.now() + SignedDuration::from_secs(2));
    assert_eq!(log_in(&world, "nurse1", PASSWORD).await.status, 201);
    assert_eq!(world.database.value("SELECT count(*) FROM login_failure WHERE login = 'nurse1'"), "0");
}

#[tokio::test]
async fn many_guesses_at_the_same_moment_are_as_many_failures() {
    let world = world_with_a_password().await;
    let guesses = futures_util::future::join_all((0..12).map(|_| log_in(&world, "nurse1", "guess"))).await;
    let tried = guesses.iter().filter(|answer| answer.status == 401).count();
    assert_eq!(tried, 5, "the others were told to wait");
}

#[tokio::test]
async fn a_cookie_ends_when_idle_and_after_a_day_and_a_bearer_token_does_not_idle() {
    let world = world_with_a_password().await;
    let cookie = cookie(&world).await;
    let page = |path: &str| {
        world.request(None, "GET", path).header(header::COOKIE, &cookie).body(Body::empty()).unwrap()
    };
    let begun = world.clock.now();
    for minutes in [25, 50, 75] {
        world.clock.set(begun + SignedDuration::from_mins(minutes));
        assert_eq!(world.send(page("/")).await.status, 200, "used every 25 minutes");
    }
    // What the page fetches by itself does not keep it alive.
    world.clock.set(begun + SignedDuration::from_mins(100));
    let row = format!("/fragments/worklist-row/{}", world.people.patients[0]);
    assert_eq!(world.send(page(&row)).await.status, 204);
    world.clock.set(begun + SignedDuration::from_mins(106));
    assert_eq!(world.send(page("/")).await.status, 303, "idle for more than half an hour");
    assert_eq!(world.send(page(&row)).await.status, 401);
    assert_eq!(
        world.get(world.people.nurses[0], "/api/v1/worklist").await.status,
        200,
        "a program may be quiet"
    );
    world.clock.set(begun + SignedDuration::from_hours(13));
    assert_eq!(world.get(world.people.nurses[0], "/api/v1/worklist").await.status, 401);
}

#[tokio::test]
async fn a_disabled_account_is_out_at_once() {
    let world = world_with_a_password().await;
    let cookie = cookie(&world).await;
    world.database.query("UPDATE staff SET disabled_at = now() WHERE login = 'nurse1'");
    let request = world.request(None, "GET", "/api/v1/worklist").header(header::COOKIE, &cookie);
    assert_eq!(world.send(request.body(Body::empty()).unwrap()).await.status, 401);
    assert_eq!(log_in(&world, "nurse1", PASSWORD).await.status, 401);
}

#[tokio::test]
async fn another_site_cannot_act_with_the_cookie_of_a_browser() {
    let world = world_with_a_password().await;
    let cookie = cookie(&world).await;
    let alert = world.open_alert(0).await;
    let path = format!("/api/v1/alerts/{alert}/acknowledge");
    for (name, value, status) in [
        ("sec-fetch-site", "cross-site", 403),
        ("sec-fetch-site", "same-site", 403),
        ("origin", "https://evil.example", 403),
        ("x-nothing", "said", 403),
        ("sec-fetch-site", "same-origin", 200),
    ] {
        let request = world
            .request(None, "POST", &path)
            .header(header::COOKIE, &cookie)
            .header(header::HOST, "vigie.example")
            .header(name, value);
        assert_eq!(
            world.send(request.body(Body::empty()).unwrap()).await.status.as_u16(),
            status,
            "{name}: {value}"
        );
    }
}

#[tokio::test]
async fn every_attempt_is_in_the_audit_trail() {
    let world = world_with_a_password().await;
    log_in(&world, "nurse1", "x").await;
    log_in(&world, "nurse1", PASSWORD).await;
    log_in(&world, "no\nbody", "x").await;
    let trail = world.database.query(
        "SELECT actor, action FROM audit WHERE action LIKE 'session.%' AND actor = 'nurse1' ORDER BY id",
    );
    assert_eq!(trail, ["nurse1|session.refused", "nurse1|session.open"]);
    assert_eq!(
        world.database.value("SELECT count(*) FROM audit WHERE actor LIKE 'no%' AND actor_id IS NULL"),
        "1"
    );
}

#[tokio::test]
async fn a_technician_gets_a_page_without_patients() {
    let world = World::new().await;
    world.staff(UserId(Uuid::from_u128(77)), StaffRole::Nurse, "!").await;
    let technician = world.of_role.iter().find(|(role, _)| *role == StaffRole::Technician).unwrap().1;
    let page = world.get(technician, "/").await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("Aucun patient à afficher"));
}
