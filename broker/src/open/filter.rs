//! Topic filters: wildcards, and the groups of shared subscriptions. Pure.

use crate::topics::is_filter;

/// A filter as it was subscribed to, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Filter<'a> {
    /// The name of the group, for `$share/{group}/{pattern}`.
    pub(super) group: Option<&'a str>,
    /// What topics are held against.
    pub(super) pattern: &'a str,
}

impl<'a> Filter<'a> {
    /// `None`: no filter.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let Some(shared) = text.strip_prefix("$share/") else {
            return is_filter(text).then_some(Self { group: None, pattern: text });
        };
        let (group, pattern) = shared.split_once('/')?;
        let is_name = !group.is_empty() && !group.contains(['+', '#']);
        (is_name && is_filter(pattern)).then_some(Self { group: Some(group), pattern })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topics::matches;
    use proptest::prelude::*;

    #[test]
    fn filters_match_as_the_specification_says() {
        for (pattern, topic, fine) in [
            ("sport/tennis/player1/#", "sport/tennis/player1", true),
            ("sport/tennis/player1/#", "sport/tennis/player1/ranking", true),
            ("sport/#", "sport", true),
            ("#", "a/b/c", true),
            ("#", "$SYS/a", false),
            ("+/a", "$SYS/a", false),
            ("$SYS/#", "$SYS/a", true),
            ("sport/tennis/+", "sport/tennis/player1/ranking", false),
            ("sport/+", "sport", false),
            ("sport/+", "sport/", true),
            ("+/+", "/finance", true),
            ("/+", "/finance", true),
            ("+", "/finance", false),
            ("TopicA", "topica", false),
            ("a/b", "a/b/", false),
        ] {
            assert_eq!(matches(pattern, topic), fine, "{pattern} {topic}");
        }
    }

    #[test]
    fn a_shared_subscription_has_a_group_and_a_pattern() {
        let filter = Filter::parse("$share/g/a/+").unwrap();
        assert_eq!(filter, Filter { group: Some("g"), pattern: "a/+" });
        for malformed in ["$share/g", "$share/g/", "$share//a", "$share/+/a", "$share/g/a#", "a/#/b", ""] {
            assert_eq!(Filter::parse(malformed), None, "{malformed}");
        }
    }

    proptest! {
        #[test]
        fn a_topic_without_wildcards_matches_itself_and_no_longer_one(topic in "[a-c/]{1,12}") {
            prop_assert!(matches(&topic, &topic));
            let longer = format!("{topic}/x");
            let below = format!("{topic}/#");
            prop_assert!(!matches(&topic, &longer));
            prop_assert!(matches(&below, &longer));
        }
    }
}
