//! What the authority signs, read back with OpenSSL, which is not our code.

#![expect(clippy::unwrap_used, reason = "test code fails by panicking")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use jiff::{SignedDuration, Timestamp};
use vigie_authority::{Authority, Current, Error, Folder, Request, Revoked, fingerprint};

/// The moment at which OpenSSL is to look, since it asks the clock otherwise.
const NOW: &str = "2026-11-24T10:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn openssl(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new("openssl").args(arguments).current_dir(folder).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn verifies(folder: &Path, purpose: &str, at: Timestamp, file: &str, more: &[&str]) -> (bool, String) {
    let at = at.as_second().to_string();
    let base = ["verify", "-CAfile", "ca.pem", "-purpose", purpose, "-attime", &at];
    openssl(folder, &[&base[..], more, &[file]].concat())
}

#[test]
fn openssl_accepts_a_device_as_a_client_only_and_until_it_expires() {
    let folder = tempfile::tempdir().unwrap();
    let place = Folder::new(folder.path());
    let authority = place.create("Vigie devices", now()).unwrap();
    let made = authority.device_with_key("gl-1", now(), 90).unwrap();
    std::fs::write(folder.path().join("gl-1.pem"), &made.issued.pem).unwrap();
    let (good, text) = verifies(folder.path(), "sslclient", now(), "gl-1.pem", &[]);
    assert!(good, "{text}");
    assert!(!verifies(folder.path(), "sslserver", now(), "gl-1.pem", &[]).0, "a device is no server");
    let later = now() + SignedDuration::from_hours(24 * 91);
    assert!(!verifies(folder.path(), "sslclient", later, "gl-1.pem", &[]).0, "expired");
    let (_, text) = openssl(folder.path(), &["x509", "-in", "gl-1.pem", "-noout", "-text"]);
    assert!(text.contains("CN = gl-1") || text.contains("CN=gl-1"), "{text}");
    assert!(text.contains("URI:urn:vigie:device:gl-1"), "{text}");
    let serial = openssl(folder.path(), &["x509", "-in", "gl-1.pem", "-noout", "-serial"]).1;
    assert_eq!(serial.trim().to_lowercase(), format!("serial={}", made.issued.serial));
    assert_eq!(Current::parse(&made.issued.pem).unwrap().fingerprint, made.issued.fingerprint);
}

#[test]
fn openssl_accepts_a_server_by_its_names() {
    let folder = tempfile::tempdir().unwrap();
    let place = Folder::new(folder.path());
    let authority = place.create("Vigie devices", now()).unwrap();
    let names = ["mqtt.example".to_owned(), "127.0.0.1".to_owned()];
    place.write_server(&authority.server(&names, now(), 90).unwrap()).unwrap();
    for check in [["-verify_hostname", "mqtt.example"], ["-verify_ip", "127.0.0.1"]] {
        let (good, text) = verifies(folder.path(), "sslserver", now(), "server.pem", &check);
        assert!(good, "{text}");
    }
    let other = ["-verify_hostname", "other.example"];
    assert!(!verifies(folder.path(), "sslserver", now(), "server.pem", &other).0);
}

#[test]
fn openssl_refuses_what_is_on_the_list_and_accepts_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let place = Folder::new(folder.path());
    let authority = place.create("Vigie devices", now()).unwrap();
    let (kept, lost) = (
        authority.device_with_key("gl-1", now(), 90).unwrap(),
        authority.device_with_key("gl-2", now(), 90).unwrap(),
    );
    std::fs::write(folder.path().join("kept.pem"), &kept.issued.pem).unwrap();
    std::fs::write(folder.path().join("lost.pem"), &lost.issued.pem).unwrap();
    let check = ["-crl_check", "-CRLfile", "crl.pem"];
    assert!(verifies(folder.path(), "sslclient", now(), "lost.pem", &check).0, "the first list is empty");
    let revoked = [Revoked { serial: lost.issued.serial, at: now() }];
    place.write_revocation_list(&place.open().unwrap(), &revoked, now()).unwrap();
    let (good, text) = verifies(folder.path(), "sslclient", now(), "lost.pem", &check);
    assert!(!good && text.contains("revoked"), "{text}");
    let (good, text) = verifies(folder.path(), "sslclient", now(), "kept.pem", &check);
    assert!(good, "{text}");
}

#[test]
fn an_authority_is_never_overwritten_and_its_keys_are_for_their_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let place = Folder::new(folder.path().join("ca"));
    assert!(!place.can_sign());
    let authority = place.create("Vigie devices", now()).unwrap();
    assert!(place.can_sign());
    let before = std::fs::read(place.key()).unwrap();
    assert!(matches!(place.create("Another", now()), Err(Error::Exists(_))));
    assert_eq!(std::fs::read(place.key()).unwrap(), before);
    place.write_server(&authority.server(&["a.example".to_owned()], now(), 90).unwrap()).unwrap();
    place.write_server(&authority.server(&["a.example".to_owned()], now(), 90).unwrap()).unwrap();
    let made = authority.device_with_key("gl-1", now(), 90).unwrap();
    let out = folder.path().join("out");
    place.hand_out("gl-1", &made, &out).unwrap();
    assert!(place.hand_out("gl-1", &made, &out).is_err(), "a device's key is never overwritten");
    for secret in [place.key(), place.server_key(), out.join("gl-1.key")] {
        let mode = std::fs::metadata(&secret).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", secret.display());
    }
    assert!(!format!("{authority:?} {made:?}").contains("PRIVATE"));
}

