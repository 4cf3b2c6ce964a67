//! Each report is made once, whoever makes it and whatever dies meanwhile.

use jiff::SignedDuration;
use vigie_store::reports::jobs::{self, Job, JobKind};
use vigie_store::{Database, Role};
use vigie_testkit::{People, TestDatabase, people};

use crate::reports_made::{DUE, FROM, TO, WEEK, add_practice, at, pool};

async fn world() -> (TestDatabase, People, Database) {
    let database = TestDatabase::new().await;
    let people = people(database.url(), at("2026-01-01T00:00:00Z")).await;
    let reports = pool(&database, Role::Reports).await;
    (database, people, reports)
}

async fn schedule(reports: &Database, zone: &str) -> u64 {
    let mut tx = reports.begin().await.unwrap();
    let new = jobs::schedule(&mut tx, zone, WEEK, at(FROM), at(TO), at(DUE), at(DUE)).await.unwrap();
    tx.commit().await.unwrap();
    new
}

async fn claim(reports: &Database, now: &str, most: i64) -> Vec<Job> {
    let mut tx = reports.begin().await.unwrap();
    let claimed = jobs::claim(&mut tx, at(now), most).await.unwrap();
    tx.commit().await.unwrap();
    claimed
}

#[tokio::test]
async fn a_week_is_scheduled_once_for_each_patient_on_a_plan_and_each_practice_that_follows_one() {
    let (database, people, reports) = world().await;
    add_practice(&database, 1, &people.patients).await;
    add_practice(&database, 2, &[]).await;
    // Registered after the week, and without a plan in it: no report.
    for (id, registered, plan_from) in [(1, "2026-11-23", "2026-01-01"), (2, "2026-01-01", "2026-11-23")] {
        database.query(&format!(
            "INSERT INTO patient (id, territory_id, care_team_id, identifier, family_name, given_name, birth_date, sex, created_at)
             SELECT '00000000-0000-0000-0000-00000000000{id}', territory_id, care_team_id, 'X{id}', 'X', 'X', birth_date, sex, '{registered}'
             FROM patient WHERE identifier = 'P-1';
             INSERT INTO care_plan (patient_id, plan, started_at) VALUES ('00000000-0000-0000-0000-00000000000{id}', 'x', '{plan_from}')"
        ));
    }
    let mut tx = reports.begin().await.unwrap();
    assert_eq!(jobs::zones(&mut tx).await.unwrap(), ["Europe/Paris"]);
    drop(tx);
    assert_eq!(schedule(&reports, "Indian/Reunion").await, 0);
    assert_eq!(schedule(&reports, "Europe/Paris").await, 3);
    assert_eq!(schedule(&reports, "Europe/Paris").await, 0);
    assert_eq!(
        database.query("SELECT kind, count(*) FROM report_job GROUP BY 1 ORDER BY 1"),
        ["patient|2", "practice|1"]
    );
}

