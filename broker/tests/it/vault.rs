//! Authorities, certificates and TLS clients for the tests, made by rcgen and rustls.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SerialNumber, date_time_ymd,
};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use vigie_broker::{Carrier, Tls, TlsFiles};

use crate::desk::PATIENCE;
use crate::device::{Connect, Level, Packet, packet, string};

pub(crate) static VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// An authority.
pub(crate) struct Authority {
    pub(crate) certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
pub(crate) struct Card {
    pub(crate) certificate: Certificate,
    pub(crate) key: KeyPair,
}

impl Card {
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(self.certificate.der()).into()
    }
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// A certificate for a client of this name, changed as the test wishes.
    pub(crate) fn client(
        &self,
        name: &str,
        serial: u64,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Card {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.serial_number = Some(SerialNumber::from(serial));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Card { certificate: params.signed_by(&key, &self.issuer).unwrap(), key }
    }

    pub(crate) fn server(&self) -> Card {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().unwrap();
        Card { certificate: params.signed_by(&key, &self.issuer).unwrap(), key }
    }

    /// The revocation list with these serial numbers.
    pub(crate) fn revokes(&self, serials: &[u64]) -> String {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(2126, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        }
        .signed_by(&self.issuer)
        .unwrap()
        .pem()
        .unwrap()
    }
}

/// A folder with the files of a listener: certificate, key, authority of the devices, revocation list.
pub(crate) struct Vault {
    pub(crate) authority: Authority,
    folder: tempfile::TempDir,
}

impl Vault {
    pub(crate) fn new() -> Self {
        let vault =
            Self { authority: Authority::new("Test authority"), folder: tempfile::tempdir().unwrap() };
        let server = vault.authority.server();
        vault.write("server.crt", &server.certificate.pem());
        vault.write("server.key", &server.key.serialize_pem());
        vault.write("devices.crt", &vault.authority.certificate.pem());
        vault.write("devices.crl", &vault.authority.revokes(&[]));
        vault
    }

    /// Puts a file in place in one step, as whoever renews certificates should.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let unfinished = self.path(&format!("{name}.new"));
        std::fs::write(&unfinished, text).unwrap();
        std::fs::rename(unfinished, self.path(name)).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        Path::new(self.folder.path()).join(name)
    }

    pub(crate) fn tls(&self) -> Tls {
        Tls::load(self.files()).unwrap()
    }

    pub(crate) fn files(&self) -> TlsFiles {
        TlsFiles {
            certificate: self.path("server.crt"),
            key: self.path("server.key"),
            device_ca: Some(self.path("devices.crt")),
            device_crl: Some(self.path("devices.crl")),
        }
    }

    pub(crate) fn carrier(&self) -> Carrier {
        Carrier { tls: Some(self.tls()), websocket: false }
    }

    /// A client that trusts this authority.
    pub(crate) fn trusting(
        &self,
        version: &'static SupportedProtocolVersion,
        card: Option<&Card>,
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.certificate.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots);
        let config = match card {
            None => builder.with_no_client_auth(),
            Some(card) => {
                let chain: Vec<CertificateDer<'static>> = vec![card.certificate.der().clone()];
                let key = PrivateKeyDer::try_from(card.key.serialize_der()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        Arc::new(config)
    }
}

/// Connects. In TLS 1.3 a refused certificate shows only when the client reads.
pub(crate) async fn connect(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::clone(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

/// A CONNECT without user name and password.
pub(crate) fn bare(level: Level, id: &str) -> Connect {
    Connect { user_name: None, password: None, ..Connect::of(level, id) }
}

/// The next packet of any stream.
pub(crate) async fn next<S: AsyncRead + Unpin>(stream: &mut S) -> std::io::Result<Packet> {
    let reading = async {
        let first = stream.read_u8().await?;
        let (mut length, mut shift) = (0usize, 0);
        loop {
            let byte = stream.read_u8().await?;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        Ok(Packet { first, body })
    };
    timeout(PATIENCE, reading).await.expect("no packet came in time")
}

/// Sends a CONNECT and returns the code of the CONNACK.
pub(crate) async fn log_in<S>(stream: &mut S, connect: &Connect) -> std::io::Result<u8>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.write_all(&connect.bytes()).await?;
    stream.flush().await?;
    let connack = next(stream).await?;
    assert_eq!(connack.first, 0x20, "an unexpected packet: {connack:?}");
    Ok(connack.body[1])
}

/// Publishes a reading at QoS 1 over MQTT 3.1.1 and waits for its PUBACK.
pub(crate) async fn publish<S>(stream: &mut S, id: &str, payload: &[u8])
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut body = string(format!("vigie/v1/{id}/readings/json"));
    body.extend(7u16.to_be_bytes());
    body.extend_from_slice(payload);
    stream.write_all(&packet(0x32, &body)).await.unwrap();
    stream.flush().await.unwrap();
    let ack = next(stream).await.unwrap();
    assert_eq!((ack.first, ack.body), (0x40, vec![0, 7]));
}
