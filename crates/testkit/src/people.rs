//! A territory with two care teams, their nurses and physicians, and a patient of each.

use jiff::Timestamp;
use uuid::Uuid;
use vigie_store::devices::{NewDevice, enrol, hash_secret};
use vigie_store::setup::{NewPatient, NewStaff, add_patient, add_staff, care_team, start_plan, territory};
use vigie_store::{Database, Role};
use vigie_vitals::plans::CarePlan;
use vigie_vitals::{CareTeamId, DeviceId, PatientId, UserId};

/// Who is there after [`people`].
#[derive(Debug, Clone)]
pub struct People {
    /// Team of the first patient, and of the second.
    pub teams: [CareTeamId; 2],
    /// A nurse of each team.
    pub nurses: [UserId; 2],
    /// A physician of each team.
    pub physicians: [UserId; 2],
    /// A patient of each team, on every shipped plan, watched since `since`.
    pub patients: [PatientId; 2],
    /// A device of each patient: `dev-1`, `dev-2`.
    pub devices: [DeviceId; 2],
}

/// The secret of `dev-1` and `dev-2`.
pub const SECRET: &str = "correct horse battery staple";

/// Fills a database with [`People`]; `since` is when they began to be watched.
pub async fn people(url: &str, since: Timestamp) -> People {
    let database = Database::connect(url, Role::Admin, 2).await.unwrap();
    let mut tx = database.begin().await.unwrap();
    let territory = territory(&mut tx, "Test", Uuid::from_u128(1)).await.unwrap();
    let mut people = People {
        teams: [CareTeamId(Uuid::nil()); 2],
        nurses: [UserId(Uuid::nil()); 2],
        physicians: [UserId(Uuid::nil()); 2],
        patients: [PatientId(Uuid::nil()); 2],
        devices: [DeviceId("dev-1".into()), DeviceId("dev-2".into())],
    };
    for i in 0..2u8 {
        let n = usize::from(i);
        let id = |kind: u128| Uuid::from_u128(kind * 16 + u128::from(i) + 1);
        people.teams[n] = care_team(&mut tx, territory, &format!("Team {}", i + 1), id(1)).await.unwrap();
        people.nurses[n] = UserId(id(2));
        people.physicians[n] = UserId(id(3));
        for (staff, role) in [(people.nurses[n], "nurse"), (people.physicians[n], "physician")] {
            let staff = NewStaff {
                id: staff,
                territory,
                login: format!("{role}{}", i + 1),
                display_name: format!("The {role} {}", i + 1),
                role: role.into(),
                password_hash: "!".into(),
                locale: "fr".into(),
            };
            add_staff(&mut tx, &staff, &[people.teams[n]]).await.unwrap();
        }
        people.patients[n] = PatientId(id(4));
        let patient = NewPatient {
            id: people.patients[n],
            care_team: people.teams[n],
            identifier: format!("P-{}", i + 1),
            family_name: "Test".into(),
            given_name: format!("Patient {}", i + 1),
            birth_date: jiff::civil::date(1950, 1, 1),
            sex: "unknown".into(),
            language: "fr".into(),
            time_zone: "Europe/Paris".into(),
            watched_since: since,
        };
        add_patient(&mut tx, &patient).await.unwrap();
        for plan in CarePlan::ALL {
            start_plan(&mut tx, people.patients[n], plan, since, since).await.unwrap();
        }
        let device = NewDevice {
            id: people.devices[n].clone(),
            kind: "test".into(),
            secret_hash: hash_secret(SECRET.as_bytes()),
            patient: people.patients[n],
            held_from: since,
            enrolled_at: since,
        };
        assert!(enrol(&mut tx, &device).await.unwrap());
    }
    tx.commit().await.unwrap();
    people
}
