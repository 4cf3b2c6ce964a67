//! The activity and accounting extract: per patient and calendar month what French law asks of remote monitoring, as CSV.
//!
//! The columns are described in `docs/activity-extract.md`. Figures, not amounts: what is paid for them is decided by the
//! tariff in force, which changes more often than software should.

use jiff::Timestamp;
use jiff::civil::Date;
use vigie_store::reports::activity::{self, Activity, Whose};
use vigie_store::{Result, Tx};
use vigie_vitals::Priority;

/// Patients read in one statement.
const PAGE: i64 = 1_000;

/// Reads `2026-11`.
pub fn parse_month(text: &str) -> Option<Date> {
    if text.len() != 7 {
        return None;
    }
    format!("{text}-01").parse().ok()
}

/// A month's activity of everybody whom one may see, as known at `as_of`.
pub async fn rows(tx: &mut Tx, month: Date, whose: Whose, as_of: Timestamp) -> Result<Vec<Activity>> {
    let mut all: Vec<Activity> = Vec::new();
    loop {
        let after = all.last().map(|last| (last.identifier.clone(), last.patient));
        let after = after.as_ref().map(|(identifier, patient)| (identifier.as_str(), *patient));
        let page = activity::month(tx, month, whose, as_of, after, PAGE).await?;
        let full = i64::try_from(page.len()).is_ok_and(|n| n >= PAGE);
        all.extend(page);
        if !full {
            return Ok(all);
        }
    }
}

const COLUMNS: [&str; 29] = [
    "month",
    "patient_id",
    "patient_identifier",
    "care_team",
    "care_plans",
    "lpp_codes",
    "plan_periods",
    "days_watched",
    "days_paused",
    "pause_periods",
    "days_transmitted",
    "readings",
    "effective_use_percent",
    "alerts_high",
    "alerts_medium",
    "alerts_low",
    "alerts_technical",
    "alerts_acknowledged",
    "alerts_resolved",
    "median_minutes_to_acknowledge",
    "acts",
    "acts_acknowledged",
    "acts_resolved",
    "acts_commented",
    "acts_assigned",
    "acts_prescribed",
    "acts_paused",
    "acts_report_opened",
    "time_zone",
];

/// RFC 4180 with a header line. Lists within a field are separated by `;`, periods written as ISO 8601 intervals.
pub fn csv(rows: &[Activity]) -> String {
    let mut text = line(COLUMNS.map(str::to_owned));
    for row in rows {
        text.push_str(&line(fields(row)));
    }
    text
}

fn fields(row: &Activity) -> [String; 29] {
    let plans: Vec<&str> = row.plans.iter().map(|plan| plan.plan.as_str()).collect();
    let codes: Vec<&str> = plans.iter().filter_map(|plan| lpp_code(plan)).collect();
    let periods: Vec<String> =
        row.plans.iter().map(|plan| interval(plan.started_at, plan.ended_at)).collect();
    let pauses: Vec<String> = row.pauses.iter().map(|(from, until)| interval(*from, Some(*until))).collect();
    let alerts = |priority| row.alerts.get(&priority).copied().unwrap_or(0).to_string();
    let acts = &row.acts;
    let all = acts.acknowledged
        + acts.resolved
        + acts.comments
        + acts.assigned
        + acts.rule_versions
        + acts.pauses
        + acts.reports_opened;
    let local = jiff::tz::TimeZone::get(&row.time_zone).unwrap_or(jiff::tz::TimeZone::UTC);
    let month = local.to_datetime(row.from).date();
    [
        format!("{:04}-{:02}", month.year(), month.month()),
        row.patient.to_string(),
        row.identifier.clone(),
        row.care_team.clone(),
        plans.join(";"),
        codes.join(";"),
        periods.join(";"),
        row.days_watched.to_string(),
        row.days_paused.to_string(),
        pauses.join(";"),
        row.days_with_readings.to_string(),
        row.readings.to_string(),
        effective_use(row).map(|percent| format!("{percent:.1}")).unwrap_or_default(),
        alerts(Priority::High),
        alerts(Priority::Medium),
        alerts(Priority::Low),
        alerts(Priority::Technical),
        row.alerts_acknowledged.to_string(),
        row.alerts_resolved.to_string(),
        row.median_seconds_to_acknowledge.map(|s| format!("{:.1}", s / 60.0)).unwrap_or_default(),
        all.to_string(),
        acts.acknowledged.to_string(),
        acts.resolved.to_string(),
        acts.comments.to_string(),
        acts.assigned.to_string(),
        acts.rule_versions.to_string(),
        acts.pauses.to_string(),
        acts.reports_opened.to_string(),
        row.time_zone.clone(),
    ]
}

