//! From readings, rules and alerts to charts.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::{Decimal, dec};
use vigie_charts::{Band, Chart, Datum, Limit, LimitStep, Marker, Point, Severity, Side as ChartSide, Size};
use vigie_store::alert_work::Alert;
use vigie_store::patients::StoredReading;
use vigie_vitals::{Comparator, Priority, RuleSpec, RuleVersion, Side, Unit, Value, Vital, convert};

use crate::sentence::reason;
use crate::text::Texts;
use vigie_words::rules::usual_unit;
use vigie_words::values as words;

/// What a chart is made from.
pub(crate) struct Sources<'a> {
    pub(crate) readings: &'a [StoredReading],
    pub(crate) rules: &'a [RuleVersion],
    pub(crate) alerts: &'a [Alert],
    pub(crate) zone: &'a TimeZone,
    pub(crate) now: Timestamp,
    pub(crate) t: Texts,
}

/// The unit in which most of these readings came, so that most values are shown as they were sent.
pub(crate) fn display_unit(vital: Vital, readings: &[StoredReading]) -> Unit {
    let mut counts: BTreeMap<Unit, usize> = BTreeMap::new();
    for reading in readings.iter().filter(|r| r.reading.vital == vital) {
        *counts.entry(reading.reading.value.unit).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(_, n)| *n).map_or(usual_unit(vital), |(unit, _)| unit)
}

/// The chart of one vital sign; systolic and diastolic pressure are one chart.
pub(crate) fn chart(vital: Vital, from: Timestamp, sources: &Sources<'_>) -> Chart {
    let t = sources.t;
    let unit = display_unit(vital, sources.readings);
    let name = if vital == Vital::Systolic {
        "vital.blood_pressure".to_owned()
    } else {
        format!("vital.{}", vital.code())
    };
    let of_chart = |v: Vital| v == vital || (vital == Vital::Systolic && v == Vital::Diastolic);
    Chart {
        id: format!("chart-{}", vital.code()),
        name: t.get(&name).to_owned(),
        unit: words::unit(unit).to_owned(),
        from,
        until: sources.now,
        series: series(vital, unit, from, sources),
        limits: limits(vital, unit, sources.rules),
        band: band(vital, unit, sources),
        alerts: sources
            .alerts
            .iter()
            .filter(|alert| of_chart(alert.vital) && alert.worst.reading.is_some())
            .map(|alert| Marker {
                at: alert.worst.happened_at,
                severity: severity(alert.priority),
                label: reason(alert, sources.now, t).whole(),
            })
            .collect(),
        join_within: join_within(vital),
        locale: t.0,
        zone: sources.zone.clone(),
        size: Size { width: 600, height: 230 },
    }
}

fn severity(priority: Priority) -> Severity {
    match priority {
        Priority::Technical => Severity::Technical,
        Priority::Low => Severity::Low,
        Priority::Medium => Severity::Medium,
        Priority::High => Severity::High,
    }
}

/// Beyond this, a line would claim what nobody measured.
fn join_within(vital: Vital) -> Option<SignedDuration> {
    let hours = |n| Some(SignedDuration::from_hours(n));
    match vital {
        Vital::GlucoseInterstitial => Some(SignedDuration::from_mins(20)),
        Vital::Glucose => hours(12),
        Vital::Weight | Vital::Pulse | Vital::Spo2 | Vital::Temperature | Vital::Fev1 | Vital::PeakFlow => {
            hours(36)
        }
        Vital::RespiratoryRate | Vital::SymptomScore => hours(36),
        // Weekly tests; two weeks without one is a gap.
        Vital::Inr => hours(24 * 15),
        Vital::Systolic | Vital::Diastolic => None,
    }
}

fn series(vital: Vital, unit: Unit, from: Timestamp, sources: &Sources<'_>) -> Vec<Point> {
    let shown = |v: Vital| {
        sources
            .readings
            .iter()
            .filter(move |r| r.reading.vital == v && r.reading.of_a_person && r.reading.measured_at >= from)
    };
    let mut diastolic: BTreeMap<_, Decimal> = BTreeMap::new();
    if vital == Vital::Systolic {
        for stored in shown(Vital::Diastolic) {
            if let Some(Datum::Exact(low)) = datum(&stored.reading.value, unit, Vital::Diastolic) {
                diastolic.insert(stored.reading.key.clone(), low);
            }
        }
    }
    shown(vital)
        .filter_map(|stored| {
            let reading = &stored.reading;
            let value = match (datum(&reading.value, unit, vital)?, diastolic.get(&reading.key)) {
                (Datum::Exact(high), Some(low)) => Datum::Range { low: *low, high },
                (other, _) => other,
            };
            Some(Point { at: reading.measured_at, received_at: reading.received_at, value })
        })
        .collect()
}

