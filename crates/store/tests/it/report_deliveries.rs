//! A report goes to each practice that follows the patient: once, with a visible end.

use jiff::SignedDuration;
use vigie_store::reports::deliveries::{self, Delivery, DeliveryState};
use vigie_store::reports::documents::{Format, insert};
use vigie_store::reports::{DeliveryId, PracticeReportId, ReportId, What, practices};
use vigie_store::{Database, Role};
use vigie_testkit::{People, TestDatabase, people};
use vigie_vitals::UserId;

use crate::reports_made::{DUE, add_practice, at, document, pool, report, store};

const LEASE: SignedDuration = SignedDuration::from_mins(5);
const DOMAIN: &str = "vigie.invalid";

fn on_patient() -> What {
    What::Report(ReportId(uuid::Uuid::from_u128(100)))
}

/// Two patients; practice 1 follows both, practice 2 the first. Reports on both and the summary of practice 1 are stored.
async fn world() -> (TestDatabase, People, Database) {
    let database = TestDatabase::new().await;
    let people = people(database.url(), at("2026-01-01T00:00:00Z")).await;
    let practice = add_practice(&database, 1, &people.patients).await;
    add_practice(&database, 2, &people.patients[..1]).await;
    let reports = pool(&database, Role::Reports).await;
    let mut tx = reports.begin().await.unwrap();
    store(&mut tx, &people.patients, practice).await;
    tx.commit().await.unwrap();
    (database, people, reports)
}

/// Puts the report on the first patient on its way to practice 1 alone.
async fn one_on_its_way() -> (TestDatabase, People, Database, Delivery) {
    let (database, people, reports) = world().await;
    database.query("UPDATE practice_patient SET until = '2026-02-01' WHERE practice_id::text LIKE '%386'");
    let mut tx = reports.begin().await.unwrap();
    assert_eq!(deliveries::create_for(&mut tx, &[on_patient()], at(DUE), DOMAIN).await.unwrap(), 1);
    tx.commit().await.unwrap();
    let delivery = claim(&reports, DUE).await.pop().unwrap();
    (database, people, reports, delivery)
}

async fn claim(reports: &Database, now: &str) -> Vec<Delivery> {
    let mut tx = reports.begin().await.unwrap();
    let claimed = deliveries::claim(&mut tx, at(now), LEASE, 10).await.unwrap();
    tx.commit().await.unwrap();
    claimed
}

async fn states(reports: &Database, people: &People) -> Vec<(String, DeliveryState)> {
    let mut tx = reports.begin().await.unwrap();
    let lines = deliveries::of_patient(&mut tx, people.patients[0], 10).await.unwrap();
    lines.into_iter().map(|line| (line.address, line.state)).collect()
}

#[tokio::test]
async fn each_report_goes_to_each_practice_that_follows_the_patient_once() {
    let (database, _people, reports) = world().await;
    let all = [
        on_patient(),
        What::Report(ReportId(uuid::Uuid::from_u128(101))),
        What::Practice(PracticeReportId(uuid::Uuid::from_u128(200))),
    ];
    for new in [4, 0] {
        let mut tx = reports.begin().await.unwrap();
        assert_eq!(deliveries::create_for(&mut tx, &all, at(DUE), DOMAIN).await.unwrap(), new);
        tx.commit().await.unwrap();
    }
    assert_eq!(
        database.query(
            "SELECT address, count(report_id), count(practice_report_id), count(DISTINCT message_id)
             FROM report_delivery GROUP BY 1 ORDER BY 1"
        ),
        ["practice1@example.org|2|1|3", "practice2@example.org|1|0|1"]
    );
    let claimed = claim(&reports, DUE).await;
    assert_eq!(claimed.len(), 4);
    for delivery in &claimed {
        assert_eq!(delivery.message_id, format!("<{}@{DOMAIN}>", delivery.id));
        assert_eq!((delivery.attempt, delivery.week.as_str(), delivery.version), (1, "2026-W47", 1));
    }
    let mut tx = reports.begin().await.unwrap();
    for delivery in &claimed {
        let pdf = deliveries::pdf(&mut tx, delivery.id).await.unwrap().unwrap();
        assert_eq!((pdf.bytes.as_slice(), pdf.sha256), (b"fr pdf".as_slice(), [7; 32]));
    }
}

#[tokio::test]
async fn a_practice_gets_its_language_where_the_document_is_there_and_another_where_not() {
    let (database, people, reports) = world().await;
    database.query("UPDATE practice SET locale = 'en'");
    let mut with_english = report(300, people.patients[0], 2, DUE);
    with_english.documents.push(document("en", Format::Pdf));
    let mut tx = reports.begin().await.unwrap();
    insert(&mut tx, &[with_english]).await.unwrap();
    let both = [on_patient(), What::Report(ReportId(uuid::Uuid::from_u128(300)))];
    deliveries::create_for(&mut tx, &both, at(DUE), DOMAIN).await.unwrap();
    tx.commit().await.unwrap();
    let mut languages: Vec<_> =
        claim(&reports, DUE).await.into_iter().map(|d| (d.version, d.language)).collect();
    languages.sort();
    languages.dedup();
    assert_eq!(languages, [(1, "fr".to_owned()), (2, "en".to_owned())]);
}

