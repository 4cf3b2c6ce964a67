//! Which device a certificate speaks for. The chain has been verified before.

use sha2::{Digest, Sha256};
use vigie_wire::DeviceId;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

/// What a URI among the alternative names begins with, before the device's id.
const URN: &str = "urn:vigie:device:";

/// What is known of a peer before it says a word of MQTT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Nothing: it has to prove itself by a secret.
    Unproven,
    /// It holds the key of a device's certificate.
    Certified(Certified),
    /// It holds the key of a certificate that is good and speaks for no device: the reason for the log.
    Unfit(String),
}

/// A certificate that speaks for one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certified {
    pub(crate) device: DeviceId,
    /// SHA-256 of the certificate in DER.
    pub(crate) fingerprint: [u8; 32],
}

impl Peer {
    /// Reads a verified certificate.
    pub(crate) fn of(certificate: &[u8]) -> Self {
        match device_of(certificate) {
            Ok(device) => {
                Self::Certified(Certified { device, fingerprint: Sha256::digest(certificate).into() })
            }
            Err(why) => Self::Unfit(why),
        }
    }
}

/// The common name and the alternative names `urn:vigie:device:{id}`: whichever are there must say the same.
fn device_of(certificate: &[u8]) -> Result<DeviceId, String> {
    let (_, certificate) =
        parse_x509_certificate(certificate).map_err(|_| "its certificate cannot be read".to_owned())?;
    // The verifier refuses another purpose, and lets pass a certificate that names none.
    let usage = certificate.extended_key_usage().map_err(|error| format!("its certificate: {error}"))?;
    if !usage.is_some_and(|usage| usage.value.client_auth) {
        return Err("its certificate is not for log-ins (extended key usage clientAuth)".to_owned());
    }
    let mut names: Vec<&str> = Vec::new();
    for name in certificate.subject().iter_common_name() {
        names.push(name.as_str().map_err(|_| "the common name of its certificate is no text".to_owned())?);
    }
    let others =
        certificate.subject_alternative_name().map_err(|error| format!("its certificate: {error}"))?;
    for other in others.iter().flat_map(|others| &others.value.general_names) {
        if let GeneralName::URI(uri) = other
            && let Some(id) = uri.strip_prefix(URN)
        {
            names.push(id);
        }
    }
    let Some((first, rest)) = names.split_first() else {
        return Err("its certificate has neither a common name nor a name urn:vigie:device:...".to_owned());
    };
    if rest.iter().any(|name| name != first) {
        return Err("its certificate names more than one device".to_owned());
    }
    DeviceId::parse(first).map_err(|_| "its certificate names no device id".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, SanType};

    fn peer(common_names: &[&str], uris: &[&str], usages: &[ExtendedKeyUsagePurpose]) -> Peer {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for name in common_names {
            params.distinguished_name.push(DnType::CommonName, *name);
        }
        params.subject_alt_names = uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())).collect();
        params.extended_key_usages = usages.to_vec();
        let key = KeyPair::generate().unwrap();
        Peer::of(params.self_signed(&key).unwrap().der())
    }

    fn device(peer: &Peer) -> Option<&str> {
        match peer {
            Peer::Certified(certified) => Some(certified.device.as_str()),
            Peer::Unproven | Peer::Unfit(_) => None,
        }
    }

    #[test]
    fn the_common_name_or_the_urn_is_the_device() {
        let client = [ExtendedKeyUsagePurpose::ClientAuth];
        assert_eq!(device(&peer(&["gl-1"], &[], &client)), Some("gl-1"));
        assert_eq!(device(&peer(&[], &["urn:vigie:device:gl-1"], &client)), Some("gl-1"));
        assert_eq!(device(&peer(&["gl-1"], &["urn:vigie:device:gl-1"], &client)), Some("gl-1"));
        assert_eq!(device(&peer(&["gl-1"], &["https://maker.example/"], &client)), Some("gl-1"));
    }

    #[test]
    fn a_certificate_that_names_two_devices_or_none_speaks_for_nobody() {
        let client = [ExtendedKeyUsagePurpose::ClientAuth];
        assert_eq!(device(&peer(&["gl-1"], &["urn:vigie:device:gl-2"], &client)), None);
        assert_eq!(device(&peer(&[], &["urn:vigie:device:a", "urn:vigie:device:b"], &client)), None);
        assert_eq!(device(&peer(&[], &[], &client)), None);
        assert_eq!(device(&peer(&["gl/1"], &[], &client)), None);
    }

    #[test]
    fn without_the_usage_of_clients_it_speaks_for_nobody() {
        assert_eq!(device(&peer(&["gl-1"], &[], &[])), None);
        assert_eq!(device(&peer(&["gl-1"], &[], &[ExtendedKeyUsagePurpose::ServerAuth])), None);
    }
}
