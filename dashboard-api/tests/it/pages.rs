//! The pages as HTML: what is on them, in both languages, and that forms work without scripts.

use axum::body::Body;
use axum::http::header;
use vigie_vitals::{Unit, Vital};

use crate::world::{Answer, World};

async fn page(world: &World, path: &str, language: &str) -> Answer {
    let request = world
        .request(Some(world.people.physicians[0]), "GET", path)
        .header(header::COOKIE, format!("vigie_lang={language}"));
    let answer = world.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    answer
}

async fn submit(world: &World, path: &str, body: &str) -> Answer {
    let request = world
        .request(Some(world.people.physicians[0]), "POST", path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    world.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

#[tokio::test]
async fn the_worklist_shows_reason_priority_word_and_both_times_in_both_languages() {
    let world = World::new().await;
    world.open_alert(0).await;
    let french = page(&world, "/", "fr").await.text;
    for text in [
        "Haute",
        "TEST",
        "Glycémie 0,52 g/L (limite 0,54)",
        "20/11 à 02:10",
        "22/11 à 08:05",
        "reçu en retard",
        "appelez le 15",
        "lang=\"fr\"",
    ] {
        assert!(french.contains(text), "{text}");
    }
    let english = page(&world, "/", "en").await.text;
    for text in ["High", "Glucose 0.52 g/L (limit 0.54)", "20 Nov at 02:10", "received late", "lang=\"en\""] {
        assert!(english.contains(text), "{text}");
    }
    assert!(
        !french.contains("style=\"") && !french.contains("onclick"),
        "the content security policy would refuse it"
    );
}

#[tokio::test]
async fn a_row_is_rendered_alone_and_is_gone_when_the_work_is_done() {
    let world = World::new().await;
    let alert = world.open_alert(0).await;
    let path = format!("/fragments/worklist-row/{}", world.people.patients[0]);
    let row = page(&world, &path, "fr").await.text;
    assert!(row.trim_start().starts_with("<tr id=\"p-") && row.contains("data-bucket=\"now\""));
    let answer = submit(&world, &format!("/alerts/{alert}/resolve"), "outcome=known&back=/").await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/"));
    assert_eq!(world.get(world.people.nurses[0], &path).await.status, 204);
}

#[tokio::test]
async fn the_patient_page_has_charts_tables_limits_and_what_was_done() {
    let world = World::new().await;
    world
        .readings(
            0,
            &[
                (Vital::Glucose, "1.10", Unit::GramPerLitre, "2026-11-19T07:00:00Z", "2026-11-19T07:00:03Z"),
                (Vital::Glucose, "0.52", Unit::GramPerLitre, "2026-11-20T01:10:00Z", "2026-11-22T07:05:00Z"),
                (
                    Vital::Systolic,
                    "128",
                    Unit::MillimetreOfMercury,
                    "2026-11-21T07:00:00Z",
                    "2026-11-21T07:00:03Z",
                ),
                (Vital::Inr, "2.4", Unit::Inr, "2026-10-21T07:00:00Z", "2026-10-21T07:00:03Z"),
            ],
        )
        .await;
    let alert = world.open_alert(0).await;
    submit(&world, &format!("/alerts/{alert}/comment"), "text=no+answer+at+8").await;
    let path = format!("/patients/{}", world.people.patients[0]);
    let html = page(&world, &path, "fr").await.text;
    for text in [
        "role=\"img\"",
        "Glycémie",
        "2 mesures, dernière 0,52",
        "class=\"dot late\"",
        "128 mmHg",
        "no answer at 8",
        "2,4",
        "Glycémie : limite basse",
        "&lt; 0,70 g/L",
        "parcours «\u{a0}Diabète\u{a0}»",
        "dev-1",
        "Prescrire cette version",
    ] {
        assert!(html.replace("&#60;", "&lt;").replace("\u{a0}:", " :").contains(text), "{text}");
    }
    for days in [7, 30, 90, 12] {
        page(&world, &format!("{path}?days={days}"), "en").await;
    }
}

#[tokio::test]
async fn names_are_text_and_never_markup() {
    let world = World::new().await;
    world
        .database
        .query("UPDATE patient SET family_name = '<script>alert(1)</script>', given_name = '\"onload=\"'");
    world.open_alert(0).await;
    for path in ["/".to_owned(), "/patients".into(), format!("/patients/{}", world.people.patients[0])] {
        let html = page(&world, &path, "fr").await.text;
        assert!(!html.to_lowercase().contains("<script>alert") && !html.contains("\"onload="), "{path}");
    }
}

#[tokio::test]
async fn a_limit_is_changed_by_a_form_and_a_form_made_from_an_older_version_is_refused() {
    let world = World::new().await;
    let path = format!("/patients/{}/rules/glucose_low", world.people.patients[0]);
    let fields = "level.1.g%2FL=0%2C50&level.1.mg%2FdL=50&level.1.mmol%2FL=2%2C8&reason=stable&base_version=1&back=/patients";
    let answer = submit(&world, &path, fields).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/patients"), "{}", answer.text);
    let stored = "SELECT spec #>> '{levels,1,threshold,g/L}' FROM rule_version WHERE rule = 'glucose_low' AND version = 2";
    assert_eq!(world.database.value(stored), "0.50");
    assert_eq!(submit(&world, &path, fields).await.status, 409, "made from version 1");
    assert_eq!(submit(&world, &path, "level.1.g%2FL=abc&reason=r&base_version=2").await.status, 422);
    assert_eq!(
        submit(&world, &path, "level.1.g%2FL=0.30&reason=r&base_version=2").await.status,
        422,
        "units disagree"
    );
}

#[tokio::test]
async fn a_pause_is_entered_in_the_patients_own_time() {
    let world = World::new().await;
    let path = format!("/patients/{}/pauses", world.people.patients[0]);
    assert_eq!(submit(&world, &path, "until=2026-11-25T08:00&reason=journey").await.status, 303);
    assert_eq!(world.database.value("SELECT until_at = '2026-11-25T07:00:00Z' FROM pause"), "t");
}

#[tokio::test]
async fn the_language_is_kept_and_the_way_back_never_leaves_the_site() {
    let world = World::new().await;
    let answer = submit(&world, "/language", "language=en&to=https://evil.example").await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/"));
    assert!(answer.header("set-cookie").starts_with("vigie_lang=en;"));
    assert_eq!(submit(&world, "/language", "language=de").await.status, 400);
}

#[tokio::test]
async fn all_patients_tells_no_alert_with_data_from_no_alert_without() {
    let world = World::new().await;
    let html = page(&world, "/patients", "en").await.text;
    assert!(html.contains("No alert, but") && html.contains("standing missing"));
    world.database.query("DELETE FROM judgement_queue; DELETE FROM rule_version WHERE false");
    world
        .readings(
            0,
            &[
                (Vital::Glucose, "1.10", Unit::GramPerLitre, "2026-11-22T07:00:00Z", "2026-11-22T07:00:03Z"),
                (
                    Vital::GlucoseInterstitial,
                    "1.10",
                    Unit::GramPerLitre,
                    "2026-11-22T07:00:00Z",
                    "2026-11-22T07:00:03Z",
                ),
                (Vital::Weight, "80.0", Unit::Kilogram, "2026-11-22T07:00:00Z", "2026-11-22T07:00:03Z"),
                (Vital::Inr, "2.5", Unit::Inr, "2026-11-20T07:00:00Z", "2026-11-20T07:00:03Z"),
            ],
        )
        .await;
    assert!(page(&world, "/patients", "en").await.text.contains("No alert, data complete"));
}
