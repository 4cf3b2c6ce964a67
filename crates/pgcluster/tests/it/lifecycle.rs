//! Making, starting, stopping, finding.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use vigie_pgcluster::{Cluster, Error};

use crate::{config, folder, is_alive, psql, query, signal, started};

#[tokio::test]
async fn new_cluster_is_durable_and_speaks_utf8_and_utc() {
    let folder = folder();
    let cluster = started(&folder).await;
    let url = cluster.url("postgres");
    for (setting, value) in [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("data_checksums", "on"),
        ("server_encoding", "UTF8"),
        ("timezone", "UTC"),
        ("listen_addresses", "127.0.0.1"),
        ("unix_socket_directories", ""),
        ("idle_in_transaction_session_timeout", "1min"),
    ] {
        assert_eq!(query(&url, &format!("show {setting}")), value, "{setting}");
    }
}

#[tokio::test]
async fn nobody_gets_in_without_the_password() {
    let folder = folder();
    let cluster = started(&folder).await;
    let port = cluster.port();
    assert!(!psql(&format!("postgres://postgres@127.0.0.1:{port}/postgres"), "select 1").status.success());
    assert!(
        !psql(&format!("postgres://postgres:wrong@127.0.0.1:{port}/postgres"), "select 1").status.success()
    );
    for secret in ["superuser.password", "postgresql.log", "owner.lock"] {
        let mode = std::fs::metadata(folder.path().join(secret)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{secret} is readable by others");
    }
    assert!(!folder.path().join("initdb.password").exists());
    assert!(!format!("{cluster:?}").contains("password"));
}

#[tokio::test]
async fn stopped_cluster_keeps_its_data_for_the_next_start() {
    let folder = folder();
    let mut cluster = started(&folder).await;
    let pid = cluster.pid().unwrap();
    query(&cluster.url("postgres"), "create table kept as select 42 as answer");
    cluster.stop().await.unwrap();
    assert!(!is_alive(pid));
    assert_eq!(cluster.pid(), None);
    cluster.stop().await.unwrap();
    drop(cluster);

    let cluster = started(&folder).await;
    assert_eq!(query(&cluster.url("postgres"), "select answer from kept"), "42");
    let log = std::fs::read_to_string(cluster.log_file()).unwrap();
    assert!(!log.contains("was not properly shut down"), "the first stop was not orderly:\n{log}");
}

#[tokio::test]
async fn restart_keeps_the_port_so_that_pools_come_back() {
    let folder = folder();
    let mut cluster = started(&folder).await;
    let url = cluster.url("postgres");
    cluster.restart().await.unwrap();
    assert_eq!(cluster.url("postgres"), url);
    assert_eq!(query(&url, "select 1"), "1");
}

#[tokio::test]
async fn chosen_port_is_used_and_a_taken_one_is_an_error_that_says_so() {
    let (one, two) = (folder(), folder());
    let first = started(&one).await;
    let mut wish = config(&two);
    wish.port = Some(first.port());
    let error = Cluster::start(wish).await.unwrap_err();
    assert!(error.to_string().contains("could not bind"), "{error}");
}

#[tokio::test]
async fn second_owner_of_a_running_cluster_is_refused() {
    let folder = folder();
    let cluster = started(&folder).await;
    let error = Cluster::start(config(&folder)).await.unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    assert!(cluster.pid().is_some());
}

#[tokio::test]
async fn running_cluster_is_found_by_its_folder_and_a_stopped_one_is_not() {
    let folder = folder();
    assert!(Cluster::adopt(folder.path()).unwrap().is_none());
    let mut cluster = started(&folder).await;
    let found = Cluster::adopt(folder.path()).unwrap().unwrap();
    assert_eq!(found.url("postgres"), cluster.url("postgres"));
    assert_eq!(query(&found.url("postgres"), "select 1"), "1");
    drop(found);
    assert!(cluster.pid().is_some(), "whoever only looked must not stop the server");
    cluster.stop().await.unwrap();
    assert!(Cluster::adopt(folder.path()).unwrap().is_none());
    assert!(Cluster::adopt(&folder.path().join("missing")).unwrap().is_none());
}

#[tokio::test]
async fn dropped_cluster_leaves_no_process_behind() {
    let folder = folder();
    let cluster = started(&folder).await;
    let pid = cluster.pid().unwrap();
    drop(cluster);
    assert!(!is_alive(pid));
    assert!(!folder.path().join("pgdata/postmaster.pid").exists());
}

#[tokio::test]
async fn interrupted_initdb_is_done_again() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("pgdata.unfinished")).unwrap();
    std::fs::write(folder.path().join("pgdata.unfinished/PG_VERSION"), "15\n").unwrap();
    std::fs::write(folder.path().join("superuser.password"), "half").unwrap();
    std::fs::write(folder.path().join("initdb.password"), "half").unwrap();
    let cluster = started(&folder).await;
    assert_eq!(query(&cluster.url("postgres"), "select 1"), "1");
    assert!(!folder.path().join("pgdata.unfinished").exists());
}

#[tokio::test]
async fn timescaledb_is_loaded_exactly_when_it_is_installed() {
    let folder = folder();
    let cluster = started(&folder).await;
    let url = cluster.url("postgres");
    let loaded = query(&url, "show shared_preload_libraries");
    assert_eq!(loaded, if cluster.has_timescale() { "timescaledb" } else { "" });
    if cluster.has_timescale() {
        assert_eq!(query(&url, "show timescaledb.telemetry_level"), "off");
        query(&url, "create extension timescaledb");
        query(&url, "create database copy template postgres");
    }
}

#[tokio::test]
async fn setting_that_the_server_refuses_is_in_the_error() {
    let folder = folder();
    let error = Cluster::start(config(&folder).with("shared_buffers", "much")).await.unwrap_err();
    assert!(error.to_string().contains("shared_buffers"), "{error}");
}

#[tokio::test]
async fn end_of_the_server_is_noticed() {
    let folder = folder();
    let cluster = started(&folder).await;
    signal(cluster.pid().unwrap(), "-QUIT");
    tokio::time::timeout(Duration::from_secs(20), cluster.ended()).await.unwrap();
    assert_eq!(cluster.pid(), None);
}

#[tokio::test]
async fn ctrl_c_in_the_terminal_does_not_reach_the_server() {
    let folder = folder();
    let cluster = started(&folder).await;
    let pid = cluster.pid().unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // After the name in brackets: state, parent, process group.
    let group = stat.rsplit_once(") ").unwrap().1.split_whitespace().nth(2).unwrap();
    assert_eq!(group, pid.to_string());
}
