//! Judged right: what is on record beside what must follow from the readings that were sent, by rules that share no code
//! with Vigie's ([`crate::naive_rules`]).

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use vigie_device_sim::{LoadVital, reading_values};

use super::acks::Acked;
use crate::naive_rules::{Measured, expected};
use crate::stand::{Stand, patient_id};

/// Readings that a group of devices sent.
pub(super) struct Sent {
    pub(super) acked: Vec<Acked>,
    /// What they measure.
    pub(super) vital: LoadVital,
    /// As the load was told.
    pub(super) abnormal_every: u64,
    /// A silence was open before they sent anything; it must have closed by itself.
    pub(super) was_silent: bool,
}

/// Patient, rule.
type Place = (String, String);

/// An alert as it must be, or as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Alert {
    priority: String,
    state: String,
    condition: String,
    /// Of silences nothing is compared here: what they rest on depends on when they were looked at.
    breaches: BTreeSet<String>,
}

/// What the comparison found.
#[derive(Debug)]
pub(super) struct Verdict {
    /// Readings that were sent.
    pub(super) readings: usize,
    /// Alerts on record.
    pub(super) alerts: usize,
    /// Readings in their evidence.
    pub(super) breaches: usize,
    /// Whatever is not as it must be, in words.
    pub(super) differences: Vec<String>,
}

/// Compares. `told` are the alerts of which the stream told that they were opened, of those opened since it was followed.
pub(super) fn compare(stand: &Stand, sent: &[Sent], told: &[String]) -> Result<Verdict> {
    let (mut wanted, mut readings) = (BTreeMap::new(), BTreeSet::new());
    for group in sent {
        wanted.extend(follows(group)?);
        readings.extend(group.acked.iter().map(|a| (a.device.clone(), a.epoch, a.sequence)));
    }
    let found = on_record(stand)?;
    let mut differences = Vec::new();
    let stored = stand.query("SELECT device_id, epoch, sequence FROM reading")?;
    for row in &stored {
        let key = key(row).with_context(|| format!("no reading: {row:?}"))?;
        if !readings.contains(&key) {
            differences.push(format!("{key:?} is stored and was not sent"));
        }
    }
    if stored.len() != readings.len() {
        differences.push(format!("{} readings were sent and {} are stored", readings.len(), stored.len()));
    }
    for place in wanted.keys().chain(found.keys()).collect::<BTreeSet<_>>() {
        match (wanted.get(place), found.get(place).map(Vec::as_slice)) {
            (Some(wanted), Some([found])) if wanted == found => {}
            (wanted, found) => {
                differences.push(format!("{place:?} must be {wanted:?} and is {found:?}"));
            }
        }
    }
    differences.extend(not_told_once(stand, told)?);
    let breaches = found.values().flatten().map(|alert| alert.breaches.len()).sum();
    let alerts = found.values().map(Vec::len).sum();
    Ok(Verdict { readings: readings.len(), alerts, breaches, differences })
}

fn key(row: &[String]) -> Option<(String, u64, i64)> {
    match row {
        [device, epoch, sequence] => Some((device.clone(), epoch.parse().ok()?, sequence.parse().ok()?)),
        _ => None,
    }
}

/// The alerts that must follow.
fn follows(group: &Sent) -> Result<BTreeMap<Place, Alert>> {
    let mut by_device: BTreeMap<&str, Vec<&Acked>> = BTreeMap::new();
    for reading in &group.acked {
        by_device.entry(&reading.device).or_default().push(reading);
    }
    let mut alerts = BTreeMap::new();
    for (device, mut readings) in by_device {
        // A device measures in the order of its numbers.
        readings.sort_unstable_by_key(|reading| (reading.epoch, reading.sequence));
        let measured: Vec<Measured> =
            readings.iter().map(|reading| measured(group, reading)).collect::<Result<_>>()?;
        let patient = patient_id(device).to_string();
        let newest = measured.last().map(|reading| reading.breach.as_str());
        for alert in expected(&measured)? {
            let active = alert.breaches.last().map(String::as_str) == newest;
            let found = Alert {
                priority: alert.priority.to_owned(),
                state: "open".to_owned(),
                condition: if active { "active" } else { "ended" }.to_owned(),
                breaches: alert.breaches.into_iter().collect(),
            };
            alerts.insert((patient.clone(), alert.rule.to_owned()), found);
        }
        if group.was_silent {
            let rule = match group.vital {
                LoadVital::Glucose => "glucose_silence",
                LoadVital::Weight => "weight_silence",
            };
            let closed = Alert {
                priority: "technical".to_owned(),
                state: "resolved".to_owned(),
                condition: "ended".to_owned(),
                breaches: BTreeSet::new(),
            };
            alerts.insert((patient, rule.to_owned()), closed);
        }
    }
    Ok(alerts)
}

