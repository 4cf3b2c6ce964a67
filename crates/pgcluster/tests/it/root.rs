//! What root must not do, and how a data folder that only root can enter is dealt with. For other users these pass
//! without having anything to check.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use vigie_pgcluster::{Cluster, ClusterConfig, Error};

use crate::{folder, query, started};

fn we_are_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

#[tokio::test]
async fn server_never_runs_as_root() {
    let folder = folder();
    let cluster = started(&folder).await;
    let uid = std::fs::metadata(format!("/proc/{}", cluster.pid().unwrap())).unwrap().uid();
    assert_ne!(uid, 0);
    assert_eq!(std::fs::metadata(folder.path().join("pgdata")).unwrap().uid(), uid);
}

#[tokio::test]
async fn closed_folder_on_the_way_is_named_in_the_error() {
    if !we_are_root() {
        return;
    }
    let outer = folder();
    let error =
        Cluster::start(ClusterConfig::for_tests(outer.path().join("inner/cluster"))).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains(outer.path().to_str().unwrap()), "{error}");
}

#[tokio::test]
async fn data_of_a_closed_folder_live_elsewhere_and_are_found_again() {
    if !we_are_root() {
        return;
    }
    let outer = folder();
    std::fs::set_permissions(outer.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let home = outer.path().join("cluster");
    let mut config = ClusterConfig::for_tests(&home);
    config.relocate_unreachable = true;
    let cluster = Cluster::start(config.clone()).await.unwrap();
    query(&cluster.url("postgres"), "create table kept as select 1 as n");
    let elsewhere = std::fs::read_link(home.join("pgdata")).unwrap();
    assert!(Cluster::adopt(&home).unwrap().is_some());
    drop(cluster);
    let cluster = Cluster::start(config).await.unwrap();
    assert_eq!(query(&cluster.url("postgres"), "select n from kept"), "1");
    assert_eq!(std::fs::read_link(home.join("pgdata")).unwrap(), elsewhere);
    drop(cluster);
    std::fs::remove_dir_all(elsewhere.parent().unwrap()).unwrap();
}
