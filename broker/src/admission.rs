//! Who a CONNECT is from, before its secret is checked. Pure.

use vigie_wire::DeviceId;

use crate::protocol::{Connect, ConnectAnswer, Version};
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

/// The user name is the identity; the client id must say the same, since takeover and session go by it.
pub(crate) fn identify(version: Version, connect: &Connect) -> Result<Claim, Refused> {
    if connect.enhanced_authentication {
        let why = "it asks for MQTT 5 enhanced authentication, which is not offered";
        return Err(Refused::new(ConnectAnswer::BadAuthenticationMethod, why));
    }
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
    let client_id_assigned = connect.client_id.is_empty();
    if client_id_assigned && version == Version::V311 && !connect.clean {
        let why = format!("device {device} wants to keep a session without a client id");
        return Err(Refused::new(ConnectAnswer::IdentifierRejected, why));
    }
    if !client_id_assigned && connect.client_id != *user_name {
        let why = format!(
            "its client id {} is not its user name {device}; both are the device id \
             (mosquitto_pub and mosquitto_sub need -i {device})",
            shown(&connect.client_id)
        );
        return Err(Refused::new(ConnectAnswer::IdentifierRejected, why));
    }
    Ok(Claim { device, client_id_assigned })
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
            });
            assert_eq!(check_will(&device, &connect).is_ok(), fine, "{topic}");
        }
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
