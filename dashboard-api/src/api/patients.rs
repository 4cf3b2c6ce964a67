//! `/api/v1/patients`.

use axum::Json as Answer;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use vigie_store::patients::{self, ReadingCursor, ReadingQuery, StoredReading};
use vigie_store::rules;
use vigie_store::worklist::flows;
use vigie_vitals::{DeviceId, PatientId, ReadingKey, Vital};

use crate::access::guard::Caller;
use crate::api::extract::{Id, Query};
use crate::api::worklist::completeness;
use crate::api::{cursor, shapes};
use crate::app::{App, commit};
use crate::problem::Problem;

const PAGE: i64 = 100;
const READINGS: i64 = 1_000;

#[derive(Deserialize)]
pub(crate) struct Which {
    search: Option<String>,
    cursor: Option<String>,
}

/// By name.
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    let after = match &which.cursor {
        Some(sealed) => {
            let [family, given, id] = cursor::open::<3>(sealed)?;
            Some((family, given, cursor::part::<PatientId>(&id)?))
        }
        None => None,
    };
    let after = after.as_ref().map(|(family, given, id)| (family.as_str(), given.as_str(), *id));
    let mut tx = app.begin_reading_as(caller.account.id).await?;
    let found = patients::list(&mut tx, which.search.as_deref(), after, None, PAGE).await?;
    let ids: Vec<PatientId> = found.iter().map(|patient| patient.id).collect();
    caller.audit_each(&mut tx, &app, "patients.read", &ids).await?;
    commit(tx).await?;
    let full = i64::try_from(found.len()).is_ok_and(|n| n >= PAGE);
    let next = found
        .last()
        .filter(|_| full)
        .map(|last| cursor::seal(&[&last.family_name, &last.given_name, &last.id.to_string()]));
    let list: Vec<Value> = found.iter().map(shapes::patient).collect();
    Ok(Answer(json!({ "patients": list, "next": next })).into_response())
}

pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<PatientId>,
) -> Result<Response, Problem> {
    let now = app.clock().now();
    let mut tx = app.begin_reading_as(caller.account.id).await?;
    let patient = patients::get(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    let devices = patients::devices(&mut tx, id, now).await?;
    let flow = flows(&mut tx, &[id], now).await?.remove(&id).unwrap_or_default();
    let pauses = rules::pauses(&mut tx, id, now).await?;
    caller.audit(&mut tx, &app, "patient.read", Some(id), "").await?;
    commit(tx).await?;
    let mut body = shapes::patient(&patient);
    let devices: Vec<Value> = devices
        .into_iter()
        .map(|device| {
            json!({
                "id": device.id, "kind": device.kind, "held_from": device.from, "held_until": device.until,
                "last_reading_received_at": device.last_reading_at, "state": device.state,
                "battery_percent": device.battery_percent, "status_at": device.status_at,
            })
        })
        .collect();
    let pauses: Vec<Value> = pauses
        .into_iter()
        .map(|p| json!({ "from": p.pause.from, "until": p.pause.until, "reason": p.pause.reason, "author": p.author }))
        .collect();
    if let Some(object) = body.as_object_mut() {
        object.insert("devices".into(), devices.into());
        object.insert("pauses".into(), pauses.into());
        object.insert("last_reading_at".into(), json!(flow.newest()));
        object.insert("completeness".into(), completeness(&flow.completeness(now)).into());
    }
    Ok(Answer(body).into_response())
}

#[derive(Deserialize)]
pub(crate) struct Period {
    vital: Option<Vital>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    as_of: Option<Timestamp>,
    cursor: Option<String>,
}

/// Oldest first. Without `from`: of the last 14 days. With `as_of`: what was received by then.
pub(crate) async fn readings(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<PatientId>,
    Query(period): Query<Period>,
) -> Result<Response, Problem> {
    let now = app.clock().now();
    let query = ReadingQuery {
        patient: id,
        vital: period.vital,
        from: period.from.unwrap_or(now - SignedDuration::from_hours(24 * 14)),
        to: period.to.unwrap_or(now + SignedDuration::from_hours(24)),
        as_of: period.as_of.unwrap_or(now + SignedDuration::from_hours(24)),
        after: period.cursor.as_deref().map(open).transpose()?,
        most: READINGS,
    };
    let mut tx = app.begin_reading_as(caller.account.id).await?;
    patients::get(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    let found = patients::readings(&mut tx, &query).await?;
    caller.audit(&mut tx, &app, "readings.read", Some(id), period.vital.map_or("all", Vital::code)).await?;
    commit(tx).await?;
    let full = i64::try_from(found.len()).is_ok_and(|n| n >= READINGS);
    let next = found.last().filter(|_| full).map(seal);
    let list: Vec<Value> = found.iter().map(shapes::reading).collect();
    Ok(Answer(json!({ "readings": list, "next": next })).into_response())
}

fn seal(last: &StoredReading) -> String {
    let reading = &last.reading;
    cursor::seal(&[
        &reading.measured_at.to_string(),
        reading.key.device.as_str(),
        &reading.key.epoch.to_string(),
        &reading.key.sequence.to_string(),
        reading.vital.code(),
    ])
}

fn open(sealed: &str) -> Result<ReadingCursor, Problem> {
    let [measured_at, device, epoch, sequence, vital] = cursor::open::<5>(sealed)?;
    Ok(ReadingCursor {
        measured_at: cursor::part(&measured_at)?,
        key: ReadingKey {
            device: DeviceId(device),
            epoch: cursor::part(&epoch)?,
            sequence: cursor::part(&sequence)?,
        },
        vital: cursor::part(&vital)?,
    })
}
