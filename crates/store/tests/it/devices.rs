//! Secrets and who holds what.

use vigie_store::devices::{assign, secret_matches};
use vigie_store::{Database, Role, intake};
use vigie_testkit::{SECRET, TestDatabase, people};

#[tokio::test]
async fn a_secret_opens_its_own_device_until_it_is_revoked() {
    let database = TestDatabase::new().await;
    people(database.url(), "2026-01-01T00:00:00Z".parse().unwrap()).await;
    let pool = Database::connect(database.url(), Role::Gateway, 1).await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    assert!(secret_matches(&mut tx, "dev-1", SECRET.as_bytes()).await.unwrap());
    assert!(!secret_matches(&mut tx, "dev-1", b"wrong").await.unwrap());
    assert!(!secret_matches(&mut tx, "dev-1", b"").await.unwrap());
    assert!(!secret_matches(&mut tx, "nobody", SECRET.as_bytes()).await.unwrap());
    drop(tx);
    database.query("UPDATE device SET revoked_at = now() WHERE id = 'dev-1'");
    let mut tx = pool.begin().await.unwrap();
    assert!(!secret_matches(&mut tx, "dev-1", SECRET.as_bytes()).await.unwrap());
}

#[tokio::test]
async fn a_device_handed_on_is_held_by_one_person_at_a_time() {
    let database = TestDatabase::new().await;
    let people = people(database.url(), "2026-01-01T00:00:00Z".parse().unwrap()).await;
    let pool = Database::connect(database.url(), Role::Admin, 1).await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    let handed_on = "2026-06-01T10:00:00Z".parse().unwrap();
    assign(&mut tx, &people.devices[0], people.patients[1], handed_on).await.unwrap();
    let mut all = intake::holdings(&mut tx, &["nobody-s", "dev-1"]).await.unwrap();
    let mut holdings = all.remove(1);
    assert_eq!(all, [[]]);
    holdings.sort_by_key(|holding| holding.from);
    assert_eq!(holdings[0].patient, people.patients[0]);
    assert_eq!(holdings[0].until, Some(handed_on));
    assert_eq!((holdings[1].patient, holdings[1].until), (people.patients[1], None));
    // Handing it on from a time at which somebody later held it already would overlap: refused.
    let overlap =
        assign(&mut tx, &people.devices[0], people.patients[0], "2026-05-01T00:00:00Z".parse().unwrap())
            .await;
    assert!(overlap.is_err());
}
