//! Default-deny: what a device may publish and subscribe to. Pure.

use vigie_wire::{Channel, DeviceId, Topic};

/// The channel behind a topic name, if this device may publish to it.
pub(crate) fn may_publish(device: &DeviceId, topic: &str) -> Option<Channel> {
    let topic = Topic::parse(topic).ok()?;
    (topic.device == *device && topic.channel.device_publishes()).then_some(topic.channel)
}

/// The channel of a last will: a device's own status and nothing else.
pub(crate) fn may_will(device: &DeviceId, topic: &str) -> Option<Channel> {
    may_publish(device, topic).filter(|channel| *channel == Channel::Status)
}

/// Why a topic filter is not granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    /// Well formed, and not this device's. Every filter with a wildcard is.
    Foreign,
    /// No filter at all.
    Malformed,
}

/// The channel behind a topic filter, if this device may subscribe to it.
pub(crate) fn may_subscribe(device: &DeviceId, filter: &str) -> Result<Channel, Denied> {
    if !is_filter(filter) {
        return Err(Denied::Malformed);
    }
    let topic = Topic::parse(filter).map_err(|_| Denied::Foreign)?;
    if topic.device == *device && topic.channel.device_subscribes() {
        Ok(topic.channel)
    } else {
        Err(Denied::Foreign)
    }
}

/// Is this a well-formed topic filter?
pub(crate) fn is_filter(filter: &str) -> bool {
    let levels_are_well_formed =
        filter.split('/').all(|level| level.len() == 1 || !level.contains(['+', '#']));
    let hash_is_last = match filter.find('#') {
        Some(at) => at + 1 == filter.len(),
        None => true,
    };
    !filter.is_empty() && levels_are_well_formed && hash_is_last
}

/// Does this topic name match? `$` topics are not for filters that begin with a wildcard.
pub(crate) fn matches(pattern: &str, topic: &str) -> bool {
    if topic.starts_with('$') && pattern.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    for wanted in pattern.split('/') {
        if wanted == "#" {
            return true;
        }
        match levels.next() {
            Some(level) if wanted == "+" || wanted == level => {}
            Some(_) | None => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use vigie_wire::Encoding;

    fn device() -> DeviceId {
        DeviceId::parse("gl-1").unwrap()
    }

    #[test]
    fn a_device_publishes_its_readings_and_its_status_and_nothing_else() {
        let publish = |topic| may_publish(&device(), topic);
        assert_eq!(publish("vigie/v1/gl-1/readings"), Some(Channel::Readings(Encoding::Protobuf)));
        assert_eq!(publish("vigie/v1/gl-1/readings/json"), Some(Channel::Readings(Encoding::Json)));
        assert_eq!(publish("vigie/v1/gl-1/status"), Some(Channel::Status));
        for foreign in [
            "vigie/v1/gl-1/receipts",
            "vigie/v1/gl-1/commands",
            "vigie/v1/gl-2/readings",
            "vigie/v1/GL-1/readings",
            "vigie/v1/gl-1/readings/",
            "$SYS/uptime",
            "readings",
            "",
        ] {
            assert_eq!(publish(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn a_device_subscribes_to_its_own_three_topics_without_wildcards() {
        for (filter, answer) in [
            ("vigie/v1/gl-1/receipts", Ok(Channel::Receipts)),
            ("vigie/v1/gl-1/commands", Ok(Channel::Commands)),
            ("vigie/v1/gl-1/status", Ok(Channel::Status)),
            ("vigie/v1/gl-1/readings", Err(Denied::Foreign)),
            ("vigie/v1/gl-2/receipts", Err(Denied::Foreign)),
            ("vigie/v1/+/receipts", Err(Denied::Foreign)),
            ("vigie/v1/gl-1/#", Err(Denied::Foreign)),
            ("#", Err(Denied::Foreign)),
            ("+", Err(Denied::Foreign)),
            ("$share/g/vigie/v1/gl-1/receipts", Err(Denied::Foreign)),
            ("vigie/v1/gl-1/rec#", Err(Denied::Malformed)),
            ("vigie/#/receipts", Err(Denied::Malformed)),
            ("gl+/x", Err(Denied::Malformed)),
            ("", Err(Denied::Malformed)),
        ] {
            assert_eq!(may_subscribe(&device(), filter), answer, "{filter}");
        }
    }

    #[test]
    fn a_will_is_a_status() {
        assert_eq!(may_will(&device(), "vigie/v1/gl-1/status"), Some(Channel::Status));
        assert_eq!(may_will(&device(), "vigie/v1/gl-1/readings"), None);
        assert_eq!(may_will(&device(), "vigie/v1/gl-2/status"), None);
    }

    /// Topics near the border: pieces of the grammar, glued at random.
    fn near_topics() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "vigie", "v1", "gl-1", "gl-2", "readings", "json", "status", "receipts", "commands", "+", "#",
            "/", "", "$share", "$SYS", "\0", "é", " ", "..", "%2F",
        ]);
        prop_oneof![prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.join("/")), "\\PC{0,60}",]
    }

    proptest! {
        #[test]
        fn no_topic_filter_or_will_reaches_outside_the_own_subtree(
            id in "[A-Za-z0-9_-]{1,64}",
            topic in near_topics(),
        ) {
            let device = DeviceId::parse(&id).unwrap();
            let own = format!("vigie/v1/{id}/");
            for granted in [
                may_publish(&device, &topic).is_some(),
                may_subscribe(&device, &topic).is_ok(),
                may_will(&device, &topic).is_some(),
            ] {
                prop_assert!(!granted || topic.starts_with(&own));
                prop_assert!(!granted || !topic.contains(['+', '#', '\0']));
            }
        }

        #[test]
        fn no_other_device_reaches_the_topics_of_this_one(id in "\\PC{1,64}") {
            if id != "gl-1" && let Ok(other) = DeviceId::parse(&id) {
                for leaf in ["readings", "readings/json", "status", "receipts", "commands"] {
                    let topic = format!("vigie/v1/gl-1/{leaf}");
                    prop_assert_eq!(may_publish(&other, &topic), None);
                    prop_assert!(may_subscribe(&other, &topic).is_err());
                }
            }
        }
    }
}
