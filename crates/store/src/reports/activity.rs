//! Activity of remote monitoring, per patient and calendar month: what the extract for accounting is made from.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;
use vigie_vitals::{CareTeamId, PatientId, Priority, TerritoryId};

use super::activity_counts;
use super::record::PlanOnRecord;
use crate::{Result, Tx};

/// Whose patients. Row-level security decides as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// All that one may see.
    Everybody,
    /// Of a territory.
    Territory(TerritoryId),
    /// Of a care team.
    Team(CareTeamId),
}

/// What people did, counted. What the software does by itself is not among it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Acts {
    /// Alerts acknowledged.
    pub acknowledged: i64,
    /// Alerts resolved.
    pub resolved: i64,
    /// Remarks on alerts.
    pub comments: i64,
    /// Alerts handed to somebody.
    pub assigned: i64,
    /// Rule versions prescribed.
    pub rule_versions: i64,
    /// Pauses entered.
    pub pauses: i64,
    /// Reports on the patient opened.
    pub reports_opened: i64,
}

/// One patient's month.
#[derive(Debug, Clone, PartialEq)]
pub struct Activity {
    /// Who.
    pub patient: PatientId,
    /// The organisation's own number.
    pub identifier: String,
    /// Care team.
    pub care_team: String,
    /// IANA time zone: days are local days in it.
    pub time_zone: String,
    /// Start of the month there,
    pub from: Timestamp,
    /// and its end.
    pub to: Timestamp,
    /// Care plans that ran at some time in the month, by start.
    pub plans: Vec<PlanOnRecord>,
    /// Days begun by `as_of` on which a care plan ran, if only for a part of them.
    pub days_watched: i64,
    /// Of those, days of which a part lies in a pause.
    pub days_paused: i64,
    /// Pauses that touch the month: from, until.
    pub pauses: Vec<(Timestamp, Timestamp)>,
    /// Days on which at least one reading of a person was measured, watched or not.
    pub days_with_readings: i64,
    /// Readings of a person measured in the month; one of several values (blood pressure) counts once.
    pub readings: i64,
    /// Alerts opened in the month, by the priority that they were opened with.
    pub alerts: BTreeMap<Priority, i64>,
    /// Alerts opened in the month that somebody has acknowledged.
    pub alerts_acknowledged: i64,
    /// Alerts opened in the month that are resolved, by people or because the data ended them.
    pub alerts_resolved: i64,
    /// Median time from opening to the first acknowledgement, in seconds, of those acknowledged.
    pub median_seconds_to_acknowledge: Option<f64>,
    /// What people did in the month, whenever the alert was opened.
    pub acts: Acts,
}

/// The months of a page of patients, as columns.
pub(super) struct Months {
    pub(super) patients: Vec<Uuid>,
    pub(super) zones: Vec<String>,
    pub(super) from: Vec<jiff_sqlx::Timestamp>,
    pub(super) to: Vec<jiff_sqlx::Timestamp>,
    pub(super) as_of: jiff_sqlx::Timestamp,
}

/// Rows of the page by patient.
pub(super) type Page = HashMap<Uuid, Activity>;

/// The activity of a calendar month, as known at a moment: patients registered before its end, by identifier and id, after
/// the one with which the page before ended. `month` is any day of it. Eight statements, however many patients.
pub async fn month(
    tx: &mut Tx,
    month: Date,
    whose: Whose,
    as_of: Timestamp,
    after: Option<(&str, PatientId)>,
    most: i64,
) -> Result<Vec<Activity>> {
    let (months, mut page) = patients(tx, month, whose, as_of, after, most).await?;
    plans(tx, &months, &mut page).await?;
    pauses(tx, &months, &mut page).await?;
    days(tx, &months, &mut page).await?;
    activity_counts::measured(tx, &months, &mut page).await?;
    activity_counts::alerts_by_priority(tx, &months, &mut page).await?;
    activity_counts::alerts_handled(tx, &months, &mut page).await?;
    activity_counts::acts(tx, &months, &mut page).await?;
    Ok(months.patients.iter().filter_map(|id| page.remove(id)).collect())
}

