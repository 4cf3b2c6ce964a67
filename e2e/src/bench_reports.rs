//! How fast weekly reports are made: a mix of patients with weeks of readings, the real `vigie serve --roles reports`, a
//! `kill -9` somewhere in the middle, and psql to count that each patient has the report exactly once.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use jiff::{SignedDuration, Timestamp};
use vigie_device_sim::LoadVital;
use vigie_service::{Clock, ids};
use vigie_vitals::plans::CarePlan;

use crate::stand::{Group, Profile, Service, Stand, lasting_port};

/// Who is followed, in percent of the patients: as in a region with more meters than sensors.
const MIX: [(&str, CarePlan, LoadVital, usize); 4] = [
    ("capillary", CarePlan::Diabetes, LoadVital::Glucose, 40),
    ("sensor", CarePlan::DiabetesCgm, LoadVital::Glucose, 25),
    ("heart", CarePlan::HeartFailure, LoadVital::Weight, 20),
    ("inr", CarePlan::OralAnticoagulation, LoadVital::Weight, 15),
];

/// Days of readings before now; anticoagulated patients have half a year.
const DAYS: i64 = 30;
const INR_DAYS: i64 = 190;

/// What can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Options {
    /// Patients.
    patients: usize,
    /// Kill the process once on the way.
    kill: bool,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self { patients: 10_000, kill: true };
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            match name.as_str() {
                "--patients" => {
                    options.patients = rest.next().context("--patients needs a number")?.parse()?;
                    ensure!(options.patients >= 20, "--patients: at least 20, for the mix");
                }
                "--no-kill" => options.kill = false,
                _ => bail!("{name:?} is no option; there are --patients N and --no-kill"),
            }
        }
        Ok(options)
    }
}

/// Measures and prints.
pub async fn run(arguments: Vec<String>) -> Result<()> {
    let options = Options::parse(&arguments)?;
    say("building vigie as it is delivered, making a PostgreSQL ...");
    let stand = Stand::start(
        Profile::Release,
        &[("max_wal_size", "4GB"), ("checkpoint_timeout", "30min"), ("shared_buffers", "512MB")],
    )
    .await?;
    let now = Clock::system().now();
    fill(&stand, options.patients, now).await?;
    let outcome = make(&stand, options).await?;
    check(&stand, options.patients)?;
    say(&format!(
        "\n{} reports in {:.1} s of making: {:.1} reports/s (budget 20) on {} processors, each with PDF and HTML, {} each",
        outcome.reports,
        outcome.seconds,
        outcome.reports as f64 / outcome.seconds,
        std::thread::available_parallelism()?,
        kilobytes(
            stand.number("SELECT avg(length(bytes))::bigint FROM report_document WHERE format = 'pdf'")?
        ),
    ));
    say(&format!(
        "memory of vigie: {} MiB after the first tenth, {} MiB at the end{}",
        outcome.memory_early / 1_024,
        outcome.memory_late / 1_024,
        if options.kill { "; killed once on the way, each report there exactly once" } else { "" },
    ));
    Ok(())
}

/// Patients and their readings, received when they were measured.
async fn fill(stand: &Stand, patients: usize, now: Timestamp) -> Result<()> {
    for (name, plan, vital, percent) in MIX {
        let days = if plan == CarePlan::OralAnticoagulation { INR_DAYS } else { DAYS };
        let since = now - SignedDuration::from_hours(24 * days);
        let count = patients * percent / 100;
        say(&format!("{count} patients: {} ...", plan.code()));
        stand.add(Group { name, count, plan, vital, since }).await?;
        for statement in readings(name, since, now) {
            stand.psql(&["-c", &statement])?;
        }
    }
    stand.psql(&["-c", "ANALYZE"])?;
    let rows = stand.number("SELECT count(*) FROM reading")?;
    say(&format!("{rows} values"));
    Ok(())
}

/// SQL that makes the readings of a group: values that wander, each person at their own level, the same every time.
fn readings(group: &str, since: Timestamp, now: Timestamp) -> Vec<String> {
    let series = |vital: &str, unit: &str, every: &str, offset: i32, value: &str, keep: &str| {
        format!(
            "INSERT INTO reading (patient_id, vital, measured_at, received_at, device_id, epoch, sequence, device_measured_at, \
                                  value, comparator, unit, of_a_person, context, flags)
             SELECT a.patient_id, '{vital}', t, t + interval '20 seconds', a.device_id, 1, n * 4 + {offset}, t, \
                    round(({value})::numeric, {digits}), NULL, '{unit}', true, NULL, NULL
             FROM device_assignment a
             CROSS JOIN LATERAL (SELECT ('x' || substr(md5(a.device_id), 1, 6))::bit(24)::int AS person) p
             CROSS JOIN LATERAL
                 (SELECT t + make_interval(secs => person % 600) AS t, row_number() OVER (ORDER BY t) AS n
                  FROM generate_series('{since}'::timestamptz, '{now}'::timestamptz, interval '{every}') t) s
             WHERE a.device_id LIKE '{group}-%' AND t < '{now}'::timestamptz AND {keep}",
            digits = if vital == "weight" || vital == "inr" { 1 } else { 0 },
        )
    };
    // Some values in a hundred are missing, so that gaps are computed with as well.
    let keep = "(n * 7919 + person) % 100 >= 6";
    match group {
        "capillary" => vec![series(
            "glucose",
            "mg/dL",
            "6 hours",
            0,
            "125 + person % 40 + 55 * sin(n * 1.7) + (n * 31 + person) % 37 - 18",
            keep,
        )],
        "sensor" => vec![series(
            "glucose_interstitial",
            "mg/dL",
            "15 minutes",
            0,
            "120 + person % 45 + 45 * sin(n / 9.0) + 20 * sin(n / 2.3) + (n * 31 + person) % 11 - 5",
            keep,
        )],
        "heart" => vec![
            series("weight", "kg", "24 hours", 0, "60 + person % 40 + 0.9 * sin(n / 4.0)", keep),
            series("systolic", "mm[Hg]", "12 hours", 1, "118 + person % 30 + 9 * sin(n * 1.3)", keep),
            series("diastolic", "mm[Hg]", "12 hours", 1, "70 + person % 15 + 6 * sin(n * 1.3)", keep),
            series("pulse", "/min", "12 hours", 1, "66 + person % 20 + 5 * sin(n * 0.7)", keep),
        ],
        _ => vec![series("inr", "{INR}", "7 days", 0, "2.5 + 0.9 * sin(n * 1.1 + person)", "true")],
    }
}

