//! MAGE and MODD: how far glucose swings, and how one day differs from the next.

use super::super::number::{finite, mean, standard_deviation};
use super::trace::Trace;

/// The grid of MAGE, in minutes \[IGLU\].
const STEP_MINUTES: i64 = 5;
/// Points of the short and of the long moving average \[IGLU\].
const SHORT: usize = 5;
const LONG: usize = 32;
/// Further apart than this, the curve is cut into segments that are judged by themselves \[IGLU\].
const SEGMENT_GAP_MINUTES: i64 = 180;
/// A segment with fewer points has no excursions \[IGLU\].
const POINTS_MIN: usize = 7;
/// Nor has one that swings less than this, in mg/dL \[IGLU\].
const STANDARD_DEVIATION_MIN: f64 = 1.0;

/// Mean of daily differences in mg/dL: the mean absolute difference between values 24 hours apart, on the grid of the
/// sensor's interval \[IGLU\]. 24 real hours, so that no time zone matters.
pub(super) fn modd(trace: &Trace, interval_minutes: i64) -> Option<f64> {
    let grid = trace.on_grid(interval_minutes);
    let lag = 24 * 60 / interval_minutes.max(1);
    let mut later = grid.iter().peekable();
    let mut differences = Vec::with_capacity(grid.len());
    for (tick, value) in &grid {
        while later.next_if(|(other, _)| *other < tick + lag).is_some() {}
        if let Some((other, next_day)) = later.peek()
            && *other == tick + lag
        {
            differences.push((next_day - value).abs());
        }
    }
    mean(&differences)
}

/// Mean amplitude of glycaemic excursions in mg/dL, by short and long moving averages \[IGLU\] (Fernandes et al., J
/// Diabetes Sci Technol 2022;16:576), average of both directions.
///
/// The curve is interpolated to 5 minutes and cut where it pauses for more than 180. Where the moving averages over
/// 5 and 32 points cross, glucose turns: between crossings lies a peak or a nadir, taken from glucose itself. An
/// excursion is a rise (or a fall) between turning points of more than one standard deviation of its segment. Rises
/// and falls are averaged for each segment, and the averages weighted by the segment's length.
pub(super) fn mage(trace: &Trace) -> Option<f64> {
    let (mut weighted, mut weights) = (0.0, 0.0);
    for segment in segments(&trace.on_grid(STEP_MINUTES)) {
        let length = segment.len().saturating_sub(1) as f64;
        for amplitude in amplitudes(&segment).into_iter().flatten() {
            weighted += amplitude * length;
            weights += length;
        }
    }
    if weights > 0.0 { finite(weighted / weights) } else { None }
}

/// Segments of consecutive steps; steps without a value, at most 180 minutes of them, are `None`.
fn segments(grid: &[(i64, f64)]) -> Vec<Vec<Option<f64>>> {
    let mut segments: Vec<Vec<Option<f64>>> = Vec::new();
    let mut last = None;
    for (tick, value) in grid {
        let gap = last.map(|last| tick - last).filter(|gap| gap * STEP_MINUTES <= SEGMENT_GAP_MINUTES);
        match (gap, segments.last_mut()) {
            (Some(gap), Some(segment)) => {
                segment.extend((1..gap).map(|_| None));
                segment.push(Some(*value));
            }
            _ => segments.push(vec![Some(*value)]),
        }
        last = Some(*tick);
    }
    segments
}

/// Mean height of the rises and of the falls of a segment.
fn amplitudes(segment: &[Option<f64>]) -> [Option<f64>; 2] {
    let values: Vec<f64> = segment.iter().copied().flatten().collect();
    let Some(deviation) = standard_deviation(&values).filter(|sd| *sd >= STANDARD_DEVIATION_MIN) else {
        return [None, None];
    };
    if segment.len() < POINTS_MIN {
        return [None, None];
    }
    let turns = turning_points(segment, &crossings(&trend(segment)));
    let mirrored: Vec<f64> = turns.iter().map(|turn| -turn).collect();
    [mean(&rises(&turns, deviation)), mean(&rises(&mirrored, deviation))]
}

/// Moving average over the last `length` steps, without those that have no value. The first steps, whose window
/// would reach before the segment, take the first full window's.
fn moving_average(segment: &[Option<f64>], length: usize) -> Vec<Option<f64>> {
    let window = |end: usize| {
        let start = (end + 1).saturating_sub(length);
        let values = segment.get(start..=end).unwrap_or_default().iter().flatten();
        let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
        if count == 0 { None } else { Some(sum / f64::from(count)) }
    };
    let full = length.min(segment.len()).saturating_sub(1);
    (0..segment.len()).map(|end| window(end.max(full))).collect()
}

/// Which way glucose is heading at each step: short average minus long one. Zero says nothing.
fn trend(segment: &[Option<f64>]) -> Vec<Option<f64>> {
    moving_average(segment, SHORT)
        .into_iter()
        .zip(moving_average(segment, LONG))
        .map(|(short, long)| Some(short? - long?))
        .collect()
}

/// Where a stretch of a segment begins, and whether its turning point is a peak.
#[derive(Debug, Clone, Copy)]
struct Crossing {
    at: usize,
    peak: bool,
}

/// The segment's ends, and where the trend changes its sign; steps without a trend are passed over.
fn crossings(trend: &[Option<f64>]) -> Vec<Crossing> {
    let sign = |trend: &Option<f64>| trend.filter(|trend| *trend != 0.0).map(|trend| trend > 0.0);
    let rising = |trend: Option<&Option<f64>>| trend.and_then(sign).unwrap_or(false);
    let mut crossings = vec![Crossing { at: 0, peak: rising(trend.first()) }];
    let mut known = None;
    for (at, now) in trend.iter().enumerate() {
        let Some(now) = sign(now) else { continue };
        if known.replace(now).is_some_and(|before| before != now) {
            crossings.push(Crossing { at, peak: now });
        }
    }
    crossings.push(Crossing { at: trend.len().saturating_sub(1), peak: rising(trend.last()) });
    crossings
}

/// The peak or nadir of glucose in each stretch, which reaches from the turning point before to the next crossing.
fn turning_points(segment: &[Option<f64>], crossings: &[Crossing]) -> Vec<f64> {
    let mut from = 0;
    let mut turns = Vec::with_capacity(crossings.len());
    for (this, next) in crossings.iter().zip(crossings.iter().skip(1)) {
        let height = |value: f64| if this.peak { value } else { -value };
        let mut turn: Option<(usize, f64)> = None;
        for (at, value) in segment.iter().enumerate().take(next.at + 1).skip(from) {
            if let Some(value) = *value
                && turn.is_none_or(|(_, best)| height(value) > height(best))
            {
                turn = Some((at, value));
            }
        }
        if let Some((at, value)) = turn {
            from = at;
            turns.push(value);
        }
    }
    turns
}

/// Heights of the rises of more than `least`: from the lowest turning point since the last rise ended to the highest
/// before glucose fell by more than `least` again.
fn rises(turns: &[f64], least: f64) -> Vec<f64> {
    let mut heights = Vec::new();
    let Some(mut lowest) = turns.first().copied() else { return heights };
    let mut top: Option<f64> = None;
    for turn in turns {
        match top {
            None => {
                lowest = lowest.min(*turn);
                if turn - lowest > least {
                    top = Some(*turn);
                }
            }
            Some(peak) if peak - turn > least => {
                heights.push(peak - lowest);
                (lowest, top) = (*turn, None);
            }
            Some(peak) => top = Some(peak.max(*turn)),
        }
    }
    heights.extend(top.map(|peak| peak - lowest));
    heights
}
