//! A demo territory: two care teams, their staff, and patients with devices. All of them invented.

use anyhow::{Context, Result, anyhow};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan};
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use vigie_device_sim::{DeviceKind, Profile};
use vigie_service::{Clock, ids};
use vigie_store::devices::{NewDevice, enrol, hash_secret};
use vigie_store::setup::{NewPatient, NewStaff, add_patient, add_staff, care_team, start_plan, territory};
use vigie_store::{Database, Role, Tx};
use vigie_vitals::plans::CarePlan;
use vigie_vitals::{CareTeamId, PatientId, TerritoryId, UserId};

use super::manifest::{Device, Manifest, Patient, User};
use crate::commands::device::new_device_id;

const TEAMS: [&str; 2] = ["Strasbourg Nord", "Meuse rurale"];

/// role, log-in, name shown, language, teams (by place)
const STAFF: [(&str, &str, &str, &str, &[usize]); 7] = [
    ("nurse", "infirmiere", "Claire Muller, IDE", "fr", &[0]),
    ("physician", "medecin", "Dr Antoine Weber", "fr", &[0]),
    ("coordinator", "coordinatrice", "Inès Garnier", "fr", &[0, 1]),
    ("administrator", "administrateur", "Administration", "fr", &[]),
    ("technician", "technicien", "Support technique", "fr", &[]),
    ("nurse", "nurse.meuse", "Emma Carter, RN", "en", &[1]),
    ("physician", "medecin.meuse", "Dr Paul Noël", "fr", &[1]),
];

const FAMILY_NAMES: [&str; 24] = [
    "Schmitt",
    "Meyer",
    "Klein",
    "Fischer",
    "Lambert",
    "Roussel",
    "Kieffer",
    "Hoffmann",
    "Perrin",
    "Marchal",
    "Colin",
    "Gérard",
    "Antoine",
    "Wagner",
    "Thiébaut",
    "Didier",
    "Zimmermann",
    "Adam",
    "Henry",
    "Vautrin",
    "Bauer",
    "Claudel",
    "Simon",
    "Weiss",
];
const WOMEN: [&str; 12] = [
    "Madeleine",
    "Yvonne",
    "Suzanne",
    "Monique",
    "Lucienne",
    "Denise",
    "Françoise",
    "Colette",
    "Nadia",
    "Odile",
    "Aïcha",
    "Jeanne",
];
const MEN: [&str; 12] = [
    "Marcel",
    "André",
    "Roger",
    "Jean-Pierre",
    "Gilbert",
    "Bernard",
    "Lucien",
    "Karim",
    "Étienne",
    "Raymond",
    "Hervé",
    "Michel",
];

/// How long before now devices are held and rules are valid, so that the simulated history belongs to
/// somebody and is judged.
const HISTORY: SignedDuration = SignedDuration::from_hours(31 * 24);

/// Fills a database in one transaction. The manifest's addresses and tokens are still empty.
pub(crate) async fn create(url: &str, patients: u32, seed: u64, clock: &Clock) -> Result<Manifest> {
    let now = clock.now();
    let database = Database::connect(url, Role::Admin, 1).await.context("connecting")?;
    let mut tx = database.begin().await?;
    let territory = territory(&mut tx, "Grand Est (démonstration)", ids::new_v7(clock)).await?;
    let mut teams = Vec::new();
    for name in TEAMS {
        teams.push(care_team(&mut tx, territory, name, ids::new_v7(clock)).await?);
    }
    let users = create_staff(&mut tx, territory, &teams, clock).await?;
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    let mut created = Vec::new();
    for index in 0..patients {
        created.push(create_patient(&mut tx, &teams, index, patients, now, clock, &mut rng).await?);
    }
    tx.commit().await?;
    database.close().await;
    Ok(Manifest { http: String::new(), mqtt: String::new(), seed, users, patients: created })
}

