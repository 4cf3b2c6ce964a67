//! The door for gateways without MQTT: who may knock, how many at once, and what is told when it is not known whether
//! a batch was stored. What becomes of readings behind it is tested with the real ingest, in `e2e`.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::{Notify, Semaphore};
use vigie_dashboard_api::{
    App, Intake, IntakeLimits, IntakeUnavailable, Pending, ReadingIntake, SentBatch, Settings, TakenBatch,
    router,
};
use vigie_store::{Database, Role};

use crate::world::{Answer, World};

/// Stores when it is let: each batch waits for a permit of `stores`.
#[derive(Debug)]
struct Shelf {
    stores: Arc<Semaphore>,
    checks: Arc<Semaphore>,
    came: Arc<Notify>,
    stored: Arc<Mutex<Vec<SentBatch>>>,
}

impl Shelf {
    /// Has room for so many batches, and answers so many log-ins.
    fn with_room_for(batches: usize, log_ins: usize) -> Arc<Self> {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Arc::new(Self {
            stores: semaphore(batches),
            checks: semaphore(log_ins),
            came: Arc::default(),
            stored: Arc::default(),
        })
    }
}

impl ReadingIntake for Shelf {
    fn reads(&self, content_type: &str) -> bool {
        content_type == "application/json"
    }

    fn payload_bytes_max(&self) -> usize {
        100_000
    }

    fn admits(&self, device: &str, secret: &[u8]) -> Pending<Result<bool, IntakeUnavailable>> {
        let (admitted, away) = (secret == b"right:secret", device == "dev-of-nowhere");
        let checks = Arc::clone(&self.checks);
        Box::pin(async move {
            checks.acquire().await.unwrap().forget();
            if away { Err(IntakeUnavailable) } else { Ok(admitted) }
        })
    }

    fn take(&self, sent: SentBatch) -> Pending<Option<TakenBatch>> {
        let (stores, stored, came) =
            (Arc::clone(&self.stores), Arc::clone(&self.stored), Arc::clone(&self.came));
        Box::pin(async move {
            came.notify_one();
            stores.acquire().await.ok()?.forget();
            let taken = sent.payload != "bad";
            stored.lock().unwrap().push(sent);
            Some(TakenBatch { taken, receipt: Bytes::from_static(b"{}"), content_type: "application/json" })
        })
    }
}

struct Door {
    world: World,
    router: Router,
}

impl Door {
    async fn of(shelf: &Arc<Shelf>, limits: IntakeLimits) -> Self {
        let world = World::new().await;
        let dashboard = Database::connect(world.database.url(), Role::Dashboard, 2).await.unwrap();
        let intake = Intake::new(Arc::clone(shelf) as Arc<dyn ReadingIntake>, limits);
        let settings = Settings { intake: Some(intake), ..Settings::default() };
        let router = router(App::new(dashboard, world.clock.clone(), settings));
        Self { world, router }
    }

    fn request(&self, device: &str) -> axum::http::request::Builder {
        self.world
            .request(None, "POST", &format!("/api/v1/devices/{device}/readings"))
            .header(header::CONTENT_TYPE, "application/json")
    }

    async fn send(&self, device: &str, body: impl Into<Body>) -> Answer {
        let request = self.request(device).header(header::AUTHORIZATION, basic(device, "right:secret"));
        self.world.send_to(&self.router, request.body(body.into()).unwrap()).await
    }

    /// The same while the test goes on.
    fn sending(&self, device: &str) -> tokio::task::JoinHandle<axum::http::StatusCode> {
        let request = self.request(device).header(header::AUTHORIZATION, basic(device, "right:secret"));
        let (request, router) = (request.body(Body::from("{}")).unwrap(), self.router.clone());
        tokio::spawn(async move { tower::ServiceExt::oneshot(router, request).await.unwrap().status() })
    }
}

fn basic(device: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{device}:{secret}")))
}

fn problem(answer: &Answer) -> String {
    assert_eq!(answer.header("content-type"), "application/problem+json", "{}", answer.text);
    answer.json()["type"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn only_the_device_of_the_path_with_its_secret_is_admitted_and_nobody_else_is_asked_about() {
    let shelf = Shelf::with_room_for(10, 2);
    let door = Door::of(&shelf, IntakeLimits::default()).await;
    let session = format!("Bearer {}", door.world.token_of(door.world.people.nurses[0]));
    for (what, authorization) in [
        ("nothing", None),
        ("a session", Some(session)),
        ("another device", Some(basic("dev-2", "right:secret"))),
        ("no colon", Some(format!("Basic {}", STANDARD.encode("dev-1")))),
        ("no base 64", Some("Basic dev-1:right:secret".into())),
        ("far too much", Some(basic("dev-1", &"x".repeat(2_000)))),
        ("a wrong secret", Some(basic("dev-1", "wrong"))),
    ] {
        let mut request = door.request("dev-1");
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let answer = door.world.send_to(&door.router, request.body(Body::from("{}")).unwrap()).await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.text);
        assert_eq!(problem(&answer), "urn:vigie:problem:device-not-admitted", "{what}");
        assert!(answer.header("www-authenticate").starts_with("Basic realm="), "{what}");
    }
    // Two log-ins could be checked: the wrong secret's and this one's.
    let answer = door.send("dev-1", "{}").await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "{}"));
    assert_eq!(answer.header("content-type"), "application/json");
    let stored = shelf.stored.lock().unwrap();
    assert_eq!((stored.len(), stored[0].device.as_str()), (1, "dev-1"));
}