struct Outcome {
    reports: i64,
    /// Without the time between the kill and the first report after it.
    seconds: f64,
    /// Resident, KiB.
    memory_early: u64,
    memory_late: u64,
}

const LOOK: Duration = Duration::from_millis(500);
/// The whole may take so long; then something hangs.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// Lets the service make what is due and watches from outside.
async fn make(stand: &Stand, options: Options) -> Result<Outcome> {
    let mut service = start(stand).await?;
    // Somewhere between a third and two thirds; another place in every run, told so that it can be talked about.
    let [random] = ids::random_bytes::<1>();
    let kill_at = 34 + i64::from(random) % 33;
    let mut killed = !options.kill;
    let began = Instant::now();
    let (mut first, mut first_done, mut lost) = (None, 0, Duration::ZERO);
    let mut early = 0;
    let mut tick = tokio::time::interval(LOOK);
    loop {
        tick.tick().await;
        ensure!(began.elapsed() < PATIENCE, "not done after {PATIENCE:?}: {:#?}", service.lines());
        let due = stand.number("SELECT count(*) FROM report_job WHERE kind = 'patient' AND state = 'due'")?;
        let done =
            stand.number("SELECT count(*) FROM report_job WHERE kind = 'patient' AND state = 'done'")?;
        if done == 0 {
            continue;
        }
        let since = *first.get_or_insert_with(|| {
            first_done = done;
            Instant::now()
        });
        let percent = done * 100 / (done + due);
        let seconds = since.elapsed().saturating_sub(lost).as_secs_f64();
        let memory = service.pid().and_then(resident).unwrap_or(0);
        if percent >= 10 && early == 0 {
            early = memory;
        }
        progress(&format!(
            "{done} of {} made, {:.1} a second, {} MiB",
            done + due,
            (done - first_done) as f64 / seconds.max(0.001),
            memory / 1_024
        ));
        if !killed && percent >= kill_at {
            killed = true;
            let down = Instant::now();
            service.kill().await?;
            say(&format!("\nkill -9 at {percent} %"));
            service = start(stand).await?;
            while stand.number("SELECT count(*) FROM report_job WHERE kind = 'patient' AND state = 'done'")?
                <= done
            {
                tick.tick().await;
            }
            lost = down.elapsed();
            continue;
        }
        if due == 0 {
            let outcome =
                Outcome { reports: done - first_done, seconds, memory_early: early, memory_late: memory };
            service.stop().await?;
            return Ok(outcome);
        }
    }
}

async fn start(stand: &Stand) -> Result<Service> {
    let mut service =
        stand.serve_with("reports", lasting_port()?, &stand.url(), &[("VIGIE_REPORTS_WEEKS_BACK", "1")])?;
    service.ready().await?;
    Ok(service)
}

/// Each patient and week once, each with its documents; nothing failed.
fn check(stand: &Stand, patients: usize) -> Result<()> {
    let number = |sql: &str| stand.number(sql);
    let twice =
        number("SELECT count(*) FROM (SELECT FROM report GROUP BY patient_id, week HAVING count(*) > 1) t")?;
    let failed = number("SELECT count(*) FROM report_job WHERE state = 'failed'")?;
    let bare = number(
        "SELECT count(*) FROM report r WHERE (SELECT count(*) FROM report_document d WHERE d.report_id = r.id) < 2",
    )?;
    let without = number(
        "SELECT count(*) FROM report_job j WHERE kind = 'patient' AND NOT EXISTS \
         (SELECT FROM report r WHERE r.patient_id = j.patient_id AND r.week = j.week AND r.version = j.version)",
    )?;
    let covered = number("SELECT count(DISTINCT patient_id) FROM report")?;
    ensure!(
        (twice, failed, bare, without) == (0, 0, 0, 0) && covered == i64::try_from(patients)?,
        "{twice} twice, {failed} failed, {bare} without documents, {without} jobs without a report, {covered} patients"
    );
    Ok(())
}

/// Resident memory of a process, KiB.
fn resident(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn kilobytes(bytes: i64) -> String {
    format!("{:.0} kB of PDF", bytes as f64 / 1_000.0)
}

#[expect(clippy::print_stdout, reason = "the bench's answer")]
fn say(text: &str) {
    println!("{text}");
}

/// One line that is written over; on its own lines where nobody looks at a terminal.
#[expect(clippy::print_stdout, reason = "the bench's answer")]
fn progress(text: &str) {
    use std::io::IsTerminal;
    if std::io::stdout().is_terminal() {
        print!("\r{text}   ");
        drop(std::io::stdout().flush());
    } else {
        println!("{text}");
    }
}
