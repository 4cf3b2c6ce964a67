//! What opens the listener to a device, and what closes it again.

use jiff::{SignedDuration, Timestamp};
use vigie_store::certificates::{self, Fingerprint, NewCertificate, NewClaim, Origin, Withdrawn};
use vigie_store::devices::secret_matches;
use vigie_store::{Database, Role};
use vigie_testkit::{People, SECRET, TestDatabase, people};
use vigie_vitals::DeviceId;

const FIRST: Fingerprint = [1; 32];
const SECOND: Fingerprint = [2; 32];

fn now() -> Timestamp {
    "2026-06-01T10:00:00Z".parse().unwrap()
}

fn days(n: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * n)
}

struct World {
    database: TestDatabase,
    people: People,
    admin: Database,
}

impl World {
    async fn new() -> Self {
        let database = TestDatabase::new().await;
        let people = people(database.url(), "2026-01-01T00:00:00Z".parse().unwrap()).await;
        let admin = Database::connect(database.url(), Role::Admin, 2).await.unwrap();
        Self { database, people, admin }
    }

    fn device(&self) -> &DeviceId {
        &self.people.devices[0]
    }

    async fn note(&self, fingerprint: Fingerprint, serial: &str) {
        let mut tx = self.admin.begin().await.unwrap();
        let new = NewCertificate {
            fingerprint,
            serial,
            device: self.device(),
            origin: Origin::Enrolment,
            issued_at: now(),
            expires_at: now() + days(90),
        };
        certificates::note(&mut tx, &new).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn admits(&self, device: &str, fingerprint: &Fingerprint) -> bool {
        let gateway = Database::connect(self.database.url(), Role::Gateway, 1).await.unwrap();
        let mut tx = gateway.begin().await.unwrap();
        certificates::admits(&mut tx, device, fingerprint).await.unwrap()
    }
}

#[tokio::test]
async fn a_certificate_opens_its_own_device_until_it_or_the_device_is_revoked() {
    let world = World::new().await;
    world.note(FIRST, "0a").await;
    world.note(SECOND, "0b").await;
    assert!(world.admits("dev-1", &FIRST).await);
    assert!(world.admits("dev-1", &SECOND).await);
    assert!(!world.admits("dev-2", &FIRST).await, "issued to another device");
    assert!(!world.admits("nobody", &FIRST).await);
    assert!(world.admits("dev-1", &[9; 32]).await, "of another authority, which has its own list");

    let mut tx = world.admin.begin().await.unwrap();
    let device = world.device();
    assert!(certificates::revoke_certificate(&mut tx, device, "0a", now()).await.unwrap());
    assert!(!certificates::revoke_certificate(&mut tx, device, "0c", now()).await.unwrap());
    tx.commit().await.unwrap();
    assert!(!world.admits("dev-1", &FIRST).await);
    assert!(world.admits("dev-1", &SECOND).await);

    let mut tx = world.admin.begin().await.unwrap();
    assert!(certificates::revoke_device(&mut tx, device, now() + days(1)).await.unwrap());
    assert!(!certificates::revoke_device(&mut tx, &DeviceId("nobody".into()), now()).await.unwrap());
    tx.commit().await.unwrap();
    assert!(!world.admits("dev-1", &SECOND).await);
    assert!(!world.admits("dev-1", &[9; 32]).await);
    let mut tx = world.admin.begin().await.unwrap();
    let holder =
        async |tx: &mut vigie_store::Tx, at| certificates::holder(tx, world.device(), at).await.unwrap();
    assert_eq!(holder(&mut tx, now() + days(1)).await, None, "nobody holds it any more");
    assert_eq!(holder(&mut tx, now()).await, Some(world.people.patients[0]));
    drop(tx);
    let mut tx = world.admin.begin().await.unwrap();
    assert!(!secret_matches(&mut tx, "dev-1", SECRET.as_bytes()).await.unwrap(), "its secret neither");
    let listed = certificates::revoked(&mut tx, now() + days(2)).await.unwrap();
    let listed: Vec<_> = listed.into_iter().map(|line| (line.serial, line.at)).collect();
    assert_eq!(listed, [("0a".to_owned(), now()), ("0b".to_owned(), now() + days(1))]);
    assert_eq!(certificates::revoked(&mut tx, now() + days(91)).await.unwrap(), [], "expired by themselves");
}

#[tokio::test]
async fn the_gateway_learns_what_was_revoked_since() {
    let world = World::new().await;
    world.note(FIRST, "0a").await;
    let gateway = Database::connect(world.database.url(), Role::Gateway, 1).await.unwrap();
    let since = async |at: Timestamp| {
        let mut tx = gateway.begin().await.unwrap();
        certificates::withdrawn_since(&mut tx, at).await.unwrap()
    };
    assert_eq!(since(now()).await, []);
    let mut tx = world.admin.begin().await.unwrap();
    certificates::revoke_certificate(&mut tx, world.device(), "0a", now()).await.unwrap();
    certificates::revoke_device(&mut tx, &world.people.devices[1], now()).await.unwrap();
    tx.commit().await.unwrap();
    let device = world.people.devices[1].clone();
    let expected = [Withdrawn::Device(device), Withdrawn::Certificate(world.device().clone(), FIRST)];
    assert_eq!(since(now()).await, expected);
    assert_eq!(since(now() + days(1)).await, []);
}

#[tokio::test]
async fn a_claim_is_used_once_and_what_was_revoked_stays_revoked() {
    let world = World::new().await;
    let hash = [7; 32];
    let mut tx = world.admin.begin().await.unwrap();
    let new = NewClaim {
        hash,
        device: world.device(),
        serial_number: Some("SN-1"),
        created_at: now(),
        expires_at: now() + days(7),
    };
    certificates::add_claim(&mut tx, &new).await.unwrap();
    tx.commit().await.unwrap();
    let dashboard = Database::connect(world.database.url(), Role::Dashboard, 1).await.unwrap();
    let mut tx = dashboard.begin().await.unwrap();
    assert_eq!(certificates::claim(&mut tx, &[8; 32]).await.unwrap(), None);
    let claim = certificates::claim(&mut tx, &hash).await.unwrap().unwrap();
    assert_eq!((claim.device, claim.serial_number.as_deref()), (world.device().clone(), Some("SN-1")));
    assert_eq!((claim.used_at, claim.device_revoked), (None, false));
    certificates::use_claim(&mut tx, &hash, now() + days(1)).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = dashboard.begin().await.unwrap();
    let claim = certificates::claim(&mut tx, &hash).await.unwrap().unwrap();
    assert_eq!(claim.used_at, Some(now() + days(1)));
    assert!(certificates::use_claim(&mut tx, &hash, now() + days(2)).await.is_err());
    drop(tx);

    world.note(FIRST, "0a").await;
    let mut tx = world.admin.begin().await.unwrap();
    certificates::revoke_certificate(&mut tx, world.device(), "0a", now()).await.unwrap();
    tx.commit().await.unwrap();
    let unrevoked = world.database.value(
        "DO $$ BEGIN
             UPDATE device_certificate SET revoked_at = NULL;
         EXCEPTION WHEN restrict_violation THEN
             PERFORM set_config('test.refused', 'yes', false);
         END $$;
         SELECT current_setting('test.refused', true)",
    );
    assert_eq!(unrevoked, "yes");
}

#[tokio::test]
async fn only_certificates_that_are_good_now_are_counted() {
    let world = World::new().await;
    world.note(FIRST, "0a").await;
    world.note(SECOND, "0b").await;
    let mut tx = world.admin.begin().await.unwrap();
    assert_eq!(certificates::good_ones(&mut tx, world.device(), now()).await.unwrap(), 2);
    assert_eq!(certificates::good_ones(&mut tx, world.device(), now() + days(90)).await.unwrap(), 0);
    certificates::revoke_certificate(&mut tx, world.device(), "0b", now()).await.unwrap();
    assert_eq!(certificates::good_ones(&mut tx, world.device(), now()).await.unwrap(), 1);
    let known = certificates::find(&mut tx, &SECOND).await.unwrap().unwrap();
    assert_eq!((known.serial.as_str(), known.revoked), ("0b", true));
    assert_eq!(certificates::find(&mut tx, &[3; 32]).await.unwrap(), None);
    let holder = certificates::holder(&mut tx, world.device(), now()).await.unwrap();
    assert_eq!(holder, Some(world.people.patients[0]));
}
