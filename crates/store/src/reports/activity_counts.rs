//! What is counted of a month: readings, alerts, and what people did.

use super::activity::{Acts, Months, Page};
use super::load_readings::codes;
use crate::judgement::priority_of;
use crate::{Result, Tx};

pub(super) async fn measured(tx: &mut Tx, months: &Months, page: &mut Page) -> Result<()> {
    let rows = sqlx::query!(
        r#"
        SELECT m.patient_id AS "patient_id!", count(DISTINCT (r.measured_at AT TIME ZONE m.zone)::date) AS "days!",
               count(DISTINCT (r.device_id, r.epoch, r.sequence)) AS "readings!"
        FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::timestamptz[]) AS m(patient_id, zone, from_at, to_at)
        CROSS JOIN unnest($5::text[]) AS v(vital)
        CROSS JOIN LATERAL
            (SELECT measured_at, device_id, epoch, sequence FROM reading
             WHERE patient_id = m.patient_id AND vital = v.vital AND measured_at >= m.from_at AND measured_at < m.to_at
               AND of_a_person AND received_at <= $6
             OFFSET 0) r
        GROUP BY m.patient_id
        "#,
        &months.patients,
        &months.zones,
        &months.from as _,
        &months.to as _,
        &codes(),
        months.as_of as _
    )
    .fetch_all(&mut **tx)
    .await?;
    for row in rows {
        if let Some(activity) = page.get_mut(&row.patient_id) {
            activity.days_with_readings = row.days;
            activity.readings = row.readings;
        }
    }
    Ok(())
}

pub(super) async fn alerts_by_priority(tx: &mut Tx, months: &Months, page: &mut Page) -> Result<()> {
    let rows = sqlx::query!(
        r#"
        SELECT m.patient_id AS "patient_id!", coalesce(e.detail ->> 'priority', a.priority) AS "priority!", count(*) AS "n!"
        FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) AS m(patient_id, from_at, to_at)
        JOIN alert a ON a.patient_id = m.patient_id AND a.opened_at >= m.from_at AND a.opened_at < m.to_at
        LEFT JOIN alert_event e ON e.alert_id = a.id AND e.kind = 'opened'
        WHERE a.opened_at <= $4
        GROUP BY 1, 2
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
            activity.alerts.insert(priority_of(&row.priority)?, row.n);
        }
    }
    Ok(())
}

pub(super) async fn alerts_handled(tx: &mut Tx, months: &Months, page: &mut Page) -> Result<()> {
    let rows = sqlx::query!(
        r#"
        SELECT m.patient_id AS "patient_id!", count(f.at) AS "acknowledged!",
               count(*) FILTER (WHERE a.resolved_at <= $4) AS "resolved!",
               percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM f.at - a.opened_at)::float8) AS median
        FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) AS m(patient_id, from_at, to_at)
        JOIN alert a ON a.patient_id = m.patient_id AND a.opened_at >= m.from_at AND a.opened_at < m.to_at
        LEFT JOIN LATERAL (SELECT min(e.at) AS at FROM alert_event e
                           WHERE e.alert_id = a.id AND e.kind = 'acknowledged' AND e.at <= $4) f ON true
        WHERE a.opened_at <= $4
        GROUP BY m.patient_id
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
            activity.alerts_acknowledged = row.acknowledged;
            activity.alerts_resolved = row.resolved;
            activity.median_seconds_to_acknowledge = row.median;
        }
    }
    Ok(())
}

/// What people did: rows with an account, which the software's own have not.
pub(super) async fn acts(tx: &mut Tx, months: &Months, page: &mut Page) -> Result<()> {
    let rows = sqlx::query!(
        r#"
        SELECT m.patient_id AS "patient_id!", act.acknowledged AS "acknowledged!", act.resolved AS "resolved!",
               act.comments AS "comments!", act.assigned AS "assigned!",
               (SELECT count(*) FROM rule_version v
                WHERE v.patient_id = m.patient_id AND v.author_id IS NOT NULL
                  AND v.recorded_at >= m.from_at AND v.recorded_at < m.to_at AND v.recorded_at <= $4) AS "rule_versions!",
               (SELECT count(*) FROM pause p
                WHERE p.patient_id = m.patient_id AND p.author_id IS NOT NULL
                  AND p.recorded_at >= m.from_at AND p.recorded_at < m.to_at AND p.recorded_at <= $4) AS "pauses!",
               (SELECT count(*) FROM report_opening o
                WHERE o.patient_id = m.patient_id AND o.at >= m.from_at AND o.at < m.to_at AND o.at <= $4) AS "reports_opened!"
        FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) AS m(patient_id, from_at, to_at)
        CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE e.kind = 'acknowledged') AS acknowledged,
                   count(*) FILTER (WHERE e.kind = 'resolved') AS resolved,
                   count(*) FILTER (WHERE e.kind = 'comment') AS comments,
                   count(*) FILTER (WHERE e.kind = 'assigned') AS assigned
            FROM alert a JOIN alert_event e ON e.alert_id = a.id
            WHERE a.patient_id = m.patient_id AND a.opened_at < m.to_at AND e.actor_id IS NOT NULL
              AND e.at >= m.from_at AND e.at < m.to_at AND e.at <= $4
        ) act
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
            activity.acts = Acts {
                acknowledged: row.acknowledged,
                resolved: row.resolved,
                comments: row.comments,
                assigned: row.assigned,
                rule_versions: row.rule_versions,
                pauses: row.pauses,
                reports_opened: row.reports_opened,
            };
        }
    }
    Ok(())
}
