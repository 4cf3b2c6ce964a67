//! The gateway's connection to PostgreSQL is cut for half a minute.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tokio::time::sleep;
use vigie_testkit::Proxy;

use crate::checker::Key;
use crate::nemesis::until;
use crate::scene::{DATABASE_AWAY, Scene};

const OUTAGE: Duration = Duration::from_secs(30);
/// Publishing ends during the outage, so that what is outstanding when it ends is a finite lot.
const PUBLISHING: Duration = Duration::from_secs(6);
/// The budget of DESIGN 6.
const BACK_WITHIN: Duration = Duration::from_secs(2);

/// An acknowledgement may only follow a commit. When the gateway's last session on the server has ended, nothing of it
/// can commit any more: what is stored then (which psql tells over a connection of its own) is all that may ever be
/// acknowledged before the connection is back. So "nothing is acknowledged meanwhile" is no matter of milliseconds:
/// during the whole outage the acknowledged readings are a subset of those stored at its beginning.
#[tokio::test(flavor = "multi_thread")]
async fn while_the_connection_is_cut_nothing_is_acknowledged_and_two_seconds_later_everything_is() {
    let mut scene = Scene::new().await;
    let began = Instant::now();
    let proxy = Proxy::start(scene.stand.cluster.port()).await;
    let mut gateway = scene.gateway_through(&scene.stand.url_through(proxy.port())).await;
    let mut worker = scene.worker().await;
    let loads = scene.begin(PUBLISHING);
    until("a thousand readings are acknowledged", || loads.acknowledged().len() > 1_000).await;

    let cut_at = Instant::now();
    proxy.cut();
    until("the server has seen the gateway go", || {
        let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'vigie_gateway'";
        scene.stand.number(sessions).unwrap() == 0
    })
    .await;
    let stored: BTreeSet<Key> = stored(&scene);
    // The outage itself: the one thing that is asked of it is that it lasts.
    while cut_at.elapsed() < OUTAGE {
        sleep(Duration::from_secs(1)).await;
        let early: Vec<_> = loads.acknowledged().into_iter().filter(|key| !stored.contains(key)).collect();
        assert!(early.is_empty(), "acknowledged without a database: {early:?}");
    }
    let acknowledged = loads.acknowledged().len();
    assert_eq!(stored_count(&scene), stored.len());
    assert!(!loads.are_over(), "devices still have what was not acknowledged");

    let restored_at = Instant::now();
    proxy.restore();
    scene.end(loads).await;
    let back = restored_at.elapsed();
    scene.quiet().await;
    let found = scene.check();
    println!(
        "connection cut: {acknowledged} acknowledged before and none in {OUTAGE:?}, then the other {} in {back:?}; {}; {found}",
        found.readings - acknowledged,
        scene.summary(began)
    );
    scene.close([&mut gateway, &mut worker], &[], &DATABASE_AWAY).await;
    assert!(found.readings > acknowledged, "nothing was outstanding");
    assert!(back < BACK_WITHIN, "everything outstanding was acknowledged after {back:?}");
}

fn stored(scene: &Scene) -> BTreeSet<Key> {
    let rows = scene.stand.query("SELECT device_id, epoch, sequence FROM reading").unwrap();
    rows.into_iter().map(|row| (row[0].clone(), row[1].parse().unwrap(), row[2].parse().unwrap())).collect()
}

fn stored_count(scene: &Scene) -> usize {
    usize::try_from(scene.stand.number("SELECT count(*) FROM reading").unwrap()).unwrap()
}
