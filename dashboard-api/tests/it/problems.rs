//! What goes wrong is said in a form that programs and people understand.

use axum::body::Body;
use axum::http::header;

use crate::world::World;

#[tokio::test]
async fn problems_are_documents_with_the_id_of_the_request() {
    let world = World::new().await;
    let nurse = world.people.nurses[0];
    for (path, status) in [
        ("/api/v1/alerts/00000000-0000-0000-0000-000000000000", 404),
        ("/api/v1/alerts/not-an-id", 404),
        ("/api/v1/alerts?state=closed", 400),
        ("/api/v1/alerts?cursor=zz", 400),
        ("/api/v1/patients/x", 404),
        ("/api/v1/events?after=first", 400),
        ("/api/v1/nothing", 404),
    ] {
        let answer = world.get(nurse, path).await;
        let problem = answer.json();
        assert_eq!(
            (answer.status.as_u16(), problem["status"].as_u64()),
            (status, Some(u64::from(status))),
            "{path}"
        );
        assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
        assert_eq!(answer.header("x-request-id"), problem["request_id"], "{path}");
        assert!(problem["type"].as_str().unwrap().starts_with("urn:vigie:problem:"));
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn without_a_session_programs_learn_how_to_log_in() {
    let world = World::new().await;
    let answer = world.send(world.request(None, "GET", "/api/v1/alerts").body(Body::empty()).unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.header("www-authenticate")), (401, "Bearer"));
}

#[tokio::test]
async fn broken_json_and_unknown_fields_are_refused() {
    let world = World::new().await;
    let path = format!("/api/v1/patients/{}/pauses", world.people.patients[0]);
    for (body, status) in
        [("{", 400), (r#"{"until":"2026-11-25T07:00:00Z","reason":"r","off":true}"#, 422), ("[]", 422)]
    {
        let request = world
            .request(Some(world.people.nurses[0]), "POST", &path)
            .header(header::CONTENT_TYPE, "application/json");
        let answer = world.send(request.body(Body::from(body)).unwrap()).await;
        assert_eq!(answer.status.as_u16(), status, "{body}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
}

#[tokio::test]
async fn a_body_of_a_megabyte_is_refused() {
    let world = World::new().await;
    let request =
        world.request(None, "POST", "/api/v1/session").header(header::CONTENT_TYPE, "application/json");
    let body = format!(r#"{{"login":"{}","password":"x"}}"#, "a".repeat(1_000_000));
    assert_eq!(world.send(request.body(Body::from(body)).unwrap()).await.status, 413);
}

#[tokio::test]
async fn a_method_that_does_not_exist_is_told_with_those_that_do() {
    let world = World::new().await;
    let answer =
        world.send(world.request(None, "PATCH", "/api/v1/alerts").body(Body::empty()).unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "GET,HEAD"));
    assert_eq!(answer.header("content-type"), "application/problem+json");
}

#[tokio::test]
async fn people_get_a_page_in_their_language() {
    let world = World::new().await;
    let request = world
        .request(Some(world.people.nurses[0]), "GET", "/patients/00000000-0000-0000-0000-000000000000")
        .header("accept-language", "en");
    let answer = world.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (404, "text/html; charset=utf-8"));
    assert!(answer.text.contains("This page does not exist, or you have no access to it."));
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let world = World::new().await;
    for path in ["/login", "/healthz", "/assets/vigie.css", "/nothing"] {
        let answer = world.send(world.request(None, "GET", path).body(Body::empty()).unwrap()).await;
        let policy = answer.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe"));
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
}
