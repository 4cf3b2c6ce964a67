//! What may go through the router, and who may see it. Pure.

use std::fmt;
use std::sync::Arc;

use vigie_wire::Topic;

use crate::topics::{is_filter, matches};

/// An organisation's area, which nothing crosses: 1 to 64 characters out of `A-Z a-z 0-9 -`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Territory(Arc<str>);

impl Territory {
    /// Checks the alphabet and the length.
    pub fn parse(text: &str) -> Option<Self> {
        let well_formed =
            (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        well_formed.then(|| Self(text.into()))
    }

    /// The territory as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The one filter of a link that reads this territory.
    pub(super) fn filter(&self) -> String {
        format!("t/{}/#", self.0)
    }

    /// Where news of this territory go inside the router.
    pub(super) fn inner_topic(&self, topic: &Topic) -> String {
        format!("t/{}/{topic}", self.0)
    }

    /// The topic as the outside knows it, if it is one of this territory.
    pub(super) fn outer_topic(&self, inner: &[u8]) -> Option<Topic> {
        let inner = std::str::from_utf8(inner).ok()?;
        let topic = inner.strip_prefix("t/")?.strip_prefix(&*self.0)?.strip_prefix('/')?;
        Topic::parse(topic).ok()
    }
}

impl fmt::Display for Territory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Territory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Territory({})", self.0)
    }
}

/// A topic filter of a reader. It is relative to the reader's territory, so no filter can name another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter(String);

/// Longest filter, in bytes. The longest that can match anything has 89.
const FILTER_BYTES_MAX: usize = 256;

/// Why a filter is not granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FilterError {
    /// A wildcard in the wrong place, or nothing at all.
    Malformed,
    /// Well formed, and not offered: `$share/...`, other `$...`, what is not ASCII, and what is too long.
    NotOffered,
}

impl Filter {
    pub(crate) fn parse(text: &str) -> Result<Self, FilterError> {
        if !is_filter(text) {
            return Err(FilterError::Malformed);
        }
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.starts_with('$') || !printable || text.len() > FILTER_BYTES_MAX {
            return Err(FilterError::NotOffered);
        }
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The rules of the specification, section 4.7.
    pub(crate) fn matches(&self, topic: &str) -> bool {
        matches(&self.0, topic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn territory(text: &str) -> Territory {
        Territory::parse(text).unwrap()
    }

    #[test]
    fn a_territory_is_one_level_of_plain_letters() {
        assert!(Territory::parse("0197f3a0-1111-7000-8000-000000000001").is_some());
        for wrong in ["", "a/b", "+", "#", "$SYS", "é", "a b", "a\0"] {
            assert!(Territory::parse(wrong).is_none(), "{wrong:?}");
        }
        assert!(Territory::parse(&"a".repeat(65)).is_none());
    }

    #[test]
    fn filters_match_as_the_specification_says() {
        let topic = "vigie/v1/gl-1/readings/json";
        for (filter, matches) in [
            ("vigie/v1/gl-1/readings/json", true),
            ("vigie/v1/+/readings/json", true),
            ("vigie/v1/gl-1/#", true),
            ("vigie/v1/gl-1/readings/json/#", true),
            ("#", true),
            ("+/+/+/+/+", true),
            ("+/+/+/+", false),
            ("vigie/v1/gl-2/#", false),
            ("vigie/v1/gl-1/readings", false),
            ("vigie/v1/+/status", false),
            ("Vigie/#", false),
            ("/vigie/#", false),
        ] {
            assert_eq!(Filter::parse(filter).unwrap().matches(topic), matches, "{filter}");
        }
    }

    #[test]
    fn what_is_malformed_or_not_offered_is_no_filter() {
        for (filter, why) in [
            ("", FilterError::Malformed),
            ("vigie/#/x", FilterError::Malformed),
            ("vigie/v1/gl+/x", FilterError::Malformed),
            ("$share/g/vigie/#", FilterError::NotOffered),
            ("$SYS/#", FilterError::NotOffered),
            ("vigie/é", FilterError::NotOffered),
            ("a b", FilterError::NotOffered),
        ] {
            assert_eq!(Filter::parse(filter), Err(why), "{filter:?}");
        }
    }

    fn near_filters() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "t", "north", "south", "vigie", "v1", "gl-1", "readings", "json", "status", "+", "#", "..", "",
            "$share",
        ]);
        prop_oneof![prop::collection::vec(piece, 1..9).prop_map(|pieces| pieces.join("/")), "\\PC{1,40}"]
    }

    proptest! {
        #[test]
        fn no_filter_of_a_reader_reaches_another_territory(text in near_filters(), own in "[a-z0-9-]{1,20}", other in "[a-z0-9-]{1,20}") {
            prop_assume!(own != other);
            let topic = Topic::parse("vigie/v1/gl-1/readings/json").unwrap();
            let foreign = territory(&other).inner_topic(&topic);
            // What reaches a reader has passed its territory first, whatever its filter is.
            prop_assert_eq!(territory(&own).outer_topic(foreign.as_bytes()), None);
            if let Ok(filter) = Filter::parse(&text) {
                prop_assert!(!filter.as_str().starts_with('$') && filter.as_str().is_ascii());
            }
        }

        #[test]
        fn what_goes_in_is_ascii_and_comes_out_the_same(id in "[A-Za-z0-9_-]{1,64}", own in "[A-Za-z0-9-]{1,64}") {
            let topic = Topic::parse(&format!("vigie/v1/{id}/status")).unwrap();
            let inner = territory(&own).inner_topic(&topic);
            prop_assert!(inner.is_ascii() && !inner.starts_with('$') && !inner.contains(['+', '#']));
            prop_assert_eq!(territory(&own).outer_topic(inner.as_bytes()), Some(topic));
        }
    }
}
