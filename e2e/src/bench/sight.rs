//! From the publish at the device to the event that tells of it.
//!
//! A `readings` event says that a patient has new readings that were judged, not which. A patient's device publishes
//! seconds apart, so a patient's n-th event tells of the n-th reading, as long as there are as many of them. When one
//! judgement took several readings there are fewer events: then each reading is told by the first event after it.

use std::collections::BTreeMap;

/// Microseconds since 1970, by patient, in order.
pub(super) type Moments = BTreeMap<String, Vec<i64>>;

/// What became visible.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sights {
    /// When each reading was published, and how many microseconds later its event came.
    pub(super) seen: Vec<(i64, i64)>,
    /// Readings without an event.
    pub(super) missing: usize,
    /// Patients with fewer events than readings, for whom the times may look shorter than they were.
    pub(super) shared: usize,
}

impl Sights {
    /// How long the readings took that were published from `from` until `until`.
    pub(super) fn between(&self, from: i64, until: i64) -> Vec<i64> {
        let then = self.seen.iter().filter(|(published, _)| (from..until).contains(published));
        then.map(|(_, took)| *took).collect()
    }
}

/// Finds the event of each reading.
pub(super) fn sights(published: &Moments, events: &Moments) -> Sights {
    let mut found = Sights::default();
    for (patient, published) in published {
        let Some(first) = published.first() else { continue };
        let events = events.get(patient).map(Vec::as_slice).unwrap_or_default();
        let events: Vec<i64> = events.iter().copied().filter(|event| event >= first).collect();
        if events.len() == published.len() {
            found.seen.extend(published.iter().zip(&events).map(|(at, event)| (*at, event - at)));
            continue;
        }
        found.shared += 1;
        for at in published {
            match events.iter().find(|event| *event >= at) {
                Some(event) => found.seen.push((*at, event - at)),
                None => found.missing += 1,
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(published: &[i64], events: &[i64]) -> Sights {
        let moments = |times: &[i64]| Moments::from([("p".to_owned(), times.to_vec())]);
        sights(&moments(published), &moments(events))
    }

    #[test]
    fn each_reading_has_its_own_event_also_when_it_came_after_the_next_publish() {
        let late = of(&[0, 100, 200], &[130, 140, 230]);
        assert_eq!(late, Sights { seen: vec![(0, 130), (100, 40), (200, 30)], missing: 0, shared: 0 });
        assert_eq!(late.between(100, 201), [40, 30]);
        assert_eq!(of(&[50], &[10, 70]).seen, [(50, 20)], "an event from before is of something else");
    }

    #[test]
    fn one_event_for_two_readings_is_told_apart_and_none_is_missing() {
        assert_eq!(of(&[0, 100], &[130]), Sights { seen: vec![(0, 130), (100, 30)], missing: 0, shared: 1 });
        assert_eq!(of(&[0, 100], &[30]), Sights { seen: vec![(0, 30)], missing: 1, shared: 1 });
        assert_eq!(of(&[5], &[]), Sights { seen: vec![], missing: 1, shared: 1 });
    }
}
