//! What holds of every placing, whatever the clocks say. The cases of docs/clock.md are in tests/it/clock.rs.

use proptest::prelude::*;

use super::*;

/// 2026-11-22T07:00:00Z.
const ARRIVAL: i64 = 1_795_330_800;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn words() -> impl Strategy<Value = Word> {
    prop_oneof![Just(Word::NotSaid), Just(Word::Synchronised), Just(Word::Unsynchronised)]
}

/// Instants near the arrival, years away from it, and anywhere at all.
fn instants() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        4 => (ARRIVAL - 1_000..ARRIVAL + 1_000).prop_map(at),
        4 => (ARRIVAL - 400_000..ARRIVAL + 400_000).prop_map(at),
        2 => (0..2 * ARRIVAL).prop_map(at),
        1 => (Timestamp::MIN.as_second()..=Timestamp::MAX.as_second()).prop_map(at),
    ]
}

fn written(at: Timestamp) -> Option<Written> {
    Some(Written { at, offset_unknown: false })
}

proptest! {
    #[test]
    fn what_is_placed_is_neither_in_the_future_nor_too_old_and_keeps_the_devices_word(
        sent in proptest::option::of(instants()), word in words(), measured in instants()
    ) {
        let config = Config::default();
        let reference = Reference::new(sent, word, at(ARRIVAL), &config);
        if let Ok(placed) = reference.place(written(measured)) {
            prop_assert!(placed.measured_at.duration_since(at(ARRIVAL)) <= config.future_max);
            prop_assert!(at(ARRIVAL).duration_since(placed.measured_at) <= config.age_max);
            prop_assert_eq!(placed.device_measured_at, measured);
            // Nothing is moved in silence, and nothing says that it was moved when it was not.
            let says_so = placed.doubts.contains(&TimeDoubt::Corrected);
            prop_assert_eq!(placed.measured_at != placed.device_measured_at, says_so);
        }
    }

    #[test]
    fn nothing_is_ever_moved_without_a_proof(
        sent in proptest::option::of(instants()), word in words(), measured in instants()
    ) {
        let config = Config::default();
        let reference = Reference::new(sent, word, at(ARRIVAL), &config);
        if let Ok(placed) = reference.place(written(measured)) {
            let moved = measured.duration_since(placed.measured_at);
            prop_assert_eq!(Some(moved).filter(|moved| !moved.is_zero()), reference.proven_lead());
        }
    }

    /// Two readings of one batch keep their order and their distance: one offset for all of it.
    #[test]
    fn a_batch_is_moved_as_one(
        sent in instants(), word in words(), first in instants(), gap in 0i64..100_000
    ) {
        let config = Config::default();
        let reference = Reference::new(Some(sent), word, at(ARRIVAL), &config);
        let Ok(second) = first.checked_add(SignedDuration::from_secs(gap)) else { return Ok(()) };
        if let (Ok(one), Ok(two)) = (reference.place(written(first)), reference.place(written(second))) {
            prop_assert_eq!(two.measured_at.duration_since(one.measured_at), SignedDuration::from_secs(gap));
        }
    }

    /// A clock that is off by an amount, messages that take a while: the corrected time is never earlier than the true
    /// one, and later by no more than the way took.
    #[test]
    fn a_proven_correction_is_wrong_by_no_more_than_the_way_took(
        error in -400_000i64..400_000, way in 0i64..300, age in 0i64..400_000, says in any::<bool>()
    ) {
        let config = Config::default();
        let truth = ARRIVAL - way - age;
        let word = if says { Word::Unsynchronised } else { Word::NotSaid };
        let reference = Reference::new(Some(at(ARRIVAL - way + error)), word, at(ARRIVAL), &config);
        if reference.proven_lead().is_some() {
            let placed = reference.place(written(at(truth + error))).unwrap();
            let wrong = placed.measured_at.duration_since(at(truth)).as_secs();
            prop_assert!((0..=way).contains(&wrong), "wrong by {wrong} s");
        }
    }

    #[test]
    fn a_device_that_vouches_for_its_clock_is_never_moved_back_in_line_with_a_long_way(
        way in 0i64..10_000_000, age in 0i64..1_000
    ) {
        let config = Config::default();
        let reference = Reference::new(Some(at(ARRIVAL - way)), Word::Synchronised, at(ARRIVAL), &config);
        let placed = reference.place(written(at(ARRIVAL - way - age))).unwrap();
        prop_assert_eq!(placed.measured_at, placed.device_measured_at);
        prop_assert_eq!(placed.doubts, Vec::new());
    }
}
