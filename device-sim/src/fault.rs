//! What goes wrong at home: a plan per device, drawn from the seed, each fault switchable.

use jiff::{SignedDuration, Timestamp};

use crate::measurement::{Beyond, Measurement, digits, glucose, glucose_beyond};
use crate::person::{DeviceKind, Person};
use crate::profile::generate_for;
use crate::random::Purpose;

/// Which faults may happen at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultSwitches {
    /// Days without a connection, then the backlog.
    pub offline: bool,
    /// The same batch sent again after it was acknowledged.
    pub duplicates: bool,
    /// A later batch sent before an earlier one.
    pub reordering: bool,
    /// A clock that runs minutes ahead.
    pub clock_skew: bool,
    /// `HI` or `LO` instead of a number.
    pub out_of_range: bool,
    /// Somebody else on the scale, once.
    pub wrong_person: bool,
    /// A test with control solution, once.
    pub control_solution: bool,
    /// Memory lost, once: numbers start again in a new epoch.
    pub lost_memory: bool,
}

impl FaultSwitches {
    /// Everything may go wrong.
    pub fn all() -> Self {
        Self {
            offline: true,
            duplicates: true,
            reordering: true,
            clock_skew: true,
            out_of_range: true,
            wrong_person: true,
            control_solution: true,
            lost_memory: true,
        }
    }

    /// A perfect world.
    pub fn none() -> Self {
        Self {
            offline: false,
            duplicates: false,
            reordering: false,
            clock_skew: false,
            out_of_range: false,
            wrong_person: false,
            control_solution: false,
            lost_memory: false,
        }
    }
}

/// What goes wrong with one device.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultPlan {
    /// No connection in this span of simulated time: what is measured meanwhile is sent at its end.
    pub offline: Option<(Timestamp, Timestamp)>,
    /// How likely a batch is sent a second time, byte for byte, after its acknowledgement.
    pub duplicates: f64,
    /// How likely the batch after next is sent before the next.
    pub reordering: f64,
    /// How far the device's clock runs ahead.
    pub clock_ahead: SignedDuration,
    /// The one measurement that is beyond the meter's range, and on which side.
    out_of_range: Option<(Timestamp, Beyond)>,
    /// The one weighing of somebody else: how many tenths of a kilogram heavier (or lighter).
    wrong_person: Option<(Timestamp, i64)>,
    /// The one measurement that a control solution test precedes.
    control_solution: Option<Timestamp>,
    /// When (simulated) the device loses its memory. It does so at the first moment after when nothing waits in it:
    /// losing readings on the way is what a simulator that counts must not do by itself.
    pub lost_memory: Option<Timestamp>,
}

/// How likely a device has each fault: a population of some thirty shows all of them (the simulator's choice).
mod share {
    pub(super) const OFFLINE: f64 = 0.15;
    pub(super) const DUPLICATES: f64 = 0.3;
    pub(super) const REORDERING: f64 = 0.3;
    pub(super) const CLOCK_SKEW: f64 = 0.2;
    pub(super) const OUT_OF_RANGE: f64 = 0.2;
    pub(super) const WRONG_PERSON: f64 = 0.35;
    pub(super) const CONTROL_SOLUTION: f64 = 0.3;
    pub(super) const LOST_MEMORY: f64 = 0.1;
}

impl FaultPlan {
    /// Nothing goes wrong.
    pub fn none() -> Self {
        Self {
            offline: None,
            duplicates: 0.0,
            reordering: 0.0,
            clock_ahead: SignedDuration::ZERO,
            out_of_range: None,
            wrong_person: None,
            control_solution: None,
            lost_memory: None,
        }
    }

    /// The plan of one device. `anchor` is where its history meets its live time; everything is placed around it.
    pub fn draw(person: &Person, kind: DeviceKind, anchor: Timestamp, switches: FaultSwitches) -> Self {
        let mut stream = person.stream(Purpose::Faults, kind as i64);
        let hours = |h: f64| SignedDuration::from_secs((h * 3_600.0) as i64);
        let shifted = |h: f64| anchor.checked_add(hours(h)).unwrap_or(anchor);
        // Every number is drawn, wanted or not: a switch must not change the faults that stay on.
        let offline = (
            stream.chance(share::OFFLINE),
            shifted(-stream.between(24.0, 72.0)),
            shifted(stream.between(1.0, 3.0)),
        );
        let duplicates = stream.chance(share::DUPLICATES);
        let reordering = stream.chance(share::REORDERING);
        let ahead = (stream.chance(share::CLOCK_SKEW), SignedDuration::from_secs(stream.whole(120, 540)));
        let beyond = (
            stream.chance(share::OUT_OF_RANGE),
            shifted(-stream.between(1.0, 96.0)),
            if stream.chance(0.5) { Beyond::High } else { Beyond::Low },
        );
        let heavier = stream.chance(0.5);
        let other = (
            stream.chance(share::WRONG_PERSON),
            shifted(-stream.between(24.0, 240.0)),
            stream.whole(130, 170) * if heavier { 1 } else { -1 },
        );
        let control = (stream.chance(share::CONTROL_SOLUTION), shifted(-stream.between(6.0, 240.0)));
        let memory = (stream.chance(share::LOST_MEMORY), shifted(stream.between(2.0, 5.0)));
        let first_after = |at: Timestamp| {
            let last = at.checked_add(hours(24.0 * 8.0)).unwrap_or(at);
            generate_for(person, kind, at, last).first().map(|m| m.at)
        };
        // A meter that is used once a week must have its odd value before the anchor too.
        let earlier = if kind == DeviceKind::InrMeter { hours(24.0 * 7.0) } else { SignedDuration::ZERO };
        let has_range = matches!(kind, DeviceKind::Glucometer | DeviceKind::Cgm | DeviceKind::InrMeter);
        let plan = |happens: bool| happens.then_some(());
        Self {
            offline: plan(switches.offline && offline.0).map(|()| (offline.1, offline.2)),
            duplicates: if switches.duplicates && duplicates { 0.25 } else { 0.0 },
            reordering: if switches.reordering && reordering { 0.3 } else { 0.0 },
            clock_ahead: if switches.clock_skew && ahead.0 { ahead.1 } else { SignedDuration::ZERO },
            out_of_range: plan(switches.out_of_range && has_range && beyond.0)
                .and_then(|()| Some((first_after(beyond.1.checked_sub(earlier).ok()?)?, beyond.2))),
            wrong_person: plan(switches.wrong_person && kind == DeviceKind::Scale && other.0)
                .and_then(|()| Some((first_after(other.1)?, other.2))),
            control_solution: plan(switches.control_solution && kind == DeviceKind::Glucometer && control.0)
                .and_then(|()| first_after(control.1)),
            lost_memory: plan(switches.lost_memory && memory.0).map(|()| memory.1),
        }
    }

