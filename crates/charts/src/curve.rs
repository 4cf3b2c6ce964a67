//! Which measurements are joined to a line.

use jiff::SignedDuration;

use crate::reduce::{Spot, reduce};
use crate::{Datum, Point};

/// The exact values among measurements, at their places. The index of a spot is that of its measurement.
pub(crate) fn spots(
    points: &[&Point],
    place: impl Fn(&Point, rust_decimal::Decimal) -> (f64, f64),
) -> Vec<Spot> {
    points
        .iter()
        .enumerate()
        .filter_map(|(index, point)| match point.value {
            Datum::Exact(value) => {
                let (x, y) = place(point, value);
                Some(Spot { index, x, y })
            }
            Datum::Below(_) | Datum::Above(_) | Datum::Range { .. } => None,
        })
        .collect()
}

/// Runs of measurements that may be joined, reduced to what the pixels can show.
pub(crate) fn segments(points: &[&Point], spots: &[Spot], join_within: SignedDuration) -> Vec<Vec<Spot>> {
    let near = |a: &Spot, b: &Spot| match (points.get(a.index), points.get(b.index)) {
        // Where the next in time lies beyond the range, a line past it would hide an extreme.
        (Some(from), Some(to)) => b.index == a.index + 1 && to.at.duration_since(from.at) <= join_within,
        _ => false,
    };
    spots.chunk_by(near).map(reduce).collect()
}
