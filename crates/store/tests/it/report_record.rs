//! The record of a week tells what was known at a moment, and tells the same for ever.

use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;
use vigie_store::alert_record::write_change;
use vigie_store::reports::documents::insert;
use vigie_store::reports::record::{self, ARRIVED_SINCE_MOST, Wanted, WeekRecord};
use vigie_store::rules::{add_pause, of_patient};
use vigie_store::setup::{NewRuleVersion, add_rule_version};
use vigie_store::{Database, Role, alert_work, devices};
use vigie_testkit::{People, TestDatabase, people};
use vigie_vitals::{
    AlertChange, AlertId, Condition, DeviceId, Evidence, Pause, Priority, ReadingKey, RuleId, Threshold,
    Unit, UserId, Value, Vital,
};

use crate::reports_made::{DUE, FROM, TO, at, glucose, pool, report};

async fn world() -> (TestDatabase, People, Database) {
    world_of(TestDatabase::new().await).await
}

async fn world_of(database: TestDatabase) -> (TestDatabase, People, Database) {
    let people = people(database.url(), at("2026-10-01T00:00:00Z")).await;
    let reports = pool(&database, Role::Reports).await;
    (database, people, reports)
}

fn wanted(people: &People, patient: usize, known_at: &str) -> Wanted {
    Wanted {
        patient: people.patients[patient],
        from: at(FROM),
        to: at(TO),
        known_at: at(known_at),
        since: vec![(Vital::Glucose, at("2026-11-08T23:00:00Z"))],
    }
}

async fn load(reports: &Database, wanted: &[Wanted]) -> Vec<WeekRecord> {
    let mut tx = reports.begin().await.unwrap();
    record::load(&mut tx, wanted).await.unwrap()
}

fn sequences(readings: &[vigie_store::patients::StoredReading]) -> Vec<i64> {
    readings.iter().map(|stored| stored.reading.key.sequence).collect()
}

fn evidence(happened_at: &str, sequence: i64, priority: Priority) -> Evidence {
    Evidence {
        reading: Some(ReadingKey { device: DeviceId("dev-1".into()), epoch: 1, sequence }),
        vital: Vital::Glucose,
        value: Some(Value::exact("0.60".parse().unwrap(), Unit::parse("g/L").unwrap())),
        reference: None,
        happened_at: at(happened_at),
        known_at: at(happened_at),
        rule_version: 1,
        priority,
        threshold: Threshold {
            value: "0.70".parse().unwrap(),
            unit: Some(Unit::parse("g/L").unwrap()),
            window_hours: None,
            inclusive: false,
        },
    }
}

/// Writes as the judging worker does.
async fn judge(database: &TestDatabase, people: &People, change: AlertChange, now: &str) {
    let alerts = pool(database, Role::Alerts).await;
    let mut tx = alerts.begin().await.unwrap();
    let id = AlertId(Uuid::from_u128(7000));
    write_change(&mut tx, people.patients[0], &change, id, at(now)).await.unwrap();
    tx.commit().await.unwrap();
}

fn open(evidence: Evidence) -> AlertChange {
    let priority = evidence.priority;
    AlertChange::Open {
        rule: RuleId("glucose_low".into()),
        evidence: vec![evidence],
        priority,
        condition: Condition::Active,
    }
}

fn append(evidence: Evidence) -> AlertChange {
    let priority = evidence.priority;
    AlertChange::Append {
        alert: AlertId(Uuid::from_u128(7000)),
        evidence: vec![evidence],
        priority,
        reopened: false,
    }
}

/// What a nurse and a physician do after `known_at`.
async fn work(database: &TestDatabase, people: &People, now: &str) {
    let dashboard = pool(database, Role::Dashboard).await;
    let mut tx = dashboard.begin_as(people.nurses[0]).await.unwrap();
    let alert = alert_work::get(&mut tx, AlertId(Uuid::from_u128(7000))).await.unwrap().unwrap();
    let actor = alert_work::Actor { id: people.nurses[0], name: "The nurse 1", at: at(now) };
    alert_work::acknowledge(&mut tx, &alert, actor).await.unwrap();
    alert_work::comment(&mut tx, &alert, "called", actor).await.unwrap();
    let pause = Pause {
        from: at("2026-11-18T00:00:00Z"),
        until: at("2026-11-19T00:00:00Z"),
        reason: "hospital".into(),
        recorded_at: at(now),
    };
    add_pause(&mut tx, people.patients[0], &pause, (people.nurses[0], "The nurse 1")).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = dashboard.begin_as(people.physicians[0]).await.unwrap();
    prescribe(&mut tx, people, people.physicians[0], now).await;
    tx.commit().await.unwrap();
    let mut tx = dashboard.begin_as(people.nurses[0]).await.unwrap();
    alert_work::resolve(&mut tx, &alert, "treated", "", actor).await.unwrap();
    tx.commit().await.unwrap();
}

