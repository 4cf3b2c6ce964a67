//! Reports, practices and readings for the tests of reports.

use jiff::Timestamp;
use uuid::Uuid;
use vigie_store::reports::documents::{
    Format, NewDocument, NewPracticeReport, NewReport, insert, insert_practice,
};
use vigie_store::reports::practices::{self, Channel, Practice};
use vigie_store::reports::{PracticeId, PracticeReportId, ReportId};
use vigie_store::{Database, Role, Tx};
use vigie_testkit::TestDatabase;
use vigie_vitals::{PatientId, TerritoryId};

/// Start, end and due time of the week in which the tests take place, in Paris.
pub(crate) const WEEK: &str = "2026-W47";
pub(crate) const FROM: &str = "2026-11-15T23:00:00Z";
pub(crate) const TO: &str = "2026-11-22T23:00:00Z";
pub(crate) const DUE: &str = "2026-11-23T05:00:00Z";

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) async fn pool(database: &TestDatabase, role: Role) -> Database {
    Database::connect(database.url(), role, 4).await.unwrap()
}

/// A practice with an address and another for when that refuses.
pub(crate) fn practice(n: u128) -> Practice {
    Practice {
        id: PracticeId(Uuid::from_u128(900 + n)),
        territory: TerritoryId(Uuid::from_u128(1)),
        name: format!("Practice {n}"),
        address: format!("practice{n}@example.org"),
        channel: Channel::Email,
        locale: "fr".into(),
        fallback_address: Some(format!("other{n}@example.org")),
    }
}

/// Adds a practice that has followed these patients since the beginning of 2026.
pub(crate) async fn add_practice(database: &TestDatabase, n: u128, patients: &[PatientId]) -> PracticeId {
    let admin = pool(database, Role::Admin).await;
    let mut tx = admin.begin().await.unwrap();
    let practice = practice(n);
    practices::add(&mut tx, &practice, at("2026-01-01T00:00:00Z")).await.unwrap();
    for patient in patients {
        assert!(practices::follow(&mut tx, practice.id, *patient, at("2026-01-01T00:00:00Z")).await.unwrap());
    }
    tx.commit().await.unwrap();
    practice.id
}

pub(crate) fn document(language: &str, format: Format) -> NewDocument {
    let bytes = format!("{language} {}", format.as_str()).into_bytes();
    NewDocument { language: language.into(), format, sha256: [7; 32], bytes }
}

/// A report on a patient of the week of the tests.
pub(crate) fn report(id: u128, patient: PatientId, version: i32, known_at: &str) -> NewReport {
    NewReport {
        id: ReportId(Uuid::from_u128(id)),
        patient,
        week: WEEK.into(),
        version,
        from: at(FROM),
        to: at(TO),
        known_at: at(known_at),
        software: "0.1.0".into(),
        rules_version: "1".into(),
        content: r#"{"b": 1, "a":2}"#.into(),
        content_sha256: [9; 32],
        headline: serde_json::json!({ "version": version }),
        correction_of: (version > 1).then(|| version - 1),
        created_at: at(known_at),
        documents: vec![document("fr", Format::Pdf), document("fr", Format::Html)],
    }
}

pub(crate) fn practice_report(id: u128, practice: PracticeId, patients: &[PatientId]) -> NewPracticeReport {
    NewPracticeReport {
        id: PracticeReportId(Uuid::from_u128(id)),
        practice,
        week: WEEK.into(),
        known_at: at(DUE),
        software: "0.1.0".into(),
        content: "{}".into(),
        content_sha256: [9; 32],
        patients: patients.to_vec(),
        created_at: at(DUE),
        documents: vec![document("fr", Format::Pdf)],
    }
}

/// Stores one report on each of these patients, with ids from 100 on, and the summary of a practice, with id 200.
pub(crate) async fn store(tx: &mut Tx, patients: &[PatientId], practice: PracticeId) {
    let reports: Vec<_> = (100..).zip(patients).map(|(id, patient)| report(id, *patient, 1, DUE)).collect();
    insert(tx, &reports).await.unwrap();
    insert_practice(tx, &practice_report(200, practice, patients)).await.unwrap();
}

/// Puts a glucose of 1.10 g/L on record.
pub(crate) fn glucose(
    database: &TestDatabase,
    patient: PatientId,
    sequence: i64,
    measured: &str,
    received: &str,
) {
    database.query(&format!(
        "INSERT INTO reading VALUES ('{patient}', 'glucose', '{measured}', '{received}', 'dev-1', 1, {sequence},
                                     '{measured}', 1.10, NULL, 'g/L', true)"
    ));
}
