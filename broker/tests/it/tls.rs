//! Who gets in over TLS, and who does not.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{ExtendedKeyUsagePurpose, date_time_ymd};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{
    AlertDescription, ClientConfig, Error as RustlsError, HandshakeKind, SupportedProtocolVersion,
};
use tokio_util::sync::CancellationToken;
use vigie_broker::{Carrier, Tls};

use crate::desk::{House, PATIENCE, device};
use crate::device::{Connect, Device, LEVELS, Level};
use crate::vault::{Authority, Card, VERSIONS, Vault, bare, connect, log_in, next, publish};

async fn open(vault: &Vault) -> House {
    House::open_over(vault.carrier(), |_| {}).await
}

/// How an attempt to log in ended.
#[derive(Debug, PartialEq, Eq)]
enum Ending {
    Code(u8),
    Alert(AlertDescription),
}

fn alert(error: &io::Error) -> AlertDescription {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<RustlsError>());
    match inner {
        Some(RustlsError::AlertReceived(alert)) => *alert,
        _ => panic!("no alert: {error:?}"),
    }
}

async fn attempt(house: &House, config: &Arc<ClientConfig>, hello: &Connect) -> Ending {
    let mut stream = match connect(house.address, config).await {
        Ok(stream) => stream,
        Err(error) => return Ending::Alert(alert(&error)),
    };
    match log_in(&mut stream, hello).await {
        Ok(code) => Ending::Code(code),
        Err(error) => Ending::Alert(alert(&error)),
    }
}

#[tokio::test]
async fn a_device_with_a_certificate_needs_no_password_and_gets_its_acknowledgement() {
    let vault = Vault::new();
    let house = open(&vault).await;
    let card = vault.authority.client("gl-1", 1, |_| {});
    for version in VERSIONS {
        let config = vault.trusting(version, Some(&card));
        for (level, hello) in [
            (Level::V5, bare(Level::V5, "gl-1")),
            (Level::V5, bare(Level::V5, "")),
            (Level::V311, Connect::of(Level::V311, "gl-1")),
        ] {
            assert_eq!(attempt(&house, &config, &hello).await, Ending::Code(0), "{version:?} {level:?}");
        }
        let mut stream = connect(house.address, &config).await.unwrap();
        assert_eq!(log_in(&mut stream, &bare(Level::V311, "gl-1")).await.unwrap(), 0);
        // More than one record of TLS, there and back.
        publish(&mut stream, "gl-1", &vec![b'x'; 300_000]).await;
    }
    assert_eq!(house.desk.read(|book| book.begun[0].device.clone()), device("gl-1"));
}

#[tokio::test]
async fn a_password_is_still_good_over_tls_and_a_wrong_one_is_not() {
    let vault = Vault::new();
    let house = open(&vault).await;
    for version in VERSIONS {
        let config = vault.trusting(version, None);
        let mut hello = Connect::of(Level::V5, "gl-1");
        assert_eq!(attempt(&house, &config, &hello).await, Ending::Code(0));
        hello.password = Some("wrong".to_owned());
        assert_eq!(attempt(&house, &config, &hello).await, Ending::Code(0x86));
        assert_eq!(attempt(&house, &config, &bare(Level::V5, "gl-1")).await, Ending::Code(0x86));
    }
}

/// What a certificate that is not good enough meets.
fn unwelcome(vault: &Vault) -> Vec<(&'static str, Card, Ending)> {
    let ours = &vault.authority;
    let expired = ours.client("gl-1", 3, |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2020, 4, 1);
    });
    let not_yet = ours.client("gl-1", 4, |params| params.not_before = date_time_ymd(2120, 1, 1));
    let no_usage = ours.client("gl-1", 5, |params| params.extended_key_usages.clear());
    let for_servers = ours.client("gl-1", 6, |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    // The same name, another key.
    let impostor = Authority::new("Test authority");
    vec![
        ("revoked", ours.client("gl-1", 66, |_| {}), Ending::Alert(AlertDescription::CertificateRevoked)),
        ("expired", expired, Ending::Alert(AlertDescription::CertificateExpired)),
        ("not yet valid", not_yet, Ending::Alert(AlertDescription::CertificateExpired)),
        ("no usage", no_usage, Ending::Code(0x86)),
        ("for servers", for_servers, Ending::Alert(AlertDescription::UnsupportedCertificate)),
        (
            "wrong authority",
            impostor.client("gl-1", 7, |_| {}),
            Ending::Alert(AlertDescription::DecryptError),
        ),
        (
            "unknown authority",
            Authority::new("Another").client("gl-1", 8, |_| {}),
            Ending::Alert(AlertDescription::UnknownCA),
        ),
        ("another device", ours.client("gl-2", 9, |_| {}), Ending::Code(0x85)),
        ("no device", ours.client("gl/1", 10, |_| {}), Ending::Code(0x86)),
    ]
}