#[test]
fn a_device_that_made_its_key_with_openssl_gets_a_certificate_and_renews_it() {
    let folder = tempfile::tempdir().unwrap();
    let place = Folder::new(folder.path());
    let authority = place.create("Vigie devices", now()).unwrap();
    for (name, key) in [("first", "P-256"), ("second", "P-384")] {
        let curve = format!("ec_paramgen_curve:{key}");
        let (key_file, request) = (format!("{name}.key"), format!("{name}.csr"));
        let made = ["genpkey", "-algorithm", "EC", "-pkeyopt", &curve, "-out", &key_file];
        assert!(openssl(folder.path(), &made).0);
        let asked = ["req", "-new", "-key", &key_file, "-subj", "/CN=whoever", "-out", &request];
        assert!(openssl(folder.path(), &asked).0);
        let request =
            Request::parse(&std::fs::read_to_string(folder.path().join(&request)).unwrap()).unwrap();
        let issued = authority.device("gl-1", &request, now(), 90).unwrap();
        std::fs::write(folder.path().join(format!("{name}.pem")), &issued.pem).unwrap();
        std::fs::write(folder.path().join(format!("{name}.der")), request.der()).unwrap();
        assert!(verifies(folder.path(), "sslclient", now(), &format!("{name}.pem"), &[]).0);
        let subject =
            openssl(folder.path(), &["x509", "-in", &format!("{name}.pem"), "-noout", "-subject"]).1;
        assert!(subject.contains("gl-1") && !subject.contains("whoever"), "the name is ours: {subject}");
    }
    // What the documentation tells makers to do.
    let signed = ["dgst", "-sha256", "-sign", "first.key", "-out", "proof", "second.der"];
    assert!(openssl(folder.path(), &signed).0);
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    let current = Current::parse(&String::from_utf8(read("first.pem")).unwrap()).unwrap();
    assert!(current.has_signed(&read("second.der"), &read("proof")));
    assert!(!current.has_signed(&read("first.der"), &read("proof")), "a signature over something else");
    let other = Current::parse(&String::from_utf8(read("second.pem")).unwrap()).unwrap();
    assert!(!other.has_signed(&read("second.der"), &read("proof")), "a signature by another key");
}

#[test]
fn a_request_that_proves_nothing_is_refused_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |text: &str| Request::parse(text).unwrap_err().to_string();
    assert!(refused("").contains("PEM"));
    assert!(
        refused("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n")
            .contains("PKCS#10")
    );
    let made = [
        "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "rsa.key", "-subj", "/CN=x", "-out",
        "rsa.csr",
    ];
    assert!(openssl(folder.path(), &made).0);
    assert!(refused(&std::fs::read_to_string(folder.path().join("rsa.csr")).unwrap()).contains("P-256"));
    // One letter of the name changed behind the signature's back.
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, "abcdefgh");
    let mut der = params.serialize_request(&key).unwrap().der().to_vec();
    let at = der.windows(8).position(|part| part == b"abcdefgh").unwrap();
    *der.get_mut(at).unwrap() = b'x';
    std::fs::write(folder.path().join("bad.der"), &der).unwrap();
    assert!(openssl(folder.path(), &["base64", "-in", "bad.der", "-out", "bad.b64"]).0);
    let body = std::fs::read_to_string(folder.path().join("bad.b64")).unwrap();
    let pem = format!("-----BEGIN CERTIFICATE REQUEST-----\n{body}-----END CERTIFICATE REQUEST-----\n");
    assert!(refused(&pem).contains("not signed"));
}

#[test]
fn names_that_cannot_stand_in_a_certificate_and_keys_of_another_are_refused() {
    let (authority, _) = Authority::create("Vigie devices", now()).unwrap();
    for name in ["", "a\nb", &"x".repeat(65)] {
        assert!(authority.device_with_key(name, now(), 90).is_err(), "{name:?}");
    }
    assert!(authority.server(&["exämple".to_owned()], now(), 90).is_err());
    assert!(authority.server(&[], now(), 90).is_err());
    let (_, other_key) = Authority::create("Another", now()).unwrap();
    assert!(Authority::from_pem(authority.pem(), &other_key).is_err());
    assert_ne!(fingerprint(b"a"), fingerprint(b"b"));
}

#[test]
fn no_certificate_outlives_the_authority() {
    let (authority, _) = Authority::create("Vigie devices", now()).unwrap();
    let late = now() + SignedDuration::from_hours(24 * (20 * 365 - 10));
    let made = authority.device_with_key("gl-1", late, 90).unwrap();
    assert_eq!(made.issued.expires_at, now() + SignedDuration::from_hours(24 * 20 * 365));
    let after = late + SignedDuration::from_hours(24 * 11);
    assert!(authority.device_with_key("gl-1", after, 90).is_err());
}
