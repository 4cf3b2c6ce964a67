//! Records of weeks, made by hand.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde_json::json;
use uuid::Uuid;
use vigie_reports::content::{Metrics, Options, Report, Week, build, wanted};
use vigie_store::alert_work::HistoryEntry;
use vigie_store::patients::StoredReading;
use vigie_store::reports::record::{AlertStory, DeviceHeld, Identity, PlanOnRecord, WeekRecord};
use vigie_store::rules::PauseOnRecord;
use vigie_vitals::plans::{CarePlan, default_rules};
use vigie_vitals::{
    AlertId, DeviceId, Evidence, PatientId, Pause, Priority, Reading, ReadingKey, RuleId, RuleVersion,
    Threshold, Unit, Value, Vital,
};

/// The narrow no-break space of French typography.
pub(crate) const NN: &str = "\u{202f}";

pub(crate) fn paris() -> TimeZone {
    TimeZone::get("Europe/Paris").unwrap()
}

/// An instant by its local time in Paris: `2026-11-18 07:10`.
pub(crate) fn at(text: &str) -> Timestamp {
    let local: DateTime = text.replace(' ', "T").parse().unwrap();
    paris().to_zoned(local).unwrap().timestamp()
}

pub(crate) fn minutes(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}

/// A record being made. Weeks begin on Monday in Paris; the report knows what came until six hours after the week.
pub(crate) struct Making {
    pub(crate) week: Week,
    pub(crate) record: WeekRecord,
    sequence: i64,
}

pub(crate) fn week(week: &str, plans: &[CarePlan]) -> Making {
    let week: Week = week.parse().unwrap();
    let patient = PatientId(Uuid::from_u128(7));
    let watched_since = at("2026-01-05 00:00");
    let known_at = week.end(&paris()) + SignedDuration::from_hours(6);
    let rules = plans.iter().flat_map(|plan| default_rules(*plan)).map(|(rule, spec)| RuleVersion {
        rule,
        version: 1,
        valid_from: watched_since,
        recorded_at: watched_since,
        author: "parcours".into(),
        reason: "valeur de départ du parcours".into(),
        spec,
    });
    let record = WeekRecord {
        wanted: wanted(patient, week, &paris(), known_at),
        patient: Identity {
            id: patient,
            identifier: "P-0007".into(),
            family_name: "Martin".into(),
            given_name: "Jeanne".into(),
            birth_date: jiff::civil::date(1950, 11, 22),
            sex: "female".into(),
            language: "fr".into(),
            time_zone: "Europe/Paris".into(),
            care_team: "Équipe A".into(),
            watched_since,
        },
        plans: plans
            .iter()
            .map(|plan| PlanOnRecord { plan: plan.code().into(), started_at: watched_since, ended_at: None })
            .collect(),
        rules: rules.collect(),
        pauses: Vec::new(),
        devices: Vec::new(),
        readings: Vec::new(),
        arrived_since: Vec::new(),
        arrived_since_left_out: 0,
        alerts: Vec::new(),
        quarantine: Vec::new(),
        never_arrived: 0,
        earlier: None,
    };
    Making { week, record, sequence: 0 }
}

impl Making {
    /// A reading of the device of its vital sign, received five minutes later.
    pub(crate) fn measured(&mut self, vital: Vital, when: Timestamp, value: &str) -> &mut StoredReading {
        self.from_device(&format!("{}-1", vital.code()), vital, when, value)
    }

    /// The same of a device of this name.
    #[expect(clippy::wrong_self_convention, reason = "the reading comes from a device")]
    pub(crate) fn from_device(
        &mut self,
        device: &str,
        vital: Vital,
        when: Timestamp,
        value: &str,
    ) -> &mut StoredReading {
        self.sequence += 1;
        let glucose = matches!(vital, Vital::Glucose | Vital::GlucoseInterstitial);
        let unit = if glucose { Unit::GramPerLitre } else { vital.canonical_unit() };
        self.record.readings.push(stored(device, self.sequence, vital, when, value, unit));
        self.record.readings.last_mut().unwrap()
    }