async fn prescribe(tx: &mut vigie_store::Tx, people: &People, physician: UserId, now: &str) {
    let patient = people.patients[0];
    let spec = of_patient(tx, patient).await.unwrap()[0].clone();
    let version = NewRuleVersion {
        rule: spec.rule,
        spec: spec.spec,
        valid_from: at("2026-11-18T00:00:00Z"),
        recorded_at: at(now),
        author_id: Some(physician),
        author: "The physician 1".into(),
        reason: "other limits".into(),
    };
    add_rule_version(tx, patient, &version, false).await.unwrap();
}

#[tokio::test]
async fn a_reading_received_later_is_absent_now_and_tomorrow() {
    for database in [TestDatabase::new().await, TestDatabase::native().await] {
        let (database, people, reports) = world_of(database).await;
        let patient = people.patients[0];
        glucose(&database, patient, 1, "2026-11-09T07:00:00Z", "2026-11-09T07:00:01Z");
        glucose(&database, patient, 2, "2026-11-16T07:00:00Z", "2026-11-16T07:00:01Z");
        // Received at the very moment, and one microsecond after it.
        glucose(&database, patient, 3, "2026-11-17T07:00:00Z", DUE);
        glucose(&database, patient, 4, "2026-11-17T08:00:00Z", "2026-11-23T05:00:00.000001Z");
        // Outside: before what is wanted, and at the end of the week.
        glucose(&database, patient, 5, "2026-11-08T22:59:59Z", "2026-11-08T23:00:00Z");
        glucose(&database, patient, 6, TO, TO);
        let then = load(&reports, &[wanted(&people, 0, DUE)]).await;
        assert_eq!(sequences(&then[0].readings), [1, 2, 3]);
        glucose(&database, patient, 7, "2026-11-17T09:00:00Z", "2026-11-25T05:00:00Z");
        assert_eq!(load(&reports, &[wanted(&people, 0, DUE)]).await, then);
        let later = load(&reports, &[wanted(&people, 0, "2026-11-26T00:00:00Z")]).await;
        assert_eq!(sequences(&later[0].readings), [1, 2, 3, 4, 7]);
    }
}

#[tokio::test]
async fn the_same_question_has_the_same_answer_after_everything_that_came_later() {
    let (database, people, reports) = world().await;
    let patient = people.patients[0];
    for (sequence, day) in (1..).zip(14..20) {
        glucose(
            &database,
            patient,
            sequence,
            &format!("2026-11-{day}T07:00:00Z"),
            &format!("2026-11-{day}T07:00:01Z"),
        );
    }
    judge(
        &database,
        &people,
        open(evidence("2026-11-17T07:00:00Z", 4, Priority::Medium)),
        "2026-11-17T07:00:02Z",
    )
    .await;
    judge(
        &database,
        &people,
        append(evidence("2026-11-18T07:00:00Z", 5, Priority::Medium)),
        "2026-11-18T07:00:02Z",
    )
    .await;
    let asked = [wanted(&people, 0, DUE), wanted(&people, 1, DUE)];
    let then = load(&reports, &asked).await;
    assert_eq!(then[0].alerts.len(), 1);

    // A late reading, a graver entry of a breach on record, a new breach, people's work, a resolution, a later week's report,
    // bytes that were refused, the device handed on, the plan ended.
    glucose(&database, patient, 9, "2026-11-17T09:00:00Z", "2026-11-25T05:00:00Z");
    glucose(&database, patient, 10, "2026-11-10T09:00:00Z", "2026-11-25T05:00:00Z");
    let graver = append(evidence("2026-11-18T07:00:00Z", 5, Priority::High));
    judge(&database, &people, graver, "2026-11-25T05:00:01Z").await;
    let more = append(evidence("2026-11-17T09:00:00Z", 9, Priority::High));
    judge(&database, &people, more, "2026-11-25T05:00:01Z").await;
    work(&database, &people, "2026-11-25T06:00:00Z").await;
    database.query(
        "INSERT INTO quarantine (device_id, received_at, topic, payload, payload_sha256, epoch, sequence, code, reason)
         VALUES ('dev-1', '2026-11-25T05:00:00Z', 't', '', '', 1, 7, 'broken', 'x');
         UPDATE care_plan SET ended_at = '2026-11-25T00:00:00Z'",
    );
    let mut tx = reports.begin().await.unwrap();
    insert(&mut tx, &[report(1, patient, 1, DUE), report(2, patient, 2, "2026-11-26T00:00:00Z")])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let admin = pool(&database, Role::Admin).await;
    let mut tx = admin.begin().await.unwrap();
    devices::assign(&mut tx, &people.devices[0], people.patients[1], at("2026-11-24T00:00:00Z"))
        .await
        .unwrap();
    tx.commit().await.unwrap();

    assert_eq!(load(&reports, &asked).await, then);
    // All of it is in the record of a later moment.
    let later = load(&reports, &[wanted(&people, 0, "2026-11-27T00:00:00Z")]).await.remove(0);
    assert_eq!(later.readings.len(), then[0].readings.len() + 2);
    assert_eq!(later.rules.len(), then[0].rules.len() + 1);
    assert_eq!((then[0].pauses.len(), later.pauses.len()), (0, 1));
    let (before, after) = (&then[0].alerts[0], &later.alerts[0]);
    assert_eq!((before.priority, before.evidence.len(), before.events.len()), (Priority::Medium, 2, 2));
    assert_eq!((after.priority, after.evidence.len()), (Priority::High, 3));
    let kinds: Vec<_> = after.events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["opened", "evidence", "evidence", "evidence", "acknowledged", "comment", "resolved"]);
    assert_eq!(
        (&after.events[4].actor, &after.events[6].detail["outcome"]),
        (&"The nurse 1".into(), &json!("treated"))
    );
}

