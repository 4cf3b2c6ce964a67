//! One patient: who they are, what is open, how the values went, which limits apply, and by whose word.

use std::collections::{BTreeSet, HashMap};

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use vigie_charts::{draw, summary};
use vigie_store::Tx;
use vigie_store::alert_work::{self, Alert, Breach, Filter, HistoryEntry};
use vigie_store::patients::{self, Device, Patient, ReadingQuery, StoredReading};
use vigie_store::rules::{self, PauseOnRecord};
use vigie_store::worklist::{Completeness, Flow, flows};
use vigie_store::{staff, stream};
use vigie_vitals::{AlertId, AlertState, PatientId, RuleSpec, RuleVersion, UserId, Vital};

use crate::access::guard::Caller;
use crate::api::extract::{Id, Query};
use crate::app::{App, commit};
use crate::pages::alert_views::{AlertCard, ClosedAlert, card, closed};
use crate::pages::charts::{Sources, chart, display_unit};
use crate::pages::device_views::{kind_word, state_word};
use crate::pages::reports::{OnPage, ReportRow, on_page};
use crate::pages::views::{PersonView, StandingView, When, person, standing, when};
use crate::pages::{Shell, html};
use crate::problem::Problem;
use crate::text::Texts;
use crate::work::OUTCOMES;
use vigie_words::rules::{self as rule_words, Field};
use vigie_words::sentences::zone_of;
use vigie_words::values as words;

/// Periods offered; 14 days is what clinicians look at first.
const DAYS: [i64; 4] = [7, 14, 30, 90];
/// INR is measured weekly: two weeks would show two points.
const INR_DAYS: i64 = 90;
/// Three months of five-minute values.
const READINGS_MAX: i64 = 60_000;
/// Rows of a table under a chart.
const TABLE_ROWS: usize = 200;
const ALERTS_MAX: i64 = 60;

struct ChartView {
    code: &'static str,
    name: String,
    summary: String,
    svg: String,
    days: i64,
    rows: Vec<ReadingRow>,
    cut: bool,
}

struct ReadingRow {
    measured: String,
    value: String,
    received: String,
    late: bool,
    device: String,
    remark: String,
}

struct RuleView {
    rule: String,
    title: String,
    steps: Vec<String>,
    version: i32,
    since: String,
    author: String,
    reason: String,
    history: Vec<VersionRow>,
    fields: Vec<Field>,
    upcoming: Option<String>,
    newest_version: i32,
}

struct VersionRow {
    version: i32,
    steps: String,
    since: String,
    author: String,
    reason: String,
}

struct DeviceRow {
    id: String,
    kind: String,
    held: bool,
    last: Option<When>,
    state: String,
}

struct PauseRow {
    from: String,
    until: String,
    reason: String,
    author: String,
}

struct Choice {
    value: String,
    label: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "patient.html")]
struct PatientPage {
    shell: Shell,
    person: PersonView,
    standing: StandingView,
    last: Option<When>,
    cards: Vec<AlertCard>,
    charts: Vec<ChartView>,
    days: Vec<(i64, bool)>,
    rules: Vec<RuleView>,
    devices: Vec<DeviceRow>,
    pauses: Vec<PauseRow>,
    reports: Vec<ReportRow>,
    past: Vec<ClosedAlert>,
    outcomes: Vec<Choice>,
    colleagues: Vec<Choice>,
    zone: String,
    zone_name: String,
    as_of: String,
}

#[derive(Deserialize)]
pub(crate) struct Period {
    days: Option<i64>,
}

/// Everything on record that the page shows.
struct OnRecord {
    patient: Patient,
    position: i64,
    alerts: Vec<Alert>,
    breaches: HashMap<AlertId, Vec<Breach>>,
    histories: HashMap<AlertId, Vec<HistoryEntry>>,
    readings: Vec<StoredReading>,
    rules: Vec<RuleVersion>,
    devices: Vec<Device>,
    pauses: Vec<PauseOnRecord>,
    flow: Flow,
    colleagues: Vec<(UserId, String)>,
    reports: OnPage,
}

