//! Configuration: environment variables over a TOML file over defaults, all parsed and cross-checked
//! before any socket opens.
//!
//! | variable | default | what |
//! |---|---|---|
//! | `DATABASE_URL`, `DATABASE_URL_FILE` | none | PostgreSQL; the file form keeps the password out of the environment |
//! | `VIGIE_CONFIG` | none | a TOML file with the keys below in lower case without `VIGIE_` |
//! | `VIGIE_MQTT_LISTEN` | `127.0.0.1:1883` | plain MQTT for devices; loopback only |
//! | `VIGIE_MQTT_INSECURE_LISTEN` | none | `container-network` allows plain MQTT outside loopback, inside a private network |
//! | `VIGIE_MQTT_SOURCE` | none | a region's own MQTT cluster to read from, `mqtts://user@host:8883` ([docs/outside-clusters.md](../../docs/outside-clusters.md)); `mqtt://` for loopback only |
//! | `VIGIE_MQTT_SOURCE_PASSWORD_FILE` | none | the user's password in the cluster, in a file |
//! | `VIGIE_MQTT_SOURCE_CA_FILE` | the system's authorities | authorities to trust for the cluster, in PEM |
//! | `VIGIE_MQTT_SOURCE_CERT_FILE`, `VIGIE_MQTT_SOURCE_KEY_FILE` | none | our certificate (with its chain) and key for the cluster, in PEM |
//! | `VIGIE_MQTT_SOURCE_CLIENT_ID` | `vigie-` and `VIGIE_INSTANCE` | the same at every start of this process, and of no other one |
//! | `VIGIE_MQTT_SOURCE_RECEIVE_MAXIMUM` | `256` | messages that the cluster may send ahead of our commits |
//! | `VIGIE_MQTT_SOURCE_SHARE` | `false` | `true` deals the messages out among several processes instead of giving each of them every one; not with mosquitto |
//! | `VIGIE_MQTT_SOURCE_SESSION_HOURS` | `168` | how long the cluster keeps our session while we are away |
//! | `VIGIE_TLS_CERT_FILE`, `VIGIE_TLS_KEY_FILE` | those of `vigie ca server` in `VIGIE_CA_DIR` | certificate (with its chain) and key of the listeners with TLS, in PEM; read again when they change |
//! | `VIGIE_MQTTS_LISTEN` | `0.0.0.0:8883` once there is a certificate | MQTT over TLS; `off` switches it off |
//! | `VIGIE_DEVICE_CA_FILE` | `ca.pem` in `VIGIE_CA_DIR` | authorities that devices' certificates chain to, in PEM; without it devices log in by password |
//! | `VIGIE_DEVICE_CRL_FILE` | `crl.pem` in `VIGIE_CA_DIR`, if the authority is that one | revocation lists of those authorities, in PEM or DER; read again when it changes |
//! | `VIGIE_WSS_LISTEN` | none | MQTT over WebSocket and TLS, at `/mqtt` |
//! | `VIGIE_WS_LISTEN` | none | MQTT over WebSocket without TLS; loopback only |
//! | `VIGIE_HTTP_LISTEN` | `127.0.0.1:8080` | pages and API; put a TLS proxy in front |
//! | `VIGIE_HTTP_SECURE` | `false` | cookies only over https |
//! | `VIGIE_INSTANCE` | host name, or `1` | name of this process among several |
//! | `VIGIE_WORKERS` | `2` | judging workers of the alerts role |
//! | `VIGIE_REPORTS_AFTER_HOURS` | `6` | a week's report is made so many hours after the week's end, for readings on their way |
//! | `VIGIE_REPORTS_WEEKS_BACK` | `4` | how many weeks that nobody reported on are caught up with |
//! | `VIGIE_REPORT_WORKERS` | `2` | reports made at the same time; each takes a core |
//! | `VIGIE_REPORTS_FROM` | none | sender address of the mails that carry reports; needed with `VIGIE_SMTP_HOST` |
//! | `VIGIE_SMTP_HOST` | none | mail server; without one, mails wait and reports are downloaded |
//! | `VIGIE_SMTP_PORT` | `587`, with `tls` `465` | its port |
//! | `VIGIE_SMTP_SECURITY` | `starttls` | `starttls`, `tls`, or `none` (loopback only) |
//! | `VIGIE_SMTP_USER`, `VIGIE_SMTP_PASSWORD_FILE` | none | log-in at the mail server, the password in a file |
//! | `VIGIE_SMTP_CA_FILE` | none | a PEM file with a further authority to trust |
//! | `VIGIE_MSSANTE_DOMAINS` | `.mssante.fr` | what the domain of an MSSanté address ends with; several, separated by commas |
//! | `VIGIE_LIMIT_*` | | what a device may do, and how many log-ins at once: [docs/limits.md](../../docs/limits.md) |
//! | `VIGIE_SET_CLOCK_*`, `VIGIE_*_LIFE_HOURS` | | commands to devices: [docs/device-commands.md](../../docs/device-commands.md) |
//! | `VIGIE_GAPS_AFTER_SECONDS` | `900` | how old a gap in a device's numbers is when Vigie asks for it: [docs/gaps.md](../../docs/gaps.md); 0: never |
//! | `VIGIE_GAPS_TRIES` | `4` | how often Vigie asks for the same numbers |
//! | `VIGIE_CA_DIR` | none | the folder of our own certificate authority; with its key there, the dashboard signs for devices |
//! | `VIGIE_CERTIFICATE_DAYS` | `90` | how long certificates are good that our own authority signs |
//! | `VIGIE_CLAIM_DAYS` | `7` | how long a claim of `vigie device claim` is good |
//! | `VIGIE_LOG` | `info` | what is logged |
//! | `VIGIE_LOG_FORMAT` | `text` | `text` or `json` |

