//! The alerts of a record, told by what was written by then and not by how they stand now.

use std::collections::HashMap;

use uuid::Uuid;
use vigie_vitals::{AlertId, Evidence, RuleId};

use super::load::{Asked, Records};
use super::record::AlertStory;
use crate::alert_work::HistoryEntry;
use crate::judgement::{priority_of, vital_of};
use crate::{Error, Result, Tx};

/// Which alert of which record, as columns; and where its story is.
#[derive(Default)]
struct Stories {
    places: Vec<i64>,
    alerts: Vec<Uuid>,
    known: Vec<jiff_sqlx::Timestamp>,
    positions: HashMap<(i64, Uuid), usize>,
}

impl Stories {
    fn of<'a>(&self, records: &'a mut Records, place: i64, alert: Uuid) -> Option<&'a mut AlertStory> {
        let position = *self.positions.get(&(place, alert))?;
        records.at(place)?.alerts.get_mut(position)
    }
}

pub(super) async fn load(tx: &mut Tx, asked: &Asked, records: &mut Records) -> Result<()> {
    let stories = alerts(tx, asked, records).await?;
    if stories.alerts.is_empty() {
        return Ok(());
    }
    evidence(tx, &stories, records).await?;
    events(tx, &stories, records).await
}

/// An alert's times of opening and resolution are written once, so they tell what was known at any moment.
async fn alerts(tx: &mut Tx, asked: &Asked, records: &mut Records) -> Result<Stories> {
    let rows = sqlx::query!(
        r#"
        SELECT w.place AS "place!", w.known_at AS "known_at!", a.id, a.rule, a.vital, a.priority, a.opened_at
        FROM unnest($1::bigint[], $2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[])
            AS w(place, patient_id, from_at, to_at, known_at)
        JOIN alert a ON a.patient_id = w.patient_id AND a.opened_at <= w.known_at
        WHERE (a.opened_at < w.to_at AND (a.resolved_at IS NULL OR a.resolved_at >= w.from_at))
           OR EXISTS (SELECT FROM alert_evidence e
                      WHERE e.alert_id = a.id AND e.happened_at >= w.from_at AND e.happened_at < w.to_at
                        AND (e.recorded_at IS NULL OR e.recorded_at <= w.known_at))
           OR EXISTS (SELECT FROM alert_evidence_replaced e
                      WHERE e.alert_id = a.id AND e.happened_at >= w.from_at AND e.happened_at < w.to_at
                        AND (e.recorded_at IS NULL OR e.recorded_at <= w.known_at))
        ORDER BY w.place, a.opened_at, a.id
        "#,
        &asked.places,
        &asked.patients,
        &asked.from as _,
        &asked.to as _,
        &asked.known as _
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut stories = Stories::default();
    for row in rows {
        let Some(record) = records.at(row.place) else { continue };
        stories.places.push(row.place);
        stories.alerts.push(row.id);
        stories.known.push(row.known_at);
        stories.positions.insert((row.place, row.id), record.alerts.len());
        record.alerts.push(AlertStory {
            id: AlertId(row.id),
            rule: RuleId(row.rule),
            vital: vital_of(&row.vital)?,
            priority: priority_of(&row.priority)?,
            opened_at: row.opened_at.to_jiff(),
            evidence: Vec::new(),
            events: Vec::new(),
        });
    }
    Ok(stories)
}

/// Each breach as it was known: an entry that a graver one took the place of later stands here as it was.
async fn evidence(tx: &mut Tx, stories: &Stories, records: &mut Records) -> Result<()> {
    let rows = sqlx::query!(
        r#"
        SELECT DISTINCT ON (w.place, w.alert_id, e.happened_at, e.breach)
               w.place AS "place!", w.alert_id AS "alert_id!", e.evidence AS "evidence!"
        FROM unnest($1::bigint[], $2::uuid[], $3::timestamptz[]) AS w(place, alert_id, known_at)
        CROSS JOIN LATERAL (
            SELECT breach, happened_at, evidence, recorded_at, NULL::bigint AS replaced
            FROM alert_evidence WHERE alert_id = w.alert_id
            UNION ALL
            SELECT breach, happened_at, evidence, recorded_at, id
            FROM alert_evidence_replaced WHERE alert_id = w.alert_id AND replaced_at > w.known_at
        ) e
        WHERE coalesce(e.recorded_at, (e.evidence ->> 'known_at')::timestamptz) <= w.known_at
        ORDER BY w.place, w.alert_id, e.happened_at, e.breach, e.replaced NULLS LAST
        "#,
        &stories.places,
        &stories.alerts,
        &stories.known as _
    )
    .fetch_all(&mut **tx)
    .await?;
    for row in rows {
        let evidence: Evidence = serde_json::from_value(row.evidence).map_err(Error::inconsistent)?;
        if let Some(story) = stories.of(records, row.place, row.alert_id) {
            story.evidence.push(evidence);
        }
    }
    for record in records.each() {
        for story in &mut record.alerts {
            if let Some(highest) = story.evidence.iter().map(|e| e.priority).max() {
                story.priority = highest;
            }
        }
    }
    Ok(())
}

async fn events(tx: &mut Tx, stories: &Stories, records: &mut Records) -> Result<()> {
    let rows = sqlx::query!(
        r#"
        SELECT w.place AS "place!", w.alert_id AS "alert_id!", e.at, e.kind, e.actor, e.detail
        FROM unnest($1::bigint[], $2::uuid[], $3::timestamptz[]) AS w(place, alert_id, known_at)
        JOIN alert_event e ON e.alert_id = w.alert_id AND e.at <= w.known_at
        ORDER BY w.place, w.alert_id, e.id
        "#,
        &stories.places,
        &stories.alerts,
        &stories.known as _
    )
    .fetch_all(&mut **tx)
    .await?;
    for row in rows {
        if let Some(story) = stories.of(records, row.place, row.alert_id) {
            story.events.push(HistoryEntry {
                at: row.at.to_jiff(),
                kind: row.kind,
                actor: row.actor,
                detail: row.detail,
            });
        }
    }
    Ok(())
}