async fn load(tx: &mut Tx, id: PatientId, days: i64, now: Timestamp) -> Result<OnRecord, Problem> {
    let patient = patients::get(tx, id).await?.ok_or_else(Problem::not_found)?;
    let position = stream::position(tx).await?;
    let alerts = alert_work::list(tx, Filter { patient: Some(id), ..Filter::default() }, ALERTS_MAX).await?;
    let open: Vec<AlertId> =
        alerts.iter().filter(|a| a.state != AlertState::Resolved).map(|a| a.id).collect();
    let breaches = alert_work::breaches(tx, &open, 50).await?;
    let mut histories = HashMap::new();
    for alert in &open {
        histories.insert(*alert, alert_work::history(tx, *alert, 100).await?);
    }
    let query = |vital, days: i64| ReadingQuery {
        patient: id,
        vital,
        from: now - SignedDuration::from_hours(24 * days),
        to: now + SignedDuration::from_hours(1),
        as_of: now + SignedDuration::from_hours(1),
        after: None,
        most: READINGS_MAX,
    };
    let mut readings = patients::readings(tx, &query(None, days)).await?;
    if days < INR_DAYS {
        readings.retain(|r| r.reading.vital != Vital::Inr);
        readings.extend(patients::readings(tx, &query(Some(Vital::Inr), INR_DAYS)).await?);
    }
    Ok(OnRecord {
        patient,
        position,
        alerts,
        breaches,
        histories,
        readings,
        rules: rules::of_patient(tx, id).await?,
        devices: patients::devices(tx, id, now).await?,
        pauses: rules::pauses(tx, id, now).await?,
        flow: flows(tx, &[id], now).await?.remove(&id).unwrap_or_default(),
        colleagues: staff::colleagues(tx, id).await?,
        reports: on_page(tx, id).await?,
    })
}

pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Id(id): Id<PatientId>,
    Query(period): Query<Period>,
) -> Result<Response, Problem> {
    let days = period.days.filter(|days| DAYS.contains(days)).unwrap_or(14);
    let mut shell =
        Shell::of(&app, &caller, &headers, "patient.title", &format!("/patients/{id}?days={days}"));
    let (now, t) = (shell.now, shell.t);
    let mut tx = app.begin_reading_as(caller.account.id).await?;
    let record = load(&mut tx, id, days, now).await?;
    caller.audit(&mut tx, &app, "patient.read", Some(id), "").await?;
    commit(tx).await?;
    let zone = zone_of(&record.patient.time_zone);
    let person = person(&record.patient, now, t);
    shell.position = Some(record.position);
    shell.title = format!("{} {}", person.family_name, person.given_name);
    let sources = Sources {
        readings: &record.readings,
        rules: &record.rules,
        alerts: &record.alerts,
        zone: &zone,
        now,
        t,
    };
    let open = record.alerts.iter().filter(|alert| alert.state != AlertState::Resolved);
    let mut open: Vec<&Alert> = open.collect();
    open.sort_by_key(|alert| (std::cmp::Reverse(alert.priority), alert.opened_at));
    let empty = Vec::new();
    let cards: Vec<AlertCard> = open
        .iter()
        .map(|alert| {
            let breaches = record.breaches.get(&alert.id).map_or(&[][..], Vec::as_slice);
            let history = record.histories.get(&alert.id).unwrap_or(&empty);
            card(alert, breaches, history, &zone, now, t)
        })
        .collect();
    let completeness: Completeness = record.flow.completeness(now);
    let page = PatientPage {
        standing: standing(&completeness, cards.len(), &zone, now, t),
        last: record.flow.newest().map(|at| when(at, &zone, now, t)),
        charts: shown_vitals(&record).into_iter().map(|vital| chart_view(vital, days, &sources)).collect(),
        days: DAYS.iter().map(|offered| (*offered, *offered == days)).collect(),
        rules: rule_views(&record, &zone, now, t),
        devices: record.devices.iter().map(|device| device_row(device, &zone, now, t)).collect(),
        pauses: record.pauses.iter().map(|pause| pause_row(pause, &zone, now, t)).collect(),
        reports: record.reports.rows(&zone, now, t),
        past: record
            .alerts
            .iter()
            .filter(|alert| alert.state == AlertState::Resolved)
            .map(|alert| closed(alert, &zone, now, t))
            .collect(),
        outcomes: OUTCOMES
            .iter()
            .map(|code| Choice {
                value: (*code).to_owned(),
                label: t.get(&format!("outcome.{code}")).to_owned(),
                chosen: false,
            })
            .collect(),
        colleagues: record
            .colleagues
            .iter()
            .map(|(id, name)| Choice {
                value: id.to_string(),
                label: name.clone(),
                chosen: *id == caller.account.id,
            })
            .collect(),
        zone: record.patient.time_zone.clone(),
        zone_name: shell.zone_name(&app.settings().time_zone),
        as_of: shell.clock(&app.settings().time_zone),
        cards,
        person,
        shell,
    };
    html(&page)
}

