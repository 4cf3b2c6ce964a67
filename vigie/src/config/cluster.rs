//! A region's own MQTT cluster to read from. docs/outside-clusters.md explains it.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::Result;
use vigie_ingest::cluster::{Login, Settings, Tls};

use super::{Get, flag, number};
use crate::usage::usage;

/// Keys of the file that are read here.
pub(super) const KEYS: [&str; 9] = [
    "mqtt_source",
    "mqtt_source_password_file",
    "mqtt_source_ca_file",
    "mqtt_source_cert_file",
    "mqtt_source_key_file",
    "mqtt_source_client_id",
    "mqtt_source_receive_maximum",
    "mqtt_source_share",
    "mqtt_source_session_hours",
];

/// Reads all of it; `None` where no source is named. Everything that can be checked without the cluster is checked.
pub(super) fn read(get: &Get<'_>, instance: &str) -> Result<Option<Settings>> {
    let url = get("mqtt_source", "");
    if url.is_empty() {
        return match KEYS.into_iter().find(|key| !get(key, "").is_empty()) {
            Some(key) => Err(usage(format!("VIGIE_{} is set without VIGIE_MQTT_SOURCE", key.to_uppercase()))),
            None => Ok(None),
        };
    }
    let Place { secure, user, host, port } = Place::parse(&url)?;
    let mut settings = Settings::new(host, port, client_id(&get("mqtt_source_client_id", ""), instance)?);
    let receive_maximum = number(get, "mqtt_source_receive_maximum", "256", 1, 4_096)?;
    settings.receive_maximum = u16::try_from(receive_maximum)?;
    let hours = number(get, "mqtt_source_session_hours", "168", 1, 8_760)?;
    settings.session_expiry = Duration::from_secs(u64::try_from(hours)? * 3_600);
    settings.share = flag("VIGIE_MQTT_SOURCE_SHARE", &get("mqtt_source_share", "false"))?;
    let tls = tls(get)?;
    if !secure && (tls.authorities.is_some() || tls.identity.is_some()) {
        return Err(usage(
            "VIGIE_MQTT_SOURCE begins with mqtt://, which needs neither VIGIE_MQTT_SOURCE_CA_FILE nor a certificate",
        ));
    }
    settings.login = login(user, &get("mqtt_source_password_file", ""), tls.identity.is_some())?;
    settings.tls = secure.then_some(tls);
    settings.check().map_err(|error| usage(format!("VIGIE_MQTT_SOURCE: {error}")))?;
    Ok(Some(settings))
}

/// Where a source is, and as whom.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    secure: bool,
    user: Option<String>,
    host: String,
    port: u16,
}

