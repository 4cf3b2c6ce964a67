//! The judge of the crash tests. It knows the devices' lists of acknowledgements and what psql tells; of Vigie's code
//! it knows nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use vigie_device_sim::reading_values;
use vigie_e2e::naive_rules::{Measured, expected};
use vigie_e2e::stand::patient_id;

use crate::scene::Scene;

/// Device, epoch, sequence.
pub(crate) type Key = (String, u64, i64);

/// Patient, rule.
type Place = (String, String);

/// Reads a list of acknowledgements; one that stands twice fails.
pub(crate) fn read_acks(log: &Path) -> Vec<Key> {
    let Ok(text) = std::fs::read_to_string(log) else { return Vec::new() };
    // The last line may still be being written.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole
        .lines()
        .map(|line| {
            let mut fields = line.split(' ');
            let device = fields.next().unwrap().to_owned();
            (device, fields.next().unwrap().parse().unwrap(), fields.next().unwrap().parse().unwrap())
        })
        .collect()
}

/// A row of `reading`.
struct Row {
    key: Key,
    patient: String,
    at: i64,
    received_at: i64,
    vital: String,
    value: String,
    unit: String,
}

/// What was found, for the report of a test.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) readings: usize,
    pub(crate) alerts: usize,
    pub(crate) breaches: usize,
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} readings stored, {} alerts with {} breaches", self.readings, self.alerts, self.breaches)
    }
}

impl Scene {
    /// Proves that what is on record is what was acknowledged, once, and that every alert that follows from it was
    /// raised, once. Call it when all is quiet.
    pub(crate) fn check(&self) -> Found {
        let acked = self.acknowledged_once();
        let rows = self.rows();
        self.each_is_stored_once(&rows, &acked);
        self.each_says_what_was_sent(&rows);
        self.the_ledger_says_the_same(&acked);
        let (alerts, breaches) = self.alerts_follow(&rows);
        self.everyone_was_judged_after_their_last_reading(&rows);
        self.each_alert_was_told_once();
        Found { readings: rows.len(), alerts, breaches }
    }

    fn acknowledged_once(&self) -> BTreeSet<Key> {
        let mut acked = BTreeSet::new();
        for sent in &self.sent {
            let report = &sent.report;
            assert_eq!(
                report.acknowledged_publishes, report.publishes,
                "not all was acknowledged at the end: {report}"
            );
            let keys = read_acks(&sent.ack_log);
            assert_eq!(keys.len() as u64, report.acknowledged_readings);
            for key in keys {
                assert!(!acked.contains(&key), "{key:?} was acknowledged twice");
                acked.insert(key);
            }
        }
        acked
    }

    fn rows(&self) -> Vec<Row> {
        let sql = "SELECT device_id, epoch, sequence, patient_id, extract(epoch FROM measured_at) * 1000000,
                extract(epoch FROM received_at) * 1000000, vital, value, unit
            FROM reading ORDER BY patient_id, measured_at, device_id, epoch, sequence";
        let micros = |text: &str| text.split('.').next().unwrap().parse().unwrap();
        let row = |row: Vec<String>| {
            let [device, epoch, sequence, patient, at, received_at, vital, value, unit] =
                row.try_into().unwrap();
            let key = (device, epoch.parse().unwrap(), sequence.parse().unwrap());
            Row { key, patient, at: micros(&at), received_at: micros(&received_at), vital, value, unit }
        };
        self.stand.query(sql).unwrap().into_iter().map(row).collect()
    }

    /// Each acknowledged reading is there exactly once; nothing is there that was not sent (at the end, all that was
    /// sent is acknowledged); and it belongs to who holds the device.
    fn each_is_stored_once(&self, rows: &[Row], acked: &BTreeSet<Key>) {
        let mut stored = BTreeSet::new();
        for row in rows {
            assert!(stored.insert(row.key.clone()), "{:?} is stored twice", row.key);
            assert_eq!(row.patient, patient_id(&row.key.0).to_string(), "{:?} is on another record", row.key);
        }
        let lost: Vec<_> = acked.difference(&stored).collect();
        assert!(lost.is_empty(), "{} acknowledged readings are lost: {:?}", lost.len(), lost.iter().take(10));
        let strange: Vec<_> = stored.difference(acked).collect();
        assert!(
            strange.is_empty(),
            "{} readings that nobody sent: {:?}",
            strange.len(),
            strange.iter().take(10)
        );
        assert_eq!(self.stand.number("SELECT count(*) FROM quarantine").unwrap(), 0);
    }

    fn each_says_what_was_sent(&self, rows: &[Row]) {
        let devices = self.abnormal_every();
        for row in rows {
            let (vital, every) = devices[&row.key.0];
            let sent = reading_values(vital, row.key.2, Some(every));
            assert_eq!(
                (row.vital.as_str(), row.value.as_str(), row.unit.as_str()),
                (sent[0].vital.as_str(), sent[0].value.as_str(), sent[0].unit.as_str()),
                "{:?}",
                row.key
            );
        }
    }

    fn the_ledger_says_the_same(&self, acked: &BTreeSet<Key>) {
        let sql = "SELECT device_id, epoch, lower(r), upper(r) - 1 FROM ledger, unnest(received) AS r";
        let mut in_ledger = BTreeSet::new();
        for row in self.stand.query(sql).unwrap() {
            let [device, epoch, first, last] = row.try_into().unwrap();
            for sequence in first.parse::<i64>().unwrap()..=last.parse().unwrap() {
                in_ledger.insert((device.clone(), epoch.parse().unwrap(), sequence));
            }
        }
        let differ: Vec<_> = in_ledger.symmetric_difference(acked).collect();
        assert!(
            differ.is_empty(),
            "ledger and readings differ in {}: {:?}",
            differ.len(),
            differ.iter().take(10)
        );
    }