/// What has readings, and what the rules expect although it has none.
fn shown_vitals(record: &OnRecord) -> Vec<Vital> {
    let mut vitals: BTreeSet<Vital> = record.readings.iter().map(|r| r.reading.vital).collect();
    vitals.extend(record.flow.expected.iter().map(|rule| rule.vital));
    if vitals.contains(&Vital::Systolic) {
        vitals.remove(&Vital::Diastolic);
    }
    // Where something is open comes first.
    let open: BTreeSet<Vital> =
        record.alerts.iter().filter(|a| a.state != AlertState::Resolved).map(|a| a.vital).collect();
    let mut vitals: Vec<Vital> = vitals.into_iter().collect();
    vitals.sort_by_key(|vital| (!open.contains(vital), *vital));
    vitals
}

fn chart_view(vital: Vital, days: i64, sources: &Sources<'_>) -> ChartView {
    let days = if vital == Vital::Inr { days.max(INR_DAYS) } else { days };
    let from = sources.now - SignedDuration::from_hours(24 * days);
    let chart = chart(vital, from, sources);
    let of_chart = |r: &&StoredReading| {
        r.reading.vital == vital || (vital == Vital::Systolic && r.reading.vital == Vital::Diastolic)
    };
    let mut rows: Vec<&StoredReading> =
        sources.readings.iter().filter(of_chart).filter(|r| r.reading.measured_at >= from).collect();
    let total = rows.len();
    rows.reverse();
    rows.truncate(TABLE_ROWS);
    ChartView {
        code: vital.code(),
        name: chart.name.clone(),
        summary: summary(&chart),
        svg: draw(&chart),
        days,
        rows: rows.into_iter().map(|stored| reading_row(stored, vital, sources)).collect(),
        cut: total > TABLE_ROWS,
    }
}

fn reading_row(stored: &StoredReading, vital: Vital, sources: &Sources<'_>) -> ReadingRow {
    let (reading, t) = (&stored.reading, sources.t);
    let moment = |at| words::moment(at, sources.zone, sources.now, t);
    let mut remarks = Vec::new();
    if vital == Vital::Systolic {
        remarks.push(t.get(&format!("vital.{}", reading.vital.code())).to_owned());
    }
    if !reading.of_a_person {
        remarks.push(t.get("reading.not_of_a_person").to_owned());
    }
    remarks.extend(stored.flags.iter().map(|flag| {
        let key = format!("flag.{flag}");
        // One that a newer gateway stored and this page does not know.
        match t.get(&key) {
            text if text == key => t.get("reading.verify").to_owned(),
            text => text.to_owned(),
        }
    }));
    let meal = stored.context.as_ref().and_then(|context| context.get("meal")).and_then(|meal| meal.as_str());
    if let Some(meal) = meal {
        let key = format!("meal.{meal}");
        // Unknown contexts are kept as they were sent.
        remarks.push(match t.get(&key) {
            text if text == key => meal.to_owned(),
            text => text.to_owned(),
        });
    }
    ReadingRow {
        measured: moment(reading.measured_at),
        value: words::value(&reading.value, t.0),
        received: moment(reading.received_at),
        late: reading.received_at.duration_since(reading.measured_at) > SignedDuration::from_hours(1),
        device: reading.key.device.to_string(),
        remark: remarks.join(", "),
    }
}

