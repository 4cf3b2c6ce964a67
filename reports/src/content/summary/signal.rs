//! The first sentence: how the main thing followed stands.

use vigie_vitals::{Unit, Value, Vital};
use vigie_words::values;

use super::say::{Say, sentence as as_sentence};
use crate::content::drawn::{glucose_target, very_low_limit};
use crate::content::figures::{find, in_unit, told};
use crate::content::panels::{self, main_topics};
use crate::content::windows::INR_WEEKS;
use crate::content::{Insufficient, Note, Panel, Report, Topic};

/// The number by which a panel is compared with the week before; each only where there are enough data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::content) struct Standing {
    pub(in crate::content) group: &'static str,
    pub(in crate::content) name: &'static str,
    pub(in crate::content) value: Option<f64>,
    pub(in crate::content) before: Option<f64>,
}

/// How the main number of a topic stands.
pub(in crate::content) fn standing(report: &Report, topic: Topic) -> Standing {
    let (group, name) = match topic {
        Topic::GlucoseCgm => (panels::GLUCOSE, "in_70_180_percent"),
        Topic::GlucoseCapillary => (capillary_group(report), "in_70_180_percent"),
        Topic::Inr => (panels::INR, "ttr_percent"),
        Topic::Weight => (panels::WEIGHT, "moving_average"),
        Topic::BloodPressure => (panels::BLOOD_PRESSURE, "systolic"),
        Topic::Pulse => (panels::PULSE, "median"),
        Topic::Spo2 => (panels::SPO2, "median"),
        Topic::Temperature => (panels::TEMPERATURE, "median"),
        Topic::RespiratoryRate => (panels::RESPIRATORY_RATE, "median"),
        Topic::News2 => (panels::NEWS2, "total"),
    };
    let value = told(&report.metrics, group, name);
    Standing { group, name, value, before: told(&report.metrics_before, group, name) }
}

fn capillary_group(report: &Report) -> &'static str {
    let beside = report.metrics.contains_key(panels::GLUCOSE_CAPILLARY);
    if beside { panels::GLUCOSE_CAPILLARY } else { panels::GLUCOSE }
}

/// The panels of what the care plans are about; without a care plan, the first of what was measured.
pub(in crate::content) fn main_panels(report: &Report) -> Vec<&Panel> {
    let main = main_topics(&report.patient.care_plans);
    let panels: Vec<&Panel> = report.panels.iter().filter(|panel| main.contains(&panel.topic)).collect();
    if panels.is_empty() { report.panels.first().into_iter().collect() } else { panels }
}

pub(super) fn sentence(say: &Say<'_>) -> String {
    let clauses: Vec<String> = main_panels(say.report).into_iter().map(|panel| clause(say, panel)).collect();
    if clauses.is_empty() {
        return as_sentence(say.t.get("report.summary.nothing"));
    }
    as_sentence(&say.joined(&clauses))
}

fn clause(say: &Say<'_>, panel: &Panel) -> String {
    let state = match &panel.insufficient {
        Some(why) => insufficient(say, why),
        None => state(say, panel).unwrap_or_else(|| measured(say, panel)),
    };
    say.labelled(&label(say, panel.topic), &state)
}

/// What a panel is about, in words.
pub(in crate::content) fn label(say: &Say<'_>, topic: Topic) -> String {
    let code = match topic {
        Topic::GlucoseCgm => "glucose_cgm",
        Topic::GlucoseCapillary => "glucose_capillary",
        Topic::Inr => "inr",
        Topic::Weight => "weight",
        Topic::BloodPressure => "blood_pressure",
        Topic::Pulse => "pulse",
        Topic::Spo2 => "spo2",
        Topic::Temperature => "temperature",
        Topic::RespiratoryRate => "respiratory_rate",
        Topic::News2 => "news2",
    };
    say.t.get(&format!("report.summary.topic.{code}")).to_owned()
}