#[tokio::test]
async fn an_alert_is_told_in_the_weeks_that_it_touches() {
    let (database, people, reports) = world().await;
    judge(
        &database,
        &people,
        open(evidence("2026-11-17T07:00:00Z", 4, Priority::Medium)),
        "2026-11-17T07:00:02Z",
    )
    .await;
    let week = |from: &str, to: &str| Wanted {
        from: at(from),
        to: at(to),
        known_at: at("2026-12-10T00:00:00Z"),
        ..wanted(&people, 0, DUE)
    };
    let weeks = [
        week("2026-11-08T23:00:00Z", FROM),
        week(FROM, TO),
        week(TO, "2026-11-29T23:00:00Z"),
        week("2026-11-29T23:00:00Z", "2026-12-06T23:00:00Z"),
    ];
    let told =
        |records: Vec<WeekRecord>| records.iter().map(|record| record.alerts.len()).collect::<Vec<_>>();
    assert_eq!(told(load(&reports, &weeks).await), [0, 1, 1, 1], "nobody has resolved it");
    work(&database, &people, "2026-11-25T06:00:00Z").await;
    assert_eq!(told(load(&reports, &weeks).await), [0, 1, 1, 0]);
    // A reading of the first week comes late: its breach is told with that week.
    let late = AlertChange::Open {
        rule: RuleId("glucose_low".into()),
        evidence: vec![evidence("2026-11-10T07:00:00Z", 1, Priority::Low)],
        priority: Priority::Low,
        condition: Condition::Ended,
    };
    let alerts = pool(&database, Role::Alerts).await;
    let mut tx = alerts.begin().await.unwrap();
    let id = AlertId(Uuid::from_u128(7001));
    write_change(&mut tx, people.patients[0], &late, id, at("2026-12-08T00:00:00Z")).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(told(load(&reports, &weeks).await), [1, 1, 1, 0]);
}

