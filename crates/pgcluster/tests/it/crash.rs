//! What power cuts and hung servers do.

use std::time::Duration;

use vigie_pgcluster::Cluster;

use crate::{config, folder, is_alive, query, signal, started};

#[tokio::test]
async fn committed_rows_survive_a_power_cut() {
    let folder = folder();
    let mut cluster = started(&folder).await;
    let url = cluster.url("postgres");
    query(&url, "create table kept as select generate_series(1, 1000) as n");
    cluster.kill_hard().await.unwrap();
    assert!(cluster.pid().is_none());
    cluster.restart().await.unwrap();
    assert_eq!(query(&url, "select count(*) from kept"), "1000");
    let log = std::fs::read_to_string(cluster.log_file()).unwrap();
    assert!(log.contains("was not properly shut down"), "it was no power cut:\n{log}");
}

#[tokio::test]
async fn main_process_killed_alone_is_started_again_once_its_orphans_are_gone() {
    let folder = folder();
    let mut cluster = started(&folder).await;
    let url = cluster.url("postgres");
    query(&url, "create table kept as select 7 as n");
    signal(cluster.pid().unwrap(), "-KILL");
    cluster.ended().await;
    cluster.restart().await.unwrap();
    assert_eq!(query(&url, "select n from kept"), "7");
}

#[tokio::test]
async fn pid_file_of_a_crash_that_names_a_stranger_does_not_keep_the_cluster_from_starting() {
    let folder = folder();
    let mut cluster = started(&folder).await;
    cluster.kill_hard().await.unwrap();
    drop(cluster);
    let file = folder.path().join("pgdata/postmaster.pid");
    let text = std::fs::read_to_string(&file).unwrap();
    let rest = text.split_once('\n').unwrap().1;
    std::fs::write(&file, format!("{}\n{rest}", std::process::id())).unwrap();
    assert!(Cluster::adopt(folder.path()).unwrap().is_none());
    let cluster = started(&folder).await;
    assert_eq!(query(&cluster.url("postgres"), "select 1"), "1");
}

#[tokio::test]
async fn server_that_does_not_react_is_killed_in_the_end() {
    let folder = folder();
    let mut wish = config(&folder);
    wish.deadlines.stop_fast = Duration::from_millis(200);
    wish.deadlines.stop_immediate = Duration::from_millis(200);
    let mut cluster = Cluster::start(wish).await.unwrap();
    let pid = cluster.pid().unwrap();
    signal(pid, "-STOP");
    cluster.stop().await.unwrap();
    assert!(!is_alive(pid));
}
