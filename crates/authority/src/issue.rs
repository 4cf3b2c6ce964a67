//! Signing.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PublicKeyData, RevocationReason, RevokedCertParams, SanType, SerialNumber,
};
use time::OffsetDateTime;

use crate::DEVICE_URN;
use crate::error::{Error, Result};
use crate::present::fingerprint;
use crate::request::Request;

/// A certificate is good from a little before it was made: clocks differ.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(5);
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// How long the root is good. Renewing it means to bring the new one to every device.
const ROOT_DAYS: i32 = 20 * 365;
/// When the next list is due at the latest. Lists are made at each revocation; an old one is still used.
const LIST_DAYS: i32 = 30;

/// A certificate just signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The certificate.
    pub pem: String,
    /// 32 hexadecimal digits, lower case.
    pub serial: String,
    /// SHA-256 of its DER.
    pub fingerprint: [u8; 32],
    /// Now.
    pub issued_at: Timestamp,
    /// From then on it opens nothing.
    pub expires_at: Timestamp,
}

/// A certificate and the key that was made for it.
#[derive(Clone)]
pub struct KeyAndCertificate {
    /// PKCS#8 in PEM. Whoever has it is the device, or the listener.
    pub key_pem: String,
    /// The certificate.
    pub issued: Issued,
}

impl fmt::Debug for KeyAndCertificate {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyAndCertificate").field("issued", &self.issued).finish_non_exhaustive()
    }
}

/// A certificate that is good no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// Hexadecimal.
    pub serial: String,
    /// Since when.
    pub at: Timestamp,
}

/// A root certificate with its key.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    expires_at: Timestamp,
}

impl fmt::Debug for Authority {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

impl Authority {
    /// Makes a new root with this name, good for twenty years; and its key in PEM, to be kept.
    pub fn create(name: &str, now: Timestamp) -> Result<(Self, String)> {
        let key = new_key()?;
        let (mut params, _) = params(name, now, ROOT_DAYS, Timestamp::MAX)?;
        // Signs devices and listeners, and no further authority.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.use_authority_key_identifier_extension = false;
        let pem = params.self_signed(&key)?.pem();
        let key_pem = key.serialize_pem();
        Ok((Self::from_pem(&pem, &key_pem)?, key_pem))
    }

    /// Reads a root and its key (PKCS#8), both in PEM.
    pub fn from_pem(pem: &str, key_pem: &str) -> Result<Self> {
        let key = KeyPair::from_pem(key_pem)
            .map_err(|_| Error::Unusable("the authority's key is no private key in PEM (PKCS#8)"))?;
        let (_, block) = x509_parser::pem::parse_x509_pem(pem.as_bytes())
            .map_err(|_| Error::Unusable("the authority's certificate is not in PEM"))?;
        let certificate =
            block.parse_x509().map_err(|_| Error::Unusable("the authority's certificate cannot be read"))?;
        if certificate.public_key().subject_public_key.data.as_ref() != key.public_key_raw() {
            return Err(Error::Unusable("the authority's key and its certificate do not belong together"));
        }
        let until = certificate.validity().not_after.timestamp();
        let expires_at = Timestamp::from_second(until).unwrap_or(Timestamp::MAX);
        let issuer = Issuer::from_ca_cert_pem(pem, key)?;
        Ok(Self { issuer, pem: pem.to_owned(), expires_at })
    }

    /// The root's certificate in PEM: what devices trust, and what the listener checks devices by.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for a device that made its key itself.
    pub fn device(&self, device: &str, request: &Request, now: Timestamp, days: i32) -> Result<Issued> {
        self.sign_device(device, &request.key, now, days)
    }

    /// A key and a certificate for a device that cannot make its key itself.
    pub fn device_with_key(&self, device: &str, now: Timestamp, days: i32) -> Result<KeyAndCertificate> {
        let key = new_key()?;
        let issued = self.sign_device(device, &key, now, days)?;
        Ok(KeyAndCertificate { key_pem: key.serialize_pem(), issued })
    }

    fn sign_device(
        &self,
        device: &str,
        key: &impl PublicKeyData,
        now: Timestamp,
        days: i32,
    ) -> Result<Issued> {
        let (mut params, window) = params(device, now, days, self.expires_at)?;
        let urn = format!("{DEVICE_URN}{device}");
        let urn = Ia5String::try_from(urn).map_err(|_| Error::Name(device.to_owned()))?;
        params.subject_alt_names = vec![SanType::URI(urn)];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        Ok(window.issued(&params.signed_by(key, &self.issuer)?))
    }

