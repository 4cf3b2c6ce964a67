//! A backlog of three days from thousands of devices at once, while others publish as always: do the others wait, and is
//! the backlog judged right?

use std::time::Duration;

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;
use vigie_device_sim::{LoadConfig, LoadDevice, LoadReport, LoadVital, MeasuredAt, Stop};
use vigie_service::Clock;
use vigie_vitals::plans::CarePlan;

use super::acks::Acked;
use super::figures::{Budget, summary};
use super::live::{Live, Running, judged, pubacks, published};
use super::options::Options;
use super::say;
use super::sight::sights;
use super::verdict::{self, Sent};
use super::watcher::{self, Seen};
use crate::stand::{Group, Profile, Stand, patient_id};

/// The name of the phase.
pub(super) const NAME: &str = "backlog";

/// Devices that come back: meters, and scales, whose rules look at windows of days.
const METERS: usize = 1_800;
const SCALES: usize = 200;
/// Each was away for three days and measured all the same.
const READINGS_EACH: usize = 100;
const STEP: SignedDuration = SignedDuration::from_mins(43);
const AWAY: SignedDuration = SignedDuration::from_hours(72);
/// Readings per publish of the backlog: a device sends all its publishes at once.
const BATCH: usize = 50;
/// So many-th readings of the backlog are abnormal; the last one is not.
const BACKLOG_ABNORMAL: u64 = 30;
/// Each weight after an abnormal one is a loss of weight: few of them.
const SCALES_ABNORMAL: u64 = 90;

/// Devices that were never away: each publishes every two and a half seconds.
const LIVE: usize = 500;
const LIVE_PER_SECOND: f64 = 200.0;
const LIVE_ABNORMAL: u64 = 7;
/// Live readings alone, to log in and to be compared with.
const WARM_UP: Duration = Duration::from_secs(4);
const CALM: Duration = Duration::from_secs(6);
const LONGEST: Duration = Duration::from_secs(300);

/// Patients of devices that were away, in SQL.
const LATE: &str = "p.identifier LIKE 'late-%' OR p.identifier LIKE 'scale-%'";

/// The devices of the phase.
struct Fleet {
    meters: Vec<LoadDevice>,
    scales: Vec<LoadDevice>,
    live: Vec<LoadDevice>,
}

/// When what happened, in microseconds since 1970.
struct Course {
    calm: i64,
    backlog: i64,
    acknowledged: i64,
    judged: i64,
}

/// Publishes both, follows, and compares with what must follow.
pub(super) async fn run(options: &Options) -> Result<Vec<Budget>> {
    if !options.chosen(NAME) {
        return Ok(Vec::new());
    }
    let stand = Stand::start(Profile::Release, &[("max_wal_size", "4GB")]).await?;
    let clock = Clock::system();
    let now = || clock.now().as_microsecond();
    let fleet = fleet(&stand, clock.now()).await?;
    let (live, watcher) = Live::start(&stand).await?;
    let steady = LoadConfig {
        abnormal_every: Some(LIVE_ABNORMAL),
        ..live.steady("acknowledged-live", &fleet.live, LIVE_PER_SECOND, LONGEST)
    };
    let steady = Running::start(steady)?;
    tokio::time::sleep(WARM_UP).await;
    let calm = now();
    tokio::time::sleep(CALM).await;
    let backlog = now();
    let first = clock.now() - AWAY;
    let meters = backlog_of(&live, "acknowledged-meters", &fleet.meters, first, BACKLOG_ABNORMAL);
    let scales = backlog_of(&live, "acknowledged-scales", &fleet.scales, first, SCALES_ABNORMAL);
    let (meters, scales) = (Running::start(meters)?, Running::start(scales)?);
    let ((meters_report, meters), (scales_report, scales)) = tokio::try_join!(meters.end(), scales.end())?;
    let acknowledged = now();
    judged(&stand, LATE).await?;
    let enough: &CancellationToken = &steady.enough;
    enough.cancel();
    let (live_report, steady) = steady.end().await?;
    judged(&stand, "true").await?;
    let seen = watcher.finish(&stand).await?;
    live.stop().await?;

    let late = [&meters[..], &scales[..]].concat();
    let judged = last_event_of(&late, &seen)?;
    let course = Course { calm, backlog, acknowledged, judged };
    let mut budgets = starvation(&course, &live_report, &steady, &seen);
    say(&format!(
        "  backlog: {} readings of {} devices in publishes of {BATCH}, PUBACK after {}",
        meters_report.readings + scales_report.readings,
        METERS + SCALES,
        slower(&meters_report, &scales_report).latency,
    ));
    let sent = |acked, vital, abnormal_every, was_silent| Sent { acked, vital, abnormal_every, was_silent };
    let sent = [
        sent(meters, LoadVital::Glucose, BACKLOG_ABNORMAL, true),
        sent(scales, LoadVital::Weight, SCALES_ABNORMAL, true),
        sent(steady, LoadVital::Glucose, LIVE_ABNORMAL, false),
    ];
    budgets.push(rightness(&stand, &sent, &seen)?);
    Ok(budgets)
}

