//! Glucose: sensors (CGM) and fingersticks.
//!
//! Ranges are those of the unit received. `LO` and `HI` are counted in their range, and left out of everything
//! that needs a number (mean, SD, CV, GMI, indices, MAGE, MODD): [`Glucose::censored_low`] and
//! [`Glucose::censored_high`] say how many, and with any of them those metrics are marked as censored.
//! Averages are in mg/dL.

mod episodes;
mod excursions;
mod goals;
mod ranges;
mod report;
mod risk;
mod trace;

pub use episodes::{Episode, EpisodeKind};
pub use goals::{Goal, Population, Wanted, goals};
pub use ranges::{Band, CutOff, Ranges, Shares};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::day::Days;
use super::number::{coefficient_of_variation, mean, milligrams_per_decilitre, percent, standard_deviation};
use super::{Period, Sample};
use crate::{Comparator, Vital};
use ranges::Counts;
use trace::{Rhythm, Trace};

/// Where the values come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A sensor that measures every few minutes: shares of readings are shares of time.
    Cgm,
    /// Fingersticks, when the patient thinks of it: shares are of readings and nothing more, and there is no GMI,
    /// GRI, MAGE, MODD, active share or episode.
    Capillary,
}

/// How many data are enough.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Minimum {
    /// Share of the period that a sensor must cover, in %: 70 \[TIR\].
    pub coverage_percent: f64,
    /// Length of the period for conclusions about the profile (GMI, targets), in days: 14 \[TIR\].
    pub profile_days: f64,
    /// Days of sensor data without which MAGE and MODD are not shown: 3 (proposal, DOMAIN 2.2).
    pub excursion_days: f64,
    /// Fingersticks per day of the period: 2 (setting), the lower end of what is usual with one injection a day
    /// \[A-DIAB\].
    pub fingersticks_per_day: f64,
}

impl Default for Minimum {
    fn default() -> Self {
        Self { coverage_percent: 70.0, profile_days: 14.0, excursion_days: 3.0, fingersticks_per_day: 2.0 }
    }
}

/// How to compute.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the values come from.
    pub kind: Kind,
    /// The patient's time zone: for what goes by local days (ADRR, days with data), and for nothing else.
    pub time_zone: TimeZone,
    /// How many data are enough.
    pub minimum: Minimum,
}

impl Settings {
    /// With the minimum of [`Minimum::default`].
    pub fn new(kind: Kind, time_zone: TimeZone) -> Self {
        Self { kind, time_zone, minimum: Minimum::default() }
    }
}

/// Shares with the ranges of pregnancy, in % of readings \[TIR\].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pregnancy {
    /// Below 63 mg/dL, those below 54 included.
    pub below_63_percent: f64,
    /// 63-140, both ends included.
    pub in_63_140_percent: f64,
    /// Above 140.
    pub above_140_percent: f64,
}

