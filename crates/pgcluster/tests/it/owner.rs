//! What happens to the server when its owner dies, and who owns it next.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use vigie_pgcluster::{Cluster, ClusterConfig};

use crate::{config, folder, is_alive, query};

const FOLDER: &str = "VIGIE_TEST_OWNER_FOLDER";
const DIES: &str = "VIGIE_TEST_OWNER_DIES";

/// Not a test by itself: the process that the tests below kill.
#[tokio::test]
#[ignore = "run as a child process by the tests of this module"]
async fn owner_that_waits_to_be_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let mut config = ClusterConfig::for_tests(folder);
    config.die_with_owner = std::env::var_os(DIES).is_some();
    let cluster = Cluster::start(config).await.unwrap();
    println!("\nrunning {}", cluster.pid().unwrap());
    std::future::pending::<()>().await;
}

/// Starts an owner in a process of its own; returns it with the pid of its server.
fn owner(folder: &TempDir, dies_with_owner: bool) -> (Child, i32) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "owner::owner_that_waits_to_be_killed", "--ignored", "--nocapture"]);
    command.env(FOLDER, folder.path()).stdout(Stdio::piped());
    if dies_with_owner {
        command.env(DIES, "1");
    }
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let pid = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("running ")?.parse().ok());
    (child, pid.unwrap())
}

fn kill(mut owner: Child) {
    owner.kill().unwrap();
    owner.wait().unwrap();
}

#[tokio::test]
async fn server_outlives_a_killed_owner_and_the_next_start_takes_it_over() {
    let folder = folder();
    let (process, pid) = owner(&folder, false);
    kill(process);
    assert!(is_alive(pid));
    let mut cluster = Cluster::start(config(&folder)).await.unwrap();
    assert_eq!(cluster.pid(), Some(pid));
    assert_eq!(query(&cluster.url("postgres"), "select 1"), "1");
    cluster.restart().await.unwrap();
    assert_ne!(cluster.pid(), Some(pid));
    cluster.stop().await.unwrap();
    assert!(!is_alive(pid));
}

#[tokio::test]
async fn server_left_with_other_settings_is_started_again_with_the_new_ones() {
    let folder = folder();
    let (process, pid) = owner(&folder, false);
    kill(process);
    let cluster = Cluster::start(config(&folder).with("work_mem", "7MB")).await.unwrap();
    assert_ne!(cluster.pid(), Some(pid));
    assert_eq!(query(&cluster.url("postgres"), "show work_mem"), "7MB");
}

#[tokio::test]
async fn tests_server_does_not_outlive_a_killed_owner() {
    let folder = folder();
    let (process, pid) = owner(&folder, true);
    assert!(is_alive(pid));
    kill(process);
    let deadline = Instant::now() + Duration::from_secs(20);
    while is_alive(pid) && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!is_alive(pid));
}

#[tokio::test]
async fn server_left_running_on_purpose_is_found_again() {
    let folder = folder();
    let mut wish = config(&folder);
    wish.die_with_owner = false;
    let cluster = Cluster::start(wish).await.unwrap();
    let pid = cluster.pid().unwrap();
    cluster.leave_running();
    assert!(is_alive(pid));
    let cluster = Cluster::start(config(&folder)).await.unwrap();
    assert_eq!(cluster.pid(), Some(pid));
}
