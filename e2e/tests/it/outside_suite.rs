//! A suite that nobody here wrote judges the listener: the MQTT 5 tests of paho-mqtt, which are Eclipse's interoperability
//! tests ported to it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use vigie_e2e::stand::{Profile, vigie};

/// The suite waits for what should not come, and for sessions and wills to run out: a minute and a half when all is well.
const PATIENCE: Duration = Duration::from_secs(300);

/// How many tests that suite has.
const TESTS: &str = "Ran 21 tests";

#[tokio::test(flavor = "multi_thread")]
async fn the_tests_of_paho_mqtt_pass_against_the_conformance_broker() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let suite = root.join("../target/tools/paho-suite/tests");
    assert!(suite.join("test_mqttv5.py").exists(), "the suite is missing: run scripts/setup.sh test");
    let mut broker = Command::new(vigie(Profile::Debug).unwrap())
        .args(["conformance-broker", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(broker.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    let port = line.trim().rsplit(':').next().unwrap();

    let running = Command::new(root.join("../target/tools/python/bin/python"))
        .args(["-m", "unittest", "test_mqttv5"])
        .current_dir(&suite)
        .env("BROKER_PORT", port)
        .env("PYTHONPATH", root.join("python/outside_suite"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, running).await.expect("the suite does not end").unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains(TESTS) && !said.contains("skipped"), "{said}");

    let pid = broker.id().and_then(|pid| Pid::from_raw(pid.cast_signed())).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert!(broker.wait().await.unwrap().success(), "the broker did not stop in order");
}