#[tokio::test]
async fn a_sender_that_died_is_followed_by_another_with_the_same_message_id() {
    let (_database, people, reports, first) = one_on_its_way().await;
    assert_eq!(claim(&reports, "2026-11-23T05:04:59Z").await, []);
    let second = claim(&reports, "2026-11-23T05:05:00Z").await.pop().unwrap();
    assert_eq!((&second.message_id, second.id, second.attempt), (&first.message_id, first.id, 2));
    // The first was only slow: what it says of its own attempt does not undo the second.
    let now = at("2026-11-23T05:06:00Z");
    let mut tx = reports.begin().await.unwrap();
    assert!(!deliveries::deferred(&mut tx, first.id, first.attempt, now, now, "451").await.unwrap());
    assert!(!deliveries::refused(&mut tx, first.id, first.attempt, now, "550").await.unwrap());
    // That the server took the mail is a fact, whoever says it.
    assert!(deliveries::accepted(&mut tx, first.id, now, "250 ok").await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(
        states(&reports, &people).await,
        [("practice1@example.org".to_owned(), DeliveryState::Accepted)]
    );
}

#[tokio::test]
async fn a_state_only_moves_forward_and_accepted_is_final() {
    let (_database, people, reports, delivery) = one_on_its_way().await;
    let (id, attempt) = (delivery.id, delivery.attempt);
    let now = at("2026-11-23T05:01:00Z");
    let mut tx = reports.begin().await.unwrap();
    let later = at("2026-11-23T06:00:00Z");
    assert!(deliveries::deferred(&mut tx, id, attempt, now, later, "451 later").await.unwrap());
    assert!(!deliveries::deferred(&mut tx, id, attempt, now, later, "451 later").await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(claim(&reports, "2026-11-23T05:59:59Z").await, []);
    let again = claim(&reports, "2026-11-23T06:00:00Z").await.pop().unwrap();
    assert_eq!((&again.message_id, again.attempt), (&delivery.message_id, 2));
    let mut tx = reports.begin().await.unwrap();
    assert!(deliveries::accepted(&mut tx, id, later, "250 ok").await.unwrap());
    assert!(!deliveries::accepted(&mut tx, id, later, "250 ok").await.unwrap());
    assert!(!deliveries::deferred(&mut tx, id, 2, later, later, "451").await.unwrap());
    assert!(!deliveries::refused(&mut tx, id, 2, later, "550").await.unwrap());
    assert!(!deliveries::failed(&mut tx, id, 2, later, "gave up").await.unwrap());
    let kinds: Vec<_> =
        deliveries::history(&mut tx, id).await.unwrap().into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds, ["created", "attempt", "deferred", "attempt", "accepted"]);
    tx.commit().await.unwrap();
    assert_eq!(claim(&reports, "2027-01-01T00:00:00Z").await, []);
    assert_eq!(
        states(&reports, &people).await,
        [("practice1@example.org".to_owned(), DeliveryState::Accepted)]
    );
}

#[tokio::test]
async fn what_an_address_refuses_goes_to_the_other_one_once() {
    let (_database, people, reports, delivery) = one_on_its_way().await;
    let now = at("2026-11-23T05:01:00Z");
    for changed in [true, false] {
        let mut tx = reports.begin().await.unwrap();
        let refused = deliveries::refused(&mut tx, delivery.id, delivery.attempt, now, "550 no such user");
        assert_eq!(refused.await.unwrap(), changed);
        tx.commit().await.unwrap();
    }
    let other = claim(&reports, "2026-11-23T05:01:00Z").await;
    let [other] = other.as_slice() else { panic!("{other:?}") };
    assert_eq!((other.address.as_str(), other.what), ("other1@example.org", delivery.what));
    assert_ne!(other.message_id, delivery.message_id);
    // The other address refuses as well: it is not tried for ever, and it is seen.
    let mut tx = reports.begin().await.unwrap();
    assert!(
        deliveries::failed(&mut tx, other.id, other.attempt, now, "no answer for two days").await.unwrap()
    );
    tx.commit().await.unwrap();
    assert_eq!(claim(&reports, "2027-01-01T00:00:00Z").await, []);
    let mut found = states(&reports, &people).await;
    found.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        found,
        [
            ("other1@example.org".to_owned(), DeliveryState::Failed),
            ("practice1@example.org".to_owned(), DeliveryState::Refused)
        ]
    );
    let mut tx = reports.begin().await.unwrap();
    let lost = deliveries::undelivered(&mut tx, 10).await.unwrap();
    assert_eq!(
        lost.iter().map(|line| (line.id, line.fallback_of)).collect::<Vec<_>>(),
        [(other.id, Some(delivery.id))]
    );
    let counts = deliveries::counts(&mut tx, at(DUE)).await.unwrap();
    assert_eq!((counts.refused, counts.failed, counts.waiting, counts.accepted), (1, 1, 0, 0));
    assert_eq!(lost[0].last_reply.as_deref(), Some("no answer for two days"));
}