mod authority;
mod cluster;
mod commands;
mod doors;
mod gaps;
mod limits;
mod reports;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::Result;
use vigie_ingest::cluster::Settings as Cluster;

use crate::usage::usage;

pub(crate) use authority::{CERTIFICATE_DAYS, Ca};
pub(crate) use commands::Commands;
pub(crate) use doors::Doors;
pub(crate) use limits::Bounds;
pub(crate) use reports::{NO_DOMAIN, Reports, message_domain};

/// What `vigie serve` needs to know.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) database_url: String,
    pub(crate) mqtt_listen: SocketAddr,
    pub(crate) http_listen: SocketAddr,
    pub(crate) http_secure: bool,
    pub(crate) instance: String,
    pub(crate) workers: usize,
    pub(crate) reports: Reports,
    pub(crate) ca: Ca,
    pub(crate) bounds: Bounds,
    pub(crate) doors: Doors,
    pub(crate) commands: Commands,
    /// Where the ingest role reads from.
    pub(crate) cluster: Option<Cluster>,
    pub(crate) log: String,
    pub(crate) log_json: bool,
}

/// Keys of the file; each is `VIGIE_` and the upper case of it in the environment.
const KEYS: [&str; 8] = [
    "mqtt_listen",
    "mqtt_insecure_listen",
    "http_listen",
    "http_secure",
    "instance",
    "workers",
    "log",
    "log_format",
];

/// A setting by its key, or this default. A variable that is set to nothing counts as not set.
type Get<'a> = dyn Fn(&str, &str) -> String + 'a;

impl Config {
    /// Reads the process's environment.
    pub(crate) fn from_environment() -> Result<Self> {
        Self::read(&|name| std::env::var(name).ok())
    }

    /// The same, with a source named on the command line instead.
    pub(crate) fn from_environment_and_source(source: Option<&str>) -> Result<Self> {
        Self::read(&|name| match source {
            Some(source) if name == "VIGIE_MQTT_SOURCE" => Some(source.to_owned()),
            Some(_) | None => std::env::var(name).ok(),
        })
    }

    fn read(environment: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        let file = read_file(environment("VIGIE_CONFIG").as_deref())?;
        let get = |key: &str, default: &str| {
            environment(&format!("VIGIE_{}", key.to_uppercase()))
                .filter(|text| !text.is_empty())
                .or_else(|| file.get(key).cloned())
                .unwrap_or_else(|| default.to_owned())
        };
        let instance = get("instance", &environment("HOSTNAME").unwrap_or_else(|| "1".into()));
        let config = Self {
            cluster: cluster::read(&get, &instance)?,
            database_url: database_url(environment)?.ok_or_else(|| {
                usage("DATABASE_URL is not set (or DATABASE_URL_FILE with the path of a file that holds it)")
            })?,
            mqtt_listen: address("VIGIE_MQTT_LISTEN", &get("mqtt_listen", "127.0.0.1:1883"))?,
            http_listen: address("VIGIE_HTTP_LISTEN", &get("http_listen", "127.0.0.1:8080"))?,
            http_secure: flag("VIGIE_HTTP_SECURE", &get("http_secure", "false"))?,
            instance,
            workers: number(&get, "workers", "2", 1, 64)?,
            reports: Reports::read(&get)?,
            ca: Ca::read(&get)?,
            bounds: Bounds::read(&get)?,
            doors: Doors::read(&get)?,
            commands: Commands::read(&get)?,
            log: get("log", "info"),
            log_json: match get("log_format", "text").as_str() {
                "text" => false,
                "json" => true,
                other => return Err(usage(format!("VIGIE_LOG_FORMAT is text or json, not {other:?}"))),
            },
        };
        let inside_a_network = get("mqtt_insecure_listen", "");
        match inside_a_network.as_str() {
            "" if !config.mqtt_listen.ip().is_loopback() => Err(usage(format!(
                "VIGIE_MQTT_LISTEN={} is not loopback: plain MQTT would show secrets and readings to the network; VIGIE_MQTTS_LISTEN is MQTT with TLS",
                config.mqtt_listen
            ))),
            "" | "container-network" => Ok(config),
            other => {
                Err(usage(format!("VIGIE_MQTT_INSECURE_LISTEN is container-network or unset, not {other:?}")))
            }
        }
    }
}

