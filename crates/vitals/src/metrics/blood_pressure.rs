//! Blood pressure at home, by the days and sessions of a protocol.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::{Date, Time, time};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::number::{binary, canonical, mean, percent};
use super::{Metric, Period};
use crate::{Reading, ReadingKey, Value, Vital};

/// Until here a reading belongs to the morning (setting).
const MORNING_END: Time = time(12, 0, 0, 0);
/// At home, from here on: 135/85 mm\[Hg\] corresponds to 140/90 in the office \[ESC24-FR\].
const HIGH: (f64, f64) = (135.0, 85.0);

/// What is asked of a protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protocol {
    /// Is the first day left out? (ESH, memory, DOMAIN 2.5; the French 2-2-3 keeps it \[ESC24-FR\]\[FRHTA\].)
    pub exclude_first_day: bool,
    /// Readings without which the mean is not sufficient: 12 \[ESC24-FR\].
    pub readings_min: usize,
}

impl Default for Protocol {
    fn default() -> Self {
        Self { exclude_first_day: true, readings_min: 12 }
    }
}

/// One reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pressure {
    /// When.
    pub at: Timestamp,
    /// Systolic, in the unit received.
    pub systolic: Value,
    /// Diastolic, in the unit received.
    pub diastolic: Value,
}

/// Systolic and diastolic values that were measured together. What has only one of them is left out.
pub fn pressures(readings: &[Reading]) -> Vec<Pressure> {
    let mut together: BTreeMap<&ReadingKey, (Timestamp, Option<Value>, Option<Value>)> = BTreeMap::new();
    for reading in readings.iter().filter(|reading| reading.of_a_person) {
        let entry = together.entry(&reading.key).or_insert((reading.measured_at, None, None));
        if reading.vital == Vital::Systolic {
            entry.1 = Some(reading.value);
        } else if reading.vital == Vital::Diastolic {
            entry.2 = Some(reading.value);
        }
    }
    together
        .into_values()
        .filter_map(|(at, systolic, diastolic)| {
            Some(Pressure { at, systolic: systolic?, diastolic: diastolic? })
        })
        .collect()
}

/// Part of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Session {
    /// Before noon, local time.
    Morning,
    /// From noon on.
    Evening,
}

/// Means in mm\[Hg\].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MeanPressure {
    /// Mean systolic pressure.
    pub systolic: f64,
    /// Mean diastolic pressure.
    pub diastolic: f64,
    /// Readings.
    pub n: usize,
}

/// The mean of one session.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SessionMean {
    /// Local date.
    pub date: Date,
    /// Part of the day.
    pub session: Session,
    /// The mean.
    pub mean: MeanPressure,
    /// Does it count, or is it of the first day that is left out?
    pub counted: bool,
}

/// Blood pressure over a period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BloodPressure {
    /// The period: from here,
    pub from: Timestamp,
    /// up to and without here.
    pub to: Timestamp,
    /// Every session, in order.
    pub sessions: Vec<SessionMean>,
    /// Mean of the readings that count.
    pub mean: Option<MeanPressure>,
    /// Of those in the morning.
    pub morning: Option<MeanPressure>,
    /// Of those in the evening.
    pub evening: Option<MeanPressure>,
    /// Share of the readings that count with 135 or more systolic, or 85 or more diastolic, in %.
    pub high_percent: Option<f64>,
    /// Local dates that count.
    pub days: usize,
    /// Readings beyond the device's range, left out.
    pub censored: usize,
    /// Enough readings for the mean.
    pub sufficient: bool,
}