#[tokio::test]
async fn what_somebody_sends_again_is_a_new_delivery_and_on_its_way_once() {
    let (database, people, reports, delivery) = one_on_its_way().await;
    database.query("UPDATE practice SET fallback_address = NULL");
    let now = at("2026-11-23T05:01:00Z");
    let nurse = people.nurses[0];
    let again = async |address: Option<&str>| -> Option<DeliveryId> {
        let dashboard = pool(&database, Role::Dashboard).await;
        let mut tx = dashboard.begin_as(nurse).await.unwrap();
        let who: (Option<UserId>, &str) = (Some(nurse), "The nurse 1");
        let id = deliveries::send_again(&mut tx, delivery.id, now, who, address).await.unwrap();
        tx.commit().await.unwrap();
        id
    };
    assert_eq!(again(None).await, None, "it is being sent");
    let mut tx = reports.begin().await.unwrap();
    assert!(deliveries::refused(&mut tx, delivery.id, delivery.attempt, now, "550").await.unwrap());
    tx.commit().await.unwrap();
    let second = again(None).await.unwrap();
    assert_eq!(again(None).await, None, "it is waiting");
    let third = again(Some("new@example.org")).await.unwrap();
    let claimed = claim(&reports, "2026-11-23T05:01:00Z").await;
    let mut sent: Vec<_> = claimed.iter().map(|d| (d.id, d.address.as_str())).collect();
    sent.sort();
    let mut expected = [(second, "practice1@example.org"), (third, "new@example.org")];
    expected.sort();
    assert_eq!(sent, expected);
    let mut tx = reports.begin().await.unwrap();
    assert_eq!(deliveries::undelivered(&mut tx, 10).await.unwrap()[0].id, third, "not there yet");
    assert!(deliveries::accepted(&mut tx, third, now, "250 ok").await.unwrap());
    assert_eq!(deliveries::undelivered(&mut tx, 10).await.unwrap(), [], "one address has it");
    let history = deliveries::history(&mut tx, second).await.unwrap();
    assert_eq!(
        history.iter().map(|event| (event.kind.as_str(), event.actor.as_str())).collect::<Vec<_>>(),
        [("sent_again", "The nurse 1"), ("attempt", "vigie")]
    );
}

#[tokio::test]
async fn two_senders_claim_different_deliveries() {
    let (_database, _people, reports) = world().await;
    let mut tx = reports.begin().await.unwrap();
    deliveries::create_for(&mut tx, &[on_patient()], at(DUE), DOMAIN).await.unwrap();
    tx.commit().await.unwrap();
    let mut first = reports.begin().await.unwrap();
    let mut second = reports.begin().await.unwrap();
    let one = deliveries::claim(&mut first, at(DUE), LEASE, 1).await.unwrap();
    let other = deliveries::claim(&mut second, at(DUE), LEASE, 5).await.unwrap();
    assert_eq!((one.len(), other.len()), (1, 1));
    assert_ne!(one[0].id, other[0].id);
}

#[tokio::test]
async fn a_practice_follows_patients_of_its_territory_and_has_one_name() {
    let database = TestDatabase::new().await;
    let people = people(database.url(), at("2026-01-01T00:00:00Z")).await;
    let id = add_practice(&database, 1, &people.patients[..1]).await;
    database.query(
        "INSERT INTO territory (id, name) VALUES ('00000000-0000-0000-0000-0000000000aa', 'Elsewhere');
         UPDATE patient SET territory_id = '00000000-0000-0000-0000-0000000000aa' WHERE identifier = 'P-2'",
    );
    let admin = pool(&database, Role::Admin).await;
    let mut tx = admin.begin().await.unwrap();
    let now = at(DUE);
    assert!(!practices::follow(&mut tx, id, people.patients[1], now).await.unwrap());
    assert!(practices::follow(&mut tx, id, people.patients[0], now).await.unwrap(), "it does already");
    assert_eq!(practices::of_patient(&mut tx, people.patients[0]).await.unwrap().len(), 1);
    assert!(practices::unfollow(&mut tx, id, people.patients[0], now).await.unwrap());
    assert!(!practices::unfollow(&mut tx, id, people.patients[0], now).await.unwrap());
    assert_eq!(practices::of_patient(&mut tx, people.patients[0]).await.unwrap(), []);
    let channel = practices::Channel::MsSante;
    assert!(practices::set_address(&mut tx, id, "a@medecin.mssante.fr", channel, None).await.unwrap());
    let found = practices::find_by_name(&mut tx, "Practice 1").await.unwrap().unwrap();
    assert_eq!((found.address.as_str(), found.channel), ("a@medecin.mssante.fr", channel));
    assert_eq!(practices::list(&mut tx).await.unwrap(), [found]);
    let mut twin = crate::reports_made::practice(2);
    twin.name = "Practice 1".into();
    let refused = practices::add(&mut tx, &twin, now).await.unwrap_err();
    assert!(refused.is_constraint("practice_territory_id_name_key"), "{refused:?}");
}
