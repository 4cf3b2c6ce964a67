//! Devices ask for certificates: with a claim that is good once, and with the certificate that they have.

use axum::Router;
use axum::body::Body;
use axum::http::header;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use vigie_dashboard_api::{App, IssuedCertificate, Issuer, IssuerError, Settings, router};
use vigie_store::certificates::{self, NewCertificate, NewClaim, Origin};
use vigie_store::devices::hash_secret;
use vigie_store::{Database, Role};
use vigie_testkit::logs;

use crate::world::{Answer, World};

const CLAIM: &str = "a-claim-of-43-letters";

/// Signs nothing: a request is "key:..." and its certificate the same with a number. What is asked of it is what is
/// tested here; X.509 is tested where it is done.
#[derive(Debug)]
struct Stamp;

fn number(text: &str) -> [u8; 32] {
    hash_secret(text.as_bytes())
}

impl Issuer for Stamp {
    fn check(&self, request: &str) -> Result<(), String> {
        if request.starts_with("key:") { Ok(()) } else { Err("the request is not in PEM".into()) }
    }

    fn proven(&self, request: &str, certificate: &str, signature: &[u8]) -> Result<Option<[u8; 32]>, String> {
        self.check(request)?;
        Ok((signature == b"signed").then(|| number(certificate)))
    }

    fn issue(&self, device: &str, request: &str, now: Timestamp) -> Result<IssuedCertificate, IssuerError> {
        if request == "key:broken" {
            return Err(IssuerError("ca.key: cannot be read".into()));
        }
        let pem = format!("{device} {request}");
        let fingerprint = number(&pem);
        let serial = fingerprint.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let expires_at = now + SignedDuration::from_hours(90 * 24);
        Ok(IssuedCertificate { pem, authority_pem: "root".into(), serial, fingerprint, expires_at })
    }
}

struct Counter {
    world: World,
    router: Router,
}

impl Counter {
    async fn open() -> Self {
        let world = World::new().await;
        let dashboard = Database::connect(world.database.url(), Role::Dashboard, 4).await.unwrap();
        let settings = Settings { issuer: Some(Arc::new(Stamp)), ..Settings::default() };
        let router = router(App::new(dashboard, world.clock.clone(), settings));
        Self { world, router }
    }