#[tokio::test]
async fn revoked_expired_foreign_and_mismatched_certificates_are_each_refused() {
    let vault = Vault::new();
    vault.write("devices.crl", &vault.authority.revokes(&[66]));
    let house = open(&vault).await;
    for version in VERSIONS {
        for (what, card, ending) in unwelcome(&vault) {
            let config = vault.trusting(version, Some(&card));
            let met = attempt(&house, &config, &bare(Level::V5, "gl-1")).await;
            assert_eq!(met, ending, "{what} over {version:?}");
        }
    }
    assert_eq!(house.switchboard.counters().admitted, 0);
    assert_eq!(house.desk.read(|book| book.checks().1), 0, "the directory is not even asked");
}

#[tokio::test]
async fn the_user_name_must_be_the_certificates_device_also_for_an_integration_engine() {
    let vault = Vault::new();
    let house = open(&vault).await;
    let card = vault.authority.client("gl-1", 1, |_| {});
    let config = vault.trusting(&TLS13, Some(&card));
    for level in LEVELS {
        let mut hello = bare(level, "gl-1");
        for user_name in ["gl-2", "integration:north", ""] {
            hello.user_name = Some(user_name.to_owned());
            let refused = if level == Level::V5 { 0x86 } else { 4 };
            assert_eq!(attempt(&house, &config, &hello).await, Ending::Code(refused), "{user_name}");
        }
    }
}

/// Runs the look at the files quickly.
fn keep_fresh(tls: &Tls) -> CancellationToken {
    let stop = CancellationToken::new();
    tokio::spawn(tls.clone().keep_fresh(Duration::from_millis(20), stop.clone()));
    stop
}

/// Tries until the certificate is refused in a full handshake: each time as a client that has no session to resume.
async fn until_revoked(house: &House, client: impl Fn() -> Arc<ClientConfig>) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match attempt(house, &client(), &bare(Level::V5, "gl-1")).await {
            Ending::Alert(AlertDescription::CertificateRevoked) => return,
            met @ (Ending::Code(_) | Ending::Alert(_)) => assert_eq!(met, Ending::Code(0)),
        }
        assert!(Instant::now() < deadline, "the new list is never in force");
        tokio::task::yield_now().await;
    }
}

async fn revocation_takes_hold(version: &'static SupportedProtocolVersion) {
    let vault = Vault::new();
    let tls = vault.tls();
    let carrier = Carrier { tls: Some(tls.clone()), websocket: false };
    let house = House::open_over(carrier, |limits| {
        limits.connects_per_minute = vigie_broker::Rate::per_minute(60_000);
    })
    .await;
    let stop = keep_fresh(&tls);
    let card = vault.authority.client("gl-1", 66, |_| {});
    // This client resumes its session; a new one makes a full handshake.
    let returning = vault.trusting(version, Some(&card));
    assert_eq!(attempt(&house, &returning, &bare(Level::V5, "gl-1")).await, Ending::Code(0));
    let mut again = connect(house.address, &returning).await.unwrap();
    assert_eq!(again.get_ref().1.handshake_kind(), Some(HandshakeKind::Resumed), "{version:?}");
    // With its answer comes the ticket for the next time: one of TLS 1.3 is good once.
    assert_eq!(log_in(&mut again, &bare(Level::V5, "gl-1")).await.unwrap(), 0);
    drop(again);
    vault.write("devices.crl", &vault.authority.revokes(&[66]));
    until_revoked(&house, || vault.trusting(version, Some(&card))).await;
    let mut resumed = connect(house.address, &returning).await.unwrap();
    assert_eq!(resumed.get_ref().1.handshake_kind(), Some(HandshakeKind::Resumed), "{version:?}");
    assert!(
        log_in(&mut resumed, &bare(Level::V5, "gl-1")).await.is_err(),
        "a ticket outlived its certificate"
    );
    let innocent = vault.authority.client("gl-2", 67, |_| {});
    let config = vault.trusting(version, Some(&innocent));
    assert_eq!(attempt(&house, &config, &bare(Level::V5, "gl-2")).await, Ending::Code(0));
    stop.cancel();
}

