//! The worklist: one row per patient with open work, worst first, then the oldest that nobody took.

use std::collections::HashMap;

use jiff::Timestamp;
use vigie_store::Tx;
use vigie_store::alert_work::{self, Alert, Filter};
use vigie_store::patients::{self, Patient};
use vigie_store::worklist::{Flow, flows};
use vigie_vitals::{AlertState, PatientId, Priority};

use crate::problem::Problem;

/// Where a patient stands on the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Bucket {
    /// Open and urgent.
    Now,
    /// Open, can wait until it is reviewed.
    Review,
    /// Open, about the measurement chain: silence.
    Technical,
    /// Somebody is on all of it.
    Acknowledged,
}

impl Bucket {
    pub(crate) const ALL: [Self; 4] = [Self::Now, Self::Review, Self::Technical, Self::Acknowledged];

    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::Review => "review",
            Self::Technical => "technical",
            Self::Acknowledged => "acknowledged",
        }
    }

    fn of(alert: &Alert) -> Self {
        match (alert.state, alert.priority) {
            (AlertState::Open, Priority::High | Priority::Medium) => Self::Now,
            (AlertState::Open, Priority::Low) => Self::Review,
            (AlertState::Open, Priority::Technical) => Self::Technical,
            (AlertState::Acknowledged | AlertState::Resolved, _) => Self::Acknowledged,
        }
    }
}

/// One patient with open work.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) patient: Patient,
    /// All unresolved alerts, the one that puts the patient here first.
    pub(crate) alerts: Vec<Alert>,
    pub(crate) bucket: Bucket,
    pub(crate) flow: Flow,
}

impl Row {
    /// The alert that puts the patient here. A row is only ever made with one.
    pub(crate) fn worst(&self) -> Option<&Alert> {
        self.alerts.first()
    }

    /// Sorts rows as text, for a page that puts a new row in its place.
    pub(crate) fn rank(&self) -> String {
        self.worst()
            .map(|alert| {
                let (bucket, priority, opened_at) = order(alert);
                format!("{}-{}-{:020}", bucket as u8, 9 - priority.0 as u8, opened_at.as_microsecond().max(0))
            })
            .unwrap_or_default()
    }
}

/// Sorts from greatest urgency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MostUrgentFirst(Priority);

impl PartialOrd for MostUrgentFirst {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for MostUrgentFirst {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.0.cmp(&self.0)
    }
}

fn order(alert: &Alert) -> (Bucket, MostUrgentFirst, Timestamp) {
    (Bucket::of(alert), MostUrgentFirst(alert.priority), alert.opened_at)
}

/// More alerts than this nobody works through; the page says when it was reached.
const ALERTS_MAX: i64 = 5_000;

/// The rows of all patients whom the acting member of staff may see, or of one.
pub(crate) async fn load(tx: &mut Tx, only: Option<PatientId>, now: Timestamp) -> Result<Vec<Row>, Problem> {
    let filter = Filter { unresolved: true, patient: only, ..Filter::default() };
    let mut by_patient: HashMap<PatientId, Vec<Alert>> = HashMap::new();
    for alert in alert_work::list(tx, filter, ALERTS_MAX).await? {
        by_patient.entry(alert.patient).or_default().push(alert);
    }
    let ids: Vec<PatientId> = by_patient.keys().copied().collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let patients = patients::list(tx, None, None, Some(&ids), ALERTS_MAX).await?;
    let mut flows = flows(tx, &ids, now).await?;
    let mut rows: Vec<Row> = patients
        .into_iter()
        .filter_map(|patient| {
            let mut alerts = by_patient.remove(&patient.id)?;
            alerts.sort_by_key(order);
            let bucket = Bucket::of(alerts.first()?);
            let flow = flows.remove(&patient.id).unwrap_or_default();
            Some(Row { patient, alerts, bucket, flow })
        })
        .collect();
    rows.sort_by_key(|row| (row.worst().map(order), row.patient.id));
    Ok(rows)
}
