//! Sets of sequence numbers as sorted ranges: the ledger in memory.

use vigie_vitals::DeviceId;

use crate::{Error, Result};

/// A device's memory epoch: where its sequence numbers count.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LedgerKey {
    /// The device.
    pub device: DeviceId,
    /// Its memory epoch.
    pub epoch: i64,
}

/// Sequence numbers as disjoint, sorted, inclusive ranges.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ranges(Vec<(i64, i64)>);

impl Ranges {
    /// Is it in the set?
    pub fn contains(&self, number: i64) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= number);
        after.checked_sub(1).and_then(|i| self.0.get(i)).is_some_and(|(_, last)| number <= *last)
    }

    /// Adds a number; false when it was there.
    pub fn insert(&mut self, number: i64) -> bool {
        if self.contains(number) {
            return false;
        }
        let at = self.0.partition_point(|(first, _)| *first <= number);
        let joins_left = at
            .checked_sub(1)
            .and_then(|i| self.0.get(i))
            .is_some_and(|(_, last)| last.checked_add(1) == Some(number));
        let joins_right = self.0.get(at).is_some_and(|(first, _)| number.checked_add(1) == Some(*first));
        match (joins_left, joins_right) {
            (true, true) => {
                let (_, last) = self.0.remove(at);
                if let Some(left) = self.0.get_mut(at - 1) {
                    left.1 = last;
                }
            }
            (true, false) => {
                if let Some(left) = self.0.get_mut(at - 1) {
                    left.1 = number;
                }
            }
            (false, true) => {
                if let Some(right) = self.0.get_mut(at) {
                    right.0 = number;
                }
            }
            (false, false) => self.0.insert(at, (number, number)),
        }
        true
    }

    /// Nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number up to which nothing is missing, counting from 1; 0 when 1 itself is.
    pub fn contiguous(&self) -> i64 {
        match self.0.first() {
            Some((first, last)) if *first <= 1 => *last,
            _ => 0,
        }
    }

    /// The gaps between 1 and the highest number, lowest first, at most `most` of them, inclusive.
    pub fn missing(&self, most: usize) -> Vec<(i64, i64)> {
        let mut next = 1;
        let mut gaps = Vec::new();
        for (first, last) in &self.0 {
            if gaps.len() == most {
                break;
            }
            if *first > next {
                gaps.push((next, first - 1));
            }
            next = last.saturating_add(1);
        }
        gaps
    }

    /// The highest number; 0 for the empty set.
    pub fn highest(&self) -> i64 {
        self.0.last().map_or(0, |(_, last)| *last)
    }

    /// The highest number that was there before `added` was; 0 when nothing was.
    pub fn highest_without(&self, added: &Self) -> i64 {
        let highest_below = |last: i64| {
            let after = added.0.partition_point(|(first, _)| *first <= last);
            match after.checked_sub(1).and_then(|i| added.0.get(i)) {
                Some((first, until)) if last <= *until => first - 1,
                Some(_) | None => last,
            }
        };
        let mut ranges = self.0.iter().rev().map(|(first, last)| (*first, highest_below(*last)));
        ranges.find(|(first, highest)| first <= highest).map_or(0, |(_, highest)| highest)
    }

    /// What a ledger jumped over when it grew beyond this number: from the next one to the last before its highest
    /// range. Some of it may have come at the same time.
    pub fn opened_above(&self, highest_before: i64) -> Option<(i64, i64)> {
        let first_hoped = highest_before.checked_add(1)?;
        self.0.last().filter(|(first, _)| *first > first_hoped).map(|(first, _)| (first_hoped, first - 1))
    }

    /// Those numbers from `first` to `last` that are missing, as inclusive ranges.
    pub fn missing_within(&self, first: i64, last: i64) -> Vec<(i64, i64)> {
        let mut gaps = Vec::new();
        let mut next = first;
        let from = self.0.partition_point(|(_, end)| *end < first);
        for (start, end) in self.0.iter().skip(from) {
            if *start > last || next > last {
                break;
            }
            if *start > next {
                gaps.push((next, start - 1));
            }
            next = end.saturating_add(1);
        }
        if next <= last {
            gaps.push((next, last));
        }
        gaps
    }

    /// How many numbers between 1 and the highest are not in the set.
    pub fn missing_count(&self) -> i64 {
        let first_and_counted = self.0.iter().fold((1i64, 0i64), |(next, missing), (first, last)| {
            (last.saturating_add(1), missing.saturating_add(first.saturating_sub(next).max(0)))
        });
        first_and_counted.1
    }

    /// PostgreSQL's text form of the multirange, as it prints it: `{[1,5),[7,9)}`.
    pub(crate) fn from_sql_text(text: &str) -> Result<Self> {
        let broken = || Error::inconsistent(format!("not a multirange: {text}"));
        let inner = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')).ok_or_else(broken)?;
        if inner.is_empty() {
            return Ok(Self::default());
        }
        let mut ranges = Vec::new();
        for part in inner.split("),") {
            let part = part.trim_start_matches('[').trim_end_matches(')');
            let (first, end) = part.split_once(',').ok_or_else(broken)?;
            let first: i64 = first.parse().map_err(|_| broken())?;
            let end: i64 = end.parse().map_err(|_| broken())?;
            ranges.push((first, end - 1));
        }
        Ok(Self(ranges))
    }

    pub(crate) fn to_sql_text(&self) -> String {
        let parts: Vec<_> = self.0.iter().map(|(first, last)| format!("[{first},{last}]")).collect();
        format!("{{{}}}", parts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn gaps_and_the_contiguous_part_are_told_from_one_on() {
        let mut ranges = Ranges::default();
        for n in [1, 2, 3, 7, 8, 12] {
            assert!(ranges.insert(n));
        }
        assert_eq!(ranges.contiguous(), 3);
        assert_eq!(ranges.missing(10), [(4, 6), (9, 11)]);
        assert_eq!(ranges.missing(1), [(4, 6)]);
        assert_eq!((ranges.missing_count(), ranges.highest()), (6, 12));
        assert!(!ranges.insert(7));
        assert_eq!(Ranges::default().contiguous(), 0);
    }

    proptest! {
        #[test]
        fn it_is_a_set(numbers in proptest::collection::vec(1i64..60, 0..80)) {
            let mut ranges = Ranges::default();
            let mut set = BTreeSet::new();
            for n in numbers {
                prop_assert_eq!(ranges.insert(n), set.insert(n));
            }
            for n in 0..62 {
                prop_assert_eq!(ranges.contains(n), set.contains(&n));
            }
            let missing = ranges.missing_within(10, 40);
            for n in 0..62 {
                let told = missing.iter().any(|(first, last)| (*first..=*last).contains(&n));
                prop_assert_eq!(told, (10..=40).contains(&n) && !set.contains(&n));
            }
            for pair in ranges.0.windows(2) {
                prop_assert!(pair[0].1 + 1 < pair[1].0, "ranges touch");
            }
            // PostgreSQL prints half-open ranges.
            let printed: Vec<_> = ranges.0.iter().map(|(a, b)| format!("[{a},{})", b + 1)).collect();
            prop_assert_eq!(Ranges::from_sql_text(&format!("{{{}}}", printed.join(","))).unwrap(), ranges);
        }

        #[test]
        fn a_gap_opens_exactly_when_a_number_becomes_missing_that_was_not(
            before in proptest::collection::btree_set(1i64..40, 0..30),
            more in proptest::collection::btree_set(1i64..50, 1..20),
        ) {
            let of = |set: &BTreeSet<i64>| {
                let mut ranges = Ranges::default();
                set.iter().for_each(|n| { ranges.insert(*n); });
                ranges
            };
            let added: BTreeSet<i64> = more.difference(&before).copied().collect();
            let after: BTreeSet<i64> = before.union(&added).copied().collect();
            let missing = |set: &BTreeSet<i64>| {
                let highest = set.last().copied().unwrap_or(0);
                (1..=highest).filter(|n| !set.contains(n)).collect::<BTreeSet<i64>>()
            };
            let (was, is) = (missing(&before), missing(&after));
            let newly: Vec<i64> = is.difference(&was).copied().collect();
            let highest_before = of(&after).highest_without(&of(&added));
            prop_assert_eq!(highest_before, before.last().copied().unwrap_or(0));
            let opened = of(&after).opened_above(highest_before);
            prop_assert_eq!(opened.is_some(), !newly.is_empty());
            if let Some((first, last)) = opened {
                prop_assert!(newly.iter().all(|n| (first..=last).contains(n)), "{newly:?} {first} {last}");
                prop_assert!(was.iter().all(|n| !(first..=last).contains(n)));
            }
        }
    }
}