#[tokio::test]
async fn a_new_revocation_list_is_in_force_without_a_restart_also_for_a_session_that_resumes() {
    for version in VERSIONS {
        revocation_takes_hold(version).await;
    }
}

#[tokio::test]
async fn a_new_certificate_is_offered_without_a_restart_and_broken_files_change_nothing() {
    let vault = Vault::new();
    let tls = vault.tls();
    let house = House::open_over(Carrier { tls: Some(tls.clone()), websocket: false }, |_| {}).await;
    let stop = keep_fresh(&tls);
    let config = vault.trusting(&TLS13, None);
    let offered = async || {
        let fresh = vault.trusting(&TLS13, None);
        let stream = connect(house.address, &fresh).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].clone()
    };
    let first = offered().await;
    // A connection that is there lives on over all of it.
    let mut lasting = connect(house.address, &config).await.unwrap();
    assert_eq!(log_in(&mut lasting, &Connect::of(Level::V311, "gl-1")).await.unwrap(), 0);
    let second = vault.authority.server();
    // Certificate and key are two files: between them, what is there does not fit together.
    vault.write("server.crt", &second.certificate.pem());
    assert_eq!(offered().await, first);
    vault.write("devices.crl", "not a list");
    vault.write("server.key", &second.key.serialize_pem());
    assert_eq!(offered().await, first);
    vault.write("devices.crl", &vault.authority.revokes(&[1]));
    let deadline = Instant::now() + PATIENCE;
    while offered().await != *second.certificate.der() {
        assert!(Instant::now() < deadline, "the new certificate is never offered");
        tokio::task::yield_now().await;
    }
    publish(&mut lasting, "gl-1", b"still here").await;
    stop.cancel();
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let vault = Vault::new();
    for (name, content) in [
        ("server.crt", "nothing"),
        ("server.key", "nothing"),
        ("devices.crt", "nothing"),
        ("devices.crl", "nothing"),
    ] {
        let vault = Vault::new();
        vault.write(name, content);
        let error = Tls::load(vault.files()).err().unwrap().to_string();
        assert!(error.contains(name), "{error}");
    }
    let stranger = vault.authority.server();
    vault.write("server.key", &stranger.key.serialize_pem());
    assert!(Tls::load(vault.files()).err().unwrap().to_string().contains("server.crt"));
    let mut files = vault.files();
    files.device_crl = Some("/nowhere.crl".into());
    assert!(Tls::load(files).err().unwrap().to_string().contains("/nowhere.crl"));
}

#[tokio::test]
async fn a_certificate_that_is_revoked_in_the_directory_is_refused_and_its_live_session_cut() {
    let vault = Vault::new();
    let house = open(&vault).await;
    let card = vault.authority.client("gl-1", 1, |_| {});
    let renewed = vault.authority.client("gl-1", 2, |_| {});
    let config = vault.trusting(&TLS13, Some(&card));
    let mut stream = connect(house.address, &config).await.unwrap();
    assert_eq!(log_in(&mut stream, &bare(Level::V5, "gl-1")).await.unwrap(), 0);
    house.desk.edit(|book| book.revoked_certificates.insert(card.fingerprint()));
    assert!(!house.switchboard.cut_certificate(&device("gl-1"), &renewed.fingerprint()));
    assert!(house.switchboard.cut_certificate(&device("gl-1"), &card.fingerprint()));
    let goodbye = next(&mut stream).await.unwrap();
    assert_eq!((goodbye.first, goodbye.body[0]), (0xe0, 0x98));
    assert_eq!(attempt(&house, &config, &bare(Level::V5, "gl-1")).await, Ending::Code(0x86));
    let config = vault.trusting(&TLS13, Some(&renewed));
    assert_eq!(attempt(&house, &config, &bare(Level::V5, "gl-1")).await, Ending::Code(0));
}