    async fn claim(&self, claim: &str, serial_number: Option<&str>) {
        let admin = Database::connect(self.world.database.url(), Role::Admin, 1).await.unwrap();
        let mut tx = admin.begin().await.unwrap();
        let now = self.world.clock.now();
        let new = NewClaim {
            hash: hash_secret(claim.as_bytes()),
            device: &self.world.people.devices[0],
            serial_number,
            created_at: now,
            expires_at: now + SignedDuration::from_hours(7 * 24),
        };
        certificates::add_claim(&mut tx, &new).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn ask(&self, body: &Json) -> Answer {
        let request = self
            .world
            .request(None, "POST", "/api/v1/device-certificates")
            .header(header::CONTENT_TYPE, "application/json");
        self.world.send_to(&self.router, request.body(Body::from(body.to_string())).unwrap()).await
    }

    fn trail(&self) -> Vec<String> {
        self.world
            .database
            .query("SELECT action || ' ' || actor FROM audit WHERE action LIKE 'device.%' ORDER BY id")
    }
}

#[tokio::test]
async fn a_claim_is_good_for_one_certificate_and_a_second_use_leaves_a_trace() {
    logs::expect("a claim was used a second time");
    let counter = Counter::open().await;
    counter.claim(CLAIM, None).await;
    let body = json!({ "device": "dev-1", "claim": CLAIM, "request": "key:1" });
    let answer = counter.ask(&body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let given = answer.json();
    assert_eq!((&given["certificate"], &given["ca"]), (&json!("dev-1 key:1"), &json!("root")));
    assert_eq!(given["expires_at"], "2027-02-20T08:00:00Z");
    let noted = counter
        .world
        .database
        .query("SELECT device_id || ' ' || origin || ' ' || serial FROM device_certificate");
    assert_eq!(noted, [format!("dev-1 claim {}", given["serial"].as_str().unwrap())]);
    assert_eq!(counter.trail(), ["device.certificate_issued dev-1"]);

    let answer = counter.ask(&body).await;
    assert_eq!(answer.status, 401);
    assert_eq!(counter.trail(), ["device.certificate_issued dev-1", "device.claim_reused dev-1"]);
    assert_eq!(counter.world.database.value("SELECT count(*) FROM device_certificate"), "1");
}

#[tokio::test]
async fn a_claim_is_for_its_device_its_serial_number_and_its_time() {
    let counter = Counter::open().await;
    counter.claim(CLAIM, Some("SN-1")).await;
    for body in [
        json!({ "device": "dev-2", "claim": CLAIM, "serial_number": "SN-1", "request": "key:1" }),
        json!({ "device": "dev-1", "claim": CLAIM, "serial_number": "SN-2", "request": "key:1" }),
        json!({ "device": "dev-1", "claim": CLAIM, "request": "key:1" }),
        json!({ "device": "dev-1", "claim": "guessed", "serial_number": "SN-1", "request": "key:1" }),
    ] {
        assert_eq!(counter.ask(&body).await.status, 401, "{body}");
    }
    assert!(counter.trail().iter().all(|line| line.starts_with("device.claim_refused")));
    let good = |claim: &str| json!({ "device": "dev-1", "claim": claim, "serial_number": "SN-1", "request": "key:1" });
    assert_eq!(counter.ask(&good(CLAIM)).await.status, 201);
    counter.claim("late", Some("SN-1")).await;
    counter.world.clock.set(counter.world.clock.now() + SignedDuration::from_hours(7 * 24));
    assert_eq!(counter.ask(&good("late")).await.status, 401, "expired");
}

#[tokio::test]
async fn a_request_that_is_wrong_does_not_use_up_the_claim_and_guessing_becomes_slow() {
    logs::expect("the certificate authority cannot sign");
    let counter = Counter::open().await;
    counter.claim(CLAIM, None).await;
    let ask = |request: &str| json!({ "device": "dev-1", "claim": CLAIM, "request": request });
    assert_eq!(counter.ask(&ask("nonsense")).await.status, 400);
    assert_eq!(counter.ask(&ask("key:broken")).await.status, 503);
    for _ in 0..2 {
        assert_eq!(
            counter.ask(&json!({ "device": "dev-1", "claim": "x", "request": "key:1" })).await.status,
            401
        );
    }
    assert_eq!(
        counter.ask(&json!({ "device": "dev-1", "claim": "x", "request": "key:1" })).await.status,
        401
    );
    let slowed = counter.ask(&ask("key:1")).await;
    assert_eq!((slowed.status.as_u16(), slowed.header("retry-after")), (429, "1"));
    counter.world.clock.set(counter.world.clock.now() + SignedDuration::from_secs(2));
    assert_eq!(counter.ask(&ask("key:1")).await.status, 201);
    for body in [
        json!({ "device": "dev-1", "request": "key:1" }),
        json!({ "device": "dev/1", "claim": CLAIM, "request": "key:1" }),
        json!({ "device": "dev-1", "claim": CLAIM, "certificate": "c", "signature": "", "request": "key:1" }),
        json!({ "device": "dev-1", "certificate": "c", "signature": "%", "request": "key:1" }),
    ] {
        assert_eq!(counter.ask(&body).await.status, 400, "{body}");
    }
}

#[tokio::test]
async fn a_certificate_renews_itself_while_the_old_one_stays_good() {
    let counter = Counter::open().await;
    counter.claim(CLAIM, None).await;
    let first = counter.ask(&json!({ "device": "dev-1", "claim": CLAIM, "request": "key:1" })).await.json();
    let renew = |device: &str, certificate: &Json, signature: &str, request: &str| json!({ "device": device, "certificate": certificate, "signature": signature, "request": request });
    // "signed" in base 64.
    let (signed, forged) = ("c2lnbmVk", "Zm9yZ2Vk");
    let certificate = &first["certificate"];
    for (body, what) in [
        (renew("dev-1", certificate, forged, "key:2"), "not signed by the key"),
        (renew("dev-2", certificate, signed, "key:2"), "of another device"),
        (renew("dev-1", &json!("dev-1 key:9"), signed, "key:2"), "not ours"),
    ] {
        assert_eq!(counter.ask(&body).await.status, 401, "{what}");
    }
    let second = counter.ask(&renew("dev-1", certificate, signed, "key:2")).await;
    assert_eq!(second.status, 201, "{}", second.text);
    assert_eq!(
        counter.world.database.value("SELECT count(*) FROM device_certificate WHERE revoked_at IS NULL"),
        "2"
    );
    for n in [3, 4] {
        let answer = counter.ask(&renew("dev-1", certificate, signed, &format!("key:{n}"))).await;
        assert_eq!(answer.status, 201);
    }
    assert_eq!(counter.ask(&renew("dev-1", certificate, signed, "key:5")).await.status, 409, "four are good");
    counter.world.database.query(&format!(
        "UPDATE device_certificate SET revoked_at = now() WHERE serial = '{}'",
        first["serial"].as_str().unwrap()
    ));
    assert_eq!(counter.ask(&renew("dev-1", certificate, signed, "key:6")).await.status, 401, "revoked");
    let second = &second.json()["certificate"];
    assert_eq!(counter.ask(&renew("dev-1", second, signed, "key:6")).await.status, 201);
    counter.world.clock.set(counter.world.clock.now() + SignedDuration::from_hours(90 * 24));
    assert_eq!(counter.ask(&renew("dev-1", second, signed, "key:7")).await.status, 401, "expired");
}

#[tokio::test]
async fn a_revoked_device_gets_no_certificate() {
    let counter = Counter::open().await;
    counter.claim(CLAIM, None).await;
    let admin = Database::connect(counter.world.database.url(), Role::Admin, 1).await.unwrap();
    let mut tx = admin.begin().await.unwrap();
    let device = &counter.world.people.devices[0];
    let now = counter.world.clock.now();
    let new = NewCertificate {
        fingerprint: number("dev-1 key:0"),
        serial: "0a",
        device,
        origin: Origin::Enrolment,
        issued_at: now,
        expires_at: now + SignedDuration::from_hours(24),
    };
    certificates::note(&mut tx, &new).await.unwrap();
    certificates::revoke_device(&mut tx, device, now).await.unwrap();
    tx.commit().await.unwrap();
    let first = json!({ "device": "dev-1", "claim": CLAIM, "request": "key:1" });
    assert_eq!(counter.ask(&first).await.status, 401);
    let next = json!({ "device": "dev-1", "certificate": "dev-1 key:0", "signature": "c2lnbmVk", "request": "key:1" });
    assert_eq!(counter.ask(&next).await.status, 401);
}

#[tokio::test]
async fn without_an_authority_devices_are_told_to_come_back() {
    let world = World::new().await;
    let request = world
        .request(None, "POST", "/api/v1/device-certificates")
        .header(header::CONTENT_TYPE, "application/json");
    let body = json!({ "device": "dev-1", "claim": CLAIM, "request": "key:1" });
    assert_eq!(world.send(request.body(Body::from(body.to_string())).unwrap()).await.status, 503);
}
