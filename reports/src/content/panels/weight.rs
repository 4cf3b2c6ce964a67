//! Weight: the moving average, gains by window, four weeks of curve.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use vigie_vitals::metrics::Period;
use vigie_vitals::metrics::weight::{Weight, weight};
use vigie_vitals::{Unit, Vital, convert};

use super::{Sources, Told, WEIGHT, extremes};
use crate::content::drawn::{join_within, points, shaded};
use crate::content::figures::{add, figure, rounded};
use crate::content::thresholds::limits;
use crate::content::windows::WEIGHT_WEEKS;
use crate::content::{ChartData, Insufficient, Note, Topic};

/// Days with a weight that a week needs: two readings in the window (proposal, DOMAIN 2.4).
const DAYS_NEEDED: usize = 2;

/// The panel.
pub(super) fn panel(sources: Sources<'_>, told: &mut Told) {
    let (frame, measured) = (sources.frame, sources.measured);
    let samples = measured.samples(Vital::Weight);
    // The dry weight is not on record yet.
    let of = |period| weight(&samples, period, &frame.zone, None);
    let week = of(frame.over);
    add(&mut told.metrics, WEIGHT, week.metrics());
    add(&mut told.before, WEIGHT, of(frame.before()).metrics());

    let notes: Vec<Note> =
        extremes(measured.within(Vital::Weight, frame.over), Vital::Weight).into_iter().collect();
    let figures = ["latest", "moving_average", "change", "gain_1_day", "gain_3_days", "gain_8_days"]
        .map(|name| figure(WEIGHT, name, 1))
        .to_vec();
    let curve = of(frame.weeks(WEIGHT_WEEKS));
    let days = sources.days_with(&[Vital::Weight]);
    let charts = (days, vec![chart(sources, &curve)]);
    told.panel(sources.shown(Topic::Weight), figures, notes, insufficient(&week), Vec::new(), charts);
}

fn insufficient(week: &Weight) -> Option<Insufficient> {
    match week.days.len() {
        0 => Some(Insufficient::NoReadings),
        _ if week.baseline_lost => Some(Insufficient::BaselineLost),
        readings if readings < DAYS_NEEDED => Some(Insufficient::TooFew { readings, needed: DAYS_NEEDED }),
        _ => None,
    }
}

fn chart(sources: Sources<'_>, curve: &Weight) -> ChartData {
    let (frame, vital) = (sources.frame, Vital::Weight);
    let period = frame.weeks(WEIGHT_WEEKS);
    let unit = sources.shown(Topic::Weight).1;
    ChartData::Series {
        vital,
        unit,
        from: period.from,
        to: frame.whole.to,
        points: points(sources.measured.within(vital, period), vital, unit),
        average: average(curve, unit),
        level: None,
        limits: limits(sources.known, vital, unit, period),
        band: None,
        join_within: join_within(vital),
        shaded: shaded(sources.record, frame, Period { from: period.from, to: frame.whole.to }),
    }
}

/// The moving average at the time of each day's weight.
fn average(curve: &Weight, unit: Unit) -> Vec<(Timestamp, Decimal)> {
    let at = |date: Date| curve.days.iter().find(|day| day.date == date).map(|day| day.at);
    curve
        .moving_average
        .iter()
        .filter_map(|average| {
            let kilograms = rounded(average.kilograms, 2);
            Some((
                at(average.date)?,
                convert(kilograms, Unit::Kilogram, unit, Vital::Weight).ok()?.round_dp(2),
            ))
        })
        .collect()
}