    /// The same, with the connection back by the end of the simulation, if it has one: or what was measured meanwhile
    /// would never be sent.
    #[must_use]
    pub fn ending_by(mut self, end: Option<Timestamp>) -> Self {
        if let (Some((_, back)), Some(end)) = (&mut self.offline, end) {
            *back = end.min(*back);
        }
        self
    }

    /// The same, with somebody else on the scale at the measurement of this moment: so many tenths of a kilogram heavier
    /// (lighter, when negative).
    #[must_use]
    pub fn with_wrong_person(mut self, at: Timestamp, tenths: i64) -> Self {
        self.wrong_person = Some((at, tenths));
        self
    }

    /// The same, with a test with control solution before the measurement of this moment.
    #[must_use]
    pub fn with_control_solution(mut self, at: Timestamp) -> Self {
        self.control_solution = Some(at);
        self
    }

    /// What the device measures instead of `measurement` (and, with a control solution, besides).
    pub fn disturb(&self, person: &Person, mut measurement: Measurement) -> Vec<Measurement> {
        let at = measurement.at;
        if let Some((when, beyond)) = self.out_of_range
            && when == at
        {
            for value in &mut measurement.values {
                *value = out_of_range(person, measurement.kind, beyond).unwrap_or_else(|| value.clone());
            }
        }
        if let Some((when, tenths)) = self.wrong_person
            && when == at
        {
            for value in measurement.values.iter_mut().filter(|v| v.vital == "weight") {
                value.value = shifted_tenths(&value.value, tenths);
            }
        }
        let control = (self.control_solution == Some(at)).then(|| control_test(person, &measurement));
        control.flatten().into_iter().chain(std::iter::once(measurement)).collect()
    }

    /// May what was measured at `measured` be sent at `now` (both simulated)? Before the connection went, yes.
    pub fn may_send(&self, measured: Timestamp, now: Timestamp) -> bool {
        match self.offline {
            Some((from, to)) if from <= now && now < to => measured < from,
            Some(_) | None => true,
        }
    }
}

fn out_of_range(person: &Person, kind: DeviceKind, beyond: Beyond) -> Option<vigie_wire::v1::Value> {
    let shown = match (kind, beyond) {
        (DeviceKind::Glucometer, _) => glucose_beyond(person.index, beyond),
        (DeviceKind::Cgm, Beyond::Low) => crate::profile::sensor_value(0),
        (DeviceKind::Cgm, Beyond::High) => crate::profile::sensor_value(999),
        (DeviceKind::InrMeter, Beyond::Low) => crate::profile::inr_value(0),
        (DeviceKind::InrMeter, Beyond::High) => crate::profile::inr_value(999),
        (
            DeviceKind::Scale
            | DeviceKind::BloodPressureMonitor
            | DeviceKind::Oximeter
            | DeviceKind::Thermometer
            | DeviceKind::Spirometer,
            _,
        ) => return None,
    };
    Some(shown)
}

/// `70.4` and 150 tenths are `85.4`.
fn shifted_tenths(shown: &str, tenths: i64) -> String {
    shown.replace('.', "").parse::<i64>().map_or_else(|_| shown.to_owned(), |kilos| digits(kilos + tenths, 1))
}

/// Two minutes before a measurement the strips are checked with a solution of 1.15 g/L. (Before: what comes after could
/// lie in the future.)
fn control_test(person: &Person, before: &Measurement) -> Option<Measurement> {
    let mut control = before.clone();
    control.at = before.at.checked_sub(SignedDuration::from_mins(2)).ok()?;
    control.values = vec![glucose(person.index, 115)];
    control.context = Some(vigie_wire::v1::Context {
        sample: "control_solution".to_owned(),
        ..vigie_wire::v1::Context::default()
    });
    Some(control)
}

#[cfg(test)]
mod tests;
