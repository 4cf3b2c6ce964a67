//! Episodes of low and high glucose.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::Sample;
use super::super::number::milligrams_per_decilitre;
use super::ranges::{Band, Ranges, Scale};
use super::trace::{MILLISECONDS_PER_MINUTE, instant, on_grid};

/// An episode begins with at least so many consecutive minutes beyond the threshold, and ends with as many back
/// \[IGLU\] (Battelino et al., Lancet Diabetes Endocrinol 2023;11:42).
const MINUTES_MIN: i64 = 15;
/// Extended hypoglycaemia lasts more than this below 70 mg/dL \[IGLU\].
const EXTENDED_MINUTES: i64 = 120;

/// What kind of episode. Level 2 is a part of level 1: an episode that reaches level 2 is counted in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EpisodeKind {
    /// Below 70 mg/dL.
    HypoLevel1,
    /// Below 54 mg/dL.
    HypoLevel2,
    /// More than 120 consecutive minutes below 70 mg/dL.
    HypoExtended,
    /// Above 180 mg/dL.
    HyperLevel1,
    /// Above 250 mg/dL.
    HyperLevel2,
}

impl EpisodeKind {
    /// Every kind.
    pub const ALL: [Self; 5] =
        [Self::HypoLevel1, Self::HypoLevel2, Self::HypoExtended, Self::HyperLevel1, Self::HyperLevel2];

    fn is_low(self) -> bool {
        matches!(self, Self::HypoLevel1 | Self::HypoLevel2 | Self::HypoExtended)
    }

    fn includes(self, band: Band) -> bool {
        match self {
            Self::HypoLevel1 | Self::HypoExtended => band <= Band::Low,
            Self::HypoLevel2 => band == Band::VeryLow,
            Self::HyperLevel1 => band >= Band::High,
            Self::HyperLevel2 => band == Band::VeryHigh,
        }
    }

    /// Do so many consecutive minutes make an episode?
    fn begins_after(self, minutes: i64) -> bool {
        if self == Self::HypoExtended { minutes > EXTENDED_MINUTES } else { minutes >= MINUTES_MIN }
    }
}

/// A stretch of low or high glucose.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    /// Which kind.
    pub kind: EpisodeKind,
    /// Where the curve goes beyond the threshold, on the grid of the sensor's interval.
    pub from: Timestamp,
    /// Where it is back; or, where data end before that is sure, the end of the data.
    pub to: Timestamp,
    /// Was glucose seen to be back for 15 minutes? Otherwise the data ended, or paused for more than 45 minutes.
    pub ended: bool,
    /// The lowest reading of a low, the highest of a high, in mg/dL, among exact readings.
    pub extreme: Option<f64>,
    /// Was there a `LO` (in a low) or `HI` (in a high)? Then the extreme lies beyond the sensor's range.
    pub beyond_range: bool,
}

/// All episodes among a sensor's samples (in order of time), in order of their begin, then of their kind.
///
/// As \[IGLU\] does: the curve is interpolated to the grid of the sensor's interval, and a gap of more than 45 minutes ends
/// an episode. Values are interpolated and compared in the unit received. Next to a censored reading, and between
/// units that do not share their cut-offs, the earlier reading stands until the next: `LO` and `HI` count as what they
/// are.
pub(super) fn episodes(samples: &[Sample], ranges: &Ranges, interval_minutes: i64) -> Vec<Episode> {
    let step = interval_minutes.max(1);
    let points = points(samples, ranges);
    let between = |before: &Point, after: &Point, way: super::trace::Way| match (before.exact, after.exact) {
        (Some((a, scale)), Some((b, other))) if scale == other => {
            ranges.band_of(a + (b - a) / way.whole * way.gone, scale)
        }
        _ => before.band,
    };
    let grid = on_grid(&points, step, |point| point.band, between);
    let mut found: Vec<Episode> = EpisodeKind::ALL
        .into_iter()
        .flat_map(|kind| {
            grid.chunk_by(|a, b| b.0 == a.0 + 1).flat_map(move |piece| stretches(kind, piece, step))
        })
        .filter_map(|stretch| stretch.episode(samples, ranges, step))
        .collect();
    found.sort_by_key(|episode| (episode.from, episode.kind));
    found
}

/// A reading: its band, and its number where it is exact.
#[derive(Debug, Clone, Copy)]
struct Point {
    band: Band,
    exact: Option<(f64, Scale)>,
}

/// One point per instant. Several exact values are averaged where they share their cut-offs; otherwise the first
/// counts, and `LO` comes before all others.
fn points(samples: &[Sample], ranges: &Ranges) -> Vec<(i64, Point)> {
    let mut points: Vec<(i64, Point)> = Vec::with_capacity(samples.len());
    let mut same = 1.0;
    for sample in samples {
        let Some(band) = ranges.band(&sample.value) else { continue };
        let (at, exact) = (sample.at.as_millisecond(), Scale::number(&sample.value));
        match points.last_mut() {
            Some((last, point)) if *last == at => {
                if let (Some((average, scale)), Some((number, other))) = (&mut point.exact, exact)
                    && *scale == other
                {
                    same += 1.0;
                    *average += (number - *average) / same;
                    point.band = ranges.band_of(*average, *scale);
                }
            }
            _ => {
                same = 1.0;
                points.push((at, Point { band, exact }));
            }
        }
    }
    points
}

/// An episode as steps of the grid: from, and up to and without.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    kind: EpisodeKind,
    from: i64,
    to: i64,
    ended: bool,
}

/// The episodes of one kind in a piece of consecutive steps.
fn stretches(kind: EpisodeKind, piece: &[(i64, Band)], step: i64) -> Vec<Stretch> {
    let mut found = Vec::new();
    let mut open: Option<Stretch> = None;
    for run in piece.chunk_by(|a, b| kind.includes(a.1) == kind.includes(b.1)) {
        let (Some((from, band)), Some((last, _))) = (run.first(), run.last()) else { continue };
        let minutes = (last - from + 1) * step;
        if !kind.includes(*band) {
            if minutes >= MINUTES_MIN {
                found.extend(open.take().map(|stretch| Stretch { ended: true, ..stretch }));
            }
        } else if let Some(stretch) = &mut open {
            stretch.to = last + 1;
        } else if kind.begins_after(minutes) {
            open = Some(Stretch { kind, from: *from, to: last + 1, ended: false });
        }
    }
    found.extend(open);
    found
}

impl Stretch {
    /// With the readings that belong to it: those beyond the threshold from one step before its begin to its end.
    fn episode(self, samples: &[Sample], ranges: &Ranges, step: i64) -> Option<Episode> {
        let (from, to) = (instant(self.from, step)?, instant(self.to, step)?);
        let earliest = (self.from - 1) * step * MILLISECONDS_PER_MINUTE;
        let start = samples.partition_point(|sample| sample.at.as_millisecond() <= earliest);
        let end = samples.partition_point(|sample| sample.at < to);
        let mut episode =
            Episode { kind: self.kind, from, to, ended: self.ended, extreme: None, beyond_range: false };
        for sample in samples.get(start..end).unwrap_or_default() {
            if ranges.band(&sample.value).is_some_and(|band| self.kind.includes(band)) {
                episode.take(milligrams_per_decilitre(&sample.value));
            }
        }
        Some(episode)
    }
}

impl Episode {
    fn take(&mut self, milligrams: Option<f64>) {
        let Some(value) = milligrams else {
            self.beyond_range = true;
            return;
        };
        let further = |other: f64| if self.kind.is_low() { other.min(value) } else { other.max(value) };
        self.extreme = Some(self.extreme.map_or(value, further));
    }
}