/// Glucose over a period. Percentages are of readings; every number is finite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Glucose {
    /// Where the values come from.
    pub kind: Kind,
    /// The period: from here,
    pub from: Timestamp,
    /// up to and without here.
    pub to: Timestamp,
    /// Readings in the period, censored ones included.
    pub n: usize,
    /// Readings below the meter's range (`LO`).
    pub censored_low: usize,
    /// Readings above the meter's range (`HI`).
    pub censored_high: usize,
    /// Arithmetic mean in mg/dL.
    pub mean: Option<f64>,
    /// Standard deviation (n - 1) in mg/dL.
    pub sd: Option<f64>,
    /// 100 x SD / mean; stable up to 36 \[TIR\].
    pub cv_percent: Option<f64>,
    /// Glucose management indicator, 3.31 + 0.02392 x mean \[IGLU\]; sensors only.
    pub gmi_percent: Option<f64>,
    /// Estimated HbA1c, (46.7 + mean) / 28.7 \[IGLU\]; sensors only.
    pub ea1c_percent: Option<f64>,
    /// Below 54 mg/dL (0.54 g/L, 3.0 mmol/L).
    pub below_54_percent: Option<f64>,
    /// Below 70 mg/dL (0.70 g/L, 3.9 mmol/L), those below 54 included.
    pub below_70_percent: Option<f64>,
    /// 70 to 180 mg/dL (0.70-1.80 g/L, 3.9-10.0 mmol/L), both ends included.
    pub in_70_180_percent: Option<f64>,
    /// Above 180 mg/dL (1.80 g/L, 10.0 mmol/L), those above 250 included.
    pub above_180_percent: Option<f64>,
    /// Above 250 mg/dL (2.50 g/L, 13.9 mmol/L).
    pub above_250_percent: Option<f64>,
    /// Low blood glucose index: mean of 10 f^2 where f < 0, f = 1.509 (ln(g)^1.084 - 5.381) \[IGLU\].
    pub lbgi: Option<f64>,
    /// High blood glucose index: the same where f > 0 \[IGLU\].
    pub hbgi: Option<f64>,
    /// Average daily risk range \[IGLU\], by local days.
    pub adrr: Option<f64>,
    /// 0.001 x (mean + SD)^2 (memory, DOMAIN 2.2).
    pub j_index: Option<f64>,
    /// Glycaemia risk index, at most 100 \[IGLU\]; sensors only.
    pub gri: Option<f64>,
    /// Mean amplitude of glycaemic excursions in mg/dL \[IGLU\]; sensors only.
    pub mage: Option<f64>,
    /// Mean of daily differences in mg/dL \[IGLU\]; sensors only.
    pub modd: Option<f64>,
    /// Share of the readings expected between the first and the last \[IGLU\]; sensors only.
    pub active_percent: Option<f64>,
    /// Share of the whole period for which there are data; sensors only. What sufficiency is judged by.
    pub coverage_percent: Option<f64>,
    /// Days for which there are data; sensors only.
    pub covered_days: Option<f64>,
    /// Usual distance between readings in minutes; sensors only.
    pub interval_minutes: Option<i64>,
    /// Local dates with at least one reading.
    pub days_with_data: usize,
    /// Readings per day of the period.
    pub readings_per_day: Option<f64>,
    /// Five ranges that do not overlap, 54, 70, 180, 250.
    pub shares: Option<Shares>,
    /// With the ranges of pregnancy.
    pub pregnancy: Option<Pregnancy>,
    /// Episodes of low and high glucose; sensors only.
    pub episodes: Vec<Episode>,
    /// Enough for the shares, averages and indices of this period.
    pub sufficient: bool,
    /// Enough for conclusions about the profile (GMI, targets): sufficient, and at least 14 days.
    pub profile_sufficient: bool,
    /// Enough for MAGE and MODD: at least 3 days of data.
    pub excursions_sufficient: bool,
}

/// The metrics of a period. Samples outside it, and those in units in which glucose is not measured, count for nothing.
pub fn glucose(samples: &[Sample], period: Period, settings: &Settings) -> Glucose {
    let samples = sorted(samples, period);
    let (times, milligrams): (Vec<Timestamp>, Vec<f64>) = samples
        .iter()
        .filter_map(|sample| Some((sample.at, milligrams_per_decilitre(&sample.value)?)))
        .unzip();
    let mut result = blank(period, settings.kind);
    result.n = samples.len();
    result.censored_low = censored(&samples, Comparator::Below);
    result.censored_high = censored(&samples, Comparator::Above);
    result.mean = mean(&milligrams);
    result.sd = standard_deviation(&milligrams);
    result.cv_percent = coefficient_of_variation(&milligrams);
    result.j_index = result.mean.zip(result.sd).and_then(|(mean, sd)| risk::j_index(mean, sd));
    let risks = risk::risks(&milligrams);
    (result.lbgi, result.hbgi) = risk::indices(&risks);
    result.adrr = risk::average_daily_risk_range(&times, &risks, &settings.time_zone);
    let counts = Counts::of(&samples, &Ranges::standard());
    add_shares(&mut result, &counts);
    result.pregnancy = pregnancy(&Counts::of(&samples, &Ranges::pregnancy()));
    result.days_with_data = days_with_data(&samples, &settings.time_zone);
    let days = period.days();
    result.readings_per_day = (days > 0.0).then(|| samples.len() as f64 / days);
    match settings.kind {
        Kind::Cgm => add_sensor(&mut result, &samples, &counts, &Trace::new(&times, &milligrams), settings),
        Kind::Capillary => {
            let wanted = settings.minimum.fingersticks_per_day;
            result.sufficient = result.readings_per_day.is_some_and(|per_day| per_day >= wanted);
        }
    }
    result
}

/// The shortest period that holds all samples: from the first to one usual distance after the last.
/// For data without a period of their own, such as a file. `None` without samples.
pub fn spanning(samples: &[Sample]) -> Option<Period> {
    let from = samples.iter().map(|sample| sample.at).min()?;
    let last = samples.iter().map(|sample| sample.at).max()?;
    let interval = Rhythm::of(samples.iter().map(|sample| sample.at)).interval_minutes.unwrap_or(1);
    let to = last.checked_add(SignedDuration::from_mins(interval)).unwrap_or(Timestamp::MAX);
    Some(Period { from, to })
}

