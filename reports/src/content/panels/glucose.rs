//! Glucose, by sensor and by fingerstick.

use vigie_vitals::Vital;
use vigie_vitals::metrics::glucose::{
    Episode, EpisodeKind, Glucose, Kind, Minimum, Population, Settings, Shares, Wanted, glucose, goals,
};
use vigie_vitals::metrics::{Metric, Period};

use super::{GLUCOSE as GROUP, GLUCOSE_PROFILE as PROFILE, Sources, Told, extremes};
use crate::content::drawn::milligrams;
use crate::content::figures::{add, count, figure, figure_with};
use crate::content::windows::PROFILE_DAYS;
use crate::content::{ChartData, Figure, Goal, Insufficient, Note, Topic};

const DAYS_OF_A_WEEK: usize = 7;

/// What comes from the profile of 14 days, also within the week's group: a week says nothing about it.
const OF_THE_PROFILE: [&str; 2] = ["gmi_percent", "ea1c_percent"];

/// The panel of the sensor.
pub(super) fn cgm(sources: Sources<'_>, told: &mut Told) {
    let frame = sources.frame;
    let vital = Vital::GlucoseInterstitial;
    let samples = sources.measured.samples(vital);
    let settings = Settings::new(Kind::Cgm, frame.zone.clone());
    let of = |period| glucose(&samples, period, &settings);
    let week = of(frame.over);
    let profile = of(frame.days_up_to_now(PROFILE_DAYS));
    add(&mut told.metrics, GROUP, week_and_profile(&week, &profile));
    add(&mut told.metrics, GROUP, episode_counts(&week.episodes, frame.over));
    add(&mut told.metrics, PROFILE, profile.metrics());
    let before = of(frame.before());
    let profile_before = of(frame.days_up_to_before(PROFILE_DAYS));
    add(&mut told.before, GROUP, week_and_profile(&before, &profile_before));
    add(&mut told.before, GROUP, episode_counts(&before.episodes, frame.before()));
    add(&mut told.before, PROFILE, profile_before.metrics());

    let readings = sources.measured.within(vital, frame.over);
    let mut notes: Vec<Note> = extremes(readings, vital).into_iter().collect();
    notes.extend(censored(&week));
    notes.extend(episodes(&week.episodes));
    let mut charts = Vec::new();
    charts.extend(week.shares.as_ref().map(|shares| range_bar(shares, false)));
    if profile.profile_sufficient {
        let period = Period { from: profile.from, to: frame.whole.to };
        let points = milligrams(sources.measured.within(vital, period), vital);
        charts.push(ChartData::DailyProfile { from: period.from, to: period.to, points });
    }
    let values = (sources.days_with(&[vital]), vec![small_days(sources, vital, true)]);
    told.panel(sources.shown(Topic::GlucoseCgm), cgm_figures(), notes, little_active(&week), charts, values);
}

/// The panel of the meter: shares are of readings, and nothing that needs a curve is told.
pub(super) fn capillary(sources: Sources<'_>, group: &'static str, told: &mut Told) {
    let frame = sources.frame;
    let vital = Vital::Glucose;
    let samples = sources.measured.samples(vital);
    let of = |period, days| glucose(&samples, period, &by_local_day(sources, period, days));
    let days = frame.days_begun();
    let week = of(frame.over, days);
    add(&mut told.metrics, group, week.metrics());
    add(&mut told.before, group, of(frame.before(), DAYS_OF_A_WEEK).metrics());

    let readings = sources.measured.within(vital, frame.over);
    let mut notes: Vec<Note> = extremes(readings, vital).into_iter().collect();
    notes.extend(censored(&week));
    let charts = week.shares.iter().map(|shares| range_bar(shares, true)).collect();
    let values = (sources.days_with(&[vital]), vec![small_days(sources, vital, false)]);
    let insufficient = too_few(&week, fingersticks_needed(days));
    told.panel(
        sources.shown(Topic::GlucoseCapillary),
        capillary_figures(group),
        notes,
        insufficient,
        charts,
        values,
    );
}

/// The week's numbers, with those of the profile over its 14 days.
fn week_and_profile(week: &Glucose, profile: &Glucose) -> Vec<(&'static str, Metric)> {
    let of_profile = |name: &str| OF_THE_PROFILE.contains(&name);
    let week = week.metrics().into_iter().filter(|(name, _)| !of_profile(name));
    week.chain(profile.metrics().into_iter().filter(|(name, _)| of_profile(name))).collect()
}

/// How many episodes of each kind began in the period.
fn episode_counts(episodes: &[Episode], period: Period) -> Vec<(&'static str, Metric)> {
    EpisodeKind::ALL
        .into_iter()
        .map(|kind| {
            let name = match kind {
                EpisodeKind::HypoLevel1 => "episodes_below_70",
                EpisodeKind::HypoLevel2 => "episodes_below_54",
                EpisodeKind::HypoExtended => "episodes_below_70_extended",
                EpisodeKind::HyperLevel1 => "episodes_above_180",
                EpisodeKind::HyperLevel2 => "episodes_above_250",
            };
            (name, count(episodes.iter().filter(|episode| episode.kind == kind).count(), period))
        })
        .collect()
}

