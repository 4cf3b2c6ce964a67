//! The certificate that a device has, as it shows it to get the next one.

use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, UnparsedPublicKey, VerificationAlgorithm,
};
use sha2::{Digest, Sha256};
use x509_parser::oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_SIG_ED25519};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::error::{Error, Result};

/// SHA-256 of a certificate in DER: what identifies it in the database and in the listener.
pub fn fingerprint(der: &[u8]) -> [u8; 32] {
    Sha256::digest(der).into()
}

/// A certificate that somebody shows. It proves nothing by itself: look its fingerprint up among those issued, and
/// ask for a signature by its key.
#[derive(Debug)]
pub struct Current {
    /// SHA-256 of its DER.
    pub fingerprint: [u8; 32],
    der: Vec<u8>,
}

impl Current {
    /// Reads a certificate in PEM; further ones behind it are not looked at.
    pub fn parse(pem: &str) -> Result<Self> {
        let (_, block) = x509_parser::pem::parse_x509_pem(pem.as_bytes())
            .map_err(|_| Error::Unusable("the certificate is not in PEM"))?;
        let der = block.contents;
        X509Certificate::from_der(&der).map_err(|_| Error::Unusable("the certificate cannot be read"))?;
        Ok(Self { fingerprint: fingerprint(&der), der })
    }

    /// Was this signed by the certificate's key? ECDSA over P-256 with SHA-256 or over P-384 with SHA-384, in ASN.1
    /// as OpenSSL writes it, or Ed25519.
    pub fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let Ok((_, certificate)) = X509Certificate::from_der(&self.der) else {
            return false;
        };
        let key = certificate.public_key();
        let Some(algorithm) = algorithm(key) else {
            return false;
        };
        UnparsedPublicKey::new(algorithm, &key.subject_public_key.data).verify(message, signature).is_ok()
    }
}

fn algorithm(key: &SubjectPublicKeyInfo<'_>) -> Option<&'static dyn VerificationAlgorithm> {
    let kind = &key.algorithm.algorithm;
    if *kind == OID_SIG_ED25519 {
        return Some(&ED25519);
    }
    if *kind != OID_KEY_TYPE_EC_PUBLIC_KEY {
        return None;
    }
    let curve = key.algorithm.parameters.as_ref()?.as_oid().ok()?;
    if curve == OID_EC_P256 {
        Some(&ECDSA_P256_SHA256_ASN1)
    } else if curve == OID_NIST_EC_P384 {
        Some(&ECDSA_P384_SHA384_ASN1)
    } else {
        None
    }
}
