//! The topic grammar `vigie/v1/{device}/...`, parsed once into an enum.

use std::fmt;

/// A device's identity: MQTT client id, user name and topic level in one.
///
/// 1 to 64 characters out of `A-Z a-z 0-9 - _`: no wildcard, no `/`, no `$`, nothing outside ASCII, so
/// that no device id can ever reach outside its own topics.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceId(String);

/// The text is no device id; the message says what one looks like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a device id has 1 to 64 characters out of A-Z a-z 0-9 - _")]
pub struct DeviceIdError;

impl DeviceId {
    /// Longest device id, in bytes.
    pub const BYTES_MAX: usize = 64;

    /// Checks the alphabet and the length.
    pub fn parse(text: &str) -> Result<Self, DeviceIdError> {
        let well_formed = !text.is_empty()
            && text.len() <= Self::BYTES_MAX
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if well_formed { Ok(Self(text.to_owned())) } else { Err(DeviceIdError) }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceId({})", self.0)
    }
}

/// How a payload is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Protobuf `vigie.v1`.
    Protobuf,
    /// The same message as JSON.
    Json,
    /// A SenML pack (RFC 8428) as JSON.
    SenmlJson,
    /// A SenML pack as CBOR.
    SenmlCbor,
}

impl Encoding {
    /// Every encoding.
    pub const ALL: [Self; 4] = [Self::Protobuf, Self::Json, Self::SenmlJson, Self::SenmlCbor];

    /// The media type of a batch in this encoding.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
            Self::SenmlJson => "application/senml+json",
            Self::SenmlCbor => "application/senml+cbor",
        }
    }

    /// The encoding that a `Content-Type` names; parameters such as a charset and the case of letters do not
    /// matter. `None` for what no batch is written in.
    pub fn from_content_type(text: &str) -> Option<Self> {
        let essence = text.split(';').next().unwrap_or_default().trim();
        Self::ALL.into_iter().find(|encoding| encoding.content_type().eq_ignore_ascii_case(essence))
    }

    /// Last levels of the topic. Not `senml+json`: a topic name must not hold a `+` ([MQTT-3.3.2-2]).
    fn suffix(self) -> &'static str {
        match self {
            Self::Protobuf => "readings",
            Self::Json => "readings/json",
            Self::SenmlJson => "readings/senml-json",
            Self::SenmlCbor => "readings/senml-cbor",
        }
    }
}

/// What a topic below a device is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// Device to Vigie: a `ReadingBatch`.
    Readings(Encoding),
    /// Device to Vigie, retained: a `Status`; also the last will.
    Status,
    /// Vigie to device: a `Receipt` for each batch.
    Receipts,
    /// Vigie to device: a `Command`.
    Commands,
}

impl Channel {
    /// May the device itself publish here?
    pub fn device_publishes(self) -> bool {
        match self {
            Self::Readings(_) | Self::Status => true,
            Self::Receipts | Self::Commands => false,
        }
    }

    /// May the device itself subscribe here?
    pub fn device_subscribes(self) -> bool {
        match self {
            Self::Receipts | Self::Commands | Self::Status => true,
            Self::Readings(_) => false,
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Readings(encoding) => encoding.suffix(),
            Self::Status => "status",
            Self::Receipts => "receipts",
            Self::Commands => "commands",
        }
    }
}

/// A topic name of the contract.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Topic {
    /// Whose topic it is.
    pub device: DeviceId,
    /// What it is for.
    pub channel: Channel,
}

/// Why a text is no topic of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// Not below `vigie/v1/`.
    #[error("topics begin with vigie/v1/")]
    Foreign,
    /// The device level is no device id (wildcards end here).
    #[error("the third level is the device id")]
    Device,
    /// Nothing of that name below a device.
    #[error(
        "a device has readings, readings/json, readings/senml-json, readings/senml-cbor, status, receipts and commands"
    )]
    Channel,
}