async fn fleet(stand: &Stand, now: Timestamp) -> Result<Fleet> {
    let (long_ago, recently) = (now - SignedDuration::from_hours(96), now - SignedDuration::from_hours(2));
    let group = |name, count, plan, vital, since| Group { name, count, plan, vital, since };
    let (glucose, weight) = (LoadVital::Glucose, LoadVital::Weight);
    Ok(Fleet {
        meters: stand.add(group("late", METERS, CarePlan::Diabetes, glucose, long_ago)).await?,
        scales: stand.add(group("scale", SCALES, CarePlan::HeartFailure, weight, long_ago)).await?,
        live: stand.add(group("live", LIVE, CarePlan::Diabetes, glucose, recently)).await?,
    })
}

/// Everything that these devices kept, at once.
fn backlog_of(
    live: &Live<'_>,
    name: &str,
    devices: &[LoadDevice],
    first: Timestamp,
    abnormal_every: u64,
) -> LoadConfig {
    let publishes = READINGS_EACH / BATCH;
    LoadConfig {
        readings_per_publish: BATCH,
        in_flight: publishes,
        stop: Stop::EachAfter(publishes as u64),
        measured_at: MeasuredAt::From(first, STEP),
        abnormal_every: Some(abnormal_every),
        ..live.config(name, devices)
    }
}

/// When the nurse saw the last of what a judgement of these devices' patients changed.
fn last_event_of(late: &[Acked], seen: &[Seen]) -> Result<i64> {
    let patients: std::collections::BTreeSet<String> =
        late.iter().map(|reading| patient_id(&reading.device).to_string()).collect();
    let theirs = seen.iter().filter(|event| patients.contains(&event.patient)).map(|event| event.at);
    theirs.max().context("the stream told nothing of the backlog")
}

fn slower<'a>(one: &'a LoadReport, other: &'a LoadReport) -> &'a LoadReport {
    if one.latency.max >= other.latency.max { one } else { other }
}

/// What the backlog did to those who were never away.
fn starvation(course: &Course, report: &LoadReport, steady: &[Acked], seen: &[Seen]) -> Vec<Budget> {
    let sights = sights(&published(steady), &watcher::readings(seen));
    let (from, until) = (course.backlog, course.judged);
    let mut calm = (pubacks(steady, course.calm, from), sights.between(course.calm, from));
    let mut then = (pubacks(steady, from, until), sights.between(from, until));
    let seconds = |micros: i64| micros as f64 / 1e6;
    say(&format!(
        "\n{NAME}: acknowledged after {:.1} s, judged and told after {:.1} s; {} live readings of {LIVE} devices, {} of them meanwhile\n  \
         live, calm before     PUBACK {}\n                        event  {}\n  \
         live, meanwhile       PUBACK {}\n                        event  {}\n  \
         {} live readings without an event, {} patients with fewer events than readings",
        seconds(course.acknowledged - from),
        seconds(until - from),
        report.readings,
        then.0.len(),
        summary(&mut calm.0),
        summary(&mut calm.1),
        summary(&mut then.0),
        summary(&mut then.1),
        sights.missing,
        sights.shared,
    ));
    vec![
        Budget::p99_below("live PUBACK while the backlog drains, p99", "below 500 ms", &mut then.0, 500),
        Budget::p99_below("live event while the backlog drains, p99", "below 500 ms", &mut then.1, 500),
        Budget::none("live readings that the event stream never told", sights.missing),
    ]
}

/// Is everything on record what must follow from what was sent?
fn rightness(stand: &Stand, sent: &[Sent], seen: &[Seen]) -> Result<Budget> {
    let opened = seen.iter().filter(|event| event.kind == "alert_opened");
    let told: Vec<String> = opened.filter_map(|event| event.alert.clone()).collect();
    let verdict = verdict::compare(stand, sent, &told)?;
    say(&format!(
        "  judged right: {} readings, {} alerts with {} readings as evidence, {} differences",
        verdict.readings,
        verdict.alerts,
        verdict.breaches,
        verdict.differences.len(),
    ));
    for difference in verdict.differences.iter().take(10) {
        say(&format!("    {}", difference.chars().take(400).collect::<String>()));
    }
    Ok(Budget::none("alerts and readings that differ from the reference", verdict.differences.len()))
}
