//! Where devices come in besides plain MQTT: TLS and WebSocket. docs/device-trust.md explains them.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;
use vigie_authority::Folder;
use vigie_broker::{Carrier, Tls, TlsFiles};

use super::{Get, address};
use crate::usage::usage;

/// Keys of the file that are read here.
pub(super) const KEYS: [&str; 7] = [
    "mqtts_listen",
    "ws_listen",
    "wss_listen",
    "tls_cert_file",
    "tls_key_file",
    "device_ca_file",
    "device_crl_file",
];

/// Where MQTT over TLS listens once there is a certificate.
const MQTTS_LISTEN: &str = "0.0.0.0:8883";

/// Further listeners for devices; none by default.
#[derive(Debug, Clone, Default)]
pub(crate) struct Doors {
    pub(crate) mqtts_listen: Option<SocketAddr>,
    pub(crate) ws_listen: Option<SocketAddr>,
    pub(crate) wss_listen: Option<SocketAddr>,
    /// Its files have been read and found good.
    pub(crate) tls: Option<Tls>,
}

impl Doors {
    pub(super) fn read(get: &Get<'_>) -> Result<Self> {
        let tls = match tls_files(get)? {
            Some(files) => Some(Tls::load(files).map_err(|error| usage(format!("TLS: {error}")))?),
            None => None,
        };
        let over_tls = |key: &str, default: &str| -> Result<Option<SocketAddr>> {
            let name = format!("VIGIE_{}", key.to_uppercase());
            let place = place(&name, &get(key, if tls.is_some() { default } else { "" }))?;
            if place.is_some() && tls.is_none() {
                return Err(usage(format!("{name} needs VIGIE_TLS_CERT_FILE and VIGIE_TLS_KEY_FILE")));
            }
            Ok(place)
        };
        let mqtts_listen = over_tls("mqtts_listen", MQTTS_LISTEN)?;
        let wss_listen = over_tls("wss_listen", "")?;
        let ws_listen = place("VIGIE_WS_LISTEN", &get("ws_listen", ""))?;
        if let Some(open) = ws_listen.filter(|place| !place.ip().is_loopback()) {
            return Err(usage(format!(
                "VIGIE_WS_LISTEN={open} is not loopback: WebSocket without TLS would show secrets and readings to \
                 the network; VIGIE_WSS_LISTEN is WebSocket with TLS"
            )));
        }
        Ok(Self { mqtts_listen, ws_listen, wss_listen, tls })
    }

    /// What each of them is called, where it listens and what it speaks.
    pub(crate) fn all(&self) -> Vec<(&'static str, SocketAddr, Carrier)> {
        let tls = self.tls.clone();
        [
            ("mqtts", self.mqtts_listen, Carrier { tls: tls.clone(), websocket: false }),
            ("ws", self.ws_listen, Carrier { tls: None, websocket: true }),
            ("wss", self.wss_listen, Carrier { tls, websocket: true }),
        ]
        .into_iter()
        .filter_map(|(name, place, carrier)| Some((name, place?, carrier)))
        .collect()
    }
}

/// `off` and nothing are no listener.
fn place(name: &str, text: &str) -> Result<Option<SocketAddr>> {
    if matches!(text, "" | "off") { Ok(None) } else { address(name, text).map(Some) }
}

