//! Expected and received; pauses; devices.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use vigie_store::reports::record::{DeviceHeld, WeekRecord};
use vigie_vitals::metrics::adherence::{Adherence, Schedule, adherence};
use vigie_vitals::metrics::{Metric, Period};
use vigie_vitals::{Pause, RuleSpec, SilenceRule};

use super::frame::{Day, Frame, overlap};
use super::measured::Measured;
use super::thresholds::InForce;
use super::{Completeness, DayCount, DayState, DeviceLine, Metrics, PauseLine, ScheduleLine};

/// Expected and received over the week; and the numbers of it, under the names of the vital signs.
pub(super) fn completeness(
    record: &WeekRecord,
    frame: &Frame,
    measured: &Measured<'_>,
    known: &[InForce<'_>],
    metrics: &mut Metrics,
) -> Completeness {
    let received = measured.received(frame.whole);
    let readings: BTreeSet<_> = received.iter().map(|stored| &stored.reading.key).collect();
    let of_a_person = received.iter().filter(|stored| stored.reading.of_a_person);
    let dates: BTreeSet<_> = of_a_person.map(|stored| frame.date(stored.reading.measured_at)).collect();
    let mut refused: BTreeMap<String, i64> = BTreeMap::new();
    for counted in &record.quarantine {
        let count = refused.entry(counted.code.clone()).or_default();
        *count = count.saturating_add(counted.count);
    }
    let silence = |stretch: &&InForce<'_>| {
        matches!(stretch.version.spec, RuleSpec::Silence(_)) && stretch.touches(frame.whole)
    };
    let stretches: Vec<InForce<'_>> = known.iter().filter(silence).copied().collect();
    let pauses = pauses_known(record, frame);
    let mut schedules = Vec::new();
    for of_rule in stretches.chunk_by(|a, b| a.version.rule == b.version.rule) {
        let Some((line, whole)) = schedule(of_rule, record, frame, measured, &pauses) else { continue };
        let group = metrics.entry("adherence".to_owned()).or_default();
        let period = Period { from: whole.from, to: whole.to };
        for (name, mut metric) in whole.metrics() {
            match name {
                "expected" => metric.value = Some(line.expected),
                "percent" => metric = Metric::new(line.percent, "%", period, whole.received, true),
                _ => {}
            }
            group.insert(format!("{}_{name}", line.vital.code()), metric);
        }
        schedules.push(line);
    }
    Completeness {
        schedules,
        received: readings.len(),
        days_with_data: dates.len(),
        never_arrived: record.never_arrived,
        refused,
    }
}

/// One silence rule, with its versions in the week.
fn schedule(
    versions: &[InForce<'_>],
    record: &WeekRecord,
    frame: &Frame,
    measured: &Measured<'_>,
    pauses: &[Pause],
) -> Option<(ScheduleLine, Adherence)> {
    let RuleSpec::Silence(rule) = &versions.last()?.version.spec else { return None };
    let heard = measured.heard(rule.vital);
    let watch = Watch { versions, pauses, since: record.patient.watched_since, heard: &heard, frame };
    let days: Vec<DayCount> = frame.days().iter().map(|day| watch.day(day)).collect();
    let (expected, kept) = watch.expected_and_kept();
    let whole = adherence(&heard, watch.over(), Schedule::from(rule), pauses, &frame.zone);
    let line = ScheduleLine {
        vital: rule.vital,
        every_hours: rule.every_hours,
        expected,
        percent: (expected > 0.0).then(|| 100.0 * kept / expected),
        longest_gap_hours: whole.longest_gap.map(|gap| gap.hours),
        days,
    };
    Some((line, whole))
}

/// What is expected of a patient under one silence rule.
struct Watch<'a> {
    versions: &'a [InForce<'a>],
    pauses: &'a [Pause],
    /// Watched since.
    since: Timestamp,
    /// When the patient was heard of, by time.
    heard: &'a [Timestamp],
    frame: &'a Frame,
}

