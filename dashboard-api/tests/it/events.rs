//! The event stream through a real socket: nothing lost, nothing twice, nobody else's.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use vigie_dashboard_api::serve;
use vigie_vitals::UserId;

use crate::world::{World, event};

/// One event as a browser receives it.
#[derive(Debug, Clone)]
struct Received {
    kind: String,
    id: Option<i64>,
    data: Value,
}

struct Served {
    world: World,
    address: std::net::SocketAddr,
    stop: CancellationToken,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
}

async fn served() -> Served {
    let world = World::with_connections(8).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve(listener, world.app.clone(), stop.clone()));
    Served { world, address, stop, server }
}

struct Follower {
    body: futures_util::stream::BoxStream<'static, reqwest::Result<axum::body::Bytes>>,
    text: String,
}

impl Served {
    async fn follow(&self, staff: UserId, query: &str, last_id: Option<i64>) -> Follower {
        let mut request = reqwest::Client::new()
            .get(format!("http://{}/api/v1/events{query}", self.address))
            .bearer_auth(self.world.token_of(staff));
        if let Some(id) = last_id {
            request = request.header("last-event-id", id.to_string());
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        Follower { body: response.bytes_stream().boxed(), text: String::new() }
    }

    async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(10), self.server).await.expect("stops").unwrap().unwrap();
    }
}

impl Follower {
    /// The next event; `None` when the stream is over.
    async fn next(&mut self) -> Option<Received> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                let field = |name: &str| {
                    block.lines().find_map(|l| l.strip_prefix(name)).map(|v| v.trim().to_owned())
                };
                let Some(data) = field("data:") else { continue };
                return Some(Received {
                    kind: field("event:").unwrap(),
                    id: field("id:").map(|id| id.parse().unwrap()),
                    data: serde_json::from_str(&data).unwrap(),
                });
            }
            let piece = tokio::time::timeout(Duration::from_secs(20), self.body.next())
                .await
                .expect("an event in time")?;
            self.text.push_str(std::str::from_utf8(&piece.ok()?).unwrap());
        }
    }

    async fn next_of(&mut self, kind: &str) -> Received {
        loop {
            let received = self.next().await.expect("the stream goes on");
            if received.kind == kind {
                return received;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_reconnects_gets_exactly_what_was_missed_while_many_write() {
    const WRITERS: usize = 4;
    const EACH: usize = 60;
    let served = served().await;
    let nurse = served.world.people.nurses[0];
    let [own, other] = served.world.people.patients;
    let writing = async {
        let write = |writer: usize| {
            let world = &served.world;
            async move {
                for n in 0..EACH {
                    let patient = if (n + writer).is_multiple_of(3) { other } else { own };
                    let events: Vec<_> =
                        (0..=n % 4).map(|_| event(patient, "readings", None, world.clock.now())).collect();
                    world.tell(&events).await;
                }
            }
        };
        futures_util::future::join_all((0..WRITERS).map(write)).await;
    };
    let following = async {
        let mut seen: Vec<i64> = Vec::new();
        let total: usize = WRITERS * (0..EACH).map(|n| n % 4 + 1).sum::<usize>();
        let mut connections = 0;
        // Counted by the database once all is written; until then, at least this loop goes on.
        loop {
            connections += 1;
            let last = seen.last().copied();
            let mut follower = served.follow(nurse, "?after=0", last).await;
            // Hangs up in the middle, again and again.
            for _ in 0..37 {
                let received = follower.next().await.unwrap();
                if received.kind == "readings" {
                    assert_eq!(received.data["patient_id"], own.to_string());
                    seen.push(received.id.unwrap());
                }
                let done =
                    served.world.database.value("SELECT last_id FROM stream_position") == total.to_string();
                if done && received.kind == "heartbeat" && received.data["position"] == total {
                    return (seen, connections);
                }
            }
        }
    };
    let ((seen, connections), ()) = tokio::join!(following, writing);
    let expected = served
        .world
        .database
        .query(&format!("SELECT id FROM stream_event WHERE patient_id = '{own}' ORDER BY id"));
    assert_eq!(seen.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
    assert!(connections > 5, "{connections} connections");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_number_the_stream_begins_now_and_a_heartbeat_proves_that_it_lives() {
    let served = served().await;
    let world = &served.world;
    world.tell(&[event(world.people.patients[0], "readings", None, world.clock.now())]).await;
    let mut follower = served.follow(world.people.nurses[0], "", None).await;
    let heartbeat = follower.next_of("heartbeat").await;
    assert_eq!(heartbeat.data["now"], "2026-11-22T08:00:00Z");
    for field in ["position", "last_judged_at", "last_gateway_beat", "last_alerts_beat", "judging_queue_age"]
    {
        assert!(heartbeat.data.get(field).is_some(), "{field}");
    }
    assert!(heartbeat.data["judging_queue_age"].as_f64().unwrap() >= 0.0, "the plans wait to be judged");
    world.open_alert(0).await;
    let received = follower.next().await.unwrap();
    assert_eq!((received.kind.as_str(), received.id), ("alert_opened", Some(2)));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_away_too_long_is_told_to_start_afresh() {
    let served = served().await;
    let world = &served.world;
    for _ in 0..5 {
        world.tell(&[event(world.people.patients[0], "readings", None, world.clock.now())]).await;
    }
    world.database.query("DELETE FROM stream_event WHERE id <= 3");
    for (last, kind, id) in [(1, "reset", 5), (3, "readings", 4), (99, "reset", 5)] {
        let mut follower = served.follow(world.people.nurses[0], "", Some(last)).await;
        let received = loop {
            let received = follower.next().await.unwrap();
            if received.kind != "heartbeat" {
                break received;
            }
        };
        assert_eq!((received.kind.as_str(), received.id), (kind, Some(id)), "after {last}");
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_ends_closes_its_stream_with_a_word() {
    let served = served().await;
    let world = &served.world;
    let mut follower = served.follow(world.people.nurses[0], "", None).await;
    follower.next_of("heartbeat").await;
    world.database.query("UPDATE staff SET disabled_at = now() WHERE login = 'nurse1'");
    assert_eq!(follower.next_of("session_ended").await.data, serde_json::json!({}));
    assert!(follower.next().await.is_none(), "the stream is over");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_stops_says_so_and_does_not_wait_for_its_followers() {
    let served = served().await;
    let mut follower = served.follow(served.world.people.nurses[0], "", None).await;
    follower.next_of("heartbeat").await;
    served.stop.cancel();
    follower.next_of("stopping").await;
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_tells_the_age_of_the_last_signs_of_life() {
    let served = served().await;
    let mut ready = false;
    for _ in 0..100 {
        let answer = reqwest::get(format!("http://{}/readyz", served.address)).await.unwrap();
        ready = answer.status() == 200;
        if ready {
            let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
            assert!(body.get("gateway_beat_age").is_some());
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(ready);
    served.stop().await;
}