async fn patients(
    tx: &mut Tx,
    month: Date,
    whose: Whose,
    as_of: Timestamp,
    after: Option<(&str, PatientId)>,
    most: i64,
) -> Result<(Months, Page)> {
    let (territory, team) = match whose {
        Whose::Everybody => (None, None),
        Whose::Territory(id) => (Some(id.0), None),
        Whose::Team(id) => (None, Some(id.0)),
    };
    let rows = sqlx::query!(
        r#"
        SELECT p.id, p.identifier, p.time_zone, t.name AS care_team, z.from_at AS "from_at!", z.to_at AS "to_at!"
        FROM patient p JOIN care_team t ON t.id = p.care_team_id
        CROSS JOIN LATERAL (
            SELECT date_trunc('month', $1::date::timestamp) AT TIME ZONE p.time_zone AS from_at,
                   (date_trunc('month', $1::date::timestamp) + interval '1 month') AT TIME ZONE p.time_zone AS to_at) z
        WHERE p.created_at < z.to_at AND p.created_at <= $2 AND ($3::uuid IS NULL OR p.territory_id = $3)
          AND ($4::uuid IS NULL OR p.care_team_id = $4)
          AND ($5::text IS NULL OR (p.identifier, p.id) > ($5, $6::uuid))
        ORDER BY p.identifier, p.id LIMIT $7
        "#,
        month.to_sqlx() as _,
        as_of.to_sqlx() as _,
        territory,
        team,
        after.map(|a| a.0),
        after.map(|a| a.1.0),
        most
    )
    .fetch_all(&mut **tx)
    .await?;
    let months = Months {
        patients: rows.iter().map(|row| row.id).collect(),
        zones: rows.iter().map(|row| row.time_zone.clone()).collect(),
        from: rows.iter().map(|row| row.from_at).collect(),
        to: rows.iter().map(|row| row.to_at).collect(),
        as_of: as_of.to_sqlx(),
    };
    let empty = rows.into_iter().map(|row| {
        let activity = Activity {
            patient: PatientId(row.id),
            identifier: row.identifier,
            care_team: row.care_team,
            time_zone: row.time_zone,
            from: row.from_at.to_jiff(),
            to: row.to_at.to_jiff(),
            plans: Vec::new(),
            days_watched: 0,
            days_paused: 0,
            pauses: Vec::new(),
            days_with_readings: 0,
            readings: 0,
            alerts: BTreeMap::new(),
            alerts_acknowledged: 0,
            alerts_resolved: 0,
            median_seconds_to_acknowledge: None,
            acts: Acts::default(),
        };
        (row.id, activity)
    });
    Ok((months, empty.collect()))
}

async fn plans(tx: &mut Tx, months: &Months, page: &mut Page) -> Result<()> {
    let rows = sqlx::query!(
        r#"
        SELECT c.patient_id, c.plan, c.started_at, CASE WHEN c.ended_at <= $4 THEN c.ended_at END AS ended_at
        FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) AS m(patient_id, from_at, to_at)
        JOIN care_plan c ON c.patient_id = m.patient_id AND c.started_at < m.to_at
            AND (c.ended_at IS NULL OR c.ended_at > m.from_at)
        WHERE c.started_at <= $4 AND (c.recorded_at IS NULL OR c.recorded_at <= $4)
        ORDER BY c.patient_id, c.started_at, c.id
        "#,
        &months.patients,
        &months.from as _,
        &months.to as _,
        months.as_of as _
    )
    .fetch_all(&mut **tx)
    .await?;
    for row in rows {
        if let Some(activity) = page.get_mut(&row.patient_id) {
            activity.plans.push(PlanOnRecord {
                plan: row.plan,
                started_at: row.started_at.to_jiff(),
                ended_at: row.ended_at.map(|t| t.to_jiff()),
            });
        }
    }
    Ok(())
}

async fn pauses(tx: &mut Tx, months: &Months, page: &mut Page) -> Result<()> {
    let rows = sqlx::query!(
        r#"
        SELECT p.patient_id, p.from_at, p.until_at
        FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) AS m(patient_id, from_at, to_at)
        JOIN pause p ON p.patient_id = m.patient_id AND p.from_at < m.to_at AND p.until_at > m.from_at
        WHERE p.recorded_at <= $4
        ORDER BY p.patient_id, p.from_at, p.id
        "#,
        &months.patients,
        &months.from as _,
        &months.to as _,
        months.as_of as _
    )
    .fetch_all(&mut **tx)
    .await?;
    for row in rows {
        if let Some(activity) = page.get_mut(&row.patient_id) {
            activity.pauses.push((row.from_at.to_jiff(), row.until_at.to_jiff()));
        }
    }
    Ok(())
}

/// Local days on which a care plan ran, and those of them that a pause touches.
async fn days(tx: &mut Tx, months: &Months, page: &mut Page) -> Result<()> {
    let rows = sqlx::query!(
        r#"
        SELECT d.patient_id AS "patient_id!", count(*) AS "watched!",
               count(*) FILTER (WHERE EXISTS (SELECT FROM pause p
                                              WHERE p.patient_id = d.patient_id AND p.from_at < d.ends AND p.until_at > d.starts
                                                AND p.recorded_at <= $5)) AS "paused!"
        FROM (SELECT m.patient_id, g AT TIME ZONE m.zone AS starts, (g + interval '1 day') AT TIME ZONE m.zone AS ends
              FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::timestamptz[]) AS m(patient_id, zone, from_at, to_at)
              CROSS JOIN LATERAL generate_series(m.from_at AT TIME ZONE m.zone,
                                                 m.to_at AT TIME ZONE m.zone - interval '1 day', interval '1 day') AS g) d
        JOIN patient t ON t.id = d.patient_id AND t.created_at < d.ends
        WHERE d.starts <= $5
          AND EXISTS (SELECT FROM care_plan c
                      WHERE c.patient_id = d.patient_id AND c.started_at < d.ends AND c.started_at <= $5
                        AND (c.ended_at IS NULL OR c.ended_at > d.starts) AND (c.recorded_at IS NULL OR c.recorded_at <= $5))
        GROUP BY d.patient_id
        "#,
        &months.patients,
        &months.zones,
        &months.from as _,
        &months.to as _,
        months.as_of as _
    )
    .fetch_all(&mut **tx)
    .await?;
    for row in rows {
        if let Some(activity) = page.get_mut(&row.patient_id) {
            activity.days_watched = row.watched;
            activity.days_paused = row.paused;
        }
    }
    Ok(())
}