#[tokio::test]
async fn what_came_after_the_report_before_is_listed_once() {
    let (database, people, reports) = world().await;
    let patient = people.patients[0];
    let before = ("2026-11-08T23:00:00Z", FROM);
    let mut earlier = report(1, patient, 1, "2026-11-16T05:00:00Z");
    (earlier.week, earlier.from, earlier.to) = ("2026-W46".into(), at(before.0), at(before.1));
    let mut corrected = earlier.clone();
    corrected.id = vigie_store::reports::ReportId(Uuid::from_u128(2));
    (corrected.version, corrected.known_at) = (2, at("2026-11-17T05:00:00Z"));
    let mut tx = reports.begin().await.unwrap();
    insert(&mut tx, &[earlier, corrected]).await.unwrap();
    tx.commit().await.unwrap();
    for (sequence, measured, received) in [
        (1, "2026-11-15T07:00:00Z", "2026-11-16T04:00:00Z"), // known to version 1
        (2, "2026-11-15T07:05:00Z", "2026-11-17T05:00:00Z"), // known to version 2
        (3, "2026-11-15T07:10:00Z", "2026-11-17T05:00:00.000001Z"),
        (4, "2026-11-10T07:00:00Z", DUE),
        (5, "2026-11-10T07:05:00Z", "2026-11-23T05:00:00.000001Z"), // for the next report
        (6, "2026-11-16T07:00:00Z", "2026-11-18T07:00:00Z"),        // of this week
        (7, "2026-09-16T23:00:00Z", "2026-11-20T00:00:00Z"),        // 60 days before the week
        (8, "2026-09-16T22:59:59Z", "2026-11-20T00:00:00Z"),
    ] {
        glucose(&database, patient, sequence, measured, received);
    }
    let record = load(&reports, &[wanted(&people, 0, DUE)]).await.remove(0);
    let found = record.earlier.clone().unwrap();
    assert_eq!(
        (found.week.as_str(), found.version, found.known_at),
        ("2026-W46", 2, at("2026-11-17T05:00:00Z"))
    );
    assert_eq!(sequences(&record.arrived_since), [7, 4, 3]);
    assert_eq!(record.arrived_since_left_out, 0);
    // What version 2 knew did not exist for who knew less than it.
    let soon = load(&reports, &[wanted(&people, 0, "2026-11-17T05:00:00Z")]).await.remove(0);
    assert_eq!(soon.earlier.unwrap().version, 1);
    assert_eq!(sequences(&soon.arrived_since), [2]);
}

#[tokio::test]
async fn a_report_made_at_the_very_end_of_its_week_misses_nothing_that_was_under_way() {
    let (database, people, reports) = world().await;
    let patient = people.patients[0];
    let mut earlier = report(1, patient, 1, "2026-11-15T23:00:00Z");
    (earlier.week, earlier.from, earlier.to) = ("2026-W46".into(), at("2026-11-08T23:00:00Z"), at(FROM));
    let mut tx = reports.begin().await.unwrap();
    insert(&mut tx, &[earlier]).await.unwrap();
    tx.commit().await.unwrap();
    // Not late by an hour, yet unknown to the report before.
    glucose(&database, patient, 1, "2026-11-15T22:59:59Z", "2026-11-15T23:00:01Z");
    glucose(&database, patient, 2, "2026-11-15T22:00:01Z", "2026-11-15T23:00:01Z");
    glucose(&database, patient, 3, "2026-11-15T21:59:59Z", "2026-11-15T23:00:01Z");
    glucose(&database, patient, 4, "2026-11-15T22:59:59Z", "2026-11-15T23:00:00Z");
    let record = load(&reports, &[wanted(&people, 0, DUE)]).await.remove(0);
    assert_eq!(sequences(&record.arrived_since), [3, 2, 1]);
}

#[tokio::test]
async fn of_very_many_late_readings_the_newest_are_listed_and_the_others_counted() {
    let (database, people, reports) = world().await;
    let patient = people.patients[0];
    let mut earlier = report(1, patient, 1, "2026-11-16T05:00:00Z");
    (earlier.week, earlier.from, earlier.to) = ("2026-W46".into(), at("2026-11-08T23:00:00Z"), at(FROM));
    let mut tx = reports.begin().await.unwrap();
    insert(&mut tx, &[earlier]).await.unwrap();
    tx.commit().await.unwrap();
    database.query(&format!(
        "INSERT INTO reading SELECT '{patient}', 'glucose', t, '2026-11-20', 'dev-1', 1, n, t, 1.1, NULL, 'g/L', true
         FROM (SELECT n, timestamptz '2026-11-08 23:00Z' + n * interval '1 minute' AS t FROM generate_series(1, 2005) n) s"
    ));
    let record = load(&reports, &[wanted(&people, 0, DUE)]).await.remove(0);
    assert_eq!(record.arrived_since.len(), usize::try_from(ARRIVED_SINCE_MOST).unwrap());
    assert_eq!(record.arrived_since_left_out, 5);
    assert_eq!(record.arrived_since[0].reading.key.sequence, 6);
}

