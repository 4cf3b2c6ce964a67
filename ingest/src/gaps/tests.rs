//! What is done about gaps, as a function.

use vigie_store::{LedgerKey, Ranges};
use vigie_vitals::DeviceId;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn noon() -> Timestamp {
    at("2026-11-24T12:00:00Z")
}

fn ranges(ranges: &[(i64, i64)]) -> Ranges {
    let mut numbers = Ranges::default();
    for number in ranges.iter().flat_map(|(first, last)| *first..=*last) {
        numbers.insert(number);
    }
    numbers
}

fn gap(first: i64, last: i64, opened_at: &str) -> Gap {
    Gap { first, last, opened_at: at(opened_at), tries: 0, next_at: None }
}

fn watched(received: &[(i64, i64)], gaps: Vec<Gap>) -> Watched {
    Watched {
        key: LedgerKey { device: DeviceId("dev-1".into()), epoch: 1 },
        received: ranges(received),
        is_current: true,
        is_revoked: false,
        waiting_from: None,
        gaps,
    }
}

#[test]
fn pauses_grow_to_a_day() {
    let hours = [1, 2, 3, 4, 20].map(|tries| Settings::default().pause(tries).as_hours());
    assert_eq!(hours, [1, 4, 16, 24, 24]);
}

#[test]
fn what_is_old_enough_is_asked_for_from_its_lowest_missing_number_and_what_came_is_forgotten() {
    let gaps = vec![
        gap(2, 4, "2026-11-24T09:00:00Z"),
        gap(17, 20, "2026-11-24T11:44:00Z"),
        gap(30, 31, "2026-11-24T11:45:01Z"),
    ];
    let told = plan(&watched(&[(1, 17), (20, 29), (32, 40)], gaps), Settings::default(), noon());
    assert_eq!(
        told,
        Plan {
            closed: vec![2],
            look_again: vec![(17, 1, at("2026-11-24T13:00:00Z"))],
            ask: Some((18, 19, 1)),
            ..Plan::default()
        }
    );
}

#[test]
fn after_the_last_try_and_its_pause_nothing_more_is_asked() {
    let settings = Settings { tries: 2, ..Settings::default() };
    let tried =
        |tries, next_at: &str| Gap { tries, next_at: Some(at(next_at)), ..gap(3, 3, "2026-11-20T09:00:00Z") };
    let due = |gap| plan(&watched(&[(1, 2), (4, 4)], vec![gap]), settings, noon());
    assert_eq!(due(tried(2, "2026-11-24T12:00:01Z")), Plan::default(), "its pause is not over");
    assert_eq!(due(tried(1, "2026-11-24T12:00:00Z")).ask, Some((3, 3, 2)));
    assert_eq!(due(tried(2, "2026-11-24T12:00:00Z")), Plan { given_up: vec![3], ..Plan::default() });
}

#[test]
fn nobody_is_asked_in_an_epoch_that_is_over_nor_after_it_was_revoked_nor_twice_at_once() {
    let base = watched(&[(1, 2), (9, 9)], vec![gap(3, 8, "2026-11-24T09:00:00Z")]);
    let decide = |watched: Watched| plan(&watched, Settings::default(), noon());
    let given_up = Plan { given_up: vec![3], ..Plan::default() };
    let mut past = Watched { is_current: false, ..base.clone() };
    let looked_at = vec![(3, 1, at("2026-11-24T13:00:00Z"))];
    assert_eq!(decide(past.clone()), Plan { look_again: looked_at, ..Plan::default() });
    past.gaps[0].tries = 4;
    assert_eq!(decide(past), given_up);
    assert_eq!(decide(Watched { is_revoked: true, ..base.clone() }), given_up);
    let waits = decide(Watched { waiting_from: Some(3), ..base.clone() });
    assert_eq!((waits.ask, waits.look_again), (None, vec![(3, 0, at("2026-11-24T13:00:00Z"))]));
    assert_eq!(
        decide(Watched { waiting_from: Some(4), ..base }).ask,
        Some((3, 8, 1)),
        "that one is too high"
    );
}
