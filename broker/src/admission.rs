//! Who a CONNECT is from, before its secret is checked. Pure.

use vigie_wire::DeviceId;

use crate::protocol::{Connect, ConnectAnswer, Version};
use crate::tls::{Certified, Peer};
use crate::topics::may_will;

/// A log-in that is not accepted: what the client is told, and what the log says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) answer: ConnectAnswer,
    pub(crate) why: String,
}

impl Refused {
    pub(crate) fn new(answer: ConnectAnswer, why: impl Into<String>) -> Self {
        Self { answer, why: why.into() }
    }
}

/// An identity that is claimed and not yet proven.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) device: DeviceId,
    /// The client left its id to us: it is told that it is its user name.
    pub(crate) client_id_assigned: bool,
}

/// What proves an identity.
#[derive(PartialEq, Eq)]
pub(crate) enum Proof {
    /// To be compared with what is on record.
    Secret(Vec<u8>),
    /// Fingerprint of a certificate that was verified; it must not be revoked.
    Certificate([u8; 32]),
}

/// Who a CONNECT is from, and by what it is to be proven. A peer with a certificate is what the certificate says.
pub(crate) fn identify_peer(
    version: Version,
    connect: &mut Connect,
    peer: &Peer,
) -> Result<(Claim, Proof), Refused> {
    match peer {
        Peer::Unproven => {
            let claim = identify(version, connect)?;
            Ok((claim, Proof::Secret(connect.password.take().unwrap_or_default())))
        }
        Peer::Certified(Certified { device, fingerprint }) => {
            let claim = identify_certified(version, connect, device)?;
            Ok((claim, Proof::Certificate(*fingerprint)))
        }
        Peer::Unfit(why) => Err(Refused::new(ConnectAnswer::BadCredentials, why.as_str())),
    }
}

/// The certificate is the identity; a user name and a client id, where given, must say the same.
fn identify_certified(version: Version, connect: &Connect, device: &DeviceId) -> Result<Claim, Refused> {
    refuse_enhanced(connect)?;
    if let Some(user_name) = connect.user_name.as_deref().filter(|name| *name != device.as_str()) {
        let why = format!("its certificate names device {device}, its user name is {}", shown(user_name));
        return Err(Refused::new(ConnectAnswer::BadCredentials, why));
    }
    let client_id_assigned = check_client_id(version, connect, device)?;
    Ok(Claim { device: device.clone(), client_id_assigned })
}

fn refuse_enhanced(connect: &Connect) -> Result<(), Refused> {
    if connect.enhanced_authentication {
        let why = "it asks for MQTT 5 enhanced authentication, which is not offered";
        return Err(Refused::new(ConnectAnswer::BadAuthenticationMethod, why));
    }
    Ok(())
}

/// The user name is the identity; the client id must say the same, since takeover and session go by it.
pub(crate) fn identify(version: Version, connect: &Connect) -> Result<Claim, Refused> {
    refuse_enhanced(connect)?;
    let Some(user_name) = &connect.user_name else {
        let why = "it sent no user name; the user name is the device id, the password its secret";
        return Err(Refused::new(ConnectAnswer::BadCredentials, why));
    };
    let Ok(device) = DeviceId::parse(user_name) else {
        let why = format!("its user name {} is no device id", shown(user_name));
        return Err(Refused::new(ConnectAnswer::BadCredentials, why));
    };
    if connect.password.is_none() {
        let why = format!("device {device} sent no password; the password is its secret");
        return Err(Refused::new(ConnectAnswer::BadCredentials, why));
    }
    let client_id_assigned = check_client_id(version, connect, &device)?;
    Ok(Claim { device, client_id_assigned })
}

/// Takeover and session go by the client id, so it must be the device's. Was it left to us?
fn check_client_id(version: Version, connect: &Connect, device: &DeviceId) -> Result<bool, Refused> {
    let client_id_assigned = connect.client_id.is_empty();
    if client_id_assigned && version == Version::V311 && !connect.clean {
        let why = format!("device {device} wants to keep a session without a client id");
        return Err(Refused::new(ConnectAnswer::IdentifierRejected, why));
    }
    if !client_id_assigned && connect.client_id != device.as_str() {
        let why = format!(
            "its client id {} is not its device id {device} \
             (mosquitto_pub and mosquitto_sub need -i {device})",
            shown(&connect.client_id)
        );
        return Err(Refused::new(ConnectAnswer::IdentifierRejected, why));
    }
    Ok(client_id_assigned)
}

/// A will may only go to the device's own status.
pub(crate) fn check_will(device: &DeviceId, connect: &Connect) -> Result<(), Refused> {
    match &connect.will {
        Some(will) if may_will(device, &will.topic).is_none() => {
            let why = format!(
                "the last will of device {device} goes to {}, not to its own status",
                shown(&will.topic)
            );
            Err(Refused::new(ConnectAnswer::NotAuthorised, why))
        }
        Some(_) | None => Ok(()),
    }
}

