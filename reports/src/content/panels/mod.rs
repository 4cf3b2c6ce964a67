//! The panels: what is told of each thing followed.

mod glucose;
mod inr;
mod vitals;
mod weight;

use std::collections::BTreeSet;
use vigie_store::patients::StoredReading;
use vigie_store::reports::record::WeekRecord;

use jiff::Timestamp;
use vigie_vitals::metrics::Period;
use vigie_vitals::plans::CarePlan;
use vigie_vitals::{Comparator, Unit, Vital, convert};

use super::frame::Frame;
use super::measured::Measured;
use super::thresholds::InForce;
use super::{ChartData, Figure, Insufficient, Metrics, Note, Panel, TimedValue, Topic};

/// Groups of numbers, as the outside contract names them. Of the main source of glucose: the sensor where there is one,
/// otherwise the meter.
pub(super) const GLUCOSE: &str = "glucose";
/// The sensor's over 14 days.
pub(super) const GLUCOSE_PROFILE: &str = "glucose_14_days";
/// The meter's, beside a sensor's.
pub(super) const GLUCOSE_CAPILLARY: &str = "glucose_capillary";
pub(super) const INR: &str = "inr";
pub(super) const WEIGHT: &str = "weight";
pub(super) const BLOOD_PRESSURE: &str = "blood_pressure";
pub(super) const PULSE: &str = "pulse";
pub(super) const SPO2: &str = "spo2";
pub(super) const TEMPERATURE: &str = "temperature";
pub(super) const RESPIRATORY_RATE: &str = "respiratory_rate";
pub(super) const NEWS2: &str = "news2";

/// Local days with readings without which single values are not drawn where there is too little to conclude (setting):
/// fewer show no course.
const DAYS_DRAWN_FROM: usize = 3;

/// What panels are made from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sources<'a> {
    pub(super) record: &'a WeekRecord,
    pub(super) frame: &'a Frame,
    pub(super) measured: &'a Measured<'a>,
    pub(super) known: &'a [InForce<'a>],
}

/// What comes out: numbers of this week and of the one before, panels, charts.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) metrics: Metrics,
    pub(super) before: Metrics,
    pub(super) panels: Vec<Panel>,
    pub(super) charts: Vec<ChartData>,
}

impl Told {
    /// Adds a panel with its charts. Where there is too little to conclude, what stands for a conclusion (shares, a
    /// profile) is not drawn, and single values only where they come from several days.
    fn panel(
        &mut self,
        (topic, unit): (Topic, Unit),
        figures: Vec<Figure>,
        notes: Vec<Note>,
        insufficient: Option<Insufficient>,
        concluding: Vec<ChartData>,
        (days, values): (usize, Vec<ChartData>),
    ) {
        let first = self.charts.len();
        if insufficient.is_none() {
            self.charts.extend(concluding);
        }
        if insufficient.is_none() || days >= DAYS_DRAWN_FROM {
            self.charts.extend(values);
        }
        let charts = (first..self.charts.len()).collect();
        let sufficient = insufficient.is_none();
        self.panels.push(Panel { topic, unit, figures, notes, sufficient, insufficient, charts });
    }
}

impl Sources<'_> {
    /// A topic and the unit in which people read it.
    fn shown(&self, topic: Topic) -> (Topic, Unit) {
        let first = vitals_of(topic).first().copied();
        let shown = |vital| self.measured.shown_unit(vital, self.frame.over);
        let unit = match topic {
            Topic::News2 => Unit::Score,
            Topic::Inr => Unit::Inr,
            // Pressures are drawn and averaged in one unit.
            Topic::BloodPressure => Unit::MillimetreOfMercury,
            Topic::GlucoseCgm
            | Topic::GlucoseCapillary
            | Topic::Weight
            | Topic::Pulse
            | Topic::Spo2
            | Topic::Temperature
            | Topic::RespiratoryRate => first.map_or(Unit::Score, shown),
        };
        (topic, unit)
    }

    /// Local days of the week with a reading of any of these.
    fn days_with(&self, vitals: &[Vital]) -> usize {
        let readings = vitals.iter().flat_map(|vital| self.measured.within(*vital, self.frame.over));
        readings.map(|stored| self.frame.date(stored.reading.measured_at)).collect::<BTreeSet<_>>().len()
    }
}

/// The last instant that belongs to a period: a rule version from its end on is of the next one.
fn last_instant(period: Period) -> Timestamp {
    period.to.checked_sub(jiff::SignedDuration::from_nanos(1)).unwrap_or(period.to)
}