#[tokio::test]
async fn what_is_refused_is_told_by_its_status_and_only_what_was_taken_is_200() {
    let shelf = Shelf::with_room_for(10, 100);
    let door = Door::of(&shelf, IntakeLimits::default()).await;
    let answer = door.send("dev-1", "bad").await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (422, "{}"), "with its receipt");
    assert_eq!(door.send("dev-1", vec![b'x'; 100_000]).await.status, 200, "more than other routes take");
    let too_large = door.send("dev-1", vec![b'x'; 100_001]).await;
    assert_eq!(too_large.status, 413);
    assert_eq!(problem(&too_large), "urn:vigie:problem:too-large");
    let chunks = futures_util::stream::iter((0..200).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 1_000])));
    assert_eq!(door.send("dev-1", Body::from_stream(chunks)).await.status, 413, "without a length");
    for (name, value) in [("content-type", "text/plain"), ("content-encoding", "gzip")] {
        let mut request = door.request("dev-1").header(header::AUTHORIZATION, basic("dev-1", "right:secret"));
        request.headers_mut().unwrap().insert(name, value.parse().unwrap());
        let answer = door.world.send_to(&door.router, request.body(Body::from("{}")).unwrap()).await;
        assert_eq!(answer.status, 415, "{name}: {}", answer.text);
        assert_eq!(problem(&answer), "urn:vigie:problem:unsupported-media-type");
    }
    assert_eq!(shelf.stored.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn over_a_limit_a_batch_waits_outside_until_the_outcome_of_another_is_known() {
    let shelf = Shelf::with_room_for(0, 100);
    let limits = IntakeLimits { batches_max: 3, batches_per_device_max: 2, ..IntakeLimits::default() };
    let door = Door::of(&shelf, limits).await;
    let first = door.sending("dev-1");
    shelf.came.notified().await;
    let second = door.sending("dev-1");
    shelf.came.notified().await;
    let third = door.send("dev-1", "{}").await;
    assert_eq!(third.status, 429, "{}", third.text);
    assert_eq!(problem(&third), "urn:vigie:problem:too-many-requests");
    assert_eq!(third.header("retry-after"), "2");
    // A client that hangs up does not free the room: its batch may still be stored.
    first.abort();
    assert_eq!(door.send("dev-1", "{}").await.status, 429);
    let other = door.sending("dev-2");
    shelf.came.notified().await;
    let full = door.send("dev-3", "{}").await;
    assert_eq!((full.status.as_u16(), full.header("retry-after")), (503, "2"));

    shelf.stores.add_permits(100);
    assert_eq!(second.await.unwrap(), 200);
    assert_eq!(other.await.unwrap(), 200);
    assert_eq!(door.send("dev-1", "{}").await.status, 200);
    let stored = shelf.stored.lock().unwrap().len();
    assert_eq!(stored, 4, "that of the client that hung up as well");
}

#[tokio::test]
async fn a_batch_that_is_not_stored_in_time_or_never_is_told_as_not_known_and_keeps_its_room() {
    let shelf = Shelf::with_room_for(0, 100);
    let limits = IntakeLimits {
        commit_patience: Duration::from_millis(50),
        batches_per_device_max: 2,
        ..IntakeLimits::default()
    };
    let door = Door::of(&shelf, limits).await;
    for _ in 0..2 {
        let answer = door.send("dev-1", "{}").await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "10"));
        assert!(answer.json()["detail"].as_str().unwrap().contains("not known"), "{}", answer.text);
    }
    assert_eq!(door.send("dev-1", "{}").await.status, 429, "two wait for their commit");
    // The way in closes: what waits ends without an outcome.
    shelf.stores.close();
    let answer = door.send("dev-2", "{}").await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "10"));
    assert!(shelf.stored.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_log_in_that_cannot_be_checked_is_no_wrong_secret() {
    let shelf = Shelf::with_room_for(10, 1);
    let limits = IntakeLimits {
        checks_max: 1,
        checks_waiting_max: 1,
        check_patience: Duration::from_millis(50),
        ..IntakeLimits::default()
    };
    let door = Door::of(&shelf, limits).await;
    assert_eq!(door.send("dev-of-nowhere", "{}").await.status, 503, "the directory is away");
    // One is being checked and one waits, both longer than anybody waits for them; the next is sent away at once.
    for _ in 0..3 {
        let answer = door.send("dev-1", "{}").await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "2"), "{}", answer.text);
    }
    assert!(shelf.stored.lock().unwrap().is_empty());
    shelf.checks.add_permits(10);
    let let_in = async {
        while door.send("dev-1", "{}").await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), let_in).await.unwrap();
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up_and_leaves_its_room() {
    let shelf = Shelf::with_room_for(10, 100);
    let limits =
        IntakeLimits { body_patience: Duration::from_millis(50), batches_max: 1, ..IntakeLimits::default() };
    let door = Door::of(&shelf, limits).await;
    let never = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
    let answer = door.send("dev-1", Body::from_stream(never)).await;
    assert_eq!(answer.status, 408, "{}", answer.text);
    assert_eq!(problem(&answer), "urn:vigie:problem:too-slow");
    assert_eq!(door.send("dev-1", "{}").await.status, 200);
}

#[tokio::test]
async fn where_no_readings_are_taken_a_device_is_told_so() {
    let world = World::new().await;
    let request = world
        .request(None, "POST", "/api/v1/devices/dev-1/readings")
        .header(header::AUTHORIZATION, basic("dev-1", "right:secret"));
    assert_eq!(world.send(request.body(Body::from("{}")).unwrap()).await.status, 503);
}
