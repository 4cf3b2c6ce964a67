//! A region that keeps its own MQTT cluster: devices stay connected there, and Vigie reads from it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use vigie_device_sim::{LoadDevice, LoadVital};
use vigie_e2e::stand::{Group, Mosquitto, MosquittoConfig, Profile, Service, Stand, Visitor, vigie};
use vigie_e2e::waiting::until;
use vigie_vitals::plans::CarePlan;

use crate::actors::batch::{glucose, now, one};

const PATIENCE: Duration = Duration::from_secs(60);

/// What may be logged when the other side goes away.
const AWAY: [&str; 2] =
    ["the connection to the cluster broke", "the cluster cannot be reached; trying again"];

async fn stand() -> (Stand, Vec<LoadDevice>) {
    let stand = Stand::start(Profile::Debug, &[]).await.unwrap();
    let since = now() - SignedDuration::from_hours(2);
    let group = Group { name: "far", count: 2, plan: CarePlan::Diabetes, vital: LoadVital::Glucose, since };
    let devices = stand.add(group).await.unwrap();
    (stand, devices)
}

fn stored(stand: &Stand, device: &str) -> Vec<i64> {
    let sql = format!("SELECT sequence FROM reading WHERE device_id = '{device}' ORDER BY sequence");
    stand.query(&sql).unwrap().iter().map(|row| row[0].parse().unwrap()).collect()
}

/// Waits until these numbers are there, and finds each once and no other.
async fn has_exactly(stand: &Stand, device: &str, numbers: std::ops::RangeInclusive<i64>) {
    let wanted: Vec<i64> = numbers.collect();
    let complete = async || {
        let stored = stored(stand, device);
        wanted.iter().all(|n| stored.binary_search(n).is_ok()).then_some(())
    };
    let done = until(PATIENCE, complete).await;
    assert_eq!(stored(stand, device), wanted, "each once, no other");
    done.unwrap();
}

fn readings(numbers: std::ops::RangeInclusive<i64>) -> Vec<String> {
    numbers.map(|n| one(glucose(n, now(), "1.10"))).collect()
}

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(vigie(Profile::Debug).unwrap());
    for variable in ["DATABASE_URL", "DATABASE_URL_FILE", "VIGIE_CONFIG", "VIGIE_LOG"] {
        command.env_remove(variable);
    }
    command.args(arguments).envs(environment.iter().copied()).output().unwrap()
}

/// An authority and the listener's certificate, as `vigie ca` makes them.
fn authority(folder: &Path) -> PathBuf {
    let path = folder.to_str().unwrap();
    for arguments in [
        &["ca", "init", "--out", path][..],
        &["ca", "server", "--name", "localhost", "--name", "127.0.0.1", "--ca-dir", path],
    ] {
        let output = run(arguments, &[]);
        assert!(output.status.success(), "{output:?}");
    }
    folder.join("ca.pem")
}

/// The rules that docs/outside-clusters.md gives for mosquitto, to the letter.
fn documented_rules() -> String {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/outside-clusters.md");
    let page = std::fs::read_to_string(page).unwrap();
    let after = page.split("Mosquitto (`acl_file`").nth(1).expect("the rules for Mosquitto").lines().skip(2);
    let rules: Vec<&str> = after.map_while(|line| line.strip_prefix("    ")).collect();
    assert!(rules.len() > 8, "{rules:?}");
    rules.join("\n") + "\n"
}

