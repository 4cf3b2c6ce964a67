//! The pages about devices: what each role reads there, in both languages, and what its forms do.

use axum::body::Body;
use axum::http::header;
use vigie_store::staff::StaffRole;
use vigie_vitals::UserId;

use crate::world::{Answer, NOW, World};

const PAGE: &str = "/devices/dev-1";

async fn page(world: &World, staff: UserId, path: &str, language: &str) -> Answer {
    let request =
        world.request(Some(staff), "GET", path).header(header::COOKIE, format!("vigie_lang={language}"));
    world.send(request.body(Body::empty()).unwrap()).await
}

async fn submit(world: &World, staff: UserId, path: &str, form: &str) -> Answer {
    let request = world
        .request(Some(staff), "POST", path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    world.send(request.body(Body::from(form.to_owned())).unwrap()).await
}

fn of_role(world: &World, role: StaffRole) -> UserId {
    world.of_role.iter().find(|(of, _)| *of == role).unwrap().1
}

/// A glucose meter that lost readings, whose clock is fast, with a certificate.
async fn world() -> World {
    let world = World::new().await;
    world.database.query(&format!(
        "UPDATE device SET kind = 'glucometer';
         INSERT INTO device_status VALUES ('dev-1', 'online', 12, '1.4.2', '2026-11-22T08:42:00+01:00', 3, '2026-11-22T07:30:00Z');
         INSERT INTO ledger VALUES ('dev-1', 1, '{{[1,5)}}'), ('dev-1', 2, '{{[1,17),[20,23),[24,41)}}'), ('dev-2', 1, '{{[5,9)}}');
         INSERT INTO device_certificate VALUES
             (decode(repeat('ab', 32), 'hex'), '0a0b', 'dev-1', 'renewal', '2026-11-01T00:00:00Z', '2027-02-01T00:00:00Z', NULL),
             (decode(repeat('cd', 32), 'hex'), '0c0d', 'dev-1', 'claim', '2026-08-01T00:00:00Z', '2026-11-01T00:00:00Z', NULL),
             (decode(repeat('ef', 32), 'hex'), '0e0f', 'dev-2', 'claim', '{NOW}', '2027-02-01T00:00:00Z', NULL)"
    ));
    world
}

fn has_all(html: &str, texts: &[&str]) {
    let html = html.replace(['\u{a0}', '\u{202f}'], " ");
    for text in texts {
        assert!(html.contains(text), "{text} is not in {html}");
    }
}

#[tokio::test]
async fn a_nurse_reads_what_a_device_says_what_never_arrived_and_its_certificates_in_both_languages() {
    let world = world().await;
    let nurse = world.people.nurses[0];
    let french = page(&world, nurse, PAGE, "fr").await;
    assert_eq!(french.status, 200, "{}", french.text);
    has_all(
        &french.text,
        &[
            "Lecteur de glycémie",
            "Détenu par",
            "TEST",
            "connecté",
            "12 %",
            "faible",
            "22/11 à 08:30",
            "en avance de 12 min",
            "1.4.2",
            "4 mesures ne sont jamais arrivées",
            "17 à 19, 23",
            "Rien ne manque",
            "valable",
            "échu",
            "0a0b",
            "value=\"17\"",
            "Afficher un message",
        ],
    );
    let english = page(&world, nurse, PAGE, "en").await.text;
    has_all(
        &english,
        &[
            "Glucose meter",
            "12 min fast",
            "4 readings never arrived",
            "17 to 19, 23",
            "Send readings again",
            "renewal",
        ],
    );
    for html in [&french.text, &english] {
        assert!(!html.contains("0e0f"), "nothing of another device");
        assert!(!html.contains("<script") && !html.contains("style=\"") && !html.contains("onclick"));
    }
    let trail = "SELECT count(*) FROM audit WHERE action = 'device.read' AND detail = 'dev-1' AND patient_id IS NOT NULL";
    assert_eq!(world.database.value(trail), "2", "each look is in the trail");
    // From the patient's page there is a way here; from another team's there is none.
    let patient = format!("/patients/{}", world.people.patients[0]);
    has_all(&page(&world, nurse, &patient, "fr").await.text, &["href=\"/devices/dev-1\""]);
    for path in ["/devices/dev-2", "/devices/nobody", "/devices/%27%3B--"] {
        assert_eq!(page(&world, nurse, path, "fr").await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn the_list_shows_ones_own_devices_and_those_with_gaps() {
    let world = world().await;
    let list = page(&world, world.people.nurses[0], "/devices", "fr").await.text;
    has_all(&list, &["dev-1", "TEST", "4 mesures ne sont jamais arrivées", "batterie 12 %"]);
    assert!(!list.contains("dev-2"));
    world.database.query("UPDATE ledger SET received = '{[1,41)}' WHERE device_id = 'dev-1'");
    let list = page(&world, world.people.nurses[0], "/devices?gaps=true", "en").await.text;
    has_all(&list, &["Nothing is missing"]);
    assert!(!list.contains("dev-1"));
    // A technician's way begins here, without people.
    let technician = of_role(&world, StaffRole::Technician);
    has_all(&page(&world, technician, "/", "fr").await.text, &["href=\"/devices\""]);
    let list = page(&world, technician, "/devices", "fr").await.text;
    has_all(&list, &["dev-1"]);
    assert!(!list.contains("/patients/") && !list.contains("TEST"), "{list}");
}

#[tokio::test]
async fn each_role_finds_the_forms_that_it_may_use_and_no_other() {
    let world = world().await;
    for (role, kinds) in [
        (StaffRole::Nurse, &["set_clock", "repeat_measure", "send_again", "show_message"][..]),
        (StaffRole::Technician, &["set_clock", "repeat_measure", "send_again"]),
        (StaffRole::Physician, &[]),
        (StaffRole::Coordinator, &[]),
    ] {
        let answer = page(&world, of_role(&world, role), PAGE, "fr").await;
        assert_eq!(answer.status, 200, "{role:?}");
        let offered: Vec<&str> = answer
            .text
            .split("name=\"kind\" value=\"")
            .skip(1)
            .filter_map(|it| it.split('"').next())
            .collect();
        assert_eq!(offered, kinds, "{role:?}");
        let says_why = answer.text.contains("Votre rôle voit les demandes");
        assert_eq!(says_why, kinds.is_empty(), "{role:?}");
        let sees_person = answer.text.contains("/patients/");
        assert_eq!(sees_person, role != StaffRole::Technician, "{role:?}");
    }
    assert_eq!(page(&world, of_role(&world, StaffRole::Administrator), PAGE, "fr").await.status, 403);
    world.database.query(&format!("UPDATE device SET revoked_at = '{NOW}' WHERE id = 'dev-1'"));
    let nurse = world.people.nurses[0];
    let revoked = page(&world, nurse, PAGE, "fr").await.text;
    has_all(&revoked, &["Révoqué le 22/11 à 09:00"]);
    assert!(!revoked.contains("<details id=\"ask-"), "nothing is asked of a revoked device");
    let path = format!("{PAGE}/commands");
    assert_eq!(submit(&world, nurse, &path, "kind=set_clock&reason=x").await.status, 409);
}

#[tokio::test]
async fn the_forms_ask_as_the_api_does_and_show_what_became_of_it() {
    let world = world().await;
    let (nurse, technician) = (world.people.nurses[0], of_role(&world, StaffRole::Technician));
    let path = format!("{PAGE}/commands");
    for (staff, form, expected) in [
        (nurse, "kind=send_again&from_sequence=17&reason=never+arrived", 303),
        (nurse, "kind=show_message&message=%3Cb%3EBonjour&reason=new+meter", 303),
        (technician, "kind=set_clock&from_sequence=&reason=fast", 303),
        (technician, "kind=show_message&message=Bonjour&reason=x", 403),
        (nurse, "kind=send_again&from_sequence=many&reason=x", 422),
        (nurse, "kind=send_again&reason=x", 422),
        (nurse, "kind=repeat_measure&reason=+", 422),
        (nurse, "kind=explode&reason=x", 422),
        (of_role(&world, StaffRole::Physician), "kind=repeat_measure&reason=x", 403),
        (world.people.nurses[1], "kind=repeat_measure&reason=x", 404),
    ] {
        let answer = submit(&world, staff, &path, form).await;
        assert_eq!(answer.status, expected, "{form}: {}", answer.text);
        if expected == 303 {
            assert_eq!(answer.header("location"), "/devices/dev-1#commands");
        }
    }
    assert_eq!(world.database.value("SELECT count(*) FROM device_command"), "3");
    let trail = "SELECT count(*) FROM audit WHERE action = 'device.command' AND detail LIKE 'dev-1 %'";
    assert_eq!(world.database.value(trail), "3");
    world.database.query(&format!(
        "UPDATE device_command SET state = 'delivered', delivered_at = '{NOW}' WHERE kind = 'send_again'"
    ));
    let html = page(&world, nurse, PAGE, "fr").await.text;
    has_all(
        &html,
        &[
            "Renvoyer les mesures depuis le numéro 17",
            "never arrived",
            "remis le 22/11 à 09:00",
            "attend jusqu’au 23/11 à 09:00",
            "&#60;b&#62;Bonjour",
            "The nurse 1",
            "A technician",
        ],
    );
    let other = page(&world, technician, PAGE, "fr").await.text;
    assert!(!other.contains("Bonjour"), "messages to patients are not for technicians");

    let id = world.database.value("SELECT id FROM device_command WHERE kind = 'set_clock'");
    assert!(html.contains(&format!("{path}/{id}/cancel")));
    assert_eq!(submit(&world, nurse, &format!("{path}/{id}/cancel"), "").await.status, 303);
    assert_eq!(submit(&world, nurse, &format!("{path}/{id}/cancel"), "").await.status, 409);
    has_all(&page(&world, nurse, PAGE, "en").await.text, &["cancelled", "by The nurse 1"]);
    // What another site makes a browser send does nothing.
    let request = world
        .request(Some(nurse), "POST", &path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let (mut parts, body) = request.body(Body::from("kind=repeat_measure&reason=x")).unwrap().into_parts();
    parts.headers.remove(header::AUTHORIZATION);
    parts.headers.insert(header::COOKIE, format!("vigie_session={}", world.token_of(nurse)).parse().unwrap());
    parts.headers.insert("sec-fetch-site", "cross-site".parse().unwrap());
    let answer = world.send(axum::http::Request::from_parts(parts, body)).await;
    assert_eq!(answer.status, 403);
    assert_eq!(world.database.value("SELECT count(*) FROM device_command"), "3");
}