impl Place {
    /// `mqtts://user@host:8883`. The text is told in no message: somebody may have put a password into it.
    fn parse(url: &str) -> Result<Self> {
        let shape = || usage("VIGIE_MQTT_SOURCE is not of the form mqtts://user@host:8883");
        let (scheme, rest) = url.split_once("://").ok_or_else(shape)?;
        let secure = match scheme {
            "mqtts" => true,
            "mqtt" => false,
            _ => return Err(shape()),
        };
        let (user, place) = match rest.rsplit_once('@') {
            Some((user, _)) if user.contains(':') => {
                return Err(usage(
                    "VIGIE_MQTT_SOURCE holds a password, which everybody who lists processes would see: put it into \
                     a file and its path into VIGIE_MQTT_SOURCE_PASSWORD_FILE",
                ));
            }
            Some((user, place)) => (Some(user.to_owned()), place),
            None => (None, rest),
        };
        let place = place.strip_suffix('/').unwrap_or(place);
        let usual = if secure { 8883 } else { 1883 };
        // An IPv6 address stands in brackets.
        let (host, port) =
            match place.rsplit_once(':').filter(|(host, _)| host.ends_with(']') || !host.contains(':')) {
                Some((host, port)) => (host, port.parse::<u16>().map_err(|_| shape())?),
                None => (place, usual),
            };
        let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
        if host.is_empty() || port == 0 || !host.chars().all(name) || user.as_deref() == Some("") {
            return Err(shape());
        }
        if !secure && !is_loopback(host) {
            return Err(usage(format!(
                "VIGIE_MQTT_SOURCE is mqtt:// and {host} is not this machine: without TLS the network would see \
                 secrets and readings, and could invent some; use mqtts://"
            )));
        }
        Ok(Self { secure, user, host: host.to_owned(), port })
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// What is set, or `vigie-` and the name of this process. It has to be the same at each start.
fn client_id(set: &str, instance: &str) -> Result<String> {
    let (id, culprit) = match set {
        "" => (format!("vigie-{instance}"), "VIGIE_INSTANCE"),
        set => (set.to_owned(), "VIGIE_MQTT_SOURCE_CLIENT_ID"),
    };
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if id.len() > 128 || !id.chars().all(fine) {
        return Err(usage(format!(
            "{culprit}: the client id {id:?} may have at most 128 characters out of A-Z a-z 0-9 . - _"
        )));
    }
    Ok(id)
}

fn login(user: Option<String>, file: &str, has_certificate: bool) -> Result<Option<Login>> {
    match (user, super::content_of("VIGIE_MQTT_SOURCE_PASSWORD_FILE", file)?) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(usage(
            "VIGIE_MQTT_SOURCE_PASSWORD_FILE is set and VIGIE_MQTT_SOURCE names no user (mqtts://user@host:8883)",
        )),
        (Some(user), None) if has_certificate => Ok(Some(Login { user, password: String::new() })),
        (Some(_), None) => Err(usage(
            "VIGIE_MQTT_SOURCE names a user, and there is neither VIGIE_MQTT_SOURCE_PASSWORD_FILE nor \
             VIGIE_MQTT_SOURCE_CERT_FILE",
        )),
        (Some(user), Some(bytes)) => {
            let text =
                String::from_utf8(bytes).map_err(|_| usage("VIGIE_MQTT_SOURCE_PASSWORD_FILE is not text"))?;
            // The last line break is the editor's, spaces may be the password's.
            let password = text.trim_end_matches(['\r', '\n']).to_owned();
            if password.is_empty() {
                return Err(usage(format!("VIGIE_MQTT_SOURCE_PASSWORD_FILE={file} is empty")));
            }
            Ok(Some(Login { user, password }))
        }
    }
}

fn tls(get: &Get<'_>) -> Result<Tls> {
    let file = |key: &str| super::content_of(&format!("VIGIE_{}", key.to_uppercase()), &get(key, ""));
    let identity = match (file("mqtt_source_cert_file")?, file("mqtt_source_key_file")?) {
        (None, None) => None,
        (Some(chain), Some(key)) => Some((chain, key)),
        (Some(_), None) => {
            return Err(usage("VIGIE_MQTT_SOURCE_CERT_FILE is set and VIGIE_MQTT_SOURCE_KEY_FILE is not"));
        }
        (None, Some(_)) => {
            return Err(usage("VIGIE_MQTT_SOURCE_KEY_FILE is set and VIGIE_MQTT_SOURCE_CERT_FILE is not"));
        }
    };
    Ok(Tls { authorities: file("mqtt_source_ca_file")?, identity })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Result<Option<Settings>> {
        let get = |key: &str, default: &str| {
            let found = pairs.iter().find(|(wanted, _)| *wanted == key);
            found.map_or(default, |(_, value)| *value).to_owned()
        };
        read(&get, "host-1")
    }

    #[test]
    fn a_source_on_this_machine_needs_nothing_else() {
        let settings = of(&[("mqtt_source", "mqtt://localhost")]).unwrap().unwrap();
        assert_eq!(
            (settings.host.as_str(), settings.port, settings.client_id.as_str()),
            ("localhost", 1883, "vigie-host-1")
        );
        assert!(settings.tls.is_none() && settings.login.is_none());
        assert_eq!(of(&[("mqtt_source", "mqtt://[::1]:1884")]).unwrap().unwrap().port, 1884);
        assert!(of(&[]).unwrap().is_none());
    }

    #[test]
    fn a_password_comes_from_its_file_and_shows_up_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "open sesame \n").unwrap();
        let path = file.to_str().unwrap();
        let pairs =
            [("mqtt_source", "mqtts://vigie@mqtt.region.example"), ("mqtt_source_password_file", path)];
        let settings = of(&pairs).unwrap().unwrap();
        assert_eq!(settings.port, 8883);
        assert_eq!(settings.login.as_ref().unwrap().password, "open sesame ");
        assert!(!format!("{settings:?}").contains("sesame"), "{settings:?}");
        std::fs::write(&file, "\n").unwrap();
        assert!(of(&pairs).unwrap_err().to_string().contains("is empty"));
    }

    #[test]
    fn each_mistake_is_named() {
        let away = ("mqtt_source", "mqtts://vigie@mqtt.region.example:8883");
        for (pairs, culprit) in [
            (&[("mqtt_source", "mqtt://10.0.0.7:1883")][..], "is not this machine"),
            (&[("mqtt_source", "mqtt://localhost.example")], "is not this machine"),
            (&[("mqtt_source", "tcp://localhost")], "not of the form"),
            (&[("mqtt_source", "localhost:1883")], "not of the form"),
            (&[("mqtt_source", "mqtts://host:port")], "not of the form"),
            (&[("mqtt_source", "mqtts://@host")], "not of the form"),
            (&[("mqtt_source", "mqtts://host/path")], "not of the form"),
            (&[("mqtt_source", "mqtts://vigie:hunter2@host")], "VIGIE_MQTT_SOURCE_PASSWORD_FILE"),
            (&[("mqtt_source_ca_file", "/x")], "VIGIE_MQTT_SOURCE_CA_FILE is set without VIGIE_MQTT_SOURCE"),
            (&[away], "names a user"),
            (
                &[("mqtt_source", "mqtts://host"), ("mqtt_source_ca_file", "/nowhere")],
                "/nowhere cannot be read",
            ),
            (&[("mqtt_source", "mqtts://host"), ("mqtt_source_cert_file", "/dev/null")], "KEY_FILE is not"),
            (&[("mqtt_source", "mqtts://host"), ("mqtt_source_ca_file", "/dev/null")], "authority"),
            (
                &[("mqtt_source", "mqtt://localhost"), ("mqtt_source_ca_file", "/dev/null")],
                "begins with mqtt://",
            ),
            (&[("mqtt_source", "mqtt://localhost"), ("mqtt_source_client_id", "a b")], "CLIENT_ID"),
            (&[("mqtt_source", "mqtt://localhost"), ("mqtt_source_receive_maximum", "0")], "RECEIVE_MAXIMUM"),
            (&[("mqtt_source", "mqtt://localhost"), ("mqtt_source_session_hours", "0")], "SESSION_HOURS"),
            (&[("mqtt_source", "mqtt://localhost"), ("mqtt_source_share", "yes")], "VIGIE_MQTT_SOURCE_SHARE"),
        ] {
            let error = of(pairs).unwrap_err().to_string();
            assert!(error.contains(culprit), "{culprit}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