fn known_keys() -> impl Iterator<Item = &'static str> {
    KEYS.into_iter()
        .chain(reports::KEYS)
        .chain(limits::KEYS)
        .chain(gaps::KEYS)
        .chain(doors::KEYS)
        .chain(authority::KEYS)
        .chain(commands::KEYS)
        .chain(cluster::KEYS)
}

/// What the domain of an MSSanté address ends with.
pub(crate) fn mssante_domains() -> Result<Vec<String>> {
    Ok(reports_settings()?.mssante_domains)
}

/// What reports need to know, for commands that need nothing else of the configuration.
pub(crate) fn reports_settings() -> Result<Reports> {
    let environment = |name: &str| std::env::var(name).ok();
    let file = read_file(environment("VIGIE_CONFIG").as_deref())?;
    Reports::read(&|key, default| {
        environment(&format!("VIGIE_{}", key.to_uppercase()))
            .filter(|text| !text.is_empty())
            .or_else(|| file.get(key).cloned())
            .unwrap_or_else(|| default.to_owned())
    })
}

/// `DATABASE_URL`, or the content of the file that `DATABASE_URL_FILE` names.
pub(crate) fn database_url(environment: &dyn Fn(&str) -> Option<String>) -> Result<Option<String>> {
    match (environment("DATABASE_URL"), environment("DATABASE_URL_FILE")) {
        (Some(_), Some(_)) => {
            Err(usage("DATABASE_URL and DATABASE_URL_FILE are both set; which one counts?"))
        }
        (Some(url), None) => Ok(Some(url)),
        (None, Some(path)) => match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(error) => Err(usage(format!("DATABASE_URL_FILE={path} cannot be read: {error}"))),
        },
        (None, None) => Ok(None),
    }
}

fn read_file(path: Option<&str>) -> Result<BTreeMap<String, String>> {
    let Some(path) = path else { return Ok(BTreeMap::new()) };
    let text = std::fs::read_to_string(path)
        .map_err(|error| usage(format!("VIGIE_CONFIG={path} cannot be read: {error}")))?;
    let table: toml::Table =
        text.parse().map_err(|error| usage(format!("VIGIE_CONFIG={path} is not TOML: {error}")))?;
    let mut values = BTreeMap::new();
    for (key, value) in table {
        if !known_keys().any(|known| known == key) {
            return Err(usage(format!(
                "{path} has a key {key:?} that nobody reads; known are {}",
                known_keys().collect::<Vec<_>>().join(", ")
            )));
        }
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        values.insert(key, text);
    }
    Ok(values)
}

/// The content of a file that a setting names; `None` where it names none.
fn content_of(name: &str, path: &str) -> Result<Option<Vec<u8>>> {
    if path.is_empty() {
        return Ok(None);
    }
    let content = std::fs::read(path);
    content.map(Some).map_err(|error| usage(format!("{name}={path} cannot be read: {error}")))
}

fn address(name: &str, text: &str) -> Result<SocketAddr> {
    text.parse().map_err(|_| usage(format!("{name}={text} is not an address such as 127.0.0.1:1883")))
}

fn flag(name: &str, text: &str) -> Result<bool> {
    text.parse().map_err(|_| usage(format!("{name}={text} is neither true nor false")))
}

