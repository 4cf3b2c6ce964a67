//! What is counted of a month.

use jiff::civil::date;
use vigie_store::reports::activity::{self, Acts, Whose};
use vigie_store::{Database, Role};
use vigie_testkit::{TestDatabase, people};
use vigie_vitals::Priority;

use crate::reports_made::{at, glucose, pool};

async fn november(pool: &Database, whose: Whose, as_of: &str) -> Vec<activity::Activity> {
    let mut tx = pool.begin().await.unwrap();
    activity::month(&mut tx, date(2026, 11, 20), whose, at(as_of), None, 100).await.unwrap()
}

#[tokio::test]
async fn a_month_is_counted_in_local_days_and_by_what_was_known() {
    let database = TestDatabase::new().await;
    let people = people(database.url(), at("2026-11-11T12:00:00Z")).await;
    let [patient, _] = people.patients;
    let nurse = people.nurses[0];
    // 1 November 00:00 in Paris is 23:00 in UTC the day before: two readings of one local day, then one of the next.
    glucose(&database, patient, 1, "2026-11-12T22:59:00Z", "2026-11-12T23:00:00Z");
    glucose(&database, patient, 2, "2026-11-12T06:00:00Z", "2026-11-12T06:00:01Z");
    glucose(&database, patient, 3, "2026-11-12T23:00:00Z", "2026-11-12T23:00:01Z");
    glucose(&database, patient, 4, "2026-11-30T23:00:00Z", "2026-11-30T23:00:01Z"); // December
    glucose(&database, patient, 5, "2026-11-20T06:00:00Z", "2026-12-02T00:00:00Z"); // came in December
    // Two values of one reading, and a control solution.
    database.query(&format!(
        "INSERT INTO reading VALUES
         ('{patient}', 'systolic', '2026-11-13T06:00:00Z', '2026-11-13T06:00:01Z', 'bp', 1, 1, '2026-11-13T06:00:00Z', 120, NULL, 'mmHg', true),
         ('{patient}', 'diastolic', '2026-11-13T06:00:00Z', '2026-11-13T06:00:01Z', 'bp', 1, 1, '2026-11-13T06:00:00Z', 80, NULL, 'mmHg', true),
         ('{patient}', 'glucose', '2026-11-25T06:00:00Z', '2026-11-25T06:00:01Z', 'dev-1', 1, 8, '2026-11-25T06:00:00Z', 1, NULL, 'g/L', false);
         INSERT INTO pause (patient_id, from_at, until_at, reason, author_id, author, recorded_at)
         VALUES ('{patient}', '2026-11-20T22:00:00Z', '2026-11-22T10:00:00Z', 'x', '{nurse}', 'x', '2026-11-19T00:00:00Z')"
    ));
    // Acknowledged after 60, 120 and 600 seconds; one not at all. The last is resolved by the data.
    for (n, priority, seconds) in
        [(1, "high", Some(60)), (2, "medium", Some(120)), (3, "medium", Some(600)), (4, "technical", None)]
    {
        let id = format!("00000000-0000-0000-0000-0000000007{n:02}");
        database.query(&format!(
            "INSERT INTO alert (id, patient_id, rule, rule_version, vital, priority, state, condition, happened_at, known_at,
                 opened_at, changed_at, worst, resolved_at)
             VALUES ('{id}', '{patient}', 'r{n}', 1, 'glucose', '{priority}', 'resolved', 'ended', now(), now(),
                     '2026-11-15T00:00:00Z', now(), '{{}}', '2026-11-1{n}T12:00:00Z'::timestamptz + interval '5 days');
             INSERT INTO alert_event (alert_id, patient_id, at, kind, actor, detail)
             VALUES ('{id}', '{patient}', '2026-11-15T00:00:00Z', 'opened', 'vigie', '{{\"priority\": \"{priority}\"}}')"
        ));
        if let Some(seconds) = seconds {
            database.query(&format!(
                "INSERT INTO alert_event (alert_id, patient_id, at, kind, actor_id, actor)
                 SELECT '{id}', '{patient}', '2026-11-15T00:00:00Z'::timestamptz + {seconds} * interval '1 second' + later, kind, '{nurse}', 'x'
                 FROM (VALUES ('acknowledged', interval '0'), ('comment', '1 hour'), ('resolved', '2 hours')) v(kind, later)"
            ));
        } else {
            database.query(&format!(
                "INSERT INTO alert_event (alert_id, patient_id, at, kind, actor)
                 VALUES ('{id}', '{patient}', '2026-11-16T00:00:00Z', 'resolved', 'vigie')"
            ));
        }
    }
    let admin = pool(&database, Role::Admin).await;
    let rows = november(&admin, Whose::Everybody, "2026-12-01T12:00:00Z").await;
    assert_eq!(rows.iter().map(|row| row.identifier.as_str()).collect::<Vec<_>>(), ["P-1", "P-2"]);
    let row = &rows[0];
    assert_eq!((row.from, row.to), (at("2026-10-31T23:00:00Z"), at("2026-11-30T23:00:00Z")));
    // From the 11th, the day of registration, to the 30th.
    assert_eq!((row.days_watched, row.days_paused), (20, 3), "the 20th, 21st and 22nd in Paris");
    assert_eq!(row.pauses, [(at("2026-11-20T22:00:00Z"), at("2026-11-22T10:00:00Z"))]);
    assert_eq!((row.days_with_readings, row.readings), (2, 4));
    let alerts: Vec<_> = row.alerts.iter().map(|(priority, n)| (*priority, *n)).collect();
    assert_eq!(alerts, [(Priority::Technical, 1), (Priority::Medium, 2), (Priority::High, 1)]);
    assert_eq!((row.alerts_acknowledged, row.alerts_resolved), (3, 4));
    assert_eq!(row.median_seconds_to_acknowledge, Some(120.0));
    let acts = Acts { acknowledged: 3, resolved: 3, comments: 3, pauses: 1, ..Acts::default() };
    assert_eq!(row.acts, acts);
    assert_eq!((rows[1].readings, rows[1].acts), (0, Acts::default()));

    // As of an earlier moment: the days that had begun, and what was known.
    let then = november(&admin, Whose::Everybody, "2026-11-15T00:05:00Z").await.remove(0);
    assert_eq!((then.days_watched, then.days_paused, then.readings), (5, 0, 4));
    assert_eq!((then.alerts_acknowledged, then.alerts_resolved, then.acts.acknowledged), (2, 0, 2));
    assert_eq!(then.median_seconds_to_acknowledge, Some(90.0));
    // What came in December is of November all the same.
    let later = november(&admin, Whose::Everybody, "2026-12-03T00:00:00Z").await.remove(0);
    assert_eq!((later.days_with_readings, later.readings), (3, 5));
}