    /// A key and a certificate for a listener that is reached by these names (or IP addresses).
    pub fn server(&self, names: &[String], now: Timestamp, days: i32) -> Result<KeyAndCertificate> {
        let first = names.first().ok_or(Error::Unusable("a server's certificate needs a name"))?;
        let (mut params, window) = params(first, now, days, self.expires_at)?;
        params.subject_alt_names = names
            .iter()
            .map(|name| match name.parse() {
                Ok(address) => Ok(SanType::IpAddress(address)),
                Err(_) => {
                    let text = Ia5String::try_from(name.as_str());
                    text.map(SanType::DnsName).map_err(|_| Error::Name(name.clone()))
                }
            })
            .collect::<Result<_>>()?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = new_key()?;
        let issued = window.issued(&params.signed_by(&key, &self.issuer)?);
        Ok(KeyAndCertificate { key_pem: key.serialize_pem(), issued })
    }

    /// The list of what is revoked, in PEM. A later one has a greater number.
    pub fn revocation_list(&self, revoked: &[Revoked], now: Timestamp) -> Result<String> {
        let revoked_certs = revoked
            .iter()
            .map(|revoked| {
                Ok(RevokedCertParams {
                    serial_number: SerialNumber::from_slice(&from_hex(&revoked.serial)?),
                    revocation_time: moment(revoked.at)?,
                    reason_code: Some(RevocationReason::Unspecified),
                    invalidity_date: None,
                })
            })
            .collect::<Result<_>>()?;
        let number = u64::try_from(now.as_microsecond()).unwrap_or(0);
        let list = CertificateRevocationListParams {
            this_update: moment(now - CLOCKS_DIFFER)?,
            next_update: moment(now + DAY * LIST_DAYS)?,
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(list.signed_by(&self.issuer)?.pem()?)
    }
}

/// From when until when, and the number.
struct Window {
    serial: String,
    issued_at: Timestamp,
    expires_at: Timestamp,
}

impl Window {
    fn issued(self, certificate: &Certificate) -> Issued {
        Issued {
            pem: certificate.pem(),
            serial: self.serial,
            fingerprint: fingerprint(certificate.der()),
            issued_at: self.issued_at,
            expires_at: self.expires_at,
        }
    }
}

/// What all certificates have in common. None is good for longer than the root.
fn params(name: &str, now: Timestamp, days: i32, latest: Timestamp) -> Result<(CertificateParams, Window)> {
    let until =
        now.checked_add(DAY * days).map_err(|_| Error::Unusable("that many days cannot be counted"))?;
    // Certificates count in seconds.
    let until = Timestamp::from_second(until.min(latest).as_second()).unwrap_or(until);
    if until <= now {
        return Err(Error::Unusable("the authority's own certificate has expired"));
    }
    if name.is_empty() || name.chars().count() > 64 || name.chars().any(char::is_control) {
        return Err(Error::Name(name.to_owned()));
    }
    let serial = new_serial()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.not_before = moment(now - CLOCKS_DIFFER)?;
    params.not_after = moment(until)?;
    params.use_authority_key_identifier_extension = true;
    let serial = serial.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((params, Window { serial, issued_at: now, expires_at: until }))
}

fn new_key() -> Result<KeyPair> {
    Ok(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?)
}

/// 16 random bytes that begin with the bits 01: positive, and always of the same length.
fn new_serial() -> Result<[u8; 16]> {
    let mut serial = [0; 16];
    getrandom::fill(&mut serial)
        .map_err(|_| Error::Unusable("the operating system gives no random bytes"))?;
    if let Some(first) = serial.first_mut() {
        *first = *first & 0x3f | 0x40;
    }
    Ok(serial)
}

fn moment(at: Timestamp) -> Result<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(at.as_second())
        .map_err(|_| Error::Unusable("that moment cannot stand in a certificate"))
}

fn from_hex(text: &str) -> Result<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| !digits.is_empty() && digits.len() % 2 == 0);
    let digits = digits.ok_or(Error::Unusable("a serial number is not hexadecimal"))?;
    let byte = |pair: &[u32]| pair.iter().fold(0u32, |byte, digit| byte << 4 | digit);
    Ok(digits.chunks(2).map(|pair| u8::try_from(byte(pair)).unwrap_or(0)).collect())
}