/// The whole number under a key, or the default. A wrong one is told by the name of its variable.
fn number(get: &Get<'_>, key: &str, default: impl ToString, least: usize, most: usize) -> Result<usize> {
    let text = get(key, &default.to_string());
    text.parse().ok().filter(|n| (least..=most).contains(n)).ok_or_else(|| {
        usage(format!("VIGIE_{}={text} is not a number from {least} to {most}", key.to_uppercase()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Config> {
        let map: BTreeMap<String, String> = pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        Config::read(&|name| map.get(name).cloned())
    }

    fn mail<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let base = [
            ("DATABASE_URL", "x"),
            ("VIGIE_SMTP_HOST", "mail.example"),
            ("VIGIE_REPORTS_FROM", "vigie@mail.example"),
        ];
        base.iter().chain(more).copied().collect()
    }

    #[test]
    fn a_mail_server_is_used_over_starttls_unless_something_else_is_said() {
        let smtp = read(&mail(&[])).unwrap().reports.smtp.unwrap();
        assert_eq!((smtp.port, smtp.security), (587, vigie_reports::delivery::Security::StartTls));
        let smtp = read(&mail(&[("VIGIE_SMTP_SECURITY", "tls")])).unwrap().reports.smtp.unwrap();
        assert_eq!(smtp.port, 465);
        // As a compose file passes on what nobody set.
        assert!(read(&[("DATABASE_URL", "x"), ("VIGIE_SMTP_HOST", "")]).unwrap().reports.smtp.is_none());
    }

    #[test]
    fn defaults_listen_on_loopback_only() {
        let config = read(&[("DATABASE_URL", "postgres://x")]).unwrap();
        assert!(config.mqtt_listen.ip().is_loopback());
        assert!(config.http_listen.ip().is_loopback());
    }

    #[test]
    fn each_mistake_is_named() {
        for (pairs, culprit) in [
            (&[][..], "DATABASE_URL"),
            (&[("DATABASE_URL", "x"), ("VIGIE_MQTT_LISTEN", "0.0.0.0:1883")], "VIGIE_MQTT_LISTEN"),
            (&[("DATABASE_URL", "x"), ("VIGIE_HTTP_LISTEN", "here")], "VIGIE_HTTP_LISTEN"),
            (&[("DATABASE_URL", "x"), ("VIGIE_WORKERS", "0")], "VIGIE_WORKERS"),
            (&[("DATABASE_URL", "x"), ("VIGIE_LOG_FORMAT", "xml")], "VIGIE_LOG_FORMAT"),
            (&[("DATABASE_URL", "x"), ("VIGIE_LIMIT_IN_FLIGHT", "0")], "VIGIE_LIMIT_IN_FLIGHT"),
            (&[("DATABASE_URL", "x"), ("DATABASE_URL_FILE", "y")], "DATABASE_URL_FILE"),
            (&[("DATABASE_URL", "x"), ("VIGIE_CONFIG", "/nowhere.toml")], "VIGIE_CONFIG"),
            (&[("DATABASE_URL", "x"), ("VIGIE_REPORTS_AFTER_HOURS", "100")], "VIGIE_REPORTS_AFTER_HOURS"),
            (&[("DATABASE_URL", "x"), ("VIGIE_SMTP_HOST", "mail.example")], "VIGIE_REPORTS_FROM"),
            (&[("DATABASE_URL", "x"), ("VIGIE_SMTP_PORT", "25")], "VIGIE_SMTP_PORT"),
            (&[("DATABASE_URL", "x"), ("VIGIE_CERTIFICATE_DAYS", "0")], "VIGIE_CERTIFICATE_DAYS"),
            (&[("DATABASE_URL", "x"), ("VIGIE_CLAIM_DAYS", "100")], "VIGIE_CLAIM_DAYS"),
            (&mail(&[("VIGIE_SMTP_SECURITY", "ssl")]), "VIGIE_SMTP_SECURITY"),
            (&mail(&[("VIGIE_SMTP_SECURITY", "none")]), "without TLS"),
            (&mail(&[("VIGIE_SMTP_USER", "vigie")]), "VIGIE_SMTP_PASSWORD_FILE"),
            (&mail(&[("VIGIE_SMTP_CA_FILE", "/nowhere.pem")]), "VIGIE_SMTP_CA_FILE"),
            (&mail(&[("VIGIE_MSSANTE_DOMAINS", "mssante.fr")]), "VIGIE_MSSANTE_DOMAINS"),
        ] {
            let error = read(pairs).unwrap_err();
            assert!(error.to_string().contains(culprit), "{error}");
        }
    }

    #[test]
    fn the_environment_wins_over_the_file_and_unknown_keys_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vigie.toml");
        std::fs::write(&path, "workers = 4\nlog = \"debug\"\n").unwrap();
        let file = path.to_str().unwrap();
        let config = read(&[("DATABASE_URL", "x"), ("VIGIE_CONFIG", file), ("VIGIE_LOG", "warn")]).unwrap();
        assert_eq!((config.workers, config.log.as_str()), (4, "warn"));
        std::fs::write(&path, "mqtt_listne = \"127.0.0.1:1\"\n").unwrap();
        assert!(
            read(&[("DATABASE_URL", "x"), ("VIGIE_CONFIG", file)])
                .unwrap_err()
                .to_string()
                .contains("mqtt_listne")
        );
    }
}
