//! INR: Rosendaal's time in therapeutic range over half a year.

use vigie_charts::Band;
use vigie_vitals::metrics::inr::{Inr, TherapeuticRange, inr};
use vigie_vitals::metrics::{Metric, Period};
use vigie_vitals::{Side, Unit, Value, Vital};

use super::{INR as GROUP, Sources, Told, extremes, last_instant};
use crate::content::drawn::{join_within, points, shaded};
use crate::content::figures::{add, figure};
use crate::content::thresholds::{limits, mildest};
use crate::content::windows::INR_WEEKS;
use crate::content::{ChartData, Insufficient, Note, Topic};

/// The panel. The range is the patient's own: between the mildest limits in force at the end of the week. For somebody
/// without such limits there is no time in range, only what was measured.
pub(super) fn panel(sources: Sources<'_>, told: &mut Told) {
    let frame = sources.frame;
    let samples = sources.measured.samples(Vital::Inr);
    let (period, period_before) = (frame.weeks(INR_WEEKS), frame.weeks_before(INR_WEEKS));
    let range = range(sources);
    let of = |period| range.map(|range| inr(&samples, period, range));
    let now = of(period);
    for (metrics, computed, period) in
        [(&mut told.metrics, &now, period), (&mut told.before, &of(period_before), period_before)]
    {
        let named = computed.as_ref().map(Inr::metrics).unwrap_or_default();
        add(metrics, GROUP, named);
        add(metrics, GROUP, latest(sources, period).into_iter().collect());
        add(metrics, GROUP, range.map(|range| target(range, period)).unwrap_or_default());
    }
    let week = sources.measured.within(Vital::Inr, frame.over);
    let mut notes: Vec<Note> = extremes(week, Vital::Inr).into_iter().collect();
    if let Some(now) = &now {
        if now.days_gap > 0.0 {
            notes.push(Note::InrGap { days: now.days_gap });
        }
        if now.censored_low + now.censored_high > 0 {
            notes.push(Note::Censored { below: now.censored_low, above: now.censored_high });
        }
    }
    let figures = [("ttr_percent", 0), ("days_in", 0), ("days_below", 0), ("days_above", 0), ("latest", 1)]
        .into_iter()
        .chain([("mean", 1), ("sd", 2), ("variance_growth_rate", 2)])
        .map(|(name, digits)| figure(GROUP, name, digits))
        .collect();
    let n = sources.measured.within(Vital::Inr, period).len();
    let charts = vec![chart(sources, period, range)];
    told.panel(
        sources.shown(Topic::Inr),
        figures,
        notes,
        insufficient(now.as_ref(), n),
        charts,
        (0, Vec::new()),
    );
}

fn insufficient(now: Option<&Inr>, n: usize) -> Option<Insufficient> {
    match n {
        0 => Some(Insufficient::NoReadings),
        // Without a range there is nothing to conclude about; what was measured is drawn.
        _ if now.is_none_or(|now| now.sufficient) => None,
        readings => Some(Insufficient::TooFew { readings, needed: 2 }),
    }
}

/// The patient's therapeutic range.
fn range(sources: Sources<'_>) -> Option<TherapeuticRange> {
    let at = last_instant(sources.frame.over);
    let bound = |side| mildest(sources.known, Vital::Inr, side, Unit::Inr, at);
    Some(TherapeuticRange { low: bound(Side::Low)?, high: bound(Side::High)? })
}

/// The ends of the range, so that who reads the numbers knows what they were held against.
fn target(range: TherapeuticRange, period: Period) -> Vec<(&'static str, Metric)> {
    let metric = |bound| Metric::new(f64::try_from(bound).ok(), "{INR}", period, 0, true);
    vec![("target_low", metric(range.low)), ("target_high", metric(range.high))]
}

/// The newest test of the period, where it is an exact one.
fn latest(sources: Sources<'_>, period: Period) -> Option<(&'static str, Metric)> {
    let newest = sources.measured.within(Vital::Inr, period).last()?;
    let Value { number: Some(number), comparator: None, .. } = newest.reading.value else { return None };
    let of = Period { from: newest.reading.measured_at, to: period.to };
    Some(("latest", Metric::new(f64::try_from(number).ok(), "{INR}", of, 1, true)))
}

fn chart(sources: Sources<'_>, period: Period, range: Option<TherapeuticRange>) -> ChartData {
    let frame = sources.frame;
    ChartData::Series {
        vital: Vital::Inr,
        unit: Unit::Inr,
        from: period.from,
        to: frame.whole.to,
        points: points(sources.measured.within(Vital::Inr, period), Vital::Inr, Unit::Inr),
        average: Vec::new(),
        level: None,
        limits: limits(sources.known, Vital::Inr, Unit::Inr, period),
        band: range.map(|range| Band { low: range.low, high: range.high }),
        join_within: join_within(Vital::Inr),
        shaded: shaded(sources.record, frame, period),
    }
}
