//! Reports are seen by who may see the patient; a practice's summary by who may see everybody in it.

use vigie_store::reports::documents::{self, Format};
use vigie_store::reports::{ReportId, What, deliveries, jobs};
use vigie_store::{Error, Role};
use vigie_testkit::{People, TestDatabase, people};
use vigie_vitals::UserId;

use crate::reports_made::{DUE, FROM, TO, WEEK, add_practice, at, pool, practice_report, store};

const TABLES: [&str; 10] = [
    "practice",
    "practice_patient",
    "report_job",
    "report",
    "report_document",
    "practice_report",
    "practice_report_document",
    "report_delivery",
    "report_delivery_event",
    "report_opening",
];

/// Both patients have a report; practice 1 follows both, practice 2 the first and practice 3 the second, each with a
/// summary. Everything is on its way and was opened.
async fn world() -> (TestDatabase, People) {
    let database = TestDatabase::new().await;
    let people = people(database.url(), at("2026-01-01T00:00:00Z")).await;
    let both = add_practice(&database, 1, &people.patients).await;
    let mut practices = vec![];
    for (n, patient) in [(2, 0), (3, 1)] {
        practices.push(add_practice(&database, n, &people.patients[patient..=patient]).await);
    }
    let reports = pool(&database, Role::Reports).await;
    let mut tx = reports.begin().await.unwrap();
    jobs::schedule(&mut tx, "Europe/Paris", WEEK, at(FROM), at(TO), at(DUE), at(DUE)).await.unwrap();
    store(&mut tx, &people.patients, both).await;
    for (id, (practice, patient)) in (201..).zip(practices.iter().zip(people.patients)) {
        documents::insert_practice(&mut tx, &practice_report(id, *practice, &[patient])).await.unwrap();
    }
    let id = uuid::Uuid::from_u128;
    let all = [
        What::Report(ReportId(id(100))),
        What::Report(ReportId(id(101))),
        What::Practice(vigie_store::reports::PracticeReportId(id(200))),
        What::Practice(vigie_store::reports::PracticeReportId(id(201))),
        What::Practice(vigie_store::reports::PracticeReportId(id(202))),
    ];
    deliveries::create_for(&mut tx, &all, at(DUE), "vigie.invalid").await.unwrap();
    tx.commit().await.unwrap();
    database.query(&format!(
        "INSERT INTO report_opening (report_id, patient_id, at, staff_id, staff_name, format, language)
         SELECT r.id, r.patient_id, now(), '{}', 'x', 'pdf', 'fr' FROM report r",
        people.nurses[0]
    ));
    (database, people)
}

/// With psql as the dashboard's role: no code of ours decides.
fn sees(database: &TestDatabase, staff: UserId, what: &str) -> Vec<String> {
    database.query(&format!(
        "BEGIN; SET LOCAL ROLE vigie_dashboard; SET LOCAL vigie.staff_id = '{staff}'; {what}; COMMIT"
    ))
}

#[tokio::test]
async fn a_nurse_sees_nothing_of_another_team_in_any_table_of_reports() {
    let (database, people) = world().await;
    for (team, nurse) in people.nurses.iter().enumerate() {
        let (own, other) = (people.patients[team], people.patients[1 - team]);
        for table in ["practice_patient", "report_job", "report", "report_document", "report_opening"] {
            let what = format!("SELECT string_agg(DISTINCT patient_id::text, ',') FROM {table}");
            assert_eq!(sees(&database, *nurse, &what), [own.to_string()], "{table}");
        }
        let what = "SELECT name FROM practice ORDER BY 1";
        assert_eq!(
            sees(&database, *nurse, what),
            ["Practice 1".to_owned(), format!("Practice {}", team + 2)]
        );
        // Her own summary, and not the one in which somebody of the other team is named.
        let own_summary = format!("{{{own}}}");
        assert_eq!(sees(&database, *nurse, "SELECT patients FROM practice_report"), [own_summary]);
        let what =
            "SELECT practice_report_id = (SELECT id FROM practice_report) FROM practice_report_document";
        assert_eq!(sees(&database, *nurse, what), ["t"]);
        // Two mails about her patient (to practice 1 and to the other one) and that one's summary.
        let what = "SELECT count(*), count(*) FILTER (WHERE patient_id IS NULL) FROM report_delivery";
        assert_eq!(sees(&database, *nurse, what), ["3|1"]);
        let what = format!("SELECT count(*) FROM report_delivery WHERE patient_id = '{other}'");
        assert_eq!(sees(&database, *nurse, &what), ["0"]);
        let what = "SELECT count(*), count(*) FILTER (WHERE delivery_id IN (SELECT id FROM report_delivery))
                    FROM report_delivery_event";
        assert_eq!(sees(&database, *nurse, what), ["3|3"]);
    }
}