/// Every low, and the highs of level 2. A low of level 1 that is told as graver or as extended is not told twice.
fn episodes(episodes: &[Episode]) -> Vec<Note> {
    let graver =
        |episode: &&Episode| matches!(episode.kind, EpisodeKind::HypoLevel2 | EpisodeKind::HypoExtended);
    let told = |episode: &&Episode| match episode.kind {
        EpisodeKind::HypoLevel2 | EpisodeKind::HypoExtended | EpisodeKind::HyperLevel2 => true,
        EpisodeKind::HypoLevel1 => {
            !episodes.iter().filter(graver).any(|other| other.from < episode.to && episode.from < other.to)
        }
        EpisodeKind::HyperLevel1 => false,
    };
    let note = |episode: &Episode| Note::Episode {
        level: match episode.kind {
            EpisodeKind::HypoLevel1 => "low_1",
            EpisodeKind::HypoLevel2 => "low_2",
            EpisodeKind::HypoExtended => "low_extended",
            EpisodeKind::HyperLevel1 => "high_1",
            EpisodeKind::HyperLevel2 => "high_2",
        }
        .to_owned(),
        from: episode.from,
        until: episode.ended.then_some(episode.to),
        extreme: episode.extreme,
    };
    episodes.iter().filter(told).map(note).collect()
}

fn censored(glucose: &Glucose) -> Option<Note> {
    glucose
        .is_censored()
        .then_some(Note::Censored { below: glucose.censored_low, above: glucose.censored_high })
}

fn range_bar(shares: &Shares, of_readings: bool) -> ChartData {
    let Shares { very_low_percent, low_percent, in_range_percent, high_percent, very_high_percent } = *shares;
    let shares = [very_low_percent, low_percent, in_range_percent, high_percent, very_high_percent];
    ChartData::RangeBar { shares, of_readings }
}

fn small_days(sources: Sources<'_>, vital: Vital, joined: bool) -> ChartData {
    let whole = sources.frame.whole;
    let points = milligrams(sources.measured.within(vital, whole), vital);
    ChartData::SmallDays { from: whole.from, to: whole.to, points, joined }
}

fn little_active(week: &Glucose) -> Option<Insufficient> {
    let needed = Minimum::default().coverage_percent;
    match week.n {
        _ if week.sufficient => None,
        0 => Some(Insufficient::NoReadings),
        _ => Some(Insufficient::LittleActive { percent: week.coverage_percent.unwrap_or(0.0), needed }),
    }
}

fn too_few(week: &Glucose, needed: usize) -> Option<Insufficient> {
    match week.n {
        _ if week.sufficient => None,
        0 => Some(Insufficient::NoReadings),
        readings => Some(Insufficient::TooFew { readings, needed }),
    }
}

/// The minimum of fingersticks by local days: two a day are enough also in the week that has 169 hours.
fn by_local_day(sources: Sources<'_>, period: Period, days: usize) -> Settings {
    let mut settings = Settings::new(Kind::Capillary, sources.frame.zone.clone());
    settings.minimum.fingersticks_per_day = fingersticks_needed(days) as f64 / period.days();
    settings
}

fn fingersticks_needed(days: usize) -> usize {
    (Minimum::default().fingersticks_per_day * days as f64).ceil().max(1.0) as usize
}

fn cgm_figures() -> Vec<Figure> {
    let with_goal = |name: &str, digits| figure_with(GROUP, name, digits, goal_of(name));
    vec![
        with_goal("in_70_180_percent", 0),
        with_goal("below_70_percent", 1),
        with_goal("below_54_percent", 1),
        with_goal("above_180_percent", 0),
        with_goal("above_250_percent", 1),
        figure(GROUP, "mean", 0),
        with_goal("cv_percent", 0),
        figure(GROUP, "gmi_percent", 1),
        figure(GROUP, "gri", 0),
        figure(GROUP, "coverage_percent", 0),
        figure_with(PROFILE, "in_70_180_percent", 0, goal_of("in_70_180_percent")),
    ]
}

fn capillary_figures(group: &str) -> Vec<Figure> {
    // The published goals are of time, so a meter's shares have none.
    [("in_70_180_percent", 0), ("below_70_percent", 0), ("below_54_percent", 0), ("above_180_percent", 0)]
        .into_iter()
        .chain([("above_250_percent", 0), ("mean", 0), ("sd", 0)])
        .map(|(name, digits)| figure(group, name, digits))
        .collect()
}

/// The published goals for adults \[TIR\]; a physician may aim at others.
fn goal_of(name: &str) -> Option<Goal> {
    let goal = goals(Population::Adults).iter().find(|goal| goal.metric == name)?;
    Some(Goal { above: goal.wanted == Wanted::MoreThan, value: goal.limit })
}