    /// A blood pressure: two values of one reading.
    pub(crate) fn pressure(&mut self, when: Timestamp, systolic: &str, diastolic: &str) {
        self.measured(Vital::Systolic, when, systolic);
        let key = self.record.readings.last().unwrap().reading.key.clone();
        self.measured(Vital::Diastolic, when, diastolic).reading.key = key;
    }

    pub(crate) fn pause(&mut self, from: &str, until: &str, reason: &str) {
        let pause = Pause { from: at(from), until: at(until), reason: reason.into(), recorded_at: at(from) };
        self.record.pauses.push(PauseOnRecord { pause, author: "Inf. Durand".into() });
    }

    pub(crate) fn device(&mut self, id: &str, kind: &str, from: Option<&str>, until: Option<&str>) {
        self.record.devices.push(DeviceHeld {
            id: DeviceId(id.into()),
            kind: kind.into(),
            from: from.map(at),
            until: until.map(at),
        });
    }

    pub(crate) fn alert(&mut self, alert: AlertStory) {
        self.record.alerts.push(alert);
    }

    pub(crate) fn options(&self) -> Options {
        Options { week: self.week, version: 1, software: "vigie 0.1.0".into(), correction: None }
    }

    pub(crate) fn report(&self) -> Report {
        build(&self.record, &self.options())
    }
}

pub(crate) fn stored(
    device: &str,
    sequence: i64,
    vital: Vital,
    when: Timestamp,
    value: &str,
    unit: Unit,
) -> StoredReading {
    StoredReading {
        reading: Reading {
            key: ReadingKey { device: DeviceId(device.into()), epoch: 1, sequence },
            vital,
            value: Value::parse(value, "", unit).unwrap(),
            measured_at: when,
            received_at: when + minutes(5),
            of_a_person: true,
        },
        context: None,
        flags: Vec::new(),
    }
}

/// An alert of one breach, opened when it was known.
pub(crate) fn alert(n: u128, rule: &str, priority: Priority, evidence: Evidence) -> AlertStory {
    AlertStory {
        id: AlertId(Uuid::from_u128(n)),
        rule: RuleId(rule.into()),
        vital: evidence.vital,
        priority,
        opened_at: evidence.known_at,
        events: vec![event(evidence.known_at, "opened", "vigie", json!({}))],
        evidence: vec![evidence],
    }
}

pub(crate) fn event(at: Timestamp, kind: &str, actor: &str, detail: serde_json::Value) -> HistoryEntry {
    HistoryEntry { at, kind: kind.into(), actor: actor.into(), detail }
}

/// A value beyond a limit.
pub(crate) fn breach(
    vital: Vital,
    when: &str,
    value: &str,
    unit: Unit,
    limit: Decimal,
    priority: Priority,
) -> Evidence {
    Evidence {
        reading: Some(ReadingKey { device: DeviceId("d".into()), epoch: 1, sequence: 1 }),
        vital,
        value: Some(Value::parse(value, "", unit).unwrap()),
        reference: None,
        happened_at: at(when),
        known_at: at(when) + minutes(5),
        rule_version: 1,
        priority,
        threshold: Threshold { value: limit, unit: Some(unit), window_hours: None, inclusive: false },
    }
}

/// A metric's value.
#[track_caller]
pub(crate) fn value(metrics: &Metrics, group: &str, name: &str) -> f64 {
    metrics[group][name].value.unwrap_or_else(|| panic!("{group}.{name} has no value"))
}

#[track_caller]
pub(crate) fn assert_near(got: f64, expected: f64) {
    assert!((got - expected).abs() < 1e-9, "{got} is not {expected}");
}

/// The sentences of a report; in French with `~` for the narrow no-break space, so that tests can be read.
pub(crate) fn sentences(report: &Report, language: &str) -> Vec<String> {
    report.summary[language].iter().map(|text| text.replace(NN, "~")).collect()
}
