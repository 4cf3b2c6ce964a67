//! `kill -9`: of the gateway, of the gateway and the worker, of PostgreSQL. And SIGSTOP, which a process does not notice.

use std::time::{Duration, Instant};

use vigie_e2e::stand::Service;

use crate::nemesis::Nemesis;
use crate::scene::{DATABASE_AWAY, Loads, Scene};

/// One load lasts so long; then comes the next, in a new epoch, until the nemesis has had its rounds.
const LOAD: Duration = Duration::from_secs(8);

/// Waits until blows fall under load: something was acknowledged since the last one.
async fn under_load(scene: &mut Scene, mut loads: Loads) -> Loads {
    while !scene.progress(&loads).await {
        scene.end(loads).await;
        loads = scene.begin(LOAD);
    }
    loads
}

async fn gateway_again(scene: &Scene, nemesis: &mut Nemesis, dead: &mut Vec<Service>) -> Service {
    // Now and then it dies while it starts.
    if nemesis.once_in(5) {
        let mut early = scene.stand.serve("gateway", scene.mqtt_port, &scene.stand.url()).unwrap();
        nemesis.pause(1..=60).await;
        early.kill().await.unwrap();
        dead.push(early);
    }
    scene.gateway().await
}

/// Rounds of `kill -9` of the gateway, and in about every `worker_once_in`-th of the alert worker as well.
async fn gateway_killed(test: &str, rounds: usize, worker_once_in: Option<u32>) {
    let mut nemesis = Nemesis::new(test);
    let mut scene = Scene::new().await;
    let began = Instant::now();
    let (mut gateway, mut worker) = (scene.gateway().await, scene.worker().await);
    let mut dead = Vec::new();
    let mut in_doubt = Vec::new();
    let mut loads = scene.begin(LOAD);
    for _ in 0..rounds {
        loads = under_load(&mut scene, loads).await;
        nemesis.pause(50..=400).await;
        if worker_once_in.is_some_and(|n| nemesis.once_in(n)) {
            worker.kill().await.unwrap();
            dead.push(std::mem::replace(&mut worker, scene.worker().await));
            nemesis.pause(0..=50).await;
        }
        gateway.kill().await.unwrap();
        in_doubt.push(scene.in_doubt(&loads));
        let next = gateway_again(&scene, &mut nemesis, &mut dead).await;
        dead.push(std::mem::replace(&mut gateway, next));
    }
    scene.end(loads).await;
    scene.quiet().await;
    let found = scene.check();
    scene.close([&mut gateway, &mut worker], &dead, &[]).await;
    let doubtful = in_doubt.iter().filter(|n| **n > 0).count();
    println!(
        "{test}: {rounds} rounds, {} processes killed; {}; {found}; at {doubtful} kills readings were stored and not \
         acknowledged ({} in all)",
        dead.len(),
        scene.summary(began),
        in_doubt.iter().sum::<i64>(),
    );
    assert!(found.alerts > 100, "too few alerts to prove anything: {found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_reading_is_lost_when_the_gateway_is_killed() {
    gateway_killed("gateway killed", 50, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_alert_is_raised_once_when_the_worker_is_killed_as_well() {
    gateway_killed("gateway and worker killed", 20, Some(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_reading_is_lost_when_postgresql_is_killed() {
    let mut nemesis = Nemesis::new("PostgreSQL killed");
    let mut scene = Scene::new().await;
    let began = Instant::now();
    let (mut gateway, mut worker) = (scene.gateway().await, scene.worker().await);
    let pids = [gateway.pid(), worker.pid()];
    let mut loads = scene.begin(LOAD);
    for _ in 0..10 {
        loads = under_load(&mut scene, loads).await;
        nemesis.pause(50..=400).await;
        scene.stand.cluster.kill_hard().await.unwrap();
        nemesis.pause(1..=300).await;
        scene.stand.cluster.restart().await.unwrap();
    }
    scene.end(loads).await;
    scene.quiet().await;
    let found = scene.check();
    assert_eq!([gateway.pid(), worker.pid()], pids, "both outlive the database");
    scene.close([&mut gateway, &mut worker], &[], &DATABASE_AWAY).await;
    println!("PostgreSQL killed: 10 rounds; {}; {found}", scene.summary(began));
}

/// A process that is stopped for a moment (a machine that swaps, a virtual one that moves) goes on with what it knew
/// before: the time, what waits, what it has claimed.
#[tokio::test(flavor = "multi_thread")]
async fn every_alert_is_raised_once_when_processes_stand_still_for_a_moment() {
    let mut nemesis = Nemesis::new("processes stopped");
    let mut scene = Scene::new().await;
    let began = Instant::now();
    let (mut gateway, mut worker) = (scene.gateway().await, scene.worker().await);
    let mut loads = scene.begin(LOAD);
    for _ in 0..80 {
        loads = under_load(&mut scene, loads).await;
        nemesis.pause(0..=50).await;
        let stopped = if nemesis.once_in(4) { &gateway } else { &worker };
        stopped.signal("STOP").await.unwrap();
        nemesis.pause(20..=150).await;
        stopped.signal("CONT").await.unwrap();
    }
    scene.end(loads).await;
    scene.quiet().await;
    let found = scene.check();
    scene.close([&mut gateway, &mut worker], &[], &[]).await;
    println!("processes stopped: 80 times; {}; {found}", scene.summary(began));
}