#[tokio::test]
async fn the_extract_holds_the_patients_asked_for_page_by_page_and_for_staff_their_own() {
    let database = TestDatabase::new().await;
    let people = people(database.url(), at("2026-01-01T00:00:00Z")).await;
    let admin = pool(&database, Role::Admin).await;
    let now = "2026-12-01T12:00:00Z";
    assert_eq!(november(&admin, Whose::Team(people.teams[1]), now).await[0].patient, people.patients[1]);
    let elsewhere = Whose::Territory(vigie_vitals::TerritoryId(uuid::Uuid::nil()));
    assert_eq!(november(&admin, elsewhere, now).await, []);
    let mut tx = admin.begin().await.unwrap();
    let month = date(2026, 11, 1);
    let first = activity::month(&mut tx, month, Whose::Everybody, at(now), None, 1).await.unwrap();
    let cursor = Some((first[0].identifier.as_str(), first[0].patient));
    let second = activity::month(&mut tx, month, Whose::Everybody, at(now), cursor, 1).await.unwrap();
    assert_eq!([first[0].patient, second[0].patient], people.patients);
    assert_eq!(
        activity::month(&mut tx, date(2025, 12, 1), Whose::Everybody, at(now), None, 9).await.unwrap(),
        []
    );
    // 30 days of a month without a clock change; 31 local days of October, which has one.
    assert_eq!(first[0].days_watched, 30);
    let october =
        activity::month(&mut tx, date(2026, 10, 1), Whose::Everybody, at(now), None, 1).await.unwrap();
    assert_eq!((october[0].days_watched, october[0].plans.len()), (31, first[0].plans.len()));
    let dashboard = pool(&database, Role::Dashboard).await;
    let mut tx = dashboard.begin_as(people.nurses[0]).await.unwrap();
    let own = activity::month(&mut tx, month, Whose::Everybody, at(now), None, 9).await.unwrap();
    assert_eq!(own, first);
}
