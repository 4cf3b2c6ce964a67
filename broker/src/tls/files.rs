//! From files to a configuration of rustls.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{ProducesTickets, WebPkiClientVerifier};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// Where the listener finds what TLS needs. All in PEM; a revocation list may be in DER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The listener's certificate, then those between it and its authority.
    pub certificate: PathBuf,
    /// Its private key: PKCS#8, SEC1 or PKCS#1.
    pub key: PathBuf,
    /// The authorities that devices' certificates may chain to; without it no client certificate is asked for.
    pub device_ca: Option<PathBuf>,
    /// Revocation lists of those authorities. With it, a certificate of an authority without a list is refused.
    pub device_crl: Option<PathBuf>,
}

/// Files that cannot be used; one sentence that names the culprit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {why}")]
pub struct TlsError {
    what: String,
    why: String,
}

impl TlsError {
    pub(super) fn new(what: impl Into<String>, why: &dyn Display) -> Self {
        Self { what: what.into(), why: why.to_string() }
    }

    fn of(path: &Path, why: &dyn Display) -> Self {
        Self::new(path.display().to_string(), why)
    }
}

/// What is in the files, to see whether it changed: a time stamp misses a swapped link and two writes in one tick.
#[derive(PartialEq, Eq)]
pub(super) struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    device_ca: Option<Vec<u8>>,
    device_crl: Option<Vec<u8>>,
}

/// What new connections are offered.
pub(super) struct Terms {
    pub(super) contents: Contents,
    pub(super) config: Arc<ServerConfig>,
    pub(super) verifier: Option<Arc<dyn ClientCertVerifier>>,
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| TlsError::of(path, &format!("cannot be read: {error}")))
}

impl Contents {
    pub(super) fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        Ok(Self {
            certificate: read(&files.certificate)?,
            key: read(&files.key)?,
            device_ca: files.device_ca.as_deref().map(read).transpose()?,
            device_crl: files.device_crl.as_deref().map(read).transpose()?,
        })
    }

    pub(super) fn terms(
        self,
        files: &TlsFiles,
        ticketer: &Arc<dyn ProducesTickets>,
    ) -> Result<Terms, TlsError> {
        let chain = certificates(&files.certificate, &self.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|error| TlsError::of(&files.key, &format!("holds no private key: {error}")))?;
        let verifier = self.verifier(files)?;
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|error| TlsError::new("TLS 1.2 and 1.3", &error))?;
        let builder = match &verifier {
            Some(verifier) => builder.with_client_cert_verifier(Arc::clone(verifier)),
            None => builder.with_no_client_auth(),
        };
        // Also refuses a key that is not the certificate's.
        let mut config =
            builder.with_single_cert(chain, key).map_err(|error| TlsError::of(&files.certificate, &error))?;
        config.ticketer = Arc::clone(ticketer);
        // A device has one connection: a second ticket is 200 bytes for nothing.
        config.send_tls13_tickets = 1;
        Ok(Terms { contents: self, config: Arc::new(config), verifier })
    }

    fn verifier(&self, files: &TlsFiles) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
        let (Some(path), Some(bytes)) = (&files.device_ca, &self.device_ca) else {
            return Ok(None);
        };
        let mut roots = RootCertStore::empty();
        for authority in certificates(path, bytes)? {
            roots.add(authority).map_err(|error| TlsError::of(path, &error))?;
        }
        let mut builder =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(ring::default_provider()))
                .allow_unauthenticated();
        if let (Some(path), Some(bytes)) = (&files.device_crl, &self.device_crl) {
            builder = builder.with_crls(revocation_lists(path, bytes)?);
        }
        let verifier = builder
            .build()
            .map_err(|error| TlsError::of(files.device_crl.as_deref().unwrap_or(path), &error))?;
        Ok(Some(verifier))
    }
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsError::of(path, &error))?;
    if found.is_empty() {
        return Err(TlsError::of(path, &"holds no certificate in PEM"));
    }
    Ok(found)
}

fn revocation_lists(
    path: &Path,
    bytes: &[u8],
) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    // DER begins with a SEQUENCE.
    if bytes.first() == Some(&0x30) {
        return Ok(vec![CertificateRevocationListDer::from(bytes.to_vec())]);
    }
    let found = CertificateRevocationListDer::pem_slice_iter(bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsError::of(path, &error))?;
    if found.is_empty() {
        return Err(TlsError::of(path, &"holds no certificate revocation list"));
    }
    Ok(found)
}