/// All panels, in the order of the care plans; then what else was measured.
pub(super) fn panels(sources: Sources<'_>) -> Told {
    let mut told = Told::default();
    let topics = topics(sources);
    // Beside a sensor a meter is not the main source, whichever comes first.
    let group = if topics.contains(&Topic::GlucoseCgm) { GLUCOSE_CAPILLARY } else { GLUCOSE };
    for topic in topics {
        match topic {
            Topic::GlucoseCgm => glucose::cgm(sources, &mut told),
            Topic::GlucoseCapillary => glucose::capillary(sources, group, &mut told),
            Topic::Inr => inr::panel(sources, &mut told),
            Topic::Weight => weight::panel(sources, &mut told),
            Topic::BloodPressure => vitals::pressure(sources, &mut told),
            Topic::Pulse | Topic::Spo2 | Topic::Temperature | Topic::RespiratoryRate => {
                vitals::plain(topic, sources, &mut told);
            }
            Topic::News2 => vitals::score(sources, &mut told),
        }
    }
    told
}

/// What a care plan is about comes first, with or without readings; the rest only if there are readings of it in this
/// week or the one before.
fn topics(sources: Sources<'_>) -> Vec<Topic> {
    let mut topics = main_topics(&plans(sources.record));
    for topic in ORDER {
        let seen = vitals_of(topic).iter().any(|vital| {
            let period = Period { from: sources.frame.before().from, to: sources.frame.over.to };
            !sources.measured.within(*vital, period).is_empty()
        });
        if seen && !topics.contains(&topic) {
            topics.push(topic);
        }
    }
    topics.push(Topic::News2);
    topics
}

/// After those of the care plans.
const ORDER: [Topic; 9] = [
    Topic::GlucoseCgm,
    Topic::GlucoseCapillary,
    Topic::Weight,
    Topic::BloodPressure,
    Topic::Pulse,
    Topic::Spo2,
    Topic::RespiratoryRate,
    Topic::Temperature,
    Topic::Inr,
];

/// Codes of the care plans that ran in the week, in the order in which they began; each once.
pub(super) fn plans(record: &WeekRecord) -> Vec<String> {
    let mut on_record: Vec<_> = record.plans.iter().collect();
    on_record.sort_by(|a, b| (a.started_at, &a.plan).cmp(&(b.started_at, &b.plan)));
    let mut plans: Vec<String> = Vec::new();
    for plan in on_record {
        if !plans.contains(&plan.plan) {
            plans.push(plan.plan.clone());
        }
    }
    plans
}

/// What care plans are about, in their order.
pub(super) fn main_topics(plans: &[String]) -> Vec<Topic> {
    let mut topics = Vec::new();
    for plan in plans.iter().filter_map(|code| CarePlan::parse(code).ok()) {
        let topic = main_topic(plan);
        if !topics.contains(&topic) {
            topics.push(topic);
        }
    }
    topics
}

fn main_topic(plan: CarePlan) -> Topic {
    match plan {
        CarePlan::Diabetes => Topic::GlucoseCapillary,
        CarePlan::DiabetesCgm => Topic::GlucoseCgm,
        CarePlan::HeartFailure => Topic::Weight,
        CarePlan::OralAnticoagulation => Topic::Inr,
    }
}

/// The vital signs that a panel is made from.
pub(super) fn vitals_of(topic: Topic) -> &'static [Vital] {
    match topic {
        Topic::GlucoseCgm => &[Vital::GlucoseInterstitial],
        Topic::GlucoseCapillary => &[Vital::Glucose],
        Topic::Inr => &[Vital::Inr],
        Topic::Weight => &[Vital::Weight],
        Topic::BloodPressure => &[Vital::Systolic, Vital::Diastolic],
        Topic::Pulse => &[Vital::Pulse],
        Topic::Spo2 => &[Vital::Spo2],
        Topic::Temperature => &[Vital::Temperature],
        Topic::RespiratoryRate => &[Vital::RespiratoryRate],
        Topic::News2 => {
            &[Vital::RespiratoryRate, Vital::Spo2, Vital::Systolic, Vital::Pulse, Vital::Temperature]
        }
    }
}

/// The lowest and the highest value; of equal ones the first. `LO` is below every number, `HI` above.
fn extremes(readings: &[&StoredReading], vital: Vital) -> Option<Note> {
    let rank = |stored: &StoredReading| {
        let value = stored.reading.value;
        let number = value.number.and_then(|n| convert(n, value.unit, vital.canonical_unit(), vital).ok());
        let side = match value.comparator {
            Some(Comparator::Below) => 0,
            None => 1,
            Some(Comparator::Above) => 2,
        };
        (side, number)
    };
    let timed =
        |stored: &StoredReading| TimedValue { at: stored.reading.measured_at, value: stored.reading.value };
    let lowest = readings.iter().min_by_key(|stored| rank(stored))?;
    // `max_by_key` gives the last of equals, so it is asked backwards.
    let highest = readings.iter().rev().max_by_key(|stored| rank(stored))?;
    Some(Note::Extremes { lowest: timed(lowest), highest: timed(highest) })
}
