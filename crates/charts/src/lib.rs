//! Series, thresholds, bands, locale and size to accessible SVG. Pure.
//!
//! Charts over time, for the pages ([`draw()`]) and for printed reports ([`draw_with()`]: INR, weight, pressure
//! and other vital signs by [`Layers`]), and what a weekly report needs beside them: [`range_bar()`],
//! [`daily_profile()`], [`small_days()`], [`adherence()`], [`lanes()`] and [`sparkline()`], always in print style.
//! Each has a `..._summary` with the text of its `<desc>`. What they promise:
//! - the picture says in words what it shows (`<title>`, and a `<desc>` computed from the data);
//! - missing data are a gap, never a line across it; too few to conclude are said to be so;
//! - a limit is drawn at the value that was in force at the time: a change is a step, not a rewrite of the past;
//! - nothing is told by colour alone: alert priorities have shapes, late readings are hollow, `HI` and `LO`
//!   are arrows at the edge, areas are hatched;
//! - more points than pixels are reduced to first, lowest, highest and last of each pixel column, so that
//!   no extreme is ever lost;
//! - days are the patient's own, of 23, 24 or 25 hours.

mod adherence;
mod chart;
mod curve;
mod daily_profile;
mod draw;
mod frame;
mod lanes;
mod layers;
mod picture;
mod range_bar;
mod reduce;
mod scale;
mod shapes;
mod small_days;
mod sparkline;
mod style;
mod summary;
mod svg;
mod words;

pub use adherence::{Adherence, AdherenceDay, DayState, adherence, adherence_summary};
pub use chart::{Band, Chart, Datum, Limit, LimitStep, Marker, Point, Severity, Side, Size};
pub use daily_profile::{
    DailyProfile, PROFILE_BINS, ProfileBin, Quantiles, daily_profile, daily_profile_summary, profile_bins,
};
pub use draw::{draw, draw_with};
pub use lanes::{Lane, LaneMark, Lanes, lanes, lanes_summary};
pub use layers::{BandStep, Layers, Pause, Reference, Trend};
pub use range_bar::{RangeBar, RangeGoals, RangeShares, range_bar, range_bar_summary};
pub use small_days::{DayFigures, SmallDays, small_days, small_days_summary};
pub use sparkline::{Sparkline, sparkline, sparkline_summary};
pub use style::Style;
pub use summary::{summary, summary_with};
pub use words::Locale;
