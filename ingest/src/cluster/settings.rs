//! What it takes to reach a cluster, and its limits.

use std::sync::Arc;
use std::time::Duration;

use rumqttc::v5::MqttOptions;
use rumqttc::v5::mqttbytes::v5::ConnectProperties;
use rumqttc::{TlsConfiguration, Transport};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// How to reach a cluster. [`Settings::new`] gives the documented defaults.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name or address of the cluster or of its load balancer.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// TLS, unless the way is trusted.
    pub tls: Option<Tls>,
    /// Log-in, if the cluster asks for one.
    pub login: Option<Login>,
    /// Client id: the same at every start of this instance, and of no other one.
    pub client_id: String,
    /// Messages that the cluster may send ahead of our acknowledgements (256). When it is reached the cluster holds
    /// the rest back. One that does not is borne up to 64 MiB, and cut off beyond.
    pub receive_maximum: u16,
    /// How long the cluster keeps our session while we are away (a week). After that it forgets what it held for us.
    pub session_expiry: Duration,
    /// Deal the messages out among all processes (`$share/vigie/...`) instead of giving each of them every one (off). For
    /// clusters that keep shared subscriptions over their own restart: mosquitto 2.0 forgets them, and drops what it
    /// acknowledges to devices until Vigie is connected again.
    pub share: bool,
    /// Larger packets end the connection, since MQTT knows no other way to refuse one (1 MiB and a bit, ingest's
    /// own limit plus a topic).
    pub packet_bytes_max: u32,
    /// Receipts and commands published and not yet acknowledged by the cluster (32); the rest waits.
    pub publishes_in_flight: u16,
    /// Seconds of silence after which the connection is checked.
    pub keep_alive: Duration,
}

/// User name and password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// Who Vigie is for the cluster.
    pub user: String,
    /// Empty where a certificate says it already.
    pub password: String,
}

impl std::fmt::Debug for Login {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// What proves who the cluster is, and who we are. All of it PEM.
#[derive(Clone, Default)]
pub struct Tls {
    /// Authorities to trust; without any, those of the operating system.
    pub authorities: Option<Vec<u8>>,
    /// Our certificate chain and its key.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl std::fmt::Debug for Tls {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("own_authorities", &self.authorities.is_some())
            .field("identity", &self.identity.is_some())
            .finish()
    }
}

/// What was given cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file is no PEM of what it should be.
    #[error("{what}: {cause}")]
    Pem {
        /// Which file.
        what: &'static str,
        /// What the parser says.
        cause: rustls::pki_types::pem::Error,
    },
    /// Nobody to trust.
    #[error("there is no authority to trust in the file, or none on this system")]
    NoAuthority,
    /// The certificate and its key do not fit, or TLS cannot be set up.
    #[error("TLS: {0}")]
    Rustls(#[from] rustls::Error),
    /// The window must let something through.
    #[error("the receive maximum is at least 1")]
    ReceiveMaximum,
    /// What stands for the device where a topic names none is no device id.
    #[error(transparent)]
    Device(#[from] vigie_wire::DeviceIdError),
}

impl Settings {
    /// Can a source be made of this? What [`super::Source::new`] refuses is refused here, without a database.
    pub fn check(&self) -> Result<(), SettingsError> {
        self.to_options().map(drop)
    }

    /// Defaults for a cluster at this address.
    pub fn new(host: String, port: u16, client_id: String) -> Self {
        Self {
            host,
            port,
            tls: None,
            login: None,
            client_id,
            receive_maximum: 256,
            share: false,
            session_expiry: Duration::from_secs(7 * 24 * 3_600),
            packet_bytes_max: (1 << 20) + 65_536,
            publishes_in_flight: 32,
            keep_alive: Duration::from_secs(20),
        }
    }

    /// The session in words: who has it, and where. Names it in `service_beat`.
    pub fn session(&self) -> String {
        format!("{}{}", self.client_id, self.place())
    }

    /// The part of [`Settings::session`] that all sessions in this cluster share.
    pub(super) fn place(&self) -> String {
        format!("@{}:{}", self.host, self.port)
    }

    /// As rumqttc wants it. Reads what is given for TLS, so that mistakes show before anything is connected.
    pub(super) fn to_options(&self) -> Result<MqttOptions, SettingsError> {
        if self.receive_maximum == 0 {
            return Err(SettingsError::ReceiveMaximum);
        }
        let mut options = MqttOptions::new(&self.client_id, &self.host, self.port);
        if let Some(tls) = &self.tls {
            let config = TlsConfiguration::Rustls(Arc::new(tls.to_config()?));
            options.set_transport(Transport::tls_with_config(config));
        }
        if let Some(Login { user, password }) = &self.login {
            options.set_credentials(user, password);
        }
        let mut properties = ConnectProperties::new();
        properties.session_expiry_interval = u32::try_from(self.session_expiry.as_secs()).ok();
        properties.receive_maximum = Some(self.receive_maximum);
        properties.max_packet_size = Some(self.packet_bytes_max);
        options
            .set_connect_properties(properties)
            .set_clean_start(false)
            .set_manual_acks(true)
            .set_outgoing_inflight_upper_limit(self.publishes_in_flight.saturating_mul(4).max(4))
            .set_keep_alive(self.keep_alive.max(Duration::from_secs(5)));
        Ok(options)
    }
}

impl Tls {
    fn to_config(&self) -> Result<ClientConfig, SettingsError> {
        let mut roots = RootCertStore::empty();
        match &self.authorities {
            Some(pem) => {
                for certificate in certificates("the file of authorities", pem)? {
                    roots.add(certificate)?;
                }
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        if roots.is_empty() {
            return Err(SettingsError::NoAuthority);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        match &self.identity {
            Some((chain, key)) => {
                let chain = certificates("the client certificate", chain)?;
                let key = PrivateKeyDer::from_pem_slice(key).map_err(|cause| SettingsError::Pem {
                    what: "the key of the client certificate",
                    cause,
                })?;
                Ok(builder.with_client_auth_cert(chain, key)?)
            }
            None => Ok(builder.with_no_client_auth()),
        }
    }
}

fn certificates(what: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, SettingsError> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|cause| SettingsError::Pem { what, cause })
}