#[tokio::test]
async fn a_practice_with_patients_in_two_zones_has_one_summary_after_the_later_of_them() {
    let (database, people, reports) = world().await;
    database.query("UPDATE patient SET time_zone = 'America/Martinique' WHERE identifier = 'P-2'");
    add_practice(&database, 1, &people.patients).await;
    schedule(&reports, "Europe/Paris").await;
    let later = at("2026-11-23T10:00:00Z");
    let mut tx = reports.begin().await.unwrap();
    let new = jobs::schedule(
        &mut tx,
        "America/Martinique",
        WEEK,
        at("2026-11-16T04:00:00Z"),
        at("2026-11-23T04:00:00Z"),
        later,
        later,
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(new, 1, "one patient; the practice is on the list already");
    assert_eq!(
        database.query(
            "SELECT due_at AT TIME ZONE 'UTC', known_at = due_at FROM report_job WHERE kind = 'practice'"
        ),
        ["2026-11-23 10:00:00|t"]
    );
}

#[tokio::test]
async fn two_workers_never_claim_the_same_job_and_a_worker_that_dies_leaves_its_own() {
    let (_database, _people, reports) = world().await;
    schedule(&reports, "Europe/Paris").await;
    let now = at("2026-11-23T06:00:00Z");
    let mut first = reports.begin().await.unwrap();
    let mut second = reports.begin().await.unwrap();
    let one = jobs::claim(&mut first, now, 1).await.unwrap();
    let other = jobs::claim(&mut second, now, 5).await.unwrap();
    assert_eq!((one.len(), other.len()), (1, 1));
    assert_ne!(one[0].id, other[0].id);
    assert_eq!(jobs::done(&mut second, &[other[0].id], now).await.unwrap(), 1);
    second.commit().await.unwrap();
    // The first dies: PostgreSQL rolls its transaction back, and the job is free. (Dropped, it would be rolled back a little
    // later.)
    first.rollback().await.unwrap();
    let again = claim(&reports, "2026-11-23T06:00:00Z", 5).await;
    assert_eq!(again, one);
    let mut tx = reports.begin().await.unwrap();
    assert_eq!(
        jobs::done(&mut tx, &[again[0].id, other[0].id], now).await.unwrap(),
        1,
        "one was made already"
    );
    tx.commit().await.unwrap();
    assert_eq!(claim(&reports, "2026-11-23T06:00:00Z", 5).await, []);
}

#[tokio::test]
async fn a_job_waits_until_what_it_tells_of_is_committed() {
    let (_database, _people, reports) = world().await;
    schedule(&reports, "Europe/Paris").await;
    assert_eq!(claim(&reports, "2026-11-23T05:00:29Z", 5).await.len(), 0);
    let claimed = claim(&reports, "2026-11-23T05:00:30Z", 5).await;
    assert_eq!(claimed.len(), 2);
    // Made later it knows no more.
    assert_eq!(claimed[0].known_at, at(DUE));
    assert_eq!(claim(&reports, "2026-12-24T00:00:00Z", 5).await, claimed);
}

#[tokio::test]
async fn a_practice_waits_for_its_patients_but_not_for_ever() {
    let (database, people, reports) = world().await;
    let practice = add_practice(&database, 1, &people.patients).await;
    schedule(&reports, "Europe/Paris").await;
    let patients = claim(&reports, "2026-11-23T06:00:00Z", 5).await;
    assert!(patients.iter().all(|job| matches!(job.kind, JobKind::Patient(_))), "{patients:?}");
    let mut tx = reports.begin().await.unwrap();
    jobs::done(&mut tx, &[patients[0].id], at("2026-11-23T06:00:00Z")).await.unwrap();
    jobs::failed(&mut tx, patients[1].id, "broken", Some(at("2026-11-25T00:00:00Z"))).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(claim(&reports, "2026-11-23T06:00:00Z", 5).await, []);
    let late = claim(&reports, "2026-11-23T17:00:00Z", 5).await;
    assert_eq!(late.iter().map(|job| job.kind).collect::<Vec<_>>(), [JobKind::Practice(practice)]);
    // One that was given up is waited for no longer.
    let mut tx = reports.begin().await.unwrap();
    jobs::failed(&mut tx, patients[1].id, "broken", None).await.unwrap();
    tx.commit().await.unwrap();
    let kinds: Vec<_> = claim(&reports, "2026-11-23T06:00:00Z", 5).await.iter().map(|job| job.kind).collect();
    assert_eq!(kinds, [JobKind::Practice(practice)]);
}

#[tokio::test]
async fn a_job_that_failed_is_tried_again_when_its_time_comes_and_is_seen() {
    let (_database, _people, reports) = world().await;
    schedule(&reports, "Europe/Paris").await;
    let id = claim(&reports, "2026-11-23T06:00:00Z", 1).await[0].id;
    let mut tx = reports.begin().await.unwrap();
    assert!(jobs::failed(&mut tx, id, "no font", Some(at("2026-11-23T06:10:00Z"))).await.unwrap());
    tx.commit().await.unwrap();
    let ids = |jobs: Vec<Job>| jobs.into_iter().map(|job| (job.id == id, job.attempts)).collect::<Vec<_>>();
    assert_eq!(ids(claim(&reports, "2026-11-23T06:09:59Z", 5).await), [(false, 0)]);
    assert_eq!(ids(claim(&reports, "2026-11-23T06:10:00Z", 5).await), [(true, 1), (false, 0)]);
    let mut tx = reports.begin().await.unwrap();
    let failures = jobs::failures(&mut tx, 10).await.unwrap();
    assert_eq!(failures.len(), 1);
    assert_eq!(
        (failures[0].error.as_str(), failures[0].retry_at),
        ("no font", Some(at("2026-11-23T06:10:00Z")))
    );
    assert!(jobs::failed(&mut tx, id, "no font at all", None).await.unwrap());
    let counts = jobs::counts(&mut tx, at("2026-11-23T00:00:00Z")).await.unwrap();
    assert_eq!((counts.due, counts.retrying, counts.done, counts.failed), (1, 0, 0, 1));
    assert_eq!(counts.oldest_due_at, Some(at(DUE)));
    assert_eq!(jobs::failures(&mut tx, 10).await.unwrap()[0].retry_at, None);
    // Somebody has mended it.
    assert!(jobs::retry(&mut tx, id, at("2026-11-24T00:00:00Z")).await.unwrap());
    assert!(!jobs::retry(&mut tx, id, at("2026-11-24T00:00:00Z")).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(ids(claim(&reports, "2026-11-24T00:00:00Z", 5).await), [(true, 2), (false, 0)]);
}

#[tokio::test]
async fn corrections_number_up_and_come_after_the_version_before() {
    let (_database, people, reports) = world().await;
    schedule(&reports, "Europe/Paris").await;
    let patient = people.patients[0];
    for expected in [2, 3] {
        let mut tx = reports.begin().await.unwrap();
        let now = at("2026-11-24T08:00:00Z");
        let version = jobs::request(
            &mut tx,
            patient,
            WEEK,
            at(FROM),
            at(TO),
            now,
            (None, "operator"),
            "a late reading",
        )
        .await
        .unwrap();
        tx.commit().await.unwrap();
        assert_eq!(version, expected);
    }
    let mut versions = Vec::new();
    loop {
        let mut tx = reports.begin().await.unwrap();
        let claimed = jobs::claim(&mut tx, at("2026-11-24T09:00:00Z"), 5).await.unwrap();
        let of_patient: Vec<_> = claimed.iter().filter(|job| job.kind == JobKind::Patient(patient)).collect();
        let [job] = of_patient.as_slice() else { break };
        versions.push((job.version, job.known_at, job.reason.clone()));
        jobs::done(&mut tx, &[job.id], at("2026-11-24T09:00:00Z")).await.unwrap();
        tx.commit().await.unwrap();
    }
    let asked = at("2026-11-24T08:00:00Z");
    let reason = Some("a late reading".to_owned());
    assert_eq!(versions, [(1, at(DUE), None), (2, asked, reason.clone()), (3, asked, reason)]);
}

#[tokio::test]
async fn a_week_that_is_not_over_has_no_report() {
    let (_database, people, reports) = world().await;
    let mut tx = reports.begin().await.unwrap();
    let early = at(TO).checked_sub(SignedDuration::from_secs(1)).unwrap();
    let refused = jobs::request(
        &mut tx,
        people.patients[0],
        WEEK,
        at(FROM),
        at(TO),
        early,
        (None, "operator"),
        "curious",
    )
    .await
    .unwrap_err();
    assert!(refused.is_constraint("report_job_week_is_over"), "{refused:?}");
}

#[tokio::test]
async fn claiming_reads_few_rows_among_many() {
    let (database, people, reports) = world().await;
    let [patient, _] = people.patients;
    // 100,000 made and 10,000 due, all of one patient and other weeks, so that the order per patient is asked as well.
    database.query(&format!(
        "INSERT INTO report_job (kind, patient_id, week, from_at, to_at, due_at, known_at, version, state, done_at, next_attempt_at)
         SELECT 'patient', '{patient}', '2020-W01', '{FROM}', '{TO}', '{DUE}', '{DUE}', n, 'done', '{DUE}', '{DUE}'
         FROM generate_series(1, 100000) n;
         INSERT INTO patient (id, territory_id, care_team_id, identifier, family_name, given_name, birth_date, sex)
         SELECT gen_random_uuid(), territory_id, care_team_id, 'M' || n, 'X', 'X', birth_date, sex
         FROM patient, generate_series(1, 10000) n WHERE identifier = 'P-1';
         INSERT INTO report_job (kind, patient_id, week, from_at, to_at, due_at, known_at, next_attempt_at)
         SELECT 'patient', id, '{WEEK}', '{FROM}', '{TO}', '{DUE}', '{DUE}', '{DUE}' FROM patient WHERE identifier LIKE 'M%'"
    ));
    database.query("ANALYZE report_job");
    let mut tx = reports.begin().await.unwrap();
    assert_eq!(jobs::claim(&mut tx, at("2026-11-23T06:00:00Z"), 16).await.unwrap().len(), 16);
    let read: i64 = sqlx::query_scalar(
        "SELECT (seq_tup_read + idx_tup_fetch)::bigint FROM pg_stat_xact_user_tables WHERE relname = 'report_job'",
    )
    .fetch_one(&mut *tx)
    .await
    .unwrap();
    assert!(read < 1000, "{read} rows read to claim 16");
}
