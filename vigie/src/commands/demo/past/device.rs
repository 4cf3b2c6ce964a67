//! What one device measured and when it said so: mostly at once, a sensor once an hour, and after an outage all
//! that it had kept.

use anyhow::{Context, Result};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use vigie_device_sim::{DeviceKind, FaultPlan, Person, encode_batch, generate_for};
use vigie_ingest::Publish;
use vigie_vitals::plans::{CarePlan, default_rules};
use vigie_vitals::{RuleSpec, Side, SilenceRule, Unit};
use vigie_wire::{Channel, DeviceId, Encoding, Topic, v1};

use super::story::{Past, Stretch};

/// The live simulator begins an epoch at its start time in seconds, so this one is never used again.
const EPOCH: u64 = 1;
/// Share of the measurements that people forget (a choice of the demo: about one a month for a daily one).
const FORGOTTEN: f64 = 0.03;
/// Share of the weeks in which a device has no connection for some hours (a choice of the demo).
const OUTAGES: f64 = 0.12;
/// Readings in one batch at most: what the server takes.
const BATCH_MAX: usize = vigie_wire::READINGS_PER_BATCH_MAX;

/// Which device, of whom.
pub(super) struct Which {
    pub(super) index: u32,
    pub(super) person: Person,
    pub(super) plan: CarePlan,
    pub(super) kind: DeviceKind,
    pub(super) id: DeviceId,
    /// Held for so long.
    pub(super) held: Stretch,
    /// Numbers the devices of a demo.
    pub(super) number: usize,
}

/// A device of the past.
pub(super) struct Teller {
    which: Which,
    faults: FaultPlan,
    encoding: Encoding,
    not_measured: Vec<Stretch>,
    outages: Vec<Stretch>,
    lost_number: Option<Timestamp>,
    clock_reset: Option<Timestamp>,
    limits: Vec<(&'static str, Side, Unit, f64)>,
    expected: Option<SilenceRule>,
    /// Seconds after the full hour at which a sensor's gateway sends.
    sends_at: i64,
    next_sequence: i64,
    random: ChaCha12Rng,
    alarming: bool,
    ends: Timestamp,
}

/// A reading on its way.
pub(super) struct Told {
    pub(super) arrives: Timestamp,
    pub(super) measured: Timestamp,
    /// Beyond a limit of the care plan, and the one before was not: somebody should look soon.
    pub(super) alarming: bool,
    reading: v1::Reading,
}

impl Teller {
    pub(super) fn new(which: Which, faults: FaultPlan, past: &Past) -> Self {
        let mut random = seeded(which.person.seed, which.number);
        let (index, kind) = (which.index, which.kind);
        let mut not_measured = Vec::new();
        not_measured.extend(past.hospital(index).map(|(stay, _)| stay));
        if past.hardly_worn(index, kind) {
            not_measured.extend(past.not_worn());
        }
        let mut outages = outages(past, kind, &mut random);
        outages.extend(past.over_the_weekend(index));
        let encoding = if which.number.is_multiple_of(2) { Encoding::Json } else { Encoding::Protobuf };
        Self {
            faults: with_stories(&which, faults, past),
            encoding,
            not_measured,
            outages,
            lost_number: past.lost_number(index, kind),
            clock_reset: past.clock_reset(index, kind),
            limits: limits(which.plan),
            expected: expected(which.plan),
            sends_at: random.random_range(0..3_600),
            next_sequence: 1,
            random,
            alarming: false,
            ends: past.until,
            which,
        }
    }

    pub(super) fn index(&self) -> u32 {
        self.which.index
    }

    /// When the patient would be silent, if this reading were the last.
    pub(super) fn silent_after(&self, told: &Told) -> Option<Timestamp> {
        let rule = self.expected.as_ref()?;
        told.reading.values.iter().find(|value| value.vital == rule.vital.code())?;
        let hours = i64::from(rule.every_hours) + i64::from(rule.grace_hours);
        told.measured.checked_add(SignedDuration::from_hours(hours)).ok()
    }

    /// Measures in `[from, to)`; to be called for one stretch after the other.
    pub(super) fn measure(&mut self, from: Timestamp, to: Timestamp) -> Vec<Told> {
        let (from, to) = (from.max(self.which.held.0), to.min(self.which.held.1));
        let mut told = Vec::new();
        for due in generate_for(&self.which.person, self.which.kind, from, to) {
            // Drawn for each, wanted or not: what is left out must not change what is not.
            let forgotten = self.which.kind != DeviceKind::Cgm && self.random.random_bool(FORGOTTEN);
            let lag = SignedDuration::from_secs(self.random.random_range(4..45));
            let offline = self.faults.offline.is_some_and(|(since, _)| since <= due.at);
            if forgotten || offline || within(&self.not_measured, due.at).is_some() {
                continue;
            }
            for measurement in self.faults.disturb(&self.which.person, due) {
                let arrives = self.arrival(measurement.at, lag);
                let sequence = self.number(measurement.at);
                let mut reading =
                    measurement.stamped(sequence, self.faults.clock_ahead, &self.which.person.zone);
                if self.clock_reset.take_if(|after| *after <= measurement.at).is_some() {
                    reading.measured_at = "2000-01-01T00:00:07+01:00".into();
                }
                let alarming = self.breaks_a_limit(&reading);
                told.push(Told {
                    arrives,
                    measured: measurement.at,
                    alarming: alarming && !self.alarming,
                    reading,
                });
                self.alarming = alarming;
            }
        }
        told
    }

