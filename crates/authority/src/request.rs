//! What a device sends to get a certificate: a PKCS#10 request, signed by the key that it is about.

use rcgen::{
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PublicKeyData, SubjectPublicKeyInfo,
};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

use crate::error::{Error, Result};

/// A request whose signature is right. Its name and its wishes are not looked at.
#[derive(Debug)]
pub struct Request {
    pub(crate) key: SubjectPublicKeyInfo,
    der: Vec<u8>,
}

impl Request {
    /// Reads a request in PEM and checks that it was signed by its own key: ECDSA over P-256 or P-384, or Ed25519.
    pub fn parse(pem: &str) -> Result<Self> {
        let (_, block) = x509_parser::pem::parse_x509_pem(pem.as_bytes())
            .map_err(|_| Error::Unusable("the request is not in PEM"))?;
        if block.label != "CERTIFICATE REQUEST" && block.label != "NEW CERTIFICATE REQUEST" {
            return Err(Error::Unusable("the request is no PKCS#10 request (BEGIN CERTIFICATE REQUEST)"));
        }
        let der = block.contents;
        let (rest, read) = X509CertificationRequest::from_der(&der)
            .map_err(|_| Error::Unusable("the request is no PKCS#10 request that can be read"))?;
        if !rest.is_empty() {
            return Err(Error::Unusable("there is something behind the request"));
        }
        let spki = read.certification_request_info.subject_pki.raw;
        let key = SubjectPublicKeyInfo::from_der(spki).map_err(|_| Error::Unusable(KEYS))?;
        let known = [(&PKCS_ECDSA_P256_SHA256, 65), (&PKCS_ECDSA_P384_SHA384, 97), (&PKCS_ED25519, 32)];
        let bytes = key.der_bytes().len();
        if !known.iter().any(|(algorithm, size)| key.algorithm() == *algorithm && bytes == *size) {
            return Err(Error::Unusable(KEYS));
        }
        read.verify_signature()
            .map_err(|_| Error::Unusable("the request is not signed by the key that it is about"))?;
        Ok(Self { key, der })
    }

    /// The request in DER: the bytes that a renewal signs.
    pub fn der(&self) -> &[u8] {
        &self.der
    }
}

const KEYS: &str = "the key is not ECDSA over P-256 or P-384 (uncompressed), nor Ed25519";
