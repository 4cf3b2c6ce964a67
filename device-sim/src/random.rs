//! Keyed randomness: each (seed, person, purpose, block of time) has its own stream, so that any
//! stretch of time can be generated alone and still be the same bytes.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What a stream is for. The numbers are part of what a seed means: never reuse one.
#[derive(Debug, Clone, Copy)]
#[repr(u64)]
pub(crate) enum Purpose {
    Traits = 1,
    Glucometer = 2,
    CgmDay = 3,
    CgmNoise = 4,
    Scale = 5,
    Decompensation = 6,
    BloodPressure = 7,
    Oximeter = 8,
    InrWeek = 9,
    InrExcursion = 10,
    Thermometer = 11,
    Spirometer = 12,
    Faults = 13,
    Sending = 14,
    Backoff = 15,
    Moments = 16,
}

/// A stream of numbers. It uses only `+ - * /` on doubles, which give the same bits on every machine.
pub(crate) struct Stream(ChaCha8Rng);

impl Stream {
    pub(crate) fn new(seed: u64, person: u32, purpose: Purpose, block: i64) -> Self {
        let mut key = [0_u8; 32];
        let words = [seed, u64::from(person), purpose as u64, u64::from_le_bytes(block.to_le_bytes())];
        for (slot, word) in key.chunks_exact_mut(8).zip(words) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    /// Uniform in `[0, 1)`, from the top 53 bits. Our own mapping: the generator crate may change its
    /// own from version to version, and a seed must not.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A whole number in `low..=high`.
    pub(crate) fn whole(&mut self, low: i64, high: i64) -> i64 {
        let span = (high - low + 1) as f64;
        (low + (self.unit() * span) as i64).min(high)
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// About normal with this standard deviation and never beyond six of them: the sum of twelve
    /// uniforms. Needs no logarithm, whose last bit differs between maths libraries.
    pub(crate) fn spread(&mut self, deviation: f64) -> f64 {
        let sum: f64 = (0..12).map(|_| self.unit()).sum();
        (sum - 6.0) * deviation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_two_people_two_purposes_and_two_blocks_differ() {
        let first = |seed, person, purpose, block| Stream::new(seed, person, purpose, block).0.next_u64();
        let base = first(1, 1, Purpose::Scale, 1);
        assert_eq!(base, first(1, 1, Purpose::Scale, 1));
        assert_ne!(base, first(2, 1, Purpose::Scale, 1));
        assert_ne!(base, first(1, 2, Purpose::Scale, 1));
        assert_ne!(base, first(1, 1, Purpose::Oximeter, 1));
        assert_ne!(base, first(1, 1, Purpose::Scale, -1));
    }

    #[test]
    fn whole_numbers_reach_both_ends_and_nothing_beyond() {
        let mut stream = Stream::new(7, 0, Purpose::Traits, 0);
        let drawn: Vec<_> = (0..1_000).map(|_| stream.whole(-2, 3)).collect();
        assert_eq!(drawn.iter().min(), Some(&-2));
        assert_eq!(drawn.iter().max(), Some(&3));
    }
}
