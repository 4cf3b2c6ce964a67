//! Ids and secrets from the operating system's random source.

use uuid::{NoContext, Timestamp, Uuid};

use crate::Clock;

/// A version 7 UUID: opaque to people, ordered by time for the database.
pub fn new_v7(clock: &Clock) -> Uuid {
    let now = clock.now();
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    let nanoseconds = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, nanoseconds))
}

/// Random bytes for a secret.
///
/// # Panics
///
/// When the operating system gives no randomness: going on with a guessable secret would be worse.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// `bytes` random bytes as text in the URL-safe alphabet of base 64, without padding.
pub fn random_text<const N: usize>() -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bytes = random_bytes::<N>();
    let mut text = String::with_capacity(N.div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().enumerate().fold(0u32, |word, (i, byte)| word | u32::from(*byte) << (16 - 8 * i));
        for position in 0..=chunk.len() {
            let index = (word >> (18 - 6 * position)) & 63;
            if let Some(letter) = ALPHABET.get(index as usize) {
                text.push(char::from(*letter));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_two_bytes_are_forty_three_letters_and_never_the_same() {
        let (a, b) = (random_text::<32>(), random_text::<32>());
        assert_eq!(a.len(), 43);
        assert_ne!(a, b);
        assert!(a.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_'));
    }

    #[test]
    fn ids_of_one_moment_differ_and_later_ones_sort_behind() {
        let clock = Clock::set_to("2026-11-22T07:00:00Z".parse().unwrap());
        let first = new_v7(&clock);
        assert_ne!(first, new_v7(&clock));
        clock.set("2026-11-22T07:00:01Z".parse().unwrap());
        assert!(new_v7(&clock) > first);
    }
}