/// Those of the period, in order of time and, within an instant, of value, so that sums never depend on the order
/// in which readings came.
fn sorted(samples: &[Sample], period: Period) -> Vec<Sample> {
    let mut samples: Vec<Sample> = samples
        .iter()
        .filter(|sample| period.contains(sample.at) && Vital::Glucose.accepts(sample.value.unit))
        .filter(|sample| sample.value.number.is_some() || sample.value.comparator.is_some())
        .copied()
        .collect();
    samples.sort_by_key(|sample| {
        let value = sample.value;
        let rank = match value.comparator {
            Some(Comparator::Below) => 0,
            None => 1,
            Some(Comparator::Above) => 2,
        };
        (sample.at, rank, value.unit, value.number)
    });
    samples
}

fn censored(samples: &[Sample], side: Comparator) -> usize {
    samples.iter().filter(|sample| sample.value.comparator == Some(side)).count()
}

fn days_with_data(samples: &[Sample], zone: &TimeZone) -> usize {
    let mut days = Days::new(zone);
    let mut dates: Vec<_> = samples.iter().map(|sample| days.date(sample.at)).collect();
    dates.dedup();
    dates.len()
}

fn add_shares(result: &mut Glucose, counts: &Counts) {
    let all = counts.all();
    result.below_54_percent = percent(counts.very_low, all);
    result.below_70_percent = percent(counts.very_low + counts.low, all);
    result.in_70_180_percent = percent(counts.in_range, all);
    result.above_180_percent = percent(counts.high + counts.very_high, all);
    result.above_250_percent = percent(counts.very_high, all);
    result.shares = counts.shares();
}

fn pregnancy(counts: &Counts) -> Option<Pregnancy> {
    let all = counts.all();
    Some(Pregnancy {
        below_63_percent: percent(counts.very_low + counts.low, all)?,
        in_63_140_percent: percent(counts.in_range, all)?,
        above_140_percent: percent(counts.high + counts.very_high, all)?,
    })
}

fn add_sensor(result: &mut Glucose, samples: &[Sample], counts: &Counts, trace: &Trace, settings: &Settings) {
    let period = Period { from: result.from, to: result.to };
    let minimum = settings.minimum;
    result.gmi_percent = result.mean.and_then(risk::gmi);
    result.ea1c_percent = result.mean.and_then(risk::estimated_a1c);
    result.gri = risk::glycaemia_risk_index(counts);
    let rhythm = Rhythm::of(samples.iter().map(|sample| sample.at));
    result.active_percent = rhythm.active_percent();
    result.coverage_percent = rhythm.coverage_percent(period);
    result.interval_minutes = rhythm.interval_minutes;
    let covered = rhythm.covered_days(period);
    result.covered_days = Some(covered);
    result.mage = excursions::mage(trace);
    if let Some(interval) = rhythm.interval_minutes {
        result.modd = excursions::modd(trace, interval);
        result.episodes = episodes::episodes(samples, &Ranges::standard(), interval);
    }
    result.sufficient = result.coverage_percent.is_some_and(|share| share >= minimum.coverage_percent);
    result.profile_sufficient = result.sufficient && period.days() >= minimum.profile_days;
    result.excursions_sufficient = covered >= minimum.excursion_days;
}

fn blank(period: Period, kind: Kind) -> Glucose {
    Glucose {
        kind,
        from: period.from,
        to: period.to,
        n: 0,
        censored_low: 0,
        censored_high: 0,
        mean: None,
        sd: None,
        cv_percent: None,
        gmi_percent: None,
        ea1c_percent: None,
        below_54_percent: None,
        below_70_percent: None,
        in_70_180_percent: None,
        above_180_percent: None,
        above_250_percent: None,
        lbgi: None,
        hbgi: None,
        adrr: None,
        j_index: None,
        gri: None,
        mage: None,
        modd: None,
        active_percent: None,
        coverage_percent: None,
        covered_days: None,
        interval_minutes: None,
        days_with_data: 0,
        readings_per_day: None,
        shares: None,
        pregnancy: None,
        episodes: Vec::new(),
        sufficient: false,
        profile_sufficient: false,
        excursions_sufficient: false,
    }
}