async fn create_staff(
    tx: &mut Tx,
    territory: TerritoryId,
    teams: &[CareTeamId],
    clock: &Clock,
) -> Result<Vec<User>> {
    let mut users = Vec::new();
    for (role, login, display_name, locale, members) in STAFF {
        let password = ids::random_text::<12>();
        let staff = NewStaff {
            id: UserId(ids::new_v7(clock)),
            territory,
            login: login.into(),
            display_name: display_name.into(),
            role: role.into(),
            password_hash: vigie_dashboard_api::hash_password(&password)
                .map_err(|error| anyhow!("{error}"))?,
            locale: locale.into(),
        };
        let own: Vec<CareTeamId> = members.iter().filter_map(|place| teams.get(*place)).copied().collect();
        add_staff(tx, &staff, &own).await?;
        users.push(User {
            id: staff.id.to_string(),
            role: role.into(),
            login: login.into(),
            password,
            token: String::new(),
            care_teams: members
                .iter()
                .filter_map(|place| TEAMS.get(*place))
                .map(|t| (*t).to_owned())
                .collect(),
        });
    }
    Ok(users)
}

async fn create_patient(
    tx: &mut Tx,
    teams: &[CareTeamId],
    index: u32,
    patients: u32,
    now: Timestamp,
    clock: &Clock,
    rng: &mut ChaCha12Rng,
) -> Result<Patient> {
    let (profile, plan, kinds) = plan_of(index);
    // The last eighth belongs to the other team: nobody of the first one may see it.
    let place = usize::from(patients >= 8 && index >= patients - patients / 8);
    let team = *teams.get(place).context("a team")?;
    let woman = rng.random_bool(0.5);
    let given_name = (if woman { &WOMEN } else { &MEN }).choose(rng).copied().unwrap_or("Camille");
    let family_name = FAMILY_NAMES.choose(rng).copied().unwrap_or("Martin");
    let id = PatientId(ids::new_v7(clock));
    let patient = NewPatient {
        id,
        care_team: team,
        identifier: format!("D{:05}", index + 1),
        family_name: family_name.into(),
        given_name: given_name.into(),
        birth_date: birth_date(rng),
        sex: if woman { "female" } else { "male" }.into(),
        language: "fr".into(),
        time_zone: "Europe/Paris".into(),
        // Silence is counted from now; the history that the simulator sends comes on top.
        watched_since: now,
    };
    add_patient(tx, &patient).await?;
    let from = now.checked_sub(HISTORY)?;
    start_plan(tx, id, plan, from, from).await?;
    let mut devices = Vec::new();
    for kind in kinds {
        let secret = ids::random_text::<32>();
        let device = NewDevice {
            id: new_device_id(*kind),
            kind: kind.name().into(),
            secret_hash: hash_secret(secret.as_bytes()),
            patient: id,
            held_from: from,
            enrolled_at: now,
        };
        enrol(tx, &device).await?;
        devices.push(Device { id: device.id.0, kind: device.kind, secret });
    }
    Ok(Patient {
        id: id.to_string(),
        name: format!("{family_name} {given_name}"),
        care_plan: plan.code().into(),
        care_team: TEAMS.get(place).copied().unwrap_or_default().into(),
        profile: profile.name().into(),
        devices,
    })
}

fn plan_of(index: u32) -> (Profile, CarePlan, &'static [DeviceKind]) {
    match index % 6 {
        0 | 3 => (Profile::Diabetes, CarePlan::Diabetes, &[DeviceKind::Glucometer]),
        1 | 4 => (
            Profile::HeartFailure,
            CarePlan::HeartFailure,
            &[DeviceKind::Scale, DeviceKind::BloodPressureMonitor],
        ),
        2 => (Profile::OralAnticoagulation, CarePlan::OralAnticoagulation, &[DeviceKind::InrMeter]),
        _ => (Profile::DiabetesCgm, CarePlan::DiabetesCgm, &[DeviceKind::Cgm]),
    }
}

fn birth_date(rng: &mut impl Rng) -> Date {
    let youngest = jiff::civil::date(1936, 1, 1);
    youngest.checked_add(rng.random_range(0..13_000).days()).unwrap_or(youngest)
}

/// Gives every account a fresh bearer token for twelve hours.
pub(crate) async fn refresh_tokens(url: &str, manifest: &mut Manifest, clock: &Clock) -> Result<()> {
    let now = clock.now();
    let expires_at = now.checked_add(SignedDuration::from_hours(12))?;
    let database = Database::connect(url, Role::Admin, 1).await.context("connecting")?;
    let mut tx = database.begin().await?;
    for user in &mut manifest.users {
        let id: UserId = user.id.parse().context("a user's id in demo.json")?;
        user.token = vigie_dashboard_api::issue_token(&mut tx, id, expires_at, now).await?;
    }
    tx.commit().await?;
    database.close().await;
    Ok(())
}
