//! Several processes, restarts of either side, and sessions that are lost.

use jiff::SignedDuration;
use vigie_testkit::logs;

use super::{Region, numbered, until};
use crate::now;

const READINGS: &str = "vigie/v1/dev-1/readings/json";

#[tokio::test]
async fn two_processes_share_the_load_and_one_that_is_killed_loses_nothing() {
    let region = Region::new().await;
    let first = region.sharing_station("a").await;
    let second = region.sharing_station("b").await;
    let payloads = numbered(1..=600);
    let publishing = region.broker.publish(READINGS, &payloads);
    tokio::join!(publishing, async {
        until("the middle", async || region.stored("dev-1").len() > 200).await;
        second.kill().await;
    });
    // What the cluster had given to the second, or kept for it, comes when it is back.
    let second = region.sharing_station("b").await;
    region.has_exactly("dev-1", 1..=600).await;
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn what_waits_for_a_process_that_never_comes_back_is_read_by_another() {
    logs::expect("this one reads from its session until it is back");
    let region = Region::new().await;
    let dead = region.sharing_station("dead").await;
    let session = dead.session.clone();
    let heir = region.sharing_station("heir").await;
    dead.kill().await;
    region.broker.publish(READINGS, &numbered(1..=100)).await;
    let left = async || region.stored("dev-1").len() == 50;
    until("mosquitto keeps the half of it for the one that is gone", left).await;
    region.clock.set(now() + SignedDuration::from_secs(60));
    region.has_exactly("dev-1", 1..=100).await;
    // It goes on doing so.
    region.broker.publish(READINGS, &numbered(101..=200)).await;
    region.has_exactly("dev-1", 1..=200).await;

    // The owner comes back and has its session to itself.
    let back = region.sharing_station("dead").await;
    let beat = format!("SELECT at FROM service_beat WHERE role = 'cluster' AND instance = '{session}'");
    let before = region.database.value(&beat);
    region.clock.set(now() + SignedDuration::from_secs(70));
    until("the owner reads", async || region.database.value(&beat) != before).await;
    region.broker.publish(READINGS, &numbered(201..=300)).await;
    region.has_exactly("dev-1", 1..=300).await;
    back.stop().await;
    heir.stop().await;
}

#[tokio::test]
async fn where_each_process_gets_every_message_one_that_is_gone_is_not_missed() {
    let region = Region::new().await;
    let (first, second) = (region.ready_station("a").await, region.ready_station("b").await);
    let payloads = numbered(1..=300);
    tokio::join!(region.broker.publish(READINGS, &payloads), async {
        until("the middle", async || region.stored("dev-1").len() > 50).await;
        second.kill().await;
    });
    region.has_exactly("dev-1", 1..=300).await;
    // Its session has a copy of what is stored by now.
    let second = region.ready_station("b").await;
    region.broker.publish("vigie/v1/dev-2/readings/json", &numbered(1..=20)).await;
    region.has_exactly("dev-2", 1..=20).await;
    second.stop().await;
    first.stop().await;
    assert_eq!(region.stored("dev-1"), (1..=300).collect::<Vec<_>>());
    assert_eq!(region.database.query("SELECT code FROM quarantine"), [""; 0]);
}

#[tokio::test]
async fn a_cluster_that_restarts_with_its_sessions_loses_nothing() {
    let mut region = Region::new().await;
    let station = region.ready_station("a").await;
    region.broker.publish(READINGS, &numbered(1..=20)).await;
    region.has_exactly("dev-1", 1..=20).await;
    station.stop().await;
    region.broker.publish(READINGS, &numbered(21..=40)).await;
    region.broker.down().await;
    region.broker.up(true).await;
    let station = region.ready_station("a").await;
    region.has_exactly("dev-1", 1..=40).await;
    region.broker.down().await;
    region.broker.up(true).await;
    // Before the reader is back, or after: its subscription is part of its session.
    region.broker.publish(READINGS, &numbered(41..=60)).await;
    region.has_exactly("dev-1", 1..=60).await;
    station.stop().await;
    region.broker.down().await;
    region.broker.up(true).await;
    region.broker.publish(READINGS, &numbered(61..=80)).await;
    let station = region.station("a").await;
    region.has_exactly("dev-1", 1..=80).await;
    station.stop().await;
    let lost = "SELECT count(*) FROM service_beat WHERE role = 'cluster_session_lost'";
    assert_eq!(region.database.value(lost), "0");
}

#[tokio::test]
async fn a_lost_session_is_told_and_readings_flow_again() {
    logs::expect("the cluster has lost this session");
    let mut region = Region::new().await;
    let station = region.ready_station("a").await;
    region.broker.publish(READINGS, &numbered(1..=20)).await;
    region.has_exactly("dev-1", 1..=20).await;
    region.broker.down().await;
    region.broker.up(false).await;
    let session = station.session.clone();
    let lost = format!(
        "SELECT count(*) FROM service_beat WHERE role = 'cluster_session_lost' AND instance = '{session}'"
    );
    until("the loss is on record", async || region.database.value(&lost) == "1").await;
    // The subscription is made right after the connection; only then does the broker keep anything for it.
    region.clock.set(now() + SignedDuration::from_secs(10));
    let beat = format!(
        "SELECT count(*) FROM service_beat WHERE role = 'cluster' AND at > '{}' AND instance = '{session}'",
        now()
    );
    until("it has subscribed again", async || region.database.value(&beat) == "1").await;
    region.broker.publish(READINGS, &numbered(21..=40)).await;
    region.has_exactly("dev-1", 1..=40).await;
    station.stop().await;
}

#[tokio::test]
async fn a_session_that_was_lost_while_vigie_was_away_is_told_at_the_start() {
    logs::expect("the cluster has lost this session");
    let mut region = Region::new().await;
    region.ready_station("a").await.stop().await;
    region.broker.down().await;
    region.broker.up(false).await;
    let station = region.ready_station("a").await;
    let lost = "SELECT count(*) FROM service_beat WHERE role = 'cluster_session_lost'";
    until("the loss is on record", async || region.database.value(lost) == "1").await;
    station.stop().await;
}