/// The metrics of a period (DOMAIN 2.5): readings are grouped by local date and part of the day, none is dropped within
/// a session, and the mean is that of all readings from the second protocol day on (of all days, if the protocol says
/// so). A protocol day is a local date with a reading; the first one of the period is the first day.
pub fn blood_pressure(
    pressures: &[Pressure],
    period: Period,
    zone: &TimeZone,
    protocol: Protocol,
) -> BloodPressure {
    let within: Vec<&Pressure> = pressures.iter().filter(|pressure| period.contains(pressure.at)).collect();
    let mut sessions: BTreeMap<(Date, Session), Vec<(f64, f64)>> = BTreeMap::new();
    let mut censored = 0;
    for pressure in &within {
        let systolic = canonical(&pressure.systolic, Vital::Systolic).map(binary);
        let diastolic = canonical(&pressure.diastolic, Vital::Diastolic).map(binary);
        let Some(both) = systolic.zip(diastolic) else {
            censored += 1;
            continue;
        };
        let local = pressure.at.to_zoned(zone.clone());
        let session = if local.time() < MORNING_END { Session::Morning } else { Session::Evening };
        sessions.entry((local.date(), session)).or_default().push(both);
    }
    for readings in sessions.values_mut() {
        readings.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    }
    let first = sessions.keys().next().map(|(date, _)| *date);
    let counts = |date: Date| !(protocol.exclude_first_day && Some(date) == first);
    let counted = |wanted: Option<Session>| -> Vec<(f64, f64)> {
        let of = |session| wanted.is_none_or(|wanted| wanted == session);
        sessions
            .iter()
            .filter(|((date, session), _)| counts(*date) && of(*session))
            .flat_map(|(_, readings)| readings.iter().copied())
            .collect()
    };
    let all = counted(None);
    let high = all.iter().filter(|(systolic, diastolic)| *systolic >= HIGH.0 || *diastolic >= HIGH.1).count();
    let mut days: Vec<Date> = sessions.keys().map(|(date, _)| *date).filter(|date| counts(*date)).collect();
    days.dedup();
    BloodPressure {
        from: period.from,
        to: period.to,
        sessions: sessions
            .iter()
            .filter_map(|((date, session), readings)| {
                let mean = mean_of(readings)?;
                Some(SessionMean { date: *date, session: *session, mean, counted: counts(*date) })
            })
            .collect(),
        mean: mean_of(&all),
        morning: mean_of(&counted(Some(Session::Morning))),
        evening: mean_of(&counted(Some(Session::Evening))),
        high_percent: percent(high, all.len()),
        days: days.len(),
        censored,
        sufficient: all.len() >= protocol.readings_min.max(1),
    }
}

impl BloodPressure {
    /// The numbers under their names, each with unit, period, n and whether it is sufficient.
    pub fn metrics(&self) -> Vec<(&'static str, Metric)> {
        let period = Period { from: self.from, to: self.to };
        let systolic = |of: Option<MeanPressure>| {
            let n = of.map_or(0, |mean| mean.n);
            Metric::new(of.map(|mean| mean.systolic), "mm[Hg]", period, n, self.sufficient)
        };
        let diastolic = |of: Option<MeanPressure>| {
            let n = of.map_or(0, |mean| mean.n);
            Metric::new(of.map(|mean| mean.diastolic), "mm[Hg]", period, n, self.sufficient)
        };
        let n = self.mean.map_or(0, |mean| mean.n);
        vec![
            ("systolic", systolic(self.mean)),
            ("diastolic", diastolic(self.mean)),
            ("systolic_morning", systolic(self.morning)),
            ("diastolic_morning", diastolic(self.morning)),
            ("systolic_evening", systolic(self.evening)),
            ("diastolic_evening", diastolic(self.evening)),
            ("high_percent", Metric::new(self.high_percent, "%", period, n, self.sufficient)),
        ]
    }
}

fn mean_of(readings: &[(f64, f64)]) -> Option<MeanPressure> {
    let (systolic, diastolic): (Vec<f64>, Vec<f64>) = readings.iter().copied().unzip();
    Some(MeanPressure { systolic: mean(&systolic)?, diastolic: mean(&diastolic)?, n: readings.len() })
}