#[tokio::test]
async fn a_region_with_the_documented_rules_gets_its_readings_in_and_no_device_speaks_for_another() {
    let (stand, devices) = stand().await;
    let [mine, other] = [devices[0].id.to_string(), devices[1].id.to_string()];
    let (trusted, foreign) = (stand.file("ca"), stand.file("another-ca"));
    let authority_file = authority(&trusted);
    let tls = (trusted.join("server.pem"), trusted.join("server.key"));
    let users = [("vigie", "open sesame"), (&mine, "of mine"), (&other, "of the other")];
    let users = users.map(|(user, word)| (user.to_owned(), word.to_owned())).to_vec();
    let rules = Some(documented_rules());
    let broker = Mosquitto::start(&MosquittoConfig { tls: Some(tls), users, acl: rules }).await.unwrap();
    let password = stand.file("password");
    std::fs::write(&password, "open sesame\n").unwrap();
    let source = format!("mqtts://vigie@localhost:{}", broker.port());
    let environment = |authority: &Path| {
        vec![
            ("VIGIE_MQTT_SOURCE", source.clone()),
            ("VIGIE_MQTT_SOURCE_CA_FILE", authority.to_str().unwrap().to_owned()),
            ("VIGIE_MQTT_SOURCE_PASSWORD_FILE", password.to_str().unwrap().to_owned()),
        ]
    };
    let start = |authority: &Path| {
        let environment = environment(authority);
        let environment: Vec<(&str, &str)> = environment.iter().map(|(k, v)| (*k, v.as_str())).collect();
        stand.serve_with("ingest", 0, &stand.url(), &environment).unwrap()
    };

    // A cluster that shows another authority's certificate is not believed, and not spoken to.
    let mut deceived = start(&authority(&foreign));
    deceived.said("the cluster cannot be reached; trying again").await.unwrap();
    assert!(
        deceived.lines().iter().any(|line| line.contains("invalid peer certificate")),
        "{:#?}",
        deceived.lines()
    );
    assert!(deceived.stop().await.unwrap().success());
    assert_eq!(deceived.complaints(&AWAY), Vec::<String>::new());

    let mut ingest = start(&authority_file);
    ingest.said("reading from the cluster").await.unwrap();
    let visitor =
        |login| Visitor { port: broker.port(), authority: Some(&authority_file), login: Some(login) };
    let (me, them) = (visitor((&mine, "of mine")), visitor((&other, "of the other")));
    let receipts = format!("vigie/v1/{mine}/receipts");
    me.subscribe(&receipts).await.unwrap();
    // What is not one's own: the broker may take it, nobody gets it.
    them.subscribe(&receipts).await.unwrap();
    them.publish(&format!("vigie/v1/{mine}/readings/json"), &readings(1..=1)).await.unwrap();
    me.publish(&format!("vigie/v1/{mine}/readings/json"), &readings(2..=20)).await.unwrap();
    them.publish(&format!("vigie/v1/{other}/readings/json"), &readings(1..=5)).await.unwrap();
    has_exactly(&stand, &mine, 2..=20).await;
    has_exactly(&stand, &other, 1..=5).await;
    let told = me.fetch(&receipts, 19, PATIENCE).await.unwrap();
    assert_eq!(told.len(), 19, "{told:?}");
    assert!(told.iter().all(|receipt| receipt.contains(r#""outcome":"stored""#)), "{told:?}");
    assert_eq!(
        them.fetch(&receipts, 1, Duration::from_secs(2)).await.unwrap(),
        [""; 0],
        "not theirs to hear"
    );
    healthy(&stand, &environment(&authority_file)).await;
    assert!(ingest.stop().await.unwrap().success());
    assert_eq!(ingest.complaints(&[]), Vec::<String>::new());
    let log = ingest.lines().join("\n");
    assert!(!log.contains("sesame"), "the password is in the log");
    assert_eq!(stand.number("SELECT count(*) FROM quarantine").unwrap(), 0);
}

/// The process says by its beats that it reads.
async fn healthy(stand: &Stand, environment: &[(&str, String)]) {
    let url = stand.url();
    let mut environment: Vec<(&str, &str)> = environment.iter().map(|(k, v)| (*k, v.as_str())).collect();
    environment.extend([("DATABASE_URL", url.as_str()), ("VIGIE_INSTANCE", "stand-ingest")]);
    let output = run(&["healthcheck", "--role", "ingest"], &environment);
    assert!(output.status.success(), "{output:?}");
    environment.push(("VIGIE_INSTANCE", "somebody-else"));
    let output = run(&["healthcheck", "--role", "ingest"], &environment);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

/// One of several processes that read from a broker without TLS on this machine.
fn ingest(stand: &Stand, broker: &Mosquitto, instance: &str, share: &str) -> Service {
    let source = format!("mqtt://127.0.0.1:{}", broker.port());
    let environment = [
        ("VIGIE_MQTT_SOURCE", source.as_str()),
        ("VIGIE_MQTT_SOURCE_SHARE", share),
        ("VIGIE_INSTANCE", instance),
    ];
    stand.serve_with("ingest", 0, &stand.url(), &environment).unwrap()
}

#[tokio::test]
async fn two_processes_share_the_load_and_kill_9_loses_and_repeats_nothing() {
    killed_in_the_middle("true").await;
}

#[tokio::test]
async fn two_processes_that_get_everything_store_it_once_and_kill_9_changes_nothing() {
    killed_in_the_middle("false").await;
}

async fn killed_in_the_middle(share: &str) {
    let (stand, devices) = stand().await;
    let device = devices[0].id.to_string();
    let broker = Mosquitto::start(&MosquittoConfig::default()).await.unwrap();
    let (mut first, mut second) =
        (ingest(&stand, &broker, "one", share), ingest(&stand, &broker, "two", share));
    first.said("reading from the cluster").await.unwrap();
    second.said("reading from the cluster").await.unwrap();
    let visitor = Visitor { port: broker.port(), authority: None, login: None };
    let topic = format!("vigie/v1/{device}/readings/json");
    let (per_round, rounds) = (400, 4);
    let mut dead = Vec::new();
    for round in 0..rounds {
        let numbers = round * per_round + 1..=(round + 1) * per_round;
        let payloads = readings(numbers);
        let before = stored(&stand, &device).len();
        let (published, ()) = tokio::join!(visitor.publish(&topic, &payloads), async {
            let moved = async || (stored(&stand, &device).len() > before + 20).then_some(());
            until(PATIENCE, moved).await.expect("the blow falls under load");
            second.kill().await.unwrap();
        });
        published.unwrap();
        let mut next = ingest(&stand, &broker, "two", share);
        next.said("reading from the cluster").await.unwrap();
        dead.push(std::mem::replace(&mut second, next));
    }
    has_exactly(&stand, &device, 1..=rounds * per_round).await;
    for service in [&mut first, &mut second] {
        assert!(service.stop().await.unwrap().success());
    }
    // On a slow machine the second is away for so long that the first reads from its session meanwhile.
    let expected = ["this one reads from its session until it is back"];
    for service in dead.iter().chain([&first, &second]) {
        assert_eq!(service.complaints(&expected), Vec::<String>::new());
    }
    assert_eq!(stand.number("SELECT count(*) FROM quarantine").unwrap(), 0);
}

#[tokio::test]
async fn told_to_stop_it_acknowledges_what_it_stored_and_leaves_the_rest_to_the_cluster() {
    let (stand, devices) = stand().await;
    let device = devices[0].id.to_string();
    let mut broker = Mosquitto::start(&MosquittoConfig::default()).await.unwrap();
    let visitor = Visitor { port: broker.port(), authority: None, login: None };
    let topic = format!("vigie/v1/{device}/readings/json");
    let share = "false";
    let mut service = ingest(&stand, &broker, "one", share);
    service.said("reading from the cluster").await.unwrap();
    let payloads = readings(1..=1_000);
    let (published, ()) = tokio::join!(visitor.publish(&topic, &payloads), async {
        let moved = async || (stored(&stand, &device).len() > 50).then_some(());
        until(PATIENCE, moved).await.expect("in the middle");
        let began = Instant::now();
        assert!(service.stop().await.unwrap().success());
        println!("stopped under load within {:.1?}", began.elapsed());
    });
    published.unwrap();
    assert_eq!(service.complaints(&[]), Vec::<String>::new());
    // The cluster restarts as well: what it holds is on its disk.
    broker.restart().await.unwrap();
    let mut again = ingest(&stand, &broker, "one", share);
    has_exactly(&stand, &device, 1..=1_000).await;
    assert!(again.stop().await.unwrap().success());
    assert_eq!(again.complaints(&[]), Vec::<String>::new());
}

#[test]
fn a_source_that_cannot_be_right_is_refused_with_one_sentence() {
    let database = ("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none");
    for (arguments, environment, culprit) in [
        (&["serve", "--roles", "ingest"][..], &[database][..], "--mqtt-source"),
        (&["serve", "--mqtt-source", "mqtt://10.1.2.3:1883"], &[database], "is not this machine"),
        (&["serve", "--mqtt-source", "mqtts://vigie:hunter2@host"], &[database], "PASSWORD_FILE"),
        (&["serve", "--roles", "alerts", "--mqtt-source", "mqtt://localhost"], &[database], "--mqtt-source"),
        (&["config", "check"], &[database, ("VIGIE_MQTT_SOURCE", "http://localhost")], "not of the form"),
        (&["healthcheck", "--role", "ingest"], &[database], "VIGIE_MQTT_SOURCE"),
    ] {
        let output = run(arguments, environment);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {said}");
        assert!(said.contains(culprit) && said.trim().lines().count() == 1, "{arguments:?}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    let environment = [database, ("VIGIE_MQTT_SOURCE", "mqtt://localhost"), ("VIGIE_INSTANCE", "eins")];
    let output = run(&["config", "check"], &environment);
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("vigie-eins@localhost:1883 without TLS"),
        "{output:?}"
    );
}