#[tokio::test]
async fn plain_mqtt_and_silence_do_not_pass_a_tls_listener() {
    let vault = Vault::new();
    let house =
        House::open_over(vault.carrier(), |limits| limits.handshake_timeout = Duration::from_millis(100))
            .await;
    let mut plain = Device {
        stream: TcpStream::connect(house.address).await.unwrap(),
        level: Level::V311,
        id: "gl-1".to_owned(),
    };
    plain.send(&Connect::of(Level::V311, "gl-1").bytes()).await;
    let mut answer = Vec::new();
    // An alert of TLS or a reset, never a CONNACK.
    drop(plain.stream.read_to_end(&mut answer).await);
    assert_ne!(answer.first(), Some(&0x20));
    let mut silent = TcpStream::connect(house.address).await.unwrap();
    assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
    house.until("both are counted", |board| board.counters().handshakes_failed == 2).await;
}

/// mosquitto_pub, whose TLS is OpenSSL's. True when it got its acknowledgement.
async fn mosquitto_pub(house: &House, vault: &Vault, version: &str, card: &Card) -> bool {
    vault.write("device.crt", &card.certificate.pem());
    vault.write("device.key", &card.key.serialize_pem());
    let (port, topic) = (house.address.port().to_string(), "vigie/v1/gl-1/readings/json");
    let mut command = tokio::process::Command::new("mosquitto_pub");
    command.args(["-h", "localhost", "-p", &port, "-i", "gl-1", "-q", "1", "-t", topic, "-m", "a reading"]);
    command.args(["--tls-version", version]);
    for (option, file) in [("--cafile", "devices.crt"), ("--cert", "device.crt"), ("--key", "device.key")] {
        command.arg(option).arg(vault.path(file));
    }
    let output = tokio::time::timeout(PATIENCE, command.output()).await.unwrap().unwrap();
    output.status.success()
}

#[tokio::test]
async fn mosquitto_pub_gets_in_by_its_certificate_and_not_by_a_revoked_one() {
    let vault = Vault::new();
    vault.write("devices.crl", &vault.authority.revokes(&[66]));
    let house = open(&vault).await;
    let (good, revoked) =
        (vault.authority.client("gl-1", 1, |_| {}), vault.authority.client("gl-1", 66, |_| {}));
    for version in ["tlsv1.2", "tlsv1.3"] {
        assert!(mosquitto_pub(&house, &vault, version, &good).await, "{version}");
        assert!(!mosquitto_pub(&house, &vault, version, &revoked).await, "{version}");
    }
    assert_eq!(house.desk.read(|book| book.committed.clone()), ["a reading", "a reading"]);
}

const STALLED: usize = 1_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_stalled_handshakes_delay_a_good_client_by_less_than_a_tenth_of_a_second() {
    let vault = Vault::new();
    let house = open(&vault).await;
    let card = vault.authority.client("gl-1", 1, |_| {});
    let log_in_once = async |n: u64| {
        let config = vault.trusting(&TLS13, Some(&card));
        let began = Instant::now();
        let mut stream = connect(house.address, &config).await.unwrap();
        assert_eq!(log_in(&mut stream, &bare(Level::V5, "gl-1")).await.unwrap(), 0, "attempt {n}");
        began.elapsed()
    };
    let alone = log_in_once(0).await;
    let mut held = Vec::new();
    for n in 0..STALLED {
        let mut stream = TcpStream::connect(house.address).await.unwrap();
        if n % 2 == 0 {
            // The beginning of a record that never ends.
            tokio::io::AsyncWriteExt::write_all(&mut stream, &[0x16, 3, 1, 2, 0, 1]).await.unwrap();
        }
        held.push(stream);
    }
    let accepted = u64::try_from(STALLED).unwrap();
    house.until("all are accepted", |board| board.counters().accepted > accepted).await;
    let mut slowest = Duration::ZERO;
    for n in 1..=10 {
        slowest = slowest.max(log_in_once(n).await);
    }
    println!("a log-in: {alone:?} alone, {slowest:?} at most beside {STALLED} stalled handshakes");
    assert_eq!(house.switchboard.counters().handshakes_failed, 0, "they are all still stalled");
    assert!(slowest < alone + Duration::from_millis(100), "{slowest:?} instead of {alone:?}");
}