fn rule_views(record: &OnRecord, zone: &jiff::tz::TimeZone, now: Timestamp, t: Texts) -> Vec<RuleView> {
    let moment = |at| words::moment(at, zone, now, t);
    let mut views: Vec<(Vital, RuleView)> = record
        .rules
        .chunk_by(|a, b| a.rule == b.rule)
        .filter_map(|versions| {
            let in_force = rules::in_force(versions, now).first().copied().or_else(|| versions.first())?;
            let unit = display_unit(in_force.spec.vital(), &record.readings);
            let newest = versions.last()?;
            let upcoming = (newest.valid_from > now && newest.version != in_force.version).then(|| {
                t.fill("rule.upcoming", &[("n", &newest.version), ("at", &moment(newest.valid_from))])
            });
            Some((
                in_force.spec.vital(),
                RuleView {
                    rule: in_force.rule.to_string(),
                    title: rule_words::title(&in_force.spec, t),
                    steps: rule_words::steps(&in_force.spec, unit, t),
                    version: in_force.version,
                    since: moment(in_force.valid_from),
                    author: author(in_force, t),
                    reason: reason_words(in_force, t),
                    history: versions
                        .iter()
                        .rev()
                        .filter(|version| version.version != in_force.version)
                        .map(|version| VersionRow {
                            version: version.version,
                            steps: rule_words::steps(&version.spec, unit, t).join(" · "),
                            since: moment(version.valid_from),
                            author: author(version, t),
                            reason: reason_words(version, t),
                        })
                        .collect(),
                    fields: rule_words::fields(&newest.spec, t),
                    upcoming,
                    newest_version: newest.version,
                },
            ))
        })
        .collect();
    let is_silence = |view: &RuleView| {
        record.rules.iter().any(|v| v.rule.as_str() == view.rule && matches!(v.spec, RuleSpec::Silence(_)))
    };
    views.sort_by_key(|(vital, view)| (*vital, is_silence(view)));
    views.into_iter().map(|(_, view)| view).collect()
}

/// What a shipped plan writes as author, in the reader's language.
pub(crate) fn author(version: &RuleVersion, t: Texts) -> String {
    author_words(&version.author, t)
}

pub(crate) fn author_words(author: &str, t: Texts) -> String {
    match author.strip_prefix("care plan ") {
        Some(plan) => t.with("rule.by_plan", "plan", t.get(&format!("plan.{plan}"))),
        None => author.to_owned(),
    }
}

fn reason_words(version: &RuleVersion, t: Texts) -> String {
    if version.author.starts_with("care plan ") {
        t.get("rule.default_reason").to_owned()
    } else {
        version.reason.clone()
    }
}

fn device_row(device: &Device, zone: &jiff::tz::TimeZone, now: Timestamp, t: Texts) -> DeviceRow {
    let mut state: Vec<String> = Vec::new();
    if let Some(said) = &device.state {
        state.push(state_word(said, t));
    }
    if let Some(battery) = device.battery_percent {
        state.push(t.with("device.battery", "n", battery));
    }
    if let Some(until) = device.until {
        state.push(t.with("device.until", "at", words::moment(until, zone, now, t)));
    }
    DeviceRow {
        id: device.id.to_string(),
        kind: kind_word(&device.kind, t),
        held: device.until.is_none_or(|until| until > now),
        last: device.last_reading_at.max(device.status_at).map(|at| when(at, zone, now, t)),
        state: state.join(", "),
    }
}

fn pause_row(pause: &PauseOnRecord, zone: &jiff::tz::TimeZone, now: Timestamp, t: Texts) -> PauseRow {
    PauseRow {
        from: words::moment(pause.pause.from, zone, now, t),
        until: words::moment(pause.pause.until, zone, now, t),
        reason: pause.pause.reason.clone(),
        author: pause.author.clone(),
    }
}
