//! M4 reduction: of each pixel column the first, lowest, highest and last point, in order of time. A line
//! through what is left covers the same pixels as a line through everything.

/// A point in picture coordinates, with its place in the series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spot {
    pub(crate) index: usize,
    pub(crate) x: f64,
    pub(crate) y: f64,
}

/// Keeps at most four spots per unit of `x`. `spots` go by `x`.
pub(crate) fn reduce(spots: &[Spot]) -> Vec<Spot> {
    let mut kept = Vec::new();
    for column in spots.chunk_by(|a, b| a.x.floor() == b.x.floor()) {
        let lowest = column.iter().min_by(|a, b| a.y.total_cmp(&b.y));
        let highest = column.iter().max_by(|a, b| a.y.total_cmp(&b.y));
        let mut of_column: Vec<Spot> =
            [column.first(), lowest, highest, column.last()].into_iter().flatten().copied().collect();
        of_column.sort_by_key(|spot| spot.index);
        of_column.dedup_by_key(|spot| spot.index);
        kept.extend(of_column);
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_extreme_is_lost_and_a_column_keeps_at_most_four(
            ys in proptest::collection::vec(-1e6..1e6f64, 1..2000), width in 1.0..300.0f64,
        ) {
            let n = ys.len() as f64;
            let spots: Vec<Spot> = ys.iter().enumerate()
                .map(|(index, y)| Spot { index, x: index as f64 / n * width, y: *y }).collect();
            let kept = reduce(&spots);
            let extremes = |s: &[Spot]| {
                (s.iter().map(|s| s.y).fold(f64::MAX, f64::min), s.iter().map(|s| s.y).fold(f64::MIN, f64::max))
            };
            prop_assert_eq!(extremes(&spots), extremes(&kept));
            prop_assert_eq!(kept.first(), spots.first());
            prop_assert_eq!(kept.last(), spots.last());
            prop_assert!(kept.windows(2).all(|pair| pair[0].index < pair[1].index));
            prop_assert!(kept.chunk_by(|a, b| a.x.floor() == b.x.floor()).all(|column| column.len() <= 4));
        }
    }
}