fn tls_files(get: &Get<'_>) -> Result<Option<TlsFiles>> {
    let file = |key: &str| Some(get(key, "")).filter(|path| !path.is_empty());
    // Where nothing else is named, what our own authority made for the listener; and its own certificate and list, which
    // belong together.
    let own = Some(get("ca_dir", "")).filter(|path| !path.is_empty()).map(Folder::new);
    let made = |path: fn(&Folder) -> PathBuf| {
        let path = own.as_ref().map(path).filter(|path| path.is_file())?;
        path.into_os_string().into_string().ok()
    };
    let own_list = if file("device_ca_file").is_none() { made(Folder::revocation_list) } else { None };
    let named = (file("tls_cert_file"), file("tls_key_file"));
    let (certificate, key) = match named {
        (None, None) => match (made(Folder::server_certificate), made(Folder::server_key)) {
            (Some(certificate), Some(key)) => (Some(certificate), Some(key)),
            (Some(_) | None, _) => (None, None),
        },
        named => named,
    };
    let with_tls = certificate.is_some() && key.is_some();
    let or_own = |named: Option<String>, own: Option<String>| named.or(own.filter(|_| with_tls));
    let device_ca = or_own(file("device_ca_file"), made(Folder::certificate));
    let device_crl = or_own(file("device_crl_file"), own_list);
    let (certificate, key) = match (certificate, key) {
        (Some(certificate), Some(key)) => (certificate, key),
        (None, None) if device_ca.is_some() || device_crl.is_some() => {
            return Err(usage(
                "VIGIE_DEVICE_CA_FILE and VIGIE_DEVICE_CRL_FILE need VIGIE_TLS_CERT_FILE and VIGIE_TLS_KEY_FILE",
            ));
        }
        (None, None) => return Ok(None),
        (Some(_), None) => return Err(usage("VIGIE_TLS_CERT_FILE is set and VIGIE_TLS_KEY_FILE is not")),
        (None, Some(_)) => return Err(usage("VIGIE_TLS_KEY_FILE is set and VIGIE_TLS_CERT_FILE is not")),
    };
    if device_crl.is_some() && device_ca.is_none() {
        return Err(usage("VIGIE_DEVICE_CRL_FILE needs VIGIE_DEVICE_CA_FILE, whose certificates it revokes"));
    }
    Ok(Some(TlsFiles {
        certificate: certificate.into(),
        key: key.into(),
        device_ca: device_ca.map(Into::into),
        device_crl: device_crl.map(Into::into),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Doors> {
        Doors::read(&|key, default| {
            let found = pairs.iter().find(|(wanted, _)| *wanted == key);
            found.map_or(default, |(_, value)| *value).to_owned()
        })
    }

    #[test]
    fn without_a_certificate_there_is_no_further_listener() {
        assert!(read(&[]).unwrap().all().is_empty());
        assert!(read(&[("mqtts_listen", "off")]).unwrap().all().is_empty());
    }

    #[test]
    fn our_own_authority_is_enough() {
        let folder = tempfile::tempdir().unwrap();
        let place = Folder::new(folder.path());
        let now = "2026-11-24T10:00:00Z".parse().unwrap();
        let authority = place.create("Vigie", now).unwrap();
        let dir = [("ca_dir", folder.path().to_str().unwrap())];
        assert!(read(&dir).unwrap().all().is_empty(), "no certificate for the listener yet");
        place.write_server(&authority.server(&["a.example".to_owned()], now, 90).unwrap()).unwrap();
        let doors = read(&dir).unwrap();
        assert_eq!(doors.mqtts_listen.map(|place| place.port()), Some(8883));
        std::fs::write(place.server_key(), "no key").unwrap();
        assert!(read(&dir).unwrap_err().to_string().contains("server.key"));
    }

    #[test]
    fn websocket_without_tls_is_for_loopback() {
        let doors = read(&[("ws_listen", "127.0.0.1:8083")]).unwrap();
        assert_eq!(doors.all().len(), 1);
        assert!(read(&[("ws_listen", "0.0.0.0:8083")]).unwrap_err().to_string().contains("VIGIE_WS_LISTEN"));
    }

    #[test]
    fn what_does_not_fit_together_is_named() {
        for (pairs, culprit) in [
            (&[("mqtts_listen", "127.0.0.1:8883")][..], "VIGIE_MQTTS_LISTEN needs"),
            (&[("wss_listen", "127.0.0.1:8084")], "VIGIE_WSS_LISTEN needs"),
            (&[("tls_cert_file", "/nowhere")], "VIGIE_TLS_KEY_FILE is not"),
            (&[("tls_key_file", "/nowhere")], "VIGIE_TLS_CERT_FILE is not"),
            (&[("device_ca_file", "/nowhere")], "VIGIE_DEVICE_CA_FILE"),
            (
                &[
                    ("tls_cert_file", "/nowhere"),
                    ("tls_key_file", "/nowhere"),
                    ("device_crl_file", "/nowhere"),
                ],
                "VIGIE_DEVICE_CRL_FILE needs",
            ),
            (&[("tls_cert_file", "/nowhere"), ("tls_key_file", "/nowhere")], "/nowhere: cannot be read"),
        ] {
            let error = read(pairs).unwrap_err().to_string();
            assert!(error.contains(culprit), "{error}");
        }
    }
}