/// Text of a stranger for a log line: escaped and short.
fn shown(text: &str) -> String {
    let short: String = text.chars().take(64).collect();
    format!("{short:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Qos, Will};
    use bytes::Bytes;
    use proptest::prelude::*;

    fn connect(client_id: &str, user_name: &str) -> Connect {
        Connect {
            client_id: client_id.to_owned(),
            clean: true,
            keep_alive: 60,
            user_name: Some(user_name.to_owned()),
            password: Some(b"secret".to_vec()),
            will: None,
            session_expiry: 0,
            receive_maximum: u16::MAX,
            packet_bytes_max: usize::MAX,
            topic_alias_maximum: 0,
            wants_response_information: false,
            enhanced_authentication: false,
        }
    }

    fn answer(version: Version, connect: &Connect) -> ConnectAnswer {
        identify(version, connect).unwrap_err().answer
    }

    #[test]
    fn client_id_and_user_name_are_both_the_device_id() {
        let claim = identify(Version::V311, &connect("gl-1", "gl-1")).unwrap();
        assert_eq!(claim.device.as_str(), "gl-1");
        assert!(!claim.client_id_assigned);
    }

    #[test]
    fn a_random_client_id_is_refused_with_the_option_that_cures_it() {
        let refused = identify(Version::V311, &connect("mosq-a1b2c3", "gl-1")).unwrap_err();
        assert_eq!(refused.answer, ConnectAnswer::IdentifierRejected);
        assert!(refused.why.contains("-i gl-1"), "{}", refused.why);
    }

    #[test]
    fn an_empty_client_id_becomes_the_user_name() {
        assert!(identify(Version::V5, &connect("", "gl-1")).unwrap().client_id_assigned);
        assert!(identify(Version::V311, &connect("", "gl-1")).unwrap().client_id_assigned);
        let mut keeps_its_session = connect("", "gl-1");
        keeps_its_session.clean = false;
        assert_eq!(answer(Version::V311, &keeps_its_session), ConnectAnswer::IdentifierRejected);
    }

    #[test]
    fn no_user_name_no_password_and_a_strange_user_name_are_bad_credentials() {
        let mut nameless = connect("gl-1", "gl-1");
        nameless.user_name = None;
        let mut without_password = connect("gl-1", "gl-1");
        without_password.password = None;
        let strange = connect("gl/1", "gl/1");
        for connect in [nameless, without_password, strange] {
            assert_eq!(answer(Version::V5, &connect), ConnectAnswer::BadCredentials);
        }
    }

    #[test]
    fn a_will_outside_the_own_status_is_not_authorised() {
        let device = DeviceId::parse("gl-1").unwrap();
        let mut connect = connect("gl-1", "gl-1");
        for (topic, fine) in [
            ("vigie/v1/gl-1/status", true),
            ("vigie/v1/gl-1/readings", false),
            ("vigie/v1/gl-2/status", false),
        ] {
            connect.will = Some(Will {
                topic: topic.to_owned(),
                payload: Bytes::new(),
                qos: Qos::AtMostOnce,
                retain: true,
                delay: 0,
                expiry: None,
                forwarded: None,
            });
            assert_eq!(check_will(&device, &connect).is_ok(), fine, "{topic}");
        }
    }

    #[test]
    fn a_certificate_needs_no_user_name_and_no_password_and_tolerates_no_other_name() {
        let device = DeviceId::parse("gl-1").unwrap();
        let mut bare = connect("gl-1", "gl-1");
        (bare.user_name, bare.password) = (None, None);
        assert_eq!(identify_certified(Version::V311, &bare, &device).unwrap().device, device);
        bare.client_id = String::new();
        assert!(identify_certified(Version::V5, &bare, &device).unwrap().client_id_assigned);
        let refused = |client_id, user_name| {
            identify_certified(Version::V5, &connect(client_id, user_name), &device).unwrap_err().answer
        };
        assert_eq!(refused("gl-1", "gl-2"), ConnectAnswer::BadCredentials);
        assert_eq!(refused("gl-2", "gl-1"), ConnectAnswer::IdentifierRejected);
        assert_eq!(refused("integration", "integration:north"), ConnectAnswer::BadCredentials);
    }

    proptest! {
        #[test]
        fn no_client_id_makes_a_device_another_than_its_user_name(
            client_id in "\\PC{0,70}", user_name in "\\PC{0,70}", v5 in any::<bool>(),
        ) {
            let version = if v5 { Version::V5 } else { Version::V311 };
            if let Ok(claim) = identify(version, &connect(&client_id, &user_name)) {
                prop_assert_eq!(claim.device.as_str(), user_name.as_str());
                prop_assert!(client_id.is_empty() || client_id == user_name);
            }
        }
    }
}