impl Watch<'_> {
    /// The part of the week in which something may be missed: watched, and in whole days that are over.
    fn over(&self) -> Period {
        let start = self.versions.first().map_or(Timestamp::MAX, |first| first.from);
        let from = self.frame.whole.from.max(self.since).max(start);
        let days = self.frame.days();
        let over = days.iter().map(|day| day.period.to).take_while(|to| *to <= self.frame.known_at);
        Period { from, to: over.last().unwrap_or(self.frame.whole.from).max(from) }
    }

    /// The version that a day is held against: the one in force at its end.
    fn rule_of(&self, day: &Day) -> Option<&SilenceRule> {
        let version = self.versions.iter().rev().find(|version| version.from < day.period.to)?;
        match &version.version.spec {
            RuleSpec::Silence(rule) => Some(rule),
            RuleSpec::Limit(_) | RuleSpec::Change(_) => None,
        }
    }

    /// Over the week, each stretch of days against the version of then.
    fn expected_and_kept(&self) -> (f64, f64) {
        let over = self.over();
        let days: Vec<Day> = self
            .frame
            .days()
            .into_iter()
            .filter(|day| overlap(day.period.from, day.period.to, over))
            .collect();
        let mut sum = (0.0, 0.0);
        for stretch in days.chunk_by(|a, b| self.rule_of(a) == self.rule_of(b)) {
            let (Some(first), Some(last)) = (stretch.first(), stretch.last()) else { continue };
            let Some(rule) = self.rule_of(first) else { continue };
            let period = Period { from: first.period.from.max(over.from), to: last.period.to.min(over.to) };
            let of = adherence(self.heard, period, Schedule::from(rule), self.pauses, &self.frame.zone);
            let expected = of.expected as f64;
            sum.0 += expected;
            sum.1 += of.percent.map_or(0.0, |percent| expected * percent / 100.0);
        }
        sum
    }

    fn day(&self, day: &Day) -> DayCount {
        let received = self.heard.iter().filter(|at| day.period.contains(**at)).count();
        let over = self.over();
        let outside = DayCount { date: day.date, expected: 0.0, received, state: DayState::Outside };
        let Some(rule) = self.rule_of(day).filter(|rule| rule.every_hours > 0) else { return outside };
        let watched = Period { from: day.period.from.max(over.from), to: day.period.to.min(over.to) };
        if watched.from >= watched.to {
            return outside;
        }
        let of = adherence(self.heard, watched, Schedule::from(rule), self.pauses, &self.frame.zone);
        let open_hours = 24.0 * watched.days() - of.paused_hours;
        let due = of.days.first().and_then(|day| day.expected);
        // Less than one a day: the day's part of it.
        let expected = due.map_or(open_hours / f64::from(rule.every_hours), |due| due as f64);
        let state = match due {
            Some(due) if received > 0 && received >= due => DayState::Complete,
            Some(_) if received > 0 => DayState::Partial,
            Some(0) if of.paused_hours > 0.0 => DayState::Paused,
            // Watched for less than half of what a reading is expected in.
            Some(0) => DayState::Outside,
            Some(_) => DayState::Nothing,
            None if received > 0 || self.in_time(day, rule) => DayState::Complete,
            None if open_hours < 12.0 => DayState::Paused,
            None => DayState::Nothing,
        };
        DayCount { date: day.date, expected, received, state }
    }

    /// Where less than one reading a day is expected: had there been one not longer ago than is allowed, pauses and the
    /// time before watching left out?
    fn in_time(&self, day: &Day, rule: &SilenceRule) -> bool {
        let start = self.versions.first().map_or(self.since, |first| first.from.max(self.since));
        let last = self.heard.iter().rev().find(|at| **at < day.period.to);
        let last = last.map_or(start, |last| (*last).max(start));
        let paused = self.pauses.iter().filter(|pause| pause.from < day.period.to).map(|pause| pause.until);
        let counted_from = paused.max().map_or(last, |until| last.max(until));
        let allowed = SignedDuration::from_hours(i64::from(rule.every_hours));
        day.period.to.duration_since(counted_from) <= allowed
    }
}

/// The pauses known, in order of their beginning.
pub(super) fn pauses_known(record: &WeekRecord, frame: &Frame) -> Vec<Pause> {
    let known = record.pauses.iter().map(|on_record| &on_record.pause);
    let mut pauses: Vec<Pause> = known
        .filter(|pause| pause.recorded_at <= frame.known_at && pause.from < pause.until)
        .cloned()
        .collect();
    pauses.sort_by(|a, b| {
        (a.from, a.until, a.recorded_at, &a.reason).cmp(&(b.from, b.until, b.recorded_at, &b.reason))
    });
    pauses
}

/// Pauses that touch the week, by beginning.
pub(super) fn pauses(record: &WeekRecord, frame: &Frame) -> Vec<PauseLine> {
    let touching = record.pauses.iter().filter(|on_record| {
        let pause = &on_record.pause;
        pause.recorded_at <= frame.known_at && overlap(pause.from, pause.until, frame.whole)
    });
    let mut lines: Vec<PauseLine> = touching
        .map(|on_record| PauseLine {
            from: on_record.pause.from,
            until: on_record.pause.until,
            reason: on_record.pause.reason.clone(),
            author: on_record.author.clone(),
            recorded_at: on_record.pause.recorded_at,
        })
        .collect();
    lines.sort_by(|a, b| {
        (a.from, a.until, a.recorded_at, &a.reason).cmp(&(b.from, b.until, b.recorded_at, &b.reason))
    });
    lines
}

/// Devices held at some time of the week, by kind and time, with how many readings came from each.
pub(super) fn devices(record: &WeekRecord, frame: &Frame, measured: &Measured<'_>) -> Vec<DeviceLine> {
    let (earliest, latest) = (Timestamp::MIN, Timestamp::MAX);
    let held = |device: &DeviceHeld| Period {
        from: device.from.unwrap_or(earliest),
        to: device.until.unwrap_or(latest),
    };
    let mut devices: Vec<&DeviceHeld> = record
        .devices
        .iter()
        .filter(|device| overlap(held(device).from, held(device).to, frame.whole))
        .collect();
    devices.sort_by(|a, b| (&a.kind, a.from, a.until, &a.id).cmp(&(&b.kind, b.from, b.until, &b.id)));
    let readings = measured.received(frame.whole);
    devices
        .into_iter()
        .map(|device| {
            let sent = readings.iter().map(|stored| &stored.reading);
            let sent = sent.filter(|r| r.key.device == device.id && held(device).contains(r.measured_at));
            DeviceLine {
                id: device.id.clone(),
                kind: device.kind.clone(),
                since: device.from.filter(|at| frame.whole.contains(*at)),
                until: device.until.filter(|at| frame.whole.contains(*at)),
                readings: sent.map(|r| &r.key).collect::<BTreeSet<_>>().len(),
            }
        })
        .collect()
}
