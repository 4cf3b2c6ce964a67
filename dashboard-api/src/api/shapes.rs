//! The JSON shapes of the contract: times RFC 3339 in UTC, values as the decimal strings that were sent.

use jiff::Timestamp;
use serde_json::{Value as Json, json};
use vigie_store::alert_work::{Alert, Breach};
use vigie_store::patients::{Patient, StoredReading};
use vigie_vitals::{Comparator, RuleVersion, Threshold};

use crate::sentence::reason;
use crate::text::Texts;
use vigie_words::values as words;

pub(crate) fn alert(alert: &Alert, breaches: &[Breach], now: Timestamp, texts: Texts) -> Json {
    json!({
        "id": alert.id,
        "patient_id": alert.patient,
        "rule": alert.rule,
        "rule_version": alert.rule_version,
        "vital": alert.vital,
        "priority": alert.priority,
        "state": alert.state,
        "condition": alert.condition,
        "happened_at": alert.happened_at,
        "known_at": alert.known_at,
        "opened_at": alert.opened_at,
        "changed_at": alert.changed_at,
        "summary": reason(alert, now, texts).whole(),
        "threshold": threshold(&alert.worst.threshold),
        "threshold_author": alert.author,
        "threshold_reason": alert.reason,
        "readings": breaches.iter().filter_map(breach).collect::<Vec<_>>(),
        "readings_total": alert.breaches,
        "unsupported": alert.unsupported,
        "acknowledged_at": alert.acknowledged.as_ref().map(|(at, _)| at),
        "acknowledged_by": alert.acknowledged.as_ref().map(|(_, by)| by),
        "assigned_to": alert.assigned_to.as_ref().map(|(id, name)| json!({ "id": id, "name": name })),
        "resolved_at": alert.resolved.as_ref().map(|(at, _)| at),
        "resolved_by": alert.resolved.as_ref().and_then(|(_, by)| by.as_ref()),
        "outcome": alert.outcome,
    })
}

fn threshold(threshold: &Threshold) -> Json {
    json!({
        "value": threshold.value,
        "unit": threshold.unit,
        "window_hours": threshold.window_hours,
        "inclusive": threshold.inclusive,
    })
}

/// A breach by a reading, in the shape of a reading.
fn breach(breach: &Breach) -> Option<Json> {
    let evidence = &breach.evidence;
    let (key, value) = (evidence.reading.as_ref()?, evidence.value.as_ref()?);
    Some(json!({
        "vital": evidence.vital,
        "value": words::exact(value),
        "unit": value.unit,
        "comparator": value.comparator.map(Comparator::as_str),
        "measured_at": evidence.happened_at,
        "received_at": breach.received_at.unwrap_or(evidence.known_at),
        "device_id": key.device,
        "epoch": key.epoch,
        "sequence": key.sequence,
        "priority": evidence.priority,
        "rule_version": evidence.rule_version,
    }))
}

pub(crate) fn reading(stored: &StoredReading) -> Json {
    let reading = &stored.reading;
    json!({
        "vital": reading.vital,
        "value": words::exact(&reading.value),
        "unit": reading.value.unit,
        "comparator": reading.value.comparator.map(Comparator::as_str),
        "measured_at": reading.measured_at,
        "received_at": reading.received_at,
        "device_id": reading.key.device,
        "epoch": reading.key.epoch,
        "sequence": reading.key.sequence,
        "of_a_person": reading.of_a_person,
        "context": stored.context,
        "flags": stored.flags,
    })
}

pub(crate) fn patient(patient: &Patient) -> Json {
    json!({
        "id": patient.id,
        "identifier": patient.identifier,
        "name": format!("{} {}", patient.given_name, patient.family_name),
        "family_name": patient.family_name,
        "given_name": patient.given_name,
        "birth_date": patient.birth_date.to_string(),
        "sex": patient.sex,
        "time_zone": patient.time_zone,
        "care_team": patient.care_team,
        "care_plans": patient.plans,
    })
}

pub(crate) fn rule_version(version: &RuleVersion) -> Json {
    json!({
        "rule": version.rule,
        "version": version.version,
        "valid_from": version.valid_from,
        "recorded_at": version.recorded_at,
        "author": version.author,
        "reason": version.reason,
        "spec": version.spec,
    })
}