const PREFIX: &str = "vigie/v1/";

impl Topic {
    /// Parses a topic *name*. A filter with wildcards is an error: a device never needs one.
    pub fn parse(text: &str) -> Result<Self, TopicError> {
        let rest = text.strip_prefix(PREFIX).ok_or(TopicError::Foreign)?;
        let (device, channel) = rest.split_once('/').ok_or(TopicError::Channel)?;
        let device = DeviceId::parse(device).map_err(|_| TopicError::Device)?;
        let channel = match channel {
            "readings" => Channel::Readings(Encoding::Protobuf),
            "readings/json" => Channel::Readings(Encoding::Json),
            "readings/senml-json" => Channel::Readings(Encoding::SenmlJson),
            "readings/senml-cbor" => Channel::Readings(Encoding::SenmlCbor),
            "status" => Channel::Status,
            "receipts" => Channel::Receipts,
            "commands" => Channel::Commands,
            _ => return Err(TopicError::Channel),
        };
        Ok(Self { device, channel })
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}/{}", self.device, self.channel.suffix())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_topic_of_the_contract_is_parsed_and_printed_back() {
        for (text, channel) in [
            ("vigie/v1/gl-1/readings", Channel::Readings(Encoding::Protobuf)),
            ("vigie/v1/gl-1/readings/json", Channel::Readings(Encoding::Json)),
            ("vigie/v1/gl-1/readings/senml-json", Channel::Readings(Encoding::SenmlJson)),
            ("vigie/v1/gl-1/readings/senml-cbor", Channel::Readings(Encoding::SenmlCbor)),
            ("vigie/v1/gl-1/status", Channel::Status),
            ("vigie/v1/gl-1/receipts", Channel::Receipts),
            ("vigie/v1/gl-1/commands", Channel::Commands),
        ] {
            let topic = Topic::parse(text).unwrap();
            assert_eq!(topic.channel, channel);
            assert_eq!(topic.device.as_str(), "gl-1");
            assert_eq!(topic.to_string(), text);
        }
    }

    #[test]
    fn a_content_type_names_its_encoding_whatever_its_case_and_parameters() {
        for encoding in Encoding::ALL {
            assert_eq!(Encoding::from_content_type(encoding.content_type()), Some(encoding));
        }
        assert_eq!(Encoding::from_content_type("Application/JSON; charset=utf-8"), Some(Encoding::Json));
        assert_eq!(Encoding::from_content_type("text/plain"), None);
        assert_eq!(Encoding::from_content_type(""), None);
    }

    #[test]
    fn wildcards_foreign_prefixes_and_deeper_levels_are_no_topics() {
        for (text, error) in [
            ("vigie/v1/+/readings", TopicError::Device),
            ("vigie/v1/#", TopicError::Channel),
            ("#", TopicError::Foreign),
            ("$SYS/broker", TopicError::Foreign),
            ("$share/g/vigie/v1/gl-1/receipts", TopicError::Foreign),
            ("/vigie/v1/gl-1/readings", TopicError::Foreign),
            ("vigie/v2/gl-1/readings", TopicError::Foreign),
            ("vigie/v1/gl-1/readings/", TopicError::Channel),
            ("vigie/v1/gl-1/readings/json/x", TopicError::Channel),
            ("vigie/v1/gl-1/readings/senml+json", TopicError::Channel),
            ("vigie/v1//readings", TopicError::Device),
            ("vigie/v1/é/readings", TopicError::Device),
            ("", TopicError::Foreign),
        ] {
            assert_eq!(Topic::parse(text), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_parses_stays_below_its_own_device(text in "\\PC{0,80}") {
            if let Ok(topic) = Topic::parse(&text) {
                let own = format!("vigie/v1/{}/", topic.device);
                prop_assert!(text.starts_with(&own));
                prop_assert_eq!(topic.to_string(), text);
            }
        }
    }
}
