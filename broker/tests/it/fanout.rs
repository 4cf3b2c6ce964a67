//! The fan-out by itself: what readers get, what they never get, and what happens when its router dies.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;
use vigie_broker::{FanoutError, News, Subscription};
use vigie_wire::{Channel, DeviceId, Encoding, Topic};

use crate::desk::{PATIENCE, text};
use crate::hub::{LastWords, Running, news, territory, until};

async fn next(reader: &mut Subscription) -> News {
    timeout(PATIENCE, reader.next()).await.expect("no news came").expect("the fan-out ended")
}

/// Tells until the reader hears: its link is then there. All that is on its way is read.
async fn until_heard(running: &Running, reader: &mut Subscription, device: &str) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut words = LastWords::new();
    loop {
        assert!(tokio::time::Instant::now() < deadline, "waited in vain for news");
        running.fanout.publish(news(device, &words.next()));
        while let Ok(heard) = timeout(Duration::from_millis(5), reader.next()).await {
            if words.is_last(&text(&heard.unwrap().payload)) {
                return;
            }
        }
    }
}

#[tokio::test]
async fn a_reader_gets_the_news_of_its_territory_in_order_and_of_no_other() {
    let running = Running::start(|_| {}).await;
    let mut north = running.fanout.subscribe(territory("north")).unwrap();
    let mut south = running.fanout.subscribe(territory("south")).unwrap();
    // A territory whose name begins like the other one.
    let mut northern = running.fanout.subscribe(territory("northern")).unwrap();
    until_heard(&running, &mut north, "north-1").await;
    until_heard(&running, &mut south, "south-1").await;
    until_heard(&running, &mut northern, "northern-1").await;
    for n in 0..100 {
        assert!(running.fanout.publish(news("north-1", &format!("n{n}"))));
        assert!(running.fanout.publish(news("south-1", &format!("s{n}"))));
    }
    for n in 0..100 {
        let heard = next(&mut north).await;
        assert_eq!(
            (text(&heard.payload), heard.topic.to_string()),
            (format!("n{n}"), "vigie/v1/north-1/readings/json".into())
        );
        assert_eq!(text(&next(&mut south).await.payload), format!("s{n}"));
    }
    running.fanout.publish(news("northern-1", "last"));
    assert_eq!(text(&next(&mut northern).await.payload), "last");
    assert_eq!(running.fanout.counters().strayed, 0);
}

#[tokio::test]
async fn a_slow_reader_misses_news_and_delays_nobody() {
    let running = Running::start(|settings| settings.reader_queue = 8).await;
    let mut slow = running.fanout.subscribe(territory("north")).unwrap();
    let mut quick = running.fanout.subscribe(territory("north")).unwrap();
    until_heard(&running, &mut quick, "north-1").await;
    until_heard(&running, &mut slow, "north-1").await;
    // What the quick one has not read of the other's words.
    until_heard(&running, &mut quick, "north-1").await;
    for n in 0..1_000 {
        assert!(running.fanout.publish(news("north-1", &n.to_string())));
        assert_eq!(text(&next(&mut quick).await.payload), n.to_string());
    }
    until("the slow one has missed them", || slow.missed() > 900).await;
    // It hears again when it reads again.
    until_heard(&running, &mut slow, "north-1").await;
    until("both counts agree", || running.fanout.counters().missed == slow.missed()).await;
    assert_eq!(quick.missed(), 0);
}

#[tokio::test]
async fn a_router_that_died_is_built_anew_and_its_readers_hear_again() {
    let running = Running::start(|_| {}).await;
    let mut reader = running.fanout.subscribe(territory("north")).unwrap();
    for life in 1..=3 {
        until_heard(&running, &mut reader, "north-1").await;
        running.fanout.crash_router();
        until("it is built anew", || {
            // Nobody waits for it meanwhile: news are dropped at once.
            running.fanout.publish(news("north-1", "into the void"));
            let counters = running.fanout.counters();
            counters.rebuilt == life && counters.alive
        })
        .await;
    }
    until_heard(&running, &mut reader, "north-1").await;
    assert!(running.fanout.counters().dropped > 0);
}

#[tokio::test]
async fn a_router_that_does_not_answer_in_time_is_built_anew() {
    let running = Running::start(|settings| {
        // After its first answer it is not asked again in time.
        settings.probe_interval = Duration::from_secs(3_600);
        settings.probe_timeout = Duration::from_millis(100);
    })
    .await;
    until("it is built anew", || running.fanout.counters().rebuilt >= 2).await;
}

#[tokio::test]
async fn there_are_only_so_many_readers_and_who_leaves_makes_room() {
    let running = Running::start(|settings| settings.subscribers_max = 2).await;
    let first = running.fanout.subscribe(territory("north")).unwrap();
    let mut second = running.fanout.subscribe(territory("north")).unwrap();
    assert_eq!(running.fanout.subscribe(territory("north")).err(), Some(FanoutError::Full));
    drop(first);
    let mut third = None;
    until("its link is disconnected", || {
        third = running.fanout.subscribe(territory("south")).ok();
        third.is_some()
    })
    .await;
    until_heard(&running, &mut second, "north-1").await;
    until_heard(&running, &mut third.unwrap(), "south-1").await;
}

#[tokio::test]
async fn only_readings_in_json_and_status_go_in_and_nothing_large() {
    let running = Running::start(|settings| settings.payload_bytes_max = 100).await;
    let with = |channel, payload: &'static [u8]| News {
        territory: territory("north"),
        topic: Topic { device: DeviceId::parse("north-1").unwrap(), channel },
        payload: Bytes::from_static(payload),
    };
    for refused in [
        with(Channel::Readings(Encoding::Protobuf), b"x"),
        with(Channel::Receipts, b"x"),
        with(Channel::Commands, b"x"),
        with(Channel::Status, &[b'x'; 101]),
    ] {
        assert!(!running.fanout.publish(refused));
    }
    assert!(running.fanout.publish(with(Channel::Status, b"x")));
    assert_eq!(running.fanout.counters().dropped, 4);
}

#[tokio::test]
async fn a_full_queue_drops_and_never_waits() {
    let running = Running::start(|settings| settings.queue_bytes_max = 10).await;
    assert!(!running.fanout.publish(news("north-1", "eleven byte")));
    assert!(running.fanout.publish(news("north-1", "ten  bytes")));
    until("it has gone in", || running.fanout.publish(news("north-1", "ten  bytes"))).await;
}

#[tokio::test]
async fn at_its_end_readers_see_the_end() {
    let running = Running::start(|_| {}).await;
    let mut reader = running.fanout.subscribe(territory("north")).unwrap();
    running.stop.cancel();
    while timeout(PATIENCE, reader.next()).await.expect("it does not end").is_some() {}
    until("it has ended", || running.fanout.subscribe(territory("north")).err() == Some(FanoutError::Ended))
        .await;
}