fn insufficient(say: &Say<'_>, why: &Insufficient) -> String {
    match why {
        Insufficient::NoReadings => say.t.get("report.summary.no_readings").to_owned(),
        Insufficient::BaselineLost => say.t.get("report.summary.baseline_lost").to_owned(),
        Insufficient::TooFew { readings, needed } => {
            let readings = say.t.count("count.readings", *readings);
            say.t.fill("report.summary.too_few", &[("readings", &readings), ("needed", needed)])
        }
        Insufficient::LittleActive { percent, needed } => {
            let (value, needed) = (say.percent(*percent, 0), say.percent(*needed, 0));
            say.t.fill("report.summary.little_active", &[("value", &value), ("needed", &needed)])
        }
    }
}

/// The number, its comparison, and that there are enough data.
fn state(say: &Say<'_>, panel: &Panel) -> Option<String> {
    let topic = panel.topic;
    let Standing { value, before, .. } = standing(say.report, topic);
    let shown = |value: f64| in_words(say, panel, value);
    let compared = compared(say, before.map(shown));
    let told = match topic {
        Topic::GlucoseCgm => cgm(say, panel, &shown(value?), &compared)?,
        Topic::GlucoseCapillary => capillary(say, panel)?,
        Topic::Inr => inr(say, panel, value.map(shown), &compared)?,
        Topic::Weight => weight(say, panel, &shown(value?), &compared)?,
        Topic::BloodPressure => {
            say.t.fill("report.summary.mean", &[("value", &shown(value?)), ("before", &compared)])
        }
        Topic::Pulse | Topic::Spo2 | Topic::Temperature | Topic::RespiratoryRate => {
            say.t.fill("report.summary.median", &[("value", &shown(value?)), ("before", &compared)])
        }
        // A score that is partial says nothing of its own.
        Topic::News2 => return None,
    };
    let profile = find(&say.report.metrics, panels::GLUCOSE, "gmi_percent");
    let week_only = topic == Topic::GlucoseCgm && profile.is_some_and(|profile| !profile.sufficient);
    let enough = if week_only { "report.summary.enough_week" } else { "report.summary.enough" };
    Some(say.joined(&[told, say.t.get(enough).to_owned()]))
}

fn compared(say: &Say<'_>, before: Option<String>) -> String {
    match before {
        Some(before) => say.t.with("report.summary.before", "value", before),
        None => say.t.get("report.summary.before_none").to_owned(),
    }
}

/// The main number of a panel, with its unit.
pub(in crate::content) fn in_words(say: &Say<'_>, panel: &Panel, value: f64) -> String {
    match panel.topic {
        Topic::GlucoseCgm | Topic::GlucoseCapillary | Topic::Inr => say.share(value),
        Topic::Spo2 => say.percent(value, 0),
        Topic::Weight => say.quantity(converted(value, Unit::Kilogram, panel, Vital::Weight), panel.unit),
        Topic::BloodPressure => say.quantity(value, Unit::MillimetreOfMercury),
        Topic::Pulse | Topic::RespiratoryRate => say.quantity(value, Unit::PerMinute),
        Topic::Temperature => say.quantity(value, Unit::Celsius),
        Topic::News2 => say.number(value, 0),
    }
}

fn converted(value: f64, from: Unit, panel: &Panel, vital: Vital) -> f64 {
    in_unit(value, from, panel.unit, vital).unwrap_or(value)
}

fn cgm(say: &Say<'_>, panel: &Panel, value: &str, before: &str) -> Option<String> {
    let (low, high) = target(say, panel.unit)?;
    let below = below(say, panel, panels::GLUCOSE)?;
    let above = say.share(told(&say.report.metrics, panels::GLUCOSE, "above_180_percent")?);
    Some(say.t.fill(
        "report.summary.cgm",
        &[
            ("value", &value),
            ("before", &before),
            ("low", &low),
            ("high", &high),
            ("below", &below),
            ("above", &above),
        ],
    ))
}

fn capillary(say: &Say<'_>, panel: &Panel) -> Option<String> {
    let group = capillary_group(say.report);
    let mean = |value| {
        say.quantity(converted(value, Unit::MilligramPerDecilitre, panel, Vital::Glucose), panel.unit)
    };
    let (low, high) = target(say, panel.unit)?;
    let value = mean(told(&say.report.metrics, group, "mean")?);
    let before = compared(say, told(&say.report.metrics_before, group, "mean").map(mean));
    let share = say.share(told(&say.report.metrics, group, "in_70_180_percent")?);
    let below = below(say, panel, group)?;
    Some(say.t.fill(
        "report.summary.capillary",
        &[
            ("value", &value),
            ("before", &before),
            ("share", &share),
            ("low", &low),
            ("high", &high),
            ("below", &below),
        ],
    ))
}

