//! Series, thresholds, bands, locale and size to accessible SVG. Pure.
//!
//! One function, [`draw()`], for the pages and for printed reports. What it promises:
//! - the picture says in words what it shows (`<title>`, and a `<desc>` computed from the data);
//! - missing data are a gap, never a line across it;
//! - a limit is drawn at the value that was in force at the time: a change is a step, not a rewrite of the past;
//! - nothing is told by colour alone: alert priorities have shapes, late readings are hollow, `HI` and `LO`
//!   are arrows at the edge;
//! - more points than pixels are reduced to first, lowest, highest and last of each pixel column, so that
//!   no extreme is ever lost.

mod adherence;
mod chart;
mod draw;
mod frame;
mod layers;
mod picture;
mod range_bar;
mod reduce;
mod scale;
mod shapes;
mod sparkline;
mod style;
mod summary;
mod svg;
mod words;

pub use adherence::{Adherence, AdherenceDay, DayState, adherence, adherence_summary};
pub use chart::{Band, Chart, Datum, Limit, LimitStep, Marker, Point, Severity, Side, Size};
pub use draw::{draw, draw_with};
pub use layers::{BandStep, Layers, Pause, Reference, Trend};
pub use range_bar::{RangeBar, RangeGoals, RangeShares, range_bar, range_bar_summary};
pub use sparkline::{Sparkline, sparkline, sparkline_summary};
pub use style::Style;
pub use summary::{summary, summary_with};
pub use words::Locale;