#[tokio::test]
async fn numbers_that_never_came_are_counted_from_what_had_come_by_then() {
    let (database, people, reports) = world().await;
    let patient = people.patients[0];
    for (sequence, measured, received) in [
        (10, "2026-11-16T07:00:00Z", "2026-11-16T07:00:01Z"),
        (12, "2026-11-17T07:00:00Z", "2026-11-17T07:00:01Z"),
        (13, "2026-11-14T07:00:00Z", "2026-11-17T07:00:01Z"), // of the week before, but it came
        (16, "2026-11-18T07:00:00Z", "2026-11-18T07:00:01Z"),
        (15, "2026-11-18T06:00:00Z", "2026-11-24T07:00:01Z"), // came after the report
    ] {
        glucose(&database, patient, sequence, measured, received);
    }
    let quarantined = |sequence: i64, received: &str, code: &str| {
        database.query(&format!(
            "INSERT INTO quarantine (device_id, received_at, topic, payload, payload_sha256, epoch, sequence, code, reason)
             VALUES ('dev-1', '{received}', 't', '', sha256('{code}'), 1, {sequence}, '{code}', 'x')"
        ));
    };
    // 11, 14 and 15 are missing when the report is made; 14 came as something that could not be taken.
    quarantined(14, "2026-11-18T07:00:01Z", "future");
    quarantined(14, "2026-11-19T07:00:01Z", "unit");
    quarantined(14, "2026-11-24T07:00:01Z", "late");
    let record = load(&reports, &[wanted(&people, 0, DUE)]).await.remove(0);
    assert_eq!(record.never_arrived, 2);
    let counts: Vec<_> = record.quarantine.iter().map(|q| (q.code.as_str(), q.count, q.last_at)).collect();
    assert_eq!(counts, [("future", 1, at("2026-11-18T07:00:01Z")), ("unit", 1, at("2026-11-19T07:00:01Z"))]);
    let later = load(&reports, &[wanted(&people, 0, "2026-11-25T00:00:00Z")]).await.remove(0);
    assert_eq!(later.never_arrived, 1);
    // A clinician who sees the patient gets the same record: the bytes are for technicians, the counts are not.
    let dashboard = pool(&database, Role::Dashboard).await;
    let mut tx = dashboard.begin_as(people.nurses[0]).await.unwrap();
    assert_eq!(record::load(&mut tx, &[wanted(&people, 0, DUE)]).await.unwrap(), [record]);
}

#[tokio::test]
async fn a_clinician_loads_their_own_patients_and_nobody_else() {
    let (_database, people, reports) = world().await;
    let asked = [wanted(&people, 1, DUE), wanted(&people, 0, DUE)];
    let all = load(&reports, &asked).await;
    assert_eq!(
        all.iter().map(|r| r.patient.id).collect::<Vec<_>>(),
        [people.patients[1], people.patients[0]]
    );
    let dashboard = pool(&_database, Role::Dashboard).await;
    let mut tx = dashboard.begin_as(people.nurses[0]).await.unwrap();
    assert_eq!(record::load(&mut tx, &asked).await.unwrap(), all[1..]);
    assert_eq!(record::load(&mut tx, &[]).await.unwrap(), []);
}

#[tokio::test]
async fn plans_and_devices_are_those_of_the_week() {
    let (database, people, reports) = world().await;
    let admin = pool(&database, Role::Admin).await;
    let mut tx = admin.begin().await.unwrap();
    let swapped: Timestamp = at("2026-11-18T10:00:00Z");
    devices::assign(&mut tx, &people.devices[0], people.patients[1], swapped).await.unwrap();
    tx.commit().await.unwrap();
    let records = load(&reports, &[wanted(&people, 0, DUE), wanted(&people, 1, DUE)]).await;
    let held = |record: &WeekRecord| -> Vec<_> {
        record.devices.iter().map(|d| (d.id.as_str().to_owned(), d.from, d.until)).collect()
    };
    let since = Some(at("2026-10-01T00:00:00Z"));
    assert_eq!(held(&records[0]), [("dev-1".to_owned(), since, Some(swapped))]);
    assert_eq!(
        held(&records[1]),
        [("dev-2".to_owned(), since, None), ("dev-1".to_owned(), Some(swapped), None)]
    );
    assert_eq!(records[0].plans.len(), vigie_vitals::plans::CarePlan::ALL.len());
    // A plan that is entered later with a start in the past was not known.
    database.query(&format!(
        "INSERT INTO care_plan (patient_id, plan, started_at, recorded_at) VALUES ('{}', 'x', '{FROM}', '2026-11-24')",
        people.patients[0]
    ));
    assert_eq!(load(&reports, &[wanted(&people, 0, DUE)]).await[0].plans, records[0].plans);
}