fn datum(value: &Value, unit: Unit, vital: Vital) -> Option<Datum> {
    let number = match value.number {
        Some(number) if value.unit == unit => Some(number),
        // For the picture only: rounded, because a conversion has no honest digits beyond that.
        Some(number) => Some(convert(number, value.unit, unit, vital).ok()?.round_dp(2)),
        None => None,
    };
    match value.comparator {
        Some(Comparator::Below) => Some(Datum::Below(number)),
        Some(Comparator::Above) => Some(Datum::Above(number)),
        None => number.map(Datum::Exact),
    }
}

/// The levels of the limit rules of a vital sign, each as steps over its versions.
fn limits(vital: Vital, unit: Unit, rules: &[RuleVersion]) -> Vec<Limit> {
    let mut limits = Vec::new();
    for versions in rules.chunk_by(|a, b| a.rule == b.rule) {
        let of_vital = |v: &&RuleVersion| matches!(&v.spec, RuleSpec::Limit(rule) if rule.vital == vital);
        let mut versions: Vec<&RuleVersion> = versions.iter().filter(of_vital).collect();
        versions.sort_by_key(|v| (v.valid_from, v.version));
        let levels = versions.iter().map(|v| level_count(&v.spec)).max().unwrap_or(0);
        for index in 0..levels {
            let mut limit: Option<Limit> = None;
            for version in &versions {
                let RuleSpec::Limit(rule) = &version.spec else { continue };
                let level = rule.levels.get(index);
                let value = level.and_then(|level| level.threshold.get(&unit).copied());
                let step = LimitStep { from: version.valid_from, value };
                let side = match rule.side {
                    Side::Low => ChartSide::Low,
                    Side::High => ChartSide::High,
                };
                let severity = level.map_or(Severity::Low, |level| severity(level.priority));
                match &mut limit {
                    Some(limit) => {
                        limit.steps.push(step);
                        limit.severity = severity;
                    }
                    None => limit = Some(Limit { side, severity, steps: vec![step] }),
                }
            }
            limits.extend(limit);
        }
    }
    limits
}

fn level_count(spec: &RuleSpec) -> usize {
    match spec {
        RuleSpec::Limit(rule) => rule.levels.len(),
        RuleSpec::Change(_) | RuleSpec::Silence(_) => 0,
    }
}

/// The range aimed at. Glucose: 70 to 180 mg/dL in each unit as it is published (consensus on time in
/// range); INR: between the patient's own mildest limits.
fn band(vital: Vital, unit: Unit, sources: &Sources<'_>) -> Option<Band> {
    match vital {
        Vital::Glucose | Vital::GlucoseInterstitial => [
            (Unit::MilligramPerDecilitre, dec!(70), dec!(180)),
            (Unit::GramPerLitre, dec!(0.70), dec!(1.80)),
            (Unit::MillimolePerLitre, dec!(3.9), dec!(10.0)),
        ]
        .into_iter()
        .find(|(of, _, _)| *of == unit)
        .map(|(_, low, high)| Band { low, high }),
        Vital::Inr => {
            let in_force = vigie_store::rules::in_force(sources.rules, sources.now);
            let mildest = |side: Side| {
                in_force.iter().find_map(|version| match &version.spec {
                    RuleSpec::Limit(rule) if rule.vital == Vital::Inr && rule.side == side => {
                        rule.levels.first().and_then(|level| level.threshold.get(&unit).copied())
                    }
                    RuleSpec::Limit(_) | RuleSpec::Change(_) | RuleSpec::Silence(_) => None,
                })
            };
            Some(Band { low: mildest(Side::Low)?, high: mildest(Side::High)? })
        }
        Vital::Weight
        | Vital::Systolic
        | Vital::Diastolic
        | Vital::Pulse
        | Vital::Spo2
        | Vital::Temperature
        | Vital::RespiratoryRate
        | Vital::Fev1
        | Vital::PeakFlow
        | Vital::SymptomScore => None,
    }
}
