//! Topic aliases of MQTT 5, in both directions. They live as long as the connection.

use std::sync::Arc;

use crate::principal::Principal;
use crate::protocol::Fault;

/// Aliases that a device may have: it publishes on three topics.
const OF_A_DEVICE: u16 = 4;
/// Aliases that a guest of the open profile may have.
const OF_A_GUEST: u16 = 16;
/// Aliases of ours for one client, however many more it would remember.
const OURS_MAX: u16 = 16;

/// What the client's aliases stand for. Bounded by the Topic Alias Maximum that it was told.
pub(super) struct AliasesIn {
    pub(super) maximum: u16,
    topics: Vec<(u16, String)>,
}

impl AliasesIn {
    pub(super) fn of(principal: &Principal) -> Self {
        let maximum = match principal {
            Principal::Device(_) => OF_A_DEVICE,
            Principal::Guest(_) => OF_A_GUEST,
        };
        Self { maximum, topics: Vec::new() }
    }

    /// The topic that a PUBLISH means. Asked before anything else is: rules are about topics, not numbers.
    pub(super) fn resolve(&mut self, alias: Option<u16>, topic: String) -> Result<String, Fault> {
        let Some(alias) = alias else {
            return Ok(topic);
        };
        if alias == 0 || alias > self.maximum {
            return Err(Fault::TopicAlias);
        }
        let known = self.topics.iter_mut().find(|(number, _)| *number == alias);
        match (known, topic.is_empty()) {
            (Some((_, known)), true) => Ok(known.clone()),
            (None, true) => Err(Fault::Protocol),
            (Some((_, known)), false) => {
                known.clone_from(&topic);
                Ok(topic)
            }
            (None, false) => {
                self.topics.push((alias, topic.clone()));
                Ok(topic)
            }
        }
    }
}

/// Our aliases for this client: the first topics that it hears of get one each.
pub(super) struct AliasesOut {
    maximum: u16,
    topics: Vec<Arc<str>>,
}

/// How a topic is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// As it is.
    Plain,
    /// As it is, with a new alias: to be confirmed with [`AliasesOut::said`].
    Introduces(u16),
    /// By its alias alone.
    Known(u16),
}

impl AliasesOut {
    /// `maximum` is what the client said; a device gets none, since its topics are its own anyway.
    pub(super) fn of(principal: &Principal, maximum: u16) -> Self {
        let maximum = match principal {
            Principal::Device(_) => 0,
            Principal::Guest(_) => maximum.min(OURS_MAX),
        };
        Self { maximum, topics: Vec::new() }
    }

    pub(super) fn look_up(&self, topic: &str) -> Written {
        let numbered = (1..=self.maximum).zip(&self.topics);
        if let Some((alias, _)) = numbered.into_iter().find(|(_, known)| known.as_ref() == topic) {
            return Written::Known(alias);
        }
        match u16::try_from(self.topics.len()) {
            Ok(used) if used < self.maximum => Written::Introduces(used + 1),
            Ok(_) | Err(_) => Written::Plain,
        }
    }

    /// The client has been told of the alias that [`AliasesOut::look_up`] has just introduced.
    pub(super) fn said(&mut self, topic: &str) {
        self.topics.push(Arc::from(topic));
    }
}

/// The topics that these publishes of one connection mean; those that would end it are left out.
#[cfg(any(fuzzing, test))]
pub(crate) fn resolve_all(principal: &Principal, publishes: Vec<(Option<u16>, String)>) -> Vec<String> {
    let mut aliases = AliasesIn::of(principal);
    publishes.into_iter().filter_map(|(alias, topic)| aliases.resolve(alias, topic).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn aliases_in() -> AliasesIn {
        AliasesIn { maximum: 2, topics: Vec::new() }
    }

    #[test]
    fn an_alias_stands_for_the_topic_that_it_was_last_sent_with() {
        let mut aliases = aliases_in();
        assert_eq!(aliases.resolve(Some(1), String::new()), Err(Fault::Protocol));
        assert_eq!(aliases.resolve(Some(1), "a".to_owned()).unwrap(), "a");
        assert_eq!(aliases.resolve(Some(1), String::new()).unwrap(), "a");
        assert_eq!(aliases.resolve(Some(1), "b".to_owned()).unwrap(), "b");
        assert_eq!(aliases.resolve(Some(1), String::new()).unwrap(), "b");
        assert_eq!(aliases.resolve(None, "c".to_owned()).unwrap(), "c");
    }

    #[test]
    fn alias_0_and_those_above_the_maximum_are_invalid() {
        let mut aliases = aliases_in();
        for alias in [0, 3, u16::MAX] {
            assert_eq!(aliases.resolve(Some(alias), "a".to_owned()), Err(Fault::TopicAlias));
        }
    }

    #[test]
    fn the_first_topics_of_a_client_get_aliases_and_the_others_none() {
        let mut aliases = AliasesOut { maximum: 1, topics: Vec::new() };
        assert_eq!(aliases.look_up("a"), Written::Introduces(1));
        aliases.said("a");
        assert_eq!(aliases.look_up("a"), Written::Known(1));
        assert_eq!(aliases.look_up("b"), Written::Plain);
    }

    proptest! {
        #[test]
        fn what_an_alias_stands_for_was_sent_with_it_and_memory_is_bounded(
            steps in prop::collection::vec((0u16..5, prop::sample::select(vec!["", "a", "b", "c"])), 0..50),
        ) {
            let mut aliases = aliases_in();
            let mut sent: Vec<(u16, &str)> = Vec::new();
            for (alias, topic) in steps {
                if let Ok(resolved) = aliases.resolve(Some(alias), topic.to_owned()) {
                    if !topic.is_empty() {
                        sent.push((alias, topic));
                    }
                    let last = sent.iter().rev().find(|(number, _)| *number == alias);
                    prop_assert_eq!(last.map(|(_, topic)| *topic), Some(resolved.as_str()));
                }
                prop_assert!(aliases.topics.len() <= 2);
            }
        }
    }
}
