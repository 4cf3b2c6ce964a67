//! Shapes that carry meaning, the same in every picture: the priorities of alerts, values beyond a range.

use crate::Severity;
use crate::svg::N;

/// The path of an alert's shape around a point: triangle (high), diamond (medium), circle (low), square
/// (technical).
pub(crate) fn alert(severity: Severity, x: f64, y: f64) -> String {
    match severity {
        Severity::High => format!("M{} {}l7 12h-14Z", N(x), N(y - 7.0)),
        Severity::Medium => format!("M{} {}l7 7l-7 7l-7 -7Z", N(x), N(y - 7.0)),
        Severity::Low => format!("M{} {}a5 5 0 1 0 10 0a5 5 0 1 0 -10 0Z", N(x - 5.0), N(y)),
        Severity::Technical => format!("M{} {}h10v10h-10Z", N(x - 5.0), N(y - 5.0)),
    }
}

/// The path of an arrow with its tip at a point; `down` is 1 where the arrow's body lies below its tip.
pub(crate) fn arrow(x: f64, tip: f64, down: f64) -> String {
    let base = N(tip + 10.0 * down);
    format!("M{} {}L{} {base}L{} {base}Z", N(x), N(tip), N(x + 5.0), N(x - 5.0))
}

/// The path of a square around a point.
pub(crate) fn square(x: f64, y: f64, half: f64) -> String {
    format!("M{} {}h{side}v{side}h-{side}Z", N(x - half), N(y - half), side = N(half * 2.0))
}