#[tokio::test]
async fn a_summary_is_seen_by_who_may_see_everybody_in_it() {
    let (database, people) = world().await;
    let nurse = people.nurses[0];
    let count = "SELECT count(*) FROM practice_report";
    assert_eq!(sees(&database, nurse, count), ["1"]);
    database.query(&format!(
        "INSERT INTO care_team_member (staff_id, care_team_id) VALUES ('{nurse}', '{}')",
        people.teams[1]
    ));
    assert_eq!(sees(&database, nurse, count), ["3"]);
    database.query(&format!("UPDATE staff SET disabled_at = now() WHERE id = '{nurse}'"));
    assert_eq!(sees(&database, nurse, count), ["0"]);
}

#[tokio::test]
async fn technicians_and_administrators_see_no_report() {
    let (database, people) = world().await;
    for role in ["technician", "administrator"] {
        database.query(&format!("UPDATE staff SET role = '{role}' WHERE id = '{}'", people.nurses[0]));
        for table in TABLES {
            let what = format!("SELECT count(*) FROM {table}");
            assert_eq!(sees(&database, people.nurses[0], &what), ["0"], "{role} {table}");
        }
    }
}

#[tokio::test]
async fn without_a_member_of_staff_nothing_of_a_report_is_seen() {
    let (database, _people) = world().await;
    for table in TABLES {
        let seen = database.value(&format!(
            "SET ROLE vigie_dashboard;
             DO $$ BEGIN
                 PERFORM set_config('test.seen', (SELECT count(*)::text FROM {table}), false);
             EXCEPTION WHEN OTHERS THEN
                 PERFORM set_config('test.seen', 'refused', false);
             END $$;
             SELECT current_setting('test.seen')"
        ));
        assert_eq!(seen, "refused", "{table}");
    }
}

#[tokio::test]
async fn a_correction_is_asked_for_by_who_treats_the_patient_and_in_their_own_name() {
    let (database, people) = world().await;
    let dashboard = pool(&database, Role::Dashboard).await;
    let ask = async |acting: UserId, named: UserId, patient| {
        let mut tx = dashboard.begin_as(acting).await.unwrap();
        let who = (Some(named), "somebody");
        jobs::request(&mut tx, patient, WEEK, at(FROM), at(TO), at(DUE), who, "late reading").await
    };
    let [nurse, other] = people.nurses;
    let [own, foreign] = people.patients;
    assert_eq!(ask(nurse, nurse, own).await.unwrap(), 2);
    let refused =
        |outcome: Result<i32, Error>| matches!(outcome, Err(Error::Refused { code, .. }) if code == "42501");
    assert!(refused(ask(nurse, nurse, foreign).await), "not her patient");
    assert!(refused(ask(nurse, other, own).await), "in another's name");
    database.query(&format!("UPDATE staff SET role = 'technician' WHERE id = '{nurse}'"));
    assert!(refused(ask(nurse, nurse, own).await), "not a clinician");
}

#[tokio::test]
async fn nobody_at_a_page_changes_what_became_of_a_delivery() {
    let (database, people) = world().await;
    for statement in [
        "UPDATE report_delivery SET state = 'waiting'",
        "DELETE FROM report_delivery",
        "UPDATE report_job SET state = 'done'",
        "INSERT INTO report SELECT * FROM report",
        "INSERT INTO practice SELECT * FROM practice",
    ] {
        let outcome = database.value(&format!(
            "SET ROLE vigie_dashboard;
             DO $$ BEGIN
                 PERFORM set_config('vigie.staff_id', '{}', true);
                 {statement};
                 PERFORM set_config('test.outcome', 'written', false);
             EXCEPTION WHEN insufficient_privilege THEN
                 PERFORM set_config('test.outcome', 'refused', false);
             END $$;
             SELECT current_setting('test.outcome')",
            people.nurses[0]
        ));
        assert_eq!(outcome, "refused", "{statement}");
    }
}

#[tokio::test]
async fn reports_and_their_histories_are_only_ever_added_to() {
    let (database, _people) = world().await;
    for table in [
        "report",
        "report_document",
        "practice_report",
        "practice_report_document",
        "report_delivery_event",
        "report_opening",
    ] {
        let column = database.value(&format!(
            "SELECT column_name FROM information_schema.columns WHERE table_name = '{table}' ORDER BY ordinal_position LIMIT 1"
        ));
        for statement in [format!("UPDATE {table} SET {column} = DEFAULT"), format!("DELETE FROM {table}")] {
            let outcome = database.value(&format!(
                "DO $$ BEGIN
                     {statement};
                     PERFORM set_config('test.outcome', 'done', false);
                 EXCEPTION WHEN restrict_violation THEN
                     PERFORM set_config('test.outcome', 'refused', false);
                 END $$;
                 SELECT current_setting('test.outcome')"
            ));
            assert_eq!(outcome, "refused", "{statement}");
        }
    }
    assert_eq!(database.value("SELECT count(*) FROM report_delivery"), "7");
}

