//! Blood pressure, pulse, saturation, temperature, respiratory rate, and the early warning score.

use vigie_vitals::metrics::blood_pressure::{Protocol, blood_pressure, pressures as together};
use vigie_vitals::metrics::news2::{Circumstances, News2, Parameter, WINDOW, news2};
use vigie_vitals::metrics::vital_signs::{Limits, vital_sign};
use vigie_vitals::metrics::{Metric, Period, Sample};
use vigie_vitals::{Reading, Side, Unit, Vital};

use super::{
    BLOOD_PRESSURE, NEWS2, PULSE, RESPIRATORY_RATE, SPO2, Sources, TEMPERATURE, Told, extremes, vitals_of,
};
use crate::content::drawn::{points, pressures};
use crate::content::figures::{add, figure};
use crate::content::thresholds::{limits, mildest};
use crate::content::{ChartData, Figure, Insufficient, Note, Topic};

/// The mean of the week's readings at home: 12 of them \[ESC24-FR\]. All days count, as the French 2-2-3 has it
/// \[FRHTA\]: a week of a patient who measures all year has no first day of a protocol.
const PROTOCOL: Protocol = Protocol { exclude_first_day: false, readings_min: 12 };

/// So many of the five vital signs of NEWS2 make a score worth showing (setting).
const NEWS2_SHOWN_FROM: usize = 4;

/// The panel of blood pressure.
pub(super) fn pressure(sources: Sources<'_>, told: &mut Told) {
    let (frame, measured) = (sources.frame, sources.measured);
    let all: Vec<Reading> = [Vital::Systolic, Vital::Diastolic]
        .into_iter()
        .flat_map(|vital| measured.of_vital(vital))
        .map(|stored| stored.reading.clone())
        .collect();
    let all = together(&all);
    let of = |period| blood_pressure(&all, period, &frame.zone, PROTOCOL);
    let week = of(frame.over);
    add(&mut told.metrics, BLOOD_PRESSURE, week.metrics());
    add(&mut told.before, BLOOD_PRESSURE, of(frame.before()).metrics());

    let systolic = measured.within(Vital::Systolic, frame.over);
    let mut notes: Vec<Note> = extremes(systolic, Vital::Systolic).into_iter().collect();
    if week.censored > 0 {
        notes.push(Note::Censored { below: 0, above: week.censored });
    }
    let readings = week.mean.map_or(0, |mean| mean.n);
    let insufficient = match (week.sufficient, readings) {
        (true, _) => None,
        (false, 0) => Some(Insufficient::NoReadings),
        (false, readings) => Some(Insufficient::TooFew { readings, needed: PROTOCOL.readings_min }),
    };
    let figures = named(
        BLOOD_PRESSURE,
        &[
            ("systolic", 0),
            ("diastolic", 0),
            ("systolic_morning", 0),
            ("diastolic_morning", 0),
            ("systolic_evening", 0),
            ("diastolic_evening", 0),
            ("high_percent", 0),
        ],
    );
    let whole = frame.whole;
    let chart = ChartData::Pressure {
        from: whole.from,
        to: whole.to,
        readings: pressures(
            measured.within(Vital::Systolic, whole),
            measured.within(Vital::Diastolic, whole),
            frame,
        ),
        systolic_limits: limits(sources.known, Vital::Systolic, Unit::MillimetreOfMercury, whole),
        diastolic_limits: limits(sources.known, Vital::Diastolic, Unit::MillimetreOfMercury, whole),
    };
    let days = sources.days_with(&[Vital::Systolic]);
    told.panel(
        sources.shown(Topic::BloodPressure),
        figures,
        notes,
        insufficient,
        Vec::new(),
        (days, vec![chart]),
    );
}

