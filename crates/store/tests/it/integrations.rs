//! Integration engines: their secrets, their trail, and whose news a device's are.

use uuid::Uuid;
use vigie_store::audit::{NewEntry, record};
use vigie_store::devices::{assign, hash_secret};
use vigie_store::integrations::{
    self, Integration, NewIntegration, add, admit, is_admitted, revoke, territories,
};
use vigie_store::setup::territory;
use vigie_store::{Database, Role};
use vigie_testkit::{TestDatabase, people};
use vigie_vitals::TerritoryId;

const NOW: &str = "2026-11-24T08:00:00Z";

fn engine(id: Uuid, territory: TerritoryId) -> NewIntegration {
    NewIntegration {
        id,
        territory,
        name: "hospital bus".into(),
        secret_hash: hash_secret(b"rosebud"),
        created_at: NOW.parse().unwrap(),
    }
}

#[tokio::test]
async fn a_secret_opens_its_own_integration_until_it_is_revoked() {
    let database = TestDatabase::new().await;
    let admin = Database::connect(database.url(), Role::Admin, 1).await.unwrap();
    let gateway = Database::connect(database.url(), Role::Gateway, 1).await.unwrap();
    let id = Uuid::from_u128(7);
    let mut tx = admin.begin().await.unwrap();
    let north = territory(&mut tx, "north", Uuid::from_u128(1)).await.unwrap();
    for id_or_name in ["north", &north.0.to_string().to_uppercase()] {
        assert_eq!(integrations::territory(&mut tx, id_or_name).await.unwrap(), Some(north));
    }
    assert_eq!(integrations::territory(&mut tx, "south").await.unwrap(), None);
    assert!(add(&mut tx, &engine(id, north)).await.unwrap());
    assert!(!add(&mut tx, &engine(Uuid::from_u128(8), TerritoryId(Uuid::from_u128(99)))).await.unwrap());
    tx.commit().await.unwrap();

    let mut tx = gateway.begin().await.unwrap();
    let found = admit(&mut tx, id, b"rosebud").await.unwrap();
    assert_eq!(found, Some(Integration { territory: north, name: "hospital bus".into() }));
    assert_eq!(admit(&mut tx, id, b"wrong").await.unwrap(), None);
    assert_eq!(admit(&mut tx, Uuid::from_u128(9), b"rosebud").await.unwrap(), None);
    assert!(is_admitted(&mut tx, id).await.unwrap());
    tx.commit().await.unwrap();

    let mut tx = admin.begin().await.unwrap();
    assert!(revoke(&mut tx, id, NOW.parse().unwrap()).await.unwrap());
    assert!(!revoke(&mut tx, id, NOW.parse().unwrap()).await.unwrap(), "once");
    tx.commit().await.unwrap();

    let mut tx = gateway.begin().await.unwrap();
    assert_eq!(admit(&mut tx, id, b"rosebud").await.unwrap(), None);
    assert!(!is_admitted(&mut tx, id).await.unwrap());
}

#[tokio::test]
async fn the_gateway_writes_who_read_into_the_trail_and_nothing_else() {
    let database = TestDatabase::new().await;
    let gateway = Database::connect(database.url(), Role::Gateway, 1).await.unwrap();
    let entry = NewEntry {
        at: NOW.parse().unwrap(),
        actor: None,
        actor_name: "integration 7",
        action: "integration.log_in",
        patient: None,
        request_id: "mqtt",
        detail: "client e",
    };
    let mut tx = gateway.begin().await.unwrap();
    record(&mut tx, entry).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(
        database.value("SELECT action FROM audit WHERE actor = 'integration 7'"),
        "integration.log_in"
    );
    let mut tx = gateway.begin().await.unwrap();
    assert!(record(&mut tx, NewEntry { action: "patient.read", ..entry }).await.is_err());
}

#[tokio::test]
async fn a_device_is_told_to_the_territory_of_its_holders_and_to_none_if_they_are_of_several() {
    let database = TestDatabase::new().await;
    let people = people(database.url(), "2026-01-01T00:00:00Z".parse().unwrap()).await;
    let gateway = Database::connect(database.url(), Role::Gateway, 1).await.unwrap();
    let devices = vec!["dev-1".to_owned(), "dev-2".to_owned(), "nobodys".to_owned()];
    let before = {
        let mut tx = gateway.begin().await.unwrap();
        territories(&mut tx, &devices).await.unwrap()
    };
    let of_patient = |patient: usize| {
        database
            .value(&format!("SELECT territory_id FROM patient WHERE id = '{}'", people.patients[patient].0))
    };
    assert_eq!(before[&people.devices[0]].0.to_string(), of_patient(0));
    assert!(!before.contains_key(&vigie_vitals::DeviceId("nobodys".into())));
    // The first device goes to somebody of another territory.
    database.query(
        "INSERT INTO territory (id, name) VALUES ('00000000-0000-0000-0000-0000000000aa', 'elsewhere')",
    );
    database.query(&format!(
        "UPDATE patient SET territory_id = '00000000-0000-0000-0000-0000000000aa' WHERE id = '{}'",
        people.patients[1].0
    ));
    let admin = Database::connect(database.url(), Role::Admin, 1).await.unwrap();
    let mut tx = admin.begin().await.unwrap();
    assign(&mut tx, &people.devices[0], people.patients[1], NOW.parse().unwrap()).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = gateway.begin().await.unwrap();
    assert!(!territories(&mut tx, &devices).await.unwrap().contains_key(&people.devices[0]));
}

#[tokio::test]
async fn the_gateway_learns_a_patients_territory_and_nothing_else_of_the_patient() {
    let database = TestDatabase::new().await;
    let columns = database.query(
        "SELECT column_name FROM information_schema.column_privileges
         WHERE grantee = 'vigie_gateway' AND table_name = 'patient' ORDER BY 1",
    );
    assert_eq!(columns, ["id", "territory_id"]);
}