    fn number(&mut self, at: Timestamp) -> i64 {
        if self.lost_number.take_if(|after| *after <= at).is_some() {
            self.next_sequence += 1;
        }
        self.next_sequence += 1;
        self.next_sequence - 1
    }

    fn arrival(&self, measured: Timestamp, lag: SignedDuration) -> Timestamp {
        let sent = if let Some(outage) = within(&self.outages, measured) {
            outage.1
        } else if self.which.kind == DeviceKind::Cgm {
            let hour = (measured.as_second() - self.sends_at).div_euclid(3_600) + 1;
            Timestamp::from_second(hour * 3_600 + self.sends_at).unwrap_or(measured)
        } else {
            measured.saturating_add(lag).unwrap_or(measured)
        };
        // What is on its way at the end arrives with it: the live simulation does not measure it again.
        sent.min(self.ends)
    }

    fn breaks_a_limit(&self, reading: &v1::Reading) -> bool {
        reading.values.iter().any(|value| {
            self.limits.iter().any(|(vital, side, unit, limit)| {
                let of_it = value.vital == *vital && Unit::parse(&value.unit).is_ok_and(|u| u == *unit);
                let beyond = |number: f64| match side {
                    Side::Low => number < *limit,
                    Side::High => number > *limit,
                };
                of_it && value.value.parse().map_or(true, beyond)
            })
        })
    }

    /// The publishes that carry these readings, as the device would send them at `at`.
    pub(super) fn publishes(&self, readings: &[Told], at: Timestamp) -> Result<Vec<Publish>> {
        let sent_at = at.checked_add(self.faults.clock_ahead)?.to_string();
        let channel = Channel::Readings(self.encoding);
        let topic = Topic { device: self.which.id.clone(), channel }.to_string();
        let batches = readings.chunks(BATCH_MAX).map(|chunk| {
            let ends = chunk.first().zip(chunk.last()).context("a batch holds a reading")?;
            let batch = v1::ReadingBatch {
                batch_id: format!("b-{EPOCH}-{}-{}", ends.0.reading.sequence, ends.1.reading.sequence),
                sent_at: sent_at.clone(),
                epoch: EPOCH,
                readings: chunk.iter().map(|told| told.reading.clone()).collect(),
                ..v1::ReadingBatch::default()
            };
            Ok(Publish {
                device: self.which.id.clone(),
                channel: Some(channel),
                topic: topic.clone(),
                payload: Bytes::from(encode_batch(self.encoding, &batch)),
                wants_receipts: true,
                will: false,
            })
        });
        batches.collect()
    }
}

/// A stream of its own for everything that is drawn.
pub(super) fn seeded(seed: u64, number: usize) -> ChaCha12Rng {
    let mut key = [0_u8; 32];
    let words = [seed, number as u64, 0x7061_7374];
    for (slot, word) in key.chunks_exact_mut(8).zip(words) {
        slot.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha12Rng::from_seed(key)
}

fn within(stretches: &[Stretch], at: Timestamp) -> Option<Stretch> {
    stretches.iter().copied().find(|(from, to)| *from <= at && at < *to)
}

/// At most one a week: for a sensor some hours, for a meter up to more than a day.
fn outages(past: &Past, kind: DeviceKind, random: &mut ChaCha12Rng) -> Vec<Stretch> {
    let longest = if kind == DeviceKind::Cgm { 14 } else { 40 };
    let mut found = Vec::new();
    for week in 0..=i64::from(past.days / 7) {
        let (happens, begins) = (random.random_bool(OUTAGES), random.random_range(0..7 * 24));
        let lasts = random.random_range(3..=longest);
        let at = |hours: i64| past.from.checked_add(SignedDuration::from_hours(week * 168 + begins + hours));
        if happens && let (Ok(from), Ok(to)) = (at(0), at(lasts)) {
            found.push((from, to));
        }
    }
    found
}

/// The faults that the simulator places around the end of the past, and those of the last whole week.
fn with_stories(which: &Which, faults: FaultPlan, past: &Past) -> FaultPlan {
    let first_after = |at: Timestamp| {
        let days = SignedDuration::from_hours(4 * 24);
        let to = at.saturating_add(days).unwrap_or(at);
        generate_for(&which.person, which.kind, at, to).first().map(|m| m.at)
    };
    let mut faults = faults;
    if let Some(at) = past.wrong_person(which.index, which.kind).and_then(first_after) {
        faults = faults.with_wrong_person(at, 146);
    }
    if let Some(at) = past.control_solution(which.index, which.kind).and_then(first_after) {
        faults = faults.with_control_solution(at);
    }
    faults
}

/// The mildest step of each limit that the plan ships, by unit.
fn limits(plan: CarePlan) -> Vec<(&'static str, Side, Unit, f64)> {
    let mut limits = Vec::new();
    for (_, spec) in default_rules(plan) {
        let RuleSpec::Limit(rule) = spec else { continue };
        let mildest = rule.levels.first().map(|level| &level.threshold);
        for (unit, limit) in mildest.into_iter().flatten() {
            // Only to guess when somebody should look: the judge compares decimals.
            let limit = limit.to_string().parse().unwrap_or(f64::NAN);
            limits.push((rule.vital.code(), rule.side, *unit, limit));
        }
    }
    limits
}

fn expected(plan: CarePlan) -> Option<SilenceRule> {
    default_rules(plan).into_iter().find_map(|(_, spec)| match spec {
        RuleSpec::Silence(rule) => Some(rule),
        RuleSpec::Limit(_) | RuleSpec::Change(_) => None,
    })
}