/// The panel of a vital sign that is told as it is: extremes, median, mean.
pub(super) fn plain(topic: Topic, sources: Sources<'_>, told: &mut Told) {
    let (frame, measured) = (sources.frame, sources.measured);
    let (Some(vital), Some(group)) = (vitals_of(topic).first().copied(), group_of(topic)) else { return };
    let samples = measured.samples(vital);
    let bound =
        |side| mildest(sources.known, vital, side, vital.canonical_unit(), super::last_instant(frame.over));
    let limits_of_interest = Limits { below: bound(Side::Low), above: bound(Side::High) };
    let of = |period: Period| vital_sign(&samples, vital, period, &frame.zone, limits_of_interest);
    let week = of(frame.over);
    add(&mut told.metrics, group, week.metrics());
    add(&mut told.before, group, of(frame.before()).metrics());

    let readings = measured.within(vital, frame.over);
    let notes: Vec<Note> = extremes(readings, vital).into_iter().collect();
    let insufficient = (week.n == 0).then_some(Insufficient::NoReadings);
    let digits = u8::from(vital == Vital::Temperature);
    let mut figures =
        named(group, &[("median", digits), ("lowest", digits), ("highest", digits), ("mean", digits)]);
    for (limit, name) in
        [(limits_of_interest.below, "below_percent"), (limits_of_interest.above, "above_percent")]
    {
        figures.extend(limit.map(|_| figure(group, name, 0)));
    }
    let whole = frame.whole;
    let unit = sources.shown(topic).1;
    let chart = ChartData::DotsByDay {
        vital,
        unit,
        from: whole.from,
        to: whole.to,
        points: points(measured.within(vital, whole), vital, unit),
        limits: limits(sources.known, vital, unit, whole),
    };
    let days = sources.days_with(&[vital]);
    told.panel(sources.shown(topic), figures, notes, insufficient, Vec::new(), (days, vec![chart]));
}

fn group_of(topic: Topic) -> Option<&'static str> {
    match topic {
        Topic::Pulse => Some(PULSE),
        Topic::Spo2 => Some(SPO2),
        Topic::Temperature => Some(TEMPERATURE),
        Topic::RespiratoryRate => Some(RESPIRATORY_RATE),
        Topic::GlucoseCgm
        | Topic::GlucoseCapillary
        | Topic::Inr
        | Topic::Weight
        | Topic::BloodPressure
        | Topic::News2 => None,
    }
}

/// The early warning score at the newest reading of the week, where most of it was measured. At home nobody says
/// whether somebody breathes oxygen or is alert, so it is a lower bound: an aid to ranking and nothing more.
pub(super) fn score(sources: Sources<'_>, told: &mut Told) {
    let (frame, measured) = (sources.frame, sources.measured);
    let vitals = vitals_of(Topic::News2);
    let samples: Vec<(Vital, Sample)> = vitals
        .iter()
        .flat_map(|vital| measured.samples(*vital).into_iter().map(move |sample| (*vital, sample)))
        .collect();
    let of = |period: Period| {
        let newest = samples.iter().map(|(_, sample)| sample.at).filter(|at| period.contains(*at)).max()?;
        let score = news2(&samples, newest, WINDOW, Circumstances::default());
        (score.points.len() >= NEWS2_SHOWN_FROM).then_some((Period { from: newest, to: period.to }, score))
    };
    let metric = |(at, score): (Period, News2)| -> Vec<(&'static str, Metric)> {
        let total = f64::from(score.total);
        vec![("total", Metric::new(Some(total), "{score}", at, score.points.len(), score.is_complete()))]
    };
    let Some((at, now)) = of(frame.over) else { return };
    let missing = now.missing.iter().filter_map(|parameter| match parameter {
        Parameter::RespiratoryRate => Some(Vital::RespiratoryRate),
        Parameter::Spo2 => Some(Vital::Spo2),
        Parameter::Systolic => Some(Vital::Systolic),
        Parameter::Pulse => Some(Vital::Pulse),
        Parameter::Temperature => Some(Vital::Temperature),
        Parameter::Oxygen | Parameter::Consciousness => None,
    });
    let notes = vec![Note::Missing { vitals: missing.collect() }];
    add(&mut told.metrics, NEWS2, metric((at, now)));
    add(&mut told.before, NEWS2, of(frame.before()).map(metric).unwrap_or_default());
    told.panel(
        sources.shown(Topic::News2),
        named(NEWS2, &[("total", 0)]),
        notes,
        None,
        Vec::new(),
        (0, Vec::new()),
    );
}

fn named(group: &str, names: &[(&str, u8)]) -> Vec<Figure> {
    names.iter().map(|(name, digits)| figure(group, name, *digits)).collect()
}