    /// Alerts and their evidence are exactly what follows from the readings.
    fn alerts_follow(&self, rows: &[Row]) -> (usize, usize) {
        let mut wanted: BTreeMap<Place, (String, BTreeSet<String>)> = BTreeMap::new();
        for patient in rows.chunk_by(|a, b| a.patient == b.patient) {
            let measured: Vec<_> = patient.iter().map(measured).collect();
            assert!(measured.windows(2).all(|w| w[0].at < w[1].at), "two readings of one moment");
            for alert in expected(&measured).unwrap() {
                let place = (patient[0].patient.clone(), alert.rule.to_owned());
                wanted.insert(place, (alert.priority.to_owned(), alert.breaches.into_iter().collect()));
            }
        }
        for device in &self.silent {
            let place = (patient_id(device.id.as_str()).to_string(), "glucose_silence".to_owned());
            wanted.insert(place, ("technical".to_owned(), BTreeSet::new()));
        }

        let mut found: BTreeMap<Place, (String, BTreeSet<String>)> = BTreeMap::new();
        for row in self.stand.query("SELECT patient_id, rule, priority, state FROM alert").unwrap() {
            let [patient, rule, priority, state] = row.try_into().unwrap();
            assert_eq!(state, "open", "nobody touched the alert {rule} of {patient}");
            let again = found.insert((patient.clone(), rule.clone()), (priority, BTreeSet::new()));
            assert!(again.is_none(), "{rule} of {patient} was raised twice");
        }
        let sql = "SELECT e.patient_id, e.rule, e.breach, a.patient_id, a.rule FROM alert_evidence e LEFT JOIN alert a ON a.id = e.alert_id";
        for row in self.stand.query(sql).unwrap() {
            let [patient, rule, breach, alert_patient, alert_rule] = row.try_into().unwrap();
            assert_eq!((&patient, &rule), (&alert_patient, &alert_rule), "evidence on a foreign alert");
            let (_, breaches) = found.get_mut(&(patient, rule)).expect("evidence of an alert");
            assert!(
                breach.starts_with("silence/") || breaches.insert(breach.clone()),
                "{breach} is evidence twice"
            );
        }

        for (place, (priority, breaches)) in &wanted {
            let Some((found_priority, found_breaches)) = found.get(place) else {
                panic!("the alert {place:?} is missing; it has {} breaches", breaches.len());
            };
            let missing: Vec<_> = breaches.difference(found_breaches).collect();
            assert!(
                missing.is_empty(),
                "{place:?} misses {} of {}: {missing:?}",
                missing.len(),
                breaches.len()
            );
            let invented: Vec<_> = found_breaches.difference(breaches).collect();
            assert!(invented.is_empty(), "{place:?} has {invented:?} for no reason");
            assert_eq!(found_priority, priority, "priority of {place:?}");
        }
        let invented: Vec<_> = found.keys().filter(|place| !wanted.contains_key(*place)).collect();
        assert!(invented.is_empty(), "alerts without a reason: {invented:?}");
        (found.len(), found.values().map(|(_, breaches)| breaches.len()).sum())
    }

    fn everyone_was_judged_after_their_last_reading(&self, rows: &[Row]) {
        assert_eq!(self.stand.number("SELECT count(*) FROM judgement_queue").unwrap(), 0);
        let sql = "SELECT patient_id, extract(epoch FROM judged_at) * 1000000 FROM patient_watch";
        let judged: BTreeMap<String, i64> = self
            .stand
            .query(sql)
            .unwrap()
            .into_iter()
            .map(|row| (row[0].clone(), row[1].split('.').next().unwrap().parse().unwrap()))
            .collect();
        for row in rows {
            let judged_at = judged[&row.patient];
            assert!(
                judged_at >= row.received_at,
                "{:?} came after the last judgement of its patient",
                row.key
            );
        }
    }

    /// Each alert was opened once for whoever follows the events, whose numbers have no gap.
    fn each_alert_was_told_once(&self) {
        for events in ["stream_event WHERE kind = 'alert_opened'", "alert_event WHERE kind = 'opened'"] {
            let wrong = format!(
                "SELECT count(*) FROM alert a FULL JOIN (SELECT alert_id, count(*) AS n FROM {events} GROUP BY 1) e
                 ON e.alert_id = a.id WHERE e.n IS DISTINCT FROM 1"
            );
            assert_eq!(
                self.stand.number(&wrong).unwrap(),
                0,
                "an alert was not told exactly once in {events}"
            );
        }
        let gaps = "SELECT max(id) - count(*) FROM stream_event";
        assert_eq!(self.stand.number(gaps).unwrap(), 0, "the numbers of the events have gaps");
        let behind = "SELECT last_id - (SELECT max(id) FROM stream_event) FROM stream_position";
        assert_eq!(self.stand.number(behind).unwrap(), 0, "the last number is not that of the last event");
    }
}

fn measured(row: &Row) -> Measured {
    let (device, epoch, sequence) = &row.key;
    let (whole, part) = row.value.split_once('.').unwrap_or((&row.value, ""));
    let thousandths = format!("{whole}{part:0<3}").parse().unwrap();
    Measured {
        at: row.at,
        thousandths,
        vital: row.vital.clone(),
        breach: format!("{device}/{epoch}/{sequence}/{}", row.vital),
    }
}
