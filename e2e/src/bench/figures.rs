//! Percentiles of a few thousand times, and what the design asks for beside what was found.

/// The time that this share of them does not exceed (nearest rank); none of none.
pub(super) fn percentile(micros: &mut [i64], share: f64) -> Option<i64> {
    micros.sort_unstable();
    let rank = (micros.len() as f64 * share).ceil() as usize;
    micros.get(rank.max(1) - 1).copied()
}

/// Half, 99 in a hundred, and the slowest, for a person.
pub(super) fn summary(micros: &mut [i64]) -> String {
    let mut shown = |share| {
        percentile(micros, share).map_or("none".to_owned(), |t| format!("{:.1} ms", t as f64 / 1_000.0))
    };
    let (half, most, all) = (shown(0.5), shown(0.99), shown(1.0));
    format!("p50 {half}, p99 {most}, max {all}")
}

/// A line of the design's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Budget {
    /// What was measured.
    pub(super) what: &'static str,
    /// What it came to, with its unit.
    pub(super) found: String,
    /// What it should come to.
    pub(super) wanted: &'static str,
    /// Is that so?
    pub(super) met: bool,
}

impl Budget {
    /// The 99th percentile in microseconds must lie below so many milliseconds.
    pub(super) fn p99_below(
        what: &'static str,
        wanted: &'static str,
        micros: &mut [i64],
        millis: i64,
    ) -> Self {
        let p99 = percentile(micros, 0.99);
        let found = p99.map_or("nothing".to_owned(), |p99| format!("{:.1} ms", p99 as f64 / 1_000.0));
        Self { what, found, wanted, met: p99.is_some_and(|p99| p99 < millis * 1_000) }
    }

    /// Nothing of it may be there.
    pub(super) fn none(what: &'static str, count: usize) -> Self {
        Self { what, found: count.to_string(), wanted: "0", met: count == 0 }
    }

    /// For the table at the end.
    pub(super) fn line(&self) -> String {
        let met = if self.met { "met" } else { "NOT MET" };
        format!("{:<58} {:>14}   {:<22} {met}", self.what, self.found, self.wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let mut micros: Vec<i64> = (1..=200).rev().collect();
        assert_eq!(percentile(&mut micros, 0.5), Some(100));
        assert_eq!(percentile(&mut micros, 0.99), Some(198));
        assert_eq!(percentile(&mut micros, 1.0), Some(200));
        assert_eq!(percentile(&mut [7], 0.01), Some(7));
        assert_eq!(percentile(&mut [], 0.5), None);
    }

    #[test]
    fn a_budget_is_met_below_its_limit_only_and_by_something() {
        let p99 = |micros: &mut [i64]| Budget::p99_below("x", "below 150 ms", micros, 150).met;
        assert!(p99(&mut [149_999]) && !p99(&mut [150_000]) && !p99(&mut []));
        assert!(Budget::none("x", 0).met && !Budget::none("x", 1).met);
    }
}
