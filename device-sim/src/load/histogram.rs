//! Latencies in buckets of about one percent: constant memory, however many there are.

use std::fmt;
use std::time::Duration;

/// Each power of two of microseconds is cut into so many parts.
const PARTS: u64 = 64;
const POWERS: u64 = 40;

/// Counts by bucket.
#[derive(Debug, Clone)]
pub(super) struct Histogram {
    counts: Vec<u64>,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; (PARTS * POWERS) as usize], max: 0 }
    }
}

/// The bucket of a number of microseconds: exact below [`PARTS`], then by its leading seven bits.
fn bucket(micros: u64) -> usize {
    if micros < PARTS {
        return micros as usize;
    }
    let power = u64::from(micros.ilog2()) - 6;
    let part = (micros >> power) - PARTS;
    ((power + 1) * PARTS + part).min(PARTS * POWERS - 1) as usize
}

/// The lowest number of a bucket.
fn floor(bucket: u64) -> u64 {
    if bucket < PARTS {
        return bucket;
    }
    let power = bucket / PARTS - 1;
    (PARTS + bucket % PARTS) << power
}

impl Histogram {
    pub(super) fn record(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get_mut(bucket(micros)) {
            *count += 1;
        }
        self.max = self.max.max(micros);
    }

    pub(super) fn absorb(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.max = self.max.max(other.max);
    }

    fn at(&self, share: f64) -> Duration {
        let total: u64 = self.counts.iter().sum();
        let wanted = ((total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (number, count) in (0_u64..).zip(&self.counts) {
            seen += count;
            if seen >= wanted {
                return Duration::from_micros(floor(number));
            }
        }
        Duration::from_micros(self.max)
    }

    pub(super) fn percentiles(&self) -> Percentiles {
        Percentiles {
            p50: self.at(0.5),
            p90: self.at(0.9),
            p99: self.at(0.99),
            p999: self.at(0.999),
            max: Duration::from_micros(self.max),
        }
    }
}

/// How long acknowledgements took, within about two percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percentiles {
    /// Half are faster.
    pub p50: Duration,
    /// Nine in ten are faster.
    pub p90: Duration,
    /// 99 in a hundred are faster.
    pub p99: Duration,
    /// 999 in a thousand are faster.
    pub p999: Duration,
    /// The slowest, exactly.
    pub max: Duration,
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "p50 {:?} p90 {:?} p99 {:?} p99.9 {:?} max {:?}",
            self.p50, self.p90, self.p99, self.p999, self.max
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_lies_in_its_bucket_within_two_percent() {
        for micros in (0..200).chain([1_000, 12_345, 999_999, 60_000_000]) {
            let low = floor(bucket(micros) as u64);
            assert!(low <= micros && micros - low <= micros / 64 + 1, "{micros} -> {low}");
        }
    }

    #[test]
    fn percentiles_of_one_to_a_thousand_are_what_they_should_be() {
        let mut histogram = Histogram::default();
        for millis in 1..=1_000 {
            histogram.record(Duration::from_millis(millis));
        }
        let p = histogram.percentiles();
        for (found, wanted) in [(p.p50, 500), (p.p90, 900), (p.p99, 990)] {
            let wanted = Duration::from_millis(wanted);
            assert!(found <= wanted && found >= wanted.mul_f64(0.98), "{found:?} {wanted:?}");
        }
        assert_eq!(p.max, Duration::from_secs(1));
    }
}