fn measured(group: &Sent, reading: &Acked) -> Result<Measured> {
    let values = reading_values(group.vital, reading.sequence, Some(group.abnormal_every));
    let value = values.first().context("a reading without a value")?;
    let (whole, part) = value.value.split_once('.').unwrap_or((&value.value, ""));
    Ok(Measured {
        at: reading.sequence,
        thousandths: format!("{whole}{part:0<3}").parse().context("a value that is no number")?,
        vital: value.vital.clone(),
        breach: format!("{}/{}/{}/{}", reading.device, reading.epoch, reading.sequence, value.vital),
    })
}

/// All alerts there are. Of one rule of a patient there may be several, which is then a difference.
fn on_record(stand: &Stand) -> Result<BTreeMap<Place, Vec<Alert>>> {
    let mut breaches: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let evidence = "SELECT alert_id, breach FROM alert_evidence WHERE breach NOT LIKE 'silence/%'";
    for row in stand.query(evidence)? {
        let [alert, breach]: [String; 2] = row.try_into().map_err(|row: Vec<String>| odd(&row))?;
        breaches.entry(alert).or_default().insert(breach);
    }
    let mut alerts: BTreeMap<Place, Vec<Alert>> = BTreeMap::new();
    for row in stand.query("SELECT id, patient_id, rule, priority, state, condition FROM alert")? {
        let [id, patient, rule, priority, state, condition]: [String; 6] =
            row.try_into().map_err(|row: Vec<String>| odd(&row))?;
        let breaches = breaches.remove(&id).unwrap_or_default();
        alerts.entry((patient, rule)).or_default().push(Alert { priority, state, condition, breaches });
    }
    Ok(alerts)
}

/// Clinical alerts (all of them were opened while the stream was followed) that it did not tell exactly once.
fn not_told_once(stand: &Stand, told: &[String]) -> Result<Vec<String>> {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for alert in told {
        *times.entry(alert).or_default() += 1;
    }
    let mut differences = Vec::new();
    for row in stand.query("SELECT id FROM alert WHERE priority <> 'technical'")? {
        let id = row.first().ok_or_else(|| odd(&row))?;
        let told = times.remove(id.as_str()).unwrap_or(0);
        if told != 1 {
            differences.push(format!("that alert {id} was opened was told {told} times"));
        }
    }
    differences.extend(times.keys().map(|id| format!("of {id} it was told that it was opened")));
    Ok(differences)
}

fn odd(row: &[String]) -> anyhow::Error {
    anyhow::anyhow!("an odd row: {row:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_follow_knows_breaches_and_whether_the_newest_is_one() {
        let acked = |sequence| Acked { device: "d-1".into(), epoch: 2, sequence, published: 0, took: 1 };
        let sent = |readings, vital| Sent {
            acked: (1..=readings).rev().map(acked).collect(),
            vital,
            abnormal_every: 4,
            was_silent: true,
        };
        let patient = patient_id("d-1").to_string();
        let alerts = follows(&sent(9, LoadVital::Glucose)).unwrap();
        let low = &alerts[&(patient.clone(), "glucose_low".to_owned())];
        assert_eq!((low.priority.as_str(), low.condition.as_str()), ("high", "ended"));
        assert!(low.breaches.iter().eq(["d-1/2/4/glucose", "d-1/2/8/glucose"]));
        assert_eq!(alerts[&(patient.clone(), "glucose_silence".to_owned())].state, "resolved");
        let alerts = follows(&sent(8, LoadVital::Weight)).unwrap();
        let condition = |rule: &str| alerts[&(patient.clone(), rule.to_owned())].condition.as_str();
        assert_eq!((condition("weight_gain"), condition("weight_loss")), ("active", "ended"));
    }
}
