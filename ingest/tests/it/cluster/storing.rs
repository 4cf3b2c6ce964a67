//! What devices publish through the cluster is stored once, whatever breaks meanwhile.

use std::time::Duration;

use jiff::SignedDuration;
use vigie_store::commands::{CommandKind, NewCommand, ask};
use vigie_store::{Database, Role};
use vigie_testkit::Proxy;
use vigie_vitals::DeviceId;

use super::{Region, numbered, reading, until};
use crate::now;

const READINGS: &str = "vigie/v1/dev-1/readings/json";

#[tokio::test]
async fn what_devices_publish_is_stored_and_they_get_their_receipts() {
    let region = Region::new().await;
    let station = region.ready_station("a").await;
    let mut device = region.broker.listen("vigie/v1/dev-1/receipts").await;
    region.broker.publish(READINGS, &numbered(1..=50)).await;
    region.has_exactly("dev-1", 1..=50).await;
    device.line(r#""contiguous":50"#).await;
    let outbox = async || region.database.value("SELECT count(*) FROM device_outbox") == "0";
    until("what the cluster took is out of the outbox", outbox).await;
    region
        .broker
        .publish("vigie/v1/dev-1/status", &[r#"{"state":"online","battery_percent":81}"#.into()])
        .await;
    let status = async || region.database.value("SELECT battery_percent FROM device_status") == "81";
    until("the status is kept", status).await;
    station.stop().await;
    assert_eq!(region.database.query("SELECT code FROM quarantine"), [""; 0]);
}

#[tokio::test]
async fn a_command_waits_until_its_device_listens() {
    let region = Region::new().await;
    let station = region.ready_station("a").await;
    let database = Database::connect(region.database.url(), Role::Admin, 1).await.unwrap();
    let mut tx = database.begin().await.unwrap();
    let command = NewCommand {
        device: &DeviceId("dev-1".into()),
        kind: CommandKind::ShowMessage,
        from_sequence: None,
        message: "Bonjour",
        reason: "test",
        asked_by: None,
        asked_by_name: "Test",
        asked_at: now(),
        expires_at: now() + SignedDuration::from_hours(1),
    };
    ask(&mut tx, &command).await.unwrap();
    tx.commit().await.unwrap();
    database.close().await;
    region.broker.publish(READINGS, &numbered(1..=1)).await;
    let tried = "'vigie/v1/dev-1/commands'";
    until("the command is sent to a device that was heard", async || region.broker.logged(tried)).await;
    let state = async || region.database.value("SELECT state FROM device_command");
    let waits = "SELECT count(*) FROM device_outbox WHERE channel = 'commands'";
    assert_eq!((state().await.as_str(), region.database.value(waits).as_str()), ("queued", "1"));

    let mut device = region.broker.listen("vigie/v1/dev-1/commands").await;
    region.broker.publish(READINGS, &numbered(2..=2)).await;
    device.line(r#""message":"Bonjour""#).await;
    until("it is known as delivered", async || state().await == "delivered").await;
    assert_eq!(region.database.value(waits), "0");
    station.stop().await;
}

#[tokio::test]
async fn what_nobody_can_take_goes_to_quarantine_and_blocks_nothing() {
    let region = Region::new().await;
    let station = region.ready_station("a").await;
    let mut stranger = region.broker.listen("vigie/v1/stranger/receipts").await;
    let publish =
        async |topic: &str, payload: &str| region.broker.publish(topic, &[payload.to_owned()]).await;
    publish("vigie/v1/stranger/status", r#"{"state":"online"}"#).await;
    publish("vigie/v1/stranger/readings/json", &reading(1)).await;
    publish("vigie/v1/é/readings/json", &reading(1)).await;
    publish("vigie/v1/dev-1/status", "{").await;
    publish(READINGS, "no JSON").await;
    publish(READINGS, &reading(7)).await;
    region.has_exactly("dev-1", 7..=7).await;
    stranger.line("device_not_assigned").await;
    let quarantine = "SELECT device_id, code FROM quarantine ORDER BY device_id, code";
    let told = async || region.database.query(quarantine).len() == 5;
    until("five messages are in quarantine", told).await;
    assert_eq!(
        region.database.query(quarantine),
        [
            "-|not_your_topic",
            "dev-1|not_a_batch",
            "dev-1|not_a_status",
            "stranger|device_not_assigned",
            "stranger|unknown_device"
        ]
    );
    station.stop().await;
    // All of it was acknowledged: the next one is sent none of it again.
    let station = region.ready_station("a").await;
    publish(READINGS, &reading(8)).await;
    region.has_exactly("dev-1", 7..=8).await;
    station.stop().await;
    assert_eq!(region.database.query(quarantine).len(), 5);
}

#[tokio::test]
async fn while_the_database_is_away_nothing_is_acknowledged_and_then_all_is_stored() {
    let region = Region::new().await;
    let proxy = Proxy::start(region.database.port()).await;
    let url = region.database.url_through(proxy.port());
    let first = region.station_through("a", region.broker.port(), &url).await;
    region.subscribed(&first).await;
    proxy.cut();
    region.broker.publish(READINGS, &numbered(1..=400)).await;
    // It ends without having stored or acknowledged anything. What it was given, the cluster still has.
    first.stop().await;
    assert_eq!(region.stored("dev-1"), [0; 0]);
    proxy.restore();
    let second = region.station_through("a", region.broker.port(), &url).await;
    region.has_exactly("dev-1", 1..=400).await;

    // And when it stays: it goes on by itself.
    region.subscribed(&second).await;
    proxy.cut();
    region.broker.publish(READINGS, &numbered(401..=900)).await;
    proxy.restore();
    region.has_exactly("dev-1", 1..=900).await;
    second.stop().await;
}

#[tokio::test]
async fn connections_that_break_in_the_middle_of_commits_lose_and_repeat_nothing() {
    let region = Region::new().await;
    let proxy = Proxy::start(region.broker.port()).await;
    let station = region.station_through("a", proxy.port(), region.database.url()).await;
    region.subscribed(&station).await;
    let mut next = 1;
    for round in 0..12 {
        let numbers = next..=next + 149;
        let payloads = numbered(numbers.clone());
        let before = region.stored("dev-1").len();
        tokio::join!(region.broker.publish(READINGS, &payloads), async {
            // The blow falls while this round's messages are being stored.
            until("something of this round is stored", async || region.stored("dev-1").len() > before).await;
            proxy.cut();
            // Now and then long enough for commits to end while there is no connection.
            tokio::time::sleep(Duration::from_millis(round % 4 * 40)).await;
            proxy.restore();
        });
        next += 150;
    }
    region.has_exactly("dev-1", 1..=next - 1).await;
    station.stop().await;
    // Nothing is left in the session: every message was acknowledged, each on the connection on which it came last.
    let again = region.ready_station("a").await;
    region.broker.publish("vigie/v1/dev-2/readings/json", &numbered(1..=1)).await;
    region.has_exactly("dev-2", 1..=1).await;
    again.stop().await;
    assert_eq!(region.database.query("SELECT code FROM quarantine"), [""; 0]);
}