/// Days with a transmission out of the days on which one could be expected; nothing where none was.
fn effective_use(row: &Activity) -> Option<f64> {
    let expected = row.days_watched - row.days_paused;
    (expected > 0).then(|| (row.days_with_readings as f64 * 100.0 / expected as f64).min(100.0))
}

/// The line of the list of refundable products that the care plan belongs to \[LPP\]; anticoagulation has none of its own.
fn lpp_code(plan: &str) -> Option<&'static str> {
    match plan {
        "diabetes" | "diabetes_cgm" => Some("1654962"),
        "heart_failure" => Some("1612544"),
        _ => None,
    }
}

fn interval(from: Timestamp, until: Option<Timestamp>) -> String {
    format!("{from}/{}", until.map_or_else(|| "..".to_owned(), |until| until.to_string()))
}

fn line<const N: usize>(fields: [String; N]) -> String {
    let mut text = fields.map(|field| quoted(&field)).join(",");
    text.push_str("\r\n");
    text
}

/// Quoted where it must be; a field that a spreadsheet would take for a formula is made text.
fn quoted(field: &str) -> String {
    let text = match field.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') => format!("'{field}"),
        _ => field.to_owned(),
    };
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use vigie_store::reports::activity::Acts;
    use vigie_store::reports::record::PlanOnRecord;
    use vigie_vitals::PatientId;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn row() -> Activity {
        Activity {
            patient: PatientId(uuid::Uuid::nil()),
            identifier: "=A1,\"x\"".into(),
            care_team: "Strasbourg Nord".into(),
            time_zone: "Europe/Paris".into(),
            from: at("2026-10-31T23:00:00Z"),
            to: at("2026-11-30T23:00:00Z"),
            plans: vec![PlanOnRecord {
                plan: "heart_failure".into(),
                started_at: at("2026-06-01T00:00:00Z"),
                ended_at: None,
            }],
            days_watched: 24,
            days_paused: 4,
            pauses: vec![(at("2026-11-03T08:00:00Z"), at("2026-11-06T08:00:00Z"))],
            days_with_readings: 18,
            readings: 51,
            alerts: BTreeMap::from([(Priority::Medium, 2), (Priority::Technical, 1)]),
            alerts_acknowledged: 2,
            alerts_resolved: 1,
            median_seconds_to_acknowledge: Some(1_350.0),
            acts: Acts { acknowledged: 2, resolved: 1, comments: 1, ..Acts::default() },
        }
    }

    #[test]
    fn a_line_says_what_the_month_was_and_no_field_is_a_formula() {
        let text = csv(&[row()]);
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(lines[0].split(',').count(), COLUMNS.len());
        assert_eq!(
            lines[1],
            "2026-11,00000000-0000-0000-0000-000000000000,\"'=A1,\"\"x\"\"\",Strasbourg Nord,heart_failure,1612544,\
             2026-06-01T00:00:00Z/..,24,4,2026-11-03T08:00:00Z/2026-11-06T08:00:00Z,18,51,90.0,0,2,0,1,2,1,22.5,4,2,1,1,0,0,0,0,\
             Europe/Paris"
        );
    }

    #[test]
    fn a_month_spent_in_a_pause_has_no_share_of_use() {
        let away = Activity { days_watched: 10, days_paused: 10, days_with_readings: 0, ..row() };
        assert_eq!(effective_use(&away), None);
    }

    #[test]
    fn months_are_read_as_they_are_written() {
        assert_eq!(parse_month("2026-11"), Some(jiff::civil::date(2026, 11, 1)));
        for wrong in ["2026-13", "2026-1", "11-2026", "2026-11-01", ""] {
            assert_eq!(parse_month(wrong), None, "{wrong}");
        }
    }
}
