//! From the record of a week to its report.

use vigie_store::reports::record::WeekRecord;

use super::alerts::{lanes, lines as alert_lines, numbers};
use super::completeness::{completeness, devices, pauses};
use super::correction::correction;
use super::frame::Frame;
use super::late::{arrived_since, late};
use super::measured::Measured;
use super::panels::{Sources, panels, plans};
use super::summary::summary;
use super::thresholds::{digest, known, lines as threshold_lines};
use super::{ChartData, EarlierReport, Patient, Report, Week};

/// Version of the report's JSON.
const SCHEMA: u32 = 1;

/// What a report is besides the record.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Which week; the record is of that week.
    pub week: Week,
    /// From 1.
    pub version: i32,
    /// `vigie 0.1.0`.
    pub software: String,
    /// For a corrected report: what it corrects.
    pub correction: Option<CorrectionOf>,
}

/// Who wants a report corrected, and the report that is replaced.
#[derive(Debug, Clone, PartialEq)]
pub struct CorrectionOf {
    /// The version before, read back from its JSON.
    pub replaces: Box<Report>,
    /// Who asked for the new version.
    pub author: String,
    /// Why.
    pub reason: String,
}

/// Everything that the report of a week says. The same record gives the same report, in whatever order its parts come.
pub fn build(record: &WeekRecord, options: &Options) -> Report {
    let frame = Frame::new(options.week, record);
    let measured = Measured::of(record);
    let known = known(&record.rules, frame.known_at);
    let mut told = panels(Sources { record, frame: &frame, measured: &measured, known: &known });
    let thresholds = threshold_lines(&known, &frame);
    let completeness = completeness(record, &frame, &measured, &known, &mut told.metrics);
    let alerts = alert_lines(record, &frame);
    told.metrics.entry("alerts".to_owned()).or_default().extend(numbers(record, &alerts, &frame));
    let mut charts = told.charts;
    // With nothing expected, or nothing over yet, there is nothing to hold what came against.
    let schedules = completeness.schedules.iter().filter(|line| line.expected > 0.0);
    charts.extend(schedules.map(|line| ChartData::Adherence { vital: line.vital, days: line.days.clone() }));
    let lanes = lanes(&alerts, &frame);
    if !lanes.is_empty() {
        charts.push(ChartData::Lanes { from: frame.whole.from, to: frame.whole.to, lanes });
    }
    let correction = options.correction.as_ref().map(|of| correction(of, &told.metrics, &measured, &frame));
    let mut report = Report {
        schema: SCHEMA,
        week: options.week,
        version: options.version,
        from: frame.whole.from,
        to: frame.whole.to,
        time_zone: record.patient.time_zone.clone(),
        known_at: frame.known_at,
        provisional: frame.provisional(),
        correction,
        software: options.software.clone(),
        rules_version: digest(&thresholds),
        patient: patient(record),
        summary: Default::default(),
        metrics: told.metrics,
        metrics_before: told.before,
        panels: told.panels,
        alerts,
        thresholds,
        completeness,
        pauses: pauses(record, &frame),
        devices: devices(record, &frame, &measured),
        excluded: measured.excluded(frame.whole),
        late: late(&measured, &frame),
        arrived_since: arrived_since(record, &frame),
        arrived_since_left_out: u64::try_from(record.arrived_since_left_out).unwrap_or(0),
        earlier: earlier(record),
        charts,
    };
    report.summary = summary(&report);
    report
}

fn patient(record: &WeekRecord) -> Patient {
    let identity = &record.patient;
    Patient {
        id: identity.id,
        identifier: identity.identifier.clone(),
        family_name: identity.family_name.clone(),
        given_name: identity.given_name.clone(),
        birth_date: identity.birth_date,
        sex: identity.sex.clone(),
        care_team: identity.care_team.clone(),
        care_plans: plans(record),
    }
}

fn earlier(record: &WeekRecord) -> Option<EarlierReport> {
    let earlier = record.earlier.as_ref()?;
    let week = earlier.week.parse().ok()?;
    Some(EarlierReport { week, version: earlier.version, known_at: earlier.known_at })
}