/// The share below target, and of it the share that needs immediate action (below 54 mg/dL \[HYPO\]).
fn below(say: &Say<'_>, panel: &Panel, group: &str) -> Option<String> {
    let share = |name: &str| told(&say.report.metrics, group, name);
    let below = say.t.with("report.summary.below", "value", say.share(share("below_70_percent")?));
    let very_low = share("below_54_percent").filter(|share| *share > 0.0);
    let Some(very_low) = very_low else { return Some(below) };
    let limit = say.exact(very_low_limit(panel.unit)?, panel.unit);
    let very_low =
        say.t.fill("report.summary.below_54", &[("value", &say.share(very_low)), ("limit", &limit)]);
    Some(format!("{below}, {very_low}"))
}

/// 70 to 180 mg/dL as published in the unit shown; the unit is said once.
fn target(say: &Say<'_>, unit: Unit) -> Option<(String, String)> {
    let band = glucose_target(unit)?;
    Some((say.t.0.number(band.low), say.exact(band.high, unit)))
}

fn weight(say: &Say<'_>, panel: &Panel, value: &str, before: &str) -> Option<String> {
    let number = |name| told(&say.report.metrics, panels::WEIGHT, name);
    let latest = in_words(say, panel, number("latest")?);
    let gain = number("gain_3_days").map(|gain| say.signed(gain, in_words(say, panel, gain.abs())));
    let key = if gain.is_some() { "report.summary.weight_gain" } else { "report.summary.weight" };
    let gain = gain.unwrap_or_default();
    Some(say.t.fill(key, &[("value", &value), ("before", &before), ("latest", &latest), ("gain", &gain)]))
}

fn inr(say: &Say<'_>, panel: &Panel, value: Option<String>, before: &str) -> Option<String> {
    let number = |name: &str| find(&say.report.metrics, panels::INR, name);
    let bound = |name: &str| Some(say.number(number(name)?.value?, 1));
    let latest = latest_inr(say, panel);
    let (Some(value), Some(low), Some(high)) = (value, bound("target_low"), bound("target_high")) else {
        return Some(say.t.with("report.summary.inr_without_range", "latest", latest?));
    };
    let in_range = say.t.fill(
        "report.summary.inr",
        &[("value", &value), ("low", &low), ("high", &high), ("weeks", &INR_WEEKS), ("before", &before)],
    );
    Some(match latest {
        Some(latest) => format!("{in_range}, {}", say.t.with("report.summary.inr_latest", "latest", latest)),
        None => in_range,
    })
}

/// The newest test with its time; one beyond the meter's range as the meter showed it, where it is of this week.
fn latest_inr(say: &Say<'_>, panel: &Panel) -> Option<String> {
    if let Some(latest) = find(&say.report.metrics, panels::INR, "latest") {
        return Some(format!("{} ({})", say.number(latest.value?, 1), say.moment(latest.from)));
    }
    panel.notes.iter().find_map(|note| match note {
        Note::Extremes { lowest, highest } => {
            let beyond = if lowest.value.comparator.is_some() { lowest } else { highest };
            Some(format!("{} ({})", values::value(&beyond.value, say.t.0), say.moment(beyond.at)))
        }
        Note::Episode { .. } | Note::InrGap { .. } | Note::Censored { .. } | Note::Missing { .. } => None,
    })
}

/// Without a number to conclude from: what was measured.
fn measured(say: &Say<'_>, panel: &Panel) -> String {
    let shown = |value: &Value| values::value(value, say.t.0);
    let ends = panel.notes.iter().find_map(|note| match note {
        Note::Extremes { lowest, highest } => Some((shown(&lowest.value), shown(&highest.value))),
        Note::Episode { .. } | Note::InrGap { .. } | Note::Censored { .. } | Note::Missing { .. } => None,
    });
    match ends {
        Some((low, high)) => say.t.fill("report.summary.measured", &[("low", &low), ("high", &high)]),
        None => say.t.get("report.summary.no_readings").to_owned(),
    }
}