#[tokio::test]
async fn a_report_is_read_back_as_it_was_made_and_each_version_exists_once() {
    let (database, people) = world().await;
    let dashboard = pool(&database, Role::Dashboard).await;
    let [nurse, _] = people.nurses;
    let [own, foreign] = people.patients;
    let mut tx = dashboard.begin_as(nurse).await.unwrap();
    let found = documents::find(&mut tx, own, WEEK, None).await.unwrap().unwrap();
    // Not as jsonb would write it.
    assert_eq!(found.content, r#"{"b": 1, "a":2}"#);
    assert_eq!((found.version, found.content_sha256, found.known_at), (1, [9; 32], at(DUE)));
    let lines: Vec<_> = found.documents.iter().map(|d| (d.language.as_str(), d.format, d.size)).collect();
    assert_eq!(lines, [("fr", Format::Html, 7), ("fr", Format::Pdf, 6)]);
    let pdf = documents::document(&mut tx, found.id, "fr", Format::Pdf).await.unwrap().unwrap();
    assert_eq!(pdf.bytes, b"fr pdf");
    assert_eq!(documents::find(&mut tx, own, WEEK, Some(2)).await.unwrap(), None);
    assert_eq!(documents::find(&mut tx, foreign, WEEK, None).await.unwrap(), None);
    assert_eq!(documents::list(&mut tx, own, 10).await.unwrap()[0].content, "", "lists carry no content");
    // Opening it is noted under one's own name, and not for what one may not see.
    let what = What::Report(found.id);
    assert!(
        documents::opened(&mut tx, what, nurse, "The nurse 1", Format::Pdf, "fr", at(DUE)).await.unwrap()
    );
    let theirs = What::Report(ReportId(uuid::Uuid::from_u128(101)));
    assert!(
        !documents::opened(&mut tx, theirs, nurse, "The nurse 1", Format::Pdf, "fr", at(DUE)).await.unwrap()
    );
    assert_eq!(documents::openings(&mut tx, own, 10).await.unwrap().len(), 2);
    drop(tx);
    let reports = pool(&database, Role::Reports).await;
    let mut tx = reports.begin().await.unwrap();
    let twin = crate::reports_made::report(555, own, 1, DUE);
    let refused = documents::insert(&mut tx, &[twin]).await.unwrap_err();
    assert!(refused.is_constraint("report_patient_id_week_version_key"), "{refused:?}");
}

#[tokio::test]
async fn a_summary_is_made_from_the_newest_versions_that_it_may_know() {
    let (database, people) = world().await;
    let reports = pool(&database, Role::Reports).await;
    let [one, two] = people.patients;
    let mut tx = reports.begin().await.unwrap();
    let later = crate::reports_made::report(300, one, 2, "2026-11-24T00:00:00Z");
    documents::insert(&mut tx, &[later]).await.unwrap();
    let practice = crate::reports_made::practice(1).id;
    let of = |headlines: Vec<documents::Headline>| -> Vec<_> {
        headlines.into_iter().map(|h| (h.patient, h.report.map(|(_, version, _)| version))).collect()
    };
    let then = documents::headlines(&mut tx, practice, WEEK, at(DUE)).await.unwrap();
    assert_eq!(of(then), [(one, Some(1)), (two, Some(1))]);
    let now = documents::headlines(&mut tx, practice, WEEK, at("2026-11-25T00:00:00Z")).await.unwrap();
    assert_eq!(of(now), [(one, Some(2)), (two, Some(1))]);
    // On the list and not made: the summary has to say so.
    jobs::request(&mut tx, two, "2026-W46", at("2026-11-08T23:00:00Z"), at(FROM), at(DUE), (None, "x"), "x")
        .await
        .unwrap();
    let missing = documents::headlines(&mut tx, practice, "2026-W46", at(DUE)).await.unwrap();
    assert_eq!(of(missing), [(two, None)]);
}

#[tokio::test]
async fn reports_are_wanted_in_the_languages_of_the_practices_else_in_the_patients_own() {
    let (database, people) = world().await;
    database.query(
        "UPDATE practice SET locale = 'en' WHERE name = 'Practice 2'; UPDATE patient SET language = 'en'",
    );
    let reports = pool(&database, Role::Reports).await;
    let mut tx = reports.begin().await.unwrap();
    let wanted = documents::wanted_languages(&mut tx, &people.patients).await.unwrap();
    let languages = |patient| wanted[&patient].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(languages(people.patients[0]), ["en", "fr"]);
    assert_eq!(languages(people.patients[1]), ["fr"]);
    database.query("UPDATE practice_patient SET until = now()");
    let wanted = documents::wanted_languages(&mut tx, &people.patients).await.unwrap();
    assert_eq!(wanted[&people.patients[1]].iter().collect::<Vec<_>>(), ["en"]);
}
