//! What the dashboard needs to give devices their certificates, handed in by the binary: this crate knows nothing of
//! keys, signatures and X.509.

use std::fmt;

use jiff::Timestamp;

/// Signs certificates for devices. May block for some milliseconds. Errors are sentences for a device's maker.
pub trait Issuer: fmt::Debug + Send + Sync {
    /// Is this a PKCS#10 request in PEM that is signed by the key that it is about?
    fn check(&self, request: &str) -> Result<(), String>;

    /// SHA-256 of this certificate (PEM), if `signature` is its key's over the request in DER; `None` if it is not.
    fn proven(&self, request: &str, certificate: &str, signature: &[u8]) -> Result<Option<[u8; 32]>, String>;

    /// A certificate for a device with the key of the request. Only called when it is certain that it may be issued.
    fn issue(&self, device: &str, request: &str, now: Timestamp) -> Result<IssuedCertificate, IssuerError>;
}

/// The authority cannot sign now; the sentence is for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct IssuerError(pub String);

/// A certificate that was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedCertificate {
    /// PEM.
    pub pem: String,
    /// PEM of the authority that signed it.
    pub authority_pem: String,
    /// Lower-case hexadecimal.
    pub serial: String,
    /// SHA-256 of the certificate in DER.
    pub fingerprint: [u8; 32],
    /// From then on it opens nothing.
    pub expires_at: Timestamp,
}
